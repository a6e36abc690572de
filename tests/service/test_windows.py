"""The last minutes of each process: what is judged of its throttling, from when on, and what is forgotten."""

from __future__ import annotations

import random
import sys
from array import array

from hypothesis import given, strategies as st

from cgtune.model import LEAST_PERIODS, Policy, ProcessReport, Report, Throttling, Used
from cgtune.rates import Totals, pack_totals, unpack_totals
from cgtune.rules import judge_all
from cgtune.rules.case import Case
from cgtune.service.windows import WINDOW_SECONDS, Windows
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report


def at(periods: int, throttled: int, *, pid: int = 42, path: str = "/pod/app", start_ticks: int = 1) -> ProcessReport:
    """A process whose cgroup's counters stand there."""
    process = process_report(go_facts(), cores=0.5, throttled=(throttled, periods), pid=pid, path=path)
    identity = process.snapshot.process.replace(start_ticks=start_ticks)
    return process.replace(snapshot=process.snapshot.replace(process=identity))


def watch(windows: Windows, now_seconds: float, *processes: ProcessReport) -> dict[int, tuple[int, int]]:
    """Periods and throttled periods that are judged, by pid; 0 of 0 if they are too few."""
    machine = process_report().snapshot.machine
    report = Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=machine, processes=processes)
    judged = {}
    for process in windows.watch(report, now_seconds).processes:
        assert process.snapshot.rates is not None
        window = Case(process, None, Policy(), LEAST_PERIODS).window
        if window is not None and window.throttling is not None:
            counters = window.throttling
            few = counters.periods < LEAST_PERIODS
            judged[process.snapshot.process.pid] = (0, 0) if few else (counters.periods, counters.throttled_periods)
    return judged


def test_the_first_look_says_nothing() -> None:
    """Whatever was throttled before, and as long as fewer than 300 periods went by."""
    windows = Windows()
    assert watch(windows, 0, at(9000, 8000)) == {42: (0, 0)}
    assert watch(windows, 15, at(9000 + LEAST_PERIODS - 1, 8200)) == {42: (0, 0)}
    assert watch(windows, 30, at(9000 + LEAST_PERIODS, 8200)) == {42: (300, 200)}


def test_the_window_is_five_minutes() -> None:
    """What was throttled longer ago counts no more: a fault that is mended ends."""
    windows, grown = Windows(), {}
    for tick in range(21):  # throttled through and through for 300 s
        grown = watch(windows, 15 * tick, at(150 * tick, 150 * tick))
    assert grown == {42: (3000, 3000)}
    for tick in range(21, 43):  # and then not at all
        grown = watch(windows, 15 * tick, at(150 * tick, 3000))
    assert grown == {42: (3000, 0)}


def test_looking_more_often_keeps_no_more() -> None:
    """At ten looks a second the marks of one process stay 12 at the most, and the window as long as ever."""
    windows, grown = Windows(), {}
    for tick in range(10 * 400):
        grown = watch(windows, tick / 10, at(tick, 0))
    assert WINDOW_SECONDS * 10 <= grown[42][0] <= (WINDOW_SECONDS + 30) * 10
    assert max(len(marks.times) for marks in windows._marks.values()) <= 12


def test_another_process_or_cgroup_begins_anew() -> None:
    """A pid that comes back, a move to another cgroup, and a counter that shrank (a cgroup made anew) have no past."""
    for other in (at(1000, 900, start_ticks=2), at(1000, 900, path="/elsewhere"), at(10, 9), at(1000, 9)):
        windows = Windows()
        watch(windows, 0, at(100, 50))
        assert watch(windows, 60, other) == {42: (0, 0)}
        counters = other.snapshot.cpu_chain[0].throttling
        assert counters is not None
        path = other.snapshot.cpu_chain[0].path
        later = at(counters.periods + 400, counters.throttled_periods + 4, path=path, start_ticks=other.snapshot.process.start_ticks)
        assert watch(windows, 120, later) == {42: (400, 4)}


def test_processes_that_ended_leave_nothing() -> None:
    """A node agent runs for months."""
    windows = Windows()
    for pid in range(1, 1000):
        watch(windows, float(pid), at(1, 1, pid=pid))
    assert len(windows._marks) == 1


def test_a_cgroup_without_counters_has_nothing_to_say() -> None:
    """No counters: nothing to judge."""
    unlimited = process_report(go_facts())
    bare = unlimited.snapshot.replace(cpu_chain=tuple(level.replace(throttling=None) for level in unlimited.snapshot.cpu_chain))
    assert watch(Windows(), 0, unlimited.replace(snapshot=bare)) == {}


def test_each_cgroup_of_the_chain_has_a_window_of_its_own() -> None:
    """An ancestor that began to be stopped a minute ago is found, whatever was throttled more in its life."""
    windows = Windows()

    def look(now_seconds: float, leaf: tuple[int, int], parent: tuple[int, int]) -> dict[int, tuple[int, int]]:
        process = process_report(go_facts(), cores=0.5, parent_cores=1.0, throttled=leaf)
        own, above = process.snapshot.cpu_chain
        counters = Throttling(periods=parent[1], throttled_periods=parent[0], throttled_seconds=1.0)
        chain = (own, above.replace(throttling=counters))
        return watch(windows, now_seconds, process.replace(snapshot=process.snapshot.replace(cpu_chain=chain)))

    assert look(0, (9000, 10_000), (0, 10_000)) == {42: (0, 0)}
    assert look(60, (9010, 10_600), (500, 10_600)) == {42: (600, 500)}


