"""Gathers one process's facts, in order; what could not be seen becomes a Note.

Two views are read. *Ours* (the mounts of the process that reads) reaches the ancestors above a container; *theirs* (the target's own
mounts, through /proc/PID/root) reaches what is mounted only there. A chain is taken from the view that shows most of it.
"""

from __future__ import annotations

from cgtune import kernel
from cgtune.containers import locate_container
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess, Unreadable
from cgtune.host import Host, timestamp
from cgtune.locate import (
    Gap,
    Place,
    locate_chain,
    locate_hierarchy,
    locate_in_gap,
    locate_membership,
    locate_mode,
    locate_mounts,
)
from cgtune.model import CpuLevel, CpusetLevel, GoFacts, Machine, Membership, MemoryLevel, Mount, Note, Pressure, Process, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.runtimes.go.programs import Known

    T = TypeVar("T")

#: Super options of v1 mounts that are controllers, and the controllers that we read.
_V1_CONTROLLERS = frozenset(
    {
        "cpu",
        "cpuacct",
        "cpuset",
        "memory",
        "blkio",
        "devices",
        "freezer",
        "pids",
        "net_cls",
        "net_prio",
        "perf_event",
        "hugetlb",
        "rdma",
        "misc",
    }
)

#: One hierarchy is mounted a few times at the most; a container that mounts it by the thousand gets no more of our time.
_MOST_MOUNTS = 64

#: How often a process that is moved between cgroups under our eyes is read again.
_ATTEMPTS = 2


class MachineView:
    """What is read once for all processes: the machine, the reader's own mounts and pid, the reader's place in the host's trees."""

    def __init__(self, host: Host) -> None:
        """Read the machine; raises Unreadable or Malformed where /sys or /proc below the root hold none."""
        self.host = host
        self.notes: list[Note] = []
        self.self_pid = _read_self_pid(host)
        reader = self.self_pid if self.self_pid is not None else 1
        self.mounts = locate_mounts(
            _read_optional(host, f"/proc/{reader}/mountinfo", kernel.parse_mountinfo, self.notes) or (), host.mount_prefix
        )
        if not any(mount.filesystem in ("cgroup", "cgroup2") for mount in self.mounts) and _exists(host, f"/proc/{reader}/cgroup"):
            self.notes.append(Note(path=f"/proc/{reader}/mountinfo", why="no cgroup filesystem is mounted where cgtune can reach it"))
        meminfo = _read_optional(host, "/proc/meminfo", kernel.parse_meminfo, self.notes) or {}
        self.machine = Machine(
            online=_read_essential(host, "/sys/devices/system/cpu/online", kernel.parse_cpu_list),
            memory_bytes=meminfo.get("MemTotal"),
            swap_bytes=meminfo.get("SwapTotal"),
            page_bytes=host.page_bytes,
            kernel=_read_optional(host, "/proc/sys/kernel/osrelease", str.strip, self.notes),
            cgroup_mode=locate_mode(self.mounts, _V1_CONTROLLERS),
        )
        self.boot_seconds = _read_optional(host, "/proc/stat", kernel.parse_boot_time, self.notes)
        self._namespace_roots: dict[str, str | None] = {}
        self._known: Known | None = None

    @property
    def known(self) -> Known:
        """What is known of executables: each distinct file is looked at once for all processes."""
        if self._known is None:
            from cgtune.runtimes.go.programs import Known

            self._known = Known()
        return self._known

    def locate_namespace_root(self, gap: Gap) -> str | None:
        """The directory, below the gap's mount, of the cgroup that the reader's namespace calls /: searched once."""
        key = f"{gap.mount.mount_point} {gap.depth}"
        if key not in self._namespace_roots:
            self._namespace_roots[key] = self._search_namespace_root(gap)
        return self._namespace_roots[key]

    def _search_namespace_root(self, gap: Gap) -> str | None:
        # The reader's own mounts, as it has them itself: the view below the root need not show them. By its pid: /proc/self is a link.
        own = _read_optional(self.host, f"/proc/{self.self_pid}/mountinfo", kernel.parse_mountinfo, []) if self.self_pid else None
        for mount in locate_mounts(own or ()):
            if mount.device == gap.mount.device and mount.filesystem == gap.mount.filesystem and mount.root == "/":
                try:
                    identity = self.host.read_identity(f"/proc/{self.self_pid}/root{mount.mount_point}")
                    return self.host.locate_directory(gap.mount.mount_point, gap.depth, identity)
                except CgtuneError:
                    continue
        return self._search_own_cgroup(gap)

    def _search_own_cgroup(self, gap: Gap) -> str | None:
        """Without a mount of its own, the reader finds the cgroup that lists it; its namespace's root lies as far above."""
        memberships = _read_optional(self.host, f"/proc/{self.self_pid}/cgroup", kernel.parse_cgroup, []) if self.self_pid else None
        for membership in memberships or ():
            chain = locate_chain(membership, gap.mount.replace(root="/"))
            if locate_hierarchy(membership, (gap.mount,)) and isinstance(chain, tuple):
                below = len(chain) - 1
                found = self.host.locate_own_directory(gap.mount.mount_point, gap.depth + below)
                return found if found is None or not below else found.rsplit("/", below)[0]
        return None


