"""Gathers one process's facts, in order; what could not be seen becomes a Note."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.chains import ChainReader, Ours
from cgtune.cgroups.containers import locate_container, locate_node_level
from cgtune.cgroups.levels import Shared, read_cpu_level, read_cpuset_level, read_memory_level, read_pressure
from cgtune.cgroups.locate import Place, locate_membership, locate_mode, locate_mounts
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess
from cgtune.machinery import is_machinery
from cgtune.model import REAL_TIME, GoFacts, Machine, Membership, Note, Process, Snapshot, Threads, locate_charged
from cgtune.records import Record
from cgtune.system.host import Host, timestamp
from cgtune.system.reading import exists, note_on, read_essential, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cgtune.model import Container, CpuLevel, Level, MemoryLevel, Mount
    from cgtune.runtimes.go.programs import Known

    T = TypeVar("T")

#: How often a process is read again that is moved between cgroups under our eyes, or starts another program.
_ATTEMPTS = 2
_MOST_THREADS = 64
_CAP_SYS_PTRACE = 19  # include/uapi/linux/capability.h

_HOSTNAME = "/etc/hostname"
_FIRST_UTS = "uts:[4026531838]"  # the first UTS namespace, of the node: include/linux/proc_ns.h, PROC_UTS_INIT_INO
_ACCOUNT = "/secrets/kubernetes.io/serviceaccount"
_MOST_NAME = 253
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_MOST_AHEAD_SECONDS = 60
_MOST_PIDS = 10  # of a recording, named where another one was asked for


class MachineView:
    """What is read once for all processes: the machine, the reader's own pid and view, what is known of executables."""

    def __init__(self, host: Host, before: MachineView | None = None) -> None:
        """Read the machine; raises Unreadable or Malformed if /sys or /proc below the root hold none.

        ``before`` is an earlier view of this machine: what cannot have changed since is taken from it.
        """
        self.host = host
        self.notes: list[Note] = []
        self.self_pid = _read_self_pid(host, self.notes)
        reader = self.self_pid if self.self_pid is not None else 1
        mounts = read_optional(host, f"/proc/{reader}/mountinfo", kernel.parse_mountinfo, self.notes) or ()
        self.ours: Ours = Ours(host, self.self_pid, locate_mounts(mounts, host.mount_prefix), None if before is None else before.ours)
        if not any(mount.filesystem in ("cgroup", "cgroup2") for mount in self.ours.mounts) and exists(host, f"/proc/{reader}/cgroup"):
            why = "no cgroup filesystem is mounted where cgtune can reach it"
            self.notes.append(Note(path=f"/proc/{reader}/mountinfo", why=why, kind="hidden"))
        meminfo = self._read("/proc/meminfo", kernel.parse_meminfo, "how much memory the machine has") or {}
        lxcfs = {mount.mount_point for mount in mounts if mount.filesystem == "fuse.lxcfs"}
        self.machine = Machine(
            online=_read_online(host, lxcfs, self.self_pid, self.notes),
            memory_bytes=meminfo.get("MemTotal"),
            swap_bytes=meminfo.get("SwapTotal"),
            page_bytes=host.page_bytes,
            kernel=self._read("/proc/sys/kernel/osrelease", str.strip, "the release of the kernel"),
            cgroup_mode=locate_mode(self.ours.mounts),
            sched_ext=_read_sched_ext(host, self.notes),
            memory_is_limit=_is_below(f"{host.mount_prefix}/proc/meminfo", lxcfs),
        )
        self.boot_seconds = self._read("/proc/stat", kernel.parse_boot_time, "when a process started")
        #: What hides processes of other users, if anything does.
        self.hidden = _read_hidden(host, mounts, self.self_pid)
        self.cgroups = Shared()
        self.is_again = before is not None
        self._known: Known | None = None if before is None else before.known

    def _read(self, path: str, parse: Callable[[str], T], what: str) -> T | None:
        """A file that every machine has; one that is not there hides ``what``, and costs a note as well."""
        before = len(self.notes)
        found = read_optional(self.host, path, parse, self.notes)
        if found is None and len(self.notes) == before:
            self.notes.append(Note(path=path, why=f"it does not exist here: {what} is not known"))
        return found

    @property
    def known(self) -> Known:
        """What is known of executables: each distinct file is looked at once for all processes."""
        if self._known is None:
            from cgtune.runtimes.go.programs import Known

            self._known = Known()
        return self._known


