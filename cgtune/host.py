"""The only module that opens files: below a root directory, bounded, never through a symbolic link.

Every fact is a file below the root, so the root may be this machine (``/``), another one's /proc and /sys mounted below a folder, or
a recording made by ``cgtune snapshot``. What is below /proc/PID/root belongs to somebody else and may be a FIFO, a link out of that
root or a file without end; nothing here blocks on it or follows it.

Not covered: a FUSE filesystem that answers no look-ups can still delay a walk through it.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable, Unwritable, UsageError
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from tarfile import TarFile, TarInfo
    from tempfile import TemporaryDirectory
    from typing import Self

#: No pseudo-file that we read is larger: a mount table of 20 000 lines of 200 bytes is 4 MB.
READ_CAP_BYTES = 8 << 20

#: Directories kept open at once; a chain of cgroups is rarely deeper.
_OPEN_DIRECTORIES = 32

_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_DIRECTORY_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

_OPEN_FILES = 128

#: A recording keeps of a large file only what was read, under its name with this suffix.
REGIONS_SUFFIX = ".regions"

_HIGHEST_ERRNO = 4095  # include/linux/err.h, MAX_ERRNO

#: The marker at the top of a recording.
RECORDING_FILE = "cgtune-snapshot.json"

#: A recording may be packed into one file of such a name.
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")

#: A packed recording that grows beyond this is no recording of ours.
_UNPACKED_CAP_BYTES = 512 << 20
_UNPACKED_CAP_FILES = 200_000


class Recording(Record):
    """What a recording says beside its files: when and where it was made, and answers that no plain file can give."""

    time_seconds: float
    mount_prefix: str  # the root it was read below, as its mount table spells it; "" for /
    page_bytes: int
    ticks_per_second: int
    unreadable: dict[str, int]  # path -> errno
    identities: dict[str, tuple[int, ...]]  # directory or file -> what identifies it
    pids: tuple[int, ...]  # those that were asked for, in order; none: what a run without --pid reports
    found: dict[str, str]  # "top depth inode" -> directory, see Host.locate_directory


class Host:
    """One machine's files below ``root``. Paths are absolute within it, as that machine spells them.

    Use it as a context manager: directories stay open between reads, which pins a /proc/PID to the process it was opened for.
    """

    def __init__(self, root: str = "/") -> None:
        """Open ``root``; raises UsageError where it is no directory that can be entered."""
        self._unpacked: TemporaryDirectory[str] | None = None
        if root.endswith(ARCHIVE_SUFFIXES) and os.path.isfile(root):
            self._unpacked = _unpack(root)
            root = self._unpacked.name
        try:
            absolute = os.path.realpath(root)
            self._root = os.open(root, _DIRECTORY_FLAGS)
        except (OSError, ValueError) as error:
            raise UsageError(f"--root {root!r}: {reason(error)}; name a folder that holds proc/ and sys/, or a recording") from error
        self._directories: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._regions: dict[str, dict[int, bytes]] = {}
        self.root = absolute
        self.recording = self._read_recording()
        self.is_live = self.recording is None and (absolute == "/" or self._has_procfs())
        #: What precedes a path below the root in the mount table of the process that reads: "" for /, else such as "/host".
        self.mount_prefix = self.recording.mount_prefix if self.recording is not None else absolute.rstrip("/") if self.is_live else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.forget()
        os.close(self._root)
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def forget(self, below: str = "/") -> None:
        """Close what is kept open at or below ``below``: the next read looks them up anew."""
        for opened in (self._directories, self._files):
            for path in [kept for kept in opened if kept == below or kept.startswith(below.rstrip("/") + "/")]:
                os.close(opened.pop(path))

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
        """The whole file, read once, without asking its size first (pseudo-files have none). Raises as read_text does."""
        self._refuse_recorded(path)
        try:
            return self._read_whole(path, cap_bytes)
        except OSError as error:
            raise _translate(error, path) from error

    def read_link(self, path: str) -> str:
        """The target of a symbolic link. Raises as read_text does."""
        self._refuse_recorded(path)
        directory, _, name = path.rpartition("/")
        try:
            return os.readlink(name, dir_fd=self._open_directory(directory))
        except OSError as error:
            raise _translate(error, path) from error

    def list_directory(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises as read_text does."""
        self._refuse_recorded(path)
        try:
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._open_directory(path))
            try:
                return sorted(os.listdir(listing))
            finally:
                os.close(listing)
        except OSError as error:
            raise _translate(error, path) from error

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset`` of a large file (an executable, a process's memory); what is not there is left out.

        Raises as read_text does where the file cannot be opened.
        """
        self._refuse_recorded(path)
        if self.recording is not None:
            return self._read_recorded_at(path, offset)[:size]
        try:
            return os.pread(self._open_file(path), size, offset)
        except OverflowError:
            return b""
        except OSError as error:
            if error.errno in (errno.EIO, errno.EINVAL, errno.EFAULT):  # memory that is not mapped, or beyond all of it
                return b""
            raise _translate(error, path) from error

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        """(device, inode, size, two times) of a file: equal for the same content only. Raises as read_text does."""
        self._refuse_recorded(path)
        if self.recording is not None and path in self.recording.identities:
            return self.recording.identities[path]
        try:
            status = os.fstat(self._open_file(path))
        except OSError as error:
            raise _translate(error, path) from error
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read_identity(self, path: str) -> tuple[int, int]:
        """(device, inode) of a directory: the same cgroup has the same pair through every mount. Raises as read_text does."""
        self._refuse_recorded(path)
        if self.recording is not None and len(kept := self.recording.identities.get(path, ())) >= 2:
            return kept[0], kept[1]
        try:
            status = os.fstat(self._open_directory(path))
        except OSError as error:
            raise _translate(error, path) from error
        return status.st_dev, status.st_ino

    def locate_directory(self, top: str, depth: int, identity: tuple[int, int], *, visits: int = 20_000) -> str | None:
        """The directory exactly ``depth`` levels below ``top`` with this identity; None where none of them has it, or none of
        the first ``visits`` directories on the way.
        """
        if self.recording is not None:
            return self.recording.found.get(search_key(top, depth, identity))
        return self._search(top, depth, visits, lambda directory: self.read_identity(directory) == identity)

    def locate_own_directory(self, top: str, depth: int, *, visits: int = 20_000) -> str | None:
        """The cgroup directory ``depth`` levels below ``top`` that lists this very process; None where none of those visited does."""
        if self.recording is not None:
            return self.recording.found.get(search_key(top, depth, None))
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
                    waiting += [(child, below - 1) for child in self._list_folders(directory)]
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
        if not self.is_live and (self.recording is None or directory not in self.recording.identities):
            return
        number = self.read_identity(directory)[0]
        try:
            found = f"{os.major(number)}:{os.minor(number)}"
        except (OverflowError, ValueError):
            found = "none"  # a damaged recording
        if found != device:
            raise Unreadable(f"{directory} is not the filesystem that the mount table names ({device})")

    # Below the surface

    def _list_folders(self, top: str) -> list[str]:
        """The folders in a folder, the last first."""
        found = []
        for name in reversed(self.list_directory(top)):
            try:
                status = os.stat(name, dir_fd=self._open_directory(top), follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                found.append(f"{top.rstrip('/')}/{name}")
        return found

    def _read_whole(self, path: str, cap_bytes: int) -> bytes:
        directory, _, name = path.rpartition("/")
        file = os.open(name, _FILE_FLAGS, dir_fd=self._open_directory(directory))
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.ESPIPE, "is not a regular file")
            chunks, remaining = [], cap_bytes + 1
            while remaining > 0 and (chunk := os.read(file, min(remaining, 1 << 16))):
                chunks.append(chunk)
                remaining -= len(chunk)
        finally:
            os.close(file)
        if remaining <= 0:
            raise OSError(errno.EFBIG, "larger than any file of its kind")
        return b"".join(chunks)

    def _open_file(self, path: str) -> int:
        """A regular file that stays open between reads; /proc/PID/exe and map_files are the kernel's own doors to the mapped files."""
        if path not in self._files:
            directory, _, name = path.rpartition("/")
            parts = directory.split("/")
            door = self.is_live and parts[:2] == ["", "proc"] and ((len(parts) == 3 and name == "exe") or parts[3:] == ["map_files"])
            flags = _FILE_FLAGS & ~os.O_NOFOLLOW if door else _FILE_FLAGS
            file = os.open(name, flags, dir_fd=self._open_directory(directory))
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise OSError(errno.ESPIPE, "is not a regular file")
            while len(self._files) >= _OPEN_FILES:
                os.close(self._files.pop(next(iter(self._files))))
            self._files[path] = file
        return self._files[path]

    def _read_recorded_at(self, path: str, offset: int) -> bytes:
        """A recording keeps the regions that were read of a large file, as lines of offset and content, both hexadecimal."""
        if path not in self._regions:
            regions: dict[int, bytes] = {}
            try:
                for line in self._read_whole(path + REGIONS_SUFFIX, _UNPACKED_CAP_BYTES).split(b"\n"):
                    number, _, content = line.partition(b" ")
                    if number:
                        regions[int(number, 16)] = bytes.fromhex(content.decode("ascii"))
            except OSError as error:
                raise _translate(error, path) from error
            except (ValueError, UnicodeDecodeError) as error:
                raise Malformed(f"{path}{REGIONS_SUFFIX} is damaged: {error}") from error
            self._regions[path] = regions
        return self._regions[path].get(offset, b"")

    def _open_directory(self, path: str) -> int:
        if not path.strip("/"):
            return self._root
        # From the nearest one that is open, step by step: a chain of cgroups may be deeper than Python's stack.
        names: list[str] = []
        nearest = path
        while nearest and nearest not in self._directories:
            nearest, _, name = nearest.rpartition("/")
            names.append(name)
        opened = self._directories[nearest] if nearest else self._root
        for name in reversed(names):
            nearest = f"{nearest}/{name}"
            opened = self._open_step(opened, nearest, name)
            if len(self._directories) >= _OPEN_DIRECTORIES:
                os.close(self._directories.pop(next(iter(self._directories))))
            self._directories[nearest] = opened
        return opened

    def _open_step(self, parent: int, path: str, name: str) -> int:
        if name in ("", ".", ".."):
            raise Unreadable(f"{path} is not a plain path")
        # /proc/PID/root is the kernel's own door into the process's root; it is the one link that is followed, and only on procfs.
        door = self.is_live and name == "root" and path.startswith("/proc/") and path.count("/") == 3
        try:
            return os.open(name, _DIRECTORY_FLAGS if door else _DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            raise

    def _has_procfs(self) -> bool:
        """Whether /proc below the root is the kernel's. A link named root in a folder of plain files must not lead out of it."""
        try:
            proc = os.open("proc", _DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=self._root)
        except OSError:
            return False
        try:
            with open(f"/proc/self/fdinfo/{proc}", encoding="ascii") as fdinfo:
                mount_id = next((line.split()[1] for line in fdinfo if line.startswith("mnt_id:")), "")
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
                return any(line.startswith(f"{mount_id} ") and " - proc " in line for line in mounts)
        except OSError:
            return False  # without a /proc of our own nothing can be said of another
        finally:
            os.close(proc)

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
            raise _translate(error, path) from error

    def _read_recording(self) -> Recording | None:
        try:
            text = self._read_whole(f"/{RECORDING_FILE}", READ_CAP_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"--root: {RECORDING_FILE}: {reason(error)}; record it again with cgtune snapshot") from error
        import json

        try:
            facts = json.loads(text)
            return Recording(
                time_seconds=float(facts["time_seconds"]),
                mount_prefix=str(facts.get("mount_prefix", "")),
                page_bytes=_within(facts.get("page_bytes", 4096), 1, 1 << 40),
                ticks_per_second=_within(facts.get("ticks_per_second", 100), 1, 1 << 40),
                unreadable={str(path): _within(number, 1, _HIGHEST_ERRNO) for path, number in facts.get("unreadable", {}).items()},
                identities={str(path): tuple(map(int, numbers)) for path, numbers in facts.get("identities", {}).items()},
                pids=tuple(map(int, facts.get("pids", ()))),
                found={str(key): str(directory) for key, directory in facts.get("found", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
            raise UsageError(f"--root: {RECORDING_FILE} is damaged ({error}); record it again with cgtune snapshot") from error


def _within(number: object, lowest: int, highest: int) -> int:
    if not isinstance(number, int) or not lowest <= number <= highest:
        raise ValueError(f"{number!r:.40} is not between {lowest} and {highest}")
    return number


def replace_tree(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Make the folder ``out`` with these files and links, whole or not at all. Raises UsageError (it exists) or Unwritable."""
    import shutil
    import tempfile

    try:
        target = _new_target(out)
        building = tempfile.mkdtemp(prefix=".cgtune-", dir=os.path.dirname(target))
        try:
            for path, content in files.items():
                place = building + path
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "xb") as file:
                    file.write(content)
            for path, link in links.items():
                os.makedirs(os.path.dirname(building + path), exist_ok=True)
                os.symlink(link, building + path)
            os.chmod(building, 0o755)  # noqa: S103  # mkdtemp makes it private; this is what mkdir would have made
            os.rename(building, target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written") from error


def replace_archive(out: str, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """Pack these files and links into the .tar.gz ``out``, whole or not at all. Raises as replace_tree does."""
    import io
    import tarfile
    import tempfile

    try:
        target = _new_target(out)
        with tempfile.NamedTemporaryFile(prefix=".cgtune-", dir=os.path.dirname(target), delete=False) as packed:
            try:
                with tarfile.open(fileobj=packed, mode="w:gz") as archive:
                    for path, content in sorted(files.items()):
                        entry = tarfile.TarInfo(path.lstrip("/"))
                        entry.size = len(content)
                        archive.addfile(entry, io.BytesIO(content))
                    for path, link in sorted(links.items()):
                        entry = tarfile.TarInfo(path.lstrip("/"))
                        entry.type, entry.linkname = tarfile.SYMTYPE, link
                        archive.addfile(entry)
                packed.flush()
                os.fchmod(packed.fileno(), 0o644)
                os.link(packed.name, target)
            finally:
                os.unlink(packed.name)
    except OSError as error:
        raise Unwritable(f"{out}: {reason(error)}; nothing was written") from error


def _new_target(out: str) -> str:
    target, named = os.path.abspath(out), bool(out) and "\0" not in out
    if not named or os.path.lexists(target):
        why = "exists already" if named else "is no name"
        raise UsageError(f"OUT {out!r} {why}; name a folder to make, or a file that ends in .tar.gz")
    return target


def _unpack(path: str) -> TemporaryDirectory[str]:
    """A packed recording in a folder of its own, plain files and links only. Raises UsageError where it is damaged or beyond bounds."""
    import tarfile
    import tempfile
    import zlib

    folder = tempfile.TemporaryDirectory(prefix="cgtune-")
    try:
        with tarfile.open(path, "r:gz") as archive:
            total = 0
            for count, entry in enumerate(archive):
                total += entry.size
                if count >= _UNPACKED_CAP_FILES or total > _UNPACKED_CAP_BYTES or not (entry.isfile() or entry.issym() or entry.isdir()):
                    raise UsageError(f"--root {path!r} is not a recording; make one with cgtune snapshot")
                _unpack_entry(archive, entry, folder.name)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        folder.cleanup()
        raise UsageError(f"--root {path!r} is damaged: {error}") from error
    except BaseException:
        folder.cleanup()
        raise
    return folder


def _unpack_entry(archive: TarFile, entry: TarInfo, folder: str) -> None:
    """One entry, never through a link: links point anywhere, are only ever read as text, and nothing is written beneath them."""
    names = [name for name in entry.name.split("/") if name not in ("", ".")]
    if ".." in names or not names:
        raise ValueError(f"entry {entry.name!r} leads out of the recording")
    parent = folder
    for name in names[:-1]:
        parent = f"{parent}/{name}"
        if os.path.islink(parent):
            raise ValueError(f"entry {entry.name!r} lies below a link")
        os.makedirs(parent, exist_ok=True)
    place = f"{parent}/{names[-1]}"
    if entry.issym():
        os.symlink(entry.linkname, place)
    elif entry.isdir():
        os.makedirs(place, exist_ok=True)
    elif (content := archive.extractfile(entry)) is not None:
        with open(place, "xb") as file:
            file.write(content.read())


def search_key(top: str, depth: int, identity: tuple[int, int] | None) -> str:
    """The name under which a recording keeps the outcome of one search for a directory; without an identity, for the reader's own."""
    return f"{top} {depth} {f'{identity[0]}:{identity[1]}' if identity is not None else 'self'}"


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the second; raises Malformed outside the years that have four digits."""
    try:
        moment = time.gmtime(seconds)
        if not 1000 <= moment.tm_year <= 9999:
            raise ValueError(moment.tm_year)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
    except (OverflowError, ValueError, OSError) as error:
        raise Malformed(f"not a time: {seconds}") from error


def reason(error: OSError | ValueError) -> str:
    """What went wrong, in the kernel's words, without the path that the caller adds."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _translate(error: OSError, path: str) -> CgtuneError:
    number = error.errno
    if number == errno.ESRCH:
        return NoSuchProcess(f"{path}: the process has ended")
    # ENODEV: a cgroup removed while its file was open. EOPNOTSUPP: pressure switched off (psi=0).
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EOPNOTSUPP):
        return Absent(f"{path} does not exist")
    if number == errno.ELOOP:
        return Unreadable(f"{path} is a symbolic link, which is not followed")
    if number in (errno.EACCES, errno.EPERM):
        return Unreadable(f"{path}: permission denied", privilege="CAP_SYS_PTRACE" if path.startswith("/proc/") else None)
    if number == errno.ESPIPE:
        return Unreadable(f"{path} is not a regular file")
    if number == errno.EFBIG:
        return Malformed(f"{path} is larger than any file of its kind")
    return Unreadable(f"{path}: {reason(error)}")


class ProgramFile:
    """One file that the user names, wherever it lies and through whatever links; as a context manager. ``read_at`` reads parts of it."""

    def __init__(self, path: str, option: str) -> None:
        """Open it; raises UsageError, which names ``option``, where it is no regular file that can be read."""
        self._path = path
        try:
            self._file = os.open(path, _FILE_FLAGS & ~os.O_NOFOLLOW)
        except (OSError, ValueError) as error:
            raise UsageError(f"{option} {path!r}: {reason(error)}; example: {option} ./server") from error
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise UsageError(f"{option} {path!r} is not a regular file; example: {option} ./server")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset``; what is not there is left out. Raises Unreadable where the disk fails."""
        try:
            return os.pread(self._file, size, offset)
        except (OverflowError, ValueError):
            return b""
        except OSError as error:
            if error.errno == errno.EINVAL:
                return b""
            raise _translate(error, self._path) from error
