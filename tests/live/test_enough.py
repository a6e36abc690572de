"""What would have been enough, against real programs of known demand: within 15 % of their CPUs, within 10 % of their memory."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups
from tests.live.test_rates import _FIRST
from tests.live.test_used import account as account  # noqa: PLC0414  # a fixture
from tests.support.command import inspect

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
_HOLD = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); time.sleep(600)"


def _told(entry: dict[str, Any], rule: str, pattern: str) -> tuple[float, str]:
    """The number in a finding's evidence, and its line."""
    lines = [line for finding in entry["findings"] if finding["rule"] == rule for line in finding["evidence"]]
    ((number, line),) = [(float(found[1]), line) for line in lines if (found := re.search(pattern, line))]
    return number, line


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
    group = groups.make()
    if group.version("cpu") == 2:
        group.write("cpu", "cpu.weight", "10000")
    else:
        group.write("cpu", "cpu.shares", str(_FIRST))
    group.limit_cpu(quota_us)
    enter = f"echo $$ > {account}/cgroup.procs; " if account is not None else ""
    argv = ["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-I", "-S", "-c", _DUTY]
    pids = [group.start([*argv, str(work), str(rest)]).pid for work, rest in loads]
    time.sleep(1.5)
    cores, line = _told(inspect(pids[0], "--window", "6"), "cpu-throttled", r"([0-9.]+) CPUs would have been enough")
    assert cores == pytest.approx(demand, rel=0.15), line


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
    size, line = _told(inspect(pid), "memory-near-limit", r"([0-9.]+) MiB would be enough")
    assert size * MIB == pytest.approx(level["used_bytes"], rel=0.1), line
    group.limit_memory(int(size * MIB))
    assert "memory-near-limit" not in [finding["rule"] for finding in inspect(pid)["findings"]]
