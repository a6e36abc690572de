"""several containers of a pod each plan with the whole memory limit of the pod

What it means: the pod has a memory limit (spec.resources), its containers have none of their own, and what their GOMEMLIMITs allow comes to
more than that limit together. A resourceFieldRef of limits.memory gives the pod's limit to each of them.

Why it hurts: each collector believes that there is room until the pod is at its limit, and the kernel kills.

How to confirm:
  kubectl get pod POD -o yaml | grep -A8 'GOMEMLIMIT\\|limits:'

What to do: give each container a memory limit of its own, or a GOMEMLIMIT that is its share.

Sources: Kubernetes KEP-2837 (pod-level resources) and pull request 132605; seen with 1.36.
"""

from __future__ import annotations

from cgtune.model import Advice
from cgtune.numbers import format_mib
from cgtune.runtimes.go.derived.grammar import NO_LIMIT, parse_gomemlimit
from cgtune.runtimes.go.derived.versions import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.manifests.workload import Workload
    from cgtune.model import Severity

ID = "pod-limit-shared"
SEVERITY: Severity = "warning"
SUMMARY = "several containers of a pod each plan with the whole memory limit of the pod"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """Shares of one limit that come to more than it."""
    there, own, pod = case.variable("GOMEMLIMIT"), case.gomemlimit, case.workload.pod_memory_limit
    if there is None or own is None or pod is None or pod.size_bytes is None or _has_own(case.workload):
        return
    others = [value for mate in case.mates if not _has_own(mate) and (value := _gomemlimit(mate)) is not None]
    total = own + sum(others)
    if not others or total <= pod.size_bytes:
        return
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"{len(others) + 1} containers plan with {format_mib(total)} MiB of the {format_mib(pod.size_bytes)} MiB of their {case.around}",
        evidence=(case.variable_words("GOMEMLIMIT"), case.limit_words),
        advice=(Advice(variable=None, value=None, reason="give each container a memory limit of its own, or its share as GOMEMLIMIT"),),
    )


def _has_own(workload: Workload) -> bool:
    return workload.memory_limit is not None and workload.memory_limit.size_bytes is not None


def _gomemlimit(workload: Workload) -> int | None:
    there = workload.variable("GOMEMLIMIT")
    value = None if there is None or not there.value else parse_gomemlimit(there.value, NEWEST)
    return value if value is not None and value < NO_LIMIT else None
