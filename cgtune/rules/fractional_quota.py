"""the CPU quota is no whole number, and GOMAXPROCS is rounded up

What it means: with 2.5 CPUs and GOMAXPROCS 3, three busy threads use up 2.5 CPUs' worth of each period before it ends.

Why it hurts: little. 250 ms per 100 ms and 3 busy threads: 83 ms of running, 17 ms of standing still, in the busiest periods only. It
shows in tail latency.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own

What to do: nothing. Rounding down is worse: it lost 20 to 35 % of the throughput when it was measured, and p99 was up to 72 times as long.
The part of a thread that the quota cannot feed is the slack that a whole quota lacks (whole-quota-no-slack). If throttling shows,
cpu-throttled tells what ends it.

Sources: own measurements (docs/advice.md); Go source runtime/cgroup_linux.go (ceil); golang/go issue 76835.
"""

from __future__ import annotations

import math

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "fractional-quota"
SEVERITY: Severity = "info"
SUMMARY = "the CPU quota is no whole number, and GOMAXPROCS is rounded up"


def judge(case: Case) -> Finding | None:
    """A fraction was rounded up to the GOMAXPROCS that the process has."""
    cores = case.limit_cores
    if cores is None or cores <= 1 or not case.quota_binds or cores == math.floor(cores) or case.procs != math.ceil(cores):
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{case.cores_words} is no whole number: {case.procs} threads can use it up before the period ends",
        evidence=case.procs_evidence(case.stall),
        advice=(act("leave it rounded up: rounded down it loses 20 to 35 % of the throughput; cpu-throttled tells what ends stops"),),
    )
