"""How the present scan goes, and how each stage of a scan went when it was last run."""

from __future__ import annotations

import time

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

#: A scan that takes longer than so many intervals, and than so many seconds, hangs: none is as long that only has much to do.
_HANGING_INTERVALS = 10
_LEAST_HANGING_SECONDS = 60.0


class Stage(Record):
    """One that has ended: how long it took, and whether nothing was raised."""

    seconds: float
    is_good: bool


class Stages:
    """Those of the scanner. One thread tells, any thread reads."""

    def __init__(self) -> None:
        self.last: dict[str, Stage] = {}
        self._began_seconds: float | None = None
        self._name, self._entered_seconds = "", 0.0

    def begin(self) -> None:
        """A scan begins."""
        self._began_seconds = time.monotonic()

    def end(self) -> None:
        """It has ended, well or not."""
        self._began_seconds = None

    def at(self, name: str) -> Stages:
        """The stage of that name, as a context manager; none within another."""
        self._name, self._entered_seconds = name, time.monotonic()
        return self

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        stage = Stage(seconds=time.monotonic() - self._entered_seconds, is_good=kind is None)
        self.last = {**self.last, self._name: stage}  # whoever reads meanwhile goes through the old one

    def running_seconds(self) -> float:
        """How long the present scan has been running; 0 between two."""
        began = self._began_seconds
        return 0.0 if began is None else time.monotonic() - began

    def hanging_words(self, interval_seconds: float) -> str | None:
        """Why the scan that is running counts as hanging; None if it does not."""
        seconds, most = self.running_seconds(), max(_HANGING_INTERVALS * interval_seconds, _LEAST_HANGING_SECONDS)
        return None if seconds <= most else f"a scan has been running for {seconds:.0f} s, and counts as hanging from {most:g} s on"
