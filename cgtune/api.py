"""The route in a few lines: what ``import cgtune`` offers."""

from __future__ import annotations

from cgtune import __version__
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable, UsageError
from cgtune.gather import Gathered, gather, in_time, list_pids
from cgtune.limits import enforce
from cgtune.machineview import MachineView
from cgtune.model import NOBODY, Note, Policy, ProcessReport, Report
from cgtune.records import Record
from cgtune.remembered import with_kills
from cgtune.runtimes.go.derived.versions import CHECKED
from cgtune.snapshot import read_snapshot
from cgtune.system.host import Host, open_source, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    from cgtune.cgroups.neighbours import Usages
    from cgtune.model import Kills, Prediction, Process, Snapshot, Whom

    T = TypeVar("T")

_MOST_WINDOW_SECONDS = 3600.0


def inspect(  # noqa: PLR0913  # one argument for each option of the command
    pids: Sequence[int] = (),
    *,
    pid: int | None = None,
    root: str = "/",
    self_only: bool = False,
    metrics_url: str | None = None,
    policy: Policy | None = None,
    machinery: bool = False,
    whom: Whom = NOBODY,
    window_seconds: float | None = None,
    kills: Iterable[Kills] | None = None,
) -> Report:
    """The report on the process ``pid``, or on several ``pids`` in the order given, and on those that ``whom`` means, by pid; without any,
    on this container (cgtune's own process stands for it) and then on every Go process that can be seen, by pid.

    ``root`` is the folder that holds proc/ and sys/: this machine's ``/``, another's mounted somewhere, or a recording. ``metrics_url``
    is the metrics endpoint of the one process named. ``policy``: the chosen numbers behind recommended values (the others are measured).
    None: the defaults. ``machinery``: also the node's own programs (kubelet, container engines, their shims), which a search leaves out.
    ``kills`` are what a service remembers of OOM kills (``cgtune.remembered`` reads its answer); None: none was asked.
    ``window_seconds``: look twice, so far apart, and tell the rates between. Of several ``pids`` those that do not run are in the
    report's notes. Raises UsageError (an impossible root or target), NoSuchProcess (none of them runs), Unreadable or Malformed.
    """
    pids = pids if pid is None else (pid, *pids)
    with Host(root) as host:

        def look() -> Report:
            return inspect_host(host, pids, self_only=self_only, metrics_url=metrics_url, machinery=machinery, whom=whom)

        return judge(with_kills(watch(host, window_seconds, look), kills, host.time_seconds()), policy)


def inspect_host(
    host: Host,
    pids: Sequence[int] = (),
    *,
    self_only: bool = False,
    metrics_url: str | None = None,
    machinery: bool = False,
    whom: Whom = NOBODY,
    patient: bool = False,
) -> Report:
    """As inspect, on a host that is already open, without recommendations and findings: see judge. ``patient``: a search reads each process
    whatever it costs.
    """
    if pids and whom.is_narrowed:
        raise UsageError("--pid names its process already: leave it out, or --container, --pod, --namespace and --command")
    pids, whom = (*pids, *whom.pids), whom.searched
    if metrics_url is not None and len(set(pids)) != 1 and not whom.words:
        raise UsageError("--metrics-url is one program's own endpoint: name that program with one --pid")
    if self_only and (pids or whom.words):
        raise UsageError("--self and --pid exclude each other: --self reports this container only, --pid just these processes")
    view = MachineView(host)
    if whom.words:
        return _inspect_meant(host, view, pids, whom, metrics_url, machinery=machinery)
    if not pids and not self_only:
        pids = host.recorded_pids or ()
    found: Gathered | None = None
    if not pids:
        if view.self_pid is None and self_only:
            raise NoSuchProcess(f"{host.root.rstrip('/')}/proc/self names no process; name one with --pid")
        pids = () if view.self_pid is None else (view.self_pid,)
        if not self_only:
            found = _read_go(view, machinery=machinery, patient=patient)
        if view.self_pid is None and not (found and found.snapshots):
            where = "" if host.root == "/" else f" below {host.root}"
            raise NoSuchProcess(f"there is no process{where} that cgtune could report; name one with --pid")
    named, notes = _read_named(view, tuple(dict.fromkeys(pids)))
    report = report_of(host, view, named, notes)
    if view.self_pid not in pids:
        report = report.replace(beside=read_reader(view, named))
    if found is not None:
        report = report_of(host, view, named + found.snapshots, notes + found.notes, found.machinery)
    return report if metrics_url is None else _with_metrics(host, report, metrics_url)


