"""What collector and scheduler count: as the program says, and nothing where the words do not prove themselves."""

from __future__ import annotations

import itertools
import os
import struct
import time

import pytest
from hypothesis import example, given, settings, strategies as st

from cgtune.model import GoLive
from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.observed.activity import ActivityLayout, locate_activity
from cgtune.runtimes.go.observed.counts import UNPROVEN, compute_heap_goal, read_counts
from cgtune.runtimes.go.program.functiontable import MAGIC_1_20
from cgtune.runtimes.go.program.version import parse_version
from tests.support import goprograms, toolchains
from tests.support.elfs import reader
from tests.support.goprocess import read_runtimes
from tests.support.goprograms import Probe, build
from tests.support.live_matrix import settle
from tests.support.needs import require

MIB = 1 << 20
NO_LIMIT = (1 << 63) - 1
# Each way in which the words lie, with and without symbols; scripts/live-matrix runs all of it.
QUICK = [("1.21.13", "pie"), ("1.22.10", "sw"), ("1.24.11", "plain"), ("1.25.5", "pie-sw"), ("1.26.6", "sw"), ("1.27.3", "plain")]


def _need(version: str) -> None:
    require(goprograms.is_present(version), f"needs Go {version} in the cache: scripts/toolchain {version}")


@pytest.mark.fetched
@pytest.mark.parametrize(("version", "mode"), QUICK)
def test_counts_are_what_the_program_says(version: str, mode: str) -> None:
    """Heap goal, collections, the collector's CPU time, goroutines, queues and idle Ps, before the first collection and later."""
    _need(version)
    with Probe(build(version, mode, language="1.25" if version >= "1.25" else "1.21"), environment={"GOMAXPROCS": "3"}) as probe:
        for command in ("report", "wait 200", "alloc 9000000", "wake", "gc", "memlimit 123456789", "gogc -1", f"memlimit {NO_LIMIT}"):
            probe.ask(command)
            found = settle(probe.ask, lambda: read_runtimes(probe.pid)[0].words)
            assert set(found.values()) == {None}, command


@pytest.mark.fetched
def test_a_busy_program_has_goroutines_in_its_queues() -> None:
    """20 that never end on 2 Ps: all Ps are taken, two of them run, the others wait, wherever their queue is."""
    _need("1.27.3")
    with Probe(build("1.27.3", "sw", language="1.25"), environment={"GOMAXPROCS": "2"}) as probe:
        idle = probe.values["goroutines"]
        probe.ask("burn 20")
        seen = []
        for _ in range(40):
            live = read_runtimes(probe.pid)[0].words.live
            assert live is not None
            seen.append((live.goroutines, live.queued_goroutines, live.idle_procs))
            time.sleep(0.02)
    counted = [each for each in seen if each[0] == idle + 20]
    assert len(counted) > 20  # each look spans two Ps that go on running
    assert any(queued is not None and 15 <= queued <= 20 and none_idle == 0 for _, queued, none_idle in counted)


def _controller(goal: int, *, least: int = 0, triggered: int = (1 << 64) - 1, marked: int = 0, free: int = 0, used: int = 0) -> bytes:
    data = bytearray(352)
    struct.pack_into("<3Q", data, 72, goal, least, triggered)
    struct.pack_into("<Q", data, 152, marked)
    struct.pack_into("<4Q", data, 288, free, used + 5, 5, free + used + 2 * MIB)  # 2 MiB that are no heap
    return bytes(data)


