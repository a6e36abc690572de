"""Opens files below one directory: without blocking, within bounds, never through a symbolic link.

What is below /proc/PID/root belongs to somebody else and may be a FIFO, a link out of that root or a file without end; nothing here
blocks on it or follows it. OSError goes out of here to ``host``, which knows what each means.
Not covered: a file system that answers no look-ups. Who may meet one asks through ``guarded``.
"""

from __future__ import annotations

import errno
import os
import stat

from cgtune.errors import Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

#: No pseudo-file that we read is larger: a mount table of 20 000 lines of 200 bytes is 4 MB.
READ_CAP_BYTES = 8 << 20
SMALL_BYTES = 4 << 10

FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_PLAIN_FILE_FLAGS = FILE_FLAGS | os.O_NOFOLLOW
DIRECTORY_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LISTING_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: Directories kept open at once; a chain of cgroups is rarely deeper.
_OPEN_DIRECTORIES = 32
_OPEN_FILES = 128
_LEAST_OPEN = 2

NO_PATH = "\0"  # begins none
_PROCESS_DEPTH = 2  # the slashes in /proc/PID
_OWN_FOLDERS = ("task", "map_files", "ns", "fd", "fdinfo")

#: Files of a process or a thread that the kernel makes in one piece (fs/proc/base.c, proc_single_show): a read that gets less than it asked
#: for has got the end.
IN_ONE_PIECE = frozenset(("stat", "status", "cgroup", "schedstat"))


