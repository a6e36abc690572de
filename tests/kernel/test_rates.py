"""Rates on a kernel of its own: what two looks tell of a load under a quota, of its pressure, and of a kill, on v2 and v1."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.kernel import bench, subjects
from tests.kernel.subjects import Targets
from tests.live.cgroups import Group, Groups
from tests.support.fairness import grows, look_fairly

pytestmark = pytest.mark.kernel

V2_V1 = pytest.mark.hierarchy("v2", "v1")
MIB = 1 << 20
_WINDOW_SECONDS = 5.0


def _watch(pid: int) -> dict[str, Any]:
    """The rates over a window, as the JSON report has them."""
    from cgtune.api import inspect
    from cgtune.outputs.rates import rates_content

    (process,) = inspect(pid=pid, window_seconds=_WINDOW_SECONDS).processes
    rates = rates_content(process.snapshot.rates)
    assert rates is not None
    return rates


def _used_seconds(group: Group) -> float:
    if group.version("cpu") == 1:
        return int(group.read("cpu", "cpuacct.usage")) / 1e9
    return int(dict(line.split() for line in group.read("cpu", "cpu.stat").splitlines())["usage_usec"]) / 1e6


def _own(rates: dict[str, Any], kind: str, group: Group) -> dict[str, Any]:
    (found,) = (level for level in rates[kind] if level["path"] == group.path)
    return dict(found)


@V2_V1
def test_a_stopped_load_and_its_pressure(groups: Groups, targets: Targets) -> None:
    """Busy under a fifth of a CPU: that is used, nearly each period is stopped, and the rest of the time something waits."""
    group = groups.make("busy")
    group.limit_cpu(20_000)
    parent = targets.busy(group)
    (pid,) = {int(word) for word in group.read("cpu", "cgroup.procs").split()} - {parent}
    time.sleep(0.5)

    def look() -> tuple[dict[str, Any], float, float]:
        """What is told, and the kernel's own word of it: the CPUs that were used, and the share of the periods in which it was stopped."""
        before, began, counted = _used_seconds(group), time.monotonic(), group.throttled()
        rates = _watch(pid)
        cores = (_used_seconds(group) - before) / (time.monotonic() - began)
        periods, stops, _ = (now - then for then, now in zip(counted, group.throttled(), strict=True))
        return rates, cores, 100 * stops / periods

    # An emulated CPU may be late, and then the load has less than its quota: the kernel's own word is the measure
    rates, cores, percent = look_fairly(look, grows("CPU time", lambda: _used_seconds(group), 0.1, 0.21))
    cpu = _own(rates, "cpu", group)
    assert (rates["used_cores"], cpu["used_cores"]) == (pytest.approx(cores, rel=0.05), pytest.approx(cores, rel=0.05))
    assert cpu["throttled_percent"] == pytest.approx(percent, abs=5)
    assert cpu["throttled_percent"] > 50
    above = next(level for level in rates["cpu"] if level["path"] == os.path.dirname(group.path))
    assert above["used_cores"] >= 0.95 * cpu["used_cores"]
    if group.version("cpu") == 2:
        assert _own(rates, "pressure", group)["cpu_some_percent"] == pytest.approx(100 * (1 - cores), abs=5)


@V2_V1
@pytest.mark.v1_memory
def test_a_kill_in_the_window(groups: Groups, targets: Targets) -> None:
    """A child of the group that is killed while somebody watches is one kill of the window; those before are not."""
    group = groups.make("app")
    group.limit_memory(32 * MIB)
    pid = targets.start(group)
    subjects.die_of_hunger(group)
    kills = _until(group, 1)
    child = os.fork()
    if child == 0:
        subjects.die_with_parent()
        time.sleep(2.0)
        subjects.die_of_hunger(group)
        os._exit(0)
    rates = _watch(pid)
    os.waitpid(child, 0)
    assert _own(rates, "memory", group)["oom_kills"] == _until(group, kills + 1) - kills == 1
    if group.version("memory") == 2:
        assert _own(rates, "memory", group)["max_events"] > 0


def _until(group: Group, kills: int) -> int:
    bench.wait_until(lambda: group.oom_kills() >= kills, f"{kills} kills")
    return group.oom_kills()
