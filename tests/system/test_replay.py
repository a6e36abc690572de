"""Each way of reading a host says in the replay what it said when it was recorded, an answer or a refusal."""

from __future__ import annotations

import contextlib
import errno
import http.server
import json
import os
import shutil
import subprocess
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cgtune.api import inspect
from cgtune.errors import CgtuneError, Malformed, Unreadable, UsageError
from cgtune.outputs.json import render_json
from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
from cgtune.system.replay import Recorded
from cgtune.system.root import Root
from cgtune.system.source import MARKER, Files, Source
from tests.support import stories

#: By the reading's name: what it asks of a source, how it is asked about a path, and the method of Root that a refusal comes from.
READINGS: dict[str, tuple[str, Callable[[Host, str], object], str]] = {
    "read_text": ("read", lambda host, path: host.read_text(path), "read_whole"),
    "read_bytes": ("read", lambda host, path: host.read_bytes(path), "read_whole"),
    "read_each": ("read", lambda host, path: [*host.read_each((path,))], "read_whole"),
    "read_kept": ("read", lambda host, path: host.read_kept(path), "read_whole"),
    "read_kept_link": ("link", lambda host, path: host.read_kept_link(path), "read_link"),
    "read_link": ("link", lambda host, path: host.read_link(path), "read_link"),
    "list_directory": ("list", lambda host, path: host.list_directory(path), "list_names"),
    "read_at": ("region", lambda host, path: host.read_at(path, 0, 16), "open_file"),
    "read_file_identity": ("file", lambda host, path: host.read_file_identity(path), "stat_file"),
    "read_identity": ("directory", lambda host, path: host.read_identity(path), "open_directory"),
    "read_known_identity": ("directory", lambda host, path: host.read_known_identity(path), "open_directory"),
    "require_device": ("directory", lambda host, path: host.require_device(path, _device("/proc")), "open_directory"),
    "locate_directory": ("search", lambda host, path: host.locate_directory(path, 1, (1, 1)), "list_names"),
    "locate_own_directory": ("own search", lambda host, path: host.locate_own_directory(path, 0), "read_whole"),
}

#: Public, and no reading of a file. A page has tests of its own. Folders are listed for searches, whose outcome is kept, and for a window,
#: which needs a live machine. What is held open spares a question of a live machine, and time is allowed there alone.
NO_READINGS = {
    "allow",
    "used_seconds",
    "close",
    "forget",
    "read_page",
    "read_metadata",
    "time_seconds",
    "clock_seconds",
    "wait",
    "list_folders",
    "hold",
    "is_held",
}

REFUSALS = ("EACCES", "EPERM", "ENOENT", "ENOTDIR", "ESRCH", "EIO", "ENODEV", "EOPNOTSUPP", "ELOOP", "EMFILE", "ESPIPE", "EFBIG")

#: What they are asked about: below /proc/PID, as a file, a folder with one name in it, one with none, a link into a file, and nothing.
PATHS = ("comm", "task", "empty", "exe", "none")


