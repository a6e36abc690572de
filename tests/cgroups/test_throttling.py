"""The growth of throttling counters: only what grew in the same process, in the same cgroup."""

from __future__ import annotations

import pytest

from cgtune.cgroups.throttling import watched_growth
from cgtune.model import Report
from tests.rules import reports


def counted(periods: int, throttled: int, *, start_ticks: int = 7, path: str = "/pod/app") -> Report:
    """A report on one process whose cgroup's counters stand there."""
    process = reports.report(reports.go_facts(), cores=0.5, throttled=(throttled, periods), path=path)
    identity = process.snapshot.process.replace(start_ticks=start_ticks)
    process = process.replace(snapshot=process.snapshot.replace(process=identity))
    return Report(version="0.1.0", time="2026-11-23T06:00:00Z", machine=process.snapshot.machine, processes=(process,))


def test_a_window_counts_the_growth_only() -> None:
    """What was before the window does not count."""
    growth = watched_growth(counted(1000, 900), counted(1010, 901))[42].throttling
    assert growth is not None
    assert (growth.periods, growth.throttled_periods) == (10, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(counted(1000, 900), counted(10, 1), id="both counters shrank"),
        pytest.param(counted(1000, 900), counted(1010, 1), id="more periods, fewer stops"),
        pytest.param(counted(1000, 1), counted(10, 5), id="fewer periods, more stops"),
        pytest.param(counted(10, 1), counted(20, 2, start_ticks=8), id="another process with that pid"),
        pytest.param(counted(10, 1), counted(20, 2, path="/pod/b"), id="another cgroup"),
    ],
)
def test_what_is_not_the_same_any_more_has_no_growth(before: Report, after: Report) -> None:
    """A process, a place or a cgroup that began anew is left out: a negative share is none."""
    assert watched_growth(before, after) == {}
