"""A packed text is the text that was put in, read from any place, and takes a fraction of it."""

from __future__ import annotations

import sys

from hypothesis import given, strategies as st

from cgtune.outputs.packed import PIECE_BYTES as PIECE, Packed, PackedFile

PARTS = st.lists(st.text(max_size=20) | st.integers(0, 3 * PIECE).map(lambda size: "é" * size) | st.binary(max_size=20), max_size=6)


def bytes_of(part: str | bytes) -> bytes:
    """What a part is as UTF-8."""
    return part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part


@given(PARTS, PARTS, st.integers(0, 8 * PIECE), st.integers(0, 3 * PIECE))
def test_what_is_put_in_comes_out(parts: list[str | bytes], more: list[str | bytes], start: int, size: int) -> None:
    """Whatever the parts are, and another packed text among them: the whole, and any stretch of it."""
    whole = b"".join(map(bytes_of, (*parts, *more, *parts)))
    packed = Packed((*parts, Packed(more), *parts))
    assert (bytes(packed), packed.size) == (whole, len(whole))
    assert packed.read(start, size) == whole[start : start + size]
    file = PackedFile(packed)
    assert (file.seek(0, 2), file.tell(), file.read()) == (len(whole), len(whole), b"")
    assert (file.seek(start), file.read(size), file.read()) == (start, whole[start : start + size], whole[start + size :])


def test_a_stretch_over_several_pieces() -> None:
    """No byte more than was asked for, from anywhere in them."""
    whole = bytes(number % 251 for number in range(3 * PIECE))
    packed = Packed((whole[:9], whole[9:]))
    for start in (0, 1, PIECE - 1, PIECE, PIECE + 7):
        for size in (0, 1, PIECE, PIECE + 9):
            assert packed.read(start, size) == whole[start : start + size], (start, size)


def test_another_text_is_taken_over_as_it_is() -> None:
    """Its pieces are shared, not packed again."""
    report = Packed(f'cgtune_cpu_seconds_total{{pid="{number}"}} 1.5\n' for number in range(20_000))
    page = Packed(("# HELP\n", report, "# EOF\n"))
    assert {id(piece) for piece in report._pieces} <= {id(piece) for piece in page._pieces}
    assert sum(map(sys.getsizeof, page._pieces)) < page.size / 8
