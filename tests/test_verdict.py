"""Who could not look must not say that all is well: the command, the page and the service's log answer alike."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune import api
from cgtune.commands import check
from cgtune.errors import CgtuneError
from cgtune.model import GoFacts, Note, ProcessReport, Report
from cgtune.service.board import Board, Found
from cgtune.service.follow import Follower, Look
from cgtune.service.web import App
from cgtune.system.host import Host
from cgtune.system.source import MARKER
from cgtune.verdict import judge_report, unseen_notes
from tests.rules.reports import go_facts
from tests.support import inside, stories

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


def fitting(**changes: object) -> GoFacts:
    """A Go runtime that no rule has anything against in the story's limits, one CPU and 512 MiB."""
    return go_facts(**({"procs": 2, "memory": 400 << 20} | changes))  # type: ignore[arg-type]  # as they came


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
    quota = Note(path=process.snapshot.cpu_chain[0].directory + "/cpu.max", why="Input/output error", kind="failed")
    pressure = quota.replace(path=process.snapshot.cpu_chain[0].directory + "/cpu.pressure")
    partly = f"process {PID} could not be looked into completely: {quota.path}: Input/output error"
    program = process.replace(snapshot=process.snapshot.replace(go=(fitting(),)))

    def noted(*notes: Note, go: tuple[GoFacts, ...] = (fitting(),)) -> Report:
        return told(program.replace(snapshot=program.snapshot.replace(notes=notes, go=go)))

    memory = Note(path=f"/proc/{PID}/mem", why="permission denied", privilege="CAP_SYS_PTRACE", kind="failed")
    unknown = fitting(procs=None)
    yield "a quota that cannot be read", noted(quota), (PID,), partly
    yield "the same in a search", noted(quota), (), partly
    yield "of a program that is none of Go's", told(process.replace(snapshot=process.snapshot.replace(notes=(quota,)))), (PID,), partly
    own = process.snapshot.replace(process=process.snapshot.process.replace(is_self=True), notes=(quota,))
    yield "of cgtune itself, which is not judged", told(process.replace(snapshot=own)), (PID,), None
    yield "what no rule asks for", noted(pressure), (PID,), None
    yield "a file of the machine that no rule asks for", noted(quota.replace(path="/proc/uptime")), (PID,), None
    yield "hidden ancestors alone", noted(quota.replace(kind="hidden")), (PID,), None
    yield "a memory that is closed, all values known", noted(memory), (PID,), None
    yield (
        "a memory that is closed, one value not known",
        noted(memory, go=(unknown,)),
        (PID,),
        f"process {PID} could not be looked into comp",
    )
    for name in ("cgroup", "status"):
        limits = memory.replace(path=f"/proc/{PID}/{name}")
        yield f"a {name} that is closed, though all values are known", noted(limits), (PID,), f"process {PID} could not be looked into comp"
    yield "a memory that fails", noted(memory.replace(privilege=None)), (PID,), f"process {PID} could not be looked into completely: /proc"
    yield (
        "an executable that fails",
        told(process.replace(snapshot=process.snapshot.replace(notes=(HIDDEN.replace(privilege=None, kind="failed"),)))),
        (PID,),
        closed,
    )
    yield "a search that failed on one", noted().replace(notes=(COUNTED.replace(privilege=None, kind="failed"),)), (), "a process could not"
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


def test_a_failure_stands_whatever_else_is_not_known(tmp_path: Path) -> None:
    """A throttled cgroup fails the check though its memory limit cannot be read; both are said. Without the failure there is no verdict."""
    root = tmp_path / "root"
    shutil.copytree(STORY, root, symlinks=True)
    marker, stat = root / MARKER, root / "sys/fs/cgroup/pod/cpu.stat"
    limit = "/sys/fs/cgroup/pod/memory.max"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "unreadable": {limit: errno.EIO}}))
    stat.write_text(stat.read_text().replace("nr_periods 180", "nr_periods 1000").replace("nr_throttled 45", "nr_throttled 450"))
    failed = inside.run("check", "--root", root, "--pid", PID)
    assert (failed.returncode, failed.stderr) == (1, f"cgtune: not seen: {limit}: Input/output error\n")
    assert "cpu-throttled" in failed.stdout
    refused = inside.run("check", "--root", root, "--pid", PID, "--ignore", "cpu-throttled")
    said = f"process {PID} could not be looked into completely: {limit}: Input/output error; try again, or name another one with --pid"
    assert refused == (3, "", f"cgtune: {said}\n")


@pytest.mark.parametrize(("limited", "told"), [(True, False), (False, True)])
def test_hidden_ancestors_are_told_if_no_limit_is_seen(limited: bool, told: bool) -> None:
    """In every container they are hidden: a clean check stays clean, and says so if a limit above could change that."""
    (process,) = api.inspect([PID], root=str(stories.STORIES / "v2-container-from-host")).processes
    snapshot = process.snapshot.replace(go=(go_facts(),), notes=(Note(path="/sys/fs/cgroup", why="hidden", kind="hidden"),))
    limits = process.limits if limited else process.limits.replace(cpu=process.limits.cpu.replace(limit_cores=None))
    report = api.inspect([PID], root=STORY).replace(processes=(process.replace(snapshot=snapshot, limits=limits),))
    assert [note.path for note in unseen_notes(report)] == ["/sys/fs/cgroup"] * told
