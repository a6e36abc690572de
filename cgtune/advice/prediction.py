"""What Go programs would do under limits that are only named: no process, no machine. Pure.

The limits become the files of a container that is not there, Go's own algorithm reads them, and from there on a predicted process goes
the same route as a live one. On v1 a container sees its own subtree alone, as Docker and Kubernetes mount it; on v2 it has its own cgroup
namespace. Not covered: more than one ancestor, a cpuset or affinity (give the CPUs that are left), `godebug` lines in go.mod and
`//go:debug`.
"""

from __future__ import annotations

from cgtune.advice.procs import worst_stall
from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_limit, parse_cpu_quantity
from cgtune.errors import UsageError
from cgtune.limits import enforce
from cgtune.model import (
    AUTOMAXPROCS,
    AUTOMEMLIMIT,
    VICTORIA_CGROUP,
    ByteLimit,
    Container,
    CpuLevel,
    Machine,
    MemoryLevel,
    PredictedRow,
    Prediction,
    Process,
    ProcessReport,
    Snapshot,
)
from cgtune.records import Record
from cgtune.runtimes.go.offline import derive_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cgtune.model import Bandwidth, GoFacts, Policy
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.offline import OfflineProgram

    Judge = Callable[[ProcessReport], ProcessReport]

DEFAULT_VERSIONS = "1.24,1.25,1.26,1.27"
MOST_CPUS = 1 << 16  # runtime/os_linux.go: the affinity mask that Go asks for has so many bits
_LEAST_MEMORY_BYTES = 4096  # a page; Docker and the kernel take 0 for no limit, which is said by leaving the option out

_V1_PATH = "/container"
_V1_PLACE, _V1_MEMORY, _V2_PLACE = "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup"


class Limited(Record):
    """The limits under which a program is to run. ``cgroup`` is 1 or 2; ``bandwidth`` and ``memory_bytes`` None: not limited.

    ``above`` is a quota around the container, which its own files do not show; ``high_bytes`` is v2's memory.high.
    """

    cpus: int
    cgroup: int = 2
    bandwidth: Bandwidth | None = None
    above: Bandwidth | None = None
    high_bytes: int | None = None
    request_cores: float | None = None
    memory_bytes: int | None = None
    environ: tuple[tuple[str, str], ...] = ()


def parse_limited(
    *, cpu_limit: str | None, cpus: int, memory_limit: str | None, cpu_request: str | None, env: Sequence[str], cgroup: str
) -> Limited:
    """Limits as people type them. Raises UsageError for an impossible one, and for those that contradict each other."""
    if not 1 <= cpus <= MOST_CPUS:
        raise UsageError(f"--cpus {cpus}: Go counts 1 to {MOST_CPUS}; example: --cpus 64")
    if cgroup not in ("v1", "v2"):
        raise UsageError(f"--cgroup {cgroup[:40]!a} is neither v1 nor v2; example: --cgroup v2")
    bandwidth = None if cpu_limit is None else parse_cpu_limit(cpu_limit, "--cpu-limit")
    request = None if cpu_request is None else parse_cpu_quantity(cpu_request, "--cpu-request")
    limit_cores = None if bandwidth is None else bandwidth.limit_cores
    if request is not None and limit_cores is not None and request > limit_cores:
        raise UsageError(f"--cpu-request {cpu_request} is above --cpu-limit {cpu_limit}, which Kubernetes refuses; give a request below it")
    if request is not None and request > cpus:
        raise UsageError(f"--cpu-request {cpu_request} is above --cpus {cpus}: no such node would get the pod; give a request below it")
    memory_limit = None if memory_limit == "max" else memory_limit  # the kernel's word, as --cpu-limit and cgtune env take it
    return Limited(
        cpus=cpus,
        cgroup=1 if cgroup == "v1" else 2,
        bandwidth=bandwidth,
        request_cores=request,
        memory_bytes=None if memory_limit is None else parse_byte_quantity(memory_limit, "--memory-limit", least=_LEAST_MEMORY_BYTES),
        environ=parse_environ(env),
    )


