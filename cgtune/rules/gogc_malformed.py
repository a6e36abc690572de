"""GOGC is set to something that Go ignores

What it means: the variable holds neither a whole number nor exactly "off" as this Go version reads it: "OFF", "50%", "1.5", "50 ". The
runtime says nothing and takes 100. "+50" is a number from Go 1.26 on only. "false" is what YAML 1.1 makes of
a bare off: Helm and Ansible then write that word.

Why it hurts: what somebody chose has no effect, and nothing tells.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOGC | cat -A

What to do: write plain digits, or off, or remove the variable. In YAML off needs its quotes: value: "off".

Sources: Go source runtime/mgcpacer.go (readGOGC); checked against Go 1.24.11 and 1.27.3.
"""

from __future__ import annotations

from cgtune.model import Advice, Finding
from cgtune.rules.case import say_yaml_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gogc-malformed"
SEVERITY: Severity = "warning"
SUMMARY = "GOGC is set to something that Go ignores"


def judge(case: Case) -> Finding | None:
    """The variable is set, and this version takes it for no number."""
    if case.facts is None or "GOGC" not in case.facts.derived.ignored:
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOGC={case.variable('GOGC')[:60]!r} is no number to {case.facts.program.name}: 100 is taken, without a word",
        evidence=tuple(line for line in (case.variable_words("GOGC"), case.gogc_words) if line),
        advice=(
            *say_yaml_off(case.variable("GOGC")),
            Advice(variable="GOGC", value=None, reason='or write plain digits, or off ("off" in YAML)'),
        ),
    )
