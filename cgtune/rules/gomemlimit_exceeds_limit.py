"""GOMEMLIMIT is not below the memory limit and can never act

What it means: the kernel kills at the memory limit; Go's own limit lies at it or beyond it, and the process has more memory than Go
counts (the program's text, cgo, thread stacks, page tables, sockets).

Why it hurts: the same as without GOMEMLIMIT: killed before the collector tries. 100 % of the limit is the commonest mistake. With GOGC=off
nothing else starts a collection, and this is critical: measured with Go 1.27.3, at 100 % of 128 and 256 MiB killed within 5 s.

How to confirm:
  grep -H . /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current 2>/dev/null    # in the container, v2; v1:
  grep -H . /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null
  tr '\\0' '\\n' < /proc/PID/environ | grep -E 'GOMEMLIMIT|GOGC'

What to do: set the recommended value. In a manifest, GOMEMLIMIT from resourceFieldRef limits.memory is 100 % of the limit: that is this
mistake.

Sources: https://go.dev/doc/gc-guide (leave 5 to 10 % of headroom).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-exceeds-limit"
SEVERITY: Severity = "warning"
SUMMARY = "GOMEMLIMIT is not below the memory limit and can never act"


def judge(case: Case) -> Finding | None:
    """A limit of Go's at or above the kernel's."""
    limit = case.memory.limit_bytes
    if limit is None or not isinstance(case.gomemlimit, int) or case.gomemlimit < limit:
        return None
    if case.gomemlimit <= (case.recommended("GOMEMLIMIT").value or 0):
        return None  # a policy without headroom asks for it
    off = case.gogc == "off"  # then no collection starts before the kernel kills
    return Finding(
        rule=ID,
        severity="critical" if off else SEVERITY,
        summary=f"GOMEMLIMIT {format_mib(case.gomemlimit)} MiB is not below the memory limit of {format_mib(limit)} MiB",
        evidence=(case.gomemlimit_words, case.limit_words, *([case.gogc_words] if off else ())),
        advice=case.set_memory("lies below the limit by what others use and some headroom")
        or (act("raise the memory limit: below it no value of GOMEMLIMIT is of use here"),),
    )
