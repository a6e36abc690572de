"""The file that ``python -m cgtune`` runs."""

from __future__ import annotations

import json
import resource
import runpy
import subprocess
import sys

import pytest

import cgtune.__main__
from tests.support.command import PROGRAM, ROOT, uncounted


def test_the_file_run_as_a_program_exits_with_the_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a program it does what it is asked, and exits with the code of that."""
    monkeypatch.setattr(sys, "argv", ["cgtune", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "cgtune" / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"cgtune {cgtune.__version__}\n"


@pytest.mark.parametrize(("cause", "code"), [(KeyboardInterrupt(), 130), (None, None), (ValueError("x"), None)])
def test_an_interrupt_that_python_wraps(monkeypatch: pytest.MonkeyPatch, cause: BaseException | None, code: int | None) -> None:
    """Ctrl-C while a module makes a class is a RuntimeError before Python 3.12: it ends with 130 as well; any other one is a fault."""

    def start(_arguments: list[str]) -> int:
        raise RuntimeError("Error calling __set_name__") from cause

    monkeypatch.setattr(sys, "argv", ["cgtune", "inspect"])
    monkeypatch.setattr("cgtune.commands.options.start.start", start)
    if code is None:
        with pytest.raises(RuntimeError):
            cgtune.__main__.main()
    else:
        assert cgtune.__main__.main() == code


def test_python_collects_seldom_and_ends_without_a_look() -> None:
    """A start makes no garbage that is worth a look: no generation is collected while it runs, nothing is left to look at in the end."""
    code = (
        "import sys, gc; sys.path.insert(0, sys.argv.pop(1)); from cgtune.__main__ import main; before = gc.get_stats()[1]['collections'];"
        "code = main(); sys.stderr.write(f\"{gc.get_stats()[1]['collections'] - before} {len(gc.get_objects()) < gc.get_freeze_count()}\")"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(ROOT), "inspect", "--self", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
        env=uncounted(),
    )
    assert done.stderr == "0 True"
    assert json.loads(done.stdout)["processes"]


@pytest.mark.parametrize("allowed", range(5, 17))
def test_few_descriptors_are_told_as_such(allowed: int) -> None:
    """Down to twelve the report is whole; below it may be one line: never a traceback, nor a capability that would not help."""

    def restrain() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))

    argv = [*PROGRAM, "inspect", "--self"]
    done = subprocess.run(  # nothing else runs here that a fork could lock
        argv, capture_output=True, text=True, timeout=60, env=uncounted(), stdin=subprocess.DEVNULL, check=False, preexec_fn=restrain
    )
    assert done.returncode in ((0,) if allowed >= 12 else (0, 3)), done.stderr
    assert "Traceback" not in done.stderr
    assert "CAP_" not in done.stderr + done.stdout
    if done.returncode:
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        assert "oo many open files; raise the limit" in done.stderr
    elif allowed >= 12:
        assert "oo many open files" not in done.stdout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started; raise the limit (pids.max, ulimit -u, TasksMax=)"),
        (ImportError("cannot import name 'x'", name="cgtune.rules"), "could not load all of itself (cgtune.rules); look at the disk"),
        (OSError(5, "Input/output error", "/x\n"), "the machine failed: [Errno 5] Input/output error: '/x\\n'; try again"),
    ],
)
@pytest.mark.parametrize(("command", "code"), [("inspect", 3), ("exec", 125)])
def test_a_machine_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str, command: str, code: int
) -> None:
    """While modules are loaded and threads started as well: no traceback, and the exit code that the command has for it."""

    def start(_arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(sys, "argv", ["cgtune", command])
    monkeypatch.setattr("cgtune.commands.options.start.start", start)
    assert cgtune.__main__.main() == code
    said = capsys.readouterr().err
    assert (said.count("\n"), words in said) == (1, True), said
