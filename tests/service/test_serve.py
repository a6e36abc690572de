"""``cgtune serve`` on recorded machines and idle processes: what it answers, how it starts, and how it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cgtune.api import inspect
from cgtune.model import Finding, Report
from cgtune.service import journal, serve
from cgtune.service.board import Found
from cgtune.service.follow import Look
from cgtune.service.journal import Journal
from cgtune.service.listener import Listener
from cgtune.service.serve import ServeOptions
from cgtune.verdict import judge_report
from tests.support import stories
from tests.support.command import PROGRAM, ROOT, run, uncounted
from tests.support.serving import PATIENCE_SECONDS, Service, Stopwatch, open_files, parse_metrics

STORY = stories.STORIES / "v2-ancestor-tighter"
UNKNOWN = dict.fromkeys(("container_id", "uid", "namespace", "pod", "container"), "")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service on one process of a recorded machine, which is throttled a little."""
    with Service("--root", STORY, "--pid", 4242, "--fail-on", "info") as started:
        yield started.wait_for_report()


def test_metrics_in_the_format_that_is_asked_for(service: Service) -> None:
    """Plain text unless OpenMetrics ranks no lower; both say the same of the process."""
    text = service.fetch("/metrics")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parse_metrics(text.body)
    assert samples["cgtune_cpu_limit_cores"] == [({"pid": "4242", "command": "server", "workload": "/pod/app", **UNKNOWN}, 1.0)]
    assert samples["cgtune_go_processes"] == [({}, 0.0)]
    accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    openmetrics = service.fetch("/metrics", Accept=accept)
    assert openmetrics.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    parse: Any = text_string_to_metric_families
    families = {family.name: family for family in parse(openmetrics.body)}
    assert families["cgtune_cpu_limit_cores"].samples[0].value == 1.0
    assert families["cgtune_scans"].type == "counter"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=x",
        "text/plain,application/openmetrics-text;q=0.9",
        ";;,;q=,",
    ],
)
def test_plain_text_where_openmetrics_is_not_wanted(service: Service, accept: str) -> None:
    """Whatever the header holds."""
    assert service.fetch("/metrics", Accept=accept).headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_the_report_is_that_of_inspect(service: Service) -> None:
    """The same bytes that ``cgtune inspect --format json`` prints."""
    answer = service.fetch("/report")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == run("inspect", "--root", STORY, "--pid", 4242, "--format", "json").stdout


def test_check_answers_503_with_the_findings(service: Service) -> None:
    """What ``cgtune check`` would print, as a probe wants it."""
    answer = service.fetch("/check")
    assert answer.status == 503
    assert answer.body == run("check", "--root", STORY, "--pid", 4242, "--fail-on", "info").stdout
    with Service("--root", STORY, "--pid", 4242) as lenient:
        lenient.wait_for_report()
        assert lenient.fetch("/check")[::2] == (200, "clean\n")
    with Service("--root", STORY, "--pid", 4242, "--fail-on", "info", "--ignore", "cpu-throttled") as deaf:
        deaf.wait_for_report()
        assert deaf.fetch("/check")[::2] == (200, "clean\n")
        assert "cgtune_finding" not in deaf.metrics()


