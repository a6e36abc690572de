"""Keeps looking at the Go processes below one root, for the service: what cannot change is kept, every other fact is read anew each time.

Kept from one look to the next: what is known of executables (by device, inode, size and times), and the counters of the last
minutes. A process is known again by pid and start time, and by its executable: a pid comes back, and exec(2) keeps both.
"""

from __future__ import annotations

import time

from cgtune import api
from cgtune.errors import CgtuneError, NoSuchProcess
from cgtune.gather import gather, list_pids_by_psutil
from cgtune.machineview import MachineView
from cgtune.model import LEAST_PERIODS
from cgtune.outputs.words import blind_words
from cgtune.records import Record
from cgtune.remembered import with_kills
from cgtune.service.neighbours import Neighbours
from cgtune.service.outside import Outside
from cgtune.service.stages import Stages
from cgtune.service.turns import Turns
from cgtune.service.windows import Windows
from cgtune.verdict import blind, blind_partly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cgtune.gather import Gathered
    from cgtune.model import Kills, Policy, ProcessReport, Report, Snapshot
    from cgtune.system.host import Host

#: Series of metrics are dear to whoever stores them, and a node has room for some hundred pods.
MOST_PROCESSES = 500


#: What may be read in one look of files that nobody has looked into yet: some 1.2 s, if all of it is to be searched.
MOST_LOOK_BYTES = 1 << 30


#: The CPU time that the processes of one look may take together; who comes too late for it is left for the next one.
MOST_LOOK_SECONDS = 2.0


class Look(Record):
    """What one look found: the report with its findings, and how much of the machine is not in it.

    ``unreadable`` processes could not be looked into, ``left_out`` ones are Go programs beyond the 500 that are reported, ``missing`` are
    the pids asked for that name no process, or a zombie. ``troubles`` say, by a key that stays the same, what is wrong with single
    processes, what was left for the next look ("look"), or why the report is no ground for a verdict ("sight"). ``left`` are the pids of
    those that were, and are among the unreadable ones.
    """

    report: Report
    unreadable: int
    left_out: int
    missing: tuple[int, ...]
    troubles: dict[str, str]
    left: frozenset[int] = frozenset()


class Stopped(Exception):
    """Whoever looks was asked to stop."""


