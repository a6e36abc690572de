"""GOMEMLIMIT gets its limit in larger units, and Go reads bytes

What it means: a resourceFieldRef with the divisor 1Mi gives the number of MiB. Kubernetes writes it without a unit, and Go takes a number
without a unit for bytes: 512Mi becomes 512 bytes. So with every divisor but 1 (0 and a missing one count as 1). The API server takes 1, 1k
to 1E and 1Ki to 1Ei, in any spelling; with another divisor, such as 2Mi, it refuses the whole object.

Why it hurts: any live heap is beyond so small a limit, so the collector runs all the time, up to its own ceiling of half of all CPU.
Throughput falls to a fifth.

How to confirm:
  kubectl exec POD -c CONTAINER -- cat /proc/1/environ | tr '\\0' '\\n' | grep GOMEMLIMIT

What to do: write divisor: "1". That is 100 % of the limit, which leaves no headroom: a value of 90 % that the chart computes is better.

Sources: Kubernetes, pkg/api/v1/resource (ceil of quantity over divisor), seen with 1.36; Go source runtime/string.go (parseByteCount);
owncloud/ocis issue 5713.
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

ID = "gomemlimit-divisor"
SEVERITY: Severity = "critical"
SUMMARY = "GOMEMLIMIT gets its limit in larger units, and Go reads bytes"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A divisor that is not 1, or none at all."""
    field = case.field("GOMEMLIMIT")
    if field is None or field.divisor is None or field.divisor_place is None or not field.resource.endswith("memory"):
        return
    divisor = parse_quantity(field.divisor)
    if not field.is_refused and (divisor is None or divisor[0] in (0, divisor[1])):
        return
    value = case.value("GOMEMLIMIT")
    number = "a number" if value is None else value
    summary = f"GOMEMLIMIT is {number} of {field.divisor}, which Go reads as bytes: it collects all the time"
    if field.is_refused:
        summary = f"GOMEMLIMIT has the divisor {field.divisor}, and the API server refuses the whole object"
    yield case.found(
        ID,
        SEVERITY,
        field.divisor_place,
        summary,
        evidence=(case.variable_words("GOMEMLIMIT"), case.limit_words),
        advice=(
            Advice(variable=None, value=None, reason='write divisor: "1", so that it is bytes'),
            *case.set_memory("leaves headroom, which the whole limit does not"),
        ),
        fix=replace_scalar(case.text, field.divisor_place, field.divisor, "1", "safe"),
    )
