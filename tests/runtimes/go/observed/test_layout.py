"""Where the words of a runtime are: what code seems to say counts only if it can be."""

from __future__ import annotations

import struct

import pytest

from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.elfsymbols import Symbol
from cgtune.runtimes.go.observed.layout import _Search
from cgtune.runtimes.go.observed.symbols import RuntimeSymbols
from cgtune.runtimes.go.program.version import parse_version
from tests.support.elfs import READ, RUN, WRITE, Part, elf, reader

CODE, DEBUG, BEHIND = 0x400000, 0x600000, 0x600080
INIT = "runtime.defaultGOMAXPROCSInit"


@pytest.mark.parametrize(("points_at", "setting"), [(DEBUG + 8, DEBUG + 8), (DEBUG + 12, None), (BEHIND, DEBUG + 8)])
def test_a_use_outside_of_the_variable_says_nothing(points_at: int, setting: int | None) -> None:
    """Code that compares a word of runtime.debug has to agree with the symbol; code that compares another variable's is another use."""
    code = b"\x83\x3d" + struct.pack("<i", points_at - CODE - 7) + b"\0"  # cmpl $0,points_at(%rip)
    program = parse_elf(reader(elf([Part(CODE, code.ljust(64, b"\x90"), READ | RUN), Part(DEBUG, bytes(256), READ | WRITE)])))
    symbols = RuntimeSymbols(
        functions=((INIT, CODE),), objects=(("runtime.debug", Symbol(address=DEBUG, size_bytes=BEHIND - DEBUG)),), notes=()
    )
    search = _Search(program, parse_version("go1.27.3"), symbols, {INIT: code})
    assert search.layout(("runtime.numCPUStartup", "runtime.getCPUCount"), aware=True).container_setting == setting
