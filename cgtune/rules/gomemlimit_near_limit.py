"""GOMEMLIMIT leaves too little room below the memory limit

What it means: what Go may take by GOMEMLIMIT, together with what else is charged to the cgroup, comes within 4 % (at least 8 MiB) of the
memory limit, or beyond it (then this is a warning). What else is there is measured: what is charged, less page cache that can be given
back, less what the Go runtimes have mapped. It comes and goes: a value that leaves 4 % of the limit to others is left alone until they
have used up three quarters of that, unless the OOM killer has been there.

Why it hurts: a burst of cgo, threads, sockets or another process is enough for the OOM killer.

How to confirm:
  grep -H . /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current 2>/dev/null    # in the container, v2; v1:
  grep -H . /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null
  tr '\\0' '\\n' < /proc/PID/environ | grep -E 'GOMEMLIMIT|GOGC'
  grep -HE '^(anon|rss|file|cache|shmem|kernel|slab) ' /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat 2>/dev/null

What to do: set the recommended value, or raise the memory limit.

Sources: https://go.dev/doc/gc-guide; measurements in docs/rules.md's rule gomemlimit-unset.
"""

from __future__ import annotations

import math

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-near-limit"
SEVERITY: Severity = "info"
SUMMARY = "GOMEMLIMIT leaves too little room below the memory limit"


def judge(case: Case) -> Finding | None:
    """Too little is left between GOMEMLIMIT plus the rest and the limit."""
    limit, value = case.memory.limit_bytes, case.gomemlimit
    if case.facts is None or limit is None or not isinstance(value, int) or value >= limit:
        return None
    outside = case.policy.outside_bytes if case.policy.outside_bytes is not None else case.outside_bytes
    safety = max(case.policy.measured_least_bytes, math.ceil(limit * case.policy.measured_percent / 100))
    left = limit - value - (outside or 0)
    recommended = case.recommended("GOMEMLIMIT")
    if left >= safety or (recommended.value is not None and value <= recommended.value):
        return None
    others = "what else is charged there was not measured" if outside is None else f"charged there beside Go: {format_mib(outside)} MiB"
    room = f"{format_mib(left)} MiB below" if left >= 0 else f"with the rest {format_mib(-left)} MiB beyond"
    return Finding(
        rule=ID,
        severity="warning" if left < 0 else SEVERITY,
        summary=f"GOMEMLIMIT {format_mib(value)} MiB is {room} the memory limit of {format_mib(limit)} MiB",
        evidence=(case.gomemlimit_words, case.limit_words, others),
        advice=case.set_memory("leaves room for what Go does not manage")
        or (act("raise the memory limit: below it no value of GOMEMLIMIT is of use here"),),
    )
