"""What the series say of a container, as the facts of a process that nobody looked at: from here on it goes the route of all others. Pure.

The limits become the files of a container that is not there, as `cgtune predict` does it, and what was measured stands in them as if the
container were one process with its history. What no series tells stays unknown: a variable is not taken to be unset.
Not covered: cgroup v1, on which Go 1.25 sees no quota; limits of ancestors; a cpuset.
"""

from __future__ import annotations

import math

from cgtune.advice.prediction import Limited, derive_limited, report_limited
from cgtune.advice.procs import most_procs
from cgtune.advice.quantities import USUAL_PERIOD_US
from cgtune.model import LEAST_PERIODS, Bandwidth, GoLive, GoObserved, MemoryEvents, MemoryParts, Throttling, Used
from cgtune.numbers import DEFAULT_SHARES, requests_of_shares, weight_of_spec_shares
from cgtune.runtimes.go.offline import OfflineProgram
from cgtune.runtimes.go.program.version import parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.fleet.model import Measured
    from cgtune.model import CpuLevel, GoFacts, GoSetting, Off, ProcessReport
    from cgtune.runtimes.go.program.version import GoVersion

#: What stands for the folder of its cgroup in words, until they are told in those of the series.
PLACE = "\ue000"
#: More CPUs than most nodes have, if those of the node are not known; nothing that is said may hang on it.
MANY_CPUS = 256

_LEAST_QUOTA_US, _LEAST_MEMORY_BYTES = 1000, 4096  # the kubelet and the kernel know none below 10m; a page
_PERIODS = 1000 * LEAST_PERIODS  # a share has no count: as many as let each tenth of a percent be told
_LEAST_FELT = 0.01
_MOST_DERIVATIONS = 512
_derivations: dict[
    tuple[int, int | None, str | None], GoFacts
] = {}  # a fleet has few kinds of limits and versions, and thousands of containers
_DERIVED = ("GOMAXPROCS",)  # of the settings, what a runtime reaches by itself tells whether somebody has set it
_SOME_COLLECTIONS = 10**6  # over a day; how many they were is not told


def report_measured(measured: Measured) -> ProcessReport:
    """The container as a process, neither advised nor judged. It has no Go runtime in it if no series of one is known."""
    limited = limit_of(measured)
    empty = report_limited(limited)
    cpu = empty.snapshot.cpu_chain[0].replace(
        path=PLACE, directory=PLACE, throttling=_throttling(worst_share(measured)), usage_seconds=_usage_seconds(measured)
    )
    if measured.cpu_request_cores is None and measured.cpu_shares is not None:
        cpu = _with_shares(cpu, measured.cpu_shares)
    most = _bytes(measured.memory_used.most)
    memory = empty.snapshot.memory_chain[0].replace(
        path=PLACE,
        directory=PLACE,
        current_bytes=most,
        peak_bytes=most,
        parts=None if most is None else MemoryParts(active_file_bytes=0, inactive_file_bytes=0),
        events=None if measured.kills is None else MemoryEvents(oom_kill=measured.kills),
    )
    age = None if measured.history_seconds is None else int(measured.history_seconds)
    snapshot = empty.snapshot.replace(
        process=empty.snapshot.process.replace(age_seconds=age),
        cpu_chain=(cpu,),
        memory_chain=(memory,),
        used=None if cpu.usage_seconds is None else Used(cpu_seconds=cpu.usage_seconds, major_faults=0, threads=1),
        go=(_facts(measured, limited),) if is_go(measured) else (),
    )
    limits = empty.limits
    return empty.replace(
        snapshot=snapshot,
        limits=limits.replace(
            cpu=limits.cpu.replace(binding=None if limits.cpu.binding is None else cpu),
            memory=limits.memory.replace(
                binding=None if limits.memory.binding is None else memory,
                limit_from=None if limits.memory.limit_from is None else f"{PLACE}/memory.max",
            ),
        ),
    )


def _with_shares(level: CpuLevel, shares: int) -> CpuLevel:
    """What no series of requests tells stands in the weight, as far as that can be told: 1024 is v1's default, and a weight of v2's."""
    if shares == DEFAULT_SHARES:
        return level
    weight = weight_of_spec_shares(shares)
    return level.replace(weight=weight) if weight is not None else level.replace(request_cores=requests_of_shares(shares)[1] / 1000)


def is_go(measured: Measured) -> bool:
    """Whether a series that only a Go program has was found."""
    return bool(measured.go) or measured.most_procs is not None or measured.gomemlimit_bytes is not None or measured.is_gomemlimit_off


def limit_of(measured: Measured) -> Limited:
    """Its limits as a prediction takes them."""
    cores, memory = measured.cpu_limit_cores, measured.memory_limit_bytes
    return Limited(
        cpus=node_cpus_of(measured),
        bandwidth=_bandwidth(cores) if cores else None,
        request_cores=measured.cpu_request_cores,
        memory_bytes=None if not memory else max(memory, _LEAST_MEMORY_BYTES),
    )


def _bandwidth(cores: float) -> Bandwidth:
    return Bandwidth(quota_us=max(round(cores * USUAL_PERIOD_US), _LEAST_QUOTA_US), period_us=USUAL_PERIOD_US)


