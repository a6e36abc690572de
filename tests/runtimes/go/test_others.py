"""Who holds no Go runtime is told by one file or two; and whoever begins to hold one, by whatever way, is found all the same."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cgtune.cgroups import kernel
from cgtune.errors import Malformed
from cgtune.gather import gather
from cgtune.machineview import MachineView
from cgtune.model import Note
from cgtune.runtimes.go.others import _read_turns
from cgtune.runtimes.go.programs import Known, Mapped, Memory
from cgtune.snapshot import read_go_snapshot
from cgtune.system.host import Host
from tests.support import goprograms

# Loads each library whose path comes, a line for each, and says so.
LOADER = "import ctypes, sys\nprint('', flush=True)\nfor line in sys.stdin:\n  ctypes.CDLL(line.strip())\n  print('', flush=True)"


class Counting(Host):
    """A host that tells which files it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.identified: list[str] = []

    def read_bytes(self, path: str, **caps: int) -> bytes:
        self.asked.append(path)
        return super().read_bytes(path, **caps)

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        self.identified.append(path)
        return super().read_file_identity(path)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        asked = [*paths]
        self.asked += asked
        return super().read_each(asked)

    def names(self, pid: int) -> list[str]:
        """The files of one process since the last time."""
        names = [path.split("/", 3)[3] for path in self.asked if path.startswith(f"/proc/{pid}/")]
        self.asked.clear()
        return names


def _is_go(view: MachineView, pid: int) -> bool:
    notes: list[Note] = []
    found = read_go_snapshot(view, pid, notes)
    assert not notes
    return found is not None


def _start(program: Path = Path("/bin/sleep")) -> subprocess.Popen[bytes]:
    """A process that has mapped all that it will."""
    process = subprocess.Popen([program, "600"])
    while (
        "libc.so" not in (text := Path(f"/proc/{process.pid}/maps").read_text())
        or str(program.resolve()) not in text
        or _state(process.pid) != "S"
    ):
        pass
    return process


def _fail(_pid: int, error: Exception) -> None:
    raise error


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_one_more_process_of_a_known_program_is_one_file() -> None:
    """The first is looked at through and through, the second by what it maps; at a later look its counters do, as long as it rests."""
    sleepers = [_start() for _ in range(2)]
    try:
        with Counting() as host:
            view = MachineView(host)
            assert not _is_go(view, sleepers[0].pid)
            assert "status" in host.names(sleepers[0].pid)
            assert not _is_go(view, sleepers[1].pid)
            assert host.names(sleepers[1].pid) == ["maps"]
            assert [view.known.kinds[sleeper.pid] for sleeper in sleepers] == ["other", "other"]
            for files in (["stat", "maps"], ["stat"], ["stat"]):
                view = MachineView(host, before=view)
                assert not _is_go(view, sleepers[1].pid)
                assert host.names(sleepers[1].pid) == files
            # a thread of the kernel; a container has none
            assert not _is_go(view, 2 if os.path.exists("/proc/2") else os.getpid())
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_what_rests_is_asked_for_its_turns_alone_and_found_when_it_wakes() -> None:
    """One line of a process with one thread, as long as that has no turn; with its first turn, and another program, it is looked at."""
    shell = subprocess.Popen(["sh", "-c", "read word; exec sleep 600"], stdin=subprocess.PIPE)
    try:
        wait_until_quiet(shell.pid)
        with Counting() as host:
            view = MachineView(host)
            asked = []
            for _ in range(7):
                assert gather(view, [shell.pid], _fail, go_only=True).others == (("other", 1),)
                asked.append(host.names(shell.pid))
                view = MachineView(host, before=view)
            assert asked[-2:] == [["schedstat"], ["schedstat"]]
            assert ["schedstat", "stat"] in asked  # in this order: what has a turn between the two shows at the next look
            assert shell.stdin is not None
            shell.stdin.write(b"go\n")
            shell.stdin.flush()
            while Path(f"/proc/{shell.pid}/comm").read_text() != "sleep\n" or _state(shell.pid) != "S":
                time.sleep(0.01)
            gather(view, [shell.pid], _fail, go_only=True)
            assert "maps" in host.names(shell.pid)
    finally:
        shell.kill()
        shell.communicate()


