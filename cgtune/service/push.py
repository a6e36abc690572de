"""Each new report sent to an OpenTelemetry collector, over OTLP/HTTP by OpenTelemetry's own exporter: the extra ``cgtune[otlp]``.

The exporter says no more than whether it believes to have succeeded, and believes so of redirects, which it does not follow, and of a
collector that refused points (version 1.45.2). So what the server answered is looked at here. Secrets, certificates, proxies, compression
and timeouts are those of the variables that OpenTelemetry has for them (OTEL_EXPORTER_OTLP_HEADERS and its kind).
"""

from __future__ import annotations

import os
import threading
import time

from cgtune import __version__
from cgtune.errors import CgtuneError, UsageError
from cgtune.outputs.escape import escape_control
from cgtune.outputs.otlp import SCHEMA_URL, SCOPE, Metrics, describe_processes, describe_service, point_value
from cgtune.outputs.prometheus import add_kills, add_service
from cgtune.outputs.series import add_counts
from cgtune.system.endpoint import redact_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Any

    import requests
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import Metric as SdkMetric, MetricsData
    from urllib3._base_connection import BaseHTTPConnection

    from cgtune.outputs.otlp import Metric, Resource
    from cgtune.service.board import Board, Found

_PATH = "/v1/metrics"  # OTLP's own, below the address of a collector
_MOST_POINTS = 8192  # of one request; collectors take 4 MiB and more
_CAP_BYTES = 64 << 10  # of an answer, which has a few words at most
_LATE_SECONDS = 30.0  # of one request; the exporter's own 10 are those until the next byte, and a server may go on byte by byte


class NotSent(CgtuneError):
    """The collector did not take what was sent."""


class Pusher:
    """Sends the newest report of a board; what comes while it sends is left out but for the last."""

    def __init__(self, url: str, board: Board) -> None:
        """``url``: the collector's address, or the whole one of its metrics. Raises UsageError: no such URL, or the extra is missing."""
        self._url, self._board, self._place = _metrics_url(url), board, os.uname().nodename
        self._answers, self._connections = _Answers(), _Connections()
        try:
            self._exporter = _make_exporter(self._url, self._answers, self._connections)
        except ImportError:
            raise UsageError("--otlp needs OpenTelemetry's exporter: pip install 'cgtune[otlp]'") from None
        self._wanted, self._stop = threading.Event(), threading.Event()
        self._trouble: str | None = None
        self._began: float | None = None

    def tell(self) -> None:
        """There is a new report. Raises NotSent if the one before did not arrive."""
        self._wanted.set()
        began, shown = self._began, redact_url(self._url)
        if began is not None and time.monotonic() - began > _LATE_SECONDS:
            raise NotSent(f"--otlp {shown}: no whole answer for {time.monotonic() - began:.0f} s")
        if self._trouble is not None:
            raise NotSent(f"--otlp {shown}: {self._trouble}")

    def run(self) -> None:
        """Until it is stopped: send whenever there is something new."""
        sent: Found | None = None
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            found = self._board.found
            if self._stop.is_set() or found is None or found is sent:
                continue
            sent, self._began = found, time.monotonic()
            try:
                self._trouble = self._send(found)
            except Exception as error:  # noqa: BLE001  # a fault of the library's or of ours: it is said, and the next report is sent
                self._trouble = f"{type(error).__name__}: {escape_control(str(error)[:200])}"
            self._began = None

    def stop(self) -> None:
        """Send nothing more, and wait for no server."""
        self._stop.set()
        self._wanted.set()
        self._exporter.shutdown()
        self._connections.end()

    def _send(self, found: Found) -> str | None:
        """What went wrong; None: the collector has all of it."""
        from opentelemetry.sdk.metrics.export import MetricExportResult

        self._answers.forget()
        result = self._exporter.export(_metrics_data(self._resources(found), found.time_seconds))
        if result is MetricExportResult.SUCCESS:
            return self._answers.refused
        return self._answers.failed or "not sent, for a reason that OpenTelemetry's exporter does not tell"

    def _resources(self, found: Found) -> Iterable[Resource]:
        board, report = self._board, found.verdict.report
        metrics = Metrics()
        add_counts(metrics, report)
        add_service(metrics, board.facts(with_age=True))
        add_kills(metrics, board.remembered, board.workloads, board.forgotten)
        yield describe_service(__version__, self._place, metrics)
        yield from describe_processes(report, place=self._place, least_age_seconds=board.least_age_seconds)


def _metrics_url(url: str) -> str:
    """The whole address; raises UsageError if it is none."""
    import urllib.parse

    shown = redact_url(url)[:200]
    wrong = UsageError(f"--otlp {shown!a} is no address of a collector; example: --otlp http://collector:4318")
    try:
        parts = urllib.parse.urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise wrong from None
    if not is_address or any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        raise wrong
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"--otlp {shown!a}: no user, password or query belongs here; OTEL_EXPORTER_OTLP_HEADERS keeps secrets")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}{_PATH}"


