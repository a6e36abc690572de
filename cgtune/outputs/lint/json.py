"""What lint found as JSON, schema cgtune/lint/v1 (cgtune/schemas/lint-v1.schema.json): same input, same bytes."""

from __future__ import annotations

from cgtune.outputs.escape import escape_bytes
from cgtune.outputs.jsontext import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import Edit, LintFinding, LintReport
    from cgtune.manifests.workload import Skipped

    Json = dict[str, object]


def render_lint_json(report: LintReport) -> str:
    """The whole document, indented, in ASCII."""
    document: Json = {
        "schema": "cgtune/lint/v1",
        "cgtune": report.version,
        "files": [escape_bytes(file) for file in report.files],
        "containers": report.containers,
        "silenced": report.silenced,
        "skipped": [_skipped(each) for each in report.skipped],
        "unseen": [_skipped(each) for each in report.unseen],
        "findings": [_finding(finding) for finding in report.findings],
    }
    return write_json(document)


def _finding(finding: LintFinding) -> Json:
    place, fix = finding.place, finding.fix
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "harm": finding.harm,
        "pedantic": finding.is_pedantic,
        "file": escape_bytes(place.file),
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "source": _text(finding.source),
        "object": escape_bytes(finding.subject),
        "container": escape_bytes(finding.container),
        "go": _text(finding.go),
        "summary": escape_bytes(finding.summary),
        "evidence": [escape_bytes(line) for line in finding.evidence],
        "advice": [{"variable": each.variable, "value": _text(each.value), "reason": escape_bytes(each.reason)} for each in finding.advice],
        "fix": None if fix is None else fix.kind,
        "edits": [] if fix is None else [_edit(edit) for edit in fix.edits],
        "hint": _text(finding.hint),
    }


def _skipped(skipped: Skipped) -> Json:
    return {"file": escape_bytes(skipped.file), "line": skipped.line, "why": escape_bytes(skipped.why), "source": _text(skipped.source)}


def _edit(edit: Edit) -> Json:
    place = edit.place
    return {
        "file": escape_bytes(edit.file),
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "end_line": None if place is None else place.end_line,
        "end_column": None if place is None else place.end_column,
        "start": edit.start,
        "end": edit.end,
        "text": escape_bytes(edit.text),
    }


def _text(text: str | None) -> str | None:
    return None if text is None else escape_bytes(text)
