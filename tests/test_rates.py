"""What two looks tell of the time between them, and what they do not."""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Any

import pytest

from cgtune.model import (
    GoLive,
    MemoryEvents,
    MemoryLevel,
    Pressure,
    PressureLevel,
    Rates,
    Report,
    Snapshot,
    Stall,
    Throttling,
    Used,
)
from cgtune.rates import Totals, rates_between, shrank, total, with_rates
from tests.rules.reports import go_facts, report as process_report


def _waited(seconds: float | None) -> Pressure | None:
    stall = None if seconds is None else Stall(avg10_percent=0, avg60_percent=0, avg300_percent=0, total_seconds=seconds)
    return None if stall is None else Pressure(scope="cgroup", file="cpu.pressure", some=stall, full=stall)


def look(
    at: float | None = 100.0,
    *,
    used: float | None = 50.0,
    counters: tuple[int, int, float] | None = (1000, 500, 30.0),
    waits: tuple[tuple[int, float], ...] = ((42, 3.0),),
    threads: int | None = None,
    waited: float | None = 7.0,
    kills: int | None = 2,
    highs: int = 3,
    refaults: int | None = 1000,
    busy: float = 500.0,
    idle: float | None = None,
    pid: int = 42,
    start_ticks: int = 1,
    path: str = "/pod/app",
    live: GoLive | None = None,
) -> Snapshot:
    """A process whose counters stand there, by a clock that says ``at``."""
    made = process_report(go_facts(live=live), cores=0.5, pid=pid, path=path).snapshot
    throttling = None
    if counters is not None:
        throttling = Throttling(periods=counters[0], throttled_periods=counters[1], throttled_seconds=counters[2])
    events = None if kills is None else MemoryEvents(oom_kill=kills, high=highs, max=0)
    directory = f"/sys/fs/cgroup{path}"
    return made.replace(
        machine=made.machine.replace(
            uptime_seconds=at, busy_seconds=busy, idle_seconds=idle, steal_seconds=busy / 10, cpu_pressure=_waited(waited)
        ),
        process=made.process.replace(start_ticks=start_ticks),
        cpu_chain=(made.cpu_chain[0].replace(throttling=throttling, usage_seconds=used, read_seconds=at),),
        pressure_chain=(PressureLevel(path=path, directory=directory, version=2, cpu=_waited(waited), memory=None, read_seconds=at),),
        memory_chain=(
            MemoryLevel(
                path=path,
                directory=directory,
                version=2,
                limit=None,
                high=None,
                swap=None,
                memsw=None,
                hierarchical=None,
                current_bytes=1,
                swap_current_bytes=None,
                use_hierarchy=True,
                events=events,
                refaults=refaults,
                read_seconds=at,
            ),
        ),
        used=Used(
            cpu_seconds=used if used is not None else 0,
            major_faults=10,
            threads=len(waits) if threads is None else threads,
            waits=waits,
            read_seconds=at,
        ),
    )


def rates(before: Snapshot, after: Snapshot) -> Rates:
    """The rates, which are there."""
    found = rates_between(total(before), total(after))
    assert found is not None
    return found


def test_no_more_periods_are_throttled_than_there_were() -> None:
    """A look may be amid the end of a period: of the two counters the second is then one ahead."""
    (cpu,) = rates(look(), look(110.0, counters=(1100, 601, 35.0))).cpu
    assert (cpu.throttled_percent, cpu.throttling and cpu.throttling.throttled_periods) == (100, 100)


def test_two_looks_give_rates() -> None:
    """CPU in CPUs, waiting in threads and shares of the time, throttling by its periods, kills and refaults by their growth."""
    after = look(110.0, used=52.0, counters=(1100, 598, 35.0), waits=((42, 5.0),), waited=13.2, kills=3, highs=9, refaults=1050, busy=520.0)
    found = rates(look(), after)
    assert (found.seconds, found.used_cores, found.waiting_threads, found.major_faults_per_second) == (10, 0.2, 0.2, 0)
    assert found.waiting_percent == 50
    (cpu,) = found.cpu
    assert (cpu.seconds, cpu.used_cores, cpu.throttled_percent) == (10, 0.2, 98)
    assert cpu.throttling == Throttling(periods=100, throttled_periods=98, throttled_seconds=5.0)
    (pressure,) = found.pressure
    assert (pressure.seconds, pressure.cpu_full_percent, pressure.memory_some_percent) == (10, pressure.cpu_some_percent, None)
    assert pressure.cpu_some_percent == pytest.approx(62)
    (memory,) = found.memory
    assert (memory.path, memory.seconds, memory.refaults_per_second) == ("/pod/app", 10, 5)
    assert (memory.oom_kills, memory.high_events, memory.max_events) == (1, 6, 0)
    assert found.machine is not None
    assert (found.machine.busy_cores, found.machine.steal_cores) == (2, 0.2)
    assert found.machine.cpu_some_percent == pytest.approx(62)
    assert found.cpu_of(after.cpu_chain[0]) is cpu
    assert (found.cpu_of(None), found.pressure_of(None), found.memory_of(None)) == (None, None, None)


