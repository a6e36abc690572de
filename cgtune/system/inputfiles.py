"""The files that somebody named to be read: each by itself, folders with what lies below, ``-`` for standard input.

Below a folder those files count whose names the caller knows, and of these what git does not ignore by its files .gitignore: the folder's,
those below it, and those above it up to the repository's own. A file that is named is read whatever ignores it.
Not covered: git's global excludes and .git/info/exclude; folders behind symbolic links, which are entered if they are named alone.
"""

from __future__ import annotations

import os
import stat
import sys

from cgtune.errors import CgtuneError, Malformed, Unreadable, translate

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
    """What ``paths`` name. Below folders those files count whose name ``is_wanted`` knows."""

    def __init__(self, paths: Iterable[str], is_wanted: Callable[[str], bool]) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._is_wanted = is_wanted
        self._kept: dict[str, str | CgtuneError] = {}  # of standard input and pipes, which can be read once

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
                if failure is not None or _is_new(file, seen, only_files=is_folder):
                    yield file, failure

    def read(self) -> Iterator[tuple[str, str | CgtuneError]]:
        """Each file's name with its text, or with why that cannot be had. May be asked again, of standard input and pipes too."""
        for file, failure in self.locate():
            yield file, failure if failure is not None else self._read(file)

    def read_beside(self, file: str) -> str | None:
        """The text of a file that another one names, if it lies below one of the folders, or below that of one of the files; else None."""
        whole = os.path.realpath(file)
        if not os.path.isfile(whole) or not self._is_below(whole):
            return None
        text = self._read(file)
        return text if isinstance(text, str) else None

    def names_beside(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, in order, as far as they may be read by ``read_beside``."""
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            return ()
        return tuple(names) if self._is_below(os.path.join(os.path.realpath(folder or "."), "")) else ()

    def _is_below(self, whole: str) -> bool:
        """Whether a path without links lies in what was named: a folder, or the folder of a file."""
        real = [os.path.realpath(path) for path in self._paths if path != STDIN]
        return any(whole.startswith(os.path.join(path if os.path.isdir(path) else os.path.dirname(path), "")) for path in real)

    def _read(self, file: str) -> str | CgtuneError:
        if file in self._kept:
            return self._kept[file]
        text = _read_stdin() if file == STDIN else _read_text(file)
        if file == STDIN or not os.path.isfile(file):
            self._kept[file] = text
        return text


def _walk(folder: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, CgtuneError | None]]:
    failures: list[OSError] = []
    ignored = _Ignored(folder)
    for place, folders, files in os.walk(folder, onerror=failures.append):
        while failures:
            yield _failed(failures.pop())
        if ".gitignore" in files:
            ignored.enter(place)
        folders[:] = sorted(name for name in folders if name != ".git" and not ignored.knows(os.path.join(place, name), is_folder=True))
        for name in sorted(files):
            path = os.path.join(place, name)
            if is_wanted(path) and not ignored.knows(path, is_folder=False):
                yield path, None
    while failures:
        yield _failed(failures.pop())


def _failed(error: OSError) -> tuple[str, CgtuneError]:
    path = os.fsdecode(error.filename)
    return path, _translate(error, path)


class _Ignored:
    """What the .gitignore files say, the nearest first. A folder that is ignored is not entered, so nothing below it can be taken back."""

    def __init__(self, folder: str) -> None:
        self._specs: dict[str, GitIgnoreSpec] = {}  # by the real path of the file's folder
        self._real: dict[str, str] = {}
        above = os.path.realpath(folder)
        found = []
        while not os.path.exists(os.path.join(above, ".git")) and os.path.dirname(above) != above:
            above = os.path.dirname(above)
            found.append(above)
        if os.path.exists(os.path.join(above, ".git")):  # outside of a repository files above mean nothing
            for place in found:
                self.enter(place)

    def enter(self, folder: str) -> None:
        """Read the .gitignore of a folder, if there is one."""
        try:
            with open_to_read(os.path.join(folder, ".gitignore")) as file:
                lines = file.read(_PIECE_BYTES).decode("utf-8", "surrogateescape").splitlines()
        except OSError:
            return
        from pathspec import GitIgnoreSpec

        self._specs[os.path.realpath(folder)] = GitIgnoreSpec.from_lines(lines)

    def knows(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path is ignored."""
        if not self._specs:
            return False
        folder, name = os.path.split(path)
        place = self._real.setdefault(folder, os.path.realpath(folder))
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

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, all that there are of them. Raises OSError."""
        pieces = []
        while size > 0 and (piece := os.read(self._file, min(size, _PIECE_BYTES))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _is_new(file: str, seen: set[tuple[int, int]], *, only_files: bool) -> bool:
    """Whether a file was not met under another name. ``only_files``: pipes and devices are none."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return True  # reading it says why
    identity = (status.st_dev, status.st_ino)
    if identity in seen or (only_files and not stat.S_ISREG(status.st_mode)):
        return False
    seen.add(identity)
    return True


def _read_text(path: str) -> str | CgtuneError:
    try:
        with open_to_read(path) as file:
            return _read_stream(file, path)
    except (OSError, ValueError) as error:
        return _translate(error, path)


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
