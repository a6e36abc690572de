"""What the scanner found last, for the threads that answer: whole reports only, each page of them rendered once, when it is asked for, and
kept packed.
"""

from __future__ import annotations

import threading
import time

from cgtune import __version__
from cgtune.outputs.packed import Packed
from cgtune.outputs.prometheus import ServiceFacts
from cgtune.records import Record
from cgtune.service.history import History
from cgtune.service.merged import Merger
from cgtune.service.stages import Stages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.model import Kills, LabelSet, Owner, Verdict
    from cgtune.outputs.prometheus import Series
    from cgtune.service.follow import Look

#: A report is fresh until so many intervals have gone by since its scan began; with short ones, on a machine that is short of CPUs, longer.
_FRESH_INTERVALS = 3
_LEAST_FRESH_SECONDS = 5.0


class Found(Record):
    """One look and its verdict. ``began_seconds`` is on a clock that only goes forward, ``time_seconds`` the same since the epoch."""

    look: Look
    verdict: Verdict
    began_seconds: float
    time_seconds: float
    scan_seconds: float


class Board:
    """The newest report, the numbers of those before, the kills remembered since ``since_seconds``, and the counts of scans.

    One thread pins, any thread reads.
    """

    def __init__(self, interval_seconds: float, *, label_set: LabelSet = "pid", least_age_seconds: float = 0.0) -> None:
        """``label_set`` and ``least_age_seconds`` say what has series of metrics of its own, and how long it must have lived."""
        self.interval_seconds, self.history, self.least_age_seconds = interval_seconds, History(), least_age_seconds
        self.stages = Stages()
        self._merger = None if label_set == "pid" else Merger(label_set, least_age_seconds)
        self.merged: tuple[Series, ...] | None = None
        self._fresh_seconds = max(_FRESH_INTERVALS * interval_seconds, _LEAST_FRESH_SECONDS)
        self._lock = threading.Lock()
        self._pages: dict[str, Packed] = {}
        self.found: Found | None = None
        self.scans = self.scan_errors = 0
        self.remembered: tuple[Kills, ...] = ()
        self.workloads: tuple[Owner, ...] = ()
        self.forgotten = 0
        self.since_seconds = time.time()

    def remember(self, kills: tuple[Kills, ...], workloads: tuple[Owner, ...], forgotten: int) -> None:
        """The kills that are remembered at this moment, the workloads that are followed, and of how many owners the kills were dropped."""
        self.remembered, self.workloads, self.forgotten = kills, workloads, forgotten

    def pin(self, found: Found) -> None:
        """A new report takes the place of the old one."""
        self.history.add(found.look.report, found.began_seconds)
        merged = None if self._merger is None else self._merger.look(found.verdict.report.processes)
        with self._lock:
            self.found, self.merged, self._pages = found, merged, {}
            self.scans += 1

    def count_error(self) -> None:
        """A scan failed; the old report stays, and grows old."""
        with self._lock:
            self.scan_errors += 1

    def page(self, name: str, render: Callable[[Found], Packed]) -> Packed:
        """The page of that name of the newest report, empty without one; two threads that ask at once render it once."""
        with self._lock:
            if self.found is None:
                return Packed()
            if name not in self._pages:
                self._pages[name] = render(self.found)
            return self._pages[name]

    def stale_words(self, now_seconds: float) -> str | None:
        """Why there is no fresh report; None where there is one."""
        found = self.found
        if found is None:
            return "no report yet"
        age_seconds = now_seconds - found.began_seconds
        if age_seconds > self._fresh_seconds:
            return f"the report is {age_seconds:.1f} s old, and counts as fresh for {self._fresh_seconds:g} s"
        return None

    def facts(self, *, with_age: bool) -> ServiceFacts:
        """What the service says of itself at this moment. ``with_age``: in a file the age would stand still."""
        stages, found = self.stages, self.found
        facts = ServiceFacts(
            version=__version__,
            scans=self.scans,
            scan_errors=self.scan_errors,
            stages=tuple((name, stage.seconds, stage.is_good) for name, stage in stages.last.items()),
            running_seconds=stages.running_seconds() if with_age else None,
        )
        if found is None:
            return facts
        return facts.replace(
            unreadable=found.look.unreadable,
            left_out=found.look.left_out,
            missing=len(found.look.missing),
            scan_seconds=found.scan_seconds,
            report_time_seconds=found.time_seconds,
            age_seconds=max(0.0, time.monotonic() - found.began_seconds) if with_age else None,
        )