class Follower:
    """Looks again and again. ``pids``: just these processes, Go or not; without any, every Go process that can be seen.

    ``stages`` tell how each part of a look went.
    """

    def __init__(
        self,
        host: Host,
        pids: tuple[int, ...],
        policy: Policy | None,
        *,
        ignored: frozenset[str] = frozenset(),
        machinery: bool = False,
        is_stopped: Callable[[], bool] = lambda: False,
        remembered: Callable[[], Iterable[Kills] | None] = lambda: None,
    ) -> None:
        """Look at the machine once; raises Unreadable or Malformed if /proc and /sys below the root hold none."""
        self._host, self._pids, self._policy, self._is_stopped = host, tuple(dict.fromkeys(pids)), policy, is_stopped
        self._ignored, self._machinery, self._remembered = ignored, machinery, remembered
        self.stages = Stages()
        self._view = MachineView(host)
        self._followed: frozenset[int] = frozenset()
        self._report: Report | None = None
        self._turns = Turns(MOST_LOOK_SECONDS)
        self._windows, self._outside, self._neighbours = Windows(), Outside(), Neighbours(host)

    def look(self, now_seconds: float) -> Look:
        """Everything once. ``now_seconds`` is any clock that only goes forward. Raises what MachineView raises, and Stopped."""
        self._host.forget()
        with self.stages.at("machine"):
            self._view = view = MachineView(self._host, before=self._view)
        missing: list[int] = []
        troubles: dict[str, str] = {}

        def on_trouble(pid: int, error: Exception) -> None:
            if isinstance(error, NoSuchProcess):
                missing.append(pid)
            else:
                troubles[f"process {pid}"] = str(error) if isinstance(error, CgtuneError) else fault_words(error)

        view.known.look_left_bytes, view.known.clock = MOST_LOOK_BYTES, time.thread_time
        with self.stages.at("processes"):
            pids = self._pids or self._search_order(view)
            found = gather(
                view,
                pids,
                on_trouble,
                go_only=not self._pids,
                most=None if self._pids else MOST_PROCESSES,
                with_machinery=self._machinery,
                deal=lambda pids: self._until_stopped(self._turns.deal(pids)),
            )
            found = _with_left(found, self._turns.left, troubles)
            self._host.forget()  # an idle service holds nothing open
        view.keep_processes(frozenset(pids))
        snapshots = sorted(found.snapshots, key=lambda snapshot: snapshot.process.pid)
        if self._pids:  # a zombie has ended, its parent has not yet taken note
            missing += [snapshot.process.pid for snapshot in snapshots if snapshot.process.state == "Z"]
            snapshots = [snapshot for snapshot in snapshots if snapshot.process.state != "Z"]
        self._followed = frozenset(snapshot.process.pid for snapshot in snapshots)
        with self.stages.at("report"):
            report = self._report_on(snapshots, found, now_seconds)

        def judge(report: Report) -> Report:
            return api.judge(report, self._policy, least_periods=LEAST_PERIODS, ignored=self._ignored, before=self._report or report)

        with self.stages.at("rules"):
            self._report = report = _judge(report, judge, troubles)
        if self._host.is_live:
            self._neighbours.follow(report, view.ours.mounts)
            self._host.forget()
        why = blind(report, self._pids) or blind_partly(report)
        if why is not None and why.cause != "missing":  # these are counted, and who cannot be read has a trouble of its own
            troubles["sight"] = blind_words(why)
        return Look(
            report=report,
            unreadable=found.unreadable,
            left_out=found.left_out,
            missing=tuple(missing),
            troubles=troubles,
            left=frozenset(self._turns.left),
        )

    def _report_on(self, snapshots: list[Snapshot], found: Gathered, now_seconds: float) -> Report:
        """The report on these, with what hangs on the looks before, and without findings."""
        view = self._view
        report = api.report_of(self._host, view, snapshots, found.notes, found.machinery)
        report = with_kills(report, self._remembered(), self._host.time_seconds())
        if self._host.is_live:
            report = self._neighbours.name(self._windows.watch(report, now_seconds), view.ours.mounts)
        if view.self_pid not in self._pids:
            report = report.replace(beside=api.read_reader(view, snapshots))
        if self._host.is_live:
            report = self._outside.watch(report, api.measure_outsides(report), now_seconds)
        return report

    def _until_stopped(self, pids: Iterable[int]) -> Iterator[int]:
        """The pids, until whoever looks is asked to stop."""
        for pid in pids:
            if self._is_stopped():
                raise Stopped
            yield pid

    def _search_order(self, view: MachineView) -> list[int]:
        """All pids but the reader's own, those first that were in the last report: who is in it stays in it.

        Before them come those for whose files the last look had nothing left, if there is room for all.
        """
        pids = [pid for pid in list_pids_by_psutil(self._host) if pid != view.self_pid]
        waiting = list(view.known.waiting)
        if len(waiting) + len(self._followed) > MOST_PROCESSES:
            waiting = []
        there = frozenset(pids) if waiting else frozenset()
        first = dict.fromkeys((*(pid for pid in waiting if pid in there), *(pid for pid in pids if pid in self._followed)))
        return [*first, *(pid for pid in pids if pid not in first)]


def _with_left(found: Gathered, left: tuple[int, ...], troubles: dict[str, str]) -> Gathered:
    """What was found, with those counted that were left for the next look."""
    if not left:
        return found
    why = f"left for the next look, as the processes of one may take {MOST_LOOK_SECONDS:g} s of CPU time"
    troubles["look"] = f"{len(left)} process{'es were' if len(left) > 1 else ' was'} {why}"
    return found.replace(unreadable=found.unreadable + len(left), failed=found.failed or f"process {left[0]}: {why}")


def _judge(report: Report, judge: Callable[[Report], Report], troubles: dict[str, str]) -> Report:
    """The report with its findings. A process that a rule cannot cope with is left without any, the others are judged without it."""
    try:
        return judge(report)
    except Exception as error:  # noqa: BLE001  # likewise
        first = error
    sound: list[ProcessReport] = []
    for process in report.processes:
        try:
            judge(report.replace(processes=(process,)))
        except Exception as error:  # noqa: BLE001  # likewise
            troubles[f"process {process.snapshot.process.pid}"] = fault_words(error)
        else:
            sound.append(process)
    if len(sound) == len(report.processes):
        raise first
    return judge(report.replace(processes=tuple(sound)))


def fault_words(error: BaseException) -> str:
    """An error that nobody foresaw in one line, with the place it comes from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{where}: {error}; please report it, with what cgtune snapshot records"
