"""GOMEMLIMIT gets the whole node's memory, as the limit it refers to is not set

What it means: a resourceFieldRef of limits.memory gives the node's allocatable memory if neither the container nor its pod has a memory
limit. Kubernetes says nothing about it. The manifest reads as if there were a limit, and there is none: often a chart that leaves
resources to its user.

Why it hurts: Go's limit is that of the whole node, so it never acts; every container that does so plans with the same memory. On nodes of
other sizes the same manifest means something else.

How to confirm:
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GOMEMLIMIT
  kubectl get node NODE -o yaml | grep -A8 '  allocatable:'

What to do: set limits.memory, and GOMEMLIMIT to some 90 % of it; or remove GOMEMLIMIT. A chart should set the variable only if the limit
is set.

Sources: Kubernetes documentation, "Expose Pod Information to Containers Through Environment Variables"; seen with 1.36.
"""

from __future__ import annotations

from cgtune.lint.edits import set_variable
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "gomemlimit-from-node"
SEVERITY: Severity = "warning"
SUMMARY = "GOMEMLIMIT gets the whole node's memory, as the limit it refers to is not set"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A field reference that falls back to the node."""
    there, field = case.variable("GOMEMLIMIT"), case.field("GOMEMLIMIT")
    if there is None or field is None or field.falls_to != "node":
        return
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"{field.resource} is not set, so GOMEMLIMIT gets what the whole node can give",
        evidence=(case.variable_words("GOMEMLIMIT"), case.limit_words, case.say_node("memory")),
        advice=(
            Advice(variable=None, value=None, reason="set limits.memory, and GOMEMLIMIT to some 90 % of it"),
            Advice(variable="GOMEMLIMIT", value=None, reason="without a memory limit Go's own default is right"),
        ),
        fix=set_variable(case.text, case.workload, "GOMEMLIMIT", None, "unsafe"),
    )
