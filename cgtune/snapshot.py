"""Gathers one process's facts, in order; what could not be seen becomes a Note."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.chains import ChainReader
from cgtune.cgroups.containers import locate_container, locate_node_level
from cgtune.cgroups.levels import read_cpu_level, read_cpuset_level, read_memory_level, read_pressure_level, read_usage
from cgtune.cgroups.locate import Place
from cgtune.errors import Absent, CgtuneError, NoSuchProcess
from cgtune.machinery import is_machinery
from cgtune.model import PLATFORM_VARIABLES, GoFacts, Membership, Note, Process, Snapshot, locate_charged
from cgtune.process import read_process, read_threads, with_pod_names
from cgtune.records import Record
from cgtune.system.reading import exists, note_on, read_essential, read_optional
from cgtune.used import Turns, has_rested, read_turns, read_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.machineview import MachineView
    from cgtune.model import Container, CpuLevel, Level, MemoryLevel, Mount
    from cgtune.system.host import Host

#: Each set of controllers that a kernel may lack, once for all processes.
_LACKING = {lacking: lacking for lacking in map(frozenset, ((), ("cpu",), ("memory",), ("cpu", "memory")))}

#: How often a process is read again that is moved between cgroups under our eyes, or starts another program.
_ATTEMPTS = 2


class _Identified(Record):
    """The first half of a snapshot: who the process is, and its Go runtimes; each with the notes that it cost.

    ``turns``: what its threads have run, if nothing of it has since the last look; else None.
    """

    process: Process
    process_notes: tuple[Note, ...]
    go: tuple[GoFacts, ...]
    go_notes: tuple[Note, ...]
    turns: Turns | None


def read_snapshot(view: MachineView, pid: int) -> Snapshot:
    """All facts about process ``pid``.

    Raises NoSuchProcess if there is none or it ends midway, Unreadable or Malformed if an essential file (stat, status, cgroup)
    cannot be used.
    """
    return _read_settled(view, _read_identified(view, pid))


def read_go_snapshot(view: MachineView, pid: int, notes: list[Note], machinery: list[Process] | None = None) -> Snapshot | None:
    """As read_snapshot for a Go program; None for any other, with what could not be seen of it in ``notes``.

    With ``machinery`` the node's own programs are put there, and are none either.
    """
    if _is_known_other(view, pid):
        return None
    program = _read_identified(view, pid)
    process = program.process
    if machinery is not None and (program.go or process.executable is None) and is_machinery(process.executable, process.command):
        machinery.append(process)
        return None
    if program.go:
        return _read_settled(view, program)
    notes.extend(program.process_notes + program.go_notes)
    return None


def is_go(view: MachineView, pid: int, *, with_machinery: bool = True) -> bool:
    """Whether a process holds a Go runtime, as far as can be seen; the node's own programs may not count. Raises as read_snapshot does."""
    if _is_known_other(view, pid):
        return False
    program = _read_identified(view, pid)
    return bool(program.go) and (with_machinery or not is_machinery(program.process.executable, program.process.command))


def resting_others(view: MachineView, pids: Iterable[int]) -> frozenset[int]:
    """Those of these processes that were known at the last look to be no Go programs, and have not run since."""
    from cgtune.runtimes.go import others

    return others.resting_others(view.host, pids, view.known)


def _is_known_other(view: MachineView, pid: int) -> bool:
    """Most processes are not Go's, and what they map tells that they still are not: one file or two instead of four."""
    from cgtune.runtimes.go.others import tell_other

    if view.is_again and view.known.is_go(pid):
        return False
    return tell_other(view.host, pid, view.known, is_again=view.is_again)


