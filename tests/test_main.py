"""The file that ``python -m cgtune`` runs."""

from __future__ import annotations

import runpy
import sys

import pytest

import cgtune.__main__
from tests.support.command import ROOT


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
