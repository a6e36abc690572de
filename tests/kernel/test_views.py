"""The same cgroups seen from elsewhere: cgroup namespaces, subtree mounts as container engines make them, odd or missing mounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cgtune.errors import CgtuneError
from tests.kernel import bench, places, subjects
from tests.kernel.bench import assert_cpu_as_told, place_of
from tests.kernel.places import CGROUP, CLONE_NEWCGROUP, CLONE_NEWNS
from tests.kernel.subjects import Targets
from tests.live.cgroups import Group, Groups

pytestmark = pytest.mark.kernel


def _pair(groups: Groups, parent_us: int | None = 300_000, leaf_us: int | None = 100_000) -> tuple[Group, Group]:
    parent, leaf = groups.make("pod"), groups.make("pod", "app")
    parent.limit_cpu(parent_us)
    leaf.limit_cpu(leaf_us)
    return parent, leaf


def _into(group: Group) -> None:
    subjects.enter(*group.directories())


def _fresh_namespace() -> None:
    places.unshare(CLONE_NEWCGROUP | CLONE_NEWNS)
    places.mount_cgroups_afresh()


def _stale_namespace() -> None:
    places.unshare(CLONE_NEWCGROUP | CLONE_NEWNS)


def _own_cpu() -> dict[str, Any]:
    cpu: dict[str, Any] = bench.inspect(os.getpid())["enforced"]["cpu"]
    return cpu


def test_a_fresh_namespace_from_inside(groups: Groups) -> None:
    """In its own cgroup namespace with its own mount a process sees its own group as the root, its limit, and nothing above."""
    _, leaf = _pair(groups)
    cpu = bench.elsewhere(lambda: _into(leaf), _fresh_namespace, look=_own_cpu)
    assert [(row["path"], row["quota_us"]) for row in cpu["chain"]] == [("/", 100_000)]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (1.0, "/")


def test_a_fresh_namespace_hides_a_tighter_ancestor(groups: Groups) -> None:
    """What lies above the namespace cannot be seen from inside; from outside it can."""
    _, leaf = _pair(groups, parent_us=100_000, leaf_us=None)
    cpu = bench.elsewhere(lambda: _into(leaf), _fresh_namespace, look=_own_cpu)
    assert cpu["limit_cores"] is None
    assert len(cpu["chain"]) == 1


def test_a_fresh_namespace_from_outside(groups: Groups, targets: Targets) -> None:
    """The host sees the whole chain of a process that sees none of it."""
    _, leaf = _pair(groups, parent_us=100_000, leaf_us=None)
    entry = bench.inspect(targets.start(leaf, _fresh_namespace))
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    assert entry["enforced"]["cpu"]["limit_cores"] == 1.0


@pytest.mark.parametrize("binding", ["own group", "group above"])
def test_a_stale_mount_from_inside(groups: Groups, binding: str) -> None:
    """unshare -C alone: the outer mount stays and shows all, while paths start at the own group. The limit is found all the same."""
    parent, leaf = _pair(groups, *((300_000, 100_000) if binding == "own group" else (100_000, None)))
    cpu = bench.elsewhere(lambda: _into(leaf), _stale_namespace, look=_own_cpu)
    assert cpu["limit_cores"] == 1.0
    assert [row["limit_cores"] for row in cpu["chain"][:2]] == ([1.0, 3.0] if binding == "own group" else [None, 1.0])
    assert cpu["bound_by"] == (leaf if binding == "own group" else parent).path


def test_a_stale_mount_from_outside(groups: Groups, targets: Targets) -> None:
    """The host's view does not depend on what its target unshared."""
    _, leaf = _pair(groups)
    assert_cpu_as_told(bench.inspect(targets.start(leaf, _stale_namespace)), place_of(leaf, "cpu"))


def test_a_sibling_with_mounts_of_its_own_kind(groups: Groups, targets: Targets) -> None:
    """A sidecar in its own namespace inspects a process beside it, whose files it reaches through /proc/PID/root."""
    _, leaf = _pair(groups)
    beside = groups.make("pod", "sidecar")
    pid = targets.start(leaf)
    cpu = bench.elsewhere(lambda: _into(beside), _fresh_namespace, look=lambda: bench.inspect(pid)["enforced"]["cpu"])
    assert cpu["limit_cores"] == 1.0
    assert [row["limit_cores"] for row in cpu["chain"]][:1] == [1.0]


