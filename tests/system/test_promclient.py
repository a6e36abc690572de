"""HTTP to a Prometheus: what a bad server comes to, what is told to whom, and how gently it is asked."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cgtune.errors import CgtuneError, Refused, TooLarge, Unanswered
from cgtune.fleet.promjson import Vector, parse_vector
from cgtune.system.abreast import Pace
from cgtune.system.promaccess import AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support import faultproxy
from tests.support.faultproxy import FaultProxy, Reply, refusal, vector

ROWS = [({"namespace": "shop", "pod": f"api-{number}"}, number / 4) for number in range(200)]
WHOLE = Reply(content=vector(ROWS))


_CLIENTS: list[Client] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _CLIENTS:
        _CLIENTS.pop().close()


def _client(url: str, *, environ: dict[str, str] | None = None, patience_seconds: float = 5.0, **options: Any) -> Client:
    pace = options.pop("pace", None)
    _CLIENTS.append(Client(read_access(AccessOptions(url=url, **options), environ or {}), pace=pace, patience_seconds=patience_seconds))
    return _CLIENTS[-1]


def _ask(client: Client, query: str = "up") -> Vector:
    (answer,) = client.each(lambda text: client.post("/api/v1/query", {"query": text}, parse_vector), [query])
    return answer


def test_a_query_is_a_form_that_is_posted() -> None:
    """Below the address's own path, in one request; the answer is there whole, also if it is packed."""
    query = 'sum by (pod) (up{job="a&b"})' + " " * 9000
    packed = Reply(content=gzip.compress(WHOLE.content), headers={"Content-Encoding": "gzip"})
    for reply in (WHOLE, packed):
        with FaultProxy(lambda _: None, reply) as server:
            client = _client(f"{server.url}/select/0/prometheus/")
            answer = _ask(client, query)
        assert [(sample.label("pod"), sample.value) for sample in answer.samples] == [(labels["pod"], value) for labels, value in ROWS]
        (request,) = server.seen
        assert (request.method, request.path, request.form) == ("POST", "/select/0/prometheus/api/v1/query", {"query": query})
        assert client.requests == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faultproxy.cut, "the answer broke off"),
        (faultproxy.cut_chunks, "the answer broke off"),
        (faultproxy.close_early, "the answer is not what Prometheus gives: no JSON, or cut off"),
        (faultproxy.reset, "the answer was lost"),
        (faultproxy.hang_up, "the answer was lost"),
        (faultproxy.silent, "no whole answer within 0.5 s"),
        (faultproxy.drip, "no whole answer within 0.5 s"),
        pytest.param(faultproxy.drip_header, "no whole answer within 0.5 s", marks=pytest.mark.slow),
        (faultproxy.not_packed, "the answer cannot be unpacked"),
        (faultproxy.bomb, "an answer of more than 64 MiB"),
        (faultproxy.endless, "an answer of more than 64 MiB"),
        (Reply(content=b"<!DOCTYPE html><title>Sign in</title>"), "the answer is HTML instead of JSON: a login page"),
        (Reply(content=b"\n <html>", headers={"Content-Type": "text/plain"}), "the answer is HTML instead of JSON"),
        (Reply(content=b""), "the answer is not what Prometheus gives"),
        (Reply(content=b'{"status": "success"}'), "a value of no type instead of a vector"),
        (Reply(content=b'{"status":"error","error":"st\x1b[31mop"}'), "not what Prometheus gives"),
        (Reply(content=b"[" * 1_000_000), "not what Prometheus gives"),
        (Reply(content=b'{"status": "\xff\xfe"}'), "not what Prometheus gives"),
        (Reply(404, b"404 page not found\n"), "answered 404 (404 page not found); give the address to which /api/v1/query is appended"),
        (Reply(401, b"<html><h1>401"), "answered 401 (a page of HTML); it wants to know who asks: --token-file"),
        (
            refusal(400, "bad_data", "1:3: parse error: \x1b[2J\u202eunexpected"),
            r"answered 400 (1:3: parse error: \x1b[2J\u202eunexpected)",
        ),
        (refusal(500, "internal", "x" * 100_000 + "why"), f"answered 500 ({'x' * 100} ... {'x' * 197}why)"),
        (Reply(302, headers={"Location": "ftp://127.0.0.1/x"}), "sends us on, at last to ftp://127.0.0.1/x"),
        (Reply(302, headers={"Location": "/api/v1/query"}), "sends us on, at last to http://127.0.0.1"),
        (Reply(302, headers={"Location": "http://[bad"}), "sends us on"),
        (Reply(200, vector([({}, "much")])), "a value that is no number"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or (str(getattr(value, "status", "")) if isinstance(value, Reply) else None),
)
def test_a_bad_server_is_one_clear_line(fault: faultproxy.Fault | Reply, said: str) -> None:
    """No traceback, nothing that steers a terminal, no endless wait or memory; the line names the server."""
    began = time.monotonic()
    with FaultProxy(lambda _: fault, WHOLE) as server, pytest.raises(Unanswered) as refused:
        _ask(_client(server.url, patience_seconds=0.5 if "0.5 s" in said else 30.0))
    words = str(refused.value)
    assert said in words, words
    assert words.startswith(f"{server.url}")
    assert words.isprintable()
    assert len(words) < 800
    assert "0.5 s" not in said or time.monotonic() - began < 15


