"""What the rules for processes say of a container of which only series tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import cgtune.fleet.judging as route
from cgtune.fleet import facts
from cgtune.fleet.case import FLEET_RULES
from cgtune.fleet.judging import judge_fleet, judge_row, say_upgrade
from cgtune.fleet.model import Key, Measured, Row, Span
from cgtune.model import Finding
from cgtune.rules import RULES

MIB = 1 << 20
DAY = 86400.0
KEY = Key(cluster="", namespace="shop", kind="Deployment", name="cart", container="cart")
SERIES = {
    "go": "go_info",
    "most_procs": "go_sched_gomaxprocs_threads",
    "gomemlimit_bytes": "go_gc_gomemlimit_bytes",
    "gogc": "go_gc_gogc_percent",
    "live_heap_bytes": "go_gc_heap_live_bytes",
    "gc_share": "go_cpu_classes_gc_total_cpu_seconds_total",
    "cpu_limit_cores": "kube_pod_container_resource_limits",
    "memory_limit_bytes": "container_spec_memory_limit_bytes",
    "cpu_used": "container_cpu_usage_seconds_total",
    "memory_used": "container_memory_working_set_bytes",
    "throttled": "container_cpu_cfs_throttled_periods_total",
    "kills": "kube_pod_container_status_last_terminated_reason",
    "node_cpus": "kube_node_status_capacity",
    "cpu_shares": "container_spec_cpu_shares",
}
#: A service in order: Go of now, half of its CPU limit and of its memory limit in use, a GOMEMLIMIT that fits.
QUIET: dict[str, Any] = {
    "replicas": 3,
    "go": ("1.27.3",),
    "least_procs": 2,
    "most_procs": 2,
    "cpu_limit_cores": 2.0,
    "cpu_request_cores": 1.0,
    "memory_limit_bytes": 512 * MIB,
    "memory_request_bytes": 300 * MIB,
    "gomemlimit_bytes": 460 * MIB,
    "gogc": 100,
    "cpu_used": Span(p50=0.6, p95=0.9, most=1.1),
    "cpu_recent": Span(p50=0.6),
    "memory_used": Span(p50=200 * MIB, p95=260 * MIB, most=300 * MIB),
    "memory_recent": Span(p50=200 * MIB),
    "throttled": Span(p50=0.0, p95=0.001, most=0.004),
    "live_heap_bytes": 100 * MIB,
    "gc_share": 0.02,
    "kills": 0,
    "restarts": 0,
    "history_seconds": 7 * DAY,
    "samples": 336,
    "node_cpus": 16,
    "sources": ("cadvisor", "client_golang", "ksm"),
    "series": tuple(SERIES.items()),
}
OFF = {"gomemlimit_bytes": None, "is_gomemlimit_off": True}
UNLIMITED = {"cpu_limit_cores": None, "is_cpu_unlimited": True, "throttled": Span()}
OLD = {"go": ("1.24.11",), "least_procs": 16, "most_procs": 16}


def judged(**values: Any) -> Row:
    """The row of a container that is in order but for these."""
    return judge_row(KEY, Measured(**QUIET | values))


def found(row: Row) -> dict[str, Finding]:
    """Its findings by their rules."""
    return {finding.rule: finding for finding in row.findings}


#: One fault each: what is told beside a service in order, the rule, its harm, and what it was felt by.
PLANTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "old Go takes the node's CPUs": (OLD, "go-not-container-aware", "possible"),
    "and is throttled": (
        {**OLD, "throttled": Span(p50=0.1, p95=0.3, most=0.6)},
        "go-not-container-aware",
        "now",
    ),
    "a number that somebody set": ({"least_procs": 8, "most_procs": 8}, "gomaxprocs-exceeds-quota", "possible"),
    "a new Go with the node's CPUs": ({"least_procs": 16, "most_procs": 16}, "gomaxprocs-exceeds-quota", "possible"),
    "fewer threads than the quota": ({"least_procs": 1, "most_procs": 1}, "gomaxprocs-below-quota", "possible"),
    "throttled half of the time": ({"throttled": Span(p50=0.08, p95=0.2, most=0.5)}, "cpu-throttled", "now"),
    "throttled at times": ({"throttled": Span(p50=0.0, p95=0.3, most=0.5)}, "cpu-throttled", "earlier"),
    "a request on a large machine": (
        {**UNLIMITED, "node_cpus": 64, "least_procs": 64, "most_procs": 64, "cpu_request_cores": 1.0, "gc_share": 0.002},
        "no-quota-many-cpus",
        "possible",
    ),
    "no GOMEMLIMIT": (OFF, "gomemlimit-unset", "possible"),
    "no GOMEMLIMIT, and killed": ({**OFF, "kills": 3}, "gomemlimit-unset", "earlier"),
    "GOMEMLIMIT is the limit": ({"gomemlimit_bytes": 512 * MIB}, "gomemlimit-exceeds-limit", "possible"),
    "GOMEMLIMIT leaves 2 %": ({"gomemlimit_bytes": 502 * MIB}, "gomemlimit-near-limit", "possible"),
    "GOMEMLIMIT below the live heap": ({"gomemlimit_bytes": 90 * MIB}, "gomemlimit-too-small", "possible"),
    "the collector is off": ({**OFF, "gogc": -1}, "gc-off-without-limit", "possible"),
    "the live heap crowds the limit": ({"live_heap_bytes": 400 * MIB}, "memory-limit-too-small", "possible"),
    "killed": ({"kills": 1}, "oom-killed", "earlier"),
    "memory at the limit": ({"memory_used": Span(p95=490 * MIB, most=511 * MIB)}, "memory-near-limit", "possible"),
    "the collector takes half": ({"gc_share": 0.22}, "collector-busy", "earlier"),
    "limits that nobody needs": ({"memory_limit_bytes": 4096 * MIB, "gomemlimit_bytes": 3700 * MIB}, "limit-unneeded", "possible"),
}


def test_a_service_in_order_has_no_finding() -> None:
    """Nothing is found, the values that it has are the recommended ones, and nothing would change with another Go."""
    row = judged()
    assert (row.findings, row.upgrade) == ((), None)
    assert [(one.name, one.value, one.set) for one in row.recommendations] == [("GOMAXPROCS", 2, False), ("GOMEMLIMIT", 460 * MIB, True)]


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_fault_is_found_alone(name: str) -> None:
    """The rule that is meant speaks, with its harm, and no other one does."""
    values, rule, harm = PLANTED[name]
    assert [(finding.rule, finding.harm) for finding in judged(**values).findings] == [(rule, harm)]


@pytest.mark.parametrize("name", PLANTED)
def test_words_name_series_and_no_file_that_nobody_read(name: str) -> None:
    """Evidence, advice and reasons are told with the names of series; no file of a process or a cgroup is in them."""
    row = judged(**PLANTED[name][0])
    finding = row.findings[0]
    texts = [finding.summary, *finding.evidence, *(one.reason for one in finding.advice)]
    texts += [line for one in (*row.recommendations, *row.under_sized) for line in one.because]
    for unseen in (
        "/proc",
        "/sys",
        "cgroup was made",
        "cpu.max",
        "cpu.stat",
        "memory.max",
        "memory.events",
        "its memory)",
        "\ue000",
        "pid",
    ):
        assert not [text for text in texts if unseen in text]
    assert any(series in line for series in SERIES.values() for line in finding.evidence)


def test_evidence_says_what_was_seen_and_how_long() -> None:
    """Throttling is told with its quantiles and the length of the history."""
    finding = found(judged(throttled=Span(p50=0.08, p95=0.2, most=0.5)))["cpu-throttled"]
    assert finding.summary == "throttled in 8.0 % of the periods half of the time or more"
    assert finding.severity == "warning"
    assert finding.evidence[0] == (
        "throttled periods in 7.0 days of history: 8.0 % in the median, 20.0 % at the 95th percentile, 50.0 % at most"
        " (container_cpu_cfs_throttled_periods_total)"
    )


def test_the_worst_alone_is_no_warning() -> None:
    """Of the highest share alone nobody knows how often it was so."""
    finding = found(judged(throttled=Span(p50=0.0, most=0.9)))["cpu-throttled"]
    assert (finding.severity, finding.harm) == ("info", "earlier")


def test_throttling_is_told_without_the_limit() -> None:
    """It was felt whatever the limit is: how bad is said, what of limit and threads to change is not, nor is a size of a quota."""
    unknown = {"cpu_limit_cores": None, "series": tuple((name, said) for name, said in SERIES.items() if name != "cpu_limit_cores")}
    for share, severity, harm in ((0.3, "critical", "now"), (0.02, "info", "now")):
        (finding,) = judged(**unknown, throttled=Span(p50=share, most=share)).findings
        assert (finding.rule, finding.severity, finding.harm) == ("cpu-throttled", severity, harm)
        assert "no series tells its CPU limit; the node has 16 CPUs (kube_node_status_capacity)" in finding.evidence
        assert "quota of" not in " ".join(finding.evidence)
        assert finding.advice[0].reason.startswith("raise the CPU limit, or let GOMAXPROCS be no more than it")
    assert judged(**unknown).findings == ()
    assert judged(**UNLIMITED | {"throttled": Span(p50=0.3, most=0.3)}).findings == ()  # there is none any more: that is over


def test_what_no_series_tells_is_not_taken_for_unset() -> None:
    """Without series of GOMAXPROCS, GOMEMLIMIT, GOGC, limits or nodes no rule speaks of them, and reasons say that they are unknown."""
    row = judged(
        least_procs=None, most_procs=None, gomemlimit_bytes=None, gogc=None, node_cpus=None, cpu_limit_cores=None, memory_limit_bytes=None
    )
    assert row.findings == ()
    assert [one.because for one in row.recommendations] == [("no series tells its CPU limit",), ("no series tells its memory limit",)]
    assert judged(go=("1.21.0",), least_procs=None, most_procs=None).findings == ()


def test_a_program_that_is_no_go_program_is_judged_by_its_cgroup() -> None:
    """Without any series of Go, kills and throttling are told, and no variable is recommended."""
    none = {
        "go": (),
        "least_procs": None,
        "most_procs": None,
        "gomemlimit_bytes": None,
        "gogc": None,
        "live_heap_bytes": None,
        "gc_share": None,
    }
    row = judged(**none, kills=1, throttled=Span(p50=0.3, p95=0.5, most=0.6))
    assert [(finding.rule, finding.harm) for finding in row.findings] == [("cpu-throttled", "now"), ("oom-killed", "earlier")]
    assert row.recommendations == row.under_sized == ()


def test_a_new_go_with_all_cpus_is_told_with_its_causes() -> None:
    """Go 1.27 with as many threads as the node has CPUs: nobody set that number for sure, and the causes are named."""
    finding = found(judged(least_procs=16, most_procs=16))["gomaxprocs-exceeds-quota"]
    assert finding.summary == "GOMAXPROCS is 16, all CPUs of the node; its quota of 2 CPUs warrants 3"
    assert any("go line is older than 1.25" in line for line in finding.evidence)
    chosen = found(judged(least_procs=8, most_procs=8))["gomaxprocs-exceeds-quota"]
    assert chosen.summary == "GOMAXPROCS is 8; its quota of 2 CPUs warrants 3"


def test_an_old_go_is_found_on_a_node_that_no_series_tells_of() -> None:
    """What it has taken is more than its quota: that it took the node's CPUs is the cause, whatever their number."""
    row = judged(**OLD, node_cpus=None)
    assert [finding.rule for finding in row.findings] == ["go-not-container-aware"]


