"""Throttling over the last minutes, for whoever keeps looking: what was throttled last week must not be a finding for ever. Pure.

The counters in cpu.stat run since the cgroup was made. A judgement wants their growth, over some 300 periods at least (30 s of a busy
process under the usual period of 100 ms), and over no longer than it takes to see that a fault has been mended: five minutes.
"""

from __future__ import annotations

from cgtune.cgroups.throttling import level_growth
from cgtune.model import LEAST_PERIODS, Throttling, most_throttled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, Report

    Mark = tuple[float, CpuLevel]

WINDOW_SECONDS = 300.0

#: The counters are kept this far apart, however often somebody looks: 21 marks a cgroup of a process at the most.
_MARK_SECONDS = WINDOW_SECONDS / 20

_NOTHING_TO_SAY = Throttling(periods=0, throttled_periods=0, throttled_seconds=0.0)


class Windows:
    """The throttling counters of the last five minutes, by process and cgroup; of processes that ended nothing is kept."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int, str], list[Mark]] = {}

    def watch(self, report: Report, now_seconds: float) -> dict[int, CpuLevel]:
        """By pid, the cgroup that was throttled most over the last five minutes, or since the process was first seen, with the growth of
        its counters; no periods at all if those are too few.

        ``now_seconds`` is any clock that only goes forward.
        """
        before, self._marks = self._marks, {}
        grown = {}
        for process in report.processes:
            identity = process.snapshot.process
            keys = [(identity.pid, identity.start_ticks, level.directory) for level in process.counted_levels]
            growths = tuple(
                self._watch(key, before.get(key, []), level, now_seconds) for key, level in zip(keys, process.counted_levels, strict=True)
            )
            worst = most_throttled(growths)
            if worst is not None:
                grown[identity.pid] = worst
        return grown

    def _watch(self, key: tuple[int, int, str], marks: list[Mark], level: CpuLevel, now_seconds: float) -> CpuLevel:
        while len(marks) > 1 and marks[1][0] <= now_seconds - WINDOW_SECONDS:
            del marks[0]
        growth = level_growth(marks[0][1], level) if marks else None
        if growth is None:  # the first look, or a cgroup made anew
            marks = []
        if not marks or now_seconds - marks[-1][0] >= _MARK_SECONDS:
            marks.append((now_seconds, level))
        self._marks[key] = marks
        few = growth is None or growth.throttling is None or growth.throttling.periods < LEAST_PERIODS
        return level.replace(throttling=_NOTHING_TO_SAY) if few or growth is None else growth
