"""The argument of ``cgtune explain``."""

from __future__ import annotations

from cgtune.commands.options.option import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

RULE: Argument[str | None] = Argument(
    name="rule", metavar="[RULE]", help="The rule's id, as in a finding; without it, the list of all.", default=None, complete="rule"
)


def _run(values: Values) -> None:
    """Say what a rule means, why it hurts, how to confirm it by hand, what to do, and where that is written.

    \b
    Examples:
      cgtune explain
      cgtune explain go-not-container-aware
    """
    from cgtune.commands.terminal import emit
    from cgtune.outputs.explain import render_rule, render_rules
    from cgtune.rulebook import list_rules, locate_rule

    rule = values[RULE]
    emit(render_rules(list_rules()) if rule is None else render_rule(locate_rule(rule)))


COMMAND = Command(summary="What a finding's rule means, and what to do.", options=(), argument=RULE, run=_run)
