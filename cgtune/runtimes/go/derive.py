"""What a Go runtime concludes by itself for GOMAXPROCS, GOMEMLIMIT and GOGC at its start, and by which steps.

A mirror of Go by version, mistakes included; limitfile.py, grammar.py, godebug.py and procs.py hold its parts. Checked against Go 1.21.13
to 1.27.3; 1.19 and 1.20 have the rules of 1.21, but for GODEBUG's cgocheck.
What is not covered: what the program does afterwards (GOMAXPROCS and SetMemoryLimit calls, libraries that make them), and deaths that
hang on the machine: for want of memory, address space or threads.
"""

from __future__ import annotations

from cgtune.errors import CgtuneError
from cgtune.records import Record
from cgtune.runtimes.go.godebug import derive_godebug
from cgtune.runtimes.go.grammar import NO_LIMIT, malformed_gomemlimit_death, parse_gogc, parse_gomaxprocs, parse_gomemlimit
from cgtune.runtimes.go.limitfile import LimitSeen, locate_limit, shown_path
from cgtune.runtimes.go.procs import limited_procs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from cgtune.runtimes.go.buildinfo import GoVersion
    from cgtune.runtimes.go.godebug import GodebugSwitch
    from cgtune.runtimes.go.limitfile import ReadLimit

    Setting = int | Literal["off"] | None

_NEWEST_MINOR = 27
_NEWEST_CHECKED = {21: 13, 22: 10, 23: 9, 24: 11, 25: 5, 26: 6, 27: 3}
_FAMILIES = (18, 19, 21, 25, 26, 27)  # one of each set of rules, for a program that does not tell its version
# Each P costs some 13.7 KB (274 MB for 20 000: 1.24.11, amd64), so no machine is large enough for this many. The words differ: 1.27.3 with
# 2147483647 ran out of memory under 6 GB and fell over a slice's bounds with 24 GB.
HOPELESS_PROCS = 1 << 27
_HOPELESS_DEATH = "fatal error: out of memory, or another crash on the way there"
_DOUBTFUL_PROCS = 10_000  # 20 000 mostly live; 100 000 were seen to hang, and to end in thread exhaustion (10 000 is Go's most)
_PROCRESIZE_DEATH = "fatal error: procresize: invalid arg"


class GoInputs(Record):
    """All that decides what a Go process derives. None stands for "not known to us" and makes what hangs on it unknown.

    ``environ`` is the environment as at exec, in its order, entries without "=" left out. ``default_godebug`` is the string that the
    linker put in, "" for none: see parse_default_godebug. ``cgroup_text`` and ``mountinfo_text`` are /proc/self/cgroup and
    /proc/self/mountinfo as the process itself sees them, "" where it has none; ``read_limit`` opens a path as that process spells it,
    gives None where it cannot, and raises a CgtuneError where we cannot tell. ``limit`` stands in for these three where it is given.
    ``library`` marks a runtime that lives in a shared library of another program.
    """

    version: GoVersion | None
    architecture: str = "amd64"
    default_godebug: str | None = ""
    environ: tuple[tuple[str, str], ...] | None = ()
    affinity_count: int | None
    cgroup_text: str | bytes | None = None
    mountinfo_text: str | bytes | None = None
    read_limit: ReadLimit | None = None
    limit: LimitSeen | None = None
    library: bool = False


class GoDerivation(Record):
    """What the runtime concludes. A setting is a number, "off", or None: not known, or the process dies at its start (``dies``).

    ``num_cpu`` is runtime.NumCPU(). ``pinned``: a valid GOMAXPROCS variable sets the value and stops the updates. ``limit`` is what the
    runtime sees of its quota: from 1.25 on it looks whether or not it uses it; None where it does not look or where we do not know.
    ``because`` gives the steps of each setting, by the setting's name.
    """

    gomaxprocs: int | None
    gomemlimit: Setting
    gogc: Setting
    num_cpu: int | None
    aware: GodebugSwitch
    updates: GodebugSwitch
    pinned: bool | None
    limit: LimitSeen | None
    dies: str | None
    because: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


