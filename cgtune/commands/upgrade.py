"""The face of ``cgtune predict --to``: services in, what changes for them with another Go out.

They come from one place: limits that are named, with a version or a program on disk; a list; or processes, live ones or recorded ones.
"""

from __future__ import annotations

from cgtune import exits
from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.upgrade import SETTINGS, Service, Upgrade, limited_service
from cgtune.commands.showing import show
from cgtune.errors import NoSuchProcess, Unreadable, UsageError
from cgtune.model import GoObserved, Policy, ProcessReport
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cgtune.advice.services import Target
    from cgtune.model import GoFacts, Pairs, Severity, Snapshot
    from cgtune.runtimes.go.offline import OfflineProgram
    from cgtune.system.host import Host

_NAMED = "these limits"


class UpgradeOptions(Record):
    """Which Go is replaced by which, and where the services come from. ``fail_on`` None: the exit code says nothing of what changes."""

    new_go: str | None
    old_go: str | None = None
    input: str | None = None
    root: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None
    cpu_request: str | None = None
    cpus: int | None = None
    cgroup: str = "v2"
    go: str | None = None
    language: str | None = None
    binary: str | None = None
    env: tuple[str, ...] = ()
    policy: Policy = Policy()
    fail_on: Severity | None = None
    format: str = "table"
    color: str = "auto"


def run_upgrade(options: UpgradeOptions) -> int:
    """Derive and judge each class of services with both versions, say it in one write, and give the exit code back."""
    upgrade = read_upgrade(options)
    show("upgrade", options.format, upgrade, options.color)
    return exits.FINDING if options.fail_on is not None and upgrade.fails(options.fail_on) else exits.CLEAN


def read_upgrade(options: UpgradeOptions) -> Upgrade:
    """What changes. Raises UsageError for options that do not go together and for input that cannot be used, and what inspect raises."""
    new_go = _require_usable(options)
    if options.root is not None:
        return _upgrade_processes(options, new_go)
    from cgtune.advice.prediction import parse_limited, require_room
    from cgtune.advice.services import Target
    from cgtune.runtimes.go.offline import parse_program, read_program, rebuild

    new = parse_program(new_go, options.language, "--to")
    old = new if options.old_go is None else parse_program(options.old_go, options.language, "--from")
    cpus = options.cpus if options.cpus is not None else _own_cpus()
    # All limits, whichever there are: of a list --cpus and --cgroup alone
    limited = parse_limited(
        cpu_limit=options.cpu_limit,
        cpus=cpus,
        memory_limit=options.memory_limit,
        cpu_request=options.cpu_request,
        env=options.env,
        cgroup=options.cgroup,
    )
    target = Target(new_go=new_go, old_go=options.old_go, language=options.language, cpus=cpus, cgroup=limited.cgroup)
    services: Iterable[Service]
    skipped: tuple[str, ...] = ()
    if options.input is not None:
        services, skipped = _read_services(options.input, target, is_node_named=options.cpus is not None)
    else:
        require_room(limited, options.policy)
        if options.binary is not None:
            old = read_program(options.binary)
            new = rebuild(old, new)
        services = (limited_service(_NAMED, limited, old, new),)
    rows = judge_upgrade(services, _judge_by(options.policy))
    return Upgrade(
        old_go=options.old_go, new_go=new_go, rows=rows, cpus=cpus, cgroup=limited.cgroup, is_own_node=options.cpus is None, skipped=skipped
    )


def _require_usable(options: UpgradeOptions) -> str:
    """The version to come; raises UsageError for options that do not go together."""
    if options.new_go is None:
        given = "--from" if options.old_go is not None else "--input" if options.input is not None else "--root"
        raise UsageError(f"{given} asks what changes with another Go: name that with --to, as in --from 1.24 --to 1.27")
    if options.format in ("sarif", "junit"):
        raise UsageError(f"--format {options.format} is not of --to, which has table, json, csv and markdown; example: --format json")
    if options.go is not None:
        raise UsageError(
            "--go names versions to compare: leave it out beside --to, and name the Go of today with --from, as in --from 1.24"
        )
    named: dict[str, object] = {
        "--cpu-limit": options.cpu_limit,
        "--memory-limit": options.memory_limit,
        "--cpu-request": options.cpu_request,
        "--env": options.env or None,
        "--binary": options.binary,
    }
    of_node: dict[str, object] = {
        "--cpus": options.cpus,
        "--from": options.old_go,
        "--cgroup": None if options.cgroup == "v2" else options.cgroup,
    }
    if options.input is not None:
        _refuse_beside("--input, whose services have limits of their own", named | {"--root": options.root})
    elif options.root is not None:
        _refuse_beside("--root, whose processes tell that themselves", named | of_node)
    elif options.binary is not None:
        _refuse_beside("--binary, which tells its own version", {"--from": options.old_go})
    elif options.old_go is None:
        raise UsageError("--to needs the Go of today: name it with --from, as in --from 1.24 --to 1.27, or a program with --binary")
    return options.new_go


