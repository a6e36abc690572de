"""What the kernel enforces, from the facts of a chain: the least limit and the cgroup that says so, with the algebra it has to obey."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.limits import enforce
from cgtune.model import (
    Bandwidth,
    ByteLimit,
    Container,
    CpuLevel,
    CpusetLevel,
    Limits,
    Machine,
    MemoryLevel,
    Process,
    Snapshot,
)
from tests.rules.reports import report

MIB = 1 << 20


def cpu(path: str, quota_us: int | None, period_us: int = 100_000, *, absent: bool = False) -> CpuLevel:
    """One cgroup with this quota; None: the kernel says max; absent: it has no such file."""
    bandwidth = None if absent else Bandwidth(quota_us=quota_us, period_us=period_us)
    return CpuLevel(path=path, directory=f"/c{path}", version=2, bandwidth=bandwidth, weight=100, shares=None, throttling=None)


def memory(
    path: str, limit: int | None, *, version: int = 2, high: int | None = None, hierarchical: int | None = None, **more: object
) -> MemoryLevel:
    """One cgroup with this memory limit."""
    level = MemoryLevel(
        path=path,
        directory=f"/c{path}",
        version=version,
        limit=ByteLimit(limit_bytes=limit),
        high=ByteLimit(limit_bytes=high) if version == 2 else None,
        swap=None,
        memsw=None,
        hierarchical=ByteLimit(limit_bytes=hierarchical) if hierarchical is not None else None,
        current_bytes=0,
        swap_current_bytes=None,
        use_hierarchy=True,
    )
    return level.replace(**more)


def limits(
    cpus: tuple[CpuLevel, ...] = (),
    memories: tuple[MemoryLevel, ...] = (),
    *,
    online: frozenset[int] = frozenset(range(8)),
    affinity: frozenset[int] = frozenset(range(8)),
    cpusets: tuple[CpusetLevel, ...] = (),
    scheduling: int = 0,
    memory_is_limit: bool = False,
) -> Limits:
    """What is enforced on a process with these chains."""
    machine = Machine(online=online, memory_bytes=1 << 34, swap_bytes=0, page_bytes=4096, kernel="6.1.0", cgroup_mode="v2")
    process = Process(pid=1, is_self=False, start_ticks=1, start_time=None, command="x", executable=None, state="S", affinity=affinity)
    process, machine = process.replace(scheduling=scheduling), machine.replace(memory_is_limit=memory_is_limit)
    empty = Snapshot(
        machine=machine,
        process=process,
        container=Container(),
        cpu_chain=cpus,
        cpuset_chain=cpusets,
        memory_chain=memories,
        cpu_pressure=None,
        memory_pressure=None,
        go=(),
        notes=(),
    )
    return enforce(empty)


# Name: quotas from the leaf up, cores, who binds.
CPU: dict[str, tuple[tuple[CpuLevel, ...], float | None, str | None]] = {
    "no chain": ((), None, None),
    "no files": ((cpu("/a", None, absent=True),), None, None),
    "no limit": ((cpu("/a", None), cpu("/", None, absent=True)), None, None),
    "the leaf": ((cpu("/a/b", 50_000), cpu("/a", 100_000)), 0.5, "/a/b"),
    "the parent": ((cpu("/a/b", 300_000), cpu("/a", 100_000)), 1.0, "/a"),
    "the middle": ((cpu("/a/b/c", 300_000), cpu("/a/b", 150_000), cpu("/a", 200_000)), 1.5, "/a/b"),
    "an unlimited leaf": ((cpu("/a/b", None), cpu("/a", 100_000)), 1.0, "/a"),
    "a leaf without files": ((cpu("/a/b", None, absent=True), cpu("/a", 100_000)), 1.0, "/a"),
    "equal: the leaf is named": ((cpu("/a/b", 100_000), cpu("/a", 100_000)), 1.0, "/a/b"),
    "another period": ((cpu("/a/b", 100_000), cpu("/a", 15_000, 20_000)), 0.75, "/a"),
    "a period of nothing": ((cpu("/a/b", 1, 0), cpu("/a", 200_000)), 2.0, "/a"),
    "a quota of nothing": ((cpu("/a/b", 0), cpu("/a", 200_000)), 0.0, "/a/b"),
}


@pytest.mark.parametrize("name", CPU)
def test_the_least_quota_of_the_chain_binds(name: str) -> None:
    """However wide the leaf is: the least quota over period, and the cgroup that has it; the leaf-most where several agree."""
    chain, cores, bound_by = CPU[name]
    found = limits(chain).cpu
    assert (cores, bound_by) == (found.limit_cores, found.binding.path if found.binding else None)


# Name: levels from the leaf up, bytes, who binds, high.
MEMORY: dict[str, tuple[tuple[MemoryLevel, ...], int | None, str | None, int | None]] = {
    "no chain": ((), None, None, None),
    "no limit": ((memory("/a", None),), None, None, None),
    "the leaf": ((memory("/a/b", 1), memory("/a", 2)), 1, "/a/b", None),
    "the parent": ((memory("/a/b", 3), memory("/a", 2)), 2, "/a", None),
    "equal: the leaf is named": ((memory("/a/b", 2), memory("/a", 2)), 2, "/a/b", None),
    "high is apart": ((memory("/a/b", 9, high=5), memory("/a", 8, high=4)), 8, "/a", 4),
    "high alone": ((memory("/a/b", None, high=5),), None, None, 5),
    "v1 without hierarchy": ((memory("/a/b", 9, version=1), memory("/a", 2, version=1, use_hierarchy=False)), 9, "/a/b", None),
    "v1, charged one step": (
        (memory("/a/b/c", 9, version=1), memory("/a/b", 8, version=1), memory("/a", 1, version=1, use_hierarchy=False)),
        8,
        "/a/b",
        None,
    ),
    "v1, the leaf's own word is for its children": (
        (memory("/a/b", 9, version=1, use_hierarchy=False), memory("/a", 2, version=1)),
        2,
        "/a",
        None,
    ),
    "v1's own minimum agrees": ((memory("/a/b", 9, version=1, hierarchical=7), memory("/a", 7, version=1)), 7, "/a", None),
    "v1's own minimum is tighter": ((memory("/a/b", 9, version=1, hierarchical=7),), 7, None, None),
    "v1's own minimum alone": ((memory("/a/b", None, version=1, hierarchical=7),), 7, None, None),
}


@pytest.mark.parametrize("name", MEMORY)
def test_the_least_memory_limit_of_the_chain_binds(name: str) -> None:
    """The least memory.max over what the leaf is charged to; memory.high beside it; v1's own minimum where an ancestor is out of sight."""
    chain, size, bound_by, high = MEMORY[name]
    found = limits((), chain)
    binding = found.memory.binding
    assert (size, bound_by, high) == (found.memory.limit_bytes, binding.path if binding else None, found.memory.high_bytes)
    hidden = size is not None and bound_by is None
    assert hidden == bool([note for note in found.notes if note.path.endswith("/memory.stat")])


