"""Between two scans: what the kernel's log says is put to who ended, and what is lost or forgotten is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from cgtune.cgroups.oomlog import parse_oom_record
from cgtune.service import ledger as ledger_module
from cgtune.service.board import Board
from cgtune.service.vigil import Vigil, has_machine_pids
from cgtune.system.host import Host
from cgtune.system.kernellog import KernelLog
from tests.cgroups.test_oomlog import _KILLED, _SUMMARY
from tests.rules.reports import report
from tests.service.test_ledger import level, process as ledger_process
from tests.support import stories


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
