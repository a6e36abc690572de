"""Real engines with the synthetic fleet in them: Debian's Prometheus and VictoriaMetrics on loopback, and what they answer as records."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cgtune.fleet.model import Answer, Query
from cgtune.fleet.pairs import is_pair, split
from cgtune.fleet.promjson import parse_vector
from tests.support.fleetdata import Series, import_lines, make_blocks
from tests.support.needs import require

_PATIENCE_SECONDS = 120


class Engine(NamedTuple):
    """One that answers."""

    url: str
    pid: int

    def ask(self, query: Query, second: int) -> Answer:
        """The answer at a moment; an error fails."""
        body = json.dumps(self.ask_raw(query.promql, second)).encode()
        return Answer(query=query, samples=parse_vector(io.BytesIO(body), is_range=query.is_range).samples)

    def ask_each(self, queries: Iterable[Query], second: int) -> list[Answer]:
        """All answers at a moment: two of a paired question."""
        answers = []
        for query in queries:
            if query.apart:
                pair = split(self.ask(query, second).samples)
                assert is_pair(*pair), query.promql
                answers += [Answer(query=each, samples=samples) for each, samples in zip(query.apart, pair, strict=True)]
            else:
                answers.append(self.ask(query, second))
        return answers

    def ask_raw(self, promql: str, second: int, **more: str) -> dict[str, Any]:
        """The whole body."""
        form = urllib.parse.urlencode({"query": promql, "time": str(second), "timeout": "600s", **more}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query", form, timeout=600) as response:
                body: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{promql}: {error.read().decode()[:500]}") from error
        assert body["status"] == "success", body
        return body


@contextlib.contextmanager
def prometheus(series: Iterable[Series], place: Path, *options: str, hours: int = 2) -> Iterator[Engine]:
    """A Prometheus that holds these series, in blocks of so many hours, beside what is in its place already."""
    require(shutil.which("prometheus"), "apt-get install --no-install-recommends prometheus")
    make_blocks(series, place, hours)
    (place / "prometheus.yaml").write_text("{}")
    port = _free_port()
    words = ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    if not any(option.startswith("--query.timeout") for option in options):
        words.append("--query.timeout=10m")
    if hours > 2:
        words.append(f"--storage.tsdb.max-block-duration={hours}h")
    # Long retention: what is made may be older than 15 days when it is read
    with _running([*words, "--storage.tsdb.retention.time=10y", *options], place, port, "/-/ready") as engine:
        yield engine


@contextlib.contextmanager
def victoria(series: Iterable[Series], place: Path, *options: str) -> Iterator[Engine]:
    """A VictoriaMetrics that holds these series."""
    program = shutil.which("victoria-metrics")
    require(program, "apt-get install --no-install-recommends victoria-metrics")
    port = _free_port()
    words = [str(program), "-storageDataPath=data", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=10y"]
    words += ["-memory.allowedBytes=512MB", "-search.disableCache", "-search.maxQueryDuration=10m", *options]
    with _running(words, place, port, "/health") as engine:
        batch: list[bytes] = []
        for line in import_lines(series):
            batch.append(line)
            if len(batch) == 200:
                _post(engine, batch)
                batch = []
        _post(engine, batch)
        urllib.request.urlopen(f"{engine.url}/internal/force_flush", timeout=60).close()
        yield engine


def _post(engine: Engine, batch: list[bytes]) -> None:
    urllib.request.urlopen(f"{engine.url}/api/v1/import", b"".join(batch), timeout=60).close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(words: list[str], place: Path, port: int, ready: str) -> Iterator[Engine]:
    with (place / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            engine, end = Engine(f"http://127.0.0.1:{port}", process.pid), time.monotonic() + _PATIENCE_SECONDS
            while not _is_ready(engine.url + ready):
                assert process.poll() is None, (place / "log").read_text()[-2000:]
                assert time.monotonic() < end, (place / "log").read_text()[-2000:]
                time.sleep(0.2)
            yield engine
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
