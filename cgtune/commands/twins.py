"""Options from their CGTUNE_* twins alone: the plain forms of commands, which do without the command-line library. Pure.

What is not the plainest value is left to that library: it knows the words for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: By twin: the field it fills, and what makes a value of the text; None where the text is not the plainest.
    Twins = Mapping[str, tuple[str, Callable[[str], object]]]

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_PREFIX = "CGTUNE_"


def parse_twins(environ: Mapping[str, str], twins: Twins) -> dict[str, object] | None:
    """The fields that the environment fills; None where a CGTUNE_* variable is not among the twins, or its value not a plain one."""
    fields: dict[str, object] = {}
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or not text:
            continue
        read = twins.get(name)
        value = read[1](text) if read is not None else None
        if read is None or value is None:
            return None
        fields[read[0]] = value
    return fields


def parse_flag(text: str) -> bool | None:
    """1, true, yes, on, and their opposites."""
    return True if text in _YES else False if text in _NO else None


def parse_pid(text: str) -> int | None:
    """A pid, in plain digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) else None


def parse_text(text: str) -> str:
    """Any text, as it is."""
    return text


def one_of(choices: tuple[str, ...]) -> Callable[[str], str | None]:
    """A reader that takes only these words."""
    return lambda text: text if text in choices else None