def _read_settled(view: MachineView, program: _Identified) -> Snapshot:
    """The snapshot of a process that did not move meanwhile, if it ever stands still."""
    host, pid = view.host, program.process.pid
    snapshot, before = _read_rest(view, program)
    moved = False
    for _attempt in range(_ATTEMPTS):
        # The stat last: what it counts is told, and a recording keeps the last answer.
        moved = _read_memberships(host, pid) != before
        text, now = _read_stat(host, pid)
        if now.start_ticks != snapshot.process.start_ticks:
            raise NoSuchProcess(f"process {pid} ended while it was read, and another one has its pid")
        # In the midst of an execve the environment reads as empty, and what was read before it is another program's
        if not moved and now.environ_start == snapshot.process.environ_start:
            return _with_used(view, snapshot, text, now, program.turns)
        program = _read_identified(view, pid)
        snapshot, before = _read_rest(view, program)
    path, why = f"/proc/{pid}/stat", "the process started another program while it was read; what is said may mix the two"
    if moved:
        path, why = f"/proc/{pid}/cgroup", "the process was moved between cgroups while it was read; the chain may mix two places"
    return _with_used(view, snapshot.replace(notes=(*snapshot.notes, Note(path=path, why=why))), *_read_stat(host, pid))


def _with_used(view: MachineView, snapshot: Snapshot, text: str, stat: kernel.ProcessStat, turns: Turns | None = None) -> Snapshot:
    """The snapshot with what the process has used, right after its cgroups were read: the two belong together.

    ``stat`` is what its stat line says, ``text``; ``turns``: as of _Identified.
    """
    pid, notes = snapshot.process.pid, [*snapshot.notes]
    if turns is None:
        turns = view.turns[pid] = read_turns(view.host, pid, text, notes, view.turns.get(pid))
    return snapshot.replace(used=read_used(view.host, stat, turns), notes=tuple(dict.fromkeys(notes)))


def _read_identified(view: MachineView, pid: int) -> _Identified:
    view.host.forget(f"/proc/{pid}")
    process_notes: list[Note] = []
    process = read_process(view, pid, process_notes)
    turns = view.turns.get(pid)
    if turns is not None:
        rested = has_rested(view.host, pid, turns)
        turns = turns if rested else None
        view.known.note_rest(pid, rested=rested)
    go_notes: list[Note] = []
    go = read_go(view, process, go_notes)
    return _Identified(process=process, process_notes=tuple(process_notes), go=go, go_notes=tuple(go_notes), turns=turns)


def _read_rest(view: MachineView, program: _Identified) -> tuple[Snapshot, tuple[Membership, ...]]:
    host, pid, notes = view.host, program.process.pid, [*view.notes, *program.process_notes]
    before = len(notes)
    memberships = _read_memberships(host, pid, notes, kept=True)
    if not memberships and view.machine.cgroup_mode != "none" and len(notes) == before:
        notes.append(
            Note(path=f"/proc/{pid}/cgroup", why="it names no cgroup, though cgroups are mounted: the limits are not known", kind="failed")
        )
    chains = ChainReader(host, pid, memberships, view.ours, notes)
    cpu, memory, cpuset = chains.locate("cpu"), chains.locate("memory"), chains.locate("cpuset")
    memory_chain = view.cgroups.read_chain(host, memory, read_memory_level, notes)
    cpu_chain = view.cgroups.read_chain(host, cpu, read_cpu_level, notes)
    unified = chains.locate_unified()
    usage = dict(view.cgroups.read_chain(host, chains.locate_usage(), read_usage, notes))
    pressure_chain = tuple(
        level
        for level in view.cgroups.read_chain(host, unified, read_pressure_level, notes)
        if level.cpu is not None or level.memory is not None
    )
    own_pressure = pressure_chain[0] if pressure_chain and pressure_chain[0].path == unified[0][1].path else None
    notes.extend(program.go_notes)
    container = _locate_container(view, pid, memberships, chains, (cpu, memory, cpuset, unified))
    if (node := locate_node_level(tuple(level.path for level in memory_chain), container)) is not None:
        memory_chain = (*memory_chain[:node], *(level.replace(of_node=True) for level in memory_chain[node:]))
    snapshot = Snapshot(
        machine=view.machine,
        process=program.process,
        container=container,
        cpu_chain=tuple(_with_usage(level, usage.get(level.path)) for level in cpu_chain),
        cpuset_chain=tuple(level for level in view.cgroups.read_chain(host, cpuset, read_cpuset_level, notes) if level),
        memory_chain=memory_chain,
        cpu_pressure=(own_pressure and own_pressure.cpu) or view.machine.cpu_pressure,
        memory_pressure=(own_pressure and own_pressure.memory) or view.machine.memory_pressure,
        go=program.go,
        kind=view.known.kinds.get(program.process.pid) if program.process.executable is not None else None,
        notes=(),
        cpu_hidden_above=chains.hidden_above("cpu"),
        memory_hidden_above=chains.hidden_above("memory"),
        unsupported=_read_unsupported(view, memberships, cpu_chain, memory_chain),
        pressure_chain=pressure_chain,
        threads=read_threads(host, program.process, memberships, cpu, notes) if any(map(_is_limited, cpu_chain)) else None,
        platforms=view.platforms,
    )
    snapshot = _with_platforms(view, snapshot, memberships, chains.their_mounts(), notes)
    return snapshot.replace(notes=tuple(dict.fromkeys(notes))) if notes else snapshot, memberships


