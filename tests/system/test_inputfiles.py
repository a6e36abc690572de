"""Which files somebody means by the paths that he names, and what is said of those that cannot be read."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cgtune.errors import CgtuneError
from cgtune.system.inputfiles import MOST_BYTES, InputFiles
from tests.support.command import ROOT, uncounted
from tests.support.needs import require


def is_yaml(name: str) -> bool:
    """What the tests look for."""
    return name.endswith(".yaml")


def make(root: Path, *names: str) -> None:
    """Files that hold their own name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def found(*paths: Path | str) -> list[str]:
    """The names of the files, in their order."""
    return [file for file, failure in InputFiles(map(str, paths), is_yaml).locate() if failure is None]


def texts(*paths: Path | str) -> dict[str, str]:
    """Each file's text, or what is said instead of it."""
    return {file: str(text) for file, text in InputFiles(map(str, paths), is_yaml).read()}


def test_folders_are_searched_and_files_are_taken(tmp_path: Path) -> None:
    """By name below folders, in order; a file that is named is taken whatever its name, and each file once."""
    make(tmp_path, "b/x.yaml", "b/x.txt", "a.yaml", "b/c/y.yaml", ".git/z.yaml", ".hidden/h.yaml")
    names = [str(tmp_path / name) for name in (".hidden/h.yaml", "a.yaml", "b/c/y.yaml", "b/x.yaml")]
    assert sorted(found(tmp_path)) == names
    assert found(tmp_path / "b" / "x.txt", tmp_path / "a.yaml", tmp_path)[:2] == [str(tmp_path / "b" / "x.txt"), str(tmp_path / "a.yaml")]
    assert sorted(found(tmp_path / "a.yaml", tmp_path, tmp_path / "b")) == names


GITIGNORES = {
    ".gitignore": "build/\n*.gen.yaml\n!keep.gen.yaml\n/top.yaml\n# no\n\\#odd.yaml\ndeep/**/leaf.yaml\nspace.yaml   \n",
    "sub/.gitignore": "!sub.gen.yaml\nlocal.yaml\n/only/*.yaml\n",
    "sub/more/.gitignore": "*\n!.gitignore\n!back.yaml\n",
}
NAMES = (
    *(
        "a.yaml",
        "build/a.yaml",
        "sub/build/a.yaml",
        "x.gen.yaml",
        "keep.gen.yaml",
        "sub/x.gen.yaml",
        "sub/sub.gen.yaml",
        "top.yaml",
        "sub/top.yaml",
    ),
    *(
        "#odd.yaml",
        "deep/leaf.yaml",
        "deep/a/b/leaf.yaml",
        "space.yaml",
        "sub/local.yaml",
        "sub/q/local.yaml",
        "local.yaml",
        "sub/only/a.yaml",
    ),
    *("sub/q/only/a.yaml", "sub/more/a.yaml", "sub/more/back.yaml", "sub/more/down/back.yaml", "build/keep.gen.yaml"),
)