class _Variable(Record):
    """One variable as the runtime gets it: its first entry; "" where it is not set, which is the same to Go."""

    text: str
    is_set: bool
    steps: tuple[str, ...]


class _Step(Record):
    """A value with the steps that led to it, and what the runtime prints when it dies of it."""

    value: Setting
    because: tuple[str, ...]
    dies: str | None = None


def derive(inputs: GoInputs) -> GoDerivation:
    """What the runtime derives, by the rules of its version; a version newer than we know follows the newest rules, with a note."""
    if inputs.version is None:
        return _derive_unknown(inputs)
    minor = inputs.version.minor if inputs.version.major == 1 else max(inputs.version.minor, _NEWEST_MINOR)
    derived = _derive_as(inputs, minor)
    return derived.replace(notes=_version_notes(inputs, inputs.version, derived) + derived.notes)


def _derive_as(inputs: GoInputs, minor: int) -> GoDerivation:
    variable = _variable(inputs, "GODEBUG")
    godebug = derive_godebug(inputs.default_godebug, None if variable is None else variable.text, minor)
    limit, trouble = _see_limit(inputs, minor)
    procs, pinned = _derive_gomaxprocs(inputs, minor, godebug.aware, limit)
    memory = _derive_gomemlimit(inputs, minor)
    gogc = _derive_gogc(inputs, minor)
    # The order of runtime.schedinit and runtime.main: the first death is the one that is seen.
    dies = godebug.dies_early or memory.dies or (limit.dies if limit else None) or procs.dies or godebug.dies_late
    if dies:
        end = f"the program dies at its start: {dies.splitlines()[-1]}"
        procs, memory, gogc = (_Step(value=None, because=(*step.because, end)) for step in (procs, memory, gogc))
    return GoDerivation(
        gomaxprocs=procs.value if isinstance(procs.value, int) else None,
        gomemlimit=memory.value,
        gogc=gogc.value,
        num_cpu=None if inputs.affinity_count is None else max(inputs.affinity_count, 1),
        aware=godebug.aware,
        updates=godebug.updates,
        pinned=pinned,
        limit=limit,
        dies=dies,
        because={"GOMAXPROCS": procs.because, "GOMEMLIMIT": memory.because, "GOGC": gogc.because},
        notes=trouble + _input_notes(inputs, procs.value),
    )


def _derive_gomaxprocs(inputs: GoInputs, minor: int, aware: GodebugSwitch, limit: LimitSeen | None) -> tuple[_Step, bool | None]:
    variable = _variable(inputs, "GOMAXPROCS")
    if variable is None:
        return _unknown_variable("GOMAXPROCS"), None
    number = parse_gomaxprocs(variable.text, minor)
    if number is not None:
        words = f"GOMAXPROCS={number} is taken as it is, whatever the CPUs and the quota are"
        death = _HOPELESS_DEATH if number >= HOPELESS_PROCS else None
        return _Step(value=number, because=(*variable.steps, words), dies=death), True
    steps = variable.steps
    if variable.is_set:
        steps += (f"GOMAXPROCS={_shown(variable.text)} is no whole number above 0 to Go 1.{minor}: ignored without a word",)
    if inputs.affinity_count is None:
        return _Step(value=None, because=(*steps, "how many CPUs the affinity mask allows is not known")), False
    cpus = max(inputs.affinity_count, 1)  # an empty mask, or an error of sched_getaffinity, is one CPU: runtime/os_linux.go
    steps += (f"the affinity mask allows {cpus} CPU{'s' if cpus > 1 else ''}",)
    default = _derive_default_procs(cpus, minor, aware, limit, inputs.architecture)
    return default.replace(because=steps + default.because), False


