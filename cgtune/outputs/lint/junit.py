"""JUnit XML: a suite for each file, in it a test case for each finding; a file without findings is one case that passed."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.junit import escape_xml
from cgtune.outputs.lint.words import file_words, identities, message_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.lint.model import LintFinding, LintReport


def render_lint_junit(report: LintReport) -> str:
    """The whole document. A finding below what fails is a passed case that says it in its output."""
    by_file: dict[str, list[str]] = {file: [] for file in report.files}
    failures = dict.fromkeys(by_file, 0)
    for finding, identity in identities(report.findings):
        file = finding.place.file
        by_file.setdefault(file, []).append(_case(report, finding, identity))
        failures[file] = failures.get(file, 0) + report.fails(finding)
    suites = []
    for file, cases in by_file.items():
        name = escape_xml(file_words(file))
        inside = cases or [f'    <testcase classname="{name}" name="no finding"></testcase>\n']
        head = f'  <testsuite name="{name}" tests="{len(inside)}" failures="{failures[file]}" errors="0" skipped="0">\n'
        suites.append((head + "".join(inside) + "  </testsuite>\n", len(inside)))
    tests, failed = sum(count for _, count in suites), sum(failures.values())
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="cgtune lint" tests="{tests}" failures="{failed}" errors="0">\n'
    return head + "".join(text for text, _ in suites) + "</testsuites>\n"


def _case(report: LintReport, finding: LintFinding, identity: str) -> str:
    place = finding.place
    file = escape_xml(file_words(place.file))
    text = escape_xml(f"{file_words(place.file)}:{place.line}:{place.column}: {message_words(finding)}")
    if report.fails(finding):
        summary = escape_xml(escape_control(finding.summary))
        inside = f'<failure type="{finding.severity}" message="{summary}">{text}</failure>'
    else:
        inside = f"<system-out>{text}</system-out>"
    return f'    <testcase classname="{file}" name="{escape_xml(identity)}" file="{file}" line="{place.line}">{inside}</testcase>\n'
