"""A container of a fleet as the rules for processes judge it: they speak, and what they say is told with the series that it is known from.

Rules that need a look at a process (its environment, its files, its threads) are not asked. Those that only say how Go rounds a quota are
not either: if it hurts, the throttling that was measured tells, and if that is low, nothing hurts.
"""

from __future__ import annotations

from cgtune.advice.quantities import USUAL_PERIOD_US
from cgtune.advice.throttling import QuotaUse
from cgtune.fleet.facts import MANY_CPUS, PLACE, busy_cores, collector_share, find_gogc, oldest_go, usual_throttling
from cgtune.model import SEVERITIES, Bandwidth
from cgtune.numbers import format_cores, format_cpus, format_mib
from cgtune.rules import RULES, judge_case
from cgtune.rules.case import Case, act
from cgtune.rules.cpu_throttled import ID as THROTTLED, SINCE_MADE, WATCHED
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.fleet.model import Measured, Span
    from cgtune.model import CpuLevel, Finding, GoFacts, Policy, ProcessReport, Recommendation, Severity
    from cgtune.rules import Rule

#: The rules that speak of a fleet, as they can be judged by what series tell.
FLEET_RULES = (
    *("go-not-container-aware", "gomaxprocs-exceeds-quota", "gomaxprocs-below-quota", "cpu-throttled", "no-quota-many-cpus"),
    *("gc-off-without-limit", "memory-limit-too-small", "gomemlimit-unset", "gomemlimit-exceeds-limit", "gomemlimit-too-small"),
    *("gomemlimit-near-limit", "oom-killed", "memory-near-limit", "collector-busy", "limit-unneeded"),
)

#: What has to be known for some: else they would take a limit for none, and a node's CPUs for many.
_NEEDS: dict[str, Callable[[Measured], bool]] = {
    "no-quota-many-cpus": lambda measured: measured.is_cpu_unlimited,
    "gomaxprocs-exceeds-quota": lambda measured: measured.node_cpus is not None or measured.cpu_limit_cores is not None,
    "gc-off-without-limit": lambda measured: measured.memory_limit_bytes is not None or measured.is_memory_unlimited,
}
_DAY_SECONDS = 86400
_CAUSES_BEYOND = (
    "as many as the node's CPUs: its go line is older than 1.25, GODEBUG switches awareness off, or the quota is not where Go looks; the"
    " series do not tell which"
)


