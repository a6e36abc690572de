"""Mappings: every line the kernel writes is read, and each file is looked at once, where it really runs."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.program.mappings import (
    MEMORY_PATHS,
    Mapping,
    locate_biases,
    locate_images,
    locate_modules,
    parse_code,
    parse_code_mappings,
    parse_map_lines,
    parse_maps,
    split_lines,
)
from tests.support.elfs import READ, RUN, WRITE, Part, elf, reader
from tests.support.goprocess import mappings

MAPS = """\
00400000-00401000 r--p 00000000 fe:01 7 /app/server
00401000-00480000 r-xp 00001000 fe:01 7 /app/server
00480000-00490000 rw-p 00080000 fe:01 7 /app/server
00490000-004a0000 rw-p 00000000 00:00 0
c000000000-c000400000 rw-p 00000000 00:00 0                              [anon: Go: heap]
7f0000000000-7f0000001000 r--p 00000000 fe:01 9                          /lib/a b\\012c.so (deleted)
7f0000001000-7f0000002000 r-xp 00001000 fe:01 9                          /lib/a b\\012c.so (deleted)
7f0000003000-7f0000004000 r--s 00000000 fe:01 11                         /var/data
7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""


def test_lines_are_read() -> None:
    """Addresses, permissions, offset, file and deletion are read; a newline in a name is one again. What tells of no runtime is left out:
    data, the kernel's own code, and areas with names.
    """
    found = parse_maps(MAPS)
    assert [each.start for each in found] == [0x400000, 0x401000, 0x490000, 0x7F0000000000, 0x7F0000001000]
    assert found[1] == Mapping(
        start=0x401000,
        end=0x480000,
        readable=True,
        writable=False,
        executable=True,
        offset=0x1000,
        device="fe:01",
        inode=7,
        path="/app/server",
        deleted=False,
    )
    assert (found[4].path, found[4].deleted) == ("/lib/a b\nc.so", True)
    assert (found[2].path, found[2].inode) == ("", 0)
    assert parse_maps("00490000-004a0000 ---p 00000000 00:00 0\n") == ()  # what cannot be read cannot be an image


def test_endless_maps_are_refused() -> None:
    """More lines than any kernel prints are no maps of a process; as many as that are."""
    assert parse_maps("\n" * 200_000) == ()
    with pytest.raises(Malformed):
        parse_maps("\n" * 200_001)


@pytest.mark.parametrize(
    "line", ["x", "1-2", "1-2 r--p", "1-2 r--p 0 0:0", "1 r--p 0 0:0 0", "g-h r--p 0 0:0 0", "1-2 r 0 0:0 0", "1-2 r--p 0 0:0 x"]
)
def test_what_is_no_line_of_maps_is_malformed(line: str) -> None:
    """Text that the kernel would not write is refused with the line in the message."""
    with pytest.raises(Malformed, match=line):
        parse_maps(line)


@given(st.text(max_size=100))
def test_any_text_is_mappings_or_malformed(text: str) -> None:
    """Whatever the text, the parser answers or raises its own error."""
    try:
        parse_maps(text)
    except Malformed:
        return


@pytest.mark.parametrize("size", [7, 64, 4096])
def test_mappings_in_pieces_are_the_same(size: int) -> None:
    """However the text is cut, as one is that is too large to be held at once."""
    text = Path("/proc/self/maps").read_text()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert parse_map_lines(split_lines(pieces)) == parse_maps(text)


def test_each_file_with_code_is_one_module() -> None:
    """The program and a deleted library are found once each; data files and anonymous memory are not."""
    found = locate_modules(parse_maps(MAPS))
    assert [(module.path, module.deleted, len(module.mappings)) for module in found] == [
        ("/app/server", False, 2),
        ("/lib/a b\nc.so", True, 2),
    ]
    assert [(module.device, module.inode) for module in found] == [("fe:01", 7), ("fe:01", 9)]


