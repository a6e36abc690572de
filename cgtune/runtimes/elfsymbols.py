"""Symbols of ELF executables by name, in bounded time whatever the tables hold. Layout: elf(5), "String and symbol tables"."""

from __future__ import annotations

import struct
import sys

from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.runtimes.elf import Elf, Section

_CHUNK_BYTES = 1 << 20
_MOST_SYMBOL_BYTES = 24 << 20  # a million symbols; a Go program of 100 MB has some 200 000
_MOST_SEARCHED_BYTES = 64 << 20  # of symbol names, times the names searched for: 25 ms, and as long again if the file has to be read
_MOST_OFFSET = (1 << 63) - 1  # what a file offset can be


class Symbol(Record):
    """A symbol's linked address and its size."""

    address: int
    size_bytes: int


def locate_symbols(elf: Elf, names: tuple[str, ...]) -> dict[str, Symbol]:
    """The symbols of these names in ``.symtab``, or in ``.dynsym`` if there is no other; those that are not there are missing.

    Names are searched for in the string table and their offsets then in the symbol table, so that no object is made for the other
    hundred thousand symbols. Raises Malformed for a symbol table beyond 24 MiB; names are searched for until 50 ms are spent.
    """
    tables = sorted(
        (section for section in elf.sections if section.kind in (2, 11)), key=lambda section: section.kind
    )  # SHT_SYMTAB, DYNSYM
    table = next(iter(tables), None)
    if table is None or table.link >= len(elf.sections):
        return {}
    strings = elf.sections[table.link]
    # Elf64_Sym: 1 st_name 2 st_info 3 st_other 4 st_shndx 5 st_value 6 st_size; Elf32_Sym: 1 st_name 2 st_value 3 st_size 4 st_info ...
    layout = struct.Struct(elf.format("IBBHQQ" if elf.bits == 64 else "IIIBBH"))
    if table.entry_bytes != layout.size:
        raise Malformed(f"symbols of {table.entry_bytes} bytes")
    if table.size_bytes > _MOST_SYMBOL_BYTES:
        raise Malformed(f"a symbol table of {table.size_bytes} bytes")
    offsets = _find_names(elf, strings, {name: b"\0" + name.encode() + b"\0" for name in names})
    return _find_symbols(elf, table, layout, offsets)


def _chunks(elf: Elf, section: Section, step: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    if section.offset + section.size_bytes > _MOST_OFFSET:
        raise Malformed(f"section {section.name} at {section.offset:#x}")
    at = 0
    while at < section.size_bytes:
        size = min(step + overlap, section.size_bytes - at)
        chunk = elf.read_at(section.offset + at, size)
        yield at, chunk
        if len(chunk) < size:
            return
        at += step


def _find_names(elf: Elf, strings: Section, patterns: dict[str, bytes]) -> dict[int, str]:
    found: dict[int, str] = {}
    missing = dict(patterns)
    search = NameSearch(missing)
    for at, chunk in _chunks(elf, strings, _CHUNK_BYTES, 128):
        for hit, name in search.find(chunk):
            found[at + hit + 1] = name
        if search.is_over():
            break  # what is missing then stays missing: the caller has other ways
    return found


class NameSearch:
    """The search for several names in one large table, chunk by chunk, that spends no more than 50 ms on it whatever the table holds.

    ``missing`` maps each name to the bytes that it stands in; those that are found leave it.
    """

    def __init__(self, missing: dict[str, bytes]) -> None:
        self.missing = missing
        self.left = _MOST_SEARCHED_BYTES
        low, high = (min(missing.values()), max(missing.values())) if missing else (b"", b"")
        shared = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), min(len(low), len(high)))
        self.prefix = low[:shared]

    def find(self, chunk: bytes) -> list[tuple[int, str]]:
        """Where the missing names stand in this chunk."""
        found = []
        self.left -= len(chunk)
        if self.prefix in chunk:  # one look instead of a dozen: all names are the runtime's, most chunks have none of those
            self.left -= len(chunk) * len(self.missing)
            for name, pattern in list(self.missing.items()):
                hit = chunk.find(pattern)
                if hit >= 0:
                    found.append((hit, name))
                    del self.missing[name]
        return found

    def is_over(self) -> bool:
        """Whether there is nothing left to find, or nothing left to spend."""
        return not self.missing or self.left <= 0


def _find_symbols(elf: Elf, table: Section, layout: struct.Struct, wanted: dict[int, str]) -> dict[str, Symbol]:
    # The column of st_name, as numbers of this machine's byte order, against the wanted ones: 1.2 ms a MiB whatever the bytes are, where
    # bytes.find costs 0.8 ms for each name and degrades without bound on a table made to be hit at every misaligned place.
    symbols: dict[str, Symbol] = {}
    numbers = {int.from_bytes(struct.pack(elf.format("I"), offset), sys.byteorder): name for offset, name in wanted.items()}
    for _, chunk in _chunks(elf, table, _CHUNK_BYTES // layout.size * layout.size, 0):
        rows = len(chunk) // layout.size
        column = memoryview(chunk)[: rows * layout.size].cast("I")[:: layout.size // 4].tolist()
        for number in numbers.keys() & set(column):
            name = numbers.pop(number)
            fields = layout.unpack_from(chunk, column.index(number) * layout.size)
            address, size = (fields[4], fields[5]) if elf.bits == 64 else (fields[1], fields[2])
            symbols[name] = Symbol(address=address, size_bytes=size)
        if not numbers:
            break
    return symbols
