"""One file, read and parsed: what it costs where that fails, an error or a note."""

from __future__ import annotations

from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable
from cgtune.model import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.system.host import Host

    T = TypeVar("T")


def read_essential(host: Host, path: str, parse: Callable[[str], T], *, kept: bool = False) -> T:
    """The parsed file. Raises what the reading raises, with what to try where it is refused, and Malformed with the path. ``kept``: as it
    was read before, if it was.
    """
    try:
        return parse(host.read_kept(path) if kept else host.read_text(path))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error
    except Unreadable as error:
        if error.privilege is None:
            raise
        raise Unreadable(f"{error}; run as its user or as root (it needs {error.privilege})", privilege=error.privilege) from error


def read_optional(host: Host, path: str, parse: Callable[[str], T], notes: list[Note], *, kept: bool = False) -> T | None:
    """The parsed file, or None: silently where it does not exist, with a note where it was denied or malformed. ``kept``: likewise."""
    try:
        return parse(host.read_kept(path) if kept else host.read_text(path))
    except (Absent, NoSuchProcess):
        return None
    except CgtuneError as error:
        notes.append(note_on(path, error))
        return None


def parse_optional(path: str, text: str | None, parse: Callable[[str], T], notes: list[Note]) -> T | None:
    """As read_optional for a text that was read already, None if there was none: what is read twice is of two moments."""
    try:
        return None if text is None else parse(text)
    except Malformed as error:
        notes.append(note_on(path, error))
        return None


def exists(host: Host, path: str) -> bool:
    """Whether there is such a file, readable or not."""
    try:
        host.read_text(path)
    except Absent:
        return False
    except CgtuneError:
        return True
    return True


def note_on(path: str, error: CgtuneError) -> Note:
    """What a report says of a file that could not be used."""
    why = str(error).removeprefix(path).removeprefix(":").lstrip()
    return Note(path=path, why=why, privilege=getattr(error, "privilege", None), kind="failed")