# Name: levels, swap.
SWAP: dict[str, tuple[tuple[MemoryLevel, ...], int | None]] = {
    "none said": ((memory("/a", 5),), None),
    "no limit": ((memory("/a", 5, swap=ByteLimit(limit_bytes=None)),), None),
    "none allowed": ((memory("/a", 5, swap=ByteLimit(limit_bytes=0)),), 0),
    "the least": ((memory("/a/b", 5, swap=ByteLimit(limit_bytes=9)), memory("/a", 5, swap=ByteLimit(limit_bytes=3))), 3),
    "v1: what is left of both": ((memory("/a", 5, version=1, memsw=ByteLimit(limit_bytes=8)),), 3),
    "v1: nothing is left": ((memory("/a", 5, version=1, memsw=ByteLimit(limit_bytes=5)),), 0),
    "v1: the leaf has no limit of both": (
        (memory("/a/b", 5, version=1, memsw=ByteLimit(limit_bytes=None)), memory("/a", 9, version=1, memsw=ByteLimit(limit_bytes=12))),
        7,
    ),
    "v1: both unlimited": ((memory("/a", None, version=1, memsw=ByteLimit(limit_bytes=None)),), None),
}


@pytest.mark.parametrize("name", SWAP)
def test_swap(name: str) -> None:
    """v2 says how much may be swapped out; v1 limits memory and swap together."""
    chain, swap = SWAP[name]
    assert limits((), chain).memory.swap_bytes == swap


NODE = 1 << 34  # what the machine of these tests has