def read_snapshot(view: MachineView, pid: int) -> Snapshot:
    """All facts about process ``pid``.

    Raises NoSuchProcess where there is none or it ends midway, Unreadable or Malformed where an essential file (stat, status, cgroup)
    cannot be used.
    """
    host = view.host
    snapshot, before = _read_once(view, pid)
    for _attempt in range(_ATTEMPTS):
        if _read_identity(host, pid) != snapshot.process.start_ticks:
            raise NoSuchProcess(f"process {pid} ended while it was read, and another one has its pid")
        if _read_memberships(host, pid) == before:
            return snapshot
        snapshot, before = _read_once(view, pid)
    note = Note(path=f"/proc/{pid}/cgroup", why="the process was moved between cgroups while it was read; the chain may mix two places")
    return snapshot.replace(notes=(*snapshot.notes, note))


def _read_once(view: MachineView, pid: int) -> tuple[Snapshot, tuple[Membership, ...]]:
    host, notes = view.host, list(view.notes)
    host.forget(f"/proc/{pid}")
    process = read_process(view, pid, notes)
    memberships = _read_memberships(host, pid)
    if not memberships and view.machine.cgroup_mode != "none":
        notes.append(Note(path=f"/proc/{pid}/cgroup", why="it names no cgroup, though cgroups are mounted: the limits are not known"))
    chains = _ChainReader(view, pid, memberships, notes)
    cpu, memory, cpuset = chains.locate("cpu"), chains.locate("memory"), chains.locate("cpuset")
    memory_chain = tuple(_read_memory_level(host, place, version, notes) for version, place in memory)
    unified = chains.locate_unified()
    go = read_go(view, process, notes)
    snapshot = Snapshot(
        machine=view.machine,
        process=process,
        container=locate_container(memberships, chains.their_mounts() if memberships else ()),
        cpu_chain=tuple(_read_cpu_level(host, place, version, notes) for version, place in cpu),
        cpuset_chain=tuple(level for version, place in cpuset if (level := _read_cpuset_level(host, place, version, notes))),
        memory_chain=memory_chain,
        oom_kills=_read_oom_kills(host, memory, notes),
        cpu_pressure=_read_pressure(host, unified, "cpu", notes),
        memory_pressure=_read_pressure(host, unified, "memory", notes),
        go=go,
        notes=(),
    )
    return snapshot.replace(notes=tuple(dict.fromkeys(notes))), memberships


def read_go(view: MachineView, process: Process, notes: list[Note]) -> tuple[GoFacts, ...]:
    """The Go runtimes of a process; none for other programs, kernel threads and zombies."""
    if process.executable is None:
        return ()
    from cgtune.runtimes.go.reader import GoReading

    reading = GoReading(view.host, process.pid, executable=process.executable, affinity_count=len(process.affinity))
    facts = reading.read(view.known)
    notes.extend(reading.notes)
    return facts


def read_process(view: MachineView, pid: int, notes: list[Note]) -> Process:
    """Who process ``pid`` is. Raises as read_snapshot does."""
    host = view.host
    try:
        status_file = kernel.parse_stat(host.read_text(f"/proc/{pid}/stat"))
    except Absent as error:
        raise NoSuchProcess(f"no process {pid}; `ps -e` lists those that this pid namespace can see") from error
    except Malformed as error:
        raise Malformed(f"/proc/{pid}/stat: {error}") from error
    try:
        executable = host.read_link(f"/proc/{pid}/exe")
    except Absent:
        executable = None  # a kernel thread or a zombie
    except Unreadable as error:
        executable = None
        if not status_file.is_kernel_thread:
            note = _note(f"/proc/{pid}/exe", error)
            notes.append(note.replace(why=f"{note.why}; whether it is a Go program is not known"))
    if status_file.state == "Z":
        notes.append(Note(path=f"/proc/{pid}/stat", why="the process is a zombie: it has ended, its parent has not yet taken note"))
    elapsed = None if view.boot_seconds is None else view.boot_seconds + status_file.start_ticks / host.ticks_per_second
    return Process(
        pid=pid,
        is_self=pid == view.self_pid,
        start_ticks=status_file.start_ticks,
        start_time=None if elapsed is None else timestamp(elapsed),
        command=status_file.command,
        executable=executable,
        state=status_file.state,
        affinity=_read_process_file(host, f"/proc/{pid}/status", kernel.parse_status_affinity),
    )


