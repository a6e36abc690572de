"""``cgtune serve`` as its users start it: a program on a free port, whose log is read while it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.support.command import PROGRAM, environment

PATIENCE_SECONDS = 60.0  # two cores, and everybody tests at once; only a test that fails waits so long

Samples = dict[str, list[tuple[dict[str, str], float]]]  # those of a page by name, each with its labels and its value


class Stopwatch:
    """How long something takes, as a context manager, for promises of seconds: while this machine stands still, its hand does too.

    A thread moves it, by a tenth of a second at the most each time it comes to run.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        before = time.monotonic()
        is_over = False
        while not is_over:
            is_over = self._is_stopped.wait(0.02)
            now = time.monotonic()
            self.seconds += min(now - before, 0.1)
            before = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_stopped.set()
        self._thread.join()


class Answer(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    body: str


class Service:
    """A running service, as a context manager. ``log`` grows while it runs; ``address`` is where it listens, if it does."""

    def __init__(self, *arguments: object, listen: str | None = "127.0.0.1:0", wrapper: tuple[str, ...] = (), **environ: str) -> None:
        words = [*wrapper, *PROGRAM, "serve", *map(str, arguments), *(("--listen", listen) if listen is not None else ())]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment(**environ))
        self.pid = self.process.pid
        self.log: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.wait_for(lambda: self.events("start"), seconds=PATIENCE_SECONDS)
        self.address = str(self.events("start")[0].get("listen", ""))

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:  # an interpreter's own last words: a test has to see them, not the trouble of reading them
                self.log.append({"event": "no JSON", "line": line})

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The log lines of these kinds."""
        return [line for line in self.log if line["event"] in names]

    def wait_for(self, is_so: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> float:
        """Until it is so; fails after ``seconds``. Gives back how long that took."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < seconds, f"not so after {seconds} s; log: {self.log[-5:]}"
            assert self.process.poll() is None, f"ended with {self.process.returncode}; log: {self.log[-5:]}"
            time.sleep(0.02)
        return time.monotonic() - began

    def wait_for_report(self, *, seconds: float = PATIENCE_SECONDS) -> Self:
        """Until there is a first report."""
        self.wait_for(lambda: self.fetch("/report").status == 200, seconds=seconds)
        return self

    def fetch(self, path: str, *, method: str = "GET", seconds: float = PATIENCE_SECONDS, **headers: str) -> Answer:
        """One request on a connection of its own."""
        request = urllib.request.Request(f"http://{self.address}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def metrics(self) -> Samples:
        """What a scrape gets: by name, labels and value."""
        return parse_metrics(self.fetch("/metrics").body)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal; it must end with exit code 0. Gives back how long that took, by a Stopwatch."""
        with Stopwatch() as watch:
            self.process.send_signal(number)
            code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert code == 0, (code, self.log[-5:])
        assert self.process.stdout is not None
        assert self.process.stdout.read() == ""
        return watch.seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def parse_metrics(text: str) -> Samples:
    """The samples of a page or file by name."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def rss_bytes(pid: int) -> int:
    """What a process holds in memory now."""
    words = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")).split()
    return int(words[1]) << 10


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
