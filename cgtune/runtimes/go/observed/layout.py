"""Where an executable keeps the live words of its Go runtime: found once, by symbols and by the code that uses them, and held together.

Addresses are as linked, so the answer holds for every process of that executable. A word whose place is in doubt is None, and a note says
why: better no number than a wrong one.
What is not covered: 32-bit and big-endian programs, Go before 1.19, and stripped programs for other machines than amd64 and arm64.
Sources: runtime/proc.go, runtime/mgcpacer.go, runtime/cgroup_linux.go; offsets by DWARF of 1.19.8 and 1.21.13 to 1.27.3.
"""

from __future__ import annotations

from itertools import pairwise

from cgtune.records import Record
from cgtune.runtimes.elf import AMD64, ARM64
from cgtune.runtimes.go.observed import decode
from cgtune.runtimes.go.observed.activity import locate_activity
from cgtune.runtimes.go.observed.symbols import locate_runtime_symbols
from cgtune.runtimes.go.program.functiontable import MAGIC_1_18, MAGIC_1_20

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.runtimes.elf import Elf, ReadAt
    from cgtune.runtimes.go.observed.activity import ActivityLayout
    from cgtune.runtimes.go.observed.symbols import RuntimeSymbols
    from cgtune.runtimes.go.program.version import GoVersion

_NEWEST_KNOWN = (1, 27)  # the newest minor version whose words were checked against running programs

_GOMAXPROCS = "runtime.GOMAXPROCS"
_PROCRESIZE = "runtime.procresize"
_OSINIT = "runtime.osinit"
_GCINIT = "runtime.gcinit"
_CONTROLLER_INIT = "runtime.(*gcControllerState).init"
_HEAP_GOAL = "runtime.(*gcControllerState).memoryLimitHeapGoal"
_DEFAULT = "runtime.defaultGOMAXPROCS"  # this and the next three: from 1.25 on
_DEFAULT_INIT = "runtime.defaultGOMAXPROCSInit"
_UPDATE_ENABLE = "runtime.defaultGOMAXPROCSUpdateEnable"
_SYSMON_UPDATE = "runtime.sysmonUpdateGOMAXPROCS"

# bytes of each function that hold what we look for, in every version from 1.19 to 1.27; the functions themselves are longer
_WINDOWS = {_GOMAXPROCS: 160, _PROCRESIZE: 96, _OSINIT: 64, _GCINIT: 160, _HEAP_GOAL: 128}
_WINDOWS_1_25 = {_DEFAULT: 72, _DEFAULT_INIT: 96, _UPDATE_ENABLE: 40, _SYSMON_UPDATE: 96}
_PROOF_BYTES = 48

# gcControllerState, 64-bit: gcPercent int32 @0, memoryLimit int64 @8, heapMinimum uint64 @16 in all of 1.19 to 1.27. The counters behind
# them moved once, between 1.19 and 1.21. heapFree is followed by totalAlloc, totalFree and mappedReady, and the code tells its offset:
# heapFree -> (heapLive, heapMarked)
COUNTERS = {320: (136, 184), 288: (104, 152)}
_MEMORY_LIMIT_OFFSET = 8
CONTROLLER_BYTES = 352
# runtime.cgroupCPU (CPU in internal/runtime/cgroup): version, quotaFD and periodFD, an int each, in 1.25 to 1.27
CPU_BYTES = 24
# runtime.debug: containermaxprocs int32 @8, updatemaxprocs int32 @72 in 1.25 to 1.27
_DEBUG_OFFSETS = {_DEFAULT_INIT: 8, _UPDATE_ENABLE: 72}
# runtime.sched: customGOMAXPROCS @328 in 1.25, @344 in 1.26 and 1.27
_PINNED_OFFSETS = {25: 328, 26: 344, 27: 344}


