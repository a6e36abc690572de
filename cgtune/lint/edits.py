"""Edits of a manifest's text that say one thing anew and leave every other character as it is. Pure.

None stands for an edit that cannot be made without touching more than it should: a value that is put together of others, a layout that is
not one entry a line, a comment that would be lost. Not covered: variables are added and removed in Kubernetes' lists alone.
"""

from __future__ import annotations

from cgtune.lint.model import Edit, Fix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.manifests.workload import FieldRef, Place, Variable, Workload

    Kind = Literal["safe", "unsafe"]

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


def set_variable(text: str | None, workload: Workload, name: str, value: str | None, kind: Kind) -> Fix | None:
    """The variable gets this value, None: it goes."""
    there = workload.variable(name)
    if text is None or there is None:
        return None if text is None or value is None else add_variable(text, workload, name, value, kind)
    if value is None:
        return remove_entries(text, workload, (*there.hides, there.entry), kind)
    if there.field is not None:
        return _fill_in(text, there, value, kind)
    return replace_scalar(text, there.place, there.value, value, kind, is_yaml=workload.kind == "kubernetes")


def replace_scalar(text: str | None, place: Place | None, old: str | None, new: str, kind: Kind, *, is_yaml: bool = True) -> Fix | None:
    """A scalar is replaced, in its own quotes. ``old`` is what it says now."""
    if text is None or place is None or old is None:
        return None
    raw = text[place.start : place.end]
    quote = raw[:1] if raw[:1] in ("'", '"') and raw[-1:] == raw[:1] and len(raw) > 1 else ""
    if (
        not raw
        or raw.removeprefix(quote).removesuffix(quote) != old
        or "\\" in raw
        or not _PLAIN.issuperset(new.replace(",", "").replace("=", "").removesuffix("%"))
    ):
        return None
    if not quote and is_yaml and not _is_text(new):
        quote = '"'
    return _fix(kind, place.file, (place.start, place.end, f"{quote}{new}{quote}"))


def quote_scalar(text: str | None, place: Place) -> Fix | None:
    """A plain scalar gets quotes, so that it is text."""
    raw = "" if text is None else text[place.start : place.end]
    if not raw or not _PLAIN.issuperset(raw):
        return None
    return _fix("safe", place.file, (place.start, place.end, f'"{raw}"'))


def insert_divisor(text: str | None, field: FieldRef, entry: Place) -> Fix | None:
    """A field reference, which is in this entry, gets the divisor that counts already."""
    place = field.resource_place
    if text is None or text[place.start : place.end].strip("'\"") != field.resource or "divisor" in text[entry.start : entry.end]:
        return None
    begin = text.rfind("\n", 0, place.start) + 1
    head = text[begin : place.start]
    if head.strip() != "resource:":  # flow style, or JSON, or the first key behind a dash
        quote = '"' if head.rstrip(" :").endswith('"') else ""
        is_flow = "{" in _since_open(text, place.start)
        return _fix("safe", place.file, (place.end, place.end, f', {quote}divisor{quote}: "1"')) if is_flow else None
    end = _line_end(text, place.end)
    return _fix("safe", place.file, (end, end, f'{_newline(text)}{head[: len(head) - len(head.lstrip())]}divisor: "1"'))


def remove_entries(text: str | None, workload: Workload, entries: tuple[Place, ...], kind: Kind) -> Fix | None:
    """Whole entries of the list of variables go, with their lines; and the list itself if nothing is left of it."""
    if text is None or workload.kind != "kubernetes" or not all(_is_inside(entry, workload.env_place) for entry in entries):
        return None
    spans = sorted(span for entry in entries if (span := _lines_of(text, entry)) is not None and "#" not in text[span[0] : span[1]])
    all_of_it = {one.entry for one in workload.variables if _is_inside(one.entry, workload.env_place)}
    all_of_it |= {hidden for one in workload.variables for hidden in one.hides}
    if len(spans) < len(entries):
        return None
    if all_of_it <= set(entries) and workload.env_place is not None:
        beside = text[workload.env_place.start : spans[0][0]] + text[spans[-1][1] : max(spans[-1][1], workload.env_place.end)]
        if beside.strip():  # an entry that sets nothing, or a comment
            return None
        head = text.rfind("\n", 0, max(spans[0][0] - 1, 0)) + 1
        if text[head : spans[0][0]].strip() != "env:" or len(spans) > 1:
            return None
        spans[0] = (head, spans[0][1])
    return _fix(kind, entries[0].file, *((begin, end, "") for begin, end in spans))


def add_variable(text: str, workload: Workload, name: str, value: str, kind: Kind) -> Fix | None:
    """A new entry behind the last one of the container's list, or a list of its own behind the container's name."""
    if workload.kind != "kubernetes" or any(mark in text[workload.place.start : workload.place.end] for mark in "*&{[|>"):
        return None
    quoted = value if _is_text(value) else f'"{value}"'
    newline = _newline(text)
    own = [one.entry for one in workload.variables if _is_inside(one.entry, workload.env_place)]
    if workload.env_place is not None:
        span = _lines_of(text, max(own, key=lambda place: place.start)) if own else None
        if span is None:
            return None
        dash = _indent(text[span[0] : span[1]])
        entry = [f"{dash}- name: {name}", f"{dash}  value: {quoted}"]
        return _insert_lines(text, workload.place.file, span[1], entry, newline, kind)
    begin = text.rfind("\n", 0, workload.place.start) + 1
    head = text[begin : workload.place.start]
    key = head.strip().removeprefix("- ")
    if key.strip() != "name:":
        return None
    indent = " " * (len(head) - len(head.lstrip(" -")))
    if "\t" in head or _has_sibling(text, begin, indent, "env:"):
        return None
    lines = [f"{indent}env:", f"{indent}- name: {name}", f"{indent}  value: {quoted}"]
    return _insert_lines(text, workload.place.file, _line_end(text, workload.place.end, with_newline=True), lines, newline, kind)


