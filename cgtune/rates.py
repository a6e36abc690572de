"""What happened between two looks: totals that only grow, and the rates that follow from two of them. Pure.

Whoever keeps looking keeps totals: about 1 KiB for a process, and not the tens of KiB of its snapshot. Not covered: what threads waited
that ended between the looks.
"""

from __future__ import annotations

from array import array
from math import isnan, nan
from zlib import compressobj, decompressobj

from cgtune.model import CpuRate, MachineRate, MemoryRate, PressureRate, Rates, Throttling
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from typing import Any

    from cgtune.model import Busiest, Level, Pressure, ProcessReport, Report, Snapshot

    #: What a row of totals is of: "process", "machine", "idle", "collector"; or "cpu", "pressure", "memory" and a cgroup: path, directory
    #: and version.
    Key = tuple[str, str, str, int]

#: How many numbers a row has. The first is the clock, but for the collector, which has one of its own.
_WIDTHS = {"process": 3, "machine": 5, "idle": 1, "collector": 3, "cpu": 7, "pressure": 5, "memory": 5}
_PROCESS: Key = ("process", "", "", 0)
_MACHINE: Key = ("machine", "", "", 0)
_IDLE: Key = ("idle", "", "", 0)  # apart: time that CPUs waited for disks may shrink (proc_stat(5))
_COLLECTOR: Key = ("collector", "", "", 0)
_NONE = array("d")
_COUNTED = 0.9  # of the time of all CPUs: if less is in its counters, the kernel has lost ticks


class Totals(Record):
    """What only grows, of one process at one look. ``numbers`` has a row for each key, nan for what is not known.

    ``waits`` has a thread's id and its seconds in turn, ``ran`` what each of these threads ran; ``all_waits``: no thread was left out.
    ``cpus`` is how many the machine has.
    """

    identity: tuple[int, int]
    cpus: int
    keys: tuple[Key, ...]
    numbers: array[float]
    waits: array[float]
    ran: array[float]
    all_waits: bool

    def rows(self) -> Iterator[tuple[Key, array[float]]]:
        """Each row with its key."""
        start = 0
        for key in self.keys:
            end = start + _WIDTHS[key[0]]
            yield key, self.numbers[start:end]
            start = end


def total(snapshot: Snapshot, before: Totals | None = None, made: dict[Hashable, Any] | None = None) -> Totals:
    """The totals of a process. ``before`` is an earlier look at it, with which they share what is the same; ``made`` holds the keys of
    other processes in the same cgroups, which are made once.
    """
    used = snapshot.used
    rows = list(_rows(snapshot))
    keys = tuple([key for key, _ in rows])
    if before is not None and before.keys == keys:
        keys = before.keys
    elif made is not None:
        keys = tuple([made.setdefault(key, key) for key in keys])
    waits = array("d", [number for wait in used.waits for number in wait] if used is not None else ())
    ran = array("d", used.ran if used is not None else ())
    return Totals(
        identity=(snapshot.process.pid, snapshot.process.start_ticks),
        cpus=len(snapshot.machine.online),
        keys=keys,
        numbers=array("d", [nan if number is None else number for _, row in rows for number in row]),
        waits=before.waits if before is not None and before.waits == waits else waits,
        ran=before.ran if before is not None and before.ran == ran else ran,
        all_waits=used is not None and len(used.waits) == used.threads,
    )


def pack_totals(totals: Totals, before: Totals) -> bytes:
    """What they have beyond those ``before``, of the same process and chain: some 30 bytes if only the clock moved."""
    packing = compressobj(1, zdict=_content(before))
    return packing.compress(_content(totals)) + packing.flush()


def unpack_totals(packed: bytes, before: Totals) -> Totals:
    """The totals that were packed with those ``before``."""
    data = array("d", decompressobj(zdict=_content(before)).decompress(packed))
    waits = 3 + len(before.numbers)
    ran = waits + int(data[2])
    return before.replace(cpus=int(data[0]), all_waits=bool(data[1]), numbers=data[3:waits], waits=data[waits:ran], ran=data[ran:])


def _content(totals: Totals) -> bytes:
    head = array("d", (totals.cpus, totals.all_waits, len(totals.waits)))
    return b"".join(each.tobytes() for each in (head, totals.numbers, totals.waits, totals.ran))


def _rows(snapshot: Snapshot) -> Iterator[tuple[Key, tuple[float | None, ...]]]:
    used, machine = snapshot.used, snapshot.machine
    yield _PROCESS, (None, None, None) if used is None else (used.read_seconds, used.cpu_seconds, used.major_faults)
    waited = _stalled(machine.cpu_pressure)[0], _stalled(machine.memory_pressure)[0]
    yield _MACHINE, (machine.uptime_seconds, machine.busy_seconds, machine.steal_seconds, *waited)
    yield _IDLE, (machine.idle_seconds,)
    yield _COLLECTOR, _collector(snapshot)
    for level in snapshot.cpu_chain:
        counters = level.throttling
        counts = (None,) * 5 if counters is None else tuple(number for _, number in counters.items())
        yield _key("cpu", level), (level.read_seconds, level.usage_seconds, *counts)
    for waiting in snapshot.pressure_chain:
        yield _key("pressure", waiting), (waiting.read_seconds, *_stalled(waiting.cpu), *_stalled(waiting.memory))
    for charged in snapshot.memory_chain:
        events = charged.counted_events
        kills = (None, None, None) if events is None else (events.oom_kill, events.high, events.max)
        yield _key("memory", charged), (charged.read_seconds, charged.refaults, *kills)


