"""GOMAXPROCS is set, so the runtime no longer follows its CPU quota

What it means: Go 1.25 and later look up to once a second (an idle program: once a minute) whether quota or affinity have changed, unless
the GOMAXPROCS variable is set or the program called runtime.GOMAXPROCS, even with the value it had already.

Why it hurts: an in-place resize of the pod, a new cpuset or systemctl set-property change the quota, and GOMAXPROCS stays as it was.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -m1 automaxprocs            # a library that calls it

What to do: remove the variable, or the library: this runtime comes to the right value by itself. A program can call
runtime.SetDefaultGOMAXPROCS to let the runtime take over again. Where a number is meant to stay, leave it.

Sources: Go 1.25 release notes; Go source runtime/debug.go (GOMAXPROCS) and runtime/proc.go (sysmonUpdateGOMAXPROCS).
"""

from __future__ import annotations

from cgtune.model import AUTOMAXPROCS, Advice, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-pinned"
SEVERITY: Severity = "info"
SUMMARY = "GOMAXPROCS is set, so the runtime no longer follows its CPU quota"


def judge(case: Case) -> Finding | None:
    """A pin where the runtime would have obeyed and followed the quota that binds."""
    facts = case.facts
    if facts is None or not facts.observed.pinned or not case.quota_binds or case.procs is None:
        return None
    if case.by_itself is None or case.by_itself != case.recommended("GOMAXPROCS").value:
        return None  # it would come to another value: here the pin is what keeps GOMAXPROCS right
    if case.set_by_variable:
        besides = f"; remove {AUTOMAXPROCS} with it, which would set it again" if facts.program.links(AUTOMAXPROCS) else ""
        why = f"the runtime follows its quota by itself{besides}"
        by, advice = "the GOMAXPROCS variable", Advice(variable="GOMAXPROCS", value=None, reason=why)
    else:
        by, advice = (
            "the program",
            act("take away what sets it, a call or an option of its own, or call runtime.SetDefaultGOMAXPROCS after it"),
        )
    if case.in_library and not case.set_by_variable:
        by = "the environment that its library found when it was loaded, or a call since"
        advice = act("leave GOMAXPROCS out of that environment: the runtime follows its quota by itself")
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMAXPROCS is pinned to {case.procs} by {by} and does not follow the quota",
        evidence=case.procs_evidence(f"without it Go {facts.program.version} would come to {case.by_itself} and follow changes"),
        advice=(advice,),
    )
