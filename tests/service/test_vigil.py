"""Between two scans: what the kernel's log says is put to who ended, and what is lost or forgotten is said."""

from __future__ import annotations

import errno
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cgtune.cgroups.oomlog import parse_oom_record
from cgtune.errors import Unreadable, UsageError
from cgtune.model import ProcessReport
from cgtune.service import ledger as ledger_module, serve
from cgtune.service.board import Board
from cgtune.service.vigil import Vigil, has_machine_pids
from cgtune.system.host import Host
from cgtune.system.kernellog import KernelLog
from tests.cgroups.test_oomlog import _KILLED, _SUMMARY
from tests.rules.reports import report
from tests.service.test_ledger import level, process as ledger_process
from tests.support import stories
from tests.support.refusing import Refusing


class _Log:
    """A journal that remembers, and a kernel's log that says what it is told to."""

    def __init__(self, *records: str) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self.records = list(records)
        self.lost = 0

    def say(self, event: str, message: str, fields: dict[str, Any] | None = None, **_level: int) -> None:
        self.said.append((event, message, fields or {}))

    def read(self) -> Iterator[str]:
        """What has come since the last time."""
        records, self.records = self.records, []
        return iter(records)


def vigil(host: Host, log: _Log, *, with_log: bool = True) -> Vigil:
    """One that speaks to this log and hears it."""
    kernel_log = cast("KernelLog", log) if with_log else None
    return Vigil(host, cast("Any", log), Board(1.0), threading.Event(), kernel_log)


def test_a_kill_of_a_process_that_nobody_follows_is_told() -> None:
    """With its cgroup, if the log has it; its name steers no terminal."""
    log = _Log(_SUMMARY, _KILLED.replace("goprobe", "go\\x1b"), _KILLED.replace("4242", "77"))
    with Host("/") as host:
        vigil(host, log).follow((), 0.0)
    assert [(event, fields["pid"], fields["cgroup"]) for event, _, fields in log.said] == [
        ("oom-kill", 4242, "/pod/app/x"),
        ("oom-kill", 77, None),
    ]
    assert all(message.isprintable() for _, message, _ in log.said)
    assert parse_oom_record(_KILLED) is not None


def test_what_the_log_lost_is_said() -> None:
    """Once for each loss."""
    log = _Log()
    with Host("/") as host:
        watcher = vigil(host, log)
        log.lost = 2
        watcher.follow((), 0.0)
        watcher.follow((), 1.0)
    assert [(event, message) for event, message, _ in log.said] == [
        ("kernel-log-lost", "2 times the kernel's log was overwritten before it was read")
    ]


def test_what_is_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest owners go where there are too many, and the log and the board say how many did."""
    monkeypatch.setattr(ledger_module, "MOST_OWNERS", 1)
    log, board = _Log(), Board(1.0)
    with Host("/") as host:
        watcher = Vigil(host, cast("Any", log), board, threading.Event())
        for kills in (0, 1):
            processes = [ledger_process(level(path, kills), pid=pid) for pid, path in enumerate(("/a", "/b", "/c"), 1)]
            watcher.follow(processes, float(kills))
    assert board.forgotten == 2
    assert [fields for event, _, fields in log.said if event == "forgotten"] == [{"forgotten": 2}]
    assert [kills.owner.name for kills in board.remembered] == ["/c"]


def _gone() -> ProcessReport:
    """A process that has ended, and whose parent knows."""
    with subprocess.Popen(["true"]) as child:
        child.wait()
    return ledger_process(level("/a"), pid=child.pid)


def test_who_ended_between_two_looks_is_told_by_the_next() -> None:
    """Its folder in /proc is gone; one whose stat cannot be read may live on, and nothing is said of it."""
    for refused, events in (({}, ["process-gone"]), ({"stat": errno.EACCES}, []), ({"stat": errno.ESRCH}, ["process-gone"])):
        process, log = _gone(), _Log()
        pid = process.snapshot.process.pid
        with Refusing("/", {f"/proc/{pid}/{name}": number for name, number in refused.items()}) as host:
            watcher = vigil(host, log, with_log=False)
            watcher.follow((process,), 0.0)
            told = watcher.follow((), 1.0)
        assert [event for event, *_ in log.said] == events
        assert {pid for pid, _ in told} == ({pid} if events else set())


def test_a_look_that_failed_leaves_nobody_who_ends_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who is watched and not followed any more, as a fault of ours may leave it, is let go when he ends."""
    log = _Log()
    with Host("/") as host, subprocess.Popen(["sleep", "600"]) as child:
        try:
            watcher = vigil(host, log, with_log=False)
            stat = Path(f"/proc/{child.pid}/stat").read_text()
            process = ledger_process(level("/a"), pid=child.pid)
            state = process.snapshot.process.replace(start_ticks=int(stat.rpartition(")")[2].split()[19]))
            watcher.follow((process.replace(snapshot=process.snapshot.replace(process=state)),), 0.0)
            assert watcher._watched is not None
            assert child.pid in watcher._watched

            def fail(*_arguments: object) -> None:
                raise RuntimeError

            with monkeypatch.context() as patch:
                patch.setattr(watcher._ledger, "follow", fail)
                with pytest.raises(RuntimeError):
                    watcher.follow((), 1.0)
            assert child.pid in watcher._watched
        finally:
            child.kill()
        watcher.wait(0.3)
        assert child.pid not in watcher._watched
    assert log.said == []


def test_no_more_names_of_the_log_are_kept_than_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of causes whose victims never come the oldest goes: a victim that comes after it is told without its cgroup."""
    monkeypatch.setattr("cgtune.service.vigil._MOST_NAMED", 2)
    causes = [_SUMMARY.replace("pid=4242", f"pid={pid}") for pid in (1, 2, 1, 3)]
    log = _Log(*causes, *(_KILLED.replace("4242", str(pid)) for pid in (1, 2, 3)))
    with Host("/") as host:
        vigil(host, log).follow((), 0.0)
    assert [(fields["pid"], fields["cgroup"]) for _, _, fields in log.said] == [(1, "/pod/app/x"), (2, None), (3, "/pod/app/x")]


def test_the_kernels_log_is_opened_only_if_it_names_these_pids(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's pids are not those that the log names; a recording has no log."""
    monkeypatch.setattr("cgtune.system.kernellog.KernelLog", lambda root: f"the log of {root}")
    with Host("/") as host:
        monkeypatch.setattr(serve, "has_machine_pids", lambda _host: True)
        assert cast("Any", serve._open_kernel_log(host)) == "the log of /"
        monkeypatch.setattr(serve, "has_machine_pids", lambda _host: False)
        with pytest.raises(Unreadable, match="the pids below / are a container's"):
            serve._open_kernel_log(host)
    with Host(str(stories.STORIES / "v2-plain")) as host, pytest.raises(UsageError, match="needs a live machine"):
        serve._open_kernel_log(host)


def test_whose_pids_they_are() -> None:
    """The machine's second process is a thread of the kernel; a recording, and a container, have another one or none."""
    with Host(str(stories.STORIES / "v2-plain")) as host:
        assert not has_machine_pids(host)


def test_a_recording_ends_nobody() -> None:
    """There is no kernel that would tell: what is not in a later look has just gone from the report."""
    log = _Log(_KILLED)
    with Host(str(stories.STORIES / "v2-plain")) as host:
        watcher = vigil(host, log)
        watcher.follow((report(),), 0.0)
        assert watcher.follow((), 1.0) == frozenset()
    assert log.said == []
