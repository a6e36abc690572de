"""the value of a variable is no string, and the API refuses the object

What it means: env[].value is a string to Kubernetes. A bare 4, true or 1e9 is a number or a boolean to YAML, and the API server answers 400
for the whole object.

Why it hurts: nothing of the object is applied; with Helm, nothing of the release.

How to confirm:
  kubectl apply --dry-run=server -f FILE 2>&1 | grep 'cannot unmarshal'

What to do: write it in quotes; in a Helm template with the function quote.

Sources: Kubernetes API, EnvVar; seen with 1.36; a chart with value: {{ maxProcs }} (dragonfly).
"""

from __future__ import annotations

from cgtune.lint.edits import quote_scalar
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "env-value-not-string"
SEVERITY: Severity = "critical"
SUMMARY = "the value of a variable is no string, and the API refuses the object"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A value that is a number or a boolean, of any variable: one of them is enough for the whole object."""
    if case.workload.kind != "kubernetes":
        return
    for one in case.workload.variables:
        if one.wrong_type is not None:
            yield case.found(
                ID,
                SEVERITY,
                one.place,
                f"the value of {one.name[:60]} is a {one.wrong_type} and no string: the API refuses the whole object",
                advice=(Advice(variable=None, value=None, reason="write it in quotes; in a Helm template with the function quote"),),
                fix=quote_scalar(case.text, one.place),
            )
