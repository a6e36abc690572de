"""All rules by their ids: those of processes (``cgtune.rules``) and those of manifests (``cgtune.lint.rules``)."""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.model import RuleText
from cgtune.rules import BY_ID, RULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from cgtune.model import Severity

    class AnyRule(Protocol):
        """What a rule says of itself, whatever it judges; its docstring is what ``cgtune explain`` prints."""

        ID: str
        SEVERITY: Severity
        SUMMARY: str
        __doc__: str | None


def list_rules() -> tuple[AnyRule, ...]:
    """All rules, those of processes first."""
    from cgtune.lint.rules import MANIFEST_RULES

    return (*RULES, *MANIFEST_RULES)


def locate_rule(name: str) -> AnyRule:
    """The rule of that id; raises UsageError if there is none."""
    if name in BY_ID:
        return BY_ID[name]
    rules = {rule.ID: rule for rule in list_rules()}
    if name in rules:
        return rules[name]
    from difflib import get_close_matches

    near = get_close_matches(name, rules, n=1) or [one for one in rules if len(name) > 2 and name in one][:1]
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"no rule {name[:60]!r}{hint or ';'} `cgtune explain` lists them")


def describe_rule(rule: AnyRule) -> RuleText:
    """What a format that lists rules says of one."""
    return RuleText(id=rule.ID, severity=rule.SEVERITY, summary=rule.SUMMARY, help=(rule.__doc__ or "").strip())
