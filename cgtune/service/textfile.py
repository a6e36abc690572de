"""Metrics as a file for the node exporter's textfile collector: replaced whole by rename(2), and gone when the service is."""

from __future__ import annotations

import os

from cgtune.errors import Unwritable, UsageError, reason
from cgtune.service.web import render_metrics
from cgtune.system.making import remove_file
from cgtune.system.outputfile import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.service.board import Board

_MODE = 0o644  # the node exporter runs as another user


class Textfile:
    """The file of one service."""

    def __init__(self, path: str, board: Board) -> None:
        """Write it for a first time: of an earlier service's file nothing is true any more, and what cannot be written is told at once.

        Raises UsageError for a name that the collector would not read or that names no file, Unwritable.
        """
        if not path.endswith(".prom") or "\0" in path:
            raise UsageError(f"--textfile {path[:80]!a}: the collector reads *.prom files only; example: --textfile /run/node/cgtune.prom")
        self._path, self._board = os.path.abspath(path), board
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            raise Unwritable(f"--textfile {path[:80]!a}: there is no folder {folder}; make it, or name another file")
        if os.path.isdir(self._path):
            raise UsageError(f"--textfile {path[:80]!a} is a folder; name a file in it, as in --textfile {path[:80]}/cgtune.prom")
        self.write()

    def write(self) -> None:
        """Replace the file with the metrics of this moment. Raises Unwritable or UsageError; the old file is then still there, whole."""
        replace_file(self._path, bytes(render_metrics(self._board, openmetrics=False, with_age=False)), _MODE, "--textfile")

    def remove(self) -> str | None:
        """What no service keeps true must not be collected for ever. Returns what to say if it could not be removed."""
        error = remove_file(self._path)
        return None if error is None else f"{self._path}: {reason(error)}; remove it, or its last numbers are collected for ever"
