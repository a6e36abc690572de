"""A Go program that does not run: a version that somebody named, or a file on disk; and what it would derive.

The mirror of Go is the one that live processes go through. Nothing is observed.
Not covered: `godebug` lines in go.mod and `//go:debug` of a version that is only named.
"""

from __future__ import annotations

from cgtune.errors import Malformed, UsageError
from cgtune.model import GoFacts, GoObserved
from cgtune.records import Record
from cgtune.runtimes.go.derived.versions import FIRST_AWARE
from cgtune.runtimes.go.program.version import parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.runtimes.elf import ReadAt
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.derived.limitfile import ReadLimit
    from cgtune.runtimes.go.program.modinfo import BuildInfo
    from cgtune.runtimes.go.program.version import GoVersion
    from cgtune.system.host import Host

    DeriveThere = Callable[["OfflineProgram", tuple[tuple[str, str], ...]], tuple[GoDerivation, GoFacts]]

_MOST_VERSIONS = 64
_FIRST_STRICT = 21  # the first to refuse a go line newer than itself
_UNAWARE = "containermaxprocs=0,updatemaxprocs=0"  # what the go command records for a go line before 1.25

# What the executables of other systems than ELF's begin with, as the Go linker writes them
_SYSTEMS = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",  # several architectures in one
    b"\0asm": "WebAssembly",
    b"\x01\xf7": "AIX",
}


class OfflineProgram(Record):
    """A program as far as it decides anything: its version, the GODEBUG string that the go command gave it, and where it is for."""

    go: str
    version: GoVersion | None
    language: str | None = None
    default_godebug: str = ""
    architecture: str = "amd64"
    info: BuildInfo | None = None
    notes: tuple[str, ...] = ()


def parse_programs(versions: str, language: str | None) -> tuple[OfflineProgram, ...]:
    """Programs that each of these Go versions would build from a module with that go line; None: one as new as the version itself.

    Raises UsageError for what is no version of Go.
    """
    names = versions.split(",")
    if len(names) > _MOST_VERSIONS:
        raise UsageError(f"--go names {len(names)} versions; give at most {_MOST_VERSIONS}, as in --go 1.24,1.25")
    line = None if language is None else _parse_release(language, "--language", "--language 1.24")
    return tuple(_program(_parse_release(name, "--go", "--go 1.21,1.24,1.27"), name, line, language) for name in names)


def parse_program(version: str, language: str | None, option: str, language_option: str = "--language") -> OfflineProgram:
    """The program of one version, as of parse_programs. Raises UsageError, which names ``option`` or ``language_option``."""
    line = None if language is None else _parse_release(language, language_option, f"{language_option} 1.24")
    return _program(_parse_release(version, option, f"{option} 1.24"), version, line, language)


def rebuild(program: OfflineProgram, named: OfflineProgram) -> OfflineProgram:
    """A program as it is if the Go of ``named`` builds it: its modules, and what its build says of GODEBUG.

    A Go that never looked at quotas recorded nothing of them: then, and if ``named`` has a go line, GODEBUG is as ``named`` has it.
    """
    is_told = program.version is not None and program.version.minor >= FIRST_AWARE and named.language is None
    default = program.default_godebug if is_told else named.default_godebug
    return named.replace(default_godebug=default, architecture=program.architecture, info=program.info)


def _parse_release(text: str, option: str, example: str) -> GoVersion:
    version = parse_version(text if text.startswith("go") else f"go{text}") if len(text) <= 40 and text.isascii() else None
    plain = version is not None and set(text.removeprefix("go")) <= set("0123456789.rcbeta") and text.count(".") <= 2
    if version is None or not plain or version.major != 1 or version.minor > 999:
        raise UsageError(f"{option} {text[:40]!a} is no version of Go; example: {example}")
    return version


def _program(version: GoVersion, name: str, line: GoVersion | None, language: str | None) -> OfflineProgram:
    notes: tuple[str, ...] = ()
    names_patch = name.count(".") == 2
    is_behind = line is not None and (
        line.minor > version.minor or (names_patch and (line.minor, line.patch) > (version.minor, version.patch))
    )
    if is_behind and version.minor >= _FIRST_STRICT:
        notes = (f"Go {name} does not itself build a module with the go line {language}: it fetches a newer Go, or stops",)
    # cmd/go/internal/load/godebug.go: the old behaviour of every setting that changed after the go line's version
    unaware = line is not None and version.minor >= FIRST_AWARE > line.minor
    return OfflineProgram(
        go=name.removeprefix("go"), version=version, language=language, default_godebug=_UNAWARE if unaware else "", notes=notes
    )