class FleetCase(Case):
    """A container that the series tell of."""

    def __init__(self, measured: Measured, report: ProcessReport, facts: GoFacts | None, policy: Policy) -> None:
        super().__init__(report, facts, policy)
        self.measured = measured
        self._series = dict(measured.series)

    @property
    def window(self) -> CpuLevel | None:
        """It is judged as what was watched if it is throttled half of the time, and that says no less than the worst of the history."""
        usual, level = usual_throttling(self.measured), self.report.throttled_level
        if usual is None or level is None or level.throttling is None:
            return None
        now = _severity(WATCHED, usual.throttled_periods / usual.periods)
        ever = _severity(SINCE_MADE, level.throttling.throttled_periods / level.throttling.periods)
        return level.replace(throttling=usual) if now <= ever else None

    def quota_use(self, level: CpuLevel) -> QuotaUse | None:
        cores, busy = None if level.bandwidth is None else level.bandwidth.limit_cores, busy_cores(self.measured)
        if not cores or busy is None:
            return None
        periods = round((self.measured.history_seconds or 0.0) * 1e6 / USUAL_PERIOD_US)
        return QuotaUse(share=busy / cores, when="at its busiest, in the mean of some minutes", periods=periods)

    def burst_words(self, level: CpuLevel) -> str:  # noqa: ARG002  # series name no file of a cgroup
        return (
            "a burst of one quota (from Linux 5.14 on) saves up what is left over for busy moments: Kubernetes does not set"
            " it, whoever owns the cgroup has to"
        )

    @property
    def is_limit_unknown(self) -> bool:
        """Whether no series tells a CPU limit, nor that there is none."""
        return self.measured.cpu_limit_cores is None and not self.measured.is_cpu_unlimited

    @property
    def procs_words(self) -> str:
        measured = self.measured
        if measured.most_procs is None:
            return ""
        least = measured.least_procs
        spread = "" if least is None or least == measured.most_procs else f"{least} to "
        return f"GOMAXPROCS is {spread}{measured.most_procs}{self.series('most_procs')}"

    @property
    def built_words(self) -> str:
        others = sorted(set(self.measured.go) - {oldest_go(self.measured)})
        also = f", others with {', '.join(others)}" if others else ""
        return f"{super().built_words}{self.series('go')}{also}"

    @property
    def quota_words(self) -> str:
        cores = self.measured.cpu_limit_cores
        resized = "; some replica is enforced another one" if self.measured.is_resized else ""
        none = "no CPU limit" if self.measured.is_cpu_unlimited else "no series tells its CPU limit"
        limit = none if cores is None else f"CPU limit{self.series('cpu_limit_cores')}: {format_cpus(cores)}{resized}"
        cpus = self.measured.node_cpus
        return limit if cpus is None else f"{limit}; the node has {cpus} CPU{'s' * (cpus != 1)}{self.series('node_cpus')}"

    @property
    def weight_words(self) -> str:
        words, shares = super().weight_words, self.measured.cpu_shares
        if not words or self.measured.cpu_request_cores is not None or shares is None:
            return words
        told = f"CPU shares{self.series('cpu_shares')}: {shares}"
        return words.replace(f"{PLACE}/cpu.weight", f"{told}, cpu.weight") if PLACE in words else f"{words}: {told}"

    @property
    def limit_words(self) -> str:
        limit = self.measured.memory_limit_bytes
        if limit is None:
            return "no memory limit" if self.measured.is_memory_unlimited else "no series tells its memory limit"
        return f"memory limit{self.series('memory_limit_bytes')}: {limit} bytes ({format_mib(limit)} MiB)"

    @property
    def gomemlimit_words(self) -> str:
        if self.measured.is_gomemlimit_off:
            return f"GOMEMLIMIT is off{self.series('gomemlimit_bytes')}"
        value = self.measured.gomemlimit_bytes
        return "" if value is None else f"GOMEMLIMIT is {value} bytes ({format_mib(value)} MiB){self.series('gomemlimit_bytes')}"

    @property
    def gogc_words(self) -> str:
        gogc = find_gogc(self.measured)
        return "" if gogc is None else f"GOGC is {gogc}{self.series('gogc')}"

    @property
    def live_words(self) -> str:
        live = self.measured.live_heap_bytes
        return "" if live is None else f"live heap: at most {format_mib(live)} MiB{self.series('live_heap_bytes')}"

    @property
    def stall(self) -> str:
        """The period is in no series that all have; 100 ms is Kubernetes' own."""
        is_known = self.measured.node_cpus is not None or self.procs_count < MANY_CPUS
        return f"if the period is 100 ms: {super().stall}" if super().stall and is_known else ""

    @property
    def seen_words(self) -> str:
        """How long a history there is."""
        seconds = self.measured.history_seconds
        return "in the time that was asked for" if seconds is None else f"in {format_days(seconds)} of history"

    def series(self, field: str) -> str:
        """Where a figure is from, in parentheses; empty if that is not known."""
        name = self._series.get(field, "")
        return f" ({name})" if name else ""

    def say(self, text: str) -> str:
        """A line of evidence or a reason, with what stands for its cgroup's files told as the limit that it is."""
        if PLACE not in text:
            return text
        for level in self.snapshot.cpu_chain:
            if level.bandwidth is not None:
                quota = f"{PLACE}/cpu.max: {level.bandwidth.quota_us} {level.bandwidth.period_us}"
                text = text.replace(quota, f"CPU limit{self.series('cpu_limit_cores')}: {self.cores_words}")
        return text.replace(f"{PLACE}/memory.max", f"memory limit{self.series('memory_limit_bytes')}")


