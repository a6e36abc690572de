"""The table of functions that every Go program needs to unwind its stacks: where it lies, and what the names in it tell.

Format: runtime/symtab.go, cmd/link/internal/ld/pcln.go, from Go 1.18 to 1.27 the same but for its first number. It is found by its
section or, if it was merged into another one or the section headers are gone, by its header. strip(1) leaves it: without it no Go
program runs.
What is not covered: the tables of Go before 1.18, and names that were scrambled (garble).
"""

from __future__ import annotations

import struct
from itertools import islice

from cgtune.errors import Malformed
from cgtune.model import AUTOMAXPROCS, AUTOMEMLIMIT, VICTORIA_CGROUP
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.runtimes.elf import Elf

MAGIC_1_18 = 0xFFFFFFF0  # Go 1.18 and 1.19
MAGIC_1_20 = 0xFFFFFFF1  # Go 1.20 to 1.27
#: The second one: PIE of Go up to 1.25, linked by Go itself.
SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")

# pcHeader: 1 magic (4 bytes) 2 two zeroes 3 instruction quantum 4 pointer size, then words: 5 functions 6 files 7 text start
#           8 offset of the function names 9 of the units 10 of the file names 11 of the pc tables 12 of the function table
_HEADER_FORMATS = {64: "IHBBQQQQQQQQ", 32: "IHBBIIIIIIII"}
_MOST_FUNCTIONS = 8_000_000
_MOST_TABLE_BYTES = 1 << 30
_MOST_SCANNED_BYTES = 24 << 20
_MOST_CANDIDATES = 256
_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 128  # longer than each name that is searched for
_MOST_NAME_BYTES = 16 << 20  # 4 MiB in a kubelet

# What decides GOMAXPROCS, GOMEMLIMIT or GOGC beside the environment, by a function that only a program that uses it links, as the linker
# drops the others. Without a NUL before it, the name is that of a vendored copy as well ("example.com/app/vendor/go.uber.org/...").
# runtime.GOMAXPROCS tells nothing: nearly every program holds it.
_DECIDERS = (
    (AUTOMAXPROCS, b"go.uber.org/automaxprocs/maxprocs.Set\0"),  # 1.0 to 1.6
    (AUTOMEMLIMIT, b"github.com/KimMachineGun/automemlimit/memlimit.Set"),  # ...GoMemLimitWithOpts and others: 0.1 to 0.7; Set: 1.0
    (VICTORIA_CGROUP, b"/lib/cgroup.updateGOMAXPROCSToCPUQuota\0"),
    ("runtime.SetDefaultGOMAXPROCS", b"\0runtime.SetDefaultGOMAXPROCS\0"),
    ("runtime/debug.SetMemoryLimit", b"\0runtime/debug.SetMemoryLimit\0"),
    ("runtime/debug.SetGCPercent", b"\0runtime/debug.SetGCPercent\0"),
)


class FunctionTable(Record):
    """The header of a program's function table; offsets count from ``address``, all as linked."""

    address: int
    functions: int
    text: int  # as the header has it: 0 from Go 1.26 on
    names_offset: int
    names_bytes: int
    entries_offset: int


def read_linked(elf: Elf) -> tuple[str, ...]:
    """The libraries and functions of _DECIDERS that a Go program links, in that order; none if its function table cannot be read."""
    try:
        table = locate_function_table(elf)
    except Malformed:
        return ()
    found: set[str] = set()
    start, size = table.address + table.names_offset, min(table.names_bytes, _MOST_NAME_BYTES)
    for at in range(0, size, _CHUNK_BYTES):
        chunk = elf.read_address(start + at, min(_CHUNK_BYTES + _OVERLAP_BYTES, size - at))
        found.update(name for name, pattern in _DECIDERS if name not in found and pattern in chunk)
        if len(chunk) < _CHUNK_BYTES:
            break
    return tuple(name for name, _ in _DECIDERS if name in found)


def locate_function_table(elf: Elf, magic: int | None = None) -> FunctionTable:
    """The program's function table, which begins with ``magic``, or with either if that is None. Raises Malformed if there is none."""
    for name in SECTIONS:
        section = elf.section(name)
        if section is not None and (table := parse_function_table(elf, section.address)) is not None:
            return table
    merged = elf.section(".data.rel.ro")  # PIE and libraries of Go up to 1.25, linked by the C compiler
    # Read-only data first; in a PIE of Go up to 1.25 it is data that the dynamic linker relocates, so writable as far as segments tell.
    order = sorted(elf.segments, key=lambda part: (part.executable, part.writable))
    places = [(merged.address, merged.size_bytes)] if merged is not None else [(part.address, part.file_bytes) for part in order]
    magics = (MAGIC_1_20, MAGIC_1_18) if magic is None else (magic,)
    for number in magics:
        # The magic number alone: with the zeroes behind it bytes.find takes three times as long, most of all over zeroes
        pattern = struct.pack(elf.format("I"), number)
        addresses = (
            address for place in bounded(places, _MOST_SCANNED_BYTES // len(magics)) for address in elf.find(pattern, *place, alignment=8)
        )
        for address in islice(addresses, _MOST_CANDIDATES):
            if (table := parse_function_table(elf, address)) is not None:
                return table
    raise Malformed("none was found")


def bounded(places: Iterable[tuple[int, int]], left: int) -> Iterator[tuple[int, int]]:
    """Address and size of each place, until as many bytes as we are willing to search are given out."""
    for address, size in places:
        yield address, min(size, left)
        left -= min(size, left)


def parse_function_table(elf: Elf, address: int) -> FunctionTable | None:
    """The table at a linked address, or None if its header does not hold together."""
    layout = struct.Struct(elf.format(_HEADER_FORMATS[elf.bits]))
    head = elf.read_address(address, layout.size)
    if len(head) < layout.size:
        return None
    magic, zero, _, pointer_bytes, functions, _, text, names, units, files, counters, entries = layout.unpack(head)
    if magic not in (MAGIC_1_18, MAGIC_1_20) or zero or pointer_bytes * 8 != elf.bits or not 0 < functions < _MOST_FUNCTIONS:
        return None
    if not 0 < names < units <= files <= counters <= entries < _MOST_TABLE_BYTES:
        return None
    return FunctionTable(
        address=address, functions=functions, text=text, names_offset=names, names_bytes=units - names, entries_offset=entries
    )
