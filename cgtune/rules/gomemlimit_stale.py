"""GOMEMLIMIT was set for a smaller memory limit than the one that is there now: the collector works for nothing

What it means: the variable sets a GOMEMLIMIT that leaves a fifth or more of what the present memory limit leaves to Go, and the program
needs it: its live heap fills 60 % of GOMEMLIMIT, or the collector takes 15 % of the time in which it runs. So is a program after its limit
was raised in place, or in the manifest without the variable. (A limit that was lowered below GOMEMLIMIT is gomemlimit-exceeds-limit.)

Why it hurts: Go reads GOMEMLIMIT at its start and keeps to it: the memory that was added stays unused, while the collector takes the CPU.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMEMLIMIT
  cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null

What to do: set the recommended value and restart; `cgtune env --watch` with resizePolicy RestartContainer keeps both together.

Sources: https://pkg.go.dev/runtime#hdr-Environment_Variables;
https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-stale"
SEVERITY: Severity = "warning"
SUMMARY = "GOMEMLIMIT was set for a smaller memory limit than the one that is there now"

_ROOM = 1.25
_LEAST_BYTES = 16 << 20  # what is less was never right for a limit: a mistake in the unit, which gomemlimit-too-small tells
_FULL_PERCENT = 60
_BUSY_PERCENT = 15.0


def judge(case: Case) -> Finding | None:
    """A variable that keeps Go from memory that it needs and has."""
    value, wanted = case.gomemlimit, case.recommended("GOMEMLIMIT")
    if case.facts is None or not isinstance(value, int) or not case.variable("GOMEMLIMIT") or case.memory.limit_bytes is None:
        return None
    if value < _LEAST_BYTES or wanted.value is None or wanted.crowded is not None or wanted.value < value * _ROOM:
        return None
    marked = case.facts.observed.heap_marked_bytes
    is_full = marked is not None and marked * 100 >= value * _FULL_PERCENT
    percent, harm = case.collector_felt
    is_busy = percent is not None and percent >= _BUSY_PERCENT
    if not is_full and not is_busy:
        return None
    busy = "" if percent is None else f"the collector took {percent:.0f} % of the time in which it ran"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"GOMEMLIMIT is {format_mib(value)} MiB, and the limit of {format_mib(case.memory.limit_bytes)} MiB leaves room for more",
        evidence=tuple(line for line in (case.gomemlimit_words, case.live_words, busy, case.limit_words) if line),
        advice=case.set_memory("what the present limit leaves to Go"),
        harm=harm if is_busy else "possible",
    )
