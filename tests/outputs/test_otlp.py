"""OTLP's JSON: the official messages read it; names, units and kinds are those of the conventions; what is not known is not told."""

from __future__ import annotations

import importlib
import inspect as introspection
import math
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import parser

from cgtune.model import Container, Report
from cgtune.outputs import otlp
from cgtune.outputs.otlp import render_otlp_json
from cgtune.outputs.prometheus import render_report
from tests.support import otlpreceiver, stories
from tests.support.otlpreceiver import Metrics

#: The Go runtime's metrics in semantic conventions 1.44.0, whose Python package has none of them: name, unit, kind.
GO = {
    "go.memory.used": ("By", "updowncounter"),
    "go.memory.limit": ("By", "updowncounter"),
    "go.memory.gc.goal": ("By", "updowncounter"),
    "go.memory.gc.cycles": ("{gc_cycle}", "counter"),
    "go.goroutine.count": ("{goroutine}", "updowncounter"),
    "go.processor.limit": ("{thread}", "updowncounter"),
    "go.config.gogc": ("%", "updowncounter"),
}
_KINDS = {"create_counter": "counter", "create_up_down_counter": "updowncounter", "create_observable_gauge": "gauge"}


def conventions() -> Iterator[tuple[str, tuple[str, str]]]:
    """Unit and kind of each container and Kubernetes metric, from what the official package would make of it."""
    for area in ("container", "k8s"):
        module = importlib.import_module(f"opentelemetry.semconv._incubating.metrics.{area}_metrics")
        for name, function in vars(module).items():
            if name.startswith("create_"):
                made: list[tuple[str, tuple[str, str]]] = []

                class Meter:
                    """Keeps what it is asked to make."""

                    def __getattr__(self, method: str) -> Any:
                        return lambda **words: made.append((words["name"], (words["unit"], _KINDS[method])))  # noqa: B023

                function(Meter(), *([()] if "callbacks" in introspection.signature(function).parameters else []))
                yield made[0]


def read(report: Report) -> list[tuple[dict[str, Any], Metrics]]:
    """What the official messages make of the JSON."""
    return otlpreceiver.read_request(otlpreceiver.parse_json(render_otlp_json(report)))


@pytest.mark.parametrize("name", stories.names())
def test_each_story_is_what_the_protocol_has(name: str) -> None:
    """One resource for cgtune and one for each process; each name of a convention has its unit and its kind, everything else is ours."""
    report = stories.report(name)
    known = GO | dict(conventions())
    resources = read(report)
    assert len(resources) == 1 + len(report.processes)
    assert [attributes.get("process.pid") for attributes, _ in resources[1:]] == [each.snapshot.process.pid for each in report.processes]
    for _, metrics in resources:
        for metric, points in metrics.items():
            assert all(math.isfinite(point.value) for point in points)
            if not metric.startswith("cgtune."):
                assert {(point.unit, point.kind) for point in points} == {known[metric]}, metric


def test_other_names_become_those_of_the_metrics_page() -> None:
    """By the rule that Prometheus has for OpenTelemetry's names: dots, then the unit, then _total."""
    report = stories.report("v2-ancestor-tighter")
    units = {"By": "_bytes", "s": "_seconds", "%": "_percent", "1": "_ratio", "": ""}
    page = bytes(render_report(report, openmetrics=False)).decode()
    scraped = {sample.name: sample.value for family in parser.text_string_to_metric_families(page) for sample in family.samples}
    translated = {
        metric.replace(".", "_") + units[points[0].unit] + ("_total" if points[0].kind == "counter" else ""): points[-1].value
        for _, metrics in read(report)
        for metric, points in metrics.items()
        if metric.startswith("cgtune.")
    }
    assert translated
    assert translated.items() <= scraped.items()
    left = {name for name, value in scraped.items() if math.isfinite(value)} - translated.keys()
    assert left <= {"cgtune_gomaxprocs_observed", "cgtune_gomemlimit_observed_bytes", "cgtune_gogc_observed_percent"} | {
        name for name in left if name.startswith("cgtune_go_")
    }


