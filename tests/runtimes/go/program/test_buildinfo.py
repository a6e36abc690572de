"""Build info: found in every shape of file that linkers make, and quickly absent elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import CgtuneError, Malformed
from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.program.buildinfo import read_build_info, read_go_program
from cgtune.runtimes.go.program.modinfo import BuildInfo
from tests.support import goprograms, toolchains
from tests.support.elfs import MAGIC, READ, RUN, WRITE, Named, Part, elf, framed, go_program, inline_record, pointer_record, reader, uvarint
from tests.support.needs import require

TEXT = (
    "path\texample.com/app/cmd\nmod\texample.com/app\tv1.2.3\th1:x=\n"
    "dep\tgo.uber.org/automaxprocs\tv1.6.0\th1:y=\ndep\ta.b/c\tv1.0.0\n=>\ta.b/c\tv1.0.1\th1:z=\ndep\td.e/f\tv0.1.0\n=>\t../f\t\n"
    'build\t-buildmode=exe\nbuild\t-ldflags="-s -w -X \\"main.a=b\\""\nbuild\t"odd key"=`raw\\n`\n'
    "build\tDefaultGODEBUG=containermaxprocs=0,updatemaxprocs=0\n"
    "build\tGOARCH=amd64\n"
)
MODINFO = framed(TEXT)


def _info(data: bytes) -> BuildInfo | None:
    found = read_go_program(reader(data))
    return None if found is None else found[1]


def _check(info: BuildInfo | None, version: str = "go1.25.5") -> None:
    assert info is not None
    assert info.version == version
    assert (info.path, info.main_module) == ("example.com/app/cmd", "example.com/app")
    assert info.modules == (("go.uber.org/automaxprocs", "v1.6.0"), ("a.b/c", "v1.0.0 => a.b/c v1.0.1"), ("d.e/f", "v0.1.0 => ../f"))
    assert dict(info.settings) == {
        "-buildmode": "exe",
        "-ldflags": '-s -w -X "main.a=b"',
        "odd key": "raw\\n",
        "DefaultGODEBUG": "containermaxprocs=0,updatemaxprocs=0",
        "GOARCH": "amd64",
    }


@pytest.mark.parametrize("sections", [True, False])
@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [64, 32])
def test_inline_records_are_read(bits: int, little: bool, kind: int, sections: bool) -> None:
    """A record of Go 1.18 and later is read in each class and byte order, with and without section headers."""
    record = inline_record("go1.25.5", MODINFO, pointer_bytes=bits // 8)
    _check(_info(go_program(record, bits=bits, little=little, kind=kind, sections=sections)))


@pytest.mark.parametrize("sections", [True, False])
@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [64, 32])
def test_pointer_records_are_read(bits: int, little: bool, sections: bool) -> None:
    """A record of Go 1.13 to 1.17 is read through its pointers, in each class and byte order."""
    record = pointer_record(0x600000, "go1.17.13", MODINFO, pointer_bytes=bits // 8, little=little)
    _check(_info(go_program(record, bits=bits, little=little, sections=sections)), "go1.17.13")


def test_the_section_may_lie_anywhere() -> None:
    """The record is found by its section's address where it is neither first in its segment nor in the first writable one."""
    record = inline_record("go1.25.5", MODINFO)
    parts = [
        Part(0x400000, b"\xc3" * 64, READ | RUN),
        Part(0x500000, b"x" * 99, READ | WRITE),
        Part(0x600000, b"y" * 320 + record, READ | WRITE),
    ]
    _check(_info(elf(parts, [Named(".text", 0x400000, 64), Named(".go.buildinfo", 0x600000 + 320, len(record))])))


def test_a_magic_off_its_alignment_is_a_constant_of_somebody_elses() -> None:
    """A program that carries the magic in its data, as readers of such records do, is searched on."""
    before = b"x" * 8 + MAGIC + b"\x08\x02" + b"x" * 8
    _check(_info(go_program(inline_record("go1.25.5", MODINFO), before=before, sections=False)))
    assert _info(go_program(b"", before=before, sections=False)) is None


