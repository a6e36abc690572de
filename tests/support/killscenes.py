"""Ends of processes in real control groups, as ``cgtune serve`` tells them: each scene is played on v1 and on v2 by the same code.

The service's scanner runs in the test's own process: an interpreter start costs a second on an emulated CPU.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

from cgtune.model import Kills, ProcessReport
from cgtune.outputs.kills import render_kills_json
from cgtune.remembered import parse_kills
from cgtune.service.board import Board
from cgtune.service.follow import Follower
from cgtune.service.vigil import Vigil
from cgtune.system.host import Host
from cgtune.system.kernellog import KernelLog
from tests.kernel import subjects
from tests.kernel.subjects import MIB, Targets
from tests.live.cgroups import Group, Groups

LIMIT_BYTES = 24 * MIB
EXIT_CODE = 137


class Scene:
    """A service that follows the processes named, and what it said."""

    def __init__(self, host: Host, kernel_log: KernelLog | None = None) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        self.board = Board(1.0)
        self._host = host
        self._vigil = Vigil(host, cast("Any", self), self.board, threading.Event(), kernel_log)

    def say(self, event: str, message: str, fields: dict[str, Any] | None = None, *, level: int = 20) -> None:  # noqa: ARG002  # a journal's
        """As a journal does."""
        self.lines.append((event, message, fields or {}))

    def look(self, *pids: int) -> tuple[ProcessReport, ...]:
        """One scan of these."""
        began = time.monotonic()
        look = Follower(self._host, pids, None, remembered=lambda: self.board.remembered).look(began)
        self._vigil.follow(look.report.processes, began)
        return look.report.processes

    def wait_for(self, *pids: int) -> list[dict[str, Any]]:
        """What is said of these when they have ended, in their order, each with its event and message."""
        deadline = time.monotonic() + 60
        while not {line[2].get("pid") for line in self.lines} >= set(pids):
            assert time.monotonic() < deadline, self.lines
            self._vigil.wait(0.3)
        by_pid = {fields["pid"]: {"event": event, "message": message, **fields} for event, message, fields in self.lines if "pid" in fields}
        return [by_pid[pid] for pid in pids]

    def kills(self) -> dict[tuple[str, str], Kills]:
        """What /kills answers, by kind and name of the owner."""
        text = render_kills_json(self.board.remembered, version="0.1.0", since_seconds=0.0, forgotten=0)
        return {(kills.owner.of, kills.owner.name): kills for kills in parse_kills(text)}


@contextlib.contextmanager
def scene(*, kernel_log: bool = False) -> Iterator[Scene]:
    """A service on this machine."""
    with Host("/") as host:
        log = KernelLog("/") if kernel_log else None
        try:
            yield Scene(host, log)
        finally:
            if log is not None:
                log.close()


def start(targets: Targets, group: Group) -> int:
    """The pid of a process in the group that takes 64 MiB at SIGUSR1, and ends by itself with 137 at SIGUSR2."""
    return targets.start(group, _obey)


def _obey() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: subjects.charge(64 * MIB))
    signal.signal(signal.SIGUSR2, lambda *_: os._exit(EXIT_CODE))


def starve(targets: Targets, pid: int) -> None:
    """Let it take what kills it, and take note of its end."""
    os.kill(pid, signal.SIGUSR1)
    reap(targets, pid)


def reap(targets: Targets, pid: int) -> None:
    """Take note of the end of one that is killed."""
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    targets.forget(pid)


def end(targets: Targets, pid: int, number: signal.Signals) -> None:
    """Send it a signal that ends it, and take note of its end."""
    os.kill(pid, number)
    os.waitpid(pid, 0)
    targets.forget(pid)


def limited(groups: Groups, *path: str) -> Group:
    """A group with a limit that is too small."""
    group = groups.make(*path)
    group.limit_memory(LIMIT_BYTES)
    return group


def knows_status() -> bool:
    """Whether this kernel tells how a process ended to others than its parent (Linux 6.15)."""
    return tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)


def play_kill(groups: Groups, targets: Targets) -> None:
    """By its own limit: likely, with what was seen last; and the container's owner has one kill more."""
    group = limited(groups, "app")
    pid = start(targets, group)
    with scene() as service:
        service.look(pid)
        starve(targets, pid)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"], told["counter_rose"], told["counter_of"]) == ("process-killed", "likely", 1, group.path)
        assert told["limit_of"] == (group.path if group.version("memory") == 2 else None)
        assert told["limit_bytes"] == LIMIT_BYTES
        assert 0 < told["memory_bytes"] < LIMIT_BYTES
        assert set(told["memory_parts"]) >= {"anonymous_bytes"}
        assert 0 <= told["uptime_seconds"] < 60
        assert told["ended_by"] == ("signal 9" if knows_status() else None)
        kills = service.kills()[("workload", group.path)]
        assert (kills.oom_kills, kills.processes) == (group.oom_kills(), 1) == (1, 1)
        assert kills.last is not None
        assert (kills.last.pid, kills.last.limit_bytes, kills.last.certainty) == (pid, LIMIT_BYTES, "likely")