class LiveLayout(Record):
    """Where one executable keeps its words: linked addresses, None where not found (``notes`` say why).

    ``proof`` is a place in its code and the bytes there: a process in whose memory they differ is not running this executable there.
    ``memory_limit`` and ``heap_free`` are offsets from ``controller``.
    """

    proof: tuple[int, bytes] | None = None
    gomaxprocs: int | None = None
    cpus_at_start: int | None = None
    controller: int | None = None
    memory_limit: int | None = None
    heap_free: int | None = None
    aware_version: bool = True
    pinned: int | None = None
    container_files: int | None = None
    limit_fds: int | None = None
    container_setting: int | None = None
    update_setting: int | None = None
    activity: ActivityLayout | None = None
    notes: tuple[str, ...] = ()


def locate_live_words(elf: Elf, version: GoVersion | None, *, bias: int, read_memory: ReadAt) -> LiveLayout:
    """Where the words of this executable are. ``version`` is its build info's, None if that names none.

    ``bias`` and ``read_memory(address, size)`` are those of any one process that runs it. What is not found is None in the answer.
    """
    if elf.bits != 64 or not elf.little_endian:
        return LiveLayout(notes=("live values are read of 64-bit little-endian programs only",))
    if version is not None and not version.at_least(1, 19):
        return LiveLayout(notes=(f"live values are read of Go 1.19 and later, this is {version.text}",))
    aware = version is None or version.at_least(1, 25)
    functions = _WINDOWS | _WINDOWS_1_25 if aware else _WINDOWS
    cpus = ("runtime.numCPUStartup", "runtime.getCPUCount") if aware else ("runtime.ncpu", "runtime.getproccount")
    objects = ("runtime.gomaxprocs", "runtime.gcController", cpus[0])
    magic = None if version is None else MAGIC_1_20 if version.at_least(1, 20) else MAGIC_1_18
    symbols = locate_runtime_symbols(
        elf,
        (*functions, _CONTROLLER_INIT, cpus[1]),
        (*objects, "runtime.sched", "runtime.debug", "runtime.cgroupOK", "runtime.cgroupCPU") if aware else objects,
        magic=magic,
        bias=bias,
        read_memory=read_memory,
    )
    if not symbols.objects and elf.machine not in (AMD64, ARM64):
        return LiveLayout(notes=("of stripped programs live values are read on amd64 and arm64 only",))
    code = {name: elf.read_address(address, functions[name]) for name, address in symbols.functions if name in functions}
    layout = _Search(elf, version, symbols, code).layout(cpus, aware=aware)
    if layout.gomaxprocs is None:  # what stands in the way of that does so of all that follows
        return layout
    activity, notes = locate_activity(elf, version, magic=magic, bias=bias, read_memory=read_memory)
    return layout.replace(activity=activity, notes=(*layout.notes, *notes))


def locate_gccgo_layout(elf: Elf) -> LiveLayout:
    """The same for the runtime of gccgo, whose GOMAXPROCS and CPU count are variables with a name each."""
    from cgtune.runtimes.go.program.gccgo import CPUS, GOMAXPROCS, PROOF, PROOF_BYTES, locate_gccgo_words

    places = locate_gccgo_words(elf)
    code = elf.read_address(places[PROOF], PROOF_BYTES) if PROOF in places else b""
    if len(code) < PROOF_BYTES:
        why = "the runtime of gccgo is linked in and has no symbols: what GOMAXPROCS is now cannot be read"
        return LiveLayout(aware_version=False, notes=(why,))
    return LiveLayout(
        proof=(places[PROOF], code),
        gomaxprocs=places[GOMAXPROCS],
        cpus_at_start=places.get(CPUS),
        aware_version=False,
        notes=("of the runtime of gccgo GOMAXPROCS and the CPU count are read, GOGC is not",),
    )


