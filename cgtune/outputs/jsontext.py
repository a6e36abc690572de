"""JSON text as ``json.dumps(content, indent=2)`` writes it, to the byte, for a fifth of what an ``import json`` alone costs a start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    from _json import encode_basestring_ascii as _quote  # what json.dumps calls for each string (Lib/json/encoder.py)
except ImportError:  # pragma: no cover  a Python without the helpers of json in C

    def _quote(text: str, /) -> str:
        import json

        return json.dumps(text)


_WORDS = {None: "null", True: "true", False: "false"}


def quote_json(text: str) -> str:
    """A string of JSON, in ASCII."""
    return _quote(text)


def write_json(content: object) -> str:
    """``content`` indented by two, in ASCII, with a line feed at its end. It is made of dicts with strings as keys, lists, tuples, strings,
    numbers, booleans and None; raises TypeError for anything else.
    """
    return _text(content, "\n") + "\n"


def json_pieces(content: dict[str, object]) -> Iterator[str]:
    """As write_json, in pieces. A value may also be an iterator, which stands for a list: its items are taken and written one at a time."""
    before = "{\n  "
    for key, value in content.items():
        yield f"{before}{_quote(key)}: "
        if hasattr(value, "__next__"):
            yield from _list_pieces(value)  # type: ignore[arg-type]  # an iterator, by its method
        else:
            yield _text(value, "\n  ")
        before = ",\n  "
    yield "\n}\n" if content else "{}\n"


def _list_pieces(items: Iterator[object]) -> Iterator[str]:
    before = "[\n    "
    for item in items:
        yield before + _text(item, "\n    ")
        before = ",\n    "
    yield "[]" if before[0] == "[" else "\n  ]"


def _text(value: object, line: str) -> str:
    parts: list[str] = []
    _write(value, line, parts.append)
    return "".join(parts)


def _write(value: object, line: str, add: Callable[[str], None]) -> None:
    """Hand the pieces of one value to ``add``; ``line`` is a line feed and the indentation of the line on which the value stands."""
    if isinstance(value, str):
        add(_quote(value))
    elif value is None or isinstance(value, bool):
        add(_WORDS[value])
    elif isinstance(value, int):
        add(int.__repr__(value))
    elif isinstance(value, float):
        add(_float(value))
    elif isinstance(value, dict):
        _write_dict(value, line, add)
    elif isinstance(value, (list, tuple)):
        inner = f"{line}  "
        before = "[" + inner
        for item in value:
            add(before)
            _write(item, inner, add)
            before = "," + inner
        add(f"{line}]" if value else "[]")
    else:
        raise TypeError(f"{type(value).__name__} is no JSON")


def _write_dict(value: dict[object, object], line: str, add: Callable[[str], None]) -> None:
    inner = f"{line}  "
    before = "{" + inner
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"a key of JSON is a string, not {type(key).__name__}")
        add(f"{before}{_quote(key)}: ")
        _write(item, inner, add)
        before = "," + inner
    add(line + "}" if value else "{}")


def _float(value: float) -> str:
    """As json.dumps writes it: what is no number has a name there, although JSON has none for it."""
    if value != value:  # noqa: PLR0124  # the one value that is not itself, without an import of math
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)
