"""What the service keeps of each process for the page's plots: five minutes, a day, and no more bytes than it says."""

from __future__ import annotations

import random
import sys

import pytest

from cgtune.model import Pressure, PressureLevel, ProcessReport, Report, Stall
from cgtune.service.history import _MOMENTS, _SPANS, COLUMNS, History, _Kept
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report


def _at(  # one argument for each number that a test changes
    *,
    at: float = 0.0,
    pid: int = 42,
    start_ticks: int = 1,
    throttled: tuple[int, int] = (0, 0),
    waited: float = 0.0,
    used: int = MIB,
    scope: str = "cgroup",
) -> ProcessReport:
    level = memory_level("/pod/app", 512 * MIB, current_bytes=used, reclaimable_bytes=0)
    made = process_report(go_facts(heap_live_bytes=used // 2), cores=0.5, throttled=throttled, memory=(level,), pid=pid)
    some = Stall(avg10_percent=0, avg60_percent=0, avg300_percent=0, total_seconds=waited)
    pressure = Pressure(scope=scope, file="cpu.pressure", some=some, full=None)
    process = made.snapshot.process.replace(start_ticks=start_ticks)
    place = made.snapshot.cpu_chain[0]
    waits = PressureLevel(path=place.path, directory=place.directory, version=2, cpu=pressure, memory=None, read_seconds=at)
    chain = (place.replace(usage_seconds=waited / 10, read_seconds=at), *made.snapshot.cpu_chain[1:])
    return made.replace(snapshot=made.snapshot.replace(process=process, pressure_chain=(waits,), cpu_chain=chain))


def _add(history: History, now_seconds: float, *processes: ProcessReport) -> None:
    machine = process_report().snapshot.machine
    history.add(Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=machine, processes=processes), now_seconds)


def _recent(history: History, now_seconds: float, name: str, pid: int = 42) -> list[tuple[float, float]]:
    return list(history.tracks(now_seconds)[pid][COLUMNS.index(name)].recent)


def test_shares_are_of_the_time_between_two_looks() -> None:
    """The first look has sizes only; the second what was throttled, and what waited, since."""
    history = History()
    _add(history, 1000, _at(at=1000, throttled=(10, 100), waited=5.0))
    assert _recent(history, 1000, "throttled") == []
    assert _recent(history, 1000, "memory") == [(0.0, float(MIB))]
    _add(history, 1010, _at(at=1010, throttled=(35, 200), waited=10.0, used=4 * MIB))
    assert _recent(history, 1010, "throttled") == [(0.0, 25.0)]
    assert _recent(history, 1010, "cpu-waiting") == [(0.0, 50.0)]
    ((_, cores),) = _recent(history, 1010, "cpu-used")
    assert cores == pytest.approx(0.05)
    assert _recent(history, 1010, "memory-stalled") == []
    assert _recent(history, 1010, "memory") == [(10.0, float(MIB)), (0.0, float(4 * MIB))]
    assert _recent(history, 1010, "live-heap")[-1] == (0.0, float(2 * MIB))


def test_the_live_heap_is_that_of_all_runtimes_or_not_known() -> None:
    """A process may hold several; a sum that lacks one of them would be too small."""
    made = _at(used=4 * MIB)
    (facts,) = made.snapshot.go
    unread = facts.replace(observed=facts.observed.replace(heap_live_bytes=None))
    for go, live in (((facts, facts), [(0.0, 4.0 * MIB)]), ((facts, unread), []), ((unread,), []), ((), [])):
        history = History()
        _add(history, 0, made.replace(snapshot=made.snapshot.replace(go=go)))
        assert _recent(history, 0, "live-heap") == live


def test_the_machines_waiting_is_not_its_own() -> None:
    """A process in the root cgroup has the machine's files: the plot is of the process."""
    history = History()
    for second in (0, 10):
        _add(history, second, _at(at=second, waited=second / 2, scope="machine"))
    assert _recent(history, 10, "cpu-waiting") == []


def test_a_counter_that_shrank_and_another_process_have_no_past() -> None:
    """A cgroup made anew begins at 0, a pid comes back: neither gives a share."""
    history = History()
    _add(history, 0, _at(throttled=(90, 100)))
    _add(history, 10, _at(throttled=(1, 2)))
    assert _recent(history, 10, "throttled") == []
    _add(history, 20, _at(start_ticks=2, throttled=(90, 100)))
    assert _recent(history, 20, "memory") == [(0.0, float(MIB))]


def test_five_minutes_and_a_day_are_kept_and_no_more() -> None:
    """However often somebody looks; of each ten minutes the highest; of a process that went nothing."""
    history = History()
    for second in range(0, 2 * 86400, 60):
        _add(history, second, _at(used=MIB * (1 + second // 60 % 10)))
    (track,) = (track for track in history.tracks(second)[42] if track.name == "memory")
    assert max(age for age, _ in track.recent) <= 300
    assert len(track.day) == _SPANS
    assert {value for _, value in track.day} == {10.0 * MIB}
    assert track.day[-1][0] == 0.0
    assert 85000 < track.day[0][0] <= 86400
    for tick in range(3000):
        _add(history, 2 * 86400 + tick / 10, _at())
    assert 50 < len(_recent(history, 2 * 86400 + 300, "memory")) <= _MOMENTS + 1
    _add(history, 3 * 86400)
    assert history.tracks(3 * 86400) == {}


def test_spans_in_which_nobody_looked_are_empty() -> None:
    """A service that stood still for an hour has a gap there, and after a day nothing of before."""
    history = History()
    _add(history, 0, _at())
    _add(history, 3600, _at())
    (track,) = (track for track in history.tracks(3600)[42] if track.name == "memory")
    assert [round(age) for age, _ in track.day] == [3000, 0]
    _add(history, 2 * 86400, _at())
    (track,) = (track for track in history.tracks(2 * 86400)[42] if track.name == "memory")
    assert len(track.day) == 1


def test_a_process_costs_what_the_module_says() -> None:
    """6 KiB at most, if all of its numbers move for a day, and 3 KiB if none does: of what is kept, not of what is read."""
    chance = random.Random(7)
    for most_bytes, value in ((6 << 10, chance.random), (3 << 10, lambda: 1.0)):
        kept = _Kept()
        for second in range(0, 90000, 60):
            kept.add(tuple(value() for _ in COLUMNS), second)
        for second in range(90000, 91000, 5):
            kept.add(tuple(value() for _ in COLUMNS), second)
        assert [len(track.day) for track in kept.tracks(91000)] == [_SPANS] * len(COLUMNS)
        cost = sum(map(sys.getsizeof, (kept, *(getattr(kept, name) for name in kept.__slots__))))
        assert most_bytes - 2048 < cost < most_bytes, cost
