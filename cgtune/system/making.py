"""Makes a file in a folder so that its name stands for the whole of it, or for what stood there before; kill -9 leaves nothing behind.

A file has no name until it is whole (open(2), O_TMPFILE). If the file system knows no such files, and for folders, it is built beside its
name; what a maker that was killed has left there is removed by the next that writes into that folder.
"""

from __future__ import annotations

import errno
import os
import stat

from cgtune.system.root import let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: How the name of what is being built begins.
PREFIX = ".cgtune-"
_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})

#: Between its making and its being locked a folder is younger than that.
_LEFT_SECONDS = 60.0
_MOST_NAMES = 10_000


def open_folder(path: str) -> int:
    """The folder in which something is to be made. Raises OSError or ValueError."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def new_name() -> str:
    """A name for what is being built."""
    return f"{PREFIX}{os.urandom(6).hex()}"


def make_file(folder: int, name: str, write: Callable[[int], None], *, is_new: bool = False) -> None:
    """Give the file that ``write`` fills this name, in place of a file that has it; raises FileExistsError instead if ``is_new``.

    ``write`` gets an open file of mode 0600. Raises OSError: what stood there stands.
    """
    remove_left(folder)
    file, building = _open_nameless(folder), ""
    if file is None:
        building = new_name()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(building, flags, 0o600, dir_fd=folder)
    try:
        if building:
            hold(file)
        write(file)
        os.fsync(file)  # a name may reach the disk before what was written, and NFS tells here of a full one
        if is_new or not building:
            try:
                source = (building, folder) if building else (f"/proc/self/fd/{file}", None)
                os.link(source[0], name, src_dir_fd=source[1], dst_dir_fd=folder, follow_symlinks=not building)
            except FileExistsError:
                if is_new:
                    raise
            else:
                return
            beside = new_name()
            os.link(f"/proc/self/fd/{file}", beside, dst_dir_fd=folder)
            building = beside
        os.rename(building, name, src_dir_fd=folder, dst_dir_fd=folder)
        building = ""
    finally:
        let_go(file)
        if building:
            remove_file(building, folder)  # else the next maker removes it


def remove_file(name: str, folder: int | None = None) -> OSError | None:
    """Remove a file of ours, at the second attempt if the first one fails. Returns why it is still there; None: it is gone."""
    failed: OSError | None = None
    for _ in range(2):
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            failed = error
        else:
            return None
    return failed


def _open_nameless(folder: int) -> int | None:
    """A file without a name in that folder, None if it could not be had, or could get no name later."""
    try:
        file = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_NAMELESS:
            return None
        raise
    if os.path.lexists(f"/proc/self/fd/{file}"):
        return file
    let_go(file)
    return None


def write_whole(file: int, content: bytes) -> None:
    """Write all of it, in as many pieces as the kernel likes. Raises OSError."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def close_written(file: int) -> None:
    """Close a file that was written. Raises OSError if its content did not arrive, of which NFS tells here."""
    try:
        os.close(file)
    except InterruptedError:  # it is on its way, as after any other close
        return


def hold(opened: int) -> None:
    """Let others see that what is open here is being made, as long as it is open."""
    import contextlib
    import fcntl

    with contextlib.suppress(OSError):  # a file system without locks: a minute is the only sign then
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_left(folder: int) -> None:
    """Remove what makers that were killed have left in a folder. A failure is nobody's: it is tried again the next time."""
    try:
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return
    try:
        with os.scandir(listing) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_NAMES), strict=False) if entry.name.startswith(PREFIX)]
        if names:
            is_ours = _is_ours_alone(os.fstat(listing))
            for name in names:
                _remove_one(folder, name, is_ours=is_ours)
    except OSError:
        pass
    finally:
        let_go(listing)


def _is_ours_alone(found: os.stat_result) -> bool:
    """Whether nobody else could have given other folders such names."""
    is_guarded = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_mode & stat.S_ISVTX
    return bool(is_guarded) and found.st_uid in (os.geteuid(), 0)


def _remove_one(folder: int, name: str, *, is_ours: bool) -> None:
    import contextlib
    import fcntl
    import shutil
    import time

    with contextlib.suppress(OSError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        is_folder = stat.S_ISDIR(found.st_mode)
        is_kind = (is_folder and is_ours) or stat.S_ISREG(found.st_mode)
        if not is_kind or found.st_uid != os.geteuid() or time.time() - found.st_mtime <= _LEFT_SECONDS:
            return
        opened = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its maker is gone
            if is_folder:
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        finally:
            let_go(opened)
