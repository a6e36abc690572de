"""What got better or worse in a fleet since an older report, by its JSON. Pure.

Only what both reports know is compared: a finding that is gone because a question was refused this time is no improvement, which is said.
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.fleet.model import FleetReport, Key
from cgtune.model import HARMS, SEVERITIES
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from cgtune.fleet.model import Row

    Verdict = Literal["worse", "better", "mixed", "new", "gone"]

_SCHEMA = "cgtune/fleet/v1"
_VERDICTS: tuple[Verdict, ...] = ("worse", "mixed", "new", "better", "gone")
_MOVED_SHARE = 0.05  # of the periods: less is noise from week to week


class Moved(Record):
    """One container that changed. ``fresh``, ``worse``, ``better`` and ``gone`` are ids of rules; ``measured`` says what else moved.

    ``verdict`` "new" and "gone": only one of the reports has it.
    """

    key: Key
    verdict: Verdict
    fresh: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()


class Since(Record):
    """A report beside an older one: the containers that changed, the worse first. ``same``: how many did not."""

    report: FleetReport
    old_time: str
    old_window_seconds: float
    moved: tuple[Moved, ...]
    same: int
    notes: tuple[str, ...] = ()

    def words(self) -> str:
        """`2 got worse, 1 got better, 14 as before`."""
        verbs = {"worse": "got worse", "mixed": "changed both ways", "new": "came", "better": "got better", "gone": "went"}
        counts = [(sum(moved.verdict == verdict for moved in self.moved), words) for verdict, words in verbs.items()]
        return ", ".join(f"{count} {words}" for count, words in (*counts, (self.same, "as before")) if count or words == "as before")


def parse_old(text: str, path: str) -> dict[str, Any]:
    """An older report. Raises UsageError for what is none."""
    import json

    try:
        old = json.loads(text)
        if old["schema"] != _SCHEMA:
            raise UsageError(f"--diff {path} is {str(old['schema'])[:40]!a}, not {_SCHEMA}; name what cgtune fleet --format json printed")
        for each in old["workloads"]:
            _key(each)
            _findings(each)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"--diff {path} is no report of {_SCHEMA}; name what cgtune fleet --format json printed") from error
    found: dict[str, Any] = old
    return found


def compare(report: FleetReport, old: Mapping[str, Any]) -> Since:
    """What changed since ``old``, as parse_old gives it."""
    before = {_key(each): each for each in old["workloads"]}
    moved: list[Moved] = []
    same = 0
    for row in report.rows:
        was = before.pop(row.key, None)
        if was is None:
            moved.append(Moved(key=row.key, verdict="new", fresh=tuple(finding.rule for finding in row.findings)))
        elif (change := _compare_row(row, was)) is not None:
            moved.append(change)
        else:
            same += 1
    moved += [Moved(key=key, verdict="gone", gone=tuple(_findings(was))) for key, was in before.items()]
    notes = []
    if old.get("window_seconds") != report.window_seconds:
        notes.append(f"the older report is of {float(old.get('window_seconds') or 0):g} s, this one of {report.window_seconds:g} s")
    if report.refused or old.get("refused"):
        whose = "this report" if report.refused else "the older report"
        notes.append(f"questions were refused for {whose}: a finding that came or went may only have been seen or not")
    return Since(
        report=report,
        old_time=str(old.get("time")),
        old_window_seconds=float(old.get("window_seconds") or 0),
        moved=tuple(sorted(moved, key=lambda each: (_VERDICTS.index(each.verdict), each.key.items()))),
        same=same,
        notes=tuple(notes),
    )


def _compare_row(row: Row, was: Mapping[str, Any]) -> Moved | None:
    old, now = _findings(was), {finding.rule: finding.urgency for finding in row.findings}
    fresh = tuple(rule for rule in now if rule not in old)
    gone = tuple(rule for rule in old if rule not in now)
    worse = tuple(rule for rule in now if rule in old and now[rule] < old[rule])
    better = tuple(rule for rule in now if rule in old and now[rule] > old[rule])
    used = was.get("used") or {}
    ups: list[str] = []
    downs: list[str] = []
    throttled = (used.get("throttled_share") or {}).get("p95")
    share = row.measured.throttled.p95
    if throttled is not None and share is not None and abs(share - throttled) >= _MOVED_SHARE:
        (ups if share > throttled else downs).append(f"throttled at the 95th percentile: {throttled:.1%} before, {share:.1%} now")
    kills, killed = used.get("oom_kills"), row.measured.kills
    if kills is not None and killed is not None and kills != killed:
        (ups if killed > kills else downs).append(f"OOM kills: {kills} before, {killed} now")
    if not (fresh or gone or worse or better or ups or downs):
        return None
    is_up, is_down = bool(fresh or worse or ups), bool(gone or better or downs)
    verdict: Verdict = "mixed" if is_up and is_down else "worse" if is_up else "better"
    return Moved(key=row.key, verdict=verdict, fresh=fresh, worse=worse, better=better, gone=gone, measured=(*ups, *downs))


def _key(each: Mapping[str, Any]) -> Key:
    return Key(**{name: str(each[name]) for name in ("cluster", "namespace", "kind", "name", "container")})


def _findings(each: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """The place of each finding by its rule, the worst first."""
    return {
        str(finding["rule"]): (HARMS.index(finding.get("harm", "possible")), SEVERITIES.index(finding["severity"]))
        for finding in each["findings"]
    }
