"""What is asked: never more than 24 questions, of what is there, in bounded steps, and of the recorded series if they reach back."""

from __future__ import annotations

import re

import pytest

from cgtune.errors import UsageError
from cgtune.fleet import names
from cgtune.fleet.asked import Asked, parse_selector, steps_of
from cgtune.fleet.model import Answer, Sample
from cgtune.fleet.probe import Seen, probe_queries, read_probe
from cgtune.fleet.queries import MOST_QUERIES, OVER_TIME, build_queries, narrow
from tests.support.command import ROOT

WEEK = 7 * 86400


def _all(*left_out: str) -> list[Seen]:
    return [Seen(name=name, series=1) for name in names.PROBED if name not in left_out]


def test_there_are_at_most_24_questions() -> None:
    """With everything there, both of the probe and what the page draws, they are 24; who draws nothing asks one less."""
    asked, drawn = Asked(window_seconds=WEEK), Asked(window_seconds=WEEK, over_time=True)
    questions = build_queries(drawn, _all())
    assert len(questions) + len(probe_queries(drawn)) == MOST_QUERIES == 24
    assert len(build_queries(asked, _all())) + len(probe_queries(asked)) == 23
    assert len({query.name for query in questions}) == len(questions)
    assert {query.name for query in questions} - {query.name for query in build_queries(asked, _all())} == {OVER_TIME}


def test_use_over_time_is_one_subquery() -> None:
    """Its points are at most 60; a point is the mean or the most of all since the one before; the recorded series do as well."""
    for window in (600, 5400, 86400, WEEK, 400 * 86400):
        (query,) = (each for each in build_queries(Asked(window_seconds=window, over_time=True), _all()) if each.name == OVER_TIME)
        step = steps_of(window).drawn
        assert query.promql.startswith("(label_replace(max by (cluster,namespace,pod,container) (rate(container_cpu_usage_seconds_total{")
        assert query.promql.endswith(f")[{window}s:{step}s]")
        assert query.promql.count(f"[{step}s]") == 4
        assert window // step + 1 <= 60
    back = [Seen(name=name, series=1, is_at_begin=True) for name in names.RECORDED]
    (query,) = (each for each in build_queries(Asked(window_seconds=WEEK, over_time=True), [*_all(), *back]) if each.name == OVER_TIME)
    assert "container_" not in query.promql
    assert "avg_over_time(cgtune_fleet:cpu_cores:rate5m[10260s])" in query.promql
    assert build_queries(Asked(window_seconds=WEEK, over_time=True), ()) == ()


@pytest.mark.parametrize("days", [0.04, 0.5, 1, 7, 30, 90])
def test_steps_are_bounded(days: float) -> None:
    """No series has more than 2016 points for its peaks and 336 or so for its quantiles, and no step is below what rate() needs."""
    window = int(days * 86400)
    steps = steps_of(window)
    assert window / steps.peak <= 2016
    assert window / steps.quantile <= 336 * 1.5
    assert 300 <= steps.peak <= steps.quantile <= steps.state
    assert all(step % 60 == 0 for _, step in steps.items())


def test_what_is_not_there_is_not_asked_for() -> None:
    """Without cgtune, OpenTelemetry and kube-scheduler no question names their series."""
    foreign = [
        name for name in names.PROBED if name.startswith(("cgtune", "kube_pod_resource_")) or name in (*names.OTEL_SETTINGS, "target_info")
    ]
    asked = build_queries(Asked(window_seconds=WEEK), _all(*foreign))
    assert {"cgtune", "otel", "otel_settings", "pod_resources", "cgtune_kills"}.isdisjoint(query.name for query in asked)
    assert not any(name in re.findall(r"[\w:]+", query.promql) for query in asked for name in foreign)
    assert build_queries(Asked(window_seconds=WEEK), ()) == ()


def test_recorded_series_are_read_only_if_they_reach_back() -> None:
    """They are there now and at the begin of the window: they are read. Since yesterday, or with a selector that they may not meet: not."""
    back = [Seen(name=name, series=1, is_at_begin=True) for name in names.RECORDED]

    def raw(asked: Asked, seen: list[Seen]) -> set[str]:
        return {query.name for query in build_queries(asked, seen) if any(name in query.promql for name in names.RECORDED)}

    assert raw(Asked(window_seconds=WEEK), [*_all(), *back]) == {
        *("cpu", "cpu_most", "memory", "memory_most", "throttled", "recent", "history", "live_heap", "gc_share", "restarts", "owner"),
    }
    assert raw(Asked(window_seconds=WEEK), _all()) == set()
    assert raw(Asked(window_seconds=WEEK), [*_all(*names.RECORDED), *back]) == set()
    assert raw(Asked(window_seconds=WEEK, selector='team="a"'), [*_all(), *back]) == set()


def test_namespaces_and_selector_restrict_every_question() -> None:
    """Each selector has both, but those of nodes, which are of no namespace, and of targets, whose namespace another label holds."""
    asked = Asked(window_seconds=WEEK, namespaces=("shop", "a.b"), selector='cluster="eu1"')
    for query in build_queries(asked):
        selectors = re.findall(r"\{([^}]*)\}", query.promql)
        assert selectors
        assert all('cluster="eu1"' in each for each in selectors), query.name
        free = [each for each in selectors if r'namespace=~"shop|a\\.b"' not in each and r'k8s_namespace_name=~"shop|a\\.b"' not in each]
        assert free == ([] if query.name not in ("nodes", "otel_settings") else free)


