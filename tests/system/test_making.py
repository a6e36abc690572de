"""Files that have no name until they are whole, and what a maker that was killed has left."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.system import making
from cgtune.system.making import make_file, open_folder, remove_left
from tests.support.command import ROOT

OLD, NEW = b"old\n", b"new\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """The test's own folder, open."""
    opened = open_folder(str(tmp_path))
    yield opened
    os.close(opened)


@pytest.fixture(params=["nameless", "named"])
def any_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with files that have no name, and one without."""
    if request.param == "named":
        real = os.open

        def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            return real(path, flags, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", refuse)


def fill(file: int) -> None:
    """What is written in these tests."""
    os.write(file, NEW)


@pytest.mark.usefixtures("any_system")
def test_a_name_stands_for_the_whole_of_it(tmp_path: Path, folder: int) -> None:
    """New, in place of another, and not in place of another if it has to be new; nothing else stays there."""
    make_file(folder, "a", fill)
    assert (tmp_path / "a").read_bytes() == NEW
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(FileExistsError):
        make_file(folder, "a", fill, is_new=True)
    assert (tmp_path / "a").read_bytes() == OLD
    make_file(folder, "a", fill)
    make_file(folder, "b", fill, is_new=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": NEW, "b": NEW}


@pytest.mark.usefixtures("any_system")
@pytest.mark.parametrize("call", ["open", "write", "link", "rename"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_whichever_call_fails_what_stood_there_stands(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """No half of it, and no draft beside it; a call that is not made fails nothing."""
    (tmp_path / "a").write_bytes(OLD)
    failed: list[tuple[object, ...]] = []
    real = getattr(os, call)

    def fail(*arguments: object, **options: object) -> object:
        if call == "open" and arguments[1] == os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC:
            return real(*arguments, **options)  # the listing, without which it goes on
        if call == "link" and not failed and arguments[1] == "a":
            return real(*arguments, **options)  # which says that there is one
        failed.append(arguments)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with contextlib.suppress(OSError):
            make_file(folder, "a", fill)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", OLD if failed else NEW)]


def test_what_a_killed_maker_left_is_removed(tmp_path: Path, folder: int) -> None:
    """Files and folders of ours, if they are old and nobody holds them; never what has another name, is a link, or is young."""
    old = time.time() - 61
    for name in (".cgtune-old", ".cgtune-held", ".cgtune-young", "cgtune-other"):
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / ".cgtune-tree" / "proc").mkdir(parents=True)
    (tmp_path / ".cgtune-link").symlink_to("cgtune-other")
    for name in (".cgtune-old", ".cgtune-held", ".cgtune-tree", "cgtune-other", ".cgtune-link"):
        os.utime(tmp_path / name, (old, old), follow_symlinks=False)
    with (tmp_path / ".cgtune-held").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remove_left(folder)
    assert {path.name for path in tmp_path.iterdir()} == {".cgtune-held", ".cgtune-young", "cgtune-other", ".cgtune-link"}


def test_no_folder_is_removed_if_others_may_have_named_it(tmp_path: Path, folder: int) -> None:
    """Who may rename what lies there could have a folder of ours removed by giving it such a name. A file he could remove himself."""
    (tmp_path / ".cgtune-tree").mkdir()
    (tmp_path / ".cgtune-file").write_bytes(OLD)
    for path in list(tmp_path.iterdir()):
        os.utime(path, (0, 0))
    tmp_path.chmod(0o777)
    remove_left(folder)
    assert [path.name for path in tmp_path.iterdir()] == [".cgtune-tree"]
    tmp_path.chmod(0o1777)
    remove_left(folder)
    assert list(tmp_path.iterdir()) == []


WRITERS = {
    "env": """from cgtune.system.outputfile import replace_file
while True:
    replace_file("out", b"x" * 100_000, 0o600, "--output")
    replace_file("out", b"y", 0o644, "--output")""",
    "archive": """from cgtune.system.replace import replace_archive
for number in range(9999):
    replace_archive(f"o{number}.tgz", {"/a": b"x" * 100_000, "/b": b""}, {"/l": "a"})""",
    "tree": """from cgtune.system.replace import replace_tree
for number in range(9999):
    replace_tree(f"o{number}", {"/a/b": b"x" * 9_000, "/c/d/e": b""}, {"/l": "a"})""",
}


@pytest.mark.slow
@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_kill_9_leaves_whole_files_and_little_else(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    """At any moment: what has its name is whole, and what lies beside it the next run removes."""
    chance = random.Random(writer)
    source = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{WRITERS[writer]}"
    for _ in range(12):
        program = subprocess.Popen([sys.executable, "-I", "-c", source], cwd=tmp_path)
        while not any(tmp_path.iterdir()):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.05, 0.15))
        program.send_signal(signal.SIGKILL)
        program.wait()
    monkeypatch.setattr(making, "_LEFT_SECONDS", -1.0)
    remove_left(folder)
    for path in tmp_path.iterdir():
        assert not path.name.startswith(".")
        if writer == "tree":
            assert sorted(inner.name for inner in path.rglob("*")) == ["a", "b", "c", "d", "e", "l"]
            assert ((path / "a/b").stat().st_size, (path / "l").readlink()) == (9_000, Path("a"))
        elif writer == "env":
            assert path.read_bytes() in (b"x" * 100_000, b"y")
        else:
            with tarfile.open(path) as archive:
                assert archive.getnames() == ["a", "b", "l"]


@pytest.mark.usefixtures("any_system")
@pytest.mark.parametrize("times", [1, 2])
def test_a_draft_that_cannot_be_removed_takes_nothing_from_what_is_made(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Its name stands for it by then. A failure of the moment leaves nothing; what a lasting one leaves, the next maker removes."""
    real, left = os.unlink, [OSError(errno.EBUSY, "busy")] * times

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if left:
            raise left.pop()
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    make_file(folder, "a", fill, is_new=True)
    assert (tmp_path / "a").read_bytes() == NEW
    assert times == 2 or [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EINTR])
def test_a_close_that_fails_is_nothing_once_all_is_on_the_disk(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The descriptor is free, whatever the kernel says, and what was written was synced before it got its name."""
    synced: list[int] = []
    sync, close = os.fsync, os.close

    def note(file: int) -> None:
        synced.append(len(list(tmp_path.iterdir())))
        sync(file)

    monkeypatch.setattr(os, "fsync", note)

    def fail(file: int) -> None:
        close(file)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", fail)
        make_file(folder, "a", fill)
    assert (synced, (tmp_path / "a").read_bytes()) == ([0], NEW)
