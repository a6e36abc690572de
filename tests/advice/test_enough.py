"""What would have been enough, from numbers as a kernel counts them."""

from __future__ import annotations

import pytest

from cgtune.advice.enough import EnoughCpu, find_enough_cpu
from cgtune.advice.enough_memory import find_enough_memory
from cgtune.model import Crowded, MemoryParts, MemoryRate, PressureRate, Rates, Throttling
from tests.rules.reports import MIB, cpu_level, go_facts, memory_level, report, watched


def _enough(
    used: float,
    threads: tuple[tuple[float, float], ...] = (),
    *,
    quota: float = 0.2,
    group: float | None = None,
    stopped: float = 30.0,
    periods: tuple[int, int] = (300, 300),
    full: float | None = None,
    cpus: int = 8,
    procs: int | None = None,
    stolen: float = 0.0,
) -> EnoughCpu | None:
    """For 30 s of a process that used so many CPUs, as its threads did (ran, waited), in a group that used ``group``."""
    counters = Throttling(periods=periods[0], throttled_periods=periods[1], throttled_seconds=stopped)
    made = watched(report(go_facts(), cores=quota), counters, used_cores=used, threads=threads)
    level, rates = made.snapshot.cpu_chain[0], made.snapshot.rates
    assert rates is not None
    pressure = PressureRate(
        path=level.path,
        directory=level.directory,
        version=2,
        seconds=30.0,
        cpu_some_percent=full,
        cpu_full_percent=full,
        memory_some_percent=0.0,
        memory_full_percent=0.0,
    )
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=group or used),), pressure=() if full is None else (pressure,))
    return find_enough_cpu(rates, level, cpus, procs, stolen)


@pytest.mark.parametrize(
    ("enough", "cores", "doubt"),
    [
        pytest.param(_enough(0.2, ((0.2, 0.43),), stopped=8.0), 0.351, "", id="the thread waits for neighbours too"),
        pytest.param(_enough(0.2, ((0.2, 0.8),)), 1.0, "", id="one busy thread"),
        pytest.param(_enough(0.2, ((0.1, 0.9), (0.1, 0.9))), 2.0, "", id="two busy threads"),
        pytest.param(_enough(0.2, ((0.05, 0.95),) * 4, cpus=2), 2.0, "", id="more threads than CPUs"),
        pytest.param(_enough(0.367, ((0.1835, 0.266),) * 2, quota=0.36), 0.5, "", id="two that rest most of the time"),
        pytest.param(_enough(0.3, ((0.3, 0.5),), group=0.6, quota=0.6, stopped=15.0), 1.2, "like this one", id="another like it"),
        pytest.param(_enough(0.1, ((0.1, 0.0),), group=0.4, quota=0.4, stopped=18.0), 1.0, "neighbours", id="a small part: counters"),
        pytest.param(_enough(0.2, stopped=13.0), 0.353, "neighbours", id="threads that are not counted: by the counters"),
        pytest.param(_enough(0.2, stopped=13.0, full=43.0), 0.353, "", id="and by the pressure"),
        pytest.param(_enough(0.2, stopped=13.0, full=70.0), 0.667, "two things", id="which disagrees"),
        pytest.param(_enough(0.5, ((0.25, 0.25),) * 2, quota=0.4, stopped=15.0, procs=4), 1.0, "thread to thread", id="Go's work moves"),
        pytest.param(_enough(0.5, ((0.25, 0.5),) * 2, quota=0.4, stopped=15.0, procs=4), 1.0, "", id="Go's threads tell as much"),
        pytest.param(
            _enough(0.5, ((0.25, 0.25),) * 2, quota=0.4, stopped=5.0, procs=4), 0.667, "thread to thread", id="and neighbours hide it"
        ),
        pytest.param(_enough(0.5, ((0.25, 0.75),) * 2 + ((0.001, 0.8),), stopped=15.0, procs=4), 2.0, "", id="sysmon is no worker"),
        pytest.param(_enough(0.1, ((0.1, 0.4),), periods=(150, 150)), 1.0, "", id="idle half of the time"),
        pytest.param(
            _enough(0.5, ((0.25, 0.3),), quota=0.5, stopped=22.0, cpus=2, procs=4), 0.714, "thread to thread", id="Go's new threads unknown"
        ),
        pytest.param(_enough(0.5, ((0.1, 0.3),), quota=0.5, stopped=22.0, cpus=2, procs=4), 0.789, "at once", id="and most of the work"),
        pytest.param(_enough(0.4, quota=0.4, stopped=45.0, cpus=2), 1.6, "neighbours", id="two CPUs that stood still at once"),
        pytest.param(_enough(0.4, quota=0.4, stopped=45.0, full=75.0, cpus=2), 1.6, "", id="as the pressure says too"),
        pytest.param(_enough(0.2, ((0.2, 0.7),), stolen=0.05), 0.667, "took 5.0 % of the CPUs away", id="a host that takes CPUs"),
        pytest.param(_enough(0.2, ((0.2, 0.7),), stolen=0.03), 0.667, "", id="and that takes little"),
        pytest.param(_enough(0.2, ((0.2, 0.75),), cpus=1, stolen=0.05), 0.8, "took 5.0 %", id="and of the only CPU"),
        pytest.param(_enough(0.2, ((0.2, 0.85),), cpus=1, stolen=0.05), 1.0, "", id="there are no more"),
    ],
)
def test_what_would_have_been_enough(enough: EnoughCpu | None, cores: float, doubt: str) -> None:
    """What the threads ask for if nothing keeps them; by the cgroup's counters if they cannot speak for it."""
    assert enough is not None
    assert enough.cores == pytest.approx(cores, rel=0.02)
    assert (doubt in enough.doubt) if doubt else not enough.doubt


