"""A verdict for people and logs: nothing if all is well, else each failure with its cause and what to do."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import advice_words, rule_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Verdict


def render_text(verdict: Verdict) -> str:
    """The failures, worst first; empty if there are none."""
    lines: list[str] = []
    for process, finding in verdict.failures:
        lines.append(f"{finding.severity} {rule_words(finding)}: {subject(process)}: {escape_control(finding.summary)}")
        lines += [f"  seen: {escape_control(line)}" for line in finding.evidence]
        lines += [f"  do: {advice_words(advice)}" for advice in finding.advice]
    if lines and verdict.below:
        lines.append(f"and {verdict.below} {_below(verdict)}, which --fail-on info shows")
    return "".join(f"{line}\n" for line in lines)


def _below(verdict: Verdict) -> str:
    if verdict.fail_on != "harm":
        return f"below {verdict.fail_on}"
    return "that do not hurt now" if verdict.below > 1 else "that does not hurt now"
