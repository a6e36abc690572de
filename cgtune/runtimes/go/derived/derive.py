"""What a Go runtime concludes by itself for GOMAXPROCS, GOMEMLIMIT and GOGC at its start, and by which steps.

A mirror of Go by version, mistakes included; settings.py, limitfile.py, grammar.py, godebug.py and procs.py hold its parts. Checked
against Go 1.21.13 to 1.27.3; 1.19 and 1.20 have the rules of 1.21, but for GODEBUG's cgocheck.
What is not covered: what the program does afterwards (GOMAXPROCS and SetMemoryLimit calls, libraries that make them), and deaths that
hang on the machine: for want of memory, address space or threads.
"""

from __future__ import annotations

from cgtune.errors import CgtuneError
from cgtune.records import Record
from cgtune.runtimes.go.derived import versions
from cgtune.runtimes.go.derived.godebug import derive_godebug
from cgtune.runtimes.go.derived.limitfile import locate_limit
from cgtune.runtimes.go.derived.settings import Step, derive_gogc, derive_gomaxprocs, derive_gomemlimit, locate_variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import DeathCause
    from cgtune.runtimes.go.derived.godebug import GodebugSwitch
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.limitfile import LimitSeen
    from cgtune.runtimes.go.derived.settings import Setting
    from cgtune.runtimes.go.program.version import GoVersion

_FAMILIES = (18, 19, 21, 25, 26, 27)  # one of each set of rules, for a program that does not tell its version
_DOUBTFUL_PROCS = 10_000  # 20 000 mostly live; 100 000 were seen to hang, and to end in thread exhaustion (10 000 is Go's most)


class Steps(Record):
    """How the runtime comes to each setting."""

    gomaxprocs: tuple[str, ...]
    gomemlimit: tuple[str, ...]
    gogc: tuple[str, ...]