def _refuse_beside(what: str, others: Mapping[str, object]) -> None:
    given = next((name for name, value in others.items() if value is not None), None)
    if given is not None:
        raise UsageError(f"{given} does not go with {what}: leave one of them out")


def _judge_by(policy: Policy) -> Callable[[ProcessReport], ProcessReport]:
    from cgtune.api import judge_processes

    return lambda process: judge_processes((process,), policy)[0]


def _own_cpus() -> int:
    from cgtune.machineview import MachineView
    from cgtune.system.host import Host

    with Host() as host:
        return len(MachineView(host).machine.online)


def _read_services(path: str, target: Target, *, is_node_named: bool) -> tuple[list[Service], tuple[str, ...]]:
    """Returns (the services of a table, a manifest, or a folder of manifests; what else is there and why it is left out)."""
    import os

    from cgtune.advice.services import Programs, parse_services
    from cgtune.advice.upgrade import Service

    texts = list(_read_folder(path)) if os.path.isdir(path) else [(path, _read_input(path))]
    if not os.path.isdir(path) and not _is_manifest(path, texts[0][1]):
        return list(parse_services(texts[0][1], path, target)), ()
    from cgtune.lint.services import read_services
    from cgtune.manifests import read_text
    from cgtune.manifests.around import Around

    around = Around(node_cores=target.cpus if is_node_named else None)
    for file, text in texts:
        around.collect(file, text)
    programs = Programs(target)
    found = [one for file, text in texts for one in read_services(read_text(file, text, around), target, programs)]
    services, skipped = [one for one in found if isinstance(one, Service)], [one for one in found if isinstance(one, str)]
    if not services:
        why = f", {skipped[0]}" if skipped else ": it holds no container"
        raise Unreadable(f"--input {path}: there is no service in it that could be judged{why}")
    return services, tuple(skipped)


def _is_manifest(path: str, text: str) -> bool:
    """By its name; of what has none, as standard input, by what it begins with or has at the beginning of a line."""
    import re

    if path.lower().endswith((".yaml", ".yml", ".json")):
        return True
    return not path.lower().endswith(".csv") and bool(re.match(r"\ufeff?\s*[{]", text) or re.search(r"(?m)^(apiVersion|services):", text))


def _read_folder(path: str) -> Iterator[tuple[str, str]]:
    """The manifests in a folder, by their names; raises what one that cannot be read raises."""
    from cgtune.system.inputfiles import InputFiles

    for file, text in InputFiles((path,), lambda name: name.lower().endswith((".yaml", ".yml", ".json"))).read():
        if not isinstance(text, str):
            raise text
        yield file, text


def _read_input(path: str) -> str:
    """The whole file, "-": what comes on standard input. Raises UsageError for what is no text or too large."""
    from cgtune.system.inputfiles import MOST_BYTES

    if path == "-":
        import sys

        raw = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        from cgtune.system.programfile import ProgramFile

        with ProgramFile(path, "--input", "services.csv") as file:
            raw = file.read_at(0, MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise UsageError(f"--input {path} has more than {MOST_BYTES >> 20} MiB; give fewer services at once")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"--input {path}:{line}: this is no UTF-8; save it as UTF-8") from error


