"""GOMEMLIMIT leaves much of the memory limit unused

What it means: GOMEMLIMIT is below 60 % of the memory limit, after the size limits of volumes in memory are subtracted. Often the limit was
raised and the variable was not, or a chart computed with a fraction that it cut off: 1.5Gi read as 1Gi.

Why it hurts: what lies above is paid for, and Go avoids it: it collects more often than it need. It is right if other programs, cgo or an
embedded database take the rest.

How to confirm:
  kubectl get pod POD -o yaml | grep -B2 -A8 'GOMEMLIMIT\\|limits:'

What to do: set the recommended value, or lower the memory limit. If the rest is used by others, leave it.

Sources: https://go.dev/doc/gc-guide; a chart that read 1.5Gi as 1Gi (odigos).
"""

from __future__ import annotations

from cgtune.lint.edits import set_variable
from cgtune.numbers import format_limit, format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "gomemlimit-low"
SEVERITY: Severity = "info"
SUMMARY = "GOMEMLIMIT leaves much of the memory limit unused"

_LEAST_PERCENT = 60


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A small share of what the limit gives."""
    there, value, limit = case.variable("GOMEMLIMIT"), case.gomemlimit, case.limit_bytes
    if there is None or value is None or limit is None or case.sharers > 1:
        return
    high = case.workload.memory_high  # from there on the kernel slows it down: what lies above is for no plan
    left = (limit if high is None or high.size_bytes is None else min(limit, high.size_bytes)) - case.volumes_bytes
    if value * 100 >= left * _LEAST_PERCENT:
        return
    recommended = case.recommended("GOMEMLIMIT")
    is_more = recommended is not None and recommended > value
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"GOMEMLIMIT is {value * 100 / left:.3g} % of what the memory limit gives: {format_mib(left - value)} MiB stay unused",
        evidence=(case.variable_words("GOMEMLIMIT"), case.limit_words),
        advice=case.set_memory("uses what the limit gives, if nothing else takes it") if is_more else (),
        fix=set_variable(case.text, case.workload, "GOMEMLIMIT", format_limit(recommended or 0), "unsafe") if is_more else None,
    )
