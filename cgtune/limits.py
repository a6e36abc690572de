"""The first witness: what the kernel enforces, and which cgroup binds. Pure.

The least quota over period of the whole chain limits, however wide the leaf is (cgroup-v2.rst: "limits are hierarchical"); the same
for memory. What lies above the highest visible cgroup is not known here. A memory limit of the whole node is none of the program's.
"""

from __future__ import annotations

from cgtune.model import (
    CPU_LIMIT_FILES,
    MEMORY_LIMIT_FILES,
    REAL_TIME,
    ByteLimit,
    CpuLimits,
    Limits,
    MemoryLevel,
    MemoryLimits,
    Note,
    Snapshot,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, Level, Machine

#: From this share of the machine's memory up, a limit is the machine's: what a kubelet, or a person, leaves to all programs together.
_MACHINE_PERCENT = 95
_POD_PERCENT = 50  # of one that is hidden above a pod's container: large machines keep a few percent to themselves, small ones a third


def enforce(snapshot: Snapshot) -> Limits:
    """The limits of one process: cores, usable CPUs, bytes, and for each the cgroup that says so (the leaf-most where several agree)."""
    memory, notes = _enforce_memory(snapshot)
    cpu, pid = _enforce_cpu(snapshot), snapshot.process.pid
    cpu = cpu.replace(unseen=_say_unseen(snapshot, snapshot.cpu_chain, CPU_LIMIT_FILES, snapshot.cpu_hidden_above))
    memory = memory.replace(unseen=_say_unseen(snapshot, snapshot.memory_chain, MEMORY_LIMIT_FILES, snapshot.memory_hidden_above))
    if "memory" in snapshot.unsupported:
        memory = memory.replace(unsupported="this kernel has no memory controller")
        why = f"{memory.unsupported}, or it is switched off (cgroup_disable=memory): a memory limit can be neither set nor enforced here"
        notes = (*notes, Note(path=_controllers_file(snapshot.memory_chain), why=why))
    if "cpu" in snapshot.unsupported:
        cpu = cpu.replace(unsupported="this kernel has no CPU controller")
        why = f"{cpu.unsupported}, or it is switched off (cgroup_disable=cpu): a CPU quota can be neither set nor enforced here"
        notes = (*notes, Note(path=_controllers_file(snapshot.cpu_chain), why=why))
    elif cpu.unseen in (None, _say_hidden(snapshot.cpu_hidden_above)) and (level := _locate_without_bandwidth(snapshot.cpu_chain)):
        cpu = cpu.replace(unsupported="this kernel has no CPU bandwidth control")
        missing, there = ("cpu.max", "cpu.weight") if level.version == 2 else ("cpu.cfs_quota_us", "cpu.shares")
        why = f"it does not exist, though {there} does: {cpu.unsupported} (CONFIG_CFS_BANDWIDTH), so no quota can be set or enforced here"
        notes = (*notes, Note(path=f"{level.directory}/{missing}", why=why))
    if cpu.limit_cores is not None:
        path, unbound = _say_unbound(snapshot)
        cpu = cpu.replace(unbound=unbound)
        notes = notes if unbound is None else (*notes, Note(path=path, why=unbound))
        threads = snapshot.threads
        if threads is not None and threads.elsewhere:
            first = f"{threads.elsewhere} of the {threads.looked_at} threads looked at, of {threads.count}, are in other cgroups"
            why = f"{first}, such as {threads.elsewhere_path}: the limits of those hold for them, not the ones shown"
            notes = (*notes, Note(path=f"/proc/{pid}/task", why=why))
    return Limits(cpu=cpu, memory=memory, notes=notes)


def _say_unseen(snapshot: Snapshot, chain: tuple[Level, ...], names: tuple[str, ...], hidden_above: str | None) -> str | None:
    """Why a limit may be there that was not read; None if all were."""
    if not chain:
        return "its cgroups cannot be seen from here"
    files = {f"{level.directory}/{name}" for level in chain for name in names}
    unread = next((note.path for note in snapshot.notes if note.kind == "failed" and note.path in files), None)
    return _say_hidden(hidden_above) if unread is None else f"{unread} cannot be read"


def _say_hidden(hidden_above: str | None) -> str | None:
    return None if hidden_above is None else f"cgroups above {hidden_above} cannot be seen from here"


def _say_unbound(snapshot: Snapshot) -> tuple[str, str | None]:
    """Returns (the file that says so, why the CPU quota may not hold for the process; None: it holds)."""
    process, threads = snapshot.process, snapshot.threads
    if process.scheduling in REAL_TIME:
        name = REAL_TIME[process.scheduling]
        why = f"its first thread runs under {name}: quotas do not hold for real-time threads, whatever stands above"
        return f"/proc/{process.pid}/stat", why
    if threads is not None and threads.real_time:
        first = f"{threads.real_time} of the {threads.looked_at} threads looked at, of {threads.count}, run under a real-time policy"
        return f"/proc/{process.pid}/task", f"{first}: quotas do not hold for them, whatever stands above"
    if snapshot.machine.sched_ext is not None:
        name = f" {snapshot.machine.sched_ext}" if snapshot.machine.sched_ext else ""
        why = f"the sched_ext scheduler{name} is at work: whether CPU quotas hold, and whether stops are counted, is up to it"
        return "/sys/kernel/sched_ext/root/ops", why
    return "", None


def _controllers_file(chain: tuple[Level, ...]) -> str:
    return f"{chain[-1].directory.rstrip('/')}/cgroup.controllers" if chain else "/proc/cgroups"


def _locate_without_bandwidth(chain: tuple[CpuLevel, ...]) -> CpuLevel | None:
    """A cgroup that has a weight and no file for a quota, of a chain that has none at all (kernel/sched/core.c, CONFIG_CFS_BANDWIDTH)."""
    if any(level.bandwidth is not None for level in chain):
        return None
    return next((level for level in chain if level.weight is not None or level.shares is not None), None)


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
    if usable == snapshot.process.affinity:  # most may run anywhere: one set for all
        usable = snapshot.process.affinity
    return CpuLimits(limit_cores=limit_cores, binding=binding, usable=usable, cpuset=cpuset)


def program_chain(snapshot: Snapshot) -> tuple[MemoryLevel, ...]:
    """The cgroups whose memory limits hold for the process, leaf first, without the limits that are the node's.

    The kubelet writes what the node can give into kubepods: all pods together have it, and no program can plan with it. Likewise of a
    limit as large as the machine, whoever has it.
    """
    none = ByteLimit(limit_bytes=None)
    chain = []
    for level in snapshot.charged_chain:
        changed = level
        if level.of_node:
            changed = level.replace(**{name: none for name in ("limit", "high", "swap", "memsw") if getattr(level, name) is not None})
        elif level.limit is not None and _is_of_machine(level.limit.limit_bytes, snapshot.machine):
            changed = level.replace(limit=none)
        chain.append(changed)
    return tuple(chain)


def _is_of_machine(limit_bytes: int | None, machine: Machine, percent: int = _MACHINE_PERCENT) -> bool:
    """Whether a limit is about the machine's memory. What exceeds that is never reached, which is said by its own words."""
    if limit_bytes is None or machine.memory_bytes is None or machine.memory_is_limit:
        return False
    return machine.memory_bytes * percent <= limit_bytes * 100 <= machine.memory_bytes * 100


def _enforce_memory(snapshot: Snapshot) -> tuple[MemoryLimits, tuple[Note, ...]]:
    charged, all_levels = program_chain(snapshot), snapshot.charged_chain
    limit_bytes, binding = _least(charged, "limit")
    high_bytes, high_binding = _least(charged, "high")
    swap_bytes, _ = _least(charged, "swap")
    memsw_bytes, _ = _least(charged, "memsw")
    if memsw_bytes is not None:  # v1 limits memory and swap together: what memory leaves if it is as large as it may be
        swap_bytes = max(0, memsw_bytes - (limit_bytes or 0))
    limit_from = None if binding is None else binding.limit_file
    visible_bytes, _ = _least(all_levels, "limit")
    nodes = [
        (before.limit.limit_bytes, before.limit_file)
        for before, after in zip(all_levels, charged, strict=True)
        if before.limit is not None and before.limit.limit_bytes is not None and before.limit != after.limit
    ]
    notes: tuple[Note, ...] = ()
    hierarchical = charged[0].hierarchical if charged else None
    hidden = None if hierarchical is None else hierarchical.limit_bytes
    if hidden is not None and (visible_bytes is None or hidden < visible_bytes):
        hidden_from = f"{charged[0].directory}/memory.stat"
        # The kubelet gives a container that has no limit the limit of its pod: a large one above it is what the node leaves to all pods.
        percent = _POD_PERCENT if limit_bytes is None and snapshot.container.pod_uid else _MACHINE_PERCENT
        if _is_of_machine(hidden, snapshot.machine, percent):
            nodes.append((hidden, hidden_from))
        else:
            limit_bytes, binding, limit_from = hidden, None, hidden_from
            why = f"hierarchical_memory_limit {limit_bytes} is tighter than every visible limit: an ancestor that cannot be seen sets it"
            notes = (Note(path=limit_from, why=why),)
    node_bytes, node_from = min(nodes, default=(None, None))
    limits = MemoryLimits(
        limit_bytes=limit_bytes,
        limit_from=limit_from,
        binding=binding,
        high_bytes=high_bytes,
        high_binding=high_binding,
        swap_bytes=swap_bytes,
        memsw_bytes=memsw_bytes,
        node_bytes=node_bytes,
        node_from=node_from,
    )
    return limits, notes


def _least(chain: tuple[MemoryLevel, ...], field: str) -> tuple[int | None, MemoryLevel | None]:
    least, binding = None, None
    for level in chain:
        limit: ByteLimit | None = getattr(level, field)
        if limit is not None and limit.limit_bytes is not None and (least is None or limit.limit_bytes < least):
            least, binding = limit.limit_bytes, level
    return least, binding
