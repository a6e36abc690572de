"""the process was moved, and its runtime still obeys its former cgroup

What it means: Go opens its limit file once, at the start. A process that is moved to another cgroup later (by systemd, cgexec, a
container runtime that attaches late) goes on reading the file of the old one. When that cgroup is removed, the reads fail and GOMAXPROCS
becomes the number of CPUs.

Why it hurts: GOMAXPROCS follows a quota that does not hold for the process: too many threads and stalls, or CPUs unused. As long as it
happens to fit, this is information: the next change of either quota parts them.

How to confirm:
  ls -l /proc/PID/fd | grep -E 'cpu.max|cpu.cfs'              # the file that the runtime holds open
  cat /proc/PID/fd/3                                          # by its number: "No such device" where that cgroup was removed
  cat /proc/PID/cgroup                                        # where the process is now

What to do: restart the program in its cgroup (if it would find the limit file there, which the finding says), or start it through something
that moves first and runs then. Until then GOMAXPROCS cannot be put right from outside.

Sources: Go source runtime/cgroup_linux.go and internal/runtime/cgroup; seen on Go 1.25.5 and 1.27.3.
"""

from __future__ import annotations

import math

from cgtune.model import Finding
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.versions import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Advice, Severity
    from cgtune.rules.case import Case

ID = "follows-old-cgroup"
SEVERITY: Severity = "warning"
SUMMARY = "the process was moved, and its runtime still obeys its former cgroup"


def judge(case: Case) -> Finding | None:
    """The limit file that the runtime holds open is not that of its cgroup."""
    facts = case.facts
    if facts is None or facts.observed.follows is None or facts.observed.follows_own or case.procs_are_set:
        return None
    worth = math.floor(min(case.usable, case.limit_cores if case.limit_cores is not None else case.usable))
    fits = not case.exceeds and worth <= case.procs_count
    gone = "" if facts.observed.follows.exists else ", which is gone: it takes all CPUs"
    summary = f"the runtime follows the CPU quota of a cgroup that the process has left{gone}"
    if facts.derived.updates is False:
        summary = "the runtime took the CPU quota of a cgroup that the process has left, and follows none (updatemaxprocs=0)"
    held = facts.observed.follows.path + ("" if facts.observed.follows.exists else ", of a cgroup that was removed")
    leaf = case.snapshot.cpu_chain[0].directory if case.snapshot.cpu_chain else "not visible"
    return Finding(
        rule=ID,
        severity="info" if fits else SEVERITY,
        summary=summary,
        evidence=case.procs_evidence(f"held open: {held}", f"its cgroup now: {leaf}"),
        advice=(
            _restart(case),
            *((case.set_procs("for a start that ends like this one, in another cgroup"),) if case.recommended("GOMAXPROCS").set else ()),
        ),
    )


def _restart(case: Case) -> Advice:
    """A restart helps if the runtime would find the file of its present cgroup then."""
    no_quota = case.limit_cores is None or not case.binds_own
    if no_quota or case.would_find(case.minor):
        return act("restart the program inside its cgroup: the limit file is opened once, at the start")
    newer = f"; Go 1.{NEWEST} would find it" if case.would_find(NEWEST) else ""
    why = "a restart in this place does not help, as the runtime would not find its limit file from here"
    return act(f"{why}{newer}: start it in its cgroup, by something that moves first and runs then")
