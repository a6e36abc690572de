"""Limits and requests from a history: held on loads of known demand, and what decides them one by one."""

from __future__ import annotations

import importlib.util
import random
import sys
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.fleet.model import Measured, Sized, Span
from cgtune.fleet.sizing import size_workload, value_of
from cgtune.model import Policy
from tests.support import loads
from tests.support.command import ROOT

MIB = 1 << 20
DAY = 86400.0
QUIET: dict[str, Any] = {
    "history_seconds": 7 * DAY,
    "samples": 336,
    "cpu_used": Span(p50=0.5, p95=0.6, most=0.7),
    "cpu_recent": Span(p50=0.5, p95=0.6, most=0.7),
    "memory_used": Span(p50=100 * MIB, p95=110 * MIB, most=120 * MIB),
    "memory_recent": Span(p50=100 * MIB, p95=110 * MIB, most=120 * MIB),
}


def bench() -> Any:
    """The module of scripts/bench/sizing, which judges the same loads."""
    spec = importlib.util.spec_from_file_location("bench_sizing", ROOT / "scripts/bench/sizing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def sized(**values: Any) -> dict[str, Sized]:
    """What is recommended for a container that is quiet but for these."""
    return {one.what: one for one in size_workload(Measured(**QUIET | values), Policy())}


def test_limits_hold_in_the_days_after_and_requests_waste_less_than_those_of_others() -> None:
    """Of 196 held-out days 99 % or more hold, for CPU and for memory; a request wastes less than VPA's rule and krr's on the same loads."""
    module = bench()
    judged = module.judge_all(28, 3)
    days = sum(one.days for one in judged)
    assert days == 196
    assert sum(one.cpu_days for one in judged) >= 0.99 * days
    assert sum(one.memory_days for one in judged) >= 0.99 * days
    for what in ("cpu", "memory"):
        wasted = {rule: module.waste(judged, rule, what)[0] for rule in ("cgtune", "vpa", "krr")}
        assert wasted["cgtune"] < min(wasted["vpa"], wasted["krr"])
        assert module.waste(judged, "cgtune", what)[1] < 0.05, "not bought with what is lacking"


def test_the_loads_are_hard_enough_to_fail() -> None:
    """The highest sample alone, as a CPU limit, stops a steady load in more than 5 % of the periods: what the sizes add is needed."""
    load = loads.make_load("steady", 7)
    most = loads.observe(load).cpu_used.most
    assert most is not None
    assert loads.throttled_share(load, most, range(10_080, 10_080 + 1440, 30), 60, random.Random(1)) > 0.05


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"history_seconds": 23 * 3600.0}, "too young: 23 h of history, and a day is the least"),
        ({"history_seconds": None}, "how long its history is, is not known"),
        ({"samples": 23}, "too few samples: 23, and 24 are the least"),
    ],
)
def test_a_young_workload_gets_no_number(values: dict[str, Any], why: str) -> None:
    """Younger than a day, or with too few samples: nothing is recommended, and the reason is said."""
    found = sized(**values)
    assert [(one.value, one.because) for one in found.values()] == [(None, (why,))] * 4


def test_what_was_not_measured_is_said() -> None:
    """Without use of CPUs, of memory, or without quantiles of it, there is no number that would hang on it."""
    found = sized(cpu_used=Span(), memory_used=Span(most=100.0 * MIB))
    assert [what for what, one in found.items() if one.value is None] == ["cpu-limit", "cpu-request", "memory-request"]


def test_a_limit_that_was_never_felt_is_proof_enough() -> None:
    """Not throttled in 1 % of periods at any time: no more than that limit is recommended, whatever chance might ask for."""
    never = sized(cpu_limit_cores=1.0, throttled=Span(p50=0.0, most=0.004))["cpu-limit"]
    assert never.value == 1.0
    assert never.because[0] == "under 1 CPU it was never throttled in 1 % of the periods"
    unlimited = sized(is_cpu_unlimited=True)["cpu-limit"].value
    assert unlimited is not None
    assert unlimited > 1.0


@pytest.mark.parametrize(("share", "times"), [(0.3, 2.0), (0.25, 2.0), (0.1, 1.5), (0.02, 1.25)])
def test_throttling_raises_a_limit(share: float, times: float) -> None:
    """What is used under a limit that throttles is what it got: the limit is raised, by how much it throttles."""
    found = sized(
        cpu_used=Span(p50=3.0, p95=3.5, most=4.0),
        cpu_recent=Span(p50=3.0),
        cpu_limit_cores=8.0,
        throttled=Span(p50=share, p95=share, most=share),
    )
    assert found["cpu-limit"].value == 8.0 * times
    assert found["cpu-limit"].because[0].startswith(f"throttled in {100 * share:.1f} % of the periods under 8 CPUs")


