"""``cgtune inspect`` on real control groups: what it reports is what the kernel was told, and what the kernel counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.cgroups import Group, Groups
from tests.support.command import PROGRAM, environment, inspect, only_process, parse_report, run
from tests.support.needs import only_where, require

pytestmark = pytest.mark.live

_BUSY = [sys.executable, "-I", "-c", "while True: pass"]
MIB = 1 << 20


@pytest.fixture
def two_cpus() -> None:
    """At least two CPUs that this process may use, among them 0 and 1."""
    require({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")


def _quotas(entry: dict[str, object], below: str) -> list[object]:
    """Limit by group, leaf first, of those groups that the test made."""
    chain = entry["chain"]
    assert isinstance(chain, list)
    return [row["limit_cores"] for row in chain if row["path"].startswith(f"/{below}")]


@pytest.mark.parametrize(
    ("quota_us", "period_us", "cores"),
    [
        pytest.param(50_000, 100_000, 0.5, id="half a CPU"),
        pytest.param(1_000, 100_000, 0.01, id="the least quota there is"),
        pytest.param(100_000, 100_000, 1.0, id="one CPU"),
        pytest.param(250_000, 100_000, 2.5, id="more than this machine may have"),
        pytest.param(150_000, 1_000_000, 0.15, id="the longest period"),
        pytest.param(3_200, 1_000, 3.2, id="the shortest period"),
    ],
)
def test_a_quota_is_reported_in_cores(groups: Groups, quota_us: int, period_us: int, cores: float) -> None:
    """Quota over period is the limit, the group that has it binds, and both numbers stand in the chain as they were written."""
    group = groups.make("app")
    group.limit_cpu(quota_us, period_us)
    cpu = inspect(group.start_sleeper())["enforced"]["cpu"]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (pytest.approx(cores), group.path)
    leaf = cpu["chain"][0]
    assert (leaf["path"], leaf["quota_us"], leaf["period_us"]) == (group.path, quota_us, period_us)
    assert leaf["version"] == group.version("cpu")


def test_no_limit_is_null(groups: Groups) -> None:
    """A group without any limit adds none: null, never a huge number."""
    group = groups.make("app")
    enforced = inspect(group.start_sleeper())["enforced"]
    assert _quotas(enforced["cpu"], groups.name) == [None, None]
    rows = [row for row in enforced["memory"]["chain"] if row["path"].startswith(f"/{groups.name}")]
    assert [row["limit_bytes"] for row in rows] == [None, None]


def test_a_parent_of_one_cpu_binds_an_unlimited_leaf(groups: Groups) -> None:
    """Under a parent of 1 CPU an unlimited leaf has 1 CPU, and the report names the parent, as JSON and as the table."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_cpu(100_000)
    pid = leaf.start_sleeper()
    cpu = inspect(pid)["enforced"]["cpu"]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (1.0, parent.path)
    assert _quotas(cpu, groups.name) == [None, 1.0, None]
    table = run("inspect", "--pid", pid, "--verbose")  # whole paths
    assert (table.returncode, table.stderr) == (0, "")
    assert parent.path in table.stdout


@pytest.mark.parametrize("binding", ["top", "middle", "leaf"])
def test_the_least_quota_of_a_chain_binds(groups: Groups, binding: str) -> None:
    """Of three levels with a quota each, the least is the limit, wherever it stands."""
    names = ("top", "middle", "leaf")
    chain: dict[str, Group] = {name: groups.make(*names[: depth + 1]) for depth, name in enumerate(names)}
    only_where(chain["leaf"].version("cpu") == 2 or binding == "leaf", "cgroup v1 refuses a quota above that of an ancestor")
    for place, name in enumerate(names):
        chain[name].limit_cpu(120_000 if name == binding else 150_000 + 10_000 * (3 - place))
    cpu = inspect(chain["leaf"].start_sleeper())["enforced"]["cpu"]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (1.2, chain[binding].path)


