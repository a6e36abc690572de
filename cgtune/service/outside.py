"""The most memory outside Go that was seen of each process in the last day, for whoever keeps looking. Pure.

What a program takes beside Go comes and goes: a file in tmpfs, a cgo library at work. The largest of each hour is kept, 25 numbers for each
cgroup with a memory limit of each process, some 2 KiB. Of processes that ended nothing is kept, and nothing outlives the service.
"""

from __future__ import annotations

from cgtune.model import OutsideSeen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.model import Report

    Identity = tuple[int, int]

_DAY_SECONDS = 86400.0
_SPAN_SECONDS = 3600.0


class _Kept:
    """Of one cgroup of one process: when it was first seen, and the largest of each hour by its number since the clock began."""

    __slots__ = ("since_seconds", "spans")

    def __init__(self, now_seconds: float) -> None:
        self.since_seconds, self.spans = now_seconds, dict[int, int]()

    def add(self, size_bytes: int, now_seconds: float) -> None:
        span = int(now_seconds // _SPAN_SECONDS)
        self.spans[span] = max(size_bytes, self.spans.get(span, 0))
        for old in [each for each in self.spans if (each + 1) * _SPAN_SECONDS <= now_seconds - _DAY_SECONDS]:
            del self.spans[old]

    def seen(self, key: str, now_seconds: float) -> OutsideSeen:
        seconds = min(_DAY_SECONDS, now_seconds - self.since_seconds)
        return OutsideSeen(key=key, most_bytes=max(self.spans.values()), seconds=seconds)


class Outside:
    """What was seen of all processes that are followed, by pid and start time."""

    def __init__(self) -> None:
        self._kept: dict[Identity, dict[str, _Kept]] = {}

    def watch(self, report: Report, measured: Mapping[int, Mapping[str, int]], now_seconds: float) -> Report:
        """The report with the most that was seen of each process. ``measured``: what it is now, by pid and the cgroup's key."""
        before, self._kept = self._kept, {}
        processes = []
        for process in report.processes:
            own = process.snapshot.process
            identity = own.pid, own.start_ticks
            kept = {key: found for key, found in before.get(identity, {}).items() if key in measured.get(own.pid, ())}
            for key, size_bytes in measured.get(own.pid, {}).items():
                kept.setdefault(key, _Kept(now_seconds)).add(size_bytes, now_seconds)
            self._kept[identity] = kept
            seen = tuple(found.seen(key, now_seconds) for key, found in kept.items())
            processes.append(process.replace(snapshot=process.snapshot.replace(outside_seen=seen)))
        return report.replace(processes=tuple(processes))