class _Answers:
    """What a server answered to the last requests: why they failed, and what it refused of those that succeeded."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.failed: str | None = None
        self.refused: str | None = None

    def take(self, response: requests.Response) -> None:
        """Look at an answer as far as it matters, and leave the rest of it unread."""
        content = next(response.iter_content(_CAP_BYTES), b"")
        response.close()
        if not 200 <= response.status_code < 300:
            self.failed = f"the collector answers {response.status_code} {escape_control(str(response.reason)[:100])}".rstrip()
            if response.status_code == 404:
                self.failed += f"; its metrics are mostly at {_PATH}"
        elif response.headers.get("Content-Type", "").startswith("text/html"):
            self.refused = "it answers with a page for people (text/html): that is no collector"
        elif refused := _read_refusal(content):
            self.refused = refused


def _read_refusal(content: bytes) -> str | None:
    """What a collector refused of a request that it took as a whole (ExportMetricsPartialSuccess)."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    try:
        part = ExportMetricsServiceResponse.FromString(content).partial_success
    except DecodeError:
        return None
    if not part.rejected_data_points:
        return None
    return f"the collector refused {part.rejected_data_points} points: {escape_control(part.error_message[:200])}"


class _Connections:
    """The sockets of a session, by which another thread can end a request that goes on and on."""

    def __init__(self) -> None:
        self._sockets: tuple[socket.socket, ...] = ()
        self.is_over = False

    def begin(self, seconds: float) -> threading.Timer:
        """A request begins: it is ended after so long, unless what is returned is cancelled before."""
        self.is_over = False
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()
        return timer

    def take(self, connected: socket.socket) -> None:
        """A connection is made: a plain one is taken twice, one with TLS as two sockets."""
        self._sockets = (*(each for each in self._sockets if each.fileno() >= 0), connected)
        if self.is_over:
            self.end()

    def end(self) -> None:
        """End what is read or sent now. Whoever waits for it sees the end of the connection."""
        import socket
        from contextlib import suppress

        self.is_over = True
        for each in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # below TLS, which would wait for the other side


def _watched(base: type[BaseHTTPConnection], connections: _Connections) -> type[BaseHTTPConnection]:
    """The same kind of connection, whose sockets are told."""

    class Watched(base):  # type: ignore[misc, valid-type]  # plain or with TLS
        def _new_conn(self) -> socket.socket:
            connected: socket.socket = super()._new_conn()
            connections.take(connected)
            return connected

        def connect(self) -> None:
            super().connect()
            connections.take(self.sock)

    return Watched


def _make_exporter(url: str, answers: _Answers, connections: _Connections) -> OTLPMetricExporter:
    import logging

    import requests
    import requests.adapters
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    class Adapter(requests.adapters.HTTPAdapter):
        """Connections that can be ended, directly or by a proxy."""

        def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
            pool = super().get_connection_with_tls_context(*arguments, **options)
            if pool.ConnectionCls.__name__ != "Watched":  # a pool is used again
                pool.ConnectionCls = _watched(pool.ConnectionCls, connections)
            return pool

    class Session(requests.Session):
        """Requests whose answers are looked at, bounded in size and time, and never a redirection."""

        def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
            options |= {"stream": True, "allow_redirects": False}
            chosen = options.get("timeout")
            seconds = max(_LATE_SECONDS, chosen if isinstance(chosen, int | float) else 0)
            timer = connections.begin(seconds)
            try:
                response = super().send(request, **options)
                answers.take(response)
                if connections.is_over:
                    raise requests.ReadTimeout
            except requests.RequestException as error:
                answers.failed = f"no whole answer within {seconds:g} s" if connections.is_over else _why(error)
                raise
            finally:
                timer.cancel()
            if 300 <= response.status_code < 400:
                answers.failed = f"the collector answers {response.status_code}, a redirection: name the address that it leads to"
                raise requests.TooManyRedirects(answers.failed)
            return response

    # Each failure would be a line, again and again; they are troubles, said once
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    is_chosen = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{part}COMPRESSION") for part in ("", "METRICS_"))
    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return OTLPMetricExporter(
        endpoint=url, session=session, max_export_batch_size=_MOST_POINTS, compression=None if is_chosen else Compression.Gzip
    )


def _why(error: requests.RequestException) -> str:
    """What the system said, without the library's own words around it, which may hold the address with its secrets."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return f"{inner.strerror}; is the collector listening there?"
        args = [each for each in (*inner.args, getattr(inner, "reason", None)) if isinstance(each, BaseException)]
        inner = args[0] if args else inner.__cause__ or inner.__context__
    return f"{type(error).__name__}; is the collector listening there?"


def _metrics_data(resources: Iterable[Resource], time_seconds: float) -> MetricsData:
    """The same as the exporter's own records."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.resources import Resource as SdkResource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    scope = InstrumentationScope(SCOPE, __version__, SCHEMA_URL)
    nanoseconds = int(time_seconds * 1e9)
    return MetricsData(
        resource_metrics=[
            ResourceMetrics(
                resource=SdkResource(dict(resource.attributes), SCHEMA_URL),
                scope_metrics=[
                    ScopeMetrics(
                        scope=scope, metrics=[_sdk_metric(metric, nanoseconds) for metric in resource.metrics], schema_url=SCHEMA_URL
                    )
                ],
                schema_url=SCHEMA_URL,
            )
            for resource in resources
        ]
    )


def _sdk_metric(metric: Metric, nanoseconds: int) -> SdkMetric:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Metric as SdkMetric, NumberDataPoint, Sum

    points = [
        NumberDataPoint(
            attributes=dict(point.attributes),
            start_time_unix_nano=0 if point.since_seconds is None else int(point.since_seconds * 1e9),
            time_unix_nano=nanoseconds,
            value=point_value(point),
        )
        for point in metric.points
    ]
    is_sum = metric.kind != "gauge"
    data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=metric.kind == "counter") if is_sum else Gauge(points)
    return SdkMetric(name=metric.name, description=metric.description, unit=metric.unit, data=data)
