"""Cells of comma-separated values (RFC 4180), shared by all who write them."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def csv_line(cells: Iterable[object]) -> str:
    """One line, with its end."""
    return ",".join(map(csv_cell, cells)) + "\r\n"


def csv_cell(value: object) -> str:
    """One cell, empty for None. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = "" if value is None else escape_control(str(value))
    if isinstance(value, str) and text.startswith(("=", "+", "-", "@")):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in ",\"'") else text
