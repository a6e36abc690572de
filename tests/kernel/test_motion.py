"""What changes while one looks: quotas rewritten, processes moved, groups removed, controllers taken away, processes that end."""

from __future__ import annotations

import os
import time

import pytest

from cgtune.errors import CgtuneError, NoSuchProcess
from tests.kernel import bench, subjects
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


def test_migration_while_being_read(groups: Groups, targets: Targets) -> None:
    """Of a process that is moved to and fro, every report speaks of one group or the other, never of a mixture."""
    chains = {}
    for number, name in enumerate(("first", "second"), start=1):
        parent, leaf = groups.make(name), groups.make(name, "leaf")
        parent.limit_cpu(200_000 * number)
        leaf.limit_cpu(100_000 * number)
        chains[leaf.path] = (number * 1.0, [leaf.path, parent.path])
    pid = targets.start(groups.make("first", "leaf"))
    mover = targets.start(None, lambda: _move_forever(pid, [groups.make("first", "leaf"), groups.make("second", "leaf")]))
    seen: set[str] = set()
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and not (len(seen) == 2 and time.monotonic() > deadline - 5):
        cpu = bench.inspect(pid)["enforced"]["cpu"]
        limit, paths = chains[cpu["bound_by"]]
        assert cpu["limit_cores"] == limit
        assert [row["path"] for row in cpu["chain"][:2]] == paths
        seen.add(cpu["bound_by"])
    targets.stop(mover)
    assert seen == set(chains)


def _move_forever(pid: int, groups: list[Group]) -> None:
    if os.fork() == 0:
        subjects.die_with_parent()
        while True:
            for group in groups:
                _move(pid, group)
                time.sleep(0.004)


def test_removal_while_being_read(groups: Groups, targets: Targets) -> None:
    """A group that comes and goes under a process: every look is a report of what was there, or one clear error; never anything else."""
    groups.make("home", "beside")  # makes home lend its controllers
    home = groups.make("home")
    home.limit_cpu(200_000)
    places = [place / "fleeting" for place in home.directories()]
    pid = targets.start(groups.make("outside"))
    maker = targets.start(None, lambda: _make_and_remove_forever(pid, groups.make("outside"), home))
    outcomes: set[float | str | None] = set()
    deadline = time.monotonic() + 8
    try:
        while time.monotonic() < deadline:
            entry = bench.attempt(pid)
            outcomes.add("error" if isinstance(entry, CgtuneError) else entry["enforced"]["cpu"]["limit_cores"])
    finally:
        targets.stop(maker)
        time.sleep(0.2)
        _move(pid, groups.make("outside"))
        for place in places:
            if place.exists():
                place.rmdir()
    # 0.5: in the fleeting group with its quota; 2.0: there before the quota was written; None: outside.
    assert outcomes <= {0.5, 2.0, None, "error"}
    assert outcomes & {0.5, 2.0}
    assert None in outcomes


def _make_and_remove_forever(pid: int, outside: Group, home: Group) -> None:
    if os.fork() == 0:
        subjects.die_with_parent()
        while True:
            fleeting = [place / "fleeting" for place in home.directories()]
            for place in fleeting:
                place.mkdir()
                subjects.fill_cpuset(place)
            made = place_of(home, "cpu") / "fleeting"
            for place in fleeting:
                (place / "cgroup.procs").write_text(str(pid))
            if home.version("cpu") == 2:
                (made / "cpu.max").write_text("50000 100000")
            else:
                (made / "cpu.cfs_quota_us").write_text("50000")
            time.sleep(0.01)
            _move(pid, outside)
            for place in fleeting:
                place.rmdir()


def test_a_process_that_ends_while_being_read(groups: Groups, targets: Targets) -> None:
    """Of processes that end any moment, each is reported, or said to be no more."""
    group = groups.make("app")
    group.limit_cpu(100_000)
    reported = gone = 0
    for number in range(30):
        pid = os.fork()
        if pid == 0:
            subjects.enter(*group.directories())
            time.sleep(number * 0.002)
            os._exit(0)
        subjects.reap_in_background(pid)
        entry = bench.attempt(pid)
        if isinstance(entry, CgtuneError):
            assert isinstance(entry, NoSuchProcess)
            assert str(pid) in str(entry)
            gone += 1
        else:
            assert entry["enforced"]["cpu"]["limit_cores"] in (1.0, None)  # None: looked at before it entered, or when it had ended
            reported += 1
    assert reported + gone == 30


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
