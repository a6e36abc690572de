"""Whose turn it is in a look that may cost so much and no more: who is known to be cheap comes first, whoever had to wait comes next."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: A process that took more CPU time in its last look is dear: one of Go's takes 1 ms, the first look at its program some 50.
_DEAR_SECONDS = 0.02
_BEST_STANDING = 8


class Turns:
    """Deals out the CPU time of each look, ``most_seconds`` of it. ``left`` are those for whom the last look had none, who waits longest
    first: they come before all but those that were cheap, so that nobody waits for ever and nobody loses his place to one who is dear.
    """

    def __init__(self, most_seconds: float, clock: Callable[[], float] = time.thread_time) -> None:
        self._most_seconds, self._clock = most_seconds, clock
        self._looks = 0
        self._standing: dict[int, int] = {}  # by pid, in how many looks in a row it was cheap
        self._read: dict[int, int] = {}  # by pid, in which look it was read last and found dear
        self.left: tuple[int, ...] = ()

    def deal(self, pids: Iterable[int]) -> Iterator[int]:
        """The pids to be read now, each when the one before it was read: the cheap ones in their order, the longer the sooner."""
        self._looks += 1
        ordered, left = self._order(pids), list[int]()
        self._standing = {pid: standing for pid, standing in self._standing.items() if pid in ordered}
        self._read = {pid: look for pid, look in self._read.items() if pid in ordered}
        self.left = ()
        began = now = self._clock()
        for pid in ordered:
            if now - began >= self._most_seconds:
                left.append(pid)
                continue
            before = now
            yield pid
            now = self._clock()
            if now - before > _DEAR_SECONDS:
                self._standing[pid], self._read[pid] = 0, self._looks
            else:
                self._standing[pid] = min(self._standing.get(pid, 0) + 1, _BEST_STANDING)
        self.left = tuple(left)

    def _order(self, pids: Iterable[int]) -> dict[int, None]:
        waits = {pid: place for place, pid in enumerate(self.left)}

        def turn(pid: int) -> tuple[int, int]:
            if standing := self._standing.get(pid, 0):
                return 0, -standing
            return (1, waits[pid]) if pid in waits else (2, self._read.get(pid, 0))

        return dict.fromkeys(sorted(pids, key=turn))
