"""The module that opens files: below its root, bounded, never held up, never led away."""

from __future__ import annotations

import errno
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable, UsageError
from cgtune.system.host import Host, timestamp
from cgtune.system.recording import search_key
from cgtune.system.root import READ_CAP_BYTES
from cgtune.system.source import MARKER
from tests.support.needs import require


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root with one file, one folder and everything that does not belong there."""
    root = tmp_path / "root"
    (root / "sys/a/b").mkdir(parents=True)
    (root / "sys/file").write_text("1\n")
    (tmp_path / "secret").write_text("outside\n")
    (root / "sys/out").symlink_to(tmp_path / "secret")
    (root / "sys/up").symlink_to("../../secret")
    (root / "sys/away").symlink_to("/etc")
    (root / "sys/loop").symlink_to("loop")
    (root / "sys/endless").symlink_to("/dev/zero")
    os.mkfifo(root / "sys/fifo")
    with (root / "sys/cap").open("wb") as file:
        file.truncate(READ_CAP_BYTES)
    with (root / "sys/beyond").open("wb") as file:
        file.truncate(READ_CAP_BYTES + 1)
    (root / "sys/bytes").write_bytes(b"\xff\xe9\n")
    return root


def test_a_file_is_read_whole(machine: Path) -> None:
    """Up to the cap; bytes that are no UTF-8 survive the way to text and back."""
    with Host(str(machine)) as host:
        assert host.read_text("/sys/file") == "1\n"
        assert len(host.read_bytes("/sys/cap")) == READ_CAP_BYTES
        assert host.read_text("/sys/bytes").encode("utf-8", "surrogateescape") == b"\xff\xe9\n"


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/sys/none", Absent, "does not exist"),
        ("/sys/none/none", Absent, "does not exist"),
        ("/sys/file/none", Absent, "does not exist"),
        ("/sys/a", Unreadable, "not a regular file"),
        ("/sys/fifo", Unreadable, "not a regular file"),
        ("/sys/out", Unreadable, "symbolic link"),
        ("/sys/up", Unreadable, "symbolic link"),
        ("/sys/loop", Unreadable, "symbolic link"),
        ("/sys/endless", Unreadable, "symbolic link"),
        ("/sys/away/hostname", Unreadable, "symbolic link"),
        ("/sys/a/../file", Unreadable, "not a plain path"),
        ("/sys/./file", Unreadable, "not a plain path"),
        ("/sys//file", Unreadable, "not a plain path"),
        ("/sys/a\0b", Unreadable, "not a plain path"),
        ("/sys/\ud800", Unreadable, "not a plain path"),
        ("/sys/" + "x" * 300, Unreadable, "name too long"),
        ("/sys/beyond", CgtuneError, "larger than"),
    ],
)
def test_what_cannot_be_read(machine: Path, path: str, error: type[CgtuneError], words: str) -> None:
    """Whatever lies there: at once, and with an error of ours that says what it is."""
    with Host(str(machine)) as host, pytest.raises(error) as raised:
        host.read_bytes(path)
    assert words in str(raised.value).lower()


@pytest.mark.parametrize("method", ["read_text", "read_link", "list_directory", "read_identity"])
@pytest.mark.parametrize("path", ["/sys/none", "/sys/away/x", "/sys/../x", "/sys/a\0b", "/sys/fifo/x", "/sys/" + "y" * 300])
def test_no_reading_lets_a_system_error_through(machine: Path, method: str, path: str) -> None:
    """Every way of reading raises errors of ours alone."""
    with Host(str(machine)) as host, pytest.raises(CgtuneError):
        getattr(host, method)(path)


@pytest.mark.parametrize("root", ["none", "sys/file", "sys/fifo", "sys/loop", "", "a\0b", "x" * 5000])
def test_a_root_that_is_no_folder(machine: Path, root: str) -> None:
    """--root must be a folder: a usage error that says what to name instead."""
    with pytest.raises(UsageError, match="--root"):
        Host(str(machine / root) if root else "")


def test_a_root_that_may_not_be_entered(machine: Path) -> None:
    """Permissions are asked by the kernel, below the root as anywhere."""
    require(os.geteuid() == 0, "takes another user's rights: run as root")
    machine.chmod(0o755)
    (machine / "sys/file").chmod(0)
    (machine / "sys/a").chmod(0)
    for folder in machine.parents:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with Host(str(machine)) as host:
                for path in ("/sys/file", "/sys/a/b/x"):
                    try:
                        host.read_text(path)
                    except Unreadable as error:
                        assert "permission denied" in str(error)  # noqa: PT017  # a fork of the test
                        continue
                    os._exit(2)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("marker", [None, '{"time_seconds": 1}'], ids=["a copy", "a recording"])
def test_a_link_named_root_leads_nowhere(machine: Path, marker: str | None) -> None:
    """proc/PID/root and exe are followed on the kernel's own procfs only; in a folder of plain files they are links like any other."""
    (machine / "proc/42").mkdir(parents=True)
    (machine / "proc/42/root").symlink_to("/")
    (machine / "proc/42/exe").symlink_to("/etc/passwd")
    if marker is not None:
        (machine / "cgtune-snapshot.json").write_text(marker)
    with Host(str(machine)) as host:
        assert not host.is_live
        with pytest.raises(Unreadable, match="symbolic link"):
            host.read_text("/proc/42/root/etc/passwd")
        with pytest.raises(Unreadable, match="symbolic link"):
            host.read_file_identity("/proc/42/exe")


