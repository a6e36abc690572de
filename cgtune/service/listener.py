"""The service's ear: a listening socket, and waitress behind it. Slow, many or broken clients cost a bounded amount and hold nobody up.

waitress alone closes idle connections only: a client that sends a byte now and then, or never takes its answer, stays for ever. So every
second whoever keeps his connection busy for too long is shown out. If all connections are taken, a new one takes the place of those that
have waited longest: who connects in order to ask is answered before it is his turn to go.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import time

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from cgtune.errors import Unavailable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_THREADS = 2  # an answer is rendered once and then lies ready: more would only take turns at it
_CONNECTIONS = 256  # a quarter of the 1024 open files that a process may have: scans need theirs
_LEAST_CONNECTIONS = 4
#: More than come back at once (the kernel takes no more than net.core.somaxconn, 4,096 mostly): whoever finds no place tries again after a
#: second. They are taken by the dozen: one by one, with a look at all others between two, a thousand would take 0.5 s.
_BACKLOG = 4096
_TAKEN_AT_ONCE = 4  # the part of all that there is room for: who is taken is asked what he wants before he could make room for others
_MOST_SENT_BYTES = 128 << 10  # at once: a page is unpacked as far, again and again for whoever takes little of it
_REQUEST_BYTES = 16 << 10  # of headers, and of a body that nobody reads
_REQUESTS_AT_ONCE = 8
_BUSY_SECONDS = 10.0
_IDLE_SECONDS = 75.0  # more than a minute, so that a scrape a minute keeps its connection
_LEAST_SECONDS = 1.0
_STARVED_SECONDS = 0.05
_SEND_BYTES = 64 << 10  # of who takes nothing the kernel keeps twice that; else up to 4 MiB, and each try would unpack as much of a page
_NEVER = 1 << 40  # bytes: content stands in memory anyway, and a temporary file needs a writable disk

# Of one that could not be made: else its end is a traceback on stderr. (The stubs have another type.)
wasyncore.file_wrapper.fd = -1  # type: ignore[assignment]


def open_socket(address: str) -> socket.socket:
    """A socket bound to ``HOST:PORT``; ``:PORT`` is every address, port 0 any free one.

    Raises UsageError for what is no address, Unavailable where it cannot be had.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 1 << 16 and "/" not in host):
        raise UsageError(f"--listen {address[:80]!a} is no HOST:PORT; examples: --listen 127.0.0.1:9464, --listen [::1]:9464")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UsageError(f"--listen {address[:80]!a}: an IPv6 address stands in brackets; example: --listen [::1]:9464")
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        # A name in Unicode loads 0.3 MiB of tables, for good
        name = host.encode("ascii") if host.isascii() else host
        found = socket.getaddrinfo(name or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"--listen {address[:80]!a}: {why}; example: --listen 127.0.0.1:9464") from error
    except OSError as error:
        raise _unavailable(address, error) from error
    family, _, _, _, place = found[0]
    try:
        return socket.create_server(place, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise _unavailable(address, error) from error


def _unavailable(address: str, error: OSError) -> Unavailable:
    why = os.strerror(error.errno) if error.errno else str(error)  # what create_server raises repeats the address
    return Unavailable(f"cannot listen on {address}: {why}; choose another address with --listen 127.0.0.1:9465")


def is_loopback(host: str) -> bool:
    """Whether only this machine (in a pod: this pod) reaches that address."""
    return host.startswith("127.") or host == "::1"


class _Channel(HTTPChannel):
    """A connection that sends requests without waiting for their answers gets a few of these answered, and is closed then: whoever takes no
    answers would otherwise have hundreds prepared.

    ``asked_seconds`` is when it last asked for something, or was opened.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sendbuf_len = min(self.sendbuf_len, _MOST_SENT_BYTES)
        self.asked_seconds = time.monotonic()

    def received(self, data: bytes) -> bool:
        """Take what the client sent."""
        taken = super().received(data)
        channel: Any = self  # the stubs know neither the lock nor that requests is a list
        with channel.requests_lock:
            if channel.requests:
                self.asked_seconds = time.monotonic()
            if len(channel.requests) > _REQUESTS_AT_ONCE:
                del channel.requests[_REQUESTS_AT_ONCE:]
                channel.requests[-1].headers["CONNECTION"] = "close"
        return bool(taken)


class Listener:
    """Serves a WSGI application on a bound socket."""

    def __init__(self, bound: socket.socket, app: Callable[..., Iterable[bytes]]) -> None:
        """Raises Unavailable if the resolver fails."""
        self.host, self.port = bound.getsockname()[:2]
        self._map: dict[int, Any] = {}
        self._is_stopped = self._has_taken = False
        self._since: dict[Any, tuple[float | None, float]] = {}
        server = self._make_server(bound, app)
        server.channel_class = self._open_channel  # nobody has connected yet: run accepts
        self._accept, server.accept = server.accept, self._accept_or_make_room
        self._take, server.handle_accept = server.handle_accept, self._take_those_that_wait
        self._server = server
        self._most = max(_LEAST_CONNECTIONS, min(_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))

    def _make_server(self, bound: socket.socket, app: Callable[..., Iterable[bytes]]) -> Any:
        try:
            return create_server(
                app,
                map=self._map,
                sockets=[bound],
                threads=_THREADS,
                backlog=_BACKLOG,
                connection_limit=_NEVER,  # at which it would accept nobody
                max_request_header_size=_REQUEST_BYTES,
                max_request_body_size=_REQUEST_BYTES,
                inbuf_overflow=_NEVER,
                outbuf_overflow=_NEVER,
                outbuf_high_watermark=_NEVER,  # a thread must never wait for a client
                channel_timeout=int(_IDLE_SECONDS),
                cleanup_interval=5,
                log_socket_errors=False,
                ident="cgtune",
            )
        except ValueError as error:  # it resolves its default address, though it has a socket and will not use that one
            raise Unavailable("cannot listen: the resolver fails; try again") from error

    def run(self) -> None:
        """Answer until stop is called, then close every connection."""
        swept = time.monotonic()
        while not self._is_stopped:
            try:
                wasyncore.loop(timeout=_LEAST_SECONDS, use_poll=True, map=self._map, count=1)
            except OSError:  # poll(2) had no memory: another moment it has
                time.sleep(_STARVED_SECONDS)
            now = time.monotonic()
            if now - swept >= _LEAST_SECONDS:
                swept = now
                self._show_out(now)
        self._server.task_dispatcher.shutdown(timeout=0.2)  # waitress itself waits 5 s, for answers that we need not finish
        wasyncore.close_all(self._map, ignore_all=True)

    def stop(self) -> None:
        """End run, from any thread."""
        self._is_stopped = True
        self._server.pull_trigger()

    def _open_channel(self, server: Any, connection: socket.socket, *arguments: Any, **options: Any) -> None:
        """Take a new connection, for which there is always room. One that fails at once is closed, where waitress would
        close the socket that listens.
        """
        if len(self._server.active_channels) >= self._most:
            self._make_room()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            _Channel(server, connection, *arguments, **options)
        except OSError:
            connection.close()

    def _take_those_that_wait(self) -> None:
        """Take some of the connections that wait, where waitress would take one."""
        for _ in range(max(1, self._most // _TAKEN_AT_ONCE)):
            self._has_taken = False
            self._take()
            if not self._has_taken:
                return

    def _accept_or_make_room(self) -> Any:
        """Accept a connection. Without a descriptor for it others are closed; with none to close this waits: poll comes back at once."""
        try:
            accepted = self._accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._make_room():
                time.sleep(_STARVED_SECONDS)
            raise
        self._has_taken = accepted is not None
        return accepted

    def _make_room(self) -> int:
        """Close an eighth of the connections: idle ones before those that still take an answer, the longest waiting first; how many."""
        waiting = [channel for channel in self._server.active_channels.values() if not channel.requests]
        waiting.sort(key=lambda channel: (bool(channel.total_outbufs_len), channel.asked_seconds))
        closed = waiting[: max(1, self._most // 8)]
        for channel in closed:
            channel.handle_close()
            self._since.pop(channel, None)
        return len(closed)

    def _show_out(self, now: float) -> None:
        """Close who is busy with one request, or idle, for too long."""
        before, self._since = self._since, {}
        for channel in list(self._server.active_channels.values()):
            busy = bool(channel.request or channel.requests or channel.total_outbufs_len)
            idle_from = None if busy else channel.last_activity  # changes with each request, also with one that no sweep saw
            seen = before.get(channel)
            since = seen if seen is not None and seen[0] == idle_from else (idle_from, now)
            if now - since[1] >= (_BUSY_SECONDS if idle_from is None else _IDLE_SECONDS):
                channel.handle_close()
            else:
                self._since[channel] = since
