"""Files of variables as systemd and Compose read them, each variable with its place. Pure."""

from __future__ import annotations

from cgtune.records import Record

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
            one = escaped if escaped in ('"', "\\", "`", "$") else "" if escaped == "\n" else f"\\{escaped}"
        parts.append(one)
    return "".join(parts), at + 1