def test_threads_without_a_limit_are_told_without_the_node() -> None:
    """A request of one CPU, no limit, and 64 threads: whatever its node has. If nobody knows of a limit, nothing is said."""
    values: dict[str, Any] = {"least_procs": 64, "most_procs": 64, "gc_share": None, "node_cpus": None, "cpu_limit_cores": None}
    assert [finding.rule for finding in judged(**values, is_cpu_unlimited=True, throttled=Span()).findings] == ["no-quota-many-cpus"]
    assert judged(**values, throttled=Span()).findings == ()


@pytest.mark.parametrize(
    ("shares", "written", "told"),
    [
        (1522, None, "cpu.weight: 59, which asks for 1488m to 1512m (older formula) or 500m to 509m (newer formula)"),
        (102, None, "CPU request: 0.1: CPU shares (container_spec_cpu_shares): 102"),
        (1522, 0.5, "CPU request: 0.5"),
    ],
)
def test_the_weight_tells_the_request_that_no_series_does(shares: int, written: float | None, told: str) -> None:
    """By both formulas, with the range that cannot be told apart; what is written counts more."""
    values: dict[str, Any] = {"least_procs": 64, "most_procs": 64, "gc_share": None, "node_cpus": 64, "cpu_limit_cores": None}
    row = judged(**values, is_cpu_unlimited=True, throttled=Span(), cpu_request_cores=written, cpu_shares=shares)
    [finding] = row.findings
    assert finding.rule == "no-quota-many-cpus"
    assert [line for line in finding.evidence if told in line]