def test_kills_and_a_full_limit_raise_memory() -> None:
    """An OOM kill, or use at the limit: what it wanted is not seen, and a quarter more is given."""
    killed = sized(memory_limit_bytes=200 * MIB, kills=2)["memory-limit"]
    assert (killed.value, killed.because[0]) == (250 * MIB, "2 OOM kills under 200 MiB: 1.25 times that; what it wanted is not seen")
    full = sized(memory_limit_bytes=122 * MIB)["memory-limit"]
    assert (full.value, full.because[0][:34]) == (153 * MIB, "it was at its limit of 122 MiB: 1.")
    assert sized(memory_limit_bytes=200 * MIB)["memory-limit"].value == 132 * MIB


def test_a_live_heap_needs_room_to_be_collected() -> None:
    """A limit is never so small that the live heap is more of it than a collector can work with."""
    assert sized(live_heap_bytes=90 * MIB)["memory-limit"].value == 180 * MIB


def test_a_heap_that_fills_gomemlimit_does_not_tell_what_it_needs() -> None:
    """Go takes what GOMEMLIMIT lets it have: the limit is not lowered to that, nor raised for it."""
    found = sized(gomemlimit_bytes=125 * MIB, memory_limit_bytes=140 * MIB)["memory-limit"]
    assert found.value == 140 * MIB
    assert "GOMEMLIMIT" in found.because[0]
    assert found.confidence == "medium"


def test_growth_is_carried_on_for_a_week() -> None:
    """2 % a day: the peak of a week from now is what the limit is for; who was not asked about the last day is told so."""
    grown = sized(memory_recent=Span(p50=106 * MIB))["memory-limit"]
    assert "it grows by 1.9 % a day: 1.13 times that in a week" in grown.because
    assert grown.value == 150 * MIB  # 120 MiB times 1.13, and 10 %
    unasked = sized(memory_recent=Span())["memory-limit"]
    assert "whether it grows was not seen" in unasked.because
    assert (grown.confidence, unasked.confidence) == ("high", "medium")
    bounded = sized(memory_recent=Span(p50=1000 * MIB))["memory-limit"].value
    assert bounded == 264 * MIB  # at most twice the peak, and 10 %


@pytest.mark.parametrize(("days", "room", "confidence"), [(7, 132, "high"), (5, 138, "medium"), (2, 144, "low")])
def test_a_short_history_leaves_more_room(days: int, room: int, confidence: str) -> None:
    """The shorter the history, the more room a memory limit gets, and the less sure it is called."""
    found = sized(history_seconds=days * DAY)["memory-limit"]
    assert (found.value, found.confidence) == (room * MIB, confidence)


SHARES = st.none() | st.floats(0, 1)
CORES = st.none() | st.floats(0, 300)
SIZES = st.none() | st.floats(0, 2**40)


@given(
    cpu=st.builds(Span, p50=CORES, p95=CORES, most=CORES),
    recent=st.builds(Span, p50=CORES),
    memory=st.builds(Span, p50=SIZES, p95=SIZES, most=SIZES),
    throttled=st.builds(Span, p50=SHARES, p95=SHARES, most=SHARES),
    limit=st.none() | st.floats(0.01, 300),
    limit_bytes=st.none() | st.integers(4096, 2**40),
    kills=st.none() | st.integers(0, 9),
    days=st.none() | st.floats(0, 60),
)
def test_any_series_give_a_number_or_a_reason(**values: Any) -> None:
    """Whatever the series say, nothing raises; each of the four has a reason, and no request is above its limit."""
    days = values["days"]
    found = size_workload(
        Measured(
            cpu_used=values["cpu"],
            cpu_recent=values["recent"],
            memory_used=values["memory"],
            throttled=values["throttled"],
            cpu_limit_cores=values["limit"],
            memory_limit_bytes=values["limit_bytes"],
            kills=values["kills"],
            history_seconds=None if days is None else days * DAY,
        ),
        Policy(),
    )
    assert [one.what for one in found] == ["cpu-limit", "cpu-request", "memory-limit", "memory-request"]
    assert all(one.because for one in found)
    for limit, request in (
        (value_of(found, "cpu-limit"), value_of(found, "cpu-request")),
        (value_of(found, "memory-limit"), value_of(found, "memory-request")),
    ):
        assert request is None or limit is None or request <= limit
