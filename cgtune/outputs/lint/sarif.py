"""SARIF 2.1.0: one run, the rules with their help, and a result for each finding with its region and what mends it."""

from __future__ import annotations

from cgtune.outputs.escape import escape_bytes, escape_control
from cgtune.outputs.lint.words import FIXES, STDIN, identities, message_words
from cgtune.outputs.sarif import LEVELS, quote_path, render_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import Edit, LintFinding, LintReport
    from cgtune.manifests.workload import Place

    Json = dict[str, object]


def render_lint_sarif(report: LintReport) -> str:
    """The whole log, indented, in ASCII."""
    places = {rule.id: index for index, rule in enumerate(report.rules)}
    return render_log(
        report.version, report.rules, [_result(finding, identity, places) for finding, identity in identities(report.findings)]
    )


def _result(finding: LintFinding, identity: str, places: dict[str, int]) -> Json:
    physical = _physical(finding.place)
    if finding.quote is not None:
        physical["region"] = {**_region(finding.place), "snippet": {"text": escape_bytes(finding.quote)}}
    name = "/".join(escape_control(part) for part in (finding.subject, finding.container) if part)
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": message_words(finding)},
        "locations": [{"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}]}],
        "partialFingerprints": {"cgtuneLint/v1": identity},
        "properties": {"harm": finding.harm, "go": None if finding.go is None else escape_control(finding.go)},
    }
    if finding.source:
        template: Json = {"physicalLocation": {"artifactLocation": _artifact(finding.source)}}
        result["relatedLocations"] = [{**template, "message": {"text": "the template that this was rendered from"}}]
    if finding.fix is not None and all(edit.place is not None for edit in finding.fix.edits):
        changes: dict[str, list[Json]] = {}
        for edit in finding.fix.edits:
            changes.setdefault(edit.file, []).append(_replacement(edit))
        artifacts = [{"artifactLocation": _artifact(file), "replacements": replacements} for file, replacements in changes.items()]
        result["fixes"] = [{"description": {"text": FIXES[finding.fix.kind]}, "artifactChanges": artifacts}]
    return result


def _physical(place: Place) -> Json:
    return {"artifactLocation": _artifact(place.file), "region": _region(place)}


def _artifact(file: str) -> Json:
    """A file as a URI: relative to where cgtune ran, as the path was given, or absolute."""
    if file == STDIN:
        return {"uri": "stdin"}
    return {"uri": f"file://{quote_path(file)}" if file.startswith("/") else quote_path(file.removeprefix("./"))}


def _region(place: Place) -> Json:
    return {"startLine": place.line, "startColumn": place.column, "endLine": place.end_line, "endColumn": place.end_column}


def _replacement(edit: Edit) -> Json:
    assert edit.place is not None
    return {"deletedRegion": _region(edit.place), "insertedContent": {"text": edit.text}}