@pytest.mark.parametrize("shares", [None, 1024, 2597])
def test_the_kernels_default_tells_no_request(shares: int | None) -> None:
    """v1's, which is also the weight 40 of v2, and v2's."""
    values: dict[str, Any] = {"least_procs": 64, "most_procs": 64, "gc_share": None, "node_cpus": 64, "cpu_limit_cores": None}
    assert judged(**values, is_cpu_unlimited=True, throttled=Span(), cpu_request_cores=None, cpu_shares=shares).findings == ()


def test_of_replicas_with_several_versions_the_oldest_counts() -> None:
    """During a rollout the version that is worst off is judged, and the others are named."""
    finding = found(judged(**OLD | {"go": ("1.27.3", "1.24.11")}))["go-not-container-aware"]
    assert any("others with 1.27.3" in line for line in finding.evidence)


def test_a_variable_under_another_limit_is_recommended_with_it() -> None:
    """Whoever takes the recommended limits has to set what is right under these, not under those of now."""
    row = judged(memory_limit_bytes=4096 * MIB, **OFF)
    assert next(one.value for one in row.sized if one.what == "memory-limit") == 330 * MIB
    now, then = (next(one.value for one in some if one.name == "GOMEMLIMIT") for some in (row.recommendations, row.under_sized))
    assert (now, then) == (3686 * MIB, 297 * MIB)


