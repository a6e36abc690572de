"""The Go runtimes of one process: its own program, Go libraries loaded into it, or a packed program that exists in memory only.

Each distinct file is looked at once for all processes of a run: the caller keeps a :class:`Known`. What cannot be read costs a note.
"""

from __future__ import annotations

from cgtune.errors import CgtuneError, Malformed, Unreadable
from cgtune.model import Note
from cgtune.records import Record
from cgtune.runtimes.go.program.buildinfo import read_go_image, read_go_program
from cgtune.runtimes.go.program.mappings import MEMORY_PATHS, is_unpacked_code, locate_biases, locate_images, locate_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Set as AbstractSet
    from typing import Any

    from cgtune.model import GoProgram, Kind
    from cgtune.runtimes.elf import Elf, ReadAt
    from cgtune.runtimes.go.derived.once import Derived
    from cgtune.runtimes.go.observed.layout import LiveLayout
    from cgtune.runtimes.go.observed.live import LiveWords
    from cgtune.runtimes.go.others import OtherProgram
    from cgtune.runtimes.go.program.mappings import Mapping, Module
    from cgtune.runtimes.go.program.modinfo import BuildInfo

    OpenModule = Callable[["Module"], "OpenedFile"]


_MOST_FILES = 2048
_MOST_RUNTIMES = 16  # of one process: each costs a look into its memory, and some KB of every report
MOST_UNUSED = 64
#: What the dependencies and settings of all known files may take in memory, and those of the files that no process runs any more.
_MOST_KNOWN_LIST_BYTES = 12 << 20
_MOST_UNUSED_LIST_BYTES = 7 << 20  # those of one process that is read by turns fit in

#: How much of files that are not known yet is read for one process in one look, and what each of them counts for at the least. A library is
#: worth some 100 KB; one without section headers is searched for 32 MiB, in 40 ms, and who maps them by the hundred wants to keep us busy.
_MOST_READ_BYTES = 128 << 20
_LEAST_READ_BYTES = 64 << 10

#: The CPU time of one process in a look from which on nothing new of it is read, and what is left for its files at the least: what it is at
#: then ends, all within a quarter of a second.
_MOST_SECONDS = 0.06
_LEAST_SECONDS = 0.03

#: The path of a note on the process's memory.
MEMORY = "mem"


class OpenedFile(Record):
    """A module's file, to be read. ``identity`` is equal for equal files only (device, inode, size, times); None: never to be remembered.

    ``read_at`` is used as long as the runtime's words have not been located.
    """

    identity: Hashable
    read_at: ReadAt


class Turn:
    """What is read for one process in one look: ``left`` bytes may still be, of files that are not known, from the one numbered ``first``
    on, and as long as ``clock`` has not gone on too far; but for one, so that each look comes further. In the end ``first`` is the number
    of one that was left for the next look, or 0, and ``is_short`` says whether any was. ``goes_on``: whether there will be one.
    """

    def __init__(
        self, first: int = 0, left: int = _MOST_READ_BYTES, clock: Callable[[], float] = lambda: 0.0, *, goes_on: bool = False
    ) -> None:
        self.goes_on = goes_on
        self.first, self.left, self.had_any, self.is_short = first, left, left > 0, False
        self._clock, self._late_from = clock, clock() + _MOST_SECONDS
        self._has_read = self._has_searched = False

    @property
    def is_over(self) -> bool:
        """Whether no new file is read any more."""
        return self.left <= 0 or (self._has_read and self._is_late())

    def may_search(self) -> bool:
        """Whether the words of one more runtime may be searched for; asked once for each, and yes to the first."""
        before, self._has_searched = self._has_searched, True
        return not (before and self._is_late())

    def _is_late(self) -> bool:
        return self._clock() > self._late_from

    def order(self, modules: tuple[Module, ...]) -> list[tuple[int, Module]]:
        """The files with their numbers: the first, then those whose turn it is."""
        numbered = list(enumerate(modules))
        return numbered[:1] + numbered[self.first or 1 :] + numbered[1 : self.first or 1]

    def read_program(self, read_at: ReadAt) -> tuple[Elf, BuildInfo] | None:
        """As read_program, counted."""

        def counted(offset: int, size: int) -> bytes:
            data = read_at(offset, size)
            self.left -= len(data)
            return data

        if not self._has_read:  # whatever the mappings cost
            self._has_read, self._late_from = True, max(self._late_from, self._clock() + _LEAST_SECONDS)
        self.left -= _LEAST_READ_BYTES
        found = read_program(counted)
        return None if found is None else (found[0].replace(read_at=read_at), found[1])


