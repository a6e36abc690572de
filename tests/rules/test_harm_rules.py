"""The rules of harm on both sides of their edges: what hurts now, by what was measured between two looks or by the kernel's own shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cgtune.api import judge_processes
from cgtune.limits import enforce
from cgtune.model import (
    Busiest,
    ByteLimit,
    Finding,
    GoLive,
    MachineRate,
    MemoryRate,
    Policy,
    Pressure,
    PressureLevel,
    PressureRate,
    ProcessReport,
    Stall,
    Throttling,
    Used,
)
from cgtune.rules import BY_ID, judge_all
from cgtune.rules.case import Case
from cgtune.rules.started_throttled import least_share
from tests.rules.reports import MIB, cpu_level, go_facts, memory_level, report, sees, watched

NEVER = Throttling(periods=300, throttled_periods=0, throttled_seconds=0.0)
BUSY = MachineRate(seconds=30.0, busy_cores=7.9, steal_cores=0.0, cpu_some_percent=60.0, memory_some_percent=0.0)
STOLEN = BUSY.replace(busy_cores=3.0, steal_cores=4.0)
ALONE = BUSY.replace(busy_cores=1.7)


def _waits(waiting: float, used: float, throttling: Throttling = NEVER, machine: MachineRate | None = BUSY, **rest: Any) -> ProcessReport:
    return watched(report(go_facts(), **rest), throttling, waiting_threads=waiting, used_cores=used, machine=machine)


def _pressed(percent: float, *, resource: str = "cpu", scope: str = "cgroup", procs: int = 8, **rest: Any) -> ProcessReport:
    some = Stall(avg10_percent=percent, avg60_percent=percent, avg300_percent=percent, total_seconds=9.0)
    made = report(go_facts(procs=procs), **rest)
    pressure = Pressure(scope=scope, file=f"/sys/fs/cgroup/pod/app/{resource}.pressure", some=some, full=None)
    return made.replace(snapshot=made.snapshot.replace(**{f"{resource}_pressure": pressure}))


def _stalled(percent: float) -> ProcessReport:
    chain = (memory_level("/pod/app", 512 * MIB, high_bytes=400 * MIB),)
    made = _pressed(0.0, resource="memory", memory=chain)
    own = PressureLevel(path="/pod/app", directory="/sys/fs/cgroup/pod/app", version=2, cpu=None, memory=made.snapshot.memory_pressure)
    rate = PressureRate(
        path=own.path,
        directory=own.directory,
        version=2,
        seconds=30.0,
        cpu_some_percent=0.0,
        cpu_full_percent=0.0,
        memory_some_percent=percent,
        memory_full_percent=0.0,
    )
    made = made.replace(snapshot=made.snapshot.replace(pressure_chain=(own,)))
    return watched(made, None, pressure=(rate,), memory=(_memory_rate(high_events=40),))


def _hybrid(made: ProcessReport) -> ProcessReport:
    """The same, with the controllers on v1."""
    memory, cpu = (tuple(level.replace(version=1) for level in chain) for chain in (made.snapshot.memory_chain, made.snapshot.cpu_chain))
    return made.replace(snapshot=made.snapshot.replace(memory_chain=memory, cpu_chain=cpu))


def _memory_rate(**more: int) -> MemoryRate:
    counts = {"oom_kills": 0, "high_events": 0, "max_events": 0} | more
    own = {"path": "/pod/app", "directory": "/sys/fs/cgroup/pod/app", "version": 2}
    return MemoryRate(seconds=30.0, refaults_per_second=0.0, **own, **counts)  # type: ignore[arg-type]


def _thrashes(
    refaults: float = 2000.0, *, faults: float = 50.0, active: int = 4, waited: float | None = None, charged: int = 128, **facts: Any
) -> ProcessReport:
    """Under 128 MiB, beside 24 MiB of files of which so many are active; so many pages came back a second, and it waited for so many."""
    level = memory_level("/pod/app", 128 * MIB, current_bytes=charged * MIB, reclaimable_bytes=24 * MIB, active_bytes=active * MIB)
    made = report(go_facts(**({"memory": 120 * MIB, "mapped_bytes": 100 * MIB, "heap_marked_bytes": 50 * MIB} | facts)), memory=(level,))
    pressure: tuple[PressureRate, ...] = ()
    if waited is not None:
        stalled = _stalled(waited)
        assert stalled.snapshot.rates is not None
        made = made.replace(snapshot=made.snapshot.replace(pressure_chain=stalled.snapshot.pressure_chain))
        pressure = stalled.snapshot.rates.pressure
    rate = _memory_rate(high_events=0).replace(refaults_per_second=refaults)
    return watched(made, None, pressure=pressure, memory=(rate,), major_faults_per_second=faults)


def _storms(rate: float = 40.0, *, used: int = 110, seconds: float = 30.0, cores: float = 0.5, **facts: Any) -> ProcessReport:
    """So many collections in each second of CPU, and so much in use of 128 MiB, all of it Go's."""
    level = memory_level("/pod/app", 128 * MIB, current_bytes=used * MIB, reclaimable_bytes=0)
    runtime = go_facts(**({"memory": 116 * MIB, "mapped_bytes": used * MIB, "heap_marked_bytes": 40 * MIB} | facts))
    made = report(runtime, memory=(level,))
    return watched(made, None, seconds=seconds, used_cores=cores, collections=round(rate * cores * seconds), gc_cores=0.0)


def _pressed_full(percent: float) -> ProcessReport:
    made, pressed = _full(504), _pressed(percent, resource="memory")
    return made.replace(snapshot=made.snapshot.replace(memory_pressure=pressed.snapshot.memory_pressure))


