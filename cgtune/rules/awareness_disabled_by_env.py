"""Go could obey its CPU quota, but was told not to by the environment

What it means: the toolchain is Go 1.25 or newer and the program was built to obey its quota, but GODEBUG in its environment holds
containermaxprocs=0 (or a negative number), which switches that off.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep ^GODEBUG=
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own

What to do: take containermaxprocs=0 out of GODEBUG (where the build switches it off too: write containermaxprocs=1,updatemaxprocs=1
instead); or set GOMAXPROCS, which then does not follow changes of the quota.

Sources: Go source cmd/go/internal/load/godebug.go and internal/godebugs/table.go; https://go.dev/doc/godebug.
"""

from __future__ import annotations

from cgtune.model import Advice, Finding
from cgtune.rules.case import act, godebug_aware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "awareness-disabled-by-env"
SEVERITY: Severity = "warning"
SUMMARY = "Go could obey its CPU quota, but was told not to by the environment"


def judge(case: Case) -> Finding | None:
    """A runtime that could obey the quota was told not to, by the environment."""
    facts = case.facts
    if facts is None or facts.derived.aware is not False or facts.derived.aware_from != "environment" or not case.derives_unlimited:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"container awareness is switched off by the environment: GOMAXPROCS is {case.procs_shown} under {case.cores_words}",
        evidence=case.procs_evidence(case.variable_words("GODEBUG"), case.stall),
        advice=(
            (case.set_procs("takes effect at the next start"), act(f"GODEBUG alone does not help here: {case.blocked}"))
            if case.blocked
            else (
                Advice(variable="GODEBUG", value=godebug_aware(facts), reason="the runtime then obeys its quota and follows changes"),
                case.set_procs("instead: does not follow later changes of the quota"),
            )
        ),
    )
