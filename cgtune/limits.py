"""The first witness: what the kernel enforces, and which cgroup binds. Pure.

The least quota over period of the whole chain limits, however wide the leaf is (cgroup-v2.rst: "limits are hierarchical"); the same
for memory. What lies above the highest visible cgroup is not known here.
"""

from __future__ import annotations

from cgtune.model import ByteLimit, CpuLimits, Limits, MemoryLevel, MemoryLimits, Note, Snapshot

#: CPU bandwidth control is of the fair class alone (Documentation/scheduler/sched-bwc.rst); numbers of include/uapi/linux/sched.h.
_REAL_TIME = {1: "SCHED_FIFO", 2: "SCHED_RR", 6: "SCHED_DEADLINE"}


def enforce(snapshot: Snapshot) -> Limits:
    """The limits of one process: cores, usable CPUs, bytes, and for each the cgroup that says so (the leaf-most where several agree)."""
    memory, notes = _enforce_memory(snapshot.charged_chain)
    cpu, process = _enforce_cpu(snapshot), snapshot.process
    if cpu.limit_cores is not None and process.scheduling in _REAL_TIME:
        why = (
            f"its first thread runs under {_REAL_TIME[process.scheduling]}: quotas do not hold for real-time threads, whatever stands above"
        )
        notes = (*notes, Note(path=f"/proc/{process.pid}/stat", why=why))
    return Limits(cpu=cpu, memory=memory, notes=notes)


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
    swap_bytes, _ = _least(charged, "swap")
    memsw_bytes, _ = _least(charged, "memsw")
    if memsw_bytes is not None:  # v1 limits memory and swap together: what memory leaves if it is as large as it may be
        swap_bytes = max(0, memsw_bytes - (limit_bytes or 0))
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
    limits = MemoryLimits(
        limit_bytes=limit_bytes,
        limit_from=limit_from,
        binding=binding,
        high_bytes=high_bytes,
        high_binding=high_binding,
        swap_bytes=swap_bytes,
        memsw_bytes=memsw_bytes,
    )
    return limits, notes


def _least(chain: tuple[MemoryLevel, ...], field: str) -> tuple[int | None, MemoryLevel | None]:
    least, binding = None, None
    for level in chain:
        limit: ByteLimit | None = getattr(level, field)
        if limit is not None and limit.limit_bytes is not None and (least is None or limit.limit_bytes < least):
            least, binding = limit.limit_bytes, level
    return least, binding
