"""Memory limits, swap, memory.high, OOM kills and pressure, as a real kernel was told them and as it counted them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import bench, places, subjects
from tests.kernel.bench import assert_memory_as_told, place_of
from tests.kernel.subjects import MIB, Targets
from tests.live.cgroups import Group, Groups
from tests.support import memory_kinds

pytestmark = pytest.mark.kernel

V2 = pytest.mark.hierarchy("v2")
V2_V1 = pytest.mark.hierarchy("v2", "v1")  # on a hybrid machine the files are v1's, and so are the parsers


def _memory(entry: dict[str, Any]) -> dict[str, Any]:
    memory: dict[str, Any] = entry["enforced"]["memory"]
    return memory


@pytest.mark.parametrize(
    "limit_bytes",
    [
        pytest.param(64 * MIB, id="64 MiB", marks=V2_V1),
        pytest.param(100_000_000, id="not a whole page: the kernel rounds"),
        pytest.param(1 << 40, id="more than the machine has", marks=V2_V1),
        pytest.param(268435456, id="256 MiB", marks=V2_V1),
    ],
)
def test_one_limit(groups: Groups, targets: Targets, limit_bytes: int) -> None:
    """The limit is what the kernel took, in whole pages, and the group that has it binds."""
    group = groups.make("app")
    group.limit_memory(limit_bytes)
    entry = bench.inspect(targets.start(group))
    assert_memory_as_told(entry, place_of(group, "memory"))
    memory = _memory(entry)
    assert (memory["limit_bytes"], memory["bound_by"]) == (limit_bytes // 4096 * 4096, group.path)


@pytest.mark.parametrize(
    ("limits_mib", "binding"),
    [
        pytest.param((256, 128, 64), 2, id="falling to the leaf"),
        pytest.param((64, 128, 256), 0, id="rising to the leaf", marks=V2_V1),
        pytest.param((256, 64, 128), 1, id="the least in the middle", marks=V2_V1),
        pytest.param((None, 96, None), 1, id="the middle alone", marks=V2_V1),
        pytest.param((96, None, None), 0, id="the top alone", marks=V2_V1),
        pytest.param((None, None, None), None, id="none at all"),
    ],
)
def test_a_chain_of_three(groups: Groups, targets: Targets, limits_mib: tuple[int | None, ...], binding: int | None) -> None:
    """Each level is reported as it was told, and the least limit binds, on v1 too, where a child may be told more than its parent."""
    chain = [groups.make(*("top", "middle", "leaf")[:depth]) for depth in (1, 2, 3)]
    for group, limit in zip(chain, limits_mib, strict=True):
        if limit is not None:
            group.limit_memory(limit * MIB)
    entry = bench.inspect(targets.start(chain[-1]))
    assert_memory_as_told(entry, place_of(chain[-1], "memory"))
    assert _memory(entry)["bound_by"] == (None if binding is None else chain[binding].path)


def test_a_limit_that_changes_under_a_running_process(groups: Groups, targets: Targets) -> None:
    """Each look reports the limit of its own moment."""
    group = groups.make("app")
    pid = targets.start(group)
    for limit in (128 * MIB, 48 * MIB, 512 * MIB):
        group.limit_memory(limit)
        assert _memory(bench.inspect(pid))["limit_bytes"] == limit


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize(
    ("highs_mib", "least"),
    [((None, 48), 48), ((40, 48), 40), ((40, None), 40), ((None, None), None)],
    ids=["leaf", "parent tighter", "parent alone", "none"],
)
def test_memory_high(groups: Groups, targets: Targets, highs_mib: tuple[int | None, ...], least: int | None) -> None:
    """memory.high is shown apart from the limit: the least over the chain."""
    chain = [groups.make("parent"), groups.make("parent", "leaf")]
    chain[1].limit_memory(64 * MIB)
    for group, high in zip(chain, highs_mib, strict=True):
        if high is not None:
            group.write("memory", "memory.high", str(high * MIB))
    memory = _memory(bench.inspect(targets.start(chain[-1])))
    assert memory["high_bytes"] == (least and least * MIB)
    assert memory["limit_bytes"] == 64 * MIB
    assert [row["high_bytes"] for row in memory["chain"][:2]] == [high and high * MIB for high in reversed(highs_mib)]


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize("swap_bytes", [0, 32 * MIB])
def test_swap_v2(groups: Groups, targets: Targets, swap_bytes: int) -> None:
    """memory.swap.max is a limit of swap alone; 0 is a limit, not its absence."""
    group = groups.make("app")
    group.limit_memory(64 * MIB)
    group.write("memory", "memory.swap.max", str(swap_bytes))
    memory = _memory(bench.inspect(targets.start(group)))
    assert (memory["limit_bytes"], memory["swap_bytes"]) == (64 * MIB, swap_bytes)


@pytest.mark.v1_memory
@pytest.mark.hierarchy("v1", "hybrid")
def test_swap_v1(groups: Groups, targets: Targets) -> None:
    """v1 limits memory and swap together: what is left for swap is the difference."""
    group = groups.make("app")
    group.limit_memory(64 * MIB)
    group.write("memory", "memory.memsw.limit_in_bytes", str(96 * MIB))
    memory = _memory(bench.inspect(targets.start(group)))
    assert (memory["limit_bytes"], memory["swap_bytes"]) == (64 * MIB, 32 * MIB)


def _current(group: Group) -> int:
    return int(group.read("memory", "memory.current" if group.version("memory") == 2 else "memory.usage_in_bytes"))


def test_memory_now(groups: Groups, targets: Targets) -> None:
    """What is charged now is the kernel's number, near enough: it counts in batches of pages per CPU."""
    group = groups.make("app")
    pid = targets.start(group, lambda: subjects.charge(24 * MIB))
    assert bench.inspect(pid)["usage"]["memory"]["current_bytes"] == pytest.approx(_current(group), abs=2 * MIB)
    assert _current(group) >= 24 * MIB


