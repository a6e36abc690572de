"""A page over HTTP, within bounds: a program's own metrics, as a third voice beside its memory, or what a service of ours answers."""

from __future__ import annotations

from cgtune.errors import Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from urllib.request import Request

_TIMEOUT_SECONDS = 3  # without a word
_WHOLE_SECONDS = 6  # for all of it: a server that sends a byte now and then never times out
_CAP_BYTES = 8 << 20
_HANDLERS = ("HTTPHandler", "HTTPSHandler", "HTTPRedirectHandler", "HTTPDefaultErrorHandler", "HTTPErrorProcessor", "UnknownHandler")


def redact_url(url: str) -> str:
    """An http URL without user, password, query and fragment: secrets stand there, as in http://me:secret@localhost/metrics?token=x."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    place = rest.partition("#")[0].partition("?")[0]
    authority, slash, path = place.partition("/")
    port = authority.rpartition("]")[2].partition(":")[2]
    if "@" not in authority and "@" in rest and port and not port.isdigit():  # a password with a / in it, which should have been %2F
        return redact_url(f"{scheme}{separator}{rest.rpartition('@')[2]}")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def read_page(url: str, option: str = "--metrics-url") -> str:
    """The page at ``url``, which must be an http URL and was given with ``option``, as text.

    Raises Unreadable (no answer, too slow, too large).

    A user and a password in it are sent as such (RFC 7617), to nobody else; no message names them, nor its query.
    """
    import threading

    answers: list[str | Unreadable] = []
    worker = threading.Thread(target=lambda: answers.append(_fetch(url, option)), daemon=True)
    worker.start()
    worker.join(_WHOLE_SECONDS)
    answer = (
        answers[0]
        if answers
        else Unreadable(f"{option} {redact_url(url)}: no whole answer within {_WHOLE_SECONDS} s; is it the right address?")
    )
    if isinstance(answer, Unreadable):
        raise answer
    return answer


def _fetch(url: str, option: str) -> str | Unreadable:
    import http.client
    import urllib.request

    shown = redact_url(url)
    # No proxy of the environment: the program's own endpoint is near, and a proxy's answer would be about another one.
    # And no other scheme: a redirection must not lead to an FTP server.
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(getattr(urllib.request, handler)())
    try:
        with opener.open(_request(url), timeout=_TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(_CAP_BYTES + 1)
            missing: int | None = answer.length if len(content) <= _CAP_BYTES else None  # what was announced and did not come
    except (http.client.InvalidURL, UnicodeError):  # their words quote the URL
        return Unreadable(f"{option} {shown}: this cannot be asked for; a URL looks like http://127.0.0.1:9090/metrics")
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error  # URLError wraps what the system said
        said = getattr(why, "strerror", None) or str(why).partition("\n")[0]
        return Unreadable(f"{option} {shown}: {said}; is the program listening there?")
    if missing:
        return Unreadable(f"{option} {shown}: the answer ended {missing} bytes early; try again")
    if len(content) > _CAP_BYTES:
        return Unreadable(f"{option} {shown}: more than {_CAP_BYTES} bytes, which is no such page")
    return content.decode("utf-8", "replace")


def _request(url: str) -> Request:
    """What is asked, with user and password where HTTP has them: urllib would take them for a part of the host's name."""
    import base64
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=place).geturl())  # noqa: S310  # host lets http through alone
    if at:
        pair = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {pair}")
    return request