def _derive_default_procs(cpus: int, minor: int, aware: GodebugSwitch, limit: LimitSeen | None, architecture: str) -> _Step:
    """runtime.defaultGOMAXPROCS: all CPUs, lowered by the quota that the runtime sees."""
    if minor < 25:
        return _Step(value=cpus, because=(f"Go 1.{minor} never reads a CPU quota: GOMAXPROCS is {cpus}",))
    if aware.on is False:
        words = f"containermaxprocs={aware.number} from the {aware.source}: the CPU quota is not used, GOMAXPROCS is {cpus}"
        return _Step(value=cpus, because=(words,))
    if limit is None:
        return _Step(value=None, because=("which CPU quota the runtime sees is not known",))
    if limit.quota_us is None or limit.period_us is None:
        return _Step(value=cpus, because=(f"Go 1.{minor} sees no CPU quota: {limit.why}; GOMAXPROCS is {cpus}",))
    procs, formula = limited_procs(cpus, limit.quota_us, limit.period_us, architecture)
    steps = (
        f"{' and '.join(map(shown_path, limit.files)) or 'the limit'}: quota {limit.quota_us} µs, period {limit.period_us} µs",
        formula,
    )
    if aware.on is None and procs != cpus:
        return _Step(value=None, because=(*steps, "but whether containermaxprocs is on is not known"))
    if procs < 1:
        return _Step(value=None, because=steps, dies=_PROCRESIZE_DEATH)
    return _Step(value=procs, because=steps)


def _derive_gomemlimit(inputs: GoInputs, minor: int) -> _Step:
    if minor < 19:
        return _Step(value="off", because=(f"Go 1.{minor} has no memory limit: GOMEMLIMIT came with 1.19",))
    variable = _variable(inputs, "GOMEMLIMIT")
    if variable is None:
        return _unknown_variable("GOMEMLIMIT")
    limit_bytes = parse_gomemlimit(variable.text, minor)
    if limit_bytes is None:
        words = f"GOMEMLIMIT={_shown(variable.text)} is malformed to Go 1.{minor}"
        return _Step(value=None, because=(*variable.steps, words), dies=malformed_gomemlimit_death(variable.text))
    if limit_bytes == NO_LIMIT:
        said = f"GOMEMLIMIT={_shown(variable.text)} is no limit" if variable.is_set else "GOMEMLIMIT is not set"
        return _Step(value="off", because=(*variable.steps, f"{said}, and Go derives none from the cgroup"))
    return _Step(value=limit_bytes, because=(*variable.steps, f"GOMEMLIMIT={_shown(variable.text)} is {limit_bytes} bytes"))


def _derive_gogc(inputs: GoInputs, minor: int) -> _Step:
    variable = _variable(inputs, "GOGC")
    if variable is None:
        return _unknown_variable("GOGC")
    percent = parse_gogc(variable.text, minor)
    if percent is None:
        said = (
            f"GOGC={_shown(variable.text)} is no number to Go 1.{minor}, ignored without a word" if variable.is_set else "GOGC is not set"
        )
        return _Step(value=100, because=(*variable.steps, f"{said}: 100"))
    if percent < 0:
        return _Step(value="off", because=(*variable.steps, f"GOGC={_shown(variable.text)}: the heap's growth starts no collection"))
    return _Step(value=percent, because=(*variable.steps, f"GOGC={_shown(variable.text)} is {percent}"))


def _see_limit(inputs: GoInputs, minor: int) -> tuple[LimitSeen | None, tuple[str, ...]]:
    """What the runtime sees of its quota, None where we do not know; and a note where that is for an error."""
    if minor < 25:
        return None, ()
    if inputs.limit is not None:
        return inputs.limit, ()
    if inputs.cgroup_text is None or inputs.mountinfo_text is None or inputs.read_limit is None:
        return None, ()
    try:
        return locate_limit(minor, inputs.cgroup_text, inputs.mountinfo_text, inputs.read_limit), ()
    except CgtuneError as error:
        return None, (f"which CPU quota the runtime sees could not be told: {error}",)


def _variable(inputs: GoInputs, name: str) -> _Variable | None:
    """The first entry of that name, which alone counts: gogetenv in runtime/env_posix.go. None: the environment is not known."""
    if inputs.environ is None:
        return None
    values = [value for key, value in inputs.environ if key == name]
    steps = (f"the first of {len(values)} entries for {name} counts",) if len(values) > 1 else ()
    return _Variable(text=values[0] if values else "", is_set=bool(values), steps=steps)


