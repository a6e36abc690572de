"""cgtune's client against Debian's Prometheus and VictoriaMetrics as they are, and with limits that they refuse the whole for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgtune.errors import Unanswered
from cgtune.fleet.asking import Replies, ask
from cgtune.fleet.model import Query
from cgtune.system.promaccess import AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support import faultproxy
from tests.support.engines import Engine, prometheus, victoria
from tests.support.faultproxy import FaultProxy
from tests.support.fleetdata import Series

pytestmark = pytest.mark.live

_END = int(time.time()) - 600  # in the past, so that no clock of theirs is before it
_NAMESPACES = [f"ns{number:02}" for number in range(16)]
_PODS = 10
_POINTS = 60
_QUERY = Query(name="peak", promql="max by (namespace,pod) (max_over_time(load{ }[3h:1m]))")
_WRONG = Query(name="wrong", promql="sum by (pod (load)")


def _series() -> Iterator[Series]:
    """One for each pod, a sample a minute, and one that is of no namespace."""
    seconds = [_END - 60 * (_POINTS - number) for number in range(_POINTS)]
    for name in _NAMESPACES:
        for pod in range(_PODS):
            yield Series("load", {"namespace": name, "pod": f"{name}-{pod}"}, seconds, [pod + number / 64 for number in range(_POINTS)])
    yield Series("load", {"pod": "of-none"}, seconds, [1.0] * _POINTS)


def _within(query: Query, namespaces: tuple[str, ...]) -> Query:
    return query.replace(promql=query.promql.replace("{ }", f'{{namespace=~"{"|".join(namespaces)}"}}'))


def _ask(url: str, *queries: Query) -> Replies:
    with contextlib.closing(Client(read_access(AccessOptions(url=url), {}), patience_seconds=20)) as client:
        return ask(client, queries, now=time.time(), within=_within)


def _values(replies: Replies) -> dict[str, float]:
    """The peak of each pod, by the first answer."""
    return {sample.label("pod"): sample.value for sample in replies.answers[0].samples}


_EXPECTED = {f"{name}-{pod}": pod + 59 / 64 for name in _NAMESPACES for pod in range(_PODS)} | {"of-none": 1.0}


@pytest.fixture(params=["prometheus", "victoria"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """As Debian has it."""
    with {"prometheus": prometheus, "victoria": victoria}[request.param](_series(), tmp_path) as started:
        yield started


def test_a_real_engine_answers(engine: Engine) -> None:
    """Rows as they were written; what it is, and its refusal of a question that is wrong in its own words."""
    replies = _ask(engine.url, _QUERY, _WRONG)
    assert _values(replies) == _EXPECTED
    right, wrong = replies.answers
    assert (right.error, right.parts, replies.requests) == (None, 1, 3)
    assert replies.engine.startswith(("Prometheus 2.", "VictoriaMetrics"))
    assert replies.warnings == ()
    assert wrong.error is not None
    assert "answered 4" in wrong.error
    assert "pars" in wrong.error


@pytest.mark.parametrize(
    ("start", "option"),
    [(prometheus, "--query.max-samples=4000"), (victoria, "-search.maxUniqueTimeseries=60"), (victoria, "-search.maxSamplesPerQuery=4000")],
    ids=["prometheus, samples", "victoria, series", "victoria, samples"],
)
def test_what_a_real_engine_refuses_as_too_large_is_had_in_parts(start: Any, option: str, tmp_path: Path) -> None:
    """With a limit that the whole breaks and a quarter does not: the same rows as without."""
    with start(_series(), tmp_path, option) as engine:
        replies = _ask(engine.url, _QUERY)
    (answer,) = replies.answers
    assert answer.error is None
    assert _values(replies) == _EXPECTED
    assert 3 <= answer.parts <= 15


def test_a_real_engine_behind_a_bad_proxy(engine: Engine) -> None:
    """What the network does to a true answer is one clear line, never a part of the rows."""
    with FaultProxy(lambda _: None, engine.url.partition("://")[2]) as proxy:
        assert _values(_ask(proxy.url, _QUERY)) == _EXPECTED
        for fault in (faultproxy.cut, faultproxy.cut_chunks, faultproxy.close_early, faultproxy.reset, faultproxy.hang_up):
            proxy.plan = lambda request, fault=fault: fault if request.method == "POST" else None  # type: ignore[misc]
            with pytest.raises(Unanswered, match=r"the answer (broke off|was lost|is not what Prometheus gives)"):
                _ask(proxy.url, _QUERY)


def test_a_query_that_a_real_engine_gives_up_is_asked_in_parts(tmp_path: Path) -> None:
    """Prometheus answers 503 of a query over its time; the parts may be over it too, and then that is said."""
    dear = _QUERY.replace(promql=_QUERY.promql.replace("[3h:1m]", "[3h:1s]"))  # two million points: no machine has them in a millisecond
    with prometheus(_series(), tmp_path, "--query.timeout=1ms") as engine:
        (answer,) = _ask(engine.url, dear).answers
    assert answer.error is None or "namespaces were refused by themselves too" in answer.error
    assert answer.parts > 1