def test_a_kernel_that_counts_no_turns_proves_nothing(tmp_path: Path) -> None:
    """Without CONFIG_SCHED_INFO all is zero, or there is no such file."""
    (tmp_path / "proc/7").mkdir(parents=True)
    with Host(str(tmp_path)) as host:
        assert _read_turns(host, 7) is None
        (tmp_path / "proc/7/schedstat").write_text("0 0 0\n")
        assert _read_turns(host, 7) is None
        (tmp_path / "proc/7/schedstat").write_text("5 0 1\n")
        assert _read_turns(host, 7) is not None


def test_memory_is_kept_of_who_rested_before_and_since() -> None:
    """What was found while something may have run is not kept, and what was kept is not taken once something has run."""
    known, found = Known(), Memory()
    for before, since, is_kept in ((True, True, True), (False, True, False), (True, False, False)):
        known.note_rest(7, rested=before)
        known.keep_memory(7, found)
        known.note_rest(7, rested=since)
        assert (known.take_memory(7) is found) is is_kept


@pytest.mark.fetched
def test_a_known_program_that_loads_a_go_library_is_found() -> None:
    """Before it is first looked at, beside one that is known to hold none, and between two looks."""
    library = str(goprograms.build("1.27.3", "shared", language="1.25"))
    words, pipe = [sys.executable, "-I", "-c", LOADER], subprocess.PIPE
    plain, early, late = (subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1) for _ in range(3))

    def load(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{library}\n")
        assert process.stdout.readline() == "\n"

    try:
        for process in (plain, early, late):
            assert process.stdout is not None
            process.stdout.readline()
        load(early)
        with Counting() as host:
            view = MachineView(host)
            assert [_is_go(view, process.pid) for process in (plain, early, late)] == [False, True, False]
            assert view.known.kinds[late.pid] == "python"
            for _ in range(2):
                view = MachineView(host, before=view)
                assert [_is_go(view, process.pid) for process in (plain, early, late)] == [False, True, False]
            load(late)
            assert [_is_go(MachineView(host, before=view), process.pid) for process in (plain, early, late)] == [False, True, True]
    finally:
        for process in (plain, early, late):
            process.kill()
            process.communicate()


def test_a_file_that_became_another_one_is_looked_at(tmp_path: Path) -> None:
    """The path and the way it is mapped are the same, its content is not: the next process of that name is looked at again."""
    program = tmp_path / "program"
    sleep = Path("/bin/sleep").read_bytes()
    asked = []
    with Counting() as host:
        view = MachineView(host)
        for content in (sleep, sleep, sleep + b"\n"):
            if not program.exists() or program.read_bytes() != content:
                program.write_bytes(content)
                program.chmod(0o755)
            process = _start(program)
            try:
                assert not _is_go(view, process.pid)
                asked.append("status" in host.names(process.pid))
            finally:
                process.kill()
                process.wait()
    assert asked == [True, False, True]


def test_a_library_that_is_held_open_is_asked_for_once_and_noticed_when_it_changes(tmp_path: Path) -> None:
    """Its path is looked up in the first process alone, as no other file has its numbers meanwhile; written to, it is another one."""
    library = tmp_path / "library.so"
    library.write_bytes(Path(_library_of_python()).read_bytes())
    words = [sys.executable, "-I", "-c", LOADER]
    readers = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(3)]
    try:
        for reader in readers:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdout.readline()
            reader.stdin.write(f"{library}\n")
            assert reader.stdout.readline() == "\n"
        with Counting() as host:
            view, looked_up = MachineView(host), []
            numbers = library.stat()
            for reader in readers:
                if reader is readers[2]:
                    os.utime(library)  # as whoever writes to it does
                assert not _is_go(view, reader.pid)
                asked = [path for path in host.identified if path.startswith(f"/proc/{reader.pid}/map_files/")]
                looked_up.append((len(asked) > 1, "status" in host.names(reader.pid)))
                host.identified.clear()
            held = [numbers.st_ino == os.fstat(int(file)).st_ino for file in os.listdir("/proc/self/fd") if _is_open(int(file))]
            assert any(held)
            host.forget()
            assert not any(numbers.st_ino == os.fstat(int(file)).st_ino for file in os.listdir("/proc/self/fd") if _is_open(int(file)))
        assert looked_up == [(True, True), (False, False), (True, True)]
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()


