"""the memory limit is too small for what is alive and for the files in use: their pages go and come back, and nothing is killed

What it means: the cgroup is at its limit, and between two looks (--window, or the last five minutes of cgtune serve) 100 or more pages of
files a second came back that the kernel had taken away to make room, and the program stood still for 10 or more of them a second (major
faults). Measured with a file of a quarter of the limit, mapped and read at random, beside a live heap of half of it: 30,000 to 300,000
pages and 40 to 450 major faults a second; with room for the file 0 to 2 of each. To read a large file once is none of that, though its
pages may count as such that came back, if another cgroup had them before: something must have waited for memory as well
(memory.pressure, 2 % of the time; v2), or pages must have been used again (5 % of those that are there are on the active list; v1). What is
read by read(2) alone causes no major faults: if that waits for memory, memory-stalling tells it on v2, and nothing tells it on v1.
The program's own file is one of those files, unless somebody outside the cgroup read it before: pages are charged to who reads them first.
So the first start on a machine may thrash for a long time, and the next one is killed at once.

Why it hurts: a thread that waits for a page keeps its share of GOMAXPROCS, and no other goroutine runs there meanwhile. Measured: 7 to 14
times the CPU for the same work. Nothing is killed and nothing is logged.

How to confirm:
  grep -HE 'refault|pgmajfault|active_file' /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat 2>/dev/null  # twice: what grows?
  awk '{print $12}' /proc/PID/stat                            # its major faults, if its name has no blanks
  cat /sys/fs/cgroup/memory.pressure 2>/dev/null

What to do: raise the limit, or leave the files more of it: a lower GOMEMLIMIT, as recommended, counts them as far as the live heap allows.
How many pages it wants at once is not seen while they come back: look again after the change.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (workingset_refault_file, pgmajfault); mm/workingset.c.
"""

from __future__ import annotations

from cgtune.advice.files import LEAST_REFAULTS
from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import MemoryLevel, Severity
    from cgtune.rules.case import Case

ID = "memory-thrashing"
SEVERITY: Severity = "warning"
SUMMARY = "the memory limit is too small for what is alive and for the files in use"

_LEAST_FAULTS = 10.0
_FULL_PERCENT = 95
_LEAST_WAITED_PERCENT = 2.0
_LEAST_ACTIVE_PERCENT = 5


def judge(case: Case) -> Finding | None:
    """Pages come back all the time in a cgroup that is at its limit, and the process waits for them."""
    rates = case.snapshot.rates
    full = next((pair for pair in _limits(case) if (pair[0].current_bytes or 0) * 100 >= pair[1] * _FULL_PERCENT), None)
    if rates is None or full is None:
        return None
    level, limit, name = full
    rate, faults = rates.memory_of(level), rates.major_faults_per_second
    if rate is None or rate.refaults_per_second is None or rate.refaults_per_second < LEAST_REFAULTS:
        return None
    again = _used_again(case, level)
    if faults is None or faults < _LEAST_FAULTS or not again:
        return None
    refaults, parts = rate.refaults_per_second, level.parts
    files = 0 if parts is None else (parts.active_file_bytes or 0) + (parts.inactive_file_bytes or 0)
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{format_mib(limit)} MiB are too small for what is alive and the files in use: {refaults:.0f} pages a second come back",
        evidence=(
            f"{level.directory}/{name}: {limit} bytes ({format_mib(limit)} MiB), {format_mib(level.current_bytes or 0)} MiB charged",
            f"{level.directory}/memory.stat: {refaults:.0f} refaults a second in {rate.seconds or 0:.0f} s, {format_mib(files)} MiB files",
            f"/proc/{case.pid}/stat: {faults:.0f} major faults a second",
            again,
            *(line for line in (case.gomemlimit_words, case.live_words) if line),
            *case.enough_memory_words(level, is_pressed=True),
        ),
        advice=(
            *case.lower_memory("leaves the files that are there their room; look again, as it may want more of them"),
            act(f"raise {name}, until the pages stay: nothing is killed, and nothing is logged"),
        ),
        harm="now",
    )


def _limits(case: Case) -> tuple[tuple[MemoryLevel, int, str], ...]:
    """The levels that bind, each with its bytes and the name of the file."""
    memory, found = case.memory, []
    if memory.high_binding is not None and memory.high_bytes is not None:
        found.append((memory.high_binding, memory.high_bytes, "memory.high"))
    if memory.binding is not None and memory.limit_bytes is not None:
        name = "memory.max" if memory.binding.version == 2 else "memory.limit_in_bytes"
        found.append((memory.binding, memory.limit_bytes, name))
    return tuple(found)


def _used_again(case: Case, level: MemoryLevel) -> str:
    """What tells that these pages were wanted again, and not read for the first time; empty if nothing does."""
    own = next((each for each in case.snapshot.pressure_chain if each.directory == level.directory), None)
    pressure = None if case.snapshot.rates is None else case.snapshot.rates.pressure_of(own)
    if pressure is not None and pressure.memory_some_percent is not None:
        waited = pressure.memory_some_percent
        return f"{level.directory}/memory.pressure: some, {waited:.0f} % of the time" if waited >= _LEAST_WAITED_PERCENT else ""
    parts = level.parts
    if parts is None or parts.active_file_bytes is None or parts.inactive_file_bytes is None:
        return ""
    files = parts.active_file_bytes + parts.inactive_file_bytes
    if not files or parts.active_file_bytes * 100 < files * _LEAST_ACTIVE_PERCENT:
        return ""
    return f"{format_mib(parts.active_file_bytes)} MiB of {format_mib(files)} MiB of files are on the active list: used more than once"
