"""CPU quotas, as a real kernel was told them: at one level, over chains, under any name, and where they bite."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.kernel import bench, subjects
from tests.kernel.bench import assert_cpu_as_told, assert_memory_as_told, place_of
from tests.kernel.subjects import Targets
from tests.live.cgroups import Groups

pytestmark = pytest.mark.kernel

V2 = pytest.mark.hierarchy("v2")
V2_V1 = pytest.mark.hierarchy("v2", "v1")  # on a hybrid machine the files are v1's, and so are the parsers


@pytest.mark.parametrize(
    ("quota_us", "period_us", "cores"),
    [
        pytest.param(50_000, 100_000, 0.5, id="half a CPU"),
        pytest.param(1_000, 100_000, 0.01, id="the least quota there is", marks=V2_V1),
        pytest.param(100_000, 100_000, 1.0, id="one CPU", marks=V2_V1),
        pytest.param(250_000, 100_000, 2.5, id="two and a half", marks=V2_V1),
        pytest.param(800_000, 100_000, 8.0, id="as many as there are", marks=V2_V1),
        pytest.param(1_200_000, 100_000, 12.0, id="more than there are", marks=V2_V1),
        pytest.param(150_000, 1_000_000, 0.15, id="the longest period", marks=V2_V1),
        pytest.param(3_200, 1_000, 3.2, id="the shortest period", marks=V2_V1),
        pytest.param(33_333, 100_000, 0.33333, id="a third", marks=V2_V1),
        pytest.param(None, 50_000, None, id="no limit, an unusual period"),
    ],
)
def test_one_quota(groups: Groups, targets: Targets, quota_us: int | None, period_us: int, cores: float | None) -> None:
    """Quota over period is the limit, and the group that has it binds."""
    group = groups.make("app")
    group.limit_cpu(quota_us, period_us)
    entry = bench.inspect(targets.start(group))
    assert_cpu_as_told(entry, place_of(group, "cpu"))
    cpu = entry["enforced"]["cpu"]
    assert cpu["limit_cores"] == cores
    assert cpu["bound_by"] == (None if cores is None else group.path)
    assert cpu["chain"][0]["version"] == group.version("cpu")


_DOWNWARD = {
    "falling to the leaf": (3.0, 2.0, 1.0),
    "all the same": (2.0, 2.0, 2.0),
    "the leaf alone": (None, None, 0.5),
    "none in the middle": (3.0, None, 1.5),
    "none at the leaf": (3.0, 2.0, None),
    "the top alone": (1.5, None, None),
    "the middle alone": (None, 2.5, None),
    "top and middle the same": (2.0, 2.0, None),
    "none at all": (None, None, None),
}
# cgroup v1 refuses a child more than its parent has; cgroup v2 takes it, and the kernel enforces the least all the same.
_UPWARD = {
    "rising to the leaf": (1.0, 2.0, 3.0),
    "the least in the middle": (3.0, 1.0, 2.0),
    "the least at the top": (1.0, 3.0, 2.0),
    "the most at the top": (3.0, 1.0, 1.0),
    "the most in the middle": (2.0, 3.0, 1.0),
    "the leaf above all": (0.5, None, 8.0),
    "the top far below": (0.1, 4.0, 4.0),
}


def _check_chain(groups: Groups, targets: Targets, cores: tuple[float | None, ...]) -> None:
    names = ("top", "middle", "leaf")
    chain = [groups.make(*names[: depth + 1]) for depth in range(3)]
    for group, limit in zip(chain, cores, strict=True):
        group.limit_cpu(None if limit is None else int(limit * 100_000))
    entry = bench.inspect(targets.start(chain[-1]))
    assert_cpu_as_told(entry, place_of(chain[-1], "cpu"))
    cpu = entry["enforced"]["cpu"]
    assert [row["limit_cores"] for row in cpu["chain"][:3]] == list(reversed(cores))
    least = min((limit for limit in cores if limit is not None), default=None)
    assert cpu["limit_cores"] == least
    binding = {group.path for group, limit in zip(chain, cores, strict=True) if limit == least}
    assert cpu["bound_by"] in (binding if least is not None else {None})


@pytest.mark.parametrize(
    "cores",
    [
        pytest.param(cores, id=name, marks=() if name in ("falling to the leaf", "none at the leaf") else V2_V1)
        for name, cores in _DOWNWARD.items()
    ],
)
def test_a_chain_of_three(groups: Groups, targets: Targets, cores: tuple[float | None, ...]) -> None:
    """Each level is reported as it was told, and the least limit binds."""
    _check_chain(groups, targets, cores)


@V2
@pytest.mark.parametrize("cores", _UPWARD.values(), ids=_UPWARD.keys())
def test_a_chain_that_rises(groups: Groups, targets: Targets, cores: tuple[float | None, ...]) -> None:
    """A level that was given more than one above it does not raise the limit."""
    _check_chain(groups, targets, cores)


def test_a_chain_of_twelve(groups: Groups, targets: Targets) -> None:
    """Depth is no limit: twelve levels, each with a quota a tenth of a CPU below the one above."""
    names = [f"level-{depth}" for depth in range(12)]
    for depth in range(12):
        groups.make(*names[: depth + 1]).limit_cpu(200_000 - 10_000 * depth)
    leaf = groups.make(*names)
    entry = bench.inspect(targets.start(leaf))
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (0.9, leaf.path)


@pytest.mark.parametrize(
    ("weight", "shares"),
    [
        pytest.param(1, 2, id="least", marks=V2_V1),
        pytest.param(100, 1024, id="usual"),
        pytest.param(10_000, 262_144, id="most", marks=V2_V1),
    ],
)
def test_weight_is_reported_and_limits_nothing(groups: Groups, targets: Targets, weight: int, shares: int) -> None:
    """The share under contention is shown beside the limit and never taken for one."""
    group = groups.make("app")
    if group.version("cpu") == 2:
        group.write("cpu", "cpu.weight", str(weight))
    else:
        group.write("cpu", "cpu.shares", str(shares))
    cpu = bench.inspect(targets.start(group))["enforced"]["cpu"]
    assert cpu["chain"][0]["shares" if group.version("cpu") == 1 else "weight"] == (shares if group.version("cpu") == 1 else weight)
    assert cpu["limit_cores"] is None


_EVERYWHERE = ("with space", "kubelet-kubepods.slice:cri-containerd:0123", "back\\slash", "app (deleted)", "\x1b[31mred")
_ONCE = (
    " leading and trailing ",
    "\\040not-an-escape",
    "tab\there",
    "größe-日本",
    "...",
    "..hidden",
    "#hash,comma=equals",
    "- -",
    "quote\"'`$(x)",
    "x" * 200,
)


@pytest.mark.parametrize("name", [*_EVERYWHERE, *(pytest.param(name, marks=V2) for name in _ONCE)], ids=ascii)
def test_names_that_need_care(groups: Groups, targets: Targets, name: str) -> None:
    """Whatever a group is called, its limit is found and its path is reported as it is."""
    group, below = groups.make(name), groups.make(name, name)
    group.limit_cpu(70_000)
    entry = bench.inspect(targets.start(below))
    assert_cpu_as_told(entry, place_of(below, "cpu"))
    assert_memory_as_told(entry, place_of(below, "memory"))
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (0.7, bench.shown(group.path))


def _assert_throttling(entry: dict[str, object], before: tuple[int, int, float], after: tuple[int, int, float]) -> None:
    usage = entry["usage"]
    assert isinstance(usage, dict)
    cpu = usage["cpu"]
    assert before[0] <= cpu["periods"] <= after[0]
    assert before[1] <= cpu["throttled_periods"] <= after[1]
    assert before[2] - 1e-6 <= cpu["throttled_seconds"] <= after[2] + 1e-6


def test_throttling(groups: Groups, targets: Targets) -> None:
    """A busy process under a tenth of a CPU: what is reported lies between the kernel's counters before and after."""
    group = groups.make("busy")
    group.limit_cpu(2_000, 20_000)
    pid = targets.busy(group)
    bench.wait_until(lambda: group.throttled()[1] >= 10, "throttled ten times")
    before = group.throttled()
    entry = bench.inspect(pid)
    _assert_throttling(entry, before, group.throttled())
    assert entry["usage"]["cpu"]["throttled_seconds"] > 0


