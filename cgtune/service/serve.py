"""The long-running face: looks again and again, answers over HTTP or writes a metrics file, and says in its log what changed.

The main thread waits for the end and does nothing else, so that SIGTERM ends the service whatever the others are at. The scanner is the
only thread that reads files and moves the board; the threads that answer read the board alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from cgtune.errors import CgtuneError, Unreadable
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import advice_words, rule_words, subject
from cgtune.records import Record
from cgtune.service.board import Board, Found
from cgtune.service.changes import locate_changes
from cgtune.service.follow import Follower, Stopped, fault_words
from cgtune.service.vigil import Vigil, has_machine_pids
from cgtune.system.allocator import give_back, hold_little
from cgtune.system.host import Host
from cgtune.system.stopping import stop_on_signals
from cgtune.verdict import judge_report, parse_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from cgtune.model import FailOn, LabelSet, Policy
    from cgtune.service.changes import Change
    from cgtune.service.journal import Journal
    from cgtune.service.listener import Listener
    from cgtune.service.textfile import Textfile
    from cgtune.system.kernellog import KernelLog

DEFAULT_LISTEN = "127.0.0.1:9464"

#: Of each thread; all of them end within what system.stopping leaves.
_JOIN_SECONDS = 0.7

#: How often, and for how long, a service looks that has not seen any program yet, or left some for the next look.
_EAGER_INTERVAL_SECONDS = 1.0
_EAGER_SECONDS = 120.0

#: A look makes tens of thousands of objects beside those of the look before, and hardly a cycle. Collections amid it cost a tenth of its
#: CPU time; so there is one after the first look and after each twentieth from there on, and those that Python begins by itself are for a
#: node of thousands of programs.
COLLECT = (200_000, 20, 20)
_COLLECT_LOOKS = 20

_INFO, _WARNING = 20, 30  # logging's own numbers: its import is dear
_LEVELS = {"info": _INFO, "warning": _WARNING, "critical": 40}


class ServeOptions(Record):
    """What to look at, how often, and where to tell it. With ``textfile`` the service writes that file instead of listening,
    with ``otlp`` it sends each report to that address too.
    """

    listen: str = DEFAULT_LISTEN
    interval_seconds: float = 15.0
    pids: tuple[int, ...] = ()
    root: str = "/"
    fail_on: FailOn = "warning"
    ignore: tuple[str, ...] = ()
    textfile: str | None = None
    otlp: str | None = None
    log_format: str = "json"
    policy: Policy | None = None
    machinery: bool = False
    kernel_log: bool = False
    label_set: LabelSet = "pid"
    least_age_seconds: float = 15.0


def run_serve(options: ServeOptions) -> NoReturn:
    """Serve until SIGTERM or SIGINT, and end the process with exit code 0. What is wrong at the start is raised: UsageError, ..."""
    hold_little()
    stop = stop_on_signals()
    ignored = parse_ignored(options.ignore)
    host = Host(options.root)
    least_age = options.least_age_seconds if host.is_live and not options.pids else 0.0  # ages of a recording stand still
    board = Board(options.interval_seconds, label_set=options.label_set, least_age_seconds=least_age)
    follower = Follower(
        host,
        options.pids,
        options.policy,
        ignored=ignored,
        machinery=options.machinery,
        is_stopped=stop.is_set,
        remembered=lambda: board.remembered if host.is_live else None,
    )
    board.stages = follower.stages
    kernel_log = _open_kernel_log(host) if options.kernel_log else None
    listener, textfile = None, None
    if options.textfile is not None:
        from cgtune.service.textfile import Textfile

        textfile = Textfile(options.textfile, board)
    else:
        listener = _open_listener(options, board)
    pusher = None
    if options.otlp is not None:
        from cgtune.service.push import Pusher

        pusher = Pusher(options.otlp, board)
    from cgtune.service.journal import start_journal

    journal = start_journal(options.log_format)
    outlets = {} if textfile is None else {"textfile": textfile.write}
    if pusher is not None:
        outlets["otlp"] = pusher.tell
    scanner = _Scanner(options, follower, board, journal, outlets, stop, Vigil(host, journal, board, stop, kernel_log))
    _say_start(options, journal, listener)
    threads = [threading.Thread(target=scanner.run, name="scanner", daemon=True)]
    if listener is not None:
        threads.append(threading.Thread(target=listener.run, name="listener", daemon=True))
    if pusher is not None:
        threads.append(threading.Thread(target=pusher.run, name="pusher", daemon=True))
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:  # no thread can be started: __main__ has the words
        if textfile is not None:
            textfile.remove()
        raise
    stop.wait()
    if pusher is not None:
        pusher.stop()
    _end(threads, host, listener, textfile, journal)


def _open_kernel_log(host: Host) -> KernelLog:
    """The kernel's log from now on; raises UsageError or Unreadable where it would be of no use."""
    from cgtune.system.kernellog import KernelLog, require_live

    require_live(host.root, is_live=host.is_live)
    if not has_machine_pids(host):
        raise Unreadable(
            f"--kernel-log: the pids below {host.root} are a container's, and the kernel's log names the machine's; "
            "look from the machine or through its /proc (--root), or leave out --kernel-log"
        )
    return KernelLog(host.root)


