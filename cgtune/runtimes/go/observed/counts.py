"""What the collector and the scheduler of a Go runtime count at this moment, read at the places that activity.py proved.

Nothing is stopped, so each group of words is read at once and has to fit together as the runtime keeps it; what does not after a few tries
is None. Goroutines and run queues span one read for each P (a share of GOMAXPROCS): while these change, the sum is of a moment that never
was, as it is if the runtime itself counts them.
"""

from __future__ import annotations

import struct

from cgtune.model import GoLive
from cgtune.records import Record
from cgtune.runtimes.go.observed.activity import COLLECTIONS_BYTES, CPU_TIME_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.model import Off
    from cgtune.runtimes.elf import ReadAt
    from cgtune.runtimes.go.observed.activity import ActivityLayout

    T = TypeVar("T")

_TRIES = 5
_MOST_PROCS = 1024  # each is one read
_MOST_GOROUTINES = 1 << 31
_QUEUE_SLOTS = 256  # of each P
_MOST_FREE = 64  # of each P: gfput hands on all but 32 when it has so many
_OFF_BYTES = 1 << 47
_LAST_STATUS = 4  # _Pdead, runtime/runtime2.go
_NEAR = 1e-6  # two shares that are the same
_MAX_UINT64 = (1 << 64) - 1

# gcControllerState, 1.21 to 1.27: gcPercentHeapGoal @72, sweepDistMinTrigger @80, triggered @88, heapMarked @152; heapFree @288,
# totalAlloc, totalFree and mappedReady behind it
_GOAL = struct.Struct("<3Q")
_GOAL_OFFSET, _MARKED_OFFSET, HEAP_FREE_OFFSET = 72, 152, 288
_LEAST_RUNWAY_BYTES = 64 << 10
_LEAST_HEADROOM_BYTES, _HEADROOM_PERCENT = 1 << 20, 3


def compute_heap_goal(controller: bytes, limit_bytes: int) -> int | Off | None:
    """The heap goal as gcControllerState.heapGoalInternal computes it (runtime/mgcpacer.go, 1.21 to 1.27) from the words of gcController.

    None: the words are of several moments. "off": larger than any memory.
    """
    goal, least_trigger, triggered = _GOAL.unpack_from(controller, _GOAL_OFFSET)
    by_limit = _compute_limit_goal(controller, limit_bytes)
    if by_limit is None:
        return None
    if by_limit < goal:
        goal = by_limit
    else:
        goal = max(goal, least_trigger)
        if triggered != _MAX_UINT64:
            goal = max(goal, triggered + _LEAST_RUNWAY_BYTES)
    return "off" if goal >= _OFF_BYTES else goal