def _full(used_mib: int, *, hit: bool = False, swap_bytes: int | None = 0, swapped_bytes: int = 0, limit_mib: int = 512) -> ProcessReport:
    level = memory_level("/pod/app", limit_mib * MIB, current_bytes=used_mib * MIB, reclaimable_bytes=0, swapped_bytes=swapped_bytes)
    chain = (level.replace(swap=ByteLimit(limit_bytes=swap_bytes)),)
    made = report(go_facts(memory=480 * MIB), memory=chain)
    return watched(made, None, memory=(_memory_rate(max_events=3),)) if hit else made


def _collects(
    percent: float,
    *,
    memory: Any = "off",
    age: int = 600,
    variables: dict[str, str] | None = None,
    since: float | None = None,
    collections: int = 200,
    ran: float = 100.0,
    **facts: Any,
) -> ProcessReport:
    live = GoLive(collections=collections, gc_cpu_seconds=percent * ran / 100, cpu_seconds=900.0, since_collection_seconds=since)
    runtime = go_facts(memory=memory, variables=variables, live=live, **facts)
    made = report(runtime, memory=(memory_level("/pod/app", 512 * MIB),), age_seconds=age)
    return made.replace(snapshot=made.snapshot.replace(used=Used(cpu_seconds=ran, major_faults=0, threads=9)))


def _collected(percent: float, watched_percent: float | None, *, since: float = 1.0, used: float = 0.5, **rest: Any) -> ProcessReport:
    """The collector's share since the start, and between two looks (None: it was looked at once)."""
    made = _collects(percent, since=since, **rest)
    if watched_percent is None:
        return made
    return watched(
        made, None, used_cores=used, waiting_threads=0.5, collections=round(watched_percent), gc_cores=watched_percent / 100 * (used + 0.5)
    )


def _starts(window: tuple[int, int] | None, *, age: int = 20, seconds: float = 30.0) -> ProcessReport:
    """Stopped in 40 of its first 60 periods; of those of the window in so many."""
    made = report(go_facts(procs=1, pinned=True), cores=0.5, throttled=(40, 60), age_seconds=age)
    if window is None:
        return made
    return watched(made, Throttling(periods=window[1], throttled_periods=window[0], throttled_seconds=1.0), seconds=seconds)


def _queued(
    procs: int, queued: int, *, idle: int = 0, used: float = 2.0, cores: float | None = 6.0, pinned: bool = True, **facts: Any
) -> ProcessReport:
    live = GoLive(goroutines=queued + 10, queued_goroutines=queued, idle_procs=idle)
    return watched(report(go_facts(procs=procs, pinned=pinned, live=live, **facts), cores=cores), NEVER, used_cores=used)


def _shared(used: float, *, cores: float | None = 6.0, busy: float = 7.0) -> ProcessReport:
    """Two threads and a queue, in a cgroup that used so many CPUs in all, on a machine with so many busy."""
    made = _queued(2, 40, cores=cores)
    rates = made.snapshot.rates
    assert rates is not None
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=used),), machine=BUSY.replace(busy_cores=busy))
    return made.replace(snapshot=made.snapshot.replace(rates=rates))


def _foreign(threads: int) -> ProcessReport:
    """A program that is not Go, with so many threads on 8 CPUs; something in its cgroup waits."""
    made = _pressed(62.0)
    return made.replace(snapshot=made.snapshot.replace(go=(), used=Used(cpu_seconds=9.0, major_faults=0, threads=threads)))


def _moved(*, used_seconds: float) -> ProcessReport:
    """Two days old, in a cgroup that has counted 100 s of CPU."""
    made = _idle()
    return made.replace(snapshot=made.snapshot.replace(used=Used(cpu_seconds=used_seconds, major_faults=0, threads=9)))


def _idle(*, age: int = 2 * 86400, peak: int = 100, used_seconds: float = 100.0, throttled: int = 0) -> ProcessReport:
    chain = (memory_level("/pod/app", 512 * MIB).replace(peak_bytes=peak * MIB),)
    made = report(go_facts(memory=400 * MIB), cores=4.0, memory=chain, age_seconds=age, throttled=(throttled, 10**6))
    leaf, *above = made.snapshot.cpu_chain
    leaf = leaf.replace(usage_seconds=used_seconds)
    limits = made.limits.replace(cpu=made.limits.cpu.replace(binding=leaf))
    return made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf, *above)), limits=limits)


