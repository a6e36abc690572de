"""Where the facts of a host come from: one small interface, and the files below a root as its first implementation.

There are three sources. ``Files`` is what lies below a root now, live or copied. ``replay.Recorded`` is what a recording holds.
``capture.Capture`` passes on what another source answers, and keeps it. A source raises OSError, or Unreadable for what is no plain
path; ``host`` knows what each means.
"""

from __future__ import annotations

import errno
import os
import time
from abc import ABC, abstractmethod

from cgtune.errors import CgtuneError, Unreadable
from cgtune.records import Record
from cgtune.system.root import NO_PATH, READ_CAP_BYTES, SMALL_BYTES, identity_of, read_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cgtune.system.guarded import Guard
    from cgtune.system.root import Root
    from cgtune.system.unpack import Folder

#: The marker at the top of a recording.
MARKER = "cgtune-snapshot.json"
MOST_MARKER_BYTES = 4 << 20

#: A recording may be packed into one file of such a name.
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")


class Origin(Record):
    """What holds for all that a source answers.

    ``root``: the folder that is read, without links. ``is_live``: whether the kernel answers now. ``is_dated``: whether the time that the
    answers are of is known; of a copy it is not. ``mount_prefix``: what precedes a path
    below the root in the mount table of the process that reads: "" for /, else such as "/host". ``ticks_per_second``: the unit of start
    times in /proc/PID/stat. ``pids``: those that a recording was asked for, in order; None: it is no recording.
    """

    root: str
    is_live: bool
    mount_prefix: str
    page_bytes: int
    ticks_per_second: int
    pids: tuple[int, ...] | None = None
    is_dated: bool = True


