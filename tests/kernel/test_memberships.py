"""Which groups a process is in: threads, several hierarchies, several processes, none at all."""

from __future__ import annotations

import os

import pytest

from tests.kernel import bench, places, subjects
from tests.kernel.bench import assert_cpu_as_told, place_of
from tests.kernel.subjects import Targets
from tests.live.cgroups import Groups

pytestmark = pytest.mark.kernel


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize("where", ["main thread", "second thread"])
def test_a_threaded_group(groups: Groups, targets: Targets, where: str) -> None:
    """In a threaded subtree CPU limits hold for threads, memory for the process: the report follows the process's main thread."""
    domain = groups.make("domain")
    domain.limit_cpu(300_000)
    domain.limit_memory(64 * subjects.MIB)
    pid = targets.start(domain, subjects.start_thread)
    threaded = place_of(domain, "cpu") / "threaded"
    threaded.mkdir()
    try:
        (threaded / "cgroup.type").write_text("threaded")
        domain.write("cpu", "cgroup.subtree_control", "+cpu")
        (threaded / "cpu.max").write_text("50000 100000")
        tid = max(int(name) for name in os.listdir(f"/proc/{pid}/task"))
        (threaded / "cgroup.threads").write_text(str(pid if where == "main thread" else tid))
        entry = bench.inspect(pid)
    finally:
        targets.stop(pid)
        bench.wait_until(lambda: not (threaded / "cgroup.threads").read_text(), "the threaded group is empty")
        threaded.rmdir()
    cpu, memory = entry["enforced"]["cpu"], entry["enforced"]["memory"]
    assert (cpu["limit_cores"], cpu["bound_by"]) == ((0.5, f"{domain.path}/threaded") if where == "main thread" else (3.0, domain.path))
    assert (memory["limit_bytes"], memory["bound_by"]) == (64 * subjects.MIB, domain.path)


def test_the_root_group(mode: str, targets: Targets) -> None:
    """A process in the root group of the machine is limited by nothing."""
    entry = bench.inspect(targets.start(None))
    assert entry["enforced"]["cpu"]["limit_cores"] is None
    assert entry["enforced"]["cpu"]["bound_by"] is None
    assert entry["enforced"]["memory"]["limit_bytes"] is None
    assert entry["enforced"]["cpu"]["usable_cpus"] == len(os.sched_getaffinity(0))


def test_several_processes_in_one_report(groups: Groups, targets: Targets) -> None:
    """Each of several processes has its own entry, with the limits of its own group."""
    pids = {}
    for number in range(1, 5):
        group = groups.make(f"app-{number}")
        group.limit_cpu(100_000 * number)
        pids[targets.start(group)] = float(number)
    entries = bench.report(*pids)["processes"]
    assert {entry["pid"]: entry["enforced"]["cpu"]["limit_cores"] for entry in entries} == pids


@pytest.mark.hierarchy("hybrid")
def test_hybrid_memberships_that_differ(groups: Groups, targets: Targets) -> None:
    """On a hybrid machine the hierarchy that holds the controller counts, not the cgroup2 membership beside it."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    aside = places.CGROUP / "unified" / f"{groups.name}-aside"
    aside.mkdir()
    pid = targets.start_in([*group.directories(), aside])
    try:
        entry = bench.inspect(pid)
        assert_cpu_as_told(entry, place_of(group, "cpu"))
        assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (1.5, group.path)
    finally:
        targets.stop(pid)
        aside.rmdir()


@pytest.mark.hierarchy("v1", "hybrid")
def test_v1_controllers_in_different_groups(groups: Groups, targets: Targets) -> None:
    """On v1 a process may be in another group for each controller; each chain follows its own."""
    cpu, memory = groups.make("for-cpu"), groups.make("for-memory")
    cpu.limit_cpu(120_000)
    memory.limit_memory(48 * subjects.MIB)
    memory.limit_cpu(500_000)
    entry = bench.inspect(targets.start_in([place_of(cpu, "cpu"), place_of(memory, "memory")]))["enforced"]
    assert (entry["cpu"]["limit_cores"], entry["cpu"]["bound_by"]) == (1.2, cpu.path)
    assert (entry["memory"]["limit_bytes"], entry["memory"]["bound_by"]) == (48 * subjects.MIB, memory.path)
