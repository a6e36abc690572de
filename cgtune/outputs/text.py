"""A verdict for people and logs: nothing if all is well, else each failure with its cause and what to do."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import advice_words, end_words, rule_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Verdict
    from cgtune.outputs.layout import Layout


def render_text(verdict: Verdict, layout: Layout | None = None) -> str:
    """The failures, worst first; empty if there are none. A log has each, and each cause, on one line; a terminal's lines are folded.

    What would end a harm that was felt stands in its own line.
    """
    lines: list[str] = []
    for process, finding in verdict.failures:
        end = end_words(finding)
        words = f"{finding.severity} {rule_words(finding)}: {subject(process)}: {escape_control(finding.summary)}"
        first, *more = _folded(f"{words}; do: {end}" if end else words, layout)
        lines += [layout.style(finding.severity, first) if layout is not None else first, *more]
        for text in (
            *(f"  seen: {escape_control(line)}" for line in finding.evidence),
            *(f"  do: {advice_words(each)}" for each in finding.advice[bool(end) :]),
        ):
            lines += _folded(text, layout)
    if lines and verdict.below:
        lines += _folded(f"and {verdict.below} {_below(verdict)}, which --fail-on info shows", layout)
    return "".join(f"{line}\n" for line in lines)


def _below(verdict: Verdict) -> str:
    if verdict.fail_on != "harm":
        return f"below {verdict.fail_on}"
    return "that do not hurt now" if verdict.below > 1 else "that does not hurt now"


def _folded(text: str, layout: Layout | None) -> Iterator[str]:
    if layout is None or layout.width is None:
        yield text
        return
    from cgtune.outputs.layout import fold

    yield from fold(text, layout.width)
