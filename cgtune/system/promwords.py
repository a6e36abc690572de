"""What went wrong between us and a server, in one short line: its own text, or the library's without objects and addresses."""

from __future__ import annotations

from cgtune.errors import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from urllib3.exceptions import HTTPError

_FIRST_LETTERS, _LAST_LETTERS = 100, 200  # VictoriaMetrics quotes the question first, and says last why it refuses it

#: What to try, by HTTP's status.
ADVICE = {
    401: "; it wants to know who asks: --token-file, --basic-file, --headers-file, --cert-file or --sigv4-region",
    403: "; whom it takes us for may not ask this",
    404: "; give the address to which /api/v1/query is appended, as http://prometheus:9090 or https://mimir/prometheus",
}


def parse_refusal(raw: str) -> tuple[str, str]:
    """Of a page that says no: the engine's word for the kind of the error, empty if it has none, and what it says, as long as it is."""
    import json

    try:
        page = json.loads(raw)
    except (ValueError, RecursionError):
        page = None
    if isinstance(page, dict):
        return str(page.get("errorType") or ""), str(page.get("error") or page.get("message") or raw)
    return "", "a page of HTML" if is_markup(raw) else raw.strip()


def say_lost(error: HTTPError) -> str:
    """Why there is no whole answer, and what to try."""
    import urllib3.exceptions as lib

    inner = next((each for each in (*error.args, error.__cause__, error.__context__) if isinstance(each, OSError)), None)
    if isinstance(error, lib.SSLError):
        said = getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or str(inner or error)
        return f"TLS failed ({printable(said)}); --ca-file names the CA to trust, --cert-file shows who we are"
    if isinstance(error, lib.NameResolutionError):
        return "no such host; is it the right address?"
    if isinstance(error, lib.ConnectTimeoutError) and not isinstance(error, lib.NewConnectionError):
        return "no connection in time; is it the right address, and does a firewall let us through?"
    if isinstance(error, lib.NewConnectionError):
        return f"{printable(reason(inner) if inner else 'no connection')}; is it the right address, and is it listening?"
    if isinstance(error, lib.DecodeError):
        return "the answer cannot be unpacked; a proxy or the server damaged it"
    if isinstance(error, lib.ProtocolError):
        how = "broke off" if "IncompleteRead" in str(error) or isinstance(error, lib.IncompleteRead) else "was lost"
        return f"the answer {how}{f' ({printable(reason(inner))})' if inner else ''}; the server ended, or a proxy cut it off"
    return f"{printable(reason(inner) if inner else type(error).__name__)}; is it the right address?"


def is_markup(text: str) -> bool:
    """Whether this begins as a page of HTML does."""
    return text.lstrip("\ufeff \r\n\t").startswith("<")


def printable(text: str) -> str:
    """A stranger's words as one short line: what could steer a terminal is shown as its code."""
    short = " ".join(text.split())
    if len(short) > _FIRST_LETTERS + _LAST_LETTERS:
        short = f"{short[:_FIRST_LETTERS]} ... {short[-_LAST_LETTERS:]}"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode() for letter in short)


def parse_retry_after(said: str | None) -> float | None:
    """Of ``Retry-After: 7``. A date is not read."""
    return float(said) if said is not None and said.isascii() and said.isdigit() and len(said) < 6 else None


def measure_skew(date: str | None, before: float, after: float) -> float | None:
    """By how much a server's clock is before ours, to the second: from ``Date: Sun, 29 Nov 2026 11:00:00 GMT``, which is cut to the second,
    and from when the request began and ended here. None: it does not say.
    """
    from email.utils import parsedate_to_datetime

    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return float(round(theirs + 0.5 - (before + after) / 2))
