"""What is answered for reports that a live machine seldom has: the application is asked without a server."""

from __future__ import annotations

import json
import time

import pytest

from cgtune.api import inspect
from cgtune.model import Kills, Note, Owner, Report
from cgtune.service.board import Board, Found
from cgtune.service.follow import Look
from cgtune.service.web import App, prefers_openmetrics
from cgtune.verdict import judge_report
from tests.support import stories

STORY = stories.STORIES / "v2-ancestor-tighter"


def ask(path: str, report: Report, *, pids: tuple[int, ...] = ()) -> tuple[str, str]:
    """Status and body where this is the newest report."""
    board = Board(15.0)
    verdict = judge_report(report, fail_on="warning", ignored=frozenset())
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    board.pin(Found(look=look, verdict=verdict, began_seconds=time.monotonic(), time_seconds=0.0, scan_seconds=0.1))
    said: list[str] = []
    environ: dict[str, object] = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
    body = b"".join(App(board, pids)(environ, lambda status, _headers: said.append(status)))
    return said[0], body.decode()


def test_a_named_process_that_is_closed_to_us_is_not_clean() -> None:
    """Whether it is a Go program is not known, and so nobody knows whether all is well; of one without anything hidden all is known."""
    report = inspect([4242], root=str(STORY))
    (process,) = report.processes
    assert ask("/check", report, pids=(4242,)) == ("200 OK", "clean\n")
    note = Note(path="/proc/4242/exe", why="permission denied", privilege="CAP_SYS_PTRACE")
    closed = report.replace(processes=(process.replace(snapshot=process.snapshot.replace(notes=(note,))),))
    said = "process 4242 could not be looked into: /proc/4242/exe: permission denied (needs CAP_SYS_PTRACE)\n"
    assert ask("/check", closed, pids=(4242,)) == ("503 Service Unavailable", said)


def test_a_path_that_is_no_text() -> None:
    """Why it is not clean is said all the same, in codes where bytes are no text or could steer a terminal."""
    report = inspect([4242], root=str(STORY))
    (process,) = report.processes
    note = Note(path="/srv/\udcff\x1b[2J.so", why="permission denied", privilege="CAP_SYS_PTRACE")
    closed = report.replace(processes=(process.replace(snapshot=process.snapshot.replace(notes=(note,))),))
    said = "process 4242 could not be looked into: /srv/\\xff\\x1b[2J.so: permission denied (needs CAP_SYS_PTRACE)\n"
    assert ask("/check", closed, pids=(4242,)) == ("503 Service Unavailable", said)


def test_before_the_first_report_the_page_says_so() -> None:
    """With the status of a service that is not there yet, and the policy of every page."""
    said: list[tuple[str, dict[str, str]]] = []
    environ: dict[str, object] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    body = b"".join(App(Board(15.0), ())(environ, lambda status, headers: said.append((status, dict(headers)))))
    ((status, headers),) = said
    assert (status, "Content-Security-Policy" in headers) == ("503 Service Unavailable", True)
    assert b"no report yet" in body


def test_a_search_that_is_let_near_nobody_is_not_clean() -> None:
    """What is missing is named."""
    hidden = Note(path="/proc", why="3 processes could not be looked into", privilege="CAP_SYS_PTRACE")
    report = inspect([4242], root=str(STORY)).replace(processes=(), notes=(hidden,))
    said = "no Go process could be looked into: 3 processes could not be looked into (needs CAP_SYS_PTRACE)\n"
    assert ask("/check", report) == ("503 Service Unavailable", said)
    assert ask("/check", report.replace(notes=())) == ("200 OK", "clean\n")


def test_it_is_not_healthy_while_a_scan_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever restarts what is not healthy ends it so; a scan that has much to do is let be."""
    board, now = Board(15.0), time.monotonic()
    board.stages.begin()

    def ask_health(seconds: float) -> tuple[bytes, str]:
        monkeypatch.setattr(time, "monotonic", lambda: now + seconds)
        said: list[str] = []
        environ: dict[str, object] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/healthz"}
        return b"".join(App(board)(environ, lambda status, _headers: said.append(status))), said[0]

    assert ask_health(140.0) == (b"alive\n", "200 OK")
    words = b"a scan has been running for 151 s, and counts as hanging from 150 s on\n"
    assert ask_health(151.2) == (words, "503 Service Unavailable")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_there_to_be_read_only(method: str) -> None:
    """Any other method is told which ones there are."""
    said: list[tuple[str, dict[str, str]]] = []
    environ: dict[str, object] = {"REQUEST_METHOD": method, "PATH_INFO": "/metrics"}
    body = b"".join(App(Board(15.0))(environ, lambda status, headers: said.append((status, dict(headers)))))
    assert (said[0][0], said[0][1]["Allow"], body) == ("405 Method Not Allowed", "GET, HEAD", b"GET and HEAD only\n")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.3", True),
        ("application/openmetrics-text;q=x", False),
        ("application/openmetrics-text;q=x, application/openmetrics-text;q=0.1", True),
        ("text/plain;q=x, application/openmetrics-text;q=0.1", True),
    ],
)
def test_a_weight_that_is_no_number_is_passed_over(accept: str, wanted: bool) -> None:
    """What else the header says still counts."""
    assert prefers_openmetrics(accept) == wanted


def test_kills_are_answered_before_there_is_a_report() -> None:
    """What is remembered hangs on no look; the index names the path."""
    board = Board(15.0)
    board.remember((Kills(owner=Owner(of="workload", name="web.service"), oom_kills=2, processes=1, last_seconds=5.0),), (), 3)
    said: list[str] = []
    environ: dict[str, object] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/kills"}
    body = b"".join(App(board)(environ, lambda status, _headers: said.append(status)))
    assert said == ["200 OK"]
    content = json.loads(body)
    assert (content["forgotten"], content["since_seconds"]) == (3, board.since_seconds)
    assert [(kills["owner"]["name"], kills["oom_kills"]) for kills in content["kills"]] == [("web.service", 2)]
