"""The scanner's thread: nothing that goes wrong ends it."""

from __future__ import annotations

import gc
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cgtune.errors import Malformed, Unwritable
from cgtune.service import board as board_module, serve, web
from cgtune.service.board import Board
from cgtune.service.follow import Follower, Look
from cgtune.service.journal import Journal
from cgtune.service.serve import ServeOptions, _Scanner
from cgtune.service.vigil import Vigil
from cgtune.service.web import App
from cgtune.system.host import Host
from tests.support import stories
from tests.support.serving import parse_metrics

STORY = str(stories.STORIES / "v2-ancestor-tighter")


class _Journal:
    """Remembers the troubles, and stops the scanner after the second scan."""

    def __init__(self, stop: threading.Event) -> None:
        self.troubles: list[dict[str, str]] = []
        self._stop = stop

    def say(self, *_words: object, **_fields: object) -> None:
        pass

    def report_troubles(self, troubles: dict[str, str]) -> None:
        self.troubles.append(troubles)
        if len(self.troubles) == 2:
            self._stop.set()


class _Textfile:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def write(self) -> None:
        raise self._error


def test_nothing_is_collected_amid_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was loaded is no garbage to the end, and what a look makes is looked at when it is over, not at each 700th object."""
    told: list[object] = []
    monkeypatch.setattr(gc, "freeze", lambda: told.append("frozen"))
    monkeypatch.setattr(gc, "set_threshold", lambda *numbers: told.append(numbers))
    stop = threading.Event()
    stop.set()
    board, journal = Board(0.01), cast("Any", _Journal(stop))
    with Host(STORY) as host:
        _Scanner(ServeOptions(), Follower(host, (4242,), None), board, journal, {}, stop, Vigil(host, journal, board, stop)).run()
    assert told == ["frozen", serve.COLLECT]
    assert serve.COLLECT[0] >= 100_000


@pytest.mark.parametrize("error", [Unwritable("full"), KeyError("ours")], ids=["the disk", "our fault"])
@pytest.mark.parametrize("place", ["scan", "textfile"])
def test_nothing_ends_it(monkeypatch: pytest.MonkeyPatch, place: str, error: Exception) -> None:
    """A scan or a file that fails, foreseen or not, is a trouble, and the next scan comes; failed scans are counted."""

    def look(*_now: object) -> None:
        raise error

    stop = threading.Event()
    options, board, journal = ServeOptions(interval_seconds=0.01), Board(0.01), _Journal(stop)
    if place == "scan":
        monkeypatch.setattr(Follower, "look", look)
    textfile: Any = _Textfile(error if place == "textfile" else Malformed("x"))
    with Host(STORY) as host:
        _Scanner(
            options,
            Follower(host, (4242,), None),
            board,
            cast("Any", journal),
            {"textfile": textfile.write},
            stop,
            Vigil(host, cast("Any", journal), board, stop),
        ).run()
    assert [set(troubles) for troubles in journal.troubles] == [{place, "textfile"}] * 2
    words = journal.troubles[1][place]
    assert str(error) in words
    assert ("please report it" in words) == isinstance(error, KeyError)
    assert (board.scans, board.scan_errors) == ((0, 2) if place == "scan" else (2, 0))


def test_a_fault_between_two_looks_is_told_and_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while nobody looks: one line, and the next look comes when it is due."""
    said: list[tuple[str, str]] = []
    stop = threading.Event()
    journal = _Journal(stop)
    monkeypatch.setattr(journal, "say", lambda event, words, *_more, **_fields: said.append((event, words)))

    def fail(*_arguments: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(Vigil, "wait", fail)
    with Host(STORY) as host:
        watcher = Vigil(host, cast("Any", journal), Board(0.01), stop)
        textfile = cast("Any", _Textfile(Unwritable("full")))
        options, follower = ServeOptions(interval_seconds=0.05), Follower(host, (4242,), None)
        _Scanner(options, follower, Board(0.01), cast("Any", journal), {"textfile": textfile.write}, stop, watcher).run()
    assert len(journal.troubles) == 2
    assert {(event, words.startswith("between two looks: "), "'ours'" in words) for event, words in said if event == "trouble"} == {
        ("trouble", True, True)
    }


class _Clock:
    """Stands in for ``time``, and for the event that stops the scanner: between two scans the test has its turn, until it is at its end."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.turns: Iterator[None] = iter(())
        self._is_over = False

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now

    def is_set(self) -> bool:
        return self._is_over

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        self._is_over = next(self.turns, self) is self


@pytest.mark.parametrize(
    ("scan_seconds", "wait_seconds"),
    [(0.0, 10.0), (2.0, 8.0), (6.0, 4.0), (8.0, 4.0), (10.0, 5.0), (40.0, 20.0)],
)
def test_a_third_of_the_time_is_left_to_others(monkeypatch: pytest.MonkeyPatch, scan_seconds: float, wait_seconds: float) -> None:
    """Looks begin an interval apart; if one takes long, even longer than the interval, half of what it took is waited all the same."""
    clock = _Clock()
    genuine = Follower.look

    def look(self: Follower, now_seconds: float) -> Look:
        clock.now += scan_seconds
        return genuine(self, now_seconds)

    monkeypatch.setattr(serve, "time", clock)
    monkeypatch.setattr(Follower, "look", look)
    options, board, journal = ServeOptions(interval_seconds=10.0), Board(10.0), _Journal(threading.Event())
    with Host(STORY) as host:
        said, stop = cast("Any", journal), cast("Any", clock)
        _Scanner(options, Follower(host, (4242,), None), board, said, {}, stop, Vigil(host, said, board, stop)).run()
    assert clock.waits == [wait_seconds]
    assert board.found is not None
    assert board.found.scan_seconds == scan_seconds


def test_it_looks_again_at_once_while_nothing_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar starts before the program: for two minutes it looks each second, until there is something to see."""
    clock, found = _Clock(), [0]

    def turns() -> Iterator[None]:
        yield from [None] * 3
        found[0] = 1
        yield from [None] * 2

    genuine = Follower.look

    def look(self: Follower, now_seconds: float) -> Look:
        seen = genuine(self, now_seconds)
        return seen if found[0] else seen.replace(report=seen.report.replace(processes=()))

    clock.turns = turns()
    monkeypatch.setattr(serve, "time", clock)
    monkeypatch.setattr(Follower, "look", look)
    options, board, journal = ServeOptions(interval_seconds=15.0), Board(15.0), _Journal(threading.Event())
    with Host(STORY) as host:
        said, stop = cast("Any", journal), cast("Any", clock)
        _Scanner(options, Follower(host, (4242,), None), board, said, {}, stop, Vigil(host, said, board, stop)).run()
    assert clock.waits == [1.0] * 4 + [15.0] * 2


def test_a_machine_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Scans that fail as a whole are counted and told once; the old report stays, and is believed for a while; what it said is not over."""
    root = tmp_path / "root"
    shutil.copytree(STORY, root, symlinks=True)
    online = root / "sys/devices/system/cpu/online"
    content = online.read_text()
    (root / "proc/77").mkdir()
    (root / "proc/77/stat").write_text("garbage\n")
    clock, board, pids = _Clock(), Board(1.0), (4242, 77)
    app = App(board, pids)

    def ask(path: str) -> tuple[str, str]:
        said: list[str] = []
        body = b"".join(app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, _headers: said.append(status)))
        return said[0][:3], body.decode()

    def metric(name: str) -> float:
        return parse_metrics(ask("/metrics")[1])[name][0][1]

    def turns() -> Iterator[None]:
        assert ask("/readyz")[0] == "200"
        online.unlink()
        for failed in (1, 2, 3):
            yield
            assert (metric("cgtune_scan_errors_total"), metric("cgtune_scans_total")) == (failed, 1)
            assert ask("/readyz")[0] == "200"
        yield
        assert ask("/readyz")[0] == "200"  # 5 s: it is believed until then
        yield
        assert ask("/readyz") == ("503", "the report is 6.0 s old, and counts as fresh for 5 s\n")
        assert ask("/check") == ("503", "the report is 6.0 s old, and counts as fresh for 5 s\n")
        assert (metric("cgtune_report_age_seconds"), metric("cgtune_scans_total"), metric("cgtune_cpu_limit_cores")) == (6.0, 1, 1.0)
        online.write_text(content)
        yield
        assert ask("/readyz")[0] == "200"

    clock.turns = turns()
    monkeypatch.setattr(serve, "time", clock)
    for module in (web, board_module):
        monkeypatch.setattr(module, "time", clock)
    caplog.set_level(logging.INFO, "cgtune")
    with Host(str(root)) as host:
        options, stop = ServeOptions(interval_seconds=1.0), cast("Any", clock)
        _Scanner(options, Follower(host, pids, None), board, Journal(), {}, stop, Vigil(host, Journal(), board, stop)).run()
    assert len(clock.waits) == 7
    lines = [vars(record) for record in caplog.records]
    told = [(line["event"], line["fields"]["about"]) for line in lines if line["event"] in ("trouble", "over")]
    assert told == [("trouble", "process 77"), ("trouble", "scan"), ("over", "scan")]  # of process 77 nothing was known meanwhile


class _Closing:
    """A host, and a log, that say when they are done with."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def close(self) -> None:
        self.said.append("closed")

    def say(self, event: str, _message: str) -> None:
        self.said.append(event)


def test_files_are_not_closed_under_a_look_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the midst of a long look ends the service with 0: what the look has open is left to the kernel."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr(serve, "_JOIN_SECONDS", 0.01)
    over = threading.Event()
    look = threading.Thread(target=over.wait, daemon=True)
    look.start()
    for said in (["stop"], ["closed", "stop"]):
        ending = _Closing()
        with pytest.raises(SystemExit) as left:
            serve._end([look], ending, None, None, ending)  # type: ignore[arg-type]  # what it asks of both
        assert (left.value.code, ending.said) == (0, said)
        over.set()
        look.join()
