"""How what a command found is written to stdout: in its format, and for people as wide and as coloured as the terminal is."""

from __future__ import annotations

import os
import sys

from cgtune.commands.terminal import emit
from cgtune.errors import UsageError
from cgtune.outputs import is_for_people, load_pieces, load_renderer
from cgtune.outputs.escape import escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MOST_DIGITS = 6


def is_coloured(choice: str = "auto") -> bool:
    """Whether what is written to stdout may have colours: by ``choice``, "always" or "never"; else NO_COLOR says no, FORCE_COLOR yes,
    and without both it is so for a terminal that is not dumb.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in ("0", "false")
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def read_width() -> int | None:
    """How many columns the terminal has that stdout goes to, by COLUMNS if that is set; None: to none, or it does not tell."""
    if not sys.stdout.isatty():
        return None
    from cgtune.outputs.layout import LEAST_WIDTH, MOST_WIDTH

    text = os.environ.get("COLUMNS", "")
    columns = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
    if not columns:
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:
            return None
    return max(LEAST_WIDTH, min(columns, MOST_WIDTH)) if columns else None


def show(command: str, format_: str, document: object, colour: str = "auto", **layout: Any) -> None:
    """Write what a command found to stdout in this format; what is for people looks as the terminal has room for.

    ``layout``: the other fields of a Layout (outputs/layout.py) that are not as by default.
    """
    if is_for_people(command, format_):
        emit(render(command, format_, document, colour, **layout))
    else:
        emit(render_pieces(command, format_, document))


def render_pieces(command: str, format_: str, document: object) -> Iterator[str]:
    """The text of a format that is not for people, as it is written."""
    return load_pieces(command, format_)(document)


def render(command: str, format_: str, document: object, colour: str = "auto", **layout: Any) -> str:
    """The text that show writes."""
    renderer = load_renderer(command, format_)
    if not is_for_people(command, format_):
        return renderer(document)
    width, is_colour = read_width(), is_coloured(colour)
    if width is None and not is_colour and not any(value is not None and value is not False for value in layout.values()):
        return renderer(document)  # a probe's: it loads no more than it needs
    from cgtune.outputs.layout import Layout

    return renderer(document, Layout(width=width, colour=is_colour, **layout))


def require_terminal(option: str, otherwise: str) -> None:
    """Raises UsageError if stdout is no terminal."""
    if not sys.stdout.isatty():
        raise UsageError(f"{option} needs a terminal to draw on: {otherwise}")


def draw(title: str, text: str, *, is_first: bool) -> None:
    """Put a text in the place of the one that was drawn before, below its title; what is too high for the terminal is counted."""
    try:
        height = os.get_terminal_size(sys.stdout.fileno()).lines
    except OSError:
        height = 0
    lines = [escape_control(title), "", *text.rstrip("\n").split("\n")]
    if 0 < height < len(lines) + 1:  # the cursor stands on one of its own
        shown = max(height - 2, 1)
        lines[shown:] = [f"... and {len(lines) - shown} lines more: a taller terminal shows them"]
    # Each line is wiped from its end on, and so is what is below the last one: to wipe all first would flicker
    emit("\x1b[2J" * is_first + "\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