def test_a_quota_that_changes_is_reported_as_it_is_now(groups: Groups) -> None:
    """Two looks at one process see the quota of their own moment, and its removal."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    pid = group.start_sleeper()
    assert inspect(pid)["enforced"]["cpu"]["limit_cores"] == 0.5
    group.limit_cpu(170_000)
    assert inspect(pid)["enforced"]["cpu"]["limit_cores"] == 1.7
    group.limit_cpu(None)
    assert _quotas(inspect(pid)["enforced"]["cpu"], groups.name) == [None, None]


def test_throttling_is_what_the_kernel_counted(groups: Groups) -> None:
    """A busy loop under a tenth of a CPU is throttled; periods and seconds lie between what the kernel said before and after."""
    group = groups.make("busy")
    group.limit_cpu(2_000, 20_000)
    busy = group.start(_BUSY)
    deadline = time.monotonic() + 60
    while group.throttled()[1] < 10:
        assert time.monotonic() < deadline, f"not throttled: {group.throttled()}"
        time.sleep(0.05)
    before = group.throttled()
    cpu = inspect(busy.pid)["usage"]["cpu"]
    after = group.throttled()
    assert before[0] <= cpu["periods"] <= after[0]
    assert 10 <= before[1] <= cpu["throttled_periods"] <= after[1]
    assert 0 < before[2] - 1e-6 <= cpu["throttled_seconds"] <= after[2] + 1e-6


def test_a_stopped_ancestor_is_told_above_a_leaf_that_is_not_stopped(groups: Groups) -> None:
    """A quiet child of an eighth binds below a parent of 0.15 CPUs that its busy sibling uses up: the report shows the stops of the parent.

    The sibling has no quota: of two busy ones it would be chance which is stopped by its own and which by the parent's.
    """
    parent, leaf, other = groups.make("parent"), groups.make("parent", "leaf"), groups.make("parent", "other")
    quiet = leaf.start_sleeper()
    parent.limit_cpu(3_000, 20_000)
    leaf.limit_cpu(2_500, 20_000)
    other.start(_BUSY)
    deadline = time.monotonic() + 60
    while parent.throttled()[1] < 20:
        assert time.monotonic() < deadline, f"not throttled: {parent.throttled()}"
        time.sleep(0.05)
    process = inspect(quiet)
    assert process["enforced"]["cpu"]["bound_by"] == leaf.path
    assert process["usage"]["cpu"]["throttled_in"] == parent.path
    assert process["usage"]["cpu"]["throttled_periods"] >= 20


def test_a_memory_limit_is_reported_in_bytes(groups: Groups) -> None:
    """The limit is the number that was written, the group that has it binds, and what is charged now is below it."""
    group = groups.make("app")
    group.limit_memory(48 * MIB)
    process = inspect(group.start_sleeper())
    memory = process["enforced"]["memory"]
    assert (memory["limit_bytes"], memory["bound_by"]) == (48 * MIB, group.path)
    assert 0 < process["usage"]["memory"]["current_bytes"] < 48 * MIB


def test_an_ancestors_tighter_memory_limit_binds(groups: Groups) -> None:
    """A parent of 40 MiB binds a leaf that was given 64 MiB."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    parent.limit_memory(40 * MIB)
    leaf.limit_memory(64 * MIB)
    memory = inspect(leaf.start_sleeper())["enforced"]["memory"]
    assert (memory["limit_bytes"], memory["bound_by"]) == (40 * MIB, parent.path)


def test_a_cgroup_is_known_by_its_directory_again(groups: Groups, tmp_path: Path) -> None:
    """By device and inode, of each level, in a recording as well: another mount or namespace calls the same cgroup something else."""
    from cgtune.api import inspect as inspect_processes, snapshot

    group = groups.make("pod", "app")
    pid = group.start_sleeper()
    snapshot(str(tmp_path / "out"), [pid])
    for root in ("/", str(tmp_path / "out")):
        chain = inspect_processes(pid=pid, root=root).processes[0].snapshot.memory_chain
        assert len(chain) > 2
        assert [level.key for level in chain] == [
            f"{place.st_dev}:{place.st_ino}" for place in (os.stat(level.directory) for level in chain)
        ]


def test_an_oom_kill_is_counted(groups: Groups) -> None:
    """A process that the kernel killed for its group's limit is counted in the report of one that lives on there."""
    group = groups.make("app")
    group.limit_memory(24 * MIB)
    if group.version("memory") == 1:
        group.write("memory", "memory.swappiness", "0")
    survivor = group.start_sleeper()
    assert inspect(survivor)["usage"]["memory"]["oom_kills"] == 0
    greedy = group.start([sys.executable, "-I", "-c", "kept = [b'x' * 1048576 * n for n in range(1, 40)]"])
    assert greedy.wait(timeout=60) == -9
    kills = group.oom_kills()
    assert kills >= 1
    assert inspect(survivor)["usage"]["memory"]["oom_kills"] == kills


