"""a Go variable is given twice, and only the last one counts

What it means: the same name stands twice or more in one list of variables. The kubelet lets the last one win. Charts do so if a user's
list is appended to their own.

Why it hurts: what is read first has no effect. kubectl warns only; server-side apply, as some GitOps tools use it, refuses the object; and
a later kubectl apply may drop one of the two.

How to confirm:
  kubectl get pod POD -o yaml | grep -A1 'name: GO'

What to do: remove the earlier entries, which have no effect.

Sources: Kubernetes, seen with 1.36 (the warning "hides previous definition"); grafana/helm-charts issue 754, kyverno/reports-server
issue 356.
"""

from __future__ import annotations

from cgtune.lint.edits import remove_entries
from cgtune.lint.rules.case import GO_VARIABLES
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "env-duplicate"
SEVERITY: Severity = "warning"
SUMMARY = "a Go variable is given twice, and only the last one counts"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """Earlier entries of the same list."""
    for name in GO_VARIABLES:
        there = case.variable(name)
        if there is None or not there.hides:
            continue
        lines = " and ".join(case.line(place) for place in there.hides)
        around = case.workload.env_place
        written = "" if case.text is None or around is None else case.text[around.start : around.end]
        is_used = f"$({name})" in written  # another variable, or the last one itself, may be made of the earlier value
        yield case.found(
            ID,
            SEVERITY,
            there.name_place,
            f"{name} is given {len(there.hides) + 1} times: this one counts, {lines} has no effect",
            evidence=(case.variable_words(name),),
            advice=(Advice(variable=None, value=None, reason=f"remove {lines}: server-side apply refuses the object as it is"),),
            fix=None if is_used else remove_entries(case.text, case.workload, there.hides, "safe"),
        )
