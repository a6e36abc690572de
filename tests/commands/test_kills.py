"""``--serve-url``: a service is asked over HTTP or by its file; what does not answer, or answers nonsense, is one line and exit code 3."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cgtune.model import Kills, Owner
from cgtune.outputs.kills import render_kills_json
from tests.support import inside, stories

STORY = stories.STORIES / "k8s-burstable-cgroupfs"
_ARGUMENTS = stories.read_expected(STORY.name)["arguments"]
CONTAINER = stories.read_expected(STORY.name)["report"]["processes"][0]["container"]


def kills(seconds: float) -> tuple[Kills, ...]:
    """Two kills in the story's container, the last of them at that time."""
    return (Kills(owner=Owner(of="container", name=CONTAINER["id"]), oom_kills=2, processes=1, last_seconds=seconds),)


def recent() -> float:
    """Three minutes before the story was recorded."""
    return 1795399920.0 - 180


@contextlib.contextmanager
def serving(body: bytes, *, status: int = 200) -> Iterator[str]:
    """The URL of a server that answers so, whatever is asked; the paths asked for end the test's own list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    asked.clear()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


asked: list[str] = []


def run(command: str, url: str, *more: str) -> inside.Done:
    """One look at the story."""
    pid = ("--pid",) * (command != "ps")
    return inside.run(command, "--root", STORY, *pid, _ARGUMENTS[1], "--serve-url", url, *more)


@pytest.mark.parametrize("end", ["", "/", "/kills"])
def test_the_successor_is_told(end: str) -> None:
    """inspect and check name the kill that no counter of the recording has."""
    body = render_kills_json(kills(recent()), version="0.1.0", since_seconds=0.0, forgotten=0).encode()
    with serving(body) as url:
        (process,) = json.loads(run("inspect", url + end, "--format", "json").stdout)["processes"]
        assert asked == ["/kills"]
        done = run("check", url + end)
    assert [entry["oom_kills"] for entry in process["remembered_kills"]] == [2]
    assert "oom-killed" in {finding["rule"] for finding in process["findings"]}
    assert done.returncode == 1
    assert f"cgtune serve remembers 2 in this container {CONTAINER['id'][:12]}, the last 3 min ago" in done.stdout


def test_a_file_is_as_good(tmp_path: Path) -> None:
    """What --textfile writes has counts and times."""
    file = tmp_path / "cgtune.prom"
    sample = f'cgtune_container_{{}}{{{{container_id="containerd://{CONTAINER["id"]}"}}}} {{}}\n'
    file.write_text(
        'cgtune_build_info{version="0.1.0"} 1.0\n'
        + sample.format("oom_kills_total", "2.0")
        + sample.format("last_oom_kill_timestamp_seconds", recent())
    )
    assert f"remembers 2 in this container {CONTAINER['id'][:12]}, the last 3 min ago" in run("check", str(file)).stdout


def test_an_old_kill_is_no_news() -> None:
    """What was before the last day is not put to the process, and not a finding."""
    body = render_kills_json(kills(recent() - 86_400), version="0.1.0", since_seconds=0.0, forgotten=0).encode()
    with serving(body) as url:
        (process,) = json.loads(run("inspect", url, "--format", "json").stdout)["processes"]
    assert process["remembered_kills"] == []
    assert "oom-killed" not in {finding["rule"] for finding in process["findings"]}


@pytest.mark.parametrize("command", ["inspect", "check", "ps"])
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>", 200, "it is no JSON; is it a cgtune serve of this version?"),
        (b"{}", 200, "it is not of the schema cgtune/kills/v1"),
        (b'{"schema": "cgtune/kills/v1", "kills": [{}]}', 200, "one of its kills has not the shape"),
        (b"not here", 404, "Not Found"),
    ],
)
def test_what_is_no_service_of_ours(command: str, body: bytes, status: int, words: str) -> None:
    """One line, exit code 3: nobody knows."""
    with serving(body, status=status) as url:
        done = run(command, url)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--serve-url http://127.0.0.1:" in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("127.0.0.1:9464", 2, "is no http URL and no *.prom file; examples: http://127.0.0.1:9464"),
        ("file:///etc/passwd", 2, "is no http URL"),
        ("", 2, "is no http URL"),
        ("http://127.0.0.1:1", 3, "Connection refused"),
        ("/nowhere/cgtune.prom", 3, "/nowhere/cgtune.prom does not exist"),
        ("a\0.prom", 2, "name the file that cgtune serve --textfile writes"),
    ],
)
def test_what_cannot_be_asked(url: str, code: int, words: str) -> None:
    """One line that says what to try."""
    done = run("check", url)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_a_file_that_blocks_or_is_another(tmp_path: Path) -> None:
    """A FIFO, a link and a file of other metrics: one line each, at once."""
    fifo, link, other = tmp_path / "fifo.prom", tmp_path / "link.prom", tmp_path / "other.prom"
    os.mkfifo(fifo)
    link.symlink_to(other)
    other.write_text("node_cpu_seconds_total 1\n")
    began = time.monotonic()
    for file, words in ((fifo, "is not a regular file"), (link, "is a symbolic link"), (other, "it holds no metrics of cgtune serve")):
        done = run("inspect", str(file))
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
        assert words in done.stderr
    assert time.monotonic() - began < 5
