"""Where something stands in a text, and the other files of the input that a file may name. Pure."""

from __future__ import annotations

from cgtune.manifests.workload import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Lines:
    """The lines of a file. They end with a newline, a carriage return, or both."""

    def __init__(self, file: str, text: str) -> None:
        import re
        from array import array

        self.file, self.text = file, text
        self._starts = array("Q", (0,))  # of a large file a list would be as large as its text
        self._starts.extend(found.end() for found in re.finditer(r"\r\n?|\n", text))

    def place(self, start: int, end: int) -> Place:
        """The place of characters ``start`` to ``end``."""
        line, column = self._position(start)
        end_line, end_column = self._position(end)
        return Place(file=self.file, line=line, column=column, end_line=end_line, end_column=end_column, start=start, end=end)

    def around(self, start: int) -> str:
        """The line in which that character stands, without its end."""
        line, column = self._position(start)
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return self.text[start - column + 1 : end].rstrip("\r\n")

    def _position(self, offset: int) -> tuple[int, int]:
        from bisect import bisect_right

        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def make_place(file: str, line: int, column: int, end_line: int, end_column: int, start: int, end: int) -> Place:
    """A Place, made quickly: a large input has a million of them."""
    place, write = object.__new__(Place), object.__setattr__
    write(place, "file", file)
    write(place, "line", line)
    write(place, "column", column)
    write(place, "end_line", end_line)
    write(place, "end_column", end_column)
    write(place, "start", start)
    write(place, "end", end)
    return place


class Beside:
    """The other files of the input: ``read`` gives a file's text by its path, None if it is not among them; ``names`` lists a folder."""

    def __init__(self, read: Callable[[str], str | None], names: Callable[[str], Iterable[str]]) -> None:
        self.read, self.names = read, names


#: Nothing but the file itself, as on standard input.
ALONE = Beside(lambda _path: None, lambda _folder: ())


def count_lines(text: str) -> int:
    """How many lines end in a text."""
    return text.count("\n") + (text.count("\r") - text.count("\r\n") if "\r" in text else 0)


def join_path(folder: str, path: str) -> str:
    """A path as a file in that folder names it, without ``.`` and ``..`` as far as they can be resolved by the names alone."""
    if path.startswith("/"):
        return path
    parts = folder.split("/") if folder else []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] not in ("", ".."):
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
