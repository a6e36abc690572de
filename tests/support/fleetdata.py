"""A fleet of Go services that nobody runs: its series over days, with twelve kinds of faults, three services of each, and gaps.

Each service is a Deployment in the namespace shop-0 to shop-9, with its series as cadvisor, kube-state-metrics (two replicas of it, as the
tests need) and client_golang make them. Use is sampled every minute. What stands still has a sample an hour, and each minute at the end:
engines look for it once an hour.
"""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

MIB = 1 << 20
SCRAPE_SECONDS = 60
_BLOCK_SECONDS = 7200
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
        names = {"namespace": service.namespace, "pod": pod, "container": "app"}
        yield from _used(service, names, since, until)
        yield from _written(service, names, replicaset, since, until)
        yield from _exported(service, names, since, until)
    for replicaset in sorted({replicaset for _, replicaset, _, _ in service.pods()}):
        labels = {"namespace": service.namespace, "replicaset": replicaset, "owner_kind": "Deployment", "owner_name": service.name}
        yield _still("kube_replicaset_owner", labels, 1, begin, end)


def _still(name: str, labels: dict[str, str], value: float, begin: int, end: int, *, every: int = 3600) -> Series:
    seconds = sorted({*range(begin, end + 1, every), *range(max(begin, end - 300), end + 1, SCRAPE_SECONDS)})
    return Series(name, labels, seconds, [value] * len(seconds))


def _used(service: Service, names: dict[str, str], begin: int, end: int) -> Iterator[Series]:
    cadvisor = {"job": "kubelet", "id": f"/kubepods/{names['pod']}/app", "image": "app:1", **names}
    seconds = list(range(begin, end + 1, SCRAPE_SECONDS))
    day = [1 + 0.1 * math.sin(2 * math.pi * each / 86400) for each in seconds]
    used, total = [], 0.0
    for factor in day:
        total += service.used_cores * SCRAPE_SECONDS * factor / 1.1
        used.append(round(total, 3))
    yield Series("container_cpu_usage_seconds_total", cadvisor, seconds, used)
    memory = [float(int(service.used_mib * MIB * (0.9 + factor / 11))) for factor in day]
    yield Series("container_memory_working_set_bytes", cadvisor, seconds, memory)
    if service.cores is not None:
        periods = [600.0 * place for place in range(len(seconds))]
        yield Series("container_cpu_cfs_periods_total", cadvisor, seconds, periods)
        stopped = [round(each * service.throttled, 2) for each in periods]
        yield Series("container_cpu_cfs_throttled_periods_total", cadvisor, seconds, stopped)
        yield _still("container_spec_cpu_quota", cadvisor, service.cores * 100_000, begin, end)
    yield _still("container_spec_cpu_period", cadvisor, 100_000, begin, end)
    yield _still("container_spec_memory_limit_bytes", cadvisor, (service.memory_mib or 0) * MIB, begin, end)