def _upgrade_processes(options: UpgradeOptions, new_go: str) -> Upgrade:
    """Of each Go process below the root; what could not be looked into is said."""
    from cgtune.api import inspect_host
    from cgtune.runtimes.go.offline import parse_program
    from cgtune.system.host import Host

    new = parse_program(new_go, options.language, "--to")
    with Host(options.root or "/") as host:
        try:
            report = inspect_host(host)
        except NoSuchProcess as error:
            raise NoSuchProcess(f"--root {options.root}: there is no process in it that could be judged; name / or a recording") from error
        services, skipped = [], [note.why for note in report.notes]
        for process in report.processes:
            for facts in process.snapshot.go:
                name = _name(process.snapshot)
                if facts.derived.variables is None:
                    skipped.append(f"{name}: its environment could not be read")
                elif facts.program.minor is None or facts.program.compiler != "gc":
                    skipped.append(f"{name}: {facts.program.name}, whose next version is not known")
                else:
                    services.append(_running_service(host, process, facts, name, new))
        if not services:
            why = f", {skipped[0]}" if skipped else ""
            raise NoSuchProcess(f"--root {options.root}: there is no Go process in it that could be judged{why}; name / or a recording")
        rows = judge_upgrade(services, _judge_by(options.policy))
    return Upgrade(old_go=None, new_go=new_go, rows=rows, skipped=tuple(skipped))


def _name(snapshot: Snapshot) -> str:
    from cgtune.outputs.words import container_name

    container = container_name(snapshot.container)
    return f"{container} " * bool(container) + f"{snapshot.process.command} ({snapshot.process.pid})"


def _running_service(host: Host, process: ProcessReport, facts: GoFacts, name: str, new: OfflineProgram) -> Service:
    """A process that runs with its present Go; with another one it would be derived in the same place."""
    from cgtune.runtimes.go.offline import OfflineProgram, derive_in_place, rebuild
    from cgtune.runtimes.go.program.version import parse_version

    program, environ = facts.program, facts.derived.variables or ()
    settings = dict(program.build_settings)
    old = OfflineProgram(
        go=program.version,
        version=parse_version(f"go{program.version}"),
        default_godebug=",".join(f"{key}={value}" for key, value in program.godebug),
        architecture=settings.get("GOARCH", "amd64"),
    )
    bare = process.replace(snapshot=_without_counters(process.snapshot, facts))

    identity, cpus = process.snapshot.process, len(process.snapshot.allowed_cpus)

    def derive(built: OfflineProgram, environ: Pairs) -> tuple[ProcessReport, tuple[str, ...]]:
        derivation, there = derive_in_place(host, identity.pid, identity.executable, cpus, built, environ)
        told = program.replace(version=built.go, minor=there.program.minor, godebug=there.program.godebug)
        return bare.replace(snapshot=bare.snapshot.replace(go=(there.replace(program=told),))), derivation.notes

    rebuilt = rebuild(old, new)
    later = derive(rebuilt, environ)[0].snapshot.go[0]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    leaf = process.snapshot.cpu_chain[0] if process.snapshot.cpu_chain else None
    is_missed = (
        later.derived.seen is not None and later.derived.seen.cause == "not-opened" and leaf is not None and leaf.bandwidth is not None
    )
    if is_missed and not host.is_live and facts.derived.seen is None:
        unknown = ("GOMAXPROCS",)
        notes = ("the recording does not hold the limit file that the new Go would read: it was made by an older cgtune; record it again",)
    values = tuple((one.name, one.derived, one.observed) for one in facts.settings)
    limits = process.limits
    return Service(
        name=name,
        key=(
            *(program.version, program.godebug, program.linked, environ, values, tuple(one.derived for one in later.settings)),
            *(limits.cpu.limit_cores, len(limits.cpu.usable), limits.memory.limit_bytes, limits.memory.high_bytes, unknown),
        ),
        old=old,
        new=rebuilt,
        environ=environ,
        derive=derive,
        today=bare,
        inside=tuple(name for name in SETTINGS if facts.is_set_inside(name)),
        unknown=unknown,
        notes=notes,
    )


def _without_counters(snapshot: Snapshot, facts: GoFacts) -> Snapshot:
    """One runtime of a process without what was counted while its present Go ran: that says nothing of another one."""
    observed = facts.observed
    kept = GoObserved(pinned=observed.pinned, follows=observed.follows, cpus_at_start=observed.cpus_at_start)
    return snapshot.replace(
        go=(facts.replace(observed=kept),),
        cpu_chain=tuple(level.replace(throttling=None, usage_seconds=None) for level in snapshot.cpu_chain),
        memory_chain=tuple(
            level.replace(
                current_bytes=None, swap_current_bytes=None, parts=None, events=None, events_local=None, peak_bytes=None, refaults=None
            )
            for level in snapshot.memory_chain
        ),
        cpu_pressure=None,
        memory_pressure=None,
        pressure_chain=(),
        used=None,
        rates=None,
        threads=None,
    )
