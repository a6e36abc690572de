"""a field reference has no divisor, and the API server fills one in

What it means: a resourceFieldRef without a divisor is stored with divisor "0", which counts as 1. The value is right.

Why it hurts: what is stored differs from what is written, so a GitOps tool sees a difference at every look and never comes to rest.

How to confirm:
  kubectl get deployment NAME -o yaml | grep -A4 resourceFieldRef

What to do: write divisor: "1".

Sources: traefik/traefik-helm-chart issue 1065, cilium/cilium issue 30634, istio/istio issues 53001 and 56695.
"""

from __future__ import annotations

from cgtune.lint.edits import insert_divisor
from cgtune.lint.rules.case import GO_VARIABLES
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "divisor-missing"
SEVERITY: Severity = "info"
SUMMARY = "a field reference has no divisor, and the API server fills one in"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A reference that says what but not in which unit."""
    for name in GO_VARIABLES:
        there, field = case.variable(name), case.field(name)
        if there is not None and field is not None and field.divisor is None:
            yield case.found(
                ID,
                SEVERITY,
                field.resource_place,
                f'{name} has no divisor: the API server writes divisor "0", which GitOps tools take for a difference',
                evidence=(case.variable_words(name),),
                advice=(Advice(variable=None, value=None, reason='write divisor: "1"; the value stays the same'),),
                fix=insert_divisor(case.text, field, there.entry),
                is_pedantic=True,
            )
