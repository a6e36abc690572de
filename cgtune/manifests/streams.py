"""A stream of YAML or JSON, split into documents without reading them: one that is broken hides no other. Pure."""

from __future__ import annotations

from cgtune.manifests.places import count_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BOM = "\ufeff"
_PIECE = 1 << 20  # characters of a long text that are looked at at once, so that it is never held twice


class Part:
    """A part of a stream, not parsed. Its text begins at character ``start`` and line ``first_line`` (from 0) of the file."""

    def __init__(self, file: str, text: str, start: int, first_line: int) -> None:
        self.file, self.text, self.start, self.first_line = file, text, start, first_line


def split_parts(file: str, text: str | Iterable[str]) -> Iterator[Part]:
    """The parts of a stream, not parsed: mostly one document each, of JSON perhaps several."""
    pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE)) if isinstance(text, str) else text
    for chunk, start, line in _split(pieces):
        yield Part(file, chunk, start, line)


def find_source(text: str) -> str | None:
    """The template that Helm names in a comment at the document's head."""
    at = 3 if text.startswith("---") else 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].strip()
        if line.startswith("# Source: "):
            return line.removeprefix("# Source: ").strip()
        if line and line[0] != "#":
            return None
        at = end
    return None


def split_json(text: str) -> list[tuple[str, int]]:
    """Returns (text, where its first character stands) of each value in a text of JSON that is no YAML; none if there is no such.

    Those are several values one behind the other, and characters beyond 16 bits in two escapes, which become U+FFFD.
    """
    import json
    import re

    blanks, halves = re.compile(r"\s*"), re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
    found: list[tuple[str, int]] = []
    decoder, end = json.JSONDecoder(), 0
    while (begin := blanks.match(text, end).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing too
        try:
            end = decoder.raw_decode(text, begin)[1]
        except (ValueError, RecursionError):
            return []
        column = begin - text.rfind("\n", 0, begin) - 1
        part = halves.sub(r"\1\\ufffd", text[begin:end])
        found.append((" " * column + part, begin - column))
    return found if len(found) > 1 or found[0][0] != text[found[0][1] : end] else []


def _split(pieces: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Returns (text, number of its first character, number of its first line from 0) of each document of a stream.

    A line that begins with ``---`` or ``...`` cannot be content, so a document ends there whatever is broken in it.
    """
    held: list[str] = []  # of the document that goes on
    start = line = 0
    for piece in _whole_lines(pieces):
        begin = 0
        for mark in _find_marks(piece):
            end = mark if piece[mark] == "-" else mark + 3
            text = "".join((*held, piece[begin:end]))
            if end == mark and _is_directives(text):
                continue
            yield _strip_bom(text, start, line)
            start, line, held, begin = start + len(text), line + count_lines(text), [], end
        held.append(piece[begin:])
    yield _strip_bom("".join(held), start, line)


def _whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    for piece in pieces:
        end = piece.rfind("\n") + 1
        if end:
            yield "".join((*held, piece[:end]))
            held = []
        held.append(piece[end:])
    yield "".join(held)


def _find_marks(text: str) -> list[int]:
    """Where lines begin with a document's marker."""
    found = []
    for marker in ("---", "..."):
        at = 0 if text.startswith(marker) else text.find(f"\n{marker}") + 1 or -1
        while at >= 0:
            if not text[at + 3 : at + 4].strip():
                found.append(at)
            at = text.find(f"\n{marker}", at + 3) + 1 or -1
    return sorted(found)


def _is_directives(text: str) -> bool:
    """Whether what stands before ``---`` are directives (``%YAML 1.1``) and belongs to what follows."""
    lines = (
        [line for line in text.splitlines() if line.strip() and line[0] != "#"] if text.lstrip(f" \t\r\n{_BOM}")[:1] in ("%", "#") else []
    )
    return bool(lines) and all(line.lstrip(_BOM)[:1] == "%" for line in lines)


def _strip_bom(text: str, start: int, line: int) -> tuple[str, int, int]:
    """The library does not count a byte order mark, and takes it at the beginning alone."""
    return (text[1:], start + 1, line) if text.startswith(_BOM) else (text, start, line)
