"""GODEBUG asks for a behaviour that Go 1.27 has dropped

What it means: GODEBUG in the environment holds a setting that Go has removed, with its old value (asynctimerchan=1, tlsrsakex=1,
x509sha1=1 and others). Go 1.27 and later die of it at the start: "removed GODEBUG", exit status 2 (then this is critical). Older versions
ignore it or still do it.

Why it hurts: with the next toolchain the program does not start.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep ^GODEBUG=

What to do: take the setting out of GODEBUG before building with Go 1.27.

Sources: https://go.dev/doc/godebug; Go source internal/godebugs/table.go; run on Go 1.26.6 and 1.27.3.
"""

from __future__ import annotations

from cgtune.model import Advice, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "godebug-removed-setting"
SEVERITY: Severity = "info"
SUMMARY = "GODEBUG asks for a behaviour that Go 1.27 has dropped"


_WHY = "without the setting that Go has removed; where there is another one, the next look names it"


def judge(case: Case) -> Finding | None:
    """The environment holds a removed setting with its old value."""
    facts = case.facts
    if facts is None or facts.derived.removed_godebug is None:
        return None
    removed, dies = facts.derived.removed_godebug, facts.derived.dies_of == "removed-godebug"
    what = "dies at its start" if dies else "would die at its start if it were built with Go 1.27"
    return Finding(
        rule=ID,
        severity="critical" if dies else SEVERITY,
        summary=f"the program {what} of a setting in GODEBUG that Go has removed",
        evidence=(case.variable_words("GODEBUG"), removed.dies),
        advice=(Advice(variable="GODEBUG", value=_without(case.variable("GODEBUG"), removed.key), reason=_WHY),),
    )


def _without(godebug: str, key: str) -> str | None:
    """The GODEBUG without this setting; None if nothing is left."""
    return ",".join(field for field in godebug.split(",") if field and field.partition("=")[0] != key) or None
