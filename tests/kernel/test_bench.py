"""The bench itself, and cgtune started in it as its users start it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.kernel import bench, subjects
from tests.kernel.bench import assert_cpu_as_told, assert_memory_as_told, place_of
from tests.kernel.places import CGROUP
from tests.kernel.subjects import Targets
from tests.live.cgroups import Groups, hierarchies
from tests.support.command import ROOT, inspect, run

pytestmark = pytest.mark.kernel


def test_the_hierarchy_is_the_one_asked_for(mode: str) -> None:
    """What is mounted, and where each controller is, belongs to the mode."""
    kinds = {line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()} & {"cgroup", "cgroup2"}
    assert kinds == {"v2": {"cgroup2"}, "v1": {"cgroup"}, "hybrid": {"cgroup", "cgroup2"}}[mode]
    # The kernel's own list of v1's controllers: name, hierarchy (0: not in one of v1's), groups, enabled. Debian 14's has no memory there.
    rows = [line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    in_v1 = {name for name, hierarchy, *_ in rows if hierarchy != "0"}
    assert ("cpu" in in_v1) == (mode != "v2")
    known = {"cpu", "memory", "cpuset"}
    seen = known & in_v1 if mode == "v1" else known
    assert {name: version for name, (version, _) in hierarchies().items()} == {name: 1 if name in in_v1 else 2 for name in seen}
    if mode == "hybrid":
        left_over = (CGROUP / "unified" / "cgroup.controllers").read_text().split()
        assert left_over == [name for name in ("cpuset", "memory") if name not in in_v1]


def test_the_machine_is_a_guest(mode: str) -> None:
    """Eight CPUs, pressure counted, a right clock, and files that may be written without harm."""
    assert os.cpu_count() == int(os.environ["CGTUNE_BENCH_CPUS"])
    assert Path("/proc/pressure/cpu").read_text().startswith("some avg10=")
    newest = max(path.stat().st_mtime for path in (ROOT / "tests" / "kernel").glob("*.py"))
    assert time.time() > newest - 60
    (ROOT / "cgtune" / "written-in-the-bench").write_text("gone with the guest")


def test_the_report_as_a_program(groups: Groups, targets: Targets) -> None:
    """What the program prints is what the two calls inside the tests return."""
    leaf = groups.make("pod", "app")
    groups.make("pod").limit_cpu(250_000)
    leaf.limit_memory(64 * subjects.MIB)
    pid = targets.start(leaf)
    entry = inspect(pid)
    assert_cpu_as_told(entry, place_of(leaf, "cpu"))
    called = bench.inspect(pid)
    for told in (entry, called):
        for level in told["enforced"]["cpu"]["chain"]:
            del level["usage_seconds"]  # it grows from one look to the next
    assert entry["enforced"]["cpu"] == called["enforced"]["cpu"]
    assert_memory_as_told(entry, place_of(leaf, "memory"))
    assert_memory_as_told(called, place_of(leaf, "memory"))


@pytest.mark.hierarchy("v2")
def test_the_table_as_a_program(groups: Groups, targets: Targets) -> None:
    """The table names the limit and the group that binds."""
    group = groups.make("app")
    group.limit_cpu(250_000)
    done = run("inspect", "--pid", targets.start(group), COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2.5" in done.stdout
    assert group.path in "".join(done.stdout.split())


@pytest.mark.hierarchy("v2")
def test_a_process_that_is_no_more() -> None:
    """Exit code 3, one line, nothing on standard output."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    done = run("inspect", "--pid", pid)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