def test_files_are_told_apart_by_device_and_inode() -> None:
    """Two libraries of one inode number on two devices, or an old and a new one of one name, are two modules."""
    lines = [
        f"{start:x}000-{start + 1:x}000 r-xp 0 {device} {inode} /x.so"
        for start, device, inode in ((1, "1:0", 5), (3, "2:0", 5), (5, "1:0", 6))
    ]
    assert len(locate_modules(parse_maps("\n".join(lines)))) == 3


def test_a_thousand_libraries_are_too_many() -> None:
    """A process made to keep us busy is refused."""
    with pytest.raises(Malformed):
        locate_modules(parse_maps("\n".join(f"{at}000-{at}fff r-xp 0 1:0 {at} /x{at}" for at in range(1000, 2100))))


@pytest.mark.parametrize(
    "line",
    ["r--p 0 00:00 0", "rwxp 0 00:00 0", "rw-p 0 00:00 0 [anon: x]", "r--s 0 1:0 {at} /data/{at}", "r-xp 0 1:0 7 /x", "r--p 0 1:0 7 /x"],
)
@pytest.mark.slow
def test_sixty_thousand_mappings_are_not_kept(line: str) -> None:
    """vm.max_map_count is 65 530: who has so many, of whatever kind, costs their text and no more, and still is told apart."""
    text = "100-200 r-xp 0 1:0 7 /x\n" + "".join(f"{at * 16:x}-{at * 16 + 8:x} {line.format(at=at)}\n" for at in range(1000, 61_000))
    tracemalloc.start()
    found = parse_maps(text)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 1 << 20
    assert found[0].path == "/x"
    assert len(found) <= 1 + 65


LIBRARY = [Part(0x0, b"headers" * 9, READ), Part(0x2100, b"code" * 9, READ | RUN), Part(0x4200, b"data" * 9, READ | WRITE)]


def test_biases_are_those_of_the_code() -> None:
    """A library loaded twice has two biases; the copy that somebody only reads has none, wherever it lies."""
    found = parse_elf(reader(elf(LIBRARY, kind=3)))
    code = next(part for part in found.segments if part.executable)
    page = code.offset & ~0xFFF
    lines = ["1000000-1009000 r--p 00000000 1:0 5 /x.so"]
    lines += [f"{base + 0x2000:x}-{base + 0x3000:x} r-xp {page:08x} 1:0 5 /x.so" for base in (0x2000000, 0x3000000)]
    (module,) = locate_modules(parse_maps("\n".join(lines)))
    assert locate_biases(found, module) == (0x2000000, 0x3000000)


def test_a_program_linked_at_its_place_has_no_bias() -> None:
    """A program for a fixed address has bias 0, and none where it is mapped anywhere else."""
    found = parse_elf(reader(elf(LIBRARY, kind=2)))
    code = next(part for part in found.segments if part.executable)
    page = code.offset & ~0xFFF
    (there, elsewhere) = (
        locate_modules(parse_maps(f"{base + 0x2000:x}-{base + 0x3000:x} r-xp {page:08x} 1:0 5 /x"))[0] for base in (0, 0x1000000)
    )
    assert locate_biases(found, there) == (0,)
    assert locate_biases(found, elsewhere) == ()
    high = parse_elf(reader(elf([Part(part.address + 0x400000, part.data, part.flags) for part in LIBRARY], kind=3)))
    assert locate_biases(high, there) == ()  # nothing is loaded below where it was linked
    without_code = parse_elf(reader(elf([Part(0, b"x", READ)])))
    assert locate_biases(without_code, there) == ()


def test_this_process_is_read_right() -> None:
    """The C library of this very process: its bias leads from its code in the file to the same code in memory."""
    path = next(module.path for module in locate_modules(mappings(os.getpid())) if Path(module.path).name.startswith("libc.so"))
    descriptor = os.open(path, os.O_RDONLY)
    second = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)  # mapped once more, to be read only
    (module,) = (found for found in locate_modules(mappings(os.getpid())) if found.path == path)
    found = parse_elf(lambda offset, size: os.pread(descriptor, size, offset))
    biases = locate_biases(found, module)
    second.close()
    code = next(part for part in found.segments if part.executable)
    assert len(biases) == 1
    assert ctypes.string_at(biases[0] + code.address, 256) == found.read_address(code.address, 256)
    os.close(descriptor)


