"""The files below a live root, where a read that may never return is made aside: so no process of others stops the look at all of them."""

from __future__ import annotations

from cgtune.system.foreign import Foreign
from cgtune.system.root import READ_CAP_BYTES
from cgtune.system.source import Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from cgtune.system.aside import Aside
    from cgtune.system.root import Root

#: Of a process, what may sleep as its own files do; what is below its root is another matter.
_OWN = frozenset(("exe", "map_files", "maps", "mem", "environ"))


class GuardedFiles(Files):
    """As Files. Raises TimeoutError for a read that is not answered in time, or hangs on what was not answered before."""

    def __init__(self, root: Root, path: str) -> None:
        super().__init__(root, path, is_live=True)
        self._foreign = Foreign(super().read_whole, super().read_link)
        self._aside: Aside | None = None
        self._kept_maps: tuple[str, bytes] | None = None

    def close(self) -> None:
        super().close()
        if self._aside is not None:
            self._aside.close()

    def forget(self, below: str) -> None:
        super().forget(below)
        self._kept_maps = None
        if below == "/":
            self._foreign.forget()
        if self._aside is not None:
            if below == "/":
                self._aside.begin_look()
            self._aside.forget(below)

    def read_whole(self, path: str, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        if path.endswith("/maps") and path.startswith("/proc/"):
            kept, self._kept_maps = self._kept_maps, None
            return kept[1] if kept is not None and kept[0] == path else self._read_maps(path, cap_bytes)
        key = self._whose(path)
        return super().read_whole(path, cap_bytes) if key is None else self._ask().ask(key, "read_whole", path, cap_bytes)

    def read_region(self, path: str, offset: int, size: int) -> bytes:
        key = self._whose(path)
        return super().read_region(path, offset, size) if key is None else self._ask().ask(key, "read_region", path, offset, size)

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        key = self._whose(path)
        return super().read_file_identity(path) if key is None else self._ask().ask(key, "read_file_identity", path)

    def read_identity(self, path: str) -> tuple[int, int]:
        key = self._whose(path)
        return super().read_identity(path) if key is None else self._ask().ask(key, "read_identity", path)

    def read_link(self, path: str) -> str:
        key = self._whose(path) if "/root/" in path else None  # the kernel answers for all other links of a process
        return super().read_link(path) if key is None else self._ask().ask(key, "read_link", path)

    def list_names(self, path: str) -> list[str]:
        key = self._whose(path)
        return super().list_names(path) if key is None else self._ask().ask(key, "list_names", path)

    def list_folders(self, path: str) -> list[str]:
        key = self._whose(path)
        return super().list_folders(path) if key is None else self._ask().ask(key, "list_folders", path)

    def _ask(self) -> Aside:
        if self._aside is None:
            from cgtune.system.aside import Aside

            self._aside = Aside(self.origin.root)
        return self._aside

    def _whose(self, path: str) -> Hashable | None:
        """Who else than the kernel may have to answer for a read; None: nobody."""
        if not path.startswith("/proc/"):
            return None
        pid, _, rest = path[6:].partition("/")
        folder, _, inside = rest.partition("/")
        if folder == "root":
            return ("root", pid) if self._foreign.is_below_root(pid, "/" + inside) else None
        if folder not in _OWN or not pid.isdecimal():
            return None
        devices = self._foreign.devices(pid)
        if devices is None:
            maps = f"/proc/{pid}/maps"
            try:
                self._kept_maps = maps, self._read_maps(maps, READ_CAP_BYTES)
            except OSError:
                pass  # it is told when they are asked for
            devices = self._foreign.devices(pid)
        return devices or None

    def _read_maps(self, path: str, cap_bytes: int) -> bytes:
        """The mappings of a process, which tell whether its other files may sleep."""
        pid = path[6:].partition("/")[0]

        def read(may_sleep: bool) -> bytes:
            if not may_sleep:
                return Files.read_whole(self, path, cap_bytes)
            data: bytes = self._ask().ask(("maps", pid), "read_whole", path, cap_bytes)
            return data

        return self._foreign.learn(pid, read)
