"""The variables to set before a Go program starts, and those better left alone, each with its reasons. Pure.

The limits may be named, for a container that is not there yet, or those of the place where the program will run; what is known of the
program is what it would derive there, or nothing at all. Where nothing is known nothing is assumed, and the variables are set.
"""

from __future__ import annotations

from cgtune.advice.advise import say_unlimited, say_unread
from cgtune.advice.habits import say_overruling
from cgtune.advice.memory import is_without_memory_limit, recommend_memory, say_no_memory_limit, say_node_limit
from cgtune.advice.procs import format_quota, procs_by_itself, recommend_procs, survive_quota
from cgtune.model import AUTOMEMLIMIT
from cgtune.numbers import format_limit
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.named import NamedLimits
    from cgtune.model import GoFacts, Policy, ProcessReport, Recommendation

#: As many CPUs as any machine may have, if those of the machine are not known.
UNKNOWN_CPUS = 1 << 16

_LEAST_CORES = 0.001  # the unit of Kubernetes's CPU limits

_UNKNOWN_PROGRAM = "which Go runs it is not known, so it is not left to the runtime"


class PlannedVariable(Record):
    """One variable. ``value`` None: it is better left unset. ``is_reached``: the program comes to the recommended value without it.

    ``keeps_bytes`` and ``keeps_procs`` as of Recommendation.
    """

    name: str
    value: str | None
    because: tuple[str, ...]
    is_reached: bool = False
    keeps_bytes: tuple[int, int] | None = None
    keeps_procs: tuple[int, int] | None = None


class Outcome(Record):
    """What becomes of one variable in an environment: ``act`` is set, kept, removed or unset; ``value`` is what it has afterwards."""

    name: str
    act: str
    value: str | None
    because: tuple[str, ...]


def apply_variables(
    environ: tuple[tuple[str, str], ...], variables: Sequence[PlannedVariable], *, override: bool = False, minor: int | None = None
) -> tuple[tuple[tuple[str, str], ...], tuple[Outcome, ...]]:
    """The environment with these variables in it, all else as it was and in its order; and what was done.

    What is set stays, unless ``override``; an empty value is none, as in Go, and of several entries the first counts: env_posix.go.
    """
    outcomes = []
    for variable in variables:
        outcome = _decide(variable, next((value for name, value in environ if name == variable.name), ""), override=override, minor=minor)
        outcomes.append(outcome)
        if outcome.act == "set":
            environ = _with_value(environ, variable.name, outcome.value or "")
        elif outcome.act == "removed":
            environ = tuple(pair for pair in environ if pair[0] != variable.name)
    return environ, tuple(outcomes)


def _decide(variable: PlannedVariable, present: str, *, override: bool, minor: int | None) -> Outcome:
    name, because = variable.name, variable.because
    if present and override and variable.is_reached:
        return Outcome(name=name, act="removed", value=None, because=(f"it was {present!r}", *because))
    if present and (variable.value is None or not override):
        return Outcome(
            name=name,
            act="kept",
            value=present,
            because=("it was set already", *_doubts(name, present, minor), *_say_better(variable, present, minor)),
        )
    if variable.value is None:
        return Outcome(name=name, act="unset", value=None, because=because)
    return Outcome(name=name, act="set", value=variable.value, because=(f"it was {present!r}", *because) if present else because)


def _say_better(variable: PlannedVariable, present: str, minor: int | None) -> tuple[str, ...]:
    """What --override would make of a value that is kept."""
    from cgtune.runtimes.go.derived.grammar import parse_gomaxprocs, parse_gomemlimit
    from cgtune.runtimes.go.derived.versions import NEWEST

    if variable.is_reached:
        return ("the program comes to the recommended value without it, and follows changes: --override removes it",)
    for keeps, parse in ((variable.keeps_bytes, parse_gomemlimit), (variable.keeps_procs, parse_gomaxprocs)):
        now = None if keeps is None else parse(present, minor or NEWEST)
        if keeps is not None and isinstance(now, int) and keeps[0] <= now <= keeps[1]:
            return (f"it is as good as {variable.value}",) if variable.value != present else ()
    return () if variable.value in (None, present) else (f"{variable.value} is recommended: --override sets it",)


def _doubts(name: str, text: str, minor: int | None) -> tuple[str, ...]:
    """What Go makes of a value that it cannot use."""
    from cgtune.runtimes.go.derived.grammar import parse_gomaxprocs, parse_gomemlimit
    from cgtune.runtimes.go.derived.versions import FIRST_WITH_MEMORY_LIMIT, NEWEST

    if name == "GOMAXPROCS" and parse_gomaxprocs(text, minor or NEWEST) is None:
        return ("Go ignores it: it takes a whole number from 1 up",)
    if name == "GOMEMLIMIT" and minor is not None and minor < FIRST_WITH_MEMORY_LIMIT:
        return ("it has no effect: this runtime has no memory limit",)
    if name == "GOMEMLIMIT" and parse_gomemlimit(text, minor or NEWEST) is None:
        return ("Go dies of it at its start: it is malformed",)
    return ()


