"""A report of GitLab's Code Quality (docs.gitlab.com, "Code Quality report format")."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.jsontext import write_json
from cgtune.outputs.lint.words import STDIN, identities, message_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import LintReport

_SEVERITIES = {"critical": "critical", "warning": "major", "info": "info"}


def render_lint_gitlab(report: LintReport) -> str:
    """The whole report: an array, empty if there are no findings. A fingerprint says the same of a finding that moved to another line."""
    import hashlib

    issues = []
    for finding, identity in identities(report.findings):
        place = finding.place
        path = (finding.source or "stdin") if place.file == STDIN else place.file.removeprefix("./")
        issues.append(
            {
                "description": message_words(finding),
                "check_name": finding.rule,
                "fingerprint": hashlib.sha256(f"{path}\n{identity}".encode("utf-8", "surrogateescape")).hexdigest(),
                "severity": _SEVERITIES[finding.severity],
                "location": {"path": escape_control(path), "lines": {"begin": place.line, "end": place.end_line}},
            }
        )
    return write_json(issues)
