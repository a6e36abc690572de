"""Amazon ECS: which addresses are asked, what the answers say, and what becomes of an endpoint that fails."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune import api
from cgtune.errors import Malformed, Unanswered, Unreadable
from cgtune.machineview import MachineView
from cgtune.model import Note
from cgtune.platforms.ecs import Task, parse_task, require_address, with_task
from cgtune.snapshot import read_snapshot
from cgtune.system import metadata
from cgtune.system.host import Host
from cgtune.system.metadata import read_pages, redact_metadata
from tests.support import stories
from tests.support.serving import Stopwatch

_STORY = "ecs-task-hidden-limit"
_BASE = "http://169.254.170.2/v4/5c6f1d0a8b7e4f3d9a2b1c0d4e5f6a7b-0527074092"


@pytest.mark.parametrize(
    ("url", "own", "others"),
    [
        (_BASE, True, True),
        (_BASE + "/", True, True),
        ("http://169.254.170.2/v4/a", True, True),
        # Of one's own variable: a local stand-in, as ecs-local-endpoints of AWS is
        ("http://169.254.170.2:51679/v4/a", True, False),
        ("http://127.0.0.1:51679/v4/a", True, False),
        ("http://169.253.170.2/v4/a", False, False),
        ("http://169.254.169.254/latest/meta-data", True, False),
        # At that address lie the credentials of a task, too
        ("http://169.254.170.2/v2/credentials/1f0c8f2e-4a5b", True, False),
        ("http://169.254.170.2/v4", True, False),
        ("http://169.254.170.2//v4/a", True, False),
        # Nobody else is asked, whoever says so
        ("https://169.254.170.2/v4/a", False, False),
        ("file:///etc/passwd", False, False),
        ("http://10.0.0.1/v4/a", False, False),
        ("http://localhost/v4/a", False, False),
        ("http://169.254.170.2.example.com/v4/a", False, False),
        ("http://169.254.170.2@example.com/v4/a", False, False),
        ("http://example.com#@169.254.170.2/v4/a", False, False),
        ("http://169.254.1/v4/a", False, False),
        ("http://0251.0376.0252.02/v4/a", False, False),
        ("http://169.254.170.256/v4/a", False, False),
        ("http://[::1]/v4/a", False, False),
        ("http://169.254.170.2:0/v4/a", False, False),
        ("http://169.254.170.2:99999/v4/a", False, False),
        ("http://169.254.170.2/v4/../../a", False, False),
        ("http://169.254.170.2/v4/a?x", False, False),
        ("http://169.254.170.2/v4/a\r\nHost: x", False, False),
        ("http://169.254.170.2/v4/\N{LATIN SMALL LETTER E WITH ACUTE}", False, False),
        ("http://169.254.170.2", False, False),
        ("http://169.254.170.2/v4/" + "a" * 600, False, False),
        ("", False, False),
    ],
)
def test_which_addresses_are_asked(url: str, *, own: bool, others: bool) -> None:
    """Near ones alone; another process's variable may name the one that ECS documents, and no other."""
    assert (_is_allowed(url, is_own=True), _is_allowed(url, is_own=False)) == (own, others)


def _is_allowed(url: str, *, is_own: bool) -> bool:
    try:
        return require_address(url, is_own=is_own) == url.rstrip("/")
    except Unreadable:
        return False


@pytest.mark.parametrize(
    ("task", "container", "expected"),
    [
        ({"TaskARN": "arn:aws:ecs:eu-west-1:1:task/c/abc", "Limits": {"CPU": 0.25, "Memory": 512}}, {},
         Task(id="abc", cpus=0.25, memory_bytes=512 << 20)),
        ({"TaskARN": "task/abc"}, {"Limits": {"CPU": 10, "Memory": 128}},
         Task(id="abc", cpus=None, memory_bytes=None, container_units=10, container_bytes=128 << 20)),
        ({"TaskARN": "abc", "Limits": {"CPU": 4}}, {"Limits": {"CPU": 0, "Memory": 0}}, Task(id="abc", cpus=4, memory_bytes=None)),
        ({"TaskARN": "abc", "Limits": None, "Containers": "whatever"}, {"Limits": {}}, Task(id="abc", cpus=None, memory_bytes=None)),
    ],
)  # fmt: skip
def test_what_the_endpoint_says(task: object, container: object, expected: Task) -> None:
    """vCPUs and MiB of the task, which may have none; units and MiB of the container, 0 if it has none."""
    assert parse_task(json.dumps(task), json.dumps(container)) == expected


