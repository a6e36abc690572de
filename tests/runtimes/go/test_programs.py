"""Go runtimes in processes: the program's own, those of its libraries, a packed one; each file looked at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.model import Note
from cgtune.runtimes.go.observed.layout import LiveLayout
from cgtune.runtimes.go.program.buildinfo import read_go_program
from cgtune.runtimes.go.program.mappings import Module, parse_maps
from cgtune.runtimes.go.programs import GoRuntime, Known, OpenedFile, Turn, locate_runtimes, read_runtime_words
from tests.support import goprograms
from tests.support.elfs import framed, go_program, inline_record, reader
from tests.support.goprocess import mappings, memory
from tests.support.goprograms import LibraryHost, Probe, build, build_unpacker
from tests.support.needs import require

pytestmark = pytest.mark.fetched


class Opener:
    """Opens modules by their path and counts how often each was read."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.reads = 0

    def __call__(self, module: Module) -> OpenedFile:
        self.opened.append(module.path)
        status = os.stat(module.path)

        def read_at(offset: int, size: int) -> bytes:
            self.reads += 1
            with Path(module.path).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)

        return OpenedFile(identity=(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns), read_at=read_at)


@pytest.fixture(autouse=True)
def _toolchains() -> None:
    for version in ("1.21.13", "1.25.5", "1.27.3"):
        require(goprograms.is_present(version), f"needs Go {version} in the cache: scripts/toolchain {version}")


def test_two_processes_of_one_program_cost_one_look() -> None:
    """The second process of an executable is told without a read of its file, and its words without a search."""
    known, opener = Known(), Opener()
    program = build("1.25.5", "pie-sw", language="1.25")
    found: list[GoRuntime] = []
    with Probe(program, "gomaxprocs 3") as first, Probe(program, "gomaxprocs 5") as second:
        reads = []
        for probe, expected in ((first, 3), (second, 5)):
            runtimes, notes = locate_runtimes(mappings(probe.pid), opener, known)
            assert (len(runtimes), notes) == (1, ())
            with memory(probe.pid) as read_memory:
                assert read_runtime_words(runtimes[0], known, read_memory).gomaxprocs == expected
            found.append(runtimes[0])
            reads.append(opener.reads)
    assert reads[0] == reads[1] > 0
    assert found[0].info == found[1].info
    assert found[0].bias != found[1].bias  # each was loaded at a random address
    assert len(known.layouts) == 1


def test_every_library_of_a_process_is_a_runtime() -> None:
    """A Python with two Go libraries has two runtimes, with their own versions and values; Python and its libraries are none."""
    libraries = (build("1.21.13", "shared"), build("1.27.3", "shared-sw", language="1.25"))
    with LibraryHost(*libraries) as host:
        host.ask("0 gomaxprocs 3")
        host.ask("1 gomaxprocs 4")
        known, opener = Known(), Opener()
        runtimes, notes = locate_runtimes(mappings(host.pid), opener, known)
        assert notes == ()
        assert len(opener.opened) == len(set(opener.opened)) > 4
        with memory(host.pid) as read_memory:
            words = {runtime.info.version: read_runtime_words(runtime, known, read_memory).gomaxprocs for runtime in runtimes}
    assert words == {"go1.21.13": 3, "go1.27.3": 4}


def test_a_packed_program_is_found_where_memory_may_be_read() -> None:
    """A program that unpacked itself is found with ``read_memory`` and stays unseen without."""
    with Probe(build_unpacker(), environment={"UNPACK": str(build("1.27.3", "sw")), "GOMAXPROCS": "5"}) as probe, memory(probe.pid) as read:
        known = Known()
        assert locate_runtimes(mappings(probe.pid), Opener(), known) == ((), ())
        (runtime,), notes = locate_runtimes(mappings(probe.pid), Opener(), known, read_memory=read)
        assert (runtime.path, runtime.info.version, notes) == ("", "go1.27.3", ())
        assert read_runtime_words(runtime, known, read).gomaxprocs == 5
        assert known.layouts == {}


def test_a_process_without_go_is_no_runtime() -> None:
    """The Python that runs this has no Go runtime, in its files or in its memory."""
    with memory(os.getpid()) as read_memory:
        assert locate_runtimes(mappings(os.getpid()), Opener(), Known(), read_memory=read_memory) == ((), ())


