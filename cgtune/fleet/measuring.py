"""What the series say of one container of one pod, and what these say together of a workload. Pure.

Sources, in order of trust: of settings and limits cgtune's own series, else what the program exports and what cadvisor sees enforced, else
what is written (kube-state-metrics, and for whole pods kube-scheduler). Of use it is cadvisor, whose history does not begin with cgtune's.
"""

from __future__ import annotations

from cgtune.fleet import names
from cgtune.fleet.model import Measured, Span
from cgtune.fleet.plausible import is_plausible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cgtune.fleet.model import Sample

_OFF_FROM = 9.2e18  # Go states "no limit" as 2^63 - 1 and GOGC=off as 2^64 - 1; engines keep neither to the last digit
_SAME = 0.01  # two limits that differ by less are one, which was rounded
_SOURCES = {
    "cgtune": "cgtune",
    "client_golang": "client_golang",
    "otel": "otel",
    "otel_settings": "otel",
    "resources": "ksm",
    "pod_resources": "scheduler",
    "enforced": "cadvisor",
    "states": "ksm",
    "restarts_most": "ksm",
    "nodes": "ksm",
}
_NO_LIMIT = float("inf")
_PROCS = ("cgtune_gomaxprocs_observed", "go_sched_gomaxprocs_threads", "go_processor_limit")
_SOFT_LIMITS = ("cgtune_gomemlimit_observed_bytes", "go_gc_gomemlimit_bytes", "go_memory_limit_bytes")
_GOGC = ("cgtune_gogc_observed_percent", "go_gc_gogc_percent")
_CPU_LIMIT = (
    "cgtune_cpu_limit_cores",
    "container_spec_cpu_quota",
    "container_spec_cpu_period",
    f"{names.RESOURCES[0]}_cpu",
    f"{names.POD_RESOURCES[0]}_cpu",
)
_MEMORY_LIMIT = (
    *("cgtune_memory_limit_bytes", "container_spec_memory_limit_bytes"),
    *(f"{names.RESOURCES[0]}_memory", f"{names.POD_RESOURCES[0]}_memory"),
)
#: The values that tell a field, in order of trust.
_TOLD_BY = {
    "go": ("cgtune_go_info", "go_info", "target_info"),
    "least_procs": _PROCS,
    "most_procs": _PROCS,
    "gomemlimit_bytes": _SOFT_LIMITS,
    "is_gomemlimit_off": _SOFT_LIMITS,
    "gogc": _GOGC,
    "is_aware": ("cgtune_go_info",),
    "cpu_limit_cores": _CPU_LIMIT,
    "memory_limit_bytes": _MEMORY_LIMIT,
    "node_cpus": ("cgtune_cpu_usable_cpus", "nodes"),
    "cpu_request_cores": (f"{names.RESOURCES[1]}_cpu", f"{names.POD_RESOURCES[1]}_cpu"),
    "cpu_shares": (names.SPEC_SHARES,),
    "memory_request_bytes": (f"{names.RESOURCES[1]}_memory", f"{names.POD_RESOURCES[1]}_memory"),
}
#: The figures of a history that a field is made of.
_FIGURES = {
    "cpu_used": ("cpu_most", "cpu_p95", "cpu_p50"),
    "memory_used": ("memory_most", "memory_p95", "memory_p50"),
    "throttled": ("throttled_most", "throttled_p50"),
    **{name: (name,) for name in ("gc_share", "cpu_recent", "memory_recent")},
    "live_heap_bytes": ("live_heap",),
}
#: The series of histories, by their place among those that tell the same.
_TRUST = {
    name: place for told in (names.CPU, names.MEMORY, names.THROTTLED, names.LIVE_HEAP, names.GC_SECONDS) for place, name in enumerate(told)
}
_TRUST |= {kept: _TRUST[made_of] for kept, made_of in names.RECORDED.items() if made_of in _TRUST}
#: What answers call restarts: of now, and the fewest and the most in the window.
RESTARTS = ("restarts_now", "restarts_least", "restarts_most")
_OF_POD = ("kube_pod_resource_", "nodes")


