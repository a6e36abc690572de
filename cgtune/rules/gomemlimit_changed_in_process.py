"""the program has changed GOMEMLIMIT itself

What it means: the limit in the process's memory is not the one that its environment gives. Code called debug.SetMemoryLimit, or a library
did (github.com/KimMachineGun/automemlimit).

Why it hurts: it need not. But the variable in the manifest is not what holds, and whoever changes it wonders.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep -E 'GOMEMLIMIT|AUTOMEMLIMIT'
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -m1 automemlimit            # a library that calls it

What to do: set the limit in one place: in the program, or in the environment.

Sources: https://pkg.go.dev/runtime/debug#SetMemoryLimit.
"""

from __future__ import annotations

from cgtune.model import AUTOMEMLIMIT, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-changed-in-process"
SEVERITY: Severity = "info"
SUMMARY = "the program has changed GOMEMLIMIT itself"


def judge(case: Case) -> Finding | None:
    """What is in memory differs from what the environment gives."""
    if case.facts is None or not case.memory_is_set_inside:
        return None
    program = case.facts.program
    given = case.variable_words("GOMEMLIMIT") if case.variable("GOMEMLIMIT") else "GOMEMLIMIT is not in its environment"
    if case.in_library:
        return Finding(
            rule=ID,
            severity=SEVERITY,
            summary="the memory limit of this library is not that of exec's environment: that was another at its load, or a call set it",
            evidence=(case.gomemlimit_words, given),
            advice=(act("set GOMEMLIMIT before the library is loaded, or in the program: in one place"),),
        )
    version = program.version_of(AUTOMEMLIMIT)
    who = "no code that does it is known in the program"
    if program.links(AUTOMEMLIMIT):
        who = f"build info: {AUTOMEMLIMIT} {version}" if version else f"its function table names {AUTOMEMLIMIT}"
    elif program.links("runtime/debug.SetMemoryLimit"):
        who = "its function table names runtime/debug.SetMemoryLimit"
    advice = act("set the limit in one place: in the program, or in the environment")
    if program.links(AUTOMEMLIMIT) and not case.variable("GOMEMLIMIT"):
        advice = act("leave it to automemlimit, or set GOMEMLIMIT in the environment: the library leaves a variable alone")
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary="the program has set its memory limit itself: GOMEMLIMIT in the environment is not what holds",
        evidence=(case.gomemlimit_words, given, who),
        advice=(advice,),
    )
