"""The memory limit that would end the pressure: what a cgroup holds and needs, by its parts. Pure.

What cannot be given back, and what is swapped out, has to be in memory. If something waits for memory, so have the files that are in use
(the active list); if pages come back soon after the kernel took them away (refaults), all pages of files that are there: how many more it
wants at once is not seen. A Go program needs what lets its collector work at ease (Crowded). So much is kept free beside that as
memory-near-limit wants.

Not covered: what the program will need later; how much it wanted when it was killed.
"""

from __future__ import annotations

import math

from cgtune.model import NEAR_LIMIT_BYTES, NEAR_LIMIT_PERCENT
from cgtune.numbers import format_mib
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Crowded, MemoryLevel, Rates

_MIB = 1 << 20
_LEAST_REFAULTS = 1.0  # a second; fewer is what any page cache has
_LEAST_FILES_PERCENT = 2.0  # with less of files in it, what comes back is swap, which is counted


class EnoughMemory(Record):
    """The limit under which the cgroup has what it holds now and needs. ``doubt`` says why it may need more; empty if it does not."""

    limit_bytes: int
    because: tuple[str, ...]
    doubt: str = ""

    @property
    def words(self) -> str:
        """It in one line."""
        size, parts = format_mib(self.limit_bytes), ", ".join(self.because)
        if self.doubt:
            return f"at least {size} MiB are needed: {parts}; {self.doubt}"
        return f"{size} MiB would be enough, if it does not grow: {parts}"


def find_enough_memory(
    level: MemoryLevel | None, rates: Rates | None, *, is_pressed: bool, crowded: Crowded | None = None
) -> EnoughMemory | None:
    """What would be enough for ``level``; None if it does not tell its parts, or if no limit is asked for.

    ``is_pressed``: something in it waits for memory. ``crowded``: of a Go program whose live heap is too large for the limit.
    """
    if level is None or level.used_bytes is None or level.parts is None:
        return None
    need, because = level.used_bytes, [f"{format_mib(level.used_bytes)} MiB that cannot be given back"]
    if level.swap_current_bytes:
        need += level.swap_current_bytes
        because.append(f"{format_mib(level.swap_current_bytes)} MiB swapped out")
    rate = None if rates is None else rates.memory_of(level)
    refaults = 0.0 if rate is None or rate.refaults_per_second is None else rate.refaults_per_second
    held = max(0, (level.reclaimable_bytes or 0) - (level.parts.slab_reclaimable_bytes or 0))
    # If pages come back, none that is there is idle: the kernel takes idle ones first
    files = held if refaults >= _LEAST_REFAULTS else min(held, level.parts.active_file_bytes or 0)
    doubt = ""
    if files and (is_pressed or refaults >= _LEAST_REFAULTS):
        need += files
        because.append(f"{format_mib(files)} MiB of files in use")
    if refaults >= _LEAST_REFAULTS and held * 100 >= need * _LEAST_FILES_PERCENT:
        doubt = f"{refaults:.0f} pages a second come back that were taken away, and how many it wants at once is not seen"
    elif rate is not None and (rate.high_events or rate.max_events) and not level.swap_current_bytes:
        doubt = "it asked for more while it was at its limit, and how much more is not seen"
    kept = max(NEAR_LIMIT_BYTES, need * NEAR_LIMIT_PERCENT / (100 - NEAR_LIMIT_PERCENT))
    limit = math.floor((need + kept) / _MIB + 1) * _MIB  # more than that has to be left
    because.append(f"{format_mib(limit - need)} MiB kept free")
    if crowded is not None and crowded.needed_bytes > limit:
        limit, because = crowded.needed_bytes, [f"{format_mib(crowded.live_bytes)} MiB of live heap, room to collect, and what is not Go's"]
    return EnoughMemory(limit_bytes=limit, because=tuple(because), doubt=doubt)
