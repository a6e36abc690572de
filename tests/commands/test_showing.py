"""What a terminal that does not tell its size is given, and one that is too low."""

from __future__ import annotations

import io
import os
import sys

import pytest

from cgtune.commands.showing import draw, read_width
from cgtune.outputs.layout import LEAST_WIDTH, MOST_WIDTH


class _Terminal(io.StringIO):
    """A terminal without a descriptor, as an embedded console is: nobody can ask it for its size."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("columns", "width"),
    [("", None), ("120", 120), ("5", LEAST_WIDTH), ("9999", MOST_WIDTH), ("wide", None), ("0", None), ("1234567", None)],
)
def test_the_width_of_a_terminal_that_does_not_tell_it(monkeypatch: pytest.MonkeyPatch, columns: str, width: int | None) -> None:
    """It is not known, unless COLUMNS says it in a number."""
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("COLUMNS", columns)
    assert read_width() == width


@pytest.mark.parametrize(
    ("height", "shown"),
    [(None, ["title", "", "a", "b", "c"]), (6, ["title", "", "a", "b", "c"]), (5, ["title", "", "a", "... and 2 lines more"])]
    + [(height, ["title", "... and 4 lines more"]) for height in (3, 2, 1)],
)
def test_what_is_too_high_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], height: int | None, shown: list[str]
) -> None:
    """The cursor needs a line of its own; a terminal that does not tell its height is given all."""

    def size(_file: int) -> os.terminal_size:
        if height is None:
            raise OSError
        return os.terminal_size((80, height))

    monkeypatch.setattr(os, "get_terminal_size", size)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
    draw("title", "a\nb\nc\n", is_first=False)
    lines = capsys.readouterr().out.removeprefix("\x1b[H").removesuffix("\x1b[J").split("\x1b[K\n")[:-1]
    assert [line.partition(" more:")[0] + " more" * (" more:" in line) for line in lines] == shown
