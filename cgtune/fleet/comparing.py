"""What got better or worse in a fleet since an older report, by its JSON. Pure.

Only what both reports know is compared: a finding that is gone because a question was refused this time is no improvement, which is said.
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.fleet.model import FleetReport, Key, Scope
from cgtune.model import HARMS, SEVERITIES
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Literal

    from cgtune.fleet.model import Row

    Verdict = Literal["worse", "better", "mixed", "new", "gone"]

_SCHEMA = "cgtune/fleet/v1"
_VERDICTS: tuple[Verdict, ...] = ("worse", "mixed", "new", "better", "gone")
_MOVED_SHARE = 0.05  # of the periods: less is noise from week to week
_BEYOND = 2.0**63  # no figure that is compared is as large


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


class Was(Record):
    """A container of an older report: the place of each finding by its rule, the worst first, and what else is compared."""

    key: Key
    findings: tuple[tuple[str, tuple[int, int]], ...]
    throttled: float | None
    kills: int | None


class Old(Record):
    """An older report, as far as it is compared. ``scope`` is what it was asked about, None: it is too old to say."""

    time: str
    window_seconds: float
    is_refused: bool
    rows: tuple[Was, ...]
    scope: Scope | None


def parse_old(text: str, path: str) -> Old:
    """An older report. Raises UsageError for what is none."""
    import json

    try:
        old = json.loads(text)
        if old["schema"] != _SCHEMA:
            raise UsageError(f"--diff {path} is {str(old['schema'])[:40]!a}, not {_SCHEMA}; name what cgtune fleet --format json printed")
        asked = old.get("asked")
        return Old(
            time=str(old.get("time")),
            window_seconds=_number(old["window_seconds"]) or 0.0,
            is_refused=bool(old.get("refused")),
            rows=tuple(map(_parse_row, old["workloads"])),
            scope=None
            if asked is None
            else Scope(namespaces=_texts(asked["namespaces"]), selector=str(asked["selector"]), ignored=_texts(asked["ignored"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UsageError(f"--diff {path} is no report of {_SCHEMA}; name what cgtune fleet --format json printed") from error


def _parse_row(each: Mapping[str, Any]) -> Was:
    used = each.get("used") or {}
    kills = _number(used.get("oom_kills"))
    return Was(
        key=Key(**{name: str(each[name]) for name in ("cluster", "namespace", "kind", "name", "container")}),
        findings=tuple(
            (str(finding["rule"]), (HARMS.index(finding.get("harm", "possible")), SEVERITIES.index(finding["severity"])))
            for finding in each["findings"]
        ),
        throttled=_number((used.get("throttled_share") or {}).get("p95")),
        kills=None if kills is None else int(kills),
    )


def _number(value: object) -> float | None:
    """Raises TypeError for what is no number, ValueError for one that no figure of a report is."""
    if value is None:
        return None
    if not isinstance(value, int | float) or not abs(value) < _BEYOND:
        raise TypeError(value)
    return float(value)


def _texts(values: list[object]) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(values)
    return tuple(map(str, values))


def compare(report: FleetReport, old: Old, written: Callable[[str], str] = str) -> Since:
    """What changed since ``old``: only what both reports are about is compared, and what is left out is said.

    ``written``: how a name of ours stands in a report's JSON, where control characters are told as their codes.
    """
    scopes = [scope for scope in (report.scope, old.scope) if scope is not None]
    ignored = {rule for scope in scopes for rule in scope.ignored}

    def is_common(key: Key) -> bool:
        return all(not scope.namespaces or key.namespace in scope.namespaces for scope in scopes)

    before = {was.key: {rule: place for rule, place in was.findings if rule not in ignored} for was in old.rows if is_common(was.key)}
    measured = {was.key: was for was in old.rows}
    moved: list[Moved] = []
    same = 0
    for row in report.rows:
        if not is_common(row.key):
            continue
        name = Key(**{field: written(value) for field, value in row.key.items()})
        was = before.pop(name, None)
        now = {finding.rule: finding.urgency for finding in row.findings if finding.rule not in ignored}
        if was is None:
            moved.append(Moved(key=row.key, verdict="new", fresh=tuple(now)))
        elif (change := _compare_row(row, now, measured[name], was)) is not None:
            moved.append(change)
        else:
            same += 1
    moved += [Moved(key=key, verdict="gone", gone=tuple(was)) for key, was in before.items()]
    apart = sum(not is_common(key) for key in {*measured, *(row.key for row in report.rows)})
    return Since(
        report=report,
        old_time=old.time,
        old_window_seconds=old.window_seconds,
        moved=tuple(sorted(moved, key=lambda each: (_VERDICTS.index(each.verdict), each.key.items()))),
        same=same,
        notes=tuple(_notes(report, old, apart)),
    )


def _notes(report: FleetReport, old: Old, apart: int) -> Iterator[str]:
    """What makes the two reports differ although the fleet does not. ``apart``: how many containers only one of them is about."""
    if old.window_seconds != report.window_seconds:
        yield f"the older report is of {old.window_seconds:g} s, this one of {report.window_seconds:g} s"
    if not old.rows and report.rows:
        yield "the older report names no container, as one of --doctor does not: that all are new says nothing of them"
    if report.refused or old.is_refused:
        whose = "this report" if report.refused else "the older report"
        yield f"questions were refused for {whose}: a finding that came or went may only have been seen or not"
    if apart:
        yield f"containers that only one of the reports was asked about, by --namespace: {apart}; they are not compared"
    if old.scope is None:
        if report.scope.selector or report.scope.ignored or report.scope.namespaces:
            yield "the older report does not say what it was asked about: what came or went may only have been asked about or not"
        return
    if old.scope.selector != report.scope.selector:
        was, now = (scope.selector or "none" for scope in (old.scope, report.scope))
        yield f"another --selector ({was} before, {now} now): what came or went may only have been asked about or not"
    if {*old.scope.ignored} != {*report.scope.ignored}:
        only = ", ".join(sorted({*old.scope.ignored} ^ {*report.scope.ignored}))
        yield f"--ignore is not the same: {only} is not compared"


def _compare_row(row: Row, now: Mapping[str, tuple[int, int]], was: Was, old: Mapping[str, tuple[int, int]]) -> Moved | None:
    fresh = tuple(rule for rule in now if rule not in old)
    gone = tuple(rule for rule in old if rule not in now)
    worse = tuple(rule for rule in now if rule in old and now[rule] < old[rule])
    better = tuple(rule for rule in now if rule in old and now[rule] > old[rule])
    ups: list[str] = []
    downs: list[str] = []
    throttled, share = was.throttled, row.measured.throttled.p95
    if throttled is not None and share is not None and abs(share - throttled) >= _MOVED_SHARE:
        (ups if share > throttled else downs).append(f"throttled at the 95th percentile: {throttled:.1%} before, {share:.1%} now")
    kills, killed = was.kills, row.measured.kills
    if kills is not None and killed is not None and kills != killed:
        (ups if killed > kills else downs).append(f"OOM kills: {kills} before, {killed} now")
    if not (fresh or gone or worse or better or ups or downs):
        return None
    is_up, is_down = bool(fresh or worse or ups), bool(gone or better or downs)
    verdict: Verdict = "mixed" if is_up and is_down else "worse" if is_up else "better"
    return Moved(key=row.key, verdict=verdict, fresh=fresh, worse=worse, better=better, gone=gone, measured=(*ups, *downs))