# rule, what distinguishes the case, the report, severity and harm (None: the rule is silent)
CASES: list[tuple[str, str, Callable[[], ProcessReport], tuple[str, str] | None]] = [
    ("cpu-contended", "neighbours take the CPUs", lambda: _waits(1.0, 1.0), ("critical", "now")),
    ("cpu-contended", "a fifth of the time", lambda: _waits(0.25, 1.0), ("warning", "now")),
    ("cpu-contended", "less than a fifth", lambda: _waits(0.24, 1.0), None),
    ("cpu-contended", "the host steals", lambda: _waits(1.0, 1.0, machine=STOLEN), ("critical", "now")),
    ("cpu-contended", "it fills its CPUs itself", lambda: _waits(9.0, 7.3), None),
    ("cpu-contended", "it wants little, and waits for a third of it", lambda: _waits(0.05, 0.1), ("warning", "now")),
    ("cpu-contended", "it fills its quota itself", lambda: _waits(9.0, 0.95, cores=1.0), None),
    ("cpu-contended", "it hardly runs", lambda: _waits(0.05, 0.04), None),
    (
        "cpu-contended",
        "its quota explains it",
        lambda: _waits(1.0, 0.5, Throttling(periods=300, throttled_periods=290, throttled_seconds=20.0), cores=1.0),
        None,
    ),
    ("cpu-contended", "its threads wake at once, and nobody else is at work", lambda: _waits(1.0, 1.0, machine=ALONE), None),
    (
        "cpu-contended",
        "the same, with a little of others",
        lambda: _waits(1.0, 1.0, machine=ALONE.replace(busy_cores=1.8)),
        ("critical", "now"),
    ),
    (
        "cpu-contended",
        "the same, and the host steals",
        lambda: _waits(1.0, 1.0, machine=ALONE.replace(steal_cores=0.8)),
        ("critical", "now"),
    ),
    ("cpu-contended", "a foreign program with as many threads as CPUs", lambda: _foreign(8), ("critical", "now")),
    ("cpu-contended", "a foreign program with more threads waits for itself", lambda: _foreign(9), None),
    ("cpu-contended", "a single look: the last minute", lambda: _pressed(62.0), ("critical", "now")),
    ("cpu-contended", "of a v2 cgroup, and CPU is v1's", lambda: _hybrid(_pressed(62.0, cores=4.0)), None),
    ("cpu-contended", "of the machine, which tells nothing of the cgroup", lambda: _pressed(62.0, scope="machine"), None),
    ("cpu-contended", "its own threads are more than the CPUs", lambda: _pressed(62.0, procs=9), None),
    ("cpu-contended", "a quota stops it", lambda: _pressed(62.0, cores=1.0, throttled=(10, 1000)), None),
    (
        "started-throttled",
        "in 40 of 50 periods",
        lambda: report(go_facts(), cores=0.5, throttled=(40, 50), age_seconds=20),
        ("warning", "now"),
    ),
    (
        "started-throttled",
        "a few minutes ago",
        lambda: report(go_facts(), cores=0.5, throttled=(242, 243), age_seconds=240),
        ("info", "earlier"),
    ),
    ("started-throttled", "nine periods are too few", lambda: report(go_facts(), cores=0.5, throttled=(9, 9), age_seconds=20), None),
    (
        "started-throttled",
        "as many periods as it lives",
        lambda: report(go_facts(), cores=0.5, throttled=(120, 130), age_seconds=11),
        ("warning", "now"),
    ),
    (
        "started-throttled",
        "more periods than it lives: others ran there before",
        lambda: report(go_facts(), cores=0.5, throttled=(120, 131), age_seconds=11),
        None,
    ),
    ("started-throttled", "two periods tell nothing", lambda: report(go_facts(), cores=0.5, throttled=(2, 2), age_seconds=20), None),
    ("started-throttled", "it has started long ago", lambda: report(go_facts(), cores=0.5, throttled=(242, 243), age_seconds=3600), None),
    (
        "started-throttled",
        "enough periods for cpu-throttled",
        lambda: report(go_facts(), cores=0.5, throttled=(290, 300), age_seconds=60),
        None,
    ),
    ("memory-stalling", "memory.high slows it down", lambda: _stalled(30.0), ("warning", "now")),
    ("memory-stalling", "nearly half of the time", lambda: _stalled(45.0), ("critical", "now")),
    ("memory-stalling", "a little", lambda: _stalled(9.0), None),
    ("memory-stalling", "a single look: the last minute", lambda: _pressed(12.0, resource="memory"), ("warning", "now")),
    (
        "memory-stalling",
        "two looks that do not tell: the last minute was before",
        lambda: watched(_pressed(12.0, resource="memory"), None),
        None,
    ),
    ("memory-stalling", "of a v2 cgroup, and memory is v1's", lambda: _hybrid(_stalled(45.0)), None),
    ("memory-stalling", "of the machine", lambda: _pressed(90.0, resource="memory", scope="machine"), None),
    ("memory-near-limit", "8 MiB are left", lambda: _full(504), ("warning", "possible")),
    ("memory-near-limit", "and the limit was hit", lambda: _full(504, hit=True), ("critical", "now")),
    ("memory-near-limit", "the rest can be swapped out", lambda: _full(504, swap_bytes=None), None),
    ("memory-near-limit", "it can be, and the limit was hit", lambda: _full(504, hit=True, swap_bytes=None), ("critical", "now")),
    ("memory-near-limit", "its swap is used up", lambda: _full(504, swap_bytes=9 * MIB, swapped_bytes=9 * MIB), ("warning", "possible")),
    ("memory-near-limit", "something waits for memory", lambda: _pressed_full(5.0), ("critical", "now")),
    ("memory-near-limit", "nothing waits for it", lambda: _pressed_full(0.0), ("warning", "possible")),
    ("memory-near-limit", "3 MiB of 64 are left", lambda: _full(61, limit_mib=64), ("warning", "possible")),
    ("memory-near-limit", "5 MiB of 64 are left", lambda: _full(59, limit_mib=64), None),
    ("memory-near-limit", "20 MiB are left", lambda: _full(492), None),
    ("memory-thrashing", "files that are used again, v1", _thrashes, ("warning", "now")),
    ("memory-thrashing", "as few pages as tell it", lambda: _thrashes(100.0, faults=10.0), ("warning", "now")),
    ("memory-thrashing", "few pages", lambda: _thrashes(99.0), None),
    ("memory-thrashing", "the process itself waits for few", lambda: _thrashes(faults=9.0), None),
    ("memory-thrashing", "a large file, read once", lambda: _thrashes(active=1), None),
    ("memory-thrashing", "something waits for memory, v2", lambda: _thrashes(active=0, waited=2.0), ("warning", "now")),
    ("memory-thrashing", "a large file, read once, v2", lambda: _thrashes(waited=1.0), None),
    ("memory-thrashing", "there is room below the limit", lambda: _thrashes(charged=121), None),
    ("collector-busy", "a storm below the limit", _storms, ("warning", "possible")),
    ("collector-busy", "a storm, and no GOMEMLIMIT", lambda: _storms(memory="off"), ("warning", "possible")),
    ("collector-busy", "less than a storm", lambda: _storms(29.0), None),
    ("collector-busy", "a storm far below the limit", lambda: _storms(used=89), None),
    ("collector-busy", "a storm, and a fifth is kept free", lambda: _storms(memory=102 * MIB), None),
    ("collector-busy", "too little ran to tell a storm", lambda: _storms(cores=0.03), None),
    ("collector-busy", "a third of what is used", lambda: _collects(33.0), ("warning", "now")),
    ("collector-busy", "nearly half", lambda: _collects(45.0), ("critical", "now")),
    ("collector-busy", "a fifth", lambda: _collects(20.0), None),
    ("collector-busy", "it has collected nine times", lambda: _collects(45.0, collections=9), None),
    ("collector-busy", "it has run for four seconds", lambda: _collects(45.0, ran=4.0), None),
    ("collector-busy", "it has just started", lambda: _collects(45.0, age=9), None),
    ("collector-busy", "all in a busy hour at its start: over", lambda: _collected(60.0, None, since=90.0), ("warning", "earlier")),
    ("collector-busy", "it collected a moment ago", lambda: _collected(60.0, None), ("critical", "now")),
    ("collector-busy", "it did long ago, and not while it was watched", lambda: _collected(60.0, 3.0), None),
    ("collector-busy", "no collection ended while it was watched", lambda: _collected(60.0, 0.0), None),
    ("collector-busy", "after a quiet week it does while it is watched", lambda: _collected(2.0, 45.0), ("critical", "now")),
    ("collector-busy", "too little ran while it was watched to tell", lambda: _collected(60.0, 3.0, used=0.01), ("critical", "now")),
    ("started-throttled", "it was seen to be stopped", lambda: _starts((20, 40), age=200), ("warning", "now")),
    ("started-throttled", "young, and it was seen that nothing stops it", lambda: _starts((0, 40)), ("info", "earlier")),
    ("started-throttled", "a service's first look has no time", lambda: _starts((0, 0), seconds=0.0), ("warning", "now")),
    (
        "gomemlimit-stale",
        "the collector paid for it long ago",
        lambda: _collected(20.0, 3.0, memory=100 * MIB, variables={"GOMEMLIMIT": "100MiB"}),
        None,
    ),
    (
        "gomemlimit-stale",
        "the limit was raised, and the live heap fills the old value",
        lambda: _collects(5.0, memory=100 * MIB, variables={"GOMEMLIMIT": "100MiB"}, heap_marked_bytes=70 * MIB),
        ("warning", "possible"),
    ),
    (
        "gomemlimit-stale",
        "and the collector pays for it",
        lambda: _collects(20.0, memory=100 * MIB, variables={"GOMEMLIMIT": "100MiB"}),
        ("warning", "now"),
    ),
    (
        "gomemlimit-stale",
        "the limit leaves hardly more",
        lambda: _collects(20.0, memory=440 * MIB, variables={"GOMEMLIMIT": "440MiB"}),
        None,
    ),
    (
        "gomemlimit-stale",
        "the limit itself is too small for what is alive",
        lambda: _collects(20.0, memory=100 * MIB, variables={"GOMEMLIMIT": "100MiB"}, heap_marked_bytes=500 * MIB),
        None,
    ),
    ("gomemlimit-stale", "it needs no more", lambda: _collects(5.0, memory=100 * MIB, variables={"GOMEMLIMIT": "100MiB"}), None),
    ("gomemlimit-stale", "a mistake in the unit", lambda: _collects(20.0, memory=512, variables={"GOMEMLIMIT": "512"}), None),
    ("gomemlimit-stale", "the program chose it", lambda: _collects(20.0, memory=100 * MIB), None),
    ("threads-short", "six CPUs, two threads, a long queue", lambda: _queued(2, 40), ("warning", "now")),
    ("threads-short", "half of the quota is free", lambda: _shared(3.0), ("warning", "now")),
    ("threads-short", "others in its cgroup use the quota up", lambda: _shared(5.8), None),
    ("threads-short", "others use the machine up", lambda: _shared(2.0, busy=7.7), None),
    ("threads-short", "Go will come to more by itself", lambda: _queued(2, 40, pinned=False, seen=sees(600_000)), None),
    ("threads-short", "a P is idle", lambda: _queued(2, 40, idle=1), None),
    ("threads-short", "no queue", lambda: _queued(2, 1), None),
    ("threads-short", "the threads wait for something else", lambda: _queued(2, 40, used=1.0), None),
    ("threads-short", "as many as the quota is worth", lambda: _queued(6, 40, used=6.0), None),
    ("limit-unneeded", "two days, a fifth of the memory, hardly any CPU", _idle, ("info", "possible")),
    ("limit-unneeded", "the cgroup has counted it all", lambda: _moved(used_seconds=100.5), ("info", "possible")),
    ("limit-unneeded", "it came to the cgroup later", lambda: _moved(used_seconds=102.0), None),
    ("limit-unneeded", "an hour", lambda: _idle(age=3600), None),
    ("limit-unneeded", "both were needed", lambda: _idle(peak=300, used_seconds=200_000.0), None),
    ("limit-unneeded", "memory alone was not", lambda: _idle(throttled=1), ("info", "possible")),
]