@pytest.mark.hierarchy("v2")
def test_a_group_held_at_memory_high(groups: Groups, targets: Targets) -> None:
    """A group that wants more than memory.high is held near it, lives on, and the report shows both numbers."""
    group = groups.make("app")
    group.write("memory", "memory.high", str(16 * MIB))
    pid = targets.start(group)
    hungry = targets.start(group, _fork_hungry)
    bench.wait_until(lambda: _events(group)["high"] > 0, "memory.high was reached")
    entry = bench.inspect(pid)
    assert _memory(entry)["high_bytes"] == 16 * MIB
    assert 14 * MIB < entry["usage"]["memory"]["current_bytes"] < 24 * MIB
    targets.stop(hungry)


def _fork_hungry() -> None:
    if os.fork() == 0:
        subjects.die_with_parent()
        subjects.charge(17 * MIB)
        time.sleep(600)


def _events(group: Group) -> dict[str, int]:
    return {name: int(count) for name, count in (line.split() for line in group.read("memory", "memory.events").splitlines())}


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=V2)])
def test_oom_kills(groups: Groups, targets: Targets, kills: int) -> None:
    """Processes killed for the group's limit are counted in the report of the one that lives on there."""
    group = groups.make("app")
    group.limit_memory(24 * MIB)
    survivor = targets.start(group, _never_first)
    assert bench.inspect(survivor)["usage"]["memory"]["oom_kills"] == 0
    for _ in range(kills):
        assert subjects.die_of_hunger(group) == 9
    assert group.oom_kills() == kills
    assert bench.inspect(survivor)["usage"]["memory"]["oom_kills"] == kills


@pytest.mark.hierarchy("v2")
@V2
def test_a_leaf_without_a_memory_controller(groups: Groups, targets: Targets) -> None:
    """Where the parent does not lend it, as below the root of a container, memory is charged to the parent: its use and kills are told."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_memory(32 * MIB)
    parent.write("memory", "cgroup.subtree_control", "-memory")
    pid = targets.start(leaf, _never_first, lambda: subjects.charge(8 * MIB))
    assert subjects.die_of_hunger(leaf) == 9
    entry = bench.inspect(pid)
    assert [row["current_bytes"] is None for row in _memory(entry)["chain"][:2]] == [True, False]
    assert entry["usage"]["memory"]["current_bytes"] >= 8 * MIB
    assert entry["usage"]["memory"]["oom_kills"] == parent.oom_kills() == 1


def test_an_oom_kill_by_an_ancestors_limit(groups: Groups, targets: Targets) -> None:
    """On v2 the count is of kills in the group, whichever level's limit was the reason."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_memory(24 * MIB)
    survivor = targets.start(leaf, _never_first)
    assert subjects.die_of_hunger(leaf) == 9
    entry = bench.inspect(survivor)
    assert entry["usage"]["memory"]["oom_kills"] == leaf.oom_kills() == 1
    assert _memory(entry)["bound_by"] == parent.path


