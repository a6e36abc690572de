"""The platforms that are known: by which variables and cgroup names each is told, and what it says. docs/platforms.md.

What was executed and what is only documented stands there, with the sources.
"""

from __future__ import annotations

from cgtune.cgroups.kernel import is_nested, parse_cpu_list
from cgtune.errors import Malformed
from cgtune.model import Platform, Said
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cgtune.model import Pairs

_MIB = 1 << 20
_MOST_MB = 1 << 26
_MOST_CPUS = 65_536
_LONGEST_NUMBER = 10  # digits
_MOST_MHZ = 1 << 30


class Clues(Record):
    """What tells a platform: the variables of the process, and the paths of its cgroups.

    ``writable``: where its own cgroup is mounted so that it may make others below; "": nowhere. ``below``: its cgroup, if that is not its
    container's own; "": it is.
    """

    variables: Pairs
    paths: tuple[str, ...]
    writable: str = ""
    below: str = ""

    def value(self, name: str) -> str | None:
        """The first value of a variable; None if it is not there."""
        return next((value for other, value in self.variables if other == name), None)


def tell_platforms(clues: Clues) -> tuple[Platform, ...]:
    """The platforms of a process; several may hold at once, as of a Slurm job in a container."""
    return tuple(platform for tell in _TELL if (platform := tell(clues)) is not None)


def _told(clues: Clues, names: tuple[str, ...], places: tuple[str, ...] = ()) -> tuple[str, ...]:
    """How it was told: the variables that are there, and the cgroups whose paths name it."""
    variables = tuple(f"environment: {name}" for name in names if clues.value(name) is not None)
    paths = dict.fromkeys(path for path in clues.paths if any(place in path for place in places))
    return (*variables, *(f"cgroup: {path}" for path in paths))


def _ecs(clues: Clues) -> Platform | None:
    told = _told(clues, ("ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"), ("/ecs/", "/ecstasks"))
    hides = "the cgroup of the task, which has its CPU quota and its memory limit; a container's cpu is a share"
    return Platform(name="Amazon ECS", told_by=told, hides=hides) if told else None


def _lambda(clues: Clues) -> Platform | None:
    told = _told(clues, ("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
    said = _said(clues, "function", ("memory", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "MB"))
    hides = "every limit: the CPU follows the memory size, and is enforced outside of the virtual machine"
    return Platform(name="AWS Lambda", told_by=told, hides=hides, said=said) if told else None


def _nomad(clues: Clues) -> Platform | None:
    told = _told(clues, ("NOMAD_ALLOC_ID",), ("/nomad.slice", "/nomad/"))
    most = _said(clues, "task", ("memory", "NOMAD_MEMORY_MAX_LIMIT", "MB"))
    memory = most or _said(clues, "task", ("memory", "NOMAD_MEMORY_LIMIT", "MB"))
    said = (*memory, *_said(clues, "task", ("cpu", "NOMAD_CPU_CORES", "list"), ("cpu", "NOMAD_CPU_LIMIT", "MHz")))
    hides = "nothing by itself; its cpu is a share, and no cap unless a driver is told so, and its cores are a cpuset"
    return Platform(name="Nomad", told_by=told, hides=hides, said=said) if told else None


def _cloud_run(clues: Clues) -> Platform | None:
    if clues.value("KUBERNETES_SERVICE_HOST") is not None:
        return None  # Knative in a cluster has the same variables
    told = _told(clues, ("K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_WORKER_POOL"))
    hides = "what is allowed beyond the instance's own cgroup; CPU may be more for a while at the start, and a first value stays then"
    return Platform(name="Google Cloud Run", told_by=told, hides=hides) if told else None


def _app_engine(clues: Clues) -> Platform | None:
    told = _told(clues, ("GAE_INSTANCE",))
    name = "App Engine standard" if clues.value("GAE_ENV") is not None else "App Engine flexible"
    said = _said(clues, "instance", ("memory", "GAE_MEMORY_MB", "MB"))
    return Platform(name=name, told_by=told, hides="the limits of the instance", said=said) if told else None


def _slurm(clues: Clues) -> Platform | None:
    told = _told(clues, ("SLURM_JOB_ID",), ("/slurmstepd.scope", "slurmstepd.scope/", "/slurm/"))
    cpus = _said(clues, "task", ("cpu", "SLURM_CPUS_PER_TASK", "cores")) or _said(clues, "job", ("cpu", "SLURM_CPUS_ON_NODE", "cores"))
    said = (*_said(clues, "job", ("memory", "SLURM_MEM_PER_NODE", "MB")), *cpus)
    hides = "nothing by itself; without ConstrainCores and ConstrainRAMSpace in cgroup.conf nothing of a job is enforced"
    return Platform(name="Slurm", told_by=told, hides=hides, said=said) if told else None


def _nested(clues: Clues) -> Platform | None:
    """A container engine in a container, or an init that moved all: the path goes on below the container's own cgroup."""
    nested = tuple(path for path in dict.fromkeys(clues.paths) if is_nested(path)) or ((clues.below,) if clues.below else ())
    hides = "the limits of the outer cgroups from Go, which reads the inner one's alone"
    return Platform(name="nested cgroup", told_by=tuple(f"cgroup: {path}" for path in nested), hides=hides) if nested else None


def _writable(clues: Clues) -> Platform | None:
    if not clues.writable:
        return None
    told = f"/proc/PID/mountinfo: {clues.writable} is mounted rw"
    hides = "nothing yet; a program may make cgroups below its own, without a limit there, and Go in one of them sees none"
    return Platform(name="writable cgroups", told_by=(told,), hides=hides)


_TELL: tuple[Callable[[Clues], Platform | None], ...] = (_ecs, _lambda, _nomad, _cloud_run, _app_engine, _slurm, _nested, _writable)


def _said(clues: Clues, of: str, *wanted: tuple[str, str, str]) -> tuple[Said, ...]:
    """What documented variables say, as far as they hold plain numbers within bounds; the rest is left out."""

    def read() -> Iterator[Said]:
        for resource, name, unit in wanted:
            text, source = clues.value(name) or "", f"environment: {name}"
            value = _count_cpus(text) if unit == "list" else _number(text)
            if resource == "memory" and 0 < value <= _MOST_MB:
                yield Said(resource="memory", of=of, value=value * _MIB, unit="bytes", source=source)
            elif unit == "MHz" and 0 < value <= _MOST_MHZ:
                yield Said(resource="cpu", of=of, value=value, unit="MHz", source=source)
            elif resource == "cpu" and unit != "MHz" and 0 < value <= _MOST_CPUS:
                yield Said(resource="cpu", of=of, value=value, unit="cores", source=source)

    return tuple(read())


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0


def _count_cpus(text: str) -> int:
    try:
        return len(parse_cpu_list(text)) if text else 0
    except Malformed:
        return 0