@pytest.mark.parametrize(
    ("controller", "limit", "goal"),
    [
        pytest.param(_controller(4 * MIB), NO_LIMIT, 4 * MIB, id="by the percentage"),
        pytest.param(_controller(4 * MIB, least=5 * MIB), NO_LIMIT, 5 * MIB, id="room to sweep"),
        pytest.param(_controller(4 * MIB, triggered=4 * MIB), NO_LIMIT, 4 * MIB + (64 << 10), id="it began late"),
        pytest.param(_controller((1 << 64) - 1), NO_LIMIT, "off", id="GOGC off and no limit"),
        pytest.param(_controller((1 << 64) - 1, used=10 * MIB), 102 * MIB, 97 * MIB, id="by the limit, less 3 %"),
        pytest.param(_controller((1 << 64) - 1, used=10 * MIB), 22 * MIB, 19 * MIB, id="by the limit, less 1 MiB"),
        pytest.param(_controller((1 << 64) - 1, used=20 * MIB), 17 * MIB, 9 * MIB, id="beyond the limit by 5 MiB"),
        pytest.param(_controller(50 * MIB, least=90 * MIB, used=10 * MIB), 22 * MIB, 19 * MIB, id="the limit knows no least"),
        pytest.param(_controller((1 << 64) - 1, used=10 * MIB, marked=MIB // 2), MIB, MIB // 2, id="nothing is left: what was alive"),
        pytest.param(
            _controller((1 << 64) - 1, marked=30 * MIB + 9, used=30 * MIB + 9), 33 * MIB, 30 * MIB + 9, id="no less than what was alive"
        ),
        pytest.param(_controller((1 << 64) - 1, used=MIB), 3 * MIB + 5, MIB, id="no less than the headroom"),
        pytest.param(_controller(MIB, used=-5), NO_LIMIT, None, id="freed more than allocated"),
    ],
)
def test_the_heap_goal_is_computed_as_the_runtime_does(controller: bytes, limit: int, goal: int | str | None) -> None:
    """Each branch of heapGoalInternal and memoryLimitHeapGoal."""
    assert compute_heap_goal(controller, limit) == goal


def test_a_heap_goal_of_several_moments_is_none() -> None:
    """More heap than memory: the words were read while they changed."""
    torn = bytearray(_controller(MIB, used=MIB))
    struct.pack_into("<Q", torn, 312, 5)
    assert compute_heap_goal(bytes(torn), NO_LIMIT) is None


COLLECTIONS, CPU_TIME, SCHEDULER, GOROUTINES, PROCS, TABLE, FIRST, FREE_AT = 0x1000, 0x3000, 0x4058, 0x5000, 0x5100, 0x6000, 0x10000, 2464
LAYOUT = ActivityLayout(
    collections=COLLECTIONS,
    cpu_time=CPU_TIME,
    scheduler=SCHEDULER,
    goroutines=GOROUTINES,
    procs=PROCS,
    proc_free=FREE_AT,
    counted_lists=True,
)
ENDED = 1_700_000_000_000_000_000
NOTHING = GoLive(heap_goal_bytes=5)


def _proc(number: int, *, queued: int, following: int, free: int) -> bytes:
    data = bytearray(FREE_AT + 16)
    struct.pack_into("<iI", data, 0, number, 1)
    struct.pack_into("<2I", data, FREE_AT - 2064, (1 << 32) - 3, (queued - 3) % (1 << 32))  # the counters wrap around
    struct.pack_into("<2Qi", data, FREE_AT - 8, following, 0x77 if free else 0, free)
    return bytes(data)


def _memory(*, counted: bool = True) -> dict[int, bytes]:
    """A healthy process with 3 Ps: 4000 goroutines ever, of which 5 are free, and 4 the runtime's own."""
    collections = bytearray(4136)
    struct.pack_into("<2Q", collections, 0, ENDED, 2_500_000_000)
    struct.pack_into("<Q", collections, 2064 + 8 * 3, ENDED)  # the 260th
    struct.pack_into("<2IdQ", collections, 4112, 260, 7, 0.25, 99)
    scheduler = bytearray(128)
    struct.pack_into("<i", scheduler, 0, 4)
    struct.pack_into("<Qi", scheduler, 8, 0x99, 1)
    struct.pack_into("<2Qi", scheduler, 32, 0x1, 0x2, 6)
    struct.pack_into(*(("<Qi4xQi", scheduler, 96, 0x3, 1, 0x4, 1) if counted else ("<2Qi", scheduler, 96, 0, 0x4, 2)))
    return {
        COLLECTIONS: bytes(collections),
        CPU_TIME: struct.pack("<11q", 1, 2, 4, 2, 9, 0, 0, 0, 3, -1, 20),
        SCHEDULER - 88: bytes(scheduler),
        GOROUTINES: struct.pack("<3Q", 0x9000, 4000, 4096),
        PROCS: struct.pack("<3Q", TABLE, 3, 4),
        TABLE: struct.pack("<3Q", FIRST, FIRST + 0x1000, FIRST + 0x2000),
        FIRST: _proc(0, queued=7, following=0, free=2),
        FIRST + 0x1000: _proc(1, queued=0, following=1, free=0),
        FIRST + 0x2000: _proc(2, queued=256, following=0, free=1),
    }


def _read(changes: dict[int, bytes], *, layout: ActivityLayout = LAYOUT, procs: int | None = 3) -> tuple[GoLive, tuple[str, ...]]:
    parts = _memory(counted=layout.counted_lists)

    def read_memory(start: int, size: int) -> bytes:
        for base, data in parts.items():
            if base <= start < base + len(data):
                changed = bytearray(data)
                for address, patch in changes.items():
                    if base <= address < base + len(data):
                        changed[address - base : address - base + len(patch)] = patch
                return bytes(changed[start - base :][:size])
        return b""

    return read_counts(layout, 5, procs, bias=0, read_memory=read_memory)


@pytest.mark.parametrize("counted", [True, False])
def test_a_healthy_process_gives_every_count(counted: bool) -> None:
    """The ground that the next test stands on; with the lists of free goroutines as up to Go 1.24, and as later."""
    live, notes = _read({}, layout=LAYOUT.replace(counted_lists=counted))
    assert notes == ()
    assert live == GoLive(
        heap_goal_bytes=5,
        collections=260,
        forced_collections=7,
        last_collection_unix_seconds=1_700_000_000.0,
        paused_seconds=2.5,
        gc_cpu_fraction=0.25,
        gc_cpu_seconds=5e-9,
        cpu_seconds=2e-8,
        goroutines=4000 - 5 - 4,
        queued_goroutines=6 + 7 + 1 + 256,
        idle_procs=1,
    )


COLLECTOR, CPU, SCHEDULED = "the collections", "the collector's CPU time", "the goroutines and their queues"
IDLE = "the idle Ps"
WORD, HALF = "<Q", "<i"


@pytest.mark.parametrize(
    ("name", "address", "data", "lost"),
    [
        ("an end that is not in the ring", COLLECTIONS, struct.pack(WORD, ENDED + 1), (COLLECTOR, CPU)),
        ("a count that leads elsewhere", COLLECTIONS + 4112, struct.pack("<I", 261), (COLLECTOR, CPU)),
        ("another, by one more", COLLECTIONS + 4112, struct.pack("<I", 258), (COLLECTOR, CPU)),
        ("more forced than all", COLLECTIONS + 4116, struct.pack("<I", 262), (COLLECTOR, CPU)),
        ("a share above 1", COLLECTIONS + 4120, struct.pack("<d", 1.5), (COLLECTOR, CPU)),
        ("a share that is no number", COLLECTIONS + 4120, struct.pack("<d", float("nan")), (COLLECTOR, CPU)),
        ("no collection, and yet one that ended", COLLECTIONS + 4112, struct.pack("<I", 0), (COLLECTOR, CPU)),
        ("a sum that is none", CPU_TIME, struct.pack("<q", 2), (CPU,)),
        ("time below 0", CPU_TIME, struct.pack("<2q", -1, 4), (CPU,)),
        ("no time at all", CPU_TIME + 80, bytes(8), (CPU,)),
        ("no pause in any", CPU_TIME, struct.pack("<5q", 0, 0, 4, 0, 4), (CPU,)),
        ("more than there was", CPU_TIME + 80, struct.pack("<q", 4), (CPU,)),
        ("more idle Ps than Ps", SCHEDULER - 72, struct.pack(HALF, 4), (SCHEDULED, IDLE)),
        ("fewer than none", SCHEDULER - 72, struct.pack(HALF, -1), (SCHEDULED, IDLE)),
        ("idle Ps and no list of them", SCHEDULER - 80, bytes(8), (SCHEDULED, IDLE)),
        ("a queue without a count", SCHEDULER - 40, bytes(4), (SCHEDULED, IDLE)),
        ("a queue without an end", SCHEDULER - 48, bytes(8), (SCHEDULED, IDLE)),
        ("a free list without a count", SCHEDULER + 16, bytes(4), (SCHEDULED, IDLE)),
        ("another without a list", SCHEDULER + 24, bytes(8), (SCHEDULED, IDLE)),
        ("fewer goroutines than are queued", GOROUTINES + 8, struct.pack(WORD, 269), (SCHEDULED,)),
        ("more goroutines than room", GOROUTINES + 8, struct.pack(WORD, 4097), (SCHEDULED,)),
        ("more Ps than GOMAXPROCS", PROCS + 8, struct.pack(WORD, 4), (SCHEDULED,)),
        ("a P of another number", FIRST, struct.pack(HALF, 1), (SCHEDULED,)),
        ("a P in no state", FIRST + 4, struct.pack(HALF, 5), (SCHEDULED,)),
        ("a queue of 257", FIRST + FREE_AT - 2060, struct.pack("<I", 254), (SCHEDULED,)),
        ("65 free of one P", FIRST + FREE_AT + 8, struct.pack(HALF, 65), (SCHEDULED,)),
        ("free ones and no list", FIRST + FREE_AT, bytes(8), (SCHEDULED,)),
        ("a P that is not there", TABLE, struct.pack(WORD, 0x123), (SCHEDULED,)),
    ],
)
def test_what_does_not_fit_together_is_none(name: str, address: int, data: bytes, lost: tuple[str, ...]) -> None:
    """Counts that cannot be right are None with one note that names them, and the others still stand."""
    live, notes = _read({address: data})
    healthy, _ = _read({})
    fields = {
        COLLECTOR: ("collections", "forced_collections", "last_collection_unix_seconds", "paused_seconds", "gc_cpu_fraction"),
        CPU: ("gc_cpu_seconds", "cpu_seconds"),
        SCHEDULED: ("goroutines", "queued_goroutines"),
        IDLE: ("idle_procs",),
    }
    gone = {field for each in lost for field in fields[each]}
    for field in GoLive._fields:
        if field not in ("gc_cpu_fraction", *gone):
            assert getattr(live, field) == getattr(healthy, field), (name, field)
    assert {field for field in gone if getattr(live, field) is not None} == set()
    assert notes == (f"{UNPROVEN}{', '.join(lost)}",)


@pytest.mark.parametrize(("ever", "goroutines"), [(10, 1), (9, None)])
def test_there_is_one_goroutine_at_least(ever: int, goroutines: int | None) -> None:
    """5 are free, 4 are the runtime's own and none is queued: a program without any goroutine has ended."""
    queues = {FIRST + at + FREE_AT - 2064: bytes(8) for at in (0, 0x1000, 0x2000)}
    live, _ = _read({**queues, SCHEDULER - 56: bytes(20), FIRST + 0x1000 + FREE_AT - 8: bytes(8), GOROUTINES + 8: struct.pack(WORD, ever)})
    assert live.goroutines == goroutines


def test_free_goroutines_that_move_meanwhile_are_counted_again() -> None:
    """A P hands 32 free ones to all others between two reads: they are not counted twice."""
    looks = 0
    healthy = _memory()

    def read_memory(start: int, size: int) -> bytes:
        nonlocal looks
        base, data = next((base, data) for base, data in healthy.items() if base <= start < base + len(data))
        if start == SCHEDULER - 88:
            looks += 1
            if looks > 1:  # all but the first: 32 more in the list, and in allgs from the beginning
                data = data[:104] + struct.pack(HALF, 33) + data[108:]
        return data[start - base :][:size]

    live, _ = read_counts(LAYOUT, 5, 3, bias=0, read_memory=read_memory)
    assert (live.goroutines, looks) == (4000 - 5 - 32 - 4, 4)


def test_before_the_first_collection_there_is_none() -> None:
    """All is 0: no collection so far, and nothing is said of the last; that is no lack, so there is no note."""
    live, notes = _read({COLLECTIONS: bytes(4136), CPU_TIME: bytes(88)})
    assert (live.collections, live.forced_collections, live.gc_cpu_seconds, live.gc_cpu_fraction, notes) == (0, 0, None, None, ())


def test_the_end_of_a_collection_is_no_lack() -> None:
    """The last one has ended and is not counted yet, or its share is not written yet: what there is is told, without a note."""
    live, notes = _read({COLLECTIONS + 4112: struct.pack("<I", 259), COLLECTIONS + 4120: struct.pack("<d", 0.5)})
    assert (live.collections, live.gc_cpu_fraction, live.gc_cpu_seconds, notes) == (259, 0.5, 5e-9, ())


def test_places_that_are_not_known_are_no_counts() -> None:
    """A layout without any place, and a runtime whose GOMAXPROCS is not known or too large to look at each P."""
    assert _read({}, layout=ActivityLayout()) == (NOTHING, (f"{UNPROVEN}{COLLECTOR}, {CPU}, {SCHEDULED}, {IDLE}",))
    live, notes = _read({}, layout=LAYOUT.replace(cpu_time=None))
    assert (live.collections, live.gc_cpu_seconds, live.cpu_seconds, notes) == (260, None, None, (f"{UNPROVEN}{CPU}",))
    live, _ = _read({}, procs=None)
    assert (live.collections, live.goroutines, live.idle_procs) == (260, None, None)
    live, _ = _read({PROCS + 8: struct.pack("<2Q", 1025, 1025)}, procs=1025)
    assert (live.goroutines, live.idle_procs) == (None, 1)


@settings(max_examples=300)
@given(st.sampled_from(sorted(_memory())), st.integers(0, 4136), st.binary(min_size=1, max_size=64))
def test_any_memory_is_read_without_harm(base: int, offset: int, data: bytes) -> None:
    """Whatever stands in memory, reading it raises nothing, and no count is below 0."""
    live, _ = _read({base + offset: data})
    assert all(value is None or value == "off" or value >= 0 for value in dict(live.items()).values())


_UNFINISHED, _TORN = (COLLECTIONS + 4120, struct.pack("<d", 0.5)), (COLLECTIONS, struct.pack(WORD, ENDED + 1))
_CHANGES = st.sampled_from(
    [
        (SCHEDULER - 72, struct.pack(HALF, 2)),  # idle Ps
        (SCHEDULER - 72, struct.pack(HALF, 4)),  # more of them than Ps
        (SCHEDULER - 88, struct.pack(HALF, 5)),  # the runtime's own goroutines
        (SCHEDULER - 40, struct.pack(HALF, 9)),  # those in the queue
        (SCHEDULER + 16, struct.pack(HALF, 33)),  # the free ones
        (GOROUTINES + 8, struct.pack(WORD, 4001)),
        (FIRST + FREE_AT + 8, struct.pack(HALF, 65)),
        (COLLECTIONS + 4116, struct.pack("<I", 8)),
        _UNFINISHED,
        _TORN,
        (CPU_TIME + 80, struct.pack("<q", 40)),
    ]
)


@settings(max_examples=500)
@example({0: _UNFINISHED, 2: _UNFINISHED, 4: _UNFINISHED, 6: _UNFINISHED, 8: _TORN})  # the last try alone proves nothing
@given(st.dictionaries(st.integers(0, 60), _CHANGES, max_size=12))
def test_words_that_move_replay_to_the_same_counts(changes: dict[int, tuple[int, bytes]]) -> None:
    """Whatever a reading says that comes so late: a recording keeps the last answer for each place, and tells the same counts from it."""
    healthy, kept = _memory(), dict[int, bytes]()
    looks = itertools.count()

    def read_memory(start: int, size: int) -> bytes:
        base, data = next((base, data) for base, data in healthy.items() if base <= start < base + len(data))
        address, patch = changes.get(next(looks), (0, b""))
        if base <= address < base + len(data):
            data = data[: address - base] + patch + data[address - base + len(patch) :]
        kept[start] = data[start - base :][:size]
        return kept[start]

    said = read_counts(LAYOUT, 5, 3, bias=0, read_memory=read_memory)
    assert read_counts(LAYOUT, 5, 3, bias=0, read_memory=lambda start, _size: kept[start]) == said


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("said", "why"),
    [("go1.20.14", "this is go1.20.14"), ("go1.28.0", "this version was never checked"), (None, "this version was never checked")],
)
def test_other_versions_have_none_and_a_note(said: str | None, why: str) -> None:
    """Neither an older Go nor one that nobody has checked is taken for one that is known."""
    _need("1.27.3")
    elf = parse_elf(reader(build("1.27.3", "sw", language="1.25").read_bytes()))
    layout, notes = locate_activity(
        elf, None if said is None else parse_version(said), magic=MAGIC_1_20, bias=0, read_memory=elf.read_address
    )
    assert layout is None
    assert [note.endswith(why) for note in notes] == [True]


@pytest.mark.fetched
def test_another_machine_has_no_places() -> None:
    """Its code is not read, and a symbol alone proves no layout."""
    _need("1.27.3")
    elf = parse_elf(reader(build("1.27.3", "riscv64", language="1.25").read_bytes()))
    layout, notes = locate_activity(elf, parse_version("go1.27.3"), magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert (layout, notes) == (ActivityLayout(), ())


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("wrong", "lost"),
    [
        ("gcMarkTermination", {"collections", "cpu_time"}),
        ("gfpurge", {"scheduler", "proc_free"}),
        ("pidleput", {"scheduler", "proc_free"}),
        ("allgadd", {"goroutines"}),
        ("retake", {"procs"}),
    ],
)
def test_a_place_takes_all_of_its_witnesses(wrong: str, lost: set[str]) -> None:
    """Without one of the functions that show a place, that place is not known, and all others are."""
    _need("1.27.3")
    data = build("1.27.3", "sw", language="1.25").read_bytes()
    name = f"\0runtime.{wrong}\0".encode()
    assert data.count(name) == 1
    elf = parse_elf(reader(data.replace(name, name.replace(b"runtime", b"scrambl"))))
    layout, _ = locate_activity(elf, parse_version("go1.27.3"), magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert layout is not None
    assert {field for field in ActivityLayout._fields if getattr(layout, field) is None} == lost


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("version", "mode"), [("1.21.13", "arm64-sw"), ("1.24.11", "arm64-pie-sw"), ("1.25.5", "arm64"), ("1.27.3", "arm64")]
)
def test_arm64_has_all_places(version: str, mode: str) -> None:
    """Its code is longer than that of amd64, and other instructions form an address."""
    _need(version)
    elf = parse_elf(reader(build(version, mode, language="1.25" if version >= "1.25" else "1.21").read_bytes()))
    layout, _ = locate_activity(elf, parse_version(f"go{version}"), magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert layout is not None
    assert {field for field in ActivityLayout._fields if getattr(layout, field) is None} == set()


@pytest.mark.fetched
@pytest.mark.parametrize("version", ["1.21.13", "1.22.10", "1.24.11", "1.27.3"])
def test_a_program_that_was_built_by_its_profile(version: str) -> None:
    """Go's own compiler is, with other functions inlined: all places are proven there as well, by symbols too."""
    _need(version)
    with (toolchains.goroot(version) / "pkg" / "tool" / "linux_amd64" / "compile").open("rb") as file:
        elf = parse_elf(lambda offset, size: os.pread(file.fileno(), size, offset))
        layout, _ = locate_activity(elf, parse_version(f"go{version}"), magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert layout is not None
    assert {field for field in ActivityLayout._fields if getattr(layout, field) is None} == set()


@pytest.mark.fetched
def test_a_symbol_that_disagrees_ends_it() -> None:
    """The symbol table says that memstats lies elsewhere: one of both is not what we take it for."""
    _need("1.27.3")
    data = build("1.27.3", "plain", language="1.25").read_bytes()
    version = parse_version("go1.27.3")
    elf = parse_elf(reader(data))
    before, _ = locate_activity(elf, version, magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert before is not None
    assert before.goroutines is not None
    row = struct.pack("<QQ", before.goroutines, 24)  # st_value and st_size
    assert data.count(row) == 1
    elf = parse_elf(reader(data.replace(row, struct.pack("<QQ", before.goroutines + 8, 24))))
    after, _ = locate_activity(elf, version, magic=MAGIC_1_20, bias=0, read_memory=elf.read_address)
    assert after == before.replace(goroutines=None)
