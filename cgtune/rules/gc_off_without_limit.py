"""the garbage collector is off and no GOMEMLIMIT starts it

What it means: GOGC=off (or a negative number) stops collections by growth, and without GOMEMLIMIT nothing else starts one. The heap only
grows. With no memory limit of the kernel's this is a warning. In a program's first minute it is worth knowing and no more (info): programs
that live a moment, as compilers do, switch it off on purpose.

Why it hurts: the OOM killer ends the process sooner or later.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep -E 'GOGC|GOMEMLIMIT'

What to do: set GOMEMLIMIT (collections then start near it), or remove GOGC.

Sources: https://go.dev/doc/gc-guide (GOGC and the memory limit).
"""

from __future__ import annotations

from cgtune.model import Advice, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gc-off-without-limit"
SEVERITY: Severity = "critical"
SUMMARY = "the garbage collector is off and no GOMEMLIMIT starts it"


def judge(case: Case) -> Finding | None:
    """No collection will ever start."""
    if case.facts is None or case.gogc != "off" or case.gomemlimit != "off":
        return None
    why = "100, the default, collects when the heap has doubled"
    if case.facts.derived.variables is None or case.variable("GOGC"):
        back = Advice(variable="GOGC", value=None, reason=why)
    else:
        back = act(f"drop the call of debug.SetGCPercent in the program: {why}")
    lasting: Severity = SEVERITY if case.memory.limit_bytes is not None else "warning"
    age = "" if case.age_seconds is None else f"it started {case.age_seconds} s ago; programs that live a moment do so on purpose"
    return Finding(
        rule=ID,
        severity="info" if case.has_just_started else lasting,
        summary="GOGC is off and there is no GOMEMLIMIT: the heap is never collected",
        evidence=(case.gogc_words, case.gomemlimit_words, case.limit_words, *([age] if case.has_just_started else ())),
        advice=(*case.set_memory("with GOGC off, collections start near this limit"), back),
    )
