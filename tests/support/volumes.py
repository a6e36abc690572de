"""Volumes of files that the kubelet writes anew: a folder of its own for each state, and links that are moved to it (atomic_writer.go)."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path

_states = itertools.count()


def publish(volume: Path, files: Mapping[str, str]) -> None:
    """Give the volume these files and no others, all at once."""
    before = (volume / "..data").resolve() if (volume / "..data").exists() else None
    state = volume / f"..state_{next(_states)}"
    state.mkdir()
    for name, text in files.items():
        (state / name).write_text(text)
    (volume / "..data_tmp").symlink_to(state.name)
    (volume / "..data_tmp").rename(volume / "..data")
    for name in files:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    for link in volume.iterdir():
        if link.is_symlink() and link.name != "..data" and link.name not in files:
            link.unlink()
    if before is not None:
        shutil.rmtree(before)
