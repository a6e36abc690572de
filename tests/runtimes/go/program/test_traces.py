"""A Go program without build info is read by the variables of its runtime; what smells of Go and tells nothing is an error."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cgtune.errors import Malformed
from cgtune.runtimes.go.program.buildinfo import read_go_program
from cgtune.runtimes.go.program.modinfo import BuildInfo, parse_build_info
from cgtune.runtimes.go.program.traces import _MOST_TEXTS, tell_record
from cgtune.runtimes.go.programs import read_program
from tests.support import goprograms, toolchains
from tests.support.command import inspect, run
from tests.support.elfs import MAGIC, READ, RUN, WRITE, Named, Part, elf, go_program, inline_record, reader
from tests.support.goprograms import Probe, build, build_unpacker
from tests.support.needs import require

NEWEST = toolchains.VERSIONS[-1]


def wipe(data: bytes, *, headers: bool = True) -> bytes:
    """The program without the magic of its build info, as a post-processor leaves it; ``headers`` False: without section headers too."""
    wiped = bytearray(data)
    found = wiped.find(MAGIC)
    while found >= 0:
        wiped[found : found + len(MAGIC)] = bytes(len(MAGIC))
        found = wiped.find(MAGIC)
    if not headers:
        at, size = ((40, 8), (60, 2)) if wiped[4] == 2 else ((32, 4), (48, 2))
        wiped[at[0] : at[0] + at[1]] = bytes(at[1])
        wiped[size[0] : size[0] + 2] = bytes(2)
        wiped[size[0] + 2 : size[0] + 4] = bytes(2)
    return bytes(wiped)


def _same(info: BuildInfo, whole: BuildInfo) -> bool:
    return (info.version, info.path, info.main_module, info.modules, info.settings) == (
        whole.version,
        whole.path,
        whole.main_module,
        whole.modules,
        whole.settings,
    )


@pytest.mark.fetched
@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("mode", ["plain", "sw", "pie", "pie-sw", "cgo-pie-strip", "shared-sw", "arm64-pie-sw", "386", "s390x"])
@pytest.mark.parametrize("version", ["1.21.13", "1.25.5", "1.27.3"])
def test_a_program_without_build_info_tells_the_same(version: str, mode: str, headers: bool) -> None:
    """Version, modules and settings are those of the build info that was removed, on every architecture, stripped or not."""
    require(goprograms.is_present(version), f"Go {version}: scripts/toolchain {version}")
    data = build(version, mode).read_bytes()
    whole, found = read_go_program(reader(data)), read_go_program(reader(wipe(data, headers=headers)))
    assert whole is not None
    assert found is not None
    assert (whole[1].record, found[1].record) == ("read", "empty" if headers else "missing")
    assert _same(found[1], whole[1])


@pytest.mark.fetched
def test_a_running_program_without_build_info_is_reported(tmp_path: Path) -> None:
    """inspect names its version, module and live GOMAXPROCS, and a note says why that is not from its build info."""
    require(goprograms.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    program = tmp_path / "server"
    program.write_bytes(wipe(build(NEWEST, "sw").read_bytes()))
    program.chmod(0o755)
    with Probe(program, environment={"GOMAXPROCS": "5"}) as probe:
        process = inspect(probe.pid)
    assert (process["kind"], process["go"]["version"], process["go"]["main_module"]) == ("go", NEWEST, "example.com/goprobe")
    assert process["settings"]["GOMAXPROCS"]["observed"] == 5
    assert any(note["why"].startswith("its section .go.buildinfo names no version: ") for note in process["notes"])


@pytest.mark.fetched
@pytest.mark.parametrize("memfd", ["", "1"])
def test_an_unpacked_program_without_build_info_is_reported(tmp_path: Path, memfd: str) -> None:
    """The same if the program is known from memory only, anonymous or a memfd as UPX 5 makes it."""
    require(goprograms.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    program = tmp_path / "server"
    program.write_bytes(wipe(build(NEWEST, "sw").read_bytes()))
    environment = {"UNPACK": str(program), "GOMAXPROCS": "5"} | ({"UNPACK_MEMFD": memfd} if memfd else {})
    with Probe(build_unpacker(), environment=environment) as probe:
        process = inspect(probe.pid)
    assert (process["go"]["version"], process["go"]["main_module"], process["go"]["path"]) == (NEWEST, "example.com/goprobe", "")
    assert process["settings"]["GOMAXPROCS"]["observed"] == 5


@pytest.mark.fetched
def test_two_versions_in_variables_are_none() -> None:
    """If another string variable holds a version, which is the program's is not known, and it is still a Go program."""
    data = wipe(build("1.27.3", "sw").read_bytes())
    found = read_program(reader(data))
    assert found is not None
    program, info = found
    assert info.version == "go1.27.3"
    part = next(part for part in program.segments if part.writable)
    strange = bytearray(data)
    # the name of a function of the runtime becomes a version, and the first words of the data its string header
    at = data.index(b"runtime.goexit\0")
    strange[at : at + 8] = b"go1.20.1"
    address = next(one.address + at - one.offset for one in program.segments if one.offset <= at < one.offset + one.file_bytes)
    strange[part.offset : part.offset + 16] = address.to_bytes(8, "little") + (8).to_bytes(8, "little")
    found = read_program(reader(bytes(strange)))
    assert found is not None
    assert (found[1].version, found[1].go, found[1].main_module) == ("unknown", None, "example.com/goprobe")


