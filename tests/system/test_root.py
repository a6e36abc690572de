"""The files below one directory, beside what tests/system/test_host.py asks through a host."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.system import root
from cgtune.system.root import Root, read_at


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Root]:
    """Returns a root with three files and an empty proc."""
    for name in "abc":
        (tmp_path / name).write_text(name)
    (tmp_path / "proc").mkdir()
    opened = Root(str(tmp_path))
    yield opened
    opened.close()


def test_a_name_that_is_gone_is_no_folder(top: Root) -> None:
    """A folder that went while its parent was listed is left out."""
    assert [top.is_folder("", name) for name in ("proc", "a", "gone")] == [True, False, False]


def test_a_threads_folder_is_not_opened_by_itself_on_procfs_alone(tmp_path: Path) -> None:
    """A thread's file is opened below its process, and each thread costs no folder more; in a copy a link there is not followed."""
    own = f"/proc/{os.getpid()}/task"
    process = f"/proc/{os.getpid()}"
    machine = Root("/")
    machine.open_doors()
    assert machine.read_whole(f"{own}/{os.getpid()}/stat").startswith(f"{os.getpid()} (".encode())
    assert [path for path in machine._directories if path.startswith(process)] == [process]
    with pytest.raises(Unreadable):
        machine.read_whole(f"{own}/../stat")
    machine.forget(process)
    assert not any(path.startswith(process) for path in machine._directories)
    assert not machine._processes
    with pytest.raises(FileNotFoundError):
        machine.read_whole(f"{own}/{1 << 30}/stat")
    machine.close()
    (tmp_path / "proc/7/task").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/stat").write_text("not its own")
    (tmp_path / "proc/7/task/7").symlink_to(tmp_path / "elsewhere")
    copy = Root(str(tmp_path))
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        copy.read_whole("/proc/7/task/7/stat")
    copy.close()


def test_few_files_stay_open(top: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the one opened first is closed, and opened again if it is asked for."""
    monkeypatch.setattr(top, "_most_files", 2)
    for name in "abca":
        assert os.pread(top.open_file(f"/{name}"), 1, 0) == name.encode()
    assert list(top._files) == ["/c", "/a"]


def test_without_a_proc_of_our_own_none_is_trusted(top: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be proven to be the kernel's is taken for plain files."""

    def no_proc(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(root, "open", no_proc, raising=False)
    assert not top.has_procfs()


@pytest.mark.parametrize("size", [0, 100, 65_535, 65_536, 70_000, 140_000])
def test_a_file_that_comes_in_one_piece_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Of a process's own files one read is enough, however few bytes it brings; of those beyond 64 KiB all the same to the end."""
    for name in ("stat", "maps"):
        place = tmp_path / "proc/7" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"7 " * (size // 2) + b"7" * (size % 2))
    root = Root(str(tmp_path))
    root.open_doors()
    reads: list[int] = []
    genuine = os.read

    def read(file: int, asked: int) -> bytes:
        reads.append(asked)
        return genuine(file, asked)

    monkeypatch.setattr(os, "read", read)
    try:
        assert [len(root.read_whole(f"/proc/7/{name}")) for name in ("stat", "maps")] == [size, size]
        short, whole = len(reads), root.read_whole("/proc/7/stat")
        assert (len(whole), len(reads) - short) == (size, 1 if size < 65_536 else len(reads) - short)
        with pytest.raises(OSError, match="larger"):
            root.read_whole("/proc/7/stat", 50_000 if size > 50_000 else size - 1)
    finally:
        root.close()


def test_a_read_that_moves_less_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pread(2) may: what comes is all that there is. A failure behind it is one, unless it says that nothing is there."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    real = os.pread

    def fewer(file: int, size: int, offset: int) -> bytes:
        if offset >= 90:
            raise OSError(errno.EIO, "Input/output error")
        return real(file, min(size, 7, 90 - offset), offset)

    with path.open("rb") as opened:
        file = opened.fileno()
        assert [read_at(file, 50, 60), read_at(file, 5, 200), read_at(file, 5, 1 << 70)] == [bytes(range(60, 100)), b"", b""]
        monkeypatch.setattr(os, "pread", fewer)
        assert read_at(file, 50, 10) == bytes(range(10, 60))
        assert read_at(file, 50, 60, (errno.EIO,)) == bytes(range(60, 90))
        for ends in ((), (errno.EFAULT,)):
            with pytest.raises(OSError, match="Input/output error"):
                read_at(file, 50, 60, ends)
