"""One level of a chain, and what several processes share of it."""

from __future__ import annotations

from typing import cast

from cgtune.cgroups.levels import Shared
from cgtune.cgroups.locate import Place
from cgtune.model import Note
from cgtune.system.host import Host


def test_a_level_is_read_once_for_all_who_share_it() -> None:
    """The same cgroup by the same way is read once, and its notes are everybody's; by another way it is read again."""
    asked: list[str] = []

    def read(_host: Host, place: Place, _version: int, notes: list[Note]) -> str:
        asked.append(place.directory)
        notes.append(Note(path=place.directory, why="denied"))
        return place.directory

    shared, host = Shared(), cast("Host", None)
    ours, theirs = Place(path="/a", directory="/sys/fs/cgroup/a"), Place(path="/a", directory="/proc/7/root/sys/fs/cgroup/a")
    for place, reads in ((ours, 1), (ours, 1), (theirs, 2), (ours, 2)):
        notes: list[Note] = []
        assert shared.read_chain(host, [(2, place)], read, notes) == (place.directory,)
        assert [note.path for note in notes] == [place.directory]
        assert len(asked) == reads