def _judge(rule: str, made: ProcessReport) -> Finding | None:
    return BY_ID[rule].judge(Case(made, next(iter(made.snapshot.go), None), Policy()))


@pytest.mark.parametrize(("rule", "what", "make", "expected"), CASES, ids=[f"{row[0]}: {row[1]}" for row in CASES])
def test_a_rule_of_harm_on_both_sides_of_its_edge(
    rule: str, what: str, make: Callable[[], ProcessReport], expected: tuple[str, str] | None
) -> None:
    """It speaks of what was measured, with evidence and an act, and is silent beside it."""
    finding = _judge(rule, make())
    assert (None if finding is None else (finding.severity, finding.harm)) == expected, what
    if finding is not None:
        assert finding.evidence
        assert finding.advice
        assert all(finding.evidence)


def test_who_is_at_work_is_named() -> None:
    """Neighbours on busy CPUs, the host that steals, or neither."""
    neighbours, host = _judge("cpu-contended", _waits(1.0, 1.0)), _judge("cpu-contended", _waits(1.0, 1.0, machine=STOLEN))
    idle = _judge("cpu-contended", _waits(1.0, 1.0, machine=BUSY.replace(busy_cores=7.1)))
    assert neighbours is not None
    assert "/proc/stat: 7.90 of 8 CPUs were busy, 6.90 with others" in neighbours.evidence
    assert "busy with others" in neighbours.advice[0].reason
    assert host is not None
    assert "the host takes 4 CPUs away" in host.advice[0].reason
    assert idle is not None
    assert "were not all busy" in idle.advice[0].reason


