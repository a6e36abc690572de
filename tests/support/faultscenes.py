"""The scenes of ``everyfault``: each command, with what lies around it."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgtune.outputs.envfile import DIALECTS
from tests.support import faults
from tests.support.command import PROGRAM, ROOT, environment
from tests.support.everyfault import Run, Scene

if TYPE_CHECKING:
    from tests.support.faultproxy import FaultProxy

_STORY = ROOT / "fixtures" / "cgroupfs" / "k8s-burstable-systemd"
_SEVERAL = ROOT / "fixtures" / "cgroupfs" / "v2-bench-swapped-out"
_MANIFEST = ROOT / "fixtures" / "manifests" / "012-unquoted-number.yaml"
_EXEC = ("exec", "--", "/bin/echo", "it runs")
_BESIDE = {
    ".gitignore": b"ignored.yaml\n",
    "ignored.yaml": _MANIFEST.read_bytes(),
    "compose.yaml": b"services: {web: {image: registry.example.com/web:1, mem_limit: 256m, env_file: web.env}}\n",
    "web.env": b"GOMEMLIMIT=256MiB\n",
    "etc/systemd/system/app.service": b"[Service]\nMemoryMax=512M\nEnvironmentFile=/etc/default/app\nExecStart=/usr/bin/app\n",
    "etc/systemd/system/app.service.d/cpu.conf": b"[Service]\nCPUQuota=0.5\n",
    "etc/default/app": b"GOMEMLIMIT=500Mi\n",
}
_LIMITS = ("--cpu-limit", "2.5", "--memory-limit", "512Mi")
_OLD = b"# what stood there\nGOMAXPROCS=99\n"


def _is_live_recording(place: Path, path: str) -> bool:
    """The same of a process that is gone since."""
    from cgtune.system.host import Host

    with Host(str(place / path.split("/", 1)[0])) as host:
        return host.recorded_pids is not None


def _settings(out: str) -> str:
    """Of a report on a process that lives on what stays the same."""
    report = json.loads(out) if out else {"processes": []}
    return str([(each["pid"], each["settings"], [finding["rule"] for finding in each["findings"]]) for each in report["processes"]])


def _without_pids(out: str) -> str:
    return re.sub(r"\d+", "N", out)


def _has_end(place: Path, path: str) -> bool:
    """Whether a file that tells the time is complete."""
    return (place / path).read_bytes().endswith(b"\n")


def _is_recording(place: Path, path: str) -> bool:
    """Whether OUT can be replayed; it may keep a refusal in place of what was read."""
    from cgtune.system.host import Host

    out = path.split("/", maxsplit=1)[0]
    with Host(str(place / out)) as host:
        return host.recorded_pids == (4242,)


class Engine:
    """A Prometheus with a small fleet, or one that knows of nothing, behind a proxy that gives each question one answer for ever.

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
    series = itertools.chain(
        itertools.chain.from_iterable(series_of(each, begin, end) for each in fleet(36)[::6]), gaps(begin, end), machine(begin, end)
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = stack.enter_context(prometheus(series, folder))
        yield stack.enter_context(FaultProxy(lambda _: None, engine.url.removeprefix("http://")))


_VOLATILE = re.compile(
    r"^(#|cgtune_(scan|process_cpu|report_age|oom_kills_remembered_since|start|self)|python_|process_)|_seconds(_total)? |_timestamp"
)


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
            assert page.endswith("\n"), page[-200:]
    _stop(run)
    return page


def _drive_http(port: int) -> Callable[[Run], str]:
    def fetch(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
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


#: What was named and may not be read is the caller's affair.
_NAMED_CODES = frozenset({2, 3})


@contextlib.contextmanager
def scenes(*, quick: bool) -> Iterator[list[Scene]]:
    """All; quick: without those that take a Prometheus, and with an engine that knows of nothing."""
    with Engine(quick=quick) as url:
        yield [*_cold(), *_looking(quick=quick), *_writing(), *_starting(), *_serving(), *_asking(url, quick=quick)]


def _story(name: str, *words: str, **more: Any) -> Scene:
    return Scene(name, (*words, "--root", str(_STORY), "--pid", "4242"), codes=_NAMED_CODES, **more)


def _packed() -> bytes:
    """A story as an archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        file.add(_SEVERAL, ".", filter=lambda entry: None if entry.name.endswith("expected.json") else entry)
    return archive.getvalue()


def _cold() -> Iterator[Scene]:
    writes = ("env", *_LIMITS, "--output", "app.env")
    for name, words, code in (("check", ("check", "--root", str(_SEVERAL)), 1), ("env", writes, 0), ("exec", _EXEC, 0)):
        codes = _NAMED_CODES | {125, 126, 127}
        yield Scene(f"cold {name}", words, code=code, codes=codes, flags=faults.LIBRARIES, sparse=True, is_cold=True)


def _looking(*, quick: bool) -> Iterator[Scene]:
    """What reads facts. The reading is the same for each format."""
    yield _story("inspect json", "inspect", "--format", "json")
    yield _story("inspect table", "inspect", sparse=True)
    yield _story("inspect brief", "inspect", "--brief", sparse=True)
    yield Scene("inspect go", ("inspect", "--root", str(_SEVERAL), "--format", "json"), shows="gomemlimit-exceeds-high", codes=_NAMED_CODES)
    yield Scene("ps", ("ps", "--root", str(_SEVERAL)), shows="1.27.3", codes=_NAMED_CODES)
    yield _story("check text", "check", code=1)
    for name in ("json", "sarif", "junit", "github", "nagios"):
        yield _story(f"check {name}", "check", "--format", name, code=1, sparse=True)
    yield _story("env pid", "env", sparse=True)
    yield Scene("explain", ("explain", "cpu-throttled"))
    yield Scene("predict", ("predict", *_LIMITS, "--cpus", "64"))
    yield Scene("policy", ("policy",))
    yield Scene("schema", ("schema",), flags=faults.LIBRARIES, sparse=True)
    yield Scene("schema report", ("schema", "report"), flags=faults.LIBRARIES, sparse=True)
    yield Scene("check packed", ("check", "--root", "of.tar.gz"), {"of.tar.gz": _packed()}, code=1, codes=_NAMED_CODES, sparse=True)
    yield _story("inspect otlp-json", "inspect", "--format", "otlp-json", sparse=True)
    if not quick:
        yield Scene("env self", ("env", "--self"))
        yield Scene("check self", ("check", "--self"))
        living = ("--pid", str(os.getpid()))
        yield Scene("snapshot living", ("snapshot", "out", *living), is_whole=_is_live_recording, said=_without_pids, sparse=True)
        yield Scene("inspect living", ("inspect", *living, "--format", "json"), said=_settings, sparse=True)


def _writing() -> Iterator[Scene]:
    for dialect in DIALECTS:
        yield Scene(f"env {dialect}", ("env", *_LIMITS, "--dialect", dialect))
        if dialect != "github":  # which is appended, and never written over
            yield Scene(f"env {dialect} output", ("env", *_LIMITS, "--dialect", dialect, "--output", "app.env"), sparse=True)
    yield Scene("policy output", ("policy", "--output", "policy.yaml"), {"policy.yaml": _OLD}, sparse=True)
    words = ("env", *_LIMITS, "--output", "app.env")
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        yield Scene(f"env output over an old one{name}", words, {"app.env": _OLD}, flags=flags)
        yield _story(f"snapshot packed{name}", "snapshot", "out.tar.gz", is_whole=_is_recording, flags=flags, sparse=True)
    limits = {"limits/cpu-limit": b"2500m\n", "limits/memory-limit": b"512Mi\n"}
    yield Scene("env limits", ("env", "--limits", "limits", "--output", "app.env"), limits, codes=_NAMED_CODES)
    yield _story("snapshot folder", "snapshot", "out", is_whole=_is_recording, sparse=True)
    manifests = {"deploy/a.yaml": _MANIFEST.read_bytes(), "deploy/b.yaml": _MANIFEST.read_bytes()}
    found = "2 files, 2 containers: 2 critical"
    yield Scene("lint text", ("lint", "deploy"), manifests, code=1, shows=found)
    for name in ("json", "sarif", "junit", "github", "gitlab"):
        yield Scene(f"lint {name}", ("lint", "deploy", "--format", name), manifests, code=1, shows=found, sparse=True)
    beside = {f"deploy/{name}": content for name, content in _BESIDE.items()}
    found = "3 files, 2 containers: 2 critical, 1 warning"
    yield Scene("lint beside", ("lint", "deploy", "--format", "json"), beside, code=1, shows=found)
    told = {
        "cgtune.toml": b'baseline = "base.json"\nignore = ["gomemlimit-unset"]\n',
        "base.json": b'{"schema": "cgtune/lint-baseline/v1", "findings": []}\n',
    }
    named = {**manifests, **told}
    yield Scene("lint configured", ("lint", "deploy"), named, code=1, shows="2 critical; --fix", codes=_NAMED_CODES, sparse=True)
    yield Scene("lint stdin", ("lint", "-"), stdin=_MANIFEST.read_bytes(), code=1)
    for name, flags in (("", 0), (" without O_TMPFILE", faults.NAMED)):
        fix, codes = ("lint", "--fix", "deploy"), frozenset({1, 3})  # 1: what is left is bad enough
        yield Scene(f"lint fix{name}", fix, manifests, codes=codes, shows="2 findings mended in 2 files", flags=flags)
    yield Scene("lint baseline", ("lint", "--write-baseline", "base.json", "deploy"), manifests, shows="4 findings written")


def _starting() -> Iterator[Scene]:
    codes = frozenset({125, 126, 127})
    yield Scene("exec dry", ("exec", "--dry-run", "--", "/bin/true"), codes=codes)
    yield Scene("exec", _EXEC, codes=codes)


def _serving() -> Iterator[Scene]:
    words = ("serve", "--interval", "0.1s", "--least-age", "0s")
    yield _story("serve textfile", *words, "--textfile", "cgtune.prom", said=_steady, sparse=True, drive=_drive_textfile)
    port = _free_port()
    yield _story("serve http", *words, "--listen", f"127.0.0.1:{port}", said=_steady, sparse=True, drive=_drive_http(port))


def _asking(url: str, *, quick: bool) -> Iterator[Scene]:
    """A fleet: what the engine says is kept from its first answer on, so each is asked once at once."""
    fleet = ("fleet", "--prometheus", url, "--last", "1d")
    asked: dict[str, tuple[str, ...]] = {name: (*fleet, "--format", name) for name in ("table", "json")}
    asked |= {"doctor": (*fleet, "--doctor"), "patch": (*fleet, "--patch", "kustomize", "--output", "out")}
    for words in asked.values() if not quick else ():
        with tempfile.TemporaryDirectory() as place:
            Path(place, "out").mkdir()
            given = environment(LD_PRELOAD="")
            subprocess.run([*PROGRAM, *words], cwd=place, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    for name, words in asked.items():
        files = {"out/README": b"ours"} if name == "patch" else {}
        code = 3 if quick and name != "doctor" else 0
        yield Scene(f"fleet {name}", words, files, code=code, codes=_NAMED_CODES, said=_without_time, is_whole=_has_end)