def test_files_that_cannot_be_told_cost_a_note_each() -> None:
    """A file that may not be opened, and one whose build info lies, are notes; the others are still looked at."""
    files = {"/broken": go_program(b"\xff Go buildinf:\x08\x02" + b"\0" * 16 + b"\xff" * 32), "/text": b"no program"}

    def open_module(module: Module) -> OpenedFile:
        if module.path == "/denied":
            raise Unreadable("permission denied", privilege="CAP_SYS_PTRACE")
        return OpenedFile(identity=None, read_at=reader(files[module.path]))

    lines = "\n".join(f"{at}000-{at}fff r-xp 0 1:0 {at} {path}" for at, path in enumerate(("/denied", "/broken", "/text"), 1))
    runtimes, notes = locate_runtimes(parse_maps(lines), open_module, Known())
    assert runtimes == ()
    why = "cannot tell whether it is a Go program: permission denied"
    assert notes[0] == Note(path="/denied", why=why, privilege="CAP_SYS_PTRACE", kind="failed")
    assert [note.path for note in notes] == ["/denied", "/broken"]


def test_a_process_made_of_go_libraries_is_looked_at_so_far() -> None:
    """One that maps a Go library ten thousand times, or hundreds of them, costs a few looks; that there is more is a note."""
    program = go_program(inline_record("go1.27.3", framed("path\tx\n")), kind=3)
    opened: list[str] = []

    def open_module(module: Module) -> OpenedFile:
        opened.append(module.path)
        return OpenedFile(identity=module.path, read_at=reader(program))

    one = "\n".join(f"{at}00000-{at}02000 r-xp 0 1:0 7 /one" for at in range(10_000, 20_000))
    runtimes, notes = locate_runtimes(parse_maps(one), open_module, Known())
    assert (len(runtimes), notes) == (16, ())
    many = "\n".join(f"{at}00000-{at}02000 r-xp 0 1:0 {at} /{at}" for at in range(100, 900))
    runtimes, notes = locate_runtimes(parse_maps(many), open_module, Known())
    assert (len(runtimes), len(opened)) == (16, 17)
    assert [note.why for note in notes] == ["not looked at, nor what lies behind it: 16 Go runtimes were found before"]


def test_a_plugin_has_no_runtime_of_its_own() -> None:
    """Go plugins run on the runtime of the program that opened them: only that one is found."""
    records = {mode: inline_record("go1.27.3", framed(f"path\tx\nbuild\t-buildmode={mode}\n")) for mode in ("exe", "plugin", "c-shared")}
    files = {f"/{mode}": go_program(record, kind=3) for mode, record in records.items()}

    def open_module(module: Module) -> OpenedFile:
        return OpenedFile(identity=module.path, read_at=reader(files[module.path]))

    lines = "\n".join(f"{at}00000-{at}02000 r-xp 0 1:0 {at} {path}" for at, path in enumerate(files, 7))
    runtimes, notes = locate_runtimes(parse_maps(lines), open_module, Known())
    assert ([runtime.path for runtime in runtimes], notes) == (["/exe", "/c-shared"], ())


def test_where_nothing_was_located_the_next_process_is_searched_again() -> None:
    """A process that is looked at too early, before its loader has filled in its data, must not blind all later ones of that program."""
    found = read_go_program(reader(go_program(inline_record("go1.27.3", b""))))
    assert found is not None
    known = Known()
    runtime = GoRuntime(path="/app", deleted=False, identity="one", elf=found[0], info=found[1], bias=0)
    assert read_runtime_words(runtime, known, lambda _address, _size: b"").gomaxprocs is None
    assert known.layouts == {}


def test_what_is_known_does_not_grow_for_ever() -> None:
    """After thousands of files the oldest are forgotten, with what was located in them."""
    known = Known()
    for number in range(5000):
        known.remember(number, None)
        known.layouts[number] = LiveLayout()
    known.remember(None, None)
    assert len(known.files) == len(known.layouts) == 2048
    assert min(known.files) == min(known.layouts) == 5000 - 2048  # type: ignore[type-var]  # numbers here


def test_files_come_by_turns_and_keep_their_order() -> None:
    """The first file is the first in every look; of the others those that were left over before."""
    modules = tuple(Module(device="", inode=number, path=str(number), deleted=False, mappings=()) for number in range(5))
    assert [number for number, _ in Turn().order(modules)] == [0, 1, 2, 3, 4]
    assert [number for number, _ in Turn(3).order(modules)] == [0, 3, 4, 1, 2]
    assert [number for number, _ in Turn(9).order(modules)] == [0, 1, 2, 3, 4]
    assert Turn(2).order(()) == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_only_whoever_looks_again_speaks_of_a_next_look(*, goes_on: bool) -> None:
    """A command that looks once promises none."""
    turn = Turn(left=0, goes_on=goes_on)
    mapping = parse_maps("1000-2000 r-xp 00000000 fe:01 7   /lib/a.so\n")
    file = OpenedFile(identity="new", read_at=lambda _offset, _size: b"")
    _, (note,) = locate_runtimes(mapping, lambda _module: file, Known(), turn=turn)
    assert note.why.partition(" is used up")[2] == "; the next look goes on here" * goes_on
