"""JUnit XML: a suite for each process, in it a test case for each rule."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import finding_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Finding, ProcessReport, Verdict


def render_junit(verdict: Verdict) -> str:
    """The whole document. A finding below what fails is a passed case that says it in its output."""
    failed = {(process.snapshot.process.pid, finding.rule, finding.summary) for process, finding in verdict.failures}
    suites = [_suite(verdict, process, failed) for process in verdict.report.processes]
    tests, failures = sum(count for _, count, _ in suites), sum(count for _, _, count in suites)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="cgtune" tests="{tests}" failures="{failures}" errors="0">\n'
    return head + "".join(text for text, _, _ in suites) + "</testsuites>\n"


def _suite(verdict: Verdict, process: ProcessReport, failed: set[tuple[int, str, str]]) -> tuple[str, int, int]:
    cases, failures = [], 0
    by_rule: dict[str, list[Finding]] = {}
    for finding in process.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    rules = [rule.id for rule in verdict.rules] if process.snapshot.go else list(by_rule)
    for rule in rules:
        inside = ""
        found = by_rule.get(rule, [])
        bad = [one for one in found if (process.snapshot.process.pid, rule, one.summary) in failed]
        if bad:
            failures += 1
            text = "\n".join(finding_words(process, one) for one in bad)
            inside = (
                f'<failure type="{bad[0].severity}" message="{escape_xml(escape_control(bad[0].summary))}">{escape_xml(text)}</failure>'
            )
        elif found:
            inside = f"<system-out>{escape_xml(chr(10).join(finding_words(process, one) for one in found))}</system-out>"
        cases.append(f'    <testcase classname="{escape_xml(_class_name(process))}" name="{escape_xml(rule)}">{inside}</testcase>\n')
    name = escape_xml(subject(process))
    time = f' timestamp="{verdict.report.time}"' * bool(verdict.report.time)
    head = f'  <testsuite name="{name}" tests="{len(cases)}" failures="{failures}" errors="0" skipped="0"{time}>\n'
    return head + "".join(cases) + "  </testsuite>\n", len(cases), failures


def _class_name(process: ProcessReport) -> str:
    """By its pid; what is predicted has none, and is told by its version."""
    pid = process.snapshot.process.pid
    return f"cgtune.{pid}" if pid else f"cgtune.predicted.{escape_control(process.snapshot.go[0].program.name)}"


def escape_xml(text: str) -> str:
    """Text for an attribute or an element; control characters are escaped before (escape.py)."""
    for plain, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, code)
    return text
