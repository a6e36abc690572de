"""the kernel stops the process again and again, its CPU quota is used up

What it means: in a good part of the quota periods in which the cgroup wanted to run, it used its quota up and was stopped until the next
one. The counters are those of the cgroup of the chain that is throttled most, of all processes in and below it, since it was made; over a
window (check --window) only the growth counts. A stop of an ancestor stops all below it, and is counted in the ancestor alone. Over a
window: from 1 % of the periods information, from 5 % a warning, from 25 % critical, and nothing below 5 periods. Without one: from 5 %
information, from 25 % a warning, and nothing below 300 periods. Where no quota is enforced any more, nothing.

How many periods were stopped says little of the harm, how much of the quota is used says more: so the advice goes by that, in the
periods in which the cgroup ran, between two looks or as a mean since it was made. Below 88 % nothing is critical.

It hurts now, unless the cgroup's cpu.pressure says that nothing in it has waited for five minutes: then it hurt earlier. Without
cpu.pressure (cgroup v1) the counters alone do not tell since when; a window does.

Over a window it also says what limit would have been enough, by how long each thread ran and waited (docs/advice.md), and advises it if
that is sure and 50 periods or more were seen.

Why it hurts: each stop is a pause of all threads for the rest of the period, up to 100 ms with the usual period. GOMAXPROCS n under quota
Q per period P: n busy threads run Q/n and stall P - Q/n.

How to confirm:
  for wait in 30 0; do grep -HE 'periods|throttled' /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null; sleep $wait; done

What to do: from 95 % of the quota on it is used up: raise it; no GOMAXPROCS helps. Below 88 %, with no more threads than one above its
whole CPUs: a burst of one quota, in cpu.max.burst (v1: cpu.cfs_burst_us, both from Linux 5.14 on). Measured at 75 to 90 % of use: p99 of
10.1 ms became 6.0, and with a collector at work 173 became 51. Kubernetes does not set it: whoever owns the cgroup has to. With more
threads: lower GOMAXPROCS. Between 88 and 95 % both may be: raise the quota, or let it burst. A shorter period is no help: p99 was 1.4 to
2.8 times as long with 10 ms as with 100. Where an ancestor is stopped, look at what else runs below it: raise its quota, or give the others
less.

Sources: own measurements (docs/advice.md); Linux Documentation/scheduler/sched-bwc.rst; kubernetes-mixin, CPUThrottlingHigh (25 %).
"""

from __future__ import annotations

from cgtune.advice.enough import find_enough_cpu
from cgtune.advice.procs import format_level_quota
from cgtune.advice.throttling import ROOMY, USED_UP, can_burst
from cgtune.model import LEAST_PERIODS, Finding
from cgtune.numbers import format_cpus
from cgtune.rules.case import FEEDS, act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.advice.enough import EnoughCpu
    from cgtune.advice.throttling import QuotaUse
    from cgtune.model import Advice, CpuLevel, Severity
    from cgtune.rules.case import Case

ID = "cpu-throttled"
SEVERITY: Severity = "warning"
SUMMARY = "the kernel stops the process again and again, its CPU quota is used up"


#: From which share of the periods on it is how bad, the worst first: while it was watched, and since the cgroup was made.
WATCHED: tuple[tuple[float, Severity], ...] = ((25.0, "critical"), (5.0, "warning"), (1.0, "info"))
SINCE_MADE: tuple[tuple[float, Severity], ...] = (
    (25.0, "warning"),
    (5.0, "info"),
)  # what was, may be over: a fault that is mended must not fail a check for ever


def judge(case: Case) -> Finding | None:
    """The share of throttled periods, in the window or since the cgroup was made."""
    percent, level = measure_percent(case), _level(case)
    if percent is None or level is None or level.throttling is None:
        return None
    if level.bandwidth is None or level.bandwidth.limit_cores is None:
        return None  # there is no quota any more: what the counters tell is over
    counters = level.throttling
    severity = next((name for least, name in find_scale(case) if percent >= least), None)
    if severity is None:
        return None
    counted = f"nr_throttled {counters.throttled_periods} of nr_periods {counters.periods}"
    when = "while it was watched" if case.window is not None else "since the cgroup was made"
    enough, use = _find_enough(case, level), case.quota_use(level)
    if severity == "critical" and use is not None and use.share < ROOMY:
        severity = "warning"
    return Finding(
        rule=ID,
        severity=severity,
        summary=f"throttled in {percent:.1f} % of the periods {when}",
        evidence=(
            f"{level.directory}/cpu.stat: {counted}, {counters.throttled_seconds:.1f} s in all",
            *(() if use is None else (use.words,)),
            *_quota_evidence(case, level),
            *_enough_words(enough),
        ),
        advice=_advice(case, level, use, enough),
        harm="earlier" if case.window is None and _is_over(case) else "now",
    )


