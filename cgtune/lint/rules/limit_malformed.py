"""an amount is no quantity of Kubernetes, and the API refuses the object

What it means: a limit or request is written in a way that the API server answers with 400: 512MiB (that is Go's spelling; Kubernetes has
512Mi), 0x10, 1_000m, an amount with a blank inside.

Why it hurts: nothing of the object is applied; with Helm, nothing of the release.

How to confirm:
  kubectl apply --dry-run=server -f FILE 2>&1 | grep 'quantit'

What to do: write digits with one of Ki, Mi, Gi, Ti, k, M, G, T, or m for thousandths.

Sources: Kubernetes, k8s.io/apimachinery pkg/api/resource (quantity.go); seen with 1.36.
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

ID = "limit-malformed"
SEVERITY: Severity = "critical"
SUMMARY = "an amount is no quantity of Kubernetes, and the API refuses the object"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """What the reader found to be refused."""
    for flaw in case.workload.flaws:
        if flaw.cause == "bad-quantity":
            yield case.found(
                ID,
                SEVERITY,
                flaw.place,
                f"{flaw.what} {flaw.written[:60]!r}: {flaw.detail}",
                advice=(Advice(variable=None, value=None, reason="write digits with one of Ki, Mi, Gi, k, M, G, or m for thousandths"),),
                fix=replace_scalar(case.text, flaw.place, flaw.written, flaw.written[:-1], "safe") if _is_as_go(flaw.written) else None,
            )


def _is_as_go(written: str) -> bool:
    """Whether it is a size as Go spells it, which is Kubernetes' spelling and a B."""
    return written.endswith(("KiB", "MiB", "GiB", "TiB")) and parse_quantity(written[:-1]) is not None