@pytest.mark.parametrize(
    "task",
    [
        *("", "[]", "1", "{", "nul", '{"TaskARN": 1}', '{"Limits": {"CPU": 1}}', '{"TaskARN": "a b"}', '{"TaskARN": "/"}'),
        *('{"TaskARN": "a", "Limits": 1}', '{"TaskARN": "a", "Limits": []}', '{"TaskARN": "a", "Limits": {"CPU": "1"}}'),
        *('{"TaskARN": "a", "Limits": {"CPU": -1}}', '{"TaskARN": "a", "Limits": {"CPU": true}}'),
        *('{"TaskARN": "a", "Limits": {"CPU": NaN}}', '{"TaskARN": "a", "Limits": {"CPU": 1e9}}'),
        *('{"TaskARN": "a", "Limits": {"Memory": 1e300}}', '{"TaskARN": "a", "Limits": {"Memory": Infinity}}'),
        *('{"TaskARN": "' + "a" * 200 + '"}', "[" * 100_000),
    ],
)
def test_what_is_no_answer_of_ecs(task: str) -> None:
    """Text that is no such answer, or numbers that no task can have, are refused."""
    with pytest.raises(Malformed):
        parse_task(task)


@given(st.text() | st.recursive(st.none() | st.floats() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(
    st.sampled_from(("TaskARN", "Limits", "CPU", "Memory")) | st.text(max_size=3), some)).map(json.dumps))  # fmt: skip
def test_any_text_is_a_task_or_malformed(text: str) -> None:
    """Nothing else comes of it, and what is kept of it in a recording gives the same."""
    assert _parsed(redact_metadata(text)) == _parsed(text)


def _parsed(text: str) -> Task | None:
    with contextlib.suppress(Malformed):
        return parse_task(text)
    return None


def test_a_recording_keeps_limits_and_no_names() -> None:
    """Images, labels and addresses are nobody's."""
    page = {"TaskARN": "arn:1/a", "Limits": {"CPU": 1, "Other": 2}, "LaunchType": "EC2", "Containers": [{"Image": "x"}], "Labels": {}}
    assert json.loads(redact_metadata(json.dumps(page))) == {"TaskARN": "arn:1/a", "Limits": {"CPU": 1}, "LaunchType": "EC2"}


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def _server(answer: Answer) -> Iterator[str]:
    """The URL of a server that answers each request so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *_words: Any) -> None:
            """Silence."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v4/a"
    finally:
        server.shutdown()
        server.server_close()


def _send(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    _drip_on(handler, b" ")


def _break_off(handler: http.server.BaseHTTPRequestHandler) -> None:
    _send(handler, 200, b"{}", length=50)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda handler: _send(handler, 404, b"{}"), "it answers 404"),
        (lambda handler: _send(handler, 302, b"", Location="http://127.0.0.1:1/"), "it answers 302"),
        (lambda handler: _send(handler, 200, b" " * ((1 << 20) + 1)), "more than 1048576 bytes"),
        (_break_off, "not all of them"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "nonsense"),
        (_drip, "no whole answer within 1 s"),
    ],
)
def test_an_endpoint_that_fails(answer: Answer, why: str) -> None:
    """No redirect is followed, no more than a second and a MiB are taken, and one line says why."""
    with _server(answer) as url, Stopwatch() as watch, pytest.raises((Unreadable, Unanswered), match=r"^[^\n]*$") as caught:
        read_pages((f"{url}/task", url))
    assert why in str(caught.value)
    assert watch.seconds < 2


