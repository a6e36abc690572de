"""The bytes of an answer over HTTP as they come: unpacked, counted, and watched by the clock."""

from __future__ import annotations

from cgtune.errors import TooLarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from urllib3 import BaseHTTPResponse

    class Readable(Protocol):
        """What a parser holds of an answer: its next bytes, empty at the end."""

        def read(self, size: int = -1, /) -> bytes: ...


#: Of one answer, unpacked: some 200,000 series.
CAP_BYTES = 64 << 20

_PIECE_BYTES = 64 << 10
_BEGINNING_BYTES = 512


class Body:
    """``beginning`` is what came first, ``is_whole`` whether the end was reached."""

    def __init__(self, response: BaseHTTPResponse, deadline: float) -> None:
        self._response = response
        self._deadline = deadline
        self._count = 0
        self.beginning = b""
        self.is_whole = False

    def read(self, size: int = -1, /) -> bytes:
        """What is there, and no more than this. Raises TimeoutError, TooLarge, and what urllib3 raises."""
        import time

        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE_BYTES), b""))
        piece: bytes = self._response.read1(size)
        if time.monotonic() > self._deadline:
            raise TimeoutError
        self._count += len(piece)
        if self._count > CAP_BYTES:
            raise TooLarge(f"an answer of more than {CAP_BYTES >> 20} MiB")
        if len(self.beginning) < _BEGINNING_BYTES:
            self.beginning += piece[:_BEGINNING_BYTES]
        self.is_whole = not piece
        return piece

    def read_at_most(self, size: int) -> bytes:
        """The first bytes of an answer that is not wanted whole."""
        found = b""
        while len(found) < size and (piece := self.read(size - len(found))):
            found += piece
        return found
