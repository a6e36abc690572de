"""One file that the user names, wherever it lies and through whatever links: a program on disk, for instance."""

from __future__ import annotations

import errno
import os

from cgtune.errors import UsageError, name_failure, translate
from cgtune.system.root import FILE_FLAGS, let_go, read_at, require_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class ProgramFile:
    """An open file, as a context manager; ``read_at`` reads parts of it."""

    def __init__(self, path: str, option: str, example: str = "./server") -> None:
        """Open it; raises UsageError, which names ``option`` and gives an example, where it is no regular file that can be
        read, and Unreadable where the machine fails.
        """
        self._path = path
        try:
            self._file = os.open(path, FILE_FLAGS)
        except (OSError, ValueError) as error:
            raise name_failure(option, path, error, f"example: {option} {example}") from error
        try:
            require_regular(self._file)
        except OSError as error:
            let_go(self._file)
            if error.errno != errno.ESPIPE:
                raise translate(error, path) from error
            raise UsageError(f"{option} {path!r} is not a regular file; example: {option} {example}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        let_go(self._file)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset``; what is not there is left out. Raises Unreadable where the disk fails."""
        try:
            return read_at(self._file, size, offset, (errno.EINVAL,))
        except OSError as error:
            raise translate(error, self._path) from error
