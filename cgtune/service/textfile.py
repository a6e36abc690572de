"""Metrics as a file for the node exporter's textfile collector: replaced whole by rename(2), and gone when the service is."""

from __future__ import annotations

import contextlib
import os

from cgtune.errors import Unwritable, UsageError
from cgtune.service.web import render_metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.service.board import Board


class Textfile:
    """The file of one service."""

    def __init__(self, path: str, board: Board) -> None:
        """Raises UsageError for a name that the collector would not read, Unwritable where there is no such folder."""
        if not path.endswith(".prom") or "\0" in path:
            raise UsageError(f"--textfile {path[:80]!a}: the collector reads *.prom files only; example: --textfile /run/node/cgtune.prom")
        self._path, self._board = os.path.abspath(path), board
        # One name for good, so that nothing piles up after crashes; without the suffix, so that the collector does not read half of it
        self._draft = f"{self._path}.cgtune-draft"
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            raise Unwritable(f"--textfile {path[:80]!a}: there is no folder {folder}; make it, or name another file")
        if os.path.isdir(self._path):
            raise UsageError(f"--textfile {path[:80]!a} is a folder; name a file in it, as in --textfile {path[:80]}/cgtune.prom")

    def write(self) -> None:
        """Replace the file with the metrics of this moment. Raises Unwritable; the old file is then still there, whole."""
        content = render_metrics(self._board, openmetrics=False, with_age=False)
        try:
            self._discard(self._draft)
            # O_EXCL: whatever somebody put there under that name is not written through
            draft = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with open(draft, "wb") as file:
                file.write(content)
            os.replace(self._draft, self._path)
        except OSError as error:
            self._discard(self._draft)
            raise Unwritable(f"{self._path}: {error.strerror}; the file before it stays") from error

    def remove(self) -> None:
        """What no service keeps true must not be collected for ever."""
        self._discard(self._draft)
        self._discard(self._path)

    @staticmethod
    def _discard(path: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(path)