@pytest.mark.parametrize("start", ["", "sub", "sub/more"])
def test_what_git_ignores_is_left_out(start: str, tmp_path: Path) -> None:
    """Git itself is asked: nested files, patterns that take back, folders that hide what is below them, the start below the repository."""
    require(shutil.which("git"), "git is asked what it ignores: install it")
    make(tmp_path, *NAMES)
    for name, text in GITIGNORES.items():
        (tmp_path / name).write_text(text)
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", tmp_path], check=True, env=environ)
    arguments = ["git", "-C", str(tmp_path / start), "ls-files", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(arguments, check=True, capture_output=True, text=True, env=environ).stdout.split("\0")
    assert sorted(found(tmp_path / start)) == sorted(str(tmp_path / start / name) for name in listed if is_yaml(name))


def test_without_a_repository_files_above_mean_nothing(tmp_path: Path) -> None:
    """A .gitignore somewhere above hides nothing; one in the folder itself does, as such folders are handed on."""
    make(tmp_path, "a/b/x.yaml", "a/b/y.yaml")
    (tmp_path / ".gitignore").write_text("*.yaml\n")
    (tmp_path / "a" / ".gitignore").write_text("y.yaml\n")
    assert found(tmp_path / "a") == [str(tmp_path / "a" / "b" / "x.yaml")]
    assert found(tmp_path / "a" / "b" / "y.yaml") == [str(tmp_path / "a" / "b" / "y.yaml")]


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    """A link to a folder is not entered below another, a link to a file counts with it once; a link to nowhere is said."""
    make(tmp_path, "a/x.yaml", "else/y.yaml")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "z.yaml").symlink_to("x.yaml")
    (tmp_path / "a" / "gone.yaml").symlink_to("nothing")
    (tmp_path / "a" / "round.yaml").symlink_to("round.yaml")
    (tmp_path / "link").symlink_to("else")
    said = texts(tmp_path / "a")
    assert [Path(name).name for name in said] == ["gone.yaml", "round.yaml", "x.yaml"]
    assert "does not exist" in said[str(tmp_path / "a" / "gone.yaml")]
    assert texts(tmp_path / "link") == {str(tmp_path / "link" / "y.yaml"): "else/y.yaml"}


def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others are read."""
    make(tmp_path, "ok.yaml")
    (tmp_path / "bom.yaml").write_bytes("\ufeffa: é\r\n".encode())
    (tmp_path / "utf16.yaml").write_bytes("a: b".encode("utf-16"))
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    (tmp_path / "cut.yaml").write_bytes("a: é".encode()[:-1])
    with (tmp_path / "large.yaml").open("wb") as large:
        large.truncate(MOST_BYTES + 1)
    (tmp_path / "folder.yaml").mkdir()
    said = {Path(name).name: text.removeprefix(f"{name} ") for name, text in texts(tmp_path, tmp_path / "none", "a\0b").items()}
    assert said == {
        "bom.yaml": "\ufeffa: é\r\n",
        "cut.yaml": "is no text in UTF-8: unexpected end of data",
        "large.yaml": "is larger than 64 MiB; give it in parts",
        "latin.yaml": "is no text in UTF-8: invalid continuation byte",
        "none": "does not exist",
        "ok.yaml": "ok.yaml",
        "utf16.yaml": "is UTF-16; save it as UTF-8",
        "a\0b": r"'a\x00b' is no path: embedded null byte",
    }

    def refuse(path: str, *_arguments: Any, **_options: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        found = texts(tmp_path / "ok.yaml")
    assert "permission denied" in found[str(tmp_path / "ok.yaml")]
    monkeypatch.setattr(os, "scandir", refuse)
    assert list(texts(tmp_path).values()) == [f"{tmp_path}: permission denied"]


def test_standard_input_is_read_once_and_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again gets the same text."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("a: é".encode())))
    files = InputFiles(["-", "-"], is_yaml)
    assert [list(files.read()), list(files.read())] == [[("-", "a: é")]] * 2


def test_a_pipe_is_read_if_it_is_named(tmp_path: Path) -> None:
    """As a shell's process substitution is; below a folder it is none of the files."""
    os.mkfifo(tmp_path / "pipe.yaml")
    with subprocess.Popen(["sh", "-c", 'printf "a: b" >"$0"', tmp_path / "pipe.yaml"]):
        files = InputFiles([str(tmp_path / "pipe.yaml")], is_yaml)
        assert [list(files.read()), list(files.read())] == [[(str(tmp_path / "pipe.yaml"), "a: b")]] * 2  # though it is empty by then
    assert found(tmp_path) == []
    assert InputFiles([str(tmp_path)], is_yaml).read_beside(str(tmp_path / "pipe.yaml")) is None  # to read it would wait for ever


