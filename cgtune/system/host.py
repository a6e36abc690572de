"""One machine's facts, read from the files below a root directory.

Every fact is a file below the root, so the root may be this machine (``/``), another one's /proc and /sys mounted below a folder, or
a recording made by ``cgtune snapshot``, which then answers for the machine it was made on. The files are read by a ``source``; here is
what each failure means, which files are trusted, and how a directory is searched for. Each failure is one of our own errors.
"""

from __future__ import annotations

import os
import time

from cgtune.errors import Absent, CgtuneError, Malformed, Unreadable, UsageError, name_failure, reason, translate
from cgtune.system.root import IN_ONE_PIECE, READ_CAP_BYTES, Root
from cgtune.system.source import ARCHIVE_SUFFIXES, MARKER, MOST_MARKER_BYTES, Files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self, TypeVar

    from cgtune.system.source import Source
    from cgtune.system.unpack import Folder

    T = TypeVar("T")

_NEVER = float("inf")
_FOLDER_DEPTH = 2  # the slashes in /proc/PID


_MOST_ENVIRON_BYTES = 2 << 20  # all that execve(2) takes if the limit of the stack is the usual one
_MOST_MOUNTS_BYTES = 4 << 20  # of a process: 20,000 mounts with a line of 200 bytes
_MANY_MOUNTS_BYTES = 64 << 10  # some 300: a text of no more is kept as it is


