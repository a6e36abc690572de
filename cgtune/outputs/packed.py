"""A long text that is kept packed: pages repeat themselves, and take a tenth to a twentieth of their size so.

Each piece is packed by itself. Whoever reads from the middle unpacks one piece, and need not keep a state of his own.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PIECE_BYTES = 64 << 10  # of half the size a report of many processes would take a half more
_LEVEL = 1  # the quickest: others take twice the time for a third less


class Packed:
    """UTF-8 text that grows at its end. ``size`` is its length unpacked, in bytes."""

    def __init__(self, parts: Iterable[str | bytes | Packed] = (), *, piece_bytes: int = PIECE_BYTES) -> None:
        """``piece_bytes`` is what may wait at the end, not packed yet."""
        self.size, self._piece_bytes = 0, piece_bytes
        self._open = bytearray()  # the end, not packed yet
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        for part in parts:
            self.add(part)
        self._pack()

    def add(self, part: str | bytes | Packed) -> None:
        """Put text, or all of another packed one, at its end. A lone surrogate is written as its code, ``\\udc80``."""
        if isinstance(part, Packed):
            self._pack()
            part._pack()
            self._starts += [self.size + start for start in part._starts]
            self._pieces += part._pieces
            self.size += part.size
            return
        data = part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
        self._open += data
        self.size += len(data)
        if len(self._open) >= self._piece_bytes:
            self._pack()

    def _pack(self) -> None:
        for start in range(0, len(self._open), self._piece_bytes):  # a text that came as one is long
            self._starts.append(self.size - len(self._open) + start)
            self._pieces.append(zlib.compress(self._open[start : start + self._piece_bytes], _LEVEL))
        self._open = bytearray()

    def read(self, start: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``start`` on, from as many pieces as they lie in."""
        found = bytearray()
        if self._open:
            self._pack()
        place = max(0, bisect_right(self._starts, start) - 1)
        while len(found) < size and place < len(self._pieces):
            skipped = start + len(found) - self._starts[place]
            found += zlib.decompress(self._pieces[place])[skipped : skipped + size - len(found)]
            place += 1
        return bytes(found)

    def __bytes__(self) -> bytes:
        return b"".join(map(zlib.decompress, self._pieces)) + bytes(self._open)

    def __len__(self) -> int:
        return self.size


class PackedFile:
    """A packed text as a file that is read from any place, with no state but that."""

    def __init__(self, text: Packed) -> None:
        self._text, self._place = text, 0

    def seek(self, place: int, whence: int = 0) -> int:
        """As of any file."""
        self._place = max(0, place + (0, self._place, self._text.size)[whence])
        return self._place

    def tell(self) -> int:
        """As of any file."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, or all that is left."""
        data = self._text.read(self._place, size if size >= 0 else self._text.size)
        self._place += len(data)
        return data

    def close(self) -> None:
        """Nothing is open."""
