"""What the service answers over HTTP, as a WSGI application. It reads nothing but the board: a request never starts a scan."""

from __future__ import annotations

import io
import time

from cgtune import __version__
from cgtune.outputs.escape import escape_control
from cgtune.outputs.packed import Packed, PackedFile
from cgtune.outputs.prometheus import (
    OPENMETRICS_TYPE,
    TEXT_TYPE,
    join_metrics,
    render_kills,
    render_report,
    render_service,
)
from cgtune.outputs.text import render_text
from cgtune.outputs.words import blind_words
from cgtune.records import Record
from cgtune.verdict import blind, blind_partly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.service.board import Board, Found

    Environ = dict[str, object]
    StartResponse = Callable[[str, list[tuple[str, str]]], object]

_PLAIN, _HTML, _JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
_OK, _UNAVAILABLE = "200 OK", "503 Service Unavailable"
_NOT_YET = (
    b'<!doctype html>\n<meta charset="utf-8">\n<meta http-equiv="refresh" content="1">\n<title>cgtune</title>\n<p>no report yet</p>\n'
)


class Answer(Record):
    """A response: ``status`` with its reason, the type of the content, the content, and headers that all others do without."""

    status: str = _OK
    type: str = _PLAIN
    body: bytes | Packed
    headers: tuple[tuple[str, str], ...] = ()


class App:
    """The application. ``pids`` are those asked for; if one of them is not in the report, nobody knows whether all is well."""

    def __init__(self, board: Board, pids: tuple[int, ...] = ()) -> None:
        self._board, self._pids = board, pids
        self._routes: dict[str, Callable[[str], Answer]] = {
            "/": lambda _accept: self._index(),
            "/metrics": self._metrics,
            "/report": lambda _accept: self._report(),
            "/kills": lambda _accept: Answer(type=_JSON, body=self._kills()),
            "/check": lambda _accept: self._check(),
            "/healthz": lambda _accept: self._alive(),
            "/readyz": lambda _accept: self._ready(),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        method, headers = environ["REQUEST_METHOD"], [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        route = self._routes.get(str(environ.get("PATH_INFO", "")))
        if route is None:
            answer = Answer(status="404 Not Found", body=f"not here; there is {' '.join(self._routes)}\n".encode())
        elif method not in ("GET", "HEAD"):
            answer = Answer(status="405 Method Not Allowed", body=b"GET and HEAD only\n")
            headers.append(("Allow", "GET, HEAD"))
        else:
            answer = route(str(environ.get("HTTP_ACCEPT", "")))
        start_response(answer.status, [("Content-Type", answer.type), ("Content-Length", str(len(answer.body))), *headers, *answer.headers])
        if method == "HEAD":
            return []
        wrap = environ.get("wsgi.file_wrapper")
        file = PackedFile(answer.body) if isinstance(answer.body, Packed) else io.BytesIO(answer.body)
        # A file is sent from where it is; other content would be copied once for each client, and slow ones keep their copy
        return wrap(file) if callable(wrap) else [file.read()]

    def _metrics(self, accept: str) -> Answer:
        openmetrics = prefers_openmetrics(accept)
        return Answer(type=OPENMETRICS_TYPE if openmetrics else TEXT_TYPE, body=render_metrics(self._board, openmetrics=openmetrics))

    def _report(self) -> Answer:
        body = self._board.page("report", _render_json)
        return Answer(type=_JSON, body=body) if body.size else Answer(status=_UNAVAILABLE, body=b"no report yet\n")

    def _kills(self) -> bytes:
        from cgtune.outputs.kills import render_kills_json

        board = self._board
        words = render_kills_json(board.remembered, version=__version__, since_seconds=board.since_seconds, forgotten=board.forgotten)
        return words.encode("ascii")

    def _alive(self) -> Answer:
        why = self._board.stages.hanging_words(self._board.interval_seconds)
        return Answer(body=b"alive\n") if why is None else Answer(status=_UNAVAILABLE, body=f"{why}\n".encode())

    def _ready(self) -> Answer:
        why = self._board.stale_words(time.monotonic())
        return Answer(body=b"ready\n") if why is None else Answer(status=_UNAVAILABLE, body=f"{why}\n".encode())

    def _check(self) -> Answer:
        why = self._board.stale_words(time.monotonic()) or self._blind_words()
        if why is not None:
            return Answer(status=_UNAVAILABLE, body=f"{escape_control(why)}\n".encode())
        failures = self._board.page("check", lambda found: Packed((render_text(found.verdict),)))
        if failures.size:
            return Answer(status=_UNAVAILABLE, body=failures)
        why = self._blind_words(partly=True)
        return Answer(body=b"clean\n") if why is None else Answer(status=_UNAVAILABLE, body=f"{escape_control(why)}\n".encode())

    def _blind_words(self, *, partly: bool = False) -> str | None:
        """Why the report does not tell whether all is well, as `cgtune check` would refuse to say: exit code 3."""
        found = self._board.found
        assert found is not None  # it is not stale
        why = blind_partly(found.look.report) if partly else blind(found.look.report, self._pids)
        return None if why is None else blind_words(why)

    def _index(self) -> Answer:
        """The page. It is rendered once for each report, unless there is something to say against that."""
        from cgtune.outputs.page import policy

        found, why = self._board.found, self._board.stale_words(time.monotonic())
        headers = (("Content-Security-Policy", f"{policy()}; frame-ancestors 'none'"), ("Referrer-Policy", "no-referrer"))
        if found is None:
            return Answer(status=_UNAVAILABLE, type=_HTML, body=_NOT_YET, headers=headers)
        why = why or self._blind_words() or self._blind_words(partly=True)
        body = self._board.page("index", self._render_index) if why is None else self._render_index(found, why)
        return Answer(type=_HTML, body=body, headers=headers)

    def _render_index(self, found: Found, problem: str | None = None) -> Packed:
        from cgtune.outputs.page import render_page

        report = found.verdict.report
        go = tuple(process for process in report.processes if process.snapshot.go or process.snapshot.process.pid in self._pids)
        page = render_page(
            report.replace(processes=go),
            self._board.history.tracks(found.began_seconds),
            links=[path for path in self._routes if path != "/"],
            problem=problem,
            refresh_seconds=max(1.0, self._board.interval_seconds),
        )
        return Packed((page,))


def render_metrics(board: Board, *, openmetrics: bool, with_age: bool = True) -> Packed:
    """All metrics of this moment. ``with_age``: in a file the age would stand still."""
    name = "openmetrics" if openmetrics else "metrics"

    def render(found: Found) -> Packed:
        report = found.verdict.report
        return render_report(report, openmetrics=openmetrics, least_age_seconds=board.least_age_seconds, merged=board.merged)

    report = board.page(name, render)
    facts = board.facts(with_age=with_age)
    kills = render_kills(board.remembered, board.workloads, board.forgotten, openmetrics=openmetrics)
    return join_metrics((render_service(facts, openmetrics=openmetrics), kills, report), openmetrics=openmetrics)


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header ranks OpenMetrics at least as high as plain text (RFC 9110, 12.5.1)."""
    ranks = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(",")[:32]:
        range_, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        if range_ in ranks:
            try:
                ranks[range_] = max(ranks[range_], min(float(weight), 1.0))
            except ValueError:
                continue
    return ranks["application/openmetrics-text"] >= max(ranks["text/plain"], 0.001)


def _render_json(found: Found) -> Packed:
    from cgtune.outputs.json import report_pieces

    return Packed(report_pieces(found.verdict.report))
