"""The last five minutes of each process, for whoever keeps looking: what was throttled last week must not be a finding for ever. Pure.

The kernel's counters run since the cgroup was made, and the process's since it began. A judgement wants their growth, over no longer than
it takes to see that a fault has been mended: five minutes. A process costs about 9 KiB at most: 12 totals of 14 levels and 16 threads, all
but the first and the newest packed; one that rests 2 KiB.
"""

from __future__ import annotations

from array import array

from cgtune.rates import pack_totals, rates_between, shrank, total, unpack_totals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from cgtune.model import ProcessReport, Report
    from cgtune.rates import Totals

WINDOW_SECONDS = 300.0

#: The totals are kept this far apart, however often somebody looks: 12 a process at the most.
_MARK_SECONDS = WINDOW_SECONDS / 10


class _Marks:
    """The totals of one process, oldest first: the first and the newest are asked for at each look, those between wait packed, each by what
    it has beyond the one before. ``packed`` are all but the first.
    """

    __slots__ = ("first", "newest", "packed", "times")

    def __init__(self, totals: Totals, now_seconds: float) -> None:
        self.first = self.newest = totals
        self.packed: list[bytes] = []
        self.times = array("d", (now_seconds,))

    def add(self, totals: Totals, now_seconds: float) -> None:
        self.packed.append(pack_totals(totals, self.newest))
        self.newest = totals
        self.times.append(now_seconds)

    def drop_first(self) -> None:
        packed = self.packed.pop(0)
        self.first = unpack_totals(packed, self.first) if self.packed else self.newest
        del self.times[0]


class Windows:
    """The totals of the last five minutes, by process; of processes that ended nothing is kept."""

    def __init__(self) -> None:
        self._marks: dict[int, _Marks] = {}

    def watch(self, report: Report, now_seconds: float) -> Report:
        """The report with the rates of the last five minutes, or since the process was first seen where it is; of the first look those of
        no time at all, in which nothing happened.

        ``now_seconds`` is any clock that only goes forward.
        """
        before, self._marks = self._marks, {}
        made: dict[Hashable, Any] = {}
        return report.replace(processes=tuple(self._watch(process, before, now_seconds, made) for process in report.processes))

    def _watch(self, process: ProcessReport, before: dict[int, _Marks], now_seconds: float, made: dict[Hashable, Any]) -> ProcessReport:
        snapshot = process.snapshot
        marks = before.get(snapshot.process.pid)
        now = total(snapshot, marks.newest if marks else None, made)
        if marks is None or shrank(marks.newest, now):  # another process, another place, or a cgroup made anew
            marks = _Marks(now, now_seconds)
        while len(marks.times) > 1 and marks.times[1] <= now_seconds - WINDOW_SECONDS:
            marks.drop_first()
        if now_seconds - marks.times[-1] >= _MARK_SECONDS:
            marks.add(now, now_seconds)
        self._marks[snapshot.process.pid] = marks
        return process.replace(snapshot=snapshot.replace(rates=rates_between(marks.first, now, made)))
