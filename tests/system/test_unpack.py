"""Packed recordings come from anybody: one cannot write outside of itself."""

from __future__ import annotations

import errno
import gzip
import io
import os
import resource
import signal
import subprocess
import tarfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.errors import Unreadable, UsageError
from cgtune.system import unpack
from cgtune.system.host import Host
from cgtune.system.tarstream import Entry, TarStream
from tests.support import stories
from tests.support.command import INTERRUPTIBLE, PROGRAM, environment


def _archive(path: Path, *entries: tarfile.TarInfo) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size) if entry.isfile() else None)
    return str(path)


def _entry(name: str, type_: bytes = tarfile.REGTYPE, linkname: str = "", size: int = 1) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = type_, linkname, size if type_ == tarfile.REGTYPE else 0
    return entry


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([_entry("../escaped")], "leads out"),
        ([_entry("proc/../../escaped")], "leads out"),
        ([_entry("link", tarfile.SYMTYPE, "/tmp"), _entry("link/escaped")], "lies below a link"),
        ([_entry("fifo", tarfile.FIFOTYPE)], "not a recording"),
        ([_entry("hard", tarfile.LNKTYPE, "/etc/passwd")], "not a recording"),
        ([_entry("twice"), _entry("twice")], "damaged"),
        ([_entry(".")], "leads out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(entry.name for entry in value),
)
def test_a_hostile_archive_is_refused(tmp_path: Path, entries: list[tarfile.TarInfo], words: str) -> None:
    """An archive cannot write outside the folder it is unpacked into, nor make anything but files, folders and links there."""
    path = _archive(tmp_path / "hostile.tar.gz", *entries)
    with pytest.raises(UsageError, match=words):
        Host(path)
    assert [found.name for found in tmp_path.iterdir()] == ["hostile.tar.gz"]


def test_a_folder_that_cannot_be_looked_at_may_be_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written below it."""
    path = _archive(tmp_path / "of.tar.gz", _entry("link", tarfile.SYMTYPE, str(tmp_path)), _entry("link/escaped"))
    real = os.lstat

    def refuse(path: str, **more: object) -> os.stat_result:
        if str(path).endswith("/link"):
            raise OSError(5, "Input/output error", path)
        return real(path, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(Unreadable, match="could not be unpacked"):
        unpack.unpack(path)
    assert [found.name for found in tmp_path.iterdir()] == ["of.tar.gz"]


def test_a_removal_that_is_interrupted_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """close(2) may say so though the folder is closed, and shutil.rmtree ends there."""
    folder = unpack.unpack(_archive(tmp_path / "of.tar.gz", _entry("proc/7/stat")))
    real, failed = os.close, list[int]()

    def close(file: int) -> None:
        real(file)
        if not failed:
            failed.append(file)
            raise InterruptedError(errno.EINTR, "Interrupted system call")

    monkeypatch.setattr(os, "close", close)
    folder.cleanup()
    assert (len(failed), os.path.exists(folder.name)) == (1, False)


def test_an_archive_that_gives_nothing_yet_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file system of somebody's own may answer (EAGAIN)."""

    class Late(io.FileIO):
        def readinto(self, _buffer: object) -> None:
            return None

    path = _archive(tmp_path / "of.tar.gz", _entry("a"))
    monkeypatch.setattr("io.FileIO", Late)
    with pytest.raises(Unreadable, match="temporarily unavailable"):
        unpack.unpack(path)


@pytest.mark.parametrize(("bound", "most"), [("MOST_HEADS", 3), ("LARGEST_BYTES", 2 * 1024 + 512 + 1)])
def test_a_recording_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    """Of entries and of bytes as many as there may be, and no more."""
    monkeypatch.setattr(unpack, bound, most)
    entries = [_entry(f"proc/{number}") for number in range(4)]
    with unpack.unpack(_archive(tmp_path / "just.tgz", *entries[:3])) as folder:
        assert len(list(Path(folder, "proc").iterdir())) == 3
    with pytest.raises(UsageError, match="is not a recording"):
        unpack.unpack(_archive(tmp_path / "more.tgz", *entries))