def test_images_are_looked_for_in_anonymous_memory_only() -> None:
    """ELF headers are looked for where no file and none of the kernel's own mappings lie."""
    asked: list[int] = []

    def read_memory(address: int, size: int) -> bytes:
        asked.append(address)
        return b"\x7fELF"[:size] if address == 0x490000 else b""

    assert locate_images(parse_maps(MAPS), read_memory) == (0x490000,)
    assert asked == [0x490000]


def test_lines_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that comes line by line is bounded as one that is held at once."""
    monkeypatch.setattr("cgtune.runtimes.go.program.mappings._MOST_LINES", 3)
    with pytest.raises(Malformed, match="more than 3 memory mappings"):
        parse_map_lines(split_lines((MAPS,)))


EXE = "55d0-55d8 r-xp 00002000 fe:01 11                    /usr/bin/sleep\n"
LIB = "7f00-7f10 r-xp 00028000 fe:01 22                    /lib/libc.so.6\n"
DATA = "7f10-7f20 rw-p 00030000 fe:01 22                    /lib/libc.so.6\n7f20-7f30 rw-p 00000000 00:00 0 \n"
VDSO = "7ffd-7ffe r-xp 00000000 00:00 0                          [vdso]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (EXE + LIB + DATA + VDSO, [EXE, LIB]),
        ("", []),
        (DATA, []),
        (EXE.replace("r-xp", "rwxp"), [EXE]),
        (EXE.replace("sleep", "sleep (deleted)"), [EXE.replace("sleep", "sleep (deleted)")]),
        (EXE + "7f20-7f30 r-xp 00000000 00:00 0 \n", None),  # made on the spot, or unpacked
        (EXE + "7f20-7f30 r-xp 00000000 00:00 0                 [anon:x]\n", None),
        (EXE + "7f20-7f30 r-xp 00000000 00:01 9                 /memfd:upx (deleted)\n", None),
        (EXE + "7f20-7f30 r-xp 00000000 00:01 9                 /dev/zero (deleted)\n", None),
        (EXE + LIB.replace("r-xp", "r-xs"), None),
        (EXE + "7f20-7f30 r-xp", [EXE]),
        (EXE + "7f20-7f30 r-xp 00", None),
        (EXE.replace("sleep", "a xp 0 0 1 /b") + LIB, None),
        ("r-xp a\n", None),
    ],
)
def test_the_code_that_a_process_maps(text: str, told: list[str] | None) -> None:
    """Every mapping of a file's code, and None if there is code that no file tells of."""
    found = parse_code(text)
    assert (found and list(found[0])) == (told and [line.rstrip("\n").split(" ", 2)[2] for line in told])


@pytest.mark.parametrize("text", [EXE + LIB + DATA + VDSO, DATA.replace("7f", "6f") + EXE + LIB, EXE, LIB + EXE.replace("r-xp", "--xp")])
def test_the_short_way_gives_what_the_long_one_does(text: str) -> None:
    """Of a process without code that no file backs; what may be an image is not asked about there."""
    assert parse_code_mappings(text) == tuple(mapping for mapping in parse_maps(text) if mapping.inode)


def test_the_short_way_on_real_processes() -> None:
    """Of every process of this machine that can be read, and is not changed meanwhile. What may be an image is not asked about there."""
    compared = 0
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            text = path.read_text(errors="surrogateescape")
            short = parse_code_mappings(text)
            if short is not None and text == path.read_text(errors="surrogateescape"):
                long = (mapping for mapping in parse_maps(text) if mapping.inode and not mapping.path.startswith(MEMORY_PATHS))
                assert short == tuple(long)
                compared += bool(short)
    assert compared
