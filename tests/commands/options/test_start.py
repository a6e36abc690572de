"""How a start ends that lacks what it needs, or is interrupted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cgtune.commands.options import start
from cgtune.commands.options.option import Command
from tests.support.command import ROOT, environment

# -S: without site-packages, as on a machine where nothing was installed
BARE = (sys.executable, "-S", "-m", "cgtune")


def run_bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run cgtune in its checkout, with Python alone."""
    return subprocess.run([*BARE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment(), check=False)


@pytest.mark.parametrize(
    ("arguments", "package", "code"),
    [
        ((), "typer", 3),
        (("--help",), "typer", 3),
        (("inspect", "--help"), "typer", 3),
        (("inspect", "--nothing"), "typer", 3),
        (("explain",), "tabulate", 3),
        (("lint", "fixtures/manifests/007-network-agent-hundred-percent.yaml"), "pyyaml", 3),
        (("check", "--exit-style", "nagios", "--nothing"), "typer", 3),
        (("exec", "--help"), "typer", 125),
        (("serve", "--listen", "127.0.0.1:0"), "waitress", 3),
    ],
)
def test_what_is_not_installed_is_one_line(arguments: tuple[str, ...], package: str, code: int) -> None:
    """A command that needs a package names it and how to install it, with no traceback."""
    done = run_bare(*arguments)
    line = f"cgtune: the Python package {package} is not installed, and this needs it; install it: python3 -m pip install {package}\n"
    assert (done.returncode, done.stdout, done.stderr) == (code, "", line)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("inspect", "--self", "--format", "json"),
        ("check", "--self", "--fail-on=critical"),
        ("ps", "--root=/"),
        ("env", "--cpu-limit", "2.5", "--memory-limit", "512Mi"),
        ("exec", "--dry-run", "--", "true"),
        ("predict", "--cpu-limit", "2.5"),
        ("explain", "oom-killed"),
    ],
    ids=" ".join,
)
def test_the_usual_forms_need_python_alone(arguments: tuple[str, ...]) -> None:
    """With the usual options these commands work where no package is installed."""
    done = run_bare(*arguments)
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr


def _lacking(monkeypatch: pytest.MonkeyPatch, module: str | None) -> None:
    """Make every command need this module."""

    def load_command(_name: str) -> Command:
        raise ModuleNotFoundError("No such module", name=module)

    monkeypatch.setattr(start, "load_command", load_command)


def test_a_missing_module_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names what can be installed, not the module in it."""
    _lacking(monkeypatch, "typer.main")
    assert start.start(["inspect"]) == 3
    why = "the Python package typer is not installed, and this needs it; install it: python3 -m pip install typer"
    assert capsys.readouterr() == ("", f"cgtune: {why}\n")


@pytest.mark.parametrize("module", ["cgtune.nothing", "", None])
def test_a_missing_module_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch, module: str | None) -> None:
    """Nobody can install it: it is a fault of cgtune's."""
    _lacking(monkeypatch, module)
    with pytest.raises(ModuleNotFoundError):
        start.start(["inspect"])
