"""HTTP to a Prometheus, Thanos, Mimir or VictoriaMetrics: one POST, its answer handed on as it comes, within bounds of time and size.

A redirection is followed with the same form, and to another server without anything that says who we are: no credentials, no tenant, no
client certificate. Not covered: what an answer means (cgtune.fleet), HTTP/2, proxies of the environment.
"""

from __future__ import annotations

from cgtune.errors import Malformed, Refused, TooLarge, Unanswered, UsageError, reason
from cgtune.records import Record
from cgtune.system.abreast import Pace, run_abreast
from cgtune.system.endpoint import redact_url
from cgtune.system.prombody import Body
from cgtune.system.promwords import ADVICE, is_markup, measure_skew, parse_refusal, parse_retry_after, printable, say_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from urllib3 import BaseHTTPResponse, PoolManager

    from cgtune.system.promaccess import Access
    from cgtune.system.prombody import Readable
    from cgtune.system.sigv4 import Signer

    Item = TypeVar("Item")
    T = TypeVar("T")

#: How long an answer may take, in all. Prometheus ends a query by itself after 2 minutes, and says so: we leave a little later.
PATIENCE_SECONDS = 130.0

_CONNECT_SECONDS = 10.0
_REFUSAL_BYTES = 1 << 20  # of a page that says no, and may repeat the question
_REDIRECTIONS = 3
_PAUSE_SECONDS = 1.0  # before a second try, if the server names no time
_LONGEST_PAUSE_SECONDS = 30.0
_TRIES = {429: 3, 502: 2, 503: 2}  # 502, 503: something before an engine that ended; our question may be why, so not more often
_GRACE_SECONDS = 5.0  # for a thread that is about to see by itself that its answer is late
_MOVED = (301, 302, 303, 307, 308)


class Engine(Record):
    """What answers. ``skew_seconds``: by how much its clock is before ours, to the second; None: it did not say."""

    name: str
    skew_seconds: float | None = None