class Source(ABC):
    """What a host asks. Every method must be there: a source that lacks one cannot be made."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    @abstractmethod
    def close(self) -> None:
        """Close all that is open, and remove what was unpacked."""

    @abstractmethod
    def forget(self, below: str) -> None:
        """Close what is kept open at or below ``below``: the next question looks it up anew."""

    @abstractmethod
    def time_seconds(self) -> float:
        """The time that the answers are of; seconds since the epoch."""

    @abstractmethod
    def read_whole(self, path: str, cap_bytes: int) -> bytes:
        """The whole file, read once; an error if it is larger than the cap."""

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """Files of processes and threads that are no larger than 4 KiB; None for each that cannot be read."""
        for path in paths:
            try:
                yield self.read_whole(path, SMALL_BYTES)
            except (OSError, ValueError, CgtuneError):
                yield None

    @abstractmethod
    def read_link(self, path: str) -> str:
        """The target of a symbolic link."""

    @abstractmethod
    def list_names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""

    @abstractmethod
    def list_folders(self, path: str) -> list[str]:
        """The names of the directories in a directory, sorted, without links to such. Only a search asks this."""

    @abstractmethod
    def read_region(self, path: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset`` of a large file; what is not there is left out."""

    @abstractmethod
    def read_file_identity(self, path: str) -> tuple[int, ...]:
        """(device, inode, size, two times) of a file."""

    def hold(self, path: str, device: str, inode: str) -> bool:  # noqa: ARG002  # most sources cannot
        """Keep a file of a process open until all is forgotten, if ``device`` and ``inode`` of its mapping are its own; whether it is."""
        return False

    def is_held(self, identity: tuple[int, ...]) -> bool:  # noqa: ARG002  # likewise
        """Whether the file with this identity is kept open, and is as it was."""
        return False

    @abstractmethod
    def read_identity(self, path: str) -> tuple[int, int]:
        """(device, inode) of a directory."""

    @abstractmethod
    def is_by_hand(self, directory: str) -> bool:
        """Whether nothing is known of the device that a directory lay on: in a tree that was copied or made, not recorded."""

    @abstractmethod
    def search(self, top: str, depth: int, identity: tuple[int, int] | None, walk: Callable[[], str | None]) -> str | None:
        """The directory that ``walk`` finds by asking this source again and again; a recording knows what was found without a walk.

        Searched for is the directory ``depth`` levels below ``top`` with this identity; None: the cgroup that lists the reader itself.
        """

    @abstractmethod
    def read_page(self, url: str) -> str:
        """The page at an http URL. Raises Unreadable."""

    @abstractmethod
    def read_metadata(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        """What a platform says at these http URLs of one server. Raises Unreadable, and Unanswered if the server gives no answer."""


#: Of a process: what lies on a file system of whoever mounted it, and memory, which may be pages of files there. Their answers may hang on
#: somebody else than the kernel; those of its links (exe is one as well) do not.
_MAY_SLEEP = frozenset(("root", "exe", "map_files", "maps", "mem", "environ", "cmdline"))
_TELLING = frozenset(("root", "maps"))
_NO_DEVICES: frozenset[str] = frozenset()


class Files(Source):
    """What lies below a root now: this machine's files, another's mounted there, or a copy of them."""

    def __init__(self, root: Root, path: str, *, is_live: bool, unpacked: Folder | None = None, is_guarded: bool = True) -> None:
        """``path`` is that of ``root``. ``is_live`` opens the kernel's doors in /proc/PID: its /proc must be the kernel's.

        ``unpacked`` is the folder that was made for the files; it is removed when they are closed. ``is_guarded``: whether reads of live
        files that may never return are made aside; such a one raises TimeoutError.
        """
        super().__init__(
            Origin(
                root=path,
                is_live=is_live,
                mount_prefix=path.rstrip("/") if is_live else "",
                page_bytes=os.sysconf("SC_PAGE_SIZE"),
                ticks_per_second=os.sysconf("SC_CLK_TCK"),
                is_dated=is_live,
            )
        )
        self._root, self._unpacked = root, unpacked
        self._guard: Guard | None = None
        self._has_guard = is_live and is_guarded
        self._devices: dict[str, frozenset[str]] = {}  # by pid, the foreign ones that a process is known to have files of
        self._awake = ""  # the path that was asked for last, if it was found not to sleep: memory is read by the dozen
        self._local = NO_PATH  # /proc/PID/ of the process asked for last, if no file of it can be foreign
        self._own_pid = str(os.getpid()) if path == "/" else ""
        if is_live:
            root.open_doors()

    def _may_sleep(self, path: str) -> bool:
        if not self._has_guard or path == self._awake or not path.startswith("/proc/"):
            return False
        if path.startswith(self._local) and not path.startswith("root", len(self._local)):
            return False
        parts = path.split("/", 4)
        if len(parts) < 4 or parts[3] not in _MAY_SLEEP:
            return False
        pid = parts[2]
        if parts[3] not in _TELLING and self._devices.get(pid) == _NO_DEVICES:
            self._awake = path
            return False
        return pid.isdecimal() and pid != self._own_pid

    def _ask_guard(self, name: str, path: str, *more: int) -> Any:
        self._awake, self._local = "", NO_PATH  # mappings may tell otherwise now
        if self._guard is None:
            from cgtune.system.guarded import Guard

            self._guard = Guard(Files(self._root, self.origin.root, is_live=True, is_guarded=False), self._root, self._devices)
        answer = self._guard.ask(name, path, *more)
        if self._guard.local:
            self._local = f"/proc/{self._guard.local}/"
        return answer

    def close(self) -> None:
        self._root.close()
        if self._guard is not None:
            self._guard.close()
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def forget(self, below: str) -> None:
        self._root.forget(below)
        self._awake, self._local = "", NO_PATH
        if self._guard is not None:
            self._guard.forget(below)

    def time_seconds(self) -> float:
        return time.time()

    def read_whole(self, path: str, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        if self._may_sleep(path):
            answer: bytes = self._ask_guard("read_whole", path, cap_bytes)
            return answer
        data = self._root.read_whole(path, cap_bytes)
        if self._guard is not None and path.endswith("/mountinfo"):
            self._guard.see_mounts(path, data)
        return data

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        return self._root.read_each(paths) if self.origin.is_live else super().read_each(paths)

    def read_link(self, path: str) -> str:
        if "/root/" in path and self._may_sleep(path):
            answer: str = self._ask_guard("read_link", path)
            return answer
        return self._root.read_link(path)

    def list_names(self, path: str) -> list[str]:
        if self._may_sleep(path):
            answer: list[str] = self._ask_guard("list_names", path)
            return answer
        return self._root.list_names(path)

    def list_folders(self, path: str) -> list[str]:
        if self._may_sleep(path):
            answer: list[str] = self._ask_guard("list_folders", path)
            return answer
        return [name for name in self._root.list_names(path) if self._root.is_folder(path, name)]

    def read_region(self, path: str, offset: int, size: int) -> bytes:
        if self._may_sleep(path):
            answer: bytes = self._ask_guard("read_region", path, offset, size)
            return answer
        # Memory that is not mapped, or beyond all of it (mem_rw in fs/proc/base.c). Of a file on a disk it is a failure as any other
        is_memory = path.startswith("/proc/") and path.endswith("/mem")
        return read_at(self._root.open_file(path), size, offset, (errno.EIO, errno.EINVAL, errno.EFAULT) if is_memory else ())

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        if self._may_sleep(path):
            answer: tuple[int, ...] = self._ask_guard("read_file_identity", path)
            return answer
        return identity_of(self._root.stat_file(path))

    def hold(self, path: str, device: str, inode: str) -> bool:
        return self.origin.is_live and not self._may_sleep(path) and self._root.hold(path, device, inode)

    def is_held(self, identity: tuple[int, ...]) -> bool:
        return self._root.is_held(identity)

    def read_identity(self, path: str) -> tuple[int, int]:
        if self._may_sleep(path):
            answer: tuple[int, int] = self._ask_guard("read_identity", path)
            return answer
        status = os.fstat(self._root.open_directory(path))
        return status.st_dev, status.st_ino

    def is_by_hand(self, directory: str) -> bool:  # noqa: ARG002  # all of a tree that is not live
        return not self.origin.is_live

    def search(self, top: str, depth: int, identity: tuple[int, int] | None, walk: Callable[[], str | None]) -> str | None:  # noqa: ARG002  # nothing is known before
        return walk()

    def read_page(self, url: str) -> str:
        from cgtune.system.endpoint import read_page

        return read_page(url)

    def read_metadata(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not self.origin.is_live or self.origin.mount_prefix:
            raise Unreadable(f"{urls[0]}: below a root that is not this machine's own, nobody is asked")
        from cgtune.system.metadata import read_pages

        return read_pages(urls)
