"""The shelf of runtimes: every folder is in its table, and a snapshot has what each of them reads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cgtune import runtimes
from cgtune.machineview import MachineView
from cgtune.model import Note
from cgtune.runtimes import load_runtimes
from cgtune.snapshot import read_snapshot
from cgtune.system.host import Host
from tests.rules.reports import go_facts
from tests.support import stories


def test_every_folder_is_in_the_table() -> None:
    """A runtime that is not in it would be read by nobody."""
    folders = {marker.parent.name for marker in Path(runtimes.__file__).parent.glob("*/__init__.py")}
    assert {str(vars(runtime)["__name__"]).split(".")[2] for runtime in load_runtimes()} == folders


def test_a_snapshot_has_what_each_runtime_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the table, with the notes of each; nothing of the snapshot names one of them."""

    def another(name: str) -> SimpleNamespace:
        facts, note = go_facts(path=name), Note(path=name, why="read")
        return SimpleNamespace(read_runtimes=lambda *_arguments: ((facts,), (note,)))

    monkeypatch.setattr(runtimes, "load_runtimes", lambda: (another("/first"), another("/second")))
    with Host(str(stories.STORIES / "v2-ancestor-tighter")) as host:
        snapshot = read_snapshot(MachineView(host), 4242)
    assert [facts.program.path for facts in snapshot.go] == ["/first", "/second"]
    assert [note.path for note in snapshot.notes if note.why == "read"] == ["/first", "/second"]
