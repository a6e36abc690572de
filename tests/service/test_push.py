"""What is sent to an OpenTelemetry collector, and what is said of one that does not take it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from cgtune.errors import UsageError
from cgtune.model import Report
from cgtune.service.board import Board, Found
from cgtune.service.follow import Look
from cgtune.service.push import NotSent, Pusher
from cgtune.verdict import judge_report
from tests.support import stories
from tests.support.command import ROOT, run
from tests.support.otlpreceiver import Receiver, read_request
from tests.support.serving import Service, Stopwatch

STORY = "v2-ancestor-tighter"


def pin(board: Board, report: Report) -> None:
    """A new report."""
    verdict = judge_report(report, fail_on="warning", ignored=frozenset())
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    board.pin(Found(look=look, verdict=verdict, began_seconds=time.monotonic(), time_seconds=time.time(), scan_seconds=0.1))


@contextlib.contextmanager
def pushing(url: str) -> Iterator[Pusher]:
    """A pusher at work, with one report to send."""
    board = Board(15.0)
    pusher = Pusher(url, board)
    thread = threading.Thread(target=pusher.run, daemon=True)
    thread.start()
    pin(board, stories.report(STORY))
    try:
        yield pusher
    finally:
        with Stopwatch() as watch:
            pusher.stop()
            thread.join(10)
        assert not thread.is_alive()
        assert watch.seconds < 2


def trouble(pusher: Pusher) -> str:
    """What it says of a report that did not arrive."""
    for _ in range(500):
        try:
            pusher.tell()
        except NotSent as error:
            return str(error)
        time.sleep(0.02)
    raise AssertionError("no trouble")


def test_a_service_sends_each_report() -> None:
    """In requests that a strict collector takes, with what /metrics has, and the secret of the environment to this server."""
    with (
        Receiver() as receiver,
        Service(
            "--pid", os.getpid(), "--interval", "200ms", "--otlp", receiver.url, OTEL_EXPORTER_OTLP_HEADERS="x-token=s3cret"
        ) as service,
    ):
        service.wait_for(lambda: len(receiver.requests) >= 3 or receiver.problem)
        receiver.check()
        assert service.stop() < 2
    (own, _), (process, metrics) = read_request(receiver.requests[-1])
    assert (own["service.name"], process["process.pid"]) == ("cgtune", os.getpid())
    assert metrics["cgtune.cpu_usable_cpus"][0].value == len(os.sched_getaffinity(0))
    cpu = metrics["cgtune.cpu"][0]
    assert (cpu.kind, cpu.unit) == ("counter", "s")
    assert cpu.start > 0
    assert receiver.headers[-1]["x-token"] == "s3cret"
    assert not [line for line in service.log if "s3cret" in str(line)]
    assert not service.events("trouble")


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "the collector answers 401 Unauthorized"),
        (404, {}, "the collector answers 404 Not Found; its metrics are mostly at /v1/metrics"),
        (302, {"Location": "http://127.0.0.1:1/"}, "the collector answers 302, a redirection: name the address that it leads to"),
    ],
)
def test_a_collector_that_refuses_all(status: int, headers: dict[str, str], said: str) -> None:
    """What it said is told: the exporter itself takes a redirection for success."""
    with Receiver(lambda: (status, headers, b"")) as receiver, pushing(receiver.url) as pusher:
        assert trouble(pusher) == f"--otlp {receiver.url}/v1/metrics: {said}"
    assert len(receiver.requests) == 1


def test_a_collector_that_refuses_some() -> None:
    """It answers 200 and says how many points it refused, and why; the exporter does not look."""
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 7
    answer.partial_success.error_message = "too many\x1b[2J series"
    with Receiver(lambda: (200, {}, answer.SerializeToString())) as receiver, pushing(receiver.url) as pusher:
        assert trouble(pusher).endswith(r": the collector refused 7 points: too many\x1b[2J series")


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    """One that is no message, and far too large, costs what a few words would: the next report is sent."""
    board = Board(15.0)
    with Receiver(lambda: (200, {"Content-Length": str(1 << 40)}, b"x" * (1 << 20))) as receiver:
        pusher = Pusher(receiver.url, board)
        thread = threading.Thread(target=pusher.run, daemon=True)
        thread.start()
        for count in (1, 2):
            pin(board, stories.report(STORY))
            deadline = time.monotonic() + 20
            while len(receiver.requests) < count:
                assert time.monotonic() < deadline
                pusher.tell()
                time.sleep(0.02)
        pusher.stop()
        thread.join(10)


def _go_on(listening: socket.socket, piece: bytes) -> None:
    """Answer one request, without an end."""
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(1 << 16)
        while True:
            connection.sendall(piece)
            time.sleep(0.01)


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["interim answers", "a body"])
def test_an_answer_that_goes_on_is_ended(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    """The exporter waits for the next byte again and again, and takes a whole CPU for answers that come fast enough."""
    monkeypatch.setattr("cgtune.service.push._LATE_SECONDS", 0.3)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=_go_on, args=(listening, piece), daemon=True)
        server.start()
        with pushing(f"http://127.0.0.1:{listening.getsockname()[1]}") as pusher:
            assert "no whole answer" in trouble(pusher)
            server.join(5)
            assert not server.is_alive()
            while pusher._began is not None:
                time.sleep(0.01)
            assert pusher._trouble == "no whole answer within 0.3 s"


def test_a_number_that_no_answer_has() -> None:
    """What the library takes for no error is told all the same, escaped."""
    answer = b"HTTP/1.1 999 \x1b[31mred\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_go_on, args=(listening, answer), daemon=True).start()
        with pushing(f"http://127.0.0.1:{listening.getsockname()[1]}") as pusher:
            assert trouble(pusher).endswith(r": the collector answers 999 \x1b[31mred")


def test_a_page_is_no_answer_of_a_collector() -> None:
    """Whoever answers each request with 200 and a page for people has taken nothing."""
    with Receiver(lambda: (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")) as receiver, pushing(receiver.url) as pusher:
        assert trouble(pusher).endswith(": it answers with a page for people (text/html): that is no collector")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's word for it is told, and nothing of the address but what is no secret."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pushing(f"http://127.0.0.1:{port}/own/path") as pusher:
        said = f"--otlp http://127.0.0.1:{port}/own/path: Connection refused; is the collector listening there?"
        assert trouble(pusher) == said


def test_a_collector_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs no look, and a service that waits for it ends within two seconds; one that goes on without an end is told."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Service("--pid", os.getpid(), "--interval", "100ms", "--otlp", url) as service:
            connection, _ = silent.accept()
            service.wait_for(lambda: service.metrics()["cgtune_scans_total"][0][1] >= 3)
            assert service.stop() < 2
        connection.close()
        monkeypatch.setattr("cgtune.service.push._LATE_SECONDS", 0.1)
        board = Board(15.0)
        pusher = Pusher(url, board)
        threading.Thread(target=pusher.run, daemon=True).start()
        pin(board, stories.report(STORY))
        assert "no whole answer for" in trouble(pusher)
        pusher.stop()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("collector:4318", "is no address of a collector; example: --otlp http://collector:4318"),
        ("ftp://collector", "is no address of a collector"),
        ("http://", "is no address of a collector"),
        ("http://c:99999", "is no address of a collector"),
        ("http://c/a b", "is no address of a collector"),
        ("http://me:s3cret@c", "OTEL_EXPORTER_OTLP_HEADERS keeps secrets"),
        ("http://c/?key=s3cret", "OTEL_EXPORTER_OTLP_HEADERS keeps secrets"),
    ],
)
def test_what_is_no_address(url: str, said: str) -> None:
    """One line, which shows no secret."""
    with pytest.raises(UsageError) as caught:
        Pusher(url, Board(15.0))
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_extra_and_the_options() -> None:
    """Without OpenTelemetry's exporter the next step is told; metrics of a container or a workload are Prometheus's alone."""
    hide = (
        "import sys; sys.modules['opentelemetry'] = None; from cgtune.service.push import Pusher; from cgtune.service.board import Board\n"
    )
    done = subprocess.run([sys.executable, "-c", f"{hide}Pusher('http://c', Board(1.0))"], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.splitlines()[-1].endswith("UsageError: --otlp needs OpenTelemetry's exporter: pip install 'cgtune[otlp]'")
    done = run("serve", "--otlp", "http://c", "--label-set", "workload")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--otlp and --label-set exclude each other" in done.stderr
