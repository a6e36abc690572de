"""What env and exec ask of the route: the variables for limits that are named, for the place of a process, for what this process becomes.

A program that does not run yet derives by the same mirror of Go as one that does; variables.py weighs what comes of it.
"""

from __future__ import annotations

from cgtune.advice import variables
from cgtune.api import inspect_host
from cgtune.errors import CgtuneError, UsageError
from cgtune.machineview import MachineView
from cgtune.records import Record
from cgtune.system.host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.advice.named import Here, NamedLimits
    from cgtune.advice.variables import PlannedVariable
    from cgtune.model import GoFacts, Note, Policy, ProcessReport, Whom
    from cgtune.runtimes.go.offline import OfflineProgram


class Place(Record):
    """What is planned for the place of a process: the variables, what could not be seen, and which process it was (its ``start_ticks``)."""

    variables: tuple[PlannedVariable, ...]
    notes: tuple[Note, ...]
    start_ticks: int


_MOST_NAMED = 5
_MISSES_ON_V1 = 25  # the one version to which it matters; 1.24 never looks, and 1.26 finds its limit on both
_MISSED_ON_V1 = "in a container on cgroup v1 it looks for the file under the cgroup's whole path, which the container's mount does not have"


def plan_for_container(
    named: NamedLimits,
    policy: Policy,
    *,
    go: str | None = None,
    language: str | None = None,
    binary: str | None = None,
    cgroup: str | None = None,
    always: bool = False,
) -> tuple[PlannedVariable, ...]:
    """The variables for a container whose limits are named, and which runs that program; without ``go`` and ``binary`` any may run.

    ``cgroup`` is v1 or v2, None: as on this machine, which is the node of a pod. Raises UsageError, or Malformed for a damaged program.
    """
    from cgtune.advice import prediction as route

    facts = None
    program = _planned_program(go, language, binary)
    if program is not None:
        if cgroup is None and (program.version is None or program.version.minor == _MISSES_ON_V1):
            with Host() as host:
                cgroup = "v2" if MachineView(host).machine.cgroup_mode == "v2" else "v1"
        cpus = named.node_cpus or variables.UNKNOWN_CPUS
        limited = route.Limited(cpus=cpus, cgroup=1 if cgroup == "v1" else 2, bandwidth=named.own)
        facts = route.derive_limited(limited, program)[1]
        seen = facts.derived.seen
        if seen is not None and seen.cause is not None:  # its words name a file of the container, and that is not there yet
            facts = facts.replace(derived=facts.derived.replace(seen=seen.replace(why=_MISSED_ON_V1)))
    return variables.advise_named(named, facts, policy, always=always)


def read_here(root: str = "/") -> Here | None:
    """What is enforced on cgtune itself, in its container; None if that cannot be seen."""
    from cgtune.advice.named import Here

    try:
        with Host(root) as host:
            process = inspect_host(host, self_only=True).processes[0]
    except CgtuneError:
        return None
    machine = process.snapshot.machine
    return Here(
        limit_cores=process.limits.cpu.limit_cores,
        memory_bytes=process.limits.memory.limit_bytes,
        machine_cpus=len(machine.online),
        machine_bytes=None if machine.memory_is_limit else machine.memory_bytes,
    )


def plan_for_place(
    whom: Whom,
    policy: Policy,
    *,
    root: str = "/",
    go: str | None = None,
    language: str | None = None,
    binary: str | None = None,
    always: bool = False,
) -> Place:
    """The variables for a program that is to run where the one process does that is meant; nobody: where cgtune itself does.

    Without ``go`` and ``binary`` it is the program that runs there now, if that is a Go program. Raises what inspect raises.
    """
    from cgtune.advice.advise import advise

    program = _planned_program(go, language, binary)
    with Host(root) as host:
        process = _choose(inspect_host(host, self_only=not whom.words, whom=whom).processes)
        if program is None and process.snapshot.go:
            recommended = advise(process.snapshot, process.limits, policy)
            planned = variables.advise_running(recommended, process.snapshot.go, always=always)
        else:
            facts = None if program is None else derive_there(host, process, program, ())
            planned = variables.advise_here(process, facts, policy, always=always)
    return Place(variables=planned, notes=process.notes, start_ticks=process.snapshot.process.start_ticks)


def _choose(meant: tuple[ProcessReport, ...]) -> ProcessReport:
    """The only one, or the only Go program. Raises UsageError, which names those that there are."""
    chosen = tuple(process for process in meant if process.snapshot.go) or meant
    if len(chosen) == 1:
        return chosen[0]
    from cgtune.outputs.words import subject

    named = ", ".join(subject(process) for process in chosen[:_MOST_NAMED]) + ", ..." * (len(chosen) > _MOST_NAMED)
    raise UsageError(f"{len(chosen)} processes are meant, and one is wanted: {named}; name it with --pid, or add --container or --command")


def plan_for_command(
    path: str, environ: tuple[tuple[str, str], ...], policy: Policy, *, root: str = "/", always: bool = False
) -> tuple[tuple[PlannedVariable, ...], OfflineProgram | None]:
    """The variables for the program ``path`` if this very process became it, with this environment; and what is known of it, None: nothing.

    A script, and a program that may not be read, may start a Go program: of those nothing is known. Raises what inspect raises.
    """
    from cgtune.runtimes.go.offline import read_program

    try:
        program = read_program(path)
    except CgtuneError:
        program = None
    with Host(root) as host:
        process = inspect_host(host, self_only=True).processes[0]
        facts = None if program is None else derive_there(host, process, program, environ)
        return variables.advise_here(process, facts, policy, always=always), program


def derive_there(host: Host, process: ProcessReport, program: OfflineProgram, environ: tuple[tuple[str, str], ...]) -> GoFacts:
    """What a program that does not run yet would derive in the place of this process: its cgroups, its mounts, its affinity."""
    from cgtune.runtimes.go.offline import read_place

    identity = process.snapshot.process
    return read_place(host, identity.pid, identity.executable, len(process.snapshot.allowed_cpus))(program, environ)[1]


def _planned_program(go: str | None, language: str | None, binary: str | None) -> OfflineProgram | None:
    """The one program that is to run, None where nobody said which."""
    from cgtune.runtimes.go.offline import parse_programs, read_program

    if binary is not None:
        if go is not None or language is not None:
            raise UsageError("--binary tells its own Go version and settings: leave out --go and --language, as in --binary ./server")
        return read_program(binary)
    if go is None:
        if language is not None:
            raise UsageError("--language needs the Go version beside it: --go 1.27 --language 1.24")
        return None
    if "," in go:
        raise UsageError(f"--go {go[:40]!a} names several versions, and a container runs one; example: --go 1.24")
    return parse_programs(go, language)[0]
