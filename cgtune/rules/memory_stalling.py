"""the program stands still for memory: the kernel takes pages away that it needs at once

What it means: something in its cgroup waited for memory in a good part of the time: for a page to be read again that had been taken away,
for room to be made, or because memory.high slows it down. From 10 % of the time a warning, from 40 % critical; between two looks, or in
the last minute of memory.pressure. Cgroup v2 alone tells that; if v1 has the memory controller, v2's cgroups are others, and not asked.
What would be enough is what is in use and swapped out, with the files in use.

Why it hurts: nothing is killed and nothing is logged, and yet the program is slow, up to a standstill.

How to confirm:
  cat /sys/fs/cgroup/memory.pressure 2>/dev/null               # some avg60: share of the last minute
  grep -HE '^(high|max)' /sys/fs/cgroup/memory.events 2>/dev/null

What to do: raise the limit that does it: memory.high if its events grow, else memory.max. Or need less: with GOMEMLIMIT below the limit Go
collects before the kernel takes.

Sources: Linux Documentation/accounting/psi.rst; Documentation/admin-guide/cgroup-v2.rst (memory.high, memory.events).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "memory-stalling"
SEVERITY: Severity = "warning"
SUMMARY = "the program stands still for memory"

_SCALE: tuple[tuple[float, Severity], ...] = ((40.0, "critical"), (10.0, "warning"))


def judge(case: Case) -> Finding | None:
    """The share of the time in which something in its cgroup waited for memory."""
    percent, seen = _measure(case)
    severity = None if percent is None else next((name for least, name in _SCALE if percent >= least), None)
    if severity is None or percent is None:
        return None
    rates = case.snapshot.rates
    grown = [] if rates is None else [rate for rate in rates.memory if rate.high_events or rate.max_events]
    events = tuple(f"{rate.directory}/memory.events: high {rate.high_events}, max {rate.max_events} more" for rate in grown)
    slowed = any(rate.high_events for rate in grown) or (not grown and case.memory.high_bytes is not None)
    enough = case.enough_memory_words(case.memory.high_binding if slowed else case.memory.binding, is_pressed=True)
    return Finding(
        rule=ID,
        severity=severity,
        summary=f"something in its cgroup waited for memory in {percent:.0f} % of the time",
        evidence=(seen, *events, *(line for line in (case.high_words, case.limit_words) if line), *enough),
        advice=(
            *case.lower_memory("what the limit leaves to Go"),
            act(f"raise {'memory.high, which slows it down' if slowed else 'the memory limit'}, or find what takes it: memory.stat tells"),
        ),
        harm="now",
    )


def _measure(case: Case) -> tuple[float | None, str]:
    """The share in percent, None if nothing tells it; and what says so."""
    if any(level.version == 1 for level in case.snapshot.memory_chain):
        return None, ""  # on a hybrid machine the v2 cgroup with the pressure may hold whatever runs there
    rates, pressure = case.snapshot.rates, case.snapshot.memory_pressure
    own = case.snapshot.pressure_chain[0] if case.snapshot.pressure_chain else None
    rate = None if rates is None else rates.pressure_of(own)
    if rate is not None and rate.memory_some_percent is not None:
        return rate.memory_some_percent, f"{rate.directory}/memory.pressure: some, {rate.memory_some_percent:.0f} % of {rate.seconds:.0f} s"
    if rates is not None or pressure is None or pressure.scope != "cgroup" or pressure.some is None:
        return None, ""
    return pressure.some.avg60_percent, f"{pressure.file}: some avg60={pressure.some.avg60_percent:g}"
