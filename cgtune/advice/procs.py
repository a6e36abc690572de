"""The recommended GOMAXPROCS, with its reasons: the enforced CPU limit, the usable CPUs, and a policy. Pure."""

from __future__ import annotations

import math

from cgtune.model import AUTOMAXPROCS, VICTORIA_CGROUP, PeriodStall, Policy, Recommendation
from cgtune.numbers import format_cores, format_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, CpuLimits, GoFacts, Limits

#: The least that each rounding recommends. Go's own minimum (runtime/cgroup_linux.go, 1.25.0 to 1.27.3), which measured well under a CPU;
#: automaxprocs' and Rust's with floor.
LEAST_PROCS = {"slack": 2, "ceil": 2, "floor": 1}
_DEFAULT = Policy()


def recommend_procs(
    limit_cores: float | None, usable_count: int, policy: Policy = _DEFAULT, *, follows_by_itself: int | None = None
) -> Recommendation:
    """GOMAXPROCS for an enforced limit in cores (None: no limit) and so many usable CPUs (online, in the cpuset and the affinity).

    ``follows_by_itself`` is the value that the runtime reaches without the variable and keeps up to date, None if it does not: if that is
    as good as the recommended one, the variable is better left unset. With the rounding "slack" the quota rounded up is as good.
    """
    name = "GOMAXPROCS"
    if limit_cores is None:
        return Recommendation(name=name, value=None, set=False, because=("no CPU quota is enforced: Go's own default is right",))
    if usable_count <= limit_cores - policy.reserve_cores:
        usable = f"{usable_count} usable CPU{'s' * (usable_count != 1)}"
        why = f"the quota of {format_cpus(limit_cores)} does not fall below the {usable}: Go's own default is right"
        return Recommendation(name=name, value=None, set=False, because=(why,))
    cores = limit_cores - policy.reserve_cores
    # Quota and period are whole numbers, their quotient is the nearest double: as Go does it, nothing is corrected before the rounding.
    rounded = math.floor(cores) if policy.rounding == "floor" else math.ceil(cores)
    slack = 1 if policy.rounding == "slack" and rounded == math.floor(cores) else 0
    least = policy.min_procs if policy.min_procs is not None else LEAST_PROCS[policy.rounding]
    because = [_say_rounded(limit_cores, rounded, slack, policy)]
    value = rounded + slack
    if value < least:
        value = least
        why = ": with one thread a collection or a busy goroutine holds up all others" if least == LEAST_PROCS["slack"] else ""
        because.append(f"at least {least}{why}")
    if value > usable_count:
        value = max(1, usable_count)
        because.append(f"at most the {value} CPU{'s' if value > 1 else ''} that it may run on")
    keeps = (min(value, max(least, rounded)), value)
    if follows_by_itself is not None and keeps[0] <= follows_by_itself <= value:
        because.append(
            f"this runtime comes to {follows_by_itself} by itself and follows changes of the quota: setting GOMAXPROCS would stop that"
        )
        return Recommendation(name=name, value=follows_by_itself, set=False, because=tuple(because), keeps_procs=keeps)
    return Recommendation(name=name, value=value, set=True, because=tuple(because), keeps_procs=keeps)


def _say_rounded(limit_cores: float, rounded: int, slack: int, policy: Policy) -> str:
    """What becomes of the limit, and what another rounding cost when it was measured (docs/advice.md)."""
    reserved = f", less {format_cores(policy.reserve_cores)} kept for others," if policy.reserve_cores else ""
    cpus = f"{format_cpus(limit_cores)}{reserved}"
    if policy.rounding == "floor":
        return f"{cpus} rounded down is {rounded}"
    if slack and rounded < LEAST_PROCS["slack"]:
        return f"{cpus} and one thread more is {rounded + slack}"
    if slack:
        return f"{cpus} and one thread more is {rounded + slack} (measured: p99 is 10 to 50 % shorter with it)"
    is_cut = rounded > 1 and rounded != limit_cores - policy.reserve_cores
    lost = " (measured: rounded down costs 20 to 35 % of the throughput)" if is_cut else ""
    return f"{cpus} rounded up is {rounded}{lost}"


