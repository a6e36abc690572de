"""Who could not look must not say that all is well: the command, the page and the service's log answer alike."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cgtune import api
from cgtune.commands import check
from cgtune.errors import CgtuneError
from cgtune.model import Note, ProcessReport, Report
from cgtune.service.board import Board, Found
from cgtune.service.follow import Follower, Look
from cgtune.service.web import App
from cgtune.system.host import Host
from cgtune.verdict import judge_report
from tests.support import stories

STORY = str(stories.STORIES / "v2-ancestor-tighter")
PID = 4242
HIDDEN = Note(path=f"/proc/{PID}/exe", why="permission denied", privilege="CAP_SYS_PTRACE")
COUNTED = Note(path="/proc", why="1 process could not be looked into; whether it is a Go program is not known", privilege="CAP_SYS_PTRACE")


def said_by_check(report: Report, pids: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The line of the command; None for a verdict."""
    monkeypatch.setattr(api, "inspect_host", lambda *_arguments, **_options: report)
    try:
        check.read_verdict(check.CheckOptions(pids=pids, root=STORY))
    except CgtuneError as error:
        return str(error)
    return None


def said_by_page(report: Report, pids: tuple[int, ...]) -> str | None:
    """The body of /check; None if it is clean."""
    board, said = Board(15.0), list[str]()
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    verdict = judge_report(report, fail_on="critical", ignored=frozenset())
    board.pin(Found(look=look, verdict=verdict, began_seconds=time.monotonic(), time_seconds=0.0, scan_seconds=0.1))
    answer = App(board, pids)({"REQUEST_METHOD": "GET", "PATH_INFO": "/check"}, lambda status, _headers: said.append(status))
    return None if said == ["200 OK"] else b"".join(answer).decode()


def said_by_log(report: Report, pids: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The trouble of a look that found this report."""
    monkeypatch.setattr(api, "report_of", lambda *_arguments: report)
    monkeypatch.setattr(api, "judge", lambda report, *_arguments, **_options: report)
    with Host(STORY) as host:
        return Follower(host, pids, None).look(0.0).troubles.get("sight")


def reports() -> Iterator[tuple[str, Report, tuple[int, ...], str | None]]:
    """Name, report, the pids that were asked for, and the sentence that everybody begins with (None: there is a verdict)."""
    whole = api.inspect([PID], root=STORY)
    (process,) = whole.processes
    state = process.snapshot.process.replace(state="Z")

    def told(changed: ProcessReport) -> Report:
        return whole.replace(processes=(changed,))

    read = told(process.replace(snapshot=process.snapshot.replace(notes=(HIDDEN,))))
    concluded = told(process.replace(limits=process.limits.replace(notes=(HIDDEN,))))
    ended = told(process.replace(snapshot=process.snapshot.replace(process=state)))
    closed, no_go = f"process {PID} could not be looked into: ", "no Go process could be looked into: "
    yield "all is seen", whole, (PID,), None
    yield "a note that came of reading", read, (PID,), closed
    yield "a note that came of concluding", concluded, (PID,), closed
    yield "a zombie", ended, (PID,), f"process {PID} has ended: it is a zombie"
    yield "no Go process, all seen", whole, (), None
    yield "no Go process, some not seen", whole.replace(notes=(COUNTED,)), (), no_go
    yield "one that is not in the report", whole, (PID, 7), "no report on process 7"


@pytest.mark.parametrize(("report", "pids", "begins"), [pytest.param(*row[1:], id=row[0]) for row in reports()])
def test_everybody_says_the_same(report: Report, pids: tuple[int, ...], begins: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same report is no verdict to all of them, for the same reason; or it is one to all."""
    command, page = said_by_check(report, pids, monkeypatch), said_by_page(report, pids)
    log = said_by_log(report, pids, monkeypatch)
    if begins is None:
        assert (command, page, log) == (None, None, None)
        return
    assert command is not None
    assert page is not None
    assert (command[: len(begins)], page[: len(begins)]) == (begins, begins)
    if begins.startswith("no report on"):
        assert log is None  # the count of missing processes tells it, and the trouble of who could not be read
    else:
        assert log is not None
        assert page == f"{log}\n"
