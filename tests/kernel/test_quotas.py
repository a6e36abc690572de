"""CPU quotas, as a real kernel was told them: at one level, over chains, under any name, while they change and while they bite."""

from __future__ import annotations

import os
import time

import pytest

from cgtune.errors import CgtuneError, NoSuchProcess
from tests.kernel import bench
from tests.kernel.bench import Targets, assert_cpu_as_told, assert_memory_as_told, place_of
from tests.live.cgroups import Group, Groups

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("quota_us", "period_us", "cores"),
    [
        pytest.param(50_000, 100_000, 0.5, id="half a CPU"),
        pytest.param(1_000, 100_000, 0.01, id="the least quota there is"),
        pytest.param(100_000, 100_000, 1.0, id="one CPU"),
        pytest.param(250_000, 100_000, 2.5, id="two and a half"),
        pytest.param(800_000, 100_000, 8.0, id="as many as there are"),
        pytest.param(1_200_000, 100_000, 12.0, id="more than there are"),
        pytest.param(150_000, 1_000_000, 0.15, id="the longest period"),
        pytest.param(3_200, 1_000, 3.2, id="the shortest period"),
        pytest.param(33_333, 100_000, 0.33333, id="a third"),
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


@pytest.mark.parametrize("cores", _DOWNWARD.values(), ids=_DOWNWARD.keys())
def test_a_chain_of_three(groups: Groups, targets: Targets, cores: tuple[float | None, ...]) -> None:
    """Each level is reported as it was told, and the least limit binds."""
    _check_chain(groups, targets, cores)


@pytest.mark.hierarchy("v2")
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
    [pytest.param(1, 2, id="least"), pytest.param(100, 1024, id="usual"), pytest.param(10_000, 262_144, id="most")],
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


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        " leading and trailing ",
        "kubelet-kubepods.slice:cri-containerd:0123",
        "back\\slash",
        "\\040not-an-escape",
        "tab\there",
        "größe-日本",
        "app (deleted)",
        "...",
        "..hidden",
        "#hash,comma=equals",
        "- -",
        "quote\"'`$(x)",
        "x" * 200,
        "\x1b[31mred",
    ],
    ids=ascii,
)
def test_names_that_need_care(groups: Groups, targets: Targets, name: str) -> None:
    """Whatever a group is called, its limit is found and its path is reported as it is."""
    group, below = groups.make(name), groups.make(name, name)
    group.limit_cpu(70_000)
    entry = bench.inspect(targets.start(below))
    assert_cpu_as_told(entry, place_of(below, "cpu"))
    assert_memory_as_told(entry, place_of(below, "memory"))
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (0.7, group.path)


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
    group.limit_cpu(400_000)
    cpu = bench.inspect(targets.start(group))["usage"]["cpu"]
    assert (cpu["throttled_periods"], cpu["throttled_seconds"]) == (0, 0)


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
        bench.die_with_parent()
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
        bench.die_with_parent()
        while True:
            fleeting = [place / "fleeting" for place in home.directories()]
            for place in fleeting:
                place.mkdir()
                bench.fill_cpuset(place)
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
            bench.enter(*group.directories())
            time.sleep(number * 0.002)
            os._exit(0)
        bench.reap_in_background(pid)
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


@pytest.mark.hierarchy("v2")
@pytest.mark.parametrize("where", ["main thread", "second thread"])
def test_a_threaded_group(groups: Groups, targets: Targets, where: str) -> None:
    """In a threaded subtree CPU limits hold for threads, memory for the process: the report follows the process's main thread."""
    domain = groups.make("domain")
    domain.limit_cpu(300_000)
    domain.limit_memory(64 * bench.MIB)
    pid = targets.start(domain, bench.start_thread)
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
    assert (memory["limit_bytes"], memory["bound_by"]) == (64 * bench.MIB, domain.path)


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
    aside = bench.CGROUP / "unified" / f"{groups.name}-aside"
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
    memory.limit_memory(48 * bench.MIB)
    memory.limit_cpu(500_000)
    entry = bench.inspect(targets.start_in([place_of(cpu, "cpu"), place_of(memory, "memory")]))["enforced"]
    assert (entry["cpu"]["limit_cores"], entry["cpu"]["bound_by"]) == (1.2, cpu.path)
    assert (entry["memory"]["limit_bytes"], entry["memory"]["bound_by"]) == (48 * bench.MIB, memory.path)
