"""The live words of a Go runtime: what GOMAXPROCS, the memory limit and the GC percentage are at this moment, read from outside.

A handful of small reads at the places that layout.py found, each word aligned and so never half-written; nothing is stopped. A word whose
value cannot be is None, and a note says why: better no number than a wrong one.
"""

from __future__ import annotations

import struct

from cgtune.records import Record
from cgtune.runtimes.go.observed.counts import HEAP_FREE_OFFSET, compute_heap_goal, read_counts
from cgtune.runtimes.go.observed.layout import CONTROLLER_BYTES, COUNTERS, CPU_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.model import GoLive
    from cgtune.runtimes.elf import ReadAt
    from cgtune.runtimes.go.observed.layout import LiveLayout

    Off = Literal["off"]
    Counters = tuple[int | None, int | None, int | None, int | Off | None]

_MAX_INT64 = (1 << 63) - 1
_MOST_PROCS = 1 << 20  # each costs the runtime some 10 KB: more have never been started
_MOST_CPUS = 1 << 16  # the mask that the runtime asks the kernel for has 64 Ki bits (runtime/os_linux.go)
_MOST_BYTES = 1 << 47
_HIGHEST_FD = (1 << 31) - 1  # a descriptor is an int to the kernel
_HEAP_MINIMUMS = (4 << 20, 512 << 10)  # defaultHeapMinimum, runtime/mgcpacer.go; the second with GOEXPERIMENT=heapminimum512kib
_TRIES = 3
_NO_COUNTERS: Counters = (None, None, None, None)


class LiveWords(Record):
    """The words of one runtime at one moment; None: not known, and a note says why.

    ``pinned``: GOMAXPROCS was set, by the environment or a call, and will not be updated; None before Go 1.25, which has no such word.
    ``container_aware``: it holds the files of a CPU limit open, and obeys them unless pinned. ``limit_fds``: the descriptors of
    those files, the quota's first; none, where it holds none. ``container_setting``: GODEBUG
    containermaxprocs lets it. ``updates``: GODEBUG updatemaxprocs lets it follow changes. All three are False before 1.25.
    ``heap_live_bytes``: marked by the last GC plus allocated since. ``heap_marked_bytes``: what the last GC found alive,
    None before the first.
    ``mapped_bytes``: the memory that the limit is held against. ``live``: what collector and scheduler count.
    """

    gomaxprocs: int | None = None
    cpus_at_start: int | None = None
    memory_limit_bytes: int | Off | None = None
    gc_percent: int | Off | None = None
    pinned: bool | None = None
    container_aware: bool | None = None
    limit_fds: tuple[int, ...] | None = None
    container_setting: bool | None = None
    updates: bool | None = None
    heap_live_bytes: int | None = None
    heap_marked_bytes: int | None = None
    mapped_bytes: int | None = None
    live: GoLive | None = None
    notes: tuple[str, ...] = ()


def read_live_words(layout: LiveLayout, *, bias: int, read_memory: ReadAt) -> LiveWords:
    """The words of one process that runs this executable at ``bias``. Raises Unreadable where its memory cannot be read at all."""
    if layout.proof is not None:
        address, code = layout.proof
        found = read_memory(bias + address, len(code))
        if found != code:
            why = (
                "does not hold the code of its executable: it started another program, or patched itself" if found else "is gone: it ended"
            )
            return LiveWords(notes=(f"live values not read: the memory of the process {why}",))
    reading = _Reading(layout, bias, read_memory)
    gomaxprocs = reading.number("GOMAXPROCS", layout.gomaxprocs, 4, 0, _MOST_PROCS)
    if gomaxprocs == 0:  # the last of our words to be set: the others may still be zero as well (schedinit, runtime/proc.go)
        return LiveWords(notes=("the Go runtime has not started yet",))
    return reading.words(gomaxprocs)


