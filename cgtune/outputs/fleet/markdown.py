"""A fleet as Markdown, for a ticket, a page or a pull request."""

from __future__ import annotations

from cgtune.outputs.fleet.words import (
    bytes_words,
    cores_words,
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

    from cgtune.fleet.model import FleetReport, Row

_HEADS = ("workload", "container", "Go", "GOMAXPROCS", "CPU p95 / max / limit", "throttled p50 / max", "memory max / limit", "GOMEMLIMIT")


def render_fleet_markdown(report: FleetReport) -> str:
    """A table of all containers, the worst first; then each finding with what to do, and what could not be told."""
    lines = [f"**{escape_markdown(state_words(report))}**", "", escape_markdown(source_words(report)), ""]
    if waste_words(report.rows):
        lines[3:3] = ["", escape_markdown(waste_words(report.rows))]
    if report.rows:
        lines += [f"| {' | '.join((*_HEADS, 'findings'))} |", f"|{' --- |' * (len(_HEADS) + 1)}"]
        lines += [f"| {' | '.join(map(escape_markdown, _cells(row)))} |" for row in report.rows]
    found = [line for row in report.rows for line in _findings(row)]
    unknown = [f"- not answered: {escape_markdown(text)}" for text in report.refused]
    unknown += [f"- warning of the server: {escape_markdown(text)}" for text in report.warnings]
    for gap in report.not_joined:
        count = f"{gap.count} " if gap.count else ""
        unknown.append(f"- not known: {count}{escape_markdown(gap.why)}; to mend it: {escape_markdown(gap.mend)}")
    for part in (found, unknown):
        lines += ["", *part] if part else []
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    measured = row.measured
    used, memory = measured.cpu_used, measured.memory_used
    return [
        workload_name(row.key),
        row.key.container or "-",
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
