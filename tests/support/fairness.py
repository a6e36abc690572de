"""Windows that a test may judge by: what the machine took from a load in that very time is measured beside cgtune, from the kernel's files.

A test that knows what a load asks for knows what cgtune has to say only if the load could do it. Other guests of the host, or other
programs here, may have taken its CPU: then another window is taken. A fair window that shows something else fails the test, and so it is
if no window was fair.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Seen = TypeVar("Seen")
_WINDOWS = 5
_LOST = 0.05

#: Called before a window; what it returns is called after it, and says what spoiled the window, or nothing.
Watch = Callable[[], Callable[[], str]]


def look_fairly(look: Callable[[], Seen], *watches: Watch) -> Seen:
    """What is seen in the first of five windows that no watch calls spoiled."""
    reasons = []
    for _ in range(_WINDOWS):
        ends = [watch() for watch in watches]
        seen = look()
        said = [reason for end in ends if (reason := end())]
        if not said:
            return seen
        reasons.append(said[0])
    pytest.fail(f"none of {_WINDOWS} windows was fair: {'; '.join(reasons)}", pytrace=False)


class Rhythm:
    """A thread that works and then rests for so long, again and again; ``demand`` is how many CPUs it asked for in the last window.

    The kernel counts how long it ran and how often it went to sleep. With what it meant to sleep, that is what it asked for, whoever kept
    it from running. The rest of the time it waited, which the kernel counts too, or it was lost: naps that were too long, a CPU that the
    host had taken. Then nobody can tell what it asked for.
    """

    demand = 0.0

    def __init__(self, pid: int, rest_seconds: float) -> None:
        self._pid, self._rest_seconds = pid, rest_seconds

    def _read(self) -> tuple[float, float, float, int]:
        """The clock, how long it ran and waited, and how often it rested."""
        ran_ns, waited_ns, _ = Path(f"/proc/{self._pid}/schedstat").read_text().split()
        (rests,) = re.findall(r"^voluntary_ctxt_switches:\s+(\d+)$", Path(f"/proc/{self._pid}/status").read_text(), re.MULTILINE)
        return time.monotonic(), int(ran_ns) / 1e9, int(waited_ns) / 1e9, int(rests)

    def watch(self) -> Callable[[], str]:
        """A watch that no time was lost."""
        before = self._read()

        def end() -> str:
            elapsed, ran, waited, rests = (now - then for then, now in zip(before, self._read(), strict=True))
            wanted = ran + rests * self._rest_seconds
            self.demand = ran / wanted
            lost = elapsed - waited - wanted
            return f"{100 * lost / wanted:.0f} % of its time was lost" if abs(lost) > _LOST * wanted else ""

        return end


def asks_for(cores: float, *loads: tuple[int, float]) -> Watch:
    """These threads, each a process and how long it rests, together ask for so many CPUs."""
    rhythms = [Rhythm(*load) for load in loads]

    def watch() -> Callable[[], str]:
        ends = [rhythm.watch() for rhythm in rhythms]

        def end() -> str:
            said = [reason for each in ends if (reason := each())]
            asked = sum(rhythm.demand for rhythm in rhythms)
            return f"the load asked for {asked:.3f} CPUs, not for {cores}" if abs(asked - cores) > _LOST * cores else "".join(said[:1])

        return end

    return watch


def grows(name: str, count: Callable[[], float], least: float, most: float) -> Watch:
    """This counter of the kernel's grows by so much a second."""

    def watch() -> Callable[[], str]:
        began, before = time.monotonic(), count()

        def end() -> str:
            seen = (count() - before) / (time.monotonic() - began)
            return "" if least <= seen <= most else f"{name} grew by {seen:.3f} a second, not by {least:.3f} to {most:.3f}"

        return end

    return watch


def nothing_is_stolen(kept: float) -> Watch:
    """The host of this machine takes no time away that matters to a load which runs so large a share of the time in which it wants to."""

    def read() -> float:
        return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")

    def watch() -> Callable[[], str]:
        began, before = time.monotonic(), read()

        def end() -> str:
            stolen = (read() - before) / (time.monotonic() - began)
            return f"the host took {stolen:.3f} CPUs" if stolen > _LOST * kept else ""

        return end

    return watch


def ran_seconds(pid: int) -> float:
    """How long the first thread of a process ran, as the scheduler counts."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