def _find_enough(case: Case, level: CpuLevel) -> EnoughCpu | None:
    """What limit would have done, if two looks tell."""
    rates = case.snapshot.rates
    if rates is None:
        return None
    taken = 0.0 if rates.machine is None else rates.machine.steal_cores or 0.0
    stolen = taken / max(1, len(case.snapshot.machine.online))
    return find_enough_cpu(rates, level, case.usable, case.procs_count or None, stolen)


def _enough_words(enough: EnoughCpu | None) -> tuple[str, ...]:
    if enough is None:
        return ()
    sure = f"perhaps, as {enough.doubt}: " if enough.doubt else ""
    stood = f"was kept from running in {enough.stopped_percent:.0f} % of the time in which it wanted to"
    return (f"{sure}{enough.limit_cores:.3g} CPUs would have been enough: it used {enough.used_cores:.2f} and {stood}",)


def measure_percent(case: Case) -> float | None:
    """The share of throttled periods in percent; None where nothing counts them, or where they are too few to tell."""
    level = _level(case)
    counters = level.throttling if level is not None else None
    if counters is None or counters.periods < (case.least_periods if case.window is not None else LEAST_PERIODS):
        return None
    return 100 * counters.throttled_periods / counters.periods


def find_scale(case: Case) -> tuple[tuple[float, Severity], ...]:
    """From which share on it is how bad, the worst first."""
    return WATCHED if case.window is not None else SINCE_MADE


def _level(case: Case) -> CpuLevel | None:
    """The cgroup whose counters are judged: while it was watched or since it was made."""
    return case.window if case.window is not None else case.report.throttled_level


def _is_over(case: Case) -> bool:
    """Whether the kernel says that nothing in its cgroup has waited for a CPU for five minutes, whatever the counters add up to."""
    pressure = case.snapshot.cpu_pressure
    return pressure is not None and pressure.scope == "cgroup" and pressure.some is not None and pressure.some.avg300_percent == 0


def _is_shared(case: Case, level: CpuLevel) -> bool:
    """Whether an ancestor with a wider quota than the binding one is stopped: it is not this cgroup alone that uses it up."""
    return case.cpu.binding is not None and level.directory != case.cpu.binding.directory


def _quota_evidence(case: Case, level: CpuLevel) -> tuple[str, ...]:
    if _is_shared(case, level):
        return (
            f"{format_level_quota(level)}, shared by all below it",
            *(case.procs_evidence() if case.procs_count else (case.quota_words,)),
        )
    return case.procs_evidence(case.stall) if case.procs_count else (case.quota_words,)


def _advice(case: Case, level: CpuLevel, use: QuotaUse | None, enough: EnoughCpu | None) -> tuple[Advice, ...]:
    said = ""
    if enough is not None and enough.is_sure:
        said = f" to {format_cpus(enough.limit_cores)}, which would have been enough while it was watched, within 15 %"
    if _is_shared(case, level):
        return (
            act(
                f"look at what else runs below {level.path}: together they use up its quota, which is wider; raise it{said}, or give the"
                " others less"
            ),
        )
    if use is not None and use.share >= USED_UP:
        return (act(f"the quota is used up: raise the CPU limit{said}; no GOMAXPROCS helps{_say_uncounted(case)}"),)
    grow = act(f"raise the CPU limit{said}{_say_uncounted(case)}")
    fewer = (case.change_procs(FEEDS),) if case.exceeds else ()
    if use is None and can_burst(level):
        return (*fewer, act(f"if the quota is used up, which cannot be told here: {grow.reason}; if not: {case.burst_words(level)}"))
    if use is None:
        return (*fewer, act(f"{grow.reason}; {case.burst_words(level)}"))
    if use.share >= ROOMY:
        return (*fewer, act(f"{use.percent} % of the quota are nearly all of it: {grow.reason}"), act(case.burst_words(level)))
    look = "" if use.is_watched else "; it is a mean: --window, under load, tells more"
    return fewer or (act(f"{use.percent} % of the quota are in use, and busy moments go beyond it: {case.burst_words(level)}{look}"),)


def _say_uncounted(case: Case) -> str:
    """What else uses the quota if GOMAXPROCS alone cannot use it up."""
    if not 0 < case.procs_count <= (case.limit_cores or 0):
        return ""
    return ": GOMAXPROCS is not above it, so threads that it does not count (cgo, blocking system calls) or other processes use it as well"