@pytest.mark.parametrize(
    ("path", "counts", "busy", "advice"),
    [
        ("/kubepods/batch", True, 7.9, "the CPUs are busy with others, most with batch: a larger CPU request"),
        pytest.param("/kubepods/batch", True, 4.0, "the CPUs are busy with others, most with batch", id="ticks that were missed"),
        ("/pod/app", True, 7.9, "the CPUs are busy with others: a larger CPU request"),
        pytest.param("/kubepods/batch", False, 7.9, "the CPUs are busy with others: a larger CPU request", id="its own is not known"),
    ],
)
def test_the_neighbour_that_takes_the_cpus_is_named(path: str, counts: bool, busy: float, advice: str) -> None:
    """By its cgroup, if that is another than its own: in the advice, which is all that an alert and a list have room for."""
    machine = BUSY.replace(busy_cores=busy, busiest=Busiest(cgroups=((path, 5.5), ("/cron", 0.9)), seconds=15.0))
    made = _waits(1.0, 1.0, machine=machine)
    own, *above = made.snapshot.cpu_chain
    chain = (own.replace(usage_seconds=9.0 if counts else None), *above)
    finding = _judge("cpu-contended", made.replace(snapshot=made.snapshot.replace(cpu_chain=chain)))
    assert finding is not None
    assert finding.advice[0].reason.startswith(advice)
    told = [line for line in finding.evidence if line.startswith("used most beside it in 15 s, of the cgroups that can be seen: ")]
    assert [line.partition(": ")[2] for line in told] == (
        [] if not counts else ["/cron 0.90" if path == "/pod/app" else "/kubepods/batch 5.50, /cron 0.90"]
    )


def test_waiting_is_told_though_nothing_is_known_of_the_machine() -> None:
    """Without its counters, as in a container whose /proc/stat lxcfs makes, nobody is accused, and no line tells of the machine."""
    for machine in (None, BUSY.replace(busy_cores=None, steal_cores=None)):
        finding = _judge("cpu-contended", _waits(1.0, 1.0, machine=machine))
        assert finding is not None
        assert not [line for line in finding.evidence if line.startswith(("/proc/stat", "used most"))]
        assert finding.advice[0].reason.endswith("how busy the machine's CPUs were could not be seen")


@pytest.mark.parametrize(("gomemlimit", "raised"), [(300 * MIB, "raise GOMEMLIMIT, and the memory limit"), ("off", "raise GOGC if")])
def test_what_a_busy_collector_needs(gomemlimit: Any, raised: str) -> None:
    """More room: by the limit that it works against."""
    finding = _judge("collector-busy", _collected(60.0, 60.0, memory=gomemlimit))
    assert finding is not None
    assert finding.advice[0].reason.startswith(raised)


def test_what_helps_in_a_storm() -> None:
    """A larger limit, then no more threads than CPUs, then a fifth kept free; no word of a larger GOMEMLIMIT."""
    finding = _judge("collector-busy", _storms(procs=16))
    assert finding is not None
    assert "600 collections in 15.0 s of CPU, 40 in each; 110 MiB of 128 MiB are in use" in finding.evidence
    assert [advice.variable for advice in finding.advice] == [None, "GOMAXPROCS", None]
    assert [advice.reason.split(",")[0] for advice in finding.advice][::2] == [
        "raise the memory limit",
        "then keep 20 % of the limit free",
    ]
    few = _judge("collector-busy", _storms(procs=2))
    assert few is not None
    assert [advice.variable for advice in few.advice] == [None, None]


