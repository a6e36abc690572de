"""Symbols by name: found whole, bounded whatever the tables claim."""

from __future__ import annotations

import struct

import pytest

from cgtune.errors import Malformed
from cgtune.runtimes.elf import Elf, parse_elf
from cgtune.runtimes.elfsymbols import NameSearch, Symbol, locate_symbols
from tests.support.cost import cpu_seconds
from tests.support.elfs import READ, RUN, WRITE, Named, Part, elf, reader

PARTS = [Part(0x400000, b"code" * 16, READ | RUN), Part(0x600010, b"data" * 16, READ | WRITE, more=100)]
SECTIONS = [Named(".text", 0x400000, 64), Named(".data", 0x600010, 64)]
SHAPES = [(bits, little) for bits in (64, 32) for little in (True, False)]


def _parsed(data: bytes) -> Elf:
    return parse_elf(reader(data))


def _symbol_file(symbols: list[tuple[str, int, int]], *, bits: int = 64, little: bool = True) -> bytes:
    order = "<" if little else ">"
    names, table = b"\0", b"\0" * (24 if bits == 64 else 16)
    for name, address, size in symbols:
        at = len(names)
        names += name.encode() + b"\0"
        table += (
            struct.pack(order + "IBBHQQ", at, 1, 0, 1, address, size)
            if bits == 64
            else struct.pack(order + "IIIBBH", at, address, size, 1, 0, 1)
        )
    sections = [
        *SECTIONS,
        Named(".symtab", 0, len(table), 2, table, link=4, entry_bytes=24 if bits == 64 else 16),
        Named(".strtab", 0, len(names), 3, names),
    ]
    return elf(PARTS, sections, bits=bits, little=little)


@pytest.mark.parametrize(("bits", "little"), SHAPES)
def test_symbols_are_found_by_their_whole_name(bits: int, little: bool) -> None:
    """A symbol is found in each shape of file; one whose name merely begins or ends alike is not taken for it."""
    table = [
        ("xruntime.gomaxprocs", 1, 1),
        ("runtime.gomaxprocs2", 2, 2),
        ("runtime.gomaxprocs", 0x600020, 4),
        ("runtime.sched", 0x600030, 64),
    ]
    found = locate_symbols(
        _parsed(_symbol_file(table, bits=bits, little=little)), ("runtime.gomaxprocs", "runtime.sched", "runtime.absent")
    )
    assert {"runtime.gomaxprocs": Symbol(address=0x600020, size_bytes=4), "runtime.sched": Symbol(address=0x600030, size_bytes=64)} == found


def test_without_a_symbol_table_there_are_no_symbols() -> None:
    """A stripped file has no symbols, which is no error; neither has one whose names would lie behind the last section."""
    assert locate_symbols(_parsed(elf(PARTS, SECTIONS)), ("runtime.gomaxprocs",)) == {}
    nameless = [*SECTIONS, Named(".symtab", 0, 24, 2, b"\0" * 24, link=5, entry_bytes=24)]
    assert len(_parsed(elf(PARTS, nameless)).sections) == 5
    assert locate_symbols(_parsed(elf(PARTS, nameless)), ("runtime.gomaxprocs",)) == {}


def test_a_name_over_the_edge_of_two_chunks_is_found() -> None:
    """Names are read in chunks of 1 MiB; one that begins in one and ends in the next is whole all the same."""
    name = "runtime.gomaxprocs"
    padding = "p" * ((1 << 20) - 1 - 1 - len(name) // 2)
    found = locate_symbols(_parsed(_symbol_file([(padding, 1, 1), (name, 0x600020, 4)])), (name,))
    assert found == {name: Symbol(address=0x600020, size_bytes=4)}


def test_a_search_that_finds_nothing_ends() -> None:
    """A search costs no more than its bound, whatever the table holds: each byte is paid for, and so is each look for a name."""
    for chunk, most in ((b"x" * (1 << 20), 1000), (b"\0name.that.only.begins" * 50_000, 200)):
        search, chunks = NameSearch({"one": b"\0name.one\0", "two": b"\0name.two\0"}), 0
        while not search.is_over():
            assert search.find(chunk) == []
            chunks += 1
            assert chunks < most


def test_a_million_symbols_are_searched_in_time() -> None:
    """The last of a million symbols is found without an object for each: in a fraction of a second, even when this machine is busy."""
    count = 1_000_000
    row = struct.Struct("<IBBHQQ")
    names = b"\0" + b"some.function.of.a.large.program\0" * 200_000 + b"runtime.gomaxprocs\0"
    table = bytearray(row.pack(1, 2, 0, 1, 0x400000, 16) * count)
    row.pack_into(table, row.size * (count - 1), names.index(b"runtime.gomaxprocs"), 1, 0, 1, 0x600020, 4)
    sections = [*SECTIONS, Named(".symtab", 0, len(table), 2, bytes(table), 4, 24), Named(".strtab", 0, len(names), 3, names)]
    found = _parsed(elf(PARTS, sections))
    names_wanted = ("runtime.gomaxprocs", "runtime.none")
    assert {"runtime.gomaxprocs": Symbol(address=0x600020, size_bytes=4)} == locate_symbols(found, names_wanted)
    assert cpu_seconds(lambda: locate_symbols(found, names_wanted)) < 0.3


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("more than a million", [Named(".symtab", 0, 25 << 20, 2, b"\0" * 48, 4, 24), Named(".strtab", 0, 8, 3, b"\0" * 8)]),
        ("symbols of 32 bytes", [Named(".symtab", 0, 64, 2, b"\0" * 64, 4, 32), Named(".strtab", 0, 8, 3, b"\0" * 8)]),
        ("symbols of 0 bytes", [Named(".symtab", 0, 48, 2, b"\0" * 48, 4, 0), Named(".strtab", 0, 8, 3, b"\0" * 8)]),
        ("names beyond any file", [Named(".symtab", 0, 48, 2, b"\0" * 48, 4, 24), Named(".strtab", 0, (1 << 64) - 1, 3, b"\0" * 8)]),
    ],
)
def test_symbol_tables_that_claim_too_much_are_refused(name: str, sections: list[Named]) -> None:
    """A symbol table that claims more than we are willing to read is Malformed, not read."""
    with pytest.raises(Malformed):
        locate_symbols(_parsed(elf(PARTS, [*SECTIONS, *sections])), (name, "runtime.gomaxprocs"))
