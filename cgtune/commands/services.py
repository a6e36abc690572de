"""Services that are to get another Go, read from where somebody keeps them: a list, manifests, or the processes themselves."""

from __future__ import annotations

from cgtune.advice.upgrade import SETTINGS, Service
from cgtune.errors import CgtuneError, Unreadable, UsageError
from cgtune.model import GoObserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.advice.services import Target
    from cgtune.model import GoFacts, Pairs, ProcessReport, Report, Snapshot
    from cgtune.runtimes.go.offline import OfflineProgram
    from cgtune.system.host import Host


def read_listed(path: str, target: Target, *, is_node_named: bool) -> tuple[list[Service], tuple[str, ...]]:
    """Returns (the services of a table, a manifest, or a folder of manifests; what else is there and why it is left out)."""
    import os

    from cgtune.advice.services import Programs, parse_services

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


def read_running(host: Host, report: Report, new: OfflineProgram) -> tuple[list[Service], tuple[str, ...]]:
    """Returns (a service for each Go runtime of a report that was read through ``host``; what could not be judged, and why)."""
    services, skipped = [], [note.why for note in report.notes]
    for process in report.processes:
        for facts in process.snapshot.go:
            name = _name(process.snapshot)
            if facts.derived.variables is None:
                skipped.append(f"{name}: its environment could not be read")
            elif facts.program.minor is None or facts.program.compiler != "gc":
                skipped.append(f"{name}: {facts.program.name}, whose next version is not known")
            else:
                try:
                    services.append(_running_service(host, process, facts, name, new))
                except CgtuneError as error:  # it has ended meanwhile, or what it reads is closed to us
                    skipped.append(f"{name}: {error}")
    return services, tuple(skipped)


def _name(snapshot: Snapshot) -> str:
    from cgtune.outputs.words import container_name

    container = container_name(snapshot.container)
    return f"{container} " * bool(container) + f"{snapshot.process.command} ({snapshot.process.pid})"


def _running_service(host: Host, process: ProcessReport, facts: GoFacts, name: str, new: OfflineProgram) -> Service:
    """A process that runs with its present Go; with another one it would be derived in the same place."""
    from cgtune.runtimes.go.offline import OfflineProgram, read_place, rebuild
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

    identity = process.snapshot.process
    derive_there = read_place(host, identity.pid, identity.executable, len(process.snapshot.allowed_cpus))

    def derive(built: OfflineProgram, environ: Pairs) -> tuple[ProcessReport, tuple[str, ...]]:
        derivation, there = derive_there(built, environ)
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
