"""Throttling over the last minutes, for whoever keeps looking: what was throttled last week must not be a finding for ever. Pure.

The counters in cpu.stat run since the cgroup was made. A judgement wants their growth, over some 300 periods at least (30 s of a busy
process under the usual period of 100 ms), and over no longer than it takes to see that a fault has been mended: five minutes.
"""

from __future__ import annotations

from cgtune.model import Throttling
from cgtune.verdict import throttling_growth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Report

    Mark = tuple[float, str, Throttling]

WINDOW_SECONDS = 300.0
LEAST_PERIODS = 300

#: The counters are kept this far apart, however often somebody looks: 21 marks a process at the most.
_MARK_SECONDS = WINDOW_SECONDS / 20

_NOTHING_TO_SAY = Throttling(periods=0, throttled_periods=0, throttled_seconds=0.0)


class Windows:
    """The throttling counters of the last five minutes, by process; of processes that ended nothing is kept."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int], list[Mark]] = {}

    def watch(self, report: Report, now_seconds: float) -> dict[int, Throttling]:
        """By pid, the growth over the last five minutes, or since the process was first seen; no periods at all where those are too few.

        ``now_seconds`` is any clock that only goes forward.
        """
        before, self._marks = self._marks, {}
        grown = {}
        for process in report.processes:
            identity, level = process.snapshot.process, process.throttled_level
            grown[identity.pid] = _NOTHING_TO_SAY
            if level is None or level.throttling is None:
                continue
            marks = before.get((identity.pid, identity.start_ticks), [])
            while len(marks) > 1 and marks[1][0] <= now_seconds - WINDOW_SECONDS:
                del marks[0]
            growth = throttling_growth(marks[0][2], level.throttling) if marks and marks[-1][1] == level.directory else None
            if growth is None:  # the first look, or another cgroup
                marks = []
            elif growth.periods >= LEAST_PERIODS:
                grown[identity.pid] = growth
            if not marks or now_seconds - marks[-1][0] >= _MARK_SECONDS:
                marks.append((now_seconds, level.directory, level.throttling))
            self._marks[identity.pid, identity.start_ticks] = marks
        return grown