def _with_value(environ: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    """The variable at the place of its first entry, else at the end; once."""
    first = next((place for place, pair in enumerate(environ) if pair[0] == name), len(environ))
    others = (environ[:first], tuple(pair for pair in environ[first:] if pair[0] != name))
    return (*others[0], (name, value), *others[1])


def advise_named(named: NamedLimits, facts: GoFacts | None, policy: Policy, *, always: bool = False) -> tuple[PlannedVariable, ...]:
    """For a container whose limits were named. ``facts`` None: which Go it runs is not known. ``always``: even if it is not needed."""
    procs = PlannedVariable(name="GOMAXPROCS", value=None, because=("no CPU limit was named",))
    if named.is_cpu_named:
        recommended = _plan_procs(named.limit_cores, named.node_cpus or UNKNOWN_CPUS, facts, policy)
        says = named.cpu_says
        if named.is_rounded and recommended.value is not None:
            says += (_say_rounded(named, recommended, policy),)
        procs = _variable(recommended.replace(because=says + recommended.because), always=always)
    memory = PlannedVariable(name="GOMEMLIMIT", value=None, because=("no memory limit was named",))
    if named.is_memory_named:
        recommended = recommend_memory(named.memory_bytes, None, policy)
        memory = _variable(recommended.replace(because=named.memory_says + recommended.because))
    return procs, _without_memory_limit(memory, facts)


def advise_here(process: ProcessReport, facts: GoFacts | None, policy: Policy, *, always: bool = False) -> tuple[PlannedVariable, ...]:
    """For a program that will run in the place of this process. ``facts`` None: whether it is Go's, and which, is not known."""
    limits, snapshot = process.limits, process.snapshot
    recommended = _plan_procs(limits.cpu.limit_cores, len(limits.cpu.usable), facts, policy)
    if limits.cpu.limit_cores is None and not recommended.set:
        says = say_unlimited("CPU quota", snapshot.cpu_chain, process.unread_quotas, limits.cpu.unseen)
        recommended = recommended.replace(because=says)
    elif limits.cpu.binding is not None:
        recommended = recommended.replace(because=(*say_unread(process.unread_quotas), format_quota(limits), *recommended.because))
    high = limits.memory.high_binding
    memory = recommend_memory(
        limits.memory.limit_bytes,
        limits.memory.high_bytes,
        policy,
        limit_from=limits.memory.limit_from or "the memory limit",
        high_from="memory.high" if high is None else f"{high.directory}/memory.high",
        machine_bytes=snapshot.machine.memory_bytes,
    )
    if limits.memory.limit_bytes is None and limits.memory.high_bytes is None:
        says = say_unlimited("memory limit", snapshot.memory_chain, process.unread_memory_limits, limits.memory.unseen)
        node = () if process.unread_memory_limits else say_node_limit(limits.memory)
        memory = memory.replace(because=node or says)
    else:
        memory = memory.replace(because=(*say_unread(process.unread_memory_limits), *memory.because))
    return _variable(recommended, always=always), _without_memory_limit(_variable(memory), facts)


def advise_running(
    recommendations: Sequence[Recommendation], runtimes: Sequence[GoFacts] = (), *, always: bool = False
) -> tuple[PlannedVariable, ...]:
    """For the next start of a Go program that runs, from what is recommended for it now. ``runtimes`` are those that it holds."""
    planned = []
    for recommended in recommendations:
        says = () if recommended.overruled else _say_inside(recommended, runtimes)
        variable = _variable(recommended, always=always)
        planned.append(variable.replace(because=variable.because + says))
    return tuple(planned)


def _say_inside(recommended: Recommendation, runtimes: Sequence[GoFacts]) -> tuple[str, ...]:
    """That the program has set another value by itself: then it is the program that decides what becomes of the variable."""
    name = recommended.name
    for facts in runtimes:
        now = next((setting.observed for setting in facts.settings if setting.name == name), None)
        if now is None or now == recommended.value or not facts.is_set_inside(name):
            continue
        has = f"the program has set {format_limit(now) if name == 'GOMEMLIMIT' and isinstance(now, int) else now} itself"
        if not recommended.set:
            return (f"{has}: that has to go, or it holds again at the next start",)
        if name == "GOMAXPROCS" and (library := facts.program.procs_library):
            return (f"{has}; {library}, which is linked in, leaves the variable alone",)
        if name == "GOMEMLIMIT" and facts.program.links(AUTOMEMLIMIT):
            return (f"{has}; automemlimit, which is linked in, leaves the variable alone",)
        return (f"{has}: look again after the next start, as not every program leaves the variable alone",)
    return ()


def _plan_procs(limit_cores: float | None, cpus: int, facts: GoFacts | None, policy: Policy) -> Recommendation:
    by_itself = None if facts is None else procs_by_itself(facts, cpus)
    recommended = recommend_procs(limit_cores, cpus, policy, follows_by_itself=by_itself)
    surviving = recommended if facts is None else survive_quota(recommended, facts, cpus)
    if surviving is not recommended:
        unknown = recommended.replace(because=(f"{surviving.because[-1]}: name the node's CPUs for a value",))
        return surviving if cpus < UNKNOWN_CPUS else unknown
    if not recommended.set:
        newer = () if facts is None or by_itself is None else _say_newer(facts)
        return recommended.replace(because=(*recommended.because[:-1], *newer, recommended.because[-1]))
    if facts is not None and (said := say_overruling(facts, recommended.value)):
        return recommended.replace(overruled=True, because=(*recommended.because, said))
    why = _UNKNOWN_PROGRAM if facts is None else _say_why_set(facts, by_itself)
    return recommended.replace(because=(*recommended.because, why))


def _say_newer(facts: GoFacts) -> tuple[str, ...]:
    """That a runtime is trusted whose rules nobody has checked."""
    from cgtune.runtimes.go.derived.versions import NEWEST

    if facts.program.minor is None or facts.program.minor <= NEWEST:
        return ()
    return (f"Go {facts.program.version} is newer than 1.{NEWEST}, the newest that was checked: its rules are assumed to hold still",)


def _say_why_set(facts: GoFacts, by_itself: int | None) -> str:
    """Why a known runtime needs the variable."""
    name = facts.program.name
    if facts.program.minor is None:
        return _UNKNOWN_PROGRAM
    if facts.derived.aware is False:
        if facts.derived.aware_from == "version":
            return f"{name} never reads a CPU quota"
        return (
            f"{name} could read the quota, but {'its build' if facts.derived.aware_from == 'build' else 'GODEBUG'} says containermaxprocs=0"
        )
    if facts.derived.seen is not None and facts.derived.seen.cause is not None:
        return f"{name} would see no quota: {facts.derived.seen.why}"
    if facts.derived.updates is False:
        return f"{name} would not follow changes of the quota: updatemaxprocs=0"
    return f"{name} would come to {by_itself} by itself" if by_itself is not None else f"whether {name} would follow the quota is not known"


def _say_rounded(named: NamedLimits, recommended: Recommendation, policy: Policy) -> str:
    """What a whole number from Kubernetes can hide: it may have been any fraction that rounds up to it."""
    most, cpus = named.limit_cores or 0.0, named.node_cpus or UNKNOWN_CPUS
    values = {recommend_procs(cores, cpus, policy).value for cores in (most - 1 + _LEAST_CORES, most)}
    if len(values) == 1 or not recommended.set:
        return "if Kubernetes has rounded a fraction up to this (divisor 1), the result is the same"
    if policy.rounding == "slack" and not policy.reserve_cores:
        return (
            "if Kubernetes has rounded a fraction up to this (divisor 1), this is one thread more than the fraction would get,"
            " which did no harm when it was measured: divisor 1m tells"
        )
    return "if Kubernetes has rounded a fraction up to this (divisor 1), the result may be too high: divisor 1m tells"


def _variable(recommended: Recommendation, *, always: bool = False) -> PlannedVariable:
    is_reached = not recommended.set and recommended.value is not None
    because = recommended.because
    if is_reached and always and recommended.name == "GOMAXPROCS":
        because = (*because[:-1], "set all the same, as was asked for: the runtime makes no updates then")
    elif not recommended.set or recommended.overruled:
        return PlannedVariable(name=recommended.name, value=None, because=because, is_reached=is_reached)
    value = str(recommended.value) if recommended.name == "GOMAXPROCS" else format_limit(recommended.value or 0)
    return PlannedVariable(
        name=recommended.name, value=value, because=because, keeps_bytes=recommended.keeps_bytes, keeps_procs=recommended.keeps_procs
    )


def _without_memory_limit(memory: PlannedVariable, facts: GoFacts | None) -> PlannedVariable:
    if memory.value is None or facts is None or not is_without_memory_limit(facts):
        return memory
    return memory.replace(value=None, because=(say_no_memory_limit(facts),))
