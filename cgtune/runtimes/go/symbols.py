"""Where the Go runtime's own functions and variables lie in an executable, stripped or not.

By ``.symtab`` where there is one, else by the function table that every Go program needs to unwind its stacks (runtime/symtab.go,
cmd/link/internal/ld/pcln.go). That table is found by its section name or, where it was merged into another section or the section headers
are gone, by its header. Function names are searched for as bytes and the entries found by bisection: no table is walked in Python.
What is not covered: programs whose names were scrambled (garble), the tables of Go before 1.18.
"""

from __future__ import annotations

import struct

from cgtune.elf import AMD64, locate_symbols
from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.elf import Elf, ReadAt, Symbol

_MAGIC_1_18 = 0xFFFFFFF0  # Go 1.18 and 1.19
_MAGIC_1_20 = 0xFFFFFFF1  # Go 1.20 to 1.27
# pcHeader: 1 magic (4 bytes) 2 two zeroes 3 instruction quantum 4 pointer size, then words: 5 functions 6 files 7 text start
#           8 offset of the function names 9 of the units 10 of the file names 11 of the pc tables 12 of the function table
_HEADER = struct.Struct("<IHBBQQQQQQQQ")
_MOST_FUNCTIONS = 8_000_000
_MOST_TABLE_BYTES = 1 << 30
_MOST_SCANNED_BYTES = 160 << 20
_MOST_NAMES_BYTES = 48 << 20
_MOST_CANDIDATES = 32
_MOST_FALSE_NAMES = 256
_CHUNK_BYTES = 1 << 20


class FunctionTable(Record):
    """The header of a program's function table; offsets count from ``address``, all as linked."""

    address: int
    functions: int
    text: int  # as the header has it: 0 from Go 1.26 on
    names_offset: int
    names_bytes: int
    entries_offset: int


class RuntimeSymbols(Record):
    """What was found: functions as linked address to name and name to address, objects by name. ``notes`` say what was tried in vain."""

    functions: dict[str, int]
    objects: dict[str, Symbol]
    notes: tuple[str, ...] = ()


def locate_runtime_symbols(
    elf: Elf, functions: tuple[str, ...], objects: tuple[str, ...], *, bias: int, read_memory: ReadAt
) -> RuntimeSymbols:
    """The addresses of runtime functions and variables, each as linked; names that are not found are missing.

    ``read_memory`` and ``bias`` serve one field that the dynamic linker may fill in: where the text of a PIE starts.
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
            code = _locate_functions(elf, functions, bias, read_memory) | code
        except Malformed as error:
            notes.append(f"function table not used: {error}")
    return RuntimeSymbols(functions=code, objects={name: found[name] for name in objects if name in found}, notes=tuple(notes))


def _locate_functions(elf: Elf, names: tuple[str, ...], bias: int, read_memory: ReadAt) -> dict[str, int]:
    if elf.bits != 64 or not elf.little_endian:
        raise Malformed("only those of 64-bit little-endian programs are known")
    table = locate_function_table(elf)
    if table is None:
        raise Malformed("none was found")
    entries = _find_entries(elf, table, names)
    if not entries:
        raise Malformed("it has none of the runtime's functions: names scrambled?")
    text = _locate_text(elf, table, bias, read_memory)
    return {name: text + offset for name, offset in entries.items()}


def locate_function_table(elf: Elf) -> FunctionTable | None:
    """The program's function table, or None."""
    for name in (".gopclntab", ".data.rel.ro.gopclntab"):  # the second one: PIE of Go up to 1.25, linked by Go itself
        section = elf.section(name)
        if section is not None and (table := parse_function_table(elf, section.address)) is not None:
            return table
    quantum = 1 if elf.machine == AMD64 else 4
    left = _MOST_SCANNED_BYTES
    candidates = 0
    # Read-only data first; in a PIE of Go up to 1.25 it is data that the dynamic linker relocates, so writable as far as segments tell.
    for part in sorted(elf.segments, key=lambda part: (part.executable, part.writable)):
        for magic in (_MAGIC_1_20, _MAGIC_1_18):
            size = min(part.file_bytes, left)
            left -= size
            for address in elf.find(struct.pack("<IHBB", magic, 0, quantum, 8), part.address, size, alignment=8):
                if (table := parse_function_table(elf, address)) is not None:
                    return table
                candidates += 1
                if candidates > _MOST_CANDIDATES:
                    return None
    return None


def parse_function_table(elf: Elf, address: int) -> FunctionTable | None:
    """The table at a linked address, or None where its header does not hold together."""
    head = elf.read_address(address, _HEADER.size)
    if len(head) < _HEADER.size:
        return None
    magic, zero, _, pointer_bytes, functions, _, text, names, units, files, counters, entries = _HEADER.unpack(head)
    if magic not in (_MAGIC_1_18, _MAGIC_1_20) or zero or pointer_bytes != 8 or not 0 < functions < _MOST_FUNCTIONS:
        return None
    if not 0 < names < units <= files <= counters <= entries < _MOST_TABLE_BYTES:
        return None
    return FunctionTable(
        address=address, functions=functions, text=text, names_offset=names, names_bytes=units - names, entries_offset=entries
    )


