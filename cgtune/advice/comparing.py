"""What changes for services if their Go is replaced by another one, and what keeps it as it is. Pure.

Services that differ in nothing that counts are one class, and each class is derived and judged once, by the route of a prediction: with its
present Go, and with the new one. Not covered: what a program does in its own code, unless that was seen; how large a heap is.
"""

from __future__ import annotations

from cgtune.advice.upgrade import SETTINGS, Side, UpgradeRow
from cgtune.model import AUTOMEMLIMIT, SEVERITIES, ProcessReport
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cgtune.advice.upgrade import Change, Service, Value
    from cgtune.model import Finding, GoFacts, Pairs, Severity
    from cgtune.runtimes.go.offline import OfflineProgram

    Judge = Callable[[ProcessReport], ProcessReport]

#: Causes of more threads than the quota allows: a newer Go may have another one for the same harm.
_BEYOND_QUOTA = (
    "go-not-container-aware",
    "awareness-disabled-by-build",
    "awareness-disabled-by-env",
    "limit-file-missed",
    "gomaxprocs-exceeds-quota",
)
_SWITCHES = ("containermaxprocs", "updatemaxprocs")
_OTHER_COLLECTOR = 26  # internal/buildcfg/exp.go: the first in which the Green Tea collector is on by itself


def judge_upgrade(services: Iterable[Service], judge: Judge) -> tuple[UpgradeRow, ...]:
    """One row for each class: what is worst first, then the largest. ``judge`` adds recommendations and findings to a process."""
    classes: dict[object, list[Service]] = {}
    for service in services:
        classes.setdefault(service.key, []).append(service)
    rows = [_judge_class(members, judge) for members in classes.values()]
    return tuple(sorted(rows, key=lambda row: (_rank(row.severity), row.change == "none", -len(row.names), row.names[0])))


def _rank(severity: Severity | None) -> int:
    return len(SEVERITIES) if severity is None else SEVERITIES.index(severity)


def _judge_class(members: list[Service], judge: Judge) -> UpgradeRow:
    service = members[0]
    present, doubts = service.derive(service.old, service.environ) if service.today is None else (service.today, ())
    later, later_doubts = service.derive(service.new, service.environ)
    before = _side(service, service.old, judge(present), present)
    after = _side(service, service.new, judge(later), present)
    change = _find_change(before, after)
    fresh, gone = _find_new_and_gone(before, after)
    worst: list[Severity] = [finding.severity for finding in fresh]
    if change in ("dies", "fewer-threads"):
        worst.append("critical" if change == "dies" else "warning")
    return UpgradeRow(
        names=tuple(member.name for member in members),
        replicas=sum(member.replicas for member in members),
        language=service.new.language,
        old=before,
        new=after,
        change=change,
        keep=_find_keep(service, before, after),
        pinned=tuple(_say_pins(service, after)),
        fresh=fresh,
        gone=gone,
        notes=tuple(
            dict.fromkeys(
                (*service.notes, *service.old.notes, *service.new.notes, *doubts, *later_doubts, *_say_doubts(service, before, after))
            )
        ),
        severity=min(worst, key=SEVERITIES.index, default=None),
    )


def _find_new_and_gone(before: Side, after: Side) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Returns (findings of the new Go that there are not today, rules of those that end).

    More threads than the quota allows are neither if they are so with both, whatever is their cause. A death ends nothing.
    """

    def cause(finding: Finding) -> str:
        return _BEYOND_QUOTA[0] if finding.rule in _BEYOND_QUOTA else finding.rule

    today, later = before.process.findings, after.process.findings
    known, causes = {(cause(one), one.severity) for one in today}, {cause(one) for one in later}
    fresh = tuple(one for one in later if (cause(one), one.severity) not in known)
    gone = tuple(dict.fromkeys(one.rule for one in today if cause(one) not in causes))
    return fresh, gone if after.dies is None else ()


def _side(service: Service, program: OfflineProgram, process: ProcessReport, today: ProcessReport) -> Side:
    """``today``: what the program sets by itself is taken from there for any Go."""
    facts = process.snapshot.go[0]
    values = []
    for name in SETTINGS:
        source = today.snapshot.go[0] if name in service.inside else facts
        is_known = name not in service.unknown and not (name == "GOMAXPROCS" and "GODEBUG" in service.unknown)
        values.append(_value(source, name) if is_known and not facts.derived.dies else None)
    return Side(go=program.go, values=tuple(values), dies=facts.derived.dies, process=process)


def _value(facts: GoFacts, name: str) -> Value:
    """What it has now, or else what it derives."""
    setting = next(one for one in facts.settings if one.name == name)
    return setting.derived if setting.observed is None else setting.observed


def _find_change(before: Side, after: Side) -> Change:
    if after.dies is not None:
        return "dies"
    if before.dies is not None:
        return "starts"
    old, new = before.value("GOMAXPROCS"), after.value("GOMAXPROCS")
    if not isinstance(old, int) or not isinstance(new, int):
        return "unknown"
    return "none" if old == new else "fewer-threads" if new < old else "more-threads"


def _find_keep(service: Service, before: Side, after: Side) -> tuple[str, ...]:
    """The fewest lines with which the new Go derives what the old one has; empty if nothing has to be kept, or if no line does it."""
    if before.dies is not None or service.unknown or None in before.values or before.values == after.values:
        return ()
    wanted = [(name, before.value(name)) for name in SETTINGS if name not in service.inside]
    for lines in sorted(_candidates(service, before, after), key=len):
        changed = dict(service.environ) | dict(lines)
        facts = service.derive(service.new, tuple(changed.items()))[0].snapshot.go[0]
        if facts.derived.dies is None and all(_value(facts, name) == value for name, value in wanted):
            return tuple(f"{name}={value}" for name, value in lines)
    return ()


def _candidates(service: Service, before: Side, after: Side) -> Iterator[Pairs]:
    """Lines that may keep today's values: they leave the quota alone, take a variable back (an empty one is none), or name a value."""
    switched: Pairs = (("GODEBUG", _switched_off(service, before)),)
    back: Pairs = (("GOMAXPROCS", ""),)
    differ = [name for name in SETTINGS if before.value(name) != after.value(name)]
    memory: Pairs = (("GOMEMLIMIT", str(before.value("GOMEMLIMIT"))),)
    gogc: Pairs = (("GOGC", str(before.value("GOGC"))),)
    for procs in ((), switched, back, (*back, *switched), (("GOMAXPROCS", str(before.value("GOMAXPROCS"))),)):
        yield procs
        for name, lines in (("GOMEMLIMIT", memory), ("GOGC", gogc)):
            if name in differ:
                yield (*procs, *lines)
        if "GOMEMLIMIT" in differ and "GOGC" in differ:
            yield (*procs, *memory, *gogc)


