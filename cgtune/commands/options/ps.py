"""The options of ``cgtune ps``."""

from __future__ import annotations

from cgtune.commands.options.meant import TARGETS, WHOM, chosen_whom
from cgtune.commands.options.option import Command, choice, optional_choice, optional_number
from cgtune.commands.options.shared import COLOR, MACHINERY, POLICY, ROOT, SERVE_URL, WINDOW, parse_chosen_policy
from cgtune.commands.ps import SORTS, PsOptions, run_ps
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

FORMAT = choice("--format", names_of("ps"), "A table for people, JSON (cgtune/report/v1) for scripts.", default="table")

SORT = optional_choice("--sort", SORTS, "What comes first: what hurts most, most CPU time used, most memory in use, the least pid.")
WATCH = optional_number("--watch", "SECONDS", "Draw the list anew every so many seconds, with what happened meanwhile, until ^C.")


def ps_options(values: Values) -> PsOptions:
    """What these values ask for; raises UsageError."""
    return PsOptions(
        root=values[ROOT],
        format=values[FORMAT],
        policy=parse_chosen_policy(values),
        machinery=values[MACHINERY],
        color=values[COLOR],
        whom=chosen_whom(values),
        sort=values[SORT],
        watch_seconds=values[WATCH],
        window_seconds=values[WINDOW],
        serve_url=values[SERVE_URL],
    )


def _run(values: Values) -> int:
    """List the Go processes of this machine or pod, one line each: what they have now, what they derive, what limits them.

    \b
    Examples:
      cgtune ps
      cgtune ps --namespace shop
      cgtune ps --window 5
      cgtune ps --root /host --format json
    """
    return run_ps(ps_options(values))


COMMAND = Command(
    summary="The Go processes that can be seen, one line each.",
    options=(*WHOM, ROOT, SERVE_URL, WINDOW, SORT, WATCH, FORMAT, COLOR, MACHINERY, *POLICY),
    argument=TARGETS,
    run=_run,
)
