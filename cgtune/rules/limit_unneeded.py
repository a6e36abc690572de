"""a limit is far above what was ever used: it costs the others, or protects nobody

What it means: of memory: in a day or more the cgroup's memory never reached 40 % of the limit (memory.peak, page cache included, so it is
at the most so much). Of CPU: in a day or more the cgroup was never stopped, and used less than a tenth of its quota on average; a short
peak may still have been higher. It is silent if the cgroup has counted less CPU than the process has used: it was moved there later.

Why it hurts: it does not. But a request that follows the limit keeps room on the node that others could use, and a leak has far to go
before anybody notices.

How to confirm:
  cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null
  grep -H . /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null    # v2: usage_usec

What to do: a smaller request first; a smaller limit if the peak of a week is known.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.peak); admin-guide/cgroup-v1/memory.rst (max_usage_in_bytes).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_cpus, format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "limit-unneeded"
SEVERITY: Severity = "info"
SUMMARY = "a limit is far above what was ever used"

_DAY_SECONDS = 86400
_PEAK_PERCENT = 40
_MEAN_PERCENT = 10
_TICKS_SECONDS = 1.0  # by which two clocks may differ


def judge(case: Case) -> Finding | None:
    """A day without coming near a limit."""
    age = case.age_seconds
    if age is None or age < _DAY_SECONDS or _came_later(case):
        return None
    lines = (*_memory_words(case), *_cpu_words(case, age))
    if not lines:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"in {age / _DAY_SECONDS:.1f} days a limit was never needed",
        evidence=lines,
        advice=(act("lower the request first; the limit, if the peak of a week is known"),),
    )


def _came_later(case: Case) -> bool:
    """Whether its cgroup has not been its own all the time, as its use of CPUs shows: what that counts is no day's."""
    used, own = case.snapshot.used, case.snapshot.cpu_chain[0] if case.snapshot.cpu_chain else None
    return used is not None and own is not None and own.usage_seconds is not None and own.usage_seconds < used.cpu_seconds - _TICKS_SECONDS


def _memory_words(case: Case) -> tuple[str, ...]:
    level, limit = case.memory.binding, case.memory.limit_bytes
    if level is None or limit is None or level.peak_bytes is None or level.peak_bytes * 100 > limit * _PEAK_PERCENT:
        return ()
    return (f"memory: at most {format_mib(level.peak_bytes)} MiB since {level.directory} was made, of {format_mib(limit)} MiB",)


def _cpu_words(case: Case, age_seconds: int) -> tuple[str, ...]:
    level, limit = case.cpu.binding, case.limit_cores
    if level is None or limit is None or level.usage_seconds is None or level.throttling is None or level.throttling.throttled_periods:
        return ()
    mean = level.usage_seconds / age_seconds  # at the most: the cgroup may be older than the process
    if mean * 100 > limit * _MEAN_PERCENT:
        return ()
    return (f"CPU: {mean:.3f} CPUs on average, never stopped, of {format_cpus(limit)} ({level.directory}/cpu.stat)",)
