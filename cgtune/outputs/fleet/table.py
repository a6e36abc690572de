"""A fleet for people: one line a container, the worst first, and below what would end the harm, what was not joined and not answered."""

from __future__ import annotations

from cgtune.outputs.columns import Column, fit, lay_out_columns
from cgtune.outputs.escape import escape_control
from cgtune.outputs.fleet.words import (
    bytes_words,
    container_name,
    cores_words,
    doctor_words,
    go_words,
    gomemlimit_words,
    limit_words,
    row_name,
    source_words,
    spread_words,
    state_words,
    throttled_words,
    waste_words,
    workload_name,
)
from cgtune.outputs.layout import HEADER_ROOM, PLAIN, Sheet, fold
from cgtune.outputs.words import end_words, rule_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.fleet.comparing import Moved, Since
    from cgtune.fleet.model import FleetReport, NotJoined, Row
    from cgtune.outputs.layout import Layout

_FINDING = Column(first="worst finding", least=20, grows=0, is_sought=True)
_COLUMNS = (
    Column(first="namespace/kind/workload", least=16, grows=1, keeps_end=True),
    Column(first="container", least=9, grows=2, leaves=7),
    Column(first="replicas", side=">", leaves=0),
    Column(first="Go", least=7, leaves=3),
    Column(first="GOMAXPROCS", side=">", leaves=6),
    Column(first="CPU", second="p95 / max / limit", side=">", leaves=5),
    Column(first="throttled", second="p50 / max", side=">", leaves=8),
    Column(first="memory", second="max / limit", side=">", leaves=4),
    Column(first="GOMEMLIMIT", side=">", leaves=4),
    Column(first="kills", side=">", leaves=2),
    _FINDING,
)
_MOVES = {"worse": "critical", "better": "strong"}


def render_fleet(report: FleetReport, layout: Layout = PLAIN) -> str:
    """One line for each container under a line of headers; what could not be told follows."""
    lines = [*_wrap(f"{state_words(report)}; {source_words(report)}", layout), *_wrap(waste_words(report.rows), layout), ""]
    lines += _table(report.rows[: layout.top], layout) if report.rows else []
    if layout.top is not None and len(report.rows) > layout.top:
        lines += ["", f"and {len(report.rows) - layout.top} more: --top {len(report.rows)} shows them, json and csv have all"]
    return _text([*lines, *_below(report, layout)])


def render_doctor(report: FleetReport, layout: Layout = PLAIN) -> str:
    """What the monitoring lacks for a whole report, each with the line of configuration that mends it."""
    return _text([*_wrap(doctor_words(report), layout), *_below(report, layout)])


def render_since(since: Since, layout: Layout = PLAIN) -> str:
    """What got better or worse since an older report, the worst first."""
    sheet = Sheet(layout)
    head = f"since {escape_control(since.old_time)}: {since.words()}; {source_words(since.report)}"
    lines = _wrap(head, layout)
    for moved in since.moved:
        title = f"{moved.verdict:<8} {escape_control(row_name(moved.key))}"
        lines += ["", layout.style(_MOVES[moved.verdict], title) if moved.verdict in _MOVES else title]
        for label, text in _moved_lines(moved):
            lines += sheet.wrapped(label, escape_control(text))
    for note in since.notes:
        lines += ["", *_wrap(f"note: {escape_control(note)}", layout)]
    return _text([*lines, *_below(since.report, layout)])


def _moved_lines(moved: Moved) -> Iterator[tuple[str, str]]:
    for label, texts in (("new", moved.fresh), ("worse", moved.worse), ("better", moved.better), ("gone", moved.gone)):
        if texts:
            yield label, ", ".join(texts)
    for text in moved.measured:
        yield "measured", text


def _table(rows: Iterable[Row], layout: Layout) -> list[str]:
    rows = list(rows)
    cells = [_cells(row) for row in rows]
    shown = list(range(len(_COLUMNS))) if layout.width is None else fit(_COLUMNS, cells, layout.width)
    shown = [place for place in shown if _COLUMNS[place].first != "kills" or any(row[place] not in ("-", "?") for row in cells)]
    columns = [_COLUMNS[place] for place in shown]
    room = HEADER_ROOM if layout.width is None else 0
    lines = lay_out_columns([[row[place] for place in shown] for row in cells], columns, room)
    if layout.colour:
        lines[:2] = [layout.style("strong", line) for line in lines[:2]]
    said: list[str] = []
    for place, row in enumerate(rows):
        line = lines[place + 2]
        if row.findings and layout.colour:
            before, finding, after = line.rpartition(cells[place][-1])
            line = f"{before}{layout.style(row.findings[0].severity, finding)}{after}"
        said.append(line)
        if row.findings and end_words(row.findings[0]):
            said += _wrap(f"  > {end_words(row.findings[0])}", layout)
    gone = [column.name for place, column in enumerate(_COLUMNS) if place not in shown and column.first != "kills"]
    if gone:
        said += ["", *_wrap(f"no room for {', '.join(gone)}: widen the terminal, or cgtune fleet ... | cat", layout)]
    return [*lines[:2], *said]


def _cells(row: Row) -> list[str]:
    measured = row.measured
    used, memory = measured.cpu_used, measured.memory_used
    return [
        escape_control(workload_name(row.key)),
        escape_control(container_name(row.key)) or "-",
        "?" if measured.replicas is None else str(measured.replicas),
        go_words(measured),
        spread_words(measured.least_procs, measured.most_procs),
        f"{cores_words(used.p95)} / {cores_words(used.most)} / {limit_words(measured, 'cpu')}",
        throttled_words(measured.throttled),
        f"{bytes_words(memory.most)} / {limit_words(measured, 'memory')}",
        gomemlimit_words(measured),
        "?" if measured.kills is None else str(measured.kills) if measured.kills else "-",
        f"{row.findings[0].severity} {rule_words(row.findings[0])}" if row.findings else "-",
    ]


def _below(report: FleetReport, layout: Layout) -> list[str]:
    """What whoever takes the report for whole has to know."""
    lines: list[str] = []
    for label, texts in (("not answered", report.refused), ("warning of the server", report.warnings)):
        for text in texts:
            lines += _wrap(f"{label}: {escape_control(text)}", layout)
    for gap in report.not_joined:
        lines += _gap(gap, layout)
    return ["", *lines] if lines else []


def _gap(gap: NotJoined, layout: Layout) -> list[str]:
    count = f"{gap.count} " if gap.count else ""
    return [*_wrap(f"not known: {count}{escape_control(gap.why)}", layout), *_wrap(f"    to mend it: {escape_control(gap.mend)}", layout)]


def _wrap(text: str, layout: Layout) -> list[str]:
    if not text:
        return []
    return [text] if layout.width is None else list(fold(text, layout.width))


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
