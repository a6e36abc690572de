"""What the page of a fleet draws over time: the use of each container's busiest replica, in as many points as fit. SVG in text."""

from __future__ import annotations

from cgtune.outputs.escape import escape_markup
from cgtune.outputs.fleet.words import bytes_words, cores_words, format_age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cgtune.fleet.model import Row, Timeline

    Points = Sequence[tuple[float, float]]
    Show = Callable[[float | None], str]

_STEP, _HEIGHT = 10, 100  # whole numbers: they are short, and there are many
_ROOM = 1.05


def draw_over_time(row: Row, timeline: Timeline | None) -> str:
    """CPU and memory over the time of the report, each if it was measured; nothing if that was not asked for."""
    if timeline is None:
        return ""
    measured, step = row.measured, format_age(timeline.step_seconds)
    limits = (("limit", measured.memory_limit_bytes), ("GOMEMLIMIT", measured.gomemlimit_bytes))
    drawn = _plot(timeline, f"CPUs used, the mean of each {step}", measured.cpu_track, (("limit", measured.cpu_limit_cores),), cores_words)
    drawn += _plot(timeline, f"memory used, the most in each {step}", measured.memory_track, limits, bytes_words)
    if not drawn:
        return ""
    span = format_age(timeline.end_seconds - timeline.begin_seconds)
    return f'<h3>Over {span}, the busiest replica</h3>\n<div class="plots">{drawn}</div>\n'


def _plot(timeline: Timeline, what: str, track: Points, marks: Sequence[tuple[str, float | None]], show: Show) -> str:
    places = _places(timeline, track)
    if not places:
        return ""
    lines = [(name, value) for name, value in marks if value is not None]
    most = max(places.values())
    top = _ROOM * max(most, *(value for _, value in lines), 0.0) or 1.0
    path = "".join(_pieces({place: round(_HEIGHT * (1 - value / top)) for place, value in places.items()}))
    width = _STEP * (_count(timeline) - 1)
    drawn = "".join(_mark(width, round(_HEIGHT * (1 - value / top)), f"{name} {show(value)}") for name, value in lines)
    figures = [f"at most {show(most)}", f"last {show(places[max(places)])}", *(f"{name} of now {show(value)}" for name, value in lines)]
    said = escape_markup(", ".join(figures))
    frame = f'<svg class="plot" viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" role="img">'
    return (
        f'<figure>{frame}<title>{escape_markup(what)}</title><desc>{said}</desc>{drawn}<path class="line" d="{path}"/></svg>'
        f"<figcaption>{escape_markup(what)}: {said}</figcaption></figure>"
    )


def _count(timeline: Timeline) -> int:
    return max(2, int((timeline.end_seconds - timeline.begin_seconds) // timeline.step_seconds) + 1)


def _places(timeline: Timeline, track: Points) -> dict[int, float]:
    """The highest value of each place on the line, from 0 at its begin. What an engine tells of other times has no place."""
    count, most = _count(timeline), dict[int, float]()
    for time, value in track:
        place = round((time - timeline.begin_seconds) / timeline.step_seconds)
        if 0 <= place < count:
            most[place] = max(value, most.get(place, value))
    return dict(sorted(most.items()))


def _pieces(heights: dict[int, int]) -> Iterator[str]:
    """The line, broken where nothing was measured; a point that stands alone is a dot."""
    for place, height in heights.items():
        is_first, is_last = place - 1 not in heights, place + 1 not in heights
        yield f"{'M' if is_first else ' '}{_STEP * place} {height}{'h0' if is_first and is_last else ''}"


def _mark(width: int, height: int, said: str) -> str:
    return f'<path class="level" d="M0 {height}H{width}"><title>{escape_markup(said)}</title></path>'