class Host:
    """One machine's files below ``root``. Paths are absolute within it, as that machine spells them.

    Use it as a context manager: directories stay open between reads, which pins a /proc/PID to the process it was opened for.
    ``root``, ``is_live``, ``is_dated``, ``mount_prefix``, ``page_bytes`` and ``ticks_per_second`` are those of source.Origin.
    ``recorded_pids`` are those that a recording was asked for, in order; None: it is no recording.
    """

    def __init__(self, root: str = "/", *, source: Source | None = None) -> None:
        """Open ``root``, or take a ``source`` that is open already, and close it in the end.

        Raises UsageError if the root is no directory that can be entered, nor a recording.
        """
        self._source = open_source(root) if source is None else source
        origin = self._source.origin
        self.root, self.is_live, self.mount_prefix = origin.root, origin.is_live, origin.mount_prefix
        self.is_dated = origin.is_dated
        self.page_bytes, self.ticks_per_second = origin.page_bytes, origin.ticks_per_second
        self.recorded_pids = origin.pids
        self._kept: dict[str, dict[str, str | Malformed]] = {}  # by folder, /proc/PID mostly
        self._kept_links: dict[str, dict[str, str]] = {}
        self._allowed: tuple[float, float] | None = None  # the CPU time at which that began, and how long it is
        self._late_from = _NEVER
        self._slowness = 0.0  # not known yet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all that is open, and remove what was unpacked."""
        self._source.close()

    def forget(self, below: str = "/") -> None:
        """Close what is kept open at or below ``below``: the next read looks them up anew."""
        self._source.forget(below)
        if below.count("/") == _FOLDER_DEPTH:
            self._kept.pop(below, None)
            self._kept_links.pop(below, None)
        else:
            self._kept.clear()
            self._kept_links.clear()

    def time_seconds(self) -> float:
        """Now, or when the recording was made; seconds since the epoch."""
        return self._source.time_seconds()

    def clock_seconds(self) -> float | None:
        """A clock that only goes forward, for how far two readings are apart; None of what is not live: its counters stand still."""
        return time.monotonic() if self.is_live else None

    def wait(self, seconds: float) -> None:
        """Let so much time go by, and then look everything up anew."""
        time.sleep(seconds)
        self.forget()

    def allow(self, seconds: float | None) -> None:
        """Read on in processes until this thread has used so much CPU time of a server from now on, then refuse all but links and what
        tells who they are and in which cgroups; None: read all.
        """
        self._allowed = None if seconds is None else (time.thread_time(), seconds)
        self._late_from = _NEVER if seconds is None else time.monotonic() + seconds  # CPU time is never ahead of it

    def used_seconds(self) -> float:
        """How much CPU time that is so far. On a slow machine it is less than what the thread has used."""
        return 0.0 if self._allowed is None else (time.thread_time() - self._allowed[0]) / max(1.0, self._slowness)

    # Reading

    def read_text(self, path: str) -> str:
        """The whole file as text; bytes that are not UTF-8 become lone surrogates, so that paths survive the round trip.

        Raises Absent, Unreadable, NoSuchProcess (a /proc/PID whose process has ended) or Malformed (larger than the cap).
        """
        return self.read_bytes(path).decode("utf-8", "surrogateescape")

    def read_kept(self, path: str) -> str:
        """As read_text, once until it is forgotten: what several need to be of one moment.

        Of an environment and of a large mountinfo it is what is asked for.
        """
        texts = self._kept.setdefault(_folder(path), {})
        if path not in texts:
            try:
                texts[path] = self._read_selected(path)
            except Malformed as error:
                texts[path] = error  # who is too large is read once as well
        kept = texts[path]
        if isinstance(kept, Malformed):
            raise Malformed(str(kept))
        return kept

    def _read_selected(self, path: str) -> str:
        """Of the files that a process can make large what is asked for; of others all."""
        if path.endswith("/environ"):
            from cgtune.system.environtext import select_environ

            content = select_environ(self.read_bytes(path, cap_bytes=_MOST_ENVIRON_BYTES))
        elif path.endswith("/mountinfo"):
            content = self.read_bytes(path, cap_bytes=_MOST_MOUNTS_BYTES)
            if len(content) > _MANY_MOUNTS_BYTES:
                from cgtune.system.mounttext import select_mounts

                content = select_mounts(content)
        else:
            return self.read_text(path)
        return content.decode("utf-8", "surrogateescape")

    def read_kept_link(self, path: str) -> str:
        """As read_link, likewise."""
        kept = self._kept_links.setdefault(_folder(path), {})
        if path not in kept:
            kept[path] = self.read_link(path)
        return kept[path]

    def read_bytes(self, path: str, *, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        """The whole file, read once. Raises as read_text does."""
        if time.monotonic() >= self._late_from:
            self._require_time(path)
        return self._ask(path, self._source.read_whole, cap_bytes)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """Files of processes and threads that the kernel makes in one piece of up to 4 KiB; None for each that cannot be read."""
        return self._source.read_each(paths)

    def read_link(self, path: str) -> str:
        """The target of a symbolic link. Raises as read_text does."""
        return self._ask(path, self._source.read_link)

    def list_directory(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises as read_text does."""
        if time.monotonic() >= self._late_from:
            self._require_time(path)
        return self._ask(path, self._source.list_names)

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset`` of a large file (an executable, a process's memory); what is not there is left out.

        Raises as read_text does if the file cannot be opened.
        """
        if time.monotonic() >= self._late_from:
            self._require_time(path)
        return self._ask(path, self._source.read_region, offset, size)

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        """(device, inode, size, two times) of a file: equal for the same content only. Raises as read_text does."""
        if time.monotonic() >= self._late_from:
            self._require_time(path)
        return self._ask(path, self._source.read_file_identity)

    def hold(self, path: str, device: str, inode: str) -> bool:
        """Keep a file of a process open until all is forgotten: no other one has its numbers meanwhile. False if that cannot be, or if
        ``device`` (fe:01) and ``inode`` of its mapping are not what stat(2) tells.

        On btrfs each subvolume has a device of its own there, and files of several have the same numbers in mappings; on overlays they
        differ as well.
        """
        return self._source.hold(path, device, inode)

    def is_held(self, identity: tuple[int, ...]) -> bool:
        """Whether the file with this identity is kept open, and is as it was."""
        return self._source.is_held(identity)

    def read_identity(self, path: str) -> tuple[int, int]:
        """(device, inode) of a directory: the same cgroup has the same pair through every mount. Raises as read_text does."""
        return self._ask(path, self._source.read_identity)

    def read_known_identity(self, path: str) -> tuple[int, int] | None:
        """As read_identity; None if nothing is known of it: of a tree that was copied or made, of a directory that is refused."""
        try:
            return None if self._source.is_by_hand(path) else self.read_identity(path)
        except CgtuneError:
            return None

    def read_page(self, url: str) -> str:
        """The page at an http URL: what a program says of itself. Raises UsageError (no such URL) or Unreadable."""
        if not url.startswith(("http://", "https://")):
            from cgtune.system.endpoint import redact_url

            raise UsageError(f"--metrics-url {redact_url(url)!r} is no http URL; one looks like http://127.0.0.1:9090/metrics")
        return self._source.read_page(url)

    def read_metadata(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        """What a platform says at these http URLs of one server, which the caller has checked. Raises Unreadable."""
        return self._source.read_metadata(urls)

    def _require_time(self, path: str) -> None:
        if self._allowed is None or not path.startswith("/proc/") or path.rpartition("/")[2] in IN_ONE_PIECE:
            return
        seconds = self._allowed[1]
        if not self._slowness and self.used_seconds() >= seconds:
            from cgtune.system.slowness import measure_slowness

            self._slowness = measure_slowness()
        if self.used_seconds() >= seconds:
            why = "not read, as the CPU time that one process may cost a look at all of them is used up"
            raise Unreadable(f"{path}: {why}; --pid names a process to look at it alone")

    def _ask(self, path: str, ask: Callable[..., T], *more: int) -> T:
        if "\0" in path or not (path.isascii() or _is_encodable(path)):  # both come with damaged mount tables
            raise Unreadable(f"{path} is not a plain path")
        try:
            return ask(path, *more)
        except OSError as error:
            raise translate(error, path) from error

    # Searching and trusting

    def locate_directory(self, top: str, depth: int, identity: tuple[int, int], *, visits: int = 20_000) -> str | None:
        """The directory exactly ``depth`` levels below ``top`` with this identity; None if none of them has it, or none of
        the first ``visits`` directories on the way.
        """
        return self._search(top, depth, visits, identity, lambda directory: self.read_identity(directory) == identity)

    def locate_own_directory(self, top: str, depth: int, *, visits: int = 20_000) -> str | None:
        """The cgroup directory ``depth`` levels below ``top`` that lists this very process; None if none of those visited does."""
        own = str(os.getpid()).encode("ascii")  # cgroup.procs shows pids as the process that opens it counts them
        return self._search(top, depth, visits, None, lambda directory: own in self._read_members(directory).split())

    def _search(self, top: str, depth: int, visits: int, identity: tuple[int, int] | None, matches: Callable[[str], bool]) -> str | None:
        return self._source.search(top, depth, identity, lambda: self._walk(top, depth, visits, matches))

    def _walk(self, top: str, depth: int, visits: int, matches: Callable[[str], bool]) -> str | None:
        waiting = [(top, depth)]
        for _visit in range(visits):
            if not waiting:
                break
            directory, below = waiting.pop()
            try:
                if below:
                    names = reversed(self.list_folders(directory))
                    waiting += [(f"{directory.rstrip('/')}/{name}", below - 1) for name in names]
                elif matches(directory):
                    return directory
            except CgtuneError:
                continue  # gone meanwhile, or closed to us: it cannot be told, and another may be the one
        return None

    def list_folders(self, directory: str) -> list[str]:
        """The names of the folders in a folder; raises as list_directory does."""
        return self._ask(directory, self._source.list_folders)

    def _read_members(self, directory: str) -> bytes:
        try:
            return self.read_bytes(f"{directory}/cgroup.procs")
        except Absent:  # a threaded cgroup lists threads only (EOPNOTSUPP, cgroup-v2.rst)
            return self.read_bytes(f"{directory}/cgroup.threads")

    def require_device(self, directory: str, device: str) -> None:
        """Raise Unreadable unless ``directory`` lies on the device ("major:minor") that the kernel's mount table names for it.

        Only files on that device are the kernel's; anything else at that place was put there by somebody. A recording repeats what was
        found then. If nothing is known of the device, as in a tree that was made by hand, the directory is trusted.
        """
        if self._source.is_by_hand(directory):
            return
        number = self.read_identity(directory)[0]
        try:
            found = f"{os.major(number)}:{os.minor(number)}"
        except (OverflowError, ValueError):
            found = "none"  # a damaged recording
        if found != device:
            raise Unreadable(f"{directory} is not the filesystem that the mount table names ({device})")


def _folder(path: str) -> str:
    """The two upper levels, as in /proc/42."""
    return "/".join(path.split("/", _FOLDER_DEPTH + 1)[: _FOLDER_DEPTH + 1])


def _is_encodable(path: str) -> bool:
    try:
        return bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False


def open_source(path: str) -> Source:
    """What lies below ``path``, or the recording that it is, a folder or packed.

    Raises UsageError if it is no directory that can be entered, or a damaged recording.
    """
    if not path.endswith(ARCHIVE_SUFFIXES) or not os.path.isfile(path):
        return _open_folder(path, None)
    from cgtune.system.unpack import unpack

    unpacked = unpack(path)
    try:
        return _open_folder(unpacked.name, unpacked)
    except CgtuneError:
        unpacked.cleanup()
        raise


def _open_folder(path: str, unpacked: Folder | None) -> Source:
    try:
        absolute = os.path.realpath(path)
        root = Root(path)
    except (OSError, ValueError) as error:
        raise _unopened(path, path, error, "name a folder that holds proc/ and sys/, or a recording") from error
    try:
        return _choose_source(root, absolute, unpacked)
    except CgtuneError:
        root.close()
        raise


def _unopened(root: str, path: str, error: OSError | ValueError, hint: str) -> CgtuneError:
    if root == "/":  # which nobody needs to have named
        return Unreadable(f"{path}: {reason(error)}; without it nothing can be looked at")
    return name_failure("--root", path, error, hint)


def _choose_source(root: Root, absolute: str, unpacked: Folder | None) -> Source:
    """Whether a recording's marker lies there decides. Raises UsageError if it cannot be used."""
    try:
        text = root.read_whole(f"/{MARKER}", MOST_MARKER_BYTES)
    except FileNotFoundError:
        return Files(root, absolute, is_live=absolute == "/" or root.has_procfs(), unpacked=unpacked)
    except OSError as error:
        raise _unopened(absolute, f"{absolute.rstrip('/')}/{MARKER}", error, "record it again with cgtune snapshot") from error
    from cgtune.system.recording import parse_marker
    from cgtune.system.replay import Recorded

    try:
        recording = parse_marker(text)
    except Malformed as error:
        raise UsageError(f"--root: {error}; record it again with cgtune snapshot") from error
    return Recorded(Files(root, absolute, is_live=False, unpacked=unpacked), recording)


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the second; raises Malformed outside the years that have four digits."""
    try:
        moment = time.gmtime(seconds)
        if not 1000 <= moment.tm_year <= 9999:
            raise ValueError(moment.tm_year)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
    except (OverflowError, ValueError, OSError) as error:
        raise Malformed(f"not a time: {seconds}") from error