class _Identified(Record):
    """The first half of a snapshot: who the process is, and its Go runtimes; each with the notes that it cost."""

    process: Process
    process_notes: tuple[Note, ...]
    go: tuple[GoFacts, ...]
    go_notes: tuple[Note, ...]


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


def _is_known_other(view: MachineView, pid: int) -> bool:
    """Most processes are not Go's, and what they map tells that they still are not: one file instead of four, each time somebody looks."""
    if not view.is_again or view.known.is_go(pid):
        return False
    view.host.forget(f"/proc/{pid}")
    try:
        return view.known.is_other(pid, view.host.read_text(f"/proc/{pid}/maps"))
    except CgtuneError:
        return False


def _read_settled(view: MachineView, program: _Identified) -> Snapshot:
    """The snapshot of a process that did not move meanwhile, if it ever stands still."""
    host, pid = view.host, program.process.pid
    snapshot, before = _read_rest(view, program)
    moved = False
    for _attempt in range(_ATTEMPTS):
        now = _read_stat(host, pid)
        if now.start_ticks != snapshot.process.start_ticks:
            raise NoSuchProcess(f"process {pid} ended while it was read, and another one has its pid")
        moved = _read_memberships(host, pid) != before
        # In the midst of an execve the environment reads as empty, and what was read before it is another program's
        if not moved and now.environ_start == snapshot.process.environ_start:
            return snapshot
        snapshot, before = _read_rest(view, _read_identified(view, pid))
    path, why = f"/proc/{pid}/stat", "the process started another program while it was read; what is said may mix the two"
    if moved:
        path, why = f"/proc/{pid}/cgroup", "the process was moved between cgroups while it was read; the chain may mix two places"
    return snapshot.replace(notes=(*snapshot.notes, Note(path=path, why=why)))


def _read_identified(view: MachineView, pid: int) -> _Identified:
    view.host.forget(f"/proc/{pid}")
    process_notes: list[Note] = []
    process = read_process(view, pid, process_notes)
    go_notes: list[Note] = []
    go = read_go(view, process, go_notes)
    return _Identified(process=process, process_notes=tuple(process_notes), go=go, go_notes=tuple(go_notes))


def _read_rest(view: MachineView, program: _Identified) -> tuple[Snapshot, tuple[Membership, ...]]:
    host, pid, notes = view.host, program.process.pid, [*view.notes, *program.process_notes]
    before = len(notes)
    memberships = _read_memberships(host, pid, notes)
    if not memberships and view.machine.cgroup_mode != "none" and len(notes) == before:
        notes.append(
            Note(path=f"/proc/{pid}/cgroup", why="it names no cgroup, though cgroups are mounted: the limits are not known", kind="failed")
        )
    chains = ChainReader(host, pid, memberships, view.ours, notes)
    cpu, memory, cpuset = chains.locate("cpu"), chains.locate("memory"), chains.locate("cpuset")
    memory_chain = view.cgroups.read_chain(host, memory, read_memory_level, notes)
    cpu_chain = view.cgroups.read_chain(host, cpu, read_cpu_level, notes)
    unified = chains.locate_unified()
    found = tuple(chain[0][1].path for chain in (cpu, memory, cpuset, unified) if chain)
    notes.extend(program.go_notes)
    mounts = chains.their_mounts() if memberships else ()
    container = _with_pod_names(host, pid, locate_container(memberships, mounts, found), mounts)
    if (node := locate_node_level(tuple(level.path for level in memory_chain), container)) is not None:
        memory_chain = (*memory_chain[:node], *(level.replace(of_node=True) for level in memory_chain[node:]))
    snapshot = Snapshot(
        machine=view.machine,
        process=program.process,
        container=container,
        cpu_chain=cpu_chain,
        cpuset_chain=tuple(level for level in view.cgroups.read_chain(host, cpuset, read_cpuset_level, notes) if level),
        memory_chain=memory_chain,
        cpu_pressure=read_pressure(host, unified, "cpu", notes),
        memory_pressure=read_pressure(host, unified, "memory", notes),
        go=program.go,
        kind=view.known.kinds.get(program.process.pid) if program.process.executable is not None else None,
        notes=(),
        cpu_hidden_above=chains.hidden_above("cpu"),
        memory_hidden_above=chains.hidden_above("memory"),
        unsupported=_read_unsupported(view, memberships, cpu_chain, memory_chain),
        threads=_read_threads(host, program.process, memberships, cpu, notes) if any(map(_is_limited, cpu_chain)) else None,
    )
    return snapshot.replace(notes=tuple(dict.fromkeys(notes))), memberships


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
        if there and controller not in there:
            lacking.add(controller)
    return frozenset(lacking)


