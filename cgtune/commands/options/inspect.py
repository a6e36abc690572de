"""The options of ``cgtune inspect``."""

from __future__ import annotations

from cgtune.commands.inspect import InspectOptions, run_inspect
from cgtune.commands.options.meant import TARGETS, WHOM, chosen_whom
from cgtune.commands.options.option import Command, choice, flag
from cgtune.commands.options.shared import COLOR, MACHINERY, METRICS_URL, PIDS, POLICY, ROOT, SELF, SERVE_URL, WINDOW, parse_chosen_policy
from cgtune.errors import UsageError
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

FORMAT = choice("--format", names_of("inspect"), "A table for people, JSON (cgtune/report/v1) for scripts.", default="table")
VERBOSE = flag("--verbose", "All of it: the steps by which each Go value is derived, whole paths, facts that say nothing.", short="-v")
BRIEF = flag("--brief", "Three lines for each process: so it is by itself from four processes on.")
FULL = flag("--full", "The whole report, however many processes there are.")


def inspect_options(values: Values) -> InspectOptions:
    """What these values ask for; raises UsageError."""
    if values[BRIEF] and (values[FULL] or values[VERBOSE]):
        raise UsageError(f"--brief and {'--full' if values[FULL] else '--verbose'} exclude each other: three lines a process, or all")
    return InspectOptions(
        pids=values[PIDS],
        self_only=values[SELF],
        root=values[ROOT],
        format=values[FORMAT],
        metrics_url=values[METRICS_URL],
        verbose=values[VERBOSE],
        policy=parse_chosen_policy(values),
        machinery=values[MACHINERY],
        color=values[COLOR],
        whom=chosen_whom(values),
        brief=True if values[BRIEF] else False if values[FULL] or values[VERBOSE] else None,
        window_seconds=values[WINDOW],
        serve_url=values[SERVE_URL],
    )


def _run(values: Values) -> int:
    """Report what the kernel enforces, what each Go runtime derives from it, and what it has at this moment.

    Limits are those of the whole chain of cgroups, with the file that says so. Without options: this container, then every Go process
    that can be seen. With targets or --container, --pod, --namespace, --command: every process that they mean, Go or not.

    \b
    Examples:
      cgtune inspect
      cgtune inspect --pid 4242
      cgtune inspect --container dea8d6
      cgtune inspect --pid 4242 --window 5
      cgtune inspect --root /host --pid 4242 --format json
    """
    return run_inspect(inspect_options(values))


COMMAND = Command(
    summary="The report: what is enforced, derived and held, and what to do.",
    options=(PIDS, *WHOM, SELF, ROOT, FORMAT, METRICS_URL, SERVE_URL, WINDOW, VERBOSE, BRIEF, FULL, COLOR, MACHINERY, *POLICY),
    argument=TARGETS,
    run=_run,
)