def test_a_container_of_a_pod_has_its_own_limits() -> None:
    """Those of its own cgroup, whatever binds above it; and who it is stands in the conventions' attributes."""
    report = stories.report("v2-ancestor-tighter")
    (process,) = report.processes
    snapshot = process.snapshot
    id_ = "c" * 64
    leaf, *above = snapshot.cpu_chain
    chain = (leaf.replace(path=f"/kubepods/pod1/{id_}"), *above)
    memory, *above_memory = snapshot.memory_chain
    memory = memory.replace(path=f"/kubepods/pod1/{id_}")
    container = Container(id=id_, pod_uid="u-1", runtime="containerd", name="app", pod_name="web-5d4f8c7b9d-x2vlq", pod_namespace="shop")
    snapshot = snapshot.replace(container=container, cpu_chain=chain, memory_chain=(memory, *above_memory))
    (_, (attributes, metrics)) = read(report.replace(processes=(process.replace(snapshot=snapshot),)))
    told = {
        "service.name": "web",
        "service.namespace": "shop",
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "web-5d4f8c7b9d-x2vlq",
        "k8s.pod.uid": "u-1",
        "k8s.container.name": "app",
        "container.id": id_,
        "container.runtime.name": "containerd",
    }
    assert told.items() <= attributes.items()
    assert leaf.bandwidth is not None
    assert memory.limit is not None
    assert metrics["k8s.container.cpu.limit.current"][0].value == leaf.bandwidth.limit_cores
    assert metrics["k8s.container.memory.limit.current"][0].value == memory.limit.limit_bytes
    assert metrics["container.memory.usage"][0].value == memory.current_bytes
    alone = snapshot.replace(container=container.replace(pod_uid=None))
    (_, (_, metrics)) = read(report.replace(processes=(process.replace(snapshot=alone),)))
    assert [name for name in metrics if name.startswith(("k8s.", "container.memory.usage"))] == ["container.memory.usage"]


def test_text_of_others_stays_text() -> None:
    """What could steer a terminal is shown as its code, bytes that are no text too, and nothing is longer than 256 characters."""
    report = stories.report("v2-ancestor-tighter")
    (process,) = report.processes
    snapshot = process.snapshot.replace(
        process=process.snapshot.process.replace(command="a\x1b[2J\udcff", executable="/srv/" + "x" * 9000),
        container=Container(pod_uid="u\u202e", name='\x00\n"}', pod_name="p" * 999, pod_namespace="n"),
    )
    ((_, (attributes, _metrics))) = read(report.replace(processes=(process.replace(snapshot=snapshot),)))
    for value in attributes.values():
        assert len(str(value)) <= 256
        assert str(value).isprintable(), value


def test_numbers_beyond_the_protocol() -> None:
    """Its integers have 64 bits: what is larger is a double. What has no limit, and what is not known, has no point."""
    assert [otlp.point_value(otlp.Point(value=value)) for value in (2**63 - 1, 2**63, 2**64)] == [2**63 - 1, 2.0**63, 2.0**64]
    assert [type(otlp.point_value(otlp.Point(value=value))) for value in (2**63 - 1, 2**63)] == [int, float]
    metrics = otlp.Metrics()
    for value in (None, float("inf"), float("-inf"), float("nan"), 1.5):
        metrics.add("cgtune_cpu_limit_cores", "CPUs that the quotas allow.", value)
    assert [point.value for metric in metrics.collected() for point in metric.points] == [1.5]


def test_only_what_counts_began_at_some_time() -> None:
    """A counter of the process began with it; a gauge never did, and when a cgroup was made no file says."""
    metrics = otlp.Metrics(7.0)
    for name in ("cgtune_cpu_seconds_total", "cgtune_go_goroutines", "cgtune_oom_kills_total"):
        metrics.add(name, "", 1)
    assert [metric.points[0].since_seconds for metric in metrics.collected()] == [7.0, None, None]