def test_a_collector_that_waits_for_its_quota_is_not_judged() -> None:
    """Go counts the collector's time by the clock: under a quota that stops it, that is no CPU time; nor is more than all of it."""
    waits: dict[str, Any] = {"throttled": Span(p50=0.1, p95=0.2, most=0.3)}
    more: dict[str, Any] = {"least_procs": 8, "most_procs": 8}
    for values in (waits, more, {"gc_share": 0.6}):
        assert "collector-busy" not in found(judged(**{"gc_share": 0.3, **values}))


def test_waste_is_of_all_replicas_and_lack_is_negative() -> None:
    """What a request keeps beyond the recommended one, three times over; of one that is too small, what is lacking."""
    row, small = judged(), judged(cpu_request_cores=0.1, memory_request_bytes=10 * MIB)
    request = next(one.value for one in row.sized if one.what == "cpu-request")
    assert request == 0.86  # 85 % of the way from 0.6 to 0.9, rounded up
    assert row.wasted_cores == pytest.approx(3 * (1.0 - 0.86))
    assert row.wasted_bytes == 3 * (300 - 260) * MIB
    assert small.wasted_cores == pytest.approx(3 * (0.1 - 0.86))
    assert small.wasted_bytes == -3 * 250 * MIB


def test_the_worst_harm_is_first() -> None:
    """What hurts now, then what did, then what may; the same ones by name."""
    rows: dict[str, dict[str, Any]] = {
        "a-quiet": {},
        "b-may": OFF,
        "c-did": {"kills": 2},
        "d-now": {"throttled": Span(p50=0.4, p95=0.5, most=0.6)},
        "e-may": OFF,
    }
    named = [(KEY.replace(name=name), Measured(**{**QUIET, **values})) for name, values in rows.items()]
    assert [row.key.name for row in judge_fleet(named)] == ["d-now", "c-did", "b-may", "e-may", "a-quiet"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (OLD, "Go 1.27 takes GOMAXPROCS from 16 to 2"),
        ({**OLD, "least_procs": 8, "most_procs": 8}, "GOMAXPROCS stays 8 with Go 1.27: something sets it"),
        ({**OLD, "go": ("1.26.0",), "least_procs": 8, "most_procs": 8}, None),
        ({**OLD, "least_procs": None, "most_procs": None}, "if nothing sets GOMAXPROCS, Go 1.27 takes GOMAXPROCS from 16 to 2"),
    ],
)
def test_what_another_go_changes_is_told(values: dict[str, Any], says: str | None) -> None:
    """The threads that a program has today, and those that the newest Go would give it; what is set stays."""
    told = judged(**values).upgrade
    assert (told.split(";")[0] if told else None) == says


