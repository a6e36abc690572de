"""A collector of OpenTelemetry's protocol that takes nothing for granted: OTLP/HTTP with protobuf, by the official package of its messages.

It refuses what the protocol's own text does not allow, and keeps what it was sent. What is not covered: gRPC, logs, traces.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse


class Point(NamedTuple):
    """One value with what belongs to it."""

    value: float
    unit: str
    kind: str
    attributes: dict[str, str]
    start: int


Metrics = dict[str, list[Point]]


def parse_json(text: str) -> Any:
    """OTLP's JSON as the official messages read it; a field that they do not know is an error."""
    return json_format.Parse(text, ExportMetricsServiceRequest(), ignore_unknown_fields=False)


def read_request(message: Any) -> list[tuple[dict[str, Any], Metrics]]:
    """Each resource's attributes and metrics; AssertionError where the protocol or its data model is not kept."""
    assert not UnknownFieldSet(message), "fields that no message has"
    resources = [_read_resource(each) for each in message.resource_metrics]
    instances = [
        tuple(str(attributes.get(f"service.{part}")) for part in ("namespace", "name", "instance.id")) for attributes, _ in resources
    ]
    assert len(set(instances)) == len(instances), f"two resources of one identity: {instances}"
    return resources


def _read_resource(resource: Any) -> tuple[dict[str, Any], Metrics]:
    attributes = _read_attributes(resource.resource.attributes)
    assert attributes.get("service.name"), attributes
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, bool(scope.scope.version)) == ("cgtune", True)
    assert resource.schema_url == scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    metrics: Metrics = {}
    for metric in scope.metrics:
        assert metric.name not in metrics, f"{metric.name} stands twice"
        assert metric.name.isascii(), metric.name
        assert metric.description, metric.name
        metrics[metric.name] = _read_points(metric)
    return attributes, metrics


def _read_points(metric: Any) -> list[Point]:
    kind = metric.WhichOneof("data")
    assert kind in ("gauge", "sum"), metric.name
    data = getattr(metric, kind)
    if kind == "sum":
        assert data.aggregation_temporality == 2, f"{metric.name} is not cumulative"
        kind = "counter" if data.is_monotonic else "updowncounter"
    points = []
    for point in data.data_points:
        assert point.time_unix_nano > 1_600_000_000 * 10**9, metric.name
        assert point.start_time_unix_nano <= point.time_unix_nano, metric.name
        value = getattr(point, point.WhichOneof("value"))
        assert not math.isnan(value), metric.name
        points.append(Point(value, metric.unit, kind, _read_attributes(point.attributes), point.start_time_unix_nano))
    assert points, metric.name
    assert len({tuple(sorted(point.attributes.items())) for point in points}) == len(points), f"{metric.name}: two points of one identity"
    return points


def _read_attributes(attributes: Any) -> dict[str, Any]:
    found = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
    assert len(found) == len(attributes), "an attribute stands twice"
    return found


class Receiver:
    """A collector on a free port of this machine, as a context manager. ``requests`` are the messages that came.

    ``answer`` makes status, headers and body of an answer; ``problem`` is what was wrong with a request, and fails ``check``.
    """

    def __init__(self, answer: Callable[[], tuple[int, dict[str, str], bytes]] | None = None) -> None:
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.problem: str | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    receiver.take(self.path, {name.lower(): value for name, value in self.headers.items()}, content)
                except Exception as error:  # noqa: BLE001  # whatever it is, a test has to see it
                    receiver.problem = f"{type(error).__name__}: {error}"
                status, headers, body = answer() if answer is not None else (200, {}, ExportMetricsServiceResponse().SerializeToString())
                self.send_response(status)
                for name, value in ({"Content-Type": "application/x-protobuf", "Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):  # who has read enough
                    self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def take(self, path: str, headers: dict[str, str], content: bytes) -> None:
        """One request; raises where it is not as the protocol has it."""
        assert path == "/v1/metrics", path
        assert headers["content-type"] == "application/x-protobuf", headers
        if headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        message = ExportMetricsServiceRequest.FromString(content)
        read_request(message)
        self.headers.append(headers)
        self.requests.append(message)

    def check(self) -> None:
        """Whether all requests were as they should be."""
        assert self.problem is None, self.problem

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        if kind is None:
            self.check()