def _collector(snapshot: Snapshot) -> tuple[float | None, float | None, float | None]:
    """Collections, the seconds that they took of CPUs, and of how many; of all Go runtimes in it, None if one of them does not tell."""
    live = [facts.observed.live for facts in snapshot.go]
    if not live or None in live:
        return None, None, None
    counts = zip(*((each.collections, each.gc_cpu_seconds, each.cpu_seconds) for each in live if each is not None), strict=True)
    collections, used, whole = (None if None in numbers else sum(number for number in numbers if number is not None) for numbers in counts)
    return collections, used, whole


def _key(kind: str, level: Level) -> Key:
    return kind, level.path, level.directory, level.version


def _stalled(pressure: Pressure | None) -> tuple[float | None, float | None]:
    """How many seconds some tasks waited, and all."""
    some, full = (None, None) if pressure is None else (pressure.some, pressure.full)
    return None if some is None else some.total_seconds, None if full is None else full.total_seconds


def with_rates(before: Report, after: Report, busiest: Busiest | None = None) -> Report:
    """The later report with the rates of each process that was in the earlier one as well. ``busiest``: as of MachineRate."""
    earlier = {process.snapshot.process.pid: process.snapshot for process in before.processes}
    return after.replace(
        processes=tuple(
            process
            if (old := earlier.get(process.snapshot.process.pid)) is None
            else with_busiest(
                process.replace(snapshot=process.snapshot.replace(rates=rates_between(total(old), total(process.snapshot)))), busiest
            )
            for process in after.processes
        )
    )


def with_busiest(process: ProcessReport, busiest: Busiest | None) -> ProcessReport:
    """The process with those in its rates, if it has any."""
    rates = process.snapshot.rates
    if busiest is None or rates is None or rates.machine is None:
        return process
    rates = rates.replace(machine=rates.machine.replace(busiest=busiest))
    return process.replace(snapshot=process.snapshot.replace(rates=rates))


def rates_between(before: Totals, after: Totals, made: dict[Hashable, Any] | None = None) -> Rates | None:
    """What the time between two looks tells; None if the pid has become another process's.

    ``made`` holds what was made of the machine and of cgroups for other processes of the same look: who has grown by the same shares it.
    """
    if before.identity != after.identity:
        return None
    made = {} if made is None else made
    grown = _grown(before, after)
    seconds, used, faults = grown.get(_PROCESS, (nan, nan, nan))
    collections, collecting, whole = grown.get(_COLLECTOR, (nan, nan, nan))
    return Rates(
        seconds=_known(seconds),
        used_cores=_per(used, seconds),
        waiting_threads=_per(_waited(before, after), seconds),
        major_faults_per_second=_per(faults, seconds),
        threads=_threads(before, after, seconds),
        collections=_count(collections),
        gc_cpu_percent=_percent(collecting, whole),
        gc_cores=0.0 if collections == 0 else _per(collecting, seconds),
        cpu=tuple([_made(made, _cpu_rate, key, growth) for key, growth in grown.items() if key[0] == "cpu"]),
        pressure=tuple([_made(made, _pressure_rate, key, row) for key, row in grown.items() if key[0] == "pressure" and row[0] > 0]),
        memory=tuple([_made(made, _memory_rate, key, growth) for key, growth in grown.items() if key[0] == "memory"]),
        machine=_made(made, _machine_rate, after.cpus, grown.get(_MACHINE, _NONE) + grown.get(_IDLE, _NONE)),
    )


def _made(made: dict[Hashable, Any], make: Callable[[Any, array[float]], Any], of: Hashable, growth: array[float]) -> Any:
    known = of, growth.tobytes()
    if known not in made:
        made[known] = make(of, growth)
    return made[known]


def shrank(before: Totals, after: Totals) -> bool:
    """Whether these are looks at two different things: another process, another chain, or a cgroup that was made anew and begins at 0."""
    if before.identity != after.identity or before.keys != after.keys:
        return True
    # What stands before the levels: the machine, whose steal time has been seen to shrink, and a runtime, which exec(2) makes anew
    start = sum(_WIDTHS[kind] for kind in ("process", "machine", "idle", "collector"))
    return any(new < old for old, new in zip(before.numbers[start:], after.numbers[start:], strict=True))


def _grown(before: Totals, after: Totals) -> dict[Key, array[float]]:
    """What the numbers of each row grew by, of the rows that both have and in which none shrank."""
    if before.keys != after.keys:
        old = dict(before.rows())
        return {key: growth for key, row in after.rows() if (growth := _growth(old.get(key), row)) is not None}
    every = array("d", [number - number_before for number_before, number in zip(before.numbers, after.numbers, strict=True)])
    is_sound, start = min(every, default=0.0) >= 0, 0
    grown: dict[Key, array[float]] = {}
    for key in after.keys:
        end = start + _WIDTHS[key[0]]
        growth = every[start:end]
        if is_sound or not any(number < 0 for number in growth):
            grown[key] = growth
        start = end
    return grown


