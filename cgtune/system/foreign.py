"""Which reads may never return: those of a process's files and memory that hang on a foreign file system.

A process's links (exe, fd, ns), its stat, status, cgroup and mountinfo are answered by the kernel alone. What lies behind exe, map_files or
root is answered by the file system that it lies on, and a page of memory may be a page of such a file. The device numbers in
/proc/PID/maps and the mount tables tell which: a device that no mount table names as local counts as foreign, and only costs more. What we
run from ourselves counts as local, as the root of a virtual machine by 9p or of a diskless one by NFS: if that does not answer, we hang.
Not covered: an overlay or a loop device that root has laid upon a foreign file system counts as local; and a process that gives its memory
another file between our look at its mappings and our read.
"""

from __future__ import annotations

import errno
import os

from cgtune.records import Record
from cgtune.system import backing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Set as AbstractSet

_MOST_DEVICES = 2000  # of one mount table, 100 bytes each


class Mounts(Record):
    """What a mount table tells. ``devices``: whether each device ("8:1") is local. ``foreign``: where foreign file systems are mounted.

    ``has_files``: whether one of those has files, which can be mapped; autofs, which systemd mounts on most machines, has only folders.
    ``has_root``: whether what "/" leads to is in the table. It is not for a process whose root is a folder of another file system.
    """

    devices: dict[str, bool]
    foreign: tuple[str, ...]
    has_files: bool
    has_root: bool

    def covers(self, path: str) -> bool:
        """Whether a foreign file system may be asked on the way to this path below the process's root."""
        return not self.has_root or any(path == point or path.startswith(point.rstrip("/") + "/") for point in self.foreign)


def parse_mounts(text: str, *, trusts_overlays: bool, own: AbstractSet[str] = frozenset()) -> Mounts:
    """A mount table; one with a line that is damaged, or with more than 2,000 devices, counts as foreign all over.

    ``own``: devices that count as local, whatever they are. ``trusts_overlays``: whether only those could mount an overlay here who may
    mount anything: in a user namespace of its own anybody may lay one upon a FUSE file system.
    """
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    # (1)(2)(3)  (4)   (5)   (6)        (7)     (8)(9)  (10)      (11)           proc_pid_mountinfo(5); used: 3, 5, 9
    devices: dict[str, bool] = {}
    foreign: list[str] = []
    has_files = has_root = False
    for line in text.splitlines():
        fields, _, kind = line.partition(" - ")
        parts = fields.split(" ", 5)
        if len(parts) < 5 or len(devices) > _MOST_DEVICES or len(foreign) > _MOST_DEVICES:
            return _UNKNOWN
        name = kind.partition(" ")[0]
        is_local = name in backing.LOCAL or (name == "overlay" and trusts_overlays) or parts[2] in own
        devices[parts[2]] = devices.get(parts[2], True) and is_local
        has_root = has_root or parts[4] == "/"
        if not is_local:
            has_files = has_files or name != "autofs"
            point, escape, _ = parts[4].partition("\\")  # a blank is written \040: whatever begins likewise counts as below it
            foreign.append(point.rpartition("/")[0] or "/" if escape else point)
    return Mounts(devices=devices, foreign=tuple(foreign), has_files=has_files, has_root=has_root)


def parse_mapped_devices(data: bytes) -> set[str]:
    """The devices of the files that lines of /proc/PID/maps name, as a mount table spells them."""
    # 55d0c8a00000-55d0c8a22000 r--p 00000000 fe:00 131 /usr/bin/cat: the fourth field, in hexadecimal (proc_pid_maps(5))
    found: set[str] = set()
    try:
        for pair in {line.split(b" ", 4)[3] for line in data.splitlines()}:
            major, _, minor = pair.partition(b":")
            found.add(f"{int(major, 16)}:{int(minor, 16)}")
    except (ValueError, IndexError):
        found.add("?")
    return found


_UNKNOWN = Mounts(devices={}, foreign=("/",), has_files=True, has_root=False)
_REFUSALS = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ESRCH)


#: Before the first piece of mappings: its offset, what was left of the line before it, the devices, whether the executable was among them.
_NO_PIECE: tuple[int, bytes, AbstractSet[str], bool] = (0, b"", frozenset(), False)


