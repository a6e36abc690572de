"""The last five minutes of each process, for whoever keeps looking: what was throttled last week must not be a finding for ever. Pure.

The kernel's counters run since the cgroup was made, and the process's since it began. A judgement wants their growth, over no longer than
it takes to see that a fault has been mended: five minutes. A process costs about 16 KiB: 12 totals of 14 levels and 16 threads.
"""

from __future__ import annotations

from cgtune.rates import rates_between, shrank, total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from cgtune.model import ProcessReport, Report
    from cgtune.rates import Totals

    Mark = tuple[float, Totals]

WINDOW_SECONDS = 300.0

#: The totals are kept this far apart, however often somebody looks: 12 a process at the most.
_MARK_SECONDS = WINDOW_SECONDS / 10


class Windows:
    """The totals of the last five minutes, by process; of processes that ended nothing is kept."""

    def __init__(self) -> None:
        self._marks: dict[int, list[Mark]] = {}

    def watch(self, report: Report, now_seconds: float) -> Report:
        """The report with the rates of the last five minutes, or since the process was first seen where it is; of the first look those of
        no time at all, in which nothing happened.

        ``now_seconds`` is any clock that only goes forward.
        """
        before, self._marks = self._marks, {}
        made: dict[Hashable, Any] = {}
        return report.replace(processes=tuple(self._watch(process, before, now_seconds, made) for process in report.processes))

    def _watch(self, process: ProcessReport, before: dict[int, list[Mark]], now_seconds: float, made: dict[Hashable, Any]) -> ProcessReport:
        snapshot = process.snapshot
        marks = before.get(snapshot.process.pid, [])
        now = total(snapshot, marks[-1][1] if marks else None)
        if marks and shrank(marks[-1][1], now):  # another process, another place, or a cgroup made anew
            marks = []
        while len(marks) > 1 and marks[1][0] <= now_seconds - WINDOW_SECONDS:
            del marks[0]
        if not marks or now_seconds - marks[-1][0] >= _MARK_SECONDS:
            marks.append((now_seconds, now))
        self._marks[snapshot.process.pid] = marks
        return process.replace(snapshot=snapshot.replace(rates=rates_between(marks[0][1], now, made)))
