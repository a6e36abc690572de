"""Unit files of systemd as it reads them: settings with their places, words between quotes, specifiers. Pure.

systemd.syntax(7), src/shared/conf-parser.c and src/basic/extract-word.c; each rule was seen with systemd 252 (`systemd --test`), which
tests/manifests/test_systemd.py asks again.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\n\r"
_MOST_SETTINGS = 10_000
_LONGEST_LINE = 1 << 20  # LONG_LINE_MAX: what is longer, with all its continuations, is an error of the whole file
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'", "s": " "}
_CODED = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}

# systemd.unit(5), "Specifiers": those that the unit's name alone decides, and all others
_OF_NAME = "nNpPiIjJ"
_OTHERS = "aAbBcCdDEfgGhHlLmMoqrRsStTuUvVwWyY"


class Setting(Record):
    """One assignment. ``value`` has its continuation lines joined; ``pieces`` are (where a line begins in ``value``, where in the file).

    ``start`` and ``end`` are the span of the whole assignment in the file.
    """

    section: str
    key: str
    value: str
    pieces: tuple[tuple[int, int], ...]
    start: int
    end: int

    def offset(self, index: int) -> int:
        """Where in the file the character ``index`` of the value stands."""
        return _offset(self.pieces, index)


class Section(Record):
    """The head of a section."""

    name: str
    start: int
    end: int


class Word(Record):
    """A word without its quotes. ``spans`` has, for each character, where it begins and ends in what it was read from."""

    text: str
    spans: tuple[tuple[int, int], ...]
    start: int
    end: int


def parse_unit(text: str) -> tuple[tuple[Section, ...], tuple[Setting, ...]]:
    """Returns (heads of sections, settings), in order. What is neither is skipped, as systemd does.

    Raises Malformed for what keeps systemd from loading the unit at all: a head that is none, a line of 1 MiB; and beyond all bounds.
    """
    sections: list[Section] = []
    settings: list[Setting] = []
    name = ""
    for line, pieces in _logical_lines(text):
        begin = len(line) - len(line.lstrip(BLANKS))
        content = line.strip(BLANKS)
        start, end = _offset(pieces, begin), _offset(pieces, begin + len(content) - 1) + 1
        if content.startswith("["):
            if not content.endswith("]"):
                raise Malformed(f"systemd does not load it: {content[:60]!a} in line {_line_number(text, start)} is no head of a section")
            name = content[1:-1]
            sections.append(Section(name=name, start=start, end=end))
            continue
        key, equals, value = content.partition("=")
        if not equals or not key:
            continue
        first = begin + len(key) + 1 + len(value) - len(value.lstrip(BLANKS))
        cut = tuple((at - first, offset) for at, offset in pieces)  # the last of those that begin at or before 0 counts
        if len(settings) >= _MOST_SETTINGS:
            raise Malformed(f"not read: it has more than {_MOST_SETTINGS} settings")
        settings.append(Setting(section=name, key=key.rstrip(BLANKS), value=value.strip(BLANKS), pieces=cut, start=start, end=end))
    return tuple(sections), tuple(settings)


def _logical_lines(text: str) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """Lines that say something, with their continuations: (text, pieces). A backslash at the end is a blank, comments are left out."""
    parts: list[str] = []
    pieces: list[tuple[int, int]] = []
    length = 0
    for start, line in _raw_lines(text):
        if line.lstrip(BLANKS).startswith(("#", ";")):
            continue
        is_continued = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        parts.append(f"{line[:-1]} " if is_continued else line)
        pieces.append((length, start))
        length += len(line)
        if length >= _LONGEST_LINE:
            raise Malformed(f"systemd does not load it: line {_line_number(text, start)} is longer than 1 MiB")
        if not is_continued:
            yield from _unless_blank("".join(parts), pieces)
            parts, pieces, length = [], [], 0
    yield from _unless_blank("".join(parts), pieces)


def _unless_blank(line: str, pieces: list[tuple[int, int]]) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    if line.strip(BLANKS):
        yield line, tuple(pieces)


def _raw_lines(text: str) -> Iterator[tuple[int, str]]:
    """Where each line begins, and the line without its end, which may be a NUL as well."""
    import re

    begin = 1 if text.startswith("\ufeff") else 0
    for found in re.finditer(r"\r\n?|\n\r?|\0", text):
        yield begin, text[begin : found.start()]
        begin = found.end()
    if begin < len(text):
        yield begin, text[begin:]


def _offset(pieces: tuple[tuple[int, int], ...], index: int) -> int:
    """Where in the file the character ``index`` of a joined line stands."""
    from bisect import bisect_right

    begin, at = pieces[max(bisect_right(pieces, index, key=lambda piece: piece[0]) - 1, 0)]
    return at + index - begin


def _line_number(text: str, offset: int) -> int:
    import re

    return len(re.findall(r"\r\n?|\n", text[:offset])) + 1


def parse_words(text: str, *, relaxed: bool = False) -> tuple[tuple[Word, ...], bool]:
    """Returns (the words up to the first mistake, whether there is none).

    A mistake is an open quote, or an escape that there is not. ``relaxed``: such an escape stays as it is, as in ExecStart=.
    """
    words: list[Word] = []
    at = 0
    while True:
        while at < len(text) and text[at] in BLANKS:
            at += 1
        if at >= len(text):
            return tuple(words), True
        word = _parse_word(text, at, relaxed=relaxed)
        if word is None:
            return tuple(words), False
        words.append(word)
        at = word.end


def _parse_word(text: str, start: int, *, relaxed: bool) -> Word | None:
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    at, quote = start, ""
    while at < len(text) and (quote or text[at] not in BLANKS):
        one, width = text[at], 1
        if one == quote:
            quote = ""
        elif not quote and one in "'\"":
            quote = one
        else:
            if one == "\\":
                escaped = _parse_escape(text, at + 1)
                if escaped is None and not relaxed:
                    return None
                one, width = escaped or (one, 1)
            parts.append(one)
            spans.append((at, at + width))
        at += width
    return None if quote else Word(text="".join(parts), spans=tuple(spans), start=start, end=at)


def _parse_escape(text: str, at: int) -> tuple[str, int] | None:
    """Returns (the character, the length with its backslash) of what follows a backslash; None for no escape, and for NUL."""
    letter = text[at : at + 1]
    if letter in _ESCAPES:
        return _ESCAPES[letter], 2
    length, base, begin = (*_CODED[letter], at + 1) if letter in _CODED else (3, 8, at)
    digits = text[begin : begin + length]
    if len(digits) < length or not set(digits) <= set("0123456789abcdefABCDEF"[: 8 if base == 8 else 22]):
        return None
    code = int(digits, base)
    is_character = 0 < code < (0x100 if length <= 3 else 0x110000) and not 0xD800 <= code < 0xE000
    return (chr(code), begin + length - at + 1) if is_character else None


class Expanded(Record):
    """A word with its specifiers filled in. ``text`` None: by something else than the unit's name, ``unknown`` is the first such.

    ``is_refused``: a specifier that there is not, and systemd drops the word.
    """

    text: str | None
    unknown: str | None = None
    is_refused: bool = False


def expand_specifiers(text: str, unit: str) -> Expanded:
    """What systemd makes of ``%n`` and its like in a unit of that name. A percent sign before anything but a letter or digit stays."""
    if "%" not in text:
        return Expanded(text=text)
    parts: list[str] = []
    unknown = None
    at = 0
    while at < len(text):
        letter = text[at + 1 : at + 2]
        if text[at] != "%" or not (letter == "%" or (letter.isascii() and letter.isalnum())):
            parts.append(text[at])
            at += 1
            continue
        value = "%" if letter == "%" else _name_part(unit, letter)
        if value is None and letter not in _OF_NAME + _OTHERS:
            return Expanded(text=None, is_refused=True)
        unknown = unknown or (None if value is not None else f"%{letter}")
        parts.append(value or "")
        at += 2
    return Expanded(text=None if unknown else "".join(parts), unknown=unknown)


def _name_part(unit: str, letter: str) -> str | None:
    """What a specifier gives that takes a part of the unit's name; None for all others, and for what only the instance decides."""
    name = unit.rpartition(".")[0]
    prefix, at, instance = name.partition("@")
    is_template = bool(at) and not instance
    last = prefix.rpartition("-")[2]
    parts = {"n": unit, "N": name, "p": prefix, "i": instance, "j": last, "P": prefix, "I": instance, "J": last}
    value = parts.get(letter)
    if value is None or (is_template and letter in "nNiI") or (letter in "PIJ" and ("-" in value or "\\" in value)):
        return None
    return value
