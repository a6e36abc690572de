"""A report as OpenTelemetry metrics: a resource for each process, and one for cgtune itself; as records, and as OTLP's JSON.

Names are those of the semantic conventions 1.44.0 if they have one (``go.*``, which are in development, ``container.*``, ``k8s.*``). What
they have no name for is called as in Prometheus, with ``cgtune.`` in front and without the unit, which OpenTelemetry keeps apart: whoever
turns it into Prometheus's names gets those of /metrics. What is not known and what has no limit has no point, as in the conventions.

Sources: OTLP 1.10 (opentelemetry-proto, metrics.proto; JSON as its specification maps it), semantic conventions 1.44.0.
"""

from __future__ import annotations

from cgtune.cgroups.owners import workload_of
from cgtune.outputs.jsontext import write_json
from cgtune.outputs.series import BARE, add_counts, add_process, epoch_seconds, is_old_enough, label_text
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal, TypeVar

    from cgtune.model import CpuLevel, MemoryLevel, ProcessReport, Report, Snapshot

    Kind = Literal["gauge", "counter", "updowncounter"]
    AnyLevel = TypeVar("AnyLevel", CpuLevel, MemoryLevel)

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "cgtune"

_MOST_INT = 2**63 - 1  # a point's integer is an sfixed64
_PREFIX = "cgtune_"
_CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE

_UP_DOWN: Kind = "updowncounter"

#: What the conventions have a name for, by the name in Prometheus: name, unit, kind.
_CONVENTIONS: dict[str, tuple[str, str, Kind]] = {
    "cgtune_gomaxprocs_observed": ("go.processor.limit", "{thread}", _UP_DOWN),
    "cgtune_gomemlimit_observed_bytes": ("go.memory.limit", "By", _UP_DOWN),
    "cgtune_gogc_observed_percent": ("go.config.gogc", "%", _UP_DOWN),
    "cgtune_go_heap_goal_bytes": ("go.memory.gc.goal", "By", _UP_DOWN),
    "cgtune_go_collections_total": ("go.memory.gc.cycles", "{gc_cycle}", "counter"),
    "cgtune_go_goroutines": ("go.goroutine.count", "{goroutine}", _UP_DOWN),
}
#: Units by the end of a name in Prometheus, as its own translation of OpenTelemetry's names appends them.
_UNITS = {"_bytes": "By", "_seconds": "s", "_percent": "%", "_ratio": "1"}
#: Counters that began with the process; the others count since their cgroup was made, and no file says when that was.
_OF_PROCESS = ("cgtune_cpu_seconds_total", "cgtune_go_")


class Point(Record):
    """One value. ``since_seconds``, since the epoch, is when a counter began; None: not known."""

    value: float
    attributes: tuple[tuple[str, str], ...] = ()
    since_seconds: float | None = None


class Metric(Record):
    """The points of one name. Counters and up-down counters are cumulative."""

    name: str
    unit: str
    description: str
    kind: Kind
    points: tuple[Point, ...]


class Resource(Record):
    """Who a group of metrics is about."""

    attributes: tuple[tuple[str, str | int], ...]
    metrics: tuple[Metric, ...]


def render_otlp_json(report: Report) -> str:
    """The report as one ExportMetricsServiceRequest in OTLP's JSON, indented, in ASCII."""
    from datetime import datetime

    nanoseconds = _nanoseconds(datetime.fromisoformat(report.time).timestamp())
    service = Metrics()
    add_counts(service, report)
    resources = (describe_service(report.version, "", service), *describe_processes(report))
    return write_json({"resourceMetrics": [_resource_content(each, report.version, nanoseconds) for each in resources]})


def describe_service(version: str, place: str, metrics: Metrics) -> Resource:
    """cgtune itself, with what ``metrics`` has collected. ``place`` tells one cgtune from another."""
    named = {"service.name": SCOPE, "service.version": version, "service.instance.id": place}
    return Resource(attributes=tuple((key, value) for key, value in named.items() if value), metrics=metrics.collected())


