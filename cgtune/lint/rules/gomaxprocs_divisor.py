"""GOMAXPROCS gets thousandths of CPUs

What it means: a resourceFieldRef of limits.cpu with the divisor 1m gives millicores: 2 CPUs become 2000, and Go takes that for 2000
threads. The divisor 1m is right for a program that computes with it, and for cgtune env; not for the variable itself. The API server takes
1 and 1m, in any spelling; with another divisor, such as 2 or 500m, it refuses the whole object.

Why it hurts: as many goroutines as are ready run at once, each on a thread of its own. They use the quota of a period up in its first
moments, and everything stands still for the rest. The collector sizes itself by the same number.

How to confirm:
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GOMAXPROCS

What to do: write divisor: "1", which rounds up; with Go 1.25 or newer remove the variable, as the runtime follows its quota by itself.

Sources: Kubernetes, pkg/api/v1/resource (ceil of quantity over divisor), seen with 1.36; Altinity/clickhouse-operator pull request 1989.
"""

from __future__ import annotations

from cgtune.advice.quantities import parse_quantity
from cgtune.lint.edits import replace_scalar
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "gomaxprocs-divisor"
SEVERITY: Severity = "critical"
SUMMARY = "GOMAXPROCS gets thousandths of CPUs"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A divisor below 1, or none at all."""
    field = case.field("GOMAXPROCS")
    if field is None or field.divisor is None or field.divisor_place is None or not field.resource.endswith("cpu"):
        return
    divisor = parse_quantity(field.divisor)
    if not field.is_refused and (divisor is None or not 0 < divisor[0] < divisor[1]):
        return
    value = case.value("GOMAXPROCS")
    summary = f"GOMAXPROCS gets thousandths of CPUs{'' if value is None else f': {value} threads may run Go code at once'}"
    if field.is_refused:
        summary = f"GOMAXPROCS has the divisor {field.divisor}, and the API server refuses the whole object"
    yield case.found(
        ID,
        SEVERITY,
        field.divisor_place,
        summary,
        evidence=(case.variable_words("GOMAXPROCS"), case.cpu_words),
        advice=(Advice(variable=None, value=None, reason='write divisor: "1", which rounds up to whole CPUs'),),
        fix=replace_scalar(case.text, field.divisor_place, field.divisor, "1", "safe"),
    )