def _library_of_python() -> str:
    """Any library that this very process has mapped."""
    return next(line.split()[5] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line and " r-xp " in line)


def _is_open(file: int) -> bool:
    try:
        return bool(os.fstat(file))
    except OSError:
        return False


def _fail_with_eio(_file: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_library_is_not_held_by_numbers_that_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on btrfs, where mappings name another device than stat(2): neither the inode's number nor the device alone is enough.

    What cannot be told is not held either.
    """
    line = next(line for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line and " r-xp " in line)
    addresses, _, _, device, inode, _ = line.split(None, 5)
    path = f"/proc/{os.getpid()}/map_files/{addresses}"
    with Host() as host:
        assert not host.hold(path, "00:1f", inode)
        assert not host.hold(path, device, f"{int(inode) + 1}")
        identity = host.read_file_identity(path)
        assert not host.is_held(identity)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fstat", _fail_with_eio)
            assert not host.hold(path, device, inode)
        assert host.hold(path, device, inode)
        assert host.is_held(identity)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fstat", _fail_with_eio)
            assert not host.is_held(identity)
        host.forget()
        assert not host.is_held(identity)


@pytest.mark.fetched
def test_a_go_program_that_rests_is_not_asked_for_its_mappings(tmp_path: Path) -> None:
    """From the second look on; but if its file gets another name, that is told, and who starts another program is looked at again."""
    program = tmp_path / "program"
    program.write_bytes(goprograms.build("1.27.3", package="./minimal").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([program], stdin=subprocess.PIPE)
    try:
        wait_until_quiet(process.pid)
        with Counting() as host:
            view = MachineView(host)
            paths, asked = [], []
            for rename in (False, False, False, True):
                if rename:
                    program.rename(tmp_path / "renamed")
                found = read_go_snapshot(view, process.pid, [])
                assert found is not None
                paths.append(Path(found.go[0].program.path).name)
                asked.append("maps" in host.names(process.pid))
                view = MachineView(host, before=view)
            assert paths == ["program", "program", "program", "renamed"]
            assert asked == [True, False, False, True]
    finally:
        process.kill()
        process.communicate()


def wait_until_quiet(pid: int) -> None:
    """Until a process has started and takes no page fault for a while."""
    before = None
    while before != (before := kernel.parse_stat_memory(Path(f"/proc/{pid}/stat").read_text())[1]) or _state(pid) != "S":
        time.sleep(0.3)


def test_what_could_not_be_told_is_not_taken_for_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of which something could not be read at one look is looked at again at the next one, however quiet it is."""
    sleeper = _start()
    try:
        with Counting() as host:
            view = MachineView(host)
            assert not _is_go(view, sleeper.pid)
            view.known.others.clear()
            view.known.quiet.clear()
            view.known.processes[sleeper.pid] = Mapped(maps_hash=1, files=(), runtimes=())
            with monkeypatch.context() as patched:
                patched.setattr("cgtune.runtimes.go.reader.parse_code_mappings", _refuse)
                notes: list[Note] = []
                view = MachineView(host, before=view)
                assert read_go_snapshot(view, sleeper.pid, notes) is None
                assert [note.path for note in notes] == [f"/proc/{sleeper.pid}/maps"]
            host.names(sleeper.pid)
            assert not _is_go(MachineView(host, before=view), sleeper.pid)
            assert "maps" in host.names(sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()


def _refuse(_text: str) -> None:
    raise Malformed("no mappings")