@pytest.mark.parametrize(
    ("cores", "limit"), [(0.3412, 0.35), (0.101, 0.105), (1.0, 1.0), (1.0004, 1.0), (1.01, 1.05), (1.96, 2.0), (2.01, 2.1), (12.1, 12.5)]
)
def test_a_limit_is_rounded_up_by_little(cores: float, limit: float) -> None:
    """By 5 % at the most: what is promised is 15 %, measuring included."""
    enough = EnoughCpu(cores=cores, used_cores=0.1, stopped_percent=50.0, periods=300)
    assert enough.limit_cores == pytest.approx(limit)


@pytest.mark.parametrize(
    "enough",
    [
        pytest.param(_enough(0.2, ((0.2, 0.43),), periods=(9, 9)), id="nine periods"),
        pytest.param(_enough(0.2, ((0.2, 0.43),), periods=(300, 0)), id="never stopped"),
        pytest.param(_enough(0.0, ((0.0, 0.43),)), id="nothing used"),
        pytest.param(_enough(0.2, ((0.2, 0.1),), quota=0.3), id="bursts that a mean does not show"),
    ],
)
def test_when_nothing_is_said(enough: EnoughCpu | None) -> None:
    """Too little was seen, or the answer would be a limit that was there and stopped it."""
    assert enough is None


def test_no_quota_has_no_enough() -> None:
    """A cgroup that no quota stops."""
    assert find_enough_cpu(watched(report(go_facts()), None).snapshot.rates or _none(), cpu_level("/pod/app", None), 8) is None


def _none() -> Rates:
    raise AssertionError


def _memory_rates(refaults: float) -> Rates:
    rate = MemoryRate(
        path="/app",
        directory="/sys/fs/cgroup/app",
        version=2,
        seconds=30.0,
        refaults_per_second=refaults,
        oom_kills=0,
        high_events=0,
        max_events=0,
    )
    rates = watched(report(go_facts()), None, memory=(rate,)).snapshot.rates
    assert rates is not None
    return rates


CROWDED = Crowded(
    file="/sys/fs/cgroup/app/memory.max", limit_bytes=100 * MIB, live_bytes=90 * MIB, left_bytes=95 * MIB, needed_bytes=190 * MIB
)


@pytest.mark.parametrize(
    ("swapped", "refaults", "pressed", "crowded", "words"),
    [
        (0, 0.0, False, None, "101 MiB would be enough, if it does not grow: 96.0 MiB that cannot be given back, 5.0 MiB kept free"),
        (
            30,
            0.0,
            False,
            None,
            "131 MiB would be enough, if it does not grow: 96.0 MiB that cannot be given back, 30.0 MiB swapped out, 5.0 MiB kept free",
        ),
        (
            0,
            0.0,
            True,
            None,
            "105 MiB would be enough, if it does not grow: 96.0 MiB that cannot be given back, 4.0 MiB of files in use, 5.0 MiB kept free",
        ),
        (0, 90.0, False, None, "at least 165 MiB are needed: 96.0 MiB that cannot be given back, 64.0 MiB of files in use, "),
        (0, 0.0, False, CROWDED, "190 MiB would be enough, if it does not grow: 90.0 MiB of live heap, "),
    ],
    ids=["full", "swap", "something waits", "files come back", "a live heap that is too large"],
)
def test_the_memory_that_would_be_enough(swapped: int, refaults: float, pressed: bool, crowded: Crowded | None, words: str) -> None:
    """Each part is named; what is not seen is said."""
    parts = MemoryParts(active_file_bytes=4 * MIB, inactive_file_bytes=60 * MIB)
    level = memory_level("/app", 160 * MIB, current_bytes=160 * MIB, swapped_bytes=swapped * MIB).replace(parts=parts)
    enough = find_enough_memory(level, _memory_rates(refaults), is_pressed=pressed, crowded=crowded)
    assert enough is not None
    assert enough.words.replace(".0", "").startswith(words.replace(".0", ""))
    assert find_enough_memory(level.replace(parts=None), None, is_pressed=pressed) is None