@pytest.fixture(params=["this machine", "a copy"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Returns (the root, the folder of a process below it)."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.read(1)  # it is what it will be: an execve in between would change its name
            if request.param == "this machine":
                yield "/", f"/proc/{process.pid}"
                return
            folder = tmp_path / f"machine/proc/{process.pid}"
            (folder / "task" / str(process.pid)).mkdir(parents=True)
            (folder / "empty").mkdir()
            (folder / "comm").write_text("cat\n")
            (folder / "exe").symlink_to("/usr/bin/cat")
            yield str(tmp_path / "machine"), f"/proc/{process.pid}"
        finally:
            process.kill()


def test_every_reading_is_tried() -> None:
    """A reading that is added to Host needs a row here, and so an answer in the replay."""
    public = {name for name, member in vars(Host).items() if callable(member) and not name.startswith("_")}
    assert public - NO_READINGS == set(READINGS)


@pytest.mark.parametrize("asks", sorted({asks for asks, _, _ in READINGS.values()}))
def test_a_refusal_is_the_same_in_the_replay(machine: tuple[str, str], tmp_path: Path, asks: str) -> None:
    """Each error that the kernel may give to one question, while all others have their answers: the same class, message and privilege."""
    root, folder = machine
    for name in REFUSALS:
        said, replayed = _record(root, folder, tmp_path / name, (asks, getattr(errno, name)))
        assert replayed == said, name


@pytest.mark.parametrize("form", ["out", "out.tar.gz"])
def test_an_answer_is_the_same_in_the_replay(machine: tuple[str, str], tmp_path: Path, form: str) -> None:
    """Of each reading, a folder whose names were read but nothing in it included."""
    root, folder = machine
    said, replayed = _record(root, folder, tmp_path / form)
    assert replayed == said
    assert ("value", [folder.rpartition("/")[2]]) in said.values()


def test_a_replay_can_be_recorded_again(machine: tuple[str, str], tmp_path: Path) -> None:
    """A recording of a recording says the same once more."""
    root, folder = machine
    said, _ = _record(root, folder, tmp_path / "once", ("list", errno.EACCES))
    again, replayed = _record(str(tmp_path / "once"), folder, tmp_path / "twice")
    assert (again, replayed) == (said, said)


def test_what_was_answered_last_holds(machine: tuple[str, str], tmp_path: Path) -> None:
    """A process that is looked at twice may open up meanwhile: a refusal that was not the last word is none in the replay."""
    root, folder = machine
    capture = Capture(open_source(root))
    with Host(source=capture) as host:
        for path in PATHS:
            for reading in READINGS:
                with _refusing(reading, f"{folder}/{path}", errno.EACCES):
                    _ask(host, reading, f"{folder}/{path}")
        said = _ask_all(host, folder)
        capture.replace_recording(str(tmp_path / "out"))
    with Host(str(tmp_path / "out")) as replay:
        assert _ask_all(replay, folder) == said


def test_what_is_read_beyond_a_report_refuses_nothing(machine: tuple[str, str], tmp_path: Path) -> None:
    """A process may end when its report is done: what was answered before is in the replay, and what is new is there or refused."""
    root, folder = machine
    capture = Capture(open_source(root))
    with Host(source=capture) as host:
        told = host.read_text(f"{folder}/{PATHS[0]}")

        def read() -> None:
            with _refusing("read_text", f"{folder}/{PATHS[0]}", errno.ESRCH):
                host.read_text(f"{folder}/{PATHS[0]}")

        capture.read_more(read)
        capture.replace_recording(str(tmp_path / "out"))
    with Host(str(tmp_path / "out")) as replay:
        assert replay.read_text(f"{folder}/{PATHS[0]}") == told


def test_of_a_search_the_outcome_is_kept(tmp_path: Path) -> None:
    """Not what was passed on the way: neither what was read there, nor who was refused, nor the names of other processes' folders."""
    machine, out = tmp_path / "machine", tmp_path / "out"
    for name, members in (("a", "1\n"), ("b", f"{os.getpid()}\n"), ("c", "2\n")):
        (machine / f"sys/{name}").mkdir(parents=True)
        (machine / f"sys/{name}/cgroup.procs").write_text(members)
    (machine / "proc/42").mkdir(parents=True)
    (machine / "proc/42/comm").write_text("sleep\n")
    capture = Capture(open_source(str(machine)))
    with Host(source=capture) as host:
        identity = host.read_identity("/sys/c")
        assert (host.locate_own_directory("/sys", 1), host.locate_directory("/sys", 1, identity)) == ("/sys/b", "/sys/c")
        assert (host.list_directory("/proc"), host.read_text("/proc/42/comm")) == (["42"], "sleep\n")
        capture.drop_others(frozenset())
        capture.replace_recording(str(out))
    assert [path.name for path in out.rglob("*")] == ["cgtune-snapshot.json"]
    marker = json.loads((out / "cgtune-snapshot.json").read_text())
    assert (set(marker["identities"]), marker["listings"], marker["unreadable"]) == ({"/sys/c"}, {}, {})
    with Host(str(out)) as replay:
        assert (replay.locate_own_directory("/sys", 1), replay.locate_directory("/sys", 1, identity)) == ("/sys/b", "/sys/c")
        assert replay.locate_directory("/sys", 2, identity) is None


@pytest.mark.parametrize("path", ["/sys/../x", "/sys/none/../x", "/sys/a\0b", "/\ud800", "/proc//x"])
def test_what_is_no_plain_path_is_none_in_the_replay(tmp_path: Path, path: str) -> None:
    """Whether the folders on the way were recorded or not."""
    capture = Capture(open_source("/"))
    with Host(source=capture) as host:
        said = {reading: _ask(host, reading, path) for reading in READINGS}
        capture.replace_recording(str(tmp_path / "out"))
    with Host(str(tmp_path / "out")) as replay:
        assert {reading: _ask(replay, reading, path) for reading in READINGS} == said


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The URL, with a secret in its query, of a real metrics page that tells more than what Go's runtime does."""
    page = b'# TYPE go_gc_gogc_percent gauge\ngo_gc_gogc_percent 100\norders_total{customer="lovelace"} 5\ngo_sched_gomaxprocs_threads 4\n'

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics?token=hunter2" else 403)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_words: object) -> None:
            """Nothing on standard error."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/metrics?token=hunter2"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("form", ["out", "out.tar.gz"])
def test_a_page_is_replayed_without_the_network(endpoint: str, tmp_path: Path, form: str) -> None:
    """The lines of Go's own metrics, by the URL with its secrets or without; once more from a recording of the recording."""
    root, outs = "/", [tmp_path / form, tmp_path / "again"]
    for out in outs:
        capture = Capture(open_source(root))
        with Host(source=capture) as host:
            host.read_page(endpoint)
            capture.replace_recording(str(out))
        root = str(out)
    for out in outs:
        with Host(str(out)) as replay:
            for url in (endpoint, endpoint.partition("?")[0]):
                assert replay.read_page(url) == "go_gc_gogc_percent 100\ngo_sched_gomaxprocs_threads 4\n"
    kept = b"".join(path.read_bytes() for path in outs[1].rglob("*") if path.is_file())
    assert b"hunter2" not in kept
    assert b"lovelace" not in kept


def test_a_page_that_was_not_recorded(tmp_path: Path, endpoint: str) -> None:
    """A recording never asks the network, whoever made it: one line, without what may be secret in the URL."""
    capture = Capture(open_source("/"))
    with Host(source=capture) as host:
        capture.replace_recording(str(tmp_path / "out"))
        with pytest.raises(UsageError, match="no http URL"):
            host.read_page("file:///etc/passwd")
    with Host(str(tmp_path / "out")) as replay:
        with pytest.raises(Unreadable, match=r"/metrics: this recording holds no such page; record it with .*--metrics-url \S+/metrics$"):
            replay.read_page(endpoint)
        with pytest.raises(UsageError, match="no http URL"):
            replay.read_page("file:///etc/passwd")


def test_a_damaged_recording_names_no_page_elsewhere(tmp_path: Path) -> None:
    """What a marker calls a page is looked for in the recording alone, and never through a link."""
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").write_text("go_gc_gogc_percent 1\n")
    (tmp_path / "out/link").symlink_to(tmp_path / "secret")
    for place in ("/../secret", "/link", "/none", "none", "/a\\u0000b"):
        (tmp_path / "out/cgtune-snapshot.json").write_text(f'{{"time_seconds": 1, "pages": {{"http://x/m": "{place}"}}}}')
        with Host(str(tmp_path / "out")) as replay, pytest.raises(Unreadable):
            replay.read_page("http://x/m")


@pytest.mark.parametrize("method", sorted(Source.__abstractmethods__))
def test_a_source_cannot_forget_a_method(method: str) -> None:
    """A source without one of them cannot be made, and each of the three has them all as its own: nothing is inherited silently."""
    forgetful = type("Forgetful", (Source,), {name: vars(Capture)[name] for name in Source.__abstractmethods__ - {method}})
    with pytest.raises(TypeError, match=method):
        forgetful(open_source("/").origin)
    for source in (Files, Recorded, Capture):
        assert method in vars(source)


def _record(root: str, folder: str, out: Path, refused: tuple[str, int] | None = None) -> tuple[dict[str, object], dict[str, object]]:
    """Returns (what every reading said of every path, what they say in the replay of the recording ``out``)."""
    capture = Capture(open_source(root))
    with Host(source=capture) as host:
        said = _ask_all(host, folder, refused)
        capture.replace_recording(str(out))
    with Host(str(out)) as replay:
        return said, _ask_all(replay, folder)


def _ask_all(host: Host, folder: str, refused: tuple[str, int] | None = None) -> dict[str, object]:
    answers = {}
    for name in PATHS:
        for reading in READINGS:
            path = f"{folder}/{name}"
            is_asked = refused is not None and READINGS[reading][0] == refused[0]
            with _refusing(reading, path, refused[1]) if refused is not None and is_asked else contextlib.nullcontext():
                answers[f"{reading} {name}"] = _ask(host, reading, path)
    return answers


def _ask(host: Host, reading: str, path: str) -> object:
    """("value", the answer), or the error as (class, message, privilege)."""
    try:
        return "value", READINGS[reading][1](host, path)
    except CgtuneError as error:
        return type(error), str(error), getattr(error, "privilege", None)


@contextlib.contextmanager
def _refusing(reading: str, path: str, number: int) -> Iterator[None]:
    """The kernel refuses this path, and what lies below it, with this error."""
    name = READINGS[reading][2]
    method = getattr(Root, name)

    def refuse(root: Root, asked: str, *arguments: object) -> object:
        if f"{asked}/".startswith(f"{path}/"):
            raise OSError(number, os.strerror(number))
        return method(root, asked, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Root, name, refuse)
        yield


def _device(path: str) -> str:
    number = os.stat(path).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def _recording(folder: Path, **facts: object) -> Path:
    """A recording made by hand: a process with a task, and whose memory is no pairs of numbers."""
    (folder / "proc/7/task").mkdir(parents=True)
    (folder / "proc/7/comm").write_text("server\n")
    (folder / "proc/7/mem.regions").write_text("nothing\n")
    (folder / "cgtune-snapshot.json").write_text(json.dumps({"time_seconds": 0, **facts}))
    return folder


def test_the_folders_of_a_recording(tmp_path: Path) -> None:
    """They are those of its files, or the refusal of the day."""
    with Host(source=open_source(str(_recording(tmp_path / "open")))) as host:
        assert host._source.list_folders("/proc/7") == ["task"]
    closed = _recording(tmp_path / "closed", unreadable={"list /proc/7": errno.EACCES})
    with Host(source=open_source(str(closed))) as host, pytest.raises(PermissionError):
        host._source.list_folders("/proc/7")


def test_a_recording_with_damaged_memory(tmp_path: Path) -> None:
    """The error names the file that is damaged."""
    with Host(str(_recording(tmp_path / "out"))) as host, pytest.raises(Malformed, match=r"^/proc/7/mem\.regions is damaged"):
        host.read_at("/proc/7/mem", 0, 16)


def test_a_recording_whose_memory_is_large(tmp_path: Path) -> None:
    """Of 20 MiB of regions that nobody asks for nothing is kept, and what is asked for is found behind them."""
    folder = _recording(tmp_path / "out")
    with (folder / "proc/7/mem.regions").open("wb") as regions:
        for number in range(20):
            regions.write(b"%x " % number + b"0" * (1 << 20) + b"\n")
        regions.write(b"ff 616263\n")
    with Host(str(folder)) as host:
        tracemalloc.start()
        found = host.read_at("/proc/7/mem", 255, 16), host.read_at("/proc/7/mem", 3, 2)
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found == (b"abc", bytes(2))
    assert most_bytes < 4 << 20


@pytest.mark.parametrize("name", ["v1-locked-file-pages", "v2-burst", "k8s-node-capacity", "node-agent-by-inode"])
def test_links_that_became_files_on_the_way(tmp_path: Path, name: str) -> None:
    """git on Windows and many archives keep a link as a file that holds its target: the report is the same."""
    story = stories.STORIES / name
    copy, pid = tmp_path / "copy", json.loads((story / "expected.json").read_text())["arguments"][1]
    shutil.copytree(story, copy, symlinks=True)
    links = [path for path in copy.rglob("*") if path.is_symlink()]
    for path in links:
        target = os.readlink(path)
        path.unlink()
        path.write_text(target)
    assert any(path.name == "exe" for path in links)
    assert render_json(inspect([int(pid)], root=str(copy))) == render_json(inspect([int(pid)], root=str(story)))


@pytest.mark.parametrize("content", [b"", b"/app\nserver", b"\x7fELF\0", b"x" * 5000])
def test_what_is_no_links_target(tmp_path: Path, content: bytes) -> None:
    """A file of anything else is no link, as it is on a machine."""
    (tmp_path / MARKER).write_text('{"time_seconds": 1}')
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/exe").write_bytes(content)
    with Host(str(tmp_path)) as host, pytest.raises(CgtuneError, match="exe"):
        host.read_link("/proc/7/exe")
