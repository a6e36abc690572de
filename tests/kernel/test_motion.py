"""What changes while one looks: quotas rewritten, processes moved, groups removed, controllers taken away, processes that end."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from cgtune.errors import CgtuneError, NoSuchProcess
from tests.kernel import bench, races, subjects
from tests.kernel.bench import assert_cpu_as_told, place_of
from tests.kernel.subjects import Targets
from tests.live.cgroups import Group, Groups

pytestmark = pytest.mark.kernel


def test_a_quota_that_changes_under_a_running_process(groups: Groups, targets: Targets) -> None:
    """Each look reports the quota of its own moment: less, more, another period, none, and again some."""
    group = groups.make("app")
    pid = targets.start(group)
    for quota_us, period_us in (
        (50_000, 100_000),
        (20_000, 100_000),
        (340_000, 100_000),
        (340_000, 200_000),
        (None, 100_000),
        (90_000, 100_000),
    ):
        group.limit_cpu(quota_us, period_us)
        entry = bench.inspect(pid)
        assert_cpu_as_told(entry, place_of(group, "cpu"))
        assert entry["enforced"]["cpu"]["limit_cores"] == (None if quota_us is None else quota_us / period_us)


def test_an_ancestors_quota_that_changes(groups: Groups, targets: Targets) -> None:
    """The binding group moves up and down the chain with what is written there."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    pid = targets.start(leaf)
    for above, own, binding in ((300_000, 200_000, leaf), (300_000, None, parent), (None, 200_000, leaf), (None, None, None)):
        for group in (leaf, parent):
            group.limit_cpu(None)
        parent.limit_cpu(above)
        leaf.limit_cpu(own)
        assert bench.inspect(pid)["enforced"]["cpu"]["bound_by"] == (binding and binding.path)


def test_migration_between_two_looks(groups: Groups, targets: Targets) -> None:
    """A process that moved is reported where it is now."""
    first, second = groups.make("first"), groups.make("second")
    first.limit_cpu(100_000)
    second.limit_cpu(300_000)
    pid = targets.start(first)
    assert bench.inspect(pid)["enforced"]["cpu"]["bound_by"] == first.path
    _move(pid, second)
    entry = bench.inspect(pid)
    assert_cpu_as_told(entry, place_of(second, "cpu"))
    assert entry["enforced"]["cpu"]["limit_cores"] == 3.0


def _move(pid: int, group: Group) -> None:
    for place in group.directories():
        (place / "cgroup.procs").write_text(str(pid))


def _moments(mode: str, pid: int) -> range:
    """Some eight moments of a look, from its beginning to its end; each hierarchy has others."""
    bench.inspect(pid)  # the first look at a program's file needs more calls than all others
    count = races.count_moments(lambda: bench.inspect(pid))
    return range(("v2", "v1", "hybrid").index(mode) * 6, count, 18)


def _leaves(groups: Groups) -> list[Group]:
    """Two groups at a depth of two that differ in everything, by a factor of two."""
    leaves = []
    for factor, name in ((1, "first"), (2, "second")):
        leaf = groups.make(name, "leaf")
        groups.make(name).limit_cpu(200_000 * factor)
        leaf.limit_cpu(100_000 * factor)
        leaf.limit_memory(64 * subjects.MIB * factor)
        leaf.limit_cpus(f"2-{factor + 1}")
        leaves.append(leaf)
    return leaves


def _assert_whole(entry: dict[str, Any], leaves: list[Group]) -> Group:
    """The one leaf that all of the CPU's part of a report speaks of."""
    cpu = entry["enforced"]["cpu"]
    leaf = next(leaf for leaf in leaves if leaf.path == cpu["bound_by"])
    factor = leaves.index(leaf) + 1
    assert cpu["limit_cores"] == factor
    assert [(row["path"], row["limit_cores"]) for row in cpu["chain"][:2]] == [
        (leaf.path, factor),
        (leaf.path[: -len("/leaf")], factor * 2),
    ]
    return leaf


def test_migration_at_any_moment_of_a_look(mode: str, groups: Groups, targets: Targets) -> None:
    """Whenever in a look a process is moved, the report speaks of one group in all its parts, and of no mixture."""
    leaves = _leaves(groups)
    pid = targets.start(leaves[1])
    moments = _moments(mode, pid)
    for moment, target in zip(moments, itertools.cycle(leaves), strict=False):
        entry = races.changed_at(moment, partial(_move, pid, target), lambda: bench.inspect(pid))
        leaf = _assert_whole(entry, leaves)
        assert leaf is target or moment > moments[-1] // 2, f"an early move, before call {moment}, was overlooked"
        assert (entry["enforced"]["memory"]["bound_by"], entry["enforced"]["memory"]["limit_bytes"]) == (
            leaf.path,
            64 * subjects.MIB * (leaves.index(leaf) + 1),
        )
        assert not [note for note in entry["notes"] if "moved" in note["why"]]
    assert _assert_whole(bench.inspect(pid), leaves) is target


def test_migration_while_being_read(groups: Groups, targets: Targets) -> None:
    """Of a process that is moved to and fro without rest, every report speaks of one group or the other, never of a mixture."""
    leaves = _leaves(groups)
    pid = targets.start(leaves[0])
    seen: set[str] = set()
    disturbed = 0
    with races.Restless(lambda: _move_to_and_fro(pid, leaves)) as mover:
        while len(seen) < 2 or disturbed < 5:
            mover.goes_on(f"{seen}, {disturbed} looks with moves in them")
            before = mover.rounds
            seen.add(_assert_whole(bench.inspect(pid), leaves).path)
            disturbed += mover.rounds > before
    assert seen == {leaf.path for leaf in leaves}


