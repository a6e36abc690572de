"""What would have been enough, on a kernel of its own: a squeeze by memory.high, and one thread under a quota."""

from __future__ import annotations

import mmap
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.kernel import bench, subjects
from tests.kernel.subjects import MIB, Targets
from tests.live.cgroups import Group, Groups
from tests.support import memory_kinds
from tests.support.fairness import Rhythm, look_fairly

pytestmark = [pytest.mark.kernel, pytest.mark.hierarchy("v2")]


def _watch(pid: int) -> Any:
    """The report on a process that is watched for some seconds."""
    from cgtune.api import inspect

    (process,) = inspect(pid=pid, window_seconds=6.0).processes
    return process


def _told(process: Any, pattern: str) -> tuple[float, str]:
    lines = [line for finding in process.findings for line in finding.evidence]
    ((number, line),) = [(float(found[1]), line) for line in lines if (found := re.search(pattern, line))]
    return number, line


def _fork(work: Callable[[], object]) -> None:
    """In a child, do that for ever; it stays in the group of its parent."""
    if os.fork() == 0:
        subjects.die_with_parent()
        work()


def _child(group: Group, parent: int) -> int:
    (child,) = {int(word) for word in group.read("memory", "cgroup.procs").split()} - {parent}
    return child


def _rest_and_work(work: float, rest: float) -> None:
    while True:
        end = time.thread_time() + work
        while time.thread_time() < end:
            pass
        time.sleep(rest)


def _use_again_and_again(kind: str, size_bytes: int) -> None:
    (*_, pages) = memory_kinds.take(kind, "/dev/ram0", size_bytes)
    assert isinstance(pages, mmap.mmap)
    while True:
        for offset in range(0, size_bytes, mmap.PAGESIZE):
            pages[offset]
        time.sleep(0.01)


@pytest.mark.hierarchy("v2", "v1")
@pytest.mark.v1_memory
@pytest.mark.parametrize(("work", "rest"), [(0.0175, 0.0325), (0.1, 0.0)], ids=["short duty cycles", "busy"])
def test_enough_cpu(groups: Groups, targets: Targets, work: float, rest: float) -> None:
    """One thread under a fifth of a CPU, and what it asked for meanwhile: on a late emulated CPU it works for longer than was meant."""
    group = groups.make("load")
    parent = targets.start(group, lambda: _fork(lambda: _rest_and_work(work, rest)))
    child = _child(group, parent)
    group.limit_cpu(20_000)
    time.sleep(1.0)
    rhythm = Rhythm(child, rest)
    cores, line = _told(look_fairly(lambda: _watch(child), rhythm.watch), r"([0-9.]+) CPUs would have been enough")
    assert rhythm.demand > 0.3
    assert cores == pytest.approx(rhythm.demand, rel=0.15), line


def test_a_squeeze_by_memory_high(groups: Groups, targets: Targets) -> None:
    """96 MiB in use, of which memory.high leaves three quarters: the rest is in swap; with the limit that is named nothing waits."""
    group = groups.make("app")
    with subjects.swap_area():
        parent = targets.start(group, lambda: _fork(lambda: _use_again_and_again("anonymous", 96 * MIB)))
        bench.wait_until(lambda: int(group.read("memory", "memory.current")) > 96 * MIB, "it has its memory")
        child = _child(group, parent)
        needed = _used(child)
        group.write("memory", "memory.high", str(needed * 3 // 4))
        size, line = _told(_watch(child), r"([0-9.]+) MiB would be enough")
        assert size * MIB == pytest.approx(needed, rel=0.1), line
        group.write("memory", "memory.high", str(int(size * MIB)))
        time.sleep(2.0)
        assert "memory-stalling" not in [finding.rule for finding in _watch(child).findings]
        targets.stop(parent)


def test_a_squeeze_of_files(groups: Groups, targets: Targets) -> None:
    """A file of 32 MiB that is read again and again, and memory.high leaves less: what is needed at least, and why that is not sure."""
    group = groups.make("app")
    parent = targets.start(group, lambda: _fork(lambda: _use_again_and_again("mapped", 32 * MIB)))
    bench.wait_until(lambda: int(group.read("memory", "memory.current")) > 32 * MIB, "it has its memory")
    child = _child(group, parent)
    time.sleep(1.0)
    needed = int(group.read("memory", "memory.current"))
    group.write("memory", "memory.high", str(needed - 4 * MIB))
    size, line = _told(_watch(child), r"at least ([0-9.]+) MiB are needed")
    assert "pages a second come back" in line
    assert size * MIB == pytest.approx(needed, rel=0.1), line


def _used(pid: int) -> int:
    from cgtune.api import inspect

    (process,) = inspect(pid=pid).processes
    used = process.snapshot.memory_chain[0].used_bytes
    assert used is not None
    return used
