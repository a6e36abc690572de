"""Live words: what a running program says of itself, read from outside; and nothing at all where it could be wrong."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Unreadable
from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.observed.layout import LiveLayout, locate_live_words
from cgtune.runtimes.go.observed.live import LiveWords, read_live_words
from cgtune.runtimes.go.program.buildinfo import read_build_info
from cgtune.runtimes.go.program.version import parse_version
from tests.support import goprograms, toolchains
from tests.support.elfs import reader
from tests.support.examples import drawn
from tests.support.goprocess import memory, open_limit_files, read_images, read_runtimes
from tests.support.goprograms import LibraryHost, Probe, build, build_unpacker
from tests.support.needs import require

pytestmark = pytest.mark.fetched

NO_LIMIT = 9223372036854775807
# A quick share of the matrix: each way to find the words, on both sides of each change in Go. scripts/live-matrix runs all of it.
QUICK = [
    ("1.21.13", "sw"),
    ("1.24.11", "pie-sw"),
    ("1.25.5", "plain"),
    ("1.25.5", "cgo-pie-strip"),
    ("1.26.6", "strip"),
    ("1.27.3", "pie"),
    ("1.27.3", "sw"),
    ("1.27.3", "cgo-pie-sw"),
]
COMMANDS = (
    "report",
    "gomaxprocs 7",
    "memlimit 123456789",
    "gogc 55",
    "gogc -1",
    "gc",
    "gogc 0",
    "memlimit 0",
    f"memlimit {NO_LIMIT}",
    "gogc 100",
)


def _need(version: str) -> None:
    require(goprograms.is_present(version), f"needs Go {version} in the cache: scripts/toolchain {version}")


def check_against(probe: Probe, words: LiveWords) -> None:
    """The words equal what the program just said of itself."""
    said = probe.values
    assert words.notes == ()
    assert (words.gomaxprocs, words.cpus_at_start) == (said["gomaxprocs"], said["num_cpu"])
    assert (words.memory_limit_bytes, words.gc_percent) == (said["memory_limit"], said["gc_percent"])
    assert words.mapped_bytes is not None
    assert abs(words.mapped_bytes - said["mapped"]) < 2 << 20  # it goes on running


@pytest.mark.parametrize(("version", "mode"), QUICK)
def test_words_equal_what_the_program_says(version: str, mode: str) -> None:
    """GOMAXPROCS, memory limit, GC percentage and whether GOMAXPROCS was pinned are the program's own, before and after each change."""
    _need(version)
    aware = version >= "1.25"
    with Probe(build(version, mode, language="1.25" if aware else "1.21")) as probe:
        for command in COMMANDS:
            probe.ask(command)
            (runtime,) = read_runtimes(probe.pid)
            check_against(probe, runtime.words)
            assert runtime.words.pinned is ((command != "report") if aware else None)
            assert (runtime.words.container_setting, runtime.words.updates) == (aware, aware)
            assert runtime.words.limit_fds == open_limit_files(probe.pid)
            if command == "gc":  # and GOGC is off: no other collection comes between
                assert runtime.words.heap_marked_bytes == probe.values["heap_marked"]


@pytest.mark.parametrize(
    ("environment", "setting", "updates"),
    [
        ({}, True, True),
        ({"GODEBUG": "containermaxprocs=0"}, False, True),
        ({"GODEBUG": "updatemaxprocs=0"}, True, False),
        ({"GODEBUG": "containermaxprocs=-1,updatemaxprocs=-1"}, False, True),
        ({"GODEBUG": "containermaxprocs=2,updatemaxprocs=2"}, True, True),
    ],
)
@pytest.mark.parametrize(("version", "mode"), [("1.25.5", "sw"), ("1.27.3", "plain")])
def test_awareness_and_updates_are_read(version: str, mode: str, environment: dict[str, str], setting: bool, updates: bool) -> None:
    """Which of the two GODEBUG settings is in force shows in memory; with awareness off no limit file is obeyed."""
    _need(version)
    with Probe(build(version, mode, language="1.25"), environment=environment) as probe:
        (runtime,) = read_runtimes(probe.pid)
        assert (runtime.words.container_setting, runtime.words.updates, runtime.words.pinned) == (setting, updates, False)
        open_limits = open_limit_files(probe.pid)
        assert (runtime.words.container_aware, runtime.words.limit_fds) == (bool(open_limits), open_limits)
        assert setting or not open_limits


