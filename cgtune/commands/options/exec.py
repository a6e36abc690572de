"""The options of ``cgtune exec``."""

from __future__ import annotations

from cgtune.commands.exec import ExecOptions, run_exec
from cgtune.commands.options.option import Argument, Command, choice, flag
from cgtune.commands.options.shared import ALWAYS, POLICY, ROOT, parse_chosen_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

ARGV: Argument[tuple[str, ...]] = Argument(
    name="command",
    metavar="[--] COMMAND [ARGS]...",
    help="The program to become, and its arguments.",
    default=(),
    many=True,
    takes_all=True,
    is_needed=True,
)
OVERRIDE = flag("--override", "Replace what is set already; else it stays as it is.")
DRY_RUN = flag("--dry-run", "Print the variables that would be set, and start nothing.")
LOG_FORMAT = choice("--log-format", ("text", "json"), "The one line on standard error, for people or for a log collector.", default="text")
PLACE = ROOT.replace(help="The folder that holds proc/ and sys/, if not /.")


def exec_options(values: Values) -> ExecOptions:
    """What these values ask for; raises UsageError."""
    return ExecOptions(
        command=values[ARGV],
        override=values[OVERRIDE],
        always=values[ALWAYS],
        dry_run=values[DRY_RUN],
        log_format=values[LOG_FORMAT],
        root=values[PLACE],
        policy=parse_chosen_policy(values),
    )


def _run(values: Values) -> int:
    """Set GOMAXPROCS and GOMEMLIMIT to fit this container's limits, if they should be set, and become COMMAND: the same process, the
    same open files, nothing left behind.

    What is set already stays, unless --override; a Go program that does better by itself is left to it.

    Exit codes: the command's own; 125 cgtune could not be used so, 126 the command cannot be executed, 127 it was not found.

    \b
    Examples:
      cgtune exec -- /app/server --port 80
      cgtune exec --dry-run -- /app/server
    """
    return run_exec(exec_options(values))


COMMAND = Command(
    summary="Set the variables and become the command: an entrypoint.",
    options=(OVERRIDE, ALWAYS, DRY_RUN, LOG_FORMAT, PLACE, *POLICY),
    argument=ARGV,
    run=_run,
)
