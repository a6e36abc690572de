"""An HTTP server that stands between cgtune and a Prometheus, or for one, and does to its answers what networks, proxies and engines do."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import json
import os
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self


class Request:
    """One request as it came. ``began`` and ``ended`` are monotonic seconds; ``ended`` None: it is being answered."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> None:
        parts = urllib.parse.urlsplit(target)
        self.method = method
        self.target = target
        self.path = parts.path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.content = content
        self.form = dict(urllib.parse.parse_qsl(content.decode() if method == "POST" else parts.query, keep_blank_values=True))
        self.began = time.monotonic()
        self.ended: float | None = None


class Reply:
    """A whole answer, before anything is done to it."""

    def __init__(self, status: int = 200, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.content = content
        self.headers = {"Content-Type": "application/json"} | dict(headers or {})


#: Writes what it likes of a reply to the client, in its own manner.
Fault = Callable[["_Handler", Reply], None]
#: What is done to this request: a fault, a reply instead, or None: nothing.
Plan = Callable[[Request], "Fault | Reply | None"]


def vector(rows: Sequence[tuple[Mapping[str, str], object]], **top: object) -> bytes:
    """The answer to an instant query: labels and value of each sample, and what stands beside the data (``warnings``)."""
    result = [{"metric": dict(labels), "value": [1764413123.5, str(value)]} for labels, value in rows]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}} | top).encode()


def matrix(rows: Sequence[tuple[Mapping[str, str], Sequence[tuple[float, object]]]]) -> bytes:
    """The answer to a paired question: labels, and moment and value of each point."""
    result = [{"metric": dict(labels), "values": [[second, str(value)] for second, value in points]} for labels, points in rows]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def refusal(status: int, kind: str, said: str) -> Reply:
    """An engine's no."""
    return Reply(status, json.dumps({"status": "error", "errorType": kind, "error": said}).encode())


def cut(handler: _Handler, reply: Reply) -> None:
    """Announces all and sends half."""
    handler.begin(reply, {"Content-Length": str(len(reply.content))})
    handler.wfile.write(reply.content[: len(reply.content) // 2])


def cut_chunks(handler: _Handler, reply: Reply) -> None:
    """Half of the pieces, and no end."""
    handler.begin(reply, {"Transfer-Encoding": "chunked"})
    half = reply.content[: len(reply.content) // 2]
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))


def close_early(handler: _Handler, reply: Reply) -> None:
    """Half, and an end like any other: no length was announced."""
    handler.begin(reply, {})
    handler.wfile.write(reply.content[: len(reply.content) // 2])


def reset(handler: _Handler, reply: Reply) -> None:
    """Half, then as a kernel does if the program is killed."""
    handler.begin(reply, {"Content-Length": str(len(reply.content))})
    handler.wfile.write(reply.content[: len(reply.content) // 2])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.wfile.flush()
    os.close(handler.connection.detach())


def hang_up(handler: _Handler, _reply: Reply) -> None:
    """Not a byte, and the end."""
    handler.close_connection = True


def silent(handler: _Handler, _reply: Reply) -> None:
    """Not a byte, until the client leaves or the server ends."""
    handler.wait_for_end()


def drip(handler: _Handler, reply: Reply) -> None:
    """A byte of the answer now and then: no single wait is long."""
    handler.begin(reply, {"Content-Length": str(len(reply.content))})
    for letter in reply.content:
        handler.wfile.write(bytes([letter]))
        handler.pause(0.1)


def drip_header(handler: _Handler, _reply: Reply) -> None:
    """A header that does not end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while handler.pause(0.1):
        handler.wfile.write(b"a")


def endless(handler: _Handler, _reply: Reply) -> None:
    """Series after series."""
    handler.begin(Reply(), {})
    handler.wfile.write(b'{"status":"success","data":{"resultType":"vector","result":[')
    piece = b'{"metric":{"pod":"%s"},"value":[1,"1"]},' % (b"p" * 4000)
    while handler.pause(0):
        handler.wfile.write(piece * 64)


def bomb(handler: _Handler, _reply: Reply) -> None:
    """A small packed answer that is large unpacked."""
    handler.begin(Reply(), {"Content-Encoding": "gzip"})
    packer = gzip.compress(b'{"status":"success","data":' + b" " * (256 << 20), compresslevel=1)
    handler.wfile.write(packer)


def not_packed(handler: _Handler, reply: Reply) -> None:
    """Says that it is gzip, and is not."""
    handler.begin(reply, {"Content-Encoding": "gzip", "Content-Length": str(len(reply.content))})
    handler.wfile.write(reply.content)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy  # of the class that is made for each proxy

    def begin(self, reply: Reply, more: Mapping[str, str]) -> None:
        """Status and headers. Without a length or chunks the end of the connection is the end of the answer."""
        self.close_connection = True
        self.send_response_only(reply.status)
        for name, value in ({"Date": self.date_time_string()} | reply.headers | dict(more) | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()

    def pause(self, seconds: float) -> bool:
        """False once the proxy ends."""
        return not self.owner.ending.wait(seconds)

    def wait_for_end(self) -> None:
        self.owner.ending.wait()
        self.close_connection = True

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers.items()), content)
        self.owner.seen.append(request)
        plan = self.owner.plan(request)
        try:
            if isinstance(plan, Reply):
                self._send(plan)
            elif plan is None:
                self._send(self.owner.pass_on(request))
            else:
                plan(self, self.owner.pass_on(request))
        finally:
            request.ended = time.monotonic()

    do_GET = do_POST  # noqa: N815  # its name is the library's

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in ({"Date": self.date_time_string()} | reply.headers | {"Content-Length": str(len(reply.content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *_words: object) -> None:
        """Nothing on standard error."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error."""


class FaultProxy:
    """On loopback, as a context manager. ``plan`` says what is done to each request; ``seen`` is all that came.

    ``upstream`` is the host and port of a real server, or the reply that stands for all of its. ``tls`` is what it proves itself with.
    """

    def __init__(self, plan: Plan, upstream: str | Reply | Callable[[Request], Reply], *, tls: ssl.SSLContext | None = None) -> None:
        self.plan = plan
        self.seen: list[Request] = []
        self.ending = threading.Event()
        self._upstream = upstream
        self._server = _Server(("127.0.0.1", 0), type("_OwnHandler", (_Handler,), {"owner": self}))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def pass_on(self, request: Request) -> Reply:
        """What the server behind says."""
        if isinstance(self._upstream, Reply):
            return self._upstream
        if not isinstance(self._upstream, str):
            return self._upstream(request)
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        with contextlib.closing(connection):
            names = ("content-type", "accept")
            connection.request(request.method, request.target, request.content, {n: v for n, v in request.headers.items() if n in names})
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() in ("content-type", "date", "x-server-hostname")}
            return Reply(answer.status, answer.read(), kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