class Replica:
    """What is known of one container of one pod: values by the metric's or the question's name."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.of_pod: dict[str, float] = {}
        self.versions: dict[str, str] = {}  # by question
        self.doubted: set[str] = set()  # what was told with a value that no machine can have
        self.aware: bool | None = None
        self.sources: set[str] = set()
        self.tracks: dict[str, tuple[str, dict[float, float]]] = {}  # of "cpu" and "memory": the series, and its values by their time
        self.origins: dict[str, str] = {}  # of figures of a history: the series that they come from

    @property
    def is_go(self) -> bool:
        """Whether some series says that it runs Go now."""
        return bool(self.versions)

    @property
    def is_running(self) -> bool:
        """Whether there is a program, as far as that is told: what says of itself that it is Go, or has limits that are enforced."""
        return self.is_go or any(name in self.values for name in names.ENFORCED)

    def take(self, question: str, what: str, value: float, labels: Mapping[str, str]) -> bool:
        """One sample of an answer; False: no machine can have that value, so it is not read."""
        if not is_plausible(what, value):
            self.doubted.add(what)
            return False
        if what in _TRUST:
            what = self._take_history(question, what)
            if not what:
                return True
        self.values[what] = max(value, self.values.get(what, value))
        if question in _SOURCES:
            self.sources.add(_SOURCES[question])
        version = labels.get("go_version") or labels.get("version")
        if version:
            self.versions[question] = version.removeprefix("go")
        if labels.get("container_aware") in ("true", "false"):
            self.aware = labels["container_aware"] == "true"
        return True

    def take_track(self, series: str, sample: Sample) -> bool:
        """Use over time; False: some of it is no use that a machine can have."""
        what = "cpu" if series in (*names.CPU, names.RECORDED_CPU) else "memory"
        points = dict(zip(sample.times, sample.values, strict=True))
        told = {time: value for time, value in points.items() if is_plausible(series, value)}
        if what not in self.tracks or _TRUST[series] < _TRUST[self.tracks[what][0]]:
            self.tracks[what] = (series, told)
        return len(told) == len(points)

    def _take_history(self, question: str, series: str) -> str:
        """The name of the figure, if no series that is believed before has told it; else nothing."""
        figure = question if question != "recent" else "cpu_recent" if series in (*names.CPU, names.RECORDED_CPU) else "memory_recent"
        if _TRUST[self.origins.get(figure, series)] < _TRUST[series]:
            return ""
        if self.origins.get(figure) != series:
            self.values.pop(figure, None)
        self.origins[figure] = series
        made_of = names.RECORDED.get(series, series)
        self.sources.add({"go": "client_golang", "cgtune": "cgtune"}.get(made_of.partition("_")[0], "cadvisor"))
        return figure

    def split(self) -> tuple[dict[str, float], Replica]:
        """What is of the whole pod, and what names no container although it is of one."""
        rest = Replica()
        rest.__dict__.update(self.__dict__)
        rest.values = {name: value for name, value in self.values.items() if not name.startswith(_OF_POD)}
        return {name: value for name, value in self.values.items() if name not in rest.values}, rest

    def adopt(self, other: Replica) -> None:
        """What turned out to be of this container."""
        self.values = other.values | self.values
        self.versions = other.versions | self.versions
        self.sources |= other.sources

    @property
    def version(self) -> str | None:
        return next((self.versions[name] for name in ("cgtune", "client_golang", "otel") if name in self.versions), None)

    def first(self, *names: str) -> float | None:
        """The value of the first of these that is known."""
        return next((self.values[name] for name in names if name in self.values), None)

    def restarts(self) -> float | None:
        """How many there were in the window. A pod that no step has met began at 0."""
        now = self.first("restarts_now", "restarts_most")
        return None if now is None or "restarts_least" in self.doubted else now - self.values.get("restarts_least", 0)

    def enforced_cores(self) -> float | None:
        """The CPU limit that the kernel has; infinite: none."""
        if (limit := self.values.get("cgtune_cpu_limit_cores")) is not None:
            return limit
        period, quota = self.values.get("container_spec_cpu_period"), self.values.get("container_spec_cpu_quota")
        if period is None or "container_spec_cpu_quota" in self.doubted:
            return None
        return quota / period if quota is not None and quota > 0 and period > 0 else _NO_LIMIT

    def enforced_bytes(self) -> float | None:
        """The memory limit that the kernel has; infinite: none."""
        if (limit := self.values.get("cgtune_memory_limit_bytes")) is not None:
            return limit
        limit = self.values.get("container_spec_memory_limit_bytes")
        return limit if limit is None or 0 < limit < _OFF_FROM else _NO_LIMIT

    def written(self, kind: str, resource: str) -> float | None:
        """A limit or request as it is written; infinite: no limit is, although kube-state-metrics tells of the container, or one of 0.

        What is throttled has a CPU limit, whatever is written.
        """
        name = f"kube_pod_container_resource_{kind}s_{resource}"
        own = self.values.get(name)
        if name in self.doubted:
            return None
        if own is not None:
            return own if own or kind == "request" else _NO_LIMIT  # the kubelet takes 0 for none
        whole = self.of_pod.get(f"kube_pod_resource_{kind}_{resource}")
        if whole is not None:
            return whole
        is_throttled = resource == "cpu" and any(figure in self.values for figure in _FIGURES["throttled"])
        return _NO_LIMIT if kind == "limit" and "ksm" in self.sources and not is_throttled else None


def measure(now: Sequence[Replica], ever: Sequence[Replica], cgtune_kills: float | None, *, has_states: bool) -> Measured:
    """The pods of now, and all of the window, as one. ``has_states``: whether restarts and kills were asked for with success."""
    cpu, memory = _limit(now, Replica.enforced_cores, "cpu"), _limit(now, Replica.enforced_bytes, "memory")
    procs, soft, gogc = (_known(each.first(*told) for each in now) for told in (_PROCS, _SOFT_LIMITS, _GOGC))
    is_off = any(value >= _OFF_FROM for value in soft)
    cpus = _known(each.first("cgtune_cpu_usable_cpus", "nodes") or each.of_pod.get("nodes") for each in now)
    aware = {each.aware for each in now} - {None}
    restarts = [max(0.0, count) for count in _known(each.restarts() for each in ever)]  # a counter may begin anew
    points = _known(each.first("points") for each in ever)
    return Measured(
        replicas=len(now),
        go=tuple(sorted({each.version for each in now if each.version})),
        least_procs=int(min(procs)) if procs else None,
        most_procs=int(max(procs)) if procs else None,
        cpu_limit_cores=None if cpu == _NO_LIMIT else cpu,
        is_cpu_unlimited=cpu == _NO_LIMIT,
        cpu_request_cores=_most_common(_known(each.written("request", "cpu") for each in now)),
        cpu_shares=_whole(_most_common(_known(each.first(names.SPEC_SHARES) for each in now))),
        memory_limit_bytes=None if memory == _NO_LIMIT else _whole(memory),
        is_memory_unlimited=memory == _NO_LIMIT,
        memory_request_bytes=_whole(_most_common(_known(each.written("request", "memory") for each in now))),
        gomemlimit_bytes=int(min(soft)) if soft and not is_off else None,
        is_gomemlimit_off=is_off,
        gogc=None if not gogc else -1 if max(gogc) >= _OFF_FROM else int(min(gogc)),
        cpu_used=_span(now, ever, "cpu"),
        memory_used=_span(now, ever, "memory"),
        throttled=_span(now, ever, "throttled"),
        live_heap_bytes=_whole(_most(ever, "live_heap")),
        gc_share=_most(ever, "gc_share"),
        kills=_kills(ever, cgtune_kills, has_states=has_states),
        restarts=round(sum(restarts)) if has_states and all(each.doubted.isdisjoint(RESTARTS) for each in ever) else None,
        history_seconds=_most(ever, "age"),
        samples=round(sum(points)) if points else None,
        is_resized=any(_is_resized(each) for each in now),
        node_cpus=int(max(cpus)) if cpus else None,
        is_aware=aware.pop() if len(aware) == 1 else None,
        cpu_recent=Span(p50=_middle(now, ever, "cpu_recent")),
        memory_recent=Span(p50=_middle(now, ever, "memory_recent")),
        cpu_track=_track(ever, "cpu"),
        memory_track=_track(ever, "memory"),
        sources=tuple(sorted({source for each in ever for source in each.sources})),
        series=_series(now, ever),
    )


def _series(now: Sequence[Replica], ever: Sequence[Replica]) -> tuple[tuple[str, str], ...]:
    """The name of the series that told a field, as far as one did."""
    found = {}
    for field, told in _TOLD_BY.items():
        if name := next((name for name in told for each in now if name in each.values or name in each.of_pod), None):
            found[field] = names.NODES[1] if name == "nodes" else name.removesuffix("_cpu").removesuffix("_memory")
    states = (("restarts", "restarts_most", names.STATES[0]), ("kills", "oom", names.STATES[1]))
    found |= {field: name for field, figure, name in states if any(figure in each.values for each in ever)}
    for field, figures in _FIGURES.items():
        if name := next((each.origins[figure] for figure in figures for each in ever if figure in each.origins), None):
            found[field] = name
    return tuple(found.items())


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _most_common(values: Sequence[float]) -> float | None:
    """What most replicas have; of several the least."""
    return min(values, key=lambda value: (-values.count(value), value)) if values else None


def _most(replicas: Iterable[Replica], name: str) -> float | None:
    return max(_known(each.first(name) for each in replicas), default=None)


def _middle(now: Sequence[Replica], ever: Sequence[Replica], name: str) -> float | None:
    """The median of the replicas' medians."""
    middles = sorted(_known(each.first(name) for each in now) or _known(each.first(name) for each in ever))
    return (middles[(len(middles) - 1) // 2] + middles[len(middles) // 2]) / 2 if middles else None


def _span(now: Sequence[Replica], ever: Sequence[Replica], name: str) -> Span:
    """The median of the replicas' medians, and the highest of all other quantiles."""
    return Span(p50=_middle(now, ever, f"{name}_p50"), p95=_most(ever, f"{name}_p95"), most=_most(ever, f"{name}_most"))


def _track(ever: Iterable[Replica], what: str) -> tuple[tuple[float, float], ...]:
    """At each time the highest of all replicas that were there."""
    most: dict[float, float] = {}
    for each in ever:
        for time, value in each.tracks.get(what, ("", {}))[1].items():
            most[time] = max(value, most.get(time, value))
    return tuple(sorted(most.items()))


def _limit(now: Sequence[Replica], enforced: Callable[[Replica], float | None], resource: str) -> float | None:
    limits = ((limit if (limit := enforced(each)) is not None else each.written("limit", resource)) for each in now)
    return _most_common(_known(limits))


def _is_resized(replica: Replica) -> bool:
    """Whether a limit that is enforced differs from the one that is written for the container itself."""
    for enforced, resource in ((replica.enforced_cores(), "cpu"), (replica.enforced_bytes(), "memory")):
        written = replica.values.get(f"kube_pod_container_resource_limits_{resource}")
        if enforced is not None and written and abs(enforced - written) > _SAME * written:
            return True
    return False


def _kills(ever: Iterable[Replica], cgtune_kills: float | None, *, has_states: bool) -> int | None:
    """At least so many. That a container's last end was a kill stays told for as long as the pod is: one without a restart was before."""
    if not has_states and cgtune_kills is None:
        return None
    seen = sum(each.first("oom") == 1 and each.restarts() != 0 for each in ever)
    return max(seen, round(cgtune_kills or 0))