def test_equal_rows_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of containers have few kinds of limits and versions: each is compared with the newest Go once."""
    calls = []
    compare = route._compare

    def count(*key: Any) -> str | None:
        calls.append(key)
        return compare(*key)

    monkeypatch.setattr(route, "_compare", count)
    monkeypatch.setattr(route, "_compared", {})
    for _ in range(50):
        say_upgrade(Measured(**{**QUIET, **OLD}))
    assert len(calls) == 1


def test_more_kinds_than_are_kept_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has more kinds of limits than there is room for gets the same rows, and no more memory."""
    kinds = [{**QUIET, **OLD, "cpu_limit_cores": 1.0 + number} for number in range(5)]
    rows = [judge_row(KEY, Measured(**kind)) for kind in kinds]
    for module, name in ((route, "compared"), (facts, "derivations")):
        monkeypatch.setattr(module, f"_MOST_{name.upper()}", 2)
        monkeypatch.setattr(module, f"_{name}", {})
    assert [judge_row(KEY, Measured(**kind)) for kind in kinds] == rows
    assert (len(route._compared), len(facts._derivations)) <= (2, 2)


def test_rules_of_a_fleet_are_rules() -> None:
    """Each name is that of a rule."""
    assert set(FLEET_RULES) <= {rule.ID for rule in RULES}


SPANS = st.builds(Span, p50=st.none() | st.floats(0, 1), p95=st.none() | st.floats(0, 1), most=st.none() | st.floats(0, 1))


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "go": st.sampled_from([(), ("1.4",), ("1.18.2",), ("1.24",), ("1.25.0", "1.24.1"), ("devel go1.28-abc",), ("odd",)]),
            "most_procs": st.none() | st.integers(1, 1024),
            "cpu_limit_cores": st.none() | st.floats(0.001, 300),
            "memory_limit_bytes": st.none() | st.integers(1, 2**42),
            "gomemlimit_bytes": st.none() | st.integers(0, 2**62),
            "is_gomemlimit_off": st.booleans(),
            "is_aware": st.none() | st.booleans(),
            "gogc": st.none() | st.integers(-1, 10_000),
            "throttled": SPANS,
            "cpu_used": SPANS,
            "memory_used": SPANS,
            "live_heap_bytes": st.none() | st.integers(0, 2**42),
            "gc_share": st.none() | st.floats(0, 1),
            "kills": st.none() | st.integers(0, 100),
            "history_seconds": st.none() | st.floats(0, 1e7),
            "node_cpus": st.none() | st.integers(1, 512),
        },
    )
)
def test_any_series_are_judged(values: dict[str, Any]) -> None:
    """Whatever the series say, a row comes of it, in words of its own."""
    row = judged(**values)
    texts = [text for finding in row.findings for text in (finding.summary, *finding.evidence)]
    assert not [text for text in texts if "/proc" in text or "\ue000" in text]
