"""Reads limits that somebody else keeps in files, one each, through links: a downward API volume of Kubernetes is made of such."""

from __future__ import annotations

import os

from cgtune.errors import Malformed, Unreadable, name_failure, reason
from cgtune.system.root import FILE_FLAGS, let_go, require_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CAP_BYTES = 256  # no quantity is as long
_ATTEMPTS = 5
#: The kubelet writes all files into a new folder, and then makes this link of it (pkg/volume/util/atomic_writer.go).
_DATA = "..data"


def read_limit_files(folder: str, names: Sequence[str], option: str) -> dict[str, str]:
    """The text of each of these files that is there, all of one moment, without blanks around it. ``option`` is what named the folder.

    Raises UsageError (no folder), Unreadable (the folder, a file, or none of them is there) or Malformed (no text of that kind).
    """
    for _attempt in range(_ATTEMPTS):
        directory = _open_folder(folder, option)
        try:
            found = {name: text for name in names if (text := _read_limit(directory, folder, name)) is not None}
            is_still = _is_current(directory, folder)
        finally:
            let_go(directory)
        if is_still:
            break
    else:
        raise Unreadable(f"{option} {folder!r}: it changed {_ATTEMPTS} times while it was read; try again")
    if not found:
        raise Unreadable(f"{option} {folder!r} holds none of {', '.join(names)}; name a folder with such files")
    return found


def _open_folder(folder: str, option: str) -> int:
    """The folder that the files lie in now."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        try:
            return os.open(f"{folder}/{_DATA}", flags)
        except FileNotFoundError:
            return os.open(folder, flags)
    except (OSError, ValueError) as error:
        raise name_failure(option, folder, error, f"name a folder, as {option} /limits") from error


def _is_current(directory: int, folder: str) -> bool:
    """Whether the folder that was read is still the one: its files may be gone one by one as soon as it is not."""
    try:
        try:
            now = os.stat(f"{folder}/{_DATA}")
        except FileNotFoundError:
            now = os.stat(folder)
    except OSError:
        return False
    read = os.fstat(directory)
    return (read.st_dev, read.st_ino) == (now.st_dev, now.st_ino)


def _read_limit(directory: int, folder: str, name: str) -> str | None:
    try:
        file = os.open(name, FILE_FLAGS, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{folder}/{name}: {reason(error)}; it has to be a file that can be read") from error
    try:
        require_regular(file)
        content = os.read(file, _CAP_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{folder}/{name}: {reason(error)}; it has to be a file that can be read") from error
    finally:
        let_go(file)
    text = content.decode("utf-8", "replace").strip()
    if not text or len(content) > _CAP_BYTES:
        raise Malformed(f"{folder}/{name} is {'longer than any limit' if text else 'empty'}; write one quantity, as 512Mi")
    return text
