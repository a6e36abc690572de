"""GOMEMLIMIT is too small for what is alive: Go collects all the time

What it means: the live heap is 65 % of GOMEMLIMIT or more, or Go holds more than twice GOMEMLIMIT (a little more is usual for a moment),
while the enforced limit has room for a larger value. A limit below 4 MiB is a mistake in the unit ("512" is 512 bytes). Critical where not
even the live heap fits. The live heap is that of Go's last collection, with what was allocated while it ran.

Why it hurts: the collector runs all the time, up to its own ceiling of half of all CPU. Measured with Go 1.27.3: from 65 % live upwards
it takes about 50 %, and throughput falls to a fifth.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMEMLIMIT
  GODEBUG=gctrace=1 ./program                                 # many lines a second; the fourth figure is the share of CPU

What to do: raise GOMEMLIMIT to the recommended value, and the memory limit where that is what is too small. Where no value is
recommended, unset it.

Sources: https://go.dev/doc/gc-guide (death spirals, the limit on GC CPU); Go source runtime/mgclimit.go.
"""

from __future__ import annotations

from cgtune.advice.memory import size_that_ends_it
from cgtune.model import Finding
from cgtune.numbers import format_limit, format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Advice, Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-too-small"
SEVERITY: Severity = "warning"
SUMMARY = "GOMEMLIMIT is too small for what is alive: Go collects all the time"


_CROWDED_PERCENT = 65
_FAR = 2  # seen with 1.27.3: 1.2 times GOMEMLIMIT in 1 of 5 looks at a program that allocates as fast as it can, 1.9 times under 30 MiB
_UNIT_MISTAKE_BYTES = 4 << 20  # a Go program that does nothing has mapped more


def judge(case: Case) -> Finding | None:
    """Go's own limit leaves no room above the live heap, and need not be so small."""
    value, facts = case.gomemlimit, case.facts
    if facts is None or not isinstance(value, int):
        return None
    recommendation = case.recommended("GOMEMLIMIT")
    if recommendation.value is not None and recommendation.value <= value:
        return None  # the enforced limit is what is too small
    if case.memory.limit_bytes is not None and recommendation.value is None and value >= _UNIT_MISTAKE_BYTES:
        return None
    live, mapped = facts.observed.heap_marked_bytes, facts.observed.mapped_bytes
    crowded = live is not None and live * 100 >= value * _CROWDED_PERCENT
    beyond = mapped is not None and mapped > value * _FAR
    if not (crowded or beyond or value < _UNIT_MISTAKE_BYTES):
        return None
    held = "" if mapped is None else f"Go holds {format_mib(mapped)} MiB (read from its memory)"
    return Finding(
        rule=ID,
        severity="critical" if live is not None and live >= value else SEVERITY,
        summary=f"GOMEMLIMIT {value} bytes ({format_mib(value)} MiB) is too small for this program: Go collects all the time",
        evidence=tuple(line for line in (case.gomemlimit_words, case.live_words, held, case.limit_words) if line),
        advice=case.set_memory("what the enforced limit leaves to Go") or (_without_a_value(case, mapped),),
    )


def _without_a_value(case: Case, mapped_bytes: int | None) -> Advice:
    """What to do where no value is recommended: do without, unless nothing else would start a collection."""
    if case.gogc == "off" and mapped_bytes is not None:
        size = format_limit(size_that_ends_it(mapped_bytes, case.policy))
        return case.change_memory(size, "twice what Go holds: with GOGC off, nothing else starts a collection")
    return case.change_memory(None, case.recommended("GOMEMLIMIT").because[-1])
