"""Findings for people: place and cause in one line, the line of the file with the wrong value underlined, what shows it, and what to do."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import PLAIN, clip, fold, lay_out
from cgtune.outputs.lint.words import FIXES, container_words, file_words, go_words
from cgtune.outputs.words import advice_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import LintFinding, LintReport
    from cgtune.outputs.layout import Layout

_LOG_WIDTH = 140  # of a quoted line that goes to no terminal
_BEFORE = 3  # of a long line, so many parts of ten stand before the wrong value


def render_lint_text(report: LintReport, layout: Layout | None = None) -> str:
    """All findings, in their order, an empty line between two; empty if there are none."""
    return "\n".join("".join(f"{line}\n" for line in _lines(finding, layout or PLAIN)) for finding in report.findings)


def render_lint_statistics(report: LintReport, layout: Layout | None = None) -> str:
    """How often each rule spoke, the most frequent first, and how many of that can be mended; empty if there are no findings."""
    layout = layout or PLAIN
    counts: dict[tuple[str, str], list[LintFinding]] = {}
    for finding in report.findings:
        counts.setdefault((finding.rule, finding.severity), []).append(finding)
    summaries = {rule.id: rule.summary for rule in report.rules}
    rows = []
    for (rule, severity), found in sorted(counts.items(), key=lambda item: (-len(item[1]), item[0])):
        kinds = [one.fix.kind for one in found if one.fix is not None]
        rows.append((str(len(found)), rule, severity, str(kinds.count("safe")), str(kinds.count("unsafe")), summaries.get(rule, "")))
    if not rows:
        return ""
    headers = [("found", "rule", "severity", "safe fixes", "unsafe", "")]
    return "".join(f"{clip(line, layout.width) if layout.width else line}\n" for line in lay_out(headers, rows, "><<>><", 0))


def _lines(finding: LintFinding, layout: Layout) -> Iterator[str]:
    place = finding.place
    cause = f"{container_words(finding)}: {escape_control(finding.summary)}{go_words(finding)}"
    head = f"{file_words(place.file)}:{place.line}:{place.column}: {finding.severity} {finding.rule}: {cause}"
    first, *more = fold(head, layout.width) if layout.width else (head,)
    yield layout.style(finding.severity, first)
    yield from more
    if finding.quote is not None:
        yield from _quoted(finding, finding.quote, layout)
    below = [
        *([f"  rendered from: {escape_control(finding.source)}"] if finding.source else []),
        *(f"  seen: {escape_control(line)}" for line in finding.evidence),
        *(f"  do: {advice_words(each)}" for each in finding.advice),
        *([f"  fix: {FIXES[finding.fix.kind]}"] if finding.fix is not None else []),
    ]
    for text in below:
        yield from fold(text, layout.width) if layout.width else (text,)
    for line in (finding.hint or "").splitlines():
        yield f"    {escape_control(line)}".rstrip()


def _quoted(finding: LintFinding, quote: str, layout: Layout) -> Iterator[str]:
    """The line with its number, and marks below the span; of a line that is too long, what is around the span."""
    place = finding.place
    number = str(place.line)
    room = (layout.width or _LOG_WIDTH) - len(number) - 4
    begin = place.column - 1
    end = place.end_column - 1 if place.end_line == place.line else len(quote.rstrip())
    first = max(0, min(begin - room * _BEFORE // 10, len(quote) - room)) if len(quote) > room else 0
    last = min(len(quote), first + room)
    before, span, after = (
        escape_control(part.replace("\t", " ")) for part in (quote[first:begin], quote[begin : min(end, last)], quote[end:last])
    )
    before = f"…{before[1:]}" if first and before else before
    after = f"{after[:-1]}…" if last < len(quote) and after else after
    gutter = layout.style("faint", f"{' ' * len(number)} |")
    yield f"{layout.style('faint', f'{number} |')} {before}{span}{after}".rstrip()
    yield f"{gutter} {' ' * len(before)}{layout.style(finding.severity, '^' * max(1, len(span)))}"