def test_what_others_tell_of_a_pod_is_read_only_under_its_own_name() -> None:
    """Scraped without honor_labels all pods would be that of kube-state-metrics, or of cgtune serve."""
    for query in build_queries(Asked(window_seconds=WEEK)):
        for name, matchers in re.findall(r"([\w:]*)\{([^}]*)\}", query.promql):
            named = name + matchers
            tells = "kube_" in named or ("cgtune_" in named and "cgtune_fleet:" not in named)
            assert tells == ('exported_namespace=""' in matchers), (query.name, named)


def test_cgtunes_series_bear_the_names_that_are_asked_for() -> None:
    """outputs.series and outputs.prometheus make each of them."""
    made = "".join((ROOT / "cgtune" / "outputs" / f"{name}.py").read_text() for name in ("series", "prometheus"))
    stems = (("observed", "{}"), ("workload", "{owner.of}"))
    own = [name for name in names.PROBED if name.startswith("cgtune_") and name not in names.RECORDED]
    assert [name for name in own if not any(name.replace(word, stem) in made for word, stem in (("", ""), *stems))] == []
    assert len(own) > 12


def test_a_question_is_narrowed_to_namespaces() -> None:
    """The same with the restriction, "" for what has no namespace; not the probe, nor what OpenTelemetry exports."""
    asked = Asked(window_seconds=WEEK)
    whole = {query.name: query for query in build_queries(asked, _all())}
    part = narrow(whole["resources"], asked, _all(), ("", "shop"))
    assert part is not None
    assert (part.name, 'namespace=~"|shop"' in part.promql) == ("resources", True)
    assert [narrow(query, asked, _all(), ("shop",)) for query in (*probe_queries(asked), whole["otel"], whole["otel_settings"])] == [
        None
    ] * 4


def test_the_last_day_is_asked_for_only_if_it_is_not_all() -> None:
    """A window of a day has no last day of its own."""
    assert "recent" not in {query.name for query in build_queries(Asked(window_seconds=86400))}
    (recent,) = (query.promql for query in build_queries(Asked(window_seconds=WEEK)) if query.name == "recent")
    assert (recent.count("[86400s:"), f"{WEEK}s" in recent) == (4, False)  # of CPU and memory, by either of their series


def test_two_figures_are_one_question() -> None:
    """A pair's quantile is one of the two by the minute; apart it asks for each of them, over the same history."""
    asked = Asked(window_seconds=WEEK)
    pairs = {query.name: query for query in build_queries(asked, _all()) if query.apart}
    assert {name: [each.name for each in pair.apart] for name, pair in pairs.items()} == {
        "cpu": ["cpu_p50", "cpu_p95"],
        "memory": ["memory_p50", "memory_p95"],
        "throttled": ["throttled_p50", "throttled_most"],
        "restarts": ["restarts_least", "restarts_most"],
    }
    for pair, quantiles in (("cpu", ("0.5", "0.95")), ("restarts", ("0",))):
        whole = pairs[pair].promql
        assert whole.endswith(")[119999ms:60s]")
        for quantile, part in zip(quantiles, pairs[pair].apart, strict=False):
            varied = re.sub(r"quantile_over_time\(.*?% 2\),", f"quantile_over_time({quantile},", whole[1:])
            assert part.promql == varied.removesuffix(")[119999ms:60s]").replace("% 2,", "")
    narrowed = narrow(pairs["cpu"].apart[1], asked, _all(), ("shop",))
    assert narrowed is not None
    assert (narrowed.name, 'namespace=~"shop"' in narrowed.promql) == ("cpu_p95", True)


def test_no_step_of_quantiles_keeps_time_with_timetables() -> None:
    """What starts each hour or each half hour is met by some points and not by all, whatever the window."""
    for days in range(2, 31):
        minutes = steps_of(days * 86400).quantile // 60
        met = {(point * minutes) % 60 for point in range(300)}
        assert len(met) >= 10, f"{days} days: only the minutes {sorted(met)} of an hour"


@pytest.mark.parametrize(
    ("text", "expected"),
    [('cluster="eu1"', 'cluster="eu1"'), ('{ cluster="eu1", team=~"a|b" }', 'cluster="eu1", team=~"a|b"'), ('a!~"\\"}"', 'a!~"\\"}"')],
)
def test_a_selector_is_matchers(text: str, expected: str) -> None:
    """As PromQL has them, with or without braces."""
    assert parse_selector(text) == expected


@pytest.mark.parametrize("text", ["", "{}", "cluster=eu1", 'up{a="b"}', 'a="b"} or up{c="d"', "a='b'"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    """In one line that shows how it is written: what would end the braces and go on is none."""
    for long in (text, text + "}'" * 1000):
        with pytest.raises(UsageError, match=r"^.{,200}write matchers as PromQL does"):
            parse_selector(long)


def test_the_probe_is_read() -> None:
    """Flags are labels, 1 or not there."""
    query, other = probe_queries(Asked(window_seconds=WEEK))
    labels = (("__name__", "go_info"), ("has_pod", "1"), ("job", "app"))
    begin = (("__name__", names.RECORDED_CPU), ("is_at_begin", "1"))
    answers = (
        Answer(query=query, samples=(Sample(labels=labels, value=7.0),)),
        Answer(query=other, samples=(Sample(labels=begin, value=2.0),)),
    )
    seen = read_probe(answers)
    assert seen == (
        Seen(name="go_info", series=7, job="app", has_container=False),
        Seen(name=names.RECORDED_CPU, series=2, has_pod=False, has_container=False, is_at_begin=True),
    )