def play_sigkill(groups: Groups, targets: Targets) -> None:
    """A plain SIGKILL: no counter rose, and nothing is remembered."""
    _play_no_kill(groups, targets, signal.SIGKILL, "signal 9")


def play_exit(groups: Groups, targets: Targets) -> None:
    """Exit code 137 by itself, which is what a shell makes of a kill: none."""
    _play_no_kill(groups, targets, signal.SIGUSR2, f"exit code {EXIT_CODE}")


def _play_no_kill(groups: Groups, targets: Targets, number: signal.Signals, ended_by: str) -> None:
    pid = start(targets, limited(groups, "app"))
    with scene() as service:
        service.look(pid)
        end(targets, pid, number)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"], told["counter_rose"]) == ("process-gone", "no", 0)
        assert told["ended_by"] == (ended_by if knows_status() else None)
        assert service.kills() == {}


def play_child(groups: Groups, targets: Targets) -> None:
    """Another one of its cgroup is killed, then it ends by itself: no kill if the kernel tells how it ended, else possible at most."""
    group = limited(groups, "app")
    pid, _other = start(targets, group), start(targets, group)
    with scene() as service:
        service.look(pid)
        assert subjects.die_of_hunger(group) == signal.SIGKILL
        end(targets, pid, signal.SIGUSR2)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"]) == ("process-gone", "no" if knows_status() else "possible")
        assert (told["counter_rose"], told["counter_of"]) == (1, group.path)
        kills = service.kills()[("workload", group.path)]
        assert (kills.oom_kills, kills.processes, kills.last) == (1, 0, None)


def play_two_at_once(groups: Groups, targets: Targets) -> None:
    """One is killed, and another one of its cgroup gets a plain SIGKILL at the same time: the one counted kill explains one end."""
    group = limited(groups, "app")
    pids = start(targets, group), start(targets, group)
    with scene() as service:
        service.look(*pids)
        starve(targets, pids[0])
        end(targets, pids[1], signal.SIGKILL)
        told = service.wait_for(*pids)
        assert sum(one["event"] == "process-killed" for one in told) == (1 if knows_status() else 0)
        assert service.kills()[("workload", group.path)].oom_kills == group.oom_kills() == 1


def play_parent(groups: Groups, targets: Targets) -> None:
    """By the limit of the cgroup above: likely by its own counter; on v2 the one above tells that the limit was its."""
    parent, leaf = limited(groups, "parent"), groups.make("parent", "leaf")
    pid = start(targets, leaf)
    with scene() as service:
        service.look(pid)
        starve(targets, pid)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"], told["counter_of"]) == ("process-killed", "likely", leaf.path)
        assert told["limit_of"] == (parent.path if leaf.version("memory") == 2 else None)
        assert told["limit_bytes"] == LIMIT_BYTES


