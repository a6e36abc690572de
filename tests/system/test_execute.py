"""The program that execvp(3) would take, and why there is none; tests/commands/test_exec.py becomes it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.errors import UsageError
from cgtune.system import execute
from cgtune.system.execute import Entries, Failure, locate_program, read_own_environ, replace_process
from cgtune.system.host import Host


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
    assert entries["B"] == "2"


def test_a_folder_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no matter if a later folder has the program; else the program may be there, and the line says how to find out."""
    real = os.stat

    def stat(path: str) -> os.stat_result:
        if path.startswith("/closed/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat)
        there = locate_program("sh", (("PATH", "/closed:/bin"),))
        failure = locate_program("sh", (("PATH", "/closed:/nonexistent"),))
    assert there == "/bin/sh"
    why = "'sh': a folder on the way to it may not be entered; look at their modes with namei -l"
    assert failure == Failure(cause="not-executable", why=why)


def test_an_environment_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no /proc, it is as Python has it, to the byte."""

    def no_host() -> Host:
        raise UsageError("no /proc")

    monkeypatch.setattr(execute, "Host", no_host)
    monkeypatch.setenv("CGTUNE_TEST", "a=\udcff")
    assert read_own_environ() == tuple(os.environ.items())


@pytest.fixture
def _signals() -> Iterator[None]:
    """Python's own handling of signals is as it was afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("content", "mode", "argument", "cause", "why"),
    [
        (b"\0\0\0\0", 0o755, "", "not-executable", "Exec format error; look at it with file(1)"),
        (b"#!/nonexistent\n", 0o755, "", "not-found", "is there, but its interpreter or loader is not; look at its first line, or at ldd"),
        (b"echo\n", 0o755, "", "not-found", "is there, but its interpreter or loader is not"),
        (b"#!/bin/true\n", 0o644, "", "not-executable", "Permission denied; look at it with file(1)"),
        (b"\0\0\0\0", 0o755, "x" * (1 << 20), "not-executable", "its arguments and its environment together are too long, shorten them"),
        (b"\0\0\0\0", 0o755, "a\0b", "not-possible", "null byte; look at its arguments"),
    ],
    ids=["a damaged program", "no interpreter", "no shell", "no mode", "too long", "a NUL"],
)
@pytest.mark.usefixtures("_signals")
def test_why_it_could_not_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, mode: int, argument: str, cause: str, why: str
) -> None:
    """Each refusal of the kernel is one line that names the program; a script without #! is given to a shell, which is missing here."""
    monkeypatch.setattr(execute, "_SHELL", str(tmp_path / "no-shell"))
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(mode)
    failure = replace_process(str(program), ("program", argument), (("A", "1"),))
    assert failure.cause == cause
    assert failure.why.startswith(f"{str(program)!r}")
    assert why in failure.why


def test_what_cannot_be_read_is_no_script(tmp_path: Path) -> None:
    """No shell is asked to run a file that cannot be looked into."""
    assert execute._is_binary(str(tmp_path / "none"))
