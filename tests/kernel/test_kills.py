"""Kills that are remembered, on cgroup v2: the scenes of tests/live, and those that only v2 has."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.kernel.subjects import Targets
from tests.live.cgroups import Groups
from tests.support import killscenes
from tests.support.killscenes import CONTAINER, POD, POD_UID, knows_status, limited, scene, start, starve

pytestmark = [pytest.mark.kernel, pytest.mark.hierarchy("v2")]


@pytest.mark.parametrize("play", killscenes.SCENES, ids=lambda play: play.__name__.removeprefix("play_"))
def test_how_an_end_is_told(groups: Groups, targets: Targets, play: Callable[[Groups, Targets], None]) -> None:
    """Each scene says in its docstring what is promised."""
    play(groups, targets)


def test_the_kernels_own_log_makes_it_certain(groups: Groups, targets: Targets) -> None:
    """With /dev/kmsg a kill is certain, even if its cgroup is gone before anybody looks."""
    killscenes.play_kernel_log(groups, targets)


@pytest.mark.parametrize("whose", ["container", "pod"])
def test_a_whole_group_is_killed(groups: Groups, targets: Targets, whose: str) -> None:
    """memory.oom.group: both processes were killed, though nobody can know it of each by a counter; two kills are remembered, not three."""
    pod, app = groups.make(POD), limited(groups, POD, CONTAINER)
    (app if whose == "container" else pod).write("memory", "memory.oom.group", "1")
    if whose == "pod":
        app.write("memory", "memory.max", "max")
        pod.limit_memory(killscenes.LIMIT_BYTES)
    pids = start(targets, app), start(targets, app)
    with scene() as service:
        service.look(*pids)
        starve(targets, pids[0])
        killscenes.reap(targets, pids[1])
        told = service.wait_for(*pids)
        assert [(one["event"], one["oom_killed"]) for one in told] == [("process-killed", "likely")] * 2
        assert [one["ended_by"] for one in told] == (["signal 9"] * 2 if knows_status() else [None] * 2)
        assert app.oom_kills() == 3
        kills = service.kills()
        assert (kills["pod", POD_UID].oom_kills, kills["pod", POD_UID].processes) == (2, 2)
        assert kills["container", CONTAINER].processes == 2
        # Of a group that is the pod's, the container's own counter alone cannot tell that its first victim counts twice
        assert kills["container", CONTAINER].oom_kills == (2 if whose == "container" else 3)


def test_a_process_killed_outside_of_the_group_is_not_its_victim(groups: Groups, targets: Targets) -> None:
    """A neighbour's cgroup with memory.oom.group is killed; a plain SIGKILL here is none."""
    neighbour, app = limited(groups, POD, "neighbour"), groups.make(POD, CONTAINER)
    neighbour.write("memory", "memory.oom.group", "1")
    pid, other = start(targets, app), start(targets, neighbour)
    with scene() as service:
        service.look(pid)
        starve(targets, other)
        killscenes.end(targets, pid, signal.SIGKILL)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"]) == ("process-gone", "no")
        assert service.kills()["pod", POD_UID].oom_kills == 1