@pytest.mark.parametrize("method", ["read_at", "read_file_identity"])
def test_a_library_that_is_a_link_out_of_its_process_is_not_followed(machine: Path, method: str) -> None:
    """Behind the open door into a process's root, and in a folder of plain files, a link is somebody else's: it would lead to our files."""
    library = machine / "lib/x.so"
    library.parent.mkdir()
    library.symlink_to(machine.parent / "secret")
    arguments = (0, 16) if method == "read_at" else ()
    with Host() as host, pytest.raises(Unreadable, match="symbolic link, which is not followed"):
        getattr(host, method)(f"/proc/{os.getpid()}/root{library}", *arguments)
    with Host(str(machine)) as host, pytest.raises(Unreadable, match="symbolic link, which is not followed"):
        getattr(host, method)("/lib/x.so", *arguments)


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EFAULT])
def test_memory_that_is_not_mapped_is_no_error(machine: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """However the kernel says of /proc/PID/mem that nothing is at a place: there are no bytes. Any other refusal is one.

    Of a file the same numbers are failures: a disk that gives errors holds no empty executable.
    """
    memory = machine / "proc/42/mem"
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_bytes(b"")

    def refuse(_file: int, _size: int, _offset: int) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pread", refuse)
    with Host(str(machine)) as host:
        assert host.read_at("/proc/42/mem", 1 << 46, 8) == b""
        with pytest.raises(Unreadable, match=os.strerror(number)):
            host.read_at("/sys/file", 0, 8)
        number = errno.EACCES
        with pytest.raises(Unreadable, match="permission denied"):
            host.read_at("/proc/42/mem", 1 << 46, 8)


def test_no_address_is_too_large() -> None:
    """Of this very process: what no file offset can be is memory that is not mapped."""
    with Host() as host:
        for address in (0, (1 << 63) - 8, 1 << 63, 1 << 70):
            assert host.read_at(f"/proc/{os.getpid()}/mem", address, 8) == b""


def test_the_door_into_a_process_is_open_on_the_machine_itself() -> None:
    """On the real /proc a process's root is entered, and no link below it is followed."""
    with Host() as host:
        assert host.is_live
        assert host.read_bytes(f"/proc/{os.getpid()}/root/proc/version") == Path("/proc/version").read_bytes()
        with pytest.raises(CgtuneError):
            host.read_text(f"/proc/{os.getpid()}/root/proc/self/status")


def test_of_a_process_that_is_late_only_who_it_is_is_read() -> None:
    """Links, and what tells its start and its cgroups; all else is refused, until time is no matter any more. The machine is read on."""
    own = f"/proc/{os.getpid()}"
    with Host() as host:
        asked = (
            lambda: host.read_text(f"{own}/maps"),
            lambda: host.read_text(f"{own}/mountinfo"),
            lambda: host.read_at(f"{own}/exe", 0, 4),
            lambda: host.list_directory(f"{own}/task"),
            lambda: host.read_file_identity(f"{own}/exe"),
        )
        told = (f"{own}/stat", f"{own}/cgroup", "/sys/devices/system/cpu/online")
        host.allow(60.0)
        assert all(ask() for ask in asked)
        host.allow(0.0)
        assert all(map(host.read_text, told))
        assert host.read_link(f"{own}/exe")
        for ask in asked:
            with pytest.raises(Unreadable, match="is used up; --pid names a process"):
                ask()
        host.allow(None)
        assert all(ask() for ask in asked)


def test_on_a_slow_machine_time_goes_by_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulated CPU takes thirty times as long: nobody is late for that. How slow it is, is asked of the first who would be."""
    spent, asked = [0.0], list[int]()

    def measure() -> float:
        asked.append(1)
        return 30.0

    monkeypatch.setattr(time, "thread_time", lambda: spent[0])
    monkeypatch.setattr("cgtune.system.slowness.measure_slowness", measure)
    path = f"/proc/{os.getpid()}/maps"
    with Host() as host:
        host.allow(0.0)
        monkeypatch.setattr(time, "monotonic", lambda: 1e9)
        host.allow(0.1)
        monkeypatch.setattr(time, "monotonic", lambda: 2e9)
        for seconds, is_late in ((0.09, False), (2.9, False), (3.1, True)):
            spent[0] = seconds
            if is_late:
                with pytest.raises(Unreadable):
                    host.read_text(path)
            else:
                host.read_text(path)
        assert host.used_seconds() == pytest.approx(3.1 / 30)
    assert asked == [1]


def test_a_process_that_ended_is_no_file_that_is_absent() -> None:
    """A /proc/PID that was opened stays that process's: once it has ended, nothing else is read in its place."""
    child = subprocess.Popen(["sleep", "60"])
    with Host() as host:
        try:
            assert host.read_text(f"/proc/{child.pid}/stat").startswith(f"{child.pid} (")
        finally:
            child.kill()
            child.wait()
        with pytest.raises((NoSuchProcess, Absent)):
            host.read_text(f"/proc/{child.pid}/stat")


def test_folders_that_vanish_are_absent(machine: Path) -> None:
    """A cgroup removed between two reads is absent, not an error of the machine."""
    with Host(str(machine)) as host:
        assert host.read_identity("/sys/a/b")[1] == (machine / "sys/a/b").stat().st_ino
        (machine / "sys/a/b").rmdir()
        with pytest.raises(Absent):
            host.read_text("/sys/a/b/cpu.max")


def test_few_folders_stay_open(machine: Path) -> None:
    """However many are read, the number of open files is bounded, and closing the host closes them all."""
    for number in range(100):
        (machine / f"sys/d{number}").mkdir()
        (machine / f"sys/d{number}/f").write_text("1")
    before = len(os.listdir("/proc/self/fd"))
    with Host(str(machine)) as host:
        for number in range(100):
            assert host.read_text(f"/sys/d{number}/f") == "1"
        assert len(os.listdir("/proc/self/fd")) < before + 50
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_is_found_by_its_inode(machine: Path) -> None:
    """At exactly the depth asked for, past links and files, and not beyond the number of visits."""
    for name in ("p/q/r", "p/s/r", "t/u/v"):
        (machine / "sys" / name).mkdir(parents=True)
    (machine / "sys/p/q/link").symlink_to("/")
    status = (machine / "sys/p/s/r").stat()
    identity = (status.st_dev, status.st_ino)
    with Host(str(machine)) as host:
        assert host.locate_directory("/sys", 3, identity) == "/sys/p/s/r"
        assert host.locate_directory("/sys", 2, identity) is None
        assert host.locate_directory("/sys/p/s/r", 0, identity) == "/sys/p/s/r"
        assert host.locate_directory("/sys", 3, identity, visits=3) is None
        assert host.locate_directory("/none", 1, identity) is None


def test_a_search_in_a_wide_tree_ends(tmp_path: Path) -> None:
    """The bound counts every folder on the way: a tree with nothing at the depth asked for costs no more."""
    for number in range(300):
        (tmp_path / f"a/{number}").mkdir(parents=True)
    with Host(str(tmp_path)) as host:
        assert host.locate_directory("/a", 2, (0, 0), visits=50) is None


def test_a_recording_answers_for_the_machine_it_was_made_on(machine: Path) -> None:
    """Time, refusals, identities and searches are those of then, and the kernel's own door stays shut."""
    (machine / "cgtune-snapshot.json").write_text(
        '{"time_seconds": 1795399920.5, "mount_prefix": "/host", "page_bytes": 65536, "ticks_per_second": 250,'
        ' "unreadable": {"/sys/file": 13, "/proc/1/x": 1, "/sys/gone": 19, "/proc/2/y": 3}, "identities": {"/sys/none": [26, 7]},'
        f' "found": {{"{search_key("/sys", 2, (26, 7))}": "/sys/a/b"}}}}'
    )
    with Host(str(machine)) as host:
        assert (host.time_seconds(), host.mount_prefix, host.page_bytes, host.ticks_per_second) == (1795399920.5, "/host", 65536, 250)
        assert not host.is_live
        with pytest.raises(Unreadable, match="permission denied"):
            host.read_text("/sys/file")
        with pytest.raises(Unreadable) as refused:
            host.read_text("/proc/1/x")
        assert refused.value.privilege == "CAP_SYS_PTRACE"
        with pytest.raises(Absent):
            host.read_text("/sys/gone")
        with pytest.raises(NoSuchProcess):
            host.read_text("/proc/2/y")
        assert host.read_identity("/sys/none") == (26, 7)
        assert host.locate_directory("/sys", 2, (26, 7)) == "/sys/a/b"
        assert host.locate_directory("/sys", 1, (26, 7)) is None


def test_only_the_kernels_own_device_is_believed(machine: Path) -> None:
    """A folder at a cgroup mount's place that lies on another device was put there by somebody; a recording repeats that judgement."""
    with Host() as host:
        host.require_device("/proc", _device("/proc"))
        with pytest.raises(Unreadable, match="not the filesystem"):
            host.require_device("/proc", "0:99999")
    (machine / "cgtune-snapshot.json").write_text('{"time_seconds": 1, "identities": {"/sys": [26, 1]}, "unreadable": {"/proc": 13}}')
    with Host(str(machine)) as host:
        host.require_device("/sys", "0:26")
        host.require_device("/made/by/hand", "0:26")
        for path in ("/sys", "/proc"):
            with pytest.raises(Unreadable):
                host.require_device(path, "0:27")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1970-01-01T00:00:00Z"), (1795399920.9, "2026-11-23T02:12:00Z"), (253402300799, "9999-12-31T23:59:59Z")]
)
def test_times_are_rfc_3339(seconds: float, text: str) -> None:
    """To the second, in UTC."""
    assert timestamp(seconds) == text


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, -1e18, 253402300800, -62135596801])
def test_times_that_are_none(seconds: float) -> None:
    """What has no year of four digits is refused."""
    with pytest.raises(Malformed):
        timestamp(seconds)


def _device(path: str) -> str:
    number = os.stat(path).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def test_a_damaged_recording_is_not_kept_open(tmp_path: Path) -> None:
    """If the marker is no JSON, or no file, the folder is closed again: a program that tries many roots keeps its descriptors."""
    for name, marker in (("text", "{"), ("folder", None)):
        place = tmp_path / name / MARKER
        place.parent.mkdir()
        place.mkdir() if marker is None else place.write_text(marker)
        before = os.listdir("/proc/self/fd")
        with pytest.raises(UsageError, match="record it again with cgtune snapshot"):
            Host(str(place.parent))
        assert os.listdir("/proc/self/fd") == before


def test_what_a_damaged_recording_was_unpacked_into_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the marker of a packed recording cannot be used, nothing of it stays on the disk."""
    marker, packed, folder = tmp_path / MARKER, tmp_path / "machine.tar.gz", tmp_path / "tmp"
    marker.write_text("{")
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(marker, MARKER)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(UsageError, match=r"is damaged .*; record it again with cgtune snapshot"):
        Host(str(packed))
    assert list(folder.iterdir()) == []