def _move_to_and_fro(pid: int, groups: list[Group]) -> None:
    for group in reversed(groups):
        _move(pid, group)
        time.sleep(0.004)


class Fleeting:
    """A group that comes and goes under a process, in a home of two CPUs and beside the group where the process is otherwise."""

    def __init__(self, groups: Groups, targets: Targets) -> None:
        groups.make("home", "beside")  # makes home lend its controllers
        self.home, self.outside = groups.make("home"), groups.make("outside")
        self.home.limit_cpu(200_000)
        self.pid = targets.start(self.outside)
        self._places = [place / "fleeting" for place in self.home.directories()]

    def make(self) -> None:
        """The group is there, without a quota, and the process is in it."""
        for place in self._places:
            place.mkdir()
            subjects.fill_cpuset(place)
        for place in self._places:
            (place / "cgroup.procs").write_text(str(self.pid))

    def limit(self) -> None:
        """The group has half a CPU."""
        made = place_of(self.home, "cpu") / "fleeting"
        if self.home.version("cpu") == 2:
            (made / "cpu.max").write_text("50000 100000")
        else:
            (made / "cpu.cfs_quota_us").write_text("50000")

    def remove(self) -> None:
        """The process is outside, and the group is gone."""
        _move(self.pid, self.outside)
        for place in self._places:
            if place.exists():
                place.rmdir()

    def make_and_remove(self) -> None:
        self.make()
        self.limit()
        time.sleep(0.01)
        self.remove()


@pytest.fixture
def fleeting(groups: Groups, targets: Targets) -> Iterator[Fleeting]:
    """Gone when the test ends, wherever it ends."""
    own = Fleeting(groups, targets)
    yield own
    own.remove()


def _cores(entry: dict[str, Any]) -> float | None:
    cores: float | None = entry["enforced"]["cpu"]["limit_cores"]
    return cores


def test_removal_at_any_moment_of_a_look(mode: str, fleeting: Fleeting) -> None:
    """Whenever in a look the group goes away, the report is of where the process was before or of where it is then."""
    pid = fleeting.pid
    assert _cores(bench.inspect(pid)) is None
    fleeting.make()
    assert _cores(bench.inspect(pid)) == 2.0
    fleeting.limit()
    assert _cores(bench.inspect(pid)) == 0.5
    moments = _moments(mode, pid)
    fleeting.remove()
    for moment in moments:
        fleeting.make()
        fleeting.limit()
        cores = _cores(races.changed_at(moment, fleeting.remove, lambda: bench.inspect(pid)))
        assert cores in ((None,) if moment <= moments[-1] // 2 else (None, 0.5)), moment


def test_removal_while_being_read(fleeting: Fleeting) -> None:
    """A group that comes and goes under a process: every look is a report of what was there, or one clear error; never anything else."""
    outcomes: set[float | str | None] = set()
    disturbed = 0
    with races.Restless(fleeting.make_and_remove) as maker:
        while None not in outcomes or not outcomes & {0.5, 2.0} or disturbed < 5:
            maker.goes_on(f"{outcomes}, {disturbed} looks with a removal in them")
            before = maker.rounds
            entry = bench.attempt(fleeting.pid)
            outcomes.add("error" if isinstance(entry, CgtuneError) else _cores(entry))
            disturbed += maker.rounds > before
    # 0.5: in the fleeting group with its quota; 2.0: there before the quota was written; None: outside.
    assert outcomes <= {0.5, 2.0, None, "error"}


def _end(pid: int) -> None:
    """The process has ended, and its parent has not asked yet."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "a zombie"])
def test_a_process_that_ends_at_any_moment_of_a_look(mode: str, groups: Groups, targets: Targets, reaped: bool) -> None:
    """Of a process that ends while it is read there is a report without other limits than its own, or the line that it is no more."""
    group = groups.make("app")
    group.limit_cpu(100_000)
    outcomes = []
    moments = _moments(mode, targets.start(group))
    for moment in moments:
        pid = targets.start(group)
        entry = races.changed_at(moment, partial(targets.stop if reaped else _end, pid), partial(bench.attempt, pid))
        if isinstance(entry, CgtuneError):
            assert isinstance(entry, NoSuchProcess)
            assert str(pid) in str(entry)
        else:
            assert _cores(entry) == 1.0 or (not reaped and _cores(entry) is None)  # v1 moves what has ended to the root group
        outcomes.append(entry)
    assert isinstance(outcomes[0], CgtuneError) or not reaped, "it had ended before the look began"


@pytest.mark.hierarchy("v2")
def test_a_controller_taken_away(groups: Groups, targets: Targets) -> None:
    """Where the parent lends the cpu controller no longer, the leaf has no quota of its own, and the parent's holds."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_cpu(400_000)
    leaf.limit_cpu(100_000)
    pid = targets.start(leaf)
    assert bench.inspect(pid)["enforced"]["cpu"]["limit_cores"] == 1.0
    parent.write("cpu", "cgroup.subtree_control", "-cpu")
    entry = bench.inspect(pid)
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (4.0, parent.path)