def _inspect_meant(host: Host, view: MachineView, pids: Sequence[int], whom: Whom, metrics_url: str | None, *, machinery: bool) -> Report:
    """The report on ``pids``, and then on those that ``whom`` means and that do not end meanwhile: nobody asked for one of them."""
    from cgtune.targets import find_pids

    named, notes = _read_named(view, tuple(dict.fromkeys(pids)))
    meant = find_pids(view, whom, machinery=machinery)
    found = gather(view, in_time(view.host, (pid for pid in meant if pid not in pids)), _pass_over, go_only=False)
    report = report_of(host, view, named + found.snapshots, notes + found.notes)
    if view.self_pid not in pids:
        report = report.replace(beside=read_reader(view, named + found.snapshots))
    if not report.processes:
        raise NoSuchProcess("what was named has ended meanwhile; name what runs")
    if metrics_url is None:
        return report
    if len(report.processes) > 1:
        raise UsageError(f"--metrics-url is one program's own endpoint, and {len(report.processes)} are meant: name one with --pid")
    return _with_metrics(host, report, metrics_url)


def list_go(
    *,
    root: str = "/",
    policy: Policy | None = None,
    machinery: bool = False,
    whom: Whom = NOBODY,
    window_seconds: float | None = None,
    kills: Iterable[Kills] | None = None,
) -> Report:
    """The report on every Go process that can be seen, or that is meant, by pid; without any, a report without processes. ``machinery``,
    ``window_seconds`` and ``kills``: as for inspect.
    """
    with Host(root) as host:
        report = watch(host, window_seconds, lambda: _list_go(host, machinery=machinery, whom=whom))
        return judge(with_kills(report, kills, host.time_seconds()), policy)


class Watching:
    """list_go again and again: from the second look on with the rates since the one before. A recording stands still, and has none."""

    def __init__(self, *, root: str = "/", policy: Policy | None = None, machinery: bool = False, whom: Whom = NOBODY) -> None:
        """Nothing is looked at yet."""
        self._root, self._policy, self._machinery, self._whom = root, policy, machinery, whom
        self._before: _Seen | None = None

    def look(self, kills: Iterable[Kills] | None = None) -> Report:
        """The report of this moment. Raises what list_go raises; the next look tells the rates since the last one that did not."""
        with Host(self._root) as host:
            now = _see(host, lambda: _list_go(host, machinery=self._machinery, whom=self._whom))
            report = now.report if self._before is None else _between(self._before, now)
            self._before = now if host.is_live else None
            return judge(with_kills(report, kills, host.time_seconds()), self._policy)


def watch(host: Host, seconds: float | None, look: Callable[[], Report]) -> Report:
    """What ``look`` finds; with ``seconds``, what it finds so much later, with the rates between. Raises UsageError for an impossible
    window, and what ``look`` raises.
    """
    if seconds is None:
        return look()
    if not 0 < seconds <= _MOST_WINDOW_SECONDS:
        raise UsageError(f"--window {seconds:g} is not above 0 and at most {_MOST_WINDOW_SECONDS:g} seconds; example: --window 30")
    if not host.is_live:
        raise UsageError("--window needs a live machine: the counters of a recording stand still; leave out --window or --root")
    before = _see(host, look)
    host.wait(seconds)
    return _between(before, _see(host, look))


