"""SARIF 2.1.0, as code scanning reads it: one run, the rules with their help, and a result for each finding of any severity."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import finding_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Finding, ProcessReport, RuleText, Verdict

    Json = dict[str, object]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"critical": "error", "warning": "warning", "info": "note"}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def render_sarif(verdict: Verdict) -> str:
    """The whole log, indented, in ASCII."""
    import json

    places = {rule.id: index for index, rule in enumerate(verdict.rules)}
    results = [_result(process, finding, places) for process in verdict.report.processes for finding in process.findings]
    driver: Json = {"name": "cgtune", "version": verdict.report.version, "rules": [_rule(rule) for rule in verdict.rules]}
    run: Json = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _rule(rule: RuleText) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(process: ProcessReport, finding: Finding, places: dict[str, int]) -> Json:
    executable = process.snapshot.process.executable
    place: Json = {"logicalLocations": [{"name": subject(process), "kind": "process"}]}
    if executable and executable.startswith("/"):
        place = {"physicalLocation": {"artifactLocation": {"uri": f"file://{_quoted(executable)}"}}} | place
    # The same finding on the same program is the same alert in the next run, whatever its pid is then.
    program = escape_control(executable or process.snapshot.process.command) if process.snapshot.process.pid else subject(process)
    fingerprint = f"{finding.rule} {program}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": finding_words(process, finding)},
        "locations": [place],
        "partialFingerprints": {"cgtuneFinding/v1": fingerprint},
        "properties": {"harm": finding.harm},
    }


def _quoted(path: str) -> str:
    """A path for a URI: every byte but the unreserved ones as its code (RFC 3986)."""
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in raw)