def _switched_off(service: Service, before: Side) -> str:
    """GODEBUG with which the new Go leaves the quota alone; and updates too, if the old one makes none."""
    text = next((value for name, value in service.environ if name == "GODEBUG"), "")
    kept = [field for field in text.split(",") if field and field.partition("=")[0] not in _SWITCHES]
    updates = before.process.snapshot.go[0].derived.updates is True
    return ",".join((*kept, f"{_SWITCHES[0]}=0", *(() if updates else (f"{_SWITCHES[1]}=0",))))


def _say_pins(service: Service, after: Side) -> Iterator[str]:
    """What keeps GOMAXPROCS from following the quota by itself."""
    facts = after.process.snapshot.go[0]
    derived = facts.derived
    if "GOMAXPROCS" in service.inside:
        by = facts.program.procs_library
        yield f"the program sets GOMAXPROCS to {after.value('GOMAXPROCS')} itself" + (f", as {by} does" if by else "")
    elif facts.observed.pinned:
        yield f"GOMAXPROCS={derived.variable('GOMAXPROCS')} in the environment"
    elif facts.program.procs_library:
        yield f"{facts.program.procs_library} sets GOMAXPROCS to the quota, if the program calls it; that is not in this row"
    if derived.aware is False and derived.aware_from != "version" and not facts.observed.pinned:
        yield f"containermaxprocs=0 {_place(service, derived.aware_from)}"
    elif derived.updates is False and derived.updates_from != "version" and not facts.observed.pinned:
        yield f"updatemaxprocs=0 {_place(service, derived.updates_from)}: it takes the quota at its start, and follows no change"


def _place(service: Service, decider: str | None) -> str:
    if decider == "environment":
        return "in GODEBUG"
    return "in the build" if service.new.language is None else f"in the build, as of the go line {service.new.language}"


def _say_doubts(service: Service, before: Side, after: Side) -> Iterator[str]:
    """What is not sure of this row, or hangs on what nobody said."""
    old, new = before.process.snapshot.go[0], after.process.snapshot.go[0]
    old_minor, new_minor = old.program.minor, new.program.minor
    if _find_change(before, after) == "fewer-threads":
        yield (
            "fewer threads run Go code at once: 14 to 2 under 2 CPUs once cost a fleet its throughput (observIQ/bindplane-otel-collector"
            " pull request 3594); try one under load before all get it"
        )
    if old_minor is None or new_minor is None:
        return
    if old_minor < FIRST_AWARE <= new_minor and service.new.language is None and before.values != after.values and after.dies is None:
        yield (
            f"it is as said if the go line of go.mod moves to 1.{FIRST_AWARE} or later; below that the build has containermaxprocs=0, and"
            f" GOMAXPROCS stays {before.value('GOMAXPROCS')}"
        )
    limit = after.process.limits.memory.limit_bytes
    if old_minor < _OTHER_COLLECTOR <= new_minor and limit is not None and after.dies is None and "GOMEMLIMIT" not in service.unknown:
        if after.value("GOMEMLIMIT") != "off":
            return
        automatic = f", unless {AUTOMEMLIMIT.rpartition('/')[2]} sets one" if new.program.links(AUTOMEMLIMIT) else ""
        yield (
            f"Go from 1.{_OTHER_COLLECTOR} on has another collector, which needs a little more or less memory for the same heap, and no"
            f" GOMEMLIMIT keeps it below the limit{automatic}"
        )