def _open_listener(options: ServeOptions, board: Board) -> Listener:
    from cgtune.service.listener import Listener, open_socket
    from cgtune.service.web import App

    return Listener(open_socket(options.listen), App(board, options.pids))


def _say_start(options: ServeOptions, journal: Journal, listener: Listener | None) -> None:
    from cgtune import __version__

    every = f"every {options.interval_seconds:g} s"
    if listener is None:
        journal.say(
            "start", f"cgtune {__version__} writes {options.textfile} {every}", {"version": __version__, "textfile": options.textfile}
        )
        return
    from cgtune.service.listener import is_loopback

    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    address = f"{host}:{listener.port}"
    journal.say("start", f"cgtune {__version__} listens on {address}, looks {every}", {"version": __version__, "listen": address})
    if not is_loopback(listener.host):
        where = "all addresses of this machine" if listener.host in ("0.0.0.0", "::") else address  # noqa: S104  # compared, not bound
        journal.say(
            "exposed",
            f"listening on {where}: whoever reaches it can read names, paths and limits of the processes in /report and /metrics",
            {"listen": address},
            level=_INFO if "KUBERNETES_SERVICE_HOST" in os.environ else _WARNING,  # a pod's address is for Prometheus and the kubelet
        )


def _end(threads: list[threading.Thread], host: Host, listener: Listener | None, textfile: Textfile | None, journal: Journal) -> NoReturn:
    """Stop everything that stops, and be gone: while an interpreter winds up it has no handlers any more, and a second signal would be its
    exit status.
    """
    if listener is not None:
        listener.stop()
    for thread in threads:
        thread.join(_JOIN_SECONDS)
    if textfile is not None and (why := textfile.remove()) is not None:
        journal.say("trouble", f"textfile: {why}", {"about": "textfile"}, level=_WARNING)
    # A look that goes on uses the host's files: closed under it, they fail here or there. The kernel closes them in a moment.
    if not any(thread.is_alive() for thread in threads):
        host.close()
    journal.say("stop", "stopped")
    sys.stderr.flush()
    os._exit(0)


