"""The program that execvp(3) would take, and why there is none; tests/commands/test_exec.py becomes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgtune.system.execute import Entries, Failure, locate_program


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Returns two folders with a file named tool; only that in the second may be executed."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode in ((first, 0o644), (second, 0o755)):
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "tool").chmod(mode)
    (first / "folder").mkdir()
    return first, second


def test_what_may_not_be_executed_is_passed_over(folders: tuple[Path, Path]) -> None:
    """PATH in its order, of two the first; a folder of it that does not exist is no matter; a name with a slash is not searched for."""
    first, second = folders
    path = ("PATH", f"{first}:/nonexistent:{second}")
    assert locate_program("tool", (("A", "1"), path, ("PATH", "/usr/bin"))) == f"{second}/tool"
    assert locate_program(f"{second}/tool", ()) == f"{second}/tool"
    assert locate_program("sh", ()) in ("/bin/sh", "/usr/bin/sh")


@pytest.mark.parametrize(
    ("name", "cause", "why"),
    [
        ("tool", "not-executable", "'tool': it may not be executed; look at its mode"),
        ("folder", "not-executable", "'folder': it is a folder; give the path"),
        ("none", "not-found", "'none': not found in PATH, which is '"),
        ("", "not-found", "'': not found in PATH"),
        ("{first}/tool", "not-executable", "it may not be executed"),
        ("{first}", "not-executable", "it is a folder"),
        ("{first}/tool/x", "not-found", "Not a directory; give the path of the program"),
        ("{first}/none", "not-found", "No such file or directory; give the path of the program"),
        ("a\0b/", "not-found", "null byte; give the path of the program"),
        ("a\0b", "not-found", "not found in PATH"),
    ],
)
def test_why_there_is_none(folders: tuple[Path, Path], name: str, cause: str, why: str) -> None:
    """A program that is there and may not be executed is another matter than one that is not there: their exit codes differ."""
    name = name.replace("{first}", str(folders[0]))
    failure = locate_program(name, (("PATH", str(folders[0])),))
    assert isinstance(failure, Failure)
    assert failure.cause == cause
    assert why in failure.why
    assert failure.why.startswith(repr(name))


def test_an_environment_keeps_names_that_stand_in_it_twice() -> None:
    """What os.execve is given has as many keys as values, in their order."""
    entries = Entries((("A", "1"), ("B", "2"), ("A", "3")))
    assert (len(entries), entries.keys(), entries.values()) == (3, ["A", "B", "A"], ["1", "2", "3"])