def test_headers_without_end_are_refused_in_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """230,000 small entries in 7.5 MB, and 400,000 headers of long names: as many are looked at as a recording has at the most."""
    monkeypatch.setattr(unpack, "_FEW_FILES", 1 << 20)
    heads = list[int]()
    entries = TarStream.entries

    def counted(stream: TarStream) -> Iterator[Entry]:
        try:
            yield from entries(stream)
        finally:
            heads.append(stream.heads)

    monkeypatch.setattr(TarStream, "entries", counted)
    monkeypatch.setattr(unpack, "MOST_HEADS", 15_000)
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2
    before = name.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    for kind, content in (("small", [_entry("x", size=0).tobuf()] * 23_000), ("named", [before * 7 + _entry("x", size=0).tobuf()] * 5_000)):
        path = tmp_path / f"{kind}.tgz"
        path.write_bytes(gzip.compress(b"".join(content), 1))
        with path.open("ab") as file:
            file.truncate(1 << 20)  # gzip passes over zeros behind its end
        began = time.process_time()
        with pytest.raises(UsageError, match="is not a recording"):
            unpack.unpack(str(path))
        assert time.process_time() - began < 0.5  # a tenth of the real bound; it takes 0.1
    assert all(15_000 < each <= 15_008 for each in heads), heads


def test_what_packs_too_well_is_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 MiB of zeros pack to 400 kB: refused by the size before them, and nothing is written. Small ones may be anything."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    head = _entry("proc/7/exe.regions", size=400 << 20).tobuf()
    (tmp_path / "bomb.tgz").write_bytes(gzip.compress(head + bytes(20 << 20), 9))
    with pytest.raises(UsageError, match="is not a recording"):
        Host(str(tmp_path / "bomb.tgz"))
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.tgz"]
    unpack.unpack(_archive(tmp_path / "small.tgz", _entry("zeros", size=15 << 20))).cleanup()
    before = tarfile.TarInfo("././@LongLink")
    before.type, before.size = tarfile.GNUTYPE_LONGNAME, 1 << 16
    one = before.tobuf(tarfile.GNU_FORMAT) + b"x" * (1 << 16) + _entry("x", size=0).tobuf()
    (tmp_path / "names.tgz").write_bytes(gzip.compress(one * 300, 9))  # 20 MB of names, and nothing else
    with pytest.raises(UsageError, match="is not a recording"):
        unpack.unpack(str(tmp_path / "names.tgz"))


def test_what_stands_before_an_entry_is_short(tmp_path: Path) -> None:
    """A long name is read whole, and 64 KiB of it pack to nothing: beyond that it is refused unread."""
    for size, words in ((1 << 16, "File name too long"), ((1 << 16) + 1, "a preface of 65537 bytes")):
        (tmp_path / "long.tgz").write_bytes(_long_name(b"x" * size))
        with pytest.raises(UsageError, match=words):
            unpack.unpack(str(tmp_path / "long.tgz"))


@pytest.mark.parametrize("folders", [501, 1200, 2000, 30_000])
def test_folders_in_folders_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: int) -> None:
    """What is deeper than Python's stack could not even be removed again: one line, and nothing stays behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "deep.tgz").write_bytes(_long_name(b"x/" * (folders - 1) + b"x"))
    with pytest.raises(UsageError, match="lies more than 500 folders deep") as refusal:
        unpack.unpack(str(tmp_path / "deep.tgz"))
    assert len(str(refusal.value)) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["deep.tgz"]
    (tmp_path / "deep.tgz").write_bytes(_long_name(b"x/" * 499 + b"x"))
    with unpack.unpack(str(tmp_path / "deep.tgz")) as folder:
        assert (Path(folder) / "/".join("x" * 500)).read_bytes() == b"x"


def _long_name(name: bytes) -> bytes:
    """A packed archive of one file of one byte, whose name stands before it."""
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, len(name)
    padded = name.ljust(-(-len(name) // 512) * 512, b"\0")
    return gzip.compress(head.tobuf(tarfile.GNU_FORMAT) + padded + _entry("x").tobuf() + b"x".ljust(512, b"\0") + bytes(1024))


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([f"p/{number}" for number in range(3_000)], id="empty files"),
        pytest.param(["/".join((str(number), *["d"] * 480, "x")) for number in range(200)], id="folders in folders"),
    ],
)
def test_what_holds_more_than_its_size_could_is_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[str]) -> None:
    """An archive of some kB that would make thousands of files, or a hundred thousand folders, is refused before it has made any."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = _archive(tmp_path / "many.tgz", *map(_entry, entries))
    made: list[str] = []
    monkeypatch.setattr("tempfile.mkdtemp", lambda *_arguments, **_options: made.append("a folder"))
    began = time.process_time()
    with pytest.raises(UsageError, match="is not a recording"):
        unpack.unpack(path)
    assert time.process_time() - began < 2
    assert made == []


