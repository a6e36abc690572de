"""The face of ``cgtune predict`` below its options: a prediction in, text and exit code out."""

from __future__ import annotations

from cgtune import exits
from cgtune.commands.showing import show
from cgtune.commands.terminal import fail
from cgtune.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Prediction, Severity

#: What a document that tells failures from the rest takes for one if nobody said it.
_USUAL: Severity = "warning"


def require_format(format_: str) -> None:
    """Raises UsageError for a format that tells of changes alone."""
    if format_ in ("csv", "markdown"):
        raise UsageError(f"--format {format_} needs --to, the Go that is to come, as in --from 1.24 --to 1.27 --format {format_}")


def show_prediction(prediction: Prediction, *, format_: str, colour: str = "auto", fail_on: Severity | None = None) -> int:
    """Say what was predicted, and give the exit code back: with ``fail_on``, whether a row has such a finding, or dies at its start."""
    if fail_on is None and format_ in ("table", "json"):
        show("predict", format_, prediction, colour)
        return exits.CLEAN
    from cgtune.verdict import judge_prediction

    verdict = judge_prediction(prediction, fail_on=fail_on or _USUAL)
    if format_ in ("table", "json"):
        show("predict", format_, prediction, colour)
    else:
        show("predict", format_, verdict, colour)
        for row in prediction.rows:
            dies = row.process.snapshot.go[0].derived.dies
            if dies is not None and not any(finding.severity == "critical" for finding in row.process.findings):  # no rule is about it
                fail(f"Go {row.go}: dies at its start: {dies.splitlines()[-1]}", 0)
    is_deadly = any(row.process.snapshot.go[0].derived.dies is not None for row in prediction.rows)
    return exits.FINDING if fail_on is not None and (verdict.failures or is_deadly) else exits.CLEAN
