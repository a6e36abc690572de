"""A real collector (Rotel, from PyPI) takes what a running cgtune serve sends of a real Go program, and hands it on."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.live.cgroups import _ENTER, Groups
from tests.support import goprograms
from tests.support.goprograms import Probe
from tests.support.needs import is_live_required, require
from tests.support.otlpreceiver import Receiver, read_request
from tests.support.realprograms.fetch import fetch_package, folder_of
from tests.support.serving import PATIENCE_SECONDS, Service

pytestmark = [pytest.mark.live, pytest.mark.fetched]

_PACKAGE = ("pypi", "rotel", "0.0.1a15")
_SHA256 = "2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7"
_INSIDE = "rotel/rotel-agent"


@pytest.fixture(scope="module")
def collector_program() -> Path:
    """Rotel's program, fetched where nothing may be skipped."""
    place = folder_of(*_PACKAGE) / _INSIDE
    if not place.is_file() and is_live_required():
        fetch_package(_PACKAGE, _SHA256, {_INSIDE: _INSIDE}, print)
    require(place.is_file(), "needs the collector Rotel in the cache")
    return place


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_until_listening(port: int, program: subprocess.Popen[bytes]) -> None:
    """Until somebody takes a connection."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_a_collector_hands_on_what_it_was_sent(groups: Groups, collector_program: Path, tmp_path: Path) -> None:
    """What a strict collector gets from a real one is what the program has, by the conventions' names, and who it is."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    environment = {"GOMAXPROCS": "3", "GOMEMLIMIT": "100MiB", "GOGC": "150"}
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    with Receiver() as receiver, Probe(goprograms.build("1.27.3"), environment=environment, wrapper=wrapper) as probe:
        port, other = free_port(), free_port()
        words = ["--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{other}", "--exporter", "otlp"]
        words += ["--otlp-exporter-endpoint", receiver.url, "--otlp-exporter-protocol", "http", "--pid-file", str(tmp_path / "pid")]
        log = (tmp_path / "log").open("wb")
        with log, subprocess.Popen([collector_program, "start", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log) as collector:
            try:
                wait_until_listening(port, collector)
                with Service("--pid", probe.pid, "--interval", "500ms", "--otlp", f"http://127.0.0.1:{port}") as service:
                    service.wait_for(lambda: receiver.requests or receiver.problem)
                    assert not service.events("trouble")
            finally:
                collector.kill()
        receiver.check()
    told = [each for request in receiver.requests for each in read_request(request) if each[0].get("process.pid") == probe.pid]
    attributes, metrics = told[-1]
    assert attributes["process.runtime.version"] == "go1.27.3"
    assert (attributes["service.name"], attributes["process.linux.cgroup"]) == (group.path, group.path)
    values = {name: points[0].value for name, points in metrics.items()}
    assert (values["go.processor.limit"], values["go.memory.limit"], values["go.config.gogc"]) == (3, 100 << 20, 150)
    assert values["cgtune.cpu_limit_cores"] == 0.5
    assert values["go.goroutine.count"] >= 1
    findings = [point.attributes for point in metrics["cgtune.finding"]]
    assert {"gomaxprocs-exceeds-quota"} <= {finding["rule"] for finding in findings}
