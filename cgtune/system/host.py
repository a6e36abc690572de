"""One machine's facts, read from the files below a root directory.

Every fact is a file below the root, so the root may be this machine (``/``), another one's /proc and /sys mounted below a folder, or
a recording made by ``cgtune snapshot``, which then answers for the machine it was made on. Each failure is one of our own errors.
"""

from __future__ import annotations

import errno
import os
import time

from cgtune.errors import Absent, CgtuneError, Malformed, Unreadable, UsageError, reason, translate
from cgtune.system.recording import ARCHIVE_SUFFIXES, LARGEST_BYTES, MARKER, REGIONS_SUFFIX, parse_marker, parse_regions
from cgtune.system.root import READ_CAP_BYTES, Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from tempfile import TemporaryDirectory
    from typing import Self, TypeVar

    from cgtune.system.recording import Recording

    T = TypeVar("T")


class Host:
    """One machine's files below ``root``. Paths are absolute within it, as that machine spells them.

    Use it as a context manager: directories stay open between reads, which pins a /proc/PID to the process it was opened for.
    """

    def __init__(self, root: str = "/") -> None:
        """Open ``root``; raises UsageError where it is no directory that can be entered, nor a recording."""
        self._unpacked = _unpack(root)
        if self._unpacked is not None:
            root = self._unpacked.name
        try:
            absolute = os.path.realpath(root)
            self._root = Root(root)
        except (OSError, ValueError) as error:
            raise UsageError(f"--root {root!r}: {reason(error)}; name a folder that holds proc/ and sys/, or a recording") from error
        self._regions: dict[str, dict[int, bytes]] = {}
        self.root = absolute
        self.recording = self._read_recording()
        self.is_live = self._root.has_doors = self.recording is None and (absolute == "/" or self._root.has_procfs())
        #: What precedes a path below the root in the mount table of the process that reads: "" for /, else such as "/host".
        self.mount_prefix = self.recording.mount_prefix if self.recording is not None else absolute.rstrip("/") if self.is_live else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all that is open, and remove what was unpacked."""
        self._root.close()
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def forget(self, below: str = "/") -> None:
        """Close what is kept open at or below ``below``: the next read looks them up anew."""
        self._root.forget(below)

    # What a recording keeps and a live machine knows by itself

    @property
    def page_bytes(self) -> int:
        """The size of a memory page."""
        return self.recording.page_bytes if self.recording is not None else os.sysconf("SC_PAGE_SIZE")

    @property
    def ticks_per_second(self) -> int:
        """The unit of start times in /proc/PID/stat."""
        return self.recording.ticks_per_second if self.recording is not None else os.sysconf("SC_CLK_TCK")

    def time_seconds(self) -> float:
        """Now, or when the recording was made; seconds since the epoch."""
        return self.recording.time_seconds if self.recording is not None else time.time()

    # Reading

    def read_text(self, path: str) -> str:
        """The whole file as text; bytes that are not UTF-8 become lone surrogates, so that paths survive the round trip.

        Raises Absent, Unreadable, NoSuchProcess (a /proc/PID whose process has ended) or Malformed (larger than the cap).
        """
        return self.read_bytes(path).decode("utf-8", "surrogateescape")

    def read_bytes(self, path: str, *, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        """The whole file, read once. Raises as read_text does."""
        return self._read(path, lambda: self._root.read_whole(path, cap_bytes))

    def read_link(self, path: str) -> str:
        """The target of a symbolic link. Raises as read_text does."""
        return self._read(path, lambda: self._root.read_link(path))

    def list_directory(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises as read_text does."""
        return self._read(path, lambda: self._root.list_names(path))

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset`` of a large file (an executable, a process's memory); what is not there is left out.

        Raises as read_text does where the file cannot be opened.
        """
        self._refuse_recorded(path)
        if self.recording is not None:
            return self._read_recorded_at(path, offset)[:size]
        try:
            return os.pread(self._root.open_file(path), size, offset)
        except OverflowError:
            return b""
        except OSError as error:
            if error.errno in (errno.EIO, errno.EINVAL, errno.EFAULT):  # memory that is not mapped, or beyond all of it
                return b""
            raise translate(error, path) from error

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        """(device, inode, size, two times) of a file: equal for the same content only. Raises as read_text does."""
        self._refuse_recorded(path)
        if self.recording is not None and path in self.recording.identities:
            return self.recording.identities[path]
        status = self._read(path, lambda: os.fstat(self._root.open_file(path)))
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read_identity(self, path: str) -> tuple[int, int]:
        """(device, inode) of a directory: the same cgroup has the same pair through every mount. Raises as read_text does."""
        self._refuse_recorded(path)
        if self.recording is not None and len(kept := self.recording.identities.get(path, ())) >= 2:
            return kept[0], kept[1]
        status = self._read(path, lambda: os.fstat(self._root.open_directory(path)))
        return status.st_dev, status.st_ino

    def read_known_identity(self, path: str) -> tuple[int, int] | None:
        """As read_identity; None where nothing is known of it: of a tree that was copied or made, of a directory that is refused."""
        try:
            return None if self._is_by_hand(path) else self.read_identity(path)
        except CgtuneError:
            return None

    def _read(self, path: str, read: Callable[[], T]) -> T:
        self._refuse_recorded(path)
        try:
            return read()
        except OSError as error:
            raise translate(error, path) from error

    # Searching and trusting

    def locate_directory(self, top: str, depth: int, identity: tuple[int, int], *, visits: int = 20_000) -> str | None:
        """The directory exactly ``depth`` levels below ``top`` with this identity; None where none of them has it, or none of
        the first ``visits`` directories on the way.
        """
        if self.recording is not None:
            return self.recording.locate_directory(top, depth, identity)
        return self._search(top, depth, visits, lambda directory: self.read_identity(directory) == identity)

    def locate_own_directory(self, top: str, depth: int, *, visits: int = 20_000) -> str | None:
        """The cgroup directory ``depth`` levels below ``top`` that lists this very process; None where none of those visited does."""
        if self.recording is not None:
            return self.recording.locate_directory(top, depth, None)
        own = str(os.getpid()).encode("ascii")  # cgroup.procs shows pids as the process that opens it counts them
        return self._search(top, depth, visits, lambda directory: own in self._read_members(directory).split())

    def _search(self, top: str, depth: int, visits: int, matches: Callable[[str], bool]) -> str | None:
        waiting = [(top, depth)]
        for _visit in range(visits):
            if not waiting:
                break
            directory, below = waiting.pop()
            try:
                if below:
                    names = [name for name in reversed(self.list_directory(directory)) if self._root.is_folder(directory, name)]
                    waiting += [(f"{directory.rstrip('/')}/{name}", below - 1) for name in names]
                elif matches(directory):
                    return directory
            except CgtuneError:
                continue  # gone meanwhile, or closed to us: it cannot be told, and another may be the one
        return None

    def _read_members(self, directory: str) -> bytes:
        try:
            return self.read_bytes(f"{directory}/cgroup.procs")
        except Absent:  # a threaded cgroup lists threads only (EOPNOTSUPP, cgroup-v2.rst)
            return self.read_bytes(f"{directory}/cgroup.threads")

    def require_device(self, directory: str, device: str) -> None:
        """Raise Unreadable unless ``directory`` lies on the device ("major:minor") that the kernel's mount table names for it.

        Only files on that device are the kernel's; anything else at that place was put there by somebody. A recording repeats what was
        found then; where it says nothing, as one made by hand does, it is trusted.
        """
        if self.recording is not None:
            self._refuse_recorded(directory)
        if self._is_by_hand(directory):
            return
        number = self.read_identity(directory)[0]
        try:
            found = f"{os.major(number)}:{os.minor(number)}"
        except (OverflowError, ValueError):
            found = "none"  # a damaged recording
        if found != device:
            raise Unreadable(f"{directory} is not the filesystem that the mount table names ({device})")

    def _is_by_hand(self, directory: str) -> bool:
        """Whether nothing is known of the device that a directory lay on: in a tree that was copied or made, not recorded."""
        return not self.is_live and (self.recording is None or directory not in self.recording.identities)

    # Recordings

    def _read_recording(self) -> Recording | None:
        try:
            text = self._root.read_whole(f"/{MARKER}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"--root: {MARKER}: {reason(error)}; record it again with cgtune snapshot") from error
        try:
            return parse_marker(text)
        except Malformed as error:
            raise UsageError(f"--root: {error}; record it again with cgtune snapshot") from error

    def _read_recorded_at(self, path: str, offset: int) -> bytes:
        if path not in self._regions:
            try:
                self._regions[path] = parse_regions(self._root.read_whole(path + REGIONS_SUFFIX, LARGEST_BYTES))
            except OSError as error:
                raise translate(error, path) from error
            except Malformed as error:
                raise Malformed(f"{path}{REGIONS_SUFFIX} is {error}") from error
        return self._regions[path].get(offset, b"")

    def _refuse_recorded(self, path: str) -> None:
        """Raise what the recording says, and Unreadable for what no file can be called: both come with damaged mount tables."""
        try:
            if b"\0" in os.fsencode(path):
                raise Unreadable(f"{path} is not a plain path")
        except UnicodeEncodeError as refused:
            raise Unreadable(f"{path} is not a plain path") from refused
        if self.recording is not None and path in self.recording.unreadable:
            number = self.recording.unreadable[path]
            error = OSError(number, os.strerror(number))
            raise translate(error, path) from error


def _unpack(root: str) -> TemporaryDirectory[str] | None:
    if not root.endswith(ARCHIVE_SUFFIXES) or not os.path.isfile(root):
        return None
    from cgtune.system.unpack import unpack

    return unpack(root)


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the second; raises Malformed outside the years that have four digits."""
    try:
        moment = time.gmtime(seconds)
        if not 1000 <= moment.tm_year <= 9999:
            raise ValueError(moment.tm_year)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
    except (OverflowError, ValueError, OSError) as error:
        raise Malformed(f"not a time: {seconds}") from error
