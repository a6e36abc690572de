"""SARIF 2.1.0, as code scanning reads it: one run, the rules with their help, and a result for each finding of any severity."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.jsontext import write_json
from cgtune.outputs.words import finding_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Finding, ProcessReport, RuleText, Verdict

    Json = dict[str, object]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: What SARIF calls each severity.
LEVELS = {"critical": "error", "warning": "warning", "info": "note"}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def render_sarif(verdict: Verdict) -> str:
    """The whole log, indented, in ASCII."""
    places = {rule.id: index for index, rule in enumerate(verdict.rules)}
    results = [_result(process, finding, places) for process in verdict.report.processes for finding in process.findings]
    return render_log(verdict.report.version, verdict.rules, results)


def render_log(version: str, rules: Sequence[RuleText], results: Sequence[Json]) -> str:
    """A log of one run by this version of cgtune: these rules, these results."""
    driver: Json = {"name": "cgtune", "version": version, "rules": [_rule(rule) for rule in rules]}
    run: Json = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": list(results)}
    return write_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: RuleText) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _result(process: ProcessReport, finding: Finding, places: dict[str, int]) -> Json:
    executable = process.snapshot.process.executable
    place: Json = {"logicalLocations": [{"name": subject(process), "kind": "process"}]}
    if executable and executable.startswith("/"):
        place = {"physicalLocation": {"artifactLocation": {"uri": f"file://{quote_path(executable)}"}}} | place
    # The same finding on the same program is the same alert in the next run, whatever its pid is then.
    program = escape_control(executable or process.snapshot.process.command) if process.snapshot.process.pid else subject(process)
    fingerprint = f"{finding.rule} {program}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": finding_words(process, finding)},
        "locations": [place],
        "partialFingerprints": {"cgtuneFinding/v1": fingerprint},
        "properties": {"harm": finding.harm},
    }


def quote_path(path: str) -> str:
    """A path for a URI: every byte but the unreserved ones as its code (RFC 3986)."""
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in raw)