class _Seen(Record):
    """What a look found, and what the machine's cgroups had used at its end."""

    report: Report
    usages: Usages


def _see(host: Host, look: Callable[[], Report]) -> _Seen:
    from cgtune.cgroups.neighbours import read_usages

    return _Seen(report=look(), usages=read_usages(host, MachineView(host).ours.mounts) if host.is_live else {})


def _between(before: _Seen, now: _Seen) -> Report:
    from cgtune.cgroups.neighbours import find_busiest
    from cgtune.rates import with_rates

    return with_rates(before.report, now.report, find_busiest(before.usages, now.usages))


def judge(
    report: Report,
    policy: Policy | None = None,
    *,
    least_periods: int | None = None,
    ignored: frozenset[str] = frozenset(),
    before: Report | None = None,
) -> Report:
    """The report with recommended values and findings. ``least_periods``: of a quota, fewer periods between two looks tell nothing; None:
    as for somebody who chose how long to look. ``before``: an earlier report, with which equal ones are shared.
    """
    processes = judge_processes(
        report.processes,
        policy,
        least_periods=least_periods,
        ignored=ignored,
        beside=report.beside,
        before=before.processes if before else None,
    )
    return report.replace(processes=processes)


def judge_processes(
    processes: tuple[ProcessReport, ...],
    policy: Policy | None = None,
    *,
    least_periods: int | None = None,
    ignored: frozenset[str] = frozenset(),
    beside: Sequence[Snapshot] = (),
    before: Sequence[ProcessReport] | None = None,
) -> tuple[ProcessReport, ...]:
    """As judge, on processes that may share their cgroups with each other, and with those ``beside``, which are not in the report.

    ``before``: those of an earlier look, which may be none yet. Then what is equal is shared, with them and with each other.
    """
    from cgtune.advice.advise import advise
    from cgtune.advice.memory import group_by_limit
    from cgtune.rules import judge_all

    policy = policy if policy is not None else Policy()
    groups = group_by_limit((*(process.snapshot for process in processes), *beside))
    old = {process.snapshot.process.pid: process for process in before or ()}
    made: dict[Any, Any] | None = None if before is None else {}

    def judged(process: ProcessReport) -> ProcessReport:
        kept = old.get(process.snapshot.process.pid, process)
        advised = advise(process.snapshot, process.limits, policy, groups)
        process = process.replace(recommendations=_same(advised, kept.recommendations, made))
        findings = judge_all(process, policy, least_periods=least_periods, groups=groups, ignored=ignored)
        return process.replace(findings=_same(findings, kept.findings, made))

    return tuple(map(judged, processes))


def _same(new: tuple[T, ...], old: tuple[T, ...], made: dict[Any, Any] | None) -> tuple[T, ...]:
    """The old ones if they are equal: a service holds two reports while it looks, and most advice stays as it is. What is new is ``made``
    once for all processes that are told the same.
    """
    if new == old or made is None:
        return old if new == old else new
    return tuple([made.setdefault(each, each) for each in new])


def measure_outsides(report: Report) -> dict[int, dict[str, int]]:
    """By pid of each Go process, what is charged to its cgroups with a memory limit, by their keys, beyond Go and cannot be given back."""
    from cgtune.advice import memory

    groups = memory.group_by_limit((*(process.snapshot for process in report.processes), *report.beside))
    return {
        process.snapshot.process.pid: memory.measure_outsides(process.snapshot, groups)
        for process in report.processes
        if process.snapshot.go
    }


