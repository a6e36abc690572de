"""GOMAXPROCS is larger than the CPU quota warrants

What it means: the process runs Go code on more threads at once than its quota can feed, and somebody chose that number: the GOMAXPROCS
variable, a call of runtime.GOMAXPROCS, or a quota that has shrunk since. Where the runtime chose it, another rule names the cause. With
no quota that binds, more threads than usable CPUs are reported too, as information.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS
  grep -E 'nr_periods|nr_throttled' /sys/fs/cgroup/cpu.stat

What to do: set GOMAXPROCS to the quota rounded up, at least 2; or, with Go 1.25 or later and nothing that stops it, remove the variable
and let the runtime follow the quota by itself.

Sources: Go source runtime/proc.go (schedinit takes the variable as it is); golang/go issue 73193; Linux
Documentation/scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from cgtune.model import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-exceeds-quota"
SEVERITY: Severity = "warning"
SUMMARY = "GOMAXPROCS is larger than the CPU quota warrants"


def judge(case: Case) -> Finding | None:
    """A number of threads beyond the quota, or beyond the CPUs where no quota binds."""
    if case.exceeds:
        by = "its environment" if case.set_by_variable else "the program itself or an earlier limit"
        summary = f"GOMAXPROCS is {case.procs}, set by {by}; the quota is worth {case.allowed_procs}"
        fix = "the most threads that the enforced quota can feed"
        return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=case.procs_evidence(case.stall), advice=(case.set_procs(fix),))
    if not case.quota_binds and case.usable and case.procs_count > case.usable:
        summary = f"GOMAXPROCS is {case.procs} on {case.usable} usable CPUs"
        advice = case.set_procs("Go's default is the number of usable CPUs")
        return Finding(rule=ID, severity="info", summary=summary, evidence=case.procs_evidence(), advice=(advice,))
    return None