def test_a_sibling_in_a_namespace_of_its_own(groups: Groups, targets: Targets) -> None:
    """Two containers of a pod that share pids, each with its own namespace and mount: the sidecar reports the other's own limit."""
    _, leaf = _pair(groups)
    beside = groups.make("pod", "sidecar")
    beside.limit_cpu(200_000)
    pid = targets.start(leaf, _fresh_namespace)
    cpu = bench.elsewhere(lambda: _into(beside), _fresh_namespace, look=lambda: bench.inspect(pid)["enforced"]["cpu"])
    assert (cpu["limit_cores"], [row["limit_cores"] for row in cpu["chain"]]) == (1.0, [1.0])


def test_a_node_agent(groups: Groups, targets: Targets, tmp_path: Path) -> None:
    """--root /host in a private namespace: the sibling's path starts with /.., and its whole chain is found below the host's mount."""
    _, leaf = _pair(groups)
    agent = groups.make("agent")
    pid = targets.start(leaf, _fresh_namespace)

    def host_below() -> None:
        places.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)
        for name in ("proc", "sys"):
            (tmp_path / name).mkdir()
            places.bind_all(f"/{name}", tmp_path / name)
        places.mount_cgroups_afresh()

    enforced = bench.elsewhere(lambda: _into(agent), host_below, look=lambda: bench.inspect(pid, root=str(tmp_path))["enforced"])
    assert enforced["cpu"]["limit_cores"] == 1.0
    assert [row["limit_cores"] for row in enforced["cpu"]["chain"][:2]] == [1.0, 3.0]


def test_a_sidecar_with_the_hosts_tree_mounted_elsewhere(groups: Groups, tmp_path: Path) -> None:
    """Beside its own mount, which shows its own group alone, the host's: its ancestors are in sight, and bind."""
    parent, leaf = _pair(groups, parent_us=100_000, leaf_us=None)

    def host_beside() -> None:
        places.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)
        places.bind_all(CGROUP, tmp_path)
        places.mount_cgroups_afresh()

    entry = bench.elsewhere(lambda: _into(leaf), host_beside, look=lambda: bench.inspect(os.getpid()))
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (1.0, parent.path)
    assert entry["notes"] == []


@pytest.mark.hierarchy("v2")
def test_a_target_whose_mounts_show_more_than_ours(groups: Groups, targets: Targets) -> None:
    """The reader sees one group alone, the target in it all: what binds is the same as from outside."""
    parent, leaf = _pair(groups, parent_us=100_000, leaf_us=None)
    pid = targets.start(leaf)

    def one_group() -> None:
        places.unshare(CLONE_NEWNS)
        places.replace_mount(place_of(leaf, "cpu"))

    cpu = bench.elsewhere(one_group, look=lambda: bench.inspect(pid)["enforced"]["cpu"])
    assert (cpu["limit_cores"], cpu["bound_by"]) == (1.0, parent.path)


def test_a_job_below_the_namespaces_root(groups: Groups) -> None:
    """As in kind and docker-in-docker: the job is in an unlimited group below the namespace's root, which has the limit."""
    group = groups.make("container")
    group.limit_cpu(200_000)
    tops = [places.top_of(place) for place in group.directories()]

    def move_down() -> None:
        for job in (top / "job" for top in tops):
            job.mkdir()
            subjects.fill_cpuset(job)
            subjects.enter(job)
            if group.version("cpu") == 2:
                (job.parent / "cgroup.subtree_control").write_text("+cpu +memory")

    try:
        cpu = bench.elsewhere(lambda: _into(group), _fresh_namespace, move_down, look=_own_cpu)
    finally:
        for place in group.directories():
            if (place / "job").exists():
                (place / "job").rmdir()
    assert [(row["path"], row["limit_cores"]) for row in cpu["chain"]] == [("/job", None), ("/", 2.0)]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (2.0, "/")


