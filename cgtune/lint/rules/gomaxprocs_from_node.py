"""GOMAXPROCS gets the whole node's CPUs, as the limit it refers to is not set

What it means: a resourceFieldRef of limits.cpu gives the node's allocatable CPUs if neither the container nor its pod has a CPU limit.
Kubernetes says nothing about it. The manifest reads as if the variable held a limit.

Why it hurts: less than it seems, as Go takes all CPUs by itself without a quota. But the number is fixed at the start: a limit that is set
later by a resize is not followed, and Go 1.25 or newer would have followed it.

How to confirm:
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GOMAXPROCS
  kubectl get node NODE -o yaml | grep -A8 '  allocatable:'

What to do: remove GOMAXPROCS, or set limits.cpu. A chart should set the variable only if the limit is set.

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

ID = "gomaxprocs-from-node"
SEVERITY: Severity = "warning"
SUMMARY = "GOMAXPROCS gets the whole node's CPUs, as the limit it refers to is not set"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A field reference that falls back to the node."""
    there, field = case.variable("GOMAXPROCS"), case.field("GOMAXPROCS")
    if there is None or field is None or field.falls_to != "node":
        return
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"{field.resource} is not set, so GOMAXPROCS gets what the whole node can give",
        evidence=(case.variable_words("GOMAXPROCS"), case.cpu_words, case.say_node("cpu")),
        advice=(
            Advice(variable="GOMAXPROCS", value=None, reason="without a CPU limit Go's own default is right"),
            Advice(variable=None, value=None, reason="or set limits.cpu"),
        ),
        fix=set_variable(case.text, case.workload, "GOMAXPROCS", None, "unsafe"),
    )