def _locate_text(elf: Elf, table: FunctionTable, bias: int, read_memory: ReadAt) -> int:
    """Where the functions' offsets count from. Never the section .text: with an external linker C code comes first in it."""
    candidates = [table.text, _parse_word(read_memory(bias + table.address + 24, 8)) - bias]
    if not table.text:  # Go 1.26 and later keep it in moduledata only
        candidates = [
            text for where in _find_moduledata(elf, table, bias, read_memory) for text in _parse_moduledata(elf, where, bias, read_memory)
        ]
    for text in candidates:
        part = elf.segment_at(text) if text > 0 else None
        if part is not None and part.executable:
            return text
    raise Malformed("where the functions' code starts was not found")


def _find_moduledata(elf: Elf, table: FunctionTable, bias: int, read_memory: ReadAt) -> Iterator[int]:
    """Addresses that hold the table's address, as moduledata does in its first word (runtime/symtab.go)."""
    section = elf.section(".go.module")  # Go 1.26 and later
    if section is not None:
        yield section.address
    for part in elf.segments:
        if part.writable:
            size = min(part.file_bytes, _MOST_SCANNED_BYTES >> 2)
            yield from elf.find(struct.pack("<Q", table.address), part.address, size, alignment=8)
    if bias:  # a linker that keeps addends beside the relocations leaves zeroes in the file: the process has the words
        live = elf.replace(read_loaded=lambda address, size: read_memory(bias + address, size))
        for part in elf.segments:
            if part.writable:
                size = min(part.file_bytes, _MOST_SCANNED_BYTES >> 2)
                yield from live.find(struct.pack("<Q", (table.address + bias) & (1 << 64) - 1), part.address, size, alignment=8)


def _parse_moduledata(elf: Elf, address: int, bias: int, read_memory: ReadAt) -> list[int]:
    # text @176, etext @184: 1.21 to 1.27, by DWARF; the fields behind them moved
    return [
        text - shift
        for data, shift in ((elf.read_address(address + 176, 16), 0), (read_memory(bias + address + 176, 16), bias))
        for text, end in [struct.unpack("<QQ", data) if len(data) == 16 else (0, 0)]
        if 0 < text < end
    ]


def _parse_word(data: bytes) -> int:
    return int.from_bytes(data, "little") if len(data) == 8 else 0


def _find_entries(elf: Elf, table: FunctionTable, names: tuple[str, ...]) -> dict[str, int]:
    """Offsets of the named functions from the start of the text."""
    wanted = _find_name_offsets(elf, table, names)
    # functab: pairs of 32-bit numbers, (offset of the code, offset of the _func from functab), ascending in both; then the _funcs, each
    # beginning with (offset of the code, offset of the name). So a name's offset is searched for among the _funcs, and a hit is one
    # only if the functab has an entry for the code offset before it that leads to this very place.
    start = table.address + table.entries_offset
    found: dict[str, int] = {}
    at = table.functions * 8 + 4
    false_hits = 0
    limit = at + table.functions * 64 + _CHUNK_BYTES  # a _func has 44 bytes and a few words of tables
    while wanted and at < limit:
        chunk = elf.read_address(start + at, _CHUNK_BYTES + 8)
        for number, name in list(wanted.items()):
            pattern = struct.pack("<I", number)
            hit = chunk.find(pattern)
            while hit >= 0:
                if (at + hit) % 4 == 0 and hit >= 4:
                    code = int.from_bytes(chunk[hit - 4 : hit], "little")
                    if _leads_to(elf, table, code, at + hit - 4):
                        found[name] = code
                        del wanted[number]
                        break
                    false_hits += 1
                    if false_hits > _MOST_FALSE_NAMES:
                        raise Malformed("too many entries that lead nowhere")
                hit = chunk.find(pattern, hit + 1)
        if len(chunk) < _CHUNK_BYTES + 8:
            break
        at += _CHUNK_BYTES
    return found


def _find_name_offsets(elf: Elf, table: FunctionTable, names: tuple[str, ...]) -> dict[int, str]:
    missing = {name: b"\0" + name.encode() + b"\0" for name in names}
    found: dict[int, str] = {}
    start = table.address + table.names_offset
    end = start + min(table.names_bytes, _MOST_NAMES_BYTES)
    at = start
    while missing and at < end:
        chunk = elf.read_address(at, min(_CHUNK_BYTES + 128, end - at))
        for name, pattern in list(missing.items()):
            hit = chunk.find(pattern)
            if hit >= 0:
                found[at - start + hit + 1] = name
                del missing[name]
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
