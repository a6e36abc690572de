"""What a process itself reads of its cgroups, where its namespace is another one, or where there are none."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import tracemalloc
from pathlib import Path

import pytest

from cgtune import api
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable
from cgtune.model import GoFacts, GoLive, Note
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.ownview import OwnTexts
from cgtune.runtimes.go.observed.live import LiveWords
from cgtune.runtimes.go.program.version import parse_version
from cgtune.runtimes.go.programs import Known
from cgtune.runtimes.go.reader import GoReading, _unrecorded_switches
from cgtune.system.host import Host
from cgtune.system.root import READ_CAP_BYTES
from tests.support.elfs import MAGIC, READ, RUN, WRITE, Part, elf, framed, go_program, inline_record, uvarint
from tests.support.refusing import Refusing
from tests.support.stories import STORIES

CGROUP, MOUNTINFO = "0::/pod/app\n", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
OTHERS = OwnTexts(cgroup="0::/\n", mountinfo=MOUNTINFO.replace(" / ", " /../.. "), assumed=("/pod/app",))


@pytest.mark.parametrize("count", [1, 3])
def test_libraries_that_are_closed_are_told_by_one_of_them(tmp_path: Path, count: int) -> None:
    """A program may map hundreds: the first is named with its reason, and the others are counted."""
    names = [f"lib{number}.so" for number in range(count)]
    ranges = [f"7f000000{number}000-7f000000{number + 1}000" for number in range(0, 2 * count, 2)]
    lines = [
        f"{where} r-xp 00000000 0:71 {99 + number}    /lib/{name}\n" for number, (where, name) in enumerate(zip(ranges, names, strict=True))
    ]
    shutil.copytree(STORIES / "v2-sibling-container", tmp_path / "story", symlinks=True)
    (tmp_path / "story/proc/42/maps").write_text("".join(lines))
    refused = {
        f"/proc/42/{path}": errno.EACCES
        for name, where in zip(names, ranges, strict=True)
        for path in (f"map_files/{where}", f"root/lib/{name}")
    }
    marker = tmp_path / "story/cgtune-snapshot.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "unreadable": refused}))
    (process,) = api.inspect([42], root=str(tmp_path / "story")).processes
    (why,) = (note.why for note in process.snapshot.notes if "/lib/lib" in note.path or "map_files" in note.path)
    assert why.partition(" (")[0] == "cannot tell whether it is a Go program: /proc/42/root/lib/lib0.so: permission denied"
    assert why.endswith(" (and 2 more of its libraries)") == (count == 3)


@pytest.mark.parametrize(
    ("links", "texts", "noted"),
    [
        pytest.param({"42": "cgroup:[1]", "7": "cgroup:[1]"}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 0, id="the same"),
        pytest.param({"42": "cgroup:[2]", "7": "cgroup:[1]"}, OTHERS, 0, id="another"),
        pytest.param({}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 0, id="a kernel without any"),
        pytest.param({"42": "cgroup:[2]"}, OwnTexts(cgroup=CGROUP, mountinfo=MOUNTINFO), 1, id="our own cannot be told"),
    ],
)
def test_the_texts_of_its_own_namespace(tmp_path: Path, links: dict[str, str], texts: OwnTexts, noted: int) -> None:
    """Rebased where the namespaces differ; a note only where there are namespaces and which is whose cannot be told."""
    for pid in ("42", "7"):
        (tmp_path / f"proc/{pid}/ns").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/cgroup").write_text(CGROUP)
        (tmp_path / f"proc/{pid}/mountinfo").write_text(MOUNTINFO)
        if pid in links:
            (tmp_path / f"proc/{pid}/ns/cgroup").symlink_to(links[pid])
    (tmp_path / "proc/self").symlink_to("7")
    with Host(str(tmp_path)) as host:
        reading = GoReading(host, 42, executable=None, affinity_count=8)
        assert reading.read_own_texts() == texts
    assert len(reading.notes) == noted


@pytest.mark.parametrize(
    ("version", "environment", "live", "unrecorded"),
    [
        ("go1.27.3", "", (3, True, True), ()),
        ("go1.27.3", "", (3, False, True), ("containermaxprocs=0",)),
        ("go1.27.3", "", (3, False, False), ("containermaxprocs=0", "updatemaxprocs=0")),
        ("go1.27.3", "", (3, None, None), ()),
        ("go1.27.3", "", (None, False, False), ()),  # perhaps not started
        ("go1.27.3", "containermaxprocs=1", (3, False, True), ()),  # what the environment says is not the build's
        ("go1.24.1", "", (3, False, False), ()),
    ],
)
def test_switches_that_the_build_info_does_not_tell(
    version: str, environment: str, live: tuple[int | None, bool | None, bool | None], unrecorded: tuple[str, ...]
) -> None:
    """Memory is believed before the build info; never before there is something in it, and never for another one's fault."""
    derivation = derive(GoInputs(version=parse_version(version), environ=(("GODEBUG", environment),), affinity_count=8))
    words = LiveWords(gomaxprocs=live[0], container_setting=live[1], updates=live[2])
    assert _unrecorded_switches(derivation, words) == unrecorded


