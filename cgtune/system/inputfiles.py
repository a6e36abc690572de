"""The files that somebody named to be read: each by itself, folders with what lies below, ``-`` for standard input.

Below a folder those files count whose names the caller knows, and of these what git does not ignore by its files .gitignore: the folder's,
those below it, and those above it up to the repository's own. A file that is named is read whatever ignores it.
Not covered: git's global excludes and .git/info/exclude; folders behind symbolic links, which are entered if they are named alone.
"""

from __future__ import annotations

import os
import stat
import sys

from cgtune.errors import Absent, CgtuneError, Malformed, Unreadable, translate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, Self

    from pathspec import GitIgnoreSpec

#: The name that stands for standard input.
STDIN = "-"

#: 64 MiB; what a large cluster holds as text has a tenth of it.
MOST_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class InputFiles:
    """What ``paths`` name. Below folders those files count whose name ``is_wanted`` knows.

    ``unread``: what could not be read until now, in words: who reads a file twice learns of it even if the second time all goes well.
    """

    def __init__(self, paths: Iterable[str], is_wanted: Callable[[str], bool]) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._is_wanted = is_wanted
        self._kept: dict[str, str | CgtuneError] = {}  # of standard input and pipes, which can be read once
        self.unread: dict[str, None] = {}

    def locate(self) -> Iterator[tuple[str, CgtuneError | None]]:
        """Each file's name once, in order, with why it cannot be read as far as that is known already."""
        seen: set[tuple[int, int]] = set()
        for path in self._paths:
            if path in (STDIN, ""):
                yield path, None if path else Malformed("a path is empty and names no file; . is the current folder")
                continue
            try:
                status = os.stat(path)
            except (OSError, ValueError) as error:
                yield path, _translate(error, path)
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            for file, failure in _walk(path, self._is_wanted) if is_folder else ((path, None),):
                try:
                    is_meant = failure is not None or _is_new(file, seen, only_files=is_folder)
                except (OSError, ValueError) as error:
                    yield file, _translate(error, file)
                else:
                    if is_meant:
                        yield file, failure

    def read(self) -> Iterator[tuple[str, str | CgtuneError]]:
        """Each file's name with its text, or with why that cannot be had. May be asked again, of standard input and pipes too."""
        for file, failure in self.locate():
            text = failure if failure is not None else self._read(file)
            if isinstance(text, CgtuneError):
                self.unread[str(text)] = None
            yield file, text

    def read_beside(self, file: str) -> str | None:
        """The text of a file that another one names, if it lies below one of the folders, or below that of one of the files; else None."""
        try:
            whole = self._resolve(file)
            if whole is None or not stat.S_ISREG(os.stat(whole).st_mode):
                return None
            text = self._read(file)
        except (OSError, ValueError) as error:
            text = _translate(error, file)
        if isinstance(text, str):
            return text
        self._miss(text)
        return None

    def names_beside(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, in order, as far as they may be read by ``read_beside``."""
        try:
            return () if self._resolve(folder or ".") is None else tuple(sorted(os.listdir(folder or ".")))
        except (OSError, ValueError) as error:
            self._miss(_translate(error, folder or "."))
            return ()

    def _miss(self, error: CgtuneError) -> None:
        """What is not there, or is no text, is none of the input; what could not be read is told."""
        if isinstance(error, Unreadable) and not isinstance(error, Absent):
            self.unread[str(error)] = None

    def _resolve(self, path: str) -> str | None:
        """The path without links if it lies in what was named: a folder, or the folder of a file. Raises OSError."""
        tops = tuple(self._tops())
        for whole in (os.path.realpath(path), _real(path)):  # whether what lies elsewhere can be reached does not matter
            if not f"{whole}/".startswith(tops):
                return None
        return whole

    def _tops(self) -> Iterator[str]:
        for path in self._paths:
            try:
                if path not in (STDIN, ""):
                    top = path if stat.S_ISDIR(os.stat(path).st_mode) else os.path.dirname(path)
                    yield os.path.join(_real(top), "")
            except (OSError, ValueError) as error:
                self._miss(_translate(error, path))

    def _read(self, file: str) -> str | CgtuneError:
        if file in self._kept:
            return self._kept[file]
        text, is_lasting = (_read_stdin(), False) if file == STDIN else _read_text(file)
        if not is_lasting:
            self._kept[file] = text
        return text


def _real(path: str) -> str:
    """The path without links. Raises OSError: a link that could not be read would pass for a folder."""
    try:
        return os.path.realpath(path or ".", strict=True)
    except PermissionError:  # above a folder that can be entered there may be others that cannot
        return os.path.realpath(path or ".")


def _walk(folder: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, CgtuneError | None]]:
    """Each file below with None, and each folder or .gitignore that cannot be read with why: what lies in that folder is left out then."""
    try:
        ignored = _Ignored(folder)
    except OSError as error:
        yield _failed(error, folder)
        return
    places = [folder]
    while places:
        place = places.pop()
        try:
            files, folders = _list(place, is_wanted, ignored)
        except OSError as error:
            yield _failed(error, place)
            continue
        for file in files:
            yield file, None
        places += reversed(folders)


def _list(place: str, is_wanted: Callable[[str], bool], ignored: _Ignored) -> tuple[list[str], list[str]]:
    """Returns (the files in a folder that are wanted, its folders), each in order and without what is ignored. Raises OSError."""
    with os.scandir(place) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    if (".gitignore", False) in found:
        ignored.enter(place)
    files, folders = list[str](), list[str]()
    for name, is_folder in found:
        path = os.path.join(place, name)
        if (name != ".git" if is_folder else is_wanted(path)) and not ignored.knows(path, is_folder=is_folder):
            (folders if is_folder else files).append(path)
    return files, folders


def _failed(error: OSError, place: str) -> tuple[str, CgtuneError]:
    path = place if error.filename is None else os.fsdecode(error.filename)
    return path, _translate(error, path)


class _Ignored:
    """What the .gitignore files say, the nearest first. A folder that is ignored is not entered, so nothing below it can be taken back.

    All raise OSError: what cannot be read may ignore anything.
    """

    def __init__(self, folder: str) -> None:
        self._specs: dict[str, GitIgnoreSpec] = {}  # by the real path of the file's folder
        self._real: dict[str, str] = {}
        above = _real(folder)
        found = []
        while not (is_repository := _is_there(os.path.join(above, ".git"))) and os.path.dirname(above) != above:
            above = os.path.dirname(above)
            found.append(above)
        if is_repository:  # outside of one files above mean nothing
            for place in found:
                self.enter(place)

    def enter(self, folder: str) -> None:
        """Read the .gitignore of a folder, if there is one."""
        path = os.path.join(folder, ".gitignore")
        try:
            with open_to_read(path) as file:
                lines = file.read(_PIECE_BYTES).decode("utf-8", "surrogateescape").splitlines()
        except (FileNotFoundError, IsADirectoryError):
            return
        except OSError as error:
            error.filename = path
            raise
        from pathspec import GitIgnoreSpec

        self._specs[_real(folder)] = GitIgnoreSpec.from_lines(lines)

    def knows(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path is ignored."""
        if not self._specs:
            return False
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = _real(folder)
        place = self._real[folder]
        below = name + "/" * is_folder
        while True:
            spec = self._specs.get(place)
            said = spec.check_file(below).include if spec is not None else None
            if said is not None:
                return said
            place, last = os.path.split(place)
            if not last:
                return False
            below = f"{last}/{below}"


def _is_there(path: str) -> bool:
    """Whether there is such a file or folder; what lies behind a folder that cannot be entered is not. Raises OSError."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


def open_to_read(path: str) -> Reading:
    """A file as a context manager, unbuffered and in bytes. Raises OSError or ValueError."""
    return Reading(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY))


class Reading:
    """An open file to read from, let go of in the end."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.close(self._file)
        except OSError:  # NFS and FUSE may say so: it is closed all the same (close(2)), and was only read
            return

    def is_lasting(self) -> bool:
        """Whether it is a file, which can be read again. Raises OSError."""
        return stat.S_ISREG(os.fstat(self._file).st_mode)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, all that there are of them. Raises OSError."""
        pieces = []
        while size > 0 and (piece := os.read(self._file, min(size, _PIECE_BYTES))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _is_new(file: str, seen: set[tuple[int, int]], *, only_files: bool) -> bool:
    """Whether a file was not met under another name. ``only_files``: pipes and devices are none. Raises OSError or ValueError."""
    status = os.stat(file)
    identity = (status.st_dev, status.st_ino)
    if identity in seen or (only_files and not stat.S_ISREG(status.st_mode)):
        return False
    seen.add(identity)
    return True


def _read_text(path: str) -> tuple[str | CgtuneError, bool]:
    """Returns (the text of a file or why it cannot be had, whether it can be read again)."""
    try:
        with open_to_read(path) as file:
            is_lasting = file.is_lasting()
            return _read_stream(file, path), is_lasting
    except (OSError, ValueError) as error:
        return _translate(error, path), True


def _read_stdin() -> str | CgtuneError:
    if sys.stdin is None:  # the descriptor was closed (Python/pylifecycle.c, create_stdio)
        return Unreadable("standard input is closed; pipe manifests into it, as in helm template chart | cgtune lint -")
    return _read_stream(sys.stdin.buffer, "standard input")


def _read_piece(read: Callable[[int], bytes | None]) -> bytes:
    """The next piece; of a stream that somebody has set to O_NONBLOCK, when there is one."""
    while (piece := read(_PIECE_BYTES)) is None:
        import select

        select.select([sys.stdin], [], [])
    return piece


def _read_stream(file: IO[bytes] | Reading, name: str) -> str | CgtuneError:
    """The text of a stream: UTF-8, of bounded length.

    It grows in place, so that it is never held twice: CPython 3.11 adds to a local text so in loops that it has warmed up, and those are
    ``for`` loops alone.
    """
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    text, count = "", 0
    try:
        for piece in iter(lambda: _read_piece(file.read), b""):
            if not count and piece.startswith(_UTF16):
                return Malformed(f"{name} is UTF-16; save it as UTF-8")
            count += len(piece)
            if count > MOST_BYTES:
                return Malformed(f"{name} is larger than {MOST_BYTES >> 20} MiB; give it in parts")
            text += decoder.decode(piece)
        return text + decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return Malformed(f"{name} is no text in UTF-8: {error.reason}")
    except OSError as error:
        return _translate(error, name)


def _translate(error: OSError | ValueError, path: str) -> CgtuneError:
    return translate(error, path) if isinstance(error, OSError) else Malformed(f"{path!a} is no path: {error}")
