"""Annotations of GitHub Actions: one workflow command for each failure (docs.github.com, "Workflow commands")."""

from __future__ import annotations

from cgtune.outputs.words import finding_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Verdict

#: What GitHub calls each severity.
COMMANDS = {"critical": "error", "warning": "warning", "info": "notice"}


def render_github(verdict: Verdict) -> str:
    """One line for each failure; empty where there are none."""
    return "".join(
        f"::{COMMANDS[finding.severity]} title={finding.rule}::{escape_message(finding_words(process, finding))}\n"
        for process, finding in verdict.failures
    )


def escape_message(text: str) -> str:
    """Text of a workflow command, in which a per cent sign begins a code."""
    return text.replace("%", "%25")  # ends of lines are escaped already, as all control characters; a rule's id has nothing to escape