def test_what_was_unpacked_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries by the hundred thousand cost time, and no memory."""
    monkeypatch.setattr(unpack, "_FEW_FILES", 5_000)
    path = _archive(tmp_path / "many.tar.gz", *[_entry("./", tarfile.DIRTYPE)] * 5_000)
    tracemalloc.start()
    Host(path).close()
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 2 << 20


def test_a_folder_that_somebody_packed_himself(tmp_path: Path) -> None:
    """`tar -C FOLDER .` begins with the folder itself, as `./`: it is read like an archive of ours."""
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as archive:
        archive.add(stories.STORIES / "v2-plain", arcname=".")
    with Host(str(tmp_path / "packed.tgz")) as host:
        assert host.read_text("/proc/4242/cgroup") == "0::/system.slice/app.service\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_in_the_midst_of_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Who is ended while it unpacks removes what it has; the exit code is that of the signal."""
    recording, folder = tmp_path / "many.tgz", tmp_path / "tmp"
    folder.mkdir()
    _archive(recording, *[_entry(f"p/{each}", size=2_000) for each in range(1_990)])
    with subprocess.Popen(
        [*INTERRUPTIBLE, *PROGRAM, "inspect", "--root", recording], env=environment(TMPDIR=str(folder)), stderr=subprocess.PIPE
    ) as started:
        while not any(folder.glob("*/p/1")):
            assert started.poll() is None
        started.send_signal(signal.SIGSTOP)  # it would be done before a look at it is
        assert len(list(folder.glob("*/p/*"))) < 1_990
        started.send_signal(number)
        started.send_signal(signal.SIGCONT)
        assert (started.wait(30), started.stderr and started.stderr.read()) == (128 + number, b"")
    assert list(folder.iterdir()) == []


def test_what_a_kill_has_left_the_next_one_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nobody holds is older than a minute: it goes. One that is in use stays, however old; so does what is none of ours."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = _archive(tmp_path / "one.tgz", _entry("proc/1"))
    (tmp_path / ".cgtune-left" / "proc").mkdir(parents=True)
    (tmp_path / "cgtune-other").mkdir()
    with unpack.unpack(path) as first:
        for name in (first, tmp_path / ".cgtune-left", tmp_path / "cgtune-other"):
            os.utime(name, (0, 0))
        with unpack.unpack(path) as second:
            assert {each.name for each in tmp_path.iterdir()} == {"one.tgz", "cgtune-other", Path(first).name, Path(second).name}
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_somebody_waits_for_is_left_to_him(tmp_path: Path) -> None:
    """Neither while something is unpacked, nor later."""
    path = _archive(tmp_path / "one.tgz", _entry("proc/1"))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with unpack.unpack(path):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x1f\x8b\x08\x00garbage"])
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no archive are a usage error that says so."""
    (tmp_path / "damaged.tar.gz").write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        Host(str(tmp_path / "damaged.tar.gz"))


def _preface(size: int, *, negative: bool = False) -> bytes:
    """The header of a preface (pax, type x) that says to be so large, or of a file of a negative size."""
    header = bytearray(_entry("x", tarfile.REGTYPE if negative else tarfile.XHDTYPE, size=0).tobuf())
    header[124:136] = b"\xff" * 11 + b"\x00" if negative else b"%011o\0" % size  # base-256, two's complement: -256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize(
    "content",
    [
        _preface(8 << 20) + bytes(8 << 20),
        _preface(0, negative=True) + bytes(10240),
        _preface(0) * 3000 + bytes(10240),
        _preface(512) + b"99999999999999999999 path=x\n".ljust(512, b"\0") + bytes(10240),
    ],
    ids=["a large preface", "a negative size", "prefaces without end", "a record of 2^66 bytes"],
)
def test_damaged_headers_are_refused(tmp_path: Path, content: bytes) -> None:
    """A preface is read whole before the entry is known: it has a bound of its own; and neither sizes nor chains lead anywhere."""
    path = tmp_path / "hostile.tar.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(UsageError, match=r"damaged: .*; record it again"):
        Host(str(path))


def test_no_room_for_it_is_no_damage(tmp_path: Path) -> None:
    """What cannot be unpacked here is not to be recorded again: the message names the folder, and how to name another."""
    archive = _archive(tmp_path / "a.tar.gz", _entry("large", size=1 << 16))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, before[1]))
    try:
        with pytest.raises(Unreadable, match=r"could not be unpacked below .*: File too large; TMPDIR=FOLDER names another folder"):
            unpack.unpack(archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
