"""A program's own metrics endpoint, read over HTTP: what it says of itself, as a third voice beside its memory."""

from __future__ import annotations

from cgtune.errors import Unreadable

_TIMEOUT_SECONDS = 3  # without a word
_WHOLE_SECONDS = 6  # for all of it: a server that sends a byte now and then never times out
_CAP_BYTES = 8 << 20


def read_page(url: str) -> str:
    """The page at ``url``, which must be an http URL, as text. Raises Unreadable (no answer, too slow, too large)."""
    import threading

    answers: list[str | Unreadable] = []
    worker = threading.Thread(target=lambda: answers.append(_fetch(url)), daemon=True)
    worker.start()
    worker.join(_WHOLE_SECONDS)
    answer = answers[0] if answers else Unreadable(f"--metrics-url {url}: no whole answer within {_WHOLE_SECONDS} s; is it a metrics page?")
    if isinstance(answer, Unreadable):
        raise answer
    return answer


def _fetch(url: str) -> str | Unreadable:
    import http.client
    import urllib.request

    # No proxy of the environment: the program's own endpoint is near, and a proxy's answer would be about another one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(_CAP_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error  # URLError wraps what the system said
        return Unreadable(f"--metrics-url {url}: {getattr(why, 'strerror', None) or why}; is the program listening there?")
    if len(content) > _CAP_BYTES:
        return Unreadable(f"--metrics-url {url}: more than {_CAP_BYTES} bytes, which is no metrics page")
    return content.decode("utf-8", "replace")
