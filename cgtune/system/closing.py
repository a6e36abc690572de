"""Closes what is done with. NFS and FUSE may say that a close failed or was interrupted: on Linux the descriptor is free all the same."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_PIECE_BYTES = 1 << 16


def let_go(file: int) -> None:
    """Close a file that was read, or whose content is safe (fsync(2)): nothing is lost, whatever is said of it."""
    try:
        os.close(file)
    except OSError:
        return


def close_written(file: int) -> None:
    """Close a file that was written. Raises OSError if its content did not arrive, of which NFS tells here."""
    try:
        os.close(file)
    except InterruptedError:  # it is on its way, as after any other close
        return


def open_to_read(path: str) -> Reading:
    """A file as a context manager, unbuffered and in bytes. Raises OSError or ValueError."""
    return Reading(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY))


class Reading:
    """An open file to read from, let go of in the end."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        let_go(self._file)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, all that there are of them. Raises OSError."""
        pieces = []
        while size > 0 and (piece := os.read(self._file, min(size, _PIECE_BYTES))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
