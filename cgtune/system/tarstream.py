"""The entries of a tar archive, one behind the other, from a stream that cannot go back. Pure.

POSIX ustar and pax (pax(1), "pax Interchange Format"), GNU's long names (tar(5)). Each length is bounded before it is used: the archive is
somebody else's. tarfile reads such a preface in one piece, however long it says that it is. Not covered: sparse files, which are skipped.
"""

from __future__ import annotations

import zlib

from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = 512
_MOST_PREFACE_BYTES = 1 << 20
_MOST_PREFACES = 8  # before one entry: a long name, a long link, and what pax says of it and of all
_MOST_BYTES = 1 << 40
_CHUNK = 1 << 20
_KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"5": "folder", b"1": "hard link", b"2": "link"}
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


class Entry(Record):
    """One file. ``path`` begins with a slash; ``kind`` is "file", "folder", "link", "hard link" or "other".

    ``offset`` is where its content begins in the archive.
    """

    path: str
    kind: str
    size: int
    mode: int
    link: str | None
    offset: int


class TarStream:
    """The entries of a tar. The content of an entry can be read until the next is asked for.

    ``skip``, if there is one, goes so many bytes on without reading them. ``most_preface_bytes``: of what stands before an entry, each.
    ``heads`` is how many headers were read, those of prefaces among them.
    """

    def __init__(
        self, read: Callable[[int], bytes], skip: Callable[[int], object] | None = None, *, most_preface_bytes: int = _MOST_PREFACE_BYTES
    ) -> None:
        self._read, self._jump, self._at, self._left = read, skip, 0, 0
        self._most_preface_bytes = most_preface_bytes
        self.heads = 0

    def entries(self) -> Iterator[Entry]:
        """All entries in order. Raises Malformed for what is no tar, or is cut."""
        said: dict[str, str] = {}
        prefaces = 0
        while (head := self._head()) is not None:
            size, kind = _number(head[124:136]), head[156:157]
            if not 0 <= size <= _MOST_BYTES:
                raise Malformed(f"a tar entry of {size} bytes")
            self._left = -(-size // _BLOCK) * _BLOCK
            if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
                prefaces += 1
                if prefaces > _MOST_PREFACES:
                    raise Malformed("a tar entry with prefaces without end")
                preface = self._preface(size)
                if kind == _PAX:
                    said |= _parse_pax(preface)
                elif kind != _PAX_GLOBAL:
                    said["path" if kind == _LONG_NAME else "linkpath"] = _text(preface)
                continue
            if "size" in said:
                size = int(said["size"]) if said["size"].isdecimal() and len(said["size"]) < 16 else -1
                if size < 0:
                    raise Malformed("a tar entry without a size")
                self._left = -(-size // _BLOCK) * _BLOCK
            entry = _entry(head, said, size, self._at)
            yield entry
            said, prefaces = {}, 0
            self._skip()

    def read(self, size: int) -> bytes:
        """The next bytes of the entry's content; less at its end, to the padding."""
        data = self._exactly(min(size, self._left))
        self._left -= len(data)
        return data

    def _head(self) -> bytes | None:
        """The next header, None at the end: a block of zeros, or nothing at all."""
        head = self._read(_BLOCK)
        self._at += len(head)
        self.heads += 1
        if not head.strip(b"\0"):
            return None
        if len(head) < _BLOCK or _number(head[148:156]) != _sum(head):
            raise Malformed("no tar: a header's checksum is wrong")
        return head

    def _preface(self, size: int) -> bytes:
        if size > self._most_preface_bytes:
            raise Malformed(f"a tar entry with a preface of {size} bytes")
        data = self.read(size)
        self._skip()
        return data

    def _skip(self) -> None:
        if self._jump is not None:
            self._jump(self._left)
            self._at, self._left = self._at + self._left, 0
        while self._left > 0:
            self._left -= len(self._exactly(min(self._left, _CHUNK)))

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        while len(data) < size:
            more = self._read(size - len(data))
            if not more:
                raise Malformed("a tar that ends within an entry")
            data += more
        self._at += size
        return data


def _sum(head: bytes) -> int:
    """The bytes of a header added up, its checksum as blanks. The lower half of an Adler-32 is that sum and 1 (RFC 1950), as long as it is
    below 65521, as of 256 bytes: in a fifth of the time.
    """
    low, high = zlib.adler32(head[:256]) & 0xFFFF, zlib.adler32(head[256:]) & 0xFFFF
    return low + high - 2 - sum(head[148:156]) + 8 * 32


def _entry(head: bytes, said: dict[str, str], size: int, offset: int) -> Entry:
    name, prefix = _text(head[:100]), _text(head[345:500]) if head[257:262] == b"ustar" and head[262:263] == b"\0" else ""
    path = said.get("path") or (f"{prefix}/{name}" if prefix else name)
    kind = _KINDS.get(head[156:157], "other")
    if kind == "file" and path.endswith("/"):
        kind = "folder"
    link = (said.get("linkpath") or _text(head[157:257])) if kind in ("link", "hard link") else None
    if link is not None and kind == "hard link":
        link = _clean(link)  # it names a path from the top
    return Entry(path=_clean(path), kind=kind, size=size, mode=max(_number(head[100:108]), 0), link=link, offset=offset)


def _clean(path: str) -> str:
    if path[:1] not in ("", "/", ".") and path[-1] != "/" and "//" not in path and "/." not in path:
        return "/" + path  # as nearly all
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256; -1 for what is neither."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else -1
    digits = field.strip(b" \0")
    return int(digits or b"0", 8) if not digits.strip(b"01234567") else -1


def _parse_pax(data: bytes) -> dict[str, str]:
    """Records of `LENGTH KEY=VALUE\\n`."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 20)
        length = int(data[at:blank]) if blank > at and data[at:blank].isdigit() else 0
        if blank < 0 or length <= blank - at or at + length > len(data):
            raise Malformed("a tar entry with a broken preface")
        key, equals, value = data[blank + 1 : at + length - 1].partition(b"=")
        if equals and key in (b"path", b"linkpath", b"size"):
            found[key.decode()] = value.decode("utf-8", "surrogateescape")
        at += length
    return found