@pytest.mark.hierarchy("v2", "v1")
def test_a_real_time_process_is_said_to_be_beyond_its_quota(groups: Groups, targets: Targets) -> None:
    """Under SCHED_FIFO a process in a group of a tenth of a CPU runs on: quotas are of the fair class alone, and a note says so."""
    group = groups.make("app")
    group.limit_cpu(10_000)

    def become_real_time() -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    # In this order: on its way to real time it is held like any other, for long where this machine stands still meanwhile
    pid = targets.start(None, become_real_time, lambda: subjects.enter(*group.directories()), _use_a_second_of_cpu)
    assert group.throttled()[1] == 0, "the kernel holds it"
    entry = bench.inspect(pid)
    assert entry["enforced"]["cpu"]["limit_cores"] == 0.1
    assert [note for note in entry["notes"] if note["path"] == f"/proc/{pid}/stat" and "SCHED_FIFO" in note["why"]]
    assert not bench.inspect(targets.start(group))["notes"]


def _use_a_second_of_cpu() -> None:
    until = time.process_time() + 1
    while time.process_time() < until:
        pass


def test_throttling_by_an_ancestor(groups: Groups, targets: Targets) -> None:
    """What throttles may stand above: the report does not say that nobody waits."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_cpu(2_000, 20_000)
    pid = targets.busy(leaf)
    bench.wait_until(lambda: parent.throttled()[1] >= 10, "throttled ten times")
    before = parent.throttled()
    entry = bench.inspect(pid)
    assert entry["enforced"]["cpu"]["bound_by"] == parent.path
    _assert_throttling(entry, before, parent.throttled())


def test_a_quota_nobody_uses_up(groups: Groups, targets: Targets) -> None:
    """A sleeping process is not throttled, and the report says 0, not null."""
    group = groups.make("calm")
    pid = targets.start(group)
    bench.wait_until(lambda: "nanosleep" in Path(f"/proc/{pid}/wchan").read_text(), "asleep")
    group.limit_cpu(400_000)  # now: a start uses CPU too, and all of it while this machine stands still
    cpu = bench.inspect(pid)["usage"]["cpu"]
    assert (cpu["throttled_periods"], cpu["throttled_seconds"]) == (0, 0)
