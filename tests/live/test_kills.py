"""Kills that are remembered, in real control groups: what ``cgtune serve`` says of each way to end, and what the successor is told."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.system.kernellog import KernelLog
from tests.kernel.subjects import Targets, fill_cpuset
from tests.live.cgroups import Groups, own_groups
from tests.support import command, goprograms, killscenes
from tests.support.killscenes import limited, start, starve
from tests.support.needs import only_where, require
from tests.support.serving import Service

pytestmark = pytest.mark.live


@pytest.fixture
def groups() -> Iterator[Groups]:
    """A place for this test's control groups."""
    with own_groups() as made:
        yield made


@pytest.fixture
def targets(groups: Groups) -> Iterator[Targets]:
    """Processes to look at; they end before the groups are removed."""
    own = Targets()
    yield own
    own.end()


@pytest.mark.parametrize("play", killscenes.SCENES, ids=lambda play: play.__name__.removeprefix("play_"))
def test_how_an_end_is_told(groups: Groups, targets: Targets, play: Callable[[Groups, Targets], None]) -> None:
    """Each scene says in its docstring what is promised; tests/kernel plays them on v2."""
    play(groups, targets)


def test_the_kernels_own_log_makes_it_certain(groups: Groups, targets: Targets) -> None:
    """With /dev/kmsg a kill is certain, even if its cgroup is gone before anybody looks."""
    _require_kernel_log()
    killscenes.play_kernel_log(groups, targets)


def _require_kernel_log() -> None:
    try:
        KernelLog("/").close()
    except Unreadable as error:
        require(False, str(error))
    own = os.readlink("/proc/self/ns/pid")
    require(own == "pid:[4026531836]", f"needs the first PID namespace, whose pids the kernel's log names; this is {own}")


def test_a_service_tells_it_at_once_and_the_successor_is_told(groups: Groups, tmp_path: Path) -> None:
    """A real Go program is killed between two looks: the log tells it, /kills and the metrics have it, and check of its successor, in the
    cgroup made anew, says so by --serve-url.
    """
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    program, group = goprograms.build("1.24.11"), groups.make("app")
    group.limit_memory(64 << 20)
    with Service("--interval", "3s") as service:
        service.wait_for_report()
        victim = group.start([str(program), "alloc 20000000", "sleep 5000", "alloc 100000000"], GOMEMLIMIT="57MiB")
        service.wait_for(lambda: any(line["pid"] == victim.pid for line in service.events("process-came")))
        victim.wait()
        service.wait_for(lambda: service.events("process-killed"))
        (told,) = service.events("process-killed")
        assert (told["pid"], told["oom_killed"], told["gomemlimit"], told["limit_bytes"]) == (victim.pid, "likely", 57 << 20, 64 << 20)
        assert 20_000_000 <= told["heap_live_bytes"] < 64 << 20
        assert told["level"] == "warning"
        (kills,) = json.loads(service.fetch("/kills").body)["kills"]
        assert (kills["oom_kills"], kills["owner"]["name"]) == (1, group.path)
        assert {"workload": group.path, "namespace": ""} in [
            labels for labels, count in service.metrics()["cgtune_workload_oom_kills_total"] if count == 1
        ]
        group.remake()
        for place in group.directories():
            fill_cpuset(place)
        successor = group.start([str(program), "sleep 600000"])
        service.wait_for(lambda: any(line["pid"] == successor.pid for line in service.events("process-came")))
        service.wait_for(
            lambda: any(line["rule"] == "oom-killed" and line["pid"] == successor.pid for line in service.events("finding-appeared"))
        )
        file = tmp_path / "cgtune.prom"
        file.write_text(service.fetch("/metrics").body)
        for where in (f"http://{service.address}", str(file)):
            done = command.run("check", "--pid", successor.pid, "--serve-url", where)
            assert done.returncode == 1
            assert f"OOM kills: cgtune serve remembers 1 in {group.path}, the last " in done.stdout
        assert service.stop() < 2


#: As a node agent's container has it: the machine's /proc and /sys below a folder, and a PID namespace of its own.
_AGENT = 'mount --rbind /proc "$0/proc" && mount --rbind /sys "$0/sys" && mount -t proc proc /proc && exec "$@"'


def test_a_node_agent_in_a_pid_namespace_of_its_own_tells_it_too(groups: Groups, targets: Targets, tmp_path: Path) -> None:
    """The machine's pids are none that it could open a pidfd for: it asks its /proc, and its log is the machine's."""
    _require_kernel_log()
    group, spared = limited(groups, "app"), groups.make("spared")
    for name in ("proc", "sys"):
        (tmp_path / name).mkdir()
    pids = start(targets, group), start(targets, spared)
    wrapper = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _AGENT, str(tmp_path))
    named = [word for pid in pids for word in ("--pid", pid)]
    with Service("--root", tmp_path, "--kernel-log", "--interval", "30s", *named, wrapper=wrapper) as service:
        service.wait_for(lambda: len(service.events("process-came")) == 2)
        starve(targets, pids[0])
        killscenes.end(targets, pids[1], signal.SIGKILL)
        service.wait_for(lambda: len(service.events("process-killed", "process-gone")) == 2, seconds=20)
        (killed,), (gone,) = service.events("process-killed"), service.events("process-gone")
        assert (killed["pid"], killed["oom_killed"], killed["ended_by"]) == (pids[0], "certain", None)
        assert (gone["pid"], gone["oom_killed"]) == (pids[1], "no")


def test_the_kernels_log_is_refused_where_it_is_of_no_use(tmp_path: Path) -> None:
    """In a PID namespace of its own without the machine's /proc, and of a recording: one line, and why."""
    inner = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    done = subprocess.run([*inner, *command.PROGRAM, "serve", "--kernel-log"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the pids below / are a container's, and the kernel's log names the machine's" in done.stderr
    recording = tmp_path / "recording"
    assert command.run("snapshot", recording, "--self").returncode == 0
    done = command.run("serve", "--kernel-log", "--root", recording)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--kernel-log needs a live machine" in done.stderr
