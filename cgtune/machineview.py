"""What is read once for all processes: the machine, the reader's own view of it, and what keeps processes out of sight."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.chains import Ours
from cgtune.cgroups.levels import Shared
from cgtune.cgroups.locate import locate_mode, locate_mounts
from cgtune.errors import Absent, CgtuneError, Unreadable
from cgtune.model import Machine, Note, Platform
from cgtune.system.reading import exists, note_on, parse_optional, read_essential, read_optional
from cgtune.used import read_machine_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Set as AbstractSet
    from typing import TypeVar

    from cgtune.model import Container, Membership, Mount
    from cgtune.platforms.ecs import Task
    from cgtune.runtimes.go.programs import Known
    from cgtune.system.host import Host
    from cgtune.used import Turns

    T = TypeVar("T")

_ACPI_TABLE = "/sys/firmware/acpi/tables/FACP"
_CAP_SYS_PTRACE = 19  # include/uapi/linux/capability.h


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
        machine = Machine(
            online=_read_online(host, lxcfs, self.self_pid, self.notes),
            memory_bytes=meminfo.get("MemTotal"),
            swap_bytes=meminfo.get("SwapTotal"),
            page_bytes=host.page_bytes,
            kernel=self._read("/proc/sys/kernel/osrelease", str.strip, "the release of the kernel"),
            cgroup_mode=locate_mode(self.ours.mounts),
            sched_ext=_read_sched_ext(host, self.notes),
            memory_is_limit=_is_below(f"{host.mount_prefix}/proc/meminfo", lxcfs),
        )
        # Once for all that it tells: a recording keeps the last answer, and the counters grow.
        stat = self._read("/proc/stat", str, "when a process started")
        self.machine = read_machine_used(host, machine, stat, lambda path: not _is_below(f"{host.mount_prefix}{path}", lxcfs), self.notes)
        self.boot_seconds = parse_optional("/proc/stat", stat, kernel.parse_boot_time, self.notes)
        #: What hides processes of other users, if anything does.
        self.hidden = _read_hidden(host, mounts, self.self_pid)
        self.cgroups = Shared()
        #: By the paths of its cgroups, the last process's memberships and mounts, and its container.
        self.containers: dict[tuple[str, ...], tuple[tuple[Membership, ...], tuple[Mount, ...], Container]] = {}
        #: By the paths of a process's cgroups, whether they tell of a platform.
        self.placed: dict[str, bool] = {}
        #: By pid, what the threads of Go processes had run when they were last looked at.
        self.turns: dict[int, Turns] = {} if before is None else before.turns
        #: What the machine itself is, if it is more than a machine.
        self.platforms: tuple[Platform, ...] = _read_platforms(host) if before is None else before.platforms
        #: By address what a platform says of a task, or why it does not. A task's limits never change; a failure is tried again.
        self.tasks: dict[str, Task | CgtuneError] = {}
        if before is not None:
            self.tasks = {url: task for url, task in before.tasks.items() if not isinstance(task, CgtuneError)}
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

    def keep_processes(self, pids: AbstractSet[int]) -> None:
        """Forget what is known of all processes but these, and what was read of cgroups: another look reads it anew."""
        self.cgroups, self.containers = Shared(), {}
        self.ours.forget()
        for pid in self.turns.keys() - pids:
            del self.turns[pid]
        self.known.keep_processes(pids)


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


def _read_platforms(host: Host) -> tuple[Platform, ...]:
    """A sandbox or a small virtual machine, by the words on its kernel's command line (docs/platforms.md has the sources)."""
    words = read_optional(host, "/proc/cmdline", str.split, []) or []
    if any("gvisor" in word for word in words):
        return (_platform("gVisor", "/proc/cmdline: gvisor", hides="the host's cgroups: older ones show no limit at all"),)
    hides = "the host's cgroups: it is a virtual machine, whose CPUs may be throttled outside, unseen but for steal"
    if any("kata-containers" in word for word in words):
        return (_platform("Kata Containers", "/proc/cmdline: kata-containers", hides=hides),)
    if "reboot=k" not in words:
        return ()
    # Firecracker gives this to each kernel, and its machine has no DMI; to root the ACPI tables tell its name
    if (read_optional(host, _ACPI_TABLE, str, []) or "")[10:16] == "FIRECK":
        return (_platform("Firecracker", f"{_ACPI_TABLE}: FIRECK", hides=hides),)
    if "panic=1" in words and read_optional(host, "/sys/class/dmi/id/sys_vendor", str, []) is None:
        return (_platform("Firecracker", "/proc/cmdline: reboot=k panic=1", "/sys/class/dmi/id: there is none", hides=hides),)
    return ()


def _platform(name: str, *told_by: str, hides: str) -> Platform:
    return Platform(name=name, told_by=told_by, hides=hides, is_machine=True)


def _read_self_pid(host: Host, notes: list[Note]) -> int | None:
    """The reader's own pid; None below a root that does not show it, as a recording's."""
    try:
        return kernel.parse_count(host.read_link("/proc/self"))
    except CgtuneError as error:
        if not isinstance(error, Absent) and (host.is_live or isinstance(error, Unreadable)):
            notes.append(note_on("/proc/self", error))
        return None
