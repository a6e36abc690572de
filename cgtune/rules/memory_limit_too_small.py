"""the memory limit is too small for this Go program

What it means: the live heap is more than 60 % of the memory limit (a warning), or the limit is below 64 MiB, where an idle Go service of
10 to 60 MiB leaves no room for any value of GOMEMLIMIT.

Why it hurts: no GOMEMLIMIT helps. Measured with Go 1.27.3: from 65 % live upwards the collector takes half of the CPU with any value, and
without one the OOM killer ends the process.

How to confirm:
  cat /sys/fs/cgroup/memory.max                               # v1: memory/memory.limit_in_bytes
  GODEBUG=gctrace=1 ./program                                 # "a->b->c MB": c is what is alive

What to do: raise the memory limit to twice the live heap, or keep less alive. GOMEMLIMIT buys time until then.

Sources: https://go.dev/doc/gc-guide.
"""

from __future__ import annotations

from cgtune.advise import format_mib, size_that_ends_it
from cgtune.model import Finding
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
    limit = case.memory.limit_bytes
    if case.facts is None or limit is None:
        return None
    live = case.facts.heap_marked_bytes
    if live is not None and live * 100 > limit * case.policy.crowded_percent:
        ends = size_that_ends_it(live, case.policy)
        summary = f"{format_mib(live)} MiB are alive under a memory limit of {format_mib(limit)} MiB: too small, whatever GOMEMLIMIT is"
        advice = (act(f"raise the memory limit to {format_mib(ends)} MiB or keep less alive"), *case.set_memory("buys time only"))
        evidence = (case.limit_words, case.live_words, case.gomemlimit_words)
        return Finding(rule=ID, severity="warning", summary=summary, evidence=evidence, advice=advice)
    if limit < case.policy.smallest_limit_bytes:
        least = format_mib(case.policy.smallest_limit_bytes)
        return Finding(
            rule=ID,
            severity=SEVERITY,
            summary=f"a memory limit of {format_mib(limit)} MiB is small for Go: no GOMEMLIMIT is recommended below {least} MiB",
            evidence=(case.limit_words, case.gomemlimit_words),
            advice=(act(f"raise the memory limit to {least} MiB or more"),),
        )
    return None
