"""Go never goes below two threads, the quota is one CPU or less

What it means: Go 1.25 and later round a quota up and never go below 2, so that a collection does not hold up everything else. Under one
CPU or less two busy threads use the quota up before the period ends.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts. For an idle or lightly used service it does not.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own
  grep -HE 'periods|throttled' /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null   # v2, then v1

What to do: nothing, unless throttling shows; cpu-throttled then tells what ends it. Two threads measured best, or within 5 % of it, under
quotas below one CPU. With a collector at work one thread had a tail 4 to 29 % shorter at half a CPU, and a longer one at a whole CPU.

Sources: own measurements (docs/advice.md); Go source runtime/cgroup_linux.go; golang/go issue 76835 (an open proposal to round down).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.procs import LEAST_PROCS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "quota-below-two-cpus"
SEVERITY: Severity = "info"
SUMMARY = "Go never goes below two threads, the quota is one CPU or less"


def judge(case: Case) -> Finding | None:
    """The minimum of two threads is more than the quota."""
    if case.limit_cores is None or case.limit_cores > 1 or not case.quota_binds or case.procs != LEAST_PROCS:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"2 threads under {case.cores_words}: Go's minimum is more than the quota",
        evidence=case.procs_evidence(case.stall),
        advice=(act("leave it: 2 threads measured best under such a quota; if throttling shows, a larger limit or a burst ends it"),),
    )
