"""Writes whole or not at all: a folder or an archive is built beside its name, and gets the name when it is complete.

For the user alone: a recording holds addresses, memory and names of variables of others. Each step goes from an open folder, and through
no link: whoever owns the folder around it cannot lead it elsewhere.
"""

from __future__ import annotations

import os

from cgtune.errors import Unwritable, UsageError, reason
from cgtune.system.making import close_written, hold, make_file, new_name, open_folder, remove_left, write_whole
from cgtune.system.root import let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace_tree(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Make the folder ``out`` (mode 0700) with these files and links, whole or not at all. Raises UsageError (it exists) or Unwritable."""
    try:
        around, target = _new_target(out)
        try:
            _replace_tree_in(around, target, files, links)
        finally:
            let_go(around)
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written; name an OUT that can be made") from error


def _replace_tree_in(around: int, target: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    remove_left(around)
    name = building = new_name()
    os.mkdir(building, 0o700, dir_fd=around)
    top, made = None, None
    try:
        top = os.open(building, _FOLDER, dir_fd=around)
        _require_new(top)
        made = top
        hold(top)
        tree = _Tree(top)
        try:
            for path, content in files.items():
                tree.add_file(path, content)
            for path, link in links.items():
                tree.add_link(path, link)
        finally:
            tree.close()
        os.rename(building, target, src_dir_fd=around, dst_dir_fd=around)
        name = target
        _require_same(top, os.stat(target, dir_fd=around, follow_symlinks=False))
    except BaseException:
        _remove(around, name, made)
        raise
    finally:
        if top is not None:
            let_go(top)


def _remove(around: int, folder: str, top: int | None) -> None:
    """Remove what was made; what else may have got that name by now stays. What cannot be removed, the next maker removes."""
    import contextlib
    import shutil

    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir(top) if top is not None else []
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=top)
        with contextlib.suppress(OSError):
            shutil.rmtree(name, ignore_errors=True, dir_fd=top)  # which goes through no link
    with contextlib.suppress(OSError):
        os.rmdir(folder, dir_fd=around)


class _Tree:
    """A folder that is filled. The last folder that was written to stays open."""

    def __init__(self, top: int) -> None:
        self._top, self._path, self._opened = top, "", os.dup(top)

    def close(self) -> None:
        let_go(self._opened)

    def add_file(self, path: str, content: bytes) -> None:
        folder, _, name = path.rpartition("/")
        self._enter(folder)
        file = os.open(name, _NEW_FILE, 0o600, dir_fd=self._opened)
        try:
            write_whole(file, content)
        except BaseException:
            let_go(file)
            raise
        close_written(file)

    def add_link(self, path: str, link: str) -> None:
        folder, _, name = path.rpartition("/")
        self._enter(folder)
        os.symlink(link, name, dir_fd=self._opened)

    def _enter(self, folder: str) -> None:
        import contextlib

        if folder == self._path:
            return
        opened = os.dup(self._top)
        for name in folder.strip("/").split("/") if folder else ():
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=opened)
            try:
                inner = os.open(name, _FOLDER, dir_fd=opened)
            finally:
                let_go(opened)
            opened = inner
        let_go(self._opened)
        self._path, self._opened = folder, opened


def _require_new(opened: int) -> None:
    """Raises OSError unless this is an empty folder of ours."""
    if os.fstat(opened).st_uid != os.geteuid() or os.listdir(opened):
        raise OSError("somebody changes the folder around it meanwhile")


def _require_same(opened: int, found: os.stat_result) -> None:
    """Raises OSError unless what was found is what is open."""
    here = os.fstat(opened)
    if (here.st_dev, here.st_ino) != (found.st_dev, found.st_ino):
        raise OSError("somebody changes the folder around it meanwhile")


def replace_archive(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Pack these files and links into the .tar.gz ``out`` (mode 0600), whole or not at all. Raises as replace_tree does."""
    import io
    import tarfile

    def write(file: int) -> None:
        with os.fdopen(file, "wb", closefd=False) as packed, tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, content in sorted(files.items()):
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            for path, link in sorted(links.items()):
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, link
                archive.addfile(entry)

    try:
        around, target = _new_target(out)
        try:
            make_file(around, target, write, is_new=True)
        finally:
            let_go(around)
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written; name an OUT that can be made") from error


def _new_target(out: str) -> tuple[int, str]:
    """The open folder around OUT, and its name there. Raises UsageError if there is something already, or it is no name."""
    target, named = os.path.abspath(out), bool(out) and "\0" not in out
    if not named or os.path.lexists(target):
        why = "exists already" if named else "is no name"
        raise UsageError(f"OUT {out!r} {why}; name a folder to make, or a file that ends in .tar.gz")
    around, name = os.path.split(target)
    return open_folder(around), name
