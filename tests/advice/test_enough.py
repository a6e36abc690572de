"""The CPU limit that would have been enough, worked out by hand: half a CPU of quota, and what two looks ten seconds apart tell."""

from __future__ import annotations

import pytest

from cgtune.advice.enough import EnoughCpu, find_enough_cpu
from cgtune.model import CpuRate, PressureRate, Rates, Throttling
from tests.rules.reports import cpu_level

LEVEL = cpu_level("/pod/app", 50_000)
OWN = {"path": LEVEL.path, "directory": LEVEL.directory, "version": 2}


def _enough(used: float, periods: int, stopped_seconds: float, *, procs: int, full: float | None = None) -> EnoughCpu | None:
    """All of the periods were throttled; ``full`` is the share of the time in which nothing in the cgroup ran."""
    throttling = Throttling(periods=periods, throttled_periods=periods, throttled_seconds=stopped_seconds)
    waits = {"cpu_some_percent": full, "cpu_full_percent": full, "memory_some_percent": None, "memory_full_percent": None}
    rates = Rates(
        seconds=10.0,
        used_cores=used,
        waiting_threads=None,
        major_faults_per_second=None,
        cpu=(CpuRate(seconds=10.0, used_cores=used, throttling=throttling, **OWN),),  # type: ignore[arg-type]
        pressure=() if full is None else (PressureRate(seconds=10.0, **waits, **OWN),),  # type: ignore[arg-type]
        memory=(),
        machine=None,
    )
    return find_enough_cpu(rates, LEVEL, 8, procs)


@pytest.mark.parametrize(
    ("found", "cores", "is_sure"),
    [
        (_enough(0.5, 100, 5.0, procs=1), 1.0, True),
        (_enough(0.25, 50, 2.5, procs=1), 1.0, True),
        (_enough(0.5, 100, 10.0, procs=2), 1.0, True),
        (_enough(0.5, 100, 19.0, procs=2), 2.0, True),
        (_enough(0.5, 100, 5.0, procs=8, full=60.0), 1.25, False),
        (_enough(0.5, 100, 5.0, procs=8, full=52.0), 0.5 / 0.48, True),
        (_enough(0.25, 50, 2.5, procs=8, full=30.0), 1.25, False),
    ],
    ids=[
        "one thread stood still for half of the time",
        "the same, and it wanted nothing in the other half of the periods",
        "two threads, stopped on two CPUs at once",
        "never more than its threads can use",
        "pressure tells more than the counters",
        "pressure and counters agree",
        "pressure of the periods in which it wanted to run",
    ],
)
def test_what_would_have_been_enough(found: EnoughCpu | None, cores: float, is_sure: bool) -> None:
    """What it used, over the share of its time in which it ran."""
    assert found is not None
    assert found.cores == pytest.approx(cores)
    assert found.is_sure is is_sure


def test_few_periods_tell_nothing() -> None:
    """Nine are less than a second of a busy program."""
    assert _enough(0.05, 9, 0.45, procs=1) is None
    assert _enough(0.05, 10, 0.5, procs=1) is not None