def _read_identity(host: Host, pid: int) -> int | None:
    host.forget(f"/proc/{pid}")
    try:
        return kernel.parse_stat(host.read_text(f"/proc/{pid}/stat")).start_ticks
    except Absent as error:
        raise NoSuchProcess(f"process {pid} ended while it was read") from error


def _read_memberships(host: Host, pid: int) -> tuple[Membership, ...]:
    try:
        return _read_essential(host, f"/proc/{pid}/cgroup", kernel.parse_cgroup)
    except Absent:
        if _exists(host, f"/proc/{pid}/stat"):
            return ()  # a kernel without cgroups
        raise NoSuchProcess(f"process {pid} ended while it was read") from None


class _ChainReader:
    """Finds the chain of one process for each controller, and keeps those already found: on v2 all controllers share one."""

    def __init__(self, view: MachineView, pid: int, memberships: tuple[Membership, ...], notes: list[Note]) -> None:
        self._view, self._pid, self._memberships, self._notes = view, pid, memberships, notes
        self._found: dict[int, list[tuple[int, Place]]] = {}
        self._theirs: tuple[Mount, ...] | None = None
        self._hidden_above: set[str] = set()  # v1 has one hierarchy a controller, and the same is hidden in each
        self._privilege: str | None = None  # what would have shown more, if anything was refused

    def locate(self, controller: str) -> list[tuple[int, Place]]:
        """(version, place) from the leaf up, of the hierarchy that holds the controller; empty where it cannot be seen."""
        membership = locate_membership(self._memberships, controller)
        return self._locate_membership(membership) if membership is not None else []

    def locate_unified(self) -> list[tuple[int, Place]]:
        """The chain in the cgroup v2 hierarchy: it has pressure files even where all controllers are on v1."""
        membership = next((line for line in self._memberships if line.hierarchy_id == 0), None)
        return self._locate_membership(membership, silently=True) if membership is not None else []

    def their_mounts(self) -> tuple[Mount, ...]:
        """The mounts as the target has them. Not being allowed to see them is a note only where they are needed."""
        if self._theirs is None:
            refused: list[Note] = []
            read = _read_optional(self._view.host, f"/proc/{self._pid}/mountinfo", kernel.parse_mountinfo, refused)
            self._privilege = next((note.privilege for note in refused), self._privilege)
            self._theirs = locate_mounts(read or ())
        return self._theirs

    def _locate_membership(self, membership: Membership, *, silently: bool = False) -> list[tuple[int, Place]]:
        if membership.hierarchy_id not in self._found:
            notes: list[Note] = []
            version = 2 if membership.hierarchy_id == 0 else 1
            chain = self._existing(self._best_chain(membership, notes), notes)
            if chain:
                self._note_hidden_ancestors(version, chain[-1], notes)
            self._found[membership.hierarchy_id] = [(version, place) for place in chain]
            if not silently:
                self._notes.extend(notes)
        return self._found[membership.hierarchy_id]

    def _best_chain(self, membership: Membership, notes: list[Note]) -> tuple[Place, ...]:
        chains, gaps = self._chains_of(membership, self._view.mounts, "")
        if chains:
            return max(chains, key=len)
        if found := self._across(gaps):
            return found
        theirs, their_gaps = self._chains_of(membership, self.their_mounts(), f"/proc/{self._pid}/root")
        if theirs:
            chain = max(theirs, key=len)
            return self._in_our_view(gaps, chain) or chain
        if found := self._across(their_gaps):
            return found
        why = "its cgroup is not below any cgroup mount that can be seen from here"
        if gaps or their_gaps:
            why = "the names of its parents are hidden from this cgroup namespace, and its directory could not be found by inode either"
        elif not self.their_mounts():
            why += ", and its own mounts cannot be read"
        notes.append(Note(path=f"/proc/{self._pid}/cgroup", why=f"{membership.path}: {why}", privilege=self._privilege))
        return ()

    def _across(self, gaps: list[Gap]) -> tuple[Place, ...]:
        for gap in gaps:
            namespace_root = self._view.locate_namespace_root(gap)
            if namespace_root is not None:
                return locate_in_gap(gap, namespace_root)
        return ()

    def _chains_of(self, membership: Membership, mounts: tuple[Mount, ...], below: str) -> tuple[list[tuple[Place, ...]], list[Gap]]:
        chains, gaps = [], []
        for mount in locate_hierarchy(membership, mounts)[:_MOST_MOUNTS]:
            place = locate_chain(membership, mount)
            mount_point = below + mount.mount_point
            if place is None or not self._trusted(mount_point, mount, mounts):
                continue
            if isinstance(place, Gap):
                gaps.append(place.replace(mount=mount.replace(mount_point=mount_point)))
            else:
                chains.append(tuple(step.replace(directory=below + step.directory) for step in place))
        return chains, gaps

    def _trusted(self, mount_point: str, mount: Mount, mounts: tuple[Mount, ...]) -> bool:
        # A FUSE filesystem above the mount could hold a walk up for ever; the root itself (fuse-overlayfs) is common and is let pass.
        if mount_point != mount.mount_point and any(
            other.filesystem.startswith("fuse") and other.mount_point != "/" and mount.mount_point.startswith(other.mount_point + "/")
            for other in mounts
        ):
            return False
        try:
            self._view.host.require_device(mount_point, mount.device)
        except CgtuneError as error:
            self._privilege = getattr(error, "privilege", None) or self._privilege
            return False
        return True

    def _in_our_view(self, gaps: list[Gap], chain: tuple[Place, ...]) -> tuple[Place, ...]:
        """The same cgroup below our own mount, found by the inode of its directory: that view shows its ancestors as well."""
        for gap in gaps:
            try:
                identity = self._view.host.read_identity(chain[0].directory)
                depth = gap.kept + len(gap.rest)
                found = self._view.host.locate_directory(gap.mount.mount_point, depth, identity)
            except CgtuneError:
                continue
            if found is not None:
                return locate_in_gap(gap.replace(kept=depth, rest=()), found)
        return ()

    def _existing(self, chain: tuple[Place, ...], notes: list[Note]) -> tuple[Place, ...]:
        """The chain without the cgroups that are gone: a membership that ends in " (deleted)" names a removed one (cgroups(7))."""
        for index, place in enumerate(chain):
            try:
                self._view.host.read_identity(place.directory)
            except Absent:
                notes.append(
                    Note(path=place.directory, why="this cgroup does not exist here (removed, or its files are mounted elsewhere)")
                )
                continue
            except CgtuneError as error:
                notes.append(_note(place.directory, error))
                continue
            return chain[index:]
        return ()

    def _note_hidden_ancestors(self, version: int, top: Place, notes: list[Note]) -> None:
        if top.path not in self._hidden_above and not _is_hierarchy_root(self._view.host, version, top):
            self._hidden_above.add(top.path)
            notes.append(
                Note(path=top.directory, why=f"cgroups above {top.path} cannot be seen from here; their limits apply all the same")
            )


