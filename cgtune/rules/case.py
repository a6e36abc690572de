"""What the rules judge: one Go runtime with the limits of its process, and the words that several of them need.

Every figure of a summary or of evidence comes from here, so that two findings never tell one fact in two ways.
"""

from __future__ import annotations

import math

from cgtune.advice.enough_memory import find_enough_memory
from cgtune.advice.habits import find_habit, say_overruling
from cgtune.advice.memory import join_mates, measure_outside
from cgtune.advice.procs import format_quota, most_procs, procs_if_unset, worst_stall
from cgtune.advice.throttling import find_use, say_burst
from cgtune.model import AUTOMEMLIMIT, Advice, Policy, Recommendation, most_throttled
from cgtune.numbers import format_cores, format_cpus, format_limit, format_mib, format_request
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.advice.memory import Groups
    from cgtune.advice.throttling import QuotaUse
    from cgtune.model import CpuLevel, GoFacts, GoSetting, Harm, MemoryLevel, Off, ProcessReport, Snapshot

#: Half a second of a busy cgroup: one bad period of a program that is idle is no share of anything.
LEAST_WATCHED = 5

#: Why GOMAXPROCS is to be lowered.
FEEDS = "the most threads that the enforced quota can feed"

#: Which formula made a weight of a request.
_FORMULAS = {"shares": "", "line": " (older formula)", "curve": " (newer formula)"}
_SETS = "the program set it, by a call of runtime.GOMAXPROCS or an option of its own"
_MOMENT_SECONDS = 60
_RESTING_SECONDS = 10.0
_LEAST_RAN_SECONDS = 1.0  # on a CPU: the collector's share of less is chance
_MOST_SHOWN = 200  # characters of a variable
_STOPPED_PERCENT = 1.0  # of the periods
_SWITCHES = ("containermaxprocs", "updatemaxprocs")
_KILLED_BY_THREADS = (
    "there is a memory limit: of 48 runs of one storm of allocation with one GOMEMLIMIT, on 2 CPUs, 1, 2, 19 and 36 were killed with"
    " 1, 2, 4 and 8 threads"
)


