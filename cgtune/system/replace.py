"""Writes whole or not at all: a folder or an archive is built beside its name, and gets the name when it is complete."""

from __future__ import annotations

import os

from cgtune.errors import Unwritable, UsageError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def replace_tree(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Make the folder ``out`` with these files and links, whole or not at all. Raises UsageError (it exists) or Unwritable."""
    import shutil

    try:
        target = _new_target(out)
        building = _beside(target)
        os.mkdir(building)
        try:
            for path, content in files.items():
                place = building + path
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "xb") as file:
                    file.write(content)
            for path, link in links.items():
                os.makedirs(os.path.dirname(building + path), exist_ok=True)
                os.symlink(link, building + path)
            os.rename(building, target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written; name an OUT that can be made") from error


def replace_archive(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Pack these files and links into the .tar.gz ``out``, whole or not at all. Raises as replace_tree does."""
    import io
    import tarfile

    try:
        target = _new_target(out)
        building = _beside(target)
        with open(building, "xb") as packed:
            try:
                with tarfile.open(fileobj=packed, mode="w:gz") as archive:
                    for path, content in sorted(files.items()):
                        entry = tarfile.TarInfo(path.lstrip("/"))
                        entry.size = len(content)
                        archive.addfile(entry, io.BytesIO(content))
                    for path, link in sorted(links.items()):
                        entry = tarfile.TarInfo(path.lstrip("/"))
                        entry.type, entry.linkname = tarfile.SYMTYPE, link
                        archive.addfile(entry)
                packed.flush()
                os.link(building, target)
            finally:
                os.unlink(building)
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written; name an OUT that can be made") from error


def _beside(target: str) -> str:
    """A new name in the same folder. What gets it has the modes that the caller's umask leaves, as with any other program."""
    return f"{os.path.dirname(target)}/.cgtune-{os.urandom(6).hex()}"


def _new_target(out: str) -> str:
    target, named = os.path.abspath(out), bool(out) and "\0" not in out
    if not named or os.path.lexists(target):
        why = "exists already" if named else "is no name"
        raise UsageError(f"OUT {out!r} {why}; name a folder to make, or a file that ends in .tar.gz")
    return target
