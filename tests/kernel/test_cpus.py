"""Which CPUs a process may use: cpusets over chains, affinity, CPUs taken offline; the scheduler's own answer is the judge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import bench
from tests.kernel.subjects import Targets
from tests.live.cgroups import Groups
from tests.support import goprograms
from tests.support.goprograms import Probe

pytestmark = pytest.mark.kernel

V2 = pytest.mark.hierarchy("v2")
V2_V1 = pytest.mark.hierarchy("v2", "v1")  # on a hybrid machine the files are v1's, and so are the parsers


def _assert_usable(pid: int, count: int, leaf_cpus: str | None = None) -> None:
    cpu = bench.inspect(pid)["enforced"]["cpu"]
    assert cpu["usable_cpus"] == count
    assert count == len(os.sched_getaffinity(pid)), "the scenario itself went wrong: the scheduler says otherwise"
    if leaf_cpus is not None:
        assert cpu["chain"][0]["cpus"] == leaf_cpus


@pytest.mark.parametrize(
    ("cpus", "count"),
    [
        pytest.param("0", 1, marks=V2_V1),
        pytest.param("7", 1, marks=V2_V1),
        pytest.param("0-3", 4, marks=V2_V1),
        pytest.param("0,2,4,6", 4, marks=V2_V1),
        ("1-2,5-7", 5),
        pytest.param("0-7", 8, marks=V2_V1),
    ],
)
def test_a_cpuset(groups: Groups, targets: Targets, cpus: str, count: int) -> None:
    """The CPUs of the group's cpuset are usable, no others, and the chain spells them as the kernel does."""
    group = groups.make("app")
    group.limit_cpus(cpus)
    _assert_usable(targets.start(group), count, cpus)


@pytest.mark.parametrize(("affinity", "count"), [pytest.param({3}, 1, marks=V2), ({1, 7}, 2), pytest.param(set(range(6)), 6, marks=V2)])
def test_affinity(groups: Groups, targets: Targets, affinity: set[int], count: int) -> None:
    """Affinity bounds what a group leaves open, and is no quota."""
    pid = targets.start(groups.make("app"), lambda: os.sched_setaffinity(0, affinity))
    _assert_usable(pid, count)
    assert bench.inspect(pid)["enforced"]["cpu"]["limit_cores"] is None


def test_affinity_within_a_cpuset(groups: Groups, targets: Targets) -> None:
    """Cpuset and affinity together leave their common CPUs."""
    group = groups.make("app")
    group.limit_cpus("2-5")
    _assert_usable(targets.start(group, lambda: os.sched_setaffinity(0, {0, 4, 5, 6})), 2, "2-5")


def test_a_cpuset_that_shrinks_under_a_running_process(groups: Groups, targets: Targets) -> None:
    """Each look counts the CPUs of its own moment."""
    group = groups.make("app")
    group.limit_cpus("0-5")
    pid = targets.start(group)
    for cpus, count in (("0-5", 6), ("1-2", 2), ("6", 1), ("0-7", 8)):
        group.limit_cpus(cpus)
        _assert_usable(pid, count, cpus)


def test_a_chain_of_cpusets(groups: Groups, targets: Targets) -> None:
    """Three levels, each within the one above: the leaf's CPUs are usable and every level shows its own."""
    chain = [groups.make(*("top", "middle", "leaf")[:depth]) for depth in (1, 2, 3)]
    for group, cpus in zip(reversed(chain), ("2-3", "1-4", "0-5"), strict=True):  # v1 refuses a parent less than its children have
        group.limit_cpus(cpus)
    pid = targets.start(chain[-1])
    _assert_usable(pid, 2, "2-3")


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize(
    ("parent", "leaf", "usable"),
    [
        pytest.param("0-3", "", "0-3", id="an ancestor's holds below"),
        pytest.param("0-3", "2-5", "2-3", id="the common part"),
        pytest.param("0-3", "6-7", "0-3", id="nothing in common: the parent's"),
        pytest.param("4", "0-7", "4", id="asked for more"),
    ],
)
def test_effective_cpusets(groups: Groups, targets: Targets, parent: str, leaf: str, usable: str) -> None:
    """On v2 a group may ask for CPUs it does not get: what counts is what is effective."""
    above, below = groups.make("parent"), groups.make("parent", "leaf")
    above.limit_cpus(parent)
    if leaf:
        below.limit_cpus(leaf)
    pid = targets.start(below)
    assert below.read("cpuset", "cpuset.cpus.effective").strip() == usable
    _assert_usable(pid, len(os.sched_getaffinity(pid)), usable)


def test_a_quota_and_a_cpuset_are_two_numbers(groups: Groups, targets: Targets) -> None:
    """2.5 CPUs of time on 3 CPUs: neither number replaces the other."""
    group = groups.make("app")
    group.limit_cpus("0-2")
    group.limit_cpu(250_000)
    cpu = bench.inspect(targets.start(group))["enforced"]["cpu"]
    assert (cpu["limit_cores"], cpu["usable_cpus"], cpu["chain"][0]["cpus"]) == (2.5, 3, "0-2")


@pytest.fixture
def one_cpu_offline() -> Iterator[int]:
    """CPU 5 is taken offline for the test."""
    switch = Path("/sys/devices/system/cpu/cpu5/online")
    with bench.written(switch, "0"):
        yield 5


@pytest.mark.hierarchy("v2")
def test_an_offline_cpu(groups: Groups, targets: Targets, one_cpu_offline: int) -> None:
    """A CPU that is offline counts neither for the machine nor for a process, even where the cpuset still asks for it."""
    group = groups.make("app")
    group.limit_cpus("4-7")
    pid = targets.start(group)
    _assert_usable(pid, 3)
    assert bench.report(pid)["machine"]["online_cpus"] == 7


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize(("version", "mode"), [("1.24.11", "plain"), ("1.27.3", "pie-sw")])
def test_go_beside_an_offline_cpu(one_cpu_offline: int, version: str, mode: str) -> None:
    """The mask of an unbound program names the CPU that is offline too; Go does not count it, and nothing has changed since the start."""
    with Probe(goprograms.build(version, mode)) as probe:
        entry = bench.inspect(probe.pid)
        procs = entry["settings"]["GOMAXPROCS"]
        assert (procs["derived"], procs["observed"]) == (7, 7) == (probe.values["gomaxprocs"], probe.values["num_cpu"])
        assert entry["enforced"]["cpu"]["affinity"] == "0-7", "the scenario itself went wrong: its mask leaves the CPU out"
        assert "affinity-changed" not in {finding["rule"] for finding in entry["findings"]}


def test_the_machine(mode: str, targets: Targets) -> None:
    """Online CPUs, memory, page size, kernel and hierarchy are those of the bench."""
    machine = bench.report(targets.start(None))["machine"]
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert machine["online_cpus"] == int(os.environ["CGTUNE_BENCH_CPUS"]) == os.sysconf("SC_NPROCESSORS_ONLN")
    assert machine["memory_bytes"] == int(meminfo["MemTotal"].split()[0]) * 1024
    assert machine["page_bytes"] == os.sysconf("SC_PAGE_SIZE")
    assert machine["kernel"] == os.uname().release
    assert machine["cgroup_mode"] == mode
