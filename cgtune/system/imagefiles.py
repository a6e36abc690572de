"""The files of a local image, in a folder or in an archive: opened within bounds, unpacked as they are read.

A program's bytes go through a nameless file, as whoever looks at it goes back and forth in it. Not covered: zstd, which Python knows from
3.14 on; such a layer is told as not looked into.
"""

from __future__ import annotations

import errno
import io
import os
import time

from cgtune.errors import Malformed, Unreadable, UsageError, reason
from cgtune.system.root import FILE_FLAGS, let_go, read_at, require_regular
from cgtune.system.tarstream import TarStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import IO, Any, Self

    from cgtune.system.tarstream import Entry

MOST_BYTES = 16 << 30  # of all layers together, unpacked
MOST_SECONDS = 120.0
_MOST_PROGRAM_BYTES = 2 << 30
_MOST_JSON_BYTES = 8 << 20
_MOST_FILES = 100_000  # of the archive; it has two or three for each layer
_CHUNK = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class ImageFiles:
    """The files of one archive or folder, by their names in it; a context manager."""

    def __init__(self, path: str, option: str, *, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS) -> None:
        """Raises UsageError, which names ``option``, for what cannot be opened, and Malformed for an archive that is damaged."""
        self._path, self._left, self._seconds = path, most_bytes, most_seconds
        self._end = time.monotonic() + most_seconds
        self._index: dict[str, tuple[int, int]] = {}
        self._archive: IO[bytes] | None = None
        try:
            self._archive = None if os.path.isdir(path) else _open(path)
        except (OSError, ValueError) as error:
            example = f"{option} web.tar, made by podman save --format oci-archive -o web.tar web:1"
            raise UsageError(f"{option} {path!r}: {reason(error)}; example: {example}") from error
        try:
            if self._archive is not None:
                self._find_files(self._archive)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def _find_files(self, archive: IO[bytes]) -> None:
        if archive.read(2) == _GZIP:
            archive.seek(0)
            self._archive = _spooled(self._counted(_unpacked(archive)), MOST_BYTES)
            archive.close()
        archive = self._archive or archive
        archive.seek(0)
        for entry in TarStream(self._counted(archive), lambda size: archive.seek(size, os.SEEK_CUR)).entries():
            if entry.kind == "file":
                self._index[entry.path[1:]] = (entry.offset, entry.size)
            if len(self._index) > _MOST_FILES:
                raise Malformed(f"it has more than {_MOST_FILES} files")

    def read_json(self, name: str) -> Any:
        """A small file as JSON, None if it is not there. Raises Malformed."""
        import json

        try:
            with self._open(name) as file:
                data = file.read(_MOST_JSON_BYTES + 1)
            if len(data) > _MOST_JSON_BYTES:
                raise ValueError("it is too large")
            return json.loads(data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise Malformed(f"{name} is no JSON: {str(error)[:100]}") from error

    def read_layer(self, name: str) -> Iterator[tuple[Entry, TarStream]]:
        """Yields (an entry, what to read its content from) of a layer. Raises Unreadable for one that is not there or packed by zstd,
        Malformed for one that is damaged or beyond all bounds.
        """
        try:
            file = self._open(name)
        except (OSError, ValueError) as error:
            raise Unreadable(f"its layer {name[-71:]!a} is not in it") from error
        with file:
            magic = file.read(4)
            file.seek(0)
            if magic == _ZSTD:
                raise Unreadable(f"its layer {name[-71:]!a} is packed by zstd, which is not looked into; podman save unpacks it")
            stream = TarStream(self._counted(_unpacked(file) if magic.startswith(_GZIP) else file))
            for entry in stream.entries():
                yield entry, stream

    def hold(self, head: bytes, stream: TarStream, size: int) -> AbstractContextManager[Callable[[int, int], bytes]]:
        """The content of an entry, of which ``head`` was read before, to be read by offset and size."""
        from contextlib import contextmanager

        @contextmanager
        def held() -> Iterator[Callable[[int, int], bytes]]:
            if size > _MOST_PROGRAM_BYTES:
                raise Malformed("one of its programs is too large to be looked into")
            with _spooled(stream.read, size - len(head), head) as file:
                number = file.fileno()

                def read_part(offset: int, count: int) -> bytes:
                    try:
                        return read_at(number, count, offset, (errno.EINVAL,))  # no file is as long
                    except OSError as error:
                        raise Unreadable(f"{self._path}: what was unpacked cannot be read again: {reason(error)}") from error

                yield read_part

        return held()

    def _counted(self, file: IO[bytes]) -> Callable[[int], bytes]:
        import zlib

        def read(size: int) -> bytes:
            try:
                data = file.read(size)
            except (OSError, EOFError, zlib.error) as error:
                raise Malformed(f"it is damaged: {error}") from error
            self._left -= len(data)
            if self._left < 0:
                raise Malformed("it is too large to be looked into")
            if time.monotonic() > self._end:
                raise Malformed(f"it took longer than {self._seconds:g} seconds to look into it")
            return data

        return read

    def _open(self, name: str) -> IO[bytes]:
        """One file by its name in the archive or folder. Raises OSError and ValueError."""
        if self._archive is not None:
            if name not in self._index:
                raise FileNotFoundError(name)
            return io.BufferedReader(_Slice(self._archive.fileno(), *self._index[name]), _CHUNK)
        if name.startswith("/") or ".." in name.split("/"):
            raise FileNotFoundError(name)
        return _open(os.path.join(self._path, name))


class _Slice(io.RawIOBase):
    """A part of a file, from ``start`` on."""

    def __init__(self, number: int, start: int, size: int) -> None:
        self._number, self._start, self._size, self._at = number, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._number, max(min(len(buffer), self._size - self._at), 0), self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    import gzip

    return io.BufferedReader(gzip.GzipFile(fileobj=file, mode="rb"), _CHUNK)


def _spooled(read: Callable[[int], bytes], size: int, head: bytes = b"") -> IO[bytes]:
    """A nameless file with ``head`` and what can be read behind it, up to ``size`` bytes."""
    import tempfile

    file = tempfile.TemporaryFile(prefix="cgtune-")  # noqa: SIM115  # it is handed on, open
    try:
        file.write(head)
        while size > 0 and (data := read(min(size, _CHUNK))):
            file.write(data)
            size -= len(data)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _open(path: str) -> IO[bytes]:
    number = os.open(path, FILE_FLAGS)
    try:
        require_regular(number)
    except OSError:
        let_go(number)
        raise
    return os.fdopen(number, "rb")