class GoRuntime(Record):
    """One Go runtime in one process: a file that is Go's, and where the process has it. ``path`` is empty for a packed program.

    ``cpus_at`` is the address of the CPU count in the process if it is not in ``elf``, as in a gccgo program with a copy of its own.
    """

    path: str
    deleted: bool
    identity: Hashable
    elf: Elf
    info: BuildInfo
    bias: int
    cpus_at: int | None = None


class Mapped(Record):
    """The Go runtimes that the mappings of one process told of. ``maps_hash`` is that of their text, ``files`` name the Go files among
    them, each with the identity that it had.
    """

    maps_hash: int
    files: tuple[tuple[str, Hashable], ...]
    runtimes: tuple[GoRuntime, ...]


class Memory:
    """What was found in the memory of one process: the variables of its environment that Go reads, None if they have not been read; and
    the words of its runtimes, by the identity and the bias of each. ``names_no_platform``: whether that environment is known to name none.
    """

    def __init__(self) -> None:
        self.names_no_platform = False
        self.environ: tuple[tuple[str, str], ...] | None = None
        self.words: dict[tuple[Hashable, int], LiveWords] = {}


class Known:
    """What was found out so far, for the processes to come and the looks to come; of the last 2048 files, as a node agent runs for months.

    ``processes``: by pid, the runtimes found last time; valid while the text of /proc/PID/maps is unchanged. ``kinds``: by pid, what each
    process runs, as far as that is known. ``others``: by its code, what is no Go program, with its libraries. ``quiet``: by pid, the
    counters of those that hold no Go runtime, which are as they are until something new may run; ``other_stats`` and ``other_turns``: of
    those that rest, the hashes of their stat line and of what others.py says. ``programs`` and ``derived``: the facts of Go programs, and
    what follows from their inputs.
    """

    def __init__(self) -> None:
        self.files: dict[Hashable, tuple[Elf, BuildInfo] | None] = {}
        self.layouts: dict[Hashable, LiveLayout] = {}
        self.processes: dict[int, Mapped] = {}
        self.kinds: dict[int, Kind] = {}
        self.others: dict[tuple[str, ...], OtherProgram] = {}
        self.quiet: dict[int, int] = {}
        self.other_stats: dict[int, int] = {}
        self.other_turns: dict[int, int] = {}
        self._rested: set[int] = set()
        self._memories: dict[int, Memory] = {}
        self.programs: dict[tuple[Hashable, ...], GoProgram] = {}  # the file's identity first
        self.derived: dict[Hashable, Derived] = {}
        #: By pid, from which of its files on the next look goes on.
        self.turns: dict[int, int] = {}
        #: The CPU time that was spent so far, by which a process is late in its look; it stands still if none ever is.
        self.clock: Callable[[], float] = lambda: 0.0
        #: What may still be read of new files in this look (None: no bound), and the pids for which nothing of it
        #: was left, who waits longest first.
        self.look_left_bytes: int | None = None
        self.waiting: dict[int, None] = {}
        self._list_bytes: dict[Hashable, int] = {}  # of each Go file among them
        self._newest: dict[tuple[Hashable, ...], Hashable] = {}  # by device and inode, what identifies each file now

    def take_turn(self, pid: int) -> Turn:
        """What may be read for a process; give it back with ``end_turn``."""
        left = _MOST_READ_BYTES if self.look_left_bytes is None else max(0, min(_MOST_READ_BYTES, self.look_left_bytes))
        return Turn(self.turns.pop(pid, 0), left, self.clock, goes_on=self.look_left_bytes is not None)

    def end_turn(self, pid: int, turn: Turn, given_bytes: int) -> None:
        """Keep what a process has used of this look, and where the next one goes on with it."""
        if self.look_left_bytes is not None:
            self.look_left_bytes -= given_bytes - turn.left
        if turn.first:
            self.turns[pid] = turn.first
        if turn.is_short and not given_bytes:
            self.waiting.setdefault(pid)  # who waits keeps the place
        else:
            self.waiting.pop(pid, None)

    def fit(self, found: tuple[Elf, BuildInfo] | None) -> tuple[Elf, BuildInfo] | None:
        """What was found in a new file, with lists as long as there is room for beside those of the others."""
        if found is None:
            return None
        from cgtune.runtimes.go.program.lists import Room

        return found[0], found[1].within(Room(_MOST_KNOWN_LIST_BYTES - sum(self._list_bytes.values())).share)

    def remember(self, identity: Hashable, found: tuple[Elf, BuildInfo] | None) -> None:
        """Keep what was found in this file, which may be nothing of Go's; the oldest is forgotten if there are too many."""
        if identity is None:
            return
        if isinstance(identity, tuple):
            before = self._newest.get(identity[:2])
            if before is not None and before != identity and before in self.files:
                self._forget(before)  # the same file, written to or touched since: it is never that one again
            self._newest[identity[:2]] = identity
        self.files[identity] = found
        if found is not None:
            from cgtune.runtimes.go.program.lists import weigh

            self._list_bytes[identity] = weigh(found[1].modules) + weigh(found[1].settings)
        if len(self.files) > _MOST_FILES:
            self._forget(next(iter(self.files)))

    def _forget(self, identity: Hashable) -> None:
        del self.files[identity]
        if isinstance(identity, tuple) and self._newest.get(identity[:2]) == identity:
            del self._newest[identity[:2]]
        self.layouts.pop(identity, None)
        self._list_bytes.pop(identity, None)
        for key in [key for key in self.programs if key[0] == identity]:
            del self.programs[key]  # it has the same lists

    def note_rest(self, pid: int, *, rested: bool) -> None:
        """Whether nothing of a process has run since the last look: then its memory holds what it held."""
        (self._rested.add if rested else self._rested.discard)(pid)

    def has_rested(self, pid: int) -> bool:
        """Whether nothing of a process has run since the last look, as far as that is known."""
        return pid in self._rested

    def take_memory(self, pid: int) -> Memory:
        """What was found in the memory of a process that has rested since, or nothing; give it back with ``keep_memory``."""
        found = self._memories.pop(pid, None)
        return found if found is not None and pid in self._rested else Memory()

    def memory_of(self, pid: int) -> Memory | None:
        """What was found in the memory of a process that has rested; None of any other."""
        return self._memories.get(pid) if pid in self._rested else None

    def keep_memory(self, pid: int, found: Memory) -> None:
        """What was found in the memory of a process that had rested before: any other may have been at work meanwhile."""
        if pid in self._rested:
            self._memories[pid] = found

    def is_go(self, pid: int) -> bool:
        """Whether this process held a Go runtime when it was last looked at."""
        kept = self.processes.get(pid)
        return kept is not None and bool(kept.runtimes)

    def is_other(self, pid: int, maps_text: str | None = None) -> bool:
        """Whether a process is known to hold no Go runtime, with these mappings or, if none are given, with those that it had."""
        kept = self.processes.get(pid)
        return kept is not None and not kept.runtimes and (maps_text is None or kept.maps_hash == hash(maps_text))

    def keep_processes(self, pids: AbstractSet[int]) -> None:
        """Forget all processes but these; and the Go files that none of them runs, but for the newest 64 of some 20 KB each, or fewer
        larger ones: one program is another file in each container.
        """
        kept: tuple[dict[int, Any], ...] = (self.processes, self.kinds, self.quiet, self.other_stats, self.other_turns)
        for by_pid in (*kept, self.waiting, self.turns, self._memories):
            for pid in by_pid.keys() - pids:
                del by_pid[pid]
        self._rested &= pids
        used = {identity for mapped in self.processes.values() for _, identity in mapped.files}
        unused = [identity for identity, found in self.files.items() if found is not None and identity not in used]
        weight = 0
        for number, identity in enumerate(reversed(unused)):
            weight += self._list_bytes.get(identity, 0)
            if number >= MOST_UNUSED or weight > _MOST_UNUSED_LIST_BYTES:
                self._forget(identity)