#: Each is in the paths of one platform's cgroups: most processes have none of them, and none of its variables.
_PLATFORM_PLACES = ("/nomad", "slurm", "/ecs/", "/ecstasks")


def _with_platforms(
    view: MachineView, snapshot: Snapshot, memberships: tuple[Membership, ...], mounts: tuple[Mount, ...], notes: list[Note]
) -> Snapshot:
    """The snapshot with what the process runs on, if anything tells of a platform: a plain start loads nothing for it."""
    paths = tuple(line.path for line in memberships)
    places = "\n".join(paths)
    if (is_placed := view.placed.get(places)) is None:
        is_placed = any(place in places for place in _PLATFORM_PLACES) or any(map(kernel.is_nested, paths))
        view.placed[places] = is_placed
    # In a cgroup namespace of its own: a container may make cgroups below its own, and may be in one of them
    writable = ""
    if snapshot.cpu_hidden_above == "/" and snapshot.cpu_chain[0].version == 2:
        writable = next((mount.mount_point for mount in mounts if mount.filesystem == "cgroup2" and mount.is_writable), "")
        is_placed |= bool(writable) or snapshot.cpu_chain[0].path != "/"
    memory = view.known.memory_of(snapshot.process.pid)
    if memory is not None and memory.names_no_platform and not is_placed:
        return snapshot
    try:
        text = view.host.read_kept(f"/proc/{snapshot.process.pid}/environ")
    except CgtuneError:
        text, memory = _read_environ_of_same_container(view, snapshot.process.pid), None
    entries = tuple(text.split("\0"))
    names_none = not any(entry.startswith(PLATFORM_VARIABLES) for entry in entries)
    if memory is not None:
        memory.names_no_platform = names_none
    if not is_placed and names_none:
        return snapshot
    from cgtune.platforms import with_platforms

    return with_platforms(view, snapshot, entries, paths, writable, notes)


def _read_environ_of_same_container(view: MachineView, pid: int) -> str:
    """The reader's own environment, if a process whose environment is closed to it is in the very same cgroups; else nothing."""
    try:
        if view.self_pid in (None, pid) or len({view.host.read_text(f"/proc/{one}/cgroup") for one in (pid, view.self_pid)}) > 1:
            return ""
        return view.host.read_kept(f"/proc/{view.self_pid}/environ")
    except CgtuneError:
        return ""


def read_container(view: MachineView, pid: int) -> Container:
    """Who runs process ``pid``, and nothing else of it. Raises as read_snapshot does; what may not be read leaves names open."""
    memberships = _read_memberships(view.host, pid)
    chains = ChainReader(view.host, pid, memberships, view.ours, [])
    located = (*(chains.locate(controller) for controller in ("cpu", "memory", "cpuset")), chains.locate_unified())
    return _locate_container(view, pid, memberships, chains, located)


def _locate_container(
    view: MachineView, pid: int, memberships: tuple[Membership, ...], chains: ChainReader, located: Iterable[list[tuple[int, Place]]]
) -> Container:
    found = tuple(chain[0][1].path for chain in located if chain)
    mounts = chains.their_mounts() if memberships else ()
    return with_pod_names(view.host, pid, _named_container(view, memberships, mounts, found), mounts)