def test_a_record_that_ends_with_its_magic_is_malformed() -> None:
    """The segment ends there: nothing behind it is read."""
    parts = [Part(0x400000, b"\xc3" * 64, READ | RUN), Part(0x600000, MAGIC, READ | WRITE)]
    with pytest.raises(Malformed):
        _info(elf(parts))


def test_a_program_full_of_empty_records_is_given_up() -> None:
    """Fifteen records that name no version are passed by; a sixteenth ends the search, so that nobody keeps us busy."""
    empty, record = (MAGIC + b"\x08\x02").ljust(48, b"\0"), inline_record("go1.25.5", MODINFO)
    _check(_info(go_program(record, before=empty * 15, sections=False)))
    assert _info(go_program(record, before=empty * 16, sections=False)) is None


@pytest.mark.parametrize(
    "modinfo",
    [b"", b"short", b"x" * 40, MODINFO[:-17] + b"x" + MODINFO[-16:]],
    ids=["none", "too short", "no frame", "no newline"],
)
def test_a_program_without_modules_is_still_gos(modinfo: bytes) -> None:
    """Without modinfo, or with one that is not framed, the version stands and everything else is empty."""
    for record in (inline_record("go1.25.5", modinfo), pointer_record(0x600000, "go1.25.5", modinfo)):
        info = _info(go_program(record))
        assert info is not None
        assert (info.version, info.path, info.main_module, info.modules, dict(info.settings)) == ("go1.25.5", "", "", (), {})


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [64, 32])
def test_modules_that_nobody_named_lie_behind_the_file(bits: int, little: bool) -> None:
    """Go 1.13 to 1.17 in GOPATH mode or under Bazel: the pointer to the modules leads to zeroes of .bss, as in bazelisk 1.7.5."""
    width = bits // 8
    pointers = slice(16 + width, 16 + 2 * width)
    record = bytearray(pointer_record(0x600000, "go1.15.2", MODINFO, pointer_bytes=width, little=little))
    behind = 0x600000 + len(record) + 64  # go_program ends its data there
    record[pointers] = behind.to_bytes(width, "little" if little else "big")
    info = _info(go_program(bytes(record), bits=bits, little=little))
    assert info is not None
    assert (info.version, info.path, info.modules, info.record) == ("go1.15.2", "", (), "read")
    record[pointers] = (behind + 256).to_bytes(width, "little" if little else "big")  # no memory of the program's
    with pytest.raises(Malformed, match="outside the file"):
        _info(go_program(bytes(record), bits=bits, little=little))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\necho\n",
        b"\x7fELF garbage",
        elf([Part(0x400000, b"\xc3" * 64, READ | RUN), Part(0x600000, b"data" * 64, READ | WRITE)], [Named(".text", 0x400000, 64)]),
    ],
    ids=["empty", "script", "broken ELF", "C program"],
)
def test_what_is_not_gos_is_none(data: bytes) -> None:
    """Scripts, broken files and other programs are no Go programs, and no error either."""
    assert _info(data) is None


@pytest.mark.parametrize(
    "record",
    [
        MAGIC + b"\x08\x02" + b"\0" * 16 + b"\xff" * 32,
        MAGIC + b"\x08\x02" + b"\0" * 16 + uvarint(1 << 40) + b"go1.25",
        MAGIC + b"\x08\x02" + b"\0" * 16 + uvarint(8) + b"go1.25.5" + uvarint(1 << 32) + b"x",
        MAGIC + b"\x08\x02" + b"\0" * 16 + uvarint(8) + b"go1.25.5" + uvarint(900_000) + b"x",
        MAGIC + b"\x07\x00" + b"\0" * 80,
        MAGIC + b"\x02\x00" + b"\0" * 80,
        MAGIC + b"\x08\x00" + (0x12345).to_bytes(8, "little") + b"\0" * 80,
        MAGIC
        + b"\x08\x00"
        + (0x600020).to_bytes(8, "little")
        + b"\0" * 8
        + (0x600020).to_bytes(8, "little")
        + (1 << 60).to_bytes(8, "little"),
        MAGIC + b"\x08\x00" + (0x600020).to_bytes(8, "little") + b"\0" * 8 + (0x99).to_bytes(8, "little") + (9).to_bytes(8, "little"),
    ],
    ids=[
        "length without end",
        "terabyte version",
        "4 GB of modules",
        "cut short",
        "pointers of 7 bytes",
        "pointers of 2 bytes",
        "pointer outside",
        "exabyte",
        "dangling",
    ],
)
def test_records_that_lie_are_malformed(record: bytes) -> None:
    """Lengths and pointers that do not hold are an error in one printable line, not a guess and not an allocation."""
    with pytest.raises(Malformed) as raised:
        _info(go_program(record))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("size", [0, 2, 7, 16])
