"""The options of ``cgtune snapshot``."""

from __future__ import annotations

from cgtune.commands.options.option import Argument, Command
from cgtune.commands.options.shared import METRICS_URL, PIDS, ROOT, SELF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

OUT = Argument(
    name="out",
    metavar="OUT",
    help="The folder to make, or a file that ends in .tar.gz; it must not exist yet.",
    default="",
    is_needed=True,
)


def _run(values: Values) -> None:
    """Capture all that inspect reads for the chosen processes, for a bug report or a test; `cgtune inspect --root OUT` replays it.

    Environment values are redacted, all but those of Go's own variables (GOMAXPROCS, GOMEMLIMIT, GOGC, GODEBUG) and names made of them.
    Nothing else of a process's memory or files is kept than what inspect reads; of a metrics page, the lines of Go's own metrics (go_).

    \b
    Example:
      cgtune snapshot /tmp/stuck.tar.gz --pid 4242
    """
    from cgtune import api
    from cgtune.commands.terminal import LOOKING, Telling, emit

    with Telling(LOOKING):
        api.snapshot(values[OUT], values[PIDS], root=values[ROOT], self_only=values[SELF], metrics_url=values[METRICS_URL])
    emit(f"{values[OUT]}\n")


COMMAND = Command(
    summary="Record all that inspect reads, for a bug report or a test.", options=(PIDS, SELF, ROOT, METRICS_URL), argument=OUT, run=_run
)