def _named_container(
    view: MachineView, memberships: tuple[Membership, ...], mounts: tuple[Mount, ...], found: tuple[str, ...]
) -> Container:
    """Equal texts were parsed once: whoever shares both of them, and his cgroups, is in the same container."""
    kept = view.containers.get(found)
    if kept is None or kept[0] is not memberships or kept[1] is not mounts:
        kept = (memberships, mounts, locate_container(memberships, mounts, found))
        if view.ours.is_kept(mounts):  # else they would be, by this
            view.containers[found] = kept
    return kept[2]


def _read_unsupported(
    view: MachineView, memberships: tuple[Membership, ...], cpu: tuple[CpuLevel, ...], memory: tuple[MemoryLevel, ...]
) -> frozenset[str]:
    """Which of the controllers "cpu" and "memory" this kernel does not have. Those that showed any file are not asked about."""
    asked: list[tuple[str, tuple[Level, ...]]] = []
    if not any(level.bandwidth is not None or level.weight is not None or level.shares is not None for level in cpu):
        asked.append(("cpu", cpu))
    if locate_charged(memory) is None:
        asked.append(("memory", memory))
    lacking = set()
    for controller, chain in asked:
        if any(controller in membership.controllers for membership in memberships):
            continue  # it is there, on v1, and its files cannot be seen
        file, parse = "/proc/cgroups", kernel.parse_enabled_controllers
        if chain:
            if not view.ours.is_hierarchy_root(2, Place(path=chain[-1].path, directory=chain[-1].directory)):
                continue  # perhaps it is not lent to us
            file, parse = f"{chain[-1].directory.rstrip('/')}/cgroup.controllers", kernel.parse_controllers
        there = read_optional(view.host, file, parse, [])
        # Where all controllers are on v1, the root of v2 names none; a /proc/cgroups that names none is of a kernel without v1
        if there is not None and controller not in there and (there or chain):
            lacking.add(controller)
    return _LACKING[frozenset(lacking)]


def _with_usage(level: CpuLevel, usage: tuple[float | None, float | None] | None) -> CpuLevel:
    """A level of v1 with what another hierarchy, and so another read, says that it has used."""
    if level.version == 2 or usage is None:
        return level
    return level.replace(usage_seconds=usage[0], read_seconds=usage[1])


def _is_limited(level: CpuLevel) -> bool:
    return level.bandwidth is not None and level.bandwidth.limit_cores is not None


def read_go(view: MachineView, process: Process, notes: list[Note]) -> tuple[GoFacts, ...]:
    """The runtimes of a process, as the shelf reads them; none for other programs, kernel threads and zombies."""
    if process.executable is None:
        return ()
    from cgtune.runtimes import load_runtimes

    # sched_getaffinity(2) leaves out what is switched off
    count = len(process.affinity & view.machine.online)
    facts: tuple[GoFacts, ...] = ()
    for runtime in load_runtimes():
        found, costs = runtime.read_runtimes(view.host, process, count, view.known)
        facts += found
        notes.extend(costs)
    return facts


def _read_stat(host: Host, pid: int) -> tuple[str, kernel.ProcessStat]:
    """The stat line as it is now, and what it says."""
    host.forget(f"/proc/{pid}")
    try:
        text = host.read_text(f"/proc/{pid}/stat")
        return text, kernel.parse_stat(text)
    except Absent as error:
        raise NoSuchProcess(f"process {pid} ended while it was read") from error


def _read_memberships(host: Host, pid: int, notes: list[Note] | None = None, *, kept: bool = False) -> tuple[Membership, ...]:
    """The cgroups of a process; none if it has none, or if they cannot be read, which goes to ``notes``. ``kept``: as of its runtimes."""
    path = f"/proc/{pid}/cgroup"
    try:
        return read_essential(host, path, kernel.parse_cgroup, kept=kept)
    except NoSuchProcess:
        raise
    except Absent:
        if exists(host, f"/proc/{pid}/stat"):
            return ()  # a kernel without cgroups
        raise NoSuchProcess(f"process {pid} ended while it was read") from None
    except CgtuneError as error:
        if notes is not None:
            note = note_on(path, error)
            notes.append(note.replace(why=f"{note.why}; its limits are not known"))
        return ()
