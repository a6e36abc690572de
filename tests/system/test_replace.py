"""A folder or an archive, whole or not at all."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cgtune.errors import Unwritable, UsageError
from cgtune.system.replace import replace_archive, replace_tree

Replace = Callable[[str, Mapping[str, bytes], Mapping[str, str]], None]


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """A file where a folder is needed ends it; what was built till then is gone."""
    with pytest.raises(Unwritable, match="nothing was written"):
        replace_tree(str(tmp_path / "out"), {"/a": b"x", "/a/b": b"y"}, {})
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
