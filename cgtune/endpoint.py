"""A program's own metrics endpoint, read over HTTP: what it says of itself, as a third voice beside its memory."""

from __future__ import annotations

from cgtune.errors import Unreadable, UsageError

_TIMEOUT_SECONDS = 3
_CAP_BYTES = 8 << 20


def read_metrics(url: str) -> str:
    """The page at ``url`` as text. Raises UsageError (no http URL) or Unreadable (no answer, too slow, too large)."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--metrics-url {url!r} is no http URL; one looks like http://127.0.0.1:9090/metrics")
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # the scheme was looked at above
            content: bytes = answer.read(_CAP_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreadable(f"--metrics-url {url}: {error}; is the program listening there?") from error
    if len(content) > _CAP_BYTES:
        raise Unreadable(f"--metrics-url {url}: more than {_CAP_BYTES} bytes, which is no metrics page")
    return content.decode("utf-8", "replace")
