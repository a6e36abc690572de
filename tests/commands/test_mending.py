"""Fixes applied to files: each span and nothing else, whole or not at all, and what would change as a diff that others take."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cgtune.commands.mending import Mended, is_elsewhere, mend, render_diff, write_mended
from cgtune.errors import Unwritable
from cgtune.lint.model import Edit, Fix, LintFinding
from tests.support.lintreports import MANIFEST, finding_at, mended, place_in
from tests.support.needs import require

Find = Callable[[Mapping[str, str]], Iterator[tuple[LintFinding, str]]]


TEXTS = [
    MANIFEST,
    MANIFEST.replace("\n", "\r\n"),
    MANIFEST.rstrip("\n"),
    "\ufeff" + MANIFEST,
    "é" + MANIFEST,
    MANIFEST.replace("2}", "2}\r# x"),
]


def finds(files: dict[str, str], *wrong: tuple[str, str, str]) -> Find:
    """What finds each of these words in these files, with a fix of that kind that puts another in its place."""

    def find(texts: Mapping[str, str]) -> Iterator[tuple[LintFinding, str]]:
        for file, text in (files | dict(texts)).items():
            for word, better, kind in wrong:
                if word in text:
                    place = place_in(text, word, file)
                    yield finding_at(place, fix=mended(place, better, kind)), text

    return find


def nobody(_: str) -> bool:
    """No file stays as it is."""
    return False


def test_all_is_mended_that_goes_together() -> None:
    """In as many rounds as it takes: what a fix makes possible too, and what two fixes want of one place one after the other."""
    files = {"a": "one two\n", "b": "three\n"}
    found = mend(finds(files, ("one", "uno", "safe"), ("uno two", "due", "safe"), ("three", "tre", "unsafe")), ["safe"], nobody)
    assert (dict(found.before), dict(found.after), found.count) == ({"a": "one two\n"}, {"a": "due\n"}, 2)
    both = mend(finds(files, ("one", "uno", "safe"), ("three", "tre", "unsafe")), ["safe", "unsafe"], nobody)
    assert dict(both.after) == {"a": "uno two\n", "b": "tre\n"}


def test_fixes_that_undo_each_other_end() -> None:
    """After a few rounds, and a file that is then what it was is not touched."""
    found = mend(finds({"a": "x"}, ("x", "y", "safe"), ("y", "x", "safe")), ["safe"], nobody)
    assert dict(found.after) == {}


def test_a_file_that_stays_keeps_its_findings() -> None:
    """No fix of which one edit is in such a file is made, and none whose other file is not at hand."""
    files = {"a": "one\n", "b": "one\n"}
    assert dict(mend(finds(files, ("one", "uno", "safe")), ["safe"], lambda file: file == "a").after) == {"b": "uno\n"}

    def find(_: Mapping[str, str]) -> Iterator[tuple[LintFinding, str]]:
        edits = (Edit(file="a", start=0, end=1, text="O"), Edit(file="elsewhere", start=0, end=1, text="O"))
        yield finding_at(place_in("one", "one", "a"), fix=Fix(kind="safe", edits=edits)), "one"

    assert dict(mend(find, ["safe"], nobody).after) == {}


@pytest.mark.parametrize("text", TEXTS)
def test_every_other_byte_stays(tmp_path: Path, text: str) -> None:
    """Ends of lines, a byte order mark, comments, a missing end of the last line."""
    (tmp_path / "m.yaml").write_bytes(text.encode())
    (tmp_path / "m.yaml").chmod(0o600)
    file = str(tmp_path / "m.yaml")
    found = mend(finds({file: text}, ('"512MiB"', '"460MiB"', "safe")), ["safe"], nobody)
    write_mended(found)
    assert (tmp_path / "m.yaml").read_bytes() == text.replace("512MiB", "460MiB").encode()
    assert (tmp_path / "m.yaml").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("text", TEXTS)
def test_patch_makes_the_same_of_the_diff(tmp_path: Path, text: str) -> None:
    """The diff says all that is mended, and no more."""
    require(shutil.which("patch"), "needs patch(1): apt-get install patch")
    found = mend(finds({"m.yaml": text}, ('"512MiB"', '"460MiB"', "safe")), ["safe"], nobody)
    (tmp_path / "m.yaml").write_bytes(text.encode())
    subprocess.run(["patch", "--binary", "-s", "-p0"], cwd=tmp_path, input=render_diff(found).encode(), check=True, timeout=20)
    assert (tmp_path / "m.yaml").read_bytes() == text.replace("512MiB", "460MiB").encode()


def test_a_diff_shows_one_line() -> None:
    """With the files' names and three lines around."""
    found = mend(finds({"m.yaml": MANIFEST}, ('"512MiB"', '"460MiB"', "safe")), ["safe"], nobody)
    lines = render_diff(found).splitlines()
    assert lines[:3] == ["--- m.yaml", "+++ m.yaml", "@@ -11,6 +11,6 @@"]
    assert [line for line in lines[3:] if line[0] != " "] == ['-          value: "512MiB"', '+          value: "460MiB"']
    assert render_diff(Mended(before={}, after={}, count=0)) == ""


def test_a_diff_steers_no_terminal() -> None:
    """Neither by a file's name nor, on a terminal, by what is in it; a pipe gets the bytes."""
    file = "a\x1b[31m\n.yaml"
    found = mend(finds({file: MANIFEST.replace("# the program", "# \x1b[31m\r\t")}, ("app  #", "apps  #", "safe")), ["safe"], nobody)
    shown, piped = render_diff(found, is_shown=True), render_diff(found)
    assert shown.startswith("--- a\\x1b[31m\\x0a.yaml\n+++ a")
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "# \x1b[31m\r\t\n" in piped
    assert len(piped.split("\n")) == len(shown.split("\n"))


def test_nothing_is_written_over_somebody_s_change(tmp_path: Path) -> None:
    """If one of the files is not what was read, none is written."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("one\n")
    files = {str(tmp_path / name): "one\n" for name in ("a", "b")}
    found = mend(finds(files, ("one", "uno", "safe")), ["safe"], nobody)
    (tmp_path / "b").write_text("one more\n")
    with pytest.raises(Unwritable, match="has changed since it was read"):
        write_mended(found)
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("one\n", "one more\n")
    (tmp_path / "b").unlink()
    with pytest.raises(Unwritable, match="No such file or directory; nothing was mended"):
        write_mended(found)


def test_a_link_is_named(tmp_path: Path) -> None:
    """It is not followed, as it may lead anywhere; a plain file is no such thing."""
    (tmp_path / "link").symlink_to("/etc/elsewhere")
    assert (
        is_elsewhere(str(tmp_path / "link"))
        == f"{tmp_path}/link is a symbolic link to /etc/elsewhere, which is not followed: name that file"
    )
    assert is_elsewhere(__file__) is None
