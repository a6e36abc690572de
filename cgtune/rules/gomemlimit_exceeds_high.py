"""GOMEMLIMIT is above memory.high: the kernel slows the process down first

What it means: beyond memory.high the kernel does not kill, it makes every allocation reclaim memory and sleep. Kubernetes' MemoryQoS sets
it below the limit. Go's limit lies above it.

Why it hurts: the program gets slower and slower, without an OOM kill and without a word, before its collector reacts.

How to confirm:
  grep -H . /sys/fs/cgroup/memory.high /sys/fs/cgroup/memory.max   # v2 alone has it
  grep high /sys/fs/cgroup/memory.events; cat /sys/fs/cgroup/memory.pressure

What to do: set GOMEMLIMIT below memory.high: the recommended value.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.high); Kubernetes KEP-2570.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-exceeds-high"
SEVERITY: Severity = "warning"
SUMMARY = "GOMEMLIMIT is above memory.high: the kernel slows the process down first"


def judge(case: Case) -> Finding | None:
    """A limit of Go's above the kernel's soft one."""
    high, level = case.memory.high_bytes, case.memory.high_binding
    if high is None or level is None or not isinstance(case.gomemlimit, int) or case.gomemlimit <= high:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMEMLIMIT {format_mib(case.gomemlimit)} MiB is above memory.high, {format_mib(high)} MiB: slowed down before Go reacts",
        evidence=(case.gomemlimit_words, case.high_words),
        advice=case.set_memory("lies below memory.high")
        or (act(f"raise {level.directory}/memory.high above the {format_mib(case.gomemlimit)} MiB of GOMEMLIMIT"),),
    )
