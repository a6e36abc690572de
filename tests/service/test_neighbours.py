"""The neighbours of who waits for a CPU are named by the service, which reads them only while somebody waits."""

from __future__ import annotations

import pytest

from cgtune.api import judge
from cgtune.model import Busiest, MachineRate, Report, Throttling
from cgtune.service import neighbours
from cgtune.service.neighbours import Neighbours
from cgtune.system.host import Host
from tests.rules.reports import go_facts, report, watched

_BUSY = MachineRate(seconds=300.0, busy_cores=7.9, steal_cores=0.0, cpu_some_percent=60.0, memory_some_percent=0.0)


def _report(**waiting: float) -> Report:
    """Judged, of two processes on eight busy CPUs, each with so many threads that wait."""
    never = Throttling(periods=0, throttled_periods=0, throttled_seconds=0.0)
    made = [
        watched(report(go_facts(), pid=pid), never, waiting_threads=waiting.get(name, 0.0), used_cores=1.0, machine=_BUSY)
        for pid, name in ((100, "first"), (101, "second"))
    ]
    return judge(Report(version="0", time="2026-11-29T02:12:00Z", machine=made[0].snapshot.machine, processes=tuple(made)))


def _named(found: Report) -> list[Busiest]:
    rates = [process.snapshot.rates for process in found.processes]
    return [each.machine.busiest for each in rates if each is not None and each.machine is not None]


def test_neighbours_are_read_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits: nothing is read. One waits: from the next look on he alone has neighbours, until it is over."""
    reads: list[float] = []

    def read(_host: object, _mounts: object) -> dict[str, tuple[float, float]]:
        reads.append(15.0 * len(reads))
        return {"/batch": (6.0 * len(reads) ** 2, reads[-1])}

    monkeypatch.setattr(neighbours, "read_usages", read)
    looks = Neighbours(Host())
    counts, named = [], []
    for waiting in ({}, {"first": 1.0}, {"first": 1.0}, {"first": 1.0}, {}, {"first": 1.0}):
        found = looks.name(_report(**waiting), ())
        looks.follow(found, ())
        counts.append(len(reads))
        named.append([[(path, cores) for path, cores in each.cgroups] for each in _named(found)])
    assert counts == [0, 1, 2, 3, 4, 5]
    assert named == [[[], []], [[], []], [[("/batch", 1.2)], []], [[("/batch", 2.0)], []], [[("/batch", 2.8)], []], [[], []]]