def test_a_namespace_in_a_namespace(groups: Groups, targets: Targets) -> None:
    """From inside the inner one its own group is all there is; from the host nothing is different."""
    _, leaf = _pair(groups)
    cpu = bench.elsewhere(lambda: _into(leaf), _fresh_namespace, _fresh_namespace, look=_own_cpu)
    assert [(row["path"], row["limit_cores"]) for row in cpu["chain"]] == [("/", 1.0)]
    assert_cpu_as_told(bench.inspect(targets.start(leaf, _fresh_namespace, _fresh_namespace)), place_of(leaf, "cpu"))


def _subtree_as_root(leaf: Group, top: Group) -> None:
    """As Docker does without a cgroup namespace: each hierarchy's mount shows one group only, membership paths stay the host's."""
    places.unshare(CLONE_NEWNS)
    _into(leaf)
    for place in top.directories():
        places.replace_mount(place)


def test_a_subtree_mount_from_inside(groups: Groups) -> None:
    """Membership and mount root are the same path: the limit lies at the mount point itself."""
    _, leaf = _pair(groups)
    cpu = bench.elsewhere(lambda: _subtree_as_root(leaf, leaf), look=_own_cpu)
    assert [(row["path"], row["quota_us"]) for row in cpu["chain"]] == [(leaf.path, 100_000)]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (1.0, leaf.path)


def test_a_subtree_mount_from_outside(groups: Groups, targets: Targets) -> None:
    """The host sees above what the container's mount shows."""
    _, leaf = _pair(groups, parent_us=100_000, leaf_us=None)
    entry = bench.inspect(targets.start(None, lambda: _subtree_as_root(leaf, leaf)))
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    assert entry["enforced"]["cpu"]["limit_cores"] == 1.0


def test_a_group_below_a_subtree_mount(groups: Groups) -> None:
    """A job moved into a group of its own below the container's: two levels are seen, and the least of them binds."""
    parent, leaf = _pair(groups, parent_us=200_000, leaf_us=None)
    cpu = bench.elsewhere(lambda: _subtree_as_root(leaf, parent), look=_own_cpu)
    assert [(row["path"], row["limit_cores"]) for row in cpu["chain"]] == [(leaf.path, None), (parent.path, 2.0)]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (2.0, parent.path)


def test_a_subtree_mount_over_the_whole_one(groups: Groups) -> None:
    """Where the group's mount was laid over the old one, at the same place, the upper one counts: it is what a path leads to."""
    _, leaf = _pair(groups)

    def lay_over() -> None:
        places.unshare(CLONE_NEWNS)
        for place in leaf.directories():
            places.bind(place, places.top_of(place))

    cpu = bench.elsewhere(lambda: _into(leaf), lay_over, look=_own_cpu)
    assert [(row["path"], row["quota_us"]) for row in cpu["chain"]] == [(leaf.path, 100_000)]


def test_a_subtree_mount_of_somebody_elses_group(groups: Groups) -> None:
    """Where the mount shows another group than the process's own, its limit is not taken for the process's, and a note says so."""
    _, leaf = _pair(groups)
    other = groups.make("other")
    other.limit_cpu(50_000)
    entry = bench.elsewhere(lambda: _subtree_as_root(leaf, other), look=lambda: bench.inspect(os.getpid()))
    assert entry["enforced"]["cpu"]["limit_cores"] is None
    assert entry["notes"]


@pytest.mark.hierarchy("v2")
def test_a_mount_at_another_place(groups: Groups, tmp_path: Path) -> None:
    """cgroup2 is found where it is mounted, not where it usually is."""
    _, leaf = _pair(groups)

    def elsewhere() -> None:
        places.unshare(CLONE_NEWNS)
        places.mount("cgroup2", tmp_path, "cgroup2")
        places.unmount(CGROUP)

    cpu = bench.elsewhere(lambda: _into(leaf), elsewhere, look=_own_cpu)
    assert [row["limit_cores"] for row in cpu["chain"]][:2] == [1.0, 3.0]