def test_probes_and_the_page(service: Service) -> None:
    """/healthz, /readyz, and a page that links to the rest."""
    assert service.fetch("/healthz")[::2] == (200, "alive\n")
    assert service.fetch("/readyz")[::2] == (200, "ready\n")
    page = service.fetch("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="/metrics"' in page.body


def test_other_paths_and_methods(service: Service) -> None:
    """404 for what is not there, 405 for what is there to be read only; HEAD is GET without the content."""
    assert service.fetch("/metrics/").status == 404
    assert service.fetch("/../../etc/passwd").status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        refused = service.fetch("/metrics", method=method)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    for path in ("/report", "/check", "/healthz", "/"):
        head, get = service.fetch(path, method="HEAD"), service.fetch(path)
        assert (head.status, head.body, head.headers["Content-Length"]) == (get.status, "", get.headers["Content-Length"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--listen", "nonsense"), 2, "is no HOST:PORT; examples: --listen 127.0.0.1:9464"),
        (("--listen", "127.0.0.1:65536"), 2, "is no HOST:PORT"),
        (("--listen", "::1:9464"), 2, "an IPv6 address stands in brackets; example: --listen [::1]:9464"),
        (("--listen", "name.invalid:9464"), 2, "--listen 'name.invalid:9464': "),
        (("--listen", "192.0.2.1:9464"), 3, "cannot listen on 192.0.2.1:9464: Cannot assign requested address; choose another"),
        (("--interval", "15"), 2, "is no duration with a unit; examples: --interval 15s"),
        (("--interval", "1ms"), 2, "is outside of 0.1 to 3600 seconds"),
        (("--interval", "-1s"), 2, "is no duration with a unit"),
        (("--root", "/no/such/folder"), 2, "name a folder that holds proc/ and sys/"),
        (("--root", "/usr/share"), 3, "does not exist"),
        (("--ignore", "gomaxprocs"), 2, "--ignore: no rule 'gomaxprocs'"),
        (("--fail-on", "never"), 2, "--fail-on"),
        (("--listen", "http://127.0.0.1:9464"), 2, "is no HOST:PORT"),
        (("--textfile", "/tmp/cgtune.txt"), 2, "the collector reads *.prom files only"),
        (("--textfile", "/no/such/folder/cgtune.prom"), 3, "there is no folder /no/such/folder; make it"),
        (("--textfile", "/tmp/cgtune.prom", "--listen", "127.0.0.1:0"), 2, "exclude each other"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(arguments: tuple[str, ...], code: int, says: str) -> None:
    """Exit code 2 for what cannot be meant, 3 for what cannot be had, and one line that says what to try."""
    done = run("serve", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1), done.stderr
    assert says in done.stderr


def test_a_port_that_is_taken() -> None:
    """One line with the address, exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--listen", address)
    assert done.returncode == 3
    assert (
        done.stderr == f"cgtune: cannot listen on {address}: Address already in use; choose another address with --listen 127.0.0.1:9465\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_time(number: signal.Signals) -> None:
    """Within 2 s, with exit code 0 and a word in the log."""
    with Service("--root", STORY, "--pid", 4242) as service:
        service.wait_for_report()
        assert service.stop(number) < 2
        assert [line["event"] for line in service.log[:1] + service.log[-1:]] == ["start", "stop"]


def test_a_signal_ends_it_with_slow_clients_and_in_the_middle_of_a_scan() -> None:
    """Half-sent requests, answers that nobody takes and a scan that goes on do not hold it up."""
    with Service("--interval", "100ms") as service:
        host, port = service.address.rsplit(":", 1)
        clients = [socket.create_connection((host, int(port))) for _ in range(20)]
        try:
            for client in clients[:10]:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            for client in clients[10:]:
                client.sendall(b"GET /report HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            service.wait_for(lambda: open_files(service.pid) >= len(clients))
            assert service.stop() < 2
        finally:
            for client in clients:
                client.close()


def test_a_signal_ends_it_though_nobody_takes_its_log() -> None:
    """A full pipe at the other end of stderr does not keep it alive."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    try:
        while True:
            writing.send(b"x" * 4096)
    except BlockingIOError:
        writing.setblocking(True)
    program = subprocess.Popen(
        [*PROGRAM, "serve", "--listen", "127.0.0.1:0"], stderr=writing.fileno(), stdout=subprocess.DEVNULL, env=uncounted()
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "sock_alloc_send" not in Path(f"/proc/{program.pid}/wchan").read_text():  # where the kernel has it wait for a reader
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with Stopwatch() as watch:
            program.terminate()
            assert program.wait(PATIENCE_SECONDS) == 0
        assert watch.seconds < 2
    finally:
        program.kill()
        program.wait()
        reading.close()
        writing.close()


def test_a_packed_recording_leaves_nothing_behind(tmp_path: Path) -> None:
    """What it was unpacked into is gone with the service."""
    packed, unpacked = tmp_path / "machine.tar.gz", tmp_path / "tmp"
    unpacked.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(STORY, arcname=".")
    with Service("--root", packed, TMPDIR=str(unpacked)) as service:
        assert list(unpacked.iterdir()) != []
        service.stop()
    assert list(unpacked.iterdir()) == []


def test_it_says_where_others_can_reach_it() -> None:
    """All addresses are a warning in the log, loopback is none; IPv6 and the environment's twins work."""
    with Service(listen="0.0.0.0:0") as service:
        service.wait_for(lambda: service.events("exposed"))
        assert service.events("exposed")[0]["level"] == "warning"
        assert service.address.startswith("0.0.0.0:")
    with Service(listen="0.0.0.0:0", KUBERNETES_SERVICE_HOST="10.0.0.1") as service:
        service.wait_for(lambda: service.events("exposed"))
        assert service.events("exposed")[0]["level"] == "info"  # a pod's address is there for Prometheus and the kubelet
    with Service(listen=None, CGTUNE_LISTEN="[::1]:0", CGTUNE_INTERVAL="1m", CGTUNE_ROOT=str(STORY), CGTUNE_PID="4242") as service:
        service.wait_for_report()
        assert service.address.startswith("[::1]:")
        assert service.events("start")[0]["message"].endswith(", looks every 60 s")
        assert service.metrics()["cgtune_cpu_limit_cores"][0][0]["pid"] == "4242"
        assert not service.events("exposed")


def test_the_log_for_people(tmp_path: Path) -> None:
    """One line of text an event."""
    program = subprocess.Popen(
        [
            str(ROOT / "scripts" / "cgtune"),
            "serve",
            "--root",
            str(STORY),
            "--pid",
            "4242",
            "--log-format",
            "text",
            "--textfile",
            str(tmp_path / "c.prom"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (tmp_path / "c.prom").exists() or "cgtune_cpu_limit_cores" not in (tmp_path / "c.prom").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        program.terminate()
        _, said = program.communicate(timeout=PATIENCE_SECONDS)
    lines = said.splitlines()
    assert " info     cgtune 0.1.0 writes " in lines[0]
    assert any(line.endswith(" info     4242 server came") for line in lines)
    assert any(" info     4242 server: info cpu-throttled, hurt earlier: throttled in 7.5 % of the periods" in line for line in lines)
    assert lines[-1].endswith(" info     stopped")


def test_a_file_for_the_node_exporter(tmp_path: Path) -> None:
    """Written whole after each scan, for all to read, without the age, which would stand still; removed at the end, and nothing is left."""
    path = tmp_path / "cgtune.prom"
    with Service("--root", STORY, "--pid", 4242, "--textfile", path, "--interval", "200ms", listen=None) as service:
        service.wait_for(lambda: "cgtune_cpu_limit_cores" in path.read_text())
        samples = parse_metrics(path.read_text())
        assert samples["cgtune_cpu_limit_cores"][0][1] == 1.0
        assert "cgtune_report_timestamp_seconds" in samples
        assert "cgtune_report_age_seconds" not in samples
        assert path.stat().st_mode & 0o777 == 0o644
        service.wait_for(lambda: parse_metrics(path.read_text())["cgtune_scans_total"][0][1] >= 3)
        assert service.stop() < 2
    assert list(tmp_path.iterdir()) == []


def test_a_textfile_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """One line, and what stands there, a link or a FIFO of somebody else's, stands there still."""
    link, fifo = tmp_path / "link.prom", tmp_path / "fifo.prom"
    link.symlink_to("/nowhere")
    os.mkfifo(fifo)
    for path, code, says in (
        (link, 2, "is a symbolic link, which is not followed; name a file"),
        (fifo, 2, "is a FIFO; name a file"),
        (Path("/proc/sys/cgtune.prom"), 3, "nothing was written"),
    ):
        done = run("serve", "--root", STORY, "--pid", 4242, "--textfile", path)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1), done.stderr
        assert says in done.stderr
    assert (link.is_symlink(), fifo.is_fifo()) == (True, True)


def test_looks_are_an_interval_apart() -> None:
    """However quick a scan is."""
    with Service("--root", STORY, "--pid", 4242, "--interval", "300ms") as service:
        service.wait_for_report()
        times = set[float]()
        while len(times) < 4:
            times.add(service.metrics()["cgtune_report_timestamp_seconds"][0][1])
        first, *_, last = sorted(times)
        assert (last - first) / 3 > 0.29


def test_an_earlier_services_file_is_not_left_until_the_first_report(tmp_path: Path) -> None:
    """What a service that was killed has left is replaced before the new one says that it has started."""
    path = tmp_path / "cgtune.prom"
    path.write_text("cgtune_finding 1\n")
    with Service("--root", STORY, "--pid", 4242, "--textfile", path, listen=None):
        assert "cgtune_finding 1\n" not in path.read_text()


def test_a_second_signal_changes_nothing() -> None:
    """Whoever asks again and again, to the last moment, gets exit code 0 as well."""
    with Service("--root", STORY, "--pid", 4242) as service:
        service.wait_for_report()
        service.process.send_signal(signal.SIGTERM)
        while service.process.poll() is None:
            service.process.send_signal(signal.SIGINT)
        assert service.process.returncode == 0


def test_a_vanished_target_is_counted_and_the_rest_goes_on() -> None:
    """A pid of --pid that ends, and later leaves the process table: a metric, one line in the log, 503 from /check."""
    stays, goes = subprocess.Popen(["sleep", "600"]), subprocess.Popen(["sleep", "600"])
    try:
        with Service("--pid", stays.pid, "--pid", goes.pid, "--interval", "200ms") as service:
            service.wait_for_report()
            service.wait_for(lambda: service.fetch("/check").status == 200)  # where this machine stood still, not at once
            assert service.metrics()["cgtune_missing_processes"] == [({}, 0.0)]
            goes.kill()  # and is a zombie for now
            service.wait_for(lambda: service.metrics()["cgtune_missing_processes"] == [({}, 1.0)])
            service.wait_for(lambda: service.events("process-gone"))
            goes.wait()
            scans = service.metrics()["cgtune_scans_total"][0][1]
            service.wait_for(lambda: service.metrics()["cgtune_scans_total"][0][1] >= scans + 2)
            assert [line["pid"] for line in service.events("process-gone")] == [goes.pid]
            assert {labels["pid"] for labels, _ in service.metrics()["cgtune_cpu_usable_cpus"]} == {str(stays.pid)}
            service.wait_for(lambda: service.fetch("/check")[::2] == (503, f"no report on process {goes.pid}\n"))
            service.wait_for(lambda: service.fetch("/readyz").status == 200)
            assert json.loads(service.fetch("/report").body)["processes"][0]["pid"] == stays.pid
    finally:
        for process in (stays, goes):
            process.kill()
            process.wait()


class _Log:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, object], int]] = []

    def say(self, event: str, message: str, fields: dict[str, object], *, level: int = logging.INFO) -> None:
        """Keep it."""
        self.said.append((event, message, fields, level))


def _found(report: Report) -> Found:
    """The outcome of a scan that had this report."""
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    verdict = judge_report(report, fail_on="info", ignored=frozenset())
    return Found(look=look, verdict=verdict, began_seconds=0.0, time_seconds=0.0, scan_seconds=0.1)


def test_changes_are_lines_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process and each finding of it are a line when they come and when they go, and beyond a number one line counts the rest."""
    finding = Finding(rule="cpu-throttled", severity="info", summary="often", evidence=(), advice=())
    (process,) = inspect([4242], root=str(STORY)).processes
    container = process.snapshot.container.replace(id="c0ffee")
    process = process.replace(snapshot=process.snapshot.replace(container=container), findings=(finding,))
    bad = inspect([4242], root=str(STORY)).replace(processes=(process,))
    good = bad.replace(processes=(process.replace(findings=()),))
    log = _Log()
    serve._say_changes(cast("Journal", log), None, _found(bad))
    serve._say_changes(cast("Journal", log), _found(bad), _found(good))
    assert [(event, fields["container_id"]) for event, _, fields, _ in log.said] == [
        ("process-came", "c0ffee"),
        ("finding-appeared", "c0ffee"),
        ("finding-ended", "c0ffee"),
    ]
    assert log.said[-1][1].endswith(": no longer cpu-throttled")
    monkeypatch.setattr(journal, "MOST_LINES", 1)
    log = _Log()
    serve._say_changes(cast("Journal", log), None, _found(bad))
    assert [(event, message) for event, message, _, _ in log.said][1:] == [("more", "and 1 more changes")]


@pytest.mark.parametrize(
    ("host", "environ", "where", "level"),
    [
        ("127.0.0.1", {}, None, None),
        ("::", {}, "all addresses of this machine", logging.WARNING),
        ("10.0.0.7", {}, "10.0.0.7:9464", logging.WARNING),
        ("10.0.0.7", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "10.0.0.7:9464", logging.INFO),
    ],
)
def test_who_can_reach_it_is_said(
    monkeypatch: pytest.MonkeyPatch, host: str, environ: dict[str, str], where: str | None, level: int | None
) -> None:
    """If others than this machine can, the log warns of it; in a pod it is as it should be, and no warning."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    log = _Log()
    serve._say_start(ServeOptions(), cast("Journal", log), cast("Listener", SimpleNamespace(host=host, port=9464)))
    assert [event for event, _, _, _ in log.said] == ["start", "exposed"][: 1 if where is None else 2]
    if where is not None:
        assert log.said[1][1].startswith(f"listening on {where}: whoever reaches it can read")
        assert log.said[1][3] == level
