"""What is said about each rule is whole, and the document is what the program says."""

from __future__ import annotations

import pytest

from cgtune.lint.rules import MANIFEST_RULES
from cgtune.outputs.explain import SECTIONS, render_rule, render_rules, render_rules_document
from cgtune.rulebook import list_rules
from cgtune.rules import RULES
from tests.support.command import ROOT, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.rulebook import AnyRule

BY_ID = pytest.mark.parametrize("rule", list_rules(), ids=[rule.ID for rule in list_rules()])
SHELVES = pytest.mark.parametrize(("shelf", "rules"), [("rules", RULES), ("lint/rules", MANIFEST_RULES)], ids=["processes", "manifests"])


@BY_ID
def test_a_rule_is_explained_in_full(rule: AnyRule) -> None:
    """Meaning, harm, how to see it oneself, what to do and where it is written, in that order; no line is too wide."""
    text = rule.__doc__ or ""
    places = [text.find(f"\n{section}") for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    confirm = text[places[2] : places[3]]
    assert any(word in confirm for word in ("cat ", "grep ", "ls "))
    assert text.startswith(rule.SUMMARY)
    assert max(map(len, text.splitlines())) <= 140


@SHELVES
def test_no_rule_is_left_out(shelf: str, rules: Sequence[AnyRule]) -> None:
    """Every module of a shelf is in its table, under the id that its file is named for."""
    modules = {path.stem for path in (ROOT / "cgtune" / shelf).glob("*.py")} - {"__init__", "case"}
    assert modules == {rule.ID.replace("-", "_") for rule in rules}
    assert len(rules) == len(modules)
    assert all(rule.ID.lower() == rule.ID for rule in rules)


def test_the_document_is_what_the_program_says() -> None:
    """docs/rules.md is current; scripts/rules-doc writes it anew."""
    assert (ROOT / "docs" / "rules.md").read_text() == render_rules_document(list_rules())


def test_the_command_prints_the_list_and_one_rule() -> None:
    """Without a rule the list, with one its text, with a wrong one a line that names the nearest."""
    assert run("explain").stdout == render_rules(list_rules())
    assert run("explain", "oom-killed").stdout == render_rule(next(rule for rule in RULES if rule.ID == "oom-killed"))
    wrong = run("explain", "oom-kild")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean oom-killed" in wrong.stderr
