"""What the page draws: the memory of a process as a bar, and its numbers over time as plots. SVG in the text of the page."""

from __future__ import annotations

from cgtune.numbers import format_cores
from cgtune.outputs.escape import escape_markup
from cgtune.outputs.words import format_bytes, format_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cgtune.model import GoFacts, MemoryLevel, ProcessReport, Track

_PLOTS = {
    "cpu-used": ("CPU used", "CPU"),
    "throttled": ("throttled, share of the quota's periods", "%"),
    "cpu-waiting": ("waits for a CPU, share of the time", "%"),
    "memory-stalled": ("waits for memory, share of the time", "%"),
    "memory": ("memory in use", "B"),
    "live-heap": ("live heap", "B"),
}
_SPANS = (("the last five minutes", 300.0), ("the last day, the highest of each ten minutes", 86400.0))
_LEAST_SPANS = 3  # fewer are no more than the last five minutes tell
_WIDTH, _HEIGHT = 300.0, 60.0
_BAR = 1000.0


def draw_memory(process: ProcessReport) -> str:
    """What fills the limit, as a bar: live heap, the rest that Go has mapped, what is not Go's, page cache. The mark is GOMEMLIMIT."""
    level, limit = process.limits.memory.binding or process.snapshot.charged_level, process.limits.memory.limit_bytes
    if level is None or level.current_bytes is None:
        return ""
    parts = list(_parts(process.snapshot.go, level))
    kills = process.snapshot.oom_kills
    whole = max(limit or 0, sum(count for _, _, count in parts), 1)
    rects, left = [], 0.0
    for kind, what, count in parts:
        width = _BAR * count / whole
        title = f"<title>{escape_markup(what)}: {format_bytes(count)}</title>"
        rects.append(f'<rect class="{kind}" x="{left:.1f}" y="0" width="{width:.1f}" height="28">{title}</rect>')
        left += width
    gomemlimit = _gomemlimit(process)
    marks, legend = "", [f'<li><i class="{kind}"></i>{escape_markup(what)} {format_bytes(count)}</li>' for kind, what, count in parts]
    if gomemlimit is not None:
        if gomemlimit <= whole:
            marks = f'<line class="mark" x1="{_BAR * gomemlimit / whole:.1f}" x2="{_BAR * gomemlimit / whole:.1f}" y1="0" y2="28"/>'
        legend.append(f'<li><i class="mark"></i>GOMEMLIMIT {format_bytes(gomemlimit)}</li>')
    legend.append(f"<li>limit {format_bytes(limit)}</li>" if limit is not None else "<li>no limit</li>")
    legend += [f"<li>{escape_markup(format_kills(kills, process.snapshot.oom_group_kills))}</li>"] if kills else []
    said = ", ".join(f"{what} {format_bytes(count)}" for _, what, count in parts)
    frame = f'<svg class="bar" viewBox="0 0 {_BAR:g} 28" preserveAspectRatio="none" role="img" aria-label="{escape_markup(said)}">'
    shape = f"{frame}{''.join(rects)}{marks}</svg>"
    return f'<h3>Memory of {escape_markup(level.path)}</h3>\n{shape}\n<ul class="legend">{"".join(legend)}</ul>\n'


def _parts(go: Sequence[GoFacts], level: MemoryLevel) -> Iterator[tuple[str, str, int]]:
    """Kind, words and bytes of each piece of the bar. What Go has mapped need not all be there: what is not Go's is at least so much."""
    if level.used_bytes is None:  # what of it can be given back is not known
        yield "other", "charged", level.current_bytes or 0
        return
    used = level.used_bytes
    live = [facts.observed.heap_live_bytes for facts in go]
    mapped = [facts.observed.mapped_bytes for facts in go]
    if go and None not in live and None not in mapped:
        in_go = min(used, sum(count or 0 for count in mapped))
        heap = min(in_go, sum(count or 0 for count in live))
        yield "live", "live heap", heap
        yield "go", "the rest of Go's memory", in_go - heap
        yield "other", "not Go's, at least", used - in_go
    else:
        yield "other", "in use", used
    if level.reclaimable_bytes:
        yield "cache", "page cache and the like, can be given back", level.reclaimable_bytes


def _gomemlimit(process: ProcessReport) -> int | None:
    for facts in process.snapshot.go:
        for setting in facts.settings:
            value = setting.observed if setting.observed is not None else setting.derived
            if setting.name == "GOMEMLIMIT" and isinstance(value, int):
                return value
    return None


def draw_tracks(tracks: Sequence[Track], limit_bytes: int | None, limit_cores: float | None) -> str:
    """Each number over both spans, if anybody measured it. Bytes are drawn against the memory limit, if there is one, CPUs against the
    quota.
    """
    limits = {"B": limit_bytes, "CPU": limit_cores}
    figures = []
    for track in tracks:
        what, unit = _PLOTS[track.name]
        figures += [
            _plot(what, unit, points, span, seconds, limits.get(unit))
            for points, (span, seconds) in zip((track.recent, track.day), _SPANS, strict=True)
            if len(points) >= (_LEAST_SPANS if points is track.day else 1)
        ]
    return f'<h3>Over time</h3>\n<div class="plots">{"".join(figures)}</div>\n' if figures else ""


def _plot(what: str, unit: str, points: Sequence[tuple[float, float]], span: str, seconds: float, limit: float | None) -> str:
    highest = max(value for _, value in points)
    top = 100.0 if unit == "%" else max(highest * 1.1, limit or 0.0) or 1.0
    places = [(_WIDTH * (1 - min(age / seconds, 1)), _HEIGHT * (1 - value / top)) for age, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    shown, most = _amount(points[-1][1], unit), _amount(highest, unit)
    dot = f'<path class="dot" d="M{places[-1][0]:.1f} {places[-1][1]:.1f}h0"/>'
    frame = f'<svg class="plot" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true">'
    shape = f'{frame}<polyline points="{line}"/>{dot}</svg>'
    above = "" if limit is None else f"; the top is the {'quota' if unit == 'CPU' else 'limit'}, {_amount(limit, unit)}"
    return f"<figure>{shape}<figcaption>{what}: {shown}, at most {most} in {span}{above}</figcaption></figure>"


def _amount(value: float, unit: str) -> str:
    if unit == "CPU":
        return f"{format_cores(round(value, 2))} CPUs"
    return f"{value:.0f} %" if unit == "%" else format_bytes(int(value))