def test_a_default_asked_for_again_is_no_longer_pinned() -> None:
    """Pinned by the environment, and no more after SetDefaultGOMAXPROCS."""
    _need("1.25.5")
    with Probe(build("1.25.5", "sw", language="1.25"), environment={"GOMAXPROCS": "5"}) as probe:
        assert read_runtimes(probe.pid)[0].words.pinned is True
        probe.ask("default")
        assert read_runtimes(probe.pid)[0].words.pinned is False


def test_each_library_has_a_runtime_of_its_own(tmp_path: Path) -> None:
    """Three Go libraries of different versions in one Python: each is found, and each has its own values."""
    for version in ("1.21.13", "1.25.5", "1.27.3"):
        _need(version)
    copy = tmp_path / "copy.so"  # one of them deleted from the disk afterwards, as an upgrade does
    shutil.copy(build("1.25.5", "shared-sw", language="1.25"), copy)
    libraries = (build("1.21.13", "shared"), build("1.27.3", "shared-sw", language="1.25"), copy)
    with LibraryHost(*libraries, environment={"GOMAXPROCS": "5"}) as host:
        said = [host.ask("0 gomaxprocs 3"), host.ask("1 memlimit 5000000000"), host.ask("2 gogc 33")]
        found = {runtime.path: runtime for runtime in read_runtimes(host.pid)}
        assert len(found) == 3
        for library, values in zip(libraries, said, strict=True):
            words = found[str(library)].words
            assert (words.gomaxprocs, words.memory_limit_bytes, words.gc_percent) == (
                values["gomaxprocs"],
                values["memory_limit"],
                values["gc_percent"],
            )


def test_a_replaced_executable_is_read_as_it_runs(tmp_path: Path) -> None:
    """A program whose file was replaced and deleted since is read through its own executable, not through what lies at its path now."""
    _need("1.27.3")
    program = tmp_path / "program"
    shutil.copy(build("1.27.3", "pie-sw", language="1.25"), program)
    with Probe(program, "memlimit 123456789") as probe:
        other = tmp_path / "other"
        other.write_bytes(b"#!/bin/sh\n")
        other.replace(program)
        (runtime,) = read_runtimes(probe.pid)
        check_against(probe, runtime.words)
        program.unlink()
        assert read_runtimes(probe.pid)[0].words.memory_limit_bytes == 123456789


@pytest.mark.parametrize(("version", "mode"), [("1.21.13", "sw"), ("1.27.3", "plain")])
def test_a_packed_program_is_found_in_memory(version: str, mode: str) -> None:
    """A program that unpacked itself into anonymous memory, with no file behind it, is found there and read."""
    _need(version)
    environment = {"UNPACK": str(build(version, mode)), "GOMAXPROCS": "5", "GOMEMLIMIT": "77777777"}
    with Probe(build_unpacker(), environment=environment) as probe:
        assert read_runtimes(probe.pid) == []
        (runtime,) = read_images(probe.pid)
        assert runtime.info.version == f"go{version}"
        check_against(probe, runtime.words)


