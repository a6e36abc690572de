"""GOMAXPROCS leaves a part of the CPU quota unused

What it means: the quota would feed more threads than GOMAXPROCS allows. The variable or a call in the program set it, or the limits have
grown since and the runtime does not follow.

Why it hurts: Go code never uses more CPUs than GOMAXPROCS; the rest of what is paid for goes unused, unless cgo or other processes use
it.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS

What to do: set GOMAXPROCS as recommended, or remove it where the runtime is Go 1.25 or later and obeys the quota. If it is small on
purpose, leave it: check has --ignore for that.

Sources: https://pkg.go.dev/runtime#GOMAXPROCS.
"""

from __future__ import annotations

import math

from cgtune.model import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-below-quota"
SEVERITY: Severity = "info"
SUMMARY = "GOMAXPROCS leaves a part of the CPU quota unused"


def judge(case: Case) -> Finding | None:
    """Whole CPUs of the quota that Go cannot use."""
    if case.limit_cores is None or not case.procs_count:
        return None
    worth = math.floor(min(case.limit_cores, case.usable))
    if case.procs_count >= worth or case.lags:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMAXPROCS is {case.procs}, the quota is worth {worth}",
        evidence=case.procs_evidence(),
        advice=(case.change_procs("uses all of the quota"),),
    )
