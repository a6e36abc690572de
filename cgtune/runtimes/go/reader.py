"""Reads the Go runtimes of one process: build info, what each derives, and what each has at this moment.

Only this module, held.py and others.py read files; the rest of runtimes/go is handed bytes. Reading needs ptrace access
of mode READ for exe, maps, environ, mountinfo and fd (same user, or CAP_SYS_PTRACE), of mode ATTACH for mem (the same, and Yama's
ptrace_scope); map_files, for libraries, needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, and /proc/PID/root stands in if that is missing
(proc_pid_mem(5), ptrace(2)).
Not covered: the environment that a library finds if it is loaded later than its program started.
"""

from __future__ import annotations

from cgtune.cgroups.kernel import parse_stat_memory
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable
from cgtune.model import GoFacts, GoObserved, LimitFile, Note
from cgtune.records import Record
from cgtune.runtimes.go.program.mappings import MOST_TEXT_BYTES, parse_code_mappings, parse_map_lines, split_lines
from cgtune.runtimes.go.programs import (
    MEMORY,
    MOST_UNUSED,
    GoRuntime,
    Known,
    Mapped,
    Memory,
    OpenedFile,
    Turn,
    locate_runtimes,
    read_runtime_words,
)
from cgtune.runtimes.kinds import base_name, is_emulator, tell_kind
from cgtune.system.reading import note_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from cgtune.model import GoLive, GoProgram, Kind, Process
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.ownview import OwnTexts
    from cgtune.runtimes.go.observed.live import LiveWords
    from cgtune.runtimes.go.program.mappings import Mapping, Module
    from cgtune.runtimes.go.program.version import GoVersion
    from cgtune.system.host import Host

_PIECE_BYTES = 1 << 16
_MOST_RECORDING_SECONDS = 60
#: Of mappings: 65,530, the most that the kernel allows unless somebody raised it, come to 10 MiB with paths of 90 bytes. Where paths are as
#: long as can be, each MiB costs the kernel 12 ms.
_MOST_MAPS_BYTES = 10 << 20

_MACHINES = {62: "amd64", 183: "arm64", 3: "386", 40: "arm", 243: "riscv64", 21: "ppc64le", 22: "s390x", 258: "loong64"}


def read_runtimes(host: Host, process: Process, affinity_count: int, known: Known) -> tuple[tuple[GoFacts, ...], tuple[Note, ...]]:
    """Returns (the Go runtimes of one process, notes on what could not be read of them); none for other programs."""
    reading = GoReading(host, process.pid, executable=process.executable, affinity_count=affinity_count)
    facts = reading.read(known)
    return facts, tuple(reading.notes)


class _Maps(Record):
    """The mappings of a process. ``hash`` is equal for equal ones only, ``text`` is theirs if it is not too large, ``rest`` notes what lies
    beyond all that is read.
    """

    hash: int = 0
    text: str | None = None
    mappings: tuple[Mapping, ...] = ()
    rest: tuple[Note, ...] = ()


class _Pieces:
    """A large text piece by piece, each of whole lines, up to 10 MiB. In the end ``hash`` is that of all, ``is_cut`` tells of more."""

    def __init__(self, host: Host, path: str) -> None:
        self._host, self._path = host, path
        self.hash, self.is_cut = 0, False

    def __iter__(self) -> Iterator[str]:
        offset, rest = 0, b""
        while piece := self._host.read_at(self._path, offset, _PIECE_BYTES):
            offset += len(piece)
            self.hash = hash((self.hash, piece))
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            yield (whole + newline).decode("utf-8", "surrogateescape")
            if offset >= _MOST_MAPS_BYTES:
                self.is_cut = True
                return
        yield rest.decode("utf-8", "surrogateescape")