class Client:
    """One server. Several threads may ask it; ``requests`` counts what was sent, repetitions and redirections included."""

    def __init__(self, access: Access, *, pace: Pace | None = None, patience_seconds: float = PATIENCE_SECONDS) -> None:
        import threading

        self._access = access
        self._shown = redact_url(access.url)
        self._pace = pace or Pace()
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._own = threading.local()  # of each thread that asks: until when it has to wait
        self._running: dict[int, float] = {}  # since when a thread waits for an answer
        self._signer: Signer | None = None
        if access.sigv4_region is not None:
            from cgtune.system.sigv4 import Signer

            self._signer = Signer(access.sigv4_region)
        self._ours = _open_pool(access, patience_seconds, is_ours=True)
        self._others: PoolManager | None = None
        self.requests = 0

    def close(self) -> None:
        """Leaves the connections that are kept for the next request."""
        self._ours.clear()
        if self._others is not None:
            self._others.clear()

    def each(self, function: Callable[[Item], T], items: Sequence[Item], tell: Callable[[int, int], None] | None = None) -> list[T]:
        """What the function, which asks us, gives for each item, in their order; as many side by side as the pace lets.

        ``tell`` hears in this thread how many are done, of how many. Raises what the function raises first, and Unanswered if an answer is
        not there in time: a server that sends a byte of a header now and then holds the thread that reads it for ever.
        """
        return run_abreast(function, items, self._pace.threads(), watch=self._watch, tell=tell)

    def post(self, path: str, form: Mapping[str, str], parse: Callable[[Readable], T]) -> T:
        """What ``parse`` makes of the answer to a form.

        Raises Refused (an HTTP status other than 2xx), TooLarge, Unanswered (no answer, not in time, not what ``parse`` takes).
        """
        return self._ask("POST", path, form, parse, {})

    def fetch(self, path: str, fields: Mapping[str, str], parse: Callable[[Readable], T]) -> T:
        """As ``post``, by GET, with the fields in the query."""
        return self._ask("GET", path, fields, parse, {})

    def identify(self) -> Engine:
        """Which engine this is, by one cheap request, and how its clock stands to ours. An engine that does not say is "unnamed".

        Raises Unanswered if nothing answers, or not to us.
        """
        import time

        before = time.time()
        headers: dict[str, str] = {}
        try:
            info = self._ask("GET", "/api/v1/status/buildinfo", {}, _parse_any, headers)
        except Refused as refusal:
            if refusal.status in (401, 403, 407, *_MOVED):
                raise
            info = None
        data = info.get("data") if isinstance(info, dict) else None
        names = [data.get(key) for key in ("application", "version")] if isinstance(data, dict) else [None, None]
        application, version = (name if isinstance(name, str) else "" for name in names)
        if "x-server-hostname" in headers:  # VictoriaMetrics alone sends it; its buildinfo names a version of Prometheus
            name = "VictoriaMetrics"
        else:
            name = f"{application or 'Prometheus'} {version}" if version else application or "unnamed"
        return Engine(name=printable(name), skew_seconds=measure_skew(headers.get("date"), before, time.time()))

    def _watch(self) -> None:
        import time

        latest = time.monotonic() - self._patience_seconds - _GRACE_SECONDS
        if any(since < latest for since in list(self._running.values())):
            raise self._late()

    def _ask(self, method: str, path: str, form: Mapping[str, str], parse: Callable[[Readable], T], headers: dict[str, str]) -> T:
        """One request, repeated if the server is busy. ``headers`` is filled with the answer's, their names in lower case."""
        import threading
        import time

        attempt = 1
        while True:
            time.sleep(max(0.0, getattr(self._own, "until", 0.0) - time.monotonic()))
            began = time.monotonic()
            self._running[threading.get_ident()] = began
            headers.clear()
            try:
                return self._once(method, path, form, parse, headers)
            except Refused as refusal:
                if refusal.kind == "timeout" or attempt >= _TRIES.get(refusal.status, 1):
                    raise
                pause = parse_retry_after(headers.get("retry-after"))
            finally:
                del self._running[threading.get_ident()]
                now = time.monotonic()
                self._own.until = now + self._pace.pause_seconds(now - began)
            time.sleep(_PAUSE_SECONDS if pause is None else min(pause, _LONGEST_PAUSE_SECONDS))
            attempt += 1

    def _once(self, method: str, path: str, form: Mapping[str, str], parse: Callable[[Readable], T], headers: dict[str, str]) -> T:
        import time

        import urllib3.exceptions as lib

        deadline = time.monotonic() + self._patience_seconds
        response: BaseHTTPResponse | None = None
        body: Body | None = None
        try:
            response, elsewhere = self._send(method, f"{self._access.url}{path}", form)
            headers |= {name.lower(): value for name, value in response.headers.items()}
            body = Body(response, deadline)
            if not 200 <= response.status < 300:
                raise self._refusal(response.status, body, elsewhere)
            try:
                return parse(body)
            except (Malformed, ValueError) as error:
                raise self._unusable(response, body, error, elsewhere) from error
        except (lib.ReadTimeoutError, TimeoutError) as error:
            raise self._late() from error
        except TooLarge as error:
            raise TooLarge(f"{self._shown}: {error}") from error
        except lib.HTTPError as error:
            raise Unanswered(f"{self._shown}: {say_lost(error)}") from error
        finally:
            if response is not None and body is not None and body.is_whole:
                response.release_conn()
            elif response is not None:  # the rest is not waited for
                response.close()

    def _send(self, method: str, url: str, form: Mapping[str, str]) -> tuple[BaseHTTPResponse, str]:
        """The answer once nobody sends us on any more, and the other server that gave it, empty if it is ours."""
        from urllib.parse import urlencode

        sent = urlencode(form)
        place = url
        for _ in range(_REDIRECTIONS + 1):
            is_ours = _origin(place) == _origin(url)
            target, content = (place, sent.encode()) if method == "POST" else (f"{place}?{sent}" if sent else place, None)
            headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "cgtune"}
            if content is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            if is_ours:
                headers |= self._access.proofs()
                if self._signer is not None:
                    headers |= self._signer.sign(method, target, headers.get("Content-Type"), content or b"")
            with self._lock:
                self.requests += 1
            pool = self._ours if is_ours else self._elsewhere()
            response = pool.request(method, target, body=content, headers=headers, redirect=False, preload_content=False)
            moved = response.headers.get("Location") if response.status in _MOVED else None
            if moved is None:
                return response, "" if is_ours else self._clean(redact_url(place))
            response.close()
            place = _join(place, moved)
            if not place.startswith(("http://", "https://")):
                break
            if method == "GET":
                place = place.partition("?")[0]  # it repeats what we asked, or not: what we ask is added again
        raise Unanswered(f"{self._shown} sends us on, at last to {self._clean(redact_url(place))}; is it the right address?")

    def _elsewhere(self) -> PoolManager:
        with self._lock:
            if self._others is None:
                self._others = _open_pool(self._access, self._patience_seconds, is_ours=False)
            return self._others

    def _refusal(self, status: int, body: Body, elsewhere: str) -> Refused:
        """The server's no, with its own words."""
        kind, said = parse_refusal(self._clean_secrets(body.read_at_most(_REFUSAL_BYTES).decode("utf-8", "replace")))
        message = f"{self._shown} answered {status}{f' ({printable(said)})' if said else ''}{ADVICE.get(status, '')}"
        if elsewhere:
            message += f"; this is the answer of {elsewhere}, where it sent us on, and where no credentials go"
        return Refused(message, status=status, kind=kind, said=said)

    def _unusable(self, response: BaseHTTPResponse, body: Body, error: Exception, elsewhere: str) -> Unanswered:
        whose = f"the answer of {elsewhere}, where it sent us on," if elsewhere else "the answer"
        if is_markup(body.beginning.decode("utf-8", "replace")) or "html" in response.headers.get("Content-Type", ""):
            what = "HTML instead of JSON: a login page, or not the address to which /api/v1/query is appended"
        else:
            what = f"not what Prometheus gives: {self._clean(str(error))}"
        return Unanswered(f"{self._shown}: {whose} is {what}")

    def _late(self) -> Unanswered:
        return Unanswered(f"{self._shown}: no whole answer within {self._patience_seconds:g} s; is it overloaded?")

    def _clean(self, text: str) -> str:
        return printable(self._clean_secrets(text))

    def _clean_secrets(self, text: str) -> str:
        """Without what we have sent to prove who we are: some servers repeat it when they refuse it."""
        for secret in self._access.secrets():
            text = text.replace(secret, "***")
        return text


