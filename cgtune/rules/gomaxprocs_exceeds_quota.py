"""GOMAXPROCS is larger than the CPU quota warrants

What it means: the process runs Go code on more threads at once than its quota can feed, and somebody chose that number: the GOMAXPROCS
variable, an option of the program, or a call of runtime.GOMAXPROCS (automaxprocs makes one). If the runtime chose it, another rule names
the cause. Two cases are information: a runtime that will follow a quota that has shrunk and has not looked yet (up to a second, in an
idle program up to a minute), and more threads than usable CPUs where no quota binds. What is kept without a word: up to one more than the
whole CPUs of the quota, at least 2, which is what measured best.

It is information as well if the quota is more than one CPU, has room (30 to 88 % of it were used, over 300 periods between two looks or
3000 since the cgroup was made, less than 1 % of which were stopped) and memory is in no danger: no memory limit is in force, or
GOMAXPROCS is no more than the quota rounded up and one. Programs that wait for devices or system calls need such threads. The same holds
for the causes of too many threads that have names of their own.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

Under a memory limit more threads than CPUs are dangerous: of 48 runs of one storm of allocation with the same GOMEMLIMIT on 2 CPUs, 1, 2,
19 and 36 were killed with 1, 2, 4 and 8 threads; headroom of 8 to 32 MiB did not undo that. So put GOMAXPROCS right before GOMEMLIMIT.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS
  grep -HE 'periods|throttled' /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null   # v2, then v1

What to do: set GOMAXPROCS to the whole CPUs of the quota and one more, at least 2; or, with Go 1.25 or later and nothing that stops it,
remove the variable and let the runtime follow the quota by itself.

Sources: own measurements (docs/advice.md); Go source runtime/proc.go (schedinit takes the variable as it is); golang/go issue 73193;
Linux Documentation/scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import FEEDS, act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Advice, GoFacts, Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-exceeds-quota"
SEVERITY: Severity = "warning"
SUMMARY = "GOMAXPROCS is larger than the CPU quota warrants"


def judge(case: Case) -> Finding | None:
    """A number of threads beyond the quota, or beyond the CPUs where no quota binds."""
    facts = case.facts
    if facts is None:
        return None
    if case.exceeds and case.lags:
        summary = f"GOMAXPROCS is {case.procs}: the runtime has not followed its quota of {case.cores_words} yet"
        return Finding(rule=ID, severity="info", summary=summary, evidence=case.procs_evidence(case.stall), advice=(_wait(facts),))
    if case.exceeds:
        by = "its environment" if case.set_by_variable else "the program itself" if facts.derived.variables is not None else "somebody"
        by = facts.program.procs_library if by == "the program itself" and facts.program.procs_library else by
        by = "its environment when it was loaded, or a call since" if case.in_library and not case.set_by_variable else by
        summary = f"GOMAXPROCS is {case.procs}, set by {by}; its quota of {case.cores_words} warrants {case.allowed_procs}"
        advice = case.change_procs(FEEDS)
        return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=case.procs_evidence(case.stall), advice=(advice,))
    if not case.quota_binds and case.usable and case.procs_count > case.usable:
        summary = f"GOMAXPROCS is {case.procs} on {case.usable} usable CPU{'s' * (case.usable > 1)}"
        waits = bool(facts.derived.updates) and not case.procs_are_set
        advice = _wait(facts) if waits else case.change_procs("Go's default is the number of usable CPUs")
        return Finding(rule=ID, severity="info", summary=summary, evidence=case.procs_evidence(), advice=(advice,))
    return None


def _wait(facts: GoFacts) -> Advice:
    return act(f"wait and look again: Go {facts.program.version} follows by itself, an idle program within a minute or so")
