"""a resize without a restart leaves a Go variable as it was

What it means: resizePolicy says that the limit may change while the container runs (NotRequired), or a VerticalPodAutoscaler of the input
changes it in place (InPlaceOrRecreate, or a CPU boost that is taken back). The variable that belongs to it is fixed at the container's
start, whether it is written or filled in by a resourceFieldRef.

Why it hurts: after a decrease of memory GOMEMLIMIT lies above the new limit and can never act; after an increase the rest stays unused.
GOMAXPROCS stays at its old number: throttled after a decrease, idle CPUs after an increase.

How to confirm:
  kubectl get pod POD -o yaml | grep -A2 'resourceName:'
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GO

What to do: for memory set restartPolicy: RestartContainer. For CPU the same; or, with Go 1.25 or newer, remove GOMAXPROCS: the runtime
follows its quota.

Sources: Kubernetes KEP-1287 (stable in 1.35); autoscaler AEP-4016, AEP-7862 and AEP-8818; seen with 1.36: GOMAXPROCS from a
resourceFieldRef keeps its number through a resize.
"""

from __future__ import annotations

from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "stale-after-resize"
SEVERITY: Severity = "warning"
SUMMARY = "a resize without a restart leaves a Go variable as it was"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A variable beside a policy that changes its limit without a restart."""
    for resize in case.workload.resizes:
        name = {"cpu": "GOMAXPROCS", "memory": "GOMEMLIMIT"}.get(resize.resource)
        there = None if name is None else case.variable(name)
        if name is None or there is None or resize.restart != "NotRequired" or case.value(name) in ("", "off"):
            continue
        remove = Advice(variable="GOMAXPROCS", value=None, reason="Go 1.25 and newer then follow each change by themselves")
        restart = Advice(variable=None, value=None, reason=f"set restartPolicy: RestartContainer for {resize.resource}")
        by = "resizePolicy lets" if resize.by is None else f"{resize.by[:80]} makes"
        what = f"resizePolicy of {resize.resource} is NotRequired" if resize.by is None else f"{resize.by[:80]} changes it in place"
        said = f"{what} ({case.line(resize.place)})"
        yield case.found(
            ID,
            SEVERITY,
            there.name_place,
            f"{name} is fixed at the container's start, and {by} its {resize.resource} limit change without one",
            evidence=(case.variable_words(name), said),
            advice=(remove, restart) if name == "GOMAXPROCS" else (restart,),
        )
