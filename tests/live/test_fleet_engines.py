"""A synthetic fleet in Debian's Prometheus and VictoriaMetrics: the same questions give the same rows, with what was planted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain, pairwise
from pathlib import Path

import pytest

from cgtune.fleet.asked import Asked, steps_of
from cgtune.fleet.asking import ask
from cgtune.fleet.doctor import diagnose
from cgtune.fleet.joining import Joined, join
from cgtune.fleet.judging import judge_fleet
from cgtune.fleet.model import Measured, Query, Span
from cgtune.fleet.names import RECORDED_CPU, RECORDED_GC, RECORDED_HEAP
from cgtune.fleet.probe import Seen, probe_queries, read_probe
from cgtune.fleet.queries import MOST_QUERIES, build_queries
from cgtune.system.promaccess import AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support.engines import Engine, prometheus, victoria
from tests.support.fleetdata import FAULTS, MIB, Series, Service, fleet, gaps, machine, record, series_of, spec_shares

pytestmark = [pytest.mark.live, pytest.mark.slow]

_END = int(time.time()) // 3600 * 3600
_BEGIN = _END - 30 * 3600
_ASKED = Asked(window_seconds=26 * 3600)
_SERVICES = fleet(60)


def _series() -> Iterator[Series]:
    return chain(chain.from_iterable(series_of(each, _BEGIN, _END) for each in _SERVICES), gaps(_BEGIN, _END), machine(_BEGIN, _END))


def _ask(engine: Engine, asked: Asked = _ASKED) -> tuple[tuple[Seen, ...], Joined, tuple[Query, ...]]:
    seen = read_probe(engine.ask_each(probe_queries(asked), _END))
    queries = build_queries(asked, seen)
    assert len(queries) + 2 <= MOST_QUERIES
    return seen, join(engine.ask_each(queries, _END), seen), queries


@pytest.fixture(scope="module")
def debian_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With the fleet."""
    with prometheus(_series(), tmp_path_factory.mktemp("prometheus")) as engine:
        yield engine


@pytest.fixture(scope="module")
def debian_victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With the same fleet."""
    with victoria(_series(), tmp_path_factory.mktemp("victoria")) as engine:
        yield engine


def _is_near(one: object, other: object) -> bool:
    if isinstance(one, Span) and isinstance(other, Span):
        return all(_is_near(value, getattr(other, name)) for name, value in one.items())
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == pytest.approx(other, rel=0.01)
    return one == other


def test_two_engines_give_the_same_rows(debian_prometheus: Engine, debian_victoria: Engine) -> None:
    """Keys and every field of them, to one percent, and the age to a step: they do not cut the begin of a window alike. Gaps likewise."""
    (_, one, _), (_, other, _) = _ask(debian_prometheus), _ask(debian_victoria)
    assert [key for key, _ in one.rows] == [key for key, _ in other.rows]
    far = [
        (key.name, name, value, getattr(second, name))
        for (key, first), (_, second) in zip(one.rows, other.rows, strict=True)
        for name, value in first.items()
        if not (_is_near(value, getattr(second, name)) or (name == "history_seconds" and abs(value - second.history_seconds) <= 3600))
    ]
    assert far == []
    assert one.not_joined == other.not_joined


def _expected(service: Service) -> dict[str, object]:
    return {
        "replicas": service.replicas,
        "go": (service.go.removeprefix("go"),),
        "most_procs": service.procs,
        "cpu_limit_cores": service.cores,
        "is_cpu_unlimited": service.cores is None,
        "cpu_request_cores": service.request,
        "cpu_shares": spec_shares(service.request),
        "memory_limit_bytes": (service.memory_mib or 0) * MIB,
        "gomemlimit_bytes": None if service.soft_mib is None else int(service.soft_mib * MIB),
        "is_gomemlimit_off": service.soft_mib is None,
        "gogc": -1 if service.gogc > 1000 else 100,
        "live_heap_bytes": int(service.live_mib * MIB),
        "kills": int(service.is_killed),
        "restarts": 4 * service.is_killed,
        "is_resized": False,
        "node_cpus": 64,
    }


def test_rows_are_what_was_planted(debian_prometheus: Engine) -> None:
    """Each service is one row, three of each fault, with the figures that it was made of; half of the healthy ones' pods ended."""
    _, joined, _ = _ask(debian_prometheus)
    rows = {key.name: (key, measured) for key, measured in joined.rows}
    assert set(rows) == {each.name for each in _SERVICES} | {"alone"}
    assert sorted(each.fault for each in _SERVICES if each.fault) == sorted([*FAULTS] * 3)
    for service in _SERVICES:
        key, measured = rows[service.name]
        assert (key.namespace, key.kind, key.container) == (service.namespace, "Deployment", "app")
        assert {name: getattr(measured, name) for name in _expected(service)} == _expected(service)
        assert measured.cpu_used.most == pytest.approx(service.used_cores, rel=0.01)
        assert measured.memory_used.most == pytest.approx(service.used_mib * MIB, rel=0.01)
        assert measured.throttled.most == (None if service.cores is None else pytest.approx(service.throttled, abs=0.001))
        assert measured.gc_share == (pytest.approx(service.gc_share, rel=0.05) if service.fault else None)
        assert measured.history_seconds == pytest.approx(_ASKED.window_seconds, rel=0.02)


