"""Reads one level of a chain: the files of one cgroup, of either version, as a record."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.errors import Absent, CgtuneError
from cgtune.model import CpuLevel, CpusetLevel, MemoryLevel, Pressure, PressureLevel
from cgtune.system.reading import note_on, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.cgroups.locate import Place
    from cgtune.model import MemoryEvents, Note, Throttling
    from cgtune.system.host import Host

    T = TypeVar("T")


class Shared:
    """The levels that several processes of one report share, each read once: a node's pods have most of their ancestors in common."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, str, str], tuple[object, tuple[Note, ...]]] = {}

    def read_chain(
        self, host: Host, chain: list[tuple[int, Place]], read: Callable[[Host, Place, int, list[Note]], T], notes: list[Note]
    ) -> tuple[T, ...]:
        """``read`` of each level of a chain, leaf first.

        Notes made while a level was read are repeated for every process that shares it.
        """
        levels = []
        for version, place in chain:
            key = (read, place.path, place.directory)
            if key not in self._read:
                own: list[Note] = []
                self._read[key] = read(host, place, version, own), tuple(own)
            level, cost = self._read[key]
            notes.extend(cost)
            levels.append(level)
        return tuple(levels)  # type: ignore[arg-type]  # what was kept under ``read`` came from it


def read_cpu_level(host: Host, place: Place, version: int, notes: list[Note]) -> CpuLevel:
    """Quota, burst, weight, throttling and, on v2, use of one cgroup. What cannot be read goes to ``notes``, here and below."""
    directory = place.directory
    if version == 2:
        bandwidth = read_optional(host, f"{directory}/cpu.max", kernel.parse_cpu_max, notes)
    else:
        quota = read_optional(host, f"{directory}/cpu.cfs_quota_us", str, notes)
        bandwidth = None
        if quota is not None:
            bandwidth = read_optional(host, f"{directory}/cpu.cfs_period_us", lambda period: kernel.parse_cfs_quota(quota, period), notes)
    limited = bandwidth is not None and bandwidth.quota_us is not None
    weight = read_optional(host, f"{directory}/{'cpu.weight' if version == 2 else 'cpu.shares'}", kernel.parse_count, notes)
    burst = "cpu.max.burst" if version == 2 else "cpu.cfs_burst_us"
    throttling, usage_seconds = None, None
    read_seconds = host.clock_seconds()
    if version == 2 or bandwidth is not None:  # v2 counts what is used even without the controller
        counted = read_optional(host, f"{directory}/cpu.stat", _parse_cpu_stat, notes)
        throttling, usage_seconds = counted or (None, None)
    return CpuLevel(
        path=place.path,
        directory=directory,
        version=version,
        bandwidth=bandwidth,
        weight=weight if version == 2 else None,
        shares=weight if version == 1 else None,
        throttling=throttling if bandwidth is not None else None,
        idle=None if weight is None else read_optional(host, f"{directory}/cpu.idle", kernel.parse_flag, notes),
        burst_us=read_optional(host, f"{directory}/{burst}", kernel.parse_count, notes) if limited else None,
        usage_seconds=usage_seconds,
        read_seconds=read_seconds,
    )


def _parse_cpu_stat(text: str) -> tuple[Throttling | None, float | None]:
    """The throttling, and the seconds used."""
    return kernel.parse_cpu_stat(text), kernel.parse_cpu_usage(text)


def read_usage(host: Host, place: Place, _version: int, notes: list[Note]) -> tuple[str, tuple[float | None, float | None]]:
    """The path of one cgroup of v1's cpuacct hierarchy; the seconds of CPU time that it and those below it have used, and when."""
    read_seconds = host.clock_seconds()
    return place.path, (read_optional(host, f"{place.directory}/cpuacct.usage", kernel.parse_nanoseconds, notes), read_seconds)


def read_cpuset_level(host: Host, place: Place, version: int, notes: list[Note]) -> CpusetLevel | None:
    """None where the cpuset controller is not enabled, and for v1's empty sets, which are groups not set up yet."""
    for name in ("cpuset.cpus.effective",) if version == 2 else ("cpuset.effective_cpus", "cpuset.cpus"):
        file = f"{place.directory}/{name}"
        cpus = read_optional(host, file, kernel.parse_cpu_list, notes)
        if cpus:
            return CpusetLevel(path=place.path, directory=place.directory, version=version, file=file, cpus=cpus)
    return None


