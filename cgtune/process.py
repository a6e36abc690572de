"""Who one process is: its names, its state, where its threads may run and which cgroups they are in, and the pod's name that it sees."""

from __future__ import annotations

from sys import intern

from cgtune.cgroups import kernel
from cgtune.cgroups.locate import Place, locate_membership
from cgtune.errors import Absent, CgtuneError, Malformed, NoSuchProcess
from cgtune.model import REAL_TIME, Membership, Note, Process, Threads
from cgtune.system.host import Host, timestamp
from cgtune.system.reading import exists, note_on, read_essential, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.machineview import MachineView
    from cgtune.model import Container, Mount

_MOST_THREADS = 64
_LONG_PATH = 512  # characters of a cgroup's path; twice that is four times the time
_MOST_PIDS = 10  # of a recording, named where another one was asked for

_HOSTNAME = "/etc/hostname"
_FIRST_UTS = "uts:[4026531838]"  # the first UTS namespace, of the node: include/linux/proc_ns.h, PROC_UTS_INIT_INO
_ACCOUNT = "/secrets/kubernetes.io/serviceaccount"
_MOST_AHEAD_SECONDS = 60
_MOST_NAME = 253
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def read_process(view: MachineView, pid: int, notes: list[Note]) -> Process:
    """Who process ``pid`` is. Raises as read_snapshot does."""
    host = view.host
    try:
        status_file = read_essential(host, f"/proc/{pid}/stat", kernel.parse_stat, kept=True)
    except Absent as error:
        raise NoSuchProcess(f"no process {pid}; {_say_who_is_there(view)}") from error
    try:
        executable = intern(host.read_link(f"/proc/{pid}/exe"))
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
    uptime = view.machine.uptime_seconds
    elapsed = None if view.boot_seconds is None else view.boot_seconds + status_file.start_ticks / host.ticks_per_second
    dated = host.time_seconds() - elapsed if elapsed is not None and host.is_dated else None
    return Process(
        pid=pid,
        is_self=pid == view.self_pid,
        start_ticks=status_file.start_ticks,
        start_time=None if elapsed is None else timestamp(elapsed),
        command=status_file.command,
        executable=executable,
        state=status_file.state,
        scheduling=status_file.scheduling,
        environ_start=status_file.environ_start,
        affinity=_read_affinity(view, pid, notes),
        age_seconds=_age(uptime - status_file.start_ticks / host.ticks_per_second if uptime is not None else dated),
    )


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


def _age(seconds: float | None) -> int | None:
    """Whole seconds since the start; None if the clocks contradict each other. btime is cut to a second, and a recording's time is when
    it began.
    """
    return int(max(0.0, seconds)) if seconds is not None and seconds > -_MOST_AHEAD_SECONDS else None


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
    except (Absent, NoSuchProcess):
        return affinity  # a recording from elsewhere
    except CgtuneError as error:
        notes.append(note_on(f"/proc/{pid}/task", error))
        return affinity
    for thread in threads:
        try:
            affinity |= kernel.parse_status_affinity(host.read_text(f"/proc/{pid}/task/{thread}/status"))
        except CgtuneError:
            continue  # it has ended
        if affinity >= online:
            break
    return affinity


def read_threads(
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
    # The kernel spells a path of cgroups in a time that grows with the square of its levels: 35 ms for 2,000 (Linux 6.18)
    most = _MOST_THREADS // max(1, max(len(line.path) for line in memberships) // _LONG_PATH) ** 2 if memberships else _MOST_THREADS
    others = [name for name in names if name != str(process.pid)]  # the first one is the process's own
    if most < _MOST_THREADS and len(others) >= most:
        why = f"{len(others) - max(most - 1, 0)} of its {len(names)} threads were not looked at, as its cgroup lies so deep"
        notes.append(Note(path=folder, why=why))
    for name in others[: max(most - 1, 0)]:
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


def with_pod_names(host: Host, pid: int, container: Container, mounts: tuple[Mount, ...]) -> Container:
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