def _shown(text: str) -> str:
    return repr(text[:60]) + ("..." if len(text) > 60 else "")


def _unknown_variable(name: str) -> _Step:
    return _Step(value=None, because=(f"whether {name} is set is not known: the environment could not be read",))


def _derive_unknown(inputs: GoInputs) -> GoDerivation:
    """The program does not tell its version: what every set of rules agrees on, and None for the rest."""
    answers = [_derive_as(inputs, minor) for minor in _FAMILIES]
    first, last = answers[0], answers[-1]
    steps = ("the program does not tell its Go version, and the versions differ in this",)
    agreed: dict[str, object] = {}
    because: dict[str, tuple[str, ...]] = {}
    for field in ("gomaxprocs", "gomemlimit", "gogc"):
        same = all(getattr(answer, field) == getattr(first, field) for answer in answers)
        agreed[field] = getattr(first, field) if same else None
        because[field.upper()] = last.because[field.upper()] if same else steps
    unknown = last.aware.replace(on=None, number=None, source="version")
    return last.replace(
        **agreed,
        because=because,
        aware=unknown,
        updates=unknown,
        pinned=last.pinned if all(answer.pinned == last.pinned for answer in answers) else None,
        dies=last.dies if all(answer.dies == last.dies for answer in answers) else None,
        notes=("the Go version is not known: only what all versions agree on is derived", *last.notes),
    )


def _version_notes(inputs: GoInputs, version: GoVersion, derived: GoDerivation) -> tuple[str, ...]:
    notes = []
    name = f"Go {version.major}.{version.minor}.{version.patch}"
    if version.major != 1 or version.minor > _NEWEST_MINOR:
        newest = f"1.{_NEWEST_MINOR}.{_NEWEST_CHECKED[_NEWEST_MINOR]}"
        notes.append(f"{name} is newer than {newest}, the newest that was checked: its rules are assumed to hold still")
    elif version.minor < 19:
        notes.append(f"{name} is older than 1.19, the oldest whose rules were checked")
    elif version.minor == 25 and version.patch > _NEWEST_CHECKED[25]:
        notes.append(_unconfirmed_fix(inputs, name, derived))
    elif version.patch > _NEWEST_CHECKED.get(version.minor, version.patch):
        notes.append(f"{name} is newer than 1.{version.minor}.{_NEWEST_CHECKED[version.minor]}, the newest of its line that was checked")
    if version.development or version.prerelease:
        notes.append(f"{version.text!r} is no release: taken as {name}, from which it may differ")
    return tuple(notes)


def _unconfirmed_fix(inputs: GoInputs, name: str, derived: GoDerivation) -> str:
    """1.26.0 looks up the limit file by the mount's root; whether a later 1.25 does so too could not be seen."""
    note = f"{name} could not be checked: taken as 1.25.5, though 1.26's way to the limit file may have reached it"
    if derived.pinned or derived.aware.on is False or inputs.limit is not None:
        return f"{note}; here that makes no difference"
    fixed = _derive_as(inputs.replace(limit=_see_limit(inputs, 26)[0]), 25)
    if (fixed.gomaxprocs, fixed.dies) == (derived.gomaxprocs, derived.dies):
        return f"{note}; here that makes no difference"
    return f"{note}; then GOMAXPROCS would be {fixed.gomaxprocs if fixed.gomaxprocs is not None else 'not known'} instead"


def _input_notes(inputs: GoInputs, procs: Setting) -> tuple[str, ...]:
    notes = []
    if isinstance(procs, int) and procs > _DOUBTFUL_PROCS:
        notes.append(
            f"GOMAXPROCS={procs} takes about {procs * 137 // 10_000} MB at the start; whether the program lives through it is open"
        )
    if inputs.library:
        notes.append("this runtime is in a shared library: it read the environment of the moment it was loaded, not that of exec")
    if inputs.environ is None:
        notes.append("the environment could not be read: what hangs on it is not known")
    return tuple(notes)
