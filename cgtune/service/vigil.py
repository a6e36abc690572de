"""Between two scans: notices at once when a followed process ends, reads the counters of OOM kills while its cgroups are still there, and
says whether it was killed. It never claims a kill that it did not see: the certainty is a word in the log.
"""

from __future__ import annotations

import time

from cgtune.cgroups.kernel import parse_stat
from cgtune.cgroups.levels import read_memory_events
from cgtune.cgroups.oomlog import OomCause, OomKill, parse_oom_record
from cgtune.errors import Absent, CgtuneError, NoSuchProcess
from cgtune.service.ending import Ending, say_end, say_foreign_kill
from cgtune.service.ledger import MOST_OWNERS, Ended, Ledger
from cgtune.system.reading import read_optional
from cgtune.system.watched import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Collection
    from typing import TypeVar

    from cgtune.model import ProcessReport
    from cgtune.service.board import Board
    from cgtune.service.journal import Journal
    from cgtune.service.ledger import End, Read
    from cgtune.system.host import Host
    from cgtune.system.kernellog import KernelLog

    T = TypeVar("T")
    Identity = tuple[int, int]

#: After the first end: a whole cgroup is killed within it, and a parent takes note of how its child ended.
_SETTLE_SECONDS = 0.2
_SETTLE_STEP_SECONDS = 0.02

_WARNING = 30  # logging's own number: its import is dear
_MOST_NAMED = 1000  # by the kernel's log


