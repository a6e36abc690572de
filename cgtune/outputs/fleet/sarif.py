"""A fleet as SARIF 2.1.0: one run, the rules with their help, a result for each finding. A workload is a logical location."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.fleet.words import finding_text, row_name
from cgtune.outputs.sarif import LEVELS, render_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.fleet.model import FleetReport, Row
    from cgtune.model import Finding

    Json = dict[str, object]


def render_fleet_sarif(report: FleetReport) -> str:
    """The whole log, indented, in ASCII."""
    places = {rule.id: index for index, rule in enumerate(report.rules)}
    results = [_result(row, finding, places) for row in report.rows for finding in row.findings]
    return render_log(report.version, report.rules, results)


def _result(row: Row, finding: Finding, places: dict[str, int]) -> Json:
    name = escape_control(row_name(row.key))
    return {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": finding_text(row, finding)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}]}],
        # The same finding in the same container is the same alert in the next run
        "partialFingerprints": {"cgtuneFleet/v1": f"{finding.rule} {name}"},
        "properties": {"harm": finding.harm},
    }