def _is_hierarchy_root(host: Host, version: int, place: Place) -> bool:
    """Only a hierarchy's true root has release_agent (v1); every cgroup but the true root has cgroup.events (v2)."""
    if version == 2:
        return not _exists(host, f"{place.directory}/cgroup.events")
    return _exists(host, f"{place.directory}/release_agent")


def _read_cpu_level(host: Host, place: Place, version: int, notes: list[Note]) -> CpuLevel:
    directory = place.directory
    if version == 2:
        bandwidth = _read_optional(host, f"{directory}/cpu.max", kernel.parse_cpu_max, notes)
    else:
        quota = _read_optional(host, f"{directory}/cpu.cfs_quota_us", str, notes)
        bandwidth = None
        if quota is not None:
            bandwidth = _read_optional(host, f"{directory}/cpu.cfs_period_us", lambda period: kernel.parse_cfs_quota(quota, period), notes)
    return CpuLevel(
        path=place.path,
        directory=directory,
        version=version,
        bandwidth=bandwidth,
        weight=_read_optional(host, f"{directory}/cpu.weight", kernel.parse_count, notes) if version == 2 else None,
        shares=_read_optional(host, f"{directory}/cpu.shares", kernel.parse_count, notes) if version == 1 else None,
        throttling=_read_optional(host, f"{directory}/cpu.stat", kernel.parse_cpu_stat, notes) if bandwidth is not None else None,
    )


