"""A fleet as Markdown, for a ticket, a page or a pull request."""

from __future__ import annotations

from cgtune.outputs.fleet.words import (
    bytes_words,
    container_name,
    cores_words,
    doctor_words,
    finding_line,
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
from cgtune.outputs.markdowncells import escape_markdown
from cgtune.outputs.words import advice_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.fleet.comparing import Since
    from cgtune.fleet.model import FleetReport, Row

_HEADS = ("workload", "container", "Go", "GOMAXPROCS", "CPU p95 / max / limit", "throttled p50 / max", "memory max / limit", "GOMEMLIMIT")
_SINCE_HEADS = ("verdict", "workload", "container", "new", "worse", "better", "gone", "measured")


def render_fleet_markdown(report: FleetReport) -> str:
    """A table of all containers, the worst first; then each finding with what to do, and what could not be told."""
    lines = [f"**{escape_markdown(state_words(report))}**", "", escape_markdown(source_words(report)), ""]
    if waste_words(report.rows):
        lines[3:3] = ["", escape_markdown(waste_words(report.rows))]
    if report.rows:
        lines += [f"| {' | '.join((*_HEADS, 'findings'))} |", f"|{' --- |' * (len(_HEADS) + 1)}"]
        lines += [f"| {' | '.join(map(escape_markdown, _cells(row)))} |" for row in report.rows]
    found = [line for row in report.rows for line in _findings(row)]
    return _text(lines, found, _unknown(report))


def render_doctor_markdown(report: FleetReport) -> str:
    """A table of what the monitoring lacks, each with the line of configuration that mends it."""
    head = doctor_words(report)
    rows = [
        f"| {escape_markdown(f'{gap.count} ' * (gap.count > 0) + gap.why)} | {escape_markdown(gap.mend)} |" for gap in report.not_joined
    ]
    table = ["| not known | to mend it |", "| --- | --- |", *rows] if rows else []
    return _text([f"**{escape_markdown(head)}**"], table, _unknown(report.replace(not_joined=())))


def render_since_markdown(since: Since) -> str:
    """A table of the containers that changed since an older report, the worse first; then what the comparison lacks."""
    head = [f"**{escape_markdown(f'since {since.old_time}: {since.words()}')}**", "", escape_markdown(source_words(since.report))]
    table = [f"| {' | '.join(_SINCE_HEADS)} |", f"|{' --- |' * len(_SINCE_HEADS)}"]
    for each in since.moved:
        rules = (", ".join(ids) or "-" for ids in (each.fresh, each.worse, each.better, each.gone))
        cells = (each.verdict, workload_name(each.key), container_name(each.key) or "-", *rules, "; ".join(each.measured) or "-")
        table.append(f"| {' | '.join(map(escape_markdown, cells))} |")
    notes = [f"- {escape_markdown(note)}" for note in since.notes]
    return _text(head, table if since.moved else [], notes, _unknown(since.report))


def _unknown(report: FleetReport) -> list[str]:
    """What whoever takes the report for whole has to know."""
    unknown = [f"- not answered: {escape_markdown(text)}" for text in report.refused]
    unknown += [f"- warning of the server: {escape_markdown(text)}" for text in report.warnings]
    for gap in report.not_joined:
        count = f"{gap.count} " if gap.count else ""
        unknown.append(f"- not known: {count}{escape_markdown(gap.why)}; to mend it: {escape_markdown(gap.mend)}")
    return unknown


def _text(*parts: list[str]) -> str:
    """Parts with an empty line between them."""
    return "\n\n".join("\n".join(part).rstrip("\n") for part in parts if part) + "\n"


def _cells(row: Row) -> list[str]:
    measured = row.measured
    used, memory = measured.cpu_used, measured.memory_used
    return [
        workload_name(row.key),
        container_name(row.key) or "-",
        go_words(measured),
        spread_words(measured.least_procs, measured.most_procs),
        f"{cores_words(used.p95)} / {cores_words(used.most)} / {limit_words(measured, 'cpu')}",
        throttled_words(measured.throttled),
        f"{bytes_words(memory.most)} / {limit_words(measured, 'memory')}",
        gomemlimit_words(measured),
        ", ".join(finding.rule for finding in row.findings) or "-",
    ]


def _findings(row: Row) -> Iterator[str]:
    for finding in row.findings:
        acts = "; ".join(advice_words(advice) for advice in finding.advice)
        yield f"- {escape_markdown(row_name(row.key))}: {escape_markdown(finding_line(finding))}" + (
            f". Do: {escape_markdown(acts)}" if acts else ""
        )