def program_of(info: BuildInfo) -> OfflineProgram:
    """A program on disk, by its build info."""
    from cgtune.runtimes.go.derived.godebug import parse_default_godebug

    return OfflineProgram(
        go=info.version.removeprefix("go"),
        version=info.go,
        default_godebug=parse_default_godebug(info.settings),
        architecture=dict(info.settings).get("GOARCH", "amd64"),
        info=info,
    )


def find_program(read_at: ReadAt) -> OfflineProgram | None:
    """The Go program in a file that is open, None if there is none for Linux. Raises Malformed if it is damaged."""
    from cgtune.runtimes.go import programs

    found = programs.read_program(read_at)
    is_ours = found is not None and dict(found[1].settings).get("GOOS", "linux") in ("linux", "android")
    return program_of(found[1]) if found is not None and is_ours else None


def read_program(path: str) -> OfflineProgram:
    """The Go program in this file. Raises UsageError if there is none, or one for another system, Malformed if it is damaged."""
    from cgtune.runtimes.go import programs
    from cgtune.system.programfile import ProgramFile

    with ProgramFile(path, "--binary") as file:
        try:
            found = programs.read_program(file.read_at)
        except Malformed as error:
            raise Malformed(f"--binary {path!r}: {error}") from error
        head = file.read_at(0, 4)
    system = _SYSTEMS.get(head, _SYSTEMS.get(head[:2])) if found is None else dict(found[1].settings).get("GOOS", "linux")
    if system not in (None, "linux", "android"):
        raise UsageError(f"--binary {path!r} is a program for {system}, which has no cgroups; name one for Linux, by GOOS=linux go build")
    if found is None:
        raise UsageError(
            f"--binary {path!r} is not a Go program, or tells nothing of itself; name one that go build made: --binary ./server"
        )
    return program_of(found[1])


def derive_program(
    program: OfflineProgram,
    *,
    environ: tuple[tuple[str, str], ...],
    affinity_count: int,
    cgroup_text: str,
    mountinfo_text: str,
    read_limit: ReadLimit,
) -> tuple[GoDerivation, GoFacts]:
    """What a program that does not run yet would derive if these are the texts that it reads: see GoInputs.

    Returns (its derivation, the facts that follow from it).
    """
    from cgtune.runtimes.go.derived.derive import derive
    from cgtune.runtimes.go.derived.facts import derived_facts, program_facts, setting_facts
    from cgtune.runtimes.go.derived.inputs import GoInputs

    inputs = GoInputs(
        version=program.version,
        compiler="gc" if program.info is None else program.info.compiler,
        architecture=program.architecture,
        default_godebug=program.default_godebug,
        environ=environ,
        affinity_count=affinity_count,
        cgroup_text=cgroup_text,
        mountinfo_text=mountinfo_text,
        read_limit=read_limit,
    )
    derivation, info = derive(inputs), program.info
    return derivation, GoFacts(
        program=program_facts(inputs, info, version=program.go, path="" if info is None else info.path),
        derived=derived_facts(inputs, derivation),
        observed=GoObserved(pinned=derivation.pinned, cpus_at_start=derivation.num_cpu),
        settings=setting_facts(derivation, {}),
    )


def read_place(host: Host, pid: int, executable: str | None, affinity_count: int) -> DeriveThere:
    """What derives as derive_program does, in the place of this process: its cgroups, its mounts, so many CPUs.

    What that reads is read once: the process may have ended when the next program is asked for.
    """
    from cgtune.runtimes.go.held import HeldReader
    from cgtune.runtimes.go.reader import GoReading

    texts = GoReading(host, pid, executable=executable, affinity_count=affinity_count).read_own_texts()
    reader = HeldReader(host, pid, texts, None)
    limits: dict[str, bytes | None] = {}

    def read_limit(path: str) -> bytes | None:
        if path not in limits:
            limits[path] = reader.read_limit(path)
        return limits[path]

    def derive(program: OfflineProgram, environ: tuple[tuple[str, str], ...]) -> tuple[GoDerivation, GoFacts]:
        return derive_program(
            program,
            environ=environ,
            affinity_count=affinity_count,
            cgroup_text=texts.cgroup,
            mountinfo_text=texts.mountinfo,
            read_limit=read_limit,
        )

    return derive
