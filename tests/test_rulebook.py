"""All rules in one book: each id once, and a slip of the pen is met with the nearest."""

from __future__ import annotations

import pytest

from cgtune.errors import UsageError
from cgtune.lint.rules import MANIFEST_RULES
from cgtune.rulebook import describe_rule, list_rules, locate_rule
from cgtune.rules import RULES


def test_each_id_is_one_rule() -> None:
    """Those of processes and those of manifests do not share a name."""
    ids = [rule.ID for rule in list_rules()]
    assert len(ids) == len(set(ids)) == len(RULES) + len(MANIFEST_RULES)
    assert [locate_rule(name).ID for name in ids] == ids


@pytest.mark.parametrize(("name", "meant"), [("oom-kiled", "oom-killed"), ("oom", "oom-killed"), ("env-duplicates", "env-duplicate")])
def test_an_unknown_rule_is_told_its_neighbour(name: str, meant: str) -> None:
    """A slip of the pen is met with the nearest id."""
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        locate_rule(name)


def test_a_rule_is_described_whole() -> None:
    """What SARIF shows of a rule is what explain prints."""
    rule = locate_rule("gomemlimit-divisor")
    told = describe_rule(rule)
    assert (told.id, told.severity, told.summary) == ("gomemlimit-divisor", "critical", rule.SUMMARY)
    assert told.help == (rule.__doc__ or "").strip()
