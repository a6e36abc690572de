"""The route in a few lines: what ``import cgtune`` offers."""

from __future__ import annotations

from cgtune import __version__
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable, UsageError
from cgtune.host import Host, timestamp
from cgtune.limits import enforce
from cgtune.model import Note, Policy, ProcessReport, Report
from cgtune.snapshot import MachineView, read_go_snapshot, read_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import GoFacts, Prediction, Snapshot, Throttling
    from cgtune.named import NamedLimits
    from cgtune.prediction import Program
    from cgtune.variables import Variable


def inspect(
    pids: Sequence[int] = (),
    *,
    pid: int | None = None,
    root: str = "/",
    self_only: bool = False,
    metrics_url: str | None = None,
    policy: Policy | None = None,
) -> Report:
    """The report on the process ``pid``, or on several ``pids`` in the order given; without any, on this container (cgtune's own process
    stands for it) and then on every Go process that can be seen, by pid.

    ``root`` is the folder that holds proc/ and sys/: this machine's ``/``, another's mounted somewhere, or a recording. ``metrics_url``
    is the metrics endpoint of the one process named. ``policy`` is what recommended values hang on beside what is measured; None: the
    default. Raises UsageError (an impossible root or target), NoSuchProcess, Unreadable or
    Malformed.
    """
    pids = pids if pid is None else (pid, *pids)
    if metrics_url is not None and len(set(pids)) != 1:
        raise UsageError("--metrics-url is one program's own endpoint: name that program with one --pid")
    with Host(root) as host:
        report = inspect_host(host, pids, self_only=self_only)
    if metrics_url is not None:
        report = _with_metrics(report, metrics_url)
    return judge(report, policy)


def inspect_host(host: Host, pids: Sequence[int] = (), *, self_only: bool = False, cheaply: bool = False) -> Report:
    """As inspect, on a host that is already open, without recommendations and findings: see judge. ``cheaply``: without psutil."""
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
            snapshots, notes = _go_snapshots(view, cheaply=cheaply)
        if view.self_pid is None and not snapshots:
            raise NoSuchProcess("there is no process below the root that cgtune could report; name one with --pid")
    named = [read_snapshot(view, pid) for pid in dict.fromkeys(pids)]
    return report_of(host, view, named + snapshots, notes)


def list_go(*, root: str = "/", policy: Policy | None = None) -> Report:
    """The report on every Go process that can be seen, by pid; without any, a report without processes."""
    with Host(root) as host:
        view = MachineView(host)
        return judge(report_of(host, view, *_go_snapshots(view)), policy)


def judge(report: Report, policy: Policy | None = None, *, windows: Mapping[int, Throttling] | None = None) -> Report:
    """The report with recommended values and findings. ``windows``: by pid, what its throttling counters grew by while watched."""
    return report.replace(processes=judge_processes(report.processes, policy, windows=windows))


def judge_processes(
    processes: tuple[ProcessReport, ...], policy: Policy | None = None, *, windows: Mapping[int, Throttling] | None = None
) -> tuple[ProcessReport, ...]:
    """As judge, on processes that may share their cgroups with each other."""
    from cgtune.advise import advise
    from cgtune.rules import judge_all

    policy = policy if policy is not None else Policy()
    snapshots = [process.snapshot for process in processes]
    advised = tuple(process.replace(recommendations=advise(process.snapshot, process.limits, policy, snapshots)) for process in processes)
    return tuple(
        process.replace(findings=judge_all(process, policy, window=(windows or {}).get(process.snapshot.process.pid), others=advised))
        for process in advised
    )


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
    from cgtune import prediction as route

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
    programs = (_read_program(binary),) if binary is not None else route.parse_programs(versions, language)
    return route.predict(limited, programs, lambda process: judge_processes((process,), policy)[0])


def plan_named(
    named: NamedLimits,
    policy: Policy,
    *,
    go: str | None = None,
    language: str | None = None,
    binary: str | None = None,
    cgroup: str | None = None,
    always: bool = False,
) -> tuple[Variable, ...]:
    """The variables for a container whose limits are named, and which runs that program; without ``go`` and ``binary`` any may run.

    ``cgroup`` is v1 or v2, None: as on this machine, which is the node of a pod. Raises UsageError, or Malformed for a damaged program.
    """
    from cgtune import prediction as route, variables

    facts = None
    program = _planned_program(go, language, binary)
    if program is not None:
        if cgroup is None:
            with Host() as host:
                cgroup = "v2" if MachineView(host).machine.cgroup_mode == "v2" else "v1"
        cpus = named.node_cpus or variables.UNKNOWN_CPUS
        limited = route.Limited(cpus=cpus, cgroup=1 if cgroup == "v1" else 2, bandwidth=named.own)
        facts = route.derive_limited(limited, program)[1]
    return variables.plan_named(named, facts, policy, always=always)


def plan_here(
    pid: int | None,
    policy: Policy,
    *,
    root: str = "/",
    go: str | None = None,
    language: str | None = None,
    binary: str | None = None,
    always: bool = False,
) -> tuple[tuple[Variable, ...], tuple[Note, ...]]:
    """The variables for a program that is to run where process ``pid`` does, None: where cgtune itself does; and what could not be seen.

    Without ``go`` and ``binary`` it is the program that runs there now, if that is a Go program. Raises what inspect raises.
    """
    from cgtune import variables
    from cgtune.advise import advise

    program = _planned_program(go, language, binary)
    with Host(root) as host:
        process = inspect_host(host, () if pid is None else (pid,), self_only=pid is None, cheaply=True).processes[0]
        if program is None and process.snapshot.go:
            planned = variables.plan_running(advise(process.snapshot, process.limits, policy), always=always)
        else:
            facts = None if program is None else derive_there(host, process, program, ())
            planned = variables.plan_here(process, facts, policy, always=always)
    return planned, process.notes