def _drip_and_close(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    _drip_on(handler, b" ")


def _drip_continue(handler: http.server.BaseHTTPRequestHandler) -> None:
    _drip_on(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def _drip_on(handler: http.server.BaseHTTPRequestHandler, piece: bytes) -> None:
    for _ in range(200):
        handler.wfile.write(piece)
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [_drip, _drip_and_close, _drip_continue])
def test_nobody_goes_on_reading_what_came_too_late(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """A service asks at each look: no thread and no connection stays behind with a server that never comes to an end."""
    monkeypatch.setattr(metadata, "_WHOLE_SECONDS", 0.4)
    before = threading.active_count()
    with _server(answer) as url:
        with pytest.raises(Unanswered):
            read_pages((f"{url}/task", url))
        deadline = time.monotonic() + 3  # the servers above go on for ten seconds
        while threading.active_count() > before + 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() <= before + 1


def test_nobody_listens() -> None:
    """That is one line too."""
    with pytest.raises(Unanswered, match=r"http://127\.0\.0\.1:9/v4/a/task: Connection refused"):
        read_pages(("http://127.0.0.1:9/v4/a/task", "http://127.0.0.1:9/v4/a"))


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of proxies."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with _server(lambda handler: _send(handler, 200, handler.path.encode())) as url:
        assert read_pages((f"{url}/task", url)) == ("/v4/a/task", "/v4/a")


def _changed_story(folder: Path, page: str | None, *, environ: str | None = None) -> Path:
    """The story with another answer for its task, None: with none."""
    copy = folder / "story"
    shutil.copytree(stories.STORIES / _STORY, copy, symlinks=True)
    marker = json.loads((copy / "cgtune-snapshot.json").read_text())
    if page is None:
        del marker["pages"]
        (copy / "cgtune-snapshot.json").write_text(json.dumps(marker))
    else:
        (copy / "cgtune-page-1.txt").write_text(page)
    if environ is not None:
        (copy / "proc/1/environ").write_text(environ)
    return copy


@pytest.mark.parametrize(
    ("page", "environ", "why"),
    [
        (f"cgtune: not read: {_BASE}/task: Connection refused", None, f"{_BASE}/task: Connection refused"),
        ("nonsense", None, f"{_BASE}/task: it is no JSON"),
        (None, None, "this recording holds no such page"),
        (None, "ECS_CONTAINER_METADATA_URI_V4=http://example.com/v4/a\0", "names no address of ECS"),
        (None, "ECS_CONTAINER_METADATA_URI_V4=http://127.0.0.1:2375/v4/a\0", "names no address of ECS"),
    ],
)
def test_a_failure_costs_a_note(tmp_path: Path, page: str | None, environ: str | None, why: str) -> None:
    """The report is as without the variable, and one note says what is not known."""
    report = api.inspect([1], root=str(_changed_story(tmp_path, page, environ=environ)))
    [process] = report.processes
    assert (process.limits.cpu.limit_cores, process.limits.memory.limit_bytes) == (None, None)
    [note] = [note for note in process.notes if "task" in note.why]
    assert (note.path, note.kind) == ("/proc/1/environ", "hidden")
    assert why in note.why


def test_nothing_is_asked_where_all_cgroups_can_be_seen(tmp_path: Path) -> None:
    """On the machine itself the task's own cgroup is in the chain."""
    copy = _changed_story(tmp_path, None)
    (copy / "sys/fs/cgroup/cgroup.events").unlink()
    [process] = api.inspect([1], root=str(copy)).processes
    assert [platform.name for platform in process.snapshot.platforms] == ["Amazon ECS"]
    assert [note for note in process.notes if "task" in note.why] == []


@pytest.mark.parametrize(("above", "enforced"), [
    ("/system.slice", None),
    ("/ecstasks.slice/ecstasks-158d.slice", 0.5),
    ("/docker", None),
    ("/ecs/158d", 0.5),
    ("/../docker", 0.5),  # of a neighbour, from within a namespace: what lies above cannot be read
])  # fmt: skip
def test_an_agent_that_makes_no_cgroups_for_tasks(tmp_path: Path, above: str, enforced: float | None) -> None:
    """With ECS_ENABLE_TASK_CPU_MEM_LIMIT=false it says limits of tasks and ignores them: containers lie elsewhere, if that can be read."""
    copy = _changed_story(tmp_path, (stories.STORIES / _STORY / "cgtune-page-1.txt").read_text())
    own = f"{above}/docker-715dc8493c36579a5b116995100f635e3572fdf8703e708ef1a08d943b36774e.scope"
    (copy / "proc/1/cgroup").write_text(f"0::{own}\n")
    mounts = (copy / "proc/1/mountinfo").read_text()
    (copy / "proc/1/mountinfo").write_text(mounts.replace("0:26 / ", f"0:26 {own} "))
    [process] = api.inspect([1], root=str(copy)).processes
    assert process.limits.cpu.limit_cores == enforced
    [ecs] = process.snapshot.platforms
    assert [said.is_cap for said in ecs.said if said.of == "task"] == [enforced is not None] * 2
    assert ("ECS_ENABLE_TASK_CPU_MEM_LIMIT=false" in ecs.hides) == (enforced is None)


def test_below_a_folder_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of files may be anybody's: no request is made for it."""
    monkeypatch.setattr(metadata, "read_pages", lambda urls: pytest.fail(f"asked {urls}"))
    copy = _changed_story(tmp_path, None)
    (copy / "cgtune-snapshot.json").unlink()
    [process] = api.inspect([1], root=str(copy)).processes
    [note] = [note for note in process.notes if "task" in note.why]
    assert "nobody is asked" in note.why


def test_the_containers_of_a_task_share_its_memory() -> None:
    """Two levels of one task are one and the same limit, whichever container says so."""
    from cgtune.advice.memory import group_by_limit

    snapshot = stories.report(_STORY).processes[0].snapshot
    other = snapshot.replace(
        process=snapshot.process.replace(pid=2), memory_chain=(snapshot.memory_chain[-1].replace(directory="http://other"),)
    )
    go = tuple(one.replace(go=("some",)) for one in (snapshot, other))
    assert [mate.process.pid for mate in group_by_limit(go)["ECS task 158d1c8083dd49d6b527399fd6414f5c"]] == [1, 2]


def _sidecar(folder: Path, *, closed: bool, cgroup: str = "0::/\n") -> Path:
    """The story with a reader of its own beside it, who has the variable too; the program's environment may be closed to it."""
    copy = _changed_story(folder, (stories.STORIES / _STORY / "cgtune-page-1.txt").read_text())
    shutil.copytree(copy / "proc/1", copy / "proc/7", symlinks=True)
    (copy / "proc/7/stat").write_text((copy / "proc/1/stat").read_text().replace("1 (server)", "7 (cgtune)", 1))
    (copy / "proc/self").symlink_to("7")
    (copy / "proc/1/cgroup").write_text(cgroup)
    if closed:
        (copy / "proc/1/environ").unlink()
        marker = json.loads((copy / "cgtune-snapshot.json").read_text())
        (copy / "cgtune-snapshot.json").write_text(json.dumps(marker | {"unreadable": {"/proc/1/environ": 13}}))
    return copy


@pytest.mark.parametrize(("closed", "cgroup", "names"), [
    (False, "0::/../other\n", ["Amazon ECS"]),
    (True, "0::/\n", ["Amazon ECS"]),
    (True, "0::/../other\n", []),
])  # fmt: skip
def test_whose_variable_counts(tmp_path: Path, *, closed: bool, cgroup: str, names: list[str]) -> None:
    """That of the process looked at; the reader's own if that is closed, and both are in the very same cgroups."""
    report = api.inspect([1], root=str(_sidecar(tmp_path, closed=closed, cgroup=cgroup)))
    assert [platform.name for platform in report.processes[0].snapshot.platforms] == names


def test_a_service_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task's limits never change; what failed is asked again at the next look, and once in a look for all containers of a task."""
    asked: list[str] = []
    answers: list[object] = [Unreadable("down"), ('{"TaskARN": "a", "Limits": {"CPU": 2}}', "{}")]

    def read(_host: Host, urls: tuple[str, ...]) -> object:
        asked.append(urls[0])
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Host, "read_metadata", read)
    with Host(str(stories.STORIES / _STORY)) as host:
        view = MachineView(host)
        limits = []
        for _look in range(3):
            snapshots = [read_snapshot(view, 1) for _process in range(2)]
            limits.append([snapshot.cpu_chain[-1].said_by for snapshot in snapshots])
            view = MachineView(host, view)
    assert limits == [[None, None], ["Amazon ECS", "Amazon ECS"], ["Amazon ECS", "Amazon ECS"]]
    assert asked == [f"{_BASE}/task"] * 2


def test_an_address_that_failed_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten containers of a task whose endpoint is down cost one second, not ten."""
    asked: list[str] = []

    def read(_host: Host, urls: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(urls[0])
        raise Unanswered("down")

    monkeypatch.setattr(Host, "read_metadata", read)
    with Host(str(stories.STORIES / _STORY)) as host:
        view = MachineView(host)
        snapshot, notes = read_snapshot(view, 1), list[Note]()
        for number in range(10):
            with_task(view, snapshot, f"http://169.254.170.2/v4/{number}", notes)
    assert (len(asked), len(notes)) == (1, 10)


def test_a_wrong_variable_keeps_nobody_else_from_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that knows nothing of one address answers all others; of a hundred wrong ones no more than 16 are asked in a look."""
    asked: list[str] = []

    def read(_host: Host, urls: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(urls[0])
        if "wrong" in urls[0]:
            raise Unreadable("it answers 404")
        return '{"TaskARN": "a", "Limits": {"CPU": 2}}', "{}"

    monkeypatch.setattr(Host, "read_metadata", read)
    with Host(str(stories.STORIES / _STORY)) as host:
        view = MachineView(host)
        snapshot, notes = read_snapshot(view, 1), list[Note]()
        with_task(view, snapshot, "http://169.254.170.2/v4/wrong", notes)
        with_task(view, snapshot, "http://169.254.170.2/v4/right", notes)
        assert "http://169.254.170.2/v4/right/task" in asked
        for number in range(100):
            with_task(view, snapshot, f"http://169.254.170.2/v4/wrong/{number}", notes)
    assert (len(asked), len(notes)) == (18, 101)
