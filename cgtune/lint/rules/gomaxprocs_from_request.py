"""GOMAXPROCS follows the CPU request, and there is no CPU limit

What it means: GOMAXPROCS comes from requests.cpu, by a resourceFieldRef or as a chart computes it (the request rounded up, twice the
request, or the request plus 4), and no CPU limit is set. Some projects do so on purpose, to be a good neighbour on busy nodes.

Why it hurts: CPUs that are idle on the node stay unused. A request that is not set gives 0, which Go takes for unset: then it is all CPUs.

How to confirm:
  kubectl get pod POD -o yaml | grep -B2 -A8 'GOMAXPROCS\\|requests:'

What to do: leave it if it is meant; else remove GOMAXPROCS, or set a CPU limit, which Go 1.25 and newer follow by themselves.

Sources: grafana/mimir, Helm chart of store-gateway; openshift/enhancements 2047.
"""

from __future__ import annotations

import math

from cgtune.model import Advice
from cgtune.numbers import format_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "gomaxprocs-from-request"
SEVERITY: Severity = "info"
SUMMARY = "GOMAXPROCS follows the CPU request, and there is no CPU limit"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A reference to the request, or what a chart computes from it."""
    there, field, value, request = case.variable("GOMAXPROCS"), case.field("GOMAXPROCS"), case.gomaxprocs, case.workload.cpu_request
    if there is None or case.cpu_limit is not None or (field is not None and field.resource != "requests.cpu"):
        return
    cores = None if request is None else request.cores
    if field is None and (cores is None or value not in (math.ceil(cores), math.ceil(2 * cores), math.ceil(cores + 4))):
        return
    shown = "a request that is not set" if cores is None else f"the request of {format_cpus(cores)}"
    how = "comes from" if field is not None else f"is {value}, as charts compute it from"
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"GOMAXPROCS {how} {shown}, and there is no CPU limit",
        evidence=(
            case.variable_words("GOMAXPROCS"),
            "" if request is None else f"CPU request {request.written} ({case.line(request.place)})",
        ),
        advice=(Advice(variable="GOMAXPROCS", value=None, reason="Go then uses what the node has to spare; or leave it, if it is meant"),),
        is_pedantic=True,
    )
