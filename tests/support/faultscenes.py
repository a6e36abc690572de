"""The scenes of ``everyfault``: each command, with what lies around it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import faults
from tests.support.command import PROGRAM, ROOT, environment
from tests.support.everyfault import Run, Scene

if TYPE_CHECKING:
    from tests.support.faultproxy import FaultProxy

_STORY = ROOT / "fixtures" / "cgroupfs" / "k8s-burstable-systemd"
_MANIFEST = ROOT / "fixtures" / "manifests" / "001-edge-router-ninety-percent.yaml"
_NAMED = ("--cpu-limit", "2.5", "--memory-limit", "512Mi")
_OLD = b"# what stood there\nGOMAXPROCS=99\n"


def _has_end(place: Path, path: str) -> bool:
    """Whether a file that tells the time is complete."""
    return (place / path).read_bytes().endswith(b"\n")


def _is_recording(place: Path, path: str) -> bool:
    """Whether OUT can be replayed; it may keep a refusal in place of what was read."""
    from cgtune.system.host import Host

    out = path.split("/")[0]
    with Host(str(place / out)) as host:
        return host.recorded_pids == (4242,)


class Engine:
    """A Prometheus with a small fleet, or without it one that knows of nothing, behind a proxy that gives each question one answer for ever.

    It lives in a process of its own, as a context manager.
    """

    def __init__(self, *, quick: bool) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            with contextlib.suppress(BaseException):
                os.close(reading)
                _serve_engine(writing, quick=quick)
            os._exit(0)
        os.close(writing)
        with open(reading) as file:
            self.url = file.readline().strip()

    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)


def _serve_engine(writing: int, *, quick: bool) -> None:
    from tests.support.faultproxy import FaultProxy, Reply, Request, vector

    kept: dict[tuple[str, str], Reply] = {}
    with contextlib.ExitStack() as stack:
        behind = None if quick else stack.enter_context(_fleet())

        def answer(request: Request) -> Reply:
            key = (request.path, request.form.get("query", ""))
            if key not in kept and behind is not None:
                kept[key] = behind.pass_on(request)
                kept[key].headers.pop("date", None)
                kept[key].headers.pop("Date", None)
            return kept.get(key) or Reply(content=vector([]))

        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        proxy = stack.enter_context(FaultProxy(lambda _: None, answer))
        os.write(writing, f"{proxy.url}\n".encode())
        os.close(writing)
        ended.wait()


@contextlib.contextmanager
def _fleet() -> Iterator[FaultProxy]:
    from tests.support.engines import prometheus
    from tests.support.faultproxy import FaultProxy
    from tests.support.fleetdata import fleet, gaps, machine, series_of

    end = (int(time.time()) + 240) // 60 * 60  # what stands still has samples near its end alone: soon all is asked, and kept
    begin = (end - 26 * 3600) // 3600 * 3600
    series = itertools.chain(itertools.chain.from_iterable(series_of(each, begin, end) for each in fleet(36)[::6]), gaps(begin, end), machine(begin, end))
    with tempfile.TemporaryDirectory() as folder, prometheus(series, Path(folder)) as engine:
        with FaultProxy(lambda _: None, engine.url.removeprefix("http://")) as proxy:
            yield proxy


_VOLATILE = re.compile(r"^(#|cgtune_(scan|process_cpu|report_age|oom_kills_remembered_since|start|self)|python_|process_)|_seconds(_total)? |_timestamp")


def _without_time(out: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?|\"(at|time|took)[a-z_]*\": [0-9.]+|[0-9.]+ m?s\\b", "T", out)


def _steady(page: str) -> str:
    """Of a page of metrics what does not change between two looks."""
    return "\n".join(line for line in page.splitlines() if not _VOLATILE.search(line))


def _scans(page: str) -> float:
    return float(next((line.split()[1] for line in page.splitlines() if line.startswith("cgtune_scans_total ")), "0"))


def _stop(run: Run) -> None:
    if not run.is_over():
        os.kill(run.pid, signal.SIGTERM)


def _drive_textfile(run: Run) -> str:
    """Until the file tells of three looks; then it is told to stop."""
    page, file = "", run.place / "cgtune.prom"
    end = time.monotonic() + 10
    while not run.is_over(0.02) and time.monotonic() < end and _scans(page) < 3:
        with contextlib.suppress(FileNotFoundError):
            page = file.read_text()
            assert page.endswith("# EOF\n") or page.endswith("\n"), page[-200:]
    _stop(run)
    return page


def _drive_http(port: int) -> Callable[[Run], str]:
    def fetch(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {error.read().decode()}"
        except (OSError, http.client.HTTPException):
            return ""

    def drive(run: Run) -> str:
        """Until its page tells of three looks: each other request may fail once."""
        page = ""
        end = time.monotonic() + 10
        while not run.is_over(0.02) and time.monotonic() < end and _scans(page) < 3:
            page = fetch("/metrics") or page
        health = fetch("/healthz") if not run.is_over() else ""
        health = health or (fetch("/healthz") if not run.is_over() else "")
        _stop(run)
        return page + health

    return drive


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scenes(*, quick: bool) -> Iterator[list[Scene]]:
    """All, or those that need neither a Go program nor an engine."""
    named = frozenset({2, 3})  # what was named and may not be read is the caller's affair
    story = ("--root", str(_STORY), "--pid", "4242")
    found = []
    for scene, command in (("check", ("check", *story)), ("env", ("env", *_NAMED, "--output", "app.env")), ("exec", ("exec", "--", "/bin/true"))):
        codes = named | {125, 126, 127}
        found.append(Scene(f"cold {scene}", command, codes=codes, flags=faults.LIBRARIES, sparse=True, is_cold=True))
    found += [Scene(f"inspect {format_}", ("inspect", *story, "--format", format_), codes=named) for format_ in ("json", "table", "brief")]
    found.append(Scene("ps", ("ps", "--root", str(_STORY)), codes=named))
    found += [Scene(f"check {format_}", ("check", *story, "--format", format_), codes=named) for format_ in ("text", "json", "sarif", "junit", "github", "nagios")]
    found.append(Scene("explain", ("explain", "cpu-throttled")))
    found += [Scene(f"env {dialect}", ("env", *_NAMED, "--dialect", dialect)) for dialect in ("sh", "env", "systemd")]
    found.append(Scene("env output new", ("env", *_NAMED, "--output", "app.env")))
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        found.append(Scene(f"env output{name}", ("env", *_NAMED, "--output", "app.env"), {"app.env": _OLD}, flags=flags))
    limits = {"limits/cpu-limit": b"2500m\n", "limits/memory-limit": b"512Mi\n"}
    found.append(Scene("env limits", ("env", "--limits", "limits", "--output", "app.env"), limits, codes=named))
    found.append(Scene("env pid", ("env", *story), codes=named))
    found.append(Scene("snapshot folder", ("snapshot", "out", *story), codes=named, is_whole=_is_recording))
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        found.append(Scene(f"snapshot packed{name}", ("snapshot", "out.tar.gz", *story), codes=named, is_whole=_is_recording, flags=flags))
    found.append(Scene("predict", ("predict", *_NAMED, "--cpus", "64")))
    manifests = {"deploy/a.yaml": _MANIFEST.read_bytes(), "deploy/b.yaml": _MANIFEST.read_bytes()}
    found += [Scene(f"lint {format_}", ("lint", "deploy", "--format", format_), manifests) for format_ in ("text", "json", "sarif")]
    found.append(Scene("lint stdin", ("lint", "-"), stdin=_MANIFEST.read_bytes()))
    found.append(Scene("lint fix", ("lint", "--fix", "deploy"), manifests))
    found.append(Scene("lint baseline", ("lint", "--write-baseline", "base.json", "deploy"), manifests))
    found.append(Scene("exec dry", ("exec", "--dry-run", "--root", str(_STORY), "--", "/bin/true"), codes=frozenset({125, 126, 127})))
    found.append(Scene("exec", ("exec", "--", "/bin/echo", "it runs"), codes=frozenset({125, 126, 127})))
    serve = ("serve", "--interval", "0.1s", "--least-age", "0s", "--root", str(_STORY), "--pid", "4242")
    found.append(Scene("serve textfile", (*serve, "--textfile", "cgtune.prom"), codes=named, said=_steady, sparse=True, drive=_drive_textfile))
    port = _free_port()
    found.append(Scene("serve http", (*serve, "--listen", f"127.0.0.1:{port}"), codes=named, said=_steady, sparse=True, drive=_drive_http(port)))
    with Engine(quick=quick) as url:
        fleet = ("fleet", "--prometheus", url, "--last", "1d")
        asked = {format_: (*fleet, "--format", format_) for format_ in ("table", "json")}
        asked |= {"doctor": (*fleet, "--doctor"), "patch": (*fleet, "--patch", "kustomize", "--output", "out")}
        for name, words in asked.items():
            files = {"out/README": b"ours"} if name == "patch" else {}
            scene = Scene(f"fleet {name}", words, files, codes=named, said=_without_time, is_whole=_has_end)
            found.append(scene)
            if not quick:
                with tempfile.TemporaryDirectory() as place:
                    Path(place, "out").mkdir()
                    subprocess.run([*PROGRAM, *words], cwd=place, env=environment(LD_PRELOAD=""), stdout=subprocess.DEVNULL, check=False)
        yield found