def require_room(limited: Limited, policy: Policy) -> None:
    """Raises UsageError where what the policy keeps back is all that the limits give."""
    cores = None if limited.bandwidth is None else limited.bandwidth.limit_cores
    if cores is not None and policy.reserve_cores >= cores:
        raise UsageError(
            f"--reserve-cpu {policy.reserve_cores:g} leaves nothing of --cpu-limit {cores:g}; give less, as in --reserve-cpu {cores / 4:g}"
        )
    if limited.memory_bytes is not None and policy.outside_bytes is not None and policy.outside_bytes >= limited.memory_bytes:
        raise UsageError(
            f"--outside {policy.outside_bytes} leaves nothing of --memory-limit {limited.memory_bytes} (bytes); give less, as in"
            f" --outside {limited.memory_bytes // 4}"
        )


def parse_environ(env: Sequence[str], option: str = "--env") -> tuple[tuple[str, str], ...]:
    """Variables as NAME=VALUE; raises UsageError, which names ``option``."""
    environ: dict[str, str] = {}
    for entry in env:
        name, equals, value = entry.partition("=")
        if not equals or not name or "\0" in entry:
            raise UsageError(f"{option} {entry[:60]!a} is not NAME=VALUE; example: {option} GOMAXPROCS=4")
        if environ.setdefault(name, value) != value:
            raise UsageError(f"{option} gives {name[:60]!a} two values; give one, as in {option} GOMAXPROCS=4")
    return tuple(environ.items())


def report_limited(limited: Limited) -> ProcessReport:
    """The report on a container with these limits in which nothing runs yet."""
    snapshot = _snapshot(limited)
    return ProcessReport(snapshot=snapshot, limits=enforce(snapshot))


def predict_limited(limited: Limited, programs: tuple[OfflineProgram, ...], judge: Judge) -> Prediction:
    """One row for each program; ``judge`` adds recommendations and findings to a process's report, as for a live one."""
    empty = report_limited(limited)
    snapshot, limits = empty.snapshot, empty.limits
    rows = []
    for program in programs:
        derivation, facts = derive_limited(limited, program)
        rows.append(
            PredictedRow(
                go=program.go,
                language=program.language,
                process=judge(empty.replace(snapshot=snapshot.replace(go=(facts,)))),
                stall=worst_stall(limits.cpu, derivation.gomaxprocs),
                notes=program.notes + derivation.notes + _say_libraries(limited, facts),
            )
        )
    return Prediction(snapshot=snapshot, limits=limits, rows=tuple(rows))


def _say_libraries(limited: Limited, facts: GoFacts) -> tuple[str, ...]:
    """What linked libraries set under these limits, unless the environment has the variable or the program never calls them.

    maxprocs.Set of automaxprocs 1.6.0, SetGoMemLimitWithOpts of automemlimit 0.7 (Set of 1.0), lib/cgroup of VictoriaMetrics 1.145.
    """
    bandwidth, memory = limited.bandwidth, limited.memory_bytes
    cores = None if bandwidth is None else bandwidth.limit_cores
    procs = None if cores is None else f"the CPU limit rounded down, at least 1: here {max(1, int(cores))}"
    share = None if memory is None else f"90 % of the memory limit, or what it is told: here {memory * 9 // 10 >> 20}MiB"
    says = []
    for name, variable, value in (
        (AUTOMAXPROCS, "GOMAXPROCS", procs),
        (VICTORIA_CGROUP, "GOMAXPROCS", procs),
        (AUTOMEMLIMIT, "GOMEMLIMIT", share),
    ):
        if value is not None and facts.program.links(name) and facts.derived.variable(variable) is None:
            shown = " ".join(filter(None, (name, facts.program.version_of(name))))
            says.append(f"it links {shown}, which sets {variable} to {value}, if the program calls it; that is not in this row")
    return tuple(says)


