"""Annotations of GitHub Actions: one workflow command for each failure (docs.github.com, "Workflow commands")."""

from __future__ import annotations

from cgtune.outputs.words import finding_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Verdict

_COMMANDS = {"critical": "error", "warning": "warning", "info": "notice"}


def render_github(verdict: Verdict) -> str:
    """One line for each failure; empty where there are none."""
    return "".join(
        f"::{_COMMANDS[finding.severity]} title={finding.rule}::{_escaped(finding_words(process, finding))}\n"
        for process, finding in verdict.failures
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%25")  # ends of lines are escaped already, as all control characters; a rule's id has nothing to escape
