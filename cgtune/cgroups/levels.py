"""Reads one level of a chain: the files of one cgroup, of either version, as a record."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.chains import is_hierarchy_root
from cgtune.model import CpuLevel, CpusetLevel, MemoryLevel, Pressure
from cgtune.system.reading import read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.cgroups.locate import Place
    from cgtune.model import Note
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
    """Quota, weight and throttling of one cgroup. What cannot be read goes to ``notes``, here and below."""
    directory = place.directory
    if version == 2:
        bandwidth = read_optional(host, f"{directory}/cpu.max", kernel.parse_cpu_max, notes)
    else:
        quota = read_optional(host, f"{directory}/cpu.cfs_quota_us", str, notes)
        bandwidth = None
        if quota is not None:
            bandwidth = read_optional(host, f"{directory}/cpu.cfs_period_us", lambda period: kernel.parse_cfs_quota(quota, period), notes)
    return CpuLevel(
        path=place.path,
        directory=directory,
        version=version,
        bandwidth=bandwidth,
        weight=read_optional(host, f"{directory}/cpu.weight", kernel.parse_count, notes) if version == 2 else None,
        shares=read_optional(host, f"{directory}/cpu.shares", kernel.parse_count, notes) if version == 1 else None,
        throttling=read_optional(host, f"{directory}/cpu.stat", kernel.parse_cpu_stat, notes) if bandwidth is not None else None,
    )


def read_cpuset_level(host: Host, place: Place, version: int, notes: list[Note]) -> CpusetLevel | None:
    """None where the cpuset controller is not enabled, and for v1's empty sets, which are groups not set up yet."""
    for name in ("cpuset.cpus.effective",) if version == 2 else ("cpuset.effective_cpus", "cpuset.cpus"):
        file = f"{place.directory}/{name}"
        cpus = read_optional(host, file, kernel.parse_cpu_list, notes)
        if cpus:
            return CpusetLevel(path=place.path, directory=place.directory, version=version, file=file, cpus=cpus)
    return None


def read_memory_level(host: Host, place: Place, version: int, notes: list[Note]) -> MemoryLevel:
    """Limits and use of one cgroup."""
    directory = place.directory
    names = (
        {"limit": "memory.max", "high": "memory.high", "swap": "memory.swap.max"}
        if version == 2
        else {"limit": "memory.limit_in_bytes", "memsw": "memory.memsw.limit_in_bytes"}
    )
    limits = {key: read_optional(host, f"{directory}/{name}", kernel.parse_byte_limit, notes) for key, name in names.items()}
    current = "memory.current" if version == 2 else "memory.usage_in_bytes"
    hierarchical, reclaimable, swapped = None, None, None
    if limits["limit"] is not None:
        stat = read_optional(host, f"{directory}/memory.stat", kernel.parse_memory_stat, notes) or {}
        reclaimable = kernel.count_reclaimable(stat)
        swapped = stat.get("total_swap")  # v1, of the whole subtree, as v2's memory.swap.current is; absent without swap accounting
        if version == 1 and "hierarchical_memory_limit" in stat:
            hierarchical = kernel.parse_byte_limit(str(stat["hierarchical_memory_limit"]))
    if version == 2:
        swapped = read_optional(host, f"{directory}/memory.swap.current", kernel.parse_count, notes)
    use_hierarchy = read_optional(host, f"{directory}/memory.use_hierarchy", kernel.parse_count, notes) if version == 1 else None
    return MemoryLevel(
        path=place.path,
        directory=directory,
        version=version,
        limit=limits["limit"],
        high=limits.get("high"),
        swap=limits.get("swap"),
        memsw=limits.get("memsw"),
        hierarchical=hierarchical,
        current_bytes=read_optional(host, f"{directory}/{current}", kernel.parse_count, notes),
        swap_current_bytes=swapped,
        use_hierarchy=use_hierarchy != 0,
        reclaimable_bytes=reclaimable,
        identity=host.read_known_identity(directory),
    )


def read_oom_kills(host: Host, level: MemoryLevel | None, notes: list[Note]) -> int | None:
    """Processes that the OOM killer ended there: memory.events on v2, of the subtree; memory.oom_control on v1 (kernels from 4.13)."""
    if level is None:
        return None
    name = "memory.events" if level.version == 2 else "memory.oom_control"
    return (read_optional(host, f"{level.directory}/{name}", kernel.parse_flat_keyed, notes) or {}).get("oom_kill")


def read_pressure(host: Host, chain: list[tuple[int, Place]], resource: str, notes: list[Note]) -> Pressure | None:
    """How long tasks waited for "cpu" or "memory": in the leaf, or on the machine where the leaf is the root or has no such file."""
    candidates = [("machine", f"/proc/pressure/{resource}")]
    for version, place in chain[:1]:
        scope = "machine" if is_hierarchy_root(host, version, place) else "cgroup"
        candidates.insert(0, (scope, f"{place.directory}/{resource}.pressure"))
    for scope, file in candidates:
        stalls = read_optional(host, file, kernel.parse_pressure, notes)
        if stalls is not None:
            return Pressure(scope=scope, file=file, some=stalls[0], full=stalls[1])
    return None