def node_cpus_of(measured: Measured) -> int:
    """The CPUs of its node. If no series tells them, those that its runtime has taken, if it has no limit or took more than that: Go takes
    all that it sees if no quota holds it, and before 1.25 in any case.
    """
    if measured.node_cpus:
        return measured.node_cpus
    cores, procs = measured.cpu_limit_cores, measured.most_procs
    if procs is not None and (measured.is_cpu_unlimited or (cores is not None and procs > most_procs(cores, procs))):
        return procs
    return max(MANY_CPUS, procs or 0, math.ceil(cores or 0) + 1)


def oldest_go(measured: Measured) -> str | None:
    """The oldest of its Go versions: replicas of several are judged as that one. None: none is known."""
    known = [(version.major, version.minor, version.patch, text) for text in measured.go if (version := _version(text)) is not None]
    return min(known)[3] if known else None


def program_of(go: str | None) -> OfflineProgram:
    """The program of that version, "1.25.6", built from a module with a go line as new as itself."""
    version = None if go is None else _version(go)
    return OfflineProgram(go="of an unknown version" if go is None else go.removeprefix("go"), version=version)


def _version(text: str) -> GoVersion | None:
    return parse_version(text if text.startswith(("go", "devel")) else f"go{text}")


def worst_share(measured: Measured) -> float | None:
    """The share of throttled periods that it has had at times: that of the 95th percentile, or else the most."""
    return measured.throttled.p95 if measured.throttled.p95 is not None else measured.throttled.most


def usual_throttling(measured: Measured) -> Throttling | None:
    """What half of the time at least is like, if that is felt: then it is so now."""
    share = measured.throttled.p50
    return None if share is None or share < _LEAST_FELT else _throttling(share)


def find_gogc(measured: Measured) -> int | Off | None:
    """GOGC as Go has it."""
    return "off" if measured.gogc == -1 else measured.gogc


def collector_share(measured: Measured) -> float | None:
    """Of the CPU time that it uses when it is busy, the part that its collector takes; None: that cannot be told.

    Go counts by the clock: of threads that wait for a quota it would be far too much. Two quantiles that do not fit tell nothing either.
    """
    procs, cores = measured.most_procs, measured.cpu_limit_cores
    waits = usual_throttling(measured) is not None or (cores is not None and procs is not None and procs > most_procs(cores, procs))
    if measured.gc_share is None or procs is None or not measured.cpu_used.p95 or waits:
        return None
    share = measured.gc_share * procs / measured.cpu_used.p95
    return share if share <= 1 else None


def _throttling(share: float | None) -> Throttling | None:
    if share is None:
        return None
    return Throttling(periods=_PERIODS, throttled_periods=round(min(1.0, share) * _PERIODS), throttled_seconds=0.0)


def _usage_seconds(measured: Measured) -> float | None:
    """What it would have used if it had always been as busy as in the busiest twentieth of the time: at the least too much."""
    busy = busy_cores(measured)
    return None if busy is None or measured.history_seconds is None else busy * measured.history_seconds


def busy_cores(measured: Measured) -> float | None:
    """The CPUs that it used in the busiest twentieth of the time at the least, or else the most that it used."""
    return measured.cpu_used.p95 if measured.cpu_used.p95 is not None else measured.cpu_used.most


def _bytes(count: float | None) -> int | None:
    return None if count is None else int(count)


def _derived_facts(limited: Limited, go: str | None) -> GoFacts:
    """Hangs on the CPUs, the quota and the version alone."""
    key = limited.cpus, None if limited.bandwidth is None else limited.bandwidth.quota_us, go
    if key not in _derivations:
        if len(_derivations) >= _MOST_DERIVATIONS:
            _derivations.clear()
        _derivations[key] = derive_limited(limited.replace(request_cores=None, memory_bytes=None), program_of(go))[1]
    return _derivations[key]


def derived_procs(measured: Measured, go: str | None) -> int | None:
    """GOMAXPROCS that a program of this version comes to by itself under its limits; None: that is not known."""
    if go is None or (not measured.node_cpus and not measured.cpu_limit_cores):
        return None
    facts = _derived_facts(limit_of(measured), go)
    value = next(setting.derived for setting in facts.settings if setting.name == "GOMAXPROCS")
    return value if isinstance(value, int) else None


def _facts(measured: Measured, limited: Limited) -> GoFacts:
    facts = _derived_facts(limited, oldest_go(measured))
    observed: dict[str, int | Off | None] = {
        "GOMAXPROCS": measured.most_procs,
        "GOMEMLIMIT": "off" if measured.is_gomemlimit_off else measured.gomemlimit_bytes,
        "GOGC": find_gogc(measured),
    }
    share, usage = collector_share(measured), _usage_seconds(measured)
    live = None
    if share is not None and usage is not None:  # when it took that much is not told: that may be over
        live = GoLive(gc_cpu_seconds=share * usage, collections=_SOME_COLLECTIONS, since_collection_seconds=math.inf)
    derived = facts.derived if measured.is_aware is None else facts.derived.replace(aware=measured.is_aware)
    return facts.replace(
        derived=derived.replace(variables=None),
        observed=GoObserved(pinned=None, cpus_at_start=limited.cpus, heap_marked_bytes=measured.live_heap_bytes, live=live),
        settings=tuple(_setting(setting, observed[setting.name]) for setting in facts.settings if setting.name in observed),
    )


def _setting(setting: GoSetting, observed: int | Off | None) -> GoSetting:
    derived = setting.derived if setting.name in _DERIVED and observed is not None else None
    return setting.replace(derived=derived, observed=observed, observed_from=None if observed is None else "series")
