"""What each process did over the last five minutes and, coarser, over the last day, in bounded memory, for the page's plots.

A process costs 2 to 6 KiB: 60 moments of 32 bytes, 144 spans of ten minutes with the highest of each number, 24 bytes each, those that
are over packed; and what Python needs for that. Of a process that ended nothing is kept.
"""

from __future__ import annotations

from array import array
from math import isnan, nan
from threading import Lock
from zlib import compress, decompress

from cgtune.model import Track
from cgtune.rates import rates_between, total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cgtune.model import ProcessReport, Rates, Report, Snapshot

    Identity = tuple[int, int]

RECENT_SECONDS = 300.0
DAY_SECONDS = 86400.0
_MOMENTS = 60
_SPAN_SECONDS = 600.0
_SPANS = int(DAY_SECONDS / _SPAN_SECONDS)

#: What is kept, in the order of the page. Each is in CPUs or a share in percent, of the time since the look before, or in bytes.
COLUMNS = ("cpu-used", "throttled", "cpu-waiting", "memory-stalled", "memory", "live-heap")


_EMPTY = array("f", [nan]) * len(COLUMNS)


class _Kept:
    """The numbers of one process: moments and spans, oldest first. Spans are counted since the clock began; ``span`` is the newest,
    ``highest`` what was seen in it, and ``packed`` are those before it.
    """

    __slots__ = ("highest", "moments", "packed", "span", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.moments = array("f")  # one row of COLUMNS a moment
        self.packed = b""
        self.highest = _EMPTY
        self.span: int | None = None

    def add(self, values: tuple[float, ...], now_seconds: float) -> None:
        self._begin_span(int(now_seconds // _SPAN_SECONDS))
        self.highest = array(
            "f", [value if isnan(most) or value > most else most for most, value in zip(self.highest, values, strict=True)]
        )
        if self.times and now_seconds - self.times[-1] < RECENT_SECONDS / _MOMENTS:
            return
        self.times.append(now_seconds)
        self.moments.extend(values)
        old = sum(time < now_seconds - RECENT_SECONDS for time in self.times)
        del self.times[:old]
        del self.moments[: old * len(COLUMNS)]

    def _begin_span(self, span: int) -> None:
        if span == self.span:
            return
        if self.span is not None:
            skipped = min(span - self.span, _SPANS) - 1  # nobody looked in these
            rows = self._spans() + _EMPTY * skipped
            self.packed = compress(rows[-(_SPANS - 1) * len(COLUMNS) :].tobytes(), 1)
        self.span, self.highest = span, _EMPTY

    def _spans(self) -> array[float]:
        """A row of COLUMNS for each span up to the newest."""
        return array("f", decompress(self.packed) if self.packed else b"") + self.highest

    def tracks(self, now_seconds: float) -> tuple[Track, ...]:
        ages = [now_seconds - time for time in self.times]
        spans, width = self._spans(), len(COLUMNS)
        ended = [((self.span or 0) - number) * _SPAN_SECONDS for number in reversed(range(len(spans) // width))]
        day_ages = [max(0.0, now_seconds - seconds - _SPAN_SECONDS) for seconds in ended]
        return tuple(
            Track(name=name, recent=_known(ages, self.moments[column::width]), day=_known(day_ages, spans[column::width]))
            for column, name in enumerate(COLUMNS)
        )


class History:
    """The numbers of all processes that are followed, by pid and start time. One thread adds, any thread asks."""

    def __init__(self) -> None:
        self._kept: dict[Identity, _Kept] = {}
        self._report: Report | None = None  # the newest, which the board holds anyway
        self._lock = Lock()

    def add(self, report: Report, now_seconds: float) -> None:
        """Take what a look found. ``now_seconds`` is any clock that only goes forward."""
        with self._lock:
            old = {_identity(process.snapshot): process.snapshot for process in self._report.processes} if self._report else {}
            before, self._kept, self._report = self._kept, {}, report
            for process in report.processes:
                identity = _identity(process.snapshot)
                rates = None if identity not in old else _rates(old[identity], process)
                kept = self._kept[identity] = before.get(identity) or _Kept()
                kept.add((*_shares(process, rates), *_sizes(process)), now_seconds)

    def tracks(self, now_seconds: float) -> dict[int, tuple[Track, ...]]:
        """By pid, one track for each of COLUMNS."""
        with self._lock:
            return {pid: kept.tracks(now_seconds) for (pid, _), kept in self._kept.items()}


def _identity(snapshot: Snapshot) -> Identity:
    return snapshot.process.pid, snapshot.process.start_ticks


def _rates(before: Snapshot, process: ProcessReport) -> Rates | None:
    """Those that the page asks for: of one or two CPU levels, of waiting in its own cgroup, and of no thread and no memory."""
    levels = (process.limits.cpu.binding, *process.counted_levels[:1])
    directories = {level.directory for level in levels if level is not None}

    def asked(snapshot: Snapshot) -> Snapshot:
        return snapshot.replace(
            cpu_chain=tuple(level for level in snapshot.cpu_chain if level.directory in directories),
            pressure_chain=snapshot.pressure_chain[:1],
            memory_chain=(),
            go=(),
            used=snapshot.used and snapshot.used.replace(waits=(), ran=()),
        )

    return rates_between(total(asked(before)), total(asked(process.snapshot)))


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


def _known(ages: Sequence[float], values: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """Those moments of which something is known."""
    return tuple((age, value) for age, value in zip(ages, values, strict=True) if not isnan(value))
