"""Rates of known loads, on this machine's own hierarchies: what two looks tell is what the loads did, within 5 %."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups
from tests.live.test_used import account as account  # noqa: PLC0414  # a fixture
from tests.support.command import inspect, run
from tests.support.fairness import Watch, grows, look_fairly, ran_seconds
from tests.support.needs import require
from tests.support.serving import PATIENCE_SECONDS, Service

pytestmark = pytest.mark.live

# So large a share of each 50 ms of CPU time, by its own clock; a share of 1 never sleeps.
_WORK = """
import sys, time
share, began, worked = float(sys.argv[1]), time.monotonic(), time.process_time()
while True:
    while time.process_time() - worked < (time.monotonic() - began) * share or share >= 1:
        pass
    time.sleep(0.01)
"""
_FIRST = 262144  # cpu.shares: this machine may be busy, and the load must get what it wants


@pytest.fixture
def group(groups: Groups) -> Group:
    """A group that comes first, whoever else wants the CPUs."""
    group = groups.make()
    if group.version("cpu") == 2:
        group.write("cpu", "cpu.weight", "10000")
    else:
        group.write("cpu", "cpu.shares", str(_FIRST))
    return group


def _start(group: Group, account: Path | None, share: float) -> int:
    enter = f"echo $$ > {account}/cgroup.procs; " if account is not None else ""
    pid = group.start(["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-I", "-S", "-c", _WORK, str(share)]).pid
    time.sleep(1.0)
    return pid


def _uses(cores: float, *pids: int, rel: float = 0.03) -> Watch:
    """These programs of one thread run for so long together."""
    return grows("CPU time", lambda: sum(map(ran_seconds, pids)), (1 - rel) * cores, (1 + rel) * cores)


def _rates(entry: dict[str, Any], group: Group) -> tuple[dict[str, Any], dict[str, Any]]:
    """The process's rates, and those of its own group."""
    rates = entry["rates"]
    (own,) = (level for level in rates["cpu"] if level["path"] == group.path)
    return rates, own


def test_a_load_of_known_demand(group: Group, account: Path | None) -> None:
    """Three tenths of a CPU and no quota: as many are used, by the process and by its group, and the machine was as busy at least."""
    pid = _start(group, account, 0.3)
    rates, own = _rates(look_fairly(lambda: inspect(pid, "--window", "5"), _uses(0.3, pid)), group)
    assert rates["seconds"] == pytest.approx(5, abs=1.5)
    assert (rates["used_cores"], own["used_cores"]) == (pytest.approx(0.3, rel=0.05), pytest.approx(0.3, rel=0.05))
    assert own["throttled_percent"] is None
    assert rates["machine"]["busy_cores"] >= 0.28
    assert rates["machine"]["busy_cores"] <= 1.02 * len(os.sched_getaffinity(0))


def test_the_busiest_cgroups_are_named(group: Group, account: Path | None) -> None:
    """Whoever looks at another process is told which cgroup uses the CPUs, by the kernel's own account of it."""
    pid = _start(group, account, 0.4)
    machine = look_fairly(lambda: inspect(os.getpid(), "--window", "5"), _uses(0.4, pid))["rates"]["machine"]
    used = {place["path"].rpartition("/")[2]: place["used_cores"] for place in machine["busiest"]}
    name = (group.path if account is None else account.name).rpartition("/")[2]
    assert used[name] == pytest.approx(0.4, rel=0.06)


def test_a_load_that_a_quota_stops(group: Group, account: Path | None) -> None:
    """Busy under a fifth of a CPU: all of it is used, it is stopped in nearly every period, and the text says so in one line."""
    group.limit_cpu(20_000)
    pid = _start(group, account, 1.0)
    stopped = grows("stopped time", lambda: group.throttled()[2], 0.76, 0.84)
    before = group.throttled()
    entry = look_fairly(lambda: inspect(pid, "--window", "5"), _uses(0.2, pid), stopped)
    after = group.throttled()
    rates, own = _rates(entry, group)
    assert (rates["used_cores"], own["used_cores"]) == (pytest.approx(0.2, rel=0.05), pytest.approx(0.2, rel=0.05))
    assert own["periods"] == pytest.approx(10 * own["seconds"], abs=2)
    assert own["periods"] <= after[0] - before[0]
    assert own["throttled_percent"] > 90
    assert own["throttled_seconds"] / own["seconds"] == pytest.approx(0.8, rel=0.1)
    findings = {finding["rule"]: finding for finding in entry["findings"]}
    (told,) = findings.keys() & {"cpu-throttled", "started-throttled"}  # it is young, and that may be its start
    assert (findings[told]["severity"], findings[told]["harm"]) == ("critical", "now")
    text = " ".join(run("inspect", "--pid", pid, "--window", "2").stdout.split())
    assert re.search(r"used 0\.(1[6-9]|2\d?) of 0\.2 CPUs over \d", text), text
    assert "of the periods" in text


def test_two_that_share_a_quota(group: Group, account: Path | None) -> None:
    """Each uses half of it; the group's use is the sum."""
    group.limit_cpu(40_000)
    pids = [_start(group, account, 1.0) for _ in range(2)]
    words = ("inspect", "--pid", pids[0], "--pid", pids[1], "--window", "5", "--format", "json")
    report = json.loads(look_fairly(lambda: run(*words), _uses(0.4, *pids)).stdout)
    told = [_rates(entry, group) for entry in report["processes"]]
    assert sum(rates["used_cores"] for rates, _ in told) == pytest.approx(0.4, rel=0.05)
    assert [own["used_cores"] for _, own in told] == [pytest.approx(0.4, rel=0.05)] * 2


def test_waiting_for_a_neighbour(groups: Groups) -> None:
    """Two busy processes on one CPU under no quota: each waits half of the time that it could run, and is never stopped."""
    require({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")
    group = groups.make()
    group.limit_cpus("1")
    if group.version("cpu") == 1:
        group.write("cpu", "cpu.shares", str(_FIRST))
    pids = [_start(group, None, 1.0) for _ in range(2)]
    rates = look_fairly(lambda: inspect(pids[0], "--window", "5"), _uses(0.5, pids[0], rel=0.05), _uses(1.0, *pids))["rates"]
    assert rates["waiting_percent"] == pytest.approx(50, abs=10)
    assert rates["waiting_threads"] == pytest.approx(0.5, abs=0.1)
    assert rates["used_cores"] + rates["waiting_threads"] == pytest.approx(1, rel=0.05)


def test_a_service_has_the_last_minutes(group: Group, account: Path | None) -> None:
    """The same number, of all the time since it first saw the process; the page draws it."""
    pid = _start(group, account, 0.4)

    def look() -> tuple[dict[str, Any], str]:
        with Service("--pid", pid, "--interval", "1s") as service:

            def entry() -> dict[str, Any]:
                (found,) = json.loads(service.fetch("/report").body)["processes"]
                return dict(found)

            service.wait_for(
                lambda: service.fetch("/report").status == 200 and (entry()["rates"]["seconds"] or 0) > 6, seconds=PATIENCE_SECONDS
            )
            return entry(), service.fetch("/").body

    seen, page = look_fairly(look, _uses(0.4, pid))
    rates, own = _rates(seen, group)
    assert (rates["used_cores"], own["used_cores"]) == (pytest.approx(0.4, rel=0.05), pytest.approx(0.4, rel=0.05))
    shown = re.search(r"<figcaption>CPU used: ([0-9.]+) CPUs", page)
    assert shown
    assert float(shown[1]) == pytest.approx(0.4, abs=0.05)
