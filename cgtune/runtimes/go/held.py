"""The limit files that a Go runtime holds open, and what it reads of its quota because of that.

The runtime looks for its limit files once, at its start, and keeps them open (runtime/cgroup_linux.go, 1.25 to 1.27): after a move to
another cgroup it obeys the old one's, and if it found none it never looks again.
What is not covered: on Linux before 5.14, a cgroup that was removed and made again under a runtime that holds the old one's file; and,
if the reader's cgroup namespace hides names at the head of the process's path, a move that changed none but those.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable
from cgtune.model import LimitFile, Note
from cgtune.runtimes.go.derived.limitfile import LimitSeen, locate_limit, parse_limit
from cgtune.system.reading import note_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.runtimes.go.derived.ownview import OwnTexts
    from cgtune.runtimes.go.observed.live import LiveWords
    from cgtune.system.host import Host

_LIMIT_FILES = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")

#: The runtime opens its limit files before anything else: they have low numbers unless dozens of files were inherited.
_HIGHEST_FD = 64


class HeldReader:
    """The limit files of one runtime of a process. ``minor`` None: its version is not known."""

    def __init__(self, host: Host, pid: int, texts: OwnTexts, minor: int | None) -> None:
        self.host, self.pid, self.texts, self.minor = host, pid, texts, minor
        self.notes: list[Note] = []

    def read(self, words: LiveWords) -> tuple[LimitSeen | None, LimitFile | None]:
        """Returns (quota as the runtime sees it, limit file that it holds open).

        The first is None if its memory does not tell; then read the files as they are now. The second is the file that it obeys.
        """
        if words.container_setting and words.container_aware is False and words.gomaxprocs is not None:
            # runtime.cgroupOK is decided once, at the start, before GOMAXPROCS is: whatever the files say now, it found none then
            why = "the runtime found no limit file when it started, and holds none open"
            return self._find_none() or LimitSeen(cause="none-at-start", why=why), None
        # With containermaxprocs off it closes its limit files: one that is open is the program's own, a monitoring agent's perhaps
        if self.minor is None or words.container_setting is False or words.limit_fds == ():
            return None, None
        try:
            numbers = words.limit_fds or self._locate_likely()
            held = self._read_held(numbers)
            if held is None:
                shown = " and ".join(map(str, numbers))
                return LimitSeen(cause="closed", why=f"what it opened as its limit file, descriptor {shown}, is none any more"), None
            return self._see(self.minor, numbers[0], self._below_root(held)) if held else (None, None)
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self.notes.append(note_on(f"/proc/{self.pid}/fd", error))
            return None, None

    def _see(self, minor: int, number: int, held: tuple[str, ...]) -> tuple[LimitSeen, LimitFile]:
        """What a runtime sees that holds these files open, the first as ``number``: cpu.max, or quota and period."""
        located = locate_limit(minor, self.texts.cgroup, self.texts.mountinfo, self.read_limit)
        contents = [content for path in held if (content := self.read_limit(path)) is not None]
        exists = len(contents) == len(held) and not self._is_remade(number, held[0])
        own = exists and self._is_own(held[0])
        if not own:
            removed = "whose cgroup was removed" if not exists else "which is not its cgroup's limit file now"
            why = f"the runtime holds {held[0]} open, {removed}"
            self.notes.append(Note(path=f"/proc/{self.pid}/fd", why=why))
        follows = LimitFile(path=held[0], own=own, exists=exists)
        if not exists:
            return LimitSeen(cause="removed", why=f"the {held[0]} that the runtime opened was removed, and it reads no other"), follows
        # Go 1.25 glues mount point and path together, and opens /sys/fs/cgroup//cpu.max
        if tuple(map(_plain, located.files)) == held:
            return located, follows
        version = 2 if held[0].endswith("/cpu.max") else 1
        return parse_limit(minor, version, tuple(contents)).replace(files=held), follows

    def read_limit(self, path: str) -> bytes | None:
        """A limit file as the process itself would open it; None if it is not there. Raises Unreadable or NoSuchProcess."""
        try:
            return self.host.read_bytes(f"/proc/{self.pid}/root{_plain(path)}", cap_bytes=1 << 16)
        except (Absent, Malformed):
            return None

    def _is_remade(self, number: int, path: str) -> bool:
        """Whether the file that lies here now is not the one that is open: its cgroup was removed, and another one has got its name.

        The link in /proc/PID/fd looks the same then, without " (deleted)", while every read fails (ENODEV).
        """
        try:
            inode = kernel.parse_fdinfo(self.host.read_text(f"/proc/{self.pid}/fdinfo/{number}"))
            return inode is not None and inode != self.host.read_file_identity(f"/proc/{self.pid}/root{_plain(path)}")[1]
        except Absent:
            return False
        except Unreadable as error:
            self.notes.append(note_on(f"/proc/{self.pid}/fdinfo/{number}", error))
            return False

    def _find_none(self) -> LimitSeen | None:
        """Why the runtime finds no limit file; None if it would find one now, or if the path of its cgroup is not known."""
        if self.minor is None or self.texts.hidden:
            return None
        try:
            located = locate_limit(self.minor, self.texts.cgroup, self.texts.mountinfo, self.read_limit)
        except NoSuchProcess:
            raise
        except CgtuneError:
            return None
        return None if located.files else LimitSeen(cause=located.cause, why=located.why)

    def _read_held(self, numbers: tuple[int, ...]) -> tuple[str, ...] | None:
        """The files behind the runtime's own descriptors; None if they are no limit files any more, or none that belong together."""
        held = tuple(path for number in numbers if (path := self._read_open(number)) is not None)
        return held if not numbers or (len(held) == len(numbers) and _is_whole(held)) else None

    def _locate_likely(self) -> tuple[int, ...]:
        """Where the descriptors are not known: the limit files with the lowest numbers, the quota's before the period's; () for none.

        A program that starts has opened one of the two, and any program may hold one alone.
        """
        numbers = sorted(int(name) for name in self.host.list_directory(f"/proc/{self.pid}/fd") if name.isdecimal())
        files = {number: path for number in numbers if number < _HIGHEST_FD and (path := self._read_open(number)) is not None}
        opened = tuple(files)
        groups = (opened[at : at + size] for at in range(len(opened)) for size in (1, 2))
        likely = next((group for group in groups if _is_whole(tuple(files[number] for number in group))), ())
        quotas = sum(not path.endswith("/cpu.cfs_period_us") for path in files.values())
        if likely and quotas > 1:
            taken = files[likely[0]]
            why = f"{quotas} limit files are open, and which of them the runtime follows could not be read: taken to be {taken}"
            self.notes.append(Note(path=f"/proc/{self.pid}/fd", why=why))
        return likely

    def _read_open(self, number: int) -> str | None:
        """The limit file that is open under a number; None if there is none, or another file."""
        try:
            target = self.host.read_link(f"/proc/{self.pid}/fd/{number}")
        except Absent:
            return None
        path = target.removesuffix(" (deleted)")
        return path if path.rpartition("/")[2] in _LIMIT_FILES else None

    def _below_root(self, links: tuple[str, ...]) -> tuple[str, ...]:
        """Links of /proc/PID/fd as the process spells them: after chroot(2) they show what lies before its root, its mountinfo does not."""
        mounts = kernel.parse_mountinfo(self.texts.mountinfo)
        points = [mount.mount_point for mount in mounts if mount.filesystem in ("cgroup", "cgroup2")]
        before = 0
        if links and not any(links[0].startswith(f"{point}/") for point in points):
            before = max(0, *(links[0].find(f"{point}/") for point in points if point != "/"), 0)
        return tuple(link[before:] for link in links)

    def _is_own(self, path: str) -> bool:
        """Whether a limit file is that of the process's cgroup: Go 1.25 overlooks that a mount need not begin at the hierarchy's root."""
        folder, _, name = path.rpartition("/")
        unified = name == "cpu.max"
        memberships = kernel.parse_cgroup(self.texts.cgroup)
        own = next((one.path for one in memberships if (one.hierarchy_id == 0 if unified else "cpu" in one.controllers)), None)
        for mount in reversed(kernel.parse_mountinfo(self.texts.mountinfo)):  # a later mount covers those before it
            below = folder.removeprefix(mount.mount_point)
            if mount.filesystem == ("cgroup2" if unified else "cgroup") and (below == "" or (below != folder and below.startswith("/"))):
                names = _names(mount.root + below)
                return own is not None and len(names) >= self.texts.hidden and names[self.texts.hidden :] == _names(own)
        return False


def _is_whole(paths: tuple[str, ...]) -> bool:
    """Whether these are the limit files of one cgroup, in the runtime's order: cpu.max, or quota and period."""
    folders = {path.rpartition("/")[0] for path in paths}
    names = tuple(path.rpartition("/")[2] for path in paths)
    return len(folders) == 1 and names in (_LIMIT_FILES[:1], _LIMIT_FILES[1:])


def _plain(path: str) -> str:
    """A path as the kernel names what it leads to: without doubled slashes, dots, and the mounts' own ``..``."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _names(path: str) -> list[str]:
    """The names of a cgroup path, or of a mount's root and what is below it; what lies above a namespace keeps its dots: /../sibling."""
    return [part for part in path.split("/") if part]