class _Search:
    """The search in one executable: each word by its symbol, by the code that uses it, or both, and then they have to agree."""

    def __init__(self, elf: Elf, version: GoVersion | None, symbols: RuntimeSymbols, code: dict[str, bytes]) -> None:
        self.elf = elf
        self.minor = version.minor if version is not None and version.major == 1 else None
        # nobody has checked this version: what a symbol's name does not prove, two ways have to agree on
        self.unchecked = version is None or (version.major, version.minor) > _NEWEST_KNOWN
        self.functions, self.objects = dict(symbols.functions), dict(symbols.objects)
        self.code = code
        self.uses = {
            name: decode.decode_plausible_uses(elf, self.functions[name], text) for name, text in code.items() if name != _HEAP_GOAL
        }
        self.notes = list(symbols.notes)
        self.missed: dict[str, list[str]] = {}  # why a word's place is not known, and the words that this holds for

    def layout(self, cpus: tuple[str, str], *, aware: bool) -> LiveLayout:
        if not self.objects and not self.code:
            return LiveLayout(
                aware_version=aware, notes=(*self.notes, "neither the symbols nor the functions of the Go runtime were found")
            )
        memory_limit, heap_free = self._controller_offsets()
        found = LiveLayout(
            proof=self._proof(),
            gomaxprocs=self._gomaxprocs(),
            cpus_at_start=self._cpus(*cpus),
            controller=self._controller(),
            memory_limit=memory_limit,
            heap_free=heap_free,
            aware_version=aware,
            pinned=self._pinned() if aware else None,
            container_files=self._container_files() if aware else None,
            limit_fds=self._limit_fds() if aware else None,
            container_setting=self._setting("containermaxprocs", _DEFAULT_INIT) if aware else None,
            update_setting=self._setting("updatemaxprocs", _UPDATE_ENABLE) if aware else None,
        )
        return found.replace(notes=(*self.notes, *(f"{', '.join(names)}: {why}" for why, names in self.missed.items())))

    def _proof(self) -> tuple[int, bytes] | None:
        for name in (_PROCRESIZE, _GCINIT, _OSINIT):
            if len(code := self.code.get(name, b"")) >= _PROOF_BYTES:
                return self.functions[name], code[:_PROOF_BYTES]
        code = self.elf.read_address(self.elf.entry, _PROOF_BYTES) if self.elf.entry else b""
        return (self.elf.entry, code) if len(code) == _PROOF_BYTES else None

    def _gomaxprocs(self) -> int | None:
        symbol = self._symbol("runtime.gomaxprocs", 4)
        decoded = [self._first(name, decode.LOAD, 4) for name in (_PROCRESIZE, _GOMAXPROCS, _SYSMON_UPDATE)]
        return self._agreed("gomaxprocs", symbol, decoded, 4, needed=2)

    def _cpus(self, variable: str, function: str) -> int | None:
        # osinit: the call that counts CPUs, then the store of what it returned
        target = self.functions.get(function)
        uses = [use for use in self.uses.get(_OSINIT, []) if use.kind != decode.ADDRESS]
        stores = [
            store.address
            for call, store in pairwise(uses)
            if (call.kind, call.address) == (decode.CALL, target) and (store.kind, store.size_bytes) == (decode.STORE, 4)
        ]
        return self._agreed(variable.removeprefix("runtime."), self._symbol(variable, 4), stores[:1], 4, needed=1)

    def _controller(self) -> int | None:
        # gcinit: the address of gcController as the receiver of its method init. One way is enough: its values prove themselves.
        target = self.functions.get(_CONTROLLER_INIT)
        uses = self.uses.get(_GCINIT, [])
        last = next((at for at, use in enumerate(uses) if (use.kind, use.address) == (decode.CALL, target)), 0)
        addresses = [use.address for use in uses[:last] if use.kind == decode.ADDRESS]
        return self._agreed("gcController", self._symbol("runtime.gcController", CONTROLLER_BYTES), addresses[-1:], 8, needed=1)

    def _controller_offsets(self) -> tuple[int | None, int | None]:
        # memoryLimitHeapGoal reads heapFree, totalAlloc, totalFree, mappedReady and then memoryLimit, whatever the version
        fields = decode.decode_fields(self.elf, self.code.get(_HEAP_GOAL, b""))[:5]
        if len(fields) == 5 and fields[:4] == list(range(fields[0], fields[0] + 32, 8)):
            return fields[4], fields[0] if fields[0] in COUNTERS else None
        if self.unchecked:
            self.notes.append("the offset of the memory limit is not sure in this version of Go")
            return None, None
        known = 320 if self.minor == 19 else 288 if self.minor is not None and self.minor >= 21 else None
        return _MEMORY_LIMIT_OFFSET, known

    def _pinned(self) -> int | None:
        sched = self.objects.get("runtime.sched")
        offset = _PINNED_OFFSETS.get(self.minor or 0)
        symbol = sched.address + offset if sched is not None and offset is not None else None
        # the linker leaves GOMAXPROCS out of a program that has no use for it; sysmon's look at the flag is always there
        ways = ((_GOMAXPROCS, decode.STORE), (_SYSMON_UPDATE, decode.LOAD))
        return self._agreed("sched.customGOMAXPROCS", symbol, [self._first(*way, 1) for way in ways], 1, needed=2)

    def _container_files(self) -> int | None:
        decoded = self._first(_DEFAULT, decode.COMPARE, 1) or self._first(_DEFAULT, decode.LOAD, 1)
        return self._agreed("cgroupOK", self._symbol("runtime.cgroupOK", 1), [decoded], 1, needed=1)

    def _limit_fds(self) -> int | None:
        # adjustCgroupGOMAXPROCS(procs, cgroupCPU): its three words are loaded in a row; arm64 forms the address of the first two
        uses = self.uses.get(_DEFAULT, [])
        begun = {use.address for use in uses if use.kind == decode.ADDRESS or (use.kind, use.size_bytes) == (decode.LOAD, 8)}
        decoded = (use.address - 16 for use in uses if (use.kind, use.size_bytes) == (decode.LOAD, 8) and use.address - 16 in begun)
        return self._agreed("cgroupCPU", self._symbol("runtime.cgroupCPU", CPU_BYTES), [next(decoded, None)], 8, needed=1)

    def _setting(self, name: str, function: str) -> int | None:
        debug = self.objects.get("runtime.debug")
        symbol = debug.address + _DEBUG_OFFSETS[function] if debug is not None and not self.unchecked else None
        decoded = self._first(function, decode.COMPARE, 4) or self._first(function, decode.LOAD, 4)
        if debug is not None and decoded is not None and not 0 <= decoded - debug.address < debug.size_bytes:
            decoded = None
        return self._agreed(f"debug.{name}", symbol, [decoded], 4, needed=1)

    def _symbol(self, name: str, least_bytes: int) -> int | None:
        symbol = self.objects.get(name)
        return symbol.address if symbol is not None and symbol.size_bytes >= least_bytes else None

    def _first(self, function: str, kind: str, size: int) -> int | None:
        return next((use.address for use in self.uses.get(function, []) if (use.kind, use.size_bytes) == (kind, size)), None)

    def _agreed(self, name: str, symbol: int | None, decoded: Iterable[int | None], size: int, *, needed: int) -> int | None:
        """The address that all ways found; where there is no symbol and nobody has checked the version, ``needed`` ways have to."""
        ways = [address for address in decoded if address is not None]
        if symbol is None and self.unchecked and len(ways) < needed:
            why = "found in one way only, which is not enough" if ways else "not found"
            self.missed.setdefault(f"{why} in a version of Go that was never checked", []).append(name)
            return None
        found = {address for address in (symbol, *ways) if address is not None}
        if len(found) != 1:
            places = ", ".join(f"{address:#x}" for address in sorted(found))
            if found:
                self.notes.append(f"{name}: symbols and code disagree, {places}")
            else:
                self.missed.setdefault("not found", []).append(name)
            return None
        (address,) = found
        part = self.elf.segment_at(address)
        if part is None or not part.writable or address % size:
            self.notes.append(f"{name} cannot be at {address:#x}")
            return None
        return address
