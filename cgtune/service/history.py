"""What each process did over the last five minutes and, coarser, over the last day, in bounded memory, for the page's plots.

A process costs about 7 KiB: 60 moments of 32 bytes, 144 spans of ten minutes with the highest of each number, 24 bytes each; and what
Python needs for that, and the totals of the last look. Of a process that ended nothing is kept.
"""

from __future__ import annotations

from array import array
from math import isnan, nan
from threading import Lock

from cgtune.model import Track
from cgtune.rates import rates_between, total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.model import ProcessReport, Rates, Report, Snapshot
    from cgtune.rates import Totals

RECENT_SECONDS = 300.0
DAY_SECONDS = 86400.0
_MOMENTS = 60
_SPAN_SECONDS = 600.0
_SPANS = int(DAY_SECONDS / _SPAN_SECONDS)

#: What is kept, in the order of the page. Each is in CPUs or a share in percent, of the time since the look before, or in bytes.
COLUMNS = ("cpu-used", "throttled", "cpu-waiting", "memory-stalled", "memory", "live-heap")


class _Kept:
    """The numbers of one process: moments, oldest first, and a ring of spans by the number of the span since the clock began."""

    def __init__(self) -> None:
        self.totals: Totals | None = None
        self.times = array("d")
        self.moments = array("f")  # one row of COLUMNS a moment
        self.spans = array("f", [nan]) * (_SPANS * len(COLUMNS))
        self.span: int | None = None  # the newest

    def add(self, values: tuple[float, ...], now_seconds: float) -> None:
        self._add_span(values, int(now_seconds // _SPAN_SECONDS))
        if self.times and now_seconds - self.times[-1] < RECENT_SECONDS / _MOMENTS:
            return
        self.times.append(now_seconds)
        self.moments.extend(values)
        old = sum(time < now_seconds - RECENT_SECONDS for time in self.times)
        del self.times[:old]
        del self.moments[: old * len(COLUMNS)]

    def _add_span(self, values: tuple[float, ...], span: int) -> None:
        width = len(COLUMNS)
        passed = _SPANS if self.span is None else min(span - self.span, _SPANS)
        for empty in range(span - passed + 1, span + 1):  # nobody looked in these, or they are a day old
            self.spans[empty % _SPANS * width : (empty % _SPANS + 1) * width] = array("f", [nan]) * width
        self.span = span
        for place, value in enumerate(values, start=span % _SPANS * width):
            if isnan(self.spans[place]) or value > self.spans[place]:
                self.spans[place] = value

    def track(self, column: int, now_seconds: float) -> Track:
        values = self.moments[column :: len(COLUMNS)]
        recent = ((now_seconds - time, value) for time, value in zip(self.times, values, strict=True))
        return Track(name=COLUMNS[column], recent=tuple(_known(recent)), day=tuple(_known(self._day(column, now_seconds))))

    def _day(self, column: int, now_seconds: float) -> Iterator[tuple[float, float]]:
        for span in range((self.span or 0) - _SPANS + 1, (self.span or 0) + 1):
            age_seconds = max(0.0, now_seconds - (span + 1) * _SPAN_SECONDS)
            yield age_seconds, self.spans[span % _SPANS * len(COLUMNS) + column]


class History:
    """The numbers of all processes that are followed, by pid and start time. One thread adds, any thread asks."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], _Kept] = {}
        self._lock = Lock()

    def add(self, report: Report, now_seconds: float) -> None:
        """Take what a look found. ``now_seconds`` is any clock that only goes forward."""
        with self._lock:
            before, self._kept = self._kept, {}
            for process in report.processes:
                identity = process.snapshot.process
                kept = before.get((identity.pid, identity.start_ticks)) or _Kept()
                now = total(_own(process.snapshot), kept.totals)
                rates = None if kept.totals is None else rates_between(kept.totals, now)
                kept.add((*_shares(process, rates), *_sizes(process)), now_seconds)
                kept.totals = now
                self._kept[identity.pid, identity.start_ticks] = kept

    def tracks(self, now_seconds: float) -> dict[int, tuple[Track, ...]]:
        """By pid, one track for each of COLUMNS."""
        with self._lock:
            return {pid: tuple(kept.track(column, now_seconds) for column in range(len(COLUMNS))) for (pid, _), kept in self._kept.items()}


def _own(snapshot: Snapshot) -> Snapshot:
    """What the page asks for: of waiting its own cgroup's, and nothing of memory's counters."""
    return snapshot.replace(pressure_chain=snapshot.pressure_chain[:1], memory_chain=())


def _shares(process: ProcessReport, rates: Rates | None) -> tuple[float, float, float, float]:
    """CPUs used against its quota, throttled periods of all periods, and how long something in its cgroup waited for a CPU, and for memory;
    nan: not known.
    """
    if rates is None:
        return nan, nan, nan, nan
    limited = rates.cpu_of(next(iter(process.counted_levels), None))
    throttled = None if limited is None or limited.throttling is None else limited.throttled_percent or 0.0
    own = next(iter(process.snapshot.pressure_chain), None)
    waited = rates.pressure_of(own) if own is not None and own.is_of_cgroup else None
    waits = (None, None) if waited is None else (waited.cpu_some_percent, waited.memory_some_percent)
    used, throttled, waiting, stalled = (nan if share is None else share for share in (process.used_cores(rates), throttled, *waits))
    return used, throttled, waiting, stalled


def _sizes(process: ProcessReport) -> tuple[float, float]:
    """What is in use of its cgroup's memory, and the live heap of its runtimes, in bytes; nan: not known."""
    charged = process.snapshot.charged_level
    used = None if charged is None else charged.used_bytes
    heaps = [facts.observed.heap_live_bytes for facts in process.snapshot.go]
    live = [heap for heap in heaps if heap is not None]
    return nan if used is None else float(used), float(sum(live)) if live and len(live) == len(heaps) else nan


def _known(points: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    return (point for point in points if not isnan(point[1]))
