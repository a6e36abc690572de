"""What serve has seen of memory outside Go counts in its advice: a file in tmpfs that comes each hour is not forgotten when it is gone."""

from __future__ import annotations

import pytest

from cgtune import api
from cgtune.model import ProcessReport, Report
from cgtune.service.outside import Outside
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report


def _look(outside: Outside, now_seconds: float, beside_mib: int, *, start_ticks: int = 1, path: str = "/pod/app") -> ProcessReport:
    """A look at a program that has mapped 50 MiB, with so much of others in its cgroup; judged."""
    level = memory_level(path, 256 * MIB, current_bytes=(50 + beside_mib) * MIB, reclaimable_bytes=0)
    made = process_report(go_facts(mapped_bytes=50 * MIB), memory=(level,))
    made = made.replace(snapshot=made.snapshot.replace(process=made.snapshot.process.replace(start_ticks=start_ticks)))
    report = Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=made.snapshot.machine, processes=(made,))
    (judged,) = api.judge(outside.watch(report, api.measure_outsides(report), now_seconds)).processes
    return judged


def _advised(process: ProcessReport) -> tuple[int, str]:
    """The recommended GOMEMLIMIT in MiB, and how what is outside is known."""
    memory = process.recommendations[1]
    assert memory.value is not None
    (said,) = (line for line in memory.because if "does not manage" in line)
    return memory.value // MIB, said


def test_the_highest_of_a_day_counts() -> None:
    """64 MiB that were there once keep their room for a day, and the reason says how long was looked."""
    outside = Outside()
    assert _advised(_look(outside, 1000, 4)) == (
        241,
        "less 4 MiB (measured) that the Go runtime does not manage",
    )
    assert _advised(_look(outside, 1060, 64))[0] == 181
    assert _advised(_look(outside, 1120, 4))[0] == 181
    value, said = _advised(_look(outside, 1000 + 6 * 3600, 4))
    assert (value, said) == (181, "less 64 MiB (measured, the highest in 6 h of watching) that the Go runtime does not manage")
    for hour in range(7, 27):
        value, said = _advised(_look(outside, 1000 + hour * 3600, 4))
    assert (value, "the highest in 24 h of watching" in said) == (241, True)


@pytest.mark.parametrize("changed", [{"start_ticks": 2}, {"path": "/pod/other"}], ids=["another process", "another cgroup"])
def test_another_life_begins_anew(changed: dict[str, object]) -> None:
    """A pid that has come back, or a cgroup made anew, has nothing to do with what was there before."""
    outside = Outside()
    _look(outside, 1000, 64)
    assert _advised(_look(outside, 1060, 4, **changed))[0] == 241  # type: ignore[arg-type]


def test_what_is_kept_is_bounded() -> None:
    """After days of looking 25 numbers are left, and of who has ended nothing."""
    outside = Outside()
    for minute in range(0, 4 * 24 * 60, 10):
        _look(outside, minute * 60.0, 4)
    ((kept,),) = (levels.values() for levels in outside._kept.values())
    assert len(kept.spans) <= 25
    empty = Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=process_report().snapshot.machine, processes=())
    outside.watch(empty, {}, 10**6)
    assert outside._kept == {}