def _is_limited(level: CpuLevel) -> bool:
    return level.bandwidth is not None and level.bandwidth.limit_cores is not None


def _read_threads(
    host: Host, process: Process, memberships: tuple[Membership, ...], chain: list[tuple[int, Place]], notes: list[Note]
) -> Threads | None:
    """What sets single threads apart from their process, as to CPU quotas; None if they cannot be seen.

    sched_setscheduler(2) is for one thread. On v1 each thread may be moved by itself; on v2 within a threaded subtree (cgroup-v2.rst).
    """
    folder = f"/proc/{process.pid}/task"
    try:
        names = sorted((name for name in host.list_directory(folder) if name.isdecimal()), key=int)
    except (Absent, NoSuchProcess):
        return None  # a recording from elsewhere
    except CgtuneError as error:
        notes.append(note_on(folder, error))
        return None
    version, place = chain[0]
    kind = read_optional(host, f"{place.directory}/cgroup.type", str.strip, []) if version == 2 else "threaded"
    real_time, elsewhere, looked_at = int(process.scheduling in REAL_TIME), list[str](), 1
    own = locate_membership(memberships, "cpu")
    for name in [name for name in names if name != str(process.pid)][: _MOST_THREADS - 1]:  # the first one is the process's own
        try:
            real_time += kernel.parse_stat(host.read_text(f"{folder}/{name}/stat")).scheduling in REAL_TIME
            if kind in ("threaded", "domain threaded"):
                at = locate_membership(kernel.parse_cgroup(host.read_text(f"{folder}/{name}/cgroup")), "cpu")
                elsewhere += [at.path] if at is not None and at != own else []
        except CgtuneError:
            continue  # it has ended
        looked_at += 1
    return Threads(
        count=max(len(names), looked_at),
        looked_at=looked_at,
        real_time=real_time,
        elsewhere=len(elsewhere),
        elsewhere_path=elsewhere[0] if elsewhere else None,
    )


def _with_pod_names(host: Host, pid: int, container: Container, mounts: tuple[Mount, ...]) -> Container:
    """The container with what the kubelet's files tell the process of its pod: /etc/hostname is its name, cut to 63 letters, and the
    service account's folder has its namespace. What cannot be read is left open: it is a name, and no limit.
    """
    points = {mount.mount_point for mount in mounts} if container.pod_uid else frozenset()
    name = namespace = None
    try:
        # In the node's own UTS namespace (hostNetwork) the file has the node's name
        if _HOSTNAME in points and host.read_link(f"/proc/{pid}/ns/uts") != _FIRST_UTS:
            name = _parse_name(host.read_text(f"/proc/{pid}/root{_HOSTNAME}"))
    except CgtuneError:
        pass
    account = next((point for point in sorted(points) if point.endswith(_ACCOUNT)), None)
    try:
        if account is not None:  # the file is a link to ..data/namespace, and ..data one to a folder beside it
            folder = f"/proc/{pid}/root{account}"
            data = host.read_link(f"{folder}/..data")
            namespace = None if "/" in data else _parse_name(host.read_text(f"{folder}/{data}/namespace"))
    except CgtuneError:
        pass
    return container.replace(pod_name=name, pod_namespace=namespace)


def _parse_name(text: str) -> str | None:
    """A name as Kubernetes allows it (RFC 1123), None for any other text."""
    name = text.strip()
    return name if name and len(name) <= _MOST_NAME and not set(name) - _NAME_LETTERS else None


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


def _say_other_group(view: MachineView, pid: int) -> str | None:
    """That a process of the reader's own user is closed for its group alone: ptrace_may_access (kernel/ptrace.c) asks for both."""
    try:
        texts = [view.host.read_text(f"/proc/{one}/status") for one in (pid, view.self_pid) if one is not None]
    except CgtuneError:
        return None
    users, groups = ([(kernel.locate_status_value(text, key) or "").split() for text in texts] for key in ("Uid", "Gid"))
    if len(texts) < 2 or not all(users) or not all(groups) or {*users[0], *users[1]} != {users[0][0]} or groups[0] == groups[1]:
        return None
    return (
        f"it has cgtune's user {users[0][0]}, but group {groups[0][0]} where cgtune has {groups[1][0]}: run both with the same runAsGroup"
    )