@pytest.mark.parametrize(
    ("chain", "limit", "node"),
    [
        ((memory("/a", None), memory("/kubepods", NODE // 2, of_node=True)), None, NODE // 2),
        ((memory("/a", 64 * MIB), memory("/kubepods", NODE, of_node=True)), 64 * MIB, NODE),
        ((memory("/a", None), memory("/pod", 128 * MIB), memory("/kubepods", 64 * MIB, of_node=True)), 128 * MIB, 64 * MIB),
        ((memory("/a", None), memory("/system.slice", None, high=64 * MIB, of_node=True)), None, None),
        ((memory("/a", NODE - NODE // 50),), None, NODE - NODE // 50),
        ((memory("/a", NODE // 10 * 9),), NODE // 10 * 9, None),
        ((memory("/a", None, version=1, hierarchical=NODE),), None, NODE),
    ],
)
def test_a_memory_limit_of_the_node_is_none_of_the_programs(chain: tuple[MemoryLevel, ...], limit: int | None, node: int | None) -> None:
    """What the kubelet writes into kubepods, or a limit as large as the machine, binds no single program; the report says whose it is."""
    found = limits(memories=chain).memory
    assert (found.limit_bytes, found.node_bytes, found.high_bytes) == (limit, node, None)
    assert (found.binding is None) == (limit is None)
    assert (found.node_from is None) == (node is None)


def test_a_limit_that_lxcfs_shows_as_the_machines_memory_is_a_limit() -> None:
    """In a container of LXC's /proc/meminfo has the container's limit: there a limit of that size is the program's."""
    chain = (memory("/", NODE),)
    assert limits(memories=chain, memory_is_limit=True).memory.limit_bytes == NODE


@pytest.mark.parametrize(("scheduling", "name"), [(1, "SCHED_FIFO"), (2, "SCHED_RR"), (6, "SCHED_DEADLINE"), (0, None), (3, None)])
def test_a_real_time_process_obeys_no_quota(scheduling: int, name: str | None) -> None:
    """Quotas are of the fair class alone: where one is set, a note says that this process is beyond it; else there is nothing to say."""
    for chain in ((cpu("/a", 50_000),), (cpu("/a", None),)):
        notes = limits(chain, scheduling=scheduling).notes
        assert [name in note.why for note in notes if name] == [True] * bool(name and chain[0].bandwidth and chain[0].bandwidth.quota_us)
        assert name or not notes


def test_usable_cpus_are_online_and_in_the_cpuset_and_in_the_affinity() -> None:
    """No more than all three allow; the nearest cgroup with a cpuset holds."""
    near = CpusetLevel(path="/a/b", directory="/c/a/b", version=2, file="/c/a/b/f", cpus=frozenset({0, 1, 2, 3}))
    far = CpusetLevel(path="/a", directory="/c/a", version=2, file="/c/a/f", cpus=frozenset({0}))
    found = limits(online=frozenset({0, 1, 2, 9}), affinity=frozenset({2, 3, 9}), cpusets=(near, far))
    assert (found.cpu.usable, found.cpu.cpuset) == (frozenset({2}), near)


quotas = st.one_of(st.none(), st.integers(1000, 10**9))
cpu_levels = st.builds(lambda quota, period: cpu("/x", quota, period), quotas, st.integers(1000, 10**6))
sizes = st.one_of(st.none(), st.integers(0, 1 << 40))
memory_levels = st.builds(lambda limit, high: memory("/x", limit, high=high), sizes, sizes)


@given(chain=st.lists(cpu_levels, max_size=6), ancestor=cpu_levels)
def test_an_ancestor_never_gives_cores(chain: list[CpuLevel], ancestor: CpuLevel) -> None:
    """Adding a cgroup above never raises the limit, and the limit is always one that some level has."""
    before, after = limits(tuple(chain)).cpu.limit_cores, limits((*chain, ancestor)).cpu.limit_cores
    assert _not_more(after, before)
    assert after in {level.bandwidth.limit_cores for level in (*chain, ancestor) if level.bandwidth}


@given(chain=st.lists(memory_levels, max_size=6), ancestor=memory_levels)
def test_an_ancestor_never_gives_memory(chain: list[MemoryLevel], ancestor: MemoryLevel) -> None:
    """The same for memory.max and for memory.high."""
    before, after = limits((), tuple(chain)).memory, limits((), (*chain, ancestor)).memory
    assert _not_more(after.limit_bytes, before.limit_bytes)
    assert _not_more(after.high_bytes, before.high_bytes)


@given(chain=st.lists(cpu_levels, min_size=1, max_size=6), data=st.data())
def test_the_order_of_a_chain_does_not_change_its_limit(chain: list[CpuLevel], data: st.DataObject) -> None:
    """Which level binds depends on the numbers, not on where in the chain they stand."""
    shuffled = data.draw(st.permutations(chain))
    assert limits(tuple(chain)).cpu.limit_cores == limits(tuple(shuffled)).cpu.limit_cores


@given(chain=st.lists(cpu_levels, min_size=1, max_size=6))
def test_the_level_that_binds_has_the_limit(chain: list[CpuLevel]) -> None:
    """A limit is never without the cgroup that says so, and that cgroup says exactly it."""
    found = limits(tuple(chain)).cpu
    assert (found.limit_cores is None) == (found.binding is None)
    if found.binding is not None and found.binding.bandwidth is not None:
        assert found.binding.bandwidth.limit_cores == found.limit_cores


def _not_more(after: float | None, before: float | None) -> bool:
    return before is None or (after is not None and after <= before)


@pytest.mark.parametrize(("controller", "words"), [("cpu", "a CPU quota"), ("memory", "a memory limit")])
def test_a_kernel_without_the_controller(controller: str, words: str) -> None:
    """It enforces no limit of that kind, and a note says that none can be set either."""
    snapshot = report().snapshot
    limits = enforce(snapshot.replace(unsupported=type(snapshot.unsupported)((controller,))))
    assert (limits.cpu.unsupported is not None, limits.memory.unsupported is not None) == (controller == "cpu", controller == "memory")
    (note,) = limits.notes
    assert f"(cgroup_disable={controller}): {words} can be neither set nor enforced here" in note.why
