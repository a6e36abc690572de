"""Where a runtime keeps its counts: what its functions touch has to lie at the distances of the structs, and a symbol has to agree."""

from __future__ import annotations

import struct

import pytest

from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.elfsymbols import Symbol
from cgtune.runtimes.go.observed.activity import ActivityLayout, _Search
from tests.support.elfs import READ, RUN, WRITE, Part, elf, reader

CODE, DATA, STEP = 0x400000, 0x600000, 0x1000
MEMSTATS, WORK, SCHED, ALLGS, ALLP, OTHER = DATA + 0x100, DATA + 0x2000, DATA + 0x2400, DATA + 0x2800, DATA + 0x2900, DATA + 0x2A00
LOAD, STORE, ADDRESS = b"\x48\x8b\x05", b"\x48\x89\x05", b"\x48\x8d\x05"  # mov rax,m; mov m,rax; lea rax,m
FIELD = 2464  # of Go 1.21 and 1.22, 1.26 and 1.27

Uses = list[tuple[bytes, int]]

ENDING, TIMES = "runtime.gcMarkTermination", [(LOAD, WORK + 32), (LOAD, WORK + 80)]
FUNCTIONS: dict[str, Uses] = {
    ENDING: [*((ADDRESS, MEMSTATS + at) for at in (0, 4128, 16, 2064)), (ADDRESS, WORK), *TIMES],
    "runtime.pidleput": [(LOAD, SCHED - 80), (STORE, SCHED - 80), (ADDRESS, SCHED - 72)],
    "runtime.gfpurge": [(ADDRESS, SCHED), (LOAD, SCHED + 24), (STORE, SCHED + 24), (LOAD, SCHED + 8), (STORE, SCHED + 8)],
    "runtime.allgadd": [(LOAD, ALLGS + 16), (LOAD, ALLGS + 8), (LOAD, ALLGS), (STORE, ALLGS + 16)],
    "runtime.procresize": [(LOAD, ALLP + 8), (LOAD, ALLP + 16), (STORE, ALLP + 8), (LOAD, ALLP)],
    "runtime.retake": [(LOAD, ALLP)],
}
FOUND = ActivityLayout(
    collections=MEMSTATS, cpu_time=WORK, scheduler=SCHED, goroutines=ALLGS, procs=ALLP, proc_free=FIELD, counted_lists=True
)


def _locate(
    changes: dict[str, Uses] | None = None,
    *,
    minor: int = 27,
    objects: dict[str, Symbol] | None = None,
    purged: int = FIELD,
    put: int = FIELD - 8,
) -> ActivityLayout:
    text = b""
    names = {}
    for name, uses in (FUNCTIONS | (changes or {})).items():
        names[name] = CODE + len(text)
        fields = {"runtime.gfpurge": purged, "runtime.pidleput": put}.get(name)
        code = b"" if fields is None else b"\x48\x8b\x80" + struct.pack("<i", fields)  # mov rax,[rax+fields]
        for opcode, address in uses:
            code += opcode + struct.pack("<i", address - (names[name] + len(code) + 7))
        text += code.ljust(STEP, b"\x90")
    program = parse_elf(reader(elf([Part(CODE, text, READ | RUN), Part(DATA, bytes(0x3000), READ | WRITE)])))
    return _Search(program, minor, names, objects or {}).layout()


def test_distances_prove_the_places() -> None:
    """All at the distances of Go 1.27: all is found, and a symbol that lies there changes nothing."""
    assert _locate() == FOUND
    objects = {"runtime.memstats": Symbol(address=MEMSTATS - 64, size_bytes=64 + 4136), "runtime.allp": Symbol(address=ALLP, size_bytes=24)}
    assert _locate(objects=objects) == FOUND


@pytest.mark.parametrize(
    ("name", "changes", "lost"),
    [
        ("a ring of another size", {ENDING: [(ADDRESS, MEMSTATS + at) for at in (0, 4120, 16, 2064)]}, {"collections", "cpu_time"}),
        ("loaded much later", {ENDING: [(ADDRESS, WORK), *[(LOAD, OTHER)] * 4, *TIMES]}, {"collections", "cpu_time"}),
        ("not loaded, but stored", {ENDING: [(ADDRESS, WORK), (STORE, WORK + 32), (LOAD, WORK + 80)]}, {"collections", "cpu_time"}),
        ("no idle list before", {"runtime.pidleput": [(LOAD, SCHED - 88), (ADDRESS, SCHED - 72)]}, {"scheduler"}),
        ("lists as in Go 1.24", {"runtime.gfpurge": [(ADDRESS, SCHED), (LOAD, SCHED + 16), (LOAD, SCHED + 8)]}, {"scheduler"}),
        ("a slice without a capacity", {"runtime.allgadd": [(LOAD, ALLGS), (LOAD, ALLGS + 8)]}, {"goroutines"}),
        ("four words in a row", {"runtime.allgadd": [(LOAD, ALLGS + at) for at in (0, 8, 16, 24)]}, {"goroutines"}),
        ("another slice", {"runtime.retake": [(LOAD, OTHER)]}, {"procs"}),
    ],
)  # fmt: skip
def test_other_distances_prove_nothing(name: str, changes: dict[str, Uses], lost: set[str]) -> None:
    """What does not lie as it should, or could lie in two places, is not known; the others are."""
    layout = _locate(changes)
    assert {field for field in ActivityLayout._fields if getattr(layout, field) is None} == lost, name


def test_one_of_two_slices_is_retaken() -> None:
    """procresize touches several slices: allp is the one that retake reads as well."""
    more = [*FUNCTIONS["runtime.procresize"], *((LOAD, OTHER + at) for at in (0, 8, 16))]
    assert _locate({"runtime.procresize": more}) == FOUND


@pytest.mark.parametrize(
    ("purged", "put", "minor", "free"),
    [
        (2464, 2456, 26, 2464),
        (2464, 2448, 26, None),
        (2472, 2464, 26, None),
        (2456, 2448, 26, None),
        (2456, 2448, 25, 2456),
        (2464, 2456, 25, None),
    ],
)
def test_a_p_has_its_free_goroutines_where_two_functions_say_so(purged: int, put: int, minor: int, free: int | None) -> None:
    """runnext and gFree side by side, where this version has them."""
    assert _locate(minor=minor, purged=purged, put=put).proc_free == free


@pytest.mark.parametrize(
    ("symbol", "address", "size_bytes", "field"),
    [
        ("memstats", MEMSTATS + 8, 8000, "collections"),
        ("memstats", MEMSTATS - 64, 4136, "collections"),
        ("work", WORK + 8, 800, "cpu_time"),
        ("sched", SCHED + 8, 6000, "scheduler"),
        ("allgs", ALLGS - 8, 32, "goroutines"),
        ("allp", ALLP + 8, 24, "procs"),
    ],
)
def test_a_symbol_has_to_agree(symbol: str, address: int, size_bytes: int, field: str) -> None:
    """A place outside of the variable that the symbol table has is none."""
    layout = _locate(objects={f"runtime.{symbol}": Symbol(address=address, size_bytes=size_bytes)})
    assert layout == FOUND.replace(**{field: None})


def test_up_to_go_1_24_one_count_follows_both_lists() -> None:
    """The lists lie 8 bytes apart, and the layout says so."""
    layout = _locate({"runtime.gfpurge": [(ADDRESS, SCHED), (LOAD, SCHED + 16), (LOAD, SCHED + 8)]}, minor=22)
    assert layout == FOUND.replace(counted_lists=False)
