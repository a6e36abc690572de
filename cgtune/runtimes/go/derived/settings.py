"""What a Go runtime makes of GOMAXPROCS, GOMEMLIMIT and GOGC at its start, one function for each, and by which steps."""

from __future__ import annotations

from cgtune.records import Record
from cgtune.runtimes.go.derived import versions
from cgtune.runtimes.go.derived.grammar import NO_LIMIT, malformed_gomemlimit_death, parse_gogc, parse_gomaxprocs, parse_gomemlimit
from cgtune.runtimes.go.derived.limitfile import shown_path
from cgtune.runtimes.go.derived.procs import limited_procs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.runtimes.go.derived.godebug import GodebugSwitch
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.limitfile import LimitSeen

    Setting = int | Literal["off"] | None

# Each P costs some 13.7 KB (274 MB for 20 000: 1.24.11, amd64), so no machine is large enough for this many. The words differ: 1.27.3 with
# 2147483647 ran out of memory under 6 GB and fell over a slice's bounds with 24 GB.
HOPELESS_PROCS = 1 << 27
_HOPELESS_DEATH = "fatal error: out of memory, or another crash on the way there"
_PROCRESIZE_DEATH = "fatal error: procresize: invalid arg"


class FirstEntry(Record):
    """One variable as the runtime gets it: its first entry; "" if it is not set, which is the same to Go."""

    text: str
    is_set: bool
    steps: tuple[str, ...]


class Step(Record):
    """A value with the steps that led to it, and what the runtime prints when it dies of it."""

    value: Setting
    because: tuple[str, ...]
    dies: str | None = None


def derive_gomaxprocs(inputs: GoInputs, minor: int, aware: GodebugSwitch, limit: LimitSeen | None) -> tuple[Step, bool | None]:
    """GOMAXPROCS, and whether a valid variable pins it (None: the environment is not known). ``limit`` None: what it sees is not known."""
    variable = locate_variable(inputs, "GOMAXPROCS")
    if variable is None:
        return _unknown("GOMAXPROCS"), None
    number = parse_gomaxprocs(variable.text, minor)
    if number is not None:
        words = f"GOMAXPROCS={number} is taken as it is, whatever the CPUs and the quota are"
        death = _HOPELESS_DEATH if number >= HOPELESS_PROCS else None
        return Step(value=number, because=(*variable.steps, words), dies=death), True
    steps = variable.steps
    if variable.is_set:
        steps += (f"GOMAXPROCS={_shown(variable.text)} is no whole number above 0 to Go 1.{minor}: ignored without a word",)
    if inputs.affinity_count is None:
        return Step(value=None, because=(*steps, "how many CPUs the affinity mask allows is not known")), False
    cpus = max(inputs.affinity_count, 1)  # an empty mask, or an error of sched_getaffinity, is one CPU: runtime/os_linux.go
    steps += (f"the affinity mask allows {cpus} CPU{'s' if cpus > 1 else ''}",)
    default = _derive_default_procs(cpus, minor, aware, limit, inputs.architecture)
    return default.replace(because=steps + default.because), False


def _derive_default_procs(cpus: int, minor: int, aware: GodebugSwitch, limit: LimitSeen | None, architecture: str) -> Step:
    """runtime.defaultGOMAXPROCS: all CPUs, lowered by the quota that the runtime sees."""
    if minor < versions.FIRST_AWARE:
        return Step(value=cpus, because=(f"Go 1.{minor} never reads a CPU quota: GOMAXPROCS is {cpus}",))
    if aware.on is False:
        words = f"containermaxprocs={aware.number} from the {aware.source}: the CPU quota is not used, GOMAXPROCS is {cpus}"
        return Step(value=cpus, because=(words,))
    if limit is None:
        return Step(value=None, because=("which CPU quota the runtime sees is not known",))
    if limit.quota_us is None or limit.period_us is None:
        return Step(value=cpus, because=(f"Go 1.{minor} sees no CPU quota: {limit.why}; GOMAXPROCS is {cpus}",))
    procs, formula = limited_procs(cpus, limit.quota_us, limit.period_us, architecture)
    steps = (
        f"{' and '.join(map(shown_path, limit.files)) or 'the limit'}: quota {limit.quota_us} µs, period {limit.period_us} µs",
        formula,
    )
    if aware.on is None and procs != cpus:
        return Step(value=None, because=(*steps, "but whether containermaxprocs is on is not known"))
    if procs < 1:
        return Step(value=None, because=steps, dies=_PROCRESIZE_DEATH)
    return Step(value=procs, because=steps)


def derive_gomemlimit(inputs: GoInputs, minor: int) -> Step:
    """GOMEMLIMIT in bytes, or "off"; death for a malformed one, as runtime.readGOMEMLIMIT does it."""
    variable = locate_variable(inputs, "GOMEMLIMIT")
    if minor < versions.FIRST_WITH_MEMORY_LIMIT:
        why = f"Go 1.{minor} has no memory limit: GOMEMLIMIT came with 1.{versions.FIRST_WITH_MEMORY_LIMIT}"
        vain = variable is not None and variable.is_set
        return Step(value="off", because=(why, "the variable is set and has no effect") if vain else (why,))
    if variable is None:
        return _unknown("GOMEMLIMIT")
    limit_bytes = parse_gomemlimit(variable.text, minor)
    if limit_bytes is None:
        words = f"GOMEMLIMIT={_shown(variable.text)} is malformed to Go 1.{minor}"
        return Step(value=None, because=(*variable.steps, words), dies=malformed_gomemlimit_death(variable.text))
    if limit_bytes == NO_LIMIT:
        said = f"GOMEMLIMIT={_shown(variable.text)} is no limit" if variable.is_set else "GOMEMLIMIT is not set"
        return Step(value="off", because=(*variable.steps, f"{said}, and Go derives none from the cgroup"))
    return Step(value=limit_bytes, because=(*variable.steps, f"GOMEMLIMIT={_shown(variable.text)} is {limit_bytes} bytes"))


def derive_gogc(inputs: GoInputs, minor: int) -> Step:
    """GOGC in percent, or "off": runtime.readGOGC."""
    variable = locate_variable(inputs, "GOGC")
    if variable is None:
        return _unknown("GOGC")
    percent = parse_gogc(variable.text, minor)
    if percent is None:
        said = (
            f"GOGC={_shown(variable.text)} is no number to Go 1.{minor}, ignored without a word" if variable.is_set else "GOGC is not set"
        )
        return Step(value=100, because=(*variable.steps, f"{said}: 100"))
    if percent < 0:
        return Step(value="off", because=(*variable.steps, f"GOGC={_shown(variable.text)}: the heap's growth starts no collection"))
    return Step(value=percent, because=(*variable.steps, f"GOGC={_shown(variable.text)} is {percent}"))


def locate_variable(inputs: GoInputs, name: str) -> FirstEntry | None:
    """The first entry of that name, which alone counts: gogetenv in runtime/env_posix.go. None: the environment is not known."""
    if inputs.environ is None:
        return None
    values = [value for key, value in inputs.environ if key == name]
    steps = (f"the first of {len(values)} entries for {name} counts",) if len(values) > 1 else ()
    return FirstEntry(text=values[0] if values else "", is_set=bool(values), steps=steps)


def _shown(text: str) -> str:
    return repr(text[:60]) + ("..." if len(text) > 60 else "")


def _unknown(name: str) -> Step:
    return Step(value=None, because=(f"whether {name} is set is not known: the environment could not be read",))
