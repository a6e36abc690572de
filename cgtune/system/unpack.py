"""A packed recording, which may come from anybody, in a folder of its own: plain files and links only, and never through a link."""

from __future__ import annotations

import errno
import os
import signal
import stat

from cgtune.errors import Malformed, Unreadable, UsageError, reason
from cgtune.system.making import PREFIX, hold, open_folder, remove_left
from cgtune.system.recording import LARGEST_BYTES, MOST_HEADS
from cgtune.system.root import let_go
from cgtune.system.tarstream import TarStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cgtune.system.tarstream import Entry

#: What stands before an entry and says more of it than fits its header, a long name at the most: 4,096 bytes (PATH_MAX).
_LARGEST_PREFACE_BYTES = 64 << 10

_PIECE_BYTES = 64 << 10

#: How often what comes out is as much as what went in: recordings of whole nodes come to 10. Small ones may be anything.
_MOST_RATIO = 100
_SMALL_BYTES = 16 << 20

#: What an entry takes of the archive at the least: 60 bytes and more in recordings, where each has a content. A few may be anything.
_LEAST_PACKED_BYTES = 40
_FEW_FILES = 2000

#: Folders in one another. Removing them goes one call deeper for each (shutil.rmtree up to Python 3.12), and Python's stack ends at 1000.
_DEEPEST = 500

_ENDING = (signal.SIGTERM, signal.SIGHUP)

#: What names in an archive can lead to: two of one name, one below a file, one that no file system takes.
_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOENT)


class Folder:
    """A folder for what is unpacked; a context manager. It is removed by ``cleanup`` or at the end of Python. SIGTERM and SIGHUP are such
    an end meanwhile, if nobody else waits for them; what a kill -9 leaves the next folder removes.
    """

    def __init__(self) -> None:
        """Raises OSError."""
        import tempfile

        around = open_folder(tempfile.gettempdir())
        try:
            remove_left(around)
        finally:
            let_go(around)
        for number in _ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                _set_signal(number, _end)
        self._made = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.name, self._held = self._made.name, -1
        try:
            self._held = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self.cleanup()
            raise
        hold(self._held)

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove it. Raises OSError."""
        try:
            self._made.cleanup()
        except OSError:  # a close of a folder that was interrupted ends it half way (shutil.rmtree)
            self._made.cleanup()
        held, self._held = self._held, -1
        if held >= 0:
            let_go(held)
        for number in _ENDING:
            if signal.getsignal(number) is _end:
                _set_signal(number, signal.SIG_DFL)


def _end(number: int, _frame: object) -> None:
    """End Python as the signal itself would end it, but with all that it does at its end."""
    signal.signal(number, signal.SIG_IGN)  # a second one would end the removal
    raise SystemExit(128 + number)


def _set_signal(number: int, handler: Callable[[int, object], None] | signal.Handlers) -> None:
    try:
        signal.signal(number, handler)
    except ValueError:  # in another thread than the first
        return


def unpack(path: str) -> Folder:
    """A packed recording in a folder of its own, plain files and links only.

    Raises UsageError if it is damaged or beyond bounds, Unreadable if it cannot be read, or not be unpacked.
    """
    import tempfile
    import zlib

    folder = None
    try:
        # Once through before anything is written: a hundred thousand empty files, or folders in folders, come to some kB
        _require_bounds(path, _read_entries(path))
        folder = _make_folder(path)
        for stream, entry in _read_entries(path):
            _unpack_entry(stream, entry, folder.name)
    except (OSError, EOFError, zlib.error, Malformed, ValueError) as error:
        if folder is not None:
            folder.cleanup()
        why = reason(error) if isinstance(error, (OSError, ValueError)) else str(error)
        if isinstance(error, OSError) and error.errno not in (None, *_NAMES):
            message = f"--root {path!r} could not be unpacked below {tempfile.gettempdir()}: {why}; TMPDIR=FOLDER names another folder"
            raise Unreadable(message) from error
        raise UsageError(f"--root {path!r} is damaged: {why}; record it again with cgtune snapshot") from error
    except BaseException:
        if folder is not None:
            folder.cleanup()
        raise
    return folder


def _read_entries(path: str) -> Iterator[tuple[TarStream, Entry]]:
    """Each entry with the stream, which has its content until the next is asked for. Raises Malformed, and what gzip and zlib raise."""
    import gzip
    import io

    class Steady(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            count = super().readinto(buffer)
            if count is None:  # gzip takes that for bytes
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return count

    with io.BufferedReader(Steady(path)) as packed, gzip.GzipFile(fileobj=packed) as file:
        stream = TarStream(file.read, most_preface_bytes=_LARGEST_PREFACE_BYTES)
        entry = None
        for entry in stream.entries():
            yield stream, entry
        if entry is None:
            raise Malformed("an archive of nothing")


def _make_folder(path: str) -> Folder:
    try:
        return Folder()
    except OSError as error:
        raise Unreadable(f"--root {path!r} could not be unpacked: {reason(error)}; TMPDIR=FOLDER names a folder for it") from error


def _require_bounds(path: str, entries: Iterable[tuple[TarStream, Entry]]) -> None:
    """Raise UsageError if an archive holds what no recording does, or more than one of its size would."""
    packed = os.path.getsize(path)
    largest = min(LARGEST_BYTES, max(_SMALL_BYTES, _MOST_RATIO * packed))
    most = max(_FEW_FILES, packed // _LEAST_PACKED_BYTES)
    folders = set[int]()  # by the hashes of their names, which may be long
    for count, (stream, entry) in enumerate(entries, 1):
        parent = entry.path[1:].rpartition("/")[0]
        while parent and hash(parent) not in folders and parent.count("/") < _DEEPEST:  # what lies deeper is refused when its turn comes
            folders.add(hash(parent))
            parent = parent.rpartition("/")[0]
        unpacked = entry.offset + entry.size  # with all that stood before it, such as long names
        is_beyond = stream.heads > MOST_HEADS or count + len(folders) > most or unpacked > largest
        if is_beyond or entry.kind not in ("file", "folder", "link"):
            raise UsageError(f"--root {path!r} is not a recording; make one with cgtune snapshot")


def _is_link(path: str) -> bool:
    """Raises OSError: what cannot be looked at may be one."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _unpack_entry(stream: TarStream, entry: Entry, folder: str) -> None:
    """One entry, never through a link: links point anywhere, are only ever read as text, and nothing is written beneath them."""
    names = entry.path[1:].split("/")
    if names == [""] and entry.kind == "folder":
        return  # the top itself, as `tar -C FOLDER .` has it
    if ".." in names or names == [""]:
        raise ValueError(f"entry {entry.path[:80]!r} leads out of the recording")
    if len(names) > _DEEPEST:
        raise ValueError(f"entry {entry.path[:80]!r} lies more than {_DEEPEST} folders deep")
    parent = folder
    for name in names[:-1]:
        parent = f"{parent}/{name}"
        if _is_link(parent):
            raise ValueError(f"entry {entry.path!r} lies below a link")
        os.makedirs(parent, exist_ok=True)
    place = f"{parent}/{names[-1]}"
    if entry.kind == "link":
        os.symlink(entry.link or "", place)
    elif entry.kind == "folder":
        os.makedirs(place, exist_ok=True)
    else:
        file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb", closefd=False) as out:
                left = entry.size
                while left > 0:
                    left -= out.write(stream.read(min(left, _PIECE_BYTES)))
        finally:
            let_go(file)  # who reads it next would be told
