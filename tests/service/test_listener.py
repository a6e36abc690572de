"""Slow, many and broken clients, over real sockets: the service answers others meanwhile, does not grow, and gets rid of them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import http.client
import io
import os
import resource
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import pytest
from waitress.channel import HTTPChannel

from cgtune.api import inspect
from cgtune.errors import Unavailable
from cgtune.outputs.packed import Packed, PackedFile
from cgtune.service import listener
from cgtune.service.board import Board, Found
from cgtune.service.follow import Look
from cgtune.service.web import App
from cgtune.verdict import judge_report
from tests.support import stories
from tests.support.serving import PATIENCE_SECONDS, Service, Stopwatch, open_files, rss_bytes

MIB = 1 << 20
HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service on a recorded machine: what it needs by itself does not change. Its log has to stay free of what clients do."""
    with Service("--root", stories.STORIES / "v2-ancestor-tighter", "--pid", 4242, "--interval", "1s") as started:
        started.wait_for_report()
        started.fetch("/report")
        started.fetch("/metrics")
        yield started
        assert {line["event"] for line in started.log} <= {"start", "process-came", "finding-appeared", "stop"}


@contextlib.contextmanager
def clients(service: Service, count: int) -> Iterator[list[socket.socket]]:
    """So many open connections."""
    host, port = service.address.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)) for _ in range(count)]


def converse(service: Service, *parts: bytes) -> bytes:
    """What comes back for these bytes, until the other side closes."""
    with clients(service, 1) as (client,):
        for part in parts:
            client.sendall(part)
        return drain(client)


