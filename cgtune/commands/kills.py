"""Asks a service which OOM kills it remembers: over HTTP, or in the file that it writes for the node exporter."""

from __future__ import annotations

import os

from cgtune.errors import Malformed, UsageError, reason, translate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Kills

_PATH = "/kills"


def read_kills(where: str | None) -> tuple[Kills, ...] | None:
    """The kills that the service at ``where`` remembers, its URL or its file; None if nobody is to be asked.

    Raises UsageError for what is neither, Unreadable, and Malformed for what no service of ours says.
    """
    if where is None:
        return None
    from cgtune.remembered import parse_kill_metrics, parse_kills

    try:
        if where.startswith(("http://", "https://")):
            from cgtune.system.endpoint import read_page

            address, mark, query = where.partition("?")
            return parse_kills(read_page(address.rstrip("/").removesuffix(_PATH) + _PATH + mark + query, "--serve-url"))
        if where.endswith(".prom"):
            return parse_kill_metrics(_read_file(where))
    except Malformed as error:
        raise Malformed(f"--serve-url {_shown(where)}: {error}; is it a cgtune serve of this version?") from error
    shown = _shown(where)
    raise UsageError(f"--serve-url {shown!r} is no http URL and no *.prom file; examples: http://127.0.0.1:9464, /run/node/cgtune.prom")


def _shown(where: str) -> str:
    """Without what may be secret in it."""
    from cgtune.system.endpoint import redact_url

    return redact_url(where)


def _read_file(path: str) -> str:
    from cgtune.system.root import Root

    try:
        folder, _, name = os.path.abspath(path).rpartition("/")
        root = Root(folder or "/")
        try:
            return root.read_whole(f"/{name}").decode("utf-8", "replace")
        finally:
            root.close()
    except OSError as error:
        raise translate(error, f"--serve-url {path}") from error
    except ValueError as error:
        raise UsageError(f"--serve-url {path!r}: {reason(error)}; name the file that cgtune serve --textfile writes") from error
