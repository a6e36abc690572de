"""What the table says of use: throttling, pressure, memory, kills."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.rates import used_texts
from cgtune.outputs.words import format_bytes, format_kills, format_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import MemoryLevel, MemoryLimits, Pressure, ProcessReport, Snapshot
    from cgtune.outputs.layout import Sheet


def use_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    """How it goes. Of a quota under which nothing ever ran there is nothing to say, unless all is to be said."""
    snapshot, level = report.snapshot, report.throttled_level
    label = "use"
    for text, hurts in used_texts(report):
        yield from sheet.wrapped(label, sheet.style("alarm", text) if hurts else text)
        label = ""
    if level is not None and level.throttling is not None and (level.throttling.periods or sheet.layout.verbose):
        counters = level.throttling
        share = f" ({100 * counters.throttled_periods / counters.periods:.1f} %)" if counters.periods else ""
        text = f"throttled in {counters.throttled_periods} of {counters.periods} periods{share}, {counters.throttled_seconds:.1f} s in all"
        yield from sheet.wrapped(label, sheet.style("alarm", text) if counters.throttled_periods else text)
        label = ""
        if counters.bursts:
            periods = f"{counters.bursts} period{'s' * (counters.bursts != 1)}"
            yield from sheet.wrapped("", f"saved-up quota used in {periods}, {counters.burst_seconds or 0:.1f} s in all")
    for pressure, what in ((snapshot.cpu_pressure, "CPU"), (snapshot.memory_pressure, "memory")):
        if pressure is not None:
            yield from sheet.wrapped(label, _pressure_text(pressure, what))
            label = ""
    if snapshot.charged_level is not None and snapshot.charged_level.current_bytes is not None:
        yield from sheet.wrapped(label, _memory_text(sheet, snapshot, snapshot.charged_level, report.limits.memory))
        label = ""
        if snapshot.charged_level.parts is not None and (parts := format_parts(snapshot.charged_level.parts)):
            yield from sheet.wrapped("", f"of which {parts}")
    if report.limits.cpu.unbound is not None:
        yield from sheet.wrapped(label, escape_control(report.limits.cpu.unbound))
        label = ""
    if snapshot.oom_kills is not None:
        for text in _kills_texts(sheet, snapshot, snapshot.oom_kills):
            yield from sheet.wrapped(label, text if text == "OOM kills 0" else sheet.style("alarm", text))
            label = ""


def _kills_texts(sheet: Sheet, snapshot: Snapshot, kills: int) -> Iterator[str]:
    """The counters of its own cgroup, then of the cgroups above that have further kills."""
    yield format_kills(kills, snapshot.oom_group_kills)
    for level in snapshot.killed_levels:
        events = level.counted_events
        if level != snapshot.charged_level and events is not None and events.oom_kill is not None:
            yield f"{format_kills(events.oom_kill, events.oom_group_kill)} in {sheet.name(level.path)}"


def _memory_text(sheet: Sheet, snapshot: Snapshot, charged: MemoryLevel, limits: MemoryLimits) -> str:
    """What is in use, and how much of the limit that is: of the cgroup that binds, which its other children fill as well.

    What can be given back is no use of the limit, and is told apart.
    """
    binding, text = limits.binding, f"memory {_used_text(charged)}"
    text += "" if charged == snapshot.memory_chain[0] else f" in {sheet.name(charged.path)}"
    used = None if binding is None else binding.current_bytes if binding.used_bytes is None else binding.used_bytes
    if binding is not None and used is not None and limits.limit_bytes:
        share = f"({100 * used / limits.limit_bytes:.1f} % of the limit)"
        whole = f"; {_used_text(binding).removesuffix(' in use')} in all of {sheet.name(binding.path)} {share}"
        text += f" {share}" if binding == charged else whole
    if charged.reclaimable_bytes:
        text += f"; {format_bytes(charged.reclaimable_bytes)} more can be given back"
    return text


def _used_text(level: MemoryLevel) -> str:
    if level.used_bytes is None:
        return f"{format_bytes(level.current_bytes or 0)} charged"
    return f"{format_bytes(level.used_bytes)} in use"


def _pressure_text(pressure: Pressure, what: str) -> str:
    stall = pressure.some or pressure.full
    scope = "" if pressure.scope == "cgroup" else " on the whole machine"
    if stall is None:
        return f"{what} pressure unknown"
    return f"{what} pressure{scope} {stall.avg10_percent} % of 10 s, {stall.avg60_percent} % of 60 s, {stall.avg300_percent} % of 300 s"
