"""How text for people is laid out: as wide as the terminal, in colour or not, with everything or with what is needed. Pure.

Width is counted in characters: those that take two columns, or none, are counted as one.
"""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cgtune.model import Snapshot

#: A pipe, a file and a log have no width: what is wrapped in them keeps to the old terminal's.
PIPE_WIDTH = 80
LEAST_WIDTH, MOST_WIDTH = 60, 200

#: How much wider than its headers a column of a table is at least, if there is room to spare.
HEADER_ROOM = 2

_LABEL_WIDTH = 11
_INDENT = 2 + _LABEL_WIDTH
_CODES = {"critical": "1;31", "warning": "1;33", "info": "1", "strong": "1", "alarm": "1;31", "faint": "2"}

# What stands beside a path in a line: the label, a mark, and the longest name of a file of the kernel
_BESIDE_A_PATH = 38
_LONGEST_NAME = 30
_ID_LENGTH = 32  # from so many hexadecimal digits on a word is an id, of which the first ones tell
_GROUP_LENGTH = 8  # of a UUID's first group
_ID_SHOWN = 6
_HEX = frozenset("0123456789abcdef")
_ENDS_A_PATH = frozenset("/ :,;)'\"")


class Layout(Record):
    """How a text is to look. ``width`` None: it goes to no terminal. ``brief`` None: as many processes decide. ``sort``: by what a list is
    sorted, of which it then has a column. ``top``: how many rows of a list are shown, None: all.
    """

    width: int | None = None
    colour: bool = False
    verbose: bool = False
    brief: bool | None = None
    sort: str | None = None
    top: int | None = None

    def style(self, name: str, text: str) -> str:
        """The text in the style of this name: a severity, "strong", "alarm" or "faint"."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.colour else text


PLAIN = Layout()


class Sheet:
    """What the lines on one process are written on: it keeps to the width, and knows which long paths have a short form."""

    def __init__(self, layout: Layout, paths: Iterable[str] = ()) -> None:
        self.layout = layout
        self.width = layout.width or PIPE_WIDTH
        most = self.width - _BESIDE_A_PATH
        self._most_name = min(_LONGEST_NAME, most - 2)
        long = () if layout.verbose else sorted({path for path in paths if len(path) > most}, key=len, reverse=True)
        self._short = {path: name if (name := self.name(path)).startswith("…") else f"…/{name}" for path in long}

    def style(self, name: str, text: str) -> str:
        """As the layout has it."""
        return self.layout.style(name, text)

    def shorten(self, text: str) -> str:
        """The text with the long paths of cgroups cut down to their last names: `…/cri-containerd-dea8d6….scope/cpu.max`."""
        for path, short in self._short.items():
            start = text.find(path)
            while start >= 0:
                end = start + len(path)
                if end == len(text) or text[end] in _ENDS_A_PATH:
                    text = text[:start] + short + text[end:]
                    end = start + len(short)
                start = text.find(path, end)
        return text

    def name(self, path: str, most: int | None = None) -> str:
        """The last part of a cgroup's path: of an id the first digits, and of what is still too long both ends."""
        name = escape_control(path.rpartition("/")[2] or "/")
        most = self._most_name if most is None else min(most, _LONGEST_NAME)
        if len(name) > most:
            name = _cut_ids(name)
        if len(name) > most:
            name = clip_start(name, most) if "…" in name else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"
        return name

    def labelled(self, label: str, text: str) -> str:
        """A label and its text on one line, whatever its length."""
        return f"  {label:<{_LABEL_WIDTH}}{self.shorten(text)}"

    def wrapped(self, label: str, text: str, mark: str = "") -> Iterator[str]:
        """A label and its text, on as many lines as it takes; ``mark`` stands before the text, and its further lines below it.

        A word that is longer than a line has one for itself.
        """
        line, room = "", self.width - _INDENT - len(mark)
        for word in self.shorten(text).split(" "):
            if line and visible(line) + 1 + visible(word) > room:
                yield f"  {label:<{_LABEL_WIDTH}}{mark}{line}"
                label, line, mark = "", word, " " * len(mark)
            else:
                line = f"{line} {word}" if line else word
        yield f"  {label:<{_LABEL_WIDTH}}{mark}{line}"

    def clipped(self, text: str) -> str:
        """One line of this width at most, with "…" for what is left out. The text has no colours yet."""
        return clip(self.shorten(text), self.width)


def cgroup_paths(snapshot: Snapshot) -> Iterator[str]:
    """The paths and directories of the cgroups of a process, as text has them."""
    for level in (*snapshot.cpu_chain, *snapshot.memory_chain, *snapshot.cpuset_chain):
        if "://" not in level.directory:  # what a platform says is shown whole
            yield escape_control(level.directory)
            yield escape_control(level.path)
    for path, _ in () if snapshot.rates is None or snapshot.rates.machine is None else snapshot.rates.machine.busiest.cgroups:
        yield escape_control(path)
        yield escape_control(path.rpartition("/")[2])


def lay_out(headers: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], sides: str, header_room: int) -> list[str]:
    """A table's lines: those of its headers, then its rows, each a text a column. ``sides``: ``<`` or ``>`` for each column.

    A column is wider than its headers by ``header_room`` at least. As tabulate has it, and by hand, as to load that costs five bare starts.
    """
    texts = [[cell.strip() for cell in row] for row in rows]
    widths = [max(map(len, column)) + header_room for column in zip(*headers, strict=True)]
    for row in texts:
        widths = list(map(max, widths, map(len, row)))
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in (*headers, *texts)
    ]


def fold(text: str, width: int) -> Iterator[str]:
    """A text on as many lines as it takes; those that follow are set in by four more. A word that is longer has a line for itself."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    line = indent
    for word in text.split():
        if line.strip() and len(line) + 1 + len(word) > width:
            yield line
            line = f"{indent}    {word}"
        else:
            line = f"{line} {word}" if line.strip() else f"{line}{word}"
    yield line


def clip(text: str, width: int) -> str:
    """So many characters of a text at most, with "…" for the rest."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip(' ;')}…"


def clip_start(text: str, width: int) -> str:
    """So many of the last characters of a text at most, with "…" for what is before them."""
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"


def visible(text: str) -> int:
    """How many characters of a text are seen: the codes of styles are not."""
    first, *rest = text.split("\x1b[")
    return len(first) + sum(len(part.partition("m")[2]) for part in rest)


def _cut_ids(name: str) -> str:
    """The name with each long run of hexadecimal digits, be it in groups as a UUID's, cut to its first ones."""
    kept, run, digits = "", "", 0
    for character in (*name, ""):
        if character and (character in _HEX or (digits >= _GROUP_LENGTH and character in "-_")):
            run, digits = run + character, digits + (character in _HEX)
            continue
        kept += f"{run[:_ID_SHOWN]}…" if digits >= _ID_LENGTH else run
        kept, run, digits = kept + character, "", 0
    return kept
