"""Services that are to get another Go, and the records of what changes for them. Pure."""

from __future__ import annotations

from cgtune.advice.prediction import derive_limited, report_limited
from cgtune.model import SEVERITIES
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from cgtune.advice.prediction import Limited
    from cgtune.model import Finding, Off, Pairs, ProcessReport, Severity
    from cgtune.runtimes.go.offline import OfflineProgram

    #: Of a program with this environment in the place of a service: (what it would be, not judged; what is not sure of it).
    Derive = Callable[[OfflineProgram, Pairs], tuple[ProcessReport, tuple[str, ...]]]
    #: "starts": it dies at its start today, and would no longer. "unknown": what decides is not known.
    Change = Literal["fewer-threads", "more-threads", "none", "dies", "starts", "unknown"]
    Value = int | Off | None

#: What decides what a Go runtime does, and how it is said in a row.
VARIABLES = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG")
SETTINGS = VARIABLES[:3]


class Service(Record):
    """A service that is to get another Go: ``old`` and ``new`` are its program before and after, ``environ`` its environment.

    ``key`` is all that counts: services with equal keys are one class. ``today``: its process as it was read, None: it is derived as well.
    ``inside`` are settings that the program was seen to set by itself, ``unknown`` the variables whose values are not known, ``notes``
    what a reader has to know, of these too.
    """

    name: str
    key: object
    old: OfflineProgram
    new: OfflineProgram
    environ: Pairs
    derive: Derive
    replicas: int = 1
    today: ProcessReport | None = None
    inside: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Side(Record):
    """One class with one Go. ``values`` are those of SETTINGS, in their order; ``process`` is judged."""

    go: str
    values: tuple[Value, ...]
    dies: str | None
    process: ProcessReport

    def value(self, name: str) -> Value:
        """The value of one of SETTINGS."""
        return self.values[SETTINGS.index(name)]


class UpgradeRow(Record):
    """One class of services. ``fresh`` are the findings with the new Go that there are not today, ``gone`` the rules of those that end.

    ``keep`` are lines of an environment that keep today's values; empty: none is needed, or none does. ``pinned`` says what keeps
    GOMAXPROCS from following the quota with the new Go. ``severity`` is that of the change: the worst of the fresh findings, critical for a
    death, at least a warning for fewer threads; None: there is nothing to look at.
    """

    names: tuple[str, ...]
    replicas: int
    language: str | None
    old: Side
    new: Side
    change: Change
    keep: tuple[str, ...]
    pinned: tuple[str, ...]
    fresh: tuple[Finding, ...]
    gone: tuple[str, ...]
    notes: tuple[str, ...]
    severity: Severity | None

    @property
    def memory_margin_bytes(self) -> int | None:
        """What the memory limit leaves above the new Go's GOMEMLIMIT, negative if that is above it; None: one of both is not set."""
        limit, value = self.new.process.limits.memory.limit_bytes, self.new.value("GOMEMLIMIT")
        return None if limit is None or not isinstance(value, int) else limit - value

    @property
    def changed(self) -> tuple[str, ...]:
        """The settings whose values differ."""
        return tuple(name for name in SETTINGS if self.old.value(name) != self.new.value(name))


class Upgrade(Record):
    """All classes, those that change most first. ``old_go`` is the version that was named, None: each service tells its own.

    ``cpus`` is how many the node has (``is_own_node``: as nobody said, those of this machine), and ``cgroup`` its version; None: each
    service tells its own. ``skipped`` are services that could not be judged: each with the reason.
    """

    old_go: str | None
    new_go: str
    rows: tuple[UpgradeRow, ...]
    cpus: int | None = None
    cgroup: int | None = None
    is_own_node: bool = False
    skipped: tuple[str, ...] = ()

    def count(self, change: Change) -> int:
        """How many services change so."""
        return sum(len(row.names) for row in self.rows if row.change == change)

    def fails(self, fail_on: Severity) -> bool:
        """Whether a change is so severe."""
        worst = SEVERITIES.index(fail_on)
        return any(row.severity is not None and SEVERITIES.index(row.severity) <= worst for row in self.rows)


def limited_service(
    name: str,
    limited: Limited,
    old: OfflineProgram,
    new: OfflineProgram,
    *,
    replicas: int = 1,
    unknown: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Service:
    """A service whose limits are only named, the environment with them; of that only what Go reads counts."""
    environ = tuple(pair for pair in limited.environ if pair[0] in VARIABLES)
    limited = limited.replace(environ=environ, request_cores=None)

    def derive(program: OfflineProgram, environ: Pairs) -> tuple[ProcessReport, tuple[str, ...]]:
        report = report_limited(limited)
        derivation, facts = derive_limited(limited.replace(environ=environ), program)
        return report.replace(snapshot=report.snapshot.replace(go=(facts,))), derivation.notes

    return Service(
        name=name,
        key=(limited, old, new, unknown, notes),
        old=old,
        new=new,
        environ=environ,
        derive=derive,
        replicas=replicas,
        unknown=unknown,
        notes=notes,
    )
