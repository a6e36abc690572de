"""Becomes another program: finds it as execvp(3) does, with the environment that this process was started with, to the byte.

Python itself may add to the environment at its start (LC_CTYPE, PEP 538), so /proc/self/environ is read. Python also ignores SIGPIPE and
SIGXFSZ before any of our code runs, which the program would inherit.
Not covered: whether these two were ignored before Python started cannot be found out; the program gets the default. Entries of the
environment without a name or without "=" are left out: no exec call of Python's takes them.
"""

from __future__ import annotations

import errno
import os
import stat

from cgtune.errors import CgtuneError, reason
from cgtune.records import Record
from cgtune.system.host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, NoReturn

    Environ = tuple[tuple[str, str], ...]

_SHELL = "/bin/sh"
_USUAL_PATH = "/bin:/usr/bin"  # confstr(_CS_PATH), which execvp(3) takes if PATH is not set
_MOST_ENVIRON_BYTES = 64 << 20
_HINTS = {
    errno.E2BIG: "its arguments and its environment together are too long, shorten them",
    errno.ETXTBSY: "somebody has it open for writing, wait until it is written",
}


class Failure(Record):
    """Why a program is not started: it is not there, it may not be executed, or it cannot be given what it was to be given.

    ``why`` is one line that names the program.
    """

    cause: Literal["not-found", "not-executable", "not-possible"]
    why: str


def read_own_environ() -> Environ:
    """The environment that this process was started with, in its order, duplicates and all."""
    try:
        with Host() as host:
            content = host.read_bytes(f"/proc/{host.read_link('/proc/self')}/environ", cap_bytes=_MOST_ENVIRON_BYTES)
    except CgtuneError:  # no /proc here: then as Python has it
        content = b"\0".join(name + b"=" + value for name, value in os.environb.items())
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0"))
    return tuple((name, value) for name, equals, value in pairs if name and equals)


def locate_program(name: str, environ: Environ) -> str | Failure:
    """The path of the file that execvp(3) would take for this name, by the first PATH of the environment."""
    search = next((value for key, value in environ if key == "PATH"), _USUAL_PATH)
    refused = missing = None
    for candidate in [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in search.split(":")]:
        try:
            found = os.stat(candidate)
        except PermissionError:
            refused = refused or "a folder on the way to it may not be entered; look at their modes with namei -l"
            continue
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            missing = reason(error)
            continue
        if not name or stat.S_ISDIR(found.st_mode):
            refused = refused or "it is a folder; give the path of the program in it"
        elif not stat.S_ISREG(found.st_mode) or not os.access(candidate, os.X_OK, effective_ids=True):
            refused = refused or "it may not be executed; look at its mode with ls -l, and for noexec with findmnt -T"
        else:
            return candidate
    if refused is not None and name:
        return Failure(cause="not-executable", why=f"{name!r}: {refused}")
    where = missing if "/" in name else f"not found in PATH, which is {search!r}"
    return Failure(cause="not-found", why=f"{name!r}: {where}; give the path of the program")


def replace_process(path: str, command: Sequence[str], environ: Environ) -> Failure:
    """Become the program at ``path``, with these arguments, the name first, and this environment; it returns only if that failed."""
    import signal

    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python/pylifecycle.c: ignored at its start, and so they would stay
        signal.signal(number, signal.SIG_DFL)
    try:
        _execve(path, command, environ)
    except OSError as error:
        if error.errno == errno.ENOEXEC and not _is_binary(path):
            try:  # as execvp(3) does for a script without #!
                _execve(_SHELL, (_SHELL, path, *command[1:]), environ)
            except OSError as refused:
                error = refused
        if error.errno == errno.ENOENT:
            return Failure(
                cause="not-found", why=f"{path!r} is there, but its interpreter or loader is not; look at its first line, or at ldd"
            )
        return Failure(cause="not-executable", why=f"{path!r}: {reason(error)}; {_HINTS.get(error.errno or 0, 'look at it with file(1)')}")
    except ValueError as error:  # a NUL in an argument
        return Failure(cause="not-possible", why=f"{path!r}: {error}; look at its arguments")


class Entries:
    """An environment as os.execve takes one, which asks for no more than keys and values: names may stand in it twice."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __len__(self) -> int:
        return len(self._environ)

    def __getitem__(self, name: str) -> str:
        return dict(self._environ)[name]

    def keys(self) -> list[str]:
        """The names, in their order."""
        return [name for name, _ in self._environ]

    def values(self) -> list[str]:
        """The values, in the order of the names."""
        return [value for _, value in self._environ]


def _execve(path: str, arguments: Sequence[str], environ: Environ) -> NoReturn:
    # All that posixmodule.c asks of an environment. S606: to start a program is what was asked for.
    os.execve(path, list(arguments), Entries(environ))  # type: ignore[arg-type]  # noqa: S606


def _is_binary(path: str) -> bool:
    """Whether a shell would refuse it for a script."""
    from cgtune.system.inputfiles import open_to_read

    try:
        with open_to_read(path) as file:
            return b"\0" in file.read(128)
    except OSError:
        return True
