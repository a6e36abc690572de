"""What is said of two reports: who came and went, which findings appeared and ended."""

from __future__ import annotations

from typing import Literal

from cgtune.model import Finding, ProcessReport, Report
from cgtune.service.changes import locate_changes
from tests.rules.reports import go_facts, report as process_report


def reported(*processes: ProcessReport) -> Report:
    """A report on these."""
    return Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=process_report().snapshot.machine, processes=processes)


def process(
    pid: int, *rules: tuple[str, Literal["info", "warning", "critical"]], version: str = "1.27.3", start_ticks: int = 1
) -> ProcessReport:
    """A Go process with these findings."""
    findings = tuple(Finding(rule=rule, severity=severity, summary="", evidence=(), advice=()) for rule, severity in rules)
    made = process_report(go_facts(version=version), pid=pid).replace(findings=findings)
    return made.replace(snapshot=made.snapshot.replace(process=made.snapshot.process.replace(start_ticks=start_ticks)))


def said(before: Report | None, after: Report) -> list[tuple[str, int, str | None]]:
    """Event, pid and rule of each change."""
    changes = locate_changes(before, after)
    return [(change.event, change.process.snapshot.process.pid, change.finding.rule if change.finding else None) for change in changes]


def test_the_first_report_is_all_new() -> None:
    """Each process, and each of its findings."""
    after = reported(process(1), process(2, ("cpu-throttled", "warning")))
    assert said(None, after) == [("process-came", 1, None), ("process-came", 2, None), ("finding-appeared", 2, "cpu-throttled")]
    assert said(after, after) == []


def test_findings_appear_end_and_get_worse() -> None:
    """By rule; another severity is told again, other evidence is not."""
    before = reported(process(1, ("cpu-throttled", "info"), ("oom-killed", "warning")))
    after = reported(process(1, ("cpu-throttled", "critical"), ("gomemlimit-unset", "warning")))
    expected = [("finding-ended", 1, "oom-killed"), ("finding-appeared", 1, "cpu-throttled"), ("finding-appeared", 1, "gomemlimit-unset")]
    assert said(before, after) == expected


def test_a_process_takes_its_findings_with_it() -> None:
    """One line for a process that went, none for each of its findings."""
    assert said(reported(process(1, ("oom-killed", "warning"))), reported()) == [("process-went", 1, None)]


def test_a_pid_that_comes_back_is_another_process() -> None:
    """By its start time; and exec(2), which keeps both, by its program."""
    for other in (process(1, start_ticks=2), process(1, version="1.24.11")):
        assert said(reported(process(1)), reported(other)) == [("process-went", 1, None), ("process-came", 1, None)]


def test_another_program_in_the_same_process_is_another() -> None:
    """exec(2) of a program of the same module and Go: its executable tells."""
    before = process(1)
    other = before.snapshot.process.replace(executable="/app/other")
    after = before.replace(snapshot=before.snapshot.replace(process=other))
    assert said(reported(before), reported(after)) == [("process-went", 1, None), ("process-came", 1, None)]


def test_a_program_whose_file_is_replaced_is_the_same_process() -> None:
    """The kernel marks its path as deleted; neither did it go, nor did its findings end."""
    before = process(1, ("oom-killed", "warning"))
    identity = before.snapshot.process.replace(executable=f"{before.snapshot.process.executable} (deleted)")
    assert said(reported(before), reported(before.replace(snapshot=before.snapshot.replace(process=identity)))) == []


def test_two_runtimes_with_one_fault_are_told_once() -> None:
    """With the worse severity, which comes first in a report."""
    twice = process(1, ("oom-killed", "critical"), ("oom-killed", "warning"))
    changes = [change for change in locate_changes(None, reported(twice)) if change.finding is not None]
    assert [change.finding.severity for change in changes if change.finding] == ["critical"]