def _written(service: Service, names: dict[str, str], replicaset: str, begin: int, end: int) -> Iterator[Series]:
    pod = {"namespace": names["namespace"], "pod": names["pod"]}
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
                yield _still(f"kube_pod_container_resource_{kind}", {**state, **names, "resource": resource}, value, begin, end)
        restarts = _still("kube_pod_container_status_restarts_total", {**state, **names}, 0, begin, end)
        middle = (begin + end) // 2
        yield restarts._replace(values=[4.0 * (service.is_killed and each > middle) for each in restarts.seconds])
        if service.is_killed:
            labels = {**state, **names, "reason": "OOMKilled"}
            yield _still("kube_pod_container_status_last_terminated_reason", labels, 1, middle // 3600 * 3600 + 3600, end)


def _exported(service: Service, names: dict[str, str], begin: int, end: int) -> Iterator[Series]:
    labels = {"job": "app", "instance": f"{names['pod']}:8080", **names}
    yield _still("go_info", {**labels, "version": service.go}, 1, begin, end)
    yield _still("go_sched_gomaxprocs_threads", labels, service.procs, begin, end)
    yield _still("go_gc_gomemlimit_bytes", labels, _UNSET if service.soft_mib is None else service.soft_mib * MIB, begin, end)
    yield _still("go_gc_gogc_percent", labels, service.gogc, begin, end)
    yield _still("go_gc_heap_live_bytes", labels, service.live_mib * MIB, begin, end, every=300)
    if service.fault:
        seconds = list(range(begin, end + 1, SCRAPE_SECONDS))
        whole = [float(SCRAPE_SECONDS * service.procs * place) for place in range(len(seconds))]
        yield Series("go_cpu_classes_total_cpu_seconds_total", labels, seconds, whole)
        collector = [round(each * service.gc_share, 3) for each in whole]
        yield Series("go_cpu_classes_gc_total_cpu_seconds_total", labels, seconds, collector)


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
    names = {"namespace": "shop-0", "pod": "alone-5d4f8c7b9d-bbbbx", "container": "app"}
    yield _still("go_info", {"job": "app", "instance": "10.3.0.1:80", "version": "go1.25.5", **names}, 1, begin, end)


def machine(begin: int, end: int) -> Iterator[Series]:
    """The one node of all."""
    labels = {"job": "kube-state-metrics", "node": "node-1", "resource": "cpu", "unit": "core"}
    yield _still("kube_node_status_capacity", labels, 64, begin, end)


def make_blocks(series: Iterable[Series], place: Path) -> None:
    """A Prometheus's storage with these series. promtool reads all its input once for each block, and so gets one block at a time."""
    chunks = place / "chunks"
    chunks.mkdir()
    with contextlib.ExitStack() as stack:
        files: dict[int, TextIO] = {}

        def file_of(block: int) -> TextIO:
            if block not in files:
                files[block] = stack.enter_context((chunks / f"{block}").open("w"))
            return files[block]

        _write_chunks(series, file_of)
    for chunk in sorted(chunks.iterdir()):
        with chunk.open("a") as file:
            file.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(chunk), str(place / "data")]
        subprocess.run(command, check=True, capture_output=True)
        chunk.unlink()


def _write_chunks(series: Iterable[Series], file_of: Callable[[int], TextIO]) -> None:
    for each in series:
        labels = ",".join(f'{key}="{value}"' for key, value in each.labels.items())
        name, block = f"{each.name}{{{labels}}}", -1
        lines: list[str] = []
        for second, value in zip(each.seconds, each.values, strict=True):
            if second // _BLOCK_SECONDS != block:
                if lines:
                    file_of(block).writelines(lines)
                block, lines = second // _BLOCK_SECONDS, []
            lines.append(f"{name} {value!r} {second}\n")
        if lines:
            file_of(block).writelines(lines)


def import_lines(series: Iterable[Series]) -> Iterator[bytes]:
    """The same for VictoriaMetrics' /api/v1/import."""
    for each in series:
        stamps = [1000 * second for second in each.seconds]
        yield json.dumps({"metric": {"__name__": each.name, **each.labels}, "values": each.values, "timestamps": stamps}).encode() + b"\n"


def record(services: Iterable[Service], begin: int, end: int) -> Iterator[Series]:
    """What the recording rules of deploy/prometheus make of the fleet's use, each five minutes."""
    for service in services:
        for each in series_of(service, begin, end):
            labels = {name: value for name, value in each.labels.items() if name in ("namespace", "pod", "container")}
            places = range(5, len(each.seconds), 5)
            seconds = [each.seconds[place] for place in places]
            if each.name == "container_cpu_usage_seconds_total":
                rates = [(each.values[place] - each.values[place - 5]) / 300 for place in places]
                yield Series("cgtune_fleet:cpu_cores:rate5m", labels, seconds, rates)
            elif each.name == "container_memory_working_set_bytes":
                yield Series(
                    "cgtune_fleet:memory_bytes:max5m", labels, seconds, [max(each.values[place - 5 : place + 1]) for place in places]
                )
            elif each.name == "container_cpu_cfs_periods_total":
                shares = [service.throttled] * len(seconds)
                yield Series("cgtune_fleet:throttled_periods_per_periods:ratio_rate5m", labels, seconds, shares)
