"""A folder or an archive, whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cgtune.errors import Unwritable, UsageError
from cgtune.system.replace import replace_archive, replace_tree

Replace = Callable[[str, Mapping[str, bytes], Mapping[str, str]], None]


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """A file where a folder is needed ends it; what was built till then is gone."""
    with pytest.raises(Unwritable, match="nothing was written"):
        replace_tree(str(tmp_path / "out"), {"/a": b"x", "/a/b": b"y"}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["stat", "fstat", "rename"])
def test_a_folder_that_cannot_be_looked_at_in_the_end_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whether it is ours is not known then, so nothing was written, and nothing stands under its name."""
    real, rename = getattr(os, name), os.rename
    renamed, failed = list[object](), list[object]()

    def renames(*words: Any, **more: Any) -> None:
        rename(*words, **more)
        renamed.append(words)

    def refuse(*words: Any, **more: Any) -> object:
        if (renamed or name == "rename") and not failed:
            failed.append(words)
            raise OSError(errno.EIO, "Input/output error")
        return real(*words, **more)

    monkeypatch.setattr(os, "rename", renames)
    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(Unwritable, match="Input/output error; nothing was written"):
        replace_tree(str(tmp_path / "out"), {"/a": b"x", "/b/c": b"y"}, {})
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("replace", [replace_tree, replace_archive])
def test_nothing_that_stands_there_is_replaced(replace: Replace, tmp_path: Path) -> None:
    """Neither a file nor a link that leads nowhere; and the empty text is no name."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for out, words in (
        (tmp_path / "link", "exists already"),
        (tmp_path / "file", "exists already"),
        ("", "is no name"),
        ("a\0", "is no name"),
    ):
        with pytest.raises(UsageError, match=words):
            replace(str(out), {"/a": b"x"}, {})
    assert {path.name for path in tmp_path.iterdir()} == {"link", "file"}


def test_an_archive_has_one_order(tmp_path: Path) -> None:
    """The same files are the same archive, in whichever order they were read."""
    replace_archive(str(tmp_path / "out.tgz"), {"/b": b"2", "/a": b"1", "/c": b"3"}, {"/e": "a", "/d": "b"})
    with tarfile.open(tmp_path / "out.tgz") as archive:
        assert archive.getnames() == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("replace", [replace_tree, replace_archive])
def test_a_recording_is_for_its_user_alone(replace: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds addresses, memory and names of variables of other users, whatever the umask is."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    try:
        replace("out.tgz" if replace is replace_archive else "out", {"/a": b"x", "/b/c": b"y"}, {"/b/d": "c"})
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.rglob("*") if not path.is_symlink()}
    assert modes == ({"out.tgz": 0o600} if replace is replace_archive else {"out": 0o700, "a": 0o600, "b": 0o700, "c": 0o600})


@pytest.mark.parametrize("when", ["mkdir", "symlink", "rename"])
def test_whoever_owns_the_folder_around_leads_it_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """The half-made folder is moved away, and a link to another folder takes its name: not a byte goes there, and the run fails."""
    elsewhere, around = tmp_path / "elsewhere", tmp_path / "around"
    elsewhere.mkdir()
    around.mkdir()
    real = getattr(os, when)

    def swap() -> None:
        for built in [path for path in around.iterdir() if path.name.startswith(".cgtune-")]:
            real_rename(built, around / "moved")
            built.symlink_to(elsewhere)

    def hooked(*arguments: object, **options: object) -> object:
        if when == "rename":
            swap()
        answer = real(*arguments, **options)
        if when != "rename" and not (around / "moved").exists():
            swap()
        return answer

    real_rename = os.rename
    with monkeypatch.context() as patched:
        patched.setattr(os, when, hooked)
        # the link is made by hand: pathlib asks os as well
        with pytest.raises(Unwritable, match="nothing was written"):
            replace_tree(str(around / "out"), {"/a": b"x", "/b/c": b"y"}, {"/d": "e", "/f": "g"})
    assert list(elsewhere.iterdir()) == []


def test_a_folder_of_ours_that_got_the_name_meanwhile_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the folder around may rename what is ours there as well: only an empty folder is filled."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    real = os.mkdir

    def make(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real(path, mode, dir_fd=dir_fd)
        monkeypatch.undo()
        os.rename(tmp_path / path, tmp_path / "moved")
        os.rename(other, tmp_path / path)

    monkeypatch.setattr(os, "mkdir", make)
    with pytest.raises(Unwritable, match="somebody changes the folder around it"):
        replace_tree(str(tmp_path / "out"), {"/a": b"x"}, {})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kept"]


@pytest.mark.parametrize(("number", "is_lost"), [(errno.ENOSPC, True), (errno.EINTR, False)])
def test_a_close_tells_of_a_file_that_did_not_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_lost: bool) -> None:
    """NFS says there that its disk is full: then nothing is made. An interruption says nothing of the kind."""
    close = os.close

    def fail(file: int) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        close(file)
        if path.endswith("/a"):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "close", fail)
    if is_lost:
        with pytest.raises(Unwritable, match="No space left on device; nothing was written"):
            replace_tree(str(tmp_path / "out"), {"/a": b"x"}, {})
    else:
        replace_tree(str(tmp_path / "out"), {"/a": b"x"}, {})
    assert [path.name for path in tmp_path.iterdir()] == ([] if is_lost else ["out"])