def test_each_planted_fault_is_found_and_no_other(debian_prometheus: Engine, debian_victoria: Engine) -> None:
    """Twelve kinds, three of each, from both engines: the rule of each alone, the worst first, and nothing of those in order."""
    for engine in (debian_prometheus, debian_victoria):
        _, joined, _ = _ask(engine)
        rows = [row for row in judge_fleet(joined.rows) if row.key.name != "alone"]
        assert {row.key.name: [finding.rule for finding in row.findings] for row in rows} == {
            each.name: [each.fault] if each.fault else [] for each in _SERVICES
        }
        urgencies = [row.findings[0].urgency for row in rows if row.findings]
        assert len(urgencies) == 36
        assert urgencies == sorted(urgencies)


@pytest.mark.parametrize("engine_of", [prometheus, victoria])
def test_both_figures_of_a_pair_are_of_the_present(engine_of: Callable[..., AbstractContextManager[Engine]], tmp_path: Path) -> None:
    """Asked as of now, when VictoriaMetrics smooths the last half minute: the engine takes each pair, and no two are one."""
    end = (int(time.time()) + 270) // 60 * 60
    series = chain.from_iterable(series_of(each, (end - 5 * 3600) // 3600 * 3600, end) for each in _SERVICES[:4])
    asked = Asked(window_seconds=4 * 3600)
    with engine_of(series, tmp_path) as engine, contextlib.closing(Client(read_access(AccessOptions(url=engine.url), {}))) as client:
        probe = ask(client, probe_queries(asked), now=time.time())
        queries = build_queries(asked, read_probe(probe.answers))
        replies = ask(client, queries, now=time.time(), after=probe)
    assert replies.requests == probe.requests + len(queries)
    answers = {answer.query.name: answer for answer in replies.answers}
    assert [answer.error for answer in replies.answers if answer.error] == []
    for lower, higher in (("cpu_p50", "cpu_p95"), ("memory_p50", "memory_p95"), ("throttled_p50", "throttled_most")):
        least = {sample.labels: sample.value for sample in answers[lower].samples}
        most = {sample.labels: sample.value for sample in answers[higher].samples}
        assert least.keys() == most.keys()
        assert len(least) == 4
        assert all(value < most[labels] for labels, value in least.items())


@pytest.mark.parametrize("start", [prometheus, victoria])
def test_impossible_values_in_pairs_are_not_believed(
    start: Callable[[Iterator[Series], Path], AbstractContextManager[Engine]], tmp_path: Path
) -> None:
    """Two quantiles of 1e300 bytes, and restarts below 0: counted and not read, and the healthy neighbour's figures are there."""
    broken, healthy = _SERVICES[-2:]
    planted = {"container_memory_working_set_bytes": 1e300, "kube_pod_container_status_restarts_total": -3.0}

    def lie() -> Iterator[Series]:
        yield from series_of(healthy, _END - 7200, _END)
        for each in series_of(broken, _END - 7200, _END):
            bad = planted.get(each.name)
            yield each if bad is None else each._replace(values=[bad * (1 + place) for place in range(len(each.values))])

    with start(lie(), tmp_path) as engine:
        _, joined, _ = _ask(engine, _ASKED.replace(window_seconds=3600))
    rows = {key.name: measured for key, measured in joined.rows}
    assert (rows[broken.name].memory_used, rows[broken.name].restarts) == (Span(), None)
    assert rows[broken.name].cpu_used.p95 is not None
    assert (rows[healthy.name].memory_used.p95 is None, rows[healthy.name].restarts) == (False, 0)
    told = " ".join(each.why for each in joined.not_joined if "no machine can have" in each.why)
    assert all(name in told for name in planted)


def test_planted_gaps_are_told(debian_prometheus: Engine) -> None:
    """How many programs have no pod and no container, whose owner is not known; and the doctor tells the labels' lines."""
    seen, joined, _ = _ask(debian_prometheus)
    assert [(each.count, each.why.partition(":")[0]) for each in joined.not_joined] == [
        (2, "Go programs whose series have no container label, in a pod of several containers"),
        (3, "Go programs of job static whose series have no pod label"),
        (1, "pods without kube_pod_owner"),
        (1, "Go containers of which no series tells the use of CPU and memory"),
        (1, "Go containers of which no series tells the limits"),
        (43, "Go containers without cgtune serve"),
    ]
    mends = [each.mend for each in diagnose(seen)]
    assert any("target_label: pod}" in each for each in mends)
    assert any("target_label: container}" in each for each in mends)


def test_the_doctor_of_what_kube_prometheus_stack_leaves(tmp_path: Path) -> None:
    """Without container_spec_*, with kube-state-metrics scraped without honor_labels and with an old client_golang: each is named."""

    def leave() -> Iterator[Series]:
        for each in chain.from_iterable(series_of(one, _END - 7200, _END) for one in _SERVICES[:4]):
            if each.name.startswith(("container_spec_", "go_sched_", "go_cpu_", "go_gc_")):
                continue
            if each.name.startswith("kube_"):
                own = {"namespace": "monitoring", "pod": "ksm-0", "container": "ksm"}
                renamed = {f"exported_{name}" if name in own else name: value for name, value in each.labels.items()}
                yield each._replace(labels=renamed | own)
            else:
                yield each

    with prometheus(leave(), tmp_path) as engine:
        seen, joined, _ = _ask(engine, _ASKED.replace(window_seconds=3600))
    found = {each.why: each for each in diagnose(seen)}
    (exported,) = (each for why, each in found.items() if "exported_pod" in why and "job kube-state-metrics" in why)
    assert exported.mend == "honor_labels: true (honorLabels of a ServiceMonitor or PodMonitor) for job kube-state-metrics"
    whys = " ".join(found)
    assert all(word in whys for word in ("no container_spec_* series", "export no GOMAXPROCS", "the live heap", "collector's share"))
    assert {key.name for key, _ in joined.rows} == {each.name for each in _SERVICES[:4]}
    assert all(measured.cpu_limit_cores is None and not measured.is_cpu_unlimited for _, measured in joined.rows)
    assert exported in joined.not_joined


def test_a_namespace_is_all_that_is_asked_for(debian_prometheus: Engine, debian_victoria: Engine) -> None:
    """Its rows are those of the whole report, and there are no others."""
    for engine in (debian_prometheus, debian_victoria):
        _, whole, _ = _ask(engine)
        _, part, _ = _ask(engine, _ASKED.replace(namespaces=("shop-3",)))
        assert part.rows == tuple(row for row in whole.rows if row[0].namespace == "shop-3")
        assert part.rows


def test_the_questions_of_all_sources_are_understood(debian_prometheus: Engine, debian_victoria: Engine) -> None:
    """Also those of which this fleet has no series: no engine refuses one, with namespaces and a selector or without."""
    for asked in (_ASKED, _ASKED.replace(namespaces=("shop-1", "a.b"), selector='cluster=~".*"')):
        for query in build_queries(asked):
            for engine in (debian_prometheus, debian_victoria):
                engine.ask_raw(query.promql, _END)


def test_use_over_time_is_what_was_planted(debian_prometheus: Engine, debian_victoria: Engine) -> None:
    """From both engines: a point each step, of the busiest replica; the tops are those of the whole history."""
    asked = _ASKED.replace(over_time=True)
    step = steps_of(asked.window_seconds).drawn
    for engine in (debian_prometheus, debian_victoria):
        _, joined, queries = _ask(engine, asked)
        assert "over_time" in [query.name for query in queries if query.is_range and not query.apart]
        rows = {key.name: measured for key, measured in joined.rows}
        for service in _SERVICES:
            measured = rows[service.name]
            for track, most in ((measured.cpu_track, service.used_cores), (measured.memory_track, service.used_mib * MIB)):
                times = [time for time, _ in track]
                assert {later - earlier for earlier, later in pairwise(times)} == {step}
                assert 57 <= len(times) <= 60
                assert _END - step < times[-1] <= _END
                assert max(value for _, value in track) == pytest.approx(most, rel=0.02)
        assert rows["alone"].cpu_track == ()


def test_recorded_series_give_the_same(debian_prometheus: Engine, tmp_path: Path) -> None:
    """With the rules' series in it the rows say the same, of these series, and no question about use names the raw ones."""
    with prometheus(chain(_series(), record(_SERVICES, _BEGIN, _END)), tmp_path) as engine:
        _, raw, _ = _ask(debian_prometheus)
        _, cheap, queries = _ask(engine)
        _, drawn, _ = _ask(engine, _ASKED.replace(over_time=True))
        assert all(measured.cpu_track for key, measured in drawn.rows if key.name != "alone")
    assert [key for key, _ in cheap.rows] == [key for key, _ in raw.rows]
    for (_, one), (_, other) in zip(raw.rows, cheap.rows, strict=True):
        far = [name for name, value in one.items() if name != "series" and not _is_near(value, getattr(other, name))]
        assert [name for name in far if not _is_of_a_step(name, one, other)] == []
        told = {name: dict(other.series).get(name) for name in ("cpu_used", "live_heap_bytes", "gc_share")}
        assert told["cpu_used"] == (None if one.cpu_used.most is None else RECORDED_CPU)
        assert told["live_heap_bytes"] == (None if one.live_heap_bytes is None else RECORDED_HEAP)
        assert told["gc_share"] == (None if one.gc_share is None else RECORDED_GC)
    named = [
        query for query in queries if query.name.partition("_")[0] in ("cpu", "memory", "throttled", "recent", "history", "gc", "live")
    ]
    assert len(named) == 9
    assert not any(name in query.promql for query in named for name in ("container_", "go_gc_", "go_cpu_"))


def _is_of_a_step(name: str, one: Measured, other: Measured) -> bool:
    """A recorded series begins one sample later."""
    if name == "samples":
        return abs((one.samples or 0) - (other.samples or 0)) <= 2 * (one.replicas or 0)
    return name == "history_seconds" and abs((one.history_seconds or 0) - (other.history_seconds or 0)) <= 3900