def test_thrashing_stands_for_what_it_causes() -> None:
    """Of files that come and go one finding is left, with the worst severity and the value that leaves them room."""
    made = _thrashes(waited=45.0)
    (judged,) = judge_processes((made,))
    (finding,) = [one for one in judged.findings if one.rule.startswith("memory")]
    assert (finding.rule, finding.severity, finding.harm) == ("memory-thrashing", "critical", "now")
    assert finding.advice[0].value == "84MiB"  # 24 MiB of files, 4 MiB of others, and the headroom of what is not known
    assert finding.advice[1].reason.startswith("raise memory.max, until the pages stay")
    low = _judge("memory-thrashing", _thrashes(memory=80 * MIB))
    assert low is not None
    assert [advice.variable for advice in low.advice] == [None]  # it is as low already: the limit is too small
    assert any("at least 133 MiB are needed: " in line for line in low.evidence), low.evidence
    unset = judge_processes((_thrashes(memory="off"),))[0].findings
    assert [(one.rule, one.harm) for one in unset if "mem" in one.rule] == [("gomemlimit-unset", "now")]


def test_what_slows_it_down_is_named() -> None:
    """memory.high if its events grow, else the limit."""
    high = _judge("memory-stalling", _stalled(30.0))
    hard = _judge("memory-stalling", _pressed(12.0, resource="memory", memory=(memory_level("/pod/app", 512 * MIB),)))
    assert high is not None
    assert "/sys/fs/cgroup/pod/app/memory.events: high 40, max 0 more" in high.evidence
    assert high.advice[-1].reason.startswith("raise memory.high")
    assert hard is not None
    assert hard.advice[-1].reason.startswith("raise the memory limit")


def test_a_cpu_limit_that_has_stopped_it_was_needed() -> None:
    """However little it uses on average."""
    never, once = _judge("limit-unneeded", _idle()), _judge("limit-unneeded", _idle(throttled=1))
    assert never is not None
    assert once is not None
    assert [line.partition(":")[0] for line in never.evidence] == ["memory", "CPU"]
    assert [line.partition(":")[0] for line in once.evidence] == ["memory"]


@pytest.mark.parametrize(("late_seconds", "speaks"), [(None, False), (0.0, False), (3.9, False), (4.0, True)])
def test_a_start_is_judged_though_its_counters_were_read_late(late_seconds: float | None, speaks: bool) -> None:
    """26 s of periods, and an age of 20 s by what the machine said before many others were read: nobody ran there before."""
    made = report(go_facts(procs=1, pinned=True), cores=0.5, throttled=(250, 260), age_seconds=20)
    own, *above = made.snapshot.cpu_chain
    chain = (own.replace(read_seconds=None if late_seconds is None else 100.0 + late_seconds), *above)
    machine = made.snapshot.machine.replace(read_seconds=100.0)
    found = _judge("started-throttled", made.replace(snapshot=made.snapshot.replace(cpu_chain=chain, machine=machine)))
    assert (found is not None) == speaks


@pytest.mark.parametrize(
    ("count", "total", "least"), [(0, 0, 0.0), (0, 9, 0.0), (3, 3, 0.31), (30, 36, 0.63), (242, 243, 0.97), (50, 100, 0.38)]
)
def test_a_share_of_few(count: int, total: int, least: float) -> None:
    """Wilson's interval: few periods tell little, and many nearly all. The figures were worked out by hand from his formula."""
    assert least_share(count, total) == pytest.approx(least, abs=0.006)


def test_a_stop_at_the_start_is_told_once() -> None:
    """The cause that explains it bears it: Go 1.24 under half a CPU hurts now, as it starts."""
    made = report(go_facts(minor=24), cores=0.5, throttled=(40, 50), age_seconds=20)
    assert [(each.rule, each.harm) for each in judge_all(made, Policy())] == [("go-not-container-aware", "now")]


def test_a_start_that_is_watched_is_told_once() -> None:
    """The counters since the start and those of the window have one cause; the severity is the window's."""
    found = judge_all(_starts((38, 40)), Policy())
    assert [(each.rule, each.severity, each.harm) for each in found] == [("started-throttled", "critical", "now")]
    assert any("nr_throttled 38 of nr_periods 40" in line for line in found[0].evidence)


def test_what_would_have_been_enough_is_told_between_two_looks() -> None:
    """Used 0.2, stood still for half of the time: twice as much would have done; more, if it waited for others, which no thread tells."""
    throttling = Throttling(periods=300, throttled_periods=300, throttled_seconds=17.2)
    made = report(go_facts(procs=1, pinned=True), cores=0.2, throttled=(300, 1000))
    rated = watched(made, throttling)
    rates = rated.snapshot.rates
    assert rates is not None
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=0.2),))
    finding = _judge("cpu-throttled", rated.replace(snapshot=rated.snapshot.replace(rates=rates)))
    assert finding is not None
    told = "it may be more: 0.47 CPUs would have been enough: it used 0.20 and was kept from running in 57 % of the time"
    assert finding.evidence[-1].startswith(f"perhaps, as how long it waited for neighbours is not known, and {told}")
    assert cpu_level("/pod/app", None).bandwidth is not None


