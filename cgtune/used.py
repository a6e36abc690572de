"""The fourth witness: what a process and its machine have really used, in totals since their start.

Not covered: what threads that have ended had waited, and the use of disks and networks. What cgroups have used is in their levels.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.levels import read_pressure
from cgtune.errors import Absent, CgtuneError, NoSuchProcess
from cgtune.model import Used
from cgtune.system.reading import note_on, parse_optional, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.model import Machine, Note
    from cgtune.system.host import Host

#: The threads of a process that are asked: a second of a node agent's time must do for all of its processes.
_MOST_THREADS = 64


def read_used(host: Host, pid: int, stat: kernel.ProcessStat, notes: list[Note]) -> Used:
    """What process ``pid`` has used by the time of its ``stat``, which was read right now. What cannot be read goes to ``notes``."""
    waits, ran = _read_waits(host, pid, notes)
    return Used(
        read_seconds=host.clock_seconds(),
        cpu_seconds=stat.cpu_ticks / host.ticks_per_second,
        major_faults=stat.major_faults,
        threads=stat.threads,
        waits=waits,
        ran=ran,
    )


def _read_waits(host: Host, pid: int, notes: list[Note]) -> tuple[tuple[tuple[int, float], ...], tuple[float, ...]]:
    """Id and seconds of waiting of each thread that was asked, and the seconds that each of them ran.

    Both are empty without CONFIG_SCHED_INFO, and in gVisor.
    """
    folder = f"/proc/{pid}/task"
    path, waits, ran = folder, list[tuple[int, float]](), list[float]()
    try:
        names = [name for name in host.list_directory(folder) if name.isdecimal()]
        # The first thread is there as long as the process is
        for name in sorted(names, key=lambda name: (name != str(pid), int(name)))[:_MOST_THREADS]:
            path = f"{folder}/{name}/schedstat"
            try:
                seconds = kernel.parse_schedstat(host.read_text(path))
            except (Absent, NoSuchProcess):
                seconds = None  # it has ended
            if seconds is not None:
                ran.append(seconds[0])
                waits.append((int(name), seconds[1]))
            elif not waits:
                break  # it is not counted here
    except (Absent, NoSuchProcess):
        pass  # a recording from elsewhere
    except CgtuneError as error:
        if all(note.path != path for note in notes):
            notes.append(note_on(path, error).replace(kind="fact"))  # no judgement hangs on it
    return tuple(waits), tuple(ran)


def read_machine_used(host: Host, machine: Machine, stat: str | None, is_own: Callable[[str], bool], notes: list[Note]) -> Machine:
    """``machine`` with what it has used. ``stat`` is the text of /proc/stat, read right now; None: there is none.

    ``is_own``: whether a file is the kernel's, and not one that shows a container itself (lxcfs).
    """
    uptime = read_optional(host, "/proc/uptime", kernel.parse_uptime, notes) if is_own("/proc/uptime") else None
    ticks = parse_optional("/proc/stat", stat, kernel.parse_machine_ticks, notes) if is_own("/proc/stat") else None
    files = {resource: f"/proc/pressure/{resource}" for resource in ("cpu", "memory")}
    pressure = {resource: read_pressure(host, "machine", file, notes) for resource, file in files.items() if is_own(file)}
    return machine.replace(
        uptime_seconds=uptime,
        read_seconds=host.clock_seconds(),
        busy_seconds=None if ticks is None else ticks.busy / host.ticks_per_second,
        idle_seconds=None if ticks is None else ticks.idle / host.ticks_per_second,
        steal_seconds=None if ticks is None else ticks.steal / host.ticks_per_second,
        cpu_pressure=pressure.get("cpu"),
        memory_pressure=pressure.get("memory"),
    )
