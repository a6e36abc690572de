"""The log: each trouble once, its end once, and a bounded number of lines a scan."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator

from cgtune.service import journal
from cgtune.service.journal import Journal, start_journal


@contextlib.contextmanager
def log_to(stream: io.StringIO) -> Iterator[Journal]:
    """A log that ends in ``stream``; afterwards Python's logging is as it was."""
    root = logging.getLogger()
    before, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    with contextlib.redirect_stderr(stream):
        yield start_journal("json")
    root.handlers[:], logging.raiseExceptions = before, raises
    root.setLevel(level)


def take(stream: io.StringIO) -> list[tuple[str, str]]:
    """Event and message of each line since the last time."""
    lines = stream.getvalue().splitlines()
    stream.seek(0)
    stream.truncate()
    return [(line["event"], line["message"]) for line in map(json.loads, lines)]


def test_a_trouble_is_told_once_and_once_when_it_is_over() -> None:
    """Whatever is still wrong is not told again, though its words change."""
    stream = io.StringIO()
    with log_to(stream) as log:
        log.report_troubles({"scan": "no root"})
        log.report_troubles({"scan": "still no root", "textfile": "full"})
        log.report_troubles({"textfile": "full"})
        log.report_troubles({})
        assert take(stream) == [
            ("trouble", "scan: no root"),
            ("trouble", "textfile: full"),
            ("over", "scan: is over"),
            ("over", "textfile: is over"),
        ]


def test_many_troubles_at_once_are_a_bounded_number_of_lines() -> None:
    """Beyond a hundred one line tells how many more, when they begin and when they are over."""
    stream = io.StringIO()
    with log_to(stream) as log:
        many = {f"process {number}": "broken" for number in range(250)}
        log.report_troubles(many)
        assert take(stream)[99:] == [("trouble", "process 99: broken"), ("more", "and 150 more troubles that began or are over")]
        log.report_troubles(many)
        assert take(stream) == []
        log.report_troubles({})
        assert take(stream)[99:] == [("over", "process 99: is over"), ("more", "and 150 more troubles that began or are over")]


def test_what_others_made_is_one_line_of_bounded_length() -> None:
    """Names with newlines, quotes, escapes, bytes that are no text and no end: one line of ASCII, and JSON to strict readers too."""
    stream = io.StringIO()
    with log_to(stream) as log:
        name = 'a"b\\\n\x1b[31m\udcff' + "x" * 5000
        log.say("process-came", f"7 {name} came", {"command": name})
        (line,) = stream.getvalue().splitlines()
        assert line.isascii()
        assert json.loads(line)["command"] == name[: journal._MOST_CHARACTERS].replace("\udcff", "\\xff")
        assert len(line) < 2500


def test_the_fault_of_a_library_is_one_line() -> None:
    """If a library logs an exception, its last line stands behind the message, without the traceback."""
    stream = io.StringIO()
    with log_to(stream):
        try:
            raise ValueError("no\nnumber")
        except ValueError:
            logging.getLogger("library").exception("could not serve")
        assert take(stream) == [("library", "could not serve: ValueError: no\nnumber")]
