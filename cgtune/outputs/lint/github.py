"""Annotations of GitHub Actions, each at its line (docs.github.com, "Workflow commands")."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.github import COMMANDS, escape_message
from cgtune.outputs.lint.words import STDIN, message_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import LintFinding, LintReport


def render_lint_github(report: LintReport) -> str:
    """One line for each finding; empty if there are none."""
    return "".join(
        f"::{COMMANDS[finding.severity]} {_properties(finding)}::{escape_message(message_words(finding))}\n" for finding in report.findings
    )


def _properties(finding: LintFinding) -> str:
    """Where it is shown. Columns count for a span in one line only; what came from standard input is in no file of the repository."""
    place = finding.place
    words = {"title": finding.rule}
    if place.file != STDIN:
        words = {"file": place.file.removeprefix("./"), "line": str(place.line), "endLine": str(place.end_line)} | words
        if place.line == place.end_line:
            words |= {"col": str(place.column), "endColumn": str(place.end_column)}
    return ",".join(f"{name}={_escaped(text)}" for name, text in words.items())


def _escaped(text: str) -> str:
    """Text of a property, in which a colon or a comma would end it."""
    return escape_message(escape_control(text)).replace(":", "%3A").replace(",", "%2C")