def plan_exec(
    path: str, environ: tuple[tuple[str, str], ...], policy: Policy, *, root: str = "/", always: bool = False
) -> tuple[tuple[Variable, ...], str | None]:
    """The variables for the program ``path`` if this very process became it, with this environment; and its Go version, None: no known one.

    A script, and a program that may not be read, may start a Go program: of those nothing is known. Raises what inspect raises.
    """
    from cgtune.variables import plan_here

    try:
        program = _read_program(path)
    except CgtuneError:
        program = None
    with Host(root) as host:
        process = inspect_host(host, self_only=True, cheaply=True).processes[0]
        facts = None if program is None else derive_there(host, process, program, environ)
        return plan_here(process, facts, policy, always=always), None if program is None else program.go


def derive_there(host: Host, process: ProcessReport, program: Program, environ: tuple[tuple[str, str], ...]) -> GoFacts:
    """What a program that does not run yet would derive in the place of this process: its cgroups, its mounts, its affinity."""
    from cgtune.prediction import derive_program
    from cgtune.runtimes.go.held import HeldReader
    from cgtune.runtimes.go.reader import GoReading

    identity = process.snapshot.process
    reading = GoReading(host, identity.pid, executable=identity.executable, affinity_count=len(identity.affinity))
    texts = reading.read_own_texts()
    return derive_program(
        program,
        environ=environ,
        affinity_count=reading.affinity_count,
        cgroup_text=texts.cgroup,
        mountinfo_text=texts.mountinfo,
        read_limit=HeldReader(host, identity.pid, texts, None).read_limit,
    )[1]


def _planned_program(go: str | None, language: str | None, binary: str | None) -> Program | None:
    """The one program that is to run, None where nobody said which."""
    from cgtune.prediction import parse_programs

    if binary is not None:
        if go is not None or language is not None:
            raise UsageError("--binary tells its own Go version and settings: leave out --go and --language, as in --binary ./server")
        return _read_program(binary)
    if go is None:
        if language is not None:
            raise UsageError("--language needs the Go version beside it: --go 1.27 --language 1.24")
        return None
    if "," in go:
        raise UsageError(f"--go {go[:40]!a} names several versions, and a container runs one; example: --go 1.24")
    return parse_programs(go, language)[0]


def _read_program(path: str) -> Program:
    from cgtune.prediction import program_of
    from cgtune.programfile import ProgramFile
    from cgtune.runtimes.go.buildinfo import read_go_program

    with ProgramFile(path, "--binary") as file:
        found = read_go_program(file.read_at)
    if found is None:
        raise UsageError(
            f"--binary {path!r} is not a Go program, or tells nothing of itself; name one that go build made: --binary ./server"
        )
    return program_of(found[1])


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


def report_of(host: Host, view: MachineView, snapshots: Sequence[Snapshot], notes: tuple[Note, ...] = ()) -> Report:
    """The report on what was read, without recommendations and findings: see judge."""
    processes = tuple(ProcessReport(snapshot=snapshot, limits=enforce(snapshot)) for snapshot in snapshots)
    return Report(version=__version__, time=timestamp(host.time_seconds()), machine=view.machine, processes=processes, notes=notes)


def _go_snapshots(view: MachineView, *, cheaply: bool = False) -> tuple[list[Snapshot], tuple[Note, ...]]:
    """Every Go process but the reader itself, by pid. One that ends meanwhile is passed over; one that cannot be told is counted."""
    found: list[Snapshot] = []
    closed: list[Unreadable] = []
    for pid in list_pids(view.host, cheaply=cheaply):
        if pid == view.self_pid:
            continue
        try:
            notes: list[Note] = []
            snapshot = read_go_snapshot(view, pid, notes)
            if snapshot is not None:
                found.append(snapshot)
            elif any(note.privilege for note in notes):
                closed.append(Unreadable("", privilege=next(note.privilege for note in notes if note.privilege)))
        except NoSuchProcess:
            continue
        except CgtuneError as error:
            closed.append(error if isinstance(error, Unreadable) else Unreadable(str(error)))
        view.host.forget(f"/proc/{pid}")
    return found, unreadable_notes(len(closed), next((error.privilege for error in closed if error.privilege), None))


def unreadable_notes(count: int, privilege: str | None) -> tuple[Note, ...]:
    """What a report says of so many processes that could not be looked into; nothing of none."""
    what = "they are Go programs" if count > 1 else "it is a Go program"
    why = f"{count} process{'es' * (count > 1)} could not be looked into; whether {what} is not known"
    return (Note(path="/proc", why=why, privilege=privilege),) if count else ()


def list_pids(host: Host, *, cheaply: bool = False) -> list[int]:
    """The pids below the root. A probe reads the names in /proc by itself: psutil finds the same, and its import costs two bare starts."""
    if cheaply:
        try:
            return sorted(int(name) for name in host.list_directory("/proc") if name.isascii() and name.isdigit())
        except CgtuneError:
            return []
    from cgtune.processes import list_pids

    return list_pids(host.root)


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