class GoReading:
    """One process as the Go shelf reads it. ``affinity_count`` is how many CPUs sched_getaffinity allows its threads."""

    def __init__(self, host: Host, pid: int, *, executable: str | None, affinity_count: int) -> None:
        self.host, self.pid, self.executable, self.affinity_count = host, pid, executable, affinity_count
        self.notes: list[Note] = []
        self._is_owners_alone = False
        self._is_hidden = False  # whether names of its cgroup's parents are hidden from our cgroup namespace
        self._opened: dict[str, Hashable] = {}
        self._memory = Memory()
        self._emulator = base_name(executable) if executable is not None and is_emulator(executable) else None

    def read(self, known: Known) -> tuple[GoFacts, ...]:
        """The Go runtimes of the process, none for other programs; what could not be read is in ``notes``."""
        before = known.kinds.pop(self.pid, None)
        turn = known.take_turn(self.pid)
        runtimes = self._locate(known, before, turn)
        if runtimes:
            known.kinds[self.pid] = "go"
        self._memory = known.take_memory(self.pid)
        facts = tuple(self._facts(runtime, known, turn) for runtime in runtimes)
        known.keep_memory(self.pid, self._memory)
        return facts

    def _locate(self, known: Known, before: Kind | None, turn: Turn) -> tuple[GoRuntime, ...]:
        """The runtimes; and what the process runs goes to ``known``. ``before`` is what it ran when it was last looked at."""
        try:
            kept = known.processes.pop(self.pid, None)  # until all went well again
            is_quiet = self._is_quiet(kept, known)
            maps = _Maps() if is_quiet else self._read_maps()
            if kept is not None and (is_quiet or (kept.maps_hash == maps.hash and self._is_same(kept))):
                known.kinds.update({} if before is None else {self.pid: before})
                known.processes[self.pid] = kept
                return kept.runtimes
            guest, mappings = self._emulator is not None, maps.mappings
            given_bytes = turn.left
            runtimes, notes = locate_runtimes(
                mappings, lambda module: self._open_module(module, known), known, read_memory=self._read_memory, guest=guest, turn=turn
            )
            known.end_turn(self.pid, turn, given_bytes)
        except Absent:
            self._tell_by_name(known)
            return ()
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/maps", error)
            return ()
        paths = {mapping.path for mapping in mappings if mapping.inode}
        is_all = not notes and not maps.rest
        if is_all:
            known.kinds[self.pid] = kind = tell_kind(self.executable or "", paths)
            if not runtimes and not guest and maps.text is not None:
                self._learn_other(maps.text, known, kind)
        if guest and not runtimes and not paths - {self.executable}:
            self._note_guest()
        notes = tuple(note.replace(path=f"/proc/{self.pid}/mem") if note.path == MEMORY else note for note in notes)
        program = [note for note in notes if note.path == self.executable]
        others = [note for note in notes if note.path != self.executable]
        if others and len(others) > 1:
            others = [others[0].replace(why=f"{others[0].why} (and {len(others) - 1} more of its libraries)")]
        self.notes += [*maps.rest, *program, *others]
        if is_all:
            own = {runtime.identity for runtime in runtimes}
            files = tuple((path, identity) for path, identity in self._opened.items() if identity in own)
            known.processes[self.pid] = Mapped(maps_hash=maps.hash, files=files, runtimes=runtimes)
        return runtimes

    def _is_quiet(self, kept: Mapped | None, known: Known) -> bool:
        """Whether nothing new can run since it was looked at (see others.py), and its runtime is that of the executable, by the name that
        this has now: files are renamed and removed meanwhile.
        """
        before, counters = known.quiet.pop(self.pid, None), None
        try:
            if known.has_rested(self.pid):
                counters = before
            elif self.host.is_live:
                counters = parse_stat_memory(self.host.read_kept(f"/proc/{self.pid}/stat"))[1]
        except CgtuneError:
            pass  # who has ended is told by its mappings
        if counters is not None:
            known.quiet[self.pid] = counters  # read before the mappings: whatever comes later shows in it
        if kept is None or counters is None or before != counters:
            return False
        return {runtime.path + " (deleted)" * runtime.deleted for runtime in kept.runtimes} == {self.executable}

    def _learn_other(self, text: str, known: Known, kind: Kind) -> None:
        from cgtune.runtimes.go.others import learn_other

        learn_other(self.host, self.pid, self.executable or "", text, known, kind)

    def _read_maps(self) -> _Maps:
        """The mappings. A database maps files by the ten thousand, and the text comes to more than anybody should hold at once."""
        path, guest = f"/proc/{self.pid}/maps", self._emulator is not None
        try:
            text = self.host.read_bytes(path, cap_bytes=MOST_TEXT_BYTES).decode("utf-8", "surrogateescape")
        except Malformed:  # too large for one
            pieces = _Pieces(self.host, path)
            mappings = parse_map_lines(split_lines(pieces), guest=guest)
            why = f"not looked at beyond its first {_MOST_MAPS_BYTES >> 20} MiB: whether a Go library lies behind them is not known"
            rest = (Note(path=path, why=why, kind="failed"),) if pieces.is_cut else ()
            return _Maps(hash=pieces.hash, mappings=mappings, rest=rest)
        plain = parse_code_mappings(text) if self.host.is_live and not guest else None
        mappings = parse_map_lines(split_lines((text,)), guest=guest) if plain is None else plain
        return _Maps(hash=hash(text), text=text, mappings=mappings)

    def _tell_by_name(self, known: Known) -> None:
        """What a process runs whose mappings are not there, as in a tree that was made by hand."""
        if self._emulator is not None:
            self._note_guest()
        elif self.executable is not None and (kind := tell_kind(self.executable, ())) != "other":
            known.kinds[self.pid] = kind

    def _note_guest(self) -> None:
        why = (
            f"the process runs under {self._emulator}, an emulator, and which program that runs cannot be seen; if it is a Go program, "
            "`cgtune predict` tells what Go makes of these limits"
        )
        self.notes.append(Note(path=self.executable or "", why=why, kind="failed"))

    def _is_same(self, kept: Mapped) -> bool:
        """Whether the Go files are still those: the text of the mappings names an inode, and another file may have got that since."""
        try:
            return all(self.host.read_file_identity(path) == identity for path, identity in kept.files)
        except (Unreadable, Absent):
            return False

    def _open_module(self, module: Module, known: Known) -> OpenedFile:
        """The file behind a module's mappings, through the kernel's own links: a path on disk may be another file by now."""
        first = module.mappings[0]
        own = module.path + (" (deleted)" if module.deleted else "")
        path = f"/proc/{self.pid}/exe" if own == self.executable else f"/proc/{self.pid}/map_files/{first.start:x}-{first.end:x}"
        try:
            identity = self._identify(path, known)
        except Unreadable as error:
            if path.endswith("/exe"):
                raise
            path = f"/proc/{self.pid}/root{module.path}"
            privilege = "CAP_CHECKPOINT_RESTORE" if error.privilege else None  # for map_files, proc_pid_map_files(5)
            try:
                identity = self._identify(path, known)
            except Absent as gone:
                raise Unreadable(str(gone), privilege=privilege) from None
            if identity[1] != module.inode:
                raise Unreadable(f"{path} is another file than the one that is mapped", privilege=privilege) from None
        self._opened[path] = identity
        return OpenedFile(identity=identity, read_at=lambda offset, size: self.host.read_at(path, offset, size))

    def _identify(self, path: str, known: Known) -> tuple[int, ...]:
        """Which file it is; raises as Host.read_file_identity does, and if it is a new one that may not be read."""
        identity = self.host.read_file_identity(path)
        if self.host.is_live and identity not in known.files:
            self.host.read_at(path, 0, 0)
        return identity

    def _read_memory(self, address: int, size: int) -> bytes:
        return self.host.read_at(f"/proc/{self.pid}/mem", address, size)

    def _facts(self, runtime: GoRuntime, known: Known, turn: Turn) -> GoFacts:
        # Most processes are not Go's: what only Go programs need is loaded when there is one.
        from cgtune.runtimes.go.derived.facts import setting_facts
        from cgtune.runtimes.go.derived.once import derive_once
        from cgtune.runtimes.go.derived.versions import FIRST_AWARE

        info, inputs = runtime.info, self._inputs(runtime)
        words = self._read_words(runtime, known, turn)
        follows = None
        if info.go is None or info.go.at_least(1, FIRST_AWARE):
            inputs, follows = self._with_limit(inputs, info.go, words)
        misled = follows is not None and not follows.own
        derivation, derived = derive_once(known.derived, inputs, misled=misled, hidden=self._is_hidden)
        if unrecorded := _unrecorded_switches(derivation, words):
            inputs = inputs.replace(default_godebug=",".join(filter(None, (inputs.default_godebug, *unrecorded))))
            derivation, derived = derive_once(known.derived, inputs, misled=misled, hidden=self._is_hidden)
            said = ",".join(unrecorded)
            why = f"its memory has {said}, its build info and environment do not: the linker's -X under -trimpath leaves no trace"
            self.notes.append(Note(path=runtime.path or self.executable or "", why=why))
        self.notes += [Note(path=runtime.path or self.executable or "", why=why) for why in derivation.notes]
        if info.record != "read":
            from cgtune.runtimes.go.program.traces import tell_record

            self.notes.append(Note(path=runtime.path or self.executable or "", why=tell_record(info)))
        if info.left_out:
            why = f"{info.left_out} lines of its build info are not kept, for lack of room; those that rules ask for are"
            self.notes.append(Note(path=runtime.path or self.executable or "", why=why))
        whose = f"{runtime.path}: " if inputs.library else ""  # one process may hold several runtimes
        self.notes += [Note(path=f"/proc/{self.pid}/mem", why=f"{whose}{why}") for why in words.notes]
        return GoFacts(
            program=self._program(runtime, inputs, known),
            derived=derived,
            observed=GoObserved(
                pinned=words.pinned,
                follows=follows,
                cpus_at_start=words.cpus_at_start,
                heap_live_bytes=words.heap_live_bytes,
                heap_marked_bytes=words.heap_marked_bytes,
                mapped_bytes=words.mapped_bytes,
                live=self._with_age(words.live),
            ),
            settings=setting_facts(
                derivation, {"GOMAXPROCS": words.gomaxprocs, "GOMEMLIMIT": words.memory_limit_bytes, "GOGC": words.gc_percent}
            ),
        )

    def _program(self, runtime: GoRuntime, inputs: GoInputs, known: Known) -> GoProgram:
        """Which program it is: the same record for all its processes, as it is the largest of a report."""
        from cgtune.runtimes.go.derived.facts import program_facts

        key = (runtime.identity, runtime.path, runtime.deleted, inputs.default_godebug, inputs.library, self._emulator)
        found = known.programs.get(key)
        if found is None:
            version = runtime.info.version.removeprefix("go")
            found = program_facts(
                inputs, runtime.info, version=version, path=runtime.path, deleted=runtime.deleted, emulator=self._emulator
            )
            if runtime.identity is not None:
                known.programs[key] = found
                while len(known.programs) > MOST_UNUSED:
                    del known.programs[next(iter(known.programs))]
        return found

    def _with_age(self, live: GoLive | None) -> GoLive | None:
        """With the time since the last collection, by the machine's clock; None if that was set back since.

        A recording bears the time at which it began, which may be a moment before the last collection.
        """
        if live is None or live.last_collection_unix_seconds is None:
            return live
        age = self.host.time_seconds() - live.last_collection_unix_seconds
        return live.replace(since_collection_seconds=round(max(age, 0.0), 3)) if age > -_MOST_RECORDING_SECONDS else live

    def _inputs(self, runtime: GoRuntime) -> GoInputs:
        """What the runtime derives from, but for its limit files."""
        from cgtune.runtimes.go.derived.godebug import parse_default_godebug
        from cgtune.runtimes.go.derived.inputs import GoInputs

        machine = runtime.elf.machine
        return GoInputs(
            version=runtime.info.go,
            architecture=_MACHINES.get(machine, f"machine {machine}"),
            default_godebug=parse_default_godebug(runtime.info.settings),
            environ=self._read_environ(),
            affinity_count=self.affinity_count,
            library=self._emulator is None and bool(runtime.path) and runtime.path != (self.executable or "").removesuffix(" (deleted)"),
            compiler=runtime.info.compiler,
        )

    def _read_words(self, runtime: GoRuntime, known: Known, turn: Turn) -> LiveWords:
        key = (runtime.identity, runtime.bias)
        if (kept := self._memory.words.get(key)) is not None:
            return kept
        try:
            words = read_runtime_words(runtime, known, self._read_memory, turn)
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/mem", error)
            from cgtune.runtimes.go.observed.live import LiveWords

            return LiveWords()
        if runtime.identity is not None:
            self._memory.words[key] = words
        return words

    def _read_environ(self) -> tuple[tuple[str, str], ...] | None:
        """The variables that Go's runtime reads, in their order: so the key of what is derived is small, and nobody's secrets are kept."""
        if self._memory.environ is not None:
            return self._memory.environ
        from cgtune.runtimes.go.derived.facts import VARIABLES

        path = f"/proc/{self.pid}/environ"
        try:
            text = self.host.read_kept(path)
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(path, error)
            return None
        pairs = (entry.partition("=") for entry in text.split("\0"))
        self._memory.environ = tuple((name, value) for name, equals, value in pairs if equals and name in VARIABLES)
        return self._memory.environ

    def _with_limit(self, inputs: GoInputs, version: GoVersion | None, words: LiveWords) -> tuple[GoInputs, LimitFile | None]:
        """The inputs with what the runtime sees of its quota; and the limit file that it holds open, which is the one it obeys."""
        from cgtune.runtimes.go.held import HeldReader

        try:
            texts = self.read_own_texts()
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            self._note(f"/proc/{self.pid}/mountinfo", error)
            return inputs, None
        held = HeldReader(self.host, self.pid, texts, None if version is None else version.minor)
        limit, follows = held.read(words)
        for note in held.notes:
            self._add(note)
        for path in texts.assumed if limit is None else ():  # else the runtime itself has told
            why = f"where its cgroup namespace begins cannot be seen; taken to be at its own cgroup, {path}"
            self.notes.append(Note(path=f"/proc/{self.pid}/ns/cgroup", why=why))
        self._is_hidden = bool(texts.hidden)
        if limit is None and texts.hidden:
            why = "the names of its parents are hidden from this cgroup namespace: whether the runtime finds its limit file is not sure"
            self.notes.append(Note(path=f"/proc/{self.pid}/cgroup", why=why))
        inputs = inputs.replace(cgroup_text=texts.cgroup, mountinfo_text=texts.mountinfo, read_limit=held.read_limit, limit=limit)
        return inputs, follows

    def read_own_texts(self) -> OwnTexts:
        """/proc/self/cgroup and mountinfo as the process itself reads them: relative to its own cgroup namespace, not to ours."""
        from cgtune.runtimes.go.derived.ownview import INITIAL_NAMESPACE, OwnTexts, rebase_texts

        cgroup = self.host.read_kept(f"/proc/{self.pid}/cgroup")
        mountinfo = self.host.read_kept(f"/proc/{self.pid}/mountinfo")
        namespace = None
        try:
            namespace = self.host.read_link(f"/proc/{self.pid}/ns/cgroup")
            same = namespace == self.host.read_kept_link(f"/proc/{self.host.read_kept_link('/proc/self')}/ns/cgroup")
        except NoSuchProcess:
            raise
        except CgtuneError as error:
            # Before Linux 4.6, as in RHEL 7, there are no such namespaces
            if namespace is not None or not isinstance(error, Absent):
                self._note(f"/proc/{self.pid}/ns/cgroup", error)
            same = True
        if same:
            return OwnTexts(cgroup=cgroup, mountinfo=mountinfo)
        return rebase_texts(cgroup, mountinfo, initial=namespace == INITIAL_NAMESPACE)

    def _note(self, path: str, error: CgtuneError) -> None:
        privilege = error.privilege if isinstance(error, Unreadable) else None
        if privilege and path.endswith("/mem") and self._is_ptrace_off():
            why = "permission denied: Yama's ptrace_scope is 3, which no privilege overrides"
            self.notes.append(Note(path=path, why=why, kind="failed"))
            return
        self._add(note_on(path, error))

    def _add(self, note: Note) -> None:
        # Maps and executable were read, so ptrace access "read" is granted; what still refuses environ (0400), fd (0500) and mem (0600, all
        # in Linux fs/proc/base.c) is their mode. Of mem it is not sure by itself: Yama refuses it, too.
        if note.privilege and note.path in (f"/proc/{self.pid}/environ", f"/proc/{self.pid}/fd"):
            self._is_owners_alone = True
        if note.privilege and self._is_owners_alone and note.path.endswith(("/environ", "/fd", "/mem")):
            note = note.replace(privilege="CAP_DAC_READ_SEARCH")
        self.notes.append(note)

    def _is_ptrace_off(self) -> bool:
        try:
            return self.host.read_text("/proc/sys/kernel/yama/ptrace_scope").strip() == "3"
        except CgtuneError:
            return False


def _unrecorded_switches(derivation: GoDerivation, words: LiveWords) -> tuple[str, ...]:
    """What the build must have said of GODEBUG's two switches beyond its build info, for them to be as they are in memory."""
    if words.gomaxprocs is None:
        return ()  # perhaps it has not started yet, and all is zero
    switches = (
        ("containermaxprocs", derivation.aware, words.container_setting),
        ("updatemaxprocs", derivation.updates, words.updates),
    )
    return tuple(
        f"{name}={int(live)}"
        for name, switch, live in switches
        if live is not None and switch.on is not None and live != switch.on and switch.source in ("build", "built-in")
    )
