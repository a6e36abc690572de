"""A fleet of Go services that nobody runs: its series over days, with twelve kinds of faults, three services of each, and gaps.

Each service is a Deployment in the namespace shop-0 to shop-9, with its series as cadvisor, kube-state-metrics (two replicas of it, as the
tests need) and client_golang make them. Use is sampled every minute. What stands still has a sample an hour, and each minute at the end:
engines look for it once an hour.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import json
import math
import os
import subprocess
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from cgtune.fleet import names
from cgtune.numbers import shares_of_request, weight_by_curve

MIB = 1 << 20
SCRAPE_SECONDS = 60
_UNSET = 9.223372036854775807e18
_GOGC_OFF = 1.8446744073709552e19


class Service(NamedTuple):
    """One service: what is set, and what it uses in each replica. A healthy one by default."""

    name: str
    fault: str = ""
    replicas: int = 1
    go: str = "go1.25.5"
    cores: float | None = 2.0
    request: float = 1.0
    procs: int = 2
    memory_mib: int | None = 512
    soft_mib: float | None = 450
    gogc: float = 100
    used_cores: float = 0.6
    used_mib: float = 330
    throttled: float = 0.0005
    live_mib: float = 120
    gc_share: float = 0.02
    is_killed: bool = False
    is_redeployed: bool = False

    @property
    def namespace(self) -> str:
        """Spread over ten."""
        return f"shop-{sum(self.name.encode()) % 10}"

    def pods(self) -> Iterator[tuple[str, str, float, float]]:
        """Name, ReplicaSet, and the part of the window in which it lives, of each pod."""
        for number in range(self.replicas):
            end = "".join("bcdfghjklmnpqrstvwxz"[(number // 20**place) % 20] for place in range(4)) + "x"
            if self.is_redeployed:
                yield f"{self.name}-6b7c8d9f4-{end}", f"{self.name}-6b7c8d9f4", 0.0, 0.5
            yield f"{self.name}-5d4f8c7b9d-{end}", f"{self.name}-5d4f8c7b9d", 0.5 if self.is_redeployed else 0.0, 1.0


#: What each kind of fault changes of a healthy service, by the rule that has to tell it.
FAULTS: dict[str, dict[str, Any]] = {
    "gomaxprocs-exceeds-quota": {"procs": 16, "throttled": 0.4, "used_cores": 1.7},
    "go-not-container-aware": {"go": "go1.24.11", "procs": 64, "throttled": 0.35, "used_cores": 1.6},
    "cpu-throttled": {"cores": 2.0, "throttled": 0.3, "used_cores": 1.9},
    "gomaxprocs-below-quota": {"cores": 4.0, "procs": 1, "used_cores": 0.9},
    "no-quota-many-cpus": {"cores": None, "procs": 64, "request": 0.5, "throttled": 0.0},
    "oom-killed": {"is_killed": True, "used_mib": 490, "soft_mib": 460},
    "gomemlimit-unset": {"soft_mib": None, "used_mib": 350},
    "gomemlimit-exceeds-limit": {"soft_mib": 512},
    "gomemlimit-too-small": {"soft_mib": 150, "live_mib": 140, "gc_share": 0.02},
    "memory-near-limit": {"used_mib": 507, "soft_mib": 450},
    "collector-busy": {"gc_share": 0.45, "used_cores": 1.5},
    "gc-off-without-limit": {"gogc": _GOGC_OFF, "soft_mib": None, "used_mib": 300},
}
EACH = 3


class Series(NamedTuple):
    """One series: its name, labels and samples, seconds and values side by side."""

    name: str
    labels: dict[str, str]
    seconds: list[int]
    values: list[float]


def fleet(containers: int) -> tuple[Service, ...]:
    """Services with so many containers in all: three of each fault, the others healthy, in fours."""
    faulty = [Service(f"{fault}-{number}", fault)._replace(**changes) for fault, changes in FAULTS.items() for number in range(EACH)]
    rest = max(0, containers - len(faulty))
    healthy = [
        Service(f"good-{number}", replicas=min(4, rest - 4 * number), is_redeployed=number % 5 == 0)
        for number in range(math.ceil(rest / 4))
    ]
    return (*faulty, *healthy)


def series_of(service: Service, begin: int, end: int) -> Iterator[Series]:
    """All series of one service between two whole hours of seconds."""
    for pod, replicaset, first, last in service.pods():
        since, until = (int(begin + part * (end - begin)) // 3600 * 3600 for part in (first, last))
        until = end if last == 1 else until
        own = {"namespace": service.namespace, "pod": pod, "container": "app"}
        yield from _used(service, own, since, until)
        yield from _written(service, own, replicaset, since, until)
        yield from _exported(service, own, since, until)
    for replicaset in sorted({replicaset for _, replicaset, _, _ in service.pods()}):
        labels = {"namespace": service.namespace, "replicaset": replicaset, "owner_kind": "Deployment", "owner_name": service.name}
        yield _still("kube_replicaset_owner", labels, 1, begin, end)


def _still(name: str, labels: dict[str, str], value: float, begin: int, end: int, *, every: int = 3600) -> Series:
    return Series(name, labels, *_standing(value, begin, end, every))


@functools.cache
def _standing(value: float, begin: int, end: int, every: int) -> tuple[list[int], list[float]]:
    seconds = sorted({*range(begin, end + 1, every), *range(max(begin, end - 300), end + 1, SCRAPE_SECONDS)})
    return seconds, [value] * len(seconds)


@functools.cache
def _restarts(count: float, begin: int, end: int) -> tuple[list[int], list[float]]:
    """All at once, in the middle."""
    seconds, _ = _standing(0, begin, end, 3600)
    return seconds, [count * (each > (begin + end) // 2) for each in seconds]


@functools.cache
def _each_minute(begin: int, end: int) -> list[int]:
    return list(range(begin, end + 1, SCRAPE_SECONDS))


@functools.cache
def _course(cores: float, mib: float, begin: int, end: int) -> tuple[list[float], list[float]]:
    """CPU seconds so far, and memory in bytes: both higher by day."""
    memory = [float(int(mib * MIB * (0.9 + factor / 11))) for factor in _day(begin, end)]
    return _by_day(cores * SCRAPE_SECONDS, begin, end), memory


@functools.cache
def _day(begin: int, end: int) -> list[float]:
    return [1 + 0.1 * math.sin(2 * math.pi * each / 86400) for each in _each_minute(begin, end)]


@functools.cache
def _by_day(most_each_minute: float, begin: int, end: int) -> list[float]:
    totals = itertools.accumulate(most_each_minute * factor / 1.1 for factor in _day(begin, end))
    return [round(each, 3) for each in totals]


@functools.cache
def _growing(each_minute: float, share: float, begin: int, end: int) -> list[float]:
    return [round(each_minute * place * share, 3) for place in range(len(_each_minute(begin, end)))]


def spec_shares(request_cores: float) -> int:
    """What cadvisor tells on cgroup v2 of a container with this request."""
    return 2 + (weight_by_curve(shares_of_request(int(request_cores * 1000))) - 1) * 262_142 // 9999


def _used(service: Service, own: dict[str, str], begin: int, end: int) -> Iterator[Series]:
    cadvisor = {"job": "kubelet", "id": f"/kubepods/{own['pod']}/app", "image": "app:1", **own}
    seconds = _each_minute(begin, end)
    used, memory = _course(service.used_cores, service.used_mib, begin, end)
    yield Series("container_cpu_usage_seconds_total", cadvisor, seconds, used)
    yield Series("container_memory_working_set_bytes", cadvisor, seconds, memory)
    if service.cores is not None:
        yield Series("container_cpu_cfs_periods_total", cadvisor, seconds, _growing(600, 1, begin, end))
        yield Series("container_cpu_cfs_throttled_periods_total", cadvisor, seconds, _by_day(600 * service.throttled, begin, end))
        yield _still("container_spec_cpu_quota", cadvisor, service.cores * 100_000, begin, end)
    yield _still("container_spec_cpu_period", cadvisor, 100_000, begin, end)
    yield _still("container_spec_cpu_shares", cadvisor, spec_shares(service.request), begin, end)
    yield _still("container_spec_memory_limit_bytes", cadvisor, (service.memory_mib or 0) * MIB, begin, end)


def _written(service: Service, own: dict[str, str], replicaset: str, begin: int, end: int) -> Iterator[Series]:
    pod = {"namespace": own["namespace"], "pod": own["pod"]}
    for instance in ("10.0.0.1:8080", "10.0.0.2:8080"):
        state = {"job": "kube-state-metrics", "instance": instance}
        owner = {"owner_kind": "ReplicaSet", "owner_name": replicaset, "owner_is_controller": "true"}
        yield _still("kube_pod_owner", {**state, **pod, **owner}, 1, begin, end)
        yield _still("kube_pod_info", {**state, **pod, "node": "node-1"}, 1, begin, end)
        for kind, resource, value in (
            ("limits", "cpu", service.cores),
            ("limits", "memory", service.memory_mib and service.memory_mib * MIB),
            ("requests", "cpu", service.request),
            ("requests", "memory", 256 * MIB),
        ):
            if value is not None:
                yield _still(f"kube_pod_container_resource_{kind}", {**state, **own, "resource": resource}, value, begin, end)
        middle = (begin + end) // 2
        yield Series("kube_pod_container_status_restarts_total", {**state, **own}, *_restarts(4.0 * service.is_killed, begin, end))
        if service.is_killed:
            labels = {**state, **own, "reason": "OOMKilled"}
            yield _still("kube_pod_container_status_last_terminated_reason", labels, 1, middle // 3600 * 3600 + 3600, end)


def _exported(service: Service, own: dict[str, str], begin: int, end: int) -> Iterator[Series]:
    labels = {"job": "app", "instance": f"{own['pod']}:8080", **own}
    yield _still("go_info", {**labels, "version": service.go}, 1, begin, end)
    yield _still("go_sched_gomaxprocs_threads", labels, service.procs, begin, end)
    yield _still("go_gc_gomemlimit_bytes", labels, _UNSET if service.soft_mib is None else service.soft_mib * MIB, begin, end)
    yield _still("go_gc_gogc_percent", labels, service.gogc, begin, end)
    yield _still("go_gc_heap_live_bytes", labels, service.live_mib * MIB, begin, end, every=300)
    if service.fault:
        seconds, most = _each_minute(begin, end), SCRAPE_SECONDS * service.procs
        yield Series("go_cpu_classes_total_cpu_seconds_total", labels, seconds, _growing(most, 1, begin, end))
        yield Series("go_cpu_classes_gc_total_cpu_seconds_total", labels, seconds, _growing(most, service.gc_share, begin, end))


def gaps(begin: int, end: int) -> Iterator[Series]:
    """Series that cannot be joined: three Go programs without a pod, two whose pod has two containers, and a pod that nobody owns."""
    for number in range(3):
        yield _still("go_info", {"job": "static", "instance": f"10.1.0.{number}:80", "version": "go1.23.4"}, 1, begin, end)
    for number in range(2):
        pod = {"namespace": "shop-0", "pod": f"double-{number}"}
        yield _still("go_info", {"job": "annotated", "instance": f"10.2.0.{number}:80", "version": "go1.23.4", **pod}, 1, begin, end)
        for container in ("app", "proxy"):
            labels = {"job": "kube-state-metrics", **pod, "container": container, "resource": "cpu"}
            yield _still("kube_pod_container_resource_requests", labels, 1, begin, end)
    alone = {"namespace": "shop-0", "pod": "alone-5d4f8c7b9d-bbbbx", "container": "app"}
    yield _still("go_info", {"job": "app", "instance": "10.3.0.1:80", "version": "go1.25.5", **alone}, 1, begin, end)


def machine(begin: int, end: int) -> Iterator[Series]:
    """The one node of all."""
    labels = {"job": "kube-state-metrics", "node": "node-1", "resource": "cpu", "unit": "core"}
    yield _still("kube_node_status_capacity", labels, 64, begin, end)


def make_blocks(series: Iterable[Series], place: Path, hours: int = 2) -> None:
    """A Prometheus's storage with these series, in blocks of so many hours.

    promtool reads all its input once for each block, and so gets one block at a time; two of them run side by side.
    """
    whole, seconds = list(series), hours * 3600
    lines = _Lines(seconds)
    blocks = sorted(set().union(*(lines.blocks(each) for each in whole)))
    (place / "chunks").mkdir(exist_ok=True)

    def make(block: int) -> None:
        chunk = place / "chunks" / f"{block}"
        with chunk.open("w", buffering=1 << 20) as file:
            for each in whole:
                file.write(lines.write(each, block))
            file.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", f"--max-block-duration={hours}h", str(chunk)]
        subprocess.run([*command, str(place / "data")], check=True, capture_output=True, env={**os.environ, "TMPDIR": str(place)})
        chunk.unlink()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, blocks))


class _Lines:
    """Writes series as text. What follows a name is made once of all series that share their samples: most of a large fleet do."""

    def __init__(self, block_seconds: int) -> None:
        self._block_seconds = block_seconds
        self._tails: dict[tuple[int, int], dict[int, list[str]]] = {}

    def blocks(self, series: Series) -> Collection[int]:
        """The numbers of those that have samples of it."""
        return self._of(series).keys()

    def write(self, series: Series, block: int) -> str:
        """Its samples in one block."""
        tails = self._of(series).get(block)
        if not tails:
            return ""
        labels = ",".join(f'{key}="{value}"' for key, value in series.labels.items())
        name = f"{series.name}{{{labels}}}"
        return name + name.join(tails)

    def _of(self, series: Series) -> dict[int, list[str]]:
        key = (id(series.seconds), id(series.values))  # whose lists live as long as the series, which the caller holds
        if key not in self._tails:
            made: dict[int, list[str]] = {}
            for second, value in zip(series.seconds, series.values, strict=True):
                made.setdefault(second // self._block_seconds, []).append(f" {value!r} {second}\n")
            self._tails[key] = made
        return self._tails[key]


def import_lines(series: Iterable[Series]) -> Iterator[bytes]:
    """The same for VictoriaMetrics' /api/v1/import."""
    for each in series:
        stamps = [1000 * second for second in each.seconds]
        yield json.dumps({"metric": {"__name__": each.name, **each.labels}, "values": each.values, "timestamps": stamps}).encode() + b"\n"