def test_the_smallest_program_can_be_read() -> None:
    """A program that leaves out all it can still has what we look for."""
    _need("1.27.3")
    program = build("1.27.3", "sw", package="./minimal")
    with subprocess.Popen([program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={"GOMAXPROCS": "3"}) as process:
        assert process.stderr is not None
        process.stderr.readline()
        words = read_runtimes(process.pid)[0].words
        assert (words.gomaxprocs, words.memory_limit_bytes, words.gc_percent, words.pinned) == (3, "off", 100, True)
        process.kill()


def test_a_program_that_has_not_started_has_no_values() -> None:
    """Stopped at its very first instruction, a program's words are all zero, and none of them is reported."""
    _need("1.25.5")
    libc = ctypes.CDLL(None)
    child = subprocess.Popen([build("1.25.5", "sw")], preexec_fn=lambda: libc.ptrace(0, 0, 0, 0))  # noqa: PLW1509  # PTRACE_TRACEME
    try:
        os.waitpid(child.pid, 0)  # the stop that exec makes
        (runtime,) = read_runtimes(child.pid)
        assert runtime.words == LiveWords(notes=("the Go runtime has not started yet",))
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()


def _static_layout(version: str, mode: str, *, said: str | None = None, change: Callable[[bytes], bytes] = lambda data: data) -> LiveLayout:
    """The layout from the file alone, as if loaded at its linked addresses."""
    elf = parse_elf(reader(change(build(version, mode).read_bytes())))
    info = read_build_info(elf)
    assert info is not None
    return locate_live_words(elf, info.go if said is None else parse_version(said), bias=0, read_memory=elf.read_address)


@pytest.mark.parametrize("mode", ["sw", "plain"])
def test_a_constant_that_reads_as_an_instruction_misleads_nobody(mode: str) -> None:
    """Ahead of the load looked for lie bytes that look like one from outside of the program: the words are found all the same."""
    right = _static_layout("1.27.3", mode)
    assert right.proof is not None

    def mislead(data: bytes) -> bytes:
        begin = data.index(right.proof[1])  # type: ignore[index]  # of procresize
        return data[:begin] + bytes.fromhex("8b059ec02844") + data[begin + 6 :]  # mov 0x4428c09e(%rip),%eax

    misled = _static_layout("1.27.3", mode, change=mislead)
    assert misled.notes == ()
    assert _addresses(misled) == _addresses(right)


def _addresses(layout: LiveLayout) -> dict[str, object]:
    return {name: getattr(layout, name) for name in LiveLayout._fields if name not in ("proof", "notes")}


@pytest.mark.parametrize(
    ("version", "whole", "stripped"),
    [
        *(
            (version, whole, stripped)
            for version in ("1.21.13", "1.25.5", "1.27.3")
            for whole, stripped in (("plain", "sw"), ("pie", "pie-sw"))
        ),
        ("1.21.13", "arm64", "arm64-sw"),
        ("1.25.5", "arm64-pie", "arm64-pie-sw"),
        ("1.27.3", "arm64", "arm64-sw"),
    ],
)
def test_code_leads_to_the_same_words_as_symbols(version: str, whole: str, stripped: str) -> None:
    """In a stripped program, for amd64 and for arm64, the code leads to the very places that the symbols of the same program name."""
    _need(version)
    found = _static_layout(version, whole)
    assert found.notes == ()
    assert None not in {found.gomaxprocs, found.cpus_at_start, found.controller, found.memory_limit, found.heap_free}
    # Nothing moves when only the type of the section .symtab changes: then nobody takes it for a symbol table
    hidden = _hide_symbols(build(version, whole).read_bytes())
    blind = _static_layout(version, whole, change=lambda data: data.replace(*hidden))
    assert _addresses(blind) == _addresses(found)
    assert blind.notes == ()
    missing = {name for name, value in _addresses(_static_layout(version, stripped)).items() if value is None}
    assert missing == (set() if version >= "1.25" else {"pinned", "container_files", "limit_fds", "container_setting", "update_setting"})


def _hide_symbols(data: bytes) -> tuple[bytes, bytes]:
    """The section header of .symtab, and the same with another type."""
    start, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    rows = (data[start + 64 * at : start + 64 * at + 64] for at in range(count))
    (row,) = (row for row in rows if struct.unpack_from("<I", row, 4)[0] == 2)  # SHT_SYMTAB
    return row, row[:4] + struct.pack("<I", 1) + row[8:]


@pytest.mark.parametrize("mode", ["plain", "sw", "pie-sw", "arm64-sw"])
def test_a_newer_go_is_read_where_two_ways_agree(mode: str) -> None:
    """A version that nobody has checked is read all the same when its words are found in two ways that agree."""
    _need("1.27.3")
    known, newer = _static_layout("1.27.3", mode), _static_layout("1.27.3", mode, said="go1.31.0")
    assert _addresses(newer) == _addresses(known) | {"activity": None}  # which follows from distances that somebody has to have checked


def test_a_newer_go_with_one_way_only_is_not_read() -> None:
    """A version that nobody has checked and whose GOMAXPROCS only one function leads to has none, with a note."""
    _need("1.27.3")

    def change(data: bytes) -> bytes:
        data = data.replace(b"\0runtime.GOMAXPROCS\0", b"\0runtime.GOMAXPROCX\0")
        return data.replace(b".sysmonUpdateGOMAXPROCS\0", b".sysmonUpdateGOMAXPROCX\0")

    assert _static_layout("1.27.3", "sw", change=change).gomaxprocs is not None
    layout = _static_layout("1.27.3", "sw", said="go1.31.0", change=change)
    assert layout.gomaxprocs is None
    assert any(note.startswith("gomaxprocs: found in one way only, which is not enough") for note in layout.notes)


def test_all_words_that_are_missing_for_one_reason_share_a_note() -> None:
    """An old Go whose version was scrambled has none of the words of 1.25: one note says so, and not that one way found them."""
    _need("1.21.13")
    layout = _static_layout("1.21.13", "sw", said="unknown")
    assert layout.gomaxprocs is not None
    missed = [note for note in layout.notes if "in a version of Go that was never checked" in note]
    assert [note.partition(": ")[2] for note in missed] == ["not found in a version of Go that was never checked"]
    assert missed[0].split(":")[0].split(", ")[0] == "numCPUStartup"


def test_scrambled_names_leave_nothing_to_find() -> None:
    """A program whose function names are not Go's own (as garble leaves them) has no values, and a note says why."""
    _need("1.27.3")
    layout = _static_layout("1.27.3", "sw", change=lambda data: data.replace(b"runtime.", b"scrambl."))
    assert set(_addresses(layout).values()) <= {None, True}
    assert any("names scrambled?" in note for note in layout.notes)
    assert read_live_words(layout, bias=0, read_memory=lambda *_: b"").gomaxprocs is None


@pytest.mark.parametrize(("version", "mode", "said"), [("1.27.3", "386", None), ("1.27.3", "s390x", None), ("1.27.3", "sw", "go1.17.13")])
def test_what_is_not_covered_says_so(version: str, mode: str, said: str | None) -> None:
    """32-bit, big-endian and too old programs have no values and one note."""
    _need(version)
    layout = _static_layout(version, mode, said=said)
    assert layout.gomaxprocs is None
    assert len(layout.notes) == 1
    words = read_live_words(layout, bias=0, read_memory=lambda _, size: bytes(size))
    assert words == LiveWords(notes=layout.notes)


def test_another_machine_is_read_by_its_symbols() -> None:
    """A 64-bit program for a machine whose code we cannot read is located by its symbol table."""
    _need("1.27.3")
    layout = _static_layout("1.27.3", "riscv64")
    assert None not in {layout.gomaxprocs, layout.controller, layout.pinned, layout.container_files, layout.limit_fds, layout.memory_limit}


@pytest.mark.parametrize(
    ("mode", "place", "said"),
    [
        pytest.param("plain", lambda address: address + 4, "gomaxprocs: symbols and code disagree", id="not where the code says"),
        pytest.param("riscv64", lambda address: address + 2, "gomaxprocs cannot be at", id="no place for a number"),
        pytest.param("riscv64", lambda _: 0x20000, "gomaxprocs cannot be at", id="among the code"),
    ],
)
def test_a_symbol_that_lies_is_not_believed(mode: str, place: Callable[[int], int], said: str) -> None:
    """A symbol that the code contradicts, or that names no place for a variable, gives no value but a note."""
    _need("1.27.3")
    address = _static_layout("1.27.3", mode).gomaxprocs
    assert address is not None

    def change(data: bytes) -> bytes:
        row = struct.pack("<QQ", address, 4)  # st_value and st_size
        assert data.count(row) == 1
        return data.replace(row, struct.pack("<QQ", place(address), 4))

    layout = _static_layout("1.27.3", mode, change=change)
    assert layout.gomaxprocs is None
    assert [note for note in layout.notes if note.startswith(said)]


@pytest.fixture(scope="module")
def probe_state() -> tuple[LiveLayout, dict[int, int]]:
    """A layout, and the words of a healthy process: address to byte."""
    layout = LiveLayout(
        proof=(0x1000, b"code" * 12),
        gomaxprocs=0x2000,
        cpus_at_start=0x2004,
        controller=0x3000,
        memory_limit=8,
        heap_free=288,
        pinned=0x4000,
        container_files=0x4001,
        limit_fds=0x4010,
        container_setting=0x4004,
        update_setting=0x4008,
    )
    controller = bytearray(400)
    struct.pack_into("<i4xqQ", controller, 0, 55, 123456789, (4 << 20) * 55 // 100)
    struct.pack_into("<Q", controller, 104, 2000)
    struct.pack_into("<Q", controller, 152, 1000)
    struct.pack_into("<QQQQ", controller, 288, 10, 20, 30, 4000)
    memory = {}
    words = [
        (0x1000, b"code" * 12),
        (0x2000, struct.pack("<ii", 7, 8)),
        (0x3000, bytes(controller)),
        (0x4000, struct.pack("<BB2xii4x3q", 1, 1, 1, 1, 1, 5, 6)),
    ]
    for address, data in words:
        memory.update({address + at: byte for at, byte in enumerate(data)})
    return layout, memory


def _read_with(state: tuple[LiveLayout, dict[int, int]], address: int, data: bytes) -> LiveWords:
    layout, memory = state
    changed = memory | {address + at: byte for at, byte in enumerate(data)}

    def read_memory(start: int, size: int) -> bytes:
        out = []
        for at in range(start, start + size):
            if at not in changed:
                break
            out.append(changed[at])
        return bytes(out)

    return read_live_words(layout, bias=0, read_memory=read_memory)


def test_a_healthy_process_gives_every_word(probe_state: tuple[LiveLayout, dict[int, int]]) -> None:
    """The ground that the next test stands on: nothing changed, every word is there."""
    words = _read_with(probe_state, 0x9000, b"")
    assert (words.gomaxprocs, words.cpus_at_start, words.memory_limit_bytes, words.gc_percent) == (7, 8, 123456789, 55)
    assert (words.heap_live_bytes, words.heap_marked_bytes, words.mapped_bytes) == (2000, 1000, 4000)
    assert (words.pinned, words.container_aware, words.container_setting, words.updates, words.notes) == (True, True, True, True, ())
    assert words.limit_fds == (5, 6)
    assert _read_with(probe_state, 0x3000 + 152, bytes(8)).heap_marked_bytes is None  # no collection yet


@pytest.mark.parametrize("least", [4 << 20, 512 << 10])
def test_the_heap_minimum_proves_the_struct(probe_state: tuple[LiveLayout, dict[int, int]], least: int) -> None:
    """Go's own least heap, and that of GOEXPERIMENT=heapminimum512kib, times the percentage; nothing else will do."""
    for minimum, percent in ((least * 55 // 100, 55), (least, None)):
        assert _read_with(probe_state, 0x3010, struct.pack("<Q", minimum)).gc_percent == percent
    below = struct.pack("<i4xqQ", -2, 5, (least * ((1 << 64) - 2)) % (1 << 64) // 100)
    assert _read_with(probe_state, 0x3000, below).gc_percent is None  # it fits together, and Go keeps no less than -1


@pytest.mark.parametrize(
    ("aware", "version", "quota", "period", "fds"),
    [
        (1, 1, 0, 1, (0, 1)),
        (1, 2, 7, -1, (7,)),
        (1, 2, 0, -1, (0,)),
        (0, 0, 0, 0, ()),
        (0, 2, 7, -1, ()),
        (1, 0, 0, 0, None),
        (1, 3, 5, 6, None),
        (1, 1, 5, -1, None),
        (1, 1, -1, 5, None),
        (1, 2, -1, -1, None),
        (1, 2, 7, 8, None),
        (1, 2, 1 << 40, -1, None),
        (1, 1, 5, 1 << 31, None),
    ],
)
def test_the_descriptors_of_the_limit_files(
    probe_state: tuple[LiveLayout, dict[int, int]], aware: int, version: int, quota: int, period: int, fds: tuple[int, ...] | None
) -> None:
    """Two for cgroup v1, one for v2, none where the runtime holds none; anything else is not known, and a note says so."""
    words = _read_with(probe_state, 0x4001, struct.pack("<B2xii4x3q", aware, 1, 1, version, quota, period))
    assert (words.limit_fds, words.container_aware) == (fds, bool(aware))
    assert len(words.notes) == (fds is None)


@pytest.mark.parametrize(
    ("name", "address", "data", "lost"),
    [
        ("other code", 0x1000, b"!", set(LiveWords._fields) - {"notes"}),
        ("not started", 0x2000, bytes(4), set(LiveWords._fields) - {"notes"}),
        ("negative GOMAXPROCS", 0x2000, struct.pack("<i", -1), {"gomaxprocs"}),
        ("impossible GOMAXPROCS", 0x2000, struct.pack("<i", 1 << 30), {"gomaxprocs"}),
        ("no CPUs", 0x2004, struct.pack("<i", 0), {"cpus_at_start"}),
        (
            "GOGC and its product at odds",
            0x3000,
            struct.pack("<i", 56),
            {"gc_percent", "memory_limit_bytes", "heap_live_bytes", "heap_marked_bytes", "mapped_bytes"},
        ),
        (
            "GOGC below off",
            0x3000,
            struct.pack("<i", -2),
            {"gc_percent", "memory_limit_bytes", "heap_live_bytes", "heap_marked_bytes", "mapped_bytes"},
        ),
        ("negative limit", 0x3008, struct.pack("<q", -5), {"memory_limit_bytes"}),
        ("more marked than mapped", 0x3000 + 152, struct.pack("<Q", 5000), {"heap_live_bytes", "heap_marked_bytes", "mapped_bytes"}),
        ("nothing mapped", 0x3000 + 312, bytes(8), {"heap_live_bytes", "heap_marked_bytes", "mapped_bytes"}),
        ("a flag of 7", 0x4000, b"\x07", {"pinned"}),
        ("another flag of 255", 0x4001, b"\xff", {"container_aware", "limit_fds"}),
        ("limit files of no version", 0x4010, bytes(8), {"limit_fds"}),
    ],
)
def test_what_cannot_be_is_none(
    probe_state: tuple[LiveLayout, dict[int, int]], name: str, address: int, data: bytes, lost: set[str]
) -> None:
    """A word that cannot be right is None with a note, and the others still stand."""
    healthy, words = _read_with(probe_state, 0x9000, b""), _read_with(probe_state, address, data)
    for field in LiveWords._fields[:-1]:
        assert getattr(words, field) == (None if field in lost else getattr(healthy, field)), name
    assert words.notes


def test_memory_that_is_not_there_is_none(probe_state: tuple[LiveLayout, dict[int, int]]) -> None:
    """Words whose pages cannot be read are None with a note each; a process that is gone has one note."""
    layout, memory = probe_state
    kept = {address: byte for address, byte in memory.items() if address < 0x3000}
    words = _read_with((layout, kept), 0x9000, b"")
    assert (words.gomaxprocs, words.gc_percent, words.memory_limit_bytes, words.pinned) == (7, None, None, None)
    assert len(words.notes) == 5
    gone = _read_with((layout, {}), 0x9000, b"")
    assert gone == LiveWords(notes=("live values not read: the memory of the process is gone: it ended",))


def test_a_process_that_became_another_program_is_not_misread() -> None:
    """Where the words of one executable lie says nothing in the memory of another: after an exec nothing is reported but why."""
    for version in ("1.25.5", "1.27.3"):
        _need(version)
    with Probe(build("1.25.5", "sw", language="1.25")) as before, Probe(build("1.27.3", "sw", language="1.25")) as after:
        layout = read_runtimes(before.pid)[0].layout
        with memory(after.pid) as read_memory:
            words = read_live_words(layout, bias=0, read_memory=read_memory)
    assert words == LiveWords(notes=words.notes)
    assert len(words.notes) == 1
    assert "started another program" in words.notes[0]


def test_a_process_that_ended_midway_has_no_values() -> None:
    """A process that ends between finding the words and reading them has none, and a note says that it ended."""
    _need("1.25.5")
    with Probe(build("1.25.5", "sw", language="1.25")) as probe:
        (runtime,) = read_runtimes(probe.pid)
        with memory(probe.pid) as read_memory:
            probe.ask("report")
            probe.process.kill()
            probe.process.wait()
            words = read_live_words(runtime.layout, bias=runtime.bias, read_memory=read_memory)
    assert words == LiveWords(notes=("live values not read: the memory of the process is gone: it ended",))


def test_memory_that_may_not_be_read_is_the_readers_error() -> None:
    """What the reader raises where a privilege is missing reaches the caller as it is, with the name of the privilege."""
    _need("1.25.5")

    def denied(_: int, size: int) -> bytes:
        raise Unreadable(f"{size} bytes denied", privilege="CAP_SYS_PTRACE")

    with pytest.raises(Unreadable) as raised:
        read_live_words(_static_layout("1.25.5", "sw"), bias=0, read_memory=denied)
    assert raised.value.privilege == "CAP_SYS_PTRACE"


@drawn(3)
@given(st.integers(0, 0x4010), st.binary(min_size=1, max_size=64))
def test_any_memory_is_read_without_harm(address: int, data: bytes) -> None:
    """Whatever a process has in its memory, reading it raises nothing, and numbers stay within what can be."""
    layout = LiveLayout(gomaxprocs=0x2000, controller=0x3000, memory_limit=8, heap_free=320, pinned=0x4000, container_setting=0x4004)

    def read_memory(start: int, size: int) -> bytes:
        return (b"\x01" * 0x5000)[start : start + size].replace(b"\x01", data[:1])[: size - address % 3]

    words = read_live_words(layout, bias=address % 7, read_memory=read_memory)
    assert words.gomaxprocs is None or 1 <= words.gomaxprocs <= 1 << 20


def test_locating_reads_little_of_a_large_program() -> None:
    """Finding the words of the Go command itself, 12 MB and stripped, reads less than 8 MB and takes a few milliseconds."""
    _need("1.27.3")
    program = toolchains.goroot("1.27.3") / "bin" / "go"
    read = []
    with program.open("rb", buffering=0) as file:

        def read_at(offset: int, size: int) -> bytes:
            read.append(len(data := os.pread(file.fileno(), size, offset)))
            return data

        elf = parse_elf(read_at)
        info = read_build_info(elf)
        assert info is not None
        layout = locate_live_words(elf, info.go, bias=0, read_memory=elf.read_address)
    assert layout.gomaxprocs is not None
    assert layout.notes == ()
    assert sum(read) < 8 << 20


def test_offsets_that_are_not_known_cost_their_words_alone() -> None:
    """GOGC proves itself; the memory limit and the heap's counters stay open if the layout does not know where they stand."""
    controller = struct.pack("<i4xqQ", 50, 1 << 30, 2 << 20).ljust(352, b"\1")
    layout = LiveLayout(controller=0x3000, aware_version=False)
    words = read_live_words(layout, bias=0, read_memory=lambda address, size: controller[address - 0x3000 :][:size])
    assert (words.gc_percent, words.memory_limit_bytes, words.heap_live_bytes, words.mapped_bytes) == (50, None, None, None)
    assert words.notes == ("the heap's counters are not known in this version of Go",)