def most_procs(limit_cores: float, usable_count: int) -> int:
    """The most GOMAXPROCS under a quota that is right without a look at how much is used: one more than the whole CPUs, at least 2."""
    return min(usable_count, max(LEAST_PROCS["slack"], math.floor(limit_cores) + 1))


def survive_quota(recommended: Recommendation, facts: GoFacts, usable_count: int) -> Recommendation:
    """GOMAXPROCS for a runtime that dies of its quota at its start: set in any case. For any other what is ``recommended``."""
    if facts.derived.dies_of != "quota":
        return recommended
    because = recommended.because if recommended.set else ()  # "Go's own default is right" is not
    why = f"{facts.program.name} dies of this quota at its start; where GOMAXPROCS is set, it never looks at it"
    return recommended.replace(value=recommended.value or max(1, usable_count), set=True, because=(*because, why))


def procs_if_unset(facts: GoFacts, cpus: int) -> int | None:
    """GOMAXPROCS that this runtime would reach and keep up to date if nobody set it; None if it would not, or if that is not known."""
    from cgtune.runtimes.go.derived.procs import derive_by_itself

    return derive_by_itself(facts.derived, cpus) if facts.observed.follows_own else None


def procs_by_itself(facts: GoFacts, cpus: int) -> int | None:
    """The same without the variable: a value that the program has set in its own code is not undone by leaving the variable unset."""
    by_code = facts.derived.variable("GOMAXPROCS") is None or "GOMAXPROCS" in facts.derived.ignored
    return None if facts.observed.pinned and by_code else procs_if_unset(facts, cpus)


def procs_without_pin(facts: GoFacts, cpus: int) -> int | None:
    """The same if a program that sets it by its own code stopped doing so. A library that leaves the variable alone counts as it is: there
    the variable helps, and removing the library is advice of its own.
    """
    sets_it = facts.program.links(AUTOMAXPROCS) or facts.program.links(VICTORIA_CGROUP)
    return procs_by_itself(facts, cpus) if sets_it else procs_if_unset(facts, cpus)


def worst_stall(limits: CpuLimits, procs: int | None) -> PeriodStall | None:
    """The worst period of a quota under so many busy threads; None if the quota cannot run out, or the number is not known.

    n threads use n µs a µs: a quota Q is gone after Q / n, and the rest of the period is waiting. A burst B that was saved up is used
    in the first period after a rest, which then has Q + B (sched-bwc.rst; the kernel takes no burst above the quota).
    """
    bandwidth = limits.binding.bandwidth if limits.binding is not None else None
    if limits.binding is None or procs is None or bandwidth is None or bandwidth.quota_us is None or limits.limit_cores is None:
        return None
    threads = min(procs, len(limits.usable))
    if threads <= limits.limit_cores:
        return None
    runs_us = bandwidth.quota_us / threads
    return PeriodStall(
        threads=threads,
        quota_us=bandwidth.quota_us,
        period_us=bandwidth.period_us,
        runs_us=runs_us,
        stalls_us=bandwidth.period_us - runs_us,
        burst_us=limits.binding.burst_us or 0,
    )


def format_quota(limits: Limits) -> str:
    """The file that says the binding CPU quota, and what stands in it."""
    if limits.cpu.binding is None and limits.cpu.unseen is not None:
        return f"no CPU quota is known: {limits.cpu.unseen}"
    return format_level_quota(limits.cpu.binding)


def format_level_quota(level: CpuLevel | None) -> str:
    """The file that says the CPU quota of one cgroup, and what stands in it."""
    if level is None or level.bandwidth is None:
        return "no CPU quota is enforced"
    quota, period = level.bandwidth.quota_us, level.bandwidth.period_us
    if level.said_by is not None:
        return f"{level.quota_file} {format_cores(level.bandwidth.limit_cores or 0)}"
    if level.version == 2:
        return f"{level.quota_file}: {quota} {period}"
    return f"{level.quota_file}: {quota}, cpu.cfs_period_us: {period}"