def record(services: Iterable[Service], begin: int, end: int) -> Iterator[Series]:
    """What the recording rules of deploy/prometheus make of the fleet's series, each five minutes."""
    made: dict[tuple[str, float, int, int], tuple[list[int], list[float]]] = {}  # one of all that share their samples
    for service in services:
        told = set()
        for raw in series_of(service, begin, end):
            name, labels = _RECORDED.get(raw.name), {label: value for label, value in raw.labels.items() if label in _KEPT}
            if name is None or (name, *labels.values()) in told:  # of two kube-state-metrics
                continue
            told.add((name, *labels.values()))
            key = (name, service.gc_share, id(raw.seconds), id(raw.values))
            if key not in made:
                made[key] = _record(name, raw, service)
            yield Series(name, labels, *made[key])


_RECORDED = {made_of: kept for kept, made_of in names.RECORDED.items()}
_KEPT = ("namespace", "pod", "container", "owner_kind", "owner_name")
_EACH_MINUTE = {names.RECORDED_CPU: 60.0, names.RECORDED_THROTTLED: 600.0}  # what a container that never rests would count


def _record(name: str, raw: Series, service: Service) -> tuple[list[int], list[float]]:
    if name in (names.RECORDED_CPU, names.RECORDED_THROTTLED, names.RECORDED_MEMORY):
        places = range(5, len(raw.seconds), 5)
        seconds = [raw.seconds[place] for place in places]
        if name == names.RECORDED_MEMORY:
            return seconds, [max(raw.values[place - 5 : place + 1]) for place in places]
        return seconds, [(raw.values[place] - raw.values[place - 5]) / 5 / _EACH_MINUTE[name] for place in places]
    seconds = list(range(raw.seconds[0], raw.seconds[-1] + 1, 300))
    if name == names.RECORDED_GC:
        return seconds, [service.gc_share] * len(seconds)
    return seconds, [raw.values[bisect.bisect_right(raw.seconds, second) - 1] for second in seconds]
