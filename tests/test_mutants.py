"""scripts/mutants: its table fits the code as it stands now, and it tells a mutant that is noticed from one that is not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT


@pytest.fixture(scope="module")
def mutants() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("cgtune_mutants", ROOT / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_each_mutant_of_the_table_can_be_made(mutants: Any) -> None:
    """The old line stands once in its file, the new one is Python, the killers are there, and there are at least 150 of them."""
    table = mutants.parse_table(mutants.TABLE.read_text())
    assert len(set(table)) == len(table) >= 150
    for mutant in table:
        text = (ROOT / mutant.file).read_text()
        assert mutant.apply(text) != text
        assert [killer for killer in mutant.killers if not (ROOT / killer.partition("::")[0]).exists()] == []


@pytest.mark.parametrize(
    "text", ["@ a.py test_a.py\n- x\n- y\n+ z", "- x\n+ y", "@ a.py\n- x\n+ y", "@ a.py test_a.py\n+ y", "@ a.py test_a.py\n- x", "words"]
)
def test_a_line_that_says_nothing_is_an_error(mutants: Any, text: str) -> None:
    """A line out of its place, or a mutant without its killers, is told, and not left out."""
    with pytest.raises(mutants.TableError):
        mutants.parse_table(text)


@pytest.mark.parametrize(("old", "new"), [("x", "z"), ("absent", "z"), ("y = 2", "y = (")])
def test_a_mutant_that_cannot_be_made_is_an_error(mutants: Any, old: str, new: str) -> None:
    """An old line that stands there twice or not at all, or a new one that is no Python."""
    with pytest.raises(mutants.TableError):
        mutants.Mutant(file="a.py", old=old, new=new, killers=("test_a.py",)).apply("x = 1\ny = 2\nx = 3\n")


def test_shares_are_all_of_them_once(mutants: Any) -> None:
    """The shares 1/14 to 14/14 are the whole table, none of it twice."""
    table = mutants.parse_table(mutants.TABLE.read_text())
    shares = [mutants.choose_share(table, f"{number}/14") for number in range(1, 15)]
    assert sorted(str(mutant) for share in shares for mutant in share) == sorted(map(str, table))
    for wrong in ("0/14", "15/14", "1", "", "a/b", "-1/2"):
        with pytest.raises(mutants.TableError):
            mutants.choose_share(table, wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "test", "code", "said"),
    [
        ("return 3", "assert one() == 1", 0, "1 tried"),
        ("return 3", "assert one()", 1, "survived: a.py: return 1 -> return 3"),
        ("return 3", "assert one() == 2", 3, "error: fails without any mutant: test_a.py: FAILED test_a.py::test_one"),
        ("return 3", "assert one() == 1", 3, "the old line stands there 0 times"),
    ],
)
def test_what_it_says(
    mutants: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    new: str,
    test: str,
    code: int,
    said: str,
) -> None:
    """Killed: 0. Survived: 1, with the line. 3 if the killers fail by themselves, or the old line is not there."""
    (tmp_path / "a.py").write_text("def one():\n    return 1\n" if "0 times" not in said else "def one():\n    return True\n")
    (tmp_path / "test_a.py").write_text(f"from a import one\n\ndef test_one():\n    {test}\n")
    (tmp_path / "table").write_text(f"@ a.py test_a.py\n- return 1\n+ {new}\n")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "TABLE", tmp_path / "table")
    monkeypatch.setattr(mutants, "_OPTIONS", ("-q",))
    assert mutants.main(["--jobs", "1"]) == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