class GoDerivation(Record):
    """What the runtime concludes. A setting is a number, "off", or None: not known, or the process dies at its start.

    ``dies`` is what it prints then, ``dies_of`` the cause; both are None if it lives, or if the versions that it may be differ in this.
    ``num_cpu`` is runtime.NumCPU(). ``pinned``: a valid GOMAXPROCS variable sets the value and stops the updates. ``limit`` is what the
    runtime sees of its quota: from 1.25 on it looks whether or not it uses it; None if it does not look or if we do not know.
    ``because`` gives the steps of each setting.
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
    dies_of: DeathCause | None
    because: Steps
    notes: tuple[str, ...]


def derive(inputs: GoInputs) -> GoDerivation:
    """What the runtime derives, by the rules of its version; a version newer than we know follows the newest rules, with a note."""
    if inputs.version is None:
        return _derive_unknown(inputs)
    minor = inputs.version.minor if inputs.version.major == 1 else max(inputs.version.minor, versions.NEWEST)
    derived = _derive_as(inputs, minor)
    if inputs.compiler == "gccgo":
        return derived.replace(because=_say_gccgo(derived.because, minor))
    return derived.replace(notes=_version_notes(inputs, inputs.version, derived) + derived.notes)


def _say_gccgo(because: Steps, minor: int) -> Steps:
    """gccgo has the rules of the Go whose library it has, but for a memory limit, which it has in no version (libgo of GCC 9 to 14)."""
    procs, gogc = (tuple(step.replace(f"Go 1.{minor}", "gccgo") for step in steps) for steps in (because.gomaxprocs, because.gogc))
    gomemlimit = ("gccgo has no memory limit", *because.gomemlimit[1:])
    return Steps(gomaxprocs=procs, gomemlimit=gomemlimit, gogc=gogc)


def _derive_as(inputs: GoInputs, minor: int) -> GoDerivation:
    variable = locate_variable(inputs, "GODEBUG")
    godebug = derive_godebug(inputs.default_godebug, None if variable is None else variable.text, minor)
    limit, trouble = _see_limit(inputs, minor)
    procs, pinned = derive_gomaxprocs(inputs, minor, godebug.aware, limit)
    memory = derive_gomemlimit(inputs, minor)
    gogc = derive_gogc(inputs, minor)
    # The order of runtime.schedinit and runtime.main: the first death is the one that is seen.
    deaths: tuple[tuple[DeathCause, str | None], ...] = (
        ("cgocheck", godebug.dies_early),
        ("gomemlimit", memory.dies),
        ("limit-texts", limit.dies if limit is not None else None),
        ("gomaxprocs" if pinned else "quota", procs.dies),
        ("removed-godebug", godebug.dies_late),
    )
    dies_of, dies = next(((cause, text) for cause, text in deaths if text is not None), (None, None))
    if dies is not None:
        end = f"the program dies at its start: {dies.splitlines()[-1]}"
        procs, memory, gogc = (Step(value=None, because=(*step.because, end)) for step in (procs, memory, gogc))
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
        dies_of=dies_of,
        because=Steps(gomaxprocs=procs.because, gomemlimit=memory.because, gogc=gogc.because),
        notes=trouble + _input_notes(inputs, procs.value),
    )


def _see_limit(inputs: GoInputs, minor: int) -> tuple[LimitSeen | None, tuple[str, ...]]:
    """What the runtime sees of its quota, None if we do not know; and a note if that is for an error."""
    if minor < versions.FIRST_AWARE:
        return None, ()
    if inputs.limit is not None:
        return inputs.limit, ()
    if inputs.cgroup_text is None or inputs.mountinfo_text is None or inputs.read_limit is None:
        return None, ()
    try:
        return locate_limit(minor, inputs.cgroup_text, inputs.mountinfo_text, inputs.read_limit), ()
    except CgtuneError as error:
        return None, (f"which CPU quota the runtime sees could not be told: {error}",)


def _derive_unknown(inputs: GoInputs) -> GoDerivation:
    """The program does not tell its version: what every set of rules agrees on, and None for the rest."""
    answers = [_derive_as(inputs, minor) for minor in _FAMILIES]
    first, last = answers[0], answers[-1]
    steps = ("the program does not tell its Go version, and the versions differ in this",)
    agreed: dict[str, object] = {}
    because = last.because
    for field in ("gomaxprocs", "gomemlimit", "gogc"):
        same = all(getattr(answer, field) == getattr(first, field) for answer in answers)
        agreed[field] = getattr(first, field) if same else None
        because = because if same else because.replace(**{field: steps})
    is_same_death = all(answer.dies == last.dies for answer in answers)
    unknown = last.aware.replace(on=None, number=None, source="version")
    return last.replace(
        **agreed,
        because=because,
        aware=unknown,
        updates=unknown,
        pinned=last.pinned if all(answer.pinned == last.pinned for answer in answers) else None,
        dies=last.dies if is_same_death else None,
        dies_of=last.dies_of if is_same_death else None,
        notes=("the Go version is not known: only what all versions agree on is derived", *last.notes),
    )


def _version_notes(inputs: GoInputs, version: GoVersion, derived: GoDerivation) -> tuple[str, ...]:
    notes = []
    name = f"Go {version.major}.{version.minor}.{version.patch}"
    if version.major != 1 or version.minor > versions.NEWEST:
        notes.append(f"{name} is newer than {versions.CHECKED[-1]}, the newest that was checked: its rules are assumed to hold still")
    elif version.minor < versions.FIRST_WITH_MEMORY_LIMIT:
        notes.append(f"{name} is older than 1.19, the oldest whose rules were checked")
    elif version.minor == 25 and version.patch > versions.NEWEST_PATCH[25]:
        notes += _unconfirmed_fix(inputs, name, derived)
    if version.development or version.prerelease:
        notes.append(f"{version.text!r} is no release: taken as {name}, from which it may differ")
    return tuple(notes)


def _unconfirmed_fix(inputs: GoInputs, name: str, derived: GoDerivation) -> tuple[str, ...]:
    """1.26.0 looks up the limit file by the mount's root; whether a later 1.25 does so too could not be seen. Nothing, if it is all one."""
    if derived.pinned or derived.aware.on is False or inputs.limit is not None:
        return ()
    fixed = _derive_as(inputs.replace(limit=_see_limit(inputs, 26)[0]), 25)
    if (fixed.gomaxprocs, fixed.dies) == (derived.gomaxprocs, derived.dies):
        return ()
    note = f"{name} could not be checked: taken as 1.25.5, though 1.26's way to the limit file may have reached it"
    return (f"{note}; then GOMAXPROCS would be {fixed.gomaxprocs if fixed.gomaxprocs is not None else 'not known'} instead",)


def _input_notes(inputs: GoInputs, procs: Setting) -> tuple[str, ...]:
    notes = []
    if isinstance(procs, int) and procs > _DOUBTFUL_PROCS:
        notes.append(
            f"GOMAXPROCS={procs} takes about {procs * 137 // 10_000} MB at the start; whether the program lives through it is open"
        )
    if inputs.library:
        notes.append("this runtime is in a shared library: it read the environment of the moment it was loaded, perhaps not that of exec")
    if inputs.environ is None:
        notes.append("the environment could not be read: what hangs on it is not known")
    return tuple(notes)
