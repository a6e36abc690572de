"""The layers of an image, one over the other: which files a container sees, and which of them are programs. Pure.

OCI image-spec, layer.md: `.wh.NAME` takes a file of the layers below away, `.wh..wh..opq` all that a folder has there.
"""

from __future__ import annotations

from cgtune.errors import Malformed

_REMOVED, _EMPTIED = ".wh.", ".wh..wh..opq"
_MOST_PATHS = 1_000_000


class Stack:
    """What was seen so far of an image, from the highest layer to the lowest. ``links`` are those that count, by path."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self._there: dict[str, bool] = {}  # by path, whether what is there hides all below it: it is no folder
        self._removed: set[str] = set()
        self._emptied: set[str] = set()
        self._below: tuple[dict[str, bool], set[str], set[str]] = ({}, set(), set())  # of the layer that is being read

    def begin_layer(self) -> None:
        """What comes from here on lies in a lower layer."""
        there, removed, emptied = self._below
        for path, is_final in there.items():
            self._there.setdefault(path, is_final)
        self._removed |= removed
        self._emptied |= emptied
        self._below = ({}, set(), set())

    def take(self, path: str, *, is_folder: bool, link: str | None) -> bool:
        """Whether a container sees this entry of the layer; and what it hides is remembered. Raises Malformed beyond a million paths."""
        if len(self._there) + len(self._below[0]) >= _MOST_PATHS:
            raise Malformed(f"its layers have more than {_MOST_PATHS} paths")
        folder, _, name = path.rpartition("/")
        there, removed, emptied = self._below
        if name == _EMPTIED:
            emptied.add(folder)
            return False
        if name.startswith(_REMOVED):
            removed.add(f"{folder}/{name.removeprefix(_REMOVED)}")
            return False
        is_seen = not self._is_hidden(path)
        there[path] = not is_folder
        if is_seen and link is not None:
            self.links[path] = link
        elif is_seen and not is_folder:
            self.links.pop(path, None)  # of two entries in one layer the later counts
        return is_seen

    def _is_hidden(self, path: str) -> bool:
        if path in self._there or path in self._removed:
            return True
        folder = path.rpartition("/")[0]
        while folder:
            if folder in self._emptied or folder in self._removed or self._there.get(folder, False):
                return True
            folder = folder.rpartition("/")[0]
        return "" in self._emptied
