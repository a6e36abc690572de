"""The errors that cgtune raises; every one is a CgtuneError, and its text is one line for a person to read."""

from __future__ import annotations


class CgtuneError(Exception):
    """The root of the tree. ``str(error)`` is one printable line that ends with the next thing to try where there is one."""


class UsageError(CgtuneError):
    """An option or argument cannot be used as given (exit code 2)."""


class NoSuchProcess(CgtuneError):
    """The process does not exist, or ended while it was being read (exit code 3)."""


class Unreadable(CgtuneError):
    """A file could not be opened or read. ``privilege`` names the capability that would allow it, or is None."""

    def __init__(self, message: str, *, privilege: str | None = None) -> None:
        super().__init__(message)
        self.privilege = privilege


class Absent(Unreadable):
    """The file does not exist: the kernel has no such thing here. Mostly not an error at all."""


class Malformed(CgtuneError):
    """Text or bytes that do not have the shape their format promises. The message quotes the offending part."""


class Unwritable(CgtuneError):
    """An output file or folder could not be written; nothing was left half-written (exit code 3)."""
