"""Recordings: a source that keeps what passes through it, and the folder or .tar.gz that replays it.

Environments, mount tables and pages are redacted before they are kept; nothing is kept that was not read.
"""

from __future__ import annotations

import errno

from cgtune.errors import CgtuneError, Malformed, UsageError
from cgtune.system.endpoint import redact_url
from cgtune.system.recording import (
    NOT_READ,
    REGIONS_SUFFIX,
    Recording,
    refusal_key,
    render_marker,
    render_regions,
    require_marker_bounds,
    search_key,
)
from cgtune.system.replace import replace_archive, replace_tree
from cgtune.system.source import ARCHIVE_SUFFIXES, MARKER, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from cgtune.system.recording import Reading

    T = TypeVar("T")

#: What reads as "does not exist": a recording says it by holding nothing there.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EOPNOTSUPP})

#: A variable with one of these words in its name says how a Go runtime was set up; every other value is cut. Whole words: GOOGLE_API_KEY
#: and MONGOGCP_PASSWORD are none of Go's.
_KEPT_WORDS = frozenset({"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK", "AUTOMEMLIMIT"})

#: What platforms say of limits: numbers, an address, and the names that tell a platform; of these the values are nobody's secret.
_KEPT_NAMES = frozenset(
    (
        *("ECS_CONTAINER_METADATA_URI_V4", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "GAE_MEMORY_MB"),
        *("NOMAD_CPU_LIMIT", "NOMAD_CPU_CORES", "NOMAD_MEMORY_LIMIT", "NOMAD_MEMORY_MAX_LIMIT"),
        *("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE"),
    )
)
#: Of the kernel's command line the words that tell a platform: others may be a password of an installer.
_KERNEL_WORDS = (b"gvisor", b"kata-containers", b"reboot=k", b"panic=1")

REDACTED = b"<redacted>"