def describe_processes(report: Report, *, place: str = "", least_age_seconds: float = 0.0) -> Iterator[Resource]:
    """A resource for each process that has lived so long. ``place`` tells equal pids of two machines apart."""
    for process in report.processes:
        if is_old_enough(process.snapshot, least_age_seconds):
            metrics = Metrics(epoch_seconds(process.snapshot.process.start_time))
            add_process(metrics, process, BARE)
            _add_container(metrics, process)
            yield Resource(attributes=_attributes(process.snapshot, place), metrics=metrics.collected())


class Metrics:
    """A sink of samples (outputs/series.py) that makes OpenTelemetry's metrics of them."""

    def __init__(self, started_seconds: float | None = None) -> None:
        self._started_seconds = started_seconds
        self._metrics: dict[str, tuple[str, str, Kind, list[Point]]] = {}

    def add(
        self,
        name: str,
        help_: str,
        value: float | None,
        labels: Mapping[str, str] = BARE,
        *,
        of: str = "",  # noqa: ARG002  # each process has its series, whoever shares the value
        **more: str,
    ) -> None:
        """As a Sink takes it; labels become attributes of the point."""
        chosen = _CONVENTIONS.get(name) or _translate(name)
        since = self._started_seconds if name.startswith(_OF_PROCESS) else None
        self.put(chosen, help_, value, tuple({**labels, **more}.items()), since)

    def put(
        self,
        chosen: tuple[str, str, Kind],
        help_: str,
        value: float | None,
        attributes: tuple[tuple[str, str], ...] = (),
        since_seconds: float | None = None,
    ) -> None:
        """One point of the metric with this name, unit and kind; none of a value that is not known, or of no limit."""
        if value is None or not float("-inf") < value < float("inf"):
            return
        name, unit, kind = chosen
        point = Point(value=value, attributes=attributes, since_seconds=since_seconds if kind == "counter" else None)
        self._metrics.setdefault(name, (unit, help_, kind, []))[3].append(point)

    def collected(self) -> tuple[Metric, ...]:
        """All metrics, in the order in which they were first named."""
        return tuple(
            Metric(name=name, unit=unit, description=help_, kind=kind, points=tuple(points))
            for name, (unit, help_, kind, points) in self._metrics.items()
        )


def _translate(name: str) -> tuple[str, str, Kind]:
    """Name, unit and kind of what has a name in Prometheus alone."""
    kind: Kind = "counter" if name.endswith("_total") else "gauge"
    stem = name.removesuffix("_total")
    end = next((end for end in _UNITS if stem.endswith(end)), "")
    return f"cgtune.{stem.removesuffix(end).removeprefix(_PREFIX)}", _UNITS.get(end, ""), kind


def _add_container(metrics: Metrics, report: ProcessReport) -> None:
    """What the conventions ask of a container: of its own cgroup, whatever binds above it."""
    snapshot = report.snapshot
    in_pod = snapshot.container.pod_uid is not None
    if (cpu := _own_level(snapshot, snapshot.cpu_chain, snapshot.cpu_hidden_above)) is not None:
        metrics.put(("container.cpu.time", "s", "counter"), "CPU time that the container has used.", cpu.usage_seconds)
        if in_pod and cpu.bandwidth is not None:
            metrics.put(("k8s.container.cpu.limit.current", "{cpu}", _UP_DOWN), "The CPU limit in force.", cpu.bandwidth.limit_cores)
    if (memory := _own_level(snapshot, snapshot.memory_chain, snapshot.memory_hidden_above)) is not None:
        limit = None if memory.limit is None else memory.limit.limit_bytes
        inactive = None if memory.parts is None else memory.parts.inactive_file_bytes
        working = None if memory.current_bytes is None or inactive is None else max(memory.current_bytes - inactive, 0)
        metrics.put(("container.memory.usage", "By", _UP_DOWN), "Memory that is charged to the container.", memory.current_bytes)
        metrics.put(("container.memory.working_set", "By", _UP_DOWN), "Of that, all but inactive files.", working)
        available = None if limit is None or working is None else max(limit - working, 0)
        metrics.put(("container.memory.available", "By", _UP_DOWN), "The memory limit less the working set.", available)
        anonymous = None if memory.parts is None else memory.parts.anonymous_bytes
        metrics.put(("container.memory.rss", "By", _UP_DOWN), "The container's anonymous memory.", anonymous)
        if in_pod:
            metrics.put(("k8s.container.memory.limit.current", "By", _UP_DOWN), "The memory limit in force.", limit)