class Root:
    """A directory and what lies below it; paths are absolute within it. Directories and large files stay open between reads.

    No link is followed until ``open_doors`` is called.
    """

    def __init__(self, path: str) -> None:
        """Open the directory. Raises OSError or ValueError where there is none that can be entered."""
        self._top = os.open(path, DIRECTORY_FLAGS)
        allowed = os.sysconf("SC_OPEN_MAX")  # and imports, sockets, outputs need some as well
        self._most_directories = min(_OPEN_DIRECTORIES, max(_LEAST_OPEN, allowed // 8))
        self._most_files = min(_OPEN_FILES, max(_LEAST_OPEN, allowed // 8))
        self._directories: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._processes: dict[str, list[str]] = {}  # by /proc/PID, what was opened at or below it
        self._held: dict[tuple[int, ...], int] = {}  # by identity, files whose inode numbers are to stay theirs
        self._at_hand = NO_PATH  # /proc/PID/ of the process that was opened last
        self._has_doors = False

    def open_doors(self) -> None:
        """Follow the links in /proc/PID that are the kernel's own doors. Call it only if /proc below is the kernel's."""
        self._has_doors = True

    def close(self) -> None:
        """Close all that is open."""
        self.forget("/")
        let_go(self._top)

    def forget(self, below: str) -> None:
        """Close what is kept open at or below ``below``."""
        self._at_hand = NO_PATH
        for path in self._processes.pop(below, ()):
            for opened in (self._directories, self._files):
                if path in opened:
                    let_go(opened.pop(path))
        if below.startswith("/proc/") and below.count("/") == _PROCESS_DEPTH:
            return
        inside = below.rstrip("/") + "/"
        if inside == "/":
            self._processes.clear()
            while self._held:
                let_go(self._held.popitem()[1])
        for opened in (self._directories, self._files):
            for path in [kept for kept in opened if kept == below or kept.startswith(inside)]:
                let_go(opened.pop(path))

    def read_whole(self, path: str, cap_bytes: int = READ_CAP_BYTES) -> bytes:
        """The whole file, read once, without asking its size first (pseudo-files have none)."""
        directory, name, is_kernels = self._split(path)
        file = os.open(name, _PLAIN_FILE_FLAGS, dir_fd=self.open_directory(directory))
        chunks, remaining, size = [], cap_bytes + 1, 1 << 16
        try:
            if not is_kernels:
                require_regular(file)
            elif remaining > size and name[name.rfind("/") + 1 :] in IN_ONE_PIECE:
                whole = os.read(file, size)
                if len(whole) < size:
                    return whole
                chunks, remaining = [whole], remaining - size
            while remaining > 0 and (chunk := os.read(file, min(remaining, size))):
                chunks.append(chunk)
                remaining -= len(chunk)
                if len(chunk) <= 1 << 12:
                    size = 1 << 13  # such a file comes by the page: 2,000 buffers of 64 KiB for as many pages leave memory in pieces
        finally:
            let_go(file)
        if remaining <= 0:
            raise OSError(errno.EFBIG, "larger than any file of its kind")
        return b"".join(chunks)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """Files below /proc/PID that the kernel makes in one piece of up to SMALL_BYTES, by the thousand; None if one cannot be read."""
        try:
            proc = self.open_directory("/proc")
        except OSError:
            proc = -1
        for path in paths:
            try:
                file = os.open(path[6:], _PLAIN_FILE_FLAGS, dir_fd=proc)
            except (OSError, ValueError):
                yield None
                continue
            try:
                text = os.read(file, SMALL_BYTES + 1)
            except OSError:
                yield None
            else:
                yield text if len(text) <= SMALL_BYTES else None
            finally:
                let_go(file)

    def _split(self, path: str) -> tuple[str, str, bool]:
        """Returns (the folder to open, what is looked up in it, whether that is a file of the kernel's own below /proc).

        Of a process the kernel's own folders are no links, and nothing is mounted below them: one look-up less for each of thousands.
        """
        if path.startswith(self._at_hand):
            process, name = self._at_hand[:-1], path[len(self._at_hand) :]
            file, slash, inside = name.partition("/")
            if file and (not slash or (file in _OWN_FOLDERS and _is_plain(inside))):
                return process, name, True
        if self._has_doors and path.startswith("/proc/"):
            parts = path.split("/", 4)
            if len(parts) > _PROCESS_DEPTH + 1 and parts[2].isdecimal():
                pid, file = parts[2], parts[3]
                process = f"/proc/{pid}"
                if len(parts) == 4 and file:
                    if file in ("stat", "schedstat") and process not in self._directories:
                        return "/proc", f"{pid}/{file}", True  # of most processes nothing else is read
                    return process, file, True
                if file in _OWN_FOLDERS and _is_plain(parts[4]):
                    return process, f"{file}/{parts[4]}", True
        directory, _, name = path.rpartition("/")
        return directory, name, False

    def stat_file(self, path: str) -> os.stat_result:
        """What a regular file is; behind one of the kernel's doors it is not opened for that."""
        directory, name, is_kernels = self._split(path)
        if not (is_kernels and _is_door(name)):
            return os.fstat(self.open_file(path))
        status = os.stat(name, dir_fd=self.open_directory(directory))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ESPIPE, "is not a regular file")
        return status

    def hold(self, path: str, device: str, inode: str) -> bool:
        """Keep the file behind one of the kernel's doors open until all is forgotten, if these are its numbers and there is room for one
        more; whether it is.
        """
        directory, name, is_kernels = self._split(path)
        if not (is_kernels and _is_door(name)) or len(self._held) >= self._most_files // 2:
            return False
        try:
            file = os.open(name, FILE_FLAGS, dir_fd=self.open_directory(directory))
        except OSError:
            return False
        try:
            status = os.fstat(file)
        except OSError:
            let_go(file)
            return False
        identity = identity_of(status)
        numbers = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}", str(status.st_ino)
        is_theirs = stat.S_ISREG(status.st_mode) and numbers == (device, inode)
        if is_theirs and identity not in self._held:
            self._held[identity] = file
        else:
            let_go(file)
        return is_theirs

    def is_held(self, identity: tuple[int, ...]) -> bool:
        """Whether the file with this identity has been open since ``hold``, and is as it was."""
        file = self._held.get(identity)
        try:
            return file is not None and identity_of(os.fstat(file)) == identity
        except OSError:
            return False

    def read_link(self, path: str) -> str:
        """The target of a symbolic link."""
        directory, name, _ = self._split(path)
        return os.readlink(name, dir_fd=self.open_directory(directory))

    def list_names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        directory, name, is_kernels = self._split(path)
        if is_kernels and name in _OWN_FOLDERS:
            listing = os.open(name, _LISTING_FLAGS | os.O_NOFOLLOW, dir_fd=self.open_directory(directory))
        else:
            listing = os.open(".", _LISTING_FLAGS, dir_fd=self.open_directory(path))
        try:
            return sorted(os.listdir(listing))
        finally:
            let_go(listing)

    def is_folder(self, folder: str, name: str) -> bool:
        """Whether a name in a folder is a folder itself, and no link to one."""
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=self.open_directory(folder), follow_symlinks=False).st_mode)
        except OSError:
            return False

    def open_file(self, path: str) -> int:
        """A regular file that stays open between reads."""
        if path not in self._files:
            directory, name, is_kernels = self._split(path)
            flags = FILE_FLAGS if is_kernels and _is_door(name) else _PLAIN_FILE_FLAGS
            file = os.open(name, flags, dir_fd=self.open_directory(directory))
            try:
                require_regular(file)
            except OSError:
                let_go(file)
                raise
            while len(self._files) >= self._most_files:
                let_go(self._files.pop(next(iter(self._files))))
            self._files[path] = file
            self._note_process(path)
        return self._files[path]

    def open_directory(self, path: str) -> int:
        """A directory, which stays open. Raises Unreadable for a path with empty or dotted names."""
        if path in self._directories:
            return self._directories[path]
        if not path.strip("/"):
            return self._top
        # From the nearest one that is open, step by step: a chain of cgroups may be deeper than Python's stack.
        names: list[str] = []
        nearest = path
        while nearest and nearest not in self._directories:
            nearest, _, name = nearest.rpartition("/")
            names.append(name)
        names.reverse()
        # Before anything is opened: what is no plain path is refused whether the folders on the way exist or not.
        for count, name in enumerate(names, 1):
            if name in ("", ".", ".."):
                raise Unreadable(f"{'/'.join((nearest, *names[:count]))} is not a plain path")
        opened = self._directories[nearest] if nearest else self._top
        for name in names:
            nearest = f"{nearest}/{name}"
            opened = self._open_step(opened, nearest, name)
            if len(self._directories) >= self._most_directories:
                let_go(self._directories.pop(next(iter(self._directories))))
            self._directories[nearest] = opened
            self._note_process(nearest)
        return opened

    def _note_process(self, path: str) -> None:
        if path.startswith("/proc/"):
            process = "/".join(path.split("/", 3)[:3])
            self._processes.setdefault(process, []).append(path)
            if path == process and self._has_doors and process[6:].isdecimal():
                self._at_hand = f"{process}/"

    def _open_step(self, parent: int, path: str, name: str) -> int:
        # /proc/PID/root is the kernel's own door into the process's root; it is the one link that is followed, and only on procfs.
        door = self._has_doors and name == "root" and path.startswith("/proc/") and path.count("/") == 3
        try:
            return os.open(name, DIRECTORY_FLAGS if door else DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            raise

    def has_procfs(self) -> bool:
        """Whether /proc below is the kernel's. A link named root in a folder of plain files must not lead out of it."""
        try:
            proc = os.open("proc", DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=self._top)
        except OSError:
            return False
        try:
            fdinfo = _read_own(f"fdinfo/{proc}").splitlines()
            mount_id = next((line.split()[1] for line in fdinfo if line.startswith("mnt_id:")), "")
            return any(line.startswith(f"{mount_id} ") and " - proc " in line for line in _read_own("mountinfo").split("\n"))
        except OSError:
            return False  # without a /proc of our own nothing can be said of another
        finally:
            let_go(proc)


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """(device, inode, size, two times): equal for the same content only."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _is_door(name: str) -> bool:
    """Whether a name in /proc/PID is one of the kernel's own doors to the mapped files: exe, map_files."""
    return name == "exe" or name.startswith("map_files/")


def _is_plain(path: str) -> bool:
    """Whether what is below one of the kernel's own folders is a name in it, or in one of a thread's: 42, 42/stat, 7f00-7f01."""
    first, slash, second = path.partition("/")
    return first not in ("", ".", "..") and (not slash or (first.isdecimal() and second not in ("", ".", "..") and "/" not in second))


def require_regular(file: int) -> None:
    """Raise OSError unless the open file is a regular one."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.ESPIPE, "is not a regular file")


def read_at(file: int, size: int, offset: int, ends: Container[int] = ()) -> bytes:
    """Up to ``size`` bytes at ``offset``, all that there are: a read may move fewer. Raises OSError, but for the errnos ``ends``, which say
    that nothing more is there.
    """
    data = b""
    try:
        while len(data) < size and (piece := os.pread(file, size - len(data), offset + len(data))):
            data = data + piece if data else piece
    except (OverflowError, ValueError):
        pass  # no file is as long
    except OSError as error:
        if error.errno not in ends:
            raise
    return data


def let_go(file: int) -> None:
    """Close a file that was read, or whose content is safe (fsync(2)): nothing is lost, whatever is said of it.

    NFS and FUSE may say that this failed or was interrupted: on Linux the descriptor is free all the same (close(2)).
    """
    try:
        os.close(file)
    except OSError:
        return


def _read_own(name: str) -> str:
    """What the kernel tells of this process itself. Raises OSError."""
    file = os.open(f"/proc/self/{name}", FILE_FLAGS)
    try:
        return b"".join(iter(lambda: os.read(file, 1 << 16), b"")).decode("utf-8", "surrogateescape")
    finally:
        let_go(file)