def _say_who_is_there(view: MachineView) -> str:
    host = view.host
    if view.hidden is not None:
        return f"{view.hidden.path} {view.hidden.why}"
    pids = host.recorded_pids
    if pids is not None:
        if not pids:
            return "leave out --pid to see what was recorded"
        return f"the recording is of {', '.join(map(str, pids[:_MOST_PIDS]))}{' and others' * (len(pids) > _MOST_PIDS)}"
    if host.root != "/":
        return f"`ls {host.root}/proc` lists those below this root"
    return "`ps -e` lists those that this pid namespace can see"


def read_process(view: MachineView, pid: int, notes: list[Note]) -> Process:
    """Who process ``pid`` is. Raises as read_snapshot does."""
    host = view.host
    try:
        status_file = read_essential(host, f"/proc/{pid}/stat", kernel.parse_stat)
    except Absent as error:
        raise NoSuchProcess(f"no process {pid}; {_say_who_is_there(view)}") from error
    try:
        executable = host.read_link(f"/proc/{pid}/exe")
    except Absent:
        executable = None  # a kernel thread or a zombie
    except NoSuchProcess:
        raise
    except CgtuneError as error:
        executable = None
        if not status_file.is_kernel_thread:
            note = note_on(f"/proc/{pid}/exe", error)
            if note.privilege and (groups := _say_other_group(view, pid)) is not None:
                note = note.replace(why=f"{note.why}: {groups}", privilege=None)
            notes.append(note.replace(why=f"{note.why}; whether it is a Go program is not known"))
    if status_file.state == "Z":
        why = "the process is a zombie: it has ended, its parent has not yet taken note"
        if (others := status_file.threads - 1) > 0:
            why = f"its first thread has ended, and {others} more run{'s' * (others == 1)} on: the program cannot be seen, its limits hold"
        notes.append(Note(path=f"/proc/{pid}/stat", why=why))
    elapsed = None if view.boot_seconds is None else view.boot_seconds + status_file.start_ticks / host.ticks_per_second
    return Process(
        pid=pid,
        is_self=pid == view.self_pid,
        start_ticks=status_file.start_ticks,
        start_time=None if elapsed is None else timestamp(elapsed),
        age_seconds=None if elapsed is None or not host.is_dated else _age(host.time_seconds() - elapsed),
        command=status_file.command,
        executable=executable,
        state=status_file.state,
        scheduling=status_file.scheduling,
        environ_start=status_file.environ_start,
        affinity=_read_affinity(view, pid, notes),
    )


def _age(seconds: float) -> int | None:
    """Whole seconds since the start; None if the clocks contradict each other. btime is cut to a second, and a recording's time is when
    it began.
    """
    return int(max(0.0, seconds)) if seconds > -_MOST_AHEAD_SECONDS else None


def _read_affinity(view: MachineView, pid: int, notes: list[Note]) -> frozenset[int]:
    """Where the process may run. sched_setaffinity(2) binds one thread: if the first one is bound, the others count as well.

    gVisor's status does not tell (pkg/sentry/fsimpl/proc/task_files.go); for one's own process the system call does.
    """
    host, online, path = view.host, view.machine.online, f"/proc/{pid}/status"
    try:
        affinity = read_essential(host, path, kernel.parse_status_affinity)
    except NoSuchProcess:
        raise
    except CgtuneError as error:
        if isinstance(error, Absent) and not exists(host, f"/proc/{pid}/stat"):
            raise NoSuchProcess(f"{path}: the process ended while it was read") from error
        if host.is_live and host.root == "/" and pid == view.self_pid:
            from cgtune.system.processes import own_affinity

            return own_affinity()
        note = note_on(path, error).replace(kind="fact" if isinstance(error, Malformed) else "failed")
        notes.append(note.replace(why=f"{note.why}; its affinity is taken to be all CPUs that are online"))
        return online
    if affinity >= online:
        return affinity
    try:
        threads = sorted((name for name in host.list_directory(f"/proc/{pid}/task") if name.isdecimal()), key=int)[:_MOST_THREADS]
    except CgtuneError:
        return affinity  # a recording from elsewhere
    for thread in threads:
        try:
            affinity |= kernel.parse_status_affinity(host.read_text(f"/proc/{pid}/task/{thread}/status"))
        except CgtuneError:
            continue  # it has ended
        if affinity >= online:
            break
    return affinity


def _read_stat(host: Host, pid: int) -> kernel.ProcessStat:
    host.forget(f"/proc/{pid}")
    try:
        return kernel.parse_stat(host.read_text(f"/proc/{pid}/stat"))
    except Absent as error:
        raise NoSuchProcess(f"process {pid} ended while it was read") from error