class _Scanner:
    """Looks, judges, pins the result to the board and says what changed, again and again."""

    def __init__(
        self,
        options: ServeOptions,
        follower: Follower,
        board: Board,
        journal: Journal,
        outlets: Mapping[str, Callable[[], None]],
        stop: threading.Event,
        vigil: Vigil,
    ) -> None:
        """``outlets``, by the name of their troubles, are told of each new report; what they raise is one."""
        self._options, self._follower, self._board, self._journal = options, follower, board, journal
        self._ignored = parse_ignored(options.ignore)
        self._outlets, self._stop, self._vigil = outlets, stop, vigil

    def run(self) -> None:
        """Until it is stopped. Nothing that goes wrong in one scan ends it."""
        import gc

        gc.freeze()  # what was loaded until here stays to the end: no collection has to look at it
        gc.set_threshold(*COLLECT)
        before: Found | None = None
        looks = 0
        started = time.monotonic()
        while not self._stop.is_set():
            began = time.monotonic()
            self._board.stages.begin()
            troubles = {} if before is None else dict(before.look.troubles)  # of a scan that fails nobody knows whether they are over
            try:
                found = self._scan(began)
                troubles = dict(found.look.troubles)
                with self._board.stages.at("ends"):
                    ended = self._vigil.follow(found.look.report.processes, began)
                _say_changes(self._journal, before, found, ended)
                before = found
            except Stopped:
                return
            except CgtuneError as error:
                self._board.count_error()
                troubles["scan"] = str(error)
            except Exception as error:  # noqa: BLE001  # a fault of ours: it is said and counted, and the service goes on
                self._board.count_error()
                troubles["scan"] = fault_words(error)
            for about, tell in self._outlets.items():
                try:
                    tell()
                except CgtuneError as error:
                    troubles[about] = str(error)
                except Exception as error:  # noqa: BLE001  # likewise
                    troubles[about] = fault_words(error)
            self._journal.report_troubles(troubles)
            if looks % _COLLECT_LOOKS == 0:
                gc.collect()
            looks += 1
            give_back()
            self._board.stages.end()
            took = time.monotonic() - began
            interval = self._options.interval_seconds
            # A sidecar starts before the program: whoever has seen nothing yet, or not all, looks again at once, for a while
            if (before is None or not before.look.report.processes or before.look.left) and time.monotonic() - started < _EAGER_SECONDS:
                interval = min(interval, _EAGER_INTERVAL_SECONDS)
            # Scans that take longer than the interval must leave something of a CPU to others
            self._wait(max(interval - took, took / 2))

    def _wait(self, seconds: float) -> None:
        """Until the next look; whoever ends meanwhile is told at once."""
        try:
            self._vigil.wait(seconds)
        except Exception as error:  # noqa: BLE001  # a fault of ours: the next look finds who is gone
            self._journal.say("trouble", f"between two looks: {fault_words(error)}", {"about": "vigil"}, level=_WARNING)
            self._stop.wait(seconds)

    def _scan(self, began_seconds: float) -> Found:
        time_seconds = time.time()
        look = self._follower.look(began_seconds)
        verdict = judge_report(look.report, fail_on=self._options.fail_on, ignored=self._ignored)
        found = Found(
            look=look,
            verdict=verdict,
            began_seconds=began_seconds,
            time_seconds=time_seconds,
            scan_seconds=time.monotonic() - began_seconds,
        )
        self._board.pin(found)
        return found


def _say_changes(journal: Journal, before: Found | None, found: Found, ended: frozenset[tuple[int, int]] = frozenset()) -> None:
    """One line for each change, and one for all that are too many. The end of those that ``ended`` has been told; who was left for the next
    look has not gone.
    """
    from cgtune.service.journal import MOST_LINES

    changes = [
        change
        for change in locate_changes(before.verdict.report if before is not None else None, found.verdict.report)
        if change.event != "process-went"
        or (
            (change.process.snapshot.process.pid, change.process.snapshot.process.start_ticks) not in ended
            and change.process.snapshot.process.pid not in found.look.left
        )
    ]
    for change in changes[:MOST_LINES]:
        _say_change(journal, change)
    if more := len(changes[MOST_LINES:]):
        journal.say("more", f"and {more} more changes", {"changes": len(changes)})


def _say_change(journal: Journal, change: Change) -> None:
    process, finding = change.process, change.finding
    fields: dict[str, object] = {"pid": process.snapshot.process.pid, "command": process.snapshot.process.command}
    if process.snapshot.container.id:
        fields["container_id"] = process.snapshot.container.id
    words = {"process-came": "came", "process-went": "went", "finding-ended": "no longer"}.get(change.event, "")
    if finding is None:
        journal.say(change.event, f"{subject(process)} {words}", fields)
        return
    fields |= {"rule": finding.rule, "severity": finding.severity, "harm": finding.harm}
    if change.event == "finding-ended":
        journal.say(change.event, f"{subject(process)}: {words} {finding.rule}", fields)
    else:
        fields["advice"] = [advice_words(advice) for advice in finding.advice]
        words = f"{subject(process)}: {finding.severity} {rule_words(finding)}: {escape_control(finding.summary)}"
        journal.say(change.event, words, fields, level=_LEVELS[finding.severity])