def _own_level(snapshot: Snapshot, chain: tuple[AnyLevel, ...], hidden_above: str | None) -> AnyLevel | None:
    """The container's own cgroup: the one that its id names, or, if what lies above it is hidden, the highest that can be seen."""
    id_ = snapshot.container.id
    if id_ is None or not chain:
        return None
    named = next((level for level in chain if id_ in level.path.rpartition("/")[2]), None)
    return chain[-1] if named is None and hidden_above is not None else named


def _attributes(snapshot: Snapshot, place: str) -> tuple[tuple[str, str | int], ...]:
    """Who the process is, as a resource of OpenTelemetry: what is not known is left out."""
    process, container = snapshot.process, snapshot.container
    executable = process.executable
    in_pod = container.pod_uid is not None
    named = {
        "service.name": workload_of(snapshot),
        "service.namespace": container.pod_namespace,
        "service.instance.id": "-".join(each for each in (container.id or place, str(process.pid), str(process.start_ticks)) if each),
        "process.executable.name": process.command if executable is None else executable.rpartition("/")[2],
        "process.executable.path": executable,
        "process.creation.time": process.start_time,
        "process.runtime.name": "go" if snapshot.go else None,
        "process.runtime.version": f"go{snapshot.go[0].program.version}" if snapshot.go else None,
        "process.linux.cgroup": next((level.path for level in (*snapshot.cpu_chain, *snapshot.memory_chain)), None),
        "container.id": container.id,
        "container.runtime.name": container.runtime,
        "k8s.container.name" if in_pod else "container.name": container.name,
        "k8s.pod.uid": container.pod_uid,
        "k8s.pod.name": container.pod_name,
        "k8s.namespace.name": container.pod_namespace,
    }
    return (("process.pid", process.pid), *((key, label_text(value)) for key, value in named.items() if value))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1_000  # a float holds no more of this century's times


def _resource_content(resource: Resource, version: str, nanoseconds: int) -> dict[str, object]:
    return {
        "resource": {"attributes": [_attribute(key, value) for key, value in resource.attributes]},
        "scopeMetrics": [
            {
                "scope": {"name": SCOPE, "version": version},
                "metrics": [_metric_content(metric, nanoseconds) for metric in resource.metrics],
                "schemaUrl": SCHEMA_URL,
            }
        ],
        "schemaUrl": SCHEMA_URL,
    }


def _metric_content(metric: Metric, nanoseconds: int) -> dict[str, object]:
    content: dict[str, object] = {"name": metric.name, "description": metric.description, "unit": metric.unit}
    points = {"dataPoints": [_point_content(point, nanoseconds) for point in metric.points]}
    if metric.kind == "gauge":
        return content | {"gauge": points}
    return content | {"sum": points | {"aggregationTemporality": _CUMULATIVE, "isMonotonic": metric.kind == "counter"}}


def _point_content(point: Point, nanoseconds: int) -> dict[str, object]:
    content: dict[str, object] = {"timeUnixNano": str(nanoseconds)}
    if point.since_seconds is not None:
        content["startTimeUnixNano"] = str(_nanoseconds(point.since_seconds))
    value = point_value(point)
    content |= {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    return content | {"attributes": [_attribute(key, text) for key, text in point.attributes]}


def point_value(point: Point) -> int | float:
    """The value as OTLP can hold it: its integers have 64 bits."""
    return float(point.value) if isinstance(point.value, int) and abs(point.value) > _MOST_INT else point.value


def _attribute(key: str, value: str | int) -> dict[str, object]:
    return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
