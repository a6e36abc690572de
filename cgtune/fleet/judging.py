"""The rows of a fleet's report: each container judged by the same mirror, advice and rules as a process, and sized by its history. Pure.

Not covered: what a workload's replicas have in common with others on their nodes; quotas of pods and namespaces.
"""

from __future__ import annotations

from cgtune.advice.advise import advise
from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.upgrade import limited_service
from cgtune.fleet.case import judge_measured, say_recommended
from cgtune.fleet.facts import derived_procs, is_go, limit_of, oldest_go, program_of, report_measured
from cgtune.fleet.model import Row
from cgtune.fleet.sizing import size_workload, value_of
from cgtune.model import HARMS, SEVERITIES, Policy
from cgtune.rules import judge_all
from cgtune.runtimes.go.derived.versions import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.advice.prediction import Limited
    from cgtune.fleet.model import Key, Measured, Sized
    from cgtune.model import ProcessReport, Recommendation

_DEFAULT = Policy()
_MOST_COMPARED = 512
_compared: dict[tuple[Limited, str, tuple[str, ...]], str | None] = {}  # a fleet has few kinds of limits and versions


def judge_fleet(measured: Iterable[tuple[Key, Measured]], policy: Policy = _DEFAULT) -> tuple[Row, ...]:
    """A row for each container, the worst harm first: what hurts now, then what did, then what may; the same bad ones by name."""
    rows = (judge_row(key, one, policy) for key, one in measured)
    return tuple(sorted(rows, key=lambda row: (_urgency(row), row.key.cluster, row.key.namespace, row.key.name, row.key.container)))


def judge_row(key: Key, measured: Measured, policy: Policy = _DEFAULT) -> Row:
    """What is found in one container, and what is recommended for it."""
    report = _advised(report_measured(measured), policy)
    sized = size_workload(measured, policy)
    return Row(
        key=key,
        measured=measured,
        findings=judge_measured(measured, report, policy),
        recommendations=say_recommended(measured, report, policy),
        sized=sized,
        under_sized=_under_sized(measured, sized, policy),
        wasted_cores=_wasted(measured, measured.cpu_request_cores or measured.cpu_limit_cores, value_of(sized, "cpu-request")),
        wasted_bytes=_wasted(measured, measured.memory_request_bytes or measured.memory_limit_bytes, value_of(sized, "memory-request")),
        upgrade=say_upgrade(measured),
    )


def say_upgrade(measured: Measured) -> str | None:
    """What changes with the newest Go that is known; None if nothing does that the series would tell, or if it has that one."""
    old = oldest_go(measured)
    version = program_of(old).version
    if old is None or version is None or version.major != 1 or version.minor >= NEWEST:
        return None
    by_itself, now = derived_procs(measured, old), measured.most_procs
    if by_itself is None:
        return None
    is_set = now is not None and now != by_itself
    environ = [("GOMAXPROCS", str(now))] if is_set else []
    if measured.gomemlimit_bytes is not None:
        environ.append(("GOMEMLIMIT", str(measured.gomemlimit_bytes)))
    knows_memory = measured.is_gomemlimit_off or measured.gomemlimit_bytes is not None
    key = limit_of(measured).replace(environ=tuple(environ), request_cores=None), old, () if knows_memory else ("GOMEMLIMIT",)
    if key not in _compared:
        if len(_compared) >= _MOST_COMPARED:
            _compared.clear()
        _compared[key] = _compare(*key)
    said = _compared[key]
    if said is None:
        return None
    return said if now is not None else f"if nothing sets GOMAXPROCS, {said[0].lower() if said[:2] != 'Go' else said[0]}{said[1:]}"


def _compare(limited: Limited, old: str, unknown: tuple[str, ...]) -> str | None:
    newest = f"1.{NEWEST}"
    service = limited_service("", limited, program_of(old), program_of(newest), unknown=unknown)
    row = judge_upgrade((service,), lambda process: _judged(process, _DEFAULT))[0]
    before, after = row.old.value("GOMAXPROCS"), row.new.value("GOMAXPROCS")
    changes = () if before == after else (f"Go {newest} takes GOMAXPROCS from {before} to {after}",)
    is_unaware = row.old.process.snapshot.go[0].derived.aware is False
    is_pinned = is_unaware and not changes and any(name == "GOMAXPROCS" for name, _ in limited.environ)
    pinned = (f"GOMAXPROCS stays {before} with Go {newest}: something sets it",) if is_pinned else ()
    said = (*changes, *pinned, *row.notes)
    return "; ".join(said) if said else None


def _judged(process: ProcessReport, policy: Policy) -> ProcessReport:
    advised = _advised(process, policy)
    return advised.replace(findings=judge_all(advised, policy))


def _advised(report: ProcessReport, policy: Policy) -> ProcessReport:
    return report.replace(recommendations=advise(report.snapshot, report.limits, policy))


def _under_sized(measured: Measured, sized: tuple[Sized, ...], policy: Policy) -> tuple[Recommendation, ...]:
    """GOMAXPROCS and GOMEMLIMIT as they are right once the limits are what history speaks for; what has no value stays as it is."""
    cores, memory = value_of(sized, "cpu-limit"), value_of(sized, "memory-limit")
    if not is_go(measured) or (cores is None and memory is None):
        return ()
    later = measured.replace(
        cpu_limit_cores=measured.cpu_limit_cores if cores is None else cores,
        memory_limit_bytes=measured.memory_limit_bytes if memory is None else int(memory),
        series=(),
    )
    return say_recommended(later, _advised(report_measured(later), policy), policy)


def _wasted(measured: Measured, asked: float | None, wanted: float | None) -> float | None:
    """What all replicas ask for beyond what they want; below 0: they want more."""
    return None if asked is None or wanted is None else (asked - wanted) * (measured.replicas or 1)


def _urgency(row: Row) -> tuple[int, int, int]:
    """The place of a row: by its worst finding, then by how many there are that bad."""
    if not row.findings:
        return len(HARMS), len(SEVERITIES), 0
    worst = row.findings[0].urgency
    return (*worst, -sum(finding.urgency == worst for finding in row.findings))
