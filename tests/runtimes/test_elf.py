"""ELF headers and symbols: what they say is read, what they claim is bounded."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import CgtuneError, Malformed
from cgtune.runtimes.elf import Elf, parse_elf, parse_image
from cgtune.runtimes.elfsymbols import locate_symbols
from tests.support.elfs import READ, RUN, WRITE, Named, Part, elf, reader

PARTS = [Part(0x400000, b"code" * 16, READ | RUN), Part(0x600010, b"data" * 16, READ | WRITE, more=100)]
SECTIONS = [Named(".text", 0x400000, 64), Named(".data", 0x600010, 64)]
SHAPES = [(bits, little) for bits in (64, 32) for little in (True, False)]


def _parsed(data: bytes) -> Elf:
    return parse_elf(reader(data))


@pytest.mark.parametrize(("bits", "little"), SHAPES)
def test_every_class_and_byte_order_is_read(bits: int, little: bool) -> None:
    """Segments, sections and the bytes behind an address are the same in 32 and 64 bits and in both byte orders."""
    found = _parsed(elf(PARTS, SECTIONS, bits=bits, little=little, kind=3, entry=0x400004))
    assert (bits, little, True, 0x400004) == (found.bits, found.little_endian, found.position_independent, found.entry)
    assert [(part.address, part.file_bytes, part.memory_bytes, part.writable, part.executable) for part in found.segments] == [
        (0x400000, 64, 64, False, True),
        (0x600010, 64, 164, True, False),
    ]
    assert [section.name for section in found.sections] == ["", ".text", ".data", ".shstrtab"]
    assert found.read_address(0x600011, 4) == b"atad"
    assert found.notes == ()


def test_a_read_stays_inside_the_segment() -> None:
    """Bytes beyond a segment's part of the file are not read, though the file has more, and an address in no segment has none."""
    found = _parsed(elf(PARTS, SECTIONS))
    assert found.read_address(0x600010 + 60, 100) == b"data"
    assert found.read_address(0x600010 + 64, 8) == b""
    assert found.read_address(0x1000, 8) == b""
    part = found.segment_at(0x600010 + 163)
    assert part is not None
    assert part.address == 0x600010


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("empty", lambda _: b""),
        ("text", lambda _: b"#!/bin/sh\n"),
        ("only the magic", lambda data: data[:4]),
        ("half a header", lambda data: data[:40]),
        ("class 3", lambda data: data[:4] + b"\x03" + data[5:]),
        ("byte order 0", lambda data: data[:5] + b"\0" + data[6:]),
        ("an object file", lambda data: data[:16] + b"\x01\0" + data[18:]),
        ("no program headers", lambda data: data[:56] + b"\0\0" + data[58:]),
        ("65535 program headers", lambda data: data[:56] + b"\xff\xff" + data[58:]),
        ("a segment where no file can go", lambda data: data[:72] + struct.pack("<Q", (1 << 63) - 1) + data[80:]),
        ("program headers of 1 byte", lambda data: data[:54] + b"\x01\0" + data[56:]),
        ("program headers beyond the end", lambda data: data[:32] + struct.pack("<Q", 1 << 40) + data[40:]),
        ("program headers beyond any file", lambda data: data[:32] + b"\xff" * 8 + data[40:]),
        ("a segment of 2^64 - 1 bytes", lambda data: data[: 64 + 32] + b"\xff" * 8 + data[64 + 40 :]),
        ("no segment to load", lambda data: data[:64] + b"\0" * 112 + data[176:]),
    ],
)
def test_headers_that_do_not_hold_are_refused(name: str, change: object) -> None:
    """What the kernel would not load is Malformed, in one printable line."""
    with pytest.raises(Malformed) as raised:
        _parsed(change(elf(PARTS, SECTIONS)))  # type: ignore[operator]
    assert str(raised.value).isprintable(), name


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("beyond the end", 40, struct.pack("<Q", 1 << 40)),
        ("headers of 1 byte", 58, b"\x01\0"),
        ("60000 of them", 60, struct.pack("<H", 60000)),
        ("names in a section that is not there", 62, struct.pack("<H", 77)),
    ],
)
def test_section_headers_that_do_not_hold_cost_only_themselves(name: str, field: int, value: bytes) -> None:
    """The segments still stand when the section headers lie, and a note tells."""
    data = elf(PARTS, SECTIONS)
    found = _parsed(data[:field] + value + data[field + len(value) :])
    assert found.sections == (), name
    assert found.read_address(0x600010, 4) == b"data"
    assert len(found.notes) == 1