def predict(  # noqa: PLR0913  # one argument for each option of the command
    *,
    cpu_limit: str | None = None,
    cpus: int | None = None,
    memory_limit: str | None = None,
    cpu_request: str | None = None,
    go: str | None = None,
    language: str | None = None,
    env: Sequence[str] = (),
    cgroup: str = "v2",
    binary: str | None = None,
    policy: Policy | None = None,
) -> Prediction:
    """What Go programs would do in a container with these limits, each given as on the command line; one row for each version.

    ``cpus`` None: those of this machine. ``go`` is a list such as "1.21,1.27" and ``language`` the go line of go.mod; ``binary``, a Go
    program on disk, stands for both. ``env`` holds NAME=VALUE. Raises UsageError, or Malformed for a damaged program.
    """
    from cgtune.advice import prediction as route
    from cgtune.runtimes.go.offline import parse_programs, read_program

    if binary is not None and (go is not None or language is not None):
        raise UsageError("--binary tells its own Go version and settings: leave out --go and --language, as in --binary ./server")
    if cpus is None:
        with Host() as host:
            cpus = len(MachineView(host).machine.online)
    limited = route.parse_limited(
        cpu_limit=cpu_limit, cpus=cpus, memory_limit=memory_limit, cpu_request=cpu_request, env=env, cgroup=cgroup
    )
    route.require_room(limited, policy or Policy())
    versions = route.DEFAULT_VERSIONS if go is None else go
    programs = (read_program(binary),) if binary is not None else parse_programs(versions, language)
    return route.predict_limited(limited, programs, lambda process: judge_processes((process,), policy)[0])


def snapshot(out: str, pids: Sequence[int] = (), *, root: str = "/", self_only: bool = False, metrics_url: str | None = None) -> None:
    """Capture all that inspect reads for these processes into ``out``, a folder or a .tar.gz; inspect with ``root=out`` replays it.

    Raises UsageError (``out`` exists), Unwritable, and what inspect raises, NoSuchProcess if any of ``pids`` does not run; nothing is left
    half-written.
    """
    import functools

    from cgtune.runtimes.kinds import tells_kind
    from cgtune.system.capture import Capture

    capture = Capture(open_source(root))
    with Host(source=capture) as host:
        # All of it: a replay must find what is asked for
        report = inspect_host(host, pids, self_only=self_only, metrics_url=metrics_url, patient=True)
        if ended := next((note for note in report.notes if pids and note.kind == "failed"), None):
            raise NoSuchProcess(ended.why)
        read = (*(process.snapshot for process in report.processes), *report.beside)
        capture.drop_others(frozenset(snapshot.process.pid for snapshot in read))
        for process in report.processes:
            if process.snapshot.go:
                capture.read_more(functools.partial(_read_for_others, host, process.snapshot))
            if not process.snapshot.go and process.snapshot.kind != "emulated":
                capture.drop_program(process.snapshot.process.pid, tells_kind)
        capture.replace_recording(out, tuple(pids))


def _read_for_others(host: Host, snapshot: Snapshot) -> None:
    """Of a Go process, the limit files that another Go would read in its place: `predict --to` asks a recording for them."""
    from cgtune.runtimes.go.derived.versions import FIRST_AWARE, NEWEST
    from cgtune.runtimes.go.offline import parse_program, read_place

    process = snapshot.process
    derive = read_place(host, process.pid, process.executable, len(snapshot.allowed_cpus))
    for minor in (FIRST_AWARE, NEWEST):
        derive(parse_program(f"1.{minor}", None, "--to"), ())


