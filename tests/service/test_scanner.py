"""The scanner's thread: nothing that goes wrong ends it."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from cgtune.errors import Malformed, Unwritable
from cgtune.service.board import Board
from cgtune.service.follow import Follower
from cgtune.service.serve import ServeOptions, _Scanner
from cgtune.system.host import Host
from tests.support import stories

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
        _Scanner(options, Follower(host, (4242,), None), board, cast("Any", journal), frozenset(), textfile, stop).run()
    assert [set(troubles) for troubles in journal.troubles] == [{place, "textfile"}] * 2
    words = journal.troubles[1][place]
    assert str(error) in words
    assert ("please report it" in words) == isinstance(error, KeyError)
    assert (board.scans, board.scan_errors) == ((0, 2) if place == "scan" else (2, 0))