def locate_runtimes(
    mappings: tuple[Mapping, ...],
    open_module: OpenModule,
    known: Known,
    *,
    read_memory: ReadAt | None = None,
    guest: bool = False,
    turn: Turn | None = None,
) -> tuple[tuple[GoRuntime, ...], tuple[Note, ...]]:
    """The Go runtimes of a process, in order of address; none for most processes. What could not be told stands in the notes.

    ``open_module`` opens a module's file and raises Unreadable if it cannot. With ``read_memory``, programs that unpacked themselves
    into anonymous memory are found as well; that needs the anonymous mappings, and costs nothing where no such memory holds code.
    ``guest``: those of the program that an emulator runs. ``turn``: which files are read first, and how much of them.
    """
    turn = Turn() if turn is None else turn
    runtimes: list[GoRuntime] = []
    left_over: list[tuple[int, Module]] = []
    numbers: dict[Hashable, int] = {}
    gccgo: list[GoRuntime] = []
    notes: list[Note] = []
    moot: list[Note] = []  # if the program is found in memory
    for number, module in turn.order(locate_modules(mappings, guest=guest)):
        if len(runtimes) >= _MOST_RUNTIMES:
            why = f"not looked at, nor what lies behind it: {len(runtimes)} Go runtimes were found before"
            notes.append(Note(path=module.path, why=why))
            break
        try:
            file = open_module(module)
            if file.identity not in known.files and turn.is_over:
                left_over.append((number, module))
                continue
            found = known.files[file.identity] if file.identity in known.files else known.fit(turn.read_program(file.read_at))
        except CgtuneError as error:
            privilege = error.privilege if isinstance(error, Unreadable) else None
            why = f"cannot tell whether it is a Go program: {error}"
            # Such names are of memory that is shared or holds code made on the spot, as .NET does; nothing on a disk was ever loaded
            is_memory = module.path.startswith(MEMORY_PATHS)
            notes.append(Note(path=module.path, why=why, privilege=privilege, kind="fact" if is_memory else "failed"))
            moot += notes[-1:] if is_memory or isinstance(error, Malformed) else []
            continue
        known.remember(file.identity, found)
        numbers[file.identity] = number
        # A plugin brings build info of its own and no runtime: it runs on that of the program that opened it
        if found is not None and ("-buildmode", "plugin") not in found[1].settings:
            # remembered from another process, whose files may be gone: read this one's from here on
            elf, info = found[0].replace(read_at=file.read_at), found[1]
            (gccgo if info.compiler == "gccgo" else runtimes).extend(
                GoRuntime(path=module.path, deleted=module.deleted, identity=file.identity, elf=elf, info=info, bias=bias)
                for bias in locate_biases(elf, module, guest=guest)
            )
    turn.first, turn.is_short = left_over[0][0] if left_over else 0, bool(left_over)
    if left_over:
        more = f", nor {len(left_over) - 1} more of its files" * (len(left_over) > 1)
        whose = "one process" if turn.had_any else "all processes"
        why = f"not looked into{more}: what may be read for {whose} in a look is used up{'; the next look goes on here' * turn.goes_on}"
        notes.append(Note(path=left_over[0][1].path, why=why, kind="failed"))
        runtimes.sort(key=lambda runtime: numbers[runtime.identity])
    runtimes += _join_gccgo(gccgo)
    if not runtimes and read_memory is not None and any(is_unpacked_code(mapping) for mapping in mappings):
        images, costs = _read_images(mappings, read_memory)
        runtimes += images
        notes = [note for note in notes if note not in moot] if images else notes + costs
    return tuple(runtimes), tuple(notes)


