"""the CPUs of the process have changed since it started, and GOMAXPROCS has not

What it means: taskset, a cpuset or the CPU manager changed the CPUs that the process may use. Go up to 1.24 counts them once, at the
start; Go 1.25 and later follow, unless GOMAXPROCS is set or updates are switched off. runtime.NumCPU stays as it was in every version.

Why it hurts: more threads than CPUs compete for them, and threads are descheduled while they hold locks; fewer threads leave CPUs unused
(then this is information).

How to confirm:
  grep Cpus_allowed_list /proc/PID/status

What to do: restart the program, or set the CPUs before it starts.

Sources: Go source runtime/os_linux.go (getproccount, getCPUCount); seen on Go 1.24.11 and 1.25.5.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_cpus
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "affinity-changed"
SEVERITY: Severity = "warning"
SUMMARY = "the CPUs of the process have changed since it started, and GOMAXPROCS has not"


def judge(case: Case) -> Finding | None:
    """A runtime that does not follow has the CPU count of its start."""
    facts = case.facts
    if facts is None or facts.observed.cpus_at_start is None or case.procs != facts.observed.cpus_at_start or case.procs_are_set:
        return None
    now = len(case.snapshot.allowed_cpus)
    follows = case.minor is not None and case.minor >= FIRST_AWARE and facts.derived.updates is not False
    if now == facts.observed.cpus_at_start or follows or not now:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY if now < facts.observed.cpus_at_start else "info",
        summary=f"GOMAXPROCS is {case.procs} from its start, the process may use {format_cpus(now)} now",
        evidence=(
            case.procs_words,
            f"CPUs at the start: {facts.observed.cpus_at_start}",
            f"/proc/{case.pid}/status: affinity of {format_cpus(now)}, counting those online",
        ),
        advice=(act(f"restart the program: it counts its CPUs once and will come to {now}"),),
    )