def test_pointers_of_no_machine_are_said(size: int) -> None:
    """Pointers have 4 or 8 bytes; of others nothing is read, and the size is named."""
    with pytest.raises(Malformed, match=f"pointers of {size} bytes"):
        _info(go_program(MAGIC + bytes((size, 0)) + b"\0" * 80))


@given(st.binary(max_size=300), st.booleans())
def test_any_record_is_build_info_or_malformed(data: bytes, sections: bool) -> None:
    """Whatever stands behind the magic, the answer is build info, None or one of our errors."""
    lines = []
    for record in (MAGIC + data, MAGIC + b"\x08\x02" + b"\0" * 16 + data, inline_record("go1.25.5", framed("path\tx\n") + data), data):
        try:
            _info(go_program(record, sections=sections))
        except CgtuneError as error:
            lines.append(str(error))
    assert all(line.isprintable() for line in lines)


MODES = ("plain", "sw", "pie", "pie-sw", "trimpath", "cgo-pie-strip", "shared-sw", "arm64-pie-sw", "386", "s390x")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.fetched
def test_real_programs_say_what_go_says_of_them(mode: str) -> None:
    """Path, modules and settings equal those that ``go version -m`` prints, in at most 6 reads and 32 KiB."""
    require(goprograms.is_present("1.25.5"), "needs Go 1.25.5 in the cache: scripts/toolchain 1.25.5")
    program = goprograms.build("1.25.5", mode, language="1.21")
    reads: list[int] = []
    with program.open("rb", buffering=0) as file:

        def read_at(offset: int, size: int) -> bytes:
            reads.append(len(data := os.pread(file.fileno(), size, offset)))
            return data

        found = read_go_program(read_at)
    assert found is not None
    info = found[1]
    go = toolchains.goroot("1.25.5") / "bin" / "go"
    printed = subprocess.run(
        [go, "version", "-m", "-json", program], capture_output=True, check=True, env=toolchains.go_environment("1.25.5")
    )
    said = json.loads(printed.stdout)
    assert (info.version, info.path, info.main_module) == (said["GoVersion"], said["Path"], said["Main"]["Path"])
    assert dict(info.settings) == {setting["Key"]: setting.get("Value", "") for setting in said["Settings"]}
    assert "containermaxprocs=0" in dict(info.settings)["DefaultGODEBUG"]
    assert len(reads) <= 6
    assert sum(reads) <= 32 << 10


@pytest.mark.fetched
def test_section_headers_are_not_needed_in_real_programs(tmp_path: Path) -> None:
    """A real program whose section headers were wiped says the same as before."""
    require(goprograms.is_present("1.27.3"), "needs Go 1.27.3 in the cache: scripts/toolchain 1.27.3")
    data = bytearray(goprograms.build("1.27.3", "pie-sw", language="1.25").read_bytes())
    whole = read_build_info(parse_elf(reader(bytes(data))))
    data[40:48] = bytes(8)
    data[58:64] = bytes(6)
    assert whole is not None
    assert read_build_info(parse_elf(reader(bytes(data)))) == whole


def test_other_programs_of_this_machine_are_quickly_none() -> None:
    """The Python that runs this is no Go program, and finding out reads a few pages."""
    reads: list[int] = []
    with Path("/proc/self/exe").open("rb", buffering=0) as file:

        def read_at(offset: int, size: int) -> bytes:
            reads.append(len(data := os.pread(file.fileno(), size, offset)))
            return data

        assert read_go_program(read_at) is None
    assert sum(reads) <= 96 << 10