def _read_cpuset_level(host: Host, place: Place, version: int, notes: list[Note]) -> CpusetLevel | None:
    """None where the cpuset controller is not enabled, and for v1's empty sets, which are groups not set up yet."""
    for name in ("cpuset.cpus.effective",) if version == 2 else ("cpuset.effective_cpus", "cpuset.cpus"):
        file = f"{place.directory}/{name}"
        cpus = _read_optional(host, file, kernel.parse_cpu_list, notes)
        if cpus:
            return CpusetLevel(path=place.path, directory=place.directory, version=version, file=file, cpus=cpus)
    return None


def _read_memory_level(host: Host, place: Place, version: int, notes: list[Note]) -> MemoryLevel:
    directory = place.directory
    names = (
        {"limit": "memory.max", "high": "memory.high", "swap": "memory.swap.max"}
        if version == 2
        else {"limit": "memory.limit_in_bytes", "memsw": "memory.memsw.limit_in_bytes"}
    )
    limits = {key: _read_optional(host, f"{directory}/{name}", kernel.parse_byte_limit, notes) for key, name in names.items()}
    current, swap_current = "memory.current" if version == 2 else "memory.usage_in_bytes", "memory.swap.current"
    hierarchical, reclaimable = None, None
    if limits["limit"] is not None:
        stat = _read_optional(host, f"{directory}/memory.stat", kernel.parse_flat_keyed, notes) or {}
        reclaimable = kernel.count_reclaimable(stat)
        if version == 1 and "hierarchical_memory_limit" in stat:
            hierarchical = kernel.parse_byte_limit(str(stat["hierarchical_memory_limit"]))
    use_hierarchy = _read_optional(host, f"{directory}/memory.use_hierarchy", kernel.parse_count, notes) if version == 1 else None
    return MemoryLevel(
        path=place.path,
        directory=directory,
        version=version,
        limit=limits["limit"],
        high=limits.get("high"),
        swap=limits.get("swap"),
        memsw=limits.get("memsw"),
        hierarchical=hierarchical,
        current_bytes=_read_optional(host, f"{directory}/{current}", kernel.parse_count, notes),
        swap_current_bytes=_read_optional(host, f"{directory}/{swap_current}", kernel.parse_count, notes) if version == 2 else None,
        use_hierarchy=use_hierarchy != 0,
        reclaimable_bytes=reclaimable,
    )


def _read_oom_kills(host: Host, chain: list[tuple[int, Place]], notes: list[Note]) -> int | None:
    """Processes of the leaf's subtree that the OOM killer ended: memory.events on v2, memory.oom_control on v1 (kernels from 4.13)."""
    for version, place in chain[:1]:
        name = "memory.events" if version == 2 else "memory.oom_control"
        return (_read_optional(host, f"{place.directory}/{name}", kernel.parse_flat_keyed, notes) or {}).get("oom_kill")
    return None


def _read_pressure(host: Host, chain: list[tuple[int, Place]], resource: str, notes: list[Note]) -> Pressure | None:
    candidates = [("machine", f"/proc/pressure/{resource}")]
    for version, place in chain[:1]:
        scope = "machine" if _is_hierarchy_root(host, version, place) else "cgroup"
        candidates.insert(0, (scope, f"{place.directory}/{resource}.pressure"))
    for scope, file in candidates:
        stalls = _read_optional(host, file, kernel.parse_pressure, notes)
        if stalls is not None:
            return Pressure(scope=scope, file=file, some=stalls[0], full=stalls[1])
    return None


def _read_self_pid(host: Host) -> int | None:
    try:
        return kernel.parse_count(host.read_link("/proc/self"))
    except CgtuneError:
        return None


def _read_essential(host: Host, path: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(host.read_text(path))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


def _read_process_file(host: Host, path: str, parse: Callable[[str], T]) -> T:
    try:
        return _read_essential(host, path, parse)
    except Absent as error:
        raise NoSuchProcess(f"{path}: the process ended while it was read") from error


def _read_optional(host: Host, path: str, parse: Callable[[str], T], notes: list[Note]) -> T | None:
    """The parsed file, or None: silently where it does not exist, with a note where it was denied or malformed."""
    try:
        return parse(host.read_text(path))
    except (Absent, NoSuchProcess):
        return None
    except CgtuneError as error:
        notes.append(_note(path, error))
        return None


def _exists(host: Host, path: str) -> bool:
    try:
        host.read_text(path)
    except Absent:
        return False
    except CgtuneError:
        return True
    return True


def _note(path: str, error: CgtuneError) -> Note:
    return Note(path=path, why=str(error).removeprefix(f"{path}: "), privilege=getattr(error, "privilege", None))
