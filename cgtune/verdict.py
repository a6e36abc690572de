"""A report judged for probes and pipelines: which findings count, and what the program's exit code says of them. Pure."""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.model import SEVERITIES, RuleText, Verdict
from cgtune.rules import RULES, locate_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Report, Severity

EXIT_STYLES = ("lint", "nagios")
_FAILED = 1
_NAGIOS_CODES = {"critical": 2, "warning": 1, "info": 1}
_NAGIOS_UNKNOWN = 3


def parse_ignored(names: Sequence[str]) -> frozenset[str]:
    """The ids of the rules to ignore; raises UsageError for an unknown one, with what may have been meant."""
    try:
        return frozenset(locate_rule(name).ID for name in names)
    except UsageError as error:
        raise UsageError(f"--ignore: {error}; example: --ignore fractional-quota") from error


def judge_report(report: Report, *, fail_on: Severity, ignored: frozenset[str], window_seconds: float | None = None) -> Verdict:
    """The verdict on a report that has its findings."""
    processes = tuple(
        process.replace(findings=tuple(finding for finding in process.findings if finding.rule not in ignored))
        for process in report.processes
    )
    counts = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    failures = [(process, finding) for process in processes for finding in process.findings if finding.severity in counts]
    rules = tuple(
        RuleText(id=rule.ID, severity=rule.SEVERITY, summary=rule.SUMMARY, help=(rule.__doc__ or "").strip())
        for rule in RULES
        if rule.ID not in ignored
    )
    return Verdict(
        report=report.replace(processes=processes),
        rules=rules,
        fail_on=fail_on,
        failures=tuple(sorted(failures, key=lambda pair: SEVERITIES.index(pair[1].severity))),
        window_seconds=window_seconds,
    )


def exit_code(verdict: Verdict, style: str) -> int:
    """lint: 0, or 1 with a failure. nagios: 0, or 1 or 2 by the worst failure."""
    if not verdict.failures:
        return 0
    return _NAGIOS_CODES[verdict.failures[0][1].severity] if style == "nagios" else _FAILED


def failure_code(code: int, style: str) -> int:
    """The exit code where no verdict could be given; to nagios all of these are UNKNOWN."""
    return _NAGIOS_UNKNOWN if style == "nagios" else code