def drain(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            received += chunk
    return received


def assert_answers(service: Service, seconds: float = 5.0) -> None:
    """Others are answered."""
    with Stopwatch() as watch:
        assert service.fetch("/healthz").status == 200
        assert service.fetch("/metrics").status == 200
    assert watch.seconds < seconds


def test_many_requests_at_once_get_the_first_answers(service: Service) -> None:
    """Of 100 requests sent without waiting eight are answered, and the connection is closed, which tells the client to ask again."""
    received = converse(service, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert received.count(b"alive\n") == 8
    assert received.count(b"Connection: close") == 1


@pytest.mark.slow
def test_two_hundred_connections_and_more(service: Service) -> None:
    """Silent connections take nobody's place: 200 fit, and of 400 the longest waiting ones make room."""
    files, rss = open_files(service.pid), rss_bytes(service.pid)
    with clients(service, 200):
        assert_answers(service)
        with clients(service, 200):
            assert_answers(service, seconds=20)
        assert rss_bytes(service.pid) - rss < 8 * MIB
    service.wait_for(lambda: open_files(service.pid) <= files + 2)


@contextlib.contextmanager
def reopened(service: Service, count: int) -> Iterator[list[int]]:
    """So many idle connections, each opened again as soon as it is closed; yields how often that was, as a list of one number."""
    host, port = service.address.rsplit(":", 1)
    stopped, opened = threading.Event(), [0]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 200), hard), hard))

    def hold() -> None:
        held: list[socket.socket] = []
        while not stopped.is_set():
            while len(held) < count and not stopped.is_set():
                try:
                    held.append(socket.create_connection((host, int(port)), timeout=0.2))
                except OSError:
                    break
                opened[0] += 1
                held[-1].setblocking(False)
            closed = [client for client in held if _is_closed(client)]
            for client in closed:
                client.close()
            held = [client for client in held if client.fileno() >= 0]
            time.sleep(0.01)
        for client in held:
            client.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield opened
    finally:
        stopped.set()
        thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_a_thousand_idle_connections_that_come_back(service: Service) -> None:
    """Whoever connects to ask takes the place of one that has waited longer: each of 40 scrapes and of 40 probes is answered."""
    rss = rss_bytes(service.pid)
    with reopened(service, 1000) as opened:
        service.wait_for(lambda: opened[0] > 1000)
        for _ in range(40):
            assert_answers(service)
            time.sleep(0.05)
        assert opened[0] > 1000
        assert open_files(service.pid) < 300
    assert rss_bytes(service.pid) - rss < 8 * MIB
    service.wait_for(lambda: open_files(service.pid) < 40)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        pytest.param((b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"X-Big: " + b"y" * (1 << 20)), b"431", id="a header of a megabyte"),
        pytest.param((b"GET /metrics HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)),), b"431", id="5000 headers"),
        pytest.param((b"GET /" + b"m" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",), b"431", id="a path of 100 kB"),
        pytest.param((b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"y" * 65536), b"413", id="a huge body"),
        pytest.param((b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",), b"400", id="a length below zero"),
        pytest.param(
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",), b"400", id="two lengths"
        ),
        pytest.param((b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",), b"400", id="a broken chunk"),
        pytest.param((b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n",), b"400", id="a blank in a header's name"),
        pytest.param((bytes(range(256)) * 100,), b"4", id="every byte there is"),
        pytest.param((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500 + b"\r\n\r\n",), b"400", id="TLS"),
        pytest.param((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), b"4", id="HTTP/2"),
        pytest.param((b"GET http://elsewhere/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",), b"200", id="an absolute address"),
    ],
)
def test_broken_and_oversized_requests(service: Service, parts: tuple[bytes, ...], status: bytes) -> None:
    """Each is refused in its own response, or with a closed connection; the service goes on and stays as it is."""
    rss = rss_bytes(service.pid)
    try:
        received = converse(service, *parts)
    except (ConnectionResetError, BrokenPipeError):
        received = b""  # refused and closed while we were still sending
    assert not received or received.startswith((b"HTTP/1.0 " + status, b"HTTP/1.1 " + status)), received[:200]
    assert b"Traceback" not in received
    assert_answers(service)
    assert rss_bytes(service.pid) - rss < 4 * MIB


def test_head_has_no_content(service: Service) -> None:
    """On the wire: the headers, the length that GET would have, and no byte more."""
    received = converse(service, b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"\r\nContent-Length: 6\r\n" in received
    assert received.endswith(b"\r\n\r\n")


class _Clock:
    """Stands in for ``time`` in the listener: it goes when the test moves it."""

    def __init__(self) -> None:
        self._now, self._asked = 0.0, 0

    def monotonic(self) -> float:
        self._asked += 1
        return self._now

    def move(self, seconds: float) -> None:
        """Later by so much; the listener has looked at all its connections since."""
        self._now += seconds
        asked, deadline = self._asked, time.monotonic() + PATIENCE_SECONDS
        while self._asked < asked + 2:
            assert time.monotonic() < deadline
            time.sleep(0.005)


class _Ear:
    """A listener in this process, as a context manager: it looks at its connections whenever the test moves the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, app: Callable[..., Iterable[bytes]]) -> None:
        self.clock = _Clock()
        monkeypatch.setattr(listener, "time", self.clock)
        monkeypatch.setattr(listener, "_LEAST_SECONDS", 0.02)
        self._listener = listener.Listener(listener.open_socket("127.0.0.1:0"), app)
        self.place = (self._listener.host, self._listener.port)
        self._thread = threading.Thread(target=self._listener.run)

    def channels(self) -> list[Any]:
        """The connections that it holds."""
        return list(self._listener._server.active_channels.values())

    def wait_for(self, is_so: Callable[[list[Any]], bool]) -> None:
        """Until it is so with its connections."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so(self.channels()):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.stop()
        self._thread.join()


def test_the_longest_waiting_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """If all connections are taken, those that have asked for nothing for the longest time go, and whoever asked meanwhile stays."""
    monkeypatch.setattr(listener, "_CONNECTIONS", 16)
    with _Ear(monkeypatch, _hello) as ear, contextlib.ExitStack() as stack:

        def connect() -> socket.socket:
            count = len(ear.channels())
            client = stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))
            ear.wait_for(lambda channels: len(channels) != count)
            ear.clock.move(0.1)
            return client

        first = [connect() for _ in range(16)]
        _ask(first[0])
        ear.wait_for(lambda channels: not any(channel.requests for channel in channels))
        last = connect()
        assert len(ear.channels()) == 15
        for client in first:
            client.setblocking(False)
        assert [_is_closed(client) for client in first] == [False, True, True, *[False] * 13]
        _ask(last)


def test_those_that_wait_are_taken_by_the_dozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred find a place though nobody takes them yet: else a client tries again after a second. Of 16 that there is room for four
    are taken before the others are looked at.
    """
    monkeypatch.setattr(listener, "_CONNECTIONS", 16)
    ear = _Ear(monkeypatch, _hello)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(ear.place, timeout=0.9))
        ear._listener._server.handle_accept()
        assert len(ear.channels()) == 4
        with ear:
            _ask(stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS)))


def test_of_a_long_page_only_as_much_is_unpacked_as_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes nothing of 8 MiB costs the unpacking of what the kernel holds for him, and 128 KiB more."""
    asked = list[int]()

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(8 << 20 if size is None or size < 0 else size)
            return super().read(size)

    def answer(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(8 << 20))])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](Counted(bytes(8 << 20)))
        return wrapped

    with _Ear(monkeypatch, answer) as ear, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(ear.place)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        ear.wait_for(lambda channels: any(channel.total_outbufs_len for channel in channels))
        assert max(asked) <= 128 << 10


def test_whoever_is_being_answered_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long he has waited: his answer is on its way."""
    monkeypatch.setattr(listener, "_CONNECTIONS", 4)
    answered = threading.Event()

    def wait(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        answered.wait(PATIENCE_SECONDS)
        return _hello(environ, start_response)

    with _Ear(monkeypatch, wait) as ear, contextlib.ExitStack() as stack:
        asks = stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))
        asks.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        ear.wait_for(lambda channels: any(channel.requests for channel in channels))
        ear.clock.move(0.1)
        for count in (2, 3, 4, 4, 4):
            stack.enter_context(socket.create_connection(ear.place))
            ear.clock.move(0.1)
            ear.wait_for(lambda channels, count=count: len(channels) == count)  # type: ignore[misc]
        answered.set()
        assert drain_some(asks).endswith(b"hello")


def drain_some(client: socket.socket) -> bytes:
    """One answer of hello."""
    received = b""
    while not received.endswith(b"hello") and (chunk := client.recv(4096)):
        received += chunk
    return received


def test_without_descriptors_others_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """EMFILE at accept: a connection that waits makes room, and the next is accepted; with none to close it does not spin."""
    with _Ear(monkeypatch, _hello) as ear, contextlib.ExitStack() as stack:
        accept, refused, slept = ear._listener._accept, [errno.EMFILE] * 2, list[float]()
        monkeypatch.setattr(ear.clock, "sleep", slept.append, raising=False)

        def accept_some() -> Any:
            if refused:
                raise OSError(refused.pop(), "Too many open files")
            return accept()

        monkeypatch.setattr(ear._listener, "_accept", accept_some)
        _ask(stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS)))
        assert slept == [0.05] * 2
        ear.wait_for(lambda channels: not any(channel.requests for channel in channels))
        refused.append(errno.EMFILE)
        second = stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))
        _ask(second)
        assert len(ear.channels()) == 1
        assert slept == [0.05] * 2


def test_a_connection_that_fails_at_once_costs_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """getsockopt(2) has no memory for a new connection: that one is closed. The socket that listens is not, and says nothing of it."""
    real, failed = HTTPChannel.__init__, list[int]()

    def begin(*arguments: Any, **options: Any) -> None:
        if not failed:
            failed.append(1)
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        real(*arguments, **options)

    monkeypatch.setattr(HTTPChannel, "__init__", begin)
    with _Ear(monkeypatch, _hello) as ear, contextlib.ExitStack() as stack:
        assert drain(stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))) == b""
        assert failed == [1]
        _ask(stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS)))


def test_a_resolver_that_fails_is_no_fault_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is bound, and waitress still asks the resolver for an address that it does not use: one line."""
    bound = listener.open_socket("127.0.0.1:0")

    def fail(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure")

    with bound, monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(Unavailable, match="cannot listen: the resolver fails; try again"):
            listener.Listener(bound, _hello)


def test_too_few_descriptors_for_a_listener_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waitress had half made does not say anything of its own when it goes."""
    said: list[object] = []

    def fail(_file: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with listener.open_socket("127.0.0.1:0") as bound, monkeypatch.context() as patched:
        patched.setattr(sys, "unraisablehook", said.append)
        patched.setattr(os, "dup", fail)
        with pytest.raises(OSError, match="Too many open files"):
            listener.Listener(bound, _hello)
        gc.collect()
    assert said == []


def test_who_says_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent connection is closed after 75 s and not before, one that asks now and then is kept."""
    with (
        _Ear(monkeypatch, _hello) as ear,
        socket.create_connection(ear.place) as silent,
        socket.create_connection(ear.place, timeout=PATIENCE_SECONDS) as asks,
    ):
        silent.setblocking(False)
        for _ in range(7):
            _ask(asks)
            ear.clock.move(10)
        assert not _is_closed(silent)
        for _ in range(7):
            _ask(asks)
            ear.clock.move(10)
        _ask(asks)
        silent.settimeout(PATIENCE_SECONDS)
        assert silent.recv(1) == b""


def test_clients_that_never_finish_their_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps nobody: others are answered meanwhile, and each of the slow ones is shown out after ten seconds."""
    with _Ear(monkeypatch, _hello) as ear, contextlib.ExitStack() as stack:
        asks = stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))
        slow = [stack.enter_context(socket.create_connection(ear.place)) for _ in range(100)]
        for client in slow:
            client.sendall(HALF_A_REQUEST)
            client.setblocking(False)
        ear.wait_for(lambda channels: sum(channel.request is not None for channel in channels) == 100)
        ear.clock.move(1)  # it has seen them
        for _ in range(3):
            ear.clock.move(3)
            for client in slow:
                client.sendall(b"x")
            _ask(asks)
        assert len(ear.channels()) == 101
        assert not any(_is_closed(client) for client in slow)
        ear.clock.move(1)
        _ask(asks)
        assert len(ear.channels()) == 1
        for client in slow:
            client.settimeout(PATIENCE_SECONDS)
            assert _is_closed(client)


def test_clients_that_never_take_their_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much they ask for, it is kept once for all of them, others are answered, and each is shown out after ten seconds."""
    report = inspect([4242], root=str(stories.STORIES / "v2-ancestor-tighter"))
    report = report.replace(processes=report.processes * 150)
    board = Board(1e9)
    look = Look(report=report, unreadable=0, left_out=0, missing=(), troubles={})
    verdict = judge_report(report, fail_on="critical", ignored=frozenset())
    board.pin(Found(look=look, verdict=verdict, began_seconds=0.0, time_seconds=0.0, scan_seconds=0.1))
    with _Ear(monkeypatch, App(board)) as ear, contextlib.ExitStack() as stack:
        asks = http.client.HTTPConnection(*ear.place, timeout=PATIENCE_SECONDS)
        stack.callback(asks.close)

        def assert_answers() -> int:
            size = 0
            for path in ("/healthz", "/metrics", "/report"):
                asks.request("GET", path)
                with asks.getresponse() as response:
                    assert response.status == 200
                    size = len(response.read())
            return size

        assert assert_answers() > 300_000  # and what answers are made with is loaded
        rss = rss_bytes(os.getpid())
        deaf = [stack.enter_context(_deaf_client(ear.place)) for _ in range(60)]
        for client in deaf:
            client.sendall(b"GET /report HTTP/1.1\r\nHost: x\r\n\r\n" * 250)
        ear.wait_for(lambda channels: sum(channel.total_outbufs_len > 0 for channel in channels) == 60)
        ear.clock.move(1)  # it has seen them
        for _ in range(3):
            ear.clock.move(3)
            assert_answers()
        assert len(ear.channels()) == 61
        assert rss_bytes(os.getpid()) - rss < 16 * MIB  # 8 to 9 for requests that wait; a copy for each would be 150 MB and more
        ear.clock.move(1)
        assert_answers()
        assert len(ear.channels()) == 1


def test_who_takes_nothing_costs_the_kernel_and_the_others_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 MiB for each request little is unpacked, and little waits in the kernel: left to itself that keeps megabytes of each."""
    page, unpacked = Packed((b"0123456789abcdef" * (MIB // 4),)), [0]
    read = page.read

    def count(start: int, size: int) -> bytes:
        data = read(start, size)
        unpacked[0] += len(data)
        return data

    monkeypatch.setattr(page, "read", count)

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Any:
        start_response("200 OK", [("Content-Length", str(len(page)))])
        return environ["wsgi.file_wrapper"](PackedFile(page))

    with _Ear(monkeypatch, app) as ear, contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(socket.create_connection(ear.place, timeout=PATIENCE_SECONDS))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
        ear.wait_for(lambda channels: sum(channel.total_outbufs_len > 24 * MIB for channel in channels) == 10)
        waiting = [struct.unpack("i", fcntl.ioctl(channel.socket, termios.TIOCOUTQ, bytes(4)))[0] for channel in ear.channels()]
        assert max(waiting) < MIB // 4  # 128 KiB; 3.9 MiB each otherwise
        assert unpacked[0] < 10 * 4 * MIB  # 11 MiB; 565 otherwise


def _deaf_client(place: tuple[str, int]) -> socket.socket:
    """A connection with little room for what it is sent, which it never takes."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE_SECONDS)
    client.connect(place)
    return client


def _hello(_environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def _ask(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert drain_some(client).endswith(b"hello"), "it was shown out"


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_an_oversized_header_is_told_so(service: Service) -> None:
    """Just above the 16 KiB the answer does arrive."""
    assert converse(service, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Big: " + b"y" * (17 << 10) + b"\r\n\r\n").startswith(b"HTTP/1.0 431 ")


def test_a_half_closed_connection_gets_its_answer(service: Service) -> None:
    """Whoever has said all and closes his side, as `nc -N` does, is answered."""
    with clients(service, 1) as (client,):
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert drain(client).endswith(b"\r\n\r\nalive\n")


def test_a_connection_is_kept_for_the_next_scrape(service: Service) -> None:
    """Several requests on one connection, and several sent at once, are answered in order."""
    with clients(service, 1) as (client,):
        for path, end in (("/healthz", ""), ("/", ""), ("/nope", "Connection: close\r\n")):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{end}\r\n".encode())
        received = drain(client)
    assert [received.index(body) for body in (b"alive\n", b"<!doctype html>", b"not here")] == sorted(
        received.index(body) for body in (b"alive\n", b"<!doctype html>", b"not here")
    )


def test_it_is_as_it_was(service: Service) -> None:
    """After all of the above: no file more than a new one has, and memory within the budget."""
    service.wait_for(lambda: open_files(service.pid) < 40)
    assert rss_bytes(service.pid) < 45 * MIB
    assert service.stop() < 2


def test_an_address_of_one_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fe80::1%lo the interface is asked for too: the kernel binds no link-local address without one."""
    asked: list[Any] = []
    monkeypatch.setattr(socket, "create_server", lambda place, **_: asked.append(place))
    listener.open_socket("[fe80::1%lo]:9464")
    assert asked == [("fe80::1", 9464, 0, socket.if_nametoindex("lo"))]


def test_every_address() -> None:
    """Without a host it is every address; if one of them is taken, the line names the port and another to try."""
    with listener.open_socket(":0") as bound:
        port = bound.getsockname()[1]
        assert bound.getsockname()[0] in ("::", "0.0.0.0")  # compared, not bound
        with pytest.raises(Unavailable, match=rf"^cannot listen on :{port}: Address already in use; choose another address"):
            listener.open_socket(f":{port}")


def test_a_poll_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memory for a moment the listener waits a moment: it goes on, and answers."""
    from waitress import wasyncore

    real, failed = wasyncore.loop, list[int]()

    def loop(*arguments: Any, **options: Any) -> None:
        if not failed:
            failed.append(1)
            raise OSError(12, "Cannot allocate memory")
        answering.stop()
        real(*arguments, **options)

    answering = listener.Listener(listener.open_socket("127.0.0.1:0"), lambda *_: [b""])
    monkeypatch.setattr(wasyncore, "loop", loop)
    answering.run()
    assert failed == [1]