def test_a_program_that_was_replaced_in_place_is_read_again(tmp_path: Path) -> None:
    """The text of the mappings names an inode, which another file may have got since: its size and times tell that it is another."""
    folder = tmp_path / "proc/42"
    folder.mkdir(parents=True)
    (folder / "maps").write_text("00400000-00401000 r-xp 00001000 08:01 99                                 /app/server\n")
    known, versions = Known(), []
    for seconds, version in enumerate(("go1.24.1", "go1.27.3")):
        (folder / "exe").write_bytes(go_program(inline_record(version, framed("path\tx\n"))))
        os.utime(folder / "exe", (seconds, seconds))  # the clock of a filesystem may stand still for some milliseconds
        for _look in range(2):
            with Host(str(tmp_path)) as host:
                facts = GoReading(host, 42, executable="/app/server", affinity_count=8).read(known)
            versions.append([runtime.program.version for runtime in facts])
    assert versions == [["1.24.1"], ["1.24.1"], ["1.27.3"], ["1.27.3"]]


MAPS = "00400000-00401000 r-xp 00001000 08:01 99                                 /app/server\n"


def _process(root: Path, **files: str) -> Path:
    """A process 42 that runs a program of Go 1.27.3, and a reader 7; with some files of the process written anew."""
    for pid in ("42", "7"):
        (root / f"proc/{pid}/ns").mkdir(parents=True)
    (root / "proc/42/fd").mkdir()
    (root / "proc/self").symlink_to("7")
    (root / "proc/7/ns/cgroup").symlink_to("cgroup:[1]")
    (root / "proc/42/exe").write_bytes(go_program(inline_record("go1.27.3", framed("path\tx\n"))))
    for name, text in ({"maps": MAPS, "cgroup": CGROUP, "mountinfo": MOUNTINFO, "environ": ""} | files).items():
        (root / "proc/42" / name).write_text(text)
    return root


def _look(root: Path, refused: dict[str, int], executable: str | None = "/app/server") -> tuple[tuple[GoFacts, ...], list[Note]]:
    with Refusing(str(root), {f"/proc/42/{name}": number for name, number in refused.items()}) as host:
        reading = GoReading(host, 42, executable=executable, affinity_count=8)
        return reading.read(Known()), reading.notes


@pytest.mark.parametrize("name", ["maps", "environ", "cgroup", "ns/cgroup"])
def test_a_process_that_ends_meanwhile(tmp_path: Path, name: str) -> None:
    """The end of the process is the caller's business, and no note."""
    with pytest.raises(NoSuchProcess):
        _look(_process(tmp_path), {name: errno.ESRCH})


