"""The metrics file; tests/service/test_serve.py has it written by a service."""

from __future__ import annotations

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