def read_memory_level(host: Host, place: Place, version: int, notes: list[Note]) -> MemoryLevel:
    """Limits, use and events of one cgroup."""
    directory = place.directory
    names = (
        {"limit": "memory.max", "high": "memory.high", "swap": "memory.swap.max"}
        if version == 2
        else {"limit": "memory.limit_in_bytes", "memsw": "memory.memsw.limit_in_bytes"}
    )
    limits = {key: read_optional(host, f"{directory}/{name}", kernel.parse_byte_limit, notes) for key, name in names.items()}
    current = "memory.current" if version == 2 else "memory.usage_in_bytes"
    parts, hierarchical, refaults = None, None, None
    read_seconds = host.clock_seconds()
    if limits["limit"] is not None:
        stat = read_optional(host, f"{directory}/memory.stat", kernel.parse_memory_stat, notes) or {}
        parts, refaults = kernel.count_memory_parts(stat, version), kernel.count_refaults(stat, version)
        hierarchical = kernel.hierarchical_limit(stat) if version == 1 else None
    # v1 counts in memory.stat what is swapped out, of the whole subtree as v2's own file does; absent without swap accounting
    swapped = parts.swapped_bytes if parts is not None else None
    if version == 2:
        swapped = read_optional(host, f"{directory}/memory.swap.current", kernel.parse_count, notes)
    if parts is not None:
        own = parts.kernel_bytes
        if version == 1:
            own = read_optional(host, f"{directory}/memory.kmem.usage_in_bytes", kernel.parse_count, notes)
        parts = parts.replace(kernel_bytes=own, swapped_bytes=swapped)
    use_hierarchy = read_optional(host, f"{directory}/memory.use_hierarchy", kernel.parse_count, notes) if version == 1 else None
    current_bytes = read_optional(host, f"{directory}/{current}", kernel.parse_count, notes)
    events, events_local, peak_bytes = None, None, None
    if current_bytes is not None or limits["limit"] is not None:
        events, events_local = read_memory_events(host, directory, version, notes)
        peak = "memory.peak" if version == 2 else "memory.max_usage_in_bytes"
        peak_bytes = read_optional(host, f"{directory}/{peak}", kernel.parse_count, notes)
    return MemoryLevel(
        path=place.path,
        directory=directory,
        version=version,
        limit=limits["limit"],
        high=limits.get("high"),
        swap=limits.get("swap"),
        memsw=limits.get("memsw"),
        hierarchical=hierarchical,
        current_bytes=current_bytes,
        swap_current_bytes=swapped,
        use_hierarchy=use_hierarchy != 0,
        parts=parts,
        events=events,
        events_local=events_local,
        identity=host.read_known_identity(directory),
        peak_bytes=peak_bytes,
        refaults=refaults,
        read_seconds=read_seconds,
    )


def read_memory_events(host: Host, directory: str, version: int, notes: list[Note]) -> tuple[MemoryEvents | None, MemoryEvents | None]:
    """Returns (events of the cgroup and of those below it, events of the cgroup alone). v1 has only the latter."""
    local = "memory.events.local" if version == 2 else "memory.oom_control"
    alone = read_optional(host, f"{directory}/{local}", kernel.parse_memory_events, notes)
    return read_optional(host, f"{directory}/memory.events", kernel.parse_memory_events, notes) if version == 2 else None, alone


def read_pressure_level(host: Host, place: Place, version: int, notes: list[Note]) -> PressureLevel:
    """How long tasks waited in one cgroup of the v2 hierarchy; the root's files tell of the whole machine."""
    scope = _read_scope(host, place, notes)
    read_seconds = host.clock_seconds()
    files = (f"{place.directory}/{resource}.pressure" for resource in ("cpu", "memory"))
    cpu, memory = (None if scope is None else read_pressure(host, scope, file, notes) for file in files)
    return PressureLevel(path=place.path, directory=place.directory, version=version, cpu=cpu, memory=memory, read_seconds=read_seconds)


def _read_scope(host: Host, place: Place, notes: list[Note]) -> str | None:
    """Whose pressure it is: the root has no cgroup.events. None if that cannot be known: one must never count as the other."""
    file = f"{place.directory}/cgroup.events"
    try:
        host.read_text(file)
    except Absent:
        return "machine"
    except CgtuneError as error:
        notes.append(note_on(file, error))
        return None
    return "cgroup"


def read_pressure(host: Host, scope: str, file: str, notes: list[Note]) -> Pressure | None:
    """One PSI file; None if there is no such."""
    stalls = read_optional(host, file, kernel.parse_pressure, notes)
    return None if stalls is None else Pressure(scope=scope, file=file, some=stalls[0], full=stalls[1])
