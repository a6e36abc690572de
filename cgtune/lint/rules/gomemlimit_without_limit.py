"""GOMEMLIMIT is set and there is no memory limit

What it means: neither the container nor its pod has a memory limit, and GOMEMLIMIT has a number all the same. Some projects set it to the
memory request on purpose: the program then stays near what the scheduler has planned for it.

Why it hurts: not, if it is meant. Else the collector works to stay below a number that nothing enforces: a live heap near it costs CPU,
up to half of all, though the node has memory to spare.

How to confirm:
  kubectl get pod POD -o yaml | grep -B2 -A8 'GOMEMLIMIT\\|limits:'

What to do: set a memory limit with some 10 % of headroom above it, or leave it if it is meant.

Sources: https://go.dev/doc/gc-guide (suggested uses of the memory limit).
"""

from __future__ import annotations

from cgtune.model import Advice
from cgtune.numbers import format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

ID = "gomemlimit-without-limit"
SEVERITY: Severity = "info"
SUMMARY = "GOMEMLIMIT is set and there is no memory limit"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """A number, and nothing that enforces one."""
    there, value, request = case.variable("GOMEMLIMIT"), case.gomemlimit, case.workload.memory_request
    if there is None or value is None or case.limit_bytes is not None or case.is_memory_unknown:
        return
    if case.workload.memory_high is not None or (there.field is not None and there.field.falls_to is not None):
        return
    equal = request is not None and request.size_bytes == value
    yield case.found(
        ID,
        SEVERITY,
        case.at(there),
        f"GOMEMLIMIT is {format_mib(value)} MiB, and no memory limit is written{': it is the memory request' if equal else ''}",
        evidence=(
            case.variable_words("GOMEMLIMIT"),
            "" if request is None else f"memory request {request.written} ({case.line(request.place)})",
        ),
        advice=(Advice(variable=None, value=None, reason="set a memory limit some 10 % above it; or leave it, if that is meant"),),
    )
