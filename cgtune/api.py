"""The route in a few lines: what ``import cgtune`` offers."""

from __future__ import annotations

from cgtune import __version__
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable, UsageError
from cgtune.host import Host, timestamp
from cgtune.limits import enforce
from cgtune.model import Note, ProcessReport, Report
from cgtune.snapshot import MachineView, read_go, read_process, read_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Snapshot


def inspect(pids: Sequence[int] = (), *, root: str = "/", self_only: bool = False, metrics_url: str | None = None) -> Report:
    """The report on the processes ``pids``, in the order given; without any, on this container (cgtune's own process stands for it)
    and then on every Go process that can be seen, by pid.

    ``root`` is the folder that holds proc/ and sys/: this machine's ``/``, another's mounted somewhere, or a recording. ``metrics_url``
    is the metrics endpoint of the one process named. Raises UsageError (an impossible root or target), NoSuchProcess, Unreadable or
    Malformed.
    """
    if metrics_url is not None and len(set(pids)) != 1:
        raise UsageError("--metrics-url is one program's own endpoint: name that program with one --pid")
    with Host(root) as host:
        report = inspect_host(host, pids, self_only=self_only)
    return report if metrics_url is None else _with_metrics(report, metrics_url)


def inspect_host(host: Host, pids: Sequence[int] = (), *, self_only: bool = False) -> Report:
    """As inspect, on a host that is already open."""
    if self_only and pids:
        raise UsageError("--self and --pid exclude each other: --self reports this container only, --pid just these processes")
    view = MachineView(host)
    if not pids and not self_only and host.recording is not None:
        pids = host.recording.pids
    snapshots: list[Snapshot] = []
    notes: tuple[Note, ...] = ()
    if not pids:
        if view.self_pid is None and self_only:
            raise NoSuchProcess("/proc/self below the root names no process; name one with --pid")
        pids = () if view.self_pid is None else (view.self_pid,)
        if not self_only:
            snapshots, notes = _go_snapshots(view)
        if view.self_pid is None and not snapshots:
            raise NoSuchProcess("there is no process below the root that cgtune could report; name one with --pid")
    named = [read_snapshot(view, pid) for pid in dict.fromkeys(pids)]
    return _report(host, view, named + snapshots, notes)


def list_go(*, root: str = "/") -> Report:
    """The report on every Go process that can be seen, by pid; without any, a report without processes."""
    with Host(root) as host:
        view = MachineView(host)
        return _report(host, view, *_go_snapshots(view))


def snapshot(out: str, pids: Sequence[int] = (), *, root: str = "/", self_only: bool = False) -> None:
    """Capture all that inspect reads for these processes into ``out``, a folder or a .tar.gz; inspect with ``root=out`` replays it.

    Raises UsageError (``out`` exists), Unwritable, and what inspect raises; nothing is left half-written.
    """
    from cgtune.capture import RecordingHost

    with RecordingHost(root) as host:
        report = inspect_host(host, pids, self_only=self_only)
        host.drop_others(frozenset(process.snapshot.process.pid for process in report.processes))
        for process in report.processes:
            if not process.snapshot.go:
                host.drop_program(process.snapshot.process.pid)
        host.replace_recording(out, tuple(pids))


def _report(host: Host, view: MachineView, snapshots: Sequence[Snapshot], notes: tuple[Note, ...]) -> Report:
    processes = tuple(ProcessReport(snapshot=snapshot, limits=enforce(snapshot)) for snapshot in snapshots)
    return Report(version=__version__, time=timestamp(host.time_seconds()), machine=view.machine, processes=processes, notes=notes)


def _go_snapshots(view: MachineView) -> tuple[list[Snapshot], tuple[Note, ...]]:
    """Every Go process but the reader itself, by pid. One that ends meanwhile is passed over; one that cannot be told is counted."""
    from cgtune.processes import list_pids

    found: list[Snapshot] = []
    closed: list[Unreadable] = []
    for pid in list_pids(view.host.root):
        if pid == view.self_pid:
            continue
        try:
            notes: list[Note] = []
            process = read_process(view, pid, notes)
            if read_go(view, process, notes):
                found.append(read_snapshot(view, pid))
            elif any(note.privilege for note in notes):
                closed.append(Unreadable("", privilege=next(note.privilege for note in notes if note.privilege)))
        except NoSuchProcess:
            continue
        except CgtuneError as error:
            closed.append(error if isinstance(error, Unreadable) else Unreadable(str(error)))
        view.host.forget(f"/proc/{pid}")
    if not closed:
        return found, ()
    why = f"{len(closed)} process{'es' * (len(closed) > 1)} could not be looked into; whether they are Go programs is not known"
    return found, (Note(path="/proc", why=why, privilege=next((error.privilege for error in closed if error.privilege), None)),)


def _with_metrics(report: Report, url: str) -> Report:
    """The report with what the program's own endpoint says: it fills what memory did not tell, and a contradiction is a note."""
    from cgtune.endpoint import read_metrics
    from cgtune.runtimes.go.metrics import parse_go_metrics

    process = report.processes[0]
    if not process.snapshot.go:
        pid = process.snapshot.process.pid
        if any(note.privilege for note in process.snapshot.notes):
            raise Unreadable(
                f"process {pid} could not be looked into, so whether it is a Go program is not known; run as its user or as root"
            )
        raise UsageError(f"--metrics-url: process {pid} is no Go program")
    metrics = parse_go_metrics(read_metrics(url))
    settings, notes = [], []
    for setting in process.snapshot.go[0].settings:
        said = metrics.get(setting.name)
        if said is None:
            notes.append(Note(path=url, why=f"the endpoint does not name {setting.name}; client_golang's Go collector does since mid 2024"))
        elif setting.observed is None:
            setting = setting.replace(observed=said, observed_from="metrics")  # noqa: PLW2901  # the same setting, known better
        elif setting.observed != said and float(setting.observed if setting.observed != "off" else -1) != float(
            said if said != "off" else -1
        ):
            notes.append(Note(path=url, why=f"the endpoint says {setting.name} {said}, the process's memory {setting.observed}"))
        settings.append(setting)
    facts = process.snapshot.go[0].replace(settings=tuple(settings))
    snapshot = process.snapshot.replace(go=(facts, *process.snapshot.go[1:]), notes=(*process.snapshot.notes, *notes))
    return report.replace(processes=(process.replace(snapshot=snapshot),))