def judge_measured(measured: Measured, report: ProcessReport, policy: Policy) -> tuple[Finding, ...]:
    """What the rules find in a container that has its recommendations, worst first."""
    facts = report.snapshot.go[0] if report.snapshot.go else None
    case = FleetCase(measured, report, facts, policy)
    unasked = {rule for rule, is_known in _NEEDS.items() if not is_known(measured)}
    cases = {THROTTLED: FleetCase(measured, _with_some_quota(report), facts, policy)} if case.is_limit_unknown else {}
    asked = (rule for rule in RULES if rule.ID in FLEET_RULES and rule.ID not in unasked)
    return judge_case(case, tuple(_Told(rule, cases.get(rule.ID, case)) for rule in asked))


def _with_some_quota(report: ProcessReport) -> ProcessReport:
    """What is throttled has a quota, whether a series tells which or not. It is for counting alone: nothing may be said of its size."""
    quota = Bandwidth(quota_us=USUAL_PERIOD_US, period_us=USUAL_PERIOD_US)
    return report.replace(
        snapshot=report.snapshot.replace(cpu_chain=tuple(level.replace(bandwidth=quota) for level in report.snapshot.cpu_chain))
    )


def say_recommended(measured: Measured, report: ProcessReport, policy: Policy) -> tuple[Recommendation, ...]:
    """The recommendations of a report, with reasons that name no file."""
    case = FleetCase(measured, report, None, policy)
    unseen = {
        "GOMAXPROCS": case.is_limit_unknown,
        "GOMEMLIMIT": measured.memory_limit_bytes is None and not measured.is_memory_unlimited,
    }
    limits = {"GOMAXPROCS": case.quota_words, "GOMEMLIMIT": case.limit_words}
    return tuple(
        one.replace(
            because=(limits[one.name],) if unseen[one.name] else tuple(case.say(line) for line in one.because),
            crowded=None if one.crowded is None else one.crowded.replace(file=case.say(one.crowded.file)),
        )
        for one in report.recommendations
    )


def format_days(seconds: float) -> str:
    """`6.9 days`, `5 h`."""
    return f"{seconds / _DAY_SECONDS:.1f} days" if seconds >= _DAY_SECONDS else f"{seconds / 3600:.0f} h"


class _Told:
    """A rule whose finding is told with series, before causes take the words of symptoms."""

    def __init__(self, rule: Rule, case: FleetCase) -> None:
        self.ID, self.SEVERITY, self.SUMMARY, self._rule, self._case = rule.ID, rule.SEVERITY, rule.SUMMARY, rule, case

    def judge(self, _case: Case) -> Finding | None:
        finding = self._rule.judge(self._case)
        if finding is None:
            return None
        told = _TELL.get(finding.rule)
        finding = finding if told is None else told(self._case, finding)
        return finding.replace(
            summary=self._case.say(finding.summary),
            evidence=tuple(self._case.say(line) for line in finding.evidence if line),
            advice=tuple(one.replace(reason=one.reason.replace(f"{PLACE}/memory.max", "the memory limit")) for one in finding.advice),
        )


def _severity(scale: tuple[tuple[float, Severity], ...], share: float) -> int:
    """How bad a share is, as a place among severities."""
    return next((SEVERITIES.index(name) for least, name in scale if 100 * share >= least), len(SEVERITIES))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _spread(span: Span, show: Callable[[float], str]) -> str:
    parts = ((span.p50, "in the median"), (span.p95, "at the 95th percentile"), (span.most, "at most"))
    return ", ".join(f"{show(value)} {name}" for value, name in parts if value is not None)


