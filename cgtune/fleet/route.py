"""The route of a fleet's report: probe, questions, joined rows, judged ones. Pure: the client is handed in."""

from __future__ import annotations

from cgtune.errors import Unanswered
from cgtune.fleet.asked import steps_of
from cgtune.fleet.asking import ask
from cgtune.fleet.doctor import diagnose
from cgtune.fleet.joining import join
from cgtune.fleet.judging import judge_fleet
from cgtune.fleet.model import FleetReport, Scope, Timeline
from cgtune.fleet.probe import probe_queries, read_probe
from cgtune.fleet.queries import build_queries, narrow
from cgtune.model import HARMS, SEVERITIES, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.fleet.asked import Asked
    from cgtune.fleet.asking import Asker, Replies
    from cgtune.fleet.model import NotJoined, Row
    from cgtune.fleet.probe import Seen


def report_fleet(
    client: Asker,
    asked: Asked,
    *,
    version: str,
    now: float,
    policy: Policy,
    ignored: frozenset[str] = frozenset(),
    tell: Callable[[int, int], None] | None = None,
) -> FleetReport:
    """Every Go container that the server knows of, the worst first. ``now`` is our own clock; ``tell`` hears how many questions are done.

    Raises Unanswered if nothing can be told at all. A question that is refused is told in the report.
    """
    probe, seen = _probe(client, asked, now)
    questions = build_queries(asked, seen)
    answered = ask(
        client,
        questions,
        now=now,
        within=lambda query, names: narrow(query, asked, seen, names),
        namespaces=asked.namespaces,
        after=probe,
        tell=tell,
    )
    joined = join(answered.answers, seen)
    rows = _without(judge_fleet(joined.rows, policy), ignored)
    report = _report(asked, version, (probe, answered), rows, joined.not_joined)
    timeline = None
    if asked.over_time:
        step = steps_of(asked.window_seconds).drawn
        timeline = Timeline(begin_seconds=answered.time - asked.window_seconds, end_seconds=answered.time, step_seconds=step)
    return report.replace(scope=report.scope.replace(ignored=tuple(sorted(ignored))), timeline=timeline)


def diagnose_fleet(client: Asker, asked: Asked, *, version: str, now: float) -> FleetReport:
    """What the server lacks for a whole report, from two questions: a report without rows. Raises Unanswered."""
    probe, seen = _probe(client, asked, now)
    return _report(asked, version, (probe,), (), diagnose(seen))


def _probe(client: Asker, asked: Asked, now: float) -> tuple[Replies, tuple[Seen, ...]]:
    probe = ask(client, probe_queries(asked), now=now)
    if error := next((answer.error for answer in probe.answers if answer.error is not None), None):
        raise Unanswered(f"{error}; it was asked which series there are")
    return probe, read_probe(probe.answers)


def _report(
    asked: Asked, version: str, answered: tuple[Replies, ...], rows: tuple[Row, ...], not_joined: tuple[NotJoined, ...]
) -> FleetReport:
    answers = [answer for each in answered for answer in each.answers]
    warnings = [text for each in answered for text in each.warnings] + [text for answer in answers for text in answer.warnings]
    return FleetReport(
        version=version,
        time=_rfc3339(answered[-1].time),
        window_seconds=float(asked.window_seconds),
        engine=answered[-1].engine,
        queries=answered[-1].requests,
        rows=rows,
        not_joined=not_joined,
        warnings=tuple(dict.fromkeys(warnings)),
        scope=Scope(namespaces=asked.namespaces, selector=asked.selector),
        refused=tuple(f"{answer.query.name}: {answer.error}" for answer in answers if answer.error is not None),
    )


def _without(rows: tuple[Row, ...], ignored: frozenset[str]) -> tuple[Row, ...]:
    """The rows without the findings of these rules, again the worst first."""
    if not ignored:
        return rows
    left = [row.replace(findings=tuple(finding for finding in row.findings if finding.rule not in ignored)) for row in rows]
    return tuple(sorted(left, key=lambda row: min((finding.urgency for finding in row.findings), default=(len(HARMS), len(SEVERITIES)))))


def _rfc3339(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
