"""`$NAME` and `${NAME:-default}` as Compose fills them in. Pure.

compose-go, template/template.go; rows of tests/manifests/test_interpolation.py were seen with Docker Compose 2.26.1.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

_MOST_DEPTH = 20
_MOST_LETTERS = 1 << 17  # more than the kernel takes for one variable (MAX_ARG_STRLEN)
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


def interpolate(text: str, lookup: Lookup) -> tuple[str | None, str | None]:
    """Returns (the text with its variables filled in, None if it is not known; then what is missing).

    ``lookup`` gives a variable, None for one that is not set as far as it knows: then a default counts, and without one the value is not
    known, as the shell that Compose runs in may set it.
    """
    try:
        return _fill(text, lookup, 0), None
    except _Open as error:
        return None, str(error)


class _Open(Exception):
    """A value is not known: why."""


def _fill(text: str, lookup: Lookup, depth: int) -> str:
    import re

    if depth > _MOST_DEPTH:
        raise _Open("its variables are nested too deep")
    parts: list[str] = []
    at = length = 0
    while (sign := text.find("$", at)) >= 0:
        parts.append(text[at:sign])
        name = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*").match(text, sign + 1)
        if text.startswith("${", sign):
            end = _closing(text, sign)
            parts.append(_braced(text[sign + 2 : end], lookup, depth))
            at = end + 1
        elif name is not None:
            parts.append(_value(name[0], lookup))
            at = name.end()
        else:
            parts.append("$")
            at = sign + (2 if text.startswith("$$", sign) else 1)
        length += len(parts[-1])
        if length > _MOST_LETTERS:
            raise _Open("its variables make it too long")
    return "".join((*parts, text[at:]))


def _closing(text: str, start: int) -> int:
    """Where the brace closes that opens at ``start``."""
    import re

    depth = 0
    for found in re.compile(r"\$\{|\}").finditer(text, start):
        depth += 1 if found[0] == "${" else -1
        if not depth:
            return found.start()
    raise _Open(f"Compose refuses {text[start : start + 40]!a}: the brace does not close")


def _braced(inner: str, lookup: Lookup, depth: int) -> str:
    import re

    found = re.match(r"[_a-zA-Z][_a-zA-Z0-9]*", inner)
    name = found[0] if found else ""
    operator = next((one for one in _OPERATORS if inner.startswith(one, len(name))), "")
    argument = inner[len(name) + len(operator) :]
    if not name or (argument and not operator):
        raise _Open(f"Compose refuses {'${' + inner[:40] + '}'!a}")
    value = lookup(name)
    is_set = value is not None and (value != "" or not operator.startswith(":"))
    if operator.endswith("+"):
        return _fill(argument, lookup, depth + 1) if is_set else ""
    if value is not None and is_set:
        return value
    return _fill(argument, lookup, depth + 1) if operator.endswith("-") else _value(name, lookup if operator == "" else _nothing)


def _value(name: str, lookup: Lookup) -> str:
    value = lookup(name)
    if value is None:
        raise _Open(f"${name} comes from whoever runs Compose")
    return value


def _nothing(_name: str) -> None:
    return None
