"""What each command says of one process, from the place where it runs: a user, a set of capabilities, a namespace, a container.

One Python loads cgtune there and forks for each command, so that a place costs little.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.support.command import ROOT, uncounted
from tests.support.needs import require

_PATIENCE_SECONDS = 60.0

# The system's own, which every user may start; that of .venv may lie in root's home.
_PYTHON = "/usr/bin/python3"
# sys.argv: "-c", where the imports are, then what answer takes.
_HERE = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from tests.support import vantage; vantage.answer(*sys.argv[1:])"

# By itself alone: what it says hangs on nothing but its input.
NEEDS_NOTHING: Mapping[str, tuple[str, ...]] = {
    "predict": ("predict", "--cpu-limit", "500m", "--memory-limit", "512Mi", "--go", "1.24", "--cpus", "8"),
    "lint": ("lint", "orders.yaml"),
    "explain": ("explain", "oom-killed"),
    "fleet": ("fleet", "--prometheus", "http://127.0.0.1:9"),
}


class Said(NamedTuple):
    """What one command left behind. Of serve: the status and the text of its /check, and its log."""

    code: int
    out: str
    err: str


def looker(pid: int, folder: str) -> tuple[str, ...]:
    """The words that start one where they run; ``folder`` has orders.yaml, and is where it makes its
    snapshot. It prints what parse_answers takes.
    """
    packages = [path for path in sys.path if path.endswith("-packages")]
    return (_PYTHON, "-I", "-B", "-c", _HERE, ":".join([str(ROOT), *packages]), str(pid), folder)


def require_looker() -> None:
    """A looker needs a Python that every user may start, of the version whose packages are here."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = os.path.realpath(_PYTHON)
    require(found.endswith(version), f"{_PYTHON} is no Python {version} as this one: apt-get install python3")


def look(through: Sequence[str], pid: int, folder: str) -> Mapping[str, Said]:
    """What every command says of that process; ``through`` are the words before a program that bring it to its place."""
    words = [*through, *looker(pid, folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, env=uncounted(), stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return parse_answers(done.stdout)


def parse_answers(text: str) -> Mapping[str, Said]:
    """What a looker printed."""
    return {name: Said(*row) for name, row in json.loads(text).items()}


def answer(pid: str, folder: str) -> None:
    """Ask every command here, and print what they say as JSON."""
    os.chdir(folder)
    made = f"recording-{os.getuid()}-{os.getpid()}"
    asked = {
        "inspect": ("inspect", "--pid", pid, "--format", "json"),
        "ps": ("ps",),
        "check": ("check", "--pid", pid),
        "env": ("env", "--pid", pid),
        "exec": ("exec", "--", "echo", "here"),
        "snapshot": ("snapshot", made, "--pid", pid),
        "replay": ("inspect", "--root", made, "--pid", pid, "--format", "json"),
        **NEEDS_NOTHING,
    }
    _load()
    answers = {name: _run(argv) for name, argv in asked.items()}
    answers["serve"] = _ask_service(pid)
    print(json.dumps(answers))


def _load() -> None:
    """Import what the forks need, for all of them at once."""
    import cgtune.commands.check
    import cgtune.commands.inspect
    import cgtune.service.serve  # noqa: F401

    with contextlib.redirect_stdout(open(os.devnull, "w")):
        from tests.support import inside

        inside.run("inspect", "--self", "--format", "json")


def _start(argv: Sequence[str]) -> tuple[int, int, int]:
    """The pid of a fork that becomes this command line, and what it writes to its two streams."""
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(to_out, 1)
        os.dup2(to_err, 2)
        os.closerange(3, 64)
        from cgtune.__main__ import main

        code = 70
        try:
            sys.argv = ["cgtune", *argv]
            code = main()
        except BaseException:  # noqa: BLE001  # what a user would see as a traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(to_out)
    os.close(to_err)
    return pid, out, err


def _read(streams: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """What comes of these, piece by piece, until all are closed."""
    waiting = list(streams)
    while waiting:
        ready = select.select(waiting, [], [], _PATIENCE_SECONDS)[0]
        assert ready, "nothing more is said"
        for stream in ready:
            piece = os.read(stream, 1 << 16)
            if not piece:
                waiting.remove(stream)
                os.close(stream)
            yield stream, piece


def _run(argv: Sequence[str]) -> Said:
    pid, *streams = _start(argv)
    texts = dict.fromkeys(streams, b"")
    for stream, piece in _read(streams):
        texts[stream] += piece
    return Said(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), *(text.decode() for text in texts.values()))


def _ask_service(target: str) -> Said:
    pid, out, err = _start(("serve", "--pid", target, "--listen", "127.0.0.1:0"))
    os.close(out)
    said = b""
    status, text = 0, ""
    for _, piece in _read((err,)):
        said += piece
        if not status and b'"listen"' in said and said.endswith(b"\n"):
            started = next(line for line in map(json.loads, said.splitlines()) if line["event"] == "start")
            status, text = _fetch_verdict(f"http://{started['listen']}/check")
            os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return Said(status, text, said.decode())


def _fetch_verdict(url: str) -> tuple[int, str]:
    """The status and the text once there is a report."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        status, text = _fetch(url)
        if "no report yet" not in text or time.monotonic() > deadline:
            return status, text
        time.sleep(0.02)


def _fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
