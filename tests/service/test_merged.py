"""Series of containers and workloads: what is added, what is the highest, and counters that no end of a process turns back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cgtune.limits import enforce
from cgtune.model import Container, Finding, ProcessReport, Used
from cgtune.service.merged import Merger
from tests.rules.reports import MIB, go_facts, memory_level, report

if TYPE_CHECKING:
    from cgtune.model import LabelSet

POD = Container(id="c" * 64, pod_uid="6ab9f1eb", runtime="containerd", name="app", pod_name="web-5d4f8c7b9d-x2vlq", pod_namespace="shop")


def replica(
    pid: int, *, cgroup: str = "", seconds: float = 1.0, throttled: int = 0, procs: int = 8, age: int | None = None
) -> ProcessReport:
    """A process of workload web in a pod of its own, or in the cgroup that is named."""
    path = cgroup or f"/pod{pid}/app"
    process = report(go_facts(procs=procs), cores=1.0, memory=(memory_level(path, 64 * MIB),), throttled=(throttled, 1000 + throttled))
    snapshot = process.snapshot
    chain = tuple(level.replace(directory=f"/sys/fs/cgroup{path}") for level in snapshot.cpu_chain[:1])
    snapshot = snapshot.replace(
        process=snapshot.process.replace(pid=pid, start_ticks=pid, age_seconds=age),
        used=Used(cpu_seconds=seconds, major_faults=0, threads=5),
        container=POD.replace(id=f"{pid:064}", pod_name=f"web-5d4f8c7b9d-{pid:05}".translate(str.maketrans("013", "bcd"))),
        cpu_chain=chain,
    )
    return process.replace(snapshot=snapshot, limits=enforce(snapshot))


def series(merger: Merger, *processes: ProcessReport) -> dict[str, float]:
    """Name to value: there is one series of each name, or a test is wrong."""
    found = [(name, value) for name, _, value, labels in merger.look(processes) if not {"part", "share"} & set(labels)]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_sizes_are_added_and_a_cgroup_counts_once() -> None:
    """Two processes in one cgroup have one limit and one memory, a third in a cgroup of its own brings its own."""
    told = series(Merger("workload", 0.0), replica(1, cgroup="/a"), replica(2, cgroup="/a"), replica(4, procs=2))
    assert told["cgtune_memory_limit_bytes"] == 128 * MIB
    assert told["cgtune_memory_current_bytes"] == 40 * MIB
    assert told["cgtune_cpu_limit_cores"] == 2.0
    assert told["cgtune_gomaxprocs_observed"] == 18  # of processes, not of cgroups
    assert told["cgtune_cpu_usable_cpus"] == 8  # no sum
    assert told["cgtune_gogc_observed_percent"] == 100


def test_a_sum_with_an_unknown_part_is_not_told() -> None:
    """One replica whose GOMAXPROCS is not known: half a sum would be a lie; what cannot be added is the highest of those that are known."""
    unknown = replica(2).replace(snapshot=replica(2).snapshot.replace(go=(go_facts(procs=None, gogc=None),)))
    told = series(Merger("workload", 0.0), replica(1), unknown)
    assert "cgtune_gomaxprocs_observed" not in told
    assert told["cgtune_gogc_observed_percent"] == 100


def test_counters_only_grow() -> None:
    """From 0 on, by what each grew: an end takes nothing away, what comes brings nothing with it, a cgroup made anew begins anew."""
    merger = Merger("workload", 0.0)
    looks = [
        ((replica(1, seconds=100, throttled=50), replica(2, seconds=200, throttled=60)), 0, 0),
        ((replica(1, seconds=101, throttled=52), replica(2, seconds=202, throttled=63)), 3, 5),
        ((replica(1, seconds=103, throttled=52),), 5, 5),  # the second one has ended
        ((replica(1, seconds=104, throttled=52), replica(4, seconds=500, throttled=70)), 6, 5),  # another came
        ((replica(1, seconds=104, throttled=2), replica(4, seconds=501, throttled=70)), 7, 7),  # its cgroup was made anew
    ]
    for number, (processes, seconds, throttled) in enumerate(looks):
        told = series(merger, *processes)
        assert (told["cgtune_cpu_seconds_total"], told["cgtune_cpu_throttled_periods_total"]) == (seconds, throttled), number
    assert merger.look(()) == ()
    assert series(merger, replica(1, seconds=9000))["cgtune_cpu_seconds_total"] == 0  # nothing is kept of what is gone


@pytest.mark.parametrize(("label_set", "count"), [("container", 3), ("workload", 1)])
def test_what_has_series_of_its_own(label_set: LabelSet, count: int) -> None:
    """Three pods of one workload: three containers, one workload, and no pid, nor the id of a cgroup, in either."""
    told = Merger(label_set, 0.0).look([replica(pid) for pid in (2, 4, 5)])
    mine = [labels for name, _, _, labels in told if name == "cgtune_cpu_limit_cores"]
    assert len(mine) == count
    assert {(labels["namespace"], labels["workload"], labels["container"]) for labels in mine} == {("shop", "web", "app")}
    assert not any("pid" in labels for *_, labels in told)
    infos = [labels for name, _, _, labels in told if name == "cgtune_go_info"]
    assert len(infos) == count
    assert all(("id" in labels) == (label_set == "container") for labels in infos)


def test_the_young_are_left_out_and_harm_is_one_series() -> None:
    """A process below the least age is in no sum; one finding of two replicas is 1, not 2."""
    finding = Finding(rule="cpu-throttled", severity="warning", summary="", evidence=(), advice=(), harm="now")
    old = [replica(pid, age=60).replace(findings=(finding,)) for pid in (2, 4)]
    told = series(Merger("workload", 15.0), *old, replica(5, age=14))
    assert told["cgtune_cpu_limit_cores"] == 2.0
    assert told["cgtune_harm"] == told["cgtune_finding"] == 1