def _compute_limit_goal(controller: bytes, limit_bytes: int) -> int | None:
    # gcControllerState.memoryLimitHeapGoal
    free, allocated, freed, mapped = struct.unpack_from("<4Q", controller, HEAP_FREE_OFFSET)
    marked = int(struct.unpack_from("<Q", controller, _MARKED_OFFSET)[0])
    used = allocated - freed
    if used < 0 or free + used > mapped:
        return None
    lost = mapped - free - used + max(mapped - limit_bytes, 0)
    if lost >= limit_bytes:
        return marked
    goal = limit_bytes - lost
    headroom = max(goal // 100 * _HEADROOM_PERCENT, _LEAST_HEADROOM_BYTES)
    goal = headroom if goal < 2 * headroom else goal - headroom
    return max(int(goal), marked)


#: What the note on missing counts begins with.
UNPROVEN = "not told, as they could not be proven: "


class _Scheduler(Record):
    """Of the scheduler: goroutines that are kept for reuse or are the runtime's own, those in the global queue, idle Ps."""

    free: int
    system: int
    queued: int
    idle: int


def read_counts(
    layout: ActivityLayout, heap_goal: int | Off | None, procs: int | None, *, bias: int, read_memory: ReadAt
) -> tuple[GoLive, tuple[str, ...]]:
    """Returns (what is proven, a note that names what is not). ``heap_goal`` was computed before; ``procs`` is GOMAXPROCS."""
    reading = _Reading(layout, procs, bias, read_memory)
    live = reading.with_scheduler(reading.with_collections(GoLive(heap_goal_bytes=heap_goal)))
    told = (
        ("the heap goal", heap_goal),
        ("the collections", live.collections),
        ("the collector's CPU time", 0 if live.collections == 0 else live.gc_cpu_seconds),
        ("the goroutines and their queues", live.goroutines),
        ("the idle Ps", live.idle_procs),
    )
    missing = [name for name, value in told if value is None]
    return live, (f"{UNPROVEN}{', '.join(missing)}",) if missing else ()


class _Reading:
    def __init__(self, layout: ActivityLayout, procs: int | None, bias: int, read_memory: ReadAt) -> None:
        self.layout, self.procs = layout, procs
        self.bias, self.read_memory = bias, read_memory

    def _words(self, address: int, size: int) -> bytes | None:
        data = self.read_memory(self.bias + address, size)
        return data if len(data) == size else None

    def with_collections(self, live: GoLive) -> GoLive:
        """What the collector counts added."""
        found = live
        for _ in range(_TRIES):
            found = self._collections(live) or live
            used, given = found.gc_cpu_seconds, found.cpu_seconds
            if found.collections == 0 or (used is not None and given and abs(used / given - (found.gc_cpu_fraction or 0)) < _NEAR):
                break  # else a collection ended between two reads, or its end is not over
        return found

    def _collections(self, live: GoLive) -> GoLive | None:
        at = self.layout.collections
        data = None if at is None else self._words(at, COLLECTIONS_BYTES)
        if data is None:
            return None
        last, paused = struct.unpack_from("<2Q", data)
        count, forced, fraction, last_monotonic = struct.unpack_from("<2IdQ", data, 4112)
        if count == 0:
            return None if last or last_monotonic or paused or forced or fraction else live.replace(collections=0, forced_collections=0)
        # gcMarkTermination writes the end of each collection into a ring of 256 as well: the proof that the struct is what we take it for.
        # It counts the collection a moment later, in which the world stands still and the kernel may stop the program for long.
        ends = struct.unpack_from("<256Q", data, 2064)
        if last == 0 or last not in (ends[(count - 1) % 256], ends[count % 256]) or forced > count + 1 or not 0 <= fraction <= 1:
            return None
        found = live.replace(
            collections=count,
            forced_collections=forced,
            last_collection_unix_seconds=last / 1e9,
            paused_seconds=paused / 1e9,
            gc_cpu_fraction=fraction,
        )
        return self._with_cpu_time(found)

    def _with_cpu_time(self, live: GoLive) -> GoLive:
        at = self.layout.cpu_time
        data = None if at is None else self._words(at, CPU_TIME_BYTES)
        if data is None:
            return live
        times = struct.unpack("<11q", data)
        idle, whole, available = times[2], times[4], times[10]
        # the fifth is the sum of the first four (runtime/mstats.go, cpuStats), and there were pauses
        if min(times[:5]) < 0 or whole != sum(times[:4]) or not 0 < whole - idle <= available:
            return live
        return live.replace(gc_cpu_seconds=(whole - idle) / 1e9, cpu_seconds=available / 1e9)

    def with_scheduler(self, live: GoLive) -> GoLive:
        """What the scheduler counts added. Each try begins anew and tells of its last reading, as a recording keeps that one."""
        found = live
        for _ in range(_TRIES):
            before, found = _tried(self._scheduler), live
            if before is None:
                break
            counted, now = self._count_procs(), _tried(self._scheduler)
            if now is not None:
                found = self._goroutines(now, counted, live.replace(idle_procs=now.idle))
            if found.goroutines is not None and now is not None and now.free == before.free:
                break  # else Ps exchanged free goroutines with all others meanwhile, 32 at a time: some count twice or not at all
        return found

    def _scheduler(self) -> _Scheduler | None:
        at = self.layout.scheduler
        data = None if at is None or self.procs is None else self._words(at - 88, 128)
        if data is None or self.procs is None:
            return None
        # from sched.ngsys on: ngsys int32 @0, pidle @8, npidle int32 @16, runq @32 (head, tail, size int32), gFree.lock @88, its lists @96
        (system,), (first_idle, idle) = struct.unpack_from("<i", data), struct.unpack_from("<Qi", data, 8)
        head, tail, queued = struct.unpack_from("<2Qi", data, 32)
        if self.layout.counted_lists:
            stack, with_stack, none, without = struct.unpack_from("<Qi4xQi", data, 96)
            free, fits = with_stack + without, bool(stack) == (with_stack > 0) and bool(none) == (without > 0)
        else:
            stack, none, free = struct.unpack_from("<2Qi", data, 96)
            with_stack = without = 0
            fits = bool(stack or none) == (free > 0)
        fits = fits and min(system, idle, queued, free, with_stack, without) >= 0 and idle <= self.procs
        fits = fits and bool(first_idle) == (idle > 0) and bool(head) == bool(tail) == (queued > 0)
        return _Scheduler(free=free, system=system, queued=queued, idle=idle) if fits else None

    def _count_procs(self) -> tuple[int, int, int] | None:
        """Returns (how many goroutines there ever were, free ones of all Ps, those in their queues)."""
        layout = self.layout
        if layout.goroutines is None or layout.procs is None or layout.proc_free is None or self.procs is None or self.procs > _MOST_PROCS:
            return None
        every, procs = self._slice(layout.goroutines), self._slice(layout.procs)
        if every is None or procs is None or procs[1] != self.procs:
            return None
        addresses = self.read_memory(procs[0], 8 * self.procs)
        free = queued = 0
        for index in range(len(addresses) // 8):
            own = self._proc(int.from_bytes(addresses[8 * index :][:8], "little"), index, layout.proc_free)
            if own is None:
                return None
            free, queued = free + own[0], queued + own[1]
        return (every[1], free, queued) if len(addresses) == 8 * self.procs else None

    @staticmethod
    def _goroutines(scheduler: _Scheduler, counted: tuple[int, int, int] | None, live: GoLive) -> GoLive:
        if counted is None:
            return live
        every, free, queued = counted[0], counted[1] + scheduler.free, counted[2] + scheduler.queued
        goroutines = every - free - scheduler.system
        if goroutines < 1 or queued > every:
            return live
        return live.replace(goroutines=goroutines, queued_goroutines=queued)

    def _slice(self, address: int) -> tuple[int, int] | None:
        """Pointer and length of a slice that is not empty."""
        data = self._words(address, 24)
        pointer, length, capacity = (0, 0, 0) if data is None else struct.unpack("<3Q", data)
        return (pointer, length) if pointer and 0 < length <= capacity < _MOST_GOROUTINES else None

    def _proc(self, address: int, index: int, free_at: int) -> tuple[int, int] | None:
        """Of one P: its free goroutines, those in its queue."""
        data = self.read_memory(address, free_at + 12)
        if len(data) < free_at + 12:
            return None
        # p: id int32 @0, status uint32 @4, ... runqhead uint32, runqtail uint32, runq [256]guintptr, runnext guintptr, gFree
        number, status = struct.unpack_from("<iI", data)
        head, tail = struct.unpack_from("<2I", data, free_at - 16 - 8 * _QUEUE_SLOTS)
        following, first_free, free = struct.unpack_from("<2Qi", data, free_at - 8)
        queued = (tail - head) % (1 << 32)
        fits = number == index and status <= _LAST_STATUS and queued <= _QUEUE_SLOTS and 0 <= free <= _MOST_FREE
        return (free, queued + bool(following)) if fits and bool(first_free) == (free > 0) else None


def _tried(read: Callable[[], T | None]) -> T | None:
    """The first answer of a few tries; the words may change between two reads."""
    return next((found for found in (read() for _ in range(_TRIES)) if found is not None), None)