def test_section_names_lie_in_a_section_and_are_short() -> None:
    """The names' own index is one of the sections, or there are none; a name of a kilobyte is cut, for thousands may share it."""
    sound = elf(PARTS, [*SECTIONS, Named("." + "n" * 1000, 0x400000, 8)])
    assert [section.name for section in _parsed(sound).sections][3] == "." + "n" * 63
    count = sound[60]
    found = _parsed(sound[:62] + bytes([count, 0]) + sound[64:])
    assert (found.sections, found.notes) == ((), (f"section headers ignored: section names in section {count} of {count}",))


def test_program_headers_are_all_there_and_not_too_many() -> None:
    """A table that ends before its last entry, be it after a whole one, does not hold; nor does one longer than any linker makes."""
    three = elf([Part(0x10000 * number, b"x", READ) for number in (1, 2, 3)])
    assert len(_parsed(three).segments) == 3
    for cut in (64 + 56 * 2, 64 + 56 * 2 + 10):
        with pytest.raises(Malformed):
            _parsed(three[:cut])
    assert len(_parsed(elf([Part(0x10000 * number, b"x", READ) for number in range(1, 257)])).segments) == 256
    with pytest.raises(Malformed):
        _parsed(elf([Part(0x10000 * number, b"x", READ) for number in range(1, 258)]))


def test_a_pattern_is_found_across_chunks_and_only_where_aligned() -> None:
    """``find`` sees a pattern that lies over the edge of two chunks, and passes by the places off the alignment."""
    data = bytearray((2 << 20) + 64)
    for at in (16, 100, (1 << 20) - 16 * 1 + 16 - 16, (1 << 20) - 4 + 4, 2 << 20):
        data[at : at + 8] = b"pattern!"
    data[33:41] = b"pattern!"
    found = _parsed(elf([Part(0x10000, bytes(data), READ)]))
    everywhere = [at - 0x10000 for at in found.find(b"pattern!", 0x10000, len(data))]
    assert everywhere == [16, 33, 100, (1 << 20) - 16, 1 << 20, 2 << 20]
    assert [at - 0x10000 for at in found.find(b"pattern!", 0x10000, len(data), alignment=16)] == [16, (1 << 20) - 16, 1 << 20, 2 << 20]
    # what counts is the address, wherever the search begins
    assert next(found.find(b"pattern!", 0x10007, len(data) - 7, alignment=16)) - 0x10000 == 16
    edge = bytearray(2 << 20)
    edge[(1 << 20) - 3 : (1 << 20) + 5] = b"pattern!"
    assert list(_parsed(elf([Part(0, bytes(edge), READ)])).find(b"pattern!", 0, len(edge))) == [(1 << 20) - 3]


def test_a_pattern_at_every_place_is_given_up() -> None:
    """A file made of nothing but the pattern does not keep us busy."""
    found = _parsed(elf([Part(0x10000, b"pattern!" * 8192, READ)]))
    with pytest.raises(Malformed):
        list(found.find(b"pattern!", 0x10000, 65536, alignment=4096))


@pytest.mark.parametrize(("kind", "base"), [(2, 0x400000), (3, 0x7F0000400000)])
def test_an_image_in_memory_is_read_by_linked_address(kind: int, base: int) -> None:
    """A program that is known from memory only answers to its linked addresses, whether it was moved or not."""
    data = bytearray(elf([Part(0x400000, b"", READ), Part(0x401000, b"code", READ | RUN)], kind=kind))
    # The first segment holds the headers, as linkers make it
    data[64:120] = struct.pack("<IIQQQQQQ", 1, 4, 0, 0x400000, 0x400000, 512, 512, 4096)
    memory = bytes(data[:512]).ljust(4096, b"\0") + b"code"

    def read_memory(address: int, size: int) -> bytes:
        return memory[address - base : address - base + size]

    found, bias = parse_image(read_memory, base)
    assert base - 0x400000 == bias
    assert found.read_address(0x401000, 4) == b"code"
    assert found.read_address(0x400000, 4) == b"\x7fELF"
    if kind == 2:
        with pytest.raises(Malformed):
            parse_image(lambda address, size: read_memory(address - 4096, size), base + 4096)
    else:  # nothing is loaded below the address that it was linked for
        with pytest.raises(Malformed):
            parse_image(lambda address, size: read_memory(address + base - 0x300000, size), 0x300000)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_elf_file_or_malformed(data: bytes) -> None:
    """Whatever a file holds, the parser answers or raises one of our errors."""
    lines = []
    for text in (data, b"\x7fELF" + data, b"\x7fELF\x02\x01" + data, b"\x7fELF\x01\x02" + data):
        try:
            found = _parsed(text)
            locate_symbols(found, ("runtime.gomaxprocs",))
        except CgtuneError as error:
            lines.append(str(error))
    assert all(line.isprintable() for line in lines)
