"""What of a program and its derivation goes into the facts of a runtime, the same for a live process and for one that does not run."""

from __future__ import annotations

from cgtune.errors import CgtuneError
from cgtune.model import AUTOMAXPROCS, AUTOMEMLIMIT, FoundIfStarted, GoDerived, GoProgram, GoSetting, QuotaSeen
from cgtune.runtimes.go.derived.grammar import parse_godebug, parse_gogc, parse_gomaxprocs
from cgtune.runtimes.go.derived.versions import FIRST_AWARE, NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cgtune.model import Misplaced, Off, Pairs
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.limitfile import LimitSeen
    from cgtune.runtimes.go.program.modinfo import BuildInfo

#: The variables from which a runtime derives.
VARIABLES = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG")
_REMOVAL_KILLS = 27  # internal/godebugs: the first version that ends a program for a setting it has dropped

#: Go ignores these as well, and nobody means anything else by them than "the default".
_MEANS_DEFAULT = ("", "0")


def derived_facts(inputs: GoInputs, derivation: GoDerivation, *, misled: bool = False, hidden: bool = False) -> GoDerived:
    """What follows from a derivation, beside the settings.

    ``misled``: the runtime obeys another cgroup's limit file. ``hidden``: names in the path of its cgroup are hidden from us.
    """
    variables = None
    if inputs.environ is not None:
        variables = {name: value for name, value in reversed(inputs.environ) if name in VARIABLES}  # the first entry counts
    known, seen = variables or {}, derivation.limit
    return GoDerived(
        variables=None if variables is None else tuple(variables.items()),
        ignored=_ignored(known, None if inputs.version is None else inputs.version.minor),
        dies=derivation.dies,
        dies_of=derivation.dies_of,
        aware=derivation.aware.on,
        aware_from=derivation.aware.source,
        updates=derivation.updates.on,
        updates_from=derivation.updates.source,
        seen=None if seen is None else quota_seen(seen),
        removed_godebug=parse_godebug(known.get("GODEBUG", ""), _REMOVAL_KILLS).removed,
        if_started=_derive_starts(inputs) if not hidden and (misled or (seen is not None and seen.cause not in (None, "max"))) else (),
        misplaced=None if hidden else _locate_misplaced(inputs),
    )


def _derive_starts(inputs: GoInputs) -> tuple[FoundIfStarted, ...]:
    """What the runtime's own version and the newest would find if they started where it is now; those that find nothing are left out."""
    from cgtune.runtimes.go.derived.limitfile import locate_limit

    if inputs.cgroup_text is None or inputs.mountinfo_text is None or inputs.read_limit is None or inputs.version is None:
        return ()
    found = []
    for minor in sorted({max(inputs.version.minor, FIRST_AWARE), NEWEST}):
        try:
            limit = locate_limit(minor, inputs.cgroup_text, inputs.mountinfo_text, inputs.read_limit)
        except CgtuneError:
            continue  # whether it would is not known
        if limit.quota_us is not None and limit.period_us is not None:
            found.append(FoundIfStarted(minor=minor, quota_us=limit.quota_us, period_us=limit.period_us))
    return tuple(found)


def _locate_misplaced(inputs: GoInputs) -> Misplaced | None:
    """Read off the two texts as the process itself sees them: what lies outside of its namespace begins with /.. there."""
    cgroup, mountinfo = _as_text(inputs.cgroup_text), _as_text(inputs.mountinfo_text)
    for line in cgroup.split("\n") if "/.." in cgroup else ():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number == "0" or "cpu" in controllers.split(",")) and f"{path}/".startswith("/../"):
            return "moved-out"
    for line in mountinfo.split("\n") if "/.." in mountinfo else ():
        fields, _, rest = line.partition(" - ")
        root = "".join(fields.split(" ", 4)[3:4])
        is_cpu = rest.startswith("cgroup2 ") or (rest.startswith("cgroup ") and "cpu" in rest.rpartition(" ")[2].split(","))
        if is_cpu and f"{root}/".startswith("/../"):
            return "mount-above" if set(root.split("/")) == {"", ".."} else "mount-beside"
    return None


def _as_text(raw: str | bytes | None) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw or ""


def program_facts(
    inputs: GoInputs, info: BuildInfo | None, *, version: str, path: str, deleted: bool = False, emulator: str | None = None
) -> GoProgram:
    """Which program the runtime comes with. ``info`` None: only its version was named, which is ``version``."""
    return GoProgram(
        path=path,
        deleted=deleted,
        version=version,
        minor=None if inputs.version is None else inputs.version.minor,
        main_module=None if info is None else _main_module(info),
        godebug=_once(pair.partition("=")[::2] for pair in (inputs.default_godebug or "").split(",") if "=" in pair),
        modules=() if info is None else _once(info.modules),
        build_settings=() if info is None else info.settings,
        linked=() if info is None else _linked(info),
        is_module=info is None or bool(info.main_module),
        package="" if info is None else info.path,
        compiler=inputs.compiler,
        emulator=emulator,
        in_library=inputs.library,
    )


def _main_module(info: BuildInfo) -> str | None:
    """The main module's path; the package's if none is recorded (GOPATH builds), unless that only says that files were named."""
    return info.main_module or (info.path if info.path != "command-line-arguments" else "") or None


def _linked(info: BuildInfo) -> tuple[str, ...]:
    """What decides settings: by the dependencies, which may be there for a part that was not linked, and by the function names."""
    listed = tuple(name for name in (AUTOMAXPROCS, AUTOMEMLIMIT) if name in dict(info.modules))
    return tuple(dict.fromkeys((*listed, *info.linked)))


def setting_facts(derivation: GoDerivation, observed: Mapping[str, int | Off | None]) -> tuple[GoSetting, ...]:
    """The three settings, with what the process's memory says of each; a name that is missing was not observed."""
    triples = (
        ("GOMAXPROCS", derivation.gomaxprocs, derivation.because.gomaxprocs),
        ("GOMEMLIMIT", derivation.gomemlimit, derivation.because.gomemlimit),
        ("GOGC", derivation.gogc, derivation.because.gogc),
    )
    return tuple(
        GoSetting(
            name=name,
            derived=derived,
            observed=observed.get(name),
            observed_from=None if observed.get(name) is None else "memory",
            because=because,
        )
        for name, derived, because in triples
    )


def _once(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Each name once, at its first place, with its last text."""
    return tuple(dict(pairs).items())


def quota_seen(limit: LimitSeen) -> QuotaSeen:
    """What of the look-up goes into the facts."""
    return QuotaSeen(files=limit.files, quota_us=limit.quota_us, period_us=limit.period_us, cause=limit.cause, why=limit.why)


def _ignored(variables: dict[str, str], minor: int | None) -> tuple[str, ...]:
    if minor is None:
        return ()
    names = []
    for name, parse in (("GOMAXPROCS", parse_gomaxprocs), ("GOGC", parse_gogc)):
        text = variables.get(name, "")
        if text not in _MEANS_DEFAULT and parse(text, minor) is None:
            names.append(name)
    return tuple(names)
