"""``cgtune inspect`` below its options: the report on stdout."""

from __future__ import annotations

from cgtune import exits
from cgtune.commands.kills import read_kills
from cgtune.commands.showing import show
from cgtune.commands.terminal import Telling, fail, looking
from cgtune.model import NOBODY, Policy, Whom
from cgtune.outputs.words import note_words
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.model import Note

_MOST_NOTES = 20  # lines


class InspectOptions(Record):
    """What to look at, and how to show it. ``brief`` None: as many processes decide."""

    pids: tuple[int, ...] = ()
    self_only: bool = False
    root: str = "/"
    format: str = "table"
    metrics_url: str | None = None
    verbose: bool = False
    policy: Policy = Policy()
    machinery: bool = False
    color: str = "auto"
    whom: Whom = NOBODY
    brief: bool | None = None
    window_seconds: float | None = None
    serve_url: str | None = None


def run_inspect(options: InspectOptions) -> int:
    """Look, judge, print, and give the exit code back: 3 if one of several processes does not run. Raises what api.inspect raises, and
    Unwritable.
    """
    from cgtune import api

    kills = read_kills(options.serve_url)
    with Telling(looking(options.window_seconds)):
        report = api.inspect(
            options.pids,
            root=options.root,
            self_only=options.self_only,
            metrics_url=options.metrics_url,
            policy=options.policy,
            machinery=options.machinery,
            whom=options.whom,
            window_seconds=options.window_seconds,
            kills=kills,
        )
    show("inspect", options.format, report, colour=options.color, verbose=options.verbose, brief=options.brief)
    ended = [note for note in report.notes if (options.pids or options.whom.pids) and note.kind == "failed"]
    if options.format == "otlp-json":
        notes = (*report.notes, *(note for process in report.processes for note in process.notes))
        _tell(note for note in notes if note not in ended)
    for note in ended:
        fail(note.why, exits.COULD_NOT_INSPECT)
    return exits.COULD_NOT_INSPECT if ended else exits.CLEAN


def _tell(notes: Iterable[Note]) -> None:
    """Say each on stderr: OpenTelemetry has no place for their words, and a missing point looks like a value that does not exist."""
    lines = tuple(dict.fromkeys(f"not seen: {note.path}: {note_words(note)}" for note in notes))
    for line in lines[:_MOST_NOTES]:
        fail(line, exits.CLEAN)
    if len(lines) > _MOST_NOTES:
        fail(f"not seen: {len(lines) - _MOST_NOTES} more: --format json has them all", exits.CLEAN)
