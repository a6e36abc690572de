"""A fleet as one page for a browser: whole in one file, without a network and without a framework. Its table sorts and filters.

Each container opens to its findings, what is recommended with its reasons, its use drawn beside its limits, and over time.
"""

from __future__ import annotations

from cgtune.outputs.escape import escape_markup
from cgtune.outputs.fleet.drawings import draw_use
from cgtune.outputs.fleet.htmlparts import SCRIPT, STYLE
from cgtune.outputs.fleet.plots import draw_over_time
from cgtune.outputs.fleet.words import (
    bytes_words,
    container_name,
    cores_words,
    go_words,
    gomemlimit_words,
    history_words,
    is_sure,
    limit_words,
    percent_words,
    recommended_words,
    sized_words,
    source_words,
    spread_words,
    state_words,
    waste_words,
    workload_name,
)
from cgtune.outputs.pageparts import write_page
from cgtune.outputs.pagewords import render_badge, render_finding, render_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.fleet.model import FleetReport, Row, Timeline

#: Head and whether its cells sort as numbers, the largest first.
_HEADS = (
    *(("worst finding", True), ("workload", False), ("Go", False), ("GOMAXPROCS", True), ("CPU limit", True), ("CPU p95", True)),
    *(("throttled", True), ("memory limit", True), ("memory max", True), ("GOMEMLIMIT", True), ("kills", True), ("CPUs too much", True)),
    ("memory too much", True),
)


_SORTED = ' aria-sort="descending"'


def render_fleet_html(report: FleetReport) -> str:
    """The page."""
    unknown = [*(f"not answered: {text}" for text in report.refused), *(f"warning of the server: {text}" for text in report.warnings)]
    for gap in report.not_joined:
        count = f"{gap.count} " if gap.count else ""
        unknown.append(f"{count}{gap.why}; to mend it: {gap.mend}")
    waste = waste_words(report.rows)
    problem = f'<p class="problem" role="alert">{len(report.refused)} questions were refused: rows lack what they tell.</p>\n'
    body = "".join(
        [
            f"<header>\n<h1>cgtune {escape_markup(report.version)}: fleet</h1>\n<p>{escape_markup(source_words(report))}</p>\n</header>\n",
            problem if report.refused else "",
            f'<p class="state">{escape_markup(state_words(report))}</p>\n',
            f"<p>{escape_markup(waste)}</p>\n" if waste else "",
            _table(report.rows, report.timeline) if report.rows else "",
            render_list("Not known", unknown),
        ]
    )
    return write_page(f"cgtune fleet: {state_words(report)}", body, STYLE, SCRIPT)


def _table(rows: Sequence[Row], timeline: Timeline | None) -> str:
    heads = "".join(
        f'<th scope="col"{_SORTED if index == 0 else ""}>'
        f'<button type="button" data-sort="{index}"{" data-number" if is_number else ""}>{name}</button></th>'
        for index, (name, is_number) in enumerate(_HEADS)
    )
    search = '<p><label>Show only <input type="search" id="only" autocomplete="off"></label> <span id="shown" role="status"></span></p>\n'
    bodies = "".join(_row(row, len(rows) - place, timeline) for place, row in enumerate(rows))
    return f'{search}<div class="scroll"><table id="fleet"><thead><tr>{heads}</tr></thead>\n{bodies}</table></div>\n'


def _row(row: Row, badness: int, timeline: Timeline | None) -> str:
    """Two lines of the table: its figures, and what opens. ``badness`` is the place by harm, as a number that sorts."""
    measured, key = row.measured, row.key
    badge = render_badge(row.findings[0]) if row.findings else '<span class="badge fine">nothing found</span>'
    rule = f"<code>{escape_markup(row.findings[0].rule)}</code>" if row.findings else ""
    name = f'<span class="name">{escape_markup(workload_name(key))}</span>' + (
        f" {escape_markup(container_name(key))}" if key.container else ""
    )
    kills, throttled = measured.kills, measured.throttled.most if measured.throttled.p95 is None else measured.throttled.p95
    cells: tuple[tuple[object, str], ...] = (
        (badness, f"{badge}{rule}"),
        (f"{workload_name(key)} {container_name(key)}", name),
        (go_words(measured), escape_markup(go_words(measured))),
        (measured.most_procs, spread_words(measured.least_procs, measured.most_procs)),
        (measured.cpu_limit_cores, limit_words(measured, "cpu")),
        (measured.cpu_used.p95, cores_words(measured.cpu_used.p95)),
        (throttled, percent_words(throttled)),
        (measured.memory_limit_bytes, limit_words(measured, "memory")),
        (measured.memory_used.most, bytes_words(measured.memory_used.most)),
        (measured.gomemlimit_bytes, gomemlimit_words(measured)),
        (kills, "?" if kills is None else str(kills)),
        (row.wasted_cores, cores_words(row.wasted_cores) + _doubt(row, "cpu-request", row.wasted_cores)),
        (row.wasted_bytes, bytes_words(row.wasted_bytes) + _doubt(row, "memory-request", row.wasted_bytes)),
    )
    shown = "".join(f'<td data-value="{"" if value is None else escape_markup(str(value))}">{text}</td>' for value, text in cells)
    return f'<tbody>\n<tr>{shown}</tr>\n<tr class="more"><td colspan="{len(cells)}">{_more(row, timeline)}</td></tr>\n</tbody>\n'


def _doubt(row: Row, what: str, value: float | None) -> str:
    return "" if value is None or is_sure(row, what) else " (unsure)"


def _more(row: Row, timeline: Timeline | None) -> str:
    first = escape_markup(row.findings[0].summary) if row.findings else "figures and what is recommended"
    upgrade = [] if row.upgrade is None else [row.upgrade]
    inside = "".join(
        [
            *(render_finding(finding) for finding in row.findings),
            draw_use(row),
            draw_over_time(row, timeline),
            render_list("Set under the limits of now", [*recommended_words(row)]),
            render_list("Limits and requests that its history speaks for", [sized_words(sized) for sized in row.sized]),
            render_list("With the next Go", upgrade),
            render_list("Known from", [history_words(row.measured)]),
        ]
    )
    return f'<details><summary>{first}</summary>\n<div class="inside">\n{inside}</div></details>'