def _stopped(
    *,
    procs: int,
    cores: float,
    used: float,
    periods: int = 300,
    stopped_seconds: float = 10.0,
    threads: tuple[tuple[float, float], ...] = (),
) -> ProcessReport:
    """Two looks, 30 s apart, at a program that was stopped in each period, for so long in all on one CPU."""
    throttling = Throttling(periods=periods, throttled_periods=periods, throttled_seconds=stopped_seconds)
    rated = watched(report(go_facts(procs=procs), cores=cores, throttled=(900, 1000)), throttling, used_cores=used, threads=threads)
    rates = rated.snapshot.rates
    assert rates is not None
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=used),))
    return rated.replace(snapshot=rated.snapshot.replace(rates=rates))


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        pytest.param(
            _stopped(procs=1, cores=0.2, used=0.2, threads=((0.2, 1 / 3),)),
            "the quota is used up: raise the CPU limit to 0.3 CPUs, which would",
            id="two digits",
        ),
        pytest.param(
            _stopped(procs=1, cores=0.2, used=0.201, threads=((0.201, 1 / 3),)),
            "the quota is used up: raise the CPU limit to 0.31 CPUs, which would",
            id="rounded up",
        ),
        pytest.param(
            _stopped(procs=4, cores=0.4, used=0.5, stopped_seconds=15.0, threads=((0.25, 0.52),) * 2),
            "the quota is used up: raise the CPU limit to 1.05 CPUs, which would have been enough while it was watched",
            id="many threads",
        ),
        pytest.param(
            _stopped(procs=4, cores=0.4, used=0.4, threads=((0.2, 0.25),) * 2),
            "the quota is used up: raise the CPU limit; no GOMAXPROCS helps",
            id="a doubt",
        ),
        pytest.param(
            _stopped(procs=1, cores=0.2, used=0.04, periods=49, stopped_seconds=0.08, threads=((0.04, 0.054),)),
            "the quota is used up: raise the CPU limit; no GOMAXPROCS helps",
            id="a moment",
        ),
        pytest.param(_stopped(procs=1, cores=2.0, used=0.9), "45 % of the quota are in use, and busy moments go beyond it", id="bursts"),
    ],
)
def test_the_limit_that_would_have_been_enough_is_advised(made: ProcessReport, advice: str) -> None:
    """If it is sure and enough was seen."""
    finding = _judge("cpu-throttled", made)
    assert finding is not None
    assert finding.advice[0].reason.startswith(advice)


_CAN = {"burst_us": 0}


def _in_use(share: float, procs: int, *, cores: float = 2.0, stopped: int = 40, **own: object) -> ProcessReport:
    """Two looks at a program that used so much of its quota all the time, and was stopped in so many of 300 periods."""
    made = report(go_facts(procs=procs, variables={"GOMAXPROCS": str(procs)}), cores=cores, throttled=(50, 1000))
    made = watched(made, Throttling(periods=300, throttled_periods=stopped, throttled_seconds=1.0))
    rates = made.snapshot.rates
    assert rates is not None
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=share * cores),))
    leaf, *above = made.snapshot.cpu_chain
    chain = (leaf.replace(**own), *above)
    snapshot = made.snapshot.replace(rates=rates, cpu_chain=chain)
    return made.replace(snapshot=snapshot, limits=enforce(snapshot))


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        pytest.param(_in_use(0.97, 3, **_CAN), ["the quota is used up: raise the CPU limit; no GOMAXPROCS helps"], id="used up"),
        pytest.param(_in_use(0.97, 8, **_CAN), ["the quota is used up: raise the CPU limit; no GOMAXPROCS helps"], id="used up by many"),
        pytest.param(_in_use(0.8, 3, **_CAN), ["80 % of the quota are in use", "write 200000 to"], id="room: a burst"),
        pytest.param(_in_use(0.8, 2, **_CAN), ["80 % of the quota are in use", "write 200000 to"], id="room: a burst for those as well"),
        pytest.param(_in_use(0.8, 3), ["80 % of the quota are in use", "only a larger CPU limit helps"], id="room, and no burst here"),
        pytest.param(_in_use(0.8, 8, **_CAN), ["GOMAXPROCS"], id="room, and many threads"),
        pytest.param(_in_use(0.9, 3, **_CAN), ["90 % of the quota", "raise the CPU limit", "write 200000 to"], id="between"),
        pytest.param(_in_use(0.9, 8, **_CAN), ["GOMAXPROCS", "raise the CPU limit", "write 200000 to"], id="between, and many threads"),
    ],
)
def test_what_ends_throttling_goes_by_the_use_of_the_quota(made: ProcessReport, advice: list[str]) -> None:
    """Used up: a larger quota, never fewer threads; room: a burst, or the right number of threads; between them both are said."""
    finding = _judge("cpu-throttled", made)
    assert finding is not None
    told = " | ".join(f"{one.variable}={one.value}: {one.reason}" for one in finding.advice)
    assert [words for words in advice if words not in told] == []
    assert ("GOMAXPROCS=" in told) == (advice[0] == "GOMAXPROCS")
    assert ("write" in told) == ("write 200000 to" in advice)
    assert any("of the quota were used in the periods in which it ran, while it was watched" in line for line in finding.evidence)


@pytest.mark.parametrize(("share", "severity"), [(0.8, "warning"), (0.9, "critical"), (1.0, "critical")])
def test_stops_alone_are_not_critical(share: float, severity: str) -> None:
    """With room in the quota a cgroup that is stopped in each third period may have a better tail than with fewer threads."""
    finding = _judge("cpu-throttled", _in_use(share, 3, stopped=100))
    assert finding is not None
    assert finding.severity == severity


def test_a_cause_that_does_not_mend_a_quota_that_is_used_up_says_so() -> None:
    """The quota has to be larger, and then the right GOMAXPROCS is advised as well; the other way round if not all of it is used; with room
    in the quota it is GOMAXPROCS alone.
    """
    for share, advised in ((0.97, [None, "GOMAXPROCS"]), (0.9, ["GOMAXPROCS", None, None]), (0.8, ["GOMAXPROCS"])):
        (finding,) = judge_all(_in_use(share, 8, **_CAN), Policy())
        assert finding.rule == "gomaxprocs-exceeds-quota"
        assert [one.variable for one in finding.advice] == advised