class Vigil:
    """Watches the processes of the last report. One thread, the scanner's."""

    def __init__(self, host: Host, journal: Journal, board: Board, stop: threading.Event, kernel_log: KernelLog | None = None) -> None:
        self._host, self._journal, self._board, self._stop, self._kernel_log = host, journal, board, stop, kernel_log
        self._watched = Watched(host.root) if host.is_live else None
        self._ledger = Ledger()
        self._followed: dict[Identity, ProcessReport] = {}
        self._looked_seconds = 0.0
        self._told: frozenset[Identity] = frozenset()
        self._single: frozenset[str] = frozenset()
        self._named: dict[int, OomKill] = {}
        self._causes: dict[int, OomCause] = {}
        self._told_forgotten = self._told_lost = 0

    def follow(self, processes: Collection[ProcessReport], looked_seconds: float) -> frozenset[Identity]:
        """Follow these from now on, after a scan that began at ``looked_seconds``.

        Returned are those that ended since the last time: each has been told.
        """
        if self._watched is None:
            return frozenset()
        now = {_identity(process): process for process in processes}
        self._tell([process for identity, process in self._followed.items() if identity not in now and self._has_ended(process)])
        self._followed, self._looked_seconds = now, looked_seconds
        self._single = self._locate_single(now.values())
        self._ledger.follow(tuple(now.values()), time.monotonic(), time.time())
        self._watched.keep(frozenset(pid for pid, _ in now))
        for (pid, _), process in now.items():
            if pid not in self._watched:
                self._watched.add(pid)
                if self._has_ended(process):  # and the pid may be another's already
                    self._watched.drop(pid)
        self._publish()
        told, self._told = self._told, frozenset()
        return told

    def wait(self, seconds: float) -> None:
        """So long, or until it is time to stop; whoever ends meanwhile is told."""
        if self._watched is None:
            self._stop.wait(seconds)
            return
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._stop.is_set():
            ended = self._watched.wait(left, self._stop.is_set, self._stop.wait)
            if ended:
                self._tell(self._collect())
                self._publish()

    def _collect(self) -> list[ProcessReport]:
        """Those that have ended, and those that end within a moment.

        The counters are read at once: a cgroup goes soon after its last process.
        """
        assert self._watched is not None
        deadline = time.monotonic() + _SETTLE_SECONDS
        found: dict[Identity, ProcessReport] = {}
        while True:
            pids = self._watched.ended()
            fresh = {identity: process for identity, process in self._followed.items() if identity[0] in pids and identity not in found}
            self._count(list(fresh.values()))
            found |= fresh
            # The kernel's log names its victims a moment after it has sent the signal
            is_known = self._kernel_log is None and all(self._watched.status(pid) is not None for pid, _ in found)
            if is_known or time.monotonic() >= deadline or self._stop.is_set():
                break
            time.sleep(_SETTLE_STEP_SECONDS)
        for pid in pids - {pid for pid, _ in found}:
            self._watched.drop(pid)
        return list(found.values())

    def _count(self, processes: list[ProcessReport]) -> frozenset[str]:
        """Read the counters that tell how these ended; the keys of those that cannot be read."""
        keys: dict[str, tuple[str, int]] = {}
        for process in processes:
            keys |= self._ledger.levels_beside(process.snapshot)
        if not keys:
            return frozenset()
        self._host.forget()  # a cgroup that was made anew has the same path
        read: dict[str, Read] = {key: self._read(key, directory, version) for key, (directory, version) in keys.items()}
        self._host.forget()
        self._ledger.count(read, time.monotonic(), time.time())
        return frozenset(key for key, events in read.items() if events is None)

    def _read(self, key: str, directory: str, version: int) -> Read:
        events = read_memory_events(self._host, directory, version, [])
        identity = self._host.read_known_identity(directory)
        is_same = identity is not None and key == "{}:{}".format(*identity)
        return events if is_same and events[1] is not None else None

    def _tell(self, processes: list[ProcessReport]) -> None:
        """Judge these ends, remember and log them."""
        self._read_log()
        if not processes or self._watched is None:
            return
        gone = self._count(processes)
        ended = [self._ended_of(process) for process in processes]
        for one, end in zip(ended, self._ledger.explain(ended, gone, time.monotonic()), strict=True):
            pid, ticks = _identity(end.process)
            ending = self._ending(end, one.status, time.time())
            if end.certainty in ("certain", "likely"):
                self._ledger.remember(end.process, ending.kill)
            say_end(self._journal, ending)
            self._followed.pop((pid, ticks), None)
            self._watched.drop(pid)
            self._named.pop(pid, None)
            self._told |= {(pid, ticks)}

    def _ended_of(self, process: ProcessReport) -> Ended:
        pid, charged = process.snapshot.process.pid, process.snapshot.charged_level
        assert self._watched is not None
        return Ended(
            process=process,
            status=self._watched.status(pid),
            was_alone=charged is not None and charged.key in self._single,
            is_named=pid in self._named,
        )

    def _locate_single(self, processes: Collection[ProcessReport]) -> frozenset[str]:
        """The cgroups, by key, that hold one process and no more."""
        levels = {level.key: level for process in processes if (level := process.snapshot.charged_level) is not None}
        found = set()
        for key, level in levels.items():
            listed = read_optional(self._host, f"{level.directory}/cgroup.procs", str.split, [])
            if listed is not None and len(listed) == 1:
                found.add(key)
        self._host.forget()
        return frozenset(found)

    def _ending(self, end: End, status: int | None, now_seconds: float) -> Ending:
        process = end.process.snapshot.process
        started = process.start_ticks / self._host.ticks_per_second
        return Ending(
            end=end,
            time_seconds=now_seconds,
            status=status,
            seen_seconds=max(0.0, time.monotonic() - self._looked_seconds),
            uptime_seconds=max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started),
            cause=self._causes.get(process.pid),
        )

    def _has_ended(self, process: ProcessReport) -> bool:
        pid, ticks = _identity(process)
        self._host.forget(f"/proc/{pid}")
        try:
            now = parse_stat(self._host.read_text(f"/proc/{pid}/stat"))
        except (Absent, NoSuchProcess):
            return True
        except CgtuneError:
            return False
        finally:
            self._host.forget(f"/proc/{pid}")
        return now.start_ticks != ticks or (now.state in "ZX" and now.threads <= 1)

    def _read_log(self) -> None:
        """What the kernel's log has to say of kills since the last time. Of those whom nobody follows a line tells at once."""
        if self._kernel_log is None:
            return
        for record in self._kernel_log.read():
            said = parse_oom_record(record)
            if isinstance(said, OomCause):
                _put(self._causes, said.pid, said)
            elif isinstance(said, OomKill):
                if said.pid in {pid for pid, _ in self._followed}:
                    _put(self._named, said.pid, said)
                else:
                    say_foreign_kill(self._journal, said, self._causes.get(said.pid))
        if lost := self._kernel_log.lost - self._told_lost:
            self._told_lost += lost
            self._journal.say("kernel-log-lost", f"{lost} times the kernel's log was overwritten before it was read", level=_WARNING)

    def _publish(self) -> None:
        """To the board, for whoever asks; what was forgotten is said."""
        self._board.remember(self._ledger.kills, self._ledger.workloads, self._ledger.forgotten)
        if more := self._ledger.forgotten - self._told_forgotten:
            self._told_forgotten += more
            words = (
                f"the kills of {more} containers, pods or workloads are forgotten, the oldest: no more than {MOST_OWNERS} are remembered"
            )
            self._journal.say("forgotten", words, {"forgotten": self._ledger.forgotten}, level=_WARNING)


def has_machine_pids(host: Host) -> bool:
    """Whether the pids below the root are the machine's own, which its log names: its second process is a thread of the kernel."""
    try:
        return parse_stat(host.read_text("/proc/2/stat")).is_kernel_thread
    except CgtuneError:
        return False
    finally:
        host.forget("/proc/2")


def _identity(process: ProcessReport) -> Identity:
    return process.snapshot.process.pid, process.snapshot.process.start_ticks


def _put(kept: dict[int, T], pid: int, value: T) -> None:
    """The newest stands last; the oldest goes if there are too many."""
    kept.pop(pid, None)
    kept[pid] = value
    while len(kept) > _MOST_NAMED:
        del kept[next(iter(kept))]