@pytest.mark.parametrize(
    ("idle", "cores"),
    [
        pytest.param(958.0, 2.0, id="all is counted"),
        pytest.param(951.0, 2.0, id="nearly all"),
        pytest.param(918.0, 4.0, id="half of the time is lost"),
        pytest.param(900.0, 2 * 80 / 22, id="nobody was idle"),
        pytest.param(899.0, 2.0, id="it shrank, as time that CPUs wait for disks may"),
        pytest.param(None, 2.0, id="not known"),
    ],
)
def test_ticks_that_a_virtual_machine_lost(idle: float | None, cores: float) -> None:
    """Eight CPUs for ten seconds, of which 22 were busy or stolen: if much is in no counter, what is counted stands for all."""
    found = rates(look(idle=900.0), look(110.0, busy=520.0, idle=idle))
    assert found.machine is not None
    assert found.machine.busy_cores == pytest.approx(cores)
    assert found.machine.steal_cores == 0.2


def test_what_the_collector_took() -> None:
    """Collections that ended, and their share of the CPU time that the runtime had; without one nobody knows the share."""
    before = look(live=GoLive(collections=3, gc_cpu_seconds=1.0, cpu_seconds=100.0))
    found = rates(before, look(110.0, live=GoLive(collections=8, gc_cpu_seconds=1.5, cpu_seconds=120.0)))
    assert (found.collections, found.gc_cpu_percent, found.gc_cores) == (5, 2.5, 0.05)
    none = rates(before, look(110.0, live=GoLive(collections=3, gc_cpu_seconds=1.0, cpu_seconds=100.0)))
    assert (none.collections, none.gc_cpu_percent, none.gc_cores) == (0, None, 0)
    anew = rates(before, look(110.0, used=60.0, live=GoLive(collections=1, gc_cpu_seconds=0.1, cpu_seconds=1.0)))
    assert (anew.collections, anew.gc_cpu_percent, anew.used_cores) == (None, None, 1), "another program in the same process"
    for untold in (None, GoLive(collections=8)):
        assert rates(before, look(110.0, live=untold)).gc_cpu_percent is None


def test_a_pid_that_came_back_has_no_rates() -> None:
    """Its totals are another process's: (pid, start time) identifies, a pid alone does not."""
    assert rates_between(total(look()), total(look(110.0, start_ticks=2))) is None
    assert shrank(total(look()), total(look(110.0, start_ticks=2)))


@pytest.mark.parametrize(
    ("after", "gone"),
    [
        pytest.param(look(110.0, counters=(10, 5, 0.3)), ("cpu",), id="periods begin at 0"),
        pytest.param(look(110.0, used=1.0), ("cpu", "process"), id="use begins at 0"),
        pytest.param(look(110.0, kills=0), ("memory",), id="kills begin at 0"),
        pytest.param(look(110.0, waited=0.5), ("pressure", "machine"), id="waiting begins at 0"),
        pytest.param(look(110.0, path="/pod/other"), ("cpu", "pressure", "memory"), id="moved"),
    ],
)
def test_what_was_made_anew_has_no_rates(after: Snapshot, gone: tuple[str, ...]) -> None:
    """A counter that shrank, and a cgroup that was not there before, are left out; what the others tell stays."""
    before = look()
    found = rates(before, after)
    there = {"cpu": found.cpu, "pressure": found.pressure, "memory": found.memory, "machine": found.machine, "process": found.used_cores}
    assert {name for name, value in there.items() if value in ((), None)} == set(gone)
    assert shrank(total(before), total(after))


def test_without_a_clock_only_counters_tell() -> None:
    """A tree that was copied has no clock: the share of periods and the kills need none."""
    found = rates(look(None), look(None, used=60.0, counters=(1010, 505, 31.0), kills=3))
    assert (found.seconds, found.used_cores, found.waiting_threads, found.pressure, found.machine) == (None, None, None, (), None)
    assert (found.cpu[0].used_cores, found.cpu[0].throttled_percent, found.memory[0].oom_kills) == (None, 50, 1)


def test_no_time_is_no_rate() -> None:
    """Two looks at one moment divide nothing by nothing."""
    found = rates(look(), look())
    assert (found.used_cores, found.cpu[0].used_cores, found.cpu[0].throttled_percent, found.pressure) == (None, None, None, ())


def test_what_the_kernel_does_not_count_has_no_rate() -> None:
    """Each number that one of the two looks lacks is None, and no other."""
    found = rates(look(used=None, counters=None, kills=None, refaults=None), look(110.0))
    assert (found.cpu[0].used_cores, found.cpu[0].throttling) == (None, None)
    assert (found.memory[0].oom_kills, found.memory[0].refaults_per_second, found.memory[0].seconds) == (None, None, 10)


