"""Where an executable keeps what its collector and its scheduler count: found by the code that writes it, in Go 1.21 to 1.27.

No symbol is enough here: each place follows from the distances between the variables that one function touches, which are those of the
struct that we take it for, and a symbol, if there is one, has to agree. The values then have to fit together as well (counts.py).
What is not covered: other machines than amd64 and arm64, Go before 1.21, and versions that nobody has checked.
Sources: runtime/mgc.go (gcMarkTermination), runtime/proc.go; offsets by DWARF of 1.21.13 to 1.27.3.
"""

from __future__ import annotations

from cgtune.records import Record
from cgtune.runtimes.go.observed import decode
from cgtune.runtimes.go.observed.symbols import locate_runtime_symbols

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.runtimes.elf import Elf, ReadAt
    from cgtune.runtimes.elfsymbols import Symbol
    from cgtune.runtimes.go.program.version import GoVersion

_OLDEST_KNOWN, _NEWEST_KNOWN = (1, 21), (1, 27)

_MARK_TERMINATION = "runtime.gcMarkTermination"
_PUT_IDLE = "runtime.pidleput"
_PURGE_FREE = "runtime.gfpurge"
_ADD = "runtime.allgadd"
_RESIZE = "runtime.procresize"
_RETAKE = "runtime.retake"
# bytes of each function that hold what we look for
_WINDOWS = {_MARK_TERMINATION: 2048, _PUT_IDLE: 640, _PURGE_FREE: 448, _ADD: 224, _RESIZE: 900, _RETAKE: 256}
_OBJECTS = ("runtime.memstats", "runtime.work", "runtime.sched", "runtime.allgs", "runtime.allp")

# mstats, from last_gc_unix on: pause_total_ns @8, pause_ns [256]uint64 @16, pause_end [256]uint64 @2064, numgc uint32 @4112, numforcedgc
# uint32 @4116, gc_cpu_fraction float64 @4120, last_gc_nanotime @4128. gcMarkTermination forms the address of these:
_COLLECTIONS = (0, 16, 2064, 4128)
COLLECTIONS_BYTES = 4136
# cpuStats, 11 int64: its own address is formed, then GCTotalTime @32 and TotalTime @80 are loaded, on arm64 GCIdleTime between them
_CPU_TIME = (32, 80)
_CPU_TIME_USES = 4
CPU_TIME_BYTES = 88
# schedt, from gFree's lock on: the lists of free goroutines lie behind it, and pidle 80 bytes before it. Up to 1.24 a list is its head, and
# one count follows both; from 1.25 on each list has its own count behind its head, padded to 16 bytes.
_STACK_LIST, _NO_STACK_LIST, _IDLE_LIST = 8, {False: 16, True: 24}, -80
_FIRST_COUNTED = 25
# p: gFree (its head; the count is 8 bytes further), behind runnext, behind the 256 words of runq
_PROC_FREE = {21: 2464, 22: 2464, 23: 2456, 24: 2456, 25: 2456, 26: 2464, 27: 2464}


class ActivityLayout(Record):
    """Linked addresses; None: not proven. ``collections`` is memstats.last_gc_unix, ``cpu_time`` work.cpuStats, ``scheduler`` sched.gFree.

    ``goroutines`` and ``procs`` are the slices allgs and allp; ``proc_free`` is the offset of gFree in a p. ``counted_lists``: each list of
    free goroutines has its own count, as from 1.25 on.
    """

    collections: int | None = None
    cpu_time: int | None = None
    scheduler: int | None = None
    goroutines: int | None = None
    procs: int | None = None
    proc_free: int | None = None
    counted_lists: bool = True


def locate_activity(
    elf: Elf, version: GoVersion | None, *, magic: int | None, bias: int, read_memory: ReadAt
) -> tuple[ActivityLayout | None, tuple[str, ...]]:
    """Returns (where this executable keeps them, a note if none of it is looked for). The arguments are those of locate_live_words."""
    if version is None or not _OLDEST_KNOWN <= (version.major, version.minor) <= _NEWEST_KNOWN:
        said = "this version was never checked" if version is None or version.at_least(1, 21) else f"this is {version.text}"
        return None, (f"the next collection, those so far and the goroutines are read of Go 1.21 to 1.27: {said}",)
    symbols = locate_runtime_symbols(elf, tuple(_WINDOWS), _OBJECTS, magic=magic, bias=bias, read_memory=read_memory)
    return _Search(elf, version.minor, dict(symbols.functions), dict(symbols.objects)).layout(), ()


