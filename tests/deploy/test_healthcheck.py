"""Docker's health check, against a real service and against what is none."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.support import stories
from tests.support.command import ROOT, environment
from tests.support.serving import Service


def _check(listen: str) -> tuple[int, str]:
    argv = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "healthcheck.py")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, env=environment(CGTUNE_LISTEN=listen), check=False)
    return done.returncode, done.stderr


def test_a_service_that_lives() -> None:
    """At the address that the service was told, and at every address by way of loopback."""
    with Service("--root", stories.STORIES / "k8s-burstable-systemd", listen=":0") as service:
        port = service.address.rpartition(":")[2]
        assert [_check(f"{host}:{port}") for host in ("", "0.0.0.0", "127.0.0.1", "localhost", "[::]", "[::1]")] == [(0, "")] * 6


def test_an_empty_address_is_none_at_all() -> None:
    """As with every CGTUNE_* variable: the service listens at its usual address then, and is asked there."""
    code, said = _check("")
    assert code == 0 or "127.0.0.1 port 9464" in said


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", ":70000"])
def test_an_address_that_is_none(listen: str) -> None:
    """A word, and 1; no traceback."""
    code, said = _check(listen)
    assert (code, said.count("\n")) == (1, 1)
    assert "does not answer" in said


def test_nothing_listens_or_something_else_does() -> None:
    """A closed port, and a server that says something else than 200, are unhealthy."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(20)
        port = other.getsockname()[1]
        argv = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "healthcheck.py")]
        asked = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment(CGTUNE_LISTEN=f":{port}"))
        connection, _ = other.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
        assert "does not say 200" in asked.communicate(timeout=20)[1]
        assert asked.returncode == 1
    code, said = _check(f"127.0.0.1:{port}")
    assert (code, "does not answer" in said) == (1, True)