def play_neighbour(groups: Groups, targets: Targets) -> None:
    """A sidecar is killed: the pod counts it (v2), the program goes on, and its own end later is no kill."""
    pod, sidecar = groups.make(POD), limited(groups, POD, "sidecar")
    app = groups.make(POD, CONTAINER)
    pid = start(targets, app)
    with scene() as service:
        service.look(pid)
        assert subjects.die_of_hunger(sidecar) == signal.SIGKILL
        service.look(pid)
        assert service.lines == []
        end(targets, pid, signal.SIGKILL)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"]) == ("process-gone", "no")
        counted = {owner: kills.oom_kills for owner, kills in service.kills().items()}
        assert counted == ({("pod", POD_UID): pod.oom_kills()} if app.version("memory") == 2 else {})


def play_restart(groups: Groups, targets: Targets) -> None:
    """The successor in the same container, made anew, is told of the kill that its own cgroup does not count."""
    app = limited(groups, POD, CONTAINER)
    pid = start(targets, app)
    with scene() as service:
        service.look(pid)
        starve(targets, pid)
        (told,) = service.wait_for(pid)
        assert (told["event"], told["oom_killed"], told["uid"]) == ("process-killed", "likely", POD_UID)
        app.remake()
        for place in app.directories():
            subjects.fill_cpuset(place)
        (successor,) = service.look(start(targets, app))
        kills = {each.owner.of: (each.oom_kills, each.processes) for each in successor.remembered or ()}
        assert kills == {"container": (1, 1), "pod": (1, 1)}
        (finding,) = (finding for finding in successor.findings if finding.rule == "oom-killed")
        assert finding.harm == "earlier"
        assert any(f"of this container {CONTAINER[:12]}" in line for line in finding.evidence)
        if app.version("memory") == 1:  # on v2 the pod still counts it
            assert finding.summary.startswith("OOM kills: cgtune serve remembers 1 in this container")


def play_vanished(groups: Groups, targets: Targets) -> None:
    """The cgroup is gone before anybody looks: on v2 the pod's counter says that it is possible, on v1 nobody knows. Never a claim."""
    pod, app = groups.make(POD), limited(groups, POD, CONTAINER)
    pid = start(targets, app)
    with scene() as service:
        service.look(pid)
        starve(targets, pid)
        app.remake()
        (told,) = service.wait_for(pid)
        assert told["event"] == "process-gone"
        if app.version("memory") == 2:
            assert (told["oom_killed"], told["counter_rose"], told["counter_of"]) == ("possible", 1, pod.path)
            assert {owner: kills.oom_kills for owner, kills in service.kills().items()} == {("pod", POD_UID): 1}
        else:
            assert (told["oom_killed"], service.kills()) == ("unknown", {})


def play_kernel_log(groups: Groups, targets: Targets) -> None:
    """The kernel's own log names the victim: certain, though the cgroup is gone; whom nobody follows is told as well."""
    app, other = limited(groups, POD, CONTAINER), limited(groups, POD, "other")
    pid, spared, foreign = start(targets, app), start(targets, app), start(targets, other)
    with scene(kernel_log=True) as service:
        service.look(pid, spared)
        starve(targets, foreign)
        end(targets, spared, signal.SIGKILL)
        starve(targets, pid)
        app.remake()
        killed, gone = service.wait_for(pid, spared)
        assert (killed["event"], killed["oom_killed"]) == ("process-killed", "certain")
        assert str(killed["limit_of"]).endswith(app.path)
        assert gone["event"] == "process-gone"
        assert service.kills()[("container", CONTAINER)].processes == 1
        (told,) = service.wait_for(foreign)
        assert told["event"] == "oom-kill"
        assert told["cgroup"].endswith(other.path)


#: As the kubelet's cgroupfs driver names a pod and its container.
POD_UID = "0b8e2b7e-1c7c-4f3b-9d0a-7a3f5b1c2d3e"
POD, CONTAINER = f"pod{POD_UID}", "c0ffee" * 10 + "c0de"

SCENES = (*(play_kill, play_sigkill, play_exit, play_child, play_two_at_once, play_parent, play_neighbour, play_restart, play_vanished),)
