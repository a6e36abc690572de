"""The options of ``cgtune check``."""

from __future__ import annotations

from cgtune import exits
from cgtune.commands.check import CheckOptions, run_check
from cgtune.commands.options.meant import TARGETS, WHOM, chosen_whom
from cgtune.commands.options.option import Command, choice, optional_choice
from cgtune.commands.options.shared import COLOR, IGNORE, MACHINERY, PIDS, POLICY, ROOT, SELF, SERVE_URL, WINDOW, parse_chosen_policy
from cgtune.model import FAIL_ON as FAILS
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Option, Values
    from cgtune.model import FailOn

FAIL_ON: Option[FailOn] = choice(
    "--fail-on", FAILS, "The least severity that fails, or harm: what hurts now. The rest is not shown as text.", default="warning"
)
FORMAT = choice("--format", names_of("check"), "How to say it; text, github: nothing if all is well.", default="text")
EXIT_STYLE = optional_choice(
    "--exit-style",
    exits.STYLES,
    "lint: 0, 1 failed, 2 usage, 3 could not look. nagios: 0, 1 warning, 2 critical, 3 unknown. Default: by the format.",
)


def check_options(values: Values) -> CheckOptions:
    """What these values ask for; raises UsageError."""
    return CheckOptions(
        pids=values[PIDS],
        self_only=values[SELF],
        root=values[ROOT],
        format=values[FORMAT],
        fail_on=values[FAIL_ON],
        ignore=values[IGNORE],
        exit_style=values[EXIT_STYLE],
        window_seconds=values[WINDOW],
        policy=parse_chosen_policy(values),
        machinery=values[MACHINERY],
        color=values[COLOR],
        whom=chosen_whom(values),
        serve_url=values[SERVE_URL],
    )


def _run(values: Values) -> int:
    """Judge, for probes, sidecars and pipelines: silence and 0 if all is well, else each cause with what to do.

    Without options: this container, then every Go process that can be seen.

    \b
    Examples:
      cgtune check
      cgtune check --pid 4242 --window 30
      cgtune check --format sarif --fail-on critical
    """
    return run_check(check_options(values))


COMMAND = Command(
    summary="The verdict, for probes, sidecars and pipelines.",
    options=(PIDS, *WHOM, SELF, ROOT, FAIL_ON, IGNORE, WINDOW, FORMAT, EXIT_STYLE, SERVE_URL, COLOR, MACHINERY, *POLICY),
    argument=TARGETS,
    run=_run,
)