def _growth(old: array[float] | None, new: array[float]) -> array[float] | None:
    """What each number of a row grew by; None if one shrank, or if there was no such row."""
    if old is None:
        return None
    growth = array("d", [number - number_before for number_before, number in zip(old, new, strict=True)])
    return None if any(number < 0 for number in growth) else growth


def _waited(before: Totals, after: Totals) -> float:
    """How long its threads waited: those of both looks, and those that began since then, if they can be told."""
    if before.waits == after.waits:
        return 0.0 if after.waits else nan
    old = dict(zip(before.waits[::2], before.waits[1::2], strict=True))
    threads = tuple(zip(after.waits[::2], after.waits[1::2], strict=True))
    known = [seconds - old.get(thread, 0.0) for thread, seconds in threads if thread in old or before.all_waits]
    return sum(max(0.0, seconds) for seconds in known) if known and old else nan


def _threads(before: Totals, after: Totals, seconds: float) -> tuple[tuple[float, float], ...]:
    """The shares of the time that each thread of both looks ran and waited."""
    if not seconds > 0 or 2 * len(before.ran) != len(before.waits) or 2 * len(after.ran) != len(after.waits):
        return ()
    if before.waits == after.waits and before.ran == after.ran:
        return ((0.0, 0.0),) * len(after.ran)
    old = {thread: (ran, waited) for thread, waited, ran in zip(before.waits[::2], before.waits[1::2], before.ran, strict=True)}
    now = ((thread, ran, waited) for thread, waited, ran in zip(after.waits[::2], after.waits[1::2], after.ran, strict=True))
    grown = ((ran - old[thread][0], waited - old[thread][1]) for thread, ran, waited in now if thread in old)
    return tuple((ran / seconds, waited / seconds) for ran, waited in grown if ran >= 0 and waited >= 0)


def _cpu_rate(key: Key, growth: array[float]) -> CpuRate:
    seconds, used, periods, throttled, throttled_seconds, bursts, burst_seconds = growth
    counted = not isnan(periods)
    return CpuRate(
        path=key[1],
        directory=key[2],
        version=key[3],
        seconds=_known(seconds),
        used_cores=_per(used, seconds),
        throttling=Throttling(
            periods=int(periods),
            throttled_periods=min(int(throttled), int(periods)),  # what two looks saw of a period that ended meanwhile
            throttled_seconds=round(throttled_seconds, 6),
            bursts=_count(bursts),
            burst_seconds=_known(burst_seconds),
        )
        if counted
        else None,
    )


def _pressure_rate(key: Key, growth: array[float]) -> PressureRate:
    seconds, *waited = growth
    cpu_some, cpu_full, memory_some, memory_full = (_percent(number, seconds) for number in waited)
    return PressureRate(
        path=key[1],
        directory=key[2],
        version=key[3],
        seconds=round(seconds, 6),
        cpu_some_percent=cpu_some,
        cpu_full_percent=cpu_full,
        memory_some_percent=memory_some,
        memory_full_percent=memory_full,
    )


def _memory_rate(key: Key, growth: array[float]) -> MemoryRate:
    seconds, refaults, kills, highs, maxes = growth
    return MemoryRate(
        path=key[1],
        directory=key[2],
        version=key[3],
        seconds=_known(seconds),
        refaults_per_second=_per(refaults, seconds),
        oom_kills=_count(kills),
        high_events=_count(highs),
        max_events=_count(maxes),
    )


def _machine_rate(cpus: int, growth: array[float]) -> MachineRate | None:
    """``growth``: of the machine's row, and of the one number that stands apart; what is not known is left out of it."""
    if len(growth) < _WIDTHS["machine"] or not growth[0] > 0:
        return None
    seconds, busy, steal, cpu, memory, *rest = growth
    idle = rest[0] if rest else nan
    if 0 < busy + idle + steal < _COUNTED * cpus * seconds:
        busy *= cpus * seconds / (busy + idle + steal)
    return MachineRate(
        seconds=round(seconds, 6),
        busy_cores=_per(busy, seconds),
        steal_cores=_per(steal, seconds),
        cpu_some_percent=_percent(cpu, seconds),
        memory_some_percent=_percent(memory, seconds),
    )


def _known(number: float) -> float | None:
    return None if isnan(number) else round(number, 6)


def _count(number: float) -> int | None:
    return None if isnan(number) else int(number)


def _per(number: float, seconds: float) -> float | None:
    """So much a second; None if one is not known, or if no time went by."""
    return round(number / seconds, 6) if seconds > 0 and not isnan(number) else None


def _percent(number: float, seconds: float) -> float | None:
    """The share of the time. Two files are not read at one moment: more than all of it is all of it."""
    share = _per(number, seconds)
    return None if share is None else round(min(100.0, 100 * share), 4)
