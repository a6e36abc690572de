"""others use the same memory limit, and GOMEMLIMIT is for one process

What it means: several Go processes run under one memory limit, and their GOMEMLIMITs with what Go does not manage add up to more than it
(a warning); or a quarter of the limit or more is used by what Go does not manage: other processes, cgo, tmpfs, the kernel's own.

Why it hurts: each runtime believes that the whole limit is its own.

How to confirm:
  cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory/cgroup.procs 2>/dev/null   # v2, then v1
  grep -HE '^(anon|rss|file|cache|shmem|kernel|slab) ' /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat 2>/dev/null

What to do: give each process its part: the recommended values are shared out in proportion to what each has mapped. Or give each its own
container.

Sources: https://go.dev/doc/gc-guide (do not use the limit where it is shared with other programs).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "memory-shared"
SEVERITY: Severity = "info"
SUMMARY = "others use the same memory limit, and GOMEMLIMIT is for one process"


_LARGE_PERCENT = 25
_MOST_SHOWN = 10  # the summary has the sum of all


def judge(case: Case) -> Finding | None:
    """The sum of what is promised, or what is used beside Go, is too much for the limit."""
    limit = case.memory.limit_bytes
    if case.facts is None or limit is None or not isinstance(case.gomemlimit, int) or case.gomemlimit >= limit:
        return None
    promised = [(pid, value) for pid, value in _promised(case) if value < limit]
    outside = case.policy.outside_bytes if case.policy.outside_bytes is not None else case.outside_bytes
    total = sum(value for _, value in promised)
    if len(promised) > 1 and total + (outside or 0) > limit:
        shown = ", ".join(f"process {pid}: {format_mib(value)} MiB" for pid, value in promised[:_MOST_SHOWN])
        shown += f", and {len(promised) - _MOST_SHOWN} more" if len(promised) > _MOST_SHOWN else ""
        beside = f", beside {format_mib(outside)} MiB that Go does not manage," if outside else ""
        return Finding(
            rule=ID,
            severity="warning",
            summary=f"{len(promised)} Go runtimes may take {format_mib(total)} MiB{beside} under one limit of {format_mib(limit)} MiB",
            evidence=(case.limit_words, shown),
            advice=case.set_memory("its part of the limit") or (act("raise the memory limit, or give each its own container"),),
        )
    if outside is None or outside * 100 < limit * _LARGE_PERCENT or case.gomemlimit + outside > limit:
        return None  # beyond the limit it is gomemlimit-near-limit's
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{format_mib(outside)} of {format_mib(limit)} MiB are used by what Go does not manage",
        evidence=(case.limit_words, f"charged there beside Go: {format_mib(outside)} MiB", case.gomemlimit_words),
        advice=(act("watch it: GOMEMLIMIT is right only as long as this does not grow"),),
    )


def _promised(case: Case) -> list[tuple[int, int]]:
    """Process and GOMEMLIMIT of every Go runtime under the same limit, where it has one."""
    found = []
    for member in case.sharers:
        for facts in member.go:
            for setting in facts.settings:
                value = setting.observed if setting.observed is not None else setting.derived
                if setting.name == "GOMEMLIMIT" and isinstance(value, int):
                    found.append((member.process.pid, value))
    return found
