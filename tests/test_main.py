"""The file that ``python -m cgtune`` runs."""

from __future__ import annotations

import runpy
import sys

import pytest

import cgtune
from tests.support.command import ROOT


def test_the_file_run_as_a_program_exits_with_the_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a program it does what it is asked, and exits with the code of that."""
    monkeypatch.setattr(sys, "argv", ["cgtune", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "cgtune" / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"cgtune {cgtune.__version__}\n"
