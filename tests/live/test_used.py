"""What processes and groups have used, on this machine's own hierarchies: loads of known size, and what the kernel counted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cgroups import Group, Groups, remove_group
from tests.support.command import inspect
from tests.support.needs import only_where, require

pytestmark = pytest.mark.live

# So many seconds of CPU time, by its own clock, and then sleep.
_WORK = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass\ntime.sleep(600)"
_TICK_SECONDS = 0.01  # /proc/PID/stat has whole ones
_BRIEFLY = """
import time
room = bytearray(64 << 20)
for place in range(0, len(room), 4096):
    room[place] = 1
del room
time.sleep(600)
"""
MIB = 1 << 20


@pytest.fixture
def account(groups: Groups) -> Iterator[Path | None]:
    """The test's own group in v1's cpuacct hierarchy, if that is one by itself; None if the cpu controller's counts."""
    lines = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    mounts = {before.split()[4]: after.split()[2].split(",") for before, after in lines if after.startswith("cgroup ")}
    place = next((Path(point, groups.name) for point, names in mounts.items() if "cpuacct" in names and "cpu" not in names), None)
    if place is None:
        yield None
        return
    place.mkdir()
    yield place
    remove_group(place)


def _worker(group: Group, account: Path | None, seconds: float) -> int:
    """The pid of a process in the group that will use so much."""
    enter = f"echo $$ > {account}/cgroup.procs; " if account is not None else ""
    return group.start(["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-I", "-S", "-c", _WORK, str(seconds)]).pid


def _until_used(pid: int, seconds: float) -> dict[str, object]:
    """The first report in which the process has used so much."""
    deadline = time.monotonic() + 120
    while (entry := inspect(pid))["used"]["cpu_seconds"] < seconds - 2 * _TICK_SECONDS:
        assert time.monotonic() < deadline, entry["used"]
        time.sleep(0.2)
    return dict(entry)


def test_cpu_time_is_what_was_used(groups: Groups, account: Path | None) -> None:
    """Of two processes each has its own CPU time, and their group has the sum, within 5 %."""
    group = groups.make()
    other, pid = _worker(group, account, 1.0), _worker(group, account, 2.0)
    _until_used(other, 1.0)
    entry = _until_used(pid, 2.0)
    used, level = entry["used"], entry["enforced"]["cpu"]["chain"][0]  # type: ignore[index]
    assert (used["cpu_seconds"], level["usage_seconds"]) == (pytest.approx(2.0, rel=0.05), pytest.approx(3.0, rel=0.05))  # type: ignore[index]
    assert level["path"] == group.path
    root = entry["enforced"]["cpu"]["chain"][-1]  # type: ignore[index]
    assert root["usage_seconds"] > level["usage_seconds"]


def test_waiting_for_a_cpu_is_told(groups: Groups) -> None:
    """Two busy processes on one CPU: each waits about as long as it works, while one alone would not."""
    require({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")
    group = groups.make()
    group.limit_cpus("1")
    pids = [_worker(group, None, 600.0) for _ in range(2)]
    entry = _until_used(pids[0], 1.5)
    used = entry["used"]
    assert used["wait_threads"] == used["threads"] == 1  # type: ignore[index]
    assert used["wait_seconds"] > 0.5 * used["cpu_seconds"]  # type: ignore[index]


def test_the_peak_of_memory_outlives_it(groups: Groups) -> None:
    """A group that had 64 MiB for a moment has that peak, though little of it is left."""
    group = groups.make("app")
    only_where(
        group.version("memory") == 1 or os.path.exists(f"{group.directories()[0]}/memory.peak"), "memory.peak is there from Linux 5.19 on"
    )
    program = group.start([sys.executable, "-I", "-S", "-c", _BRIEFLY])
    deadline = time.monotonic() + 60
    while (level := inspect(program.pid)["enforced"]["memory"]["chain"][0])["peak_bytes"] < 64 * MIB or level["current_bytes"] > 40 * MIB:
        assert time.monotonic() < deadline, level
        time.sleep(0.2)
    assert 64 * MIB <= level["peak_bytes"] < 96 * MIB


def test_age_is_the_time_since_the_start(groups: Groups) -> None:
    """A process is as old as the clock says, whatever the machine's own uptime is."""
    began = time.monotonic()
    pid = groups.make().start_sleeper()
    started = time.monotonic()
    time.sleep(1.0)
    asked = time.monotonic()
    age = inspect(pid)["age_seconds"]
    assert asked - started - 0.05 <= age <= time.monotonic() - began + 0.05


def test_threads_are_counted(groups: Groups) -> None:
    """As many threads as there are, each asked how long it waited."""
    work = "import threading, time\nfor _ in range(9): threading.Thread(target=time.sleep, args=(600,)).start()\ntime.sleep(600)"
    program = groups.make().start([sys.executable, "-I", "-S", "-c", work])
    deadline = time.monotonic() + 60
    while (used := inspect(program.pid)["used"])["threads"] < 10:
        assert time.monotonic() < deadline, used
        time.sleep(0.1)
    assert (used["threads"], used["wait_threads"]) == (10, 10)