@V2
def test_a_group_kill_counts_its_first_victim_twice(groups: Groups, targets: Targets) -> None:
    """One process killed with memory.oom.group is oom_kill 2 and oom_group_kill 1; of the group made anew only the pod remembers."""
    pod, container, neighbour = groups.make("pod"), groups.make("pod", "container"), groups.make("pod", "neighbour")
    container.limit_memory(24 * MIB)
    container.write("memory", "memory.oom.group", "1")
    assert subjects.die_of_hunger(container) == 9
    entry = bench.inspect(targets.start(neighbour, _never_first))
    assert (neighbour.oom_kills(), pod.oom_kills(), container.oom_kills()) == (0, 2, 2)
    assert (entry["usage"]["memory"]["oom_kills"], entry["usage"]["memory"]["oom_group_kills"]) == (0, 0)
    above = _memory(entry)["chain"][1]
    assert (above["events"]["oom_kill"], above["events"]["oom_group_kill"], above["events_local"]["oom_kill"]) == (2, 1, 0)
    told = [finding["summary"] for finding in entry["findings"] if finding["rule"] == "oom-killed"]
    assert len(told) == 1
    assert f"counts 2 in the cgroup {pod.path} above it" in told[0]
    container.remake()
    container.limit_memory(48 * MIB)
    anew = bench.inspect(targets.start(container, _never_first))
    assert [row["events"]["oom_kill"] for row in _memory(anew)["chain"][:2]] == [0, 2]
    assert [finding["rule"] for finding in anew["findings"]] == ["oom-killed"]


@V2_V1
@pytest.mark.parametrize("kind", memory_kinds.GROWS)
def test_memory_of_a_known_kind(groups: Groups, tmp_path: Path, kind: str) -> None:
    """What was locked, made dirty or shared is in use, page cache that is merely mapped can be given back: within 2 MiB.

    The bench has no file system on a disk: the pages of files are those of its RAM disk itself.
    """
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    wrong = memory_kinds.watch_taking(lambda argv: group.start(argv).pid, bench.inspect, kind, "/dev/ram0", tmp_path / "ready")
    assert wrong == {}


@V2_V1
def test_swapped_memory_is_told_apart(groups: Groups, targets: Targets) -> None:
    """Of 48 MiB that a limit of 24 MiB leaves no room for, what is in memory and what is swapped out are the whole, within 2 MiB."""
    group = groups.make("app")
    with subjects.swap_area():
        pid = targets.start(group)
        before = _memory(bench.inspect(pid))["chain"][0]["parts"]
        group.limit_memory(24 * MIB)
        holder = targets.start(group, lambda: subjects.keep(memory_kinds.take("anonymous", "", 48 * MIB)))
        level = _memory(bench.inspect(holder))["chain"][0]
        parts = level["parts"]
        assert parts["swapped_bytes"] == pytest.approx(subjects.swapped_bytes(group), abs=2 * MIB)
        assert parts["swapped_bytes"] >= 22 * MIB
        # The fork's own pages are in it as well
        assert parts["anonymous_bytes"] + parts["swapped_bytes"] - before["anonymous_bytes"] >= 46 * MIB
        assert level["used_bytes"] <= 24 * MIB
        targets.stop(holder)


@V2_V1
def test_a_burst_is_used_after_a_rest(groups: Groups, targets: Targets) -> None:
    """Quota and burst are used in one period, and no more: the stall that is told goes by it."""
    group = groups.make("app")
    group.limit_cpu(20_000)
    group.write("cpu", "cpu.max.burst" if group.version("cpu") == 2 else "cpu.cfs_burst_us", "10000")
    pid = targets.start(group, _fork_rester)
    bench.wait_until(lambda: _bursts(group)[0] >= 3, "three bursts")
    before = _bursts(group)
    entry = bench.inspect(pid)
    after = _bursts(group)
    usage, level = entry["usage"]["cpu"], entry["enforced"]["cpu"]["chain"][0]
    assert (entry["enforced"]["cpu"]["burst_us"], level["burst_us"]) == (10_000, 10_000)
    assert before[0] <= usage["bursts"] == level["bursts"] <= after[0]
    assert before[1] <= usage["burst_seconds"] <= after[1]
    assert 0 < after[1] <= after[0] * 0.0101


def _bursts(group: Group) -> tuple[int, float]:
    words = dict(line.split() for line in group.read("cpu", "cpu.stat").splitlines())
    seconds = int(words["burst_usec"]) / 1e6 if "burst_usec" in words else int(words["burst_time"]) / 1e9
    return int(words["nr_bursts"]), seconds


