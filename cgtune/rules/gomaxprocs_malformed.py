"""GOMAXPROCS is set to something that Go ignores

What it means: the variable holds no whole number above zero as this Go version reads it: "4.0", "500m", " 4", "-1". "+4" is a number from
Go 1.26 on only. The runtime says nothing and uses its default. The empty text and "0" are not reported: nobody means anything but the
default.

Why it hurts: the number that somebody chose has no effect, and nothing tells.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS | cat -A

What to do: write plain digits, or remove the variable. A Kubernetes quantity such as 500m comes out right through the downward API with
the divisor 1.

Sources: Go source runtime/proc.go (schedinit) and internal/strconv; checked against Go 1.24.11 and 1.27.3.
"""

from __future__ import annotations

from cgtune.model import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-malformed"
SEVERITY: Severity = "warning"
SUMMARY = "GOMAXPROCS is set to something that Go ignores"


def judge(case: Case) -> Finding | None:
    """The variable is set, and this version takes it for no number."""
    if case.facts is None or "GOMAXPROCS" not in case.facts.derived.ignored:
        return None
    text = case.variable("GOMAXPROCS")[:60]
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMAXPROCS={text!r} is no whole number above 0 to {case.facts.program.name}: ignored without a word",
        evidence=case.procs_evidence(case.variable_words("GOMAXPROCS")),
        advice=(case.set_procs("plain digits are read by every version"),),
    )
