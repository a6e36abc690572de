"""Files of variables as systemd and Compose read them, each variable with its place. Pure."""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.manifests.interpolation import interpolate
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

    from cgtune.manifests.interpolation import Lookup

#: A larger file is none of variables; it is not read.
MOST_LETTERS = 1 << 20
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Entry(Record):
    """One variable of a file. ``value`` None: not known, ``unknown`` says what is missing. The spans are of its value and its name."""

    name: str
    value: str | None
    start: int
    end: int
    name_start: int
    unknown: str | None = None


def parse_systemd_variables(text: str) -> tuple[Entry, ...]:
    """EnvironmentFile= (systemd.exec(5), src/basic/env-file.c). What systemd would refuse, a name or a value, is left out as it does."""
    found: list[Entry] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in "#;":
            at = _skip_comment(text, at)
        else:
            at = _parse_systemd_line(text, at, found)
    return tuple(found)


def _skip_comment(text: str, at: int) -> int:
    """Behind the comment: a backslash carries it on into the next line."""
    while at < len(text) and text[at] not in "\r\n":
        at += 2 if text[at] == "\\" else 1
    return at


def _parse_systemd_line(text: str, start: int, found: list[Entry]) -> int:
    at = start
    while at < len(text) and text[at] not in "=\r\n":
        at += 1
    if text[at : at + 1] != "=":
        return at
    name, begin = text[start:at].rstrip(), at + 1
    while begin < len(text) and text[begin] in " \t":
        begin += 1
    value, end = _parse_systemd_value(text, begin)
    is_name = bool(name) and not name[0].isdigit() and _NAME.issuperset(name)
    if is_name and not any((ord(one) < 32 and one not in "\t\n") or ord(one) == 127 for one in value):
        found.append(Entry(name=name, value=value, start=begin, end=max(begin, begin + len(text[begin:end].rstrip())), name_start=start))
    return end


def _parse_systemd_value(text: str, at: int) -> tuple[str, int]:
    """Returns (the value, where its line ends). Quotes count at its beginning and behind other quotes, not within plain text."""
    parts: list[str] = []
    kept = 0  # of the parts: blanks at the end of plain text are cut off
    is_plain = False
    while at < len(text) and text[at] not in "\r\n":
        one, at = text[at], at + 1
        if one == "\\":
            is_plain = True
            parts.append("" if text[at : at + 1] in ("\n", "\r", "") else text[at])
            at += 1
        elif not is_plain and one in "'\"":
            quoted, at = _parse_systemd_quotes(text, at, one)
            parts.append(quoted)
        elif one in " \t":
            if is_plain:
                parts.append(one)
            continue
        else:
            is_plain = True
            parts.append(one)
        kept = len(parts)
    return "".join(parts[:kept]), at


def _parse_systemd_quotes(text: str, at: int, quote: str) -> tuple[str, int]:
    """Returns (what stands between the quotes, where it goes on behind them)."""
    parts: list[str] = []
    while at < len(text) and text[at] != quote:
        one, at = text[at], at + 1
        if one == "\\" and quote == '"':
            escaped, at = text[at : at + 1], at + 1
            one = escaped if escaped in ('"', "\\", "`", "$") else "" if escaped in ("\n", "") else f"\\{escaped}"
        parts.append(one)
    return "".join(parts), at + 1


def parse_compose_variables(text: str, lookup: Lookup) -> tuple[Entry, ...]:
    """.env and `env_file:` (compose-go, dotenv), in order. ``lookup`` gives what the file itself has not set before.

    A name without a sign is taken from there; it is left out if it is not known. Raises Malformed for a file that Compose refuses.
    """
    import re

    head = re.compile(r"(?:export[ \t]+)?(?P<name>[^=:\n]*)(?P<sign>[=:]|(?=\n|\Z))[ \t]*")
    blanks = re.compile(r"(?:\s+|#[^\n]*)*")
    known: dict[str, str | None] = {}
    entries: list[Entry] = []
    at = 1 if text.startswith("\ufeff") else 0
    while (at := _behind(blanks, text, at)) < len(text):
        found = head.match(text, at)
        name = "" if found is None else found["name"].rstrip(" \t\r")
        if found is None or not re.fullmatch(r"[\w.\-\[\]]+", name):
            raise Malformed(f"Compose refuses the file: line {_line(text, at)} is no NAME=VALUE")
        start = found.end()
        if found["sign"]:
            raw, end, at, is_literal = _parse_compose_value(text, start)
            value, unknown = (raw, None) if is_literal else interpolate(raw, lambda one: known[one] if one in known else lookup(one))
        else:
            value, unknown, start, end, at = lookup(name), None, found.start("name"), found.start("name") + len(name), found.end()
            if value is None:
                continue
        known[name] = value
        entries.append(Entry(name=name, value=value, start=start, end=end, name_start=found.start("name"), unknown=unknown))
    return tuple(entries)


def _line(text: str, at: int) -> int:
    """A line's number; what stands in it is not said: it may be any file, and a secret."""
    return text.count("\n", 0, at) + 1


def _behind(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _parse_compose_value(text: str, start: int) -> tuple[str, int, int, bool]:
    """Returns (the value as it stands, where it ends, where the file goes on, whether nothing in it is filled in)."""
    import re

    quote = text[start : start + 1]
    if quote not in ("'", '"'):
        stop = text.find("\n", start)
        line = text[start : stop if stop >= 0 else len(text)]
        value = re.split(r"[ \t]#", line)[0].rstrip()
        return value, start + len(value), start + len(line), False
    quoted = re.compile(rf"{quote}((?:\\.|[^\\{quote}])*){quote}", re.DOTALL).match(text, start)
    if quoted is None:
        raise Malformed(f"Compose refuses the file: a quote is open in line {_line(text, start)}")
    value = quoted[1]
    if quote == "'":
        value = value.replace("\\'", "'")
    else:
        value = re.sub(r"\\(.)", lambda one: _COMPOSE_ESCAPES.get(one[1], one[0]), value, flags=re.DOTALL)
    return value, quoted.end(), quoted.end(), quote == "'"


# `\$` is a dollar sign that nothing is filled in for, which interpolation writes as two
_COMPOSE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "a": "\a", "b": "\b", "\\": "\\", '"': '"', "$": "$$"}