def read_reader(view: MachineView, snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
    """cgtune's own process beside those of a pod, empty if there are not several: what its container has tells whose a limit is."""
    pods = [snapshot.container.pod_uid for snapshot in snapshots if snapshot.container.pod_uid]
    if view.self_pid is None or len(pods) == len(set(pods)):
        return ()
    try:
        return (read_snapshot(view, view.self_pid),)
    except CgtuneError:
        return ()


def report_of(
    host: Host, view: MachineView, snapshots: Sequence[Snapshot], notes: tuple[Note, ...] = (), machinery: tuple[Process, ...] = ()
) -> Report:
    """The report on what was read, without recommendations and findings: see judge."""
    processes = tuple(ProcessReport(snapshot=snapshot, limits=enforce(snapshot)) for snapshot in _fitted(snapshots))
    return Report(
        version=__version__,
        time=timestamp(host.time_seconds()),
        machine=view.machine,
        processes=processes,
        notes=notes,
        go_checked=CHECKED,
        machinery=machinery,
    )


def _fitted(snapshots: Sequence[Snapshot]) -> Iterator[Snapshot]:
    """The processes with as much of the long lists of their programs as there is room for in one report."""
    if not any(snapshot.go for snapshot in snapshots):
        yield from snapshots
        return
    from cgtune.runtimes.go.program.lists import MOST_REPORT_LIST_BYTES, Room, fit_runtimes

    room = Room(MOST_REPORT_LIST_BYTES)
    for snapshot in snapshots:
        go, left_out = fit_runtimes(snapshot.go, room)
        if left_out:
            room_words = f"such lists may take {MOST_REPORT_LIST_BYTES >> 20} MiB of a report"
            why = f"{left_out} dependencies and build settings are not listed: {room_words}"
            note = Note(path=snapshot.process.executable or "", why=why)
            yield snapshot.replace(go=go, notes=(*snapshot.notes, note))
        else:
            yield snapshot


def _list_go(host: Host, *, machinery: bool, whom: Whom) -> Report:
    view = MachineView(host)
    found = _read_go(view, machinery=machinery, whom=whom)
    report = report_of(host, view, found.snapshots, found.notes, found.machinery)
    return report.replace(others=found.others, beside=read_reader(view, found.snapshots))


def _read_go(view: MachineView, *, machinery: bool, whom: Whom = NOBODY, patient: bool = False) -> Gathered:
    """Every Go process but the reader itself, by pid, of those that are meant; one that cannot be read is counted."""
    if not whom.words:
        meant: Iterable[int] = list_pids(view.host)
    else:
        from cgtune.targets import find_pids

        meant = find_pids(view, whom, machinery=machinery)
    pids = (pid for pid in meant if pid != view.self_pid)
    return gather(view, pids if patient else in_time(view.host, pids), _pass_over, go_only=True, with_machinery=machinery)


def _read_named(view: MachineView, pids: tuple[int, ...]) -> tuple[tuple[Snapshot, ...], tuple[Note, ...]]:
    """Those of them that run, in the order given, and a note for each that does not. Raises NoSuchProcess if none does."""
    ended: dict[int, Exception] = {}

    def pass_over(pid: int, error: Exception) -> None:
        if not isinstance(error, NoSuchProcess) or len(ended) + 1 == len(pids):
            raise error
        ended[pid] = error

    named = gather(view, pids, pass_over, go_only=False).snapshots
    return named, tuple(Note(path=f"/proc/{pid}", why=str(error), kind="failed") for pid, error in ended.items())


def _pass_over(_pid: int, error: Exception) -> None:
    """Of a search, only a fault of ours ends it."""
    if not isinstance(error, CgtuneError):
        raise error


def _with_metrics(host: Host, report: Report, url: str) -> Report:
    """The report with what the program's own endpoint says: it fills what memory did not tell, and a contradiction is a note."""
    from cgtune.runtimes.go.observed.metrics import parse_go_metrics, with_metrics
    from cgtune.system.endpoint import redact_url

    process = report.processes[0]
    if not process.snapshot.go:
        pid = process.snapshot.process.pid
        if any(note.privilege for note in process.snapshot.notes):
            raise Unreadable(
                f"process {pid} could not be looked into, so whether it is a Go program is not known; run as its user or as root"
            )
        raise UsageError(f"--metrics-url: process {pid} is no Go program")
    said = parse_go_metrics(host.read_page(url))
    facts, notes = with_metrics(process.snapshot.go[0], said, redact_url(url))
    snapshot = process.snapshot.replace(go=(facts, *process.snapshot.go[1:]), notes=(*process.snapshot.notes, *notes))
    return report.replace(processes=(process.replace(snapshot=snapshot),))