def test_a_second_mount_changes_nothing(groups: Groups, tmp_path: Path) -> None:
    """The same hierarchy mounted twice is one hierarchy."""
    _, leaf = _pair(groups)

    def twice() -> None:
        places.unshare(CLONE_NEWNS)
        places.bind(places.top_of(place_of(leaf, "cpu")), tmp_path)

    def seen() -> list[tuple[object, ...]]:
        cpu = _own_cpu()
        return [(cpu["limit_cores"], cpu["bound_by"]), *((row["path"], row["quota_us"]) for row in cpu["chain"])]

    once = bench.elsewhere(lambda: _into(leaf), look=seen)
    assert once[0] == [1.0, leaf.path]
    assert bench.elsewhere(lambda: _into(leaf), twice, look=seen) == once


@pytest.mark.hierarchy("v2")
def test_a_partial_mount_beside_the_whole_one(groups: Groups, tmp_path: Path) -> None:
    """Of two mounts the one that shows more of the chain counts."""
    _, leaf = _pair(groups, parent_us=100_000, leaf_us=300_000)

    def partial() -> None:
        places.unshare(CLONE_NEWNS)
        places.bind(place_of(leaf, "cpu"), tmp_path)

    assert bench.elsewhere(lambda: _into(leaf), partial, look=_own_cpu)["limit_cores"] == 1.0


def test_nothing_mounted(groups: Groups) -> None:
    """Without any cgroup mount nothing is known of limits: null, and notes say why."""
    _, leaf = _pair(groups)

    def bare() -> None:
        places.unshare(CLONE_NEWNS)
        places.unmount_cgroups()

    seen = bench.elsewhere(lambda: _into(leaf), bare, look=lambda: bench.report(os.getpid()))
    (entry,) = seen["processes"]
    assert seen["machine"]["cgroup_mode"] == "none"
    assert entry["enforced"]["cpu"]["limit_cores"] is None
    assert entry["enforced"]["memory"]["limit_bytes"] is None
    assert entry["notes"]


def test_a_mount_that_is_covered(groups: Groups) -> None:
    """A tmpfs over the cgroup mount hides it, though the mount table still lists it; forged files on top are not believed."""
    _, leaf = _pair(groups)

    def covered() -> None:
        places.unshare(CLONE_NEWNS)
        places.mount("tmpfs", CGROUP, "tmpfs")
        forged = CGROUP / leaf.path.lstrip("/")
        forged.mkdir(parents=True)
        (forged / "cpu.max").write_text("12345 100000\n")

    entry = bench.elsewhere(lambda: _into(leaf), covered, look=lambda: bench.inspect(os.getpid()))
    assert entry["enforced"]["cpu"]["limit_cores"] is None
    assert entry["notes"]


def test_a_target_in_another_root(groups: Groups, targets: Targets, tmp_path: Path) -> None:
    """A process whose root folder is empty is inspected through the inspector's own mounts."""
    _, leaf = _pair(groups)
    entry = bench.inspect(targets.start(leaf, lambda: os.chroot(tmp_path)))
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    assert entry["enforced"]["cpu"]["limit_cores"] == 1.0


def test_a_zombie_whose_group_is_gone(mode: str, groups: Groups) -> None:
    """A process that ended in a group that was removed: one clear error, or a report that claims no limit of somebody else."""
    _, leaf = _pair(groups, parent_us=None)
    pid = os.fork()
    if pid == 0:
        try:
            subjects.enter(*leaf.directories())
        finally:
            os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    for place in leaf.directories():
        place.rmdir()
    try:
        # v1 says that a process that has ended is in the root group.
        in_v2 = leaf.version("memory") == 2  # on a hybrid machine it depends on the kernel
        expected = f"0::{leaf.path} (deleted)" if in_v2 else "0::/" if mode == "hybrid" else ":cpu,cpuacct:/"
        assert any(line.endswith(expected) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
        entry = bench.attempt(pid)
        if isinstance(entry, CgtuneError):
            assert str(pid) in str(entry)
        else:
            assert entry["enforced"]["cpu"]["limit_cores"] is None
    finally:
        os.waitpid(pid, 0)


def test_a_kernel_thread(mode: str) -> None:
    """A process without memory or executable: a report without limits, or one clear error."""
    entry = bench.attempt(2)
    if isinstance(entry, CgtuneError):
        assert "2" in str(entry)
    else:
        assert entry["enforced"]["cpu"]["limit_cores"] is None
        assert entry["executable"] is None
