"""Limits in files: all of one moment, also while the kubelet exchanges them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cgtune.errors import CgtuneError, Unreadable
from cgtune.system import limitfiles
from cgtune.system.limitfiles import read_limit_files
from tests.support.volumes import publish

_NAMES = ("cpu-limit", "memory-limit")


def test_a_change_while_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume changes after the first file was read, and the folder of the second is gone: both are of the new state."""
    publish(tmp_path, {"cpu-limit": "1", "memory-limit": "256Mi"})
    original = limitfiles._read_limit
    seen: list[str] = []

    def read_slowly(directory: int, folder: str, name: str) -> str | None:
        if name == "memory-limit" and not seen:
            seen.append(name)
            publish(tmp_path, {"cpu-limit": "2", "memory-limit": "512Mi"})
        return original(directory, folder, name)

    monkeypatch.setattr(limitfiles, "_read_limit", read_slowly)
    assert read_limit_files(str(tmp_path), _NAMES, "--limits") == {"cpu-limit": "2", "memory-limit": "512Mi"}


def test_a_folder_that_never_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after some attempts, and nothing is made of halves."""
    publish(tmp_path, {"cpu-limit": "1"})
    original = limitfiles._read_limit

    def change(directory: int, folder: str, name: str) -> str | None:
        publish(tmp_path, {"cpu-limit": "1"})
        return original(directory, folder, name)

    monkeypatch.setattr(limitfiles, "_read_limit", change)
    with pytest.raises(Unreadable, match="changed 5 times while it was read"):
        read_limit_files(str(tmp_path), _NAMES, "--limits")


def test_plain_files(tmp_path: Path) -> None:
    """A folder that somebody else fills will do as well; no file stays open."""
    (tmp_path / "memory-limit").write_text("1Gi\n")
    before = os.listdir("/proc/self/fd")
    assert read_limit_files(str(tmp_path), _NAMES, "--limits") == {"memory-limit": "1Gi"}
    assert os.listdir("/proc/self/fd") == before


def test_a_folder_that_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of it is not taken for the limits: the folder is looked for again, and its name is told."""
    folder = tmp_path / "limits"
    folder.mkdir()
    (folder / "cpu-limit").write_text("1")
    original = limitfiles._read_limit

    def read_and_lose(directory: int, place: str, name: str) -> str | None:
        found = original(directory, place, name)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    monkeypatch.setattr(limitfiles, "_read_limit", read_and_lose)
    with pytest.raises(CgtuneError, match=rf"{folder}.*No such file or directory"):
        read_limit_files(str(folder), _NAMES, "--limits")


def test_a_link_that_leads_nowhere_but_to_itself(tmp_path: Path) -> None:
    """It is there and cannot be read: one line, and no limit is left out in silence."""
    (tmp_path / "cpu-limit").symlink_to("cpu-limit")
    with pytest.raises(Unreadable, match=r"cpu-limit: Too many levels of symbolic links; it has to be a file that can be read"):
        read_limit_files(str(tmp_path), _NAMES, "--limits")
