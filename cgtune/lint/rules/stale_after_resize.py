"""a resize leaves a Go variable as it was

What it means: resizePolicy names the limit, or a VerticalPodAutoscaler of the input changes it in place (InPlaceOrRecreate, or a CPU boost
that is taken back). The variable that belongs to it is fixed at the container's start. With NotRequired there is no new start. With
RestartContainer there is one, at which only a resourceFieldRef and a fileKeyRef are read anew: a value that is written stays as it is.

Why it hurts: after a decrease of memory GOMEMLIMIT lies above the new limit and can never act; after an increase the rest stays unused.
GOMAXPROCS stays at its old number: throttled after a decrease, idle CPUs after an increase.

How to confirm:
  kubectl get pod POD -o yaml | grep -A2 'resourceName:'
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GO

What to do: of a resourceFieldRef or fileKeyRef set restartPolicy: RestartContainer. Take a value that is written out, and have it computed
at each start: by `cgtune exec`, or by `cgtune env --watch` and a fileKeyRef, each with RestartContainer. With Go 1.25 or newer remove
GOMAXPROCS: the runtime follows its quota.

Sources: Kubernetes KEP-1287 (stable in 1.35); autoscaler AEP-4016, AEP-7862 and AEP-8818; seen with 1.36: GOMAXPROCS from a
resourceFieldRef keeps its number through a resize, and a restart by resizePolicy fills it in anew.
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
SUMMARY = "a resize leaves a Go variable as it was"


#: What the kubelet reads anew when it starts a container again.
_READ_AT_EACH_START = ("field", "file-key")


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A variable beside a policy that changes its limit, and leaves the variable."""
    for resize in case.workload.resizes:
        name = {"cpu": "GOMAXPROCS", "memory": "GOMEMLIMIT"}.get(resize.resource)
        there = None if name is None else case.variable(name)
        if name is None or there is None or case.value(name) in ("", "off"):
            continue
        restarts, is_written = resize.restart != "NotRequired", there.origin not in _READ_AT_EACH_START
        if restarts and not is_written:
            continue
        restart = f"restartPolicy: RestartContainer for {resize.resource}"
        compute = f"take it out, and let cgtune exec, or cgtune env --watch with a fileKeyRef, compute it at each start, with {restart}"
        remove = Advice(variable="GOMAXPROCS", value=None, reason="Go 1.25 and newer then follow each change by themselves")
        mend = Advice(variable=None, value=None, reason=compute if is_written else f"set {restart}")
        who = "resizePolicy" if resize.by is None else resize.by[:80]
        change = f"{who} {'lets' if resize.by is None else 'makes'} its {resize.resource} limit change without one"
        if restarts:
            change = f"the restart that {who} asks for when its {resize.resource} limit changes finds the same value"
        said = f"{who} of {resize.resource} is {resize.restart}" if resize.by is None else f"{who} changes it in place"
        yield case.found(
            ID,
            SEVERITY,
            there.name_place,
            f"{name} is fixed at the container's start, and {change}",
            evidence=(case.variable_words(name), f"{said} ({case.line(resize.place)})"),
            advice=(remove, mend) if name == "GOMAXPROCS" else (mend,),
        )
