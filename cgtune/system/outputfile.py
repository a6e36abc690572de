"""Writes one file for somebody else to read: whole or not at all, and not again where it says the same already.

Not covered: folders on the way to it may be symbolic links, as volumes of a pod are reached through such; the file itself may not.
"""

from __future__ import annotations

import errno
import os
import stat

from cgtune.errors import Unwritable, UsageError, reason

_KINDS = (
    (stat.S_ISLNK, "a symbolic link, which is not followed"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


def parse_mode(text: str) -> int:
    """Permissions as chmod(1) takes them in digits, `0644`; raises UsageError for anything else, set-id bits included."""
    digits = text if text and len(text) <= 5 and set(text) <= set("01234567") else "7777"
    mode = int(digits, 8)
    if mode > 0o777:
        raise UsageError(f"--mode {text[:40]!a} is no mode of a file; example: --mode 0644")
    return mode


def rewrite_file(path: str, content: bytes, option: str) -> None:
    """Give the file that is there another content; it keeps its mode, and its owner as far as we may give it away.

    Raises as replace_file does, and Unwritable if there is no such file.
    """
    try:
        found = os.stat(path, follow_symlinks=False)
    except (OSError, ValueError) as error:
        raise Unwritable(f"{option} {path!r}: {reason(error)}") from error
    replace_file(path, content, stat.S_IMODE(found.st_mode), option, owner=(found.st_uid, found.st_gid))


def replace_file(path: str, content: bytes, mode: int, option: str, *, owner: tuple[int, int] | None = None) -> bool:
    """Give the file this content and mode; False where it has both already, and is then not touched. ``option`` is what named the path.

    ``owner``: the user and group that it is to have, None: ours.

    Raises UsageError where the path names something that is no file, and Unwritable where it cannot be written; the old file then stands.
    """
    from cgtune.system.making import open_folder
    from cgtune.system.root import let_go

    folder, _, name = path.rpartition("/")
    if name in ("", ".", "..") or "\0" in path:
        raise UsageError(f"{option} {path!r} names no file; example: {option} /env/app.env")
    try:
        directory = open_folder(folder or ("/" if path.startswith("/") else "."))
    except (OSError, UnicodeEncodeError) as error:
        raise Unwritable(f"{option} {path!r}: {_say_folder(folder, error)}") from error
    try:
        if kind := _locate_other(directory, name):
            raise UsageError(f"{option} {path!r} is {kind}; name a file")
        if _is_same(directory, name, content, mode):
            return False
        _replace_in(directory, name, content, mode, owner)
    except OSError as error:
        hint = ": it is a mount of its own; mount its folder instead" if error.errno == errno.EBUSY else ""
        raise Unwritable(f"{option} {path!r}: {reason(error)}{hint}; nothing was written, what stood there stands") from error
    finally:
        let_go(directory)
    return True


def _say_folder(folder: str, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the folder {folder} does not exist; make it with mkdir -p, or mount the volume that is meant there"
    return f"{folder or '.'}: {reason(error)}; name a file in a folder that can be written"


def _locate_other(directory: int, name: str) -> str | None:
    """What has this name and is no file, in words; None for a file, and where there is nothing."""
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    return None if stat.S_ISREG(mode) else next((words for is_kind, words in _KINDS if is_kind(mode)), "a device")


def _is_same(directory: int, name: str, content: bytes, mode: int) -> bool:
    """Whether the file says the same already."""
    from cgtune.system.root import let_go

    try:
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        found = os.fstat(file)
        is_alike = stat.S_IMODE(found.st_mode) == mode and found.st_size == len(content)
        return is_alike and os.read(file, len(content) + 1) == content
    finally:
        let_go(file)


def _replace_in(directory: int, name: str, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    from cgtune.system.making import make_file, write_whole

    def write(file: int) -> None:
        write_whole(file, content)
        if owner is not None and owner != (os.geteuid(), os.getegid()):
            _give_away(file, owner)
        os.fchmod(file, mode)

    make_file(directory, name, write)


def _give_away(file: int, owner: tuple[int, int]) -> None:
    import contextlib

    with contextlib.suppress(PermissionError):  # only root may: then it is ours, as with any editor
        os.fchown(file, *owner)