def _failing(error: CgtuneError, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_words(*_arguments: object) -> LiveWords:
        raise error

    monkeypatch.setattr("cgtune.runtimes.go.reader.read_runtime_words", read_words)


def test_a_process_that_ends_while_its_memory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as such, too."""
    _failing(NoSuchProcess("gone"), monkeypatch)
    with pytest.raises(NoSuchProcess):
        _look(_process(tmp_path), {})


@pytest.mark.parametrize(
    ("scope", "why"), [("3\n", "Yama's ptrace_scope is 3, which no privilege overrides"), ("1\n", "permission denied")]
)
def test_memory_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str, why: str) -> None:
    """If Yama refuses it to all, no privilege is named that would help."""
    _failing(Unreadable("/proc/42/mem: permission denied", privilege="CAP_SYS_PTRACE"), monkeypatch)
    yama = _process(tmp_path) / "proc/sys/kernel/yama/ptrace_scope"
    yama.parent.mkdir(parents=True)
    yama.write_text(scope)
    facts, notes = _look(tmp_path, {})
    (note,) = (note for note in notes if note.path == "/proc/42/mem")
    assert len(facts) == 1
    assert note.why.endswith(why)
    assert (note.privilege is None) == (scope == "3\n")


@pytest.mark.parametrize(
    ("namespace", "cgroup", "root", "path", "said"),
    [
        ("cgroup:[2]", "/pod/app", "/", "ns/cgroup", "taken to be at its own cgroup, /pod/app"),
        ("cgroup:[4026531835]", "/leaf", "/../..", "cgroup", "the names of its parents are hidden from this cgroup namespace"),
    ],
)
def test_what_is_not_sure_of_another_namespace_is_told(
    tmp_path: Path, namespace: str, cgroup: str, root: str, path: str, said: str
) -> None:
    """Where the runtime's own memory does not tell which limit file it follows, notes say what was taken for granted."""
    _process(tmp_path, cgroup=f"0::{cgroup}\n", mountinfo=MOUNTINFO.replace(" / ", f" {root} "))
    (tmp_path / "proc/42/ns/cgroup").symlink_to(namespace)
    facts, notes = _look(tmp_path, {})
    assert len(facts) == 1
    assert [note.path for note in notes if said in note.why] == [f"/proc/42/{path}"]


def test_mappings_without_end_are_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is larger than any process's is not read to its end: what comes first is told, and that there is more. It is never kept
    as if it were all.
    """
    monkeypatch.setattr("cgtune.runtimes.go.reader._MOST_MAPS_BYTES", 1 << 16)
    os.truncate(_process(tmp_path) / "proc/42/maps", READ_CAP_BYTES + 1)
    with Host(str(tmp_path)) as host:
        known = Known()
        for _look in range(2):
            reading = GoReading(host, 42, executable="/app/server", affinity_count=8)
            assert len(reading.read(known)) == 1
            assert [(note.path, note.kind) for note in reading.notes if "beyond its first" in note.why] == [("/proc/42/maps", "failed")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"GOGC=50\0" * 250_000, (("GOGC", "50"),) * 16, id="one name again and again"),
        pytest.param(b"GO\0" * 690_000 + b"GOGC=1\0", (("GOGC", "1"),), id="a million ends"),
        pytest.param(b"GOGC=2\0XGOGC=1\0GODEBUG=a=b", (("GOGC", "2"), ("GODEBUG", "a=b")), id="without an end"),
        pytest.param(b"GODEBUG=" + b"x" * 5000, None, id="longer than any value"),
        pytest.param(b"\0" * ((2 << 20) + 1), None, id="larger than any environment"),
    ],
)
def test_an_environment_that_was_written_over(tmp_path: Path, content: bytes, said: tuple[tuple[str, str], ...] | None) -> None:
    """A process may have there what it likes: some milliseconds, 8 MiB, the first entries of Go's names, or a note."""
    (_process(tmp_path) / "proc/42/environ").write_bytes(content)
    with Host(str(tmp_path)) as host:
        reading = GoReading(host, 42, executable="/app/server", affinity_count=8)
        tracemalloc.start()
        try:
            found = reading._read_environ()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert found == said
    assert peak < 8 << 20
    assert [note.path for note in reading.notes] == ["/proc/42/environ"] * (said is None)


def test_an_emulator_whose_mappings_are_not_there_is_named(tmp_path: Path) -> None:
    """In a tree that was made by hand its name is all there is: which program it runs cannot be seen."""
    (_process(tmp_path) / "proc/42/maps").unlink()
    facts, notes = _look(tmp_path, {}, "/usr/bin/qemu-aarch64-static")
    assert facts == ()
    assert [note.why.partition(",")[0] for note in notes] == ["the process runs under qemu-aarch64-static"]


def test_a_program_whose_file_is_refused_by_now_is_read_again(tmp_path: Path) -> None:
    """What is known of a process holds as long as its file can be looked at: then it is told anew, here that it cannot be told."""
    known, counts = Known(), []
    _process(tmp_path)
    for refused in ({}, {"/proc/42/exe": errno.EACCES}):
        with Refusing(str(tmp_path), refused) as host:
            reading = GoReading(host, 42, executable="/app/server", affinity_count=8)
            counts.append((len(reading.read(known)), sum("cannot tell" in note.why for note in reading.notes)))
    assert counts == [(1, 0), (0, 1)]


def test_a_file_that_is_gone_could_be_read_by_its_mapping(tmp_path: Path) -> None:
    """Its path leads nowhere: what would help is the privilege for map_files."""
    facts, (note,) = _look(_process(tmp_path), {"map_files/400000-401000": errno.EPERM}, None)
    assert (facts, note.path, note.privilege) == ((), "/app/server", "CAP_CHECKPOINT_RESTORE")
    assert note.why.endswith("/proc/42/root/app/server does not exist")


def test_a_damaged_program_in_memory_is_a_note(tmp_path: Path) -> None:
    """What unpacked itself and looks like Go's, but cannot be read, is never taken for no Go program in silence."""
    _process(tmp_path, maps="00400000-00401000 rwxp 00000000 00:00 0 \n")
    record = (MAGIC + bytes([8, 2])).ljust(32, b"\0") + uvarint(1 << 20)
    image = bytearray(elf([Part(0x400078, bytes(8) + record.ljust(256, b"\0"), READ | WRITE | RUN)]))
    image[72:88] = struct.pack("<QQ", 0, 0x400000)  # the segment begins with the header, as in memory
    image[96:112] = struct.pack("<QQ", len(image), len(image))
    with (tmp_path / "proc/42/mem").open("wb") as memory:
        memory.seek(0x400000)
        memory.write(image)
    facts, (note,) = _look(tmp_path, {})
    assert (facts, note.path, note.kind) == ((), "/proc/42/mem", "failed")
    assert note.why.startswith("cannot tell whether a Go program was unpacked into memory at 0x400000: ")


@pytest.mark.parametrize(
    ("ended", "age"),
    [
        pytest.param(1_000.0, 500.25, id="a while ago"),
        pytest.param(1_500.25, 0.0, id="now"),
        pytest.param(1_510.0, 0.0, id="after the recording began"),
        pytest.param(1_560.25, None, id="in the future: the clock was set back"),
        pytest.param(None, None, id="before the first"),
    ],
)
def test_the_time_since_the_last_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: float | None, age: float | None
) -> None:
    """By the machine's clock, or that of the recording; a clock that was set back gives none."""
    with Host(str(tmp_path)) as host:
        monkeypatch.setattr(host, "time_seconds", lambda: 1_500.25)
        live = GoReading(host, 7, executable=None, affinity_count=1)._with_age(GoLive(collections=3, last_collection_unix_seconds=ended))
    assert live == GoLive(collections=3, last_collection_unix_seconds=ended, since_collection_seconds=age)
