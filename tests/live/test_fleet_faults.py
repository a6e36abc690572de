"""The planted faults of a synthetic fleet in a real Prometheus: each is found by its rule, and no service in order has a finding."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path

import pytest

from cgtune.fleet.asked import Asked
from cgtune.fleet.joining import join
from cgtune.fleet.judging import judge_fleet
from cgtune.fleet.model import Row
from cgtune.fleet.probe import probe_queries, read_probe
from cgtune.fleet.queries import build_queries
from tests.support.engines import prometheus
from tests.support.fleetdata import EACH, FAULTS, fleet, gaps, machine, series_of

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Row, ...]:
    """The report's rows of 26 hours of it."""
    end = int(time.time()) // 3600 * 3600
    return _judged(tmp_path_factory.mktemp("prometheus"), end)


def _judged(folder: Path, end: int) -> tuple[Row, ...]:
    asked = Asked(window_seconds=26 * 3600)

    begin = end - 30 * 3600
    series = chain(chain.from_iterable(series_of(each, begin, end) for each in fleet(60)), gaps(begin, end), machine(begin, end))
    with prometheus(series, folder) as engine:
        seen = read_probe(engine.ask_each(probe_queries(asked), end))
        joined = join(engine.ask_each(build_queries(asked, seen), end), seen)
    return judge_fleet(joined.rows)


def test_each_planted_fault_is_found_by_its_rule(rows: tuple[Row, ...]) -> None:
    """Three of each of twelve kinds: the worst finding of each row is the one that was planted, or the rule that is its cause."""
    found = {row.key.name: [finding.rule for finding in row.findings] for row in rows}
    missed = {
        f"{fault}-{number}": found.get(f"{fault}-{number}")
        for fault in FAULTS
        for number in range(EACH)
        if fault not in (found.get(f"{fault}-{number}") or ())
    }
    assert missed == {}


def test_no_service_in_order_has_a_finding(rows: tuple[Row, ...]) -> None:
    """What is healthy has none, and what is faulty has no other one beside."""
    faulty = {f"{fault}-{number}": fault for fault in FAULTS for number in range(EACH)}
    false = {
        (row.key.name, finding.rule, finding.summary)
        for row in rows
        for finding in row.findings
        if finding.rule != faulty.get(row.key.name)
    }
    assert false == set()
    assert len(rows) > len(faulty)


def test_rows_are_worst_first_and_name_their_series(rows: tuple[Row, ...]) -> None:
    """What hurts now stands above what did, and that above what may; evidence names series that the engine has."""
    harms = [row.findings[0].harm if row.findings else "none" for row in rows]
    assert harms == sorted(harms, key=["now", "earlier", "possible", "none"].index)
    throttled = next(row for row in rows if row.key.name == "cpu-throttled-0")
    assert any("container_cpu_cfs_throttled_periods_total" in line for line in throttled.findings[0].evidence)
    assert all(one.value is not None for one in throttled.sized)
