"""A quick share of the fuzzing that scripts/fuzz does at length, and the worst files that anyone thought of."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress

import pytest

from cgtune.errors import CgtuneError
from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.observed.layout import locate_live_words
from cgtune.runtimes.go.observed.live import read_live_words
from cgtune.runtimes.go.program.buildinfo import read_go_program
from cgtune.runtimes.go.program.version import parse_version
from tests.support.cost import cpu_seconds
from tests.support.elfs import MAGIC
from tests.support.fuzz_elf import ElfParser, real_subjects, synthetic_subjects
from tests.support.fuzzing import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_mutants_of_small_files_do_no_harm(seed: int) -> None:
    """Hundreds of mutated small executables raise nothing but our own errors."""
    assert fuzz(ElfParser(synthetic_subjects()), cases=800, seed=seed).cases == 800


@pytest.mark.fetched
def test_mutants_of_real_programs_do_no_harm() -> None:
    """Hundreds of mutated Go programs raise nothing but our own errors."""
    subjects = synthetic_subjects()[:1] + real_subjects()
    assert fuzz(ElfParser(subjects), cases=300, seed=3).cases == 300


class Hostile:
    """A file that is nowhere whole: its bytes are made when they are read, so that it may be as large as it claims."""

    def __init__(self, head: bytes, fill: bytes = b"\0", length: int = 1 << 40) -> None:
        self.head = head
        self.fill = fill
        self.length = length

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes: the head, then the fill, over and over."""
        end = min(offset + size, self.length)
        if offset >= end:
            return b""
        shift = offset % len(self.fill)
        body = (self.fill * ((end - offset) // len(self.fill) + 2))[shift : shift + end - offset]
        if offset >= len(self.head):
            return body
        return (self.head[offset:end] + body[len(self.head) - offset :])[: end - offset]


def _program(*segments: tuple[int, int, int], kind: int = 2) -> bytes:
    """ELF headers alone: segments (address, bytes, flags) one behind the other in the file, from 4096 on."""
    rows, at = b"", 4096
    for address, size, flags in segments:
        rows += struct.pack("<IIQQQQQQ", 1, flags, at, address, address, size, size, 4096)
        at += size
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0) + rows


def _table(functions: int, names: int, entries: int) -> bytes:
    return struct.pack("<IHBBQQQQQQQQ", 0xFFFFFFF1, 0, 1, 8, functions, 1, 0x400000, 72, 72 + names, 72 + names, 72 + names, entries)


CODE = (0x400000, 4096, 5)
GIGABYTE = 1 << 30
HOSTILE = {
    "a terabyte of nothing, no sections": Hostile(_program(CODE, (0x500000, 1 << 40, 4), (1 << 41, 1 << 40, 6))),
    "a gigabyte of magic, aligned": Hostile(_program(CODE, (0x500000, GIGABYTE, 6)), MAGIC + b"\x08\x02"),
    "a gigabyte of magic, misaligned": Hostile(_program(CODE, (0x500000, GIGABYTE, 6)), MAGIC + b"\x08\x02\x01"),
    "a gigabyte of function tables": Hostile(_program(CODE, (0x500000, GIGABYTE, 4)), _table(9, 9, 99999999)),
    "a gigabyte of the tables' magic": Hostile(_program(CODE, (0x500000, GIGABYTE, 4)), b"\xf1\xff\xff\xff\0\0\x01\x08"),
    "256 segments over one another": Hostile(_program(CODE, *[(0x500000, GIGABYTE, 6)] * 255), b"\0runtime.x\0"),
    "names without end": Hostile(
        _program(CODE, (0x500000, GIGABYTE, 4)).ljust(8192, b"\0") + _table(1000, 900 << 20, 901 << 20), b"\0runtime.x"
    ),
    "every number an entry": Hostile(
        (_program(CODE, (0x500000, GIGABYTE, 4)).ljust(8192, b"\0") + _table(7_000_000, 65536, 65536 + 72)).ljust(8192 + 72, b"\0")
        + b"\0runtime.procresize\0runtime.gcinit\0runtime.osinit\0",
        b"\1\0\0\0",
    ),
    "ones all over": Hostile(_program(CODE, (0x500000, GIGABYTE, 6)), b"\xff"),
    "a pattern of ones": Hostile(_program(CODE, (0x500000, GIGABYTE, 6)), b"\x01"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_little(name: str) -> None:
    """Files made to be slow or large to read cost a fraction of a second of CPU time and less than 20 MB, or are refused."""
    file = HOSTILE[name]

    def read() -> None:
        with suppress(CgtuneError):
            read_go_program(file.read_at)
        with suppress(CgtuneError):
            elf = parse_elf(file.read_at)
            layout = locate_live_words(elf, parse_version("go1.27.3"), bias=4096, read_memory=elf.read_address)
            read_live_words(layout, bias=4096, read_memory=elf.read_address)

    spent = cpu_seconds(read)
    tracemalloc.start()
    try:
        read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"{name}: {spent * 1000:.0f} ms, {peak / (1 << 20):.1f} MiB")
    assert spent < 0.4  # the budget is 0.1 s; part of it is spent making the file, and the machine may be busy
    assert peak < 20_000_000
