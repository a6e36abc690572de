"""memory of the process's cgroup is swapped out

What it means: the cgroup has memory in swap (v2: memory.swap.current; v1: total_swap in memory.stat, where the kernel accounts for swap).
Go counts what of it is its own like any other memory and knows nothing of swap.

Why it hurts: a collection reads the whole heap, swapped parts too, and so becomes slow; what looks like room below the limit is none.
Kernel limits hold for memory without swap.

How to confirm:
  cat /sys/fs/cgroup/memory.swap.current /sys/fs/cgroup/memory.swap.max; cat /sys/fs/cgroup/memory.pressure   # v2
  grep total_swap /sys/fs/cgroup/memory/memory.stat; cat /sys/fs/cgroup/memory/memory.memsw.usage_in_bytes    # v1
  grep VmSwap /proc/PID/status                                # this process's own part

What to do: give the cgroup the memory that it uses, swapped out or not, or set a GOMEMLIMIT that keeps it out of swap; then forbid swap to
a Go service: memory.swap.max 0, on v1 memory.swappiness 0.

Sources: https://go.dev/doc/gc-guide (virtual memory and swap); Linux Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/memory.rst (swappiness).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "swap-hides-pressure"
SEVERITY: Severity = "info"
SUMMARY = "memory of the process's cgroup is swapped out"


def judge(case: Case) -> Finding | None:
    """The cgroup that its memory is charged to has something in swap."""
    charged = case.snapshot.charged_level
    if case.facts is None or charged is None or not charged.swap_current_bytes:
        return None
    swapped = charged.swap_current_bytes
    said = f"memory.swap.current: {swapped} bytes" if charged.version == 2 else f"memory.stat: total_swap {swapped}"
    name = "memory.swap.max" if charged.version == 2 else "memory.swappiness"
    used = charged.current_bytes if charged.used_bytes is None else charged.used_bytes
    needs = f"make room for {format_mib(used + swapped)} MiB in memory, then " if used is not None else ""
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{format_mib(swapped)} MiB of its cgroup are swapped out: what of them is Go's, a collection has to read back",
        evidence=(f"{charged.directory}/{said}", case.limit_words),
        advice=(*case.lower_memory("keeps the heap below the limit"), act(f"{needs}set {charged.directory}/{name} to 0 for a Go service")),
    )
