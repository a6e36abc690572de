"""One file, whole or not at all, never through a link, and not again where it says the same."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cgtune.errors import Unwritable, UsageError
from cgtune.system.outputfile import parse_mode, replace_file, rewrite_file

OLD, NEW = b"GOMAXPROCS='2'\n", b"GOMAXPROCS='3'\n"


def trace(path: Path) -> tuple[int, int, int, int]:
    """What changes whenever a file is written or replaced."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def test_a_new_file(tmp_path: Path) -> None:
    """It has the content and exactly the mode, whatever the umask is, and nothing else is left behind."""
    before = os.umask(0o077)
    try:
        assert replace_file(str(tmp_path / "env"), NEW, 0o644, "--output") is True
    finally:
        os.umask(before)
    assert (tmp_path / "env").read_bytes() == NEW
    assert (tmp_path / "env").stat().st_mode & 0o7777 == 0o644
    assert os.listdir(tmp_path) == ["env"]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """Same content and mode: same inode, same times. Another mode or content: another file under that name."""
    path = tmp_path / "env"
    replace_file(str(path), NEW, 0o644, "--output")
    before = trace(path)
    assert replace_file(str(path), NEW, 0o644, "--output") is False
    assert trace(path) == before
    with path.open("rb") as held:
        assert replace_file(str(path), NEW, 0o600, "--output") is True
        assert replace_file(str(path), OLD, 0o600, "--output") is True
        assert held.read() == NEW  # a reader that has it open reads the old one to its end
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (OLD, 0o600)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.symlink_to("/etc/cgtune-test-target"), "a symbolic link, which is not followed"),
        (lambda path: path.symlink_to("old"), "a symbolic link"),
        (Path.mkdir, "a folder"),
        (os.mkfifo, "a FIFO"),
        (_socket, "a socket"),
    ],
    ids=["a dangling link", "a link to a file", "a folder", "a FIFO", "a socket"],
)
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    """It is refused in one line, stays what it is, and nothing is written through it."""
    (tmp_path / "old").write_bytes(OLD)
    path = tmp_path / "env"
    make(path)
    kind = path.lstat().st_mode
    with pytest.raises(UsageError, match=words):
        replace_file(str(path), NEW, 0o644, "--output")
    assert path.lstat().st_mode == kind
    assert (tmp_path / "old").read_bytes() == OLD
    assert sorted(os.listdir(tmp_path)) == ["env", "old"]


@pytest.mark.parametrize("path", ["", "/", ".", "..", "a/", "a/..", "a\0b"])
def test_what_names_no_file(path: str) -> None:
    """A path without a name of a file is refused."""
    with pytest.raises(UsageError, match="names no file"):
        replace_file(path, NEW, 0o644, "--output")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    """The message names the folder and what to do; a file in its place is told from it."""
    with pytest.raises(Unwritable, match=rf"the folder {tmp_path}/no does not exist; make it with mkdir -p, or mount the volume"):
        replace_file(str(tmp_path / "no" / "env"), NEW, 0o644, "--output")
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(Unwritable, match="Not a directory"):
        replace_file(str(tmp_path / "file" / "env"), NEW, 0o644, "--output")
    with pytest.raises(Unwritable, match="name a file in a folder"):
        replace_file("/\ud800/env", NEW, 0o644, "--output")


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is below the current folder."""
    monkeypatch.chdir(tmp_path)
    assert replace_file("env", NEW, 0o644, "--output") is True
    assert (tmp_path / "env").read_bytes() == NEW


def test_a_file_that_is_a_mount_is_told_what_to_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was mounted by itself cannot be replaced (EBUSY): its folder has to be mounted; of other errors that is not said."""
    for number, hint in ((errno.EBUSY, True), (errno.EPERM, False)):

        def refuse(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        (tmp_path / "env").write_bytes(OLD)
        monkeypatch.setattr(os, "rename", refuse)
        with pytest.raises(Unwritable) as caught:
            replace_file(str(tmp_path / "env"), NEW, 0o644, "--output")
        assert ("it is a mount of its own; mount its folder instead" in str(caught.value)) == hint
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("env", OLD)]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends it midway: the old file stands, and no draft lies beside it."""
    (tmp_path / "env").write_bytes(OLD)

    def interrupt(_file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(str(tmp_path / "env"), NEW, 0o644, "--output")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"env": OLD}


@pytest.mark.parametrize(("text", "mode"), [("0644", 0o644), ("644", 0o644), ("0", 0), ("00777", 0o777), ("0400", 0o400)])
def test_modes(text: str, mode: int) -> None:
    """Octal digits, as chmod(1) takes them."""
    assert parse_mode(text) == mode


@pytest.mark.parametrize("text", ["", "rw", "0888", "1777", "4755", "0o644", "-644", "000644", "u=rw"])
def test_bad_modes(text: str) -> None:
    """Anything else is refused, set-id and sticky bits too."""
    with pytest.raises(UsageError, match="no mode of a file"):
        parse_mode(text)


def test_a_file_that_is_mended_keeps_what_it_has(tmp_path: Path) -> None:
    """Its mode and, if we may give it away, its owner; nothing else is left behind."""
    path = tmp_path / "orders.yaml"
    path.write_bytes(OLD)
    path.chmod(0o640)
    owner = (12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    rewrite_file(str(path), NEW, "--fix")
    found = path.stat()
    assert (path.read_bytes(), found.st_mode & 0o7777, (found.st_uid, found.st_gid)) == (NEW, 0o640, owner)
    assert os.listdir(tmp_path) == ["orders.yaml"]


def test_who_may_not_give_a_file_away_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root's right the file is ours then, as with any editor."""
    path = tmp_path / "orders.yaml"
    path.write_bytes(OLD)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "fchown", refuse)
    rewrite_file(str(path), NEW, "--fix")
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("name", ["none", "a\0b", "link"])
def test_what_is_not_mended(tmp_path: Path, name: str) -> None:
    """No file, no name, a link: an error, and nothing is made or followed."""
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "link").symlink_to("old")
    with pytest.raises((Unwritable, UsageError), match="--fix"):
        rewrite_file(str(tmp_path / name), NEW, "--fix")
    assert sorted(os.listdir(tmp_path)) == ["link", "old"]
    assert (tmp_path / "old").read_bytes() == OLD
