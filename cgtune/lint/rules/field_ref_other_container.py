"""a Go variable gets the limit of another container

What it means: containerName in a resourceFieldRef names another container of the pod. If it names none of the pod, the API server takes the
object, and the kubelet does not start the container (CreateContainerConfigError): then this is critical.

Why it hurts: the variable is right for the other container. A copied block is the usual cause.

How to confirm:
  kubectl get pod POD -o yaml | grep -A4 resourceFieldRef

What to do: leave containerName out, or name the container itself.

Sources: Kubernetes documentation of resourceFieldRef; seen with 1.36 (container nope not found).
"""

from __future__ import annotations

from cgtune.lint.edits import replace_scalar
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "field-ref-other-container"
SEVERITY: Severity = "warning"
SUMMARY = "a Go variable gets the limit of another container"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A reference that names somebody else."""
    own = case.workload.container
    for name in ("GOMAXPROCS", "GOMEMLIMIT"):
        field = case.field(name)
        if field is None or field.container is None or field.container == own or field.container_place is None:
            continue
        other = field.container[:60]
        if field.is_known:
            summary = f"{name} gets {field.resource} of the container {other}, and is set for {own}"
        else:
            summary = f"{name} refers to a container {other} that the pod does not have: the kubelet does not start {own}"
        is_memory = name == "GOMEMLIMIT"
        yield case.found(
            ID,
            SEVERITY if field.is_known else "critical",
            field.container_place,
            summary,
            evidence=(case.variable_words(name), case.limit_words if is_memory else case.cpu_words),
            advice=(Advice(variable=None, value=None, reason=f"leave containerName out, or name {own} itself"),),
            fix=replace_scalar(case.text, field.container_place, field.container, own, "unsafe"),
        )