@pytest.mark.usefixtures("two_cpus")
def test_affinity_bounds_the_usable_cpus(groups: Groups) -> None:
    """A process that is bound to one CPU may use one, whatever its group allows."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    pid = group.start_sleeper()
    os.sched_setaffinity(pid, {1})
    cpu = inspect(pid)["enforced"]["cpu"]
    assert (cpu["usable_cpus"], cpu["limit_cores"]) == (1, 1.5)


@pytest.mark.usefixtures("two_cpus")
def test_a_cpuset_bounds_the_usable_cpus(groups: Groups) -> None:
    """A group whose cpuset holds one CPU leaves one to use, and the chain shows which."""
    group = groups.make("app")
    group.limit_cpus("1")
    cpu = inspect(group.start_sleeper())["enforced"]["cpu"]
    assert cpu["usable_cpus"] == 1
    assert cpu["chain"][0]["cpus"] == "1"


@pytest.mark.usefixtures("two_cpus")
def test_an_ancestors_cpuset_bounds_the_usable_cpus(groups: Groups) -> None:
    """The cpuset of a parent holds for a leaf below it."""
    parent, leaf = groups.make("parent"), groups.make("parent", "leaf")
    leaf.limit_cpus("0")
    parent.limit_cpus("0")
    assert inspect(leaf.start_sleeper())["enforced"]["cpu"]["usable_cpus"] == 1


def test_the_report_counts_this_machine(groups: Groups) -> None:
    """Online CPUs, memory, page size and kernel are this machine's, and the mode is what is mounted."""
    done = run("inspect", "--pid", groups.make("app").start_sleeper(), "--format", "json")
    assert done.returncode == 0, done.stderr
    machine = json.loads(done.stdout)["machine"]
    assert machine["online_cpus"] == os.sysconf("SC_NPROCESSORS_ONLN")
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert machine["memory_bytes"] == int(meminfo["MemTotal"].split()[0]) * 1024
    assert machine["page_bytes"] == os.sysconf("SC_PAGE_SIZE")
    assert machine["kernel"] == os.uname().release
    kinds = {line.split(" - ")[1].split()[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    expected = {(False, False): "none", (True, False): "v1", (False, True): "v2", (True, True): "hybrid"}
    assert machine["cgroup_mode"] == expected["cgroup" in kinds, "cgroup2" in kinds]


def test_a_process_that_ended_is_one_clear_line(groups: Groups) -> None:
    """A pid that is no more: exit code 3, one line on stderr, nothing on stdout."""
    ended = groups.make("app").start(["true"])
    assert ended.wait(timeout=60) == 0
    done = run("inspect", "--pid", ended.pid)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(ended.pid) in done.stderr


_WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")


def _run_without_capabilities(*arguments: object) -> subprocess.CompletedProcess[str]:
    """cgtune without any right to look into another user's process."""
    argv = [*_WITHOUT_CAPABILITIES, *PROGRAM, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment(), check=False)


def test_another_users_process_is_reported_as_far_as_anybody_may_look(groups: Groups) -> None:
    """Without CAP_SYS_PTRACE the limits of another user's process are reported all the same, and notes name the capability."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    group.limit_memory(32 * MIB)
    pid = group.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "600"]).pid
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < deadline
        time.sleep(0.005)
    done = _run_without_capabilities("inspect", "--pid", pid, "--format", "json")
    process = only_process(parse_report(done))
    assert process["enforced"]["cpu"]["limit_cores"] == 0.5
    assert process["enforced"]["memory"]["limit_bytes"] == 32 * MIB
    assert process["executable"] is None
    assert "CAP_SYS_PTRACE" in {note["privilege"] for note in process["notes"]}


def test_a_zombie_is_one_clear_answer(groups: Groups) -> None:
    """A process that has ended and waits for its parent has no memory and no files left: a report, or one line and exit code 3."""
    zombie = groups.make("app").start(["true"])
    deadline = time.monotonic() + 60
    while "State:\tZ" not in Path(f"/proc/{zombie.pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    _assert_one_clear_answer(run("inspect", "--pid", zombie.pid, "--format", "json"))


def test_a_kernel_thread_is_one_clear_answer() -> None:
    """A process without memory, executable or environment: a report, or one line and exit code 3."""
    name = Path("/proc/2/cmdline")
    only_where(name.exists() and not name.read_bytes(), "kernel threads cannot be seen from here")
    _assert_one_clear_answer(run("inspect", "--pid", 2, "--format", "json"))


def _assert_one_clear_answer(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode == 0:
        parse_report(done)
    else:
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1), done
