"""Reads that may never return, made where they can be left behind: so no process of others stops the look at all of them."""

from __future__ import annotations

from cgtune.system.backing import Backing
from cgtune.system.root import READ_CAP_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from cgtune.system.aside import Aside
    from cgtune.system.foreign import Foreign
    from cgtune.system.root import Root
    from cgtune.system.source import Files

_NONE: frozenset[str] = frozenset()
_MOST_LEARNED = 8192


class Guard:
    """What the files of one live root are asked by, if the answer may hang on somebody else than the kernel."""

    def __init__(self, files: Files, root: Root, devices: dict[str, frozenset[str]]) -> None:
        """``files`` are those of ``root`` that read without a guard; ``devices`` gets the foreign ones that each process has files of, by
        pid.
        """
        self._files, self._devices = files, devices
        self._backing = Backing(root)
        self._foreign: Foreign | None = None
        self._aside: Aside | None = None
        self._kept_maps: tuple[str, bytes] | None = None
        self.local = ""  #: the process of the last read, if the machine was without foreign file systems then

    def close(self) -> None:
        """End what reads aside, and close what is kept open."""
        self._backing.forget()
        if self._aside is not None:
            self._aside.close()

    def forget(self, below: str) -> None:
        """As source.Source.forget; "/" begins a new look."""
        self._kept_maps, self.local = None, ""
        if below == "/":
            self._backing.forget()
            if len(self._devices) > _MOST_LEARNED:  # by pid, of all that ever were
                self._devices.clear()
            if self._foreign is not None:
                self._foreign.forget()
        if self._aside is not None:
            if below == "/":
                self._aside.begin_look()
            self._aside.forget(below)

    def see_mounts(self, path: str, table: bytes) -> None:
        """Take a mount table that was read for another reason; on a machine without foreign file systems none is needed."""
        if self._foreign is not None:
            self._foreign.see_mounts(path[6:].partition("/")[0], table)

    def ask(self, name: str, path: str, *more: int) -> Any:
        """What the method of source.Files answers for a path that may hang on somebody else than the kernel.

        Raises as that, and TimeoutError for what is not answered in time, or hangs on what was not answered before.
        """
        pid, _, rest = path[6:].partition("/")
        if not rest.startswith("root"):
            if pid != self.local and self._backing.is_local():
                self.local, self._devices[pid] = pid, _NONE
            if pid == self.local:
                return getattr(self._files, name)(path, *more)
        self.local = ""
        if name == "read_whole" and path.endswith("/maps"):
            kept, self._kept_maps = self._kept_maps, None
            return kept[1] if kept is not None and kept[0] == path else self._read_maps(path, *more)
        if name == "read_region" and path.endswith("/maps"):
            return self._read_maps_piece(path, *more)
        key = self._whose(path)
        return getattr(self._files, name)(path, *more) if key is None else self._ask_aside(key, name, path, *more)

    def _load_foreign(self) -> Foreign:
        if self._foreign is None:
            from cgtune.system.foreign import Foreign

            self._foreign = Foreign(self._files.read_whole, self._files.read_link, self._devices)
        return self._foreign

    def _ask_aside(self, key: Hashable, name: str, path: str, *more: int) -> Any:
        if self._aside is None:
            from cgtune.system.aside import Aside

            self._aside = Aside(self._files.origin.root)
        return self._aside.ask(key, name, path, *more)

    def _whose(self, path: str) -> Hashable | None:
        """Who else than the kernel may have to answer for a read; None: nobody."""
        pid, _, rest = path[6:].partition("/")
        folder, _, inside = rest.partition("/")
        if folder == "root":
            return ("root", pid) if self._load_foreign().is_below_root(pid, "/" + inside) else None
        devices = self._load_foreign().devices(pid)
        if devices is None:
            maps = f"/proc/{pid}/maps"
            try:
                self._kept_maps = maps, self._read_maps(maps)
            except OSError:
                self._kept_maps = None  # why is told when they are asked for
            devices = self._load_foreign().devices(pid)
        return devices or None

    def _read_maps(self, path: str, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        """The mappings of a process, which tell whether its other files may sleep."""
        pid = path[6:].partition("/")[0]
        try:
            data: bytes = self._ask_maps(pid, "read_whole", path, cap_bytes)
        except OSError as error:
            self._load_foreign().learn(pid, error)
            raise
        self._load_foreign().learn(pid, data)
        return data

    def _read_maps_piece(self, path: str, offset: int, size: int) -> bytes:
        pid = path[6:].partition("/")[0]
        data: bytes = self._ask_maps(pid, "read_region", path, offset, size)
        self._load_foreign().learn_piece(pid, offset, data)
        return data

    def _ask_maps(self, pid: str, name: str, path: str, *more: int) -> Any:
        if self._load_foreign().may_map(pid):
            return self._ask_aside(("maps", pid), name, path, *more)
        return getattr(self._files, name)(path, *more)