def test_nobody_is_there() -> None:
    """A port that nobody listens on, and a host that is none."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unanswered, match="Connection refused; is it the right address, and is it listening"):
            _ask(_client(f"http://127.0.0.1:{held.getsockname()[1]}"))
    with pytest.raises(Unanswered, match="no such host; is it the right address"):
        _ask(_client("http://prometheus.invalid:9090"))


def test_an_answer_too_large_can_be_asked_for_in_parts() -> None:
    """It is told from an answer that is bad: TooLarge."""
    with FaultProxy(lambda _: faultproxy.endless, WHOLE) as server, pytest.raises(TooLarge):
        _ask(_client(server.url))


@pytest.mark.parametrize(("status", "tries"), [(429, 3), (503, 2), (502, 2), (500, 1), (422, 1), (504, 1)])
def test_a_busy_server_is_asked_again_in_a_while(status: int, tries: int) -> None:
    """As it asks with Retry-After, and not for ever; a refusal of the question is not repeated."""
    with FaultProxy(lambda _: Reply(status, b"busy", {"Retry-After": "0"}), WHOLE) as server:
        with pytest.raises(Refused) as refused:
            _ask(_client(server.url))
        assert len(server.seen) == tries
        assert refused.value.status == status
        server.plan = lambda _: Reply(429, b"busy", {"Retry-After": "0"}) if len(server.seen) == tries + 1 else None
        assert len(_ask(_client(server.url)).samples) == len(ROWS)


def test_a_query_that_took_too_long_is_not_repeated() -> None:
    """Prometheus says 503 of it, as a proxy says of an engine that restarts."""
    with FaultProxy(lambda _: refusal(503, "timeout", "query timed out in query execution"), WHOLE) as server:
        with pytest.raises(Refused) as refused:
            _ask(_client(server.url))
        assert (len(server.seen), refused.value.kind) == (1, "timeout")


@pytest.mark.parametrize(("pace", "most"), [(None, 2), (Pace(concurrency=4), 4), (Pace(concurrency=4, load=0.5), 1)])
def test_two_at_a_time_unless_said_otherwise(pace: Pace | None, most: int) -> None:
    """So many requests run side by side, no more; all answers come in the order of the questions."""
    with FaultProxy(lambda _: _slow, WHOLE) as server:
        client = _client(server.url, pace=pace)
        queries = [str(number) for number in range(6)]
        told: list[tuple[int, int]] = []

        def ask(text: str) -> str:
            client.post("/api/v1/query", {"query": text}, parse_vector)
            return text

        assert client.each(ask, queries, lambda *done: told.append(done)) == queries
    assert told == [(done, 6) for done in range(1, 7)]
    edges = sorted([(request.began, 1) for request in server.seen] + [(request.ended or 0.0, -1) for request in server.seen])
    running = [sum(step for _, step in edges[: index + 1]) for index in range(len(edges))]
    assert max(running) == most


def _slow(handler: Any, reply: Reply) -> None:
    handler.pause(0.1)
    handler.begin(reply, {"Content-Length": str(len(reply.content))})
    handler.wfile.write(reply.content)


@pytest.mark.parametrize(
    ("pace", "threads", "pause"),
    [
        (Pace(), 2, 0.0),
        (Pace(load=2), 2, 0.0),
        (Pace(load=5), 2, 0.0),
        (Pace(load=1), 1, 0.0),
        (Pace(load=1.5), 2, 1.0),
        (Pace(load=0.1), 1, 27.0),
        (Pace(concurrency=8, load=3), 3, 0.0),
    ],
)
def test_how_long_we_wait_after_a_query_of_three_seconds(pace: Pace, threads: int, pause: float) -> None:
    """So long that the load is kept on average: threads that ask, times the share of time in which they do."""
    assert pace.threads() == threads
    assert pace.pause_seconds(3.0) == pytest.approx(pause)


def test_the_load_is_kept() -> None:
    """Seen from the server: the share of time in which a query of ours runs is no more than was said."""
    with FaultProxy(lambda _: _slow, WHOLE) as server:
        client = _client(server.url, pace=Pace(load=0.25))
        client.each(lambda text: client.post("/api/v1/query", {"query": text}, parse_vector), ["a", "b", "c", "d"])
    gaps = [after.began - before.began for before, after in zip(server.seen, server.seen[1:], strict=False)]
    lasted = [(request.ended or 0.0) - request.began for request in server.seen[:-1]]
    assert all(took <= 0.26 * gap for took, gap in zip(lasted, gaps, strict=True)), (lasted, gaps)


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (Reply(content=b'{"status":"success","data":{"version":"2.42.0","goVersion":"go1.19.8"}}'), "Prometheus 2.42.0"),
        (Reply(content=b'{"status":"success","data":{"application":"Grafana Mimir","version":"2.9.0"}}'), "Grafana Mimir 2.9.0"),
        (Reply(content=b'{"status":"success","data":{"version":"2.24.0"}}', headers={"X-Server-Hostname": "vm"}), "VictoriaMetrics"),
        (Reply(content=b'{"status":"success","data":{}}'), "unnamed"),
        (Reply(content=b'{"data":[1]}'), "unnamed"),
        (Reply(content=b"<html>"), "unnamed"),
        (Reply(404, b"no such page"), "unnamed"),
        (Reply(content=b'{"data":{"version":"\x1b[2J"}}'.replace(b"\x1b", b"\\u001b")), r"Prometheus \x1b[2J"),
    ],
)
def test_the_engine_is_named_by_one_request(reply: Reply, name: str) -> None:
    """By what it says of itself; what says nothing is not guessed."""
    with FaultProxy(lambda _: reply, WHOLE) as server:
        client = _client(server.url)
        assert client.identify().name == name
        assert [(request.method, request.path) for request in server.seen] == [("GET", "/api/v1/status/buildinfo")]
        assert client.requests == 1


def test_a_clock_that_is_wrong_is_measured() -> None:
    """From the header Date, to the second or so; a date that is none is no measure."""
    now = time.time()
    for date, expected in (
        (time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now + 3600)), 3600),
        (time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)), 0),
        ("yesterday", None),
        ("", None),
    ):
        with FaultProxy(lambda _, date=date: Reply(content=b"{}", headers={"Date": date}), WHOLE) as server:  # type: ignore[misc]
            skew = _client(server.url).identify().skew_seconds
        assert skew is expected is None or (skew is not None and expected is not None and abs(skew - expected) <= 5)


def test_an_error_of_one_ends_all() -> None:
    """What cannot be asked is not asked 24 times."""
    with FaultProxy(lambda _: Reply(401, b"no"), WHOLE) as server:
        client = _client(server.url, pace=Pace(concurrency=1))
        with pytest.raises(CgtuneError):
            client.each(lambda text: client.post("/api/v1/query", {"query": text}, parse_vector), [str(number) for number in range(24)])
        time.sleep(0.2)
        assert len(server.seen) <= 3