def _join_gccgo(parts: list[GoRuntime]) -> list[GoRuntime]:
    """The runtime of a gccgo program: its program, with the file and the bias of the library that its variables are in."""
    if not parts:
        return []
    owner = next((part for part in parts if part.info.has_runtime), parts[0])
    said = next((part.info for part in parts if part.info.version != "gccgo"), parts[0].info)
    cpus_at = None
    if owner is not parts[0]:
        from cgtune.runtimes.go.program.gccgo import locate_copied_cpus

        address = locate_copied_cpus(parts[0].elf)
        cpus_at = None if address is None else address + parts[0].bias
    return [parts[0].replace(identity=owner.identity, elf=owner.elf, bias=owner.bias, info=said, cpus_at=cpus_at)]


def read_program(read_at: ReadAt) -> tuple[Elf, BuildInfo] | None:
    """The headers and build info of a file, and what its function names tell beside; None if it is no Go program. Raises Malformed."""
    found = read_go_program(read_at)
    return None if found is None else (found[0], _with_linked(*found))


def _with_linked(elf: Elf, info: BuildInfo) -> BuildInfo:
    from cgtune.runtimes.go.program.functiontable import read_linked  # most files are not Go's

    return info.replace(linked=read_linked(elf))


def _read_images(mappings: tuple[Mapping, ...], read_memory: ReadAt) -> tuple[list[GoRuntime], list[Note]]:
    """Returns (the runtimes that unpacked themselves into memory, notes on what looks like one and cannot be read)."""
    from cgtune.runtimes.go.program.lists import MOST_LIST_BYTES, weigh

    runtimes: list[GoRuntime] = []
    notes: list[Note] = []
    room = MOST_LIST_BYTES  # a process unpacks one program: more share its room
    for base in locate_images(mappings, read_memory):
        if len(runtimes) >= _MOST_RUNTIMES:
            notes.append(Note(path=MEMORY, why=f"not looked at from {base:#x} on: {len(runtimes)} Go runtimes were found before"))
            break
        try:
            image = read_go_image(read_memory, base)
        except Malformed as error:
            why = f"cannot tell whether a Go program was unpacked into memory at {base:#x}: {error}"
            notes.append(Note(path=MEMORY, why=why, kind="failed"))
            continue
        if image is not None:
            elf, info, bias = image[0], image[1].within(room), image[2]
            room -= weigh(info.modules) + weigh(info.settings)
            runtimes.append(GoRuntime(path="", deleted=False, identity=None, elf=elf, info=_with_linked(elf, info), bias=bias))
    return runtimes, notes


def read_runtime_words(runtime: GoRuntime, known: Known, read_memory: ReadAt, turn: Turn | None = None) -> LiveWords:
    """The live words of one runtime. Raises Unreadable if the process's memory may not be read, or if it is not the runtime's ``turn``."""
    from cgtune.runtimes.go.observed.layout import locate_gccgo_layout, locate_live_words
    from cgtune.runtimes.go.observed.live import read_live_words

    layout = known.layouts.get(runtime.identity) if runtime.identity is not None else None
    if layout is None:
        if turn is not None and not turn.may_search():
            raise Unreadable(f"{runtime.path}: not searched for, as what one process may cost a look is used up")
        if runtime.info.compiler == "gccgo":
            layout = locate_gccgo_layout(runtime.elf)
        else:
            layout = locate_live_words(runtime.elf, runtime.info.go, bias=runtime.bias, read_memory=read_memory)
        # What this process had not in its memory (yet), the next one may have
        if runtime.identity is not None and layout.gomaxprocs is not None:
            known.layouts[runtime.identity] = layout
    if runtime.cpus_at is not None:
        layout = layout.replace(cpus_at_start=runtime.cpus_at - runtime.bias)
    return read_live_words(layout, bias=runtime.bias, read_memory=read_memory)
