"""Recordings: a host that remembers what was read through it, and the folder or .tar.gz that replays it.

Environments are redacted before they are kept; nothing is kept that was not read.
"""

from __future__ import annotations

from cgtune.errors import Absent, CgtuneError
from cgtune.system.host import Host
from cgtune.system.recording import ARCHIVE_SUFFIXES, MARKER, REGIONS_SUFFIX, Recording, render_marker, render_regions, search_key
from cgtune.system.replace import replace_archive, replace_tree
from cgtune.system.root import READ_CAP_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

#: A variable with one of these words in its name says how a Go runtime was set up; every other value is cut. Whole words: GOOGLE_API_KEY
#: and MONGOGCP_PASSWORD are none of Go's.
_KEPT_WORDS = frozenset({"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK", "AUTOMEMLIMIT"})

REDACTED = b"<redacted>"


class RecordingHost(Host):
    """A Host that keeps every file, link and identity that was read, and every refusal, by its path below the root."""

    def __init__(self, root: str = "/") -> None:
        """As Host."""
        super().__init__(root)
        self._texts: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._unreadable: dict[str, int] = {}
        self._identities: dict[str, tuple[int, ...]] = {}
        self._read_regions: dict[str, dict[int, bytes]] = {}
        self._found: dict[str, str] = {}
        self._believed: set[str] = set()
        self._began_seconds = self.time_seconds()

    def time_seconds(self) -> float:
        """The moment at which the recording began: the replay's report bears the same time."""
        return self._began_seconds if hasattr(self, "_began_seconds") else super().time_seconds()

    def read_bytes(self, path: str, *, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        """As Host; the content is kept."""
        content = self._keep_refusal(path, lambda: super(RecordingHost, self).read_bytes(path, cap_bytes=cap_bytes))
        redact = _REDACTIONS.get(path.rpartition("/")[2])
        self._texts[path] = content if redact is None else redact(content)
        return content

    def read_link(self, path: str) -> str:
        """As Host; the target is kept."""
        target = self._keep_refusal(path, lambda: super(RecordingHost, self).read_link(path))
        self._links[path] = target
        return target

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """As Host; of the regions that begin at one place, the longest is kept."""
        content = self._keep_refusal(path, lambda: super(RecordingHost, self).read_at(path, offset, size))
        regions = self._read_regions.setdefault(path, {})
        if len(content) >= len(regions.get(offset, b"")):
            regions[offset] = content
        return content

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        """As Host; the numbers are kept."""
        identity = self._keep_refusal(path, lambda: super(RecordingHost, self).read_file_identity(path))
        self._identities[path] = identity
        return identity

    def read_identity(self, path: str) -> tuple[int, int]:
        """As Host; the pair is kept."""
        identity = self._keep_refusal(path, lambda: super(RecordingHost, self).read_identity(path))
        self._identities[path] = identity
        return identity

    def require_device(self, directory: str, device: str) -> None:
        """As Host; what was believed of a tree made by hand is believed in its recording: the device of the copy says nothing."""
        self._keep_refusal(directory, lambda: super(RecordingHost, self).require_device(directory, device))
        if self._is_by_hand(directory):
            self._believed.add(directory)

    def locate_directory(self, top: str, depth: int, identity: tuple[int, int], *, visits: int = 20_000) -> str | None:
        """As Host; the outcome is kept, not what was passed on the way."""
        return self._keep_search(
            search_key(top, depth, identity), lambda: super(RecordingHost, self).locate_directory(top, depth, identity, visits=visits)
        )

    def locate_own_directory(self, top: str, depth: int, *, visits: int = 20_000) -> str | None:
        """As Host; the outcome is kept, not what was passed on the way."""
        return self._keep_search(
            search_key(top, depth, None), lambda: super(RecordingHost, self).locate_own_directory(top, depth, visits=visits)
        )

    def _keep_search(self, key: str, search: Callable[[], str | None]) -> str | None:
        before = dict(self._identities), dict(self._texts), dict(self._unreadable)
        found = search()
        self._identities, self._texts, self._unreadable = before
        if found is not None:
            self._found[key] = found
        return found

    def drop_program(self, pid: int) -> None:
        """Leave out what was read to find that ``pid`` is no Go program: without its mappings a replay finds the same, and is small.

        Where something of it could not be read, all is kept: the replay has to say so too.
        """
        own = tuple(f"/proc/{pid}/{name}" for name in ("maps", "exe", "map_files/", "root/"))
        if any(path.startswith(own) for path in self._unreadable):
            return
        for path in [path for path in self._identities if path.startswith(own[1:3])]:
            self._identities.pop(path)
            self._read_regions.pop(path, None)
        self._texts.pop(f"/proc/{pid}/maps", None)

    def drop_others(self, kept: frozenset[int]) -> None:
        """Leave out what was read of processes that the report does not speak of; of those that could not be read, the refusals stay."""
        refused = {pid for path in self._unreadable if (pid := _pid_of(path))}
        # The mounts of the process that reads, or of pid 1 in its stead, are one of the two views.
        reader = self._links.get("/proc/self", "")
        keep = kept | refused | {int(reader) if reader.isascii() and reader.isdigit() else 1}
        everything: tuple[dict[str, Any], ...] = (self._texts, self._links, self._identities, self._read_regions)
        for held in everything:
            for path in [path for path in held if (pid := _pid_of(path)) and pid not in keep]:
                del held[path]

    def replace_recording(self, out: str, pids: tuple[int, ...] = ()) -> None:
        """Write what was read to ``out``, a folder or a .tar.gz that must not exist yet. Raises UsageError or Unwritable.

        ``pids`` are those that were asked for by number: the replay reports them where none is named.
        """
        marker = Recording(
            time_seconds=self.time_seconds(),
            mount_prefix=self.mount_prefix,
            page_bytes=self.page_bytes,
            ticks_per_second=self.ticks_per_second,
            unreadable=self._unreadable,
            identities={path: identity for path, identity in self._identities.items() if path not in self._believed},
            pids=pids,
            found=self._found,
        )
        regions = {path + REGIONS_SUFFIX: render_regions(kept) for path, kept in self._read_regions.items()}
        files = {f"/{MARKER}": render_marker(marker)} | self._texts | regions
        write = replace_archive if out.endswith(ARCHIVE_SUFFIXES) else replace_tree
        write(out, files, self._links)

    def _keep_refusal(self, path: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except CgtuneError as error:
            # What is absent here is absent in the recording without a word.
            if not isinstance(error, Absent) and isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
                self._unreadable[path] = error.__cause__.errno
            raise


def _pid_of(path: str) -> int | None:
    parts = path.split("/", 3)
    return int(parts[2]) if parts[1:2] == ["proc"] and len(parts) > 2 and parts[2].isdecimal() else None


def redact_environ(content: bytes) -> bytes:
    """/proc/PID/environ with the values cut but those that say how Go was set up, and without whatever else stands there."""
    return b"\0".join(_redact(entry) for entry in content.split(b"\0"))


def _redact(entry: bytes) -> bytes:
    name, equals, _ = entry.partition(b"=")
    text = name.decode("ascii", "replace")
    if not entry or _KEPT_WORDS & set(text.split("_")):
        return entry
    # What is no name may be anything: a title with a password in it (setproctitle(3)), the end of a key in base64.
    return (name if equals and text.isidentifier() else b"") + equals + REDACTED


def redact_mountinfo(content: bytes) -> bytes:
    """/proc/PID/mountinfo with sources and options masked where the filesystem is no cgroup: curlftpfs and its like show passwords there.

    The length stays, and every blank: Go reads the file with bounds of its own.
    """
    return b"\n".join(_mask(line) for line in content.split(b"\n"))


def _mask(line: bytes) -> bytes:
    mount, dash, right = line.partition(b" - ")
    kind, blank, rest = right.partition(b" ")
    if kind in (b"cgroup", b"cgroup2"):
        return line
    return mount + dash + kind + blank + b" ".join(b"x" * len(word) for word in rest.split(b" "))


_REDACTIONS = {"environ": redact_environ, "mountinfo": redact_mountinfo}