def _tell_throttled(case: FleetCase, finding: Finding) -> Finding:
    """Of the most alone it is not known how often it was so: that is worth knowing, and no warning."""
    shares = case.measured.throttled
    is_now = case.window is not None
    shown = shares.p50 if is_now else shares.p95 if shares.p95 is not None else shares.most
    when = "half of the time or more" if is_now else "at the 95th percentile" if shares.p95 is not None else "at its worst"
    is_once = not is_now and shares.p95 is None
    raised = act("raise the CPU limit, or let GOMAXPROCS be no more than it: which of both, the limit would tell, and no series tells it")
    return finding.replace(
        severity="info" if is_once else finding.severity,
        harm="now" if usual_throttling(case.measured) is not None else "earlier",
        summary=f"throttled in {_percent(shown)} of the periods {when}",
        evidence=(
            f"throttled periods {case.seen_words}: {_spread(shares, _percent)}{case.series('throttled')}",
            *case.procs_evidence(case.stall if case.procs_count else ""),
        ),
        advice=(raised,) if case.is_limit_unknown else finding.advice,
    )


def _tell_killed(case: FleetCase, finding: Finding) -> Finding:
    kills = case.measured.kills or 0
    return finding.replace(
        summary=f"OOM kills: at least {kills} {case.seen_words}",
        evidence=(f"OOM kills: {kills}{case.series('kills')}; of kills between two samples only the last is seen", case.limit_words),
    )


def _tell_near(case: FleetCase, finding: Finding) -> Finding:
    most, limit = case.measured.memory_used.most or 0, case.memory.limit_bytes or 0
    return finding.replace(
        summary=f"memory came within {format_mib(max(0, limit - most))} MiB of its limit of {format_mib(limit)} MiB",
        evidence=(case.limit_words, f"{_memory_words(case)}; of a working set, active page cache is a part"),
    )


def _tell_unneeded(case: FleetCase, finding: Finding) -> Finding:
    lines = []
    if any(line.startswith("memory") for line in finding.evidence):
        lines += [case.limit_words, _memory_words(case)]
    if any(line.startswith("CPU") for line in finding.evidence):
        used = _spread(case.measured.cpu_used, format_cores)
        lines += [case.quota_words, f"CPUs used {case.seen_words}: {used}{case.series('cpu_used')}; never throttled"]
    return finding.replace(summary=f"{case.seen_words} a limit was never needed", evidence=tuple(lines))


def _tell_collector(case: FleetCase, finding: Finding) -> Finding:
    percent = 100 * (collector_share(case.measured) or 0.0)
    took = f"the collector took {_percent(case.measured.gc_share)} of the CPU time that GOMAXPROCS allows, at the 95th percentile"
    return finding.replace(
        summary=f"the collector takes about {percent:.0f} % of what the program uses when it is busy",
        evidence=(
            f"{took}{case.series('gc_share')}: Go counts by the clock, so waiting for a CPU is in it",
            f"CPUs used: {_spread(case.measured.cpu_used, format_cores)}{case.series('cpu_used')}",
            *(line for line in (case.procs_words, case.gomemlimit_words, case.live_words, case.limit_words) if line),
        ),
    )


def _tell_beyond(case: FleetCase, finding: Finding) -> Finding:
    """Who set it is not told; a number that is the node's may be Go's own choice."""
    is_older = case.minor is not None and case.minor < FIRST_AWARE
    if is_older or case.procs_count != case.measured.node_cpus or finding.severity == "info":
        return finding.replace(summary=finding.summary.replace(", set by somebody", ""))
    summary = f"GOMAXPROCS is {case.procs}, all CPUs of the node; its quota of {case.cores_words} warrants {case.allowed_procs}"
    return finding.replace(summary=summary, evidence=(*finding.evidence, _CAUSES_BEYOND))


def _memory_words(case: FleetCase) -> str:
    used = _spread(case.measured.memory_used, lambda count: f"{format_mib(count)} MiB")
    return f"memory used {case.seen_words}: {used}{case.series('memory_used')}"


_TELL: dict[str, Callable[[FleetCase, Finding], Finding]] = {
    "cpu-throttled": _tell_throttled,
    "oom-killed": _tell_killed,
    "memory-near-limit": _tell_near,
    "limit-unneeded": _tell_unneeded,
    "collector-busy": _tell_collector,
    "gomaxprocs-exceeds-quota": _tell_beyond,
}