def _open_pool(access: Access, patience_seconds: float, *, is_ours: bool) -> PoolManager:
    import ssl

    import urllib3

    timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, patience_seconds), read=patience_seconds)
    if is_ours and access.url.startswith("http://") and access.ca_file is None and access.cert_file is None:
        return urllib3.PoolManager(maxsize=8, timeout=timeout, retries=False)  # reading the CAs of the system takes 40 ms of CPU

    def refuse() -> str:
        raise UsageError(
            f"the key of --cert-file {access.cert_file} is encrypted, and nobody is asked for its password; give one that is not"
        )

    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except OSError as error:  # an ssl.SSLError is one
        raise UsageError(f"--ca-file {access.ca_file}: {_tls_reason(error)}") from error
    if is_ours and access.cert_file is not None:
        try:
            context.load_cert_chain(access.cert_file, access.key_file, refuse)
        except OSError as error:
            raise UsageError(f"--cert-file {access.cert_file} or its key: {_tls_reason(error)}") from error
    return urllib3.PoolManager(maxsize=8, ssl_context=context, timeout=timeout, retries=False)


def _tls_reason(error: OSError) -> str:
    import ssl

    if not isinstance(error, ssl.SSLError):
        return reason(error)
    return "it belongs to another certificate" if error.reason == "KEY_VALUES_MISMATCH" else "there is no PEM in it that can be used"


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what the same-origin rule of browsers compares."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or {"http": 80, "https": 443}.get(parts.scheme)


def _join(place: str, moved: str) -> str:
    """Where a redirection leads, which may be nowhere."""
    from urllib.parse import urljoin, urlsplit

    try:
        joined = urljoin(place, moved).partition("#")[0]
        return joined if urlsplit(joined).hostname else moved
    except ValueError:
        return f"nowhere:{moved}"


def _parse_any(body: Readable) -> object:
    """JSON of any shape; None if it is none."""
    import json

    try:
        found: object = json.loads(body.read())
    except (ValueError, RecursionError):
        return None
    return found
