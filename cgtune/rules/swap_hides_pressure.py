"""memory of the process's cgroup is swapped out

What it means: the cgroup has memory in swap (cgroup v2 tells: memory.swap.current). Go counts it as its own and knows nothing of swap.

Why it hurts: a collection reads the whole heap, swapped parts too, and so becomes slow; what looks like room below the limit is none.
Kernel limits hold for memory without swap.

How to confirm:
  cat /sys/fs/cgroup/memory.swap.current /sys/fs/cgroup/memory.swap.max; cat /sys/fs/cgroup/memory.pressure

What to do: set memory.swap.max to 0 for a Go service, or a GOMEMLIMIT that keeps it out of swap.

Sources: https://go.dev/doc/gc-guide (virtual memory and swap); Linux Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from cgtune.advise import format_mib
from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "swap-hides-pressure"
SEVERITY: Severity = "info"
SUMMARY = "memory of the process's cgroup is swapped out"


def judge(case: Case) -> Finding | None:
    """The leaf has something in swap."""
    leaf = case.snapshot.memory_chain[0] if case.snapshot.memory_chain else None
    if case.facts is None or leaf is None or not leaf.swap_current_bytes:
        return None
    swapped = leaf.swap_current_bytes
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{format_mib(swapped)} MiB of its cgroup are swapped out: collections have to read them back",
        evidence=(f"{leaf.directory}/memory.swap.current: {swapped} bytes", case.limit_words),
        advice=(*case.set_memory("keeps the heap below the limit"), act(f"set {leaf.directory}/memory.swap.max to 0 for a Go service")),
    )
