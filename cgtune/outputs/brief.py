"""A process in three lines: what is wrong with it, what limits it and what it does with that, what to set."""

from __future__ import annotations

from cgtune.numbers import format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import Sheet, cgroup_paths, clip_start
from cgtune.outputs.rates import window_words
from cgtune.outputs.words import (
    container_name,
    end_words,
    format_bytes,
    format_kills,
    format_setting,
    format_value,
    is_set_without_advice,
    other_words,
    present_value,
    rule_words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import ProcessReport
    from cgtune.outputs.layout import Layout

_ROOM_FOR_USE, _LEAST_NAME = 80, 14


def brief_lines(report: ProcessReport, layout: Layout) -> tuple[str, str, str]:
    """Three lines of the layout's width at most; what is cut ends in "…", and of a container's name the end stays."""
    sheet = Sheet(layout, cgroup_paths(report.snapshot))
    process = report.snapshot.process
    title = f"{process.pid} {escape_control(process.command)}" + " (cgtune itself)" * process.is_self
    first = sheet.clipped(f"{title}  {_finding_words(report)}".rstrip())
    worst = report.findings[0].severity if report.findings else "strong"
    if len(first) > len(title):
        first = f"{layout.style('strong', title)}  {layout.style(worst, first[len(title) + 2 :])}"
    where = clip_start(container_name(report.snapshot.container), max(sheet.width - _ROOM_FOR_USE, _LEAST_NAME))
    unseen = [f"{len(report.notes)} not seen"] if report.notes else []  # before what may be cut
    second = "; ".join((_limits(report), *unseen, *_use(report)))
    second = sheet.clipped(f"  {where}: {second}" if where else f"  {second}")
    return first, second, layout.style("strong", sheet.clipped(f"  {'; '.join(_acts(report))}"))


def _finding_words(report: ProcessReport) -> str:
    if not report.findings:
        return "" if report.snapshot.process.is_self else "no finding"
    worst, more = report.findings[0], len(report.findings) - 1
    end = f"; {end_words(worst)}" if end_words(worst) else ""
    return f"{worst.severity} {rule_words(worst)}{f' (+{more})' * bool(more)}: {escape_control(worst.summary)}{end}"


def _limits(report: ProcessReport) -> str:
    cpu, memory, machine = report.limits.cpu, report.limits.memory, report.snapshot.machine
    usable = len(cpu.usable)
    if cpu.limit_cores is not None:
        cores = f"{format_cpus(min(cpu.limit_cores, usable))} of {usable}"
    else:
        cores = f"{'at most ' * bool(report.unread_quotas or not report.snapshot.cpu_chain)}{format_cpus(usable)}"
    if memory.limit_bytes is not None:
        return f"{cores}, {format_bytes(memory.limit_bytes)}"
    unseen = report.unread_memory_limits or not report.snapshot.memory_chain
    whole = "memory unknown" if machine.memory_bytes is None else f"all of {format_bytes(machine.memory_bytes)}"
    return f"{cores}, {whole.replace('all of', 'at most') if unseen else whole}"


def _use(report: ProcessReport) -> Iterator[str]:
    snapshot, level = report.snapshot, report.throttled_level
    if snapshot.oom_kills:
        yield format_kills(snapshot.oom_kills, None)
    window = window_words(report)
    if window:
        yield window
    elif level is not None and level.throttling is not None and level.throttling.throttled_periods and level.throttling.periods:
        counters = level.throttling
        yield f"throttled in {100 * counters.throttled_periods / counters.periods:.1f} % of {counters.periods} periods"
    charged = snapshot.charged_level
    if charged is not None and charged.current_bytes is not None:
        in_use = charged.used_bytes is not None
        yield f"{format_bytes(charged.used_bytes or 0 if in_use else charged.current_bytes)} {'in use' if in_use else 'charged'}"


def _acts(report: ProcessReport) -> Iterator[str]:
    """What each Go value is now, and what to do about it."""
    snapshot = report.snapshot
    if not snapshot.go:
        if not snapshot.process.is_self:
            yield "no Go runtime was found" if snapshot.kind is None else other_words(snapshot.kind)
        else:
            yield "it stands for this container"
        return
    if snapshot.go[0].derived.dies:
        yield f"{snapshot.go[0].program.name} dies at its next start"
    values = {setting.name: setting for setting in snapshot.go[0].settings}
    for one in report.recommendations:
        setting = values.get(one.name)
        observed, derived = (None, None) if setting is None else (setting.observed, setting.derived)
        seen = observed if observed is not None else derived
        now = "?" if seen is None else format_value(one.name, seen)
        if one.overruled:
            act = f"set {format_setting(one)} in the program"
        elif one.set and observed is not None and observed == one.value:
            act = "as it should be"
        elif one.set:
            act = f"export {one.name}={format_setting(one)}"
        elif is_set_without_advice(report, one):
            act = "leave it as it is"
        else:
            act = f"unset {one.name}" if present_value(report, one.name) else "leave it unset"
        yield f"{one.name} {'derived ' * (observed is None and seen is not None)}{now}: {act}"