_LIMITED = (memory_level("/pod/app", 512 * MIB),)


def _at_work(share: float, procs: int, *, cores: float = 2.5, stopped: int = 0, periods: int = 300, **more: object) -> ProcessReport:
    """Two looks at a program that used so much of its quota; ``more`` are facts of its runtime and parts of its report."""
    rest = {name: more.pop(name) for name in ("memory", "live", "waiting_threads") if name in more}
    live = {"live": rest.pop("live")} if "live" in rest else {}
    waiting = {"waiting_threads": rest.pop("waiting_threads")} if "waiting_threads" in rest else {}
    made = report(go_facts(procs=procs, **live, **more), cores=cores, throttled=(0, 1000), **rest)  # type: ignore[arg-type]
    made = watched(made, Throttling(periods=periods, throttled_periods=stopped, throttled_seconds=0.1), used_cores=share * cores, **waiting)
    rates = made.snapshot.rates
    assert rates is not None
    rates = rates.replace(cpu=(rates.cpu[0].replace(used_cores=share * cores, seconds=periods / 10),))
    return made.replace(snapshot=made.snapshot.replace(rates=rates))


@pytest.mark.parametrize(
    ("made", "severity"),
    [
        pytest.param(_at_work(0.7, 8), "info", id="room, and no memory limit"),
        pytest.param(_at_work(0.7, 8, minor=24), "info", id="an old Go that took all CPUs"),
        pytest.param(_at_work(0.7, 8, memory=_LIMITED), "warning", id="a memory limit"),
        pytest.param(_at_work(0.7, 4, memory=_LIMITED), "info", id="a memory limit, and no more than has measured well"),
        pytest.param(_at_work(0.9, 8), "warning", id="no room"),
        pytest.param(_at_work(0.1, 8), "warning", id="it rests"),
        pytest.param(_at_work(0.7, 8, periods=299), "warning", id="a moment"),
        pytest.param(_at_work(0.7, 8, stopped=3), "warning", id="stopped in 1 %"),
        pytest.param(_at_work(0.7, 8, cores=1.0), "warning", id="one CPU, for which more threads never measured well"),
        pytest.param(report(go_facts(procs=8), cores=2.5), "warning", id="nobody looked"),
    ],
)
def test_threads_beyond_a_quota_with_room_are_information(made: ProcessReport, severity: str) -> None:
    """A program that waits more than it works may need them; not if memory is in danger, or if it is not known."""
    finding = next(one for one in judge_all(made, Policy()) if one.rule in ("gomaxprocs-exceeds-quota", "go-not-container-aware"))
    assert finding.severity == severity
    assert (finding.advice[0].reason.startswith("leave it while")) == (severity == "info")
    assert any("36 were killed" in line for line in finding.evidence) == (made.limits.memory.limit_bytes is not None)


def test_a_mean_since_the_cgroup_was_made_needs_five_minutes() -> None:
    """3000 periods of a hundred milliseconds."""
    for periods, severity in ((3000, "info"), (2999, "warning")):
        made = report(go_facts(procs=8), cores=2.5, throttled=(0, periods))
        leaf, *above = made.snapshot.cpu_chain
        snapshot = made.snapshot.replace(cpu_chain=(leaf.replace(usage_seconds=0.7 * 0.25 * periods), *above))
        found = judge_all(made.replace(snapshot=snapshot, limits=enforce(snapshot)), Policy())
        assert [one.severity for one in found if one.rule == "gomaxprocs-exceeds-quota"] == [severity]


_QUEUE = GoLive(goroutines=50, queued_goroutines=40, idle_procs=0)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param(_at_work(0.7, 3, live=_QUEUE), "try GOMAXPROCS=4, the quota rounded up and one more", id="as many as the quota feeds"),
        pytest.param(_at_work(0.7, 3, cores=3.0, live=_QUEUE), "try GOMAXPROCS=4,", id="whole CPUs"),
        pytest.param(_at_work(0.7, 4, live=_QUEUE), "are not proven: measure", id="as many as have measured well"),
        pytest.param(_at_work(0.9, 3, live=_QUEUE), None, id="no room"),
        pytest.param(_at_work(0.7, 3, live=_QUEUE, waiting_threads=1.0), None, id="its threads wait for a CPU"),
        pytest.param(_at_work(0.7, 3, live=_QUEUE.replace(idle_procs=1)), None, id="a thread to spare"),
        pytest.param(_at_work(0.7, 3, live=_QUEUE.replace(queued_goroutines=2)), None, id="hardly a queue"),
    ],
)
def test_a_queue_beside_a_quota_with_room(made: ProcessReport, says: str | None) -> None:
    """Where goroutines wait and the quota is not used, more threads may pay: up to a number that was measured, and above it by trial."""
    finding = _judge("threads-short", made)
    assert (None if finding is None else finding.severity) == (None if says is None else "info")
    assert finding is None or says is None or says in finding.advice[0].reason


def test_threads_stand_before_memory() -> None:
    """Of two warnings the one on threads is first, in the findings and in what is to be set: headroom does not undo too many threads."""
    made = report(go_facts(minor=24), cores=2.5, memory=_LIMITED)
    assert [one.rule for one in judge_all(made, Policy())] == ["go-not-container-aware", "gomemlimit-unset"]
    assert [one.name for one in made.recommendations] == ["GOMAXPROCS", "GOMEMLIMIT"]
