"""Docker's health check: exits 0 if the ``cgtune serve`` of this container says that it lives, at the port that CGTUNE_LISTEN names.

A bare socket, because a start of Python is most of what this costs: half a dozen imports more would double it. Where the server was told
its address on the command line instead, this cannot know; set the variable then.
"""

from __future__ import annotations

import os
import socket
import sys

host, _, port = (os.environ.get("CGTUNE_LISTEN") or "127.0.0.1:9464").rpartition(":")
host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104  # where to ask, not where to listen
try:
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        status = connection.recv(64).split(b" ")[1:2]
except (OSError, ValueError) as error:
    sys.exit(f"cgtune serve does not answer at {host} port {port}: {error}")
if status != [b"200"]:
    sys.exit(f"cgtune serve at {host} port {port} does not say 200")
