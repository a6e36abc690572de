"""What is said about each rule is whole, and the document is what the program says."""

from __future__ import annotations

import pytest

from cgtune.outputs.explain import SECTIONS, render_rule, render_rules, render_rules_document
from cgtune.rules import RULES
from tests.support.command import ROOT, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.rules import Rule

BY_ID = pytest.mark.parametrize("rule", RULES, ids=[rule.ID for rule in RULES])


@BY_ID
def test_a_rule_is_explained_in_full(rule: Rule) -> None:
    """Meaning, harm, how to see it oneself, what to do and where it is written, in that order; no line is too wide."""
    text = rule.__doc__ or ""
    places = [text.find(f"\n{section}") for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    confirm = text[places[2] : places[3]]
    assert any(word in confirm for word in ("cat ", "grep ", "ls "))
    assert text.startswith(rule.SUMMARY)
    assert max(map(len, text.splitlines())) <= 140


@BY_ID
def test_a_rule_has_the_module_of_its_id(rule: Rule) -> None:
    """rules/<id>.py holds the rule, and its id is one that the contract's shape allows."""
    assert (ROOT / "cgtune" / "rules" / f"{rule.ID.replace('-', '_')}.py").is_file()
    assert rule.ID.lower() == rule.ID


def test_no_rule_is_left_out() -> None:
    """Every module of the shelf is in the table."""
    modules = {path.stem for path in (ROOT / "cgtune" / "rules").glob("*.py")} - {"__init__", "case"}
    assert modules == {rule.ID.replace("-", "_") for rule in RULES}
    assert len(RULES) == len(modules)


def test_the_document_is_what_the_program_says() -> None:
    """docs/rules.md is current; scripts/rules-doc writes it anew."""
    assert (ROOT / "docs" / "rules.md").read_text() == render_rules_document(RULES)


def test_the_command_prints_the_list_and_one_rule() -> None:
    """Without a rule the list, with one its text, with a wrong one a line that names the nearest."""
    assert run("explain").stdout == render_rules(RULES)
    assert run("explain", "oom-killed").stdout == render_rule(next(rule for rule in RULES if rule.ID == "oom-killed"))
    wrong = run("explain", "oom-kild")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean oom-killed" in wrong.stderr