@pytest.mark.parametrize(
    ("before", "after", "threads", "waiting"),
    [
        pytest.param(((42, 1.0),), ((42, 2.0), (50, 3.0)), (1, 2), 0.4, id="one began: all that it waited"),
        pytest.param(((42, 1.0),), ((42, 2.0), (50, 3.0)), (2, 3), 0.1, id="one may have been there, unasked"),
        pytest.param(((42, 1.0), (50, 3.0)), ((42, 2.0),), (2, 1), 0.1, id="one ended"),
        pytest.param(((42, 5.0),), ((42, 2.0),), (1, 1), 0.0, id="an id that came back"),
        pytest.param((), ((42, 2.0),), (1, 1), None, id="nobody was asked before"),
        pytest.param(((42, 5.0),), (), (1, 1), None, id="nobody is asked any more"),
    ],
)
def test_how_many_threads_waited(
    before: tuple[tuple[int, float], ...], after: tuple[tuple[int, float], ...], threads: tuple[int, int], waiting: float | None
) -> None:
    """Threads of both looks, and those that began in between if all were asked."""
    found = rates(look(waits=before, threads=threads[0]), look(110.0, waits=after, threads=threads[1]))
    assert found.waiting_threads == waiting


def test_a_share_is_never_more_than_all() -> None:
    """The clock and the counter are not read at one moment."""
    found = rates(look(), look(110.0, waited=17.1))
    assert found.pressure[0].cpu_some_percent == 100


def test_the_later_report_has_the_rates() -> None:
    """Of each process that was there at both looks."""
    made = process_report(go_facts())
    reports = [
        Report(
            version="1",
            time="2026-11-23T02:12:00Z",
            machine=made.snapshot.machine,
            processes=tuple(made.replace(snapshot=snapshot) for snapshot in snapshots),
        )
        for snapshots in ((look(), look(pid=43)), (look(110.0, used=60.0), look(110.0, pid=44), look(110.0, pid=43, start_ticks=9)))
    ]
    assert [process.snapshot.rates and process.snapshot.rates.used_cores for process in with_rates(reports[0], reports[1]).processes] == [
        1.0,
        None,
        None,
    ]


def test_kills_in_the_window_are_told_with_their_level() -> None:
    """A kill above that the level below does not count is another one's; without a second look there are none."""
    leaf, parent = look().memory_chain[0], look(path="/pod").memory_chain[0]

    def chain(at: float, below: int, above: int) -> Snapshot:
        levels = tuple(
            level.replace(events=MemoryEvents(oom_kill=kills), read_seconds=at) for level, kills in ((leaf, below), (parent, above))
        )
        return look(at).replace(memory_chain=levels)

    before = chain(100.0, 0, 5)
    assert before.levels_killed_in_window == ()
    for below, above, paths in ((0, 5, []), (1, 6, ["/pod/app"]), (1, 7, ["/pod/app", "/pod"]), (0, 6, ["/pod"])):
        after = chain(110.0, below, above)
        after = after.replace(rates=rates(before, after))
        assert [level.path for level in after.levels_killed_in_window] == paths


def test_totals_are_small_and_share_what_is_the_same() -> None:
    """A service keeps many of them: the names of the levels stand once, those of cgroups with several processes too, and so do the turns of
    threads that rest.
    """
    made: dict[Hashable, Any] = {}
    first = total(look(), made=made)
    second = total(look(110.0), first)
    assert (second.keys is first.keys, second.waits is first.waits, second.ran is first.ran) == (True, True, True)
    assert not shrank(first, second)
    other = total(look(start_ticks=2), made=made)
    assert other.keys is not first.keys
    assert all(one is another for one, another in zip(other.keys, first.keys, strict=True))


def test_what_shrank_in_another_chain_tells_nothing() -> None:
    """A cgroup that was made anew begins at 0, whether the chain has the same cgroups or one more."""
    process, known, new = ("process", "", "", 0), ("memory", "/a", "/a", 2), ("memory", "/b", "/b", 2)

    def totals(keys: tuple[tuple[str, str, str, int], ...], *numbers: float) -> Totals:
        empty = array("d")
        return Totals(identity=(7, 7), cpus=2, keys=keys, numbers=array("d", numbers), waits=empty, ran=empty, all_waits=False)

    before = totals((process, known), 1, 5, 0, 1, 9, 9, 9, 9)
    for keys, more in (((process, known), ()), ((process, known, new), (2, 1, 1, 1, 1))):
        rates = rates_between(before, totals(keys, 2, 6, 0, 2, 1, 0, 0, 0, *more))
        assert rates is not None
        assert (rates.seconds, rates.used_cores, rates.memory) == (1.0, 1.0, ())