def test_standard_input_that_is_closed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `<&-`, when Python has none; and a path that is empty names nothing."""
    monkeypatch.setattr("sys.stdin", None)
    assert texts("-") == {"-": "standard input is closed; pipe manifests into it, as in helm template chart | cgtune lint -"}
    assert texts("") == {"": "a path is empty and names no file; . is the current folder"}


def test_what_a_file_names_is_read_only_inside_of_the_input(tmp_path: Path) -> None:
    """A manifest does not make us read what nobody named, by a link either. What lies beside a file that is named belongs to it."""
    make(tmp_path, "in/.env", "in/sub/x", "out/secret", "one/one.yaml", "one/.env", "one/sub/y")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out" / "secret")
    files = InputFiles([str(tmp_path / "in"), str(tmp_path / "one" / "one.yaml"), "-"], is_yaml)
    inside = [files.read_beside(str(tmp_path / name)) for name in ("in/.env", "in/sub/../sub/x", "one/one.yaml", "one/.env", "one/sub/y")]
    assert inside == ["in/.env", "in/sub/x", "one/one.yaml", "one/.env", "one/sub/y"]
    assert [files.read_beside(str(tmp_path / name)) for name in ("in/link", "in/../out/secret", "in/none", "in", "")] == [None] * 5
    assert files.names_beside(str(tmp_path / "in")) == (".env", "link", "sub")
    assert files.names_beside(str(tmp_path / "one")) == (".env", "one.yaml", "sub")
    assert files.names_beside(str(tmp_path)) == ()
    assert (files.names_beside(str(tmp_path / "out")), files.names_beside(str(tmp_path / "none"))) == ((), ())


def test_letters_on_the_seams_of_pieces_stay_whole(tmp_path: Path) -> None:
    """A file is read in pieces of whole bytes, not of whole letters."""
    text = "é" * ((1 << 20) + 1)
    (tmp_path / "x.yaml").write_text(f"a{text}")
    ((_, read),) = InputFiles([str(tmp_path)], is_yaml).read()
    assert not isinstance(read, CgtuneError)
    assert read == f"a{text}"


def test_a_large_text_is_not_held_twice(tmp_path: Path) -> None:
    """32 MiB of text cost 32 MiB and little more while they are read."""
    (tmp_path / "x.yaml").write_text("a: b # and so on\n" * (2 << 20))
    script = (
        "import sys, tracemalloc\n"
        "from cgtune.system.inputfiles import InputFiles\n"
        "tracemalloc.start()\n"
        "((_, text),) = InputFiles([sys.argv[1]], lambda name: True).read()\n"
        "print(len(text), tracemalloc.get_traced_memory()[1])\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=uncounted(), cwd=ROOT)
    length, most = map(int, done.stdout.split())
    assert (length, most < length + (8 << 20)) == (17 * (2 << 20), True)


@pytest.mark.parametrize("name", ["stat", "lstat", "fstat", "open", "read", "listdir", "scandir"])
def test_a_call_that_fails_once_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whichever it is: what is said in the end is the same, or ``unread`` tells, though all may go well the next time."""
    make(tmp_path, "in/a.yaml", "in/b/x.yaml", "in/b/x.env", "secret")
    (tmp_path / "in/.gitignore").write_text("b.yaml\n")
    (tmp_path / "in/b.yaml").symlink_to("a.yaml")
    (tmp_path / "in/.git").mkdir()
    (tmp_path / "in/link").symlink_to("../secret")
    places = [str(tmp_path / "in" / place) for place in ("b/x.env", "../secret", "link", "none")]
    real = getattr(os, name)
    calls, failing = 0, 0

    def call(*words: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(5, "Input/output error", words[0] if isinstance(words[0], str) else None)
        return real(*words, **more)

    def said() -> tuple[object, tuple[str, ...]]:
        nonlocal calls
        calls = 0
        files = InputFiles([str(tmp_path / "in/b"), str(tmp_path / "in")], is_yaml)
        texts = [files.read_beside(place) for place in places]
        return (list(files.read()), texts, files.names_beside(str(tmp_path / "in/b")), dict(files.read())), tuple(files.unread)

    monkeypatch.setattr(os, name, call)
    whole, unread = said()
    assert (calls > 0, unread) == (True, ())
    for failing in range(1, calls + 1):
        other, unread = said()
        assert "secret" not in str(other)
        assert (other == whole, unread) == (True, ()) or "Input/output error" in " ".join(unread), failing