class Foreign:
    """Tells which reads may sleep, of the processes below one live root. ``read`` reads a file whole, ``read_link`` a link; both raise
    OSError. What is learned of a process stands in ``devices``, by pid: the foreign ones that it has files of.
    """

    def __init__(self, read: Callable[[str], bytes], read_link: Callable[[str], str], devices: dict[str, frozenset[str]]) -> None:
        self._read, self._read_link, self._learned = read, read_link, devices
        self._pieces: dict[str, tuple[int, bytes, AbstractSet[str], bool]] = {}
        self._tables: dict[str, Mounts] = {}
        self._seen: dict[str, Mounts] = {}
        self._parsed: dict[int, Mounts] = {}
        self._parsed_now: dict[int, Mounts] = {}
        self._own: Mounts | None = None
        self._ours: AbstractSet[str] | None = None
        self._internal: frozenset[str] | None = None

    def forget(self) -> None:
        """Look at mount tables anew. What a process maps is told again when its mappings are read."""
        self._pieces.clear()
        self._tables.clear()
        self._seen.clear()
        self._parsed, self._parsed_now = self._parsed_now, {}
        self._own = None

    def may_map(self, pid: str) -> bool:
        """Whether even the list of a process's mappings may sleep: mmap(2) of a file on some network file systems asks the server, and
        nobody reads the mappings meanwhile.
        """
        mounts = self._mounts(pid)
        return mounts is not None and mounts.has_files

    def learn(self, pid: str, maps: bytes | OSError) -> None:
        """Take what the mappings of a process tell, or why they cannot be read."""
        self._pieces.pop(pid, None)
        if isinstance(maps, OSError):
            # Who is refused the mappings is refused all else that may sleep
            self._learned[pid] = frozenset((f"? of {pid}",)) if maps.errno in (errno.ETIMEDOUT, errno.EFBIG) else frozenset()
        else:
            self._settle(pid, parse_mapped_devices(maps), has_executable=self._maps_executable(pid, maps))

    def learn_piece(self, pid: str, offset: int, data: bytes) -> None:
        """The same of mappings that are too many for one text, piece by piece; nothing is known before the last, empty one."""
        following, rest, devices, has_executable = self._pieces.pop(pid, _NO_PIECE) if offset else _NO_PIECE
        if offset != following:
            return
        whole, _, rest = (rest + data).rpartition(b"\n")
        devices |= parse_mapped_devices(whole)
        has_executable = has_executable or self._maps_executable(pid, whole)
        if data:
            self._pieces[pid] = offset + len(data), rest, devices, has_executable
        else:
            self._settle(pid, devices | parse_mapped_devices(rest), has_executable=has_executable)

    def _settle(self, pid: str, devices: AbstractSet[str], *, has_executable: bool) -> None:
        mounts = self._mounts(pid)
        found = frozenset(device for device in devices if mounts is not None and not self._is_local(device, mounts))
        self._learned[pid] = found if mounts is None or has_executable else found | {f"? of {pid}"}

    def _maps_executable(self, pid: str, maps: bytes) -> bool:
        """Whether the executable is mapped, as that of nearly all programs: a program that has unpacked itself may have let go of it."""
        try:
            return os.fsencode(self._read_link(f"/proc/{pid}/exe")) in maps
        except OSError:
            return True  # none to be read

    def devices(self, pid: str) -> frozenset[str] | None:
        """The foreign devices that a process has files of; None if its mappings were not learned."""
        return self._learned.get(pid)

    def is_below_root(self, pid: str, path: str) -> bool:
        """Whether a foreign file system may be asked on the way to a path below the root of a process."""
        mounts = self._mounts(pid)
        return mounts is not None and mounts.covers(path)

    def _is_local(self, device: str, mounts: Mounts) -> bool:
        known = mounts.devices.get(device)
        if known is None and device in self._own_devices():
            return True
        if known is None:
            known = self._own_mounts().devices.get(device)
        if known is None:
            # Files of disks have a major number; those of memory that the kernel has for itself are on no mount that anybody sees
            known = device.partition(":")[0] not in ("0", "?") or device in self._internal_devices()
        return known

    def see_mounts(self, pid: str, table: bytes) -> None:
        """Take the mount table of a process, read in this look. Equal tables are of one namespace: they name each mount by its number."""
        key = hash(table)  # a process may have 4 MiB of it
        mounts = self._parsed_now.get(key) or self._parsed.get(key)
        if mounts is None:
            found = self._read_mounts(pid, table)
            if found is None:
                return
            mounts = found
        self._seen[pid], self._parsed_now[key] = mounts, mounts

    def _mounts(self, pid: str) -> Mounts | None:
        """The mount table of a process; None if the kernel refuses to show it: then it refuses all that may sleep as well."""
        if pid in self._seen:
            return self._seen[pid]
        try:
            namespace = self._read_link(f"/proc/{pid}/ns/mnt")
        except OSError as error:
            return None if error.errno in _REFUSALS else _UNKNOWN
        if namespace not in self._tables:
            mounts = self._read_mounts(pid)
            if mounts is None:
                return None
            self._tables[namespace] = mounts
        self._seen[pid] = self._tables[namespace]
        return self._seen[pid]

    def _read_mounts(self, pid: str, table: bytes | None = None) -> Mounts | None:
        try:
            is_ours = self._read_link(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user")
            text = self._read(f"/proc/{pid}/mountinfo") if table is None else table
        except OSError as error:
            return None if error.errno in _REFUSALS else _UNKNOWN
        return parse_mounts(text.decode("utf-8", "surrogateescape"), trusts_overlays=is_ours, own=self._own_devices())

    def _own_devices(self) -> AbstractSet[str]:
        """Those of the files that we have mapped ourselves: the interpreter, its libraries."""
        if self._ours is None:
            try:
                with open("/proc/self/maps", "rb") as file:
                    self._ours = parse_mapped_devices(file.read()) - {"0:0", "?"}
            except OSError:
                self._ours = frozenset()
        return self._ours

    def _own_mounts(self) -> Mounts:
        if self._own is None:
            try:
                with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                    self._own = parse_mounts(file.read(), trusts_overlays=True, own=self._own_devices())
            except OSError:
                self._own = Mounts(devices={}, foreign=(), has_files=False, has_root=False)
        return self._own

    def _internal_devices(self) -> frozenset[str]:
        if self._internal is None:
            self._internal = frozenset(("0:0",))
            try:
                file = os.memfd_create("cgtune")
            except OSError:
                return self._internal
            number = os.fstat(file).st_dev
            os.close(file)
            self._internal |= {f"{os.major(number)}:{os.minor(number)}"}
        return self._internal