def test_a_process_costs_what_the_module_says() -> None:
    """9 KiB at most, of a pod with 16 threads on a node whose counters all move: of what is kept, not of what is read."""
    windows, chance = Windows(), random.Random(7)
    made = at(1, 1)
    chain, (level,) = made.snapshot.cpu_chain * 2, made.snapshot.memory_chain
    totals = [0.0] * 200
    for second in range(0, 900, 15):
        totals = [number + chance.random() for number in totals]
        moving = iter([round(number, 6) for number in totals])
        levels = tuple(level.replace(path=f"/{depth}", read_seconds=next(moving), refaults=int(next(moving))) for depth in range(8))
        waits, ran = tuple((thread, next(moving)) for thread in range(16)), tuple(next(moving) for _ in range(16))
        used = Used(cpu_seconds=next(moving), major_faults=1, threads=16, waits=waits, ran=ran)
        quotas = tuple(each.replace(read_seconds=next(moving), usage_seconds=next(moving)) for each in chain)
        snapshot = made.snapshot.replace(cpu_chain=quotas, memory_chain=levels, used=used)
        report = Report(version="1", time="2026-11-23T02:12:00Z", machine=snapshot.machine, processes=(made.replace(snapshot=snapshot),))
        windows.watch(report, second)
    (marks,) = windows._marks.values()
    assert len(marks.times) >= 11
    assert len(marks.packed) == len(marks.times) - 1
    assert marks.first.keys is marks.newest.keys
    ends = (each for totals in (marks.first, marks.newest) for each in (totals, totals.numbers, totals.waits, totals.ran))
    cost = sum(map(sys.getsizeof, (*ends, *marks.packed, marks.packed, marks.times, marks)))
    assert 4 << 10 < cost < 9 << 10, cost


def test_of_a_process_that_rests_little_is_kept() -> None:
    """Of each half minute what it has beyond the one before, which is the clock: 3 KiB for all."""
    windows, made = Windows(), at(1, 1)
    for second in range(0, 900, 15):
        chain = tuple(level.replace(read_seconds=float(second)) for level in made.snapshot.cpu_chain)
        used = Used(
            read_seconds=float(second),
            cpu_seconds=5.0,
            major_faults=0,
            threads=8,
            waits=tuple((each, each / 7) for each in range(8)),
            ran=(0.5,) * 8,
        )
        snapshot = made.snapshot.replace(cpu_chain=chain, used=used)
        report = Report(version="1", time="2026-11-23T02:12:00Z", machine=snapshot.machine, processes=(made.replace(snapshot=snapshot),))
        windows.watch(report, second)
    (marks,) = windows._marks.values()
    assert len(marks.packed) >= 10
    assert max(map(len, marks.packed)) < 64


@given(st.lists(st.floats(allow_nan=False), max_size=40), st.booleans(), st.integers(1, 9), st.integers(0, 9))
def test_packed_totals_are_the_same(numbers: list[float], all_waits: bool, cpus: int, moved: int) -> None:
    """To the bit, whatever the threads were then."""
    row, waits, ran = array("d", numbers[:6]), array("d", numbers[:20]), array("d", numbers[:10])
    totals = Totals(identity=(1, 2), cpus=cpus, keys=(), numbers=row, waits=waits, ran=ran, all_waits=all_waits)
    before = totals.replace(
        cpus=1, numbers=array("d", [number / 2 for number in row]), waits=ran[:moved], ran=waits, all_waits=not all_waits
    )
    assert unpack_totals(pack_totals(totals, before), before) == totals


def _harm(windows: Windows, now_seconds: float, kills: int, throttled: int) -> dict[str, str]:
    """The harm of each finding as the service judges it: kills, and throttled periods of one a tenth of a second, up to now."""
    chain = (memory_level("/pod/app", 512 * MIB),)
    counters = (throttled, round(1000 + 10 * now_seconds))
    made = process_report(go_facts(procs=1, pinned=True, memory=400 * MIB), cores=0.5, throttled=counters, memory=chain, oom_kills=kills)
    report = Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=made.snapshot.machine, processes=(made,))
    (process,) = windows.watch(report, now_seconds).processes
    return {finding.rule: finding.harm for finding in judge_all(process, Policy(), least_periods=LEAST_PERIODS)}


def test_kills_and_throttling_are_judged_by_growth() -> None:
    """What the counters told before the first look is no harm of now; what grows is, and five minutes later it is over."""
    windows = Windows()
    assert _harm(windows, 0, 2, 900) == {"oom-killed": "earlier"}
    assert _harm(windows, 60, 2, 900) == {"oom-killed": "earlier"}
    assert _harm(windows, 120, 3, 1500) == {"oom-killed": "now", "cpu-throttled": "now"}
    for tick in range(150, 450, 30):
        _harm(windows, tick, 3, 1500)
    assert _harm(windows, 450, 3, 1500) == {"oom-killed": "earlier"}
