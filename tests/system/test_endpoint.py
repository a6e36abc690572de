"""A program's own page over HTTP: what is sent, and that no message repeats what is secret in its URL."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from cgtune.errors import CgtuneError, Unreadable, UsageError
from cgtune.system.endpoint import read_page, redact_url
from cgtune.system.host import Host

_SECRETS = ("hunter2", "lovelace")


class Server:
    """A real server on two ports: the second sends whoever asks on to the first. ``asked`` are path and Authorization of each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["Authorization"]))
                moved = self.server is outer.servers[1]
                self.send_response(302 if moved else 200)
                if moved:
                    self.send_header("Location", f"http://127.0.0.1:{outer.servers[0].server_address[1]}/there")
                self.end_headers()
                self.wfile.write(b"go_goroutines 1\n")

            def log_message(self, *_words: object) -> None:
                """Nothing on standard error."""

        self.servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2)]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in self.servers]
        for thread in self._threads:
            thread.start()

    def url(self, number: int, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.servers[number].server_address[1]}/metrics?token=hunter2"

    def close(self) -> None:
        for server, thread in zip(self.servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Both ports, until the test ends."""
    started = Server()
    yield started
    started.close()


def test_user_and_password_of_a_url_are_sent(server: Server) -> None:
    """As HTTP has them, with percent signs undone; without them no such header is there."""
    assert read_page(server.url(0, "ada:love%40lace@")) == "go_goroutines 1\n"
    assert read_page(server.url(0)) == "go_goroutines 1\n"
    pair = base64.b64encode(b"ada:love@lace").decode()
    assert server.asked == [("/metrics?token=hunter2", f"Basic {pair}"), ("/metrics?token=hunter2", None)]


def test_a_password_goes_to_nobody_else(server: Server) -> None:
    """Where the program sends us on, it is not sent along."""
    assert read_page(server.url(1, "ada:lovelace@")) == "go_goroutines 1\n"
    assert [(path, header is None) for path, header in server.asked] == [("/metrics?token=hunter2", False), ("/there", True)]


@pytest.mark.parametrize(
    "url",
    [
        "http://ada:hunter2@127.0.0.1:1/metrics?token=lovelace#lovelace",
        "http://ada:hunter2@[::1/metrics?lovelace",
        "http://ada:hunter2@127.0.0.1:99999/?lovelace",
        "http://ada:hunter2@local host/x?token=lovelace",
        "http://ada:hun@ter2@127.0.0.1:1/",
        "http://ada:hun/hunter2@127.0.0.1:1/",
        "http://ada:hunter2@127.0.0.1:22x/x?lovelace",
        "http://127.0.0.1:1/x y?lovelace",
        "http://ada:hunter2@127.0.0.1:1/é?lovelace",
        "http://ada:hunter2@",
        "ftp://ada:hunter2@localhost/metrics?lovelace",
        "ada:hunter2@localhost:9090/metrics?lovelace",
    ],
)
def test_no_message_repeats_a_secret(url: str) -> None:
    """Refused, not answered or impossible: one line without user, password, query and fragment."""
    with Host("/") as host, pytest.raises(CgtuneError) as refusal:
        host.read_page(url)
    assert str(refusal.value).startswith("--metrics-url ")
    assert not [secret for secret in (*_SECRETS, "ada", "hun@ter2", "hun/") if secret in str(refusal.value)], refusal.value
    assert isinstance(refusal.value, UsageError) is not url.startswith("http://")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 30\r\n\r\ngo_sched_gomaxprocs_threads 1", "the answer ended 1 bytes early; try again"),
        (b"HTTP/1.0 302 Found\r\nLocation: ftp://127.0.0.1:1/x\r\n\r\n", "unknown url type: ftp; is the program listening there?"),
        (b"HTTP/1.0 302 Found\r\nLocation: /m\r\n\r\n", "would lead to an infinite loop.; is the program listening there?"),
    ],
    ids=["cut off: 16 would be read as 1", "leads to FTP", "leads to itself"],
)
def test_a_bad_server_is_named_in_one_line(answer: bytes, said: str) -> None:
    """No page that is only a part, no other protocol, no second line."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with Host("/") as host, pytest.raises(Unreadable) as refusal:
            host.read_page(f"http://127.0.0.1:{server.getsockname()[1]}/m")
        server.shutdown(socket.SHUT_RDWR)
    assert str(refusal.value).endswith(said)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:9090/metrics", "http://127.0.0.1:9090/metrics"),
        ("http://[::1]:9090/metrics@1?a=b", "http://[::1]:9090/metrics@1"),
        ("http://host/metrics@1", "http://host/metrics@1"),
        ("http://host:9090/a@b", "http://host:9090/a@b"),
        ("http://u:a/b@host:1/m", "http://host:1/m"),
    ],
)
def test_what_is_left_of_a_url(url: str, shown: str) -> None:
    """Host, port and path, also where the path has an @ in it."""
    assert redact_url(url) == shown
