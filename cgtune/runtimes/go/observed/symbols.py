"""Where the Go runtime's own functions and variables lie in an executable, stripped or not.

By ``.symtab`` if there is one, else by the function table (program/functiontable.py). Function names are searched for as bytes and the
entries found by bisection: no table is walked in Python.
What is not covered: programs whose names were scrambled (garble), the tables of Go before 1.18.
"""

from __future__ import annotations

import struct
from itertools import islice

from cgtune.errors import Malformed
from cgtune.records import Record
from cgtune.runtimes.elfsymbols import NameSearch, locate_symbols
from cgtune.runtimes.go.program.functiontable import bounded, locate_function_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.runtimes.elf import Elf, ReadAt
    from cgtune.runtimes.elfsymbols import Symbol
    from cgtune.runtimes.go.program.functiontable import FunctionTable

_MOST_SCANNED_BYTES = 24 << 20
_MOST_CANDIDATES = 256
_MOST_FALSE_HITS = 4096
_CHUNK_BYTES = 1 << 20


class RuntimeSymbols(Record):
    """What was found: functions by name, each with its address as linked, and objects by name. ``notes`` say what was tried in vain."""

    functions: tuple[tuple[str, int], ...]
    objects: tuple[tuple[str, Symbol], ...]
    notes: tuple[str, ...] = ()


def locate_runtime_symbols(
    elf: Elf, functions: tuple[str, ...], objects: tuple[str, ...], *, magic: int | None, bias: int, read_memory: ReadAt
) -> RuntimeSymbols:
    """The addresses of runtime functions and variables, each as linked; names that are not found are missing.

    ``magic`` is the number that this version's function table begins with, None if the version is not known. ``read_memory`` and
    ``bias`` serve one field that the dynamic linker may fill in: where the text of a PIE starts.
    """
    notes: list[str] = []
    found: dict[str, Symbol] = {}
    try:
        found = locate_symbols(elf, (*functions, *objects))
    except Malformed as error:
        notes.append(f"symbol table not used: {error}")
    code = {name: found[name].address for name in functions if name in found}
    if len(code) < len(functions):
        try:
            table = locate_function_table(elf, magic)
            code = _locate_functions(elf, table, functions, bias, read_memory) | code
        except Malformed as error:
            notes.append(f"function table not used: {error}")
    named = tuple((name, found[name]) for name in objects if name in found)
    return RuntimeSymbols(functions=tuple(code.items()), objects=named, notes=tuple(notes))


def _locate_functions(elf: Elf, table: FunctionTable, names: tuple[str, ...], bias: int, read_memory: ReadAt) -> dict[str, int]:
    entries = _find_entries(elf, table, names)
    if not entries:
        raise Malformed("it has none of the runtime's functions: names scrambled?")
    text = _locate_text(elf, table, bias, read_memory)
    return {name: text + offset for name, offset in entries.items()}


def _locate_text(elf: Elf, table: FunctionTable, bias: int, read_memory: ReadAt) -> int:
    """Where the functions' offsets count from. Never the section .text: with an external linker C code comes first in it."""
    if table.text:
        candidates = iter((table.text, _parse_word(read_memory(bias + table.address + 24, 8)) - bias))
    else:  # Go 1.26 and later keep it in moduledata only
        candidates = _find_text(elf, table, bias, read_memory)
    for text in islice(candidates, _MOST_CANDIDATES):
        part = elf.segment_at(text) if text > 0 else None
        if part is not None and part.executable:
            return text
    raise Malformed("where the functions' code starts was not found")


def _find_text(elf: Elf, table: FunctionTable, bias: int, read_memory: ReadAt) -> Iterator[int]:
    """What moduledata says of the text, wherever the table's address stands: it is moduledata's first word (runtime/symtab.go)."""

    # text @176, etext @184: 1.21 to 1.27, by DWARF; the fields behind them moved
    def texts(address: int) -> Iterator[int]:
        for data, shift in ((elf.read_address(address + 176, 16), 0), (read_memory(bias + address + 176, 16), bias)):
            text, end = struct.unpack("<QQ", data) if len(data) == 16 else (0, 0)
            if 0 < text < end:
                yield text - shift

    section = elf.section(".go.module")  # Go 1.26 and later
    if section is not None:
        yield from texts(section.address)
    # Some linkers keep addends beside the relocations and leave zeroes in the file: the process has the words
    live = elf.replace(read_loaded=lambda address, size: read_memory(bias + address, size))
    for source, word in ((elf, table.address), (live, (table.address + bias) % (1 << 64))):
        places = [(part.address, part.file_bytes) for part in elf.segments if part.writable]
        for place in bounded(places, _MOST_SCANNED_BYTES):
            for address in source.find(struct.pack("<Q", word), *place, alignment=8):
                yield from texts(address)


def _parse_word(data: bytes) -> int:
    return int.from_bytes(data, "little") if len(data) == 8 else 0


def _find_entries(elf: Elf, table: FunctionTable, names: tuple[str, ...]) -> dict[str, int]:
    """Offsets of the named functions from the start of the text."""
    wanted = _find_name_offsets(elf, table, names)
    # functab: pairs of 32-bit numbers, (offset of the code, offset of the _func from functab), ascending in both; then the _funcs, each
    # beginning with (offset of the code, offset of the name). So a name's offset is searched for among the _funcs, and a hit is one
    # only if the functab has an entry for the code offset before it that leads to this very place.
    found: dict[str, int] = {}
    search = NameSearch({name: struct.pack("<I", offset) for offset, name in wanted.items()})
    start = table.address + table.entries_offset
    at = table.functions * 8 + 4
    false_hits = 0
    while not search.is_over():
        chunk = elf.read_address(start + at, _CHUNK_BYTES + 8)
        search.left -= len(chunk) * len(search.missing)
        for name, pattern in list(search.missing.items()):
            hit = chunk.find(pattern, 4)
            while hit >= 0:
                code = int.from_bytes(chunk[hit - 4 : hit], "little")
                aligned = (at + hit) % 4 == 0
                if aligned and _leads_to(elf, table, code, at + hit - 4):
                    found[name] = code
                    del search.missing[name]
                    break
                false_hits += 16 if aligned else 1  # what a bisection costs
                if false_hits > _MOST_FALSE_HITS:
                    raise Malformed("too many entries that lead nowhere")
                hit = chunk.find(pattern, hit + 1)
        if len(chunk) < _CHUNK_BYTES + 8:
            break
        at += _CHUNK_BYTES
    return found


def _find_name_offsets(elf: Elf, table: FunctionTable, names: tuple[str, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    search = NameSearch({name: b"\0" + name.encode() + b"\0" for name in names})
    start = table.address + table.names_offset
    at = 0
    while at < table.names_bytes and not search.is_over():
        chunk = elf.read_address(start + at, min(_CHUNK_BYTES + 128, table.names_bytes - at))
        for hit, name in search.find(chunk):
            found[at + hit + 1] = name
        if len(chunk) < _CHUNK_BYTES:
            break
        at += _CHUNK_BYTES
    return found


def _leads_to(elf: Elf, table: FunctionTable, code: int, function: int) -> bool:
    """Whether the functab's entry for the code offset is the _func at the offset ``function``; by bisection, reading 8 bytes a step."""
    low, high = 0, table.functions
    while low < high:
        middle = (low + high) // 2
        pair = elf.read_address(table.address + table.entries_offset + 8 * middle, 8)
        if len(pair) < 8:
            return False
        at, leads = struct.unpack("<II", pair)
        if at == code:
            return bool(leads == function)
        low, high = (middle + 1, high) if at < code else (low, middle)
    return False
