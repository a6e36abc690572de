"""What env and exec ask of the route."""

from __future__ import annotations

from pathlib import Path

from cgtune.commands.planning import read_here


def test_a_place_that_cannot_be_seen(tmp_path: Path) -> None:
    """If a root is none, or holds nothing of this process, there are no limits to name, and no error."""
    assert read_here(str(tmp_path / "none")) is None
    assert read_here(str(tmp_path)) is None
