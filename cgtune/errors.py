"""The errors that cgtune raises; every one is a CgtuneError, and its text is one line for a person to read."""

from __future__ import annotations

import errno


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


class Unavailable(CgtuneError):
    """An address to listen on cannot be had (exit code 3)."""


class Unanswered(CgtuneError):
    """A server that was asked over HTTP gave no answer that can be used (exit code 3)."""


class Refused(Unanswered):
    """A server answered that it will not. ``status`` is HTTP's; ``kind`` its own word for the reason ("execution"), or empty; ``said`` its
    whole text, as it came: nothing to print.
    """

    def __init__(self, message: str, *, status: int, kind: str = "", said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.said = said


class TooLarge(Unanswered):
    """An answer is larger than we take in one piece. Asked for in parts, it may fit."""


_MISNAMED = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENXIO,
    errno.ESPIPE,
)
_MORE_FILES = "raise the limit (ulimit -n, LimitNOFILE=)"
_MACHINE_HINTS = {errno.EMFILE: _MORE_FILES, errno.ENFILE: "raise the limit (sysctl fs.file-max)", errno.ENOMEM: "give it more memory"}


def reason(error: OSError | ValueError) -> str:
    """What went wrong, in the kernel's words, without the path that the caller adds."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def name_failure(option: str, path: str, error: OSError | ValueError, hint: str) -> CgtuneError:
    """Why what a user named with ``option`` cannot be opened or read: a UsageError that ends with ``hint`` if the name is to blame, else
    Unreadable: the machine is.
    """
    if isinstance(error, OSError) and error.errno not in (None, *_MISNAMED):
        return Unreadable(f"{option} {path!r}: {reason(error)}; {_MACHINE_HINTS.get(error.errno or 0, 'look at its disk, and try again')}")
    return UsageError(f"{option} {path!r}: {reason(error)}; {hint}")


def translate(error: OSError, path: str) -> CgtuneError:
    """The system's refusal to open or read ``path``, as one of the errors above."""
    number = error.errno
    if number == errno.ESRCH:
        return NoSuchProcess(f"{path}: the process has ended")
    # ENODEV: a cgroup removed while its file was open. EOPNOTSUPP: pressure switched off (psi=0).
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EOPNOTSUPP):
        return Absent(f"{path} does not exist")
    if number == errno.ELOOP:
        return Unreadable(f"{path} is a symbolic link, which is not followed")
    if number in (errno.EACCES, errno.EPERM):
        return Unreadable(f"{path}: permission denied", privilege="CAP_SYS_PTRACE" if path.startswith("/proc/") else None)
    if number in (errno.EMFILE, errno.ENFILE):
        return Unreadable(f"{path}: too many open files; {_MORE_FILES}")
    if number == errno.ESPIPE:
        return Unreadable(f"{path} is not a regular file")
    if number == errno.ETIMEDOUT:
        return Unreadable(f"{path}: the file system behind it does not answer in time; `findmnt` names it, see whether its server lives")
    if number == errno.EFBIG:
        return Malformed(f"{path} is larger than any file of its kind")
    return Unreadable(f"{path}: {reason(error)}")
