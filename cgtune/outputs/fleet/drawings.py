"""What the page of a fleet draws: the use of a container as a bar, from the median to the most, with its limits as marks. SVG in text."""

from __future__ import annotations

from cgtune.outputs.escape import escape_markup
from cgtune.outputs.fleet.words import bytes_words, cores_words, percent_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cgtune.fleet.model import Row, Span

_BAR = 1000.0
_ROOM = 1.05  # so that the mark of the largest value is not at the very edge
_KINDS = (("cache", "most"), ("go", "p95"), ("live", "p50"))  # the widest first: the others are drawn over it
_NAMES = {"p50": "median", "p95": "95th percentile", "most": "most"}


def draw_use(row: Row) -> str:
    """CPU, memory and throttling, each if it was measured."""
    measured = row.measured
    sized = {each.what: each.value for each in row.sized}
    cpu = (("limit", measured.cpu_limit_cores), ("request", measured.cpu_request_cores), ("recommended limit", sized.get("cpu-limit")))
    memory = (
        ("limit", measured.memory_limit_bytes),
        ("request", measured.memory_request_bytes),
        ("recommended limit", sized.get("memory-limit")),
        ("GOMEMLIMIT", measured.gomemlimit_bytes),
    )
    figures = [
        _bar("CPUs used", measured.cpu_used, cpu, cores_words),
        _bar("memory used", measured.memory_used, memory, bytes_words),
        _bar("periods throttled", measured.throttled, (), percent_words, whole=1.0),
    ]
    drawn = "".join(filter(None, figures))
    return f'<h3>Use</h3>\n<div class="plots">{drawn}</div>\n' if drawn else ""


def _bar(
    what: str, span: Span, marks: Sequence[tuple[str, float | None]], show: Callable[[float | None], str], whole: float | None = None
) -> str:
    used = [(kind, name, value) for kind, name in _KINDS if (value := getattr(span, name)) is not None]
    if not used:
        return ""
    lines = [(name, value) for name, value in marks if value is not None]
    top = whole or _ROOM * max([value for _, _, value in used] + [value for _, value in lines]) or 1.0
    rects = "".join(
        f'<rect class="{kind}" x="0" y="0" width="{_BAR * min(value / top, 1):.1f}" height="28">'
        f"<title>{_NAMES[name]}: {show(value)}</title></rect>"
        for kind, name, value in used
    )
    drawn = "".join(
        f'<line class="mark" x1="{_BAR * value / top:.1f}" x2="{_BAR * value / top:.1f}" y1="0" y2="28">'
        f"<title>{name}: {show(value)}</title></line>"
        for name, value in lines
    )
    figures = [f"{_NAMES[name]} {show(value)}" for _, name, value in reversed(used)]
    said = ", ".join([*figures, *(f"{name} {show(value)}" for name, value in lines)])
    label = escape_markup(f"{what}: {said}")
    frame = f'<svg class="bar" viewBox="0 0 {_BAR:g} 28" preserveAspectRatio="none" role="img" aria-label="{label}">'
    return f"<figure>{frame}{rects}{drawn}</svg><figcaption>{label}</figcaption></figure>"
