"""The metrics file; tests/service/test_serve.py has it written by a service."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cgtune.errors import UsageError
from cgtune.service.board import Board
from cgtune.service.textfile import Textfile


def test_a_folder_is_no_metrics_file(tmp_path: Path) -> None:
    """A folder with the right name is refused, with a file in it as the example."""
    folder = tmp_path / "metrics.prom"
    folder.mkdir()
    with pytest.raises(UsageError, match=r"is a folder; name a file in it, as in --textfile .*/metrics\.prom/cgtune\.prom$"):
        Textfile(str(folder), Board(15.0))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Its numbers would be collected for ever. A failure of the moment is nothing."""
    textfile, real = Textfile(str(tmp_path / "a.prom"), Board(15.0)), os.unlink
    left = [OSError(errno.EROFS, "Read-only file system")] * times

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if left:
            raise left.pop()
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    why = textfile.remove()
    assert (why is None, (tmp_path / "a.prom").exists()) == ((True, False) if times == 1 else (False, True))
    assert why is None or why.endswith("a.prom: Read-only file system; remove it, or its last numbers are collected for ever")
