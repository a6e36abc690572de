"""Asking a server in parts if it refuses the whole, and what is told of what it refuses."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cgtune.errors import Refused, TooLarge, Unanswered
from cgtune.fleet.asking import MOST_PARTS, Replies, ask, is_too_large
from cgtune.fleet.model import Query
from cgtune.system.abreast import Pace, run_abreast
from cgtune.system.promaccess import AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support import faultproxy
from tests.support.faultproxy import FaultProxy, Plan, Reply, Request, matrix, refusal, vector

NAMESPACES = [f"ns{number:02}" for number in range(13)]
LARGE = refusal(422, "execution", "query processing would load too many samples into memory in query execution")
QUERIES = (Query(name="cpu", promql="cpu{ }"), Query(name="memory", promql="memory{ }"))


def within(query: Query, namespaces: tuple[str, ...]) -> Query | None:
    """The same question about some namespaces, as cgtune.fleet.queries puts it."""
    return query.replace(promql=query.promql.replace("{ }", f'{{namespace=~"{"|".join(namespaces)}"}}')) if "{ }" in query.promql else None


def asked_for(request: Request) -> list[str]:
    """The namespaces that a request is about: all, or those that it names."""
    named = re.search(r'namespace=~"([^"]*)"', request.form.get("query", ""))
    return ["", *NAMESPACES] if named is None else named[1].split("|")


def engine(request: Request) -> Reply:
    """One row for each namespace that is asked for; series of the node have none."""
    if request.path == "/api/v1/label/namespace/values":
        return Reply(content=b'{"status":"success","data":["%s"]}' % '","'.join(NAMESPACES).encode())
    if request.path.endswith("buildinfo"):
        return Reply(content=b'{"status":"success","data":{"version":"2.42.0"}}')
    return Reply(content=vector([({"namespace": name} if name else {}, len(name)) for name in asked_for(request)]))


def _run(server: FaultProxy, *queries: Query, patience_seconds: float = 10.0, splits: bool = True) -> Replies:
    with contextlib.closing(Client(read_access(AccessOptions(url=server.url), {}), patience_seconds=patience_seconds)) as client:
        return ask(client, queries or QUERIES, now=time.time(), within=within if splits else None)


def _posts(server: FaultProxy) -> list[Request]:
    return [request for request in server.seen if request.method == "POST"]


def refuse_over(most: int, reply: faultproxy.Fault | Reply = LARGE) -> Plan:
    """Refuses what is about more namespaces than that."""
    return lambda request: reply if request.method == "POST" and len(asked_for(request)) > most else None


def test_the_whole_is_asked_in_one_request_each() -> None:
    """A server that takes it is asked no more than the questions, and what it is; all as of one time."""
    with FaultProxy(lambda _: None, engine) as server:
        asked = _run(server)
    assert sorted(request.form["query"] for request in _posts(server)) == sorted(query.promql for query in QUERIES)
    assert (asked.engine, asked.requests, len(server.seen), asked.warnings) == ("Prometheus 2.42.0", 3, 3, ())
    assert [(answer.query, answer.parts, answer.error) for answer in asked.answers] == [(query, 1, None) for query in QUERIES]
    assert {request.form["time"] for request in _posts(server)} == {f"{asked.time:.3f}"}


PAIR = Query(
    name="cpu",
    promql="pair(cpu{ })",
    is_range=True,
    apart=(Query(name="cpu_p50", promql="p50(cpu{ })"), Query(name="cpu_p95", promql="p95(cpu{ })")),
)


def pairing(first: float, second: float) -> Callable[[Request], Reply]:
    """An engine that gives these two for each namespace, and 1 and 2 to who asks for them apart."""

    def answer(request: Request) -> Reply:
        if "pair(" not in request.form.get("query", ""):
            told = engine(request)
            is_one = request.form.get("query", "").startswith("p50(")
            return (
                told
                if request.method == "GET"
                else Reply(content=vector([({"namespace": name}, 1 if is_one else 2) for name in asked_for(request)]))
            )
        return Reply(content=matrix([({"namespace": name}, [(0, first), (60, second)]) for name in asked_for(request)]))

    return answer


@pytest.mark.parametrize(
    ("most", "values", "expected", "requests"),
    [
        (99, (0.5, 0.95), (0.5, 0.95), 1),
        (7, (0.5, 0.95), (0.5, 0.95), 3),
        (99, (0, 0), (0, 0), 1),
        (99, (0.5, 0.5), (1, 2), 3),
        (7, (0.5, 0.5), (1, 2), 9),
    ],
    ids=["one question", "in halves", "nothing", "one quantile for both", "one quantile for both, in halves"],
)
def test_a_pair_has_two_answers(most: int, values: tuple[float, float], expected: tuple[float, float], requests: int) -> None:
    """From one question. What takes one quantile for both is asked for each; a history of zeros has no other quantile."""
    with FaultProxy(refuse_over(most), pairing(*values)) as server:
        asked = _run(server, PAIR)
    assert [(answer.query.name, answer.error) for answer in asked.answers] == [("cpu_p50", None), ("cpu_p95", None)]
    assert [{sample.value for sample in answer.samples} for answer in asked.answers] == [{value} for value in expected]
    assert [len(answer.samples) for answer in asked.answers] == [14, 14]
    assert len(_posts(server)) == requests


def test_what_one_pair_has_shown_holds_for_the_next() -> None:
    """A question whose rows all have one figure, as restarts of a calm week, is not asked again if the engine took another pair."""
    level = PAIR.replace(promql="pair(level{ })")

    def answer(request: Request) -> Reply:
        return pairing(3, 3 if "level" in request.form.get("query", "") else 4)(request)

    with (
        FaultProxy(lambda _: None, answer) as server,
        contextlib.closing(Client(read_access(AccessOptions(url=server.url), {}), pace=Pace(concurrency=1))) as client,
    ):
        asked = ask(client, (PAIR, level), now=time.time(), within=within)
    assert [{sample.value for sample in answer.samples} for answer in asked.answers] == [{3}, {4}, {3}, {3}]
    assert len(_posts(server)) == 2


def test_a_pair_that_is_refused_is_asked_for_apart() -> None:
    """By an engine that knows no varying quantile; the rows are the same."""
    no = refusal(422, "execution", "quantile_over_time: the parameter must be a number")
    with FaultProxy(lambda request: no if "pair(" in request.form.get("query", "") else None, pairing(0, 0)) as server:
        asked = _run(server, PAIR)
    assert [(answer.query.name, answer.error, answer.samples[0].value) for answer in asked.answers] == [
        ("cpu_p50", None, 1),
        ("cpu_p95", None, 2),
    ]
    assert len(_posts(server)) == 3


def test_a_second_round_is_of_the_same_time() -> None:
    """What follows from the first answers is asked as of the same moment, and the server is not asked again what it is."""
    with FaultProxy(lambda _: None, engine) as server, contextlib.closing(Client(read_access(AccessOptions(url=server.url), {}))) as client:
        first = ask(client, QUERIES[:1], now=time.time())
        second = ask(client, QUERIES[1:], now=time.time() + 999, after=first)
    assert (second.time, second.engine, second.requests) == (first.time, first.engine, 3)
    assert {request.form["time"] for request in _posts(server)} == {f"{first.time:.3f}"}


@pytest.mark.parametrize(
    ("reply", "most"),
    [
        (LARGE, 1),
        (LARGE, 3),
        (LARGE, 7),
        (refusal(400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"), 7),
        (refusal(503, "timeout", "query timed out in query execution"), 7),
        (refusal(422, "422", "cannot select more than -search.maxSamplesPerQuery=1000000000 samples"), 7),
        (refusal(422, "execution", "err-mimir-max-chunks-per-query"), 7),
        (Reply(413, b"<html>Request Entity Too Large"), 7),
        (Reply(504, b"upstream request timeout"), 7),
    ],
    ids=["to one", "to three", "to seven", "points", "time", "victoria", "mimir", "proxy's size", "proxy's time"],
)
def test_what_is_refused_as_too_large_is_asked_in_halves(reply: faultproxy.Fault | Reply, most: int) -> None:
    """The parts give the same rows as the whole would, series without a namespace too, and are no smaller than they must be."""
    with FaultProxy(refuse_over(most, reply), engine) as server:
        asked = _run(server, QUERIES[0])
    (answer,) = asked.answers
    assert answer.error is None
    assert sorted(sample.label("namespace") for sample in answer.samples) == ["", *NAMESPACES]
    posts = _posts(server)
    assert answer.parts == len(posts) == {7: 3, 3: 11, 1: 27}[most]  # 14 in halves: 1 + 2; 1 + 2 + 4 + 4; one for each, and 13 above
    assert len(server.seen) == len(posts) + 2


def test_what_is_too_large_for_us_is_asked_in_halves() -> None:
    """No more is kept of an answer than our own bound, and its parts have room in it."""
    with FaultProxy(refuse_over(7, faultproxy.endless), engine) as server:
        (answer,) = _run(server, QUERIES[0]).answers
    assert (answer.error, answer.parts, len(answer.samples)) == (None, 3, 14)


def test_namespaces_are_asked_for_once_for_all_questions() -> None:
    """And only if a question was refused."""
    with FaultProxy(refuse_over(7), engine) as server:
        asked = _run(server, *(Query(name=f"q{number}", promql=f"q{number}{{ }}") for number in range(5)))
    assert all(answer.error is None and len(answer.samples) == 14 for answer in asked.answers)
    assert 1 <= sum(request.path.startswith("/api/v1/label") for request in server.seen) <= 2  # two threads may ask at the same moment


def test_only_the_namespaces_that_were_named_are_asked_for() -> None:
    """A report of two namespaces that is refused becomes no report of all."""
    with FaultProxy(refuse_over(1), engine) as server, contextlib.closing(Client(read_access(AccessOptions(url=server.url), {}))) as client:
        (answer,) = ask(client, QUERIES[:1], now=time.time(), within=within, namespaces=("ns01", "ns07")).answers
    assert [sample.label("namespace") for sample in answer.samples] == ["ns01", "ns07"]
    assert not any(request.path.startswith("/api/v1/label") for request in server.seen)


def test_a_namespace_that_is_refused_by_itself_is_named() -> None:
    """The others are answered, and the answer says which are missing and why."""
    with FaultProxy(lambda request: LARGE if "ns05" in asked_for(request) and request.method == "POST" else None, engine) as server:
        (answer,) = _run(server, QUERIES[0]).answers
    assert sorted(sample.label("namespace") for sample in answer.samples) == ["", *(name for name in NAMESPACES if name != "ns05")]
    assert answer.error is not None
    assert "too many samples" in answer.error
    assert answer.error.endswith("; 1 of 14 namespaces were refused by themselves too: ns05")


def test_a_server_that_refuses_everything_is_left_in_peace() -> None:
    """After so many requests that were all refused no more are made, however many namespaces there are."""
    names = b'{"status":"success","data":["%s"]}' % '","'.join(f"n{number}" for number in range(5000)).encode()
    with FaultProxy(lambda request: LARGE if request.method == "POST" else Reply(content=names), engine) as server:
        (answer,) = _run(server, QUERIES[0]).answers
        assert answer.parts == len(_posts(server)) <= 16
    assert answer.error is not None
    assert "5001 of 5001 namespaces" in answer.error
    with FaultProxy(refuse_over(1) if len(NAMESPACES) > MOST_PARTS else _refuse_many(names), engine) as server:
        (answer,) = _run(server, QUERIES[0]).answers
        assert answer.parts == len(_posts(server)) <= MOST_PARTS
    assert answer.samples


def _refuse_many(names: bytes) -> Plan:
    return lambda request: Reply(content=names) if request.method == "GET" else LARGE if len(asked_for(request)) > 20 else None


def test_a_question_that_cannot_be_put_in_parts_keeps_its_refusal() -> None:
    """As one about nodes; and so does each if the server does not say which namespaces there are."""
    with FaultProxy(refuse_over(7), engine) as server:
        (whole,) = _run(server, Query(name="nodes", promql="nodes")).answers
        (alone,) = _run(server, QUERIES[0], splits=False).answers
    assert whole.error is not None
    assert alone.error is not None
    assert (whole.samples, alone.samples) == ((), ())
    with FaultProxy(lambda request: LARGE if request.method == "POST" else Reply(500, b"no"), engine) as server:
        (blind,) = _run(server, QUERIES[0]).answers
    assert blind.error is not None
    assert len(_posts(server)) == 1


def test_parts_that_overlap_are_not_added_up() -> None:
    """A question whose rows are of no namespace gives the same row in each part: half of its truth each."""
    with FaultProxy(refuse_over(7), lambda r: engine(r) if r.method == "GET" else Reply(content=vector([({"job": "a"}, 1)]))) as server:
        (answer,) = _run(server, QUERIES[0]).answers
    assert answer.samples == ()
    assert answer.error is not None
    assert "overlap" in answer.error


def test_a_question_that_is_wrong_is_its_own_answer() -> None:
    """And it is asked once: it would be as wrong in parts. The words of the question in the refusal make it no larger."""
    wrong = refusal(422, "422", "cannot parse kube_pod_container_resource_limits{resource=memory}: unexpected limit, memory")
    with FaultProxy(lambda request: wrong if request.form.get("query") == "cpu{ }" else None, engine) as server:
        asked = _run(server)
    assert [answer.error is None for answer in asked.answers] == [False, True]
    assert len(_posts(server)) == 2


@pytest.mark.parametrize(
    "reply", [Reply(401, b"who?"), Reply(403, b"no"), Reply(404, b"not here"), Reply(400, b"Client sent HTTP to HTTPS")]
)
def test_what_is_of_no_question_ends_all(reply: Reply) -> None:
    """Who we are, or the address: 24 questions are not asked for it."""
    with FaultProxy(lambda request: reply if request.method == "POST" else None, engine) as server, pytest.raises(Unanswered) as refused:
        _run(server, *(Query(name=f"q{number}", promql="up") for number in range(24)))
    assert not isinstance(refused.value, Refused)
    assert len(_posts(server)) <= 4


def test_what_an_engine_warns_of_is_kept() -> None:
    """Of each part once, and that the clock is wrong is said of the whole, which is asked as of the server's time."""
    partial = vector([({"pod": "a"}, "NaN"), ({"pod": "b"}, "+Inf")], warnings=["store eu-2 did not answer"], infos=["not a counter"])
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() - 7200))
    with FaultProxy(lambda _: Reply(content=partial, headers={"Date": date}), Reply()) as server:
        asked = _run(server, QUERIES[0])
    (answer,) = asked.answers
    assert answer.warnings == ("store eu-2 did not answer",)
    assert [str(sample.value) for sample in answer.samples] == ["nan", "inf"]
    (said,) = asked.warnings
    assert re.fullmatch(r"the server's clock is 7[12]\d\d s behind ours; it was asked as of its own time", said)
    assert abs(asked.time - (time.time() - 7200)) < 30


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TooLarge("x"), True),
        (Unanswered("x"), False),
        (Refused("x", status=500, kind="internal", said="context deadline exceeded"), True),
        (Refused("x", status=500, kind="internal", said="exceeded series limit of 10000 per request"), True),
        (Refused("x", status=422, kind="execution", said="many-to-many matching not allowed"), False),
        (Refused("x", status=429, kind="", said="too many requests"), False),
        (Refused("x", status=401, kind="", said="token timed out"), False),
    ],
)
def test_what_is_too_large(error: Unanswered, expected: bool) -> None:
    """What a smaller question may mend, by status, kind and whole phrases."""
    assert is_too_large(error) is expected


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """Nothing here waits for a clock of ours for long."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("most", [0, 1])
def test_without_threads_the_questions_are_asked_all_the_same(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """At the limit of processes (pids.max) those threads that there are ask all, or this one does."""
    real, begun = threading.Thread.start, list[threading.Thread]()

    def start(thread: threading.Thread) -> None:
        begun.append(thread)
        if len(begun) > most:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert run_abreast(lambda number: number + 1, [1, 2, 3], 2, watch=lambda: None) == [2, 3, 4]