class _Reading:
    """One reading of one process."""

    def __init__(self, layout: LiveLayout, bias: int, read_memory: ReadAt) -> None:
        self.layout = layout
        self.bias = bias
        self.read_memory = read_memory
        self.notes = list(layout.notes)

    def words(self, gomaxprocs: int | None) -> LiveWords:
        layout = self.layout
        percent, limit, counters = self._controller()
        if gomaxprocs is None and percent == 0 and limit == 0:
            percent, limit, counters = None, None, _NO_COUNTERS  # cannot be told from a runtime that has not started
            self.notes.append("the memory limit and GOGC are both 0: perhaps the Go runtime has not started yet")
        aware = layout.aware_version
        container_aware = self._flag("cgroupOK", layout.container_files) if aware else False
        setting = self.number("containermaxprocs", layout.container_setting, 4, -(1 << 31), 1 << 31)
        updates = self.number("updatemaxprocs", layout.update_setting, 4, -(1 << 31), 1 << 31)
        return LiveWords(
            gomaxprocs=gomaxprocs,
            cpus_at_start=self.number("the CPU count", layout.cpus_at_start, 4, 1, _MOST_CPUS),
            memory_limit_bytes="off" if limit == _MAX_INT64 else limit,
            gc_percent="off" if percent == -1 else percent,
            pinned=self._flag("customGOMAXPROCS", layout.pinned),
            container_aware=container_aware,
            limit_fds=self._limit_fds(container_aware),
            container_setting=(None if setting is None else setting > 0) if aware else False,
            updates=(None if updates is None else updates != 0) if aware else False,
            heap_live_bytes=counters[0],
            heap_marked_bytes=counters[1],
            mapped_bytes=counters[2],
            live=self._live(counters[3], gomaxprocs),
            notes=tuple(self.notes),
        )

    def number(self, name: str, address: int | None, size: int, least: int, most: int) -> int | None:
        """A signed number, None with a note where it is none of ``least`` to ``most``."""
        if address is None:
            return None  # the layout's notes say why
        data = self.read_memory(self.bias + address, size)
        value = int.from_bytes(data, "little", signed=True)
        if len(data) == size and least <= value <= most:
            return value
        self.notes.append(f"{name}: {value} in memory cannot be" if len(data) == size else f"{name}: its memory is not mapped")
        return None

    def _flag(self, name: str, address: int | None) -> bool | None:
        value = self.number(name, address, 1, 0, 1)
        return None if value is None else bool(value)

    def _limit_fds(self, container_aware: bool | None) -> tuple[int, ...] | None:
        if not container_aware or self.layout.limit_fds is None:
            return () if container_aware is False else None
        data = self.read_memory(self.bias + self.layout.limit_fds, CPU_BYTES)
        if len(data) == CPU_BYTES:
            version, quota, period = struct.unpack("<3q", data)
            if 0 <= quota <= _HIGHEST_FD and (version, period) == (2, -1):  # OpenCPU, internal/runtime/cgroup/cgroup_linux.go
                return (quota,)
            if 0 <= quota <= _HIGHEST_FD and version == 1 and 0 <= period <= _HIGHEST_FD:
                return quota, period
        self.notes.append(f"cgroupCPU: {data.hex() or 'nothing'} in memory cannot be")
        return None

    def _live(self, heap_goal: int | Off | None, gomaxprocs: int | None) -> GoLive | None:
        if self.layout.activity is None:
            return None  # the layout's notes say why
        live, notes = read_counts(self.layout.activity, heap_goal, gomaxprocs, bias=self.bias, read_memory=self.read_memory)
        self.notes += notes
        return live

    def _controller(self) -> tuple[int | None, int | None, Counters]:
        """GC percent, memory limit, and what the heap counts: live, marked, mapped, its goal."""
        nothing = (None, None, _NO_COUNTERS)
        if self.layout.controller is None:
            return nothing
        for _ in range(_TRIES):
            data = self.read_memory(self.bias + self.layout.controller, CONTROLLER_BYTES)
            if len(data) < CONTROLLER_BYTES:
                self.notes.append("the memory limit and GOGC: their memory is not mapped")
                return nothing
            percent, minimum = struct.unpack_from("<i", data, 0)[0], struct.unpack_from("<Q", data, 16)[0]
            # setGCPercent (runtime/mgcpacer.go, 1.19 to 1.27) keeps this product beside the percentage, in unsigned arithmetic, for "off"
            # too: the proof that the struct is what we take it for. It is written a moment earlier, hence the tries.
            if percent >= -1 and minimum in [least * (percent % (1 << 64)) % (1 << 64) // 100 for least in _HEAP_MINIMUMS]:
                limit = self._memory_limit(data)
                return percent, limit, self._counters(data, limit)
        self.notes.append(f"the memory limit and GOGC: what stands at {self.layout.controller:#x} does not fit together")
        return nothing

    def _memory_limit(self, data: bytes) -> int | None:
        offset = self.layout.memory_limit
        if offset is None or offset + 8 > len(data):
            return None
        limit = int(struct.unpack_from("<q", data, offset)[0])
        if limit >= 0:
            return limit
        self.notes.append(f"the memory limit: {limit} in memory cannot be")
        return None

    def _counters(self, data: bytes, limit_bytes: int | None) -> Counters:
        free_at = self.layout.heap_free
        if free_at is None:
            self.notes.append("the heap's counters are not known in this version of Go")
            return _NO_COUNTERS
        live_at, marked_at = COUNTERS[free_at]
        live, marked, mapped = (struct.unpack_from("<Q", data, at)[0] for at in (live_at, marked_at, free_at + 24))
        if not 0 < mapped < _MOST_BYTES or marked > mapped or live >= _MOST_BYTES:
            self.notes.append(f"the heap's counters: {live}, {marked}, {mapped} in memory do not fit together")
            return _NO_COUNTERS
        goal = compute_heap_goal(data, limit_bytes) if limit_bytes is not None and free_at == HEAP_FREE_OFFSET else None
        return live, marked or None, mapped, goal
