"""Go before 1.25 does not know CPU quotas

What it means: the toolchain that built the program is older than Go 1.25. Such a runtime sets GOMAXPROCS to the number of CPUs in its
affinity mask and never looks at cpu.max or cpu.cfs_quota_us, whatever the go line in go.mod says. So does gccgo, whose
library has stayed at Go 1.18 since GCC 12.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

Under a memory limit more threads than CPUs are dangerous: of 48 runs of one storm of allocation with the same GOMEMLIMIT on 2 CPUs, 1, 2,
19 and 36 were killed with 1, 2, 4 and 8 threads. So put GOMAXPROCS right before GOMEMLIMIT. For when this is information see
gomaxprocs-exceeds-quota.

How to confirm:
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -xm1 'go1\\.[0-9.]*'       # the toolchain; gccgo: libgo.so in maps
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own
  grep Cpus_allowed_list /proc/PID/status                     # what the runtime counts instead

What to do: set GOMAXPROCS as recommended now. Later build with Go 1.25 or newer (in a container on cgroup v1: 1.26 or newer; instead
of gccgo: Go's own compiler) and a go line of at least 1.25: the runtime then obeys the quota of its own cgroup and follows changes. That
is no help where the quota is an ancestor's: no Go version reads those.

Sources: Go 1.25 release notes, "Container-aware GOMAXPROCS"; golang/go issues 73193 and 33803.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "go-not-container-aware"
SEVERITY: Severity = "warning"
SUMMARY = "Go before 1.25 does not know CPU quotas"


def judge(case: Case) -> Finding | None:
    """An old runtime took all CPUs although a quota binds."""
    if case.facts is None or case.minor is None or case.minor >= FIRST_AWARE or not case.derives_unlimited:
        return None
    summary = f"{case.facts.program.name} does not see its CPU quota: GOMAXPROCS is {case.procs_shown} under {case.cores_words}"
    is_gccgo = case.facts.program.compiler == "gccgo"
    runtimes = "the runtimes of gccgo" if is_gccgo else "runtimes before 1.25"
    evidence = case.procs_evidence(f"{case.built_words}; {runtimes} never read a CPU quota", case.stall)
    if is_gccgo:
        later = (
            "or build with Go's own compiler, 1.25 or later, and a go line of at least 1.25: it obeys the quota of its own cgroup by itself"
        )
    elif case.binds_own and case.cpu.binding is not None:
        # golang/go issue 76390: 1.25 misses it where the container has its own subtree mounted, as all have on v1
        first = "1.26" if case.cpu.binding.version == 1 else "1.25"
        later = f"or build with Go {first} or later and a go line of at least 1.25, which obeys this quota by itself"
    else:
        later = "a newer Go alone does not help here: the quota is that of an ancestor, and no Go version reads those"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=summary,
        evidence=evidence,
        advice=(case.set_procs("this runtime takes it as it is"), act(later)),
    )