def derive_limited(limited: Limited, program: OfflineProgram) -> tuple[GoDerivation, GoFacts]:
    """What a program would derive in a container with these limits, and the facts that follow from it."""
    cgroup_text, mountinfo_text, files = _files(limited)
    return derive_program(
        program,
        environ=limited.environ,
        affinity_count=limited.cpus,
        cgroup_text=cgroup_text,
        mountinfo_text=mountinfo_text,
        read_limit=lambda path: files.get(path.replace("//", "/")),  # Go 1.25 puts "/" and "/cpu.max" together as they are
    )


def _files(limited: Limited) -> tuple[str, str, dict[str, str]]:
    """/proc/self/cgroup, /proc/self/mountinfo and the limit files as a container with these limits has them."""
    bandwidth = limited.bandwidth
    quota = None if bandwidth is None else bandwidth.quota_us
    period = 100_000 if bandwidth is None else bandwidth.period_us
    if limited.cgroup == 2:
        mounts = f"30 23 0:26 / {_V2_PLACE} ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
        return "0::/\n", mounts, {f"{_V2_PLACE}/cpu.max": f"{'max' if quota is None else quota} {period}\n"}
    mounts = f"30 23 0:26 {_V1_PATH} {_V1_PLACE} ro,nosuid,nodev,noexec,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    files = {f"{_V1_PLACE}/cpu.cfs_quota_us": f"{-1 if quota is None else quota}\n", f"{_V1_PLACE}/cpu.cfs_period_us": f"{period}\n"}
    return f"4:cpu,cpuacct:{_V1_PATH}\n", mounts, files


def _snapshot(limited: Limited) -> Snapshot:
    cpus = frozenset(range(limited.cpus))
    mode = f"v{limited.cgroup}"
    return Snapshot(
        machine=Machine(online=cpus, memory_bytes=None, swap_bytes=None, page_bytes=4096, kernel=None, cgroup_mode=mode),
        process=Process(
            pid=0, is_self=False, start_ticks=0, start_time=None, command="predicted", executable=None, state="R", affinity=cpus
        ),
        container=Container(),
        cpu_chain=(_cpu_level(limited), *_cpu_above(limited)),
        cpuset_chain=(),
        memory_chain=(_memory_level(limited),),
        cpu_pressure=None,
        memory_pressure=None,
        go=(),
        notes=(),
    )


def _cpu_level(limited: Limited) -> CpuLevel:
    v2 = limited.cgroup == 2
    weight, shares = _weight(limited.request_cores)
    return CpuLevel(
        path="/" if v2 else _V1_PATH,
        directory=_V2_PLACE if v2 else _V1_PLACE,
        version=limited.cgroup,
        bandwidth=limited.bandwidth,
        weight=weight if v2 else None,
        shares=None if v2 else shares,
        request_cores=limited.request_cores,
    )


def _cpu_above(limited: Limited) -> tuple[CpuLevel, ...]:
    if limited.above is None:
        return ()
    level = _cpu_level(limited)
    return (level.replace(path="/..", directory=f"{level.directory}/..", bandwidth=limited.above, weight=None, shares=None),)


def _memory_level(limited: Limited) -> MemoryLevel:
    v2 = limited.cgroup == 2
    return MemoryLevel(
        path="/" if v2 else _V1_PATH,
        directory=_V2_PLACE if v2 else _V1_MEMORY,
        version=limited.cgroup,
        limit=ByteLimit(limit_bytes=limited.memory_bytes),
        high=None if limited.high_bytes is None else ByteLimit(limit_bytes=limited.high_bytes),
    )


def _weight(request_cores: float | None) -> tuple[int | None, int | None]:
    """cpu.weight and cpu.shares of a CPU request: 1024 shares a CPU, at least 2; the weight as runc before 1.3.2 converts shares."""
    if request_cores is None:
        return None, None
    shares = min(max(int(request_cores * 1024), 2), 262_144)
    return 1 + (shares - 2) * 9999 // 262_142, shares
