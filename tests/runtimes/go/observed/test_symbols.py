"""The runtime's functions and variables by name: a table that is damaged costs a note, and nothing is taken from it."""

from __future__ import annotations

import struct

import pytest

from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.observed.symbols import _leads_to, locate_runtime_symbols
from cgtune.runtimes.go.program.functiontable import FunctionTable
from tests.support.elfs import READ, RUN, Named, Part, elf, reader


def test_a_damaged_symbol_table_is_a_note() -> None:
    """Symbols of a size that no symbol has: the other ways are tried, and what is wrong is said."""
    symbols = Named(".symtab", 0, 24, kind=2, data=bytes(24), entry_bytes=7)
    program = parse_elf(reader(elf([Part(0x400000, b"\xc3" * 64, READ | RUN)], [symbols])))
    found = locate_runtime_symbols(
        program, ("runtime.procresize",), ("runtime.debug",), magic=None, bias=0, read_memory=program.read_address
    )
    assert (found.functions, found.objects) == ((), ())
    assert found.notes[0] == "symbol table not used: symbols of 7 bytes"


@pytest.mark.parametrize(("size", "leads"), [(16, True), (12, False)])
def test_a_table_that_ends_early_leads_nowhere(size: int, leads: bool) -> None:
    """An entry counts if all of it is there."""
    entries = struct.pack("<IIII", 0, 100, 64, 200)[:size]
    program = parse_elf(reader(elf([Part(0x400000, entries, READ | RUN)])))
    table = FunctionTable(address=0x400000, functions=2, text=0, names_offset=0, names_bytes=0, entries_offset=0)
    assert _leads_to(program, table, 64, 200) is leads
