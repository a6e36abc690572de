"""What throttling counters grew by between two readings. Pure.

The counters in cpu.stat run since the cgroup was made (Linux Documentation/scheduler/sched-bwc.rst): what they say of the present is their
growth.
"""

from __future__ import annotations

from cgtune.model import most_throttled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from cgtune.model import CpuLevel, Report

    T = TypeVar("T", int, float)


def watched_growth(before: Report, after: Report) -> Mapping[int, CpuLevel]:
    """By pid, the cgroup that was throttled most between two reports, with the growth of its counters; only if the process stayed."""
    grown: dict[int, CpuLevel] = {}
    earlier = {
        (process.snapshot.process.pid, process.snapshot.process.start_ticks): {level.directory: level for level in process.counted_levels}
        for process in before.processes
    }
    for process in after.processes:
        identity = process.snapshot.process
        levels = earlier.get((identity.pid, identity.start_ticks), {})
        worst = most_throttled(
            tuple(growth for level in process.counted_levels if (growth := level_growth(levels.get(level.directory), level)))
        )
        if worst is not None:
            grown[identity.pid] = worst
    return grown


def level_growth(old: CpuLevel | None, new: CpuLevel) -> CpuLevel | None:
    """The level with what its counters grew by. None if one has no counters, or if one shrank: a cgroup made anew begins at 0."""
    if old is None or old.throttling is None or new.throttling is None:
        return None
    growth = new.throttling.replace(
        periods=new.throttling.periods - old.throttling.periods,
        throttled_periods=new.throttling.throttled_periods - old.throttling.throttled_periods,
        throttled_seconds=new.throttling.throttled_seconds - old.throttling.throttled_seconds,
        bursts=_growth(old.throttling.bursts, new.throttling.bursts),
        burst_seconds=_growth(old.throttling.burst_seconds, new.throttling.burst_seconds),
    )
    return new.replace(throttling=growth) if growth.periods >= 0 and growth.throttled_periods >= 0 else None


def _growth(old: T | None, new: T | None) -> T | None:
    return None if old is None or new is None else new - old