class _Kept:
    """What was answered, by path, and what was refused. Each in the order in which it was asked for."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.listings: dict[str, tuple[str, ...]] = {}
        self.identities: dict[str, tuple[int, ...]] = {}
        self.regions: dict[str, dict[int, bytes]] = {}
        self.refused: dict[str, dict[Reading, int]] = {}

    def answers(self) -> tuple[dict[str, Any], ...]:
        """All but what was refused."""
        return self.texts, self.links, self.listings, self.identities, self.regions

    def is_refused(self, path: str) -> bool:
        """Whether there is something at this path that could not be read."""
        return any(number not in _ABSENT for number in self.refused.get(path, {}).values())


class Capture(Source):
    """Another source, and what it answered: every file, link, listing, identity and page, and every refusal. The last answer holds."""

    def __init__(self, inner: Source) -> None:
        """``inner`` is open, and is closed with this one."""
        super().__init__(inner.origin)
        self._inner = inner
        self._began_seconds = inner.time_seconds()
        self._kept = _Kept()
        self._by_hand: set[str] = set()
        self._found: dict[str, str] = {}
        self._pages: dict[str, bytes] = {}

    def close(self) -> None:
        self._inner.close()

    def forget(self, below: str) -> None:
        self._inner.forget(below)

    def time_seconds(self) -> float:
        """The moment at which the recording began: the replay's report bears the same time."""
        return self._began_seconds

    def read_whole(self, path: str, cap_bytes: int) -> bytes:
        content = self._ask("read", path, lambda: self._inner.read_whole(path, cap_bytes))
        redact = _REDACTIONS.get(path.rpartition("/")[2])
        self._kept.texts[path] = content if redact is None else redact(content)
        return content

    def read_link(self, path: str) -> str:
        target = self._ask("link", path, lambda: self._inner.read_link(path))
        self._kept.links[path] = target
        return target

    def list_names(self, path: str) -> list[str]:
        names = self._ask("list", path, lambda: self._inner.list_names(path))
        self._kept.listings[path] = tuple(names)
        return names

    def list_folders(self, path: str) -> list[str]:
        """Only a search asks this, of which the outcome is kept."""
        return self._inner.list_folders(path)

    def read_region(self, path: str, offset: int, size: int) -> bytes:
        """Of the regions that begin at one place, the longest is kept."""
        content = self._ask("region", path, lambda: self._inner.read_region(path, offset, size))
        regions = self._kept.regions.setdefault(path, {})
        if len(content) >= len(regions.get(offset, b"")):
            regions[offset] = content
        return content

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        identity = self._ask("file", path, lambda: self._inner.read_file_identity(path))
        self._kept.identities[path] = identity
        return identity

    def read_identity(self, path: str) -> tuple[int, int]:
        identity = self._ask("directory", path, lambda: self._inner.read_identity(path))
        self._kept.identities[path] = identity
        return identity

    def is_by_hand(self, directory: str) -> bool:
        answer = self._inner.is_by_hand(directory)
        if answer:
            self._by_hand.add(directory)
        return answer

    def search(self, top: str, depth: int, identity: tuple[int, int] | None, walk: Callable[[], str | None]) -> str | None:
        """The outcome is kept, not what was passed on the way."""
        before, self._kept = self._kept, _Kept()
        try:
            found = self._inner.search(top, depth, identity, walk)
        finally:
            self._kept = before
        if found is not None:
            self._found[search_key(top, depth, identity)] = found
        return found

    def read_page(self, url: str) -> str:
        page = self._inner.read_page(url)
        self._pages[redact_url(url)] = redact_page(page.encode("utf-8"))
        return page

    def read_metadata(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        """The replay gives the same limits, or fails with the same words."""
        from cgtune.system.metadata import redact_metadata

        try:
            pages = self._inner.read_metadata(urls)
        except CgtuneError as error:
            self._pages[urls[0]] = f"{NOT_READ}{error}".encode("utf-8", "replace")
            raise
        self._pages |= {url: redact_metadata(page).encode("utf-8") for url, page in zip(urls, pages, strict=True)}
        return pages

    def _ask(self, reading: Reading, path: str, ask: Callable[[], T]) -> T:
        """The answer; a refusal is kept, until the same is answered."""
        try:
            answer = ask()
        except OSError as error:
            if error.errno is not None:
                self._kept.refused.setdefault(path, {})[reading] = error.errno
            raise
        self._kept.refused.get(path, {}).pop(reading, None)
        return answer

    def read_more(self, read: Callable[[], object]) -> None:
        """Let ``read`` read what no report needs. What was answered before is not refused by that: a process may have ended meanwhile."""
        from contextlib import suppress

        answered, refused = frozenset(self._kept.texts), {path: dict(numbers) for path, numbers in self._kept.refused.items()}
        with suppress(CgtuneError):
            read()
        self._kept.refused = {path: numbers for path, numbers in self._kept.refused.items() if path not in answered} | refused

    def drop_program(self, pid: int, tells: Callable[[str], bool]) -> None:
        """Leave out what was read to find that ``pid`` is no Go program: without its mappings a replay finds the same, and is small.

        Of files that tell what it is instead, as ``tells`` says of a path, all is kept. If something could not be read, all is kept as
        well: the replay has to say so too.
        """
        own = tuple(f"/proc/{pid}/{name}" for name in ("maps", "exe", "map_files/", "root/"))
        if any(path.startswith(own) and self._kept.is_refused(path) for path in self._kept.refused):
            return
        maps = self._kept.texts.get(f"/proc/{pid}/maps", b"").decode("utf-8", "surrogateescape")
        lines = [line for line in maps.split("\n") if tells("".join(line.split(None, 5)[5:]))]
        kept = {f"/proc/{pid}/map_files/{line.partition(' ')[0]}" for line in lines}
        for path in [path for path in self._kept.identities if path.startswith(own[1:3]) and path not in kept]:
            self._kept.identities.pop(path)
            self._kept.regions.pop(path, None)
        if f"/proc/{pid}/maps" in self._kept.texts:
            self._kept.texts[f"/proc/{pid}/maps"] = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

    def drop_others(self, kept: frozenset[int]) -> None:
        """Leave out what was read of processes that the report does not speak of; of those that could not be read, the refusals stay."""
        refused = {pid for path in self._kept.refused if self._kept.is_refused(path) and (pid := _pid_of(path))}
        # The mounts of the process that reads, or of pid 1 in its stead, are one of the two views.
        reader = self._kept.links.get("/proc/self", "")
        keep = kept | refused | {int(reader) if reader.isascii() and reader.isdigit() else 1}
        for held in (*self._kept.answers(), self._kept.refused):
            for path in [path for path in held if (pid := _pid_of(path)) and pid not in keep]:
                del held[path]
        self._kept.listings.pop("/proc", None)  # else it would name those that are left out

    def replace_recording(self, out: str, pids: tuple[int, ...] = ()) -> None:
        """Write what was read to ``out``, a folder or a .tar.gz that must not exist yet. Raises UsageError or Unwritable.

        ``pids`` are those that were asked for by number: the replay reports them if none is named.
        """
        regions = {path + REGIONS_SUFFIX: render_regions(kept) for path, kept in self._kept.regions.items()}
        pages = {url: f"/cgtune-page-{number}.txt" for number, url in enumerate(self._pages, 1)}
        files = self._kept.texts | regions | {pages[url]: page for url, page in self._pages.items()}
        marker = Recording(
            time_seconds=self._began_seconds,
            mount_prefix=self.origin.mount_prefix,
            page_bytes=self.origin.page_bytes,
            ticks_per_second=self.origin.ticks_per_second,
            pids=pids,
            unreadable=self._unreadable(),
            identities=self._kept.identities,
            found=self._found,
            listings=self._untold({*files, *self._kept.links}),
            by_hand=frozenset(self._by_hand),
            pages=pages,
        )
        text = render_marker(marker)
        try:
            require_marker_bounds(text)
        except Malformed as error:
            raise UsageError(f"{out!r} would be larger than a recording may be: name single processes with --pid") from error
        write = replace_archive if out.endswith(ARCHIVE_SUFFIXES) else replace_tree
        write(out, {f"/{MARKER}": text} | files, self._kept.links)

    def _unreadable(self) -> dict[str, int]:
        """The refusals as a marker has them: by the path if nothing else was answered there, else by the path and the way to read it."""
        kept: dict[str, int] = {}
        answered = {path for held in self._kept.answers() for path in held}
        for path, refused in self._kept.refused.items():
            numbers = set(refused.values())
            if path in answered or len(numbers) > 1:
                kept |= {refusal_key(reading, path): number for reading, number in refused.items()}
            elif not numbers <= _ABSENT:
                kept[path] = numbers.pop()
        return kept

    def _untold(self, paths: set[str]) -> dict[str, tuple[str, ...]]:
        """The listings that a recording of the files and links at ``paths`` does not tell by itself."""
        told: dict[str, set[str]] = {}
        for path in paths:
            names = path.split("/")
            for depth in range(1, len(names)):
                told.setdefault("/".join(names[:depth]) or "/", set()).add(names[depth])
        return {path: names for path, names in self._kept.listings.items() if told.get(path) != set(names)}


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
    if text in _KEPT_NAMES and equals:
        return redact_url(entry.decode("utf-8", "replace")).encode("utf-8") if "://" in entry.decode("ascii", "replace") else entry
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


def redact_page(content: bytes) -> bytes:
    """Of a metrics page the lines of the Go runtime's own metrics: what else a program tells of its business is nobody's."""
    return b"".join(line + b"\n" for line in content.split(b"\n") if line.startswith(b"go_"))


def redact_kernel_words(content: bytes) -> bytes:
    """/proc/cmdline with the words that tell a platform, and no other."""
    return b" ".join(word for word in content.split() if any(sign in word for sign in _KERNEL_WORDS)) + b"\n"


def cut_acpi_table(content: bytes) -> bytes:
    """The head of an ACPI table, with who made it."""
    return content[:16]


_REDACTIONS = {"environ": redact_environ, "mountinfo": redact_mountinfo, "cmdline": redact_kernel_words, "FACP": cut_acpi_table}