class Case:
    """One runtime (``facts``; None for a program that is no Go program) of one process, under one policy.

    ``least_periods``: of a quota, fewer periods between two looks tell nothing; None: 5, which is enough for whoever chose how long to
    look. ``groups`` are the Go processes of the report by the cgroups whose memory limits hold for them.
    """

    def __init__(
        self,
        report: ProcessReport,
        facts: GoFacts | None,
        policy: Policy,
        least_periods: int | None = None,
        groups: Groups | None = None,
    ) -> None:
        self.report, self.facts, self.policy, self.groups = report, facts, policy, groups or {}
        self.least_periods = LEAST_WATCHED if least_periods is None else least_periods
        self.snapshot, self.cpu, self.memory = report.snapshot, report.limits.cpu, report.limits.memory
        self.pid, self.age_seconds = self.snapshot.process.pid, self.snapshot.process.age_seconds
        self.usable = len(self.cpu.usable)
        self.limit_cores = self.cpu.limit_cores
        self.minor = facts.program.minor if facts is not None else None
        self.procs, self._procs_from = self._value("GOMAXPROCS")
        self.gomemlimit, self._gomemlimit_from = self._value("GOMEMLIMIT")
        self.gogc, self._gogc_from = self._value("GOGC")
        self._window = self._locate_window()  # five rules ask

    @property
    def has_just_started(self) -> bool:
        """Whether it may be a program that lives a moment; not if nobody knows how long it has run."""
        return self.age_seconds is not None and self.age_seconds < _MOMENT_SECONDS

    def _setting(self, name: str) -> GoSetting | None:
        return next((setting for setting in self.facts.settings if setting.name == name), None) if self.facts is not None else None

    def _value(self, name: str) -> tuple[int | Off | None, str]:
        setting = self._setting(name)
        if setting is None:
            return None, "not known"
        if setting.observed is not None:
            return setting.observed, f"read from its {setting.observed_from}"
        return setting.derived, "derived"

    @property
    def window(self) -> CpuLevel | None:
        """The cgroup that was throttled most between two looks, with the growth of its counters; None if they were read once."""
        return self._window

    def _locate_window(self) -> CpuLevel | None:
        rates = self.snapshot.rates
        if rates is None:
            return None
        grown = tuple(
            level.replace(throttling=rate.throttling)
            for level in self.report.counted_levels
            if (rate := rates.cpu_of(level)) is not None and rate.throttling is not None
        )
        telling = tuple(level for level in grown if level.throttling is not None and level.throttling.periods >= self.least_periods)
        return most_throttled(telling or grown)

    def quota_use(self, level: CpuLevel) -> QuotaUse | None:
        """How much of its quota a cgroup of the chain uses: while it was watched if that is known, else since it was made."""
        rates = self.snapshot.rates
        watched = None if rates is None or self.window is None else rates.cpu_of(level)
        return find_use(level, watched)

    @property
    def room(self) -> QuotaUse | None:
        """How much of the quota that binds is used, if the program works, has room in it, and was hardly ever stopped; None: not known."""
        binding, level = self.cpu.binding, self.window if self.window is not None else self.report.throttled_level
        counters = None if level is None else level.throttling
        use = None if binding is None else self.quota_use(binding)
        if use is None or counters is None or 100 * counters.throttled_periods >= _STOPPED_PERCENT * counters.periods:
            return None
        return use if use.has_room else None

    @property
    def proven_procs(self) -> int:
        """The most GOMAXPROCS that has measured well while there is room in the quota: one more than it rounded up; at most the CPUs."""
        return min(self.usable, math.ceil(self.limit_cores or 0) + 1)

    @property
    def threads_may_pay(self) -> QuotaUse | None:
        """The room in a quota above one CPU if more threads than it warrants do no harm so: none are known to be in danger of memory."""
        if not self.exceeds or (self.limit_cores or 0) <= 1:
            return None
        is_safe = self.memory.limit_bytes is None or self.procs_count <= self.proven_procs
        return self.room if is_safe else None

    def burst_words(self, level: CpuLevel) -> str:
        """The burst that would help this cgroup, with its file, or why there is none."""
        return say_burst(level, min(self.procs_count, self.usable) or None)

    @property
    def collector_percent(self) -> float | None:
        """The collector's share of the time in which the process's threads ran, or waited for a CPU, since its start; None: not known.

        Go counts by the clock: a collector that waits for a CPU counts as well (runtime/mgcpacer.go, gcController.markWorkerStop).
        """
        live, used = None if self.facts is None else self.facts.observed.live, self.snapshot.used
        if live is None or live.gc_cpu_seconds is None or used is None or not used.cpu_seconds:
            return None
        return min(100.0, 100 * live.gc_cpu_seconds / (used.cpu_seconds + (used.wait_seconds or 0.0)))

    @property
    def collector_percent_now(self) -> float | None:
        """The same between two looks, 0 if no collection ended; None: not known, or it hardly ran."""
        rates = self.snapshot.rates
        if rates is None or rates.gc_cores is None or rates.used_cores is None or not rates.seconds:
            return None
        if not rates.collections:
            return 0.0
        if rates.used_cores * rates.seconds < _LEAST_RAN_SECONDS:
            return None
        return min(100.0, 100 * rates.gc_cores / (rates.used_cores + (rates.waiting_threads or 0.0)))

    @property
    def collector_felt(self) -> tuple[float | None, Harm]:
        """(the collector's share in percent, whether that is now): between two looks if they tell, else since the start.

        What it took since the start may be over: no collection has ended for ten seconds then. Go starts one every two minutes anyway.
        """
        watched, live = self.collector_percent_now, None if self.facts is None else self.facts.observed.live
        if watched is not None:
            return watched, "now"
        is_over = live is not None and live.since_collection_seconds is not None and live.since_collection_seconds > _RESTING_SECONDS
        return self.collector_percent, "earlier" if is_over else "now"

    @property
    def procs_count(self) -> int:
        """GOMAXPROCS, 0 if it is not known."""
        return self.procs if isinstance(self.procs, int) else 0

    @property
    def quota_binds(self) -> bool:
        """Whether the CPU quota leaves less than the CPUs that the process may run on."""
        return self.limit_cores is not None and self.limit_cores < self.usable

    @property
    def allowed_procs(self) -> int:
        """The most that GOMAXPROCS may be without a finding: one more than the whole CPUs of the true limit, whatever the policy's rounding
        is, or the policy's number if that is more.
        """
        if self.limit_cores is None or not self.quota_binds:
            return self.usable
        return max(most_procs(self.limit_cores, self.usable), self.recommended("GOMAXPROCS").value or 0)

    @property
    def exceeds(self) -> bool:
        """Whether a quota binds and GOMAXPROCS is more than it warrants."""
        return self.quota_binds and self.procs_count > self.allowed_procs

    @property
    def set_by_variable(self) -> bool:
        """Whether the GOMAXPROCS variable is what decides."""
        text = self.variable("GOMAXPROCS")
        if self.facts is None or not text or "GOMAXPROCS" in self.facts.derived.ignored:
            return False
        return text.lstrip("+0") == str(self.procs)

    @property
    def procs_are_set(self) -> bool:
        """Whether somebody chose GOMAXPROCS: the variable, or the program by a call. Without a flag to tell (before 1.25), by the value."""
        if self.facts is None or self.set_by_variable:
            return self.facts is not None
        if self.facts.observed.pinned is not None:
            return self.facts.observed.pinned
        setting = self._setting("GOMAXPROCS")
        default = self.facts.observed.cpus_at_start if self.minor is not None and self.minor < FIRST_AWARE else None
        expected = default if default is not None else setting.derived if setting is not None else None
        return setting is not None and setting.observed is not None and expected is not None and setting.observed != expected

    @property
    def follows_own(self) -> bool:
        """Whether the runtime obeys the limit file of the cgroup it is in, as far as can be seen."""
        return self.facts is None or self.facts.observed.follows_own

    @property
    def by_itself(self) -> int | None:
        """GOMAXPROCS that the runtime would reach and keep up to date if nobody set it, None if it would not."""
        return None if self.facts is None else procs_if_unset(self.facts, len(self.snapshot.allowed_cpus))

    @property
    def lags(self) -> bool:
        """Whether GOMAXPROCS differs from what the runtime will come to as soon as it looks at its quota again. It looks at most once a
        second, and while it is idle about once a minute (runtime/proc.go, sysmon: it sleeps for half of forcegcperiod).
        """
        return not self.procs_are_set and None not in (self.procs, self.by_itself) and self.procs != self.by_itself

    @property
    def binds_own(self) -> bool:
        """Whether the quota that binds is that of the process's own cgroup, the only one that a runtime reads."""
        return bool(self.snapshot.cpu_chain) and self.cpu.binding is self.snapshot.cpu_chain[0]

    @property
    def blocked(self) -> str:
        """Why container awareness alone would not make GOMAXPROCS right, as far as that is known; empty: it would."""
        if not self.binds_own:
            return "the quota is that of an ancestor, and no Go version reads those"
        if self.facts is None or self.facts.derived.seen is None or self.facts.derived.seen.cause is None:
            return ""
        return f"Go {self.facts.program.version} would not find the quota: {self.facts.derived.seen.why}"

    @property
    def derives_unlimited(self) -> bool:
        """Whether GOMAXPROCS is too large and nobody chose it: the runtime did not see or not use the quota that binds."""
        return self.exceeds and not self.procs_are_set

    def would_find(self, *minors: int | None) -> bool:
        """Whether Go of one of these minor versions would read the quota that binds, if it started where the process is now."""
        found = () if self.facts is None else self.facts.derived.if_started
        bandwidth = None if self.cpu.binding is None else self.cpu.binding.bandwidth
        return bandwidth is not None and any(
            start.minor in minors and (start.quota_us, start.period_us) == (bandwidth.quota_us, bandwidth.period_us) for start in found
        )

    @property
    def would_start_anew(self) -> bool:
        """Whether the runtime holds no limit file open that would tell it of a quota: it has to start again to find one."""
        seen = None if self.facts is None else self.facts.derived.seen
        return seen is not None and seen.cause in ("none-at-start", "closed", "removed")

    def recommended(self, name: str) -> Recommendation:
        """The recommendation for this variable."""
        empty = Recommendation(name=name, value=None, set=False, because=())
        return next((known for known in self.report.recommendations if known.name == name), empty)

    @property
    def stall(self) -> str:
        """What a busy moment looks like under the quota, in milliseconds."""
        worst = worst_stall(self.cpu, self.procs_count)
        if worst is None or self.cpu.unbound is not None:
            return ""
        busy = f"{worst.threads} busy threads use" if worst.threads > 1 else "1 busy thread uses"
        runs, stalls, period = (microseconds / 1000 for microseconds in (worst.runs_us, worst.stalls_us, worst.period_us))
        words = (
            f"{busy} up the quota of {worst.quota_us / 1000:g} ms in {runs:.3g} ms, then all stand still for {stalls:.3g} of {period:g} ms"
        )
        if worst.burst_us:
            whole, runs = (worst.quota_us + worst.burst_us) / 1000, worst.burst_runs_us / 1000
            stands = f"{runs:.3g} ms run, {period - runs:.3g} ms still" if runs < period else "none of it still"
            words += f"; after a rest, with a burst of {worst.burst_us / 1000:g} ms saved up, the first period has {whole:g} ms: {stands}"
        return words

    def variable_words(self, name: str) -> str:
        """What its environment says of a variable, with the file; a process that is only predicted has none."""
        where = f"/proc/{self.pid}/environ" if self.pid else "environment"
        return f"{where}: {name}={self.variable(name)[:_MOST_SHOWN]!r}"

    def variable(self, name: str) -> str:
        """A variable of its environment, empty if it is not set or not known."""
        return (self.facts.derived.variable(name) or "") if self.facts is not None else ""

    @property
    def procs_shown(self) -> str:
        """GOMAXPROCS as a summary tells it, of a runtime that took all CPUs."""
        return str(self.procs)

    @property
    def built_words(self) -> str:
        """What the program was built with; empty for a program that is not Go's."""
        return "" if self.facts is None else f"built with {self.facts.program.name}"

    @property
    def procs_words(self) -> str:
        """GOMAXPROCS and where it is known from; empty if it is not, as of a program that dies at its start."""
        return "" if self.procs is None else f"GOMAXPROCS is {self.procs} ({self._procs_from})"

    @property
    def quota_words(self) -> str:
        """The file of the binding quota, what stands in it, and its cores."""
        cores = "" if self.limit_cores is None else f": {format_cpus(self.limit_cores)}"
        unbound = "" if self.cpu.unbound is None else f"; but {self.cpu.unbound}"
        return f"{format_quota(self.report.limits)}{cores}; {self.usable} usable CPU{'s' * (self.usable != 1)}{unbound}"

    @property
    def weight_words(self) -> str:
        """The weight or the shares of its own cgroup with the file, and the CPU request that they stand for; empty if it has none."""
        level = self.snapshot.cpu_chain[0] if self.snapshot.cpu_chain else None
        if level is None:
            return ""
        if level.request_cores is not None:
            return f"CPU request: {format_cores(level.request_cores)}"
        name, value = ("cpu.weight", level.weight) if level.weight is not None else ("cpu.shares", level.shares)
        if value is None:
            return ""
        asks = " or ".join(f"{format_request(least, most)}{_FORMULAS[formula]}" for formula, least, most in level.requests)
        return f"{level.directory}/{name}: {value}" + (f", which asks for {asks}" if asks else "")

    @property
    def cores_words(self) -> str:
        """The limit as people say it."""
        return "no CPU quota" if self.limit_cores is None else f"{format_cpus(self.limit_cores)}"

    def procs_evidence(self, *more: str) -> tuple[str, ...]:
        """GOMAXPROCS, the quota, and further lines; empty ones are left out. Under a memory limit too many threads are dangerous."""
        danger = _KILLED_BY_THREADS if self.exceeds and self.memory.limit_bytes is not None else ""
        return tuple(line for line in (self.procs_words, self._injected_words, self.quota_words, *more, danger) if line)

    @property
    def _injected_words(self) -> str:
        if self.facts is None or self.snapshot.container.runtime != "cri-o" or not self.set_by_variable:
            return ""
        from cgtune.advice.injected import say_injected

        return say_injected(self.snapshot, self.facts)

    def set_procs(self, reason: str) -> Advice:
        """Set GOMAXPROCS to the recommended value, or leave it unset if the runtime does better alone; the program, if it overrules it."""
        recommendation = self.recommended("GOMAXPROCS")
        if recommendation.overruled:
            return act(recommendation.because[-1])
        if recommendation.value is not None and recommendation.set:
            return Advice(variable="GOMAXPROCS", value=str(recommendation.value), reason=reason)
        return Advice(variable="GOMAXPROCS", value=None, reason=recommendation.because[-1] if recommendation.because else reason)

    def change_procs(self, reason: str) -> Advice:
        """The same if GOMAXPROCS was set: a call in the program has its way whatever the variable says."""
        if self.set_by_variable or self.facts is None or self.facts.derived.variables is None or not self.procs_are_set:
            return self.set_procs(reason)
        value, there = self.recommended("GOMAXPROCS").value, self.facts.derived.variable("GOMAXPROCS")
        wanted = "" if value is None else f"={value}"
        if self.in_library:
            why = f"GOMAXPROCS{wanted} has to be in the environment before this library is loaded: it reads the variable then, and once"
            return act(f"{why}; or something in the program changed it since: {reason}")
        if said := say_overruling(self.facts, value):
            return act(said)
        library = self.facts.program.procs_library
        if library and there is None and self.recommended("GOMAXPROCS").set:
            return self.set_procs(f"{reason}; {library}, which is linked in, leaves the variable alone")
        if value in (None, self.by_itself):
            return act(f"{_SETS}{self._flag}: take that away, and Go comes to the right value by itself")
        if there is None:
            tried = f"many programs look at GOMAXPROCS first: try GOMAXPROCS{wanted}, start it again and look"
            return act(f"{_SETS}{self._flag}; {tried}")
        return act(f"the program goes by something else than its variable: a call, or an option of its own{self._flag}; let it set {value}")

    @property
    def in_library(self) -> bool:
        """Whether this runtime lives in a shared library: it read the environment of the moment it was loaded, perhaps not exec's."""
        return self.facts is not None and self.facts.program.in_library

    @property
    def _flag(self) -> str:
        """The program's own option for GOMAXPROCS, if it is known."""
        option = "" if self.facts is None else find_habit(self.facts.program).option
        return f" (here {option})" if option else ""

    # Memory

    @property
    def limit_words(self) -> str:
        """The file of the binding memory limit, and its bytes."""
        limit = self.memory.limit_bytes
        if limit is None and self.memory.node_bytes is not None:
            return f"no memory limit but the node's own, {format_mib(self.memory.node_bytes)} MiB ({self.memory.node_from})"
        if limit is None:
            return "no memory limit is enforced" if self.memory.unseen is None else f"no memory limit is known: {self.memory.unseen}"
        return f"{self.memory.limit_from}: {limit} bytes ({format_mib(limit)} MiB)"

    @property
    def high_words(self) -> str:
        """The file of the binding memory.high, and its bytes; empty if none is set."""
        high, level = self.memory.high_bytes, self.memory.high_binding
        return "" if high is None or level is None else f"{level.directory}/memory.high: {high} bytes ({format_mib(high)} MiB)"

    @property
    def gomemlimit_words(self) -> str:
        """GOMEMLIMIT and where it is known from; empty if it is not."""
        value = self.gomemlimit
        if value is None:
            return ""
        shown = f"{value} bytes ({format_mib(value)} MiB)" if isinstance(value, int) else str(value)
        return f"GOMEMLIMIT is {shown} ({self._gomemlimit_from})"

    @property
    def gogc_words(self) -> str:
        """GOGC and where it is known from; empty if it is not."""
        return "" if self.gogc is None else f"GOGC is {self.gogc} ({self._gogc_from})"

    @property
    def outside_bytes(self) -> int | None:
        """What is charged to the binding cgroup and managed by no Go runtime that we know of; None if it cannot be told."""
        level = self.memory.binding
        if level is None or self.facts is None:
            return None
        mapped = [facts.observed.mapped_bytes for member in self.sharers for facts in member.go]
        return measure_outside(join_mates(level, self.sharers)[0], mapped)

    @property
    def sharers(self) -> tuple[Snapshot, ...]:
        """The Go processes of the report under the same memory limit, this one first."""
        level = self.memory.binding
        inside = () if level is None else self.groups.get(level.key, ())
        return (self.snapshot, *(other for other in inside if other.process.pid != self.pid))

    @property
    def live_words(self) -> str:
        """The live heap, if it is known."""
        live = self.facts.observed.heap_marked_bytes if self.facts is not None else None
        return (
            ""
            if live is None
            else f"the last collection left {format_mib(live)} MiB, alive or allocated while it ran (read from its memory)"
        )

    @property
    def memory_is_set_inside(self) -> bool:
        """Whether the program, or a library, has called debug.SetMemoryLimit: the limit is not that of its environment."""
        setting = self._setting("GOMEMLIMIT")
        return setting is not None and None not in (setting.observed, setting.derived) and setting.observed != setting.derived

    def enough_memory_words(self, level: MemoryLevel | None, *, is_pressed: bool) -> tuple[str, ...]:
        """The limit of that cgroup that would be enough, in words; none if that cannot be told, or if the advice is a lower GOMEMLIMIT."""
        crowded = self.recommended("GOMEMLIMIT").crowded
        if level is None or (crowded is None and self.lower_memory("")):
            return ()
        own = crowded if crowded is not None and crowded.file.rpartition("/")[0] == level.directory else None
        enough = find_enough_memory(level, self.snapshot.rates, is_pressed=is_pressed, crowded=own)
        return () if enough is None else (f"{level.directory}: {enough.words}",)

    def set_memory(self, reason: str) -> tuple[Advice, ...]:
        """Set GOMEMLIMIT to the recommended value, if there is one."""
        recommendation = self.recommended("GOMEMLIMIT")
        if recommendation.value is None or not recommendation.set:
            return ()
        return (self.change_memory(format_limit(recommendation.value), reason),)

    def lower_memory(self, reason: str) -> tuple[Advice, ...]:
        """The same if memory ran out: a value that is as low already is not raised."""
        now, value = self.gomemlimit, self.recommended("GOMEMLIMIT").value
        return () if isinstance(now, int) and value is not None and now <= value else self.set_memory(reason)

    def change_memory(self, value: str | None, reason: str) -> Advice:
        """Give GOMEMLIMIT this value, None: none at all, where it came from: the environment, or a call in the program."""
        if not self.memory_is_set_inside or self.facts is None:
            return Advice(variable="GOMEMLIMIT", value=value, reason=reason)
        there = self.facts.derived.variable("GOMEMLIMIT")
        if self.facts.program.links(AUTOMEMLIMIT) and there is None:
            leaves = "automemlimit, which is linked in, leaves the variable alone"
            return Advice(variable="GOMEMLIMIT", value=value, reason=f"{reason}; {leaves}")
        what = "no limit" if value is None else value
        if self.in_library:
            return act(
                f"let it be {what} before this library is loaded, which reads GOMEMLIMIT then, or where something changed it: {reason}"
            )
        if there is None and value is not None:
            tried = f"try GOMEMLIMIT={value} and look again, as some programs leave the variable alone"
            sets = "the program set its limit itself, by debug.SetMemoryLimit or an option of its own"
            return act(f"{sets}: let it set {what}, or {tried}: {reason}")
        goes = "the program goes by something else than its variable: debug.SetMemoryLimit or an option of its own"
        return act(f"{goes}; let it set {what}: {reason}")


def godebug_aware(facts: GoFacts) -> str | None:
    """GODEBUG under which a Go of 1.25 or later obeys its quota and follows it, None if no GODEBUG at all does.

    That of the environment without what it says of the two switches; both are switched on if the build has a word on them.
    """
    before = facts.derived.variable("GODEBUG") or ""
    kept = [field for field in before.split(",") if field and field.partition("=")[0] not in _SWITCHES]
    if "build" in (facts.derived.aware_from, facts.derived.updates_from) or any(name in _SWITCHES for name, _ in facts.program.godebug):
        kept += [f"{name}=1" for name in _SWITCHES]
    return ",".join(kept) or None


def act(reason: str) -> Advice:
    """Advice that is no variable."""
    return Advice(variable=None, value=None, reason=reason)


def say_yaml_off(text: str) -> tuple[Advice, ...]:
    """What to do about a word that was ``off`` when somebody wrote it: a boolean to YAML 1.1, which Helm and Ansible write out again."""
    if text not in ("false", "False"):
        return ()
    return (act(f'if off was meant, put it in quotes: a bare off is a boolean in YAML, of which {text!r} was made; value: "off"'),)
