"""A table of which a terminal may be too narrow: its columns are cut, and left out, in an order that the table says. Pure."""

from __future__ import annotations

from cgtune.outputs.layout import HEADER_ROOM, clip, clip_start, lay_out
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Column(Record):
    """One column: the two lines of its header, and to which side it goes.

    On a terminal that is too narrow for all, ``least`` is how far its text may be cut, None: not at all; then columns are left out, in the
    order of ``leaves``, None: never. ``grows``: its place among those that get the room that is left. ``keeps_end``: what is cut is its
    beginning. ``is_sought``: it is what one looks for, and is cut only if nothing else is left to go.
    """

    first: str
    second: str = ""
    side: str = "<"
    least: int | None = None
    leaves: int | None = None
    grows: int | None = None
    keeps_end: bool = False
    is_sought: bool = False

    @property
    def name(self) -> str:
        """Both lines in one."""
        return f"{self.first} {self.second}".rstrip()


def fit(columns: Sequence[Column], rows: list[list[str]], width: int) -> list[int]:
    """Which columns a terminal of this width has room for; cuts what is in them, with "…" for what is left out."""
    shown = list(range(len(columns)))
    natural = _widths(rows, columns)
    least = [
        wide if column.least is None else min(wide, max(column.least, len(column.first)))
        for column, wide in zip(columns, natural, strict=True)
    ]
    for leaving in sorted({column.leaves for column in columns if column.leaves is not None}):
        wanted = sum(natural[place] if columns[place].is_sought else least[place] for place in shown)
        if wanted + 2 * (len(shown) - 1) <= width:
            break
        shown = [place for place in shown if columns[place].leaves != leaving]
    room = width - 2 * (len(shown) - 1) - sum(least[place] for place in shown)
    growing = sorted((grows, place) for place in shown if (grows := columns[place].grows) is not None)
    for _, place in growing:
        most = min(natural[place], least[place] + max(room, 0))
        room -= most - least[place]
        cut = clip_start if columns[place].keeps_end else clip
        for row in rows:
            row[place] = cut(row[place], most)
    return shown


def lay_out_columns(rows: Sequence[Sequence[str]], columns: Sequence[Column], header_room: int = HEADER_ROOM) -> list[str]:
    """The table's lines: two of headers, then the rows."""
    headers = ([column.first for column in columns], [column.second for column in columns])
    return lay_out(headers, rows, "".join(column.side for column in columns), header_room)


def _widths(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> list[int]:
    headers = [max(len(column.first), len(column.second)) for column in columns]
    return [max(header, *map(len, column)) for header, column in zip(headers, zip(*rows, strict=True), strict=True)]
