"""A report judged for probes and pipelines: which findings count, and what the program's exit code says of them. Pure."""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.model import RuleText, Verdict, most_throttled
from cgtune.rules import RULES, SEVERITIES, locate_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import CpuLevel, Report, Severity

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


def watched_growth(before: Report, after: Report) -> Mapping[int, CpuLevel]:
    """By pid, the cgroup that was throttled most between two reports, with the growth of its counters; for processes that stayed there."""
    grown: dict[int, CpuLevel] = {}
    earlier = {
        (process.snapshot.process.pid, process.snapshot.process.start_ticks): {level.directory: level for level in process.counted_levels}
        for process in before.processes
    }
    for process in after.processes:
        identity = process.snapshot.process
        levels = earlier.get((identity.pid, identity.start_ticks), {})
        worst = most_throttled(
            tuple(growth for level in process.counted_levels if (growth := level_growth(levels.get(level.directory), level)))
        )
        if worst is not None:
            grown[identity.pid] = worst
    return grown


def level_growth(old: CpuLevel | None, new: CpuLevel) -> CpuLevel | None:
    """The level with what its counters grew by; None where there are none, or where they shrank: a cgroup made anew begins at 0."""
    if old is None or old.throttling is None or new.throttling is None:
        return None
    growth = new.throttling.replace(
        periods=new.throttling.periods - old.throttling.periods,
        throttled_periods=new.throttling.throttled_periods - old.throttling.throttled_periods,
        throttled_seconds=new.throttling.throttled_seconds - old.throttling.throttled_seconds,
    )
    return new.replace(throttling=growth) if growth.periods >= 0 and growth.throttled_periods >= 0 else None
