"""What would have been enough, against real programs of known demand: within 15 % of their CPUs, within 10 % of their memory."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups
from tests.live.test_rates import _FIRST
from tests.live.test_used import account as account  # noqa: PLC0414  # a fixture
from tests.support import goprograms
from tests.support.command import inspect
from tests.support.fairness import asks_for, look_fairly, nothing_is_stolen
from tests.support.goprograms import Probe

pytestmark = pytest.mark.live

MIB = 1 << 20
#: Works so many seconds of CPU time, then rests so many, in so many threads; 0: it never rests.
_DUTY = """
import sys, threading, time
work, rest = float(sys.argv[1]), float(sys.argv[2])
while True:
    end = time.thread_time() + work
    while time.thread_time() < end:
        pass
    if rest:
        time.sleep(rest)
"""
_CPU = r"([0-9.]+) CPUs would have been enough"
_HOLD = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); time.sleep(600)"


def _told(entry: dict[str, Any], pattern: str) -> tuple[float, str]:
    """The number in the evidence, of whichever finding bears it, and its line."""
    lines = [line for finding in entry["findings"] for line in finding["evidence"]]
    ((number, line),) = [(float(found[1]), line) for line in lines if (found := re.search(pattern, line))]
    return number, line


def _limit(groups: Groups, quota_us: int) -> Group:
    """A group that comes first, whoever else wants the CPUs, under that quota."""
    group = groups.make()
    if group.version("cpu") == 2:
        group.write("cpu", "cpu.weight", "10000")
    else:
        group.write("cpu", "cpu.shares", str(_FIRST))
    group.limit_cpu(quota_us)
    return group


@pytest.mark.parametrize(
    ("quota_us", "loads", "demand"),
    [
        pytest.param(20_000, [(0.0175, 0.0325)], 0.35, id="short duty cycles"),
        pytest.param(20_000, [(0.025, 0.025)], 0.5, id="half of the time"),
        pytest.param(50_000, [(0.1, 0.0)], 1.0, id="one busy"),
        pytest.param(50_000, [(0.1, 0.0)] * 2, 2.0, id="two busy"),
        pytest.param(40_000, [(0.0125, 0.0375)] * 2, 0.5, id="two that rest most of the time"),
        pytest.param(60_000, [(0.03, 0.02)] * 2, 1.2, id="two that work most of the time"),
    ],
)
def test_enough_cpu(groups: Groups, account: Path | None, quota_us: int, loads: list[tuple[float, float]], demand: float) -> None:
    """The limit that is named is what they use if no limit keeps them."""
    group = _limit(groups, quota_us)
    enter = f"echo $$ > {account}/cgroup.procs; " if account is not None else ""
    argv = ["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-I", "-S", "-c", _DUTY]
    pids = [group.start([*argv, str(work), str(rest)]).pid for work, rest in loads]
    time.sleep(1.5)
    watch = asks_for(demand, *((pid, rest) for pid, (_, rest) in zip(pids, loads, strict=True)))
    cores, line = _told(look_fairly(lambda: inspect(pids[0], "--window", "6"), watch), _CPU)
    assert cores == pytest.approx(demand, rel=0.15), line


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("procs", "goroutines", "demand"),
    [
        pytest.param(2, 2, 2.0, id="GOMAXPROCS 2, both busy"),
        pytest.param(4, 1, 1.0, id="GOMAXPROCS 4, one busy"),
        pytest.param(4, 4, min(4.0, len(os.sched_getaffinity(0))), id="GOMAXPROCS 4, all busy"),
    ],
)
def test_enough_cpu_of_a_go_program(groups: Groups, account: Path | None, procs: int, goroutines: int, demand: float) -> None:
    """What its goroutines ask for, and GOMAXPROCS alone is no demand. One that moves between threads may ask for more: that is said."""
    group = _limit(groups, 50_000)
    places = [*group.directories(), *([account] if account is not None else [])]
    enter = "".join(f"echo $$ > {place}/cgroup.procs; " for place in places)
    wrapper = ("sh", "-c", f'{enter}exec "$@"', "sh")
    with Probe(goprograms.build("1.27.3"), f"burn {goroutines}", environment={"GOMAXPROCS": str(procs)}, wrapper=wrapper) as probe:
        time.sleep(1.5)
        cores, line = _told(look_fairly(lambda: inspect(probe.pid, "--window", "6"), nothing_is_stolen(0.5 / demand)), _CPU)
    assert cores == pytest.approx(demand, rel=0.15) or (goroutines < procs and cores < demand and line.startswith("perhaps")), line


def _hold(group: Group, mib: int) -> int:
    pid = group.start([sys.executable, "-I", "-S", "-c", _HOLD, str(mib)]).pid
    status, deadline = Path(f"/proc/{pid}/status"), time.monotonic() + 60
    while int((re.search(r"RssAnon:\s+(\d+)", status.read_text()) or ["", "0"])[1]) < mib * 1024:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return pid


def test_enough_memory_near_the_limit(groups: Groups) -> None:
    """A program that holds 100 MiB under hardly more: what is named is what it holds, and with that limit the finding is gone."""
    group = groups.make("full")
    group.limit_memory(256 * MIB)
    pid = _hold(group, 100)
    level = inspect(pid)["enforced"]["memory"]["chain"][0]
    group.limit_memory(level["used_bytes"] + 2 * MIB)
    size, line = _told(inspect(pid), r"([0-9.]+) MiB would be enough")
    assert size * MIB == pytest.approx(level["used_bytes"], rel=0.1), line
    group.limit_memory(int(size * MIB))
    assert "memory-near-limit" not in [finding["rule"] for finding in inspect(pid)["findings"]]