def _read_memberships(host: Host, pid: int, notes: list[Note] | None = None) -> tuple[Membership, ...]:
    """The cgroups of a process; none if it has none, or if they cannot be read, which goes to ``notes``."""
    path = f"/proc/{pid}/cgroup"
    try:
        return read_essential(host, path, kernel.parse_cgroup)
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


def _read_online(host: Host, lxcfs: set[str], self_pid: int | None, notes: list[Note]) -> frozenset[int]:
    folder = "/sys/devices/system"
    path = f"{folder}/cpu/online"
    # lxcfs shows a container as many CPUs here as its limits are worth; sched_getaffinity(2), and so Go, knows nothing of that
    if _is_below(f"{host.mount_prefix}{path}", lxcfs):
        try:
            nodes = [name for name in host.list_directory(f"{folder}/node") if name.startswith("node")]
            if online := frozenset().union(*(kernel.parse_cpu_list(host.read_text(f"{folder}/node/{name}/cpulist")) for name in nodes)):
                return online
        except CgtuneError:
            pass  # a kernel without NUMA
        path = f"{folder}/cpu/possible"
    try:
        return read_essential(host, path, kernel.parse_cpu_list)
    except CgtuneError as error:
        # Without /sys, as in many sandboxes
        for file, parse in (("/proc/stat", kernel.parse_online_cpus), (f"/proc/{self_pid}/status", kernel.parse_status_affinity)):
            if found := read_optional(host, file, parse, []):
                note = note_on(path, error)
                notes.append(note.replace(why=f"{note.why}; the CPUs that are online are taken from {file}", kind="fact"))
                return found
        if not isinstance(error, Absent):
            raise
        if host.root == "/":
            raise Absent(f"{error}, nor do /proc/stat or /proc/self/status; mount /proc, and /sys if it can be") from error
        raise Absent(f"{error}; below the root must lie the proc/ and sys/ of a machine, or a recording of them") from error


def _is_below(path: str, mount_points: set[str]) -> bool:
    """Whether a path lies below one of these mounts, or is one."""
    return any(f"{path}/".startswith(f"{point}/") for point in mount_points)


def _read_sched_ext(host: Host, notes: list[Note]) -> str | None:
    """The name of the BPF scheduler at work (Linux 6.12 and later: Documentation/scheduler/sched-ext.rst); None: there is none."""
    folder = "/sys/kernel/sched_ext"
    if read_optional(host, f"{folder}/state", str.strip, notes) not in ("enabled", "enabling"):
        return None
    return read_optional(host, f"{folder}/root/ops", str.strip, notes) or ""


def _read_hidden(host: Host, mounts: tuple[Mount, ...], self_pid: int | None) -> Note | None:
    """What keeps processes of other users out of the reader's sight: hidepid= of the mount of /proc (proc(5)); None: nothing does.

    From Linux 5.8 on the kernel prints a word instead of the number. Exempt are CAP_SYS_PTRACE and, but for "ptraceable", the group gid=.
    """
    point = f"{host.mount_prefix}/proc"
    mount = next((mount for mount in reversed(mounts) if mount.filesystem == "proc" and mount.mount_point == point), None)
    options = dict(option.partition("=")[::2] for option in mount.super_options) if mount is not None else {}
    hide = options.get("hidepid", "0")
    if hide not in ("2", "4", "invisible", "ptraceable"):
        return None  # with 1 they can be seen, and are refused
    status = read_optional(host, f"/proc/{self_pid}/status", str, []) or ""
    capabilities = kernel.locate_status_value(status, "CapEff") or "0"
    groups = f"{kernel.locate_status_value(status, 'Groups')} {kernel.locate_status_value(status, 'Gid')}".split()
    try:
        if int(capabilities, 16) >> _CAP_SYS_PTRACE & 1:
            return None
    except ValueError:
        pass  # a damaged recording
    by_group = hide in ("2", "invisible")
    if by_group and options.get("gid", "0") in groups:  # root's, if the mount names none
        return None
    more = f", or in the group {options.get('gid', '0')}" if by_group else ""
    why = f"is mounted with hidepid={hide}: processes of other users cannot be seen; run as their user or as root{more}"
    return Note(path="/proc", why=why, privilege="CAP_SYS_PTRACE")


def _read_self_pid(host: Host, notes: list[Note]) -> int | None:
    """The reader's own pid; None below a root that does not show it, as a recording's."""
    try:
        return kernel.parse_count(host.read_link("/proc/self"))
    except CgtuneError as error:
        if host.is_live and not isinstance(error, Absent):
            notes.append(note_on("/proc/self", error))
        return None
