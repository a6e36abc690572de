"""GOMAXPROCS is set to something that Go ignores

What it means: the variable holds no whole number above zero as this Go version reads it: "4.0", "500m", " 4", "-1". "+4" is a number from
Go 1.26 on only. The runtime says nothing and uses its default. The empty text and "0" are not reported, as nobody means anything but the
default, with one exception: go.uber.org/automaxprocs is linked into a program whose runtime reads no quota. The library leaves everything
alone as soon as the variable is there, whatever it holds, and logs that it honours it. Go takes it for unset. So nobody reads the quota.

Why it hurts: the number that somebody chose has no effect, and nothing tells. An empty variable is what a template makes of a value that
nobody filled in; the program then runs with all CPUs of the node.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS | cat -A

What to do: write plain digits, or remove the variable: not empty, but gone. A Kubernetes quantity such as 500m comes out right through the
downward API with the divisor 1.

Sources: Go source runtime/proc.go (schedinit) and internal/strconv; checked against Go 1.24.11 and 1.27.3;
automaxprocs 1.5.3 (maxprocs/maxprocs.go), run.
"""

from __future__ import annotations

from cgtune.model import AUTOMAXPROCS, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomaxprocs-malformed"
SEVERITY: Severity = "warning"
SUMMARY = "GOMAXPROCS is set to something that Go ignores"


def judge(case: Case) -> Finding | None:
    """The variable is set, and this version takes it for no number; or it takes it for unset, and automaxprocs for a choice."""
    facts = case.facts
    if facts is None:
        return None
    text = case.variable("GOMAXPROCS")[:60]
    evidence = case.procs_evidence(case.variable_words("GOMAXPROCS"))
    if "GOMAXPROCS" in facts.derived.ignored:
        return Finding(
            rule=ID,
            severity=SEVERITY,
            summary=f"GOMAXPROCS={text!r} is no whole number above 0 to {facts.program.name}: ignored without a word",
            evidence=evidence,
            advice=(case.set_procs("plain digits are read by every version"),),
        )
    is_there = facts.derived.variable("GOMAXPROCS") is not None and not case.procs_are_set
    if not (is_there and case.quota_binds and facts.derived.aware is False and facts.program.links(AUTOMAXPROCS)):
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMAXPROCS={text!r} is unset to {facts.program.name} and a choice to automaxprocs, which then sets nothing",
        evidence=evidence,
        advice=(
            case.set_procs("the library leaves a variable alone that is there"),
            act("or remove the variable, not empty but gone: automaxprocs then reads the quota, if the program calls it"),
        ),
    )
