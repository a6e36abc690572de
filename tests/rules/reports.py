"""Reports on processes that never were: one plain Go program, and keywords for what is different about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from cgtune.advice.advise import advise
from cgtune.limits import enforce
from cgtune.model import (
    AUTOMAXPROCS,
    AUTOMEMLIMIT,
    Bandwidth,
    ByteLimit,
    Container,
    CpuLevel,
    CpuRate,
    GoDerived,
    GoFacts,
    GoObserved,
    GoProgram,
    GoSetting,
    LimitFile,
    Machine,
    MemoryEvents,
    MemoryLevel,
    MemoryParts,
    Platform,
    Policy,
    Process,
    ProcessReport,
    QuotaSeen,
    Rates,
    Snapshot,
    Throttling,
)
from cgtune.runtimes.go.derived.facts import quota_seen
from cgtune.runtimes.go.derived.limitfile import locate_limit

if TYPE_CHECKING:
    from cgtune.model import QuotaCause

MIB = 1 << 20
CGROUP2 = "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
Value = int | Literal["off"] | None


def go_facts(
    *,
    minor: int = 27,
    procs: Value = 8,
    procs_derived: Value = None,
    memory: Value = "off",
    memory_derived: Value = None,
    gogc: Value = 100,
    variables: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
    seen: QuotaSeen | None = None,
    **changes: object,
) -> GoFacts:
    """A Go runtime; the derived values are the observed ones unless they are given. Before 1.25 it is not aware."""
    pairs = (("GOMAXPROCS", procs, procs_derived), ("GOMEMLIMIT", memory, memory_derived), ("GOGC", gogc, None))
    aware = minor >= 25
    facts = GoFacts(
        program=GoProgram(
            path="/app/server",
            deleted=False,
            version=f"1.{minor}.3",
            minor=minor,
            main_module="example.com/server",
            godebug=(),
            modules=tuple((modules or {}).items()),
            build_settings=(),
            linked=tuple(name for name in modules or {} if name in (AUTOMAXPROCS, AUTOMEMLIMIT)),
        ),
        derived=GoDerived(
            variables=tuple((variables or {}).items()),
            ignored=(),
            dies=None,
            dies_of=None,
            aware=aware,
            aware_from="built-in" if aware else "version",
            updates=aware,
            updates_from="built-in" if aware else "version",
            seen=seen,
            removed_godebug=None,
        ),
        observed=GoObserved(pinned=False if aware else None, cpus_at_start=8, mapped_bytes=10 * MIB, heap_marked_bytes=2 * MIB),
        settings=tuple(
            GoSetting(
                name=name, derived=now if derived is None else derived, observed=now, observed_from="memory" if now else None, because=()
            )
            for name, now, derived in pairs
        ),
    )
    return with_facts(facts, **changes)


def with_facts(facts: GoFacts, **changes: object) -> GoFacts:
    """The same runtime with some of its facts changed, each by the name of the field, in whichever of the inner records that is."""
    inner = {}
    for name in ("program", "derived", "observed"):
        record = getattr(facts, name)
        inner[name] = record.replace(**{field: changes.pop(field) for field in tuple(changes) if hasattr(record, field)})
    return facts.replace(**inner, **changes)


def sees(quota_us: int | None, period_us: int = 100_000) -> QuotaSeen:
    """What the runtime reads at the usual place."""
    said = "max" if quota_us is None else quota_us
    return looks(27, "0::/\n", CGROUP2, {"/sys/fs/cgroup/cpu.max": f"{said} {period_us}\n"})


def looks(minor: int, cgroup: str, mountinfo: str, files: Mapping[str, str]) -> QuotaSeen:
    """What a runtime of Go 1.``minor`` sees that reads these two texts of /proc, where these limit files are."""
    return quota_seen(locate_limit(minor, cgroup, mountinfo, lambda path: files.get(path.replace("//", "/"))))


def lost(cause: QuotaCause) -> QuotaSeen:
    """What a runtime sees that has no limit file any more: see runtimes/go/held.py."""
    return QuotaSeen(files=(), quota_us=None, period_us=None, cause=cause, why="it has none")


def cpu_level(
    path: str, quota_us: int | None, *, version: int = 2, weight: int | None = None, throttling: Throttling | None = None
) -> CpuLevel:
    """One cgroup with this quota over the usual period."""
    return CpuLevel(
        path=path,
        directory=f"/sys/fs/cgroup{path}",
        version=version,
        bandwidth=Bandwidth(quota_us=quota_us, period_us=100_000),
        weight=weight if version == 2 else None,
        shares=weight if version == 1 else None,
        throttling=throttling,
    )


def memory_level(
    path: str,
    limit_bytes: int | None,
    *,
    high_bytes: int | None = None,
    current_bytes: int | None = 20 * MIB,
    reclaimable_bytes: int | None = 5 * MIB,
    active_bytes: int = 0,
    swapped_bytes: int | None = 0,
    oom_kills: int = 0,
) -> MemoryLevel:
    """One cgroup with 20 MiB charged to it, 5 of which can be given back: files, of which ``active_bytes`` seem to be in use."""
    idle_bytes = None if reclaimable_bytes is None else reclaimable_bytes - active_bytes
    return MemoryLevel(
        path=path,
        directory=f"/sys/fs/cgroup{path}",
        version=2,
        limit=ByteLimit(limit_bytes=limit_bytes),
        high=ByteLimit(limit_bytes=high_bytes),
        swap=ByteLimit(limit_bytes=None),
        memsw=None,
        hierarchical=None,
        current_bytes=current_bytes,
        swap_current_bytes=swapped_bytes,
        use_hierarchy=True,
        parts=MemoryParts(active_file_bytes=None if reclaimable_bytes is None else active_bytes, inactive_file_bytes=idle_bytes),
        events=MemoryEvents(oom_kill=oom_kills),
    )


def report(
    facts: GoFacts | None = None,
    *,
    cores: float | None = None,
    parent_cores: float | None = None,
    cpus: int = 8,
    affinity: int | None = None,
    version: int = 2,
    weight: int | None = None,
    throttled: tuple[int, int] | None = None,
    memory: tuple[MemoryLevel, ...] | None = None,
    oom_kills: int = 0,
    pid: int = 42,
    is_self: bool = False,
    policy: Policy | None = None,
    path: str = "/pod/app",
    age_seconds: int | None = 3600,
    platforms: tuple[Platform, ...] = (),
) -> ProcessReport:
    """A process with these facts, in its own cgroup below a parent, with real limits and recommendations; an hour old."""
    counters = None if throttled is None else Throttling(periods=throttled[1], throttled_periods=throttled[0], throttled_seconds=1.0)
    leaf, *above = (memory_level(path, None),) if memory is None else memory or (None,)
    quotas = [None if value is None else round(value * 100_000) for value in (cores, parent_cores)]
    snapshot = Snapshot(
        machine=Machine(
            online=frozenset(range(cpus)), memory_bytes=64 << 30, swap_bytes=1 << 30, page_bytes=4096, kernel="6.1.0", cgroup_mode="v2"
        ),
        process=Process(
            pid=pid,
            is_self=is_self,
            start_ticks=1,
            start_time=None,
            command="server",
            executable="/app/server",
            state="S",
            affinity=frozenset(range(cpus if affinity is None else affinity)),
            age_seconds=age_seconds,
        ),
        container=Container(),
        cpu_chain=(
            cpu_level(path, quotas[0], version=version, weight=weight, throttling=counters),
            cpu_level("/pod", quotas[1], version=version),
        ),
        cpuset_chain=(),
        memory_chain=() if leaf is None else (leaf.replace(events=MemoryEvents(oom_kill=oom_kills)), *above),
        cpu_pressure=None,
        memory_pressure=None,
        go=() if facts is None else (facts,),
        notes=(),
        platforms=platforms,
    )
    limits = enforce(snapshot)
    return ProcessReport(snapshot=snapshot, limits=limits, recommendations=advise(snapshot, limits, policy or Policy()))


def watched(made: ProcessReport, throttling: Throttling | None, **more: object) -> ProcessReport:
    """The same, of which two looks tell that its own cgroup's counters grew by that; ``more`` are other rates."""
    own = made.snapshot.cpu_chain[0]
    rate = CpuRate(path=own.path, directory=own.directory, version=own.version, seconds=30.0, used_cores=None, throttling=throttling)
    rates = Rates(
        seconds=30.0,
        used_cores=None,
        waiting_threads=None,
        major_faults_per_second=None,
        cpu=(rate,),
        pressure=(),
        memory=(),
        machine=None,
    ).replace(**more)
    return made.replace(snapshot=made.snapshot.replace(rates=rates))


def follows(path: str, *, exists: bool = True, own: bool = False) -> LimitFile:
    """The limit file that a runtime holds open; of a cgroup that it has left, unless ``own``."""
    return LimitFile(path=path, own=own, exists=exists)