def _insert_lines(text: str, file: str, at: int, lines: list[str], newline: str, kind: Kind) -> Fix:
    """Lines that stand before character ``at``, which begins a line, or behind the last line of a text without a line end."""
    body = newline.join(lines)
    is_open = at > 0 and text[at - 1] not in "\r\n"
    return _fix(kind, file, (at, at, f"{newline}{body}" if is_open else f"{body}{newline}"))


def _fill_in(text: str, variable: Variable, value: str, kind: Kind) -> Fix | None:
    """A value instead of a ``valueFrom`` with all that is below it."""
    span = _content_of(text, variable.entry)
    if span is None:
        return None
    raw = text[span[0] : span[1]]
    at = raw.find("valueFrom:")
    quoted = value if _is_text(value) else f'"{value}"'
    if raw.startswith("{"):
        close = _matching(raw, raw.find("{", at)) if at >= 0 else -1
        if close < 0:
            return None
        return _fix(kind, variable.entry.file, (span[0] + at, span[0] + close + 1, f"value: {quoted}"))
    if at < 0 or "#" in raw[at:] or variable.name_place.start >= span[0] + at:  # the name would go with it
        return None
    return _fix(kind, variable.entry.file, (span[0] + at, span[1], f"value: {quoted}"))


def _fix(kind: Kind, file: str, *edits: tuple[int, int, str]) -> Fix:
    return Fix(kind=kind, edits=tuple(Edit(file=file, start=start, end=end, text=text) for start, end, text in edits))


def _is_text(value: str) -> bool:
    """Whether a plain scalar is text to every reader of YAML."""
    return value[-1:].isalpha() and value[:1].isdigit() and not value.startswith("0")


def _newline(text: str) -> str:
    """How lines end in a file: as its first does, for the whole of a large one is dear to search."""
    return "\r\n" if text[: text.find("\n")].endswith("\r") else "\n"


def _line_end(text: str, at: int, *, with_newline: bool = False) -> int:
    """The end of the line of character ``at``, before its line end or behind it."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end + 1 if with_newline else end - (text[end - 1 : end] == "\r")


def _indent(lines: str) -> str:
    return lines[: len(lines) - len(lines.lstrip(" "))]


def _is_inside(place: Place, around: Place | None) -> bool:
    return around is not None and place.file == around.file and around.start <= place.start and place.end <= around.end


def _content_of(text: str, entry: Place) -> tuple[int, int] | None:
    """The characters of an entry without what follows it: comments and blank lines. None if a block of text could hide its end."""
    raw = text[entry.start : entry.end]
    if raw.startswith("{"):
        return entry.start, entry.end
    if raw[:1] in ("&", "*", "!", "?", "") or any(mark in raw for mark in (": |", ": >", "\t")):
        return None
    lines = raw.split("\n")
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#") or lines[-1].strip() == "-"):
        lines.pop()
    return entry.start, entry.start + len("\n".join(lines).rstrip())


def _lines_of(text: str, entry: Place) -> tuple[int, int] | None:
    """The whole lines of an entry of a list in block style, with its dash; None if something else stands on them."""
    span = _content_of(text, entry)
    begin = text.rfind("\n", 0, entry.start) + 1
    if span is None or text[begin : entry.start].strip(" ") != "-":
        return None
    end = _line_end(text, span[1], with_newline=True)
    rest = text[span[1] : end].strip()
    return None if rest and not rest.startswith("#") else (begin, end)


def _since_open(text: str, at: int) -> str:
    """What stands before ``at`` from the last bracket on."""
    return text[max(text.rfind("{", 0, at), text.rfind("}", 0, at), 0) : at]


def _matching(text: str, opening: int) -> int:
    """Where the bracket at ``opening`` is closed, -1 if it is not; quotes are not looked into, so none may be there."""
    depth = 0
    for place in range(max(opening, 0), len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place
    return -1


def _has_sibling(text: str, begin: int, indent: str, key: str) -> bool:
    """Whether the mapping whose key ``name`` stands on the line at ``begin`` has this key too, in block style."""
    lines, first = text.split("\n"), text.count("\n", 0, begin)
    above = lines[:first][::-1] if not text[begin:].lstrip(" ").startswith("-") else []
    for part in (above, lines[first + 1 :]):
        for line in part:
            plain = line.rstrip("\r")
            depth = len(plain) - len(plain.lstrip(" "))
            if plain.strip() and not plain.lstrip().startswith("#"):
                bare = plain.lstrip(" -")
                if len(plain) - len(bare) == len(indent) and bare.startswith(key):
                    return True
                if depth < len(indent):
                    break
    return False
