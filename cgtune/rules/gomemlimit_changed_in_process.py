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
    library = case.facts.program.version_of(AUTOMEMLIMIT)
    given = case.variable_words("GOMEMLIMIT") if case.variable("GOMEMLIMIT") else "GOMEMLIMIT is not in its environment"
    who = f"build info: {AUTOMEMLIMIT} {library}" if library else "no library that does it is known in the build info"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary="the program has set its memory limit itself: GOMEMLIMIT in the environment is not what holds",
        evidence=(case.gomemlimit_words, given, who),
        advice=(act("set the limit in one place: in the program, or in the environment"),),
    )
