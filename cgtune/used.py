"""The fourth witness: what a process and its machine have really used, in totals since their start.

Not covered: what threads that have ended had waited, and the use of disks and networks. What cgroups have used is in their levels.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.levels import read_pressure
from cgtune.errors import Absent, CgtuneError, NoSuchProcess
from cgtune.model import Used
from cgtune.records import Record
from cgtune.system.reading import note_on, parse_optional, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.model import Machine, Note
    from cgtune.system.host import Host

#: The threads of a process that are asked: a second of a node agent's time must do for all of its processes.
_MOST_THREADS = 64

#: A CPU without a timer tick (nohz_full) counts once a second for how long somebody has been running there (kernel/sched/core.c,
#: sched_tick_remote): whoever has neither got a turn nor a nanosecond for longer has not run.
_LEAST_REST_SECONDS = 1.0


class Turns(Record):
    """What the threads of a process have run and waited by one moment.

    ``stat`` is the hash of its stat line; ``counts`` has each thread's id and the hash of its schedstat, and is empty if not all are known.
    ``waits`` and ``ran`` are as of Used. ``since_seconds``: when all that was first seen so, by the host's clock.
    """

    stat: int
    counts: tuple[tuple[str, int], ...]
    waits: tuple[tuple[int, float], ...]
    ran: tuple[float, ...]
    since_seconds: float | None


def has_rested(host: Host, pid: int, turns: Turns) -> bool:
    """Whether no thread of a process has run since that was read, and none began or ended; the first that has run ends the question.

    Each turn on a CPU is counted, however short it is (kernel/sched/stats.h, sched_info_arrive); the time beside it may miss one
    (CONFIG_IRQ_TIME_ACCOUNTING). Not covered: what others write into its memory: a debugger, a process that shares it (CLONE_VM).
    """
    now_seconds, folder = host.clock_seconds(), f"/proc/{pid}/task"
    if not turns.counts or now_seconds is None or turns.since_seconds is None or now_seconds < turns.since_seconds + _LEAST_REST_SECONDS:
        return False
    texts = (f"{folder}/{name}/schedstat" for name, _ in turns.counts)
    try:
        return (
            hash(host.read_kept(f"/proc/{pid}/stat")) == turns.stat  # so there are as many threads as then
            and all(hash(now) == then for (_, then), now in zip(turns.counts, host.read_each(texts), strict=True))
        )
    except CgtuneError:
        return False


def read_turns(host: Host, pid: int, text: str, notes: list[Note], before: Turns | None = None) -> Turns:
    """Those of process ``pid``, of whose threads 64 are asked, by the time of its stat line ``text``, which was read right now.

    ``before`` are those of an earlier look. Nothing is known of a kernel without CONFIG_SCHED_INFO, and of gVisor; what cannot be read for
    another reason goes to ``notes``.
    """
    folder = f"/proc/{pid}/task"
    path, names, texts, found = folder, list[str](), list[tuple[str, int]](), list[tuple[int, float, float]]()
    try:
        names = [name for name in host.list_directory(folder) if name.isdecimal()]
        # The first thread is there as long as the process is
        asked = sorted(names, key=lambda name: (name != str(pid), int(name)))[:_MOST_THREADS]
        for name, answer in zip(asked, host.read_each(f"{folder}/{name}/schedstat" for name in asked), strict=True):
            path = f"{folder}/{name}/schedstat"
            try:
                told = host.read_bytes(path) if answer is None else answer  # once more: why
                seconds = kernel.parse_schedstat(told.decode("utf-8", "surrogateescape"))
            except (Absent, NoSuchProcess):
                told, seconds = b"", None  # it has ended
            if seconds is not None:
                texts.append((name, hash(told)))
                found.append((int(name), *seconds))
            elif not found:
                break  # it is not counted here
    except (Absent, NoSuchProcess):
        pass  # a recording from elsewhere
    except CgtuneError as error:
        if all(note.path != path for note in notes):
            notes.append(note_on(path, error).replace(kind="fact"))  # no judgement hangs on it
    counts = tuple(texts) if len(texts) == len(names) == kernel.parse_stat(text).threads else ()
    is_same = before is not None and before.counts == counts and before.stat == hash(text)
    return Turns(
        stat=hash(text),
        counts=counts,
        waits=tuple((thread, waited) for thread, _, waited in found),
        ran=tuple(ran for _, ran, _ in found),
        since_seconds=before.since_seconds if before is not None and is_same else host.clock_seconds(),
    )


def read_used(host: Host, stat: kernel.ProcessStat, turns: Turns) -> Used:
    """What a process has used by the time of its ``stat``, which was read right now, and of the turns of its threads."""
    return Used(
        read_seconds=host.clock_seconds(),
        cpu_seconds=stat.cpu_ticks / host.ticks_per_second,
        major_faults=stat.major_faults,
        threads=stat.threads,
        waits=turns.waits,
        ran=turns.ran,
    )


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