def _fork_rester() -> None:
    """In a child, rest and be busy by turns."""
    if os.fork() == 0:
        subjects.die_with_parent()
        while True:
            time.sleep(0.4)
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                pass


@V2_V1
def test_an_idle_cgroup_has_no_weight(groups: Groups, targets: Targets) -> None:
    """Under cpu.idle the kernel says 0, 1 or 3 for a weight that does not hold: the report says idle."""
    group, other = groups.make("idle"), groups.make("other")
    group.write("cpu", "cpu.idle", "1")
    assert [bench.inspect(targets.start(each))["enforced"]["cpu"]["chain"][0]["idle"] for each in (group, other)] == [True, False]


def _never_first() -> None:
    Path("/proc/self/oom_score_adj").write_text("-1000")


def _stall_us(text: str, kind: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(kind))
    return int(line.rsplit("total=", 1)[1])


@pytest.mark.hierarchy("v2")
def test_cpu_pressure(groups: Groups, targets: Targets) -> None:
    """Under a tenth of a CPU a busy group stalls; the report's total lies between the kernel's before and after."""
    group = groups.make("busy")
    group.limit_cpu(2_000, 20_000)
    pid = targets.busy(group)
    bench.wait_until(lambda: _stall_us(group.read("cpu", "cpu.pressure"), "some") > 100_000, "a tenth of a second lost")
    before = _stall_us(group.read("cpu", "cpu.pressure"), "some")
    pressure = bench.inspect(pid)["usage"]["cpu"]["pressure"]
    after = _stall_us(group.read("cpu", "cpu.pressure"), "some")
    assert before / 1e6 <= pressure["some"]["total_seconds"] <= after / 1e6
    assert pressure["scope"] == "cgroup"


@pytest.mark.hierarchy("v2")
def test_memory_pressure(groups: Groups, targets: Targets) -> None:
    """A group that is calm has pressure of its own, and it is the kernel's number."""
    group = groups.make("calm")
    pressure = bench.inspect(targets.start(group))["usage"]["memory"]["pressure"]
    assert pressure["scope"] == "cgroup"
    assert pressure["some"]["total_seconds"] * 1e6 <= _stall_us(group.read("memory", "memory.pressure"), "some")


@pytest.mark.hierarchy("v1")
def test_pressure_of_the_machine(groups: Groups, targets: Targets) -> None:
    """v1 groups have no pressure of their own: what is reported is the machine's, and says so."""
    before = _stall_us(Path("/proc/pressure/cpu").read_text(), "some")
    usage = bench.inspect(targets.start(groups.make("app")))["usage"]
    after = _stall_us(Path("/proc/pressure/cpu").read_text(), "some")
    assert usage["cpu"]["pressure"]["scope"] == "machine"
    assert before / 1e6 <= usage["cpu"]["pressure"]["some"]["total_seconds"] <= after / 1e6
    assert usage["memory"]["pressure"]["scope"] == "machine"


@pytest.mark.hierarchy("hybrid")
def test_pressure_on_a_hybrid_machine(groups: Groups, targets: Targets) -> None:
    """The cgroup2 hierarchy counts pressure for its groups even where it holds no controller."""
    aside = places.CGROUP / "unified" / f"{groups.name}-aside"
    aside.mkdir()
    pid = targets.start_in([*groups.make("app").directories(), aside])
    try:
        pressure = bench.inspect(pid)["usage"]["cpu"]["pressure"]
        assert pressure["scope"] == "cgroup"
        assert pressure["some"]["total_seconds"] * 1e6 <= _stall_us((aside / "cpu.pressure").read_text(), "some")
    finally:
        targets.stop(pid)
        aside.rmdir()


@pytest.mark.v1_memory
@pytest.mark.hierarchy("v1", "hybrid")
def test_the_hierarchical_limit_betrays_a_hidden_ancestor(groups: Groups, targets: Targets) -> None:
    """A v1 container that sees only its own group learns from memory.stat that somebody above has less, and the report says so."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_memory(40 * MIB)
    leaf.limit_memory(64 * MIB)
    place = place_of(leaf, "memory")

    def hide_ancestors() -> None:
        places.unshare(places.CLONE_NEWNS)
        places.replace_mount(place)

    memory = bench.elsewhere(lambda: subjects.enter(*leaf.directories()), hide_ancestors, look=lambda: _memory(bench.inspect(os.getpid())))
    assert memory["limit_bytes"] == 40 * MIB
    assert memory["bound_by"] is None