class _Search:
    def __init__(self, elf: Elf, minor: int, functions: dict[str, int], objects: dict[str, Symbol]) -> None:
        self.objects = objects
        self.minor = minor
        code = {name: elf.read_address(address, _WINDOWS[name]) for name, address in functions.items()}
        self.fields = {name: decode.decode_fields(elf, code.get(name, b"")) for name in (_PURGE_FREE, _PUT_IDLE)}
        self.ended: list[decode.Use] = []  # what gcMarkTermination uses, in order
        # what each function touches, and of that what it forms the address of
        self.touched: dict[str, set[int]] = {name: set() for name in _WINDOWS}
        self.formed: dict[str, set[int]] = {name: set() for name in _WINDOWS}
        for name, text in code.items():
            uses = [use for use in decode.decode_plausible_uses(elf, functions[name], text) if use.kind != decode.CALL]
            self.touched[name] = {use.address for use in uses}
            self.formed[name] = {use.address for use in uses if use.kind == decode.ADDRESS}
            if name == _MARK_TERMINATION:
                self.ended = uses

    def layout(self) -> ActivityLayout:
        counted = self.minor >= _FIRST_COUNTED
        ended, lists = self.formed[_MARK_TERMINATION], (_STACK_LIST, _NO_STACK_LIST[counted])
        return ActivityLayout(
            collections=self._agreed(
                "runtime.memstats", COLLECTIONS_BYTES, {at for at in ended if ended.issuperset(at + each for each in _COLLECTIONS)}
            ),
            cpu_time=self._agreed("runtime.work", CPU_TIME_BYTES, self._cpu_times()),
            scheduler=self._agreed(
                "runtime.sched",
                _STACK_LIST,
                {
                    at
                    for at in self.formed[_PURGE_FREE]
                    if self.touched[_PURGE_FREE].issuperset(at + each for each in lists) and at + _IDLE_LIST in self.touched[_PUT_IDLE]
                },
            ),
            goroutines=self._agreed("runtime.allgs", 24, self._slices(_ADD), exact=True),
            procs=self._agreed("runtime.allp", 24, self._slices(_RESIZE) & self.touched[_RETAKE], exact=True),
            proc_free=self._proc_free(),
            counted_lists=counted,
        )

    def _cpu_times(self) -> set[int]:
        found = set()
        for index, use in enumerate(self.ended):
            if use.kind == decode.ADDRESS:
                loaded = {
                    next_.address
                    for next_ in self.ended[index + 1 :][:_CPU_TIME_USES]
                    if (next_.kind, next_.size_bytes) == (decode.LOAD, 8)
                }
                if loaded.issuperset(use.address + each for each in _CPU_TIME):
                    found.add(use.address)
        return found

    def _slices(self, function: str) -> set[int]:
        """Where a function touches three words in a row: pointer, length and capacity."""
        touched = self.touched[function]
        return {at for at in touched if at + 8 in touched and at + 16 in touched}

    def _proc_free(self) -> int | None:
        # gfpurge reads p.gFree first of all, pidleput reads p.runnext, right before it
        known = _PROC_FREE[self.minor]
        return known if self.fields[_PURGE_FREE][:1] == [known] and known - 8 in self.fields[_PUT_IDLE] else None

    def _agreed(self, symbol: str, size_bytes: int, found: set[int], *, exact: bool = False) -> int | None:
        """The one place that was found, if it lies in the variable of this name as far as that is known."""
        if len(found) != 1:
            return None
        (address,) = found
        variable = self.objects.get(symbol)
        if variable is not None:
            last = variable.address + (0 if exact else variable.size_bytes - size_bytes)
            if not variable.address <= address <= last:
                return None
        return None if address % 8 else address
