"""The harness itself, before cgtune is asked anything: what it makes is real, and nothing of it stays behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.cgroups import Groups, hierarchies, own_groups, sweep
from tests.live.containers import Podman, own_containers

pytestmark = pytest.mark.live


def _left_behind(name: str) -> list[str]:
    return [str(place / name) for _, place in hierarchies().values() if (place / name).exists()]


def test_a_started_process_is_in_its_group_for_every_controller(groups: Groups) -> None:
    """What start_sleeper returns is a process that the kernel counts to the group, in each hierarchy."""
    group = groups.make("parent", "leaf")
    pid = group.start_sleeper()
    for place in group.directories():
        assert (place / "cgroup.procs").read_text().split() == [str(pid)]
    assert f"/{groups.name}/parent/leaf\n" in Path(f"/proc/{pid}/cgroup").read_text()


def test_groups_go_away_with_their_processes_even_when_the_test_fails() -> None:
    """A test that raises leaves neither a group nor a process behind."""
    made: list[str] = []

    def fail_inside() -> None:
        with own_groups() as own:
            made.extend([own.name, str(own.make("a", "b").start_sleeper())])
            assert _left_behind(own.name)
            raise RuntimeError("the test failed")

    with pytest.raises(RuntimeError, match="the test failed"):
        fail_inside()
    name, pid = made
    assert _left_behind(name) == []
    assert not Path(f"/proc/{pid}").exists()


def test_groups_of_a_killed_run_are_swept(groups: Groups) -> None:
    """Groups whose maker has died are removed by the next run; those of a living one stay."""
    program = "import os; from tests.live.cgroups import own_groups\nwith own_groups() as own: own.make('a').start_sleeper(); os._exit(0)"
    maker = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
    assert maker.wait(timeout=30) == 0
    left = f"cgtune-test-live-{maker.pid}-0"
    assert _left_behind(left)
    mine = groups.make("a")
    sweep()
    assert _left_behind(left) == []
    assert all(place.exists() for place in mine.directories())


def test_a_container_has_the_limits_that_podman_was_told(podman: Podman) -> None:
    """Half a CPU and 256 MiB are in force inside, by the kernel's own files."""
    container = podman.start("--cpus", "0.5", "--memory", "256m")
    v2, v1 = "cpu.max memory.max", "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes"
    shown = container.run("sh", "-c", f"cd /sys/fs/cgroup; cat {v2} 2>/dev/null || cat {v1}")
    assert shown.stdout.split() == ["50000", "100000", "268435456"], shown.stderr
    assert container.identity in Path(f"/proc/{container.pid}/cgroup").read_text()


def test_a_sidecar_sees_the_processes_of_the_other_container(podman: Podman) -> None:
    """A second container that shares pids sees the first one's sleep as pid 1, with other limits than its own."""
    target = podman.start("--cpus", "0.5")
    shown = podman.run("--pid", f"container:{target.name}", "--cpus", "0.25", argv=("cat", "/proc/1/comm", "/proc/1/cgroup"))
    assert shown.stdout.startswith("sleep\n"), shown.stderr
    assert target.identity in shown.stdout


def test_containers_are_gone_when_their_module_is_done() -> None:
    """A container that sleeps is removed at once, with its process, its groups and its name."""
    with own_containers() as own:
        container = own.start("--cpus", "0.5")
    deadline = time.monotonic() + 60
    while Path(f"/proc/{container.pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not any(list(place.glob(f"libpod_parent/libpod-{container.identity}")) for _, place in hierarchies().values())
