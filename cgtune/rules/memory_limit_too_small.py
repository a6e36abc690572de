"""the memory limit is too small for this Go program

What it means: the live heap is more than 60 % of what the memory limit leaves to Go beside everything else that is charged to the cgroup
(a warning; from 75 % on critical), or the limit is below 64 MiB, where an idle Go service of 10 to 60 MiB leaves no room for any value of
GOMEMLIMIT.

Why it hurts: no GOMEMLIMIT helps. Measured with Go 1.27.3: from 65 % live upwards the collector of a program that does nothing but allocate
takes half of the CPU with any value, and without one the OOM killer ends the process. Of moderate programs none was killed at 60 % (0 of
39 runs), and at 75 % three of eight patterns (cgo, bursts, stacks) had no living setting.

How to confirm:
  grep -H . /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current 2>/dev/null    # in the container, v2; v1:
  grep -H . /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null
  GODEBUG=gctrace=1 ./program                                 # "a->b->c MB": c is what is alive, or was allocated meanwhile

What to do: raise the memory limit to twice the live heap and what else is charged, or keep less alive. GOMEMLIMIT buys time until then.

Sources: https://go.dev/doc/gc-guide.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "memory-limit-too-small"
SEVERITY: Severity = "info"
SUMMARY = "the memory limit is too small for this Go program"


def judge(case: Case) -> Finding | None:
    """The live heap crowds the limit, or the limit is below what an idle program may take."""
    if case.facts is None:
        return None
    crowded = case.recommended("GOMEMLIMIT").crowded
    if crowded is not None:
        live, left, limit_mib = (format_mib(size) for size in (crowded.live_bytes, crowded.left_bytes, crowded.limit_bytes))
        summary = f"{live} MiB are alive where a limit of {limit_mib} MiB leaves {left} MiB to Go: too small, whatever GOMEMLIMIT is"
        raised = act(f"raise {crowded.file} to {format_mib(crowded.needed_bytes)} MiB or keep less alive")
        words = (f"{crowded.file}: {crowded.limit_bytes} bytes ({limit_mib} MiB)", case.live_words, case.gomemlimit_words)
        evidence = tuple(line for line in words if line)
        advice = (raised, *case.set_memory("buys time only"))
        is_critical = crowded.live_bytes * 100 >= crowded.left_bytes * case.policy.crowded_critical_percent
        if is_critical:
            evidence += (f"{case.policy.crowded_critical_percent:g} % or more: measured, three of eight patterns had no living setting",)
        severity: Severity = "critical" if is_critical else "warning"
        return Finding(rule=ID, severity=severity, summary=summary, evidence=evidence, advice=advice)
    limit = case.memory.limit_bytes
    if limit is not None and limit < case.policy.smallest_limit_bytes:
        least = format_mib(case.policy.smallest_limit_bytes)
        return Finding(
            rule=ID,
            severity=SEVERITY,
            summary=f"a memory limit of {format_mib(limit)} MiB is small for Go: no GOMEMLIMIT is recommended below {least} MiB",
            evidence=tuple(line for line in (case.limit_words, case.gomemlimit_words) if line),
            advice=(act(f"raise the memory limit to {least} MiB or more"),),
        )
    return None