NOTE = b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0" + b"x" * 83


@pytest.mark.parametrize(
    "data",
    [
        elf([Part(0x400000, NOTE, READ | RUN), Part(0x600000, b"data" * 64, READ | WRITE)]),
        elf([Part(0x400000, b"\xc3" * 640, READ | RUN)], [Named(".text", 0x400000, 64), Named(".gopclntab", 0x400040, 64)]),
        go_program(inline_record("", b"")),
    ],
    ids=["packed, with a build ID", "a table that is none", "a record without a version"],
)
def test_what_smells_of_go_and_tells_nothing_is_an_error(data: bytes) -> None:
    """A file with a sign of Go's linker is never taken for no Go program in silence."""
    # the note lies in the first 4 KiB of a real file; that of the test's ELF file lies a page further
    whole = data[:200] + NOTE + data[200 + len(NOTE) :] if NOTE in data else data
    with pytest.raises(Malformed, match="neither build info nor a function table"):
        read_go_program(reader(whole))


@pytest.mark.parametrize("version", [0xFFFFFFFB, 0xFFFFFFFA])
def test_a_program_of_an_old_go_is_known_by_its_table(version: int) -> None:
    """Go before 1.13 wrote no build info at all: the table names it Go, and its version is not known if no variable tells it."""
    table = version.to_bytes(4, "little") + b"\0\0\x01\x08" + bytes(56)
    data = elf([Part(0x400000, table, READ | RUN), Part(0x600000, bytes(64), READ | WRITE)], [Named(".gopclntab", 0x400000, 64)])
    found = read_go_program(reader(data))
    assert found is not None
    assert (found[1].version, found[1].record) == ("unknown", "missing")


@pytest.mark.parametrize(
    ("version", "record", "said"),
    [
        (b"go1.12.5", "missing", "it has no build info, which Go writes since 1.13: "),
        (b"go1.13", "missing", "it has no build info: "),
        (b"unknown", "missing", "it has no build info: "),
        (b"go1.27.3", "empty", "its section .go.buildinfo names no version: "),
    ],
)
def test_no_more_is_said_of_missing_build_info_than_is_known(version: bytes, record: str, said: str) -> None:
    """An old Go wrote none and some linkers drop it: that it was removed is never said."""
    info = parse_build_info(version, b"").replace(record=record)
    assert tell_record(info).startswith(said)


@pytest.mark.parametrize(("before", "version"), [(1, "go1.12.1"), (_MOST_TEXTS, "unknown")])
def test_the_variables_that_are_looked_at_are_bounded(before: int, version: str) -> None:
    """The version is found among other texts, but not behind more than any program has."""
    code = b"\xfb\xff\xff\xff\0\0\x01\x08".ljust(64, b"\0") + b"go1.12.1" + b"another."
    strings = struct.pack("<QQ", 0x400048, 8) * before + struct.pack("<QQ", 0x400040, 8) + bytes(16)
    data = elf([Part(0x400000, code, READ | RUN), Part(0x600000, strings, READ | WRITE)], [Named(".gopclntab", 0x400000, 64)])
    found = read_go_program(reader(data))
    assert found is not None
    assert found[1].version == version


def test_a_c_program_costs_no_further_read() -> None:
    """A file with section headers and without a sign of Go costs as many reads as ever: header, section headers, names, data."""
    data = elf([Part(0x400000, b"\xc3" * 64, READ | RUN), Part(0x600000, b"d" * 9000, READ | WRITE)], [Named(".text", 0x400000, 64)])
    reads: list[tuple[int, int]] = []

    def read_at(offset: int, size: int) -> bytes:
        reads.append((offset, size))
        return data[offset : offset + size]

    assert read_go_program(read_at) is None
    assert len(reads) == 4


def test_check_gives_no_verdict_on_what_smells_of_go(tmp_path: Path) -> None:
    """A process whose file has a section of Go's linker and nothing that can be read: exit 3 with the reason, not a clean one."""
    import shutil
    import subprocess

    require(shutil.which("objcopy"), "objcopy: apt-get install binutils")
    program, text = tmp_path / "server", tmp_path / "text"
    text.write_bytes(b"x" * 64)
    subprocess.run(["objcopy", f"--add-section=.gopclntab={text}", shutil.which("sleep") or "/bin/sleep", program], check=True)
    with subprocess.Popen([program, "60"]) as process:
        try:
            done = run("check", "--pid", process.pid)
        finally:
            process.kill()
    assert done.returncode == 3
    assert "a section of Go's linker" in done.stderr
