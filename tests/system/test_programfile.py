"""A program that the user names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.system.programfile import ProgramFile


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Returns a file of four bytes."""
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF")
    return path


@pytest.mark.parametrize(
    ("offset", "size", "content"), [(1, 3, b"ELF"), (2, 100, b"LF"), (100, 1, b""), (1 << 80, 1, b""), (-1, 1, b""), (0, -1, b"")]
)
def test_what_is_not_there_is_left_out(program: Path, offset: int, size: int, content: bytes) -> None:
    """Any numbers, as damaged programs have them, give the bytes that there are."""
    with ProgramFile(str(program), "--binary") as file:
        assert file.read_at(offset, size) == content


def test_a_disk_that_fails(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told from a program without those bytes."""

    def pread(*_arguments: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with ProgramFile(str(program), "--binary") as file:
        monkeypatch.setattr(os, "pread", pread)
        with pytest.raises(Unreadable, match=r"program: Input/output error$"):
            file.read_at(0, 4)
