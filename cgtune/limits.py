"""The first witness: what the kernel enforces, and which cgroup binds. Pure.

The least quota over period of the whole chain limits, however wide the leaf is (cgroup-v2.rst: "limits are hierarchical"); the same
for memory. What lies above the highest visible cgroup is not known here.
"""

from __future__ import annotations

from cgtune.model import ByteLimit, CpuLimits, Limits, MemoryLevel, MemoryLimits, Note, Snapshot


def enforce(snapshot: Snapshot) -> Limits:
    """The limits of one process: cores, usable CPUs, bytes, and for each the cgroup that says so (the leaf-most where several agree)."""
    memory, notes = _enforce_memory(snapshot.charged_chain)
    return Limits(cpu=_enforce_cpu(snapshot), memory=memory, notes=notes)


def _enforce_cpu(snapshot: Snapshot) -> CpuLimits:
    limit_cores, binding = None, None
    for level in snapshot.cpu_chain:
        cores = level.bandwidth.limit_cores if level.bandwidth is not None else None
        if cores is not None and (limit_cores is None or cores < limit_cores):
            limit_cores, binding = cores, level
    # The nearest cgroup with the cpuset controller enabled: its effective CPUs hold for all below it.
    cpuset = snapshot.cpuset_chain[0] if snapshot.cpuset_chain else None
    usable = snapshot.allowed_cpus
    if cpuset is not None:
        usable &= cpuset.cpus
    return CpuLimits(limit_cores=limit_cores, binding=binding, usable=usable, cpuset=cpuset)


def _enforce_memory(charged: tuple[MemoryLevel, ...]) -> tuple[MemoryLimits, tuple[Note, ...]]:
    limit_bytes, binding = _least(charged, "limit")
    high_bytes, high_binding = _least(charged, "high")
    limit_from = None if binding is None else f"{binding.directory}/{'memory.max' if binding.version == 2 else 'memory.limit_in_bytes'}"
    notes: tuple[Note, ...] = ()
    hierarchical = charged[0].hierarchical if charged else None
    if (
        hierarchical is not None
        and hierarchical.limit_bytes is not None
        and (limit_bytes is None or hierarchical.limit_bytes < limit_bytes)
    ):
        limit_bytes, binding, limit_from = hierarchical.limit_bytes, None, f"{charged[0].directory}/memory.stat"
        why = f"hierarchical_memory_limit {limit_bytes} is tighter than every visible limit: an ancestor that cannot be seen sets it"
        notes = (Note(path=limit_from, why=why),)
    swaps = [swap for level in charged if (swap := _swap_bytes(level)) is not None]
    limits = MemoryLimits(
        limit_bytes=limit_bytes,
        limit_from=limit_from,
        binding=binding,
        high_bytes=high_bytes,
        high_binding=high_binding,
        swap_bytes=min(swaps, default=None),
    )
    return limits, notes


def _least(chain: tuple[MemoryLevel, ...], field: str) -> tuple[int | None, MemoryLevel | None]:
    least, binding = None, None
    for level in chain:
        limit: ByteLimit | None = getattr(level, field)
        if limit is not None and limit.limit_bytes is not None and (least is None or limit.limit_bytes < least):
            least, binding = limit.limit_bytes, level
    return least, binding


def _swap_bytes(level: MemoryLevel) -> int | None:
    """How much may be swapped out: v2 says so itself; v1 limits memory plus swap, so all but its memory limit is swap's share."""
    if level.swap is not None:
        return level.swap.limit_bytes
    if level.memsw is None or level.memsw.limit_bytes is None or level.limit is None or level.limit.limit_bytes is None:
        return None
    return max(0, level.memsw.limit_bytes - level.limit.limit_bytes)
