"""Pages of files that a program needs as it needs its heap: the kernel can take them back, and has to read them again at once. Pure.

What is mapped now is in use; so is all that is there if pages come back soon after they were taken away. What is merely on the active
list may be old: it was used twice, and nobody has needed the room since.

Not covered: how many pages are wanted beside those that are there.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import MemoryLevel, Snapshot

#: Pages a second that come back: measured, 0 to 1 with room for the files, and 90,000 to 300,000 without; a slow disk gives some hundred.
LEAST_REFAULTS = 100.0
_READ_AGAIN = 4


class Files(Record):
    """Pages of files of one cgroup, in bytes: those ``needed_bytes`` that are known to be in use, those ``active_bytes`` that seem to be
    (never fewer), and all that are ``held_bytes`` and can be given back.

    ``because`` names the counters; ``returning``: how many pages a second come back that were taken away, 0 if that is usual or not known.
    """

    needed_bytes: int = 0
    active_bytes: int = 0
    held_bytes: int = 0
    because: str = ""
    returning: float = 0.0


def find_files(level: MemoryLevel, snapshot: Snapshot) -> Files:
    """The files in use under ``level``, by its counters and what ``snapshot``, of a process in it, tells of the time."""
    parts = level.parts
    if parts is None or level.reclaimable_bytes is None:
        return Files()
    held = max(0, level.reclaimable_bytes - (parts.slab_reclaimable_bytes or 0))
    active = min(held, parts.active_file_bytes or 0)
    # What is mapped or active may be locked, shared memory or tmpfs as well: that is on neither list, and counts in full already
    mapped = min(held, max(0, (parts.mapped_bytes or 0) - (parts.shared_bytes or 0) - (parts.unevictable_bytes or 0)))
    returning = _find_returning(level, held, snapshot)
    names = ("active_file", "file_mapped") if level.version == 2 else ("total_active_file", "total_mapped_file")
    if returning:
        return Files(needed_bytes=held, active_bytes=held, held_bytes=held, because="all that are there", returning=returning)
    because = names[0] if active >= mapped else names[1]
    return Files(needed_bytes=mapped, active_bytes=max(active, mapped), held_bytes=held, because=because)


def _find_returning(level: MemoryLevel, held_bytes: int, snapshot: Snapshot) -> float:
    """How many pages a second come back, between two looks, or else on average since the process began; 0 if that is usual.

    The kernel counts as well what is read for the first time here and that others had before, such as the program itself: in one look
    only what is several times as much as all that is there has come back.
    """
    rate = None if snapshot.rates is None else snapshot.rates.memory_of(level)
    if rate is not None:
        returning = rate.refaults_per_second
    else:
        age = snapshot.process.age_seconds
        is_read_again = level.refaults is not None and level.refaults * snapshot.machine.page_bytes > held_bytes * _READ_AGAIN
        returning = level.refaults / max(1, age) if level.refaults is not None and is_read_again and age is not None else None
    return returning if returning is not None and returning >= LEAST_REFAULTS else 0.0
