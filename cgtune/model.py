"""The immutable records that travel the route, with units in their names.

Three facts have three spellings everywhere: a file the kernel does not have is ``None``; "no limit" is a record whose limit is
``None``; what was denied or malformed is ``None`` and a :class:`Note` beside it.
"""

from __future__ import annotations

from cgtune.numbers import DEFAULT_SHARES, DEFAULT_WEIGHT, requests_of_shares, requests_of_weight
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from cgtune.numbers import Requests

    Off = Literal["off"]
    Rounding = Literal["slack", "ceil", "floor"]
    NoteKind = Literal["failed", "hidden", "fact"]
    Severity = Literal["info", "warning", "critical"]
    Harm = Literal["now", "earlier", "possible"]
    #: What fails a check: from a severity on, or what hurts now.
    FailOn = Literal["info", "warning", "critical", "harm"]
    LabelSet = Literal["pid", "container", "workload"]
    #: Names with a text each, every name once: what a mapping would hold, but immutable and hashable.
    Pairs = tuple[tuple[str, str], ...]
    #: Go's own compiler, or GCC's.
    Compiler = Literal["gc", "gccgo"]
    #: What a process runs. "emulated": a program of another architecture, which an emulator runs; "other": no Go program, nothing of these.
    Kind = Literal["go", "jvm", "dotnet", "node", "python", "ruby", "php", "perl", "erlang", "emulated", "other"]
    #: Who decided on a switch of GODEBUG: "version" stands for a Go that has no such switch.
    Decider = Literal["version", "built-in", "build", "environment"]
    #: Why a Go runtime sees no CPU quota. What it found: "max" (the file says that there is none), "malformed". Why it found no file:
    #: "not-opened", "not-mounted" (no mount shows its cgroup), "no-membership" (its cgroup is not named), "no-path" (a mount whose root is
    #: no path ends its search), "malformed-text" and "too-long" (of /proc/self/cgroup and mountinfo), "dies". What became of the one that
    #: it opened at its start: "none-at-start", "closed" (by the program), "removed".
    QuotaSearch = Literal["not-opened", "not-mounted", "no-membership", "no-path", "malformed-text", "too-long", "dies"]
    QuotaCause = QuotaSearch | Literal["max", "malformed", "none-at-start", "closed", "removed"]
    #: How a process lies apart from what its own view of the cgroups shows: its mount begins above its cgroup namespace (the host's own
    #: mount, put into a container), its mount shows a cgroup beside its own, or its cgroup lies outside of that namespace: the process was
    #: moved from outside, or that folder was mounted.
    Misplaced = Literal["mount-above", "mount-beside", "moved-out"]
    #: For whom OOM kills are remembered.
    OwnerKind = Literal["container", "pod", "workload"]
    #: How sure it is that the OOM killer ended a process. "possible": a counter above its cgroup rose, which went with it; "unknown": no
    #: counter is left that would tell; "no": its own cgroup counted no kill, or it ended otherwise.
    Certainty = Literal["certain", "likely", "possible", "unknown", "no"]
    #: What a Go program dies of at its start: "limit-texts" are /proc/self/cgroup and mountinfo, "gomaxprocs" is a variable too large.
    DeathCause = Literal["cgocheck", "gomemlimit", "limit-texts", "gomaxprocs", "quota", "removed-godebug"]


#: The files with the CPU quota of a cgroup, and those with its memory limit, of either version.
CPU_LIMIT_FILES = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
MEMORY_LIMIT_FILES = ("memory.max", "memory.high", "memory.limit_in_bytes")

#: CPU bandwidth control is of the fair class alone (Documentation/scheduler/sched-bwc.rst); numbers of include/uapi/linux/sched.h.
REAL_TIME = {1: "SCHED_FIFO", 2: "SCHED_RR", 6: "SCHED_DEADLINE"}

#: How the variables begin that tell a platform, or its limits (platforms/table.py): of a process's environment they and Go's are kept.
PLATFORM_VARIABLES = (
    *("ECS_CONTAINER_METADATA_URI", "AWS_LAMBDA_FUNCTION_", "K_SERVICE=", "CLOUD_RUN_", "GAE_"),
    *("NOMAD_ALLOC_ID=", "NOMAD_CPU_", "NOMAD_MEMORY_", "SLURM_JOB_ID=", "SLURM_CPUS_", "SLURM_MEM_"),
)

NOTE_KINDS: tuple[NoteKind, ...] = ("failed", "hidden", "fact")
#: The worst first.
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
FAIL_ON: tuple[FailOn, ...] = ("info", "warning", "critical", "harm")
#: Worst first: it hurts as far as was seen last; it did, and that may be over; nothing of it was felt yet.
HARMS: tuple[Harm, ...] = ("now", "earlier", "possible")
LABEL_SETS: tuple[LabelSet, ...] = ("pid", "container", "workload")


class Note(Record):
    """Something that could not be seen, or that a reader of the report has to know. ``path`` is the file it is about.

    ``privilege`` is the capability that would make it readable. ``kind``: "failed" (it is there, and could not be read or understood),
    "hidden" (there may be cgroups that cannot be seen from here), or "fact" (anything else).
    """

    path: str
    why: str
    privilege: str | None = None
    kind: NoteKind = "fact"


class Mount(Record):
    """One line of /proc/PID/mountinfo, unescaped (proc_pid_mountinfo(5)). ``root`` is relative to the reader's cgroup namespace.

    ``is_writable``: it is mounted "rw" there.
    """

    mount_id: int
    parent_id: int
    device: str  # "major:minor"
    root: str
    mount_point: str
    filesystem: str
    super_options: tuple[str, ...]
    is_writable: bool = False


class Membership(Record):
    """One line of /proc/PID/cgroup (cgroups(7)). Hierarchy 0 is cgroup v2; ``path`` is relative to the reader's cgroup namespace."""

    hierarchy_id: int
    controllers: tuple[str, ...]
    path: str


class Bandwidth(Record):
    """A CPU quota over a period, in microseconds. ``quota_us`` None: the kernel says that there is no limit."""

    quota_us: int | None
    period_us: int

    @property
    def limit_cores(self) -> float | None:
        """Quota over period, in CPUs; None if nothing limits. A period of 0 (seen on old kernels as 0/0) limits nothing."""
        if self.quota_us is None or self.period_us == 0:
            return None
        return self.quota_us / self.period_us


class ByteLimit(Record):
    """A limit in bytes. ``limit_bytes`` None: the kernel says that there is no limit."""

    limit_bytes: int | None


class Throttling(Record):
    """Counters of cpu.stat since the cgroup was made.

    ``bursts`` are the periods in which it used more than its quota, from what it had saved up, and ``burst_seconds`` the time that it used
    beyond the quota so; None before Linux 5.14.
    """

    periods: int
    throttled_periods: int
    throttled_seconds: float
    bursts: int | None = None
    burst_seconds: float | None = None


#: Fewer periods tell nothing: 30 s of a busy process under the usual period of 100 ms.
LEAST_PERIODS = 300

#: Memory is near its limit if no more than the larger of the two is left: bytes, percent of the limit.
NEAR_LIMIT_BYTES = 4 << 20
NEAR_LIMIT_PERCENT = 2.0


class Stall(Record):
    """One line of a PSI file: shares of time in percent, and the total in seconds (Documentation/accounting/psi.rst)."""

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    total_seconds: float


class Pressure(Record):
    """A PSI file. ``scope`` is "cgroup" or "machine" (if the cgroup has no pressure of its own, as on v1)."""

    scope: str
    file: str
    some: Stall | None
    full: Stall | None


class Level(Record):
    """One cgroup of a chain. ``path`` is the cgroup as the reader's namespace spells it, ``directory`` where its files were read."""

    path: str
    directory: str
    version: int

    @property
    def is_common(self) -> bool:
        """Whether it holds, by its name, what has nothing to do with each other: all pods of a node, all services, all users."""
        name = self.path.rpartition("/")[2]
        kubernetes = ("kubepods.slice", "kubepods-burstable.slice", "kubepods-besteffort.slice")  # kind has kubelet- before it
        return name in _COMMON_PLACES or name.startswith(("user-", "user@")) or name.endswith(kubernetes)


#: Where systemd, the kubelet and container engines put everything that they start.
_COMMON_PLACES = frozenset(
    (
        *("system.slice", "user.slice", "machine.slice", "app.slice", "session.slice", "kubepods", "burstable", "besteffort"),
        *("kubelet", "kubelet.slice", "system", "user", "machine", "docker"),
        *("libpod_parent", "containerd", "k8s.io", "crio", "lxc", "ecs", "garden", "nomad", "nomad.slice"),
    )
)


class CpuLevel(Level):
    """The cpu controller's files of one cgroup. ``weight`` is v2's cpu.weight, ``shares`` v1's cpu.shares.

    ``idle``: cpu.idle, the cgroup runs only if nothing else wants the CPU; what cpu.weight and cpu.shares say then means nothing (0, 1 or
    3, by the kernel). ``burst_us`` is how much of its quota it may save up for later (cpu.max.burst, cpu.cfs_burst_us); None for both:
    the kernel has no such file. ``request_cores`` is the request behind weight or shares, if somebody said it; no file does.
    ``usage_seconds`` is the CPU time that it and those below it have used: cpu.stat, or v1's cpuacct.usage of the cgroup of that path.
    ``read_seconds`` is when that was read, on a clock of this machine that only goes forward; None of what is not live.
    ``said_by`` is the platform that says the quota of a hidden ancestor: ``path`` is then its word for it, and ``directory`` the URL that
    says so. None: the kernel's files do.
    """

    bandwidth: Bandwidth | None
    weight: int | None = None
    shares: int | None = None
    throttling: Throttling | None = None
    request_cores: float | None = None
    idle: bool | None = None
    burst_us: int | None = None
    usage_seconds: float | None = None
    read_seconds: float | None = None
    said_by: str | None = None

    @property
    def requests(self) -> Requests:
        """The CPU requests that its shares, or its weight, may stand for; none if it has the kernel's default, or runs only if idle."""
        if (
            self.idle
        ):  # from Linux 5.15 on (cgroup-v2.rst): chosen on purpose, and no request, whatever the kernel shows as weight or shares
            return ()
        if self.version == 1 and self.shares not in (None, DEFAULT_SHARES):
            return (("shares", *requests_of_shares(self.shares)),)
        if self.version == 2 and self.weight not in (None, 0, DEFAULT_WEIGHT):
            return requests_of_weight(self.weight)
        return ()

    @property
    def quota_file(self) -> str:
        """What says its quota: a file, or what a platform answers."""
        if self.said_by is not None:
            return f"{self.directory}: Limits.CPU"
        return f"{self.directory}/{'cpu.max' if self.version == 2 else 'cpu.cfs_quota_us'}"


class PressureLevel(Level):
    """How long tasks waited in one cgroup of the v2 hierarchy and in those below it. None: it has no such file. ``read_seconds``: when
    that was read, as of CpuLevel.
    """

    cpu: Pressure | None
    memory: Pressure | None
    read_seconds: float | None = None

    @property
    def is_of_cgroup(self) -> bool:
        """Whether the files tell of a cgroup, and not of the whole machine, as the root's do."""
        return any(pressure.scope == "cgroup" for pressure in (self.cpu, self.memory) if pressure is not None)


def most_throttled(levels: tuple[CpuLevel, ...]) -> CpuLevel | None:
    """The level with the largest share of throttled periods, the first if several agree; one stop in a single period is no share."""

    def share(level: CpuLevel) -> float:
        counters = level.throttling
        return counters.throttled_periods / max(counters.periods, LEAST_PERIODS) if counters is not None else 0.0

    return max(levels, key=share, default=None)


class CpusetLevel(Level):
    """The CPUs that the cpuset controller leaves to one cgroup (its effective ones), read from ``file``."""

    file: str
    cpus: frozenset[int]


class MemoryParts(Record):
    """What the memory of one cgroup and of those below it consists of, in bytes. None: this kernel does not count that.

    ``anonymous_bytes`` are heaps and stacks. Files in the page cache are on ``active_file_bytes`` and ``inactive_file_bytes``, the lists
    from which the kernel takes pages back; ``mapped_bytes`` is the part of them that programs have mapped, ``dirty_bytes`` and
    ``writeback_bytes`` the part that must reach the disk first. ``unevictable_bytes`` are pages of any kind that cannot be taken back,
    as they are locked (mlock(2)), ``shared_bytes`` shared memory and tmpfs: both are on neither list. ``kernel_bytes`` is the kernel's own,
    ``slab_reclaimable_bytes`` the part of that which it takes back. ``swapped_bytes`` is swapped out, and not in memory.
    """

    anonymous_bytes: int | None = None
    active_file_bytes: int | None = None
    inactive_file_bytes: int | None = None
    mapped_bytes: int | None = None
    unevictable_bytes: int | None = None
    shared_bytes: int | None = None
    kernel_bytes: int | None = None
    slab_reclaimable_bytes: int | None = None
    dirty_bytes: int | None = None
    writeback_bytes: int | None = None
    swapped_bytes: int | None = None

    @property
    def reclaimable_bytes(self) -> int | None:
        """What the kernel gives back when the cgroup needs room; None if it does not tell.

        Pages of files that are neither locked nor shared memory nor waiting for the disk, and reclaimable slab. A page that is dirty and
        locked is subtracted though it is on neither list: rather too little than too much is said to be given back.
        """
        if self.active_file_bytes is None or self.inactive_file_bytes is None:
            return None
        waiting = (self.dirty_bytes or 0) + (self.writeback_bytes or 0)
        return max(0, self.active_file_bytes + self.inactive_file_bytes - waiting) + (self.slab_reclaimable_bytes or 0)


class MemoryEvents(Record):
    """Counters of memory.events since the cgroup was made; None: this kernel does not count that.

    ``high``: it was slowed down at memory.high. ``max``: it was at its limit, and memory had to be taken back. ``oom``: that was not
    possible. ``oom_kill``: the OOM killer ended a process; with memory.oom.group it ends all of a cgroup, which ``oom_group_kill`` counts,
    and counts the process that it had chosen twice in ``oom_kill``. So ``oom_kill`` is no number of processes.
    """

    high: int | None = None
    max: int | None = None
    oom: int | None = None
    oom_kill: int | None = None
    oom_group_kill: int | None = None


class MemoryLevel(Level):
    """The memory controller's files of one cgroup.

    ``hierarchical`` is v1's own minimum over the ancestors that count (memory.stat). ``memsw`` is v1's limit of memory plus swap,
    ``swap`` v2's limit of swap alone. ``swap_current_bytes`` is what of the cgroup and those below it is swapped out. ``use_hierarchy``
    is False if a v1 cgroup's limit does not hold for its children. ``parts`` is what its memory consists of; None if that was not read.
    ``events`` are counted in the cgroup and below it, ``events_local`` in the cgroup alone: v1 has only the latter. ``identity`` is its
    directory's (device, inode): the same through every mount. ``peak_bytes`` is the most that was ever charged to it (memory.peak from
    Linux 5.19 on, v1's memory.max_usage_in_bytes), ``refaults`` how many pages came back soon after they had been taken away: both since
    it was made, or since somebody reset them. ``of_node``: it holds whatever a node runs (kubepods, system.slice), by
    its name; its limit is the node's. ``read_seconds``: when all that was read, as of CpuLevel; ``said_by`` likewise.
    """

    limit: ByteLimit | None
    high: ByteLimit | None = None
    swap: ByteLimit | None = None
    memsw: ByteLimit | None = None
    hierarchical: ByteLimit | None = None
    current_bytes: int | None = None
    swap_current_bytes: int | None = None
    use_hierarchy: bool = True
    parts: MemoryParts | None = None
    events: MemoryEvents | None = None
    events_local: MemoryEvents | None = None
    identity: tuple[int, int] | None = None
    of_node: bool = False
    peak_bytes: int | None = None
    refaults: int | None = None
    read_seconds: float | None = None
    said_by: str | None = None

    @property
    def limit_file(self) -> str:
        """What says its limit: a file, or what a platform answers."""
        if self.said_by is not None:
            return f"{self.directory}: Limits.Memory"
        return f"{self.directory}/{'memory.max' if self.version == 2 else 'memory.limit_in_bytes'}"

    @property
    def reclaimable_bytes(self) -> int | None:
        """The part of ``current_bytes`` that the kernel gives back when it needs room; None if that cannot be told."""
        return None if self.parts is None else self.parts.reclaimable_bytes

    @property
    def used_bytes(self) -> int | None:
        """``current_bytes`` without what can be given back: what counts against the limit. None if that cannot be told."""
        if self.current_bytes is None or self.reclaimable_bytes is None:
            return None
        return max(0, self.current_bytes - self.reclaimable_bytes)

    @property
    def is_v1_root(self) -> bool:
        """Whether it may be the root of a v1 hierarchy, which takes no limit and counts like any other; v2's root counts nothing."""
        return self.version == 1 and self.path == "/" and (self.limit is None or self.limit.limit_bytes is None)

    @property
    def counted_events(self) -> MemoryEvents | None:
        """The events of the cgroup and of those below it if the kernel counts so, else of the cgroup alone."""
        return self.events if self.events is not None else self.events_local

    @property
    def key(self) -> str:
        """What is the same for all processes of one cgroup, by whichever mounts and path each of them reached it."""
        return self.path if self.identity is None else "{}:{}".format(*self.identity)


def locate_charged(chain: tuple[MemoryLevel, ...]) -> MemoryLevel | None:
    """The nearest cgroup that has the memory controller: if v2 does not enable it, memory is charged further up; None in v2's root."""
    return next((level for level in chain if level.limit is not None or level.current_bytes is not None), None)


class Machine(Record):
    """The machine as seen below the root. ``cgroup_mode`` is v2, v1, hybrid or none.

    ``sched_ext`` is the name of the BPF scheduler that is at work (Documentation/scheduler/sched-ext.rst); None: the kernel's own is.
    ``memory_is_limit``: lxcfs shows the limit of a container as the machine's memory. ``uptime_seconds`` is the time since its start, and
    was read when the host's clock said ``read_seconds`` (None: no clock); ``busy_seconds`` is what its CPUs have worked in all since then,
    ``idle_seconds`` what they had nothing to do or waited for a disk, ``steal_seconds`` what they waited for the host of this virtual
    machine. The pressures are those of all its tasks.
    """

    online: frozenset[int]
    memory_bytes: int | None
    swap_bytes: int | None
    page_bytes: int
    kernel: str | None
    cgroup_mode: str
    sched_ext: str | None = None
    memory_is_limit: bool = False
    uptime_seconds: float | None = None
    read_seconds: float | None = None
    busy_seconds: float | None = None
    idle_seconds: float | None = None
    steal_seconds: float | None = None
    cpu_pressure: Pressure | None = None
    memory_pressure: Pressure | None = None


class Container(Record):
    """Who runs the process, as far as its cgroup path, its mounts, and the files that the kubelet put there name it.

    ``name`` is the container's in its pod, or that of an LXC container; ``pod_name`` and ``pod_namespace`` are Kubernetes's.
    """

    id: str | None = None
    pod_uid: str | None = None
    runtime: str | None = None
    name: str | None = None
    pod_name: str | None = None
    pod_namespace: str | None = None


class Process(Record):
    """What identifies a process: (pid, start_ticks) is unique until the machine restarts, a pid alone is not.

    ``age_seconds`` is the time from its start to the look, which an execve does not begin anew; None: not known.
    """

    pid: int
    is_self: bool
    start_ticks: int
    start_time: str | None  # RFC 3339
    command: str
    executable: str | None
    state: str  # the kernel's letter: R, S, D, Z, ...
    affinity: frozenset[int]
    scheduling: int = 0  # the first thread's policy: 1 is SCHED_FIFO
    environ_start: int = 0  # an address, which tells one execve from the next; 0: not known
    age_seconds: int | None = None  # whole seconds, perhaps one too many


class Used(Record):
    """What a process has used since its start.

    ``cpu_seconds`` is the time on CPUs of all its threads, those that ended among them; ``major_faults`` counts reads from a disk.
    ``waits`` has a thread's id and the seconds that it has waited on a run queue, for each thread that was asked: of ``threads`` the first
    64 at the most, and none if the kernel does not count. Those that ended are not in it. ``ran`` has the seconds that each of these
    threads was on a CPU, in the same order; empty if that is not known. ``read_seconds``: when that was read, as of CpuLevel.
    """

    cpu_seconds: float
    major_faults: int
    threads: int
    waits: tuple[tuple[int, float], ...] = ()
    read_seconds: float | None = None
    ran: tuple[float, ...] = ()

    @property
    def wait_seconds(self) -> float | None:
        """How long the threads of ``waits`` have waited for a CPU, added up; None if none was asked."""
        return round(sum(seconds for _, seconds in self.waits), 6) if self.waits else None


class CpuRate(Level):
    """What one cgroup of the CPU chain did between two looks, which were ``seconds`` apart.

    ``used_cores`` is the CPU time that it and those below it used, in CPUs: 0.5 is half a CPU all the time. ``throttling`` is what its
    counters grew by, and needs no clock. None: not counted, or no clock (``seconds``).
    """

    seconds: float | None
    used_cores: float | None
    throttling: Throttling | None

    @property
    def throttled_percent(self) -> float | None:
        """The share of the periods in which it was stopped; None if there were no periods: it did not run, or has no quota."""
        counters = self.throttling
        return 100 * counters.throttled_periods / counters.periods if counters is not None and counters.periods else None


class PressureRate(Level):
    """How much of the ``seconds`` between two looks tasks of one cgroup waited, in percent: some of them, or all at once ("full")."""

    seconds: float
    cpu_some_percent: float | None
    cpu_full_percent: float | None
    memory_some_percent: float | None
    memory_full_percent: float | None


class MemoryRate(Level):
    """What one cgroup of the memory chain counted between two looks, which were ``seconds`` apart (None: no clock).

    ``refaults_per_second`` are pages that came back soon after they had been taken away. The others are what counters of memory.events grew
    by: ``oom_kills``; ``high_events``, how often it was slowed down for memory.high, and ``max_events``, how often memory.max stopped it.
    """

    seconds: float | None
    refaults_per_second: float | None
    oom_kills: int | None
    high_events: int | None
    max_events: int | None


class Busiest(Record):
    """The cgroups that used most of the machine's CPUs in ``seconds``, of those that can be seen: paths with CPUs, the busiest first."""

    cgroups: tuple[tuple[str, float], ...] = ()
    seconds: float = 0.0


class MachineRate(Record):
    """What the machine did in ``seconds``: CPUs that worked, CPUs that the host of this virtual machine took, and how long some task of
    the machine waited for a CPU, and for memory. ``busiest`` is of no time at all if nobody looked.

    The kernel of a virtual machine loses ticks while the host takes its CPUs away untold: if a tenth of the time or more is in no counter,
    ``busy_cores`` is the share of what was counted, of all CPUs.
    """

    seconds: float
    busy_cores: float | None
    steal_cores: float | None
    cpu_some_percent: float | None
    memory_some_percent: float | None
    busiest: Busiest = Busiest()


class Rates(Record):
    """What two looks at one process tell of the ``seconds`` between them. None: not known.

    ``used_cores`` is what the process used, in CPUs. ``waiting_threads`` is how many of its threads waited on a run queue at once, on
    average: those of Used.waits, of both looks. ``collections`` are those that its Go runtimes ended, ``gc_cpu_percent`` is what the
    collector used of the CPU time that GOMAXPROCS allows, from the last collection before to the last that ended; None if none did.
    ``gc_cores`` is the same in CPUs, over all the ``seconds``: 0 if none ended.
    ``cpu``, ``pressure`` and ``memory`` are the levels of its chains that were there at both looks, leaf first; one whose counters shrank
    was made anew and is left out. ``threads`` has for each thread of Used.waits, of both looks, the share of the time that it was on a CPU
    and the share that it waited for one.
    """

    seconds: float | None
    used_cores: float | None
    waiting_threads: float | None
    major_faults_per_second: float | None
    cpu: tuple[CpuRate, ...]
    pressure: tuple[PressureRate, ...]
    memory: tuple[MemoryRate, ...]
    machine: MachineRate | None
    collections: int | None = None
    gc_cpu_percent: float | None = None
    gc_cores: float | None = None
    threads: tuple[tuple[float, float], ...] = ()

    @property
    def waiting_percent(self) -> float | None:
        """Of the time in which its threads wanted to run, the share that they waited; None if that is not known, or if none wanted to."""
        if self.waiting_threads is None or self.used_cores is None or not self.waiting_threads + self.used_cores:
            return None
        return 100 * self.waiting_threads / (self.waiting_threads + self.used_cores)

    def cpu_of(self, level: Level | None) -> CpuRate | None:
        """The rates of one level of the CPU chain."""
        return next((rate for rate in self.cpu if level is not None and rate.directory == level.directory), None)

    def pressure_of(self, level: Level | None) -> PressureRate | None:
        """The shares of one level of the v2 hierarchy."""
        return next((rate for rate in self.pressure if level is not None and rate.directory == level.directory), None)

    def memory_of(self, level: Level | None) -> MemoryRate | None:
        """The rates of one level of the memory chain."""
        return next((rate for rate in self.memory if level is not None and rate.directory == level.directory), None)


class Threads(Record):
    """The threads of a process that were looked at, of ``count``: how many run under a real-time policy (sched(7)), and how many are in
    other cgroups than the process's own, with the path of the first such cgroup.
    """

    count: int
    looked_at: int
    real_time: int
    elsewhere: int
    elsewhere_path: str | None


class GoSetting(Record):
    """One variable's second and third witness. A value is a number, "off", or None: not known (a note says why).

    ``observed_from`` is "memory", "metrics" or None; ``because`` are the steps of the derivation.
    """

    name: str
    derived: int | Off | None
    observed: int | Off | None
    observed_from: str | None
    because: tuple[str, ...]


class LimitFile(Record):
    """The limit file that a Go runtime holds open and obeys, as the process spells it. ``own``: it is that of its present cgroup."""

    path: str
    own: bool
    exists: bool


class QuotaSeen(Record):
    """What a Go runtime of 1.25 or later sees of its CPU quota. ``cause`` is why it sees none, ``why`` the same for a person.

    Both are None if it sees one.
    """

    files: tuple[str, ...]
    quota_us: int | None
    period_us: int | None
    cause: QuotaCause | None
    why: str | None


class FoundIfStarted(Record):
    """What Go 1.``minor`` would read of its CPU quota if it started where the process is now."""

    minor: int
    quota_us: int
    period_us: int


class RemovedGodebug(Record):
    """A setting of GODEBUG that Go has dropped: its ``key``, and the message with which the program would exit, ``dies``."""

    key: str
    dies: str


#: Libraries that set GOMAXPROCS and GOMEMLIMIT from the cgroup when the program starts, unless its environment has the variable.
AUTOMAXPROCS, AUTOMEMLIMIT = "go.uber.org/automaxprocs", "github.com/KimMachineGun/automemlimit"
#: A package of VictoriaMetrics and its kin that does the same for GOMAXPROCS.
VICTORIA_CGROUP = "github.com/VictoriaMetrics/VictoriaMetrics/lib/cgroup"


def name_toolchain(version: str) -> str:
    """A toolchain as people say it, by the version of a program: "Go 1.27.3", "gccgo 12.2.0"."""
    return version if version.startswith("gccgo") else f"Go {version}"


class GoProgram(Record):
    """Which program a Go runtime comes with, as its file says.

    ``path`` is its file ("" for a program that unpacked itself into memory), ``deleted``: that file is gone. ``minor`` is 27 for Go 1.27.3,
    None if the version is not known. ``package`` is the path of its main package ("" if that is not recorded); ``main_module`` is the same
    if no module is recorded, as in Debian's GOPATH builds.
    ``godebug`` are the settings compiled in; ``modules`` the dependencies by path, each with its version. ``linked`` names what decides
    settings in the program: AUTOMAXPROCS, AUTOMEMLIMIT, VICTORIA_CGROUP, and the functions "runtime.SetDefaultGOMAXPROCS",
    "runtime/debug.SetMemoryLimit" and "runtime/debug.SetGCPercent". A name stands there if the dependencies or the program's function
    names say so; one that is not there may be linked all the same, in a program whose function names cannot be read. ``is_module`` is
    False if it was built without a go.mod (GOPATH mode). ``compiler`` "gccgo": ``version`` is GCC's ("gccgo 12.2.0"), and ``minor`` that of
    the Go whose library it has. ``emulator`` is the program that runs it in the processor's stead, None if none does. ``in_library``: the
    runtime lives in a shared library, and read the environment of the moment it was loaded, perhaps not that of exec.
    """

    path: str
    deleted: bool
    version: str
    minor: int | None
    main_module: str | None
    godebug: Pairs
    modules: Pairs
    build_settings: Pairs
    linked: tuple[str, ...] = ()
    is_module: bool = True
    compiler: Compiler = "gc"
    emulator: str | None = None
    package: str = ""
    in_library: bool = False

    @property
    def name(self) -> str:
        """The toolchain as people say it: "Go 1.27.3", "gccgo 12.2.0"."""
        return name_toolchain(self.version)

    def links(self, name: str) -> bool:
        """Whether one of the names of ``linked`` is known to be in the program; its version may not be known."""
        return name in self.linked

    def version_of(self, module: str) -> str | None:
        """The version of a dependency; None if the program is not known to link it."""
        return dict(self.modules).get(module)

    @property
    def procs_library(self) -> str:
        """What is known to set GOMAXPROCS in this program, as people call it; empty if nothing is known."""
        names = {AUTOMAXPROCS: "automaxprocs", VICTORIA_CGROUP: "VictoriaMetrics' own code"}
        return next((shown for name, shown in names.items() if self.links(name)), "")


class GoDerived(Record):
    """What follows for a Go runtime from its version, its build and its environment, beside the settings.

    ``variables`` are the first entries of GOMAXPROCS, GOMEMLIMIT, GOGC and GODEBUG in its environment (None: not readable), ``ignored`` the
    names of those that are set and that this version takes for no number. ``dies`` is what it would print if it died at its start,
    ``dies_of`` the cause. ``aware`` and ``updates``: whether GODEBUG lets it obey its quota, and follow changes (None: not known);
    ``aware_from`` and ``updates_from`` say who decided. ``seen`` is None if it does not look for a quota, or if that is not known.
    ``removed_godebug`` holds the message with which Go 1.27 would exit because of this GODEBUG, whatever version the program runs now;
    None: it would start. ``if_started`` is worked out for a runtime that misses its quota: those of its own version and of the newest that
    would find one. ``misplaced`` is None if its view of the cgroups is an ordinary one, or not known.
    """

    variables: Pairs | None
    ignored: tuple[str, ...]
    dies: str | None
    dies_of: DeathCause | None
    aware: bool | None
    aware_from: Decider | None
    updates: bool | None
    updates_from: Decider | None
    seen: QuotaSeen | None
    removed_godebug: RemovedGodebug | None
    if_started: tuple[FoundIfStarted, ...] = ()
    misplaced: Misplaced | None = None

    def variable(self, name: str) -> str | None:
        """What the environment says of one of the four variables; None if it is not there, or if the environment is not known."""
        return dict(self.variables or ()).get(name)


class GoLive(Record):
    """What the collector and the scheduler of a Go runtime count, from its own memory. None: not proven, and a note says so.

    ``heap_goal_bytes`` is the size of the heap at which the collection that runs, or the next one, is to end ("off": no size leads to one).
    ``collections`` are those so far, ``forced_collections`` those of them that the program asked for; the time and the share of the last
    and ``paused_seconds`` are as of the last that ended, and None before the first. ``gc_cpu_seconds`` is what the collector used of
    ``cpu_seconds``, that is of GOMAXPROCS CPUs since the start, and ``gc_cpu_fraction`` their ratio: marking on CPUs that were idle is not
    in them. ``goroutines`` are those that runtime.NumGoroutine counts, ``queued_goroutines`` those of them that wait for a P (a share of
    GOMAXPROCS), in the global queue and in those of all Ps; ``idle_procs`` are the Ps that have nothing to run.
    """

    heap_goal_bytes: int | Off | None = None
    collections: int | None = None
    forced_collections: int | None = None
    last_collection_unix_seconds: float | None = None
    since_collection_seconds: float | None = None
    paused_seconds: float | None = None
    gc_cpu_fraction: float | None = None
    gc_cpu_seconds: float | None = None
    cpu_seconds: float | None = None
    goroutines: int | None = None
    queued_goroutines: int | None = None
    idle_procs: int | None = None


class GoObserved(Record):
    """What a Go runtime has at this moment, beside the settings. None: not known, or no such thing in its version.

    ``pinned``: GOMAXPROCS was set and is not updated; of a program that does not run, whether its environment sets it. ``follows`` is the
    limit file that it holds open. ``heap_live_bytes`` is what the last collection left plus what was allocated since, ``heap_marked_bytes``
    the live heap that it found; ``mapped_bytes`` is what the runtime holds its memory limit against.
    ``live`` is None if nothing of it is known.
    """

    pinned: bool | None
    follows: LimitFile | None = None
    cpus_at_start: int | None = None
    heap_live_bytes: int | None = None
    heap_marked_bytes: int | None = None
    mapped_bytes: int | None = None
    live: GoLive | None = None

    @property
    def follows_own(self) -> bool:
        """Whether the runtime obeys the limit file of the cgroup it is in, as far as can be seen."""
        return self.follows is None or self.follows.own


class GoFacts(Record):
    """One Go runtime in one process. Each of ``settings`` has its derived and its observed value side by side."""

    program: GoProgram
    derived: GoDerived
    observed: GoObserved
    settings: tuple[GoSetting, ...]

    def is_set_inside(self, name: str) -> bool:
        """Whether a setting is known not to be what its environment, or Go by itself, gave: something in the program set it since.

        False for a library, which may have found another environment than that of exec.
        """
        setting = next((setting for setting in self.settings if setting.name == name), None)
        if self.program.in_library or setting is None or None in (setting.observed, setting.derived):
            return False
        if setting.observed == setting.derived:
            return False
        if name != "GOMAXPROCS" or (self.derived.variable(name) and name not in self.derived.ignored):
            return True
        if self.observed.pinned is not None:
            return self.observed.pinned
        # Go before 1.25 takes the CPUs of its start, which may have been others
        return self.derived.aware is False and self.observed.cpus_at_start not in (None, setting.observed)


class OutsideSeen(Record):
    """The most that was charged to one cgroup, by its ``key``, beyond Go, and could not be given back, in the last ``seconds``."""

    key: str
    most_bytes: int
    seconds: float


class Said(Record):
    """One number that a platform says of its limits; it is not enforced by its being said.

    ``resource`` is "cpu" or "memory", ``of`` what it is the limit of: "task", "container", "function", "allocation", "job", "instance".
    ``unit`` of the ``value``: "cores", "bytes", "units" (1024 a CPU, and a share of what there is), or "MHz". ``source`` is the
    variable or the URL. ``is_cap``: it is the limit of a cgroup that cannot be seen, and counts as enforced.
    """

    resource: Literal["cpu", "memory"]
    of: str
    value: float
    unit: Literal["cores", "bytes", "units", "MHz"]
    source: str
    is_cap: bool = False


class Platform(Record):
    """What a process runs on, beside a container engine. ``told_by`` is how that was told, ``hides`` what cannot be seen there.

    ``is_machine``: the machine itself is it, for all its processes.
    """

    name: str
    told_by: tuple[str, ...]
    hides: str
    said: tuple[Said, ...] = ()
    is_machine: bool = False


class Snapshot(Record):
    """All facts read about one process, before anything is concluded. Chains run from the leaf to the highest visible ancestor.

    ``cpu_hidden_above`` and ``memory_hidden_above`` are the path of that ancestor, if there are others above it that cannot be seen; None:
    there are none. ``unsupported`` holds "cpu" or "memory" if the kernel has no such controller. ``threads`` is None if nobody looked.
    ``kind`` is what the process runs, None if that is not known: a kernel thread, a zombie, a process that is closed to us.
    ``pressure_chain`` are its cgroups in the v2 hierarchy. ``used`` is None of a process that is not there. ``rates`` is None if it was
    looked at once. ``outside_seen`` is what a service has seen of the memory outside Go before, of each cgroup with a limit.
    A last level of the first two chains may be the hidden ancestor that one of the ``platforms`` tells of.
    """

    machine: Machine
    process: Process
    container: Container
    cpu_chain: tuple[CpuLevel, ...]
    cpuset_chain: tuple[CpusetLevel, ...]
    memory_chain: tuple[MemoryLevel, ...]
    cpu_pressure: Pressure | None
    memory_pressure: Pressure | None
    go: tuple[GoFacts, ...]
    notes: tuple[Note, ...]
    cpu_hidden_above: str | None = None
    memory_hidden_above: str | None = None
    unsupported: frozenset[str] = frozenset()
    threads: Threads | None = None
    kind: Kind | None = None
    pressure_chain: tuple[PressureLevel, ...] = ()
    used: Used | None = None
    rates: Rates | None = None
    outside_seen: tuple[OutsideSeen, ...] = ()
    platforms: tuple[Platform, ...] = ()

    @property
    def allowed_cpus(self) -> frozenset[int]:
        """What sched_getaffinity(2) answers: the affinity without CPUs that are switched off. The mask itself names all that there may ever
        be: 128 on many virtual machines that have two.
        """
        return self.process.affinity & self.machine.online

    @property
    def charged_level(self) -> MemoryLevel | None:
        """The cgroup that the process's memory is charged to."""
        return locate_charged(self.memory_chain)

    @property
    def oom_kills(self) -> int | None:
        """The counter oom_kill of that cgroup, on v2 with those below it; None if it is not counted. It is no number of processes."""
        events = self._charged_events
        return None if events is None else events.oom_kill

    @property
    def oom_group_kills(self) -> int | None:
        """How many of these kills ended a whole cgroup: each counts its first victim twice. None before Linux 5.17 and on v1."""
        events = self._charged_events
        return None if events is None else events.oom_group_kill

    @property
    def killed_levels(self) -> tuple[MemoryLevel, ...]:
        """The cgroups with OOM kills that the one below does not have, leaf first.

        A container that is made anew begins at 0, its pod does not. The search ends below what programs of any kind have in common, and
        below v1's root.
        """
        return self._levels_with_more(lambda level: None if level.counted_events is None else level.counted_events.oom_kill)

    @property
    def levels_killed_in_window(self) -> tuple[MemoryLevel, ...]:
        """The same for kills between two looks; none if it was looked at once."""
        rates = self.rates
        if rates is None:
            return ()
        return self._levels_with_more(lambda level: None if (rate := rates.memory_of(level)) is None else rate.oom_kills)

    def _levels_with_more(self, count: Callable[[MemoryLevel], int | None]) -> tuple[MemoryLevel, ...]:
        found: list[MemoryLevel] = []
        below, charged = 0, self.charged_level
        for level in () if charged is None else self.memory_chain[self.memory_chain.index(charged) :]:
            if level is not charged and (level.is_common or level.is_v1_root):
                break
            kills = count(level) or 0
            if kills > below:
                found.append(level)
            below = max(below, kills) if level.version == 2 else 0
        return tuple(found)

    @property
    def _charged_events(self) -> MemoryEvents | None:
        return None if self.charged_level is None else self.charged_level.counted_events

    @property
    def charged_chain(self) -> tuple[MemoryLevel, ...]:
        """The cgroups whose limits hold for the process's memory, leaf first: v1 stops below a parent with use_hierarchy 0."""
        for index, level in enumerate(self.memory_chain[1:], start=1):
            if not level.use_hierarchy:
                return self.memory_chain[:index]
        return self.memory_chain


class CpuLimits(Record):
    """What the kernel enforces for CPU. ``binding`` is the level whose quota is the least; None if nothing limits.

    ``usable`` is online ∩ cpuset ∩ affinity; ``cpuset`` is the level of the cpuset hierarchy that holds for the process. ``unseen`` says
    why a quota may be there that was not read, or a tighter one; None: all were. ``unsupported`` says why there can be none; None: there
    can. ``unbound`` says why the quota may not hold for the process, whatever it is; None: it holds.
    """

    limit_cores: float | None
    binding: CpuLevel | None
    usable: frozenset[int]
    cpuset: CpusetLevel | None
    unseen: str | None = None
    unsupported: str | None = None
    unbound: str | None = None


class MemoryLimits(Record):
    """What the kernel enforces for memory.

    ``limit_from`` is the file that says ``limit_bytes``. ``binding`` is None if nothing limits, and also if v1's
    hierarchical limit betrays an ancestor that cannot be seen from here. ``memsw_bytes`` is v1's limit of memory and swap together, of
    which ``swap_bytes`` is what memory leaves if it is as large as it may be. ``unseen`` and ``unsupported`` as of CpuLimits.
    hierarchical limit betrays an ancestor that cannot be seen from here. ``node_bytes`` is the least limit above that is the node's
    and not the program's, and so is none of the others; ``node_from`` is the file that says it.
    """

    limit_bytes: int | None
    limit_from: str | None
    binding: MemoryLevel | None
    high_bytes: int | None
    high_binding: MemoryLevel | None
    swap_bytes: int | None
    unseen: str | None = None
    unsupported: str | None = None
    memsw_bytes: int | None = None
    node_bytes: int | None = None
    node_from: str | None = None


class Limits(Record):
    """The first witness: enforced."""

    cpu: CpuLimits
    memory: MemoryLimits
    notes: tuple[Note, ...] = ()


class Advice(Record):
    """One act. ``variable`` and ``value`` name an environment variable to set (``value`` None: to unset); both None for other acts.

    ``reason`` says what to do and why, in one sentence.
    """

    variable: str | None
    value: str | None
    reason: str


class Finding(Record):
    """One cause of harm, with the files and numbers that show it and what to do about it. ``rule`` is an id that ``explain`` knows.

    ``harm`` says whether it was felt: "now" (in what was measured last), "earlier" (by counters that say no more than that it was), or
    "possible" (nothing was measured that it did). ``symptoms`` are the rules that say it, if it is the cause of what others tell.
    """

    rule: str
    severity: Severity
    summary: str
    evidence: tuple[str, ...]
    advice: tuple[Advice, ...]
    harm: Harm = "possible"
    symptoms: tuple[str, ...] = ()

    @property
    def felt(self) -> tuple[str, ...]:
        """The rules by which it hurt, now or earlier; none if nobody knows that it did."""
        return () if self.harm == "possible" else self.symptoms or (self.rule,)

    @property
    def hurts(self) -> tuple[str, ...]:
        """The rules by which it hurts now; none if it does not."""
        return self.felt if self.harm == "now" else ()

    @property
    def urgency(self) -> tuple[int, int]:
        """Its place among findings, the worst first: by harm, then by severity."""
        return HARMS.index(self.harm), SEVERITIES.index(self.severity)


class Crowded(Record):
    """A memory limit that is too small for the live heap, whatever GOMEMLIMIT is.

    ``left_bytes`` is what others leave of the limit to this process's Go runtimes, ``needed_bytes`` the limit that ends it.
    """

    file: str
    limit_bytes: int
    live_bytes: int
    left_bytes: int
    needed_bytes: int


class Recommendation(Record):
    """One variable's recommended value. ``set`` False: leave the variable unset; ``value`` is then None, or what Go reaches by itself.

    ``crowded``: the memory limit itself is too small, and a value of GOMEMLIMIT buys time only. ``overruled``: the program was seen to go
    by something else than the variable, so that the value has to be set there. ``keeps_bytes`` are the least and the largest GOMEMLIMIT
    that are as good, if they are set already, ``keeps_procs`` those of GOMAXPROCS; None: of another variable. ``doubt``: why the value is
    not sure yet, None if it is.
    """

    name: str
    value: int | None
    set: bool
    because: tuple[str, ...]
    crowded: Crowded | None = None
    overruled: bool = False
    keeps_bytes: tuple[int, int] | None = None
    keeps_procs: tuple[int, int] | None = None
    doubt: str | None = None


class Policy(Record):
    """Every number that a recommendation hangs on, beside what is measured. The defaults stand in docs/advice.md.

    ``rounding`` of a CPU limit: "slack" is one more than its whole CPUs, "ceil" (Go's own way) and "floor" concern fractions; ``min_procs``
    None: 1 with floor, else 2.
    ``headroom_percent`` None: ``unmeasured_percent`` of the memory limit is kept free if nothing was measured, ``measured_percent``
    if the memory outside the Go runtime was, ``measured_after_seconds`` after the start or later; ``outside_bytes`` declares that memory
    and so counts as measured. A GOMEMLIMIT that is set stays the recommended one within a band: ``band_percent`` of the memory limit, at
    least ``band_least_bytes``, at most what is kept free. A live heap above ``crowded_percent`` of what a limit leaves to Go makes the
    limit too small, and from ``crowded_critical_percent`` on no value may help.
    """

    rounding: Rounding = "slack"
    min_procs: int | None = None
    reserve_cores: float = 0.0
    headroom_percent: float | None = None
    unmeasured_percent: float = 10.0
    unmeasured_least_bytes: int = 16 << 20
    measured_percent: float = 4.0
    measured_least_bytes: int = 8 << 20
    measured_after_seconds: float = 300.0
    band_percent: float = 3.0
    band_least_bytes: int = 6 << 20
    outside_bytes: int | None = None
    smallest_limit_bytes: int = 64 << 20
    crowded_percent: float = 60.0
    crowded_critical_percent: float = 75.0
    roomy_percent: float = 50.0


#: Of what a service answers on kills.
KILLS_SCHEMA = "cgtune/kills/v1"


class Owner(Record):
    """For whom OOM kills are counted. ``name`` is a container's id, a pod's UID, or the name of a workload.

    A workload is what Kubernetes makes pods for, told by the pod's name, or a unit of systemd, or else the path of a cgroup. ``namespace``,
    ``pod`` and ``container`` are Kubernetes's names as far as they are known; a workload has neither pod nor container. ``runtime`` is a
    container's, and ``uid`` that of its pod: by it and by the container's name a container that was made anew is the same one.
    """

    of: OwnerKind
    name: str
    runtime: str | None = None
    uid: str | None = None
    namespace: str | None = None
    pod: str | None = None
    container: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells it from all others, and stays the same when a container is made anew and gets another id."""
        if self.of == "container" and self.uid is not None and self.container is not None:
            return self.of, f"{self.uid}/{self.container}", None
        return self.of, self.name, self.namespace if self.of == "workload" else None


class Kill(Record):
    """The end of one process by the OOM killer, as a service saw it; the facts are those of its last look, ``seen_seconds`` before the end.

    ``certainty``: "certain" (the kernel's log names the process) or "likely" (the counter of its own cgroup rose when it went).
    """

    time_seconds: float
    pid: int
    command: str
    certainty: Certainty
    limit_bytes: int | None = None
    current_bytes: int | None = None
    gomemlimit: int | Off | None = None
    heap_live_bytes: int | None = None
    uptime_seconds: float | None = None


class Kills(Record):
    """The OOM kills that a service remembers of one owner: they outlive the process and its cgroup.

    ``oom_kills`` is how far the kernel's counters rose while the service watched (``oom_kill`` less ``oom_group_kill``), other processes
    than Go's included; ``processes`` is how many of those that it followed were killed, ``last`` is the last of them. ``last_seconds`` is
    when either rose last, since the epoch; ``ago_seconds`` is how long that is ago for the report that they are put to, None before.
    """

    owner: Owner
    oom_kills: int
    processes: int
    last_seconds: float
    last: Kill | None = None
    ago_seconds: float | None = None


class ProcessReport(Record):
    """One process's part of the report. ``remembered`` are the kills of its container, pod and workload in the last day; None: no service
    was asked for them.
    """

    snapshot: Snapshot
    limits: Limits
    recommendations: tuple[Recommendation, ...] = ()
    findings: tuple[Finding, ...] = ()
    remembered: tuple[Kills, ...] | None = None

    @property
    def notes(self) -> tuple[Note, ...]:
        """All notes, from reading and from concluding, in the order they arose."""
        return self.snapshot.notes + self.limits.notes

    @property
    def unread_quotas(self) -> tuple[Note, ...]:
        """Files with a CPU quota that are there and could not be read: beside one of these, no quota does not mean that there is none."""
        return self._unread(self.snapshot.cpu_chain, CPU_LIMIT_FILES)

    @property
    def unread_memory_limits(self) -> tuple[Note, ...]:
        """The same for files with a memory limit."""
        return self._unread(self.snapshot.memory_chain, MEMORY_LIMIT_FILES)

    def _unread(self, chain: tuple[Level, ...], names: tuple[str, ...]) -> tuple[Note, ...]:
        files = {f"{level.directory}/{name}" for level in chain for name in names}
        return tuple(note for note in self.notes if note.kind == "failed" and note.path in files)

    @property
    def counted_levels(self) -> tuple[CpuLevel, ...]:
        """The cgroups that can throttle and count it: the one that binds, then the others with a quota, leaf first.

        Where no quota is left, the nearest that has counters: of a quota that was.
        """
        counted = [level for level in self.snapshot.cpu_chain if level.throttling is not None]
        limited = [level for level in counted if level.bandwidth is not None and level.bandwidth.limit_cores is not None]
        return tuple(sorted(limited, key=lambda level: level is not self.limits.cpu.binding)) or tuple(counted[:1])

    def used_cores(self, rates: Rates) -> float | None:
        """What was used of the quota that binds, in CPUs: by all that runs under it; without a quota, by the process. None: not known."""
        binding = self.limits.cpu.binding
        if binding is None:
            return rates.used_cores
        rate = rates.cpu_of(binding)
        return None if rate is None else rate.used_cores

    @property
    def throttled_level(self) -> CpuLevel | None:
        """The cgroup that is throttled most: each stop holds for all below it, and is counted nowhere else."""
        return most_throttled(self.counted_levels)


class Track(Record):
    """One number of one process over time, oldest first. A point is its age in seconds and the value; ``name`` says of what.

    ``recent`` has the moments of the last five minutes, ``day`` the highest of each ten minutes of the last day.
    """

    name: str
    recent: tuple[tuple[float, float], ...]
    day: tuple[tuple[float, float], ...]


class Report(Record):
    """What every output renders. ``time`` is RFC 3339, UTC. ``go_checked`` are the versions of Go that the mirror was checked against.
    ``others`` counts the processes that a search passed over, by kind: each is known to hold no Go runtime.
    ``machinery`` are the node's own programs (kubelet, container engines, shims) that were left out. ``beside`` was read as well, and is
    not reported: it may share limits with what is.
    """

    version: str
    time: str
    machine: Machine
    processes: tuple[ProcessReport, ...]
    notes: tuple[Note, ...] = ()
    go_checked: tuple[str, ...] = ()
    others: tuple[tuple[Kind, int], ...] = ()
    machinery: tuple[Process, ...] = ()
    beside: tuple[Snapshot, ...] = ()


class PeriodStall(Record):
    """One period of a CPU quota at its worst: ``threads`` run until the quota is gone, and then all wait for the period to end.

    ``burst_us`` is what may have been saved up before, and makes the first period after a rest longer.
    """

    threads: int
    quota_us: int
    period_us: int
    runs_us: float
    stalls_us: float
    burst_us: int = 0

    @property
    def burst_runs_us(self) -> float:
        """How long they run in the first period after a rest, with all that was saved up: the whole period if that is enough for it."""
        return min(float(self.period_us), (self.quota_us + self.burst_us) / self.threads)


class PredictedRow(Record):
    """What one Go version would do. ``process`` is a process that does not exist, with that runtime alone; nothing in it is observed.

    ``go`` is the version as it was asked for, or as the program on disk says it; ``language`` is the go line of go.mod, None: not known.
    ``stall`` is None if no quota can stall its GOMAXPROCS threads, or if their number is not known.
    """

    go: str
    language: str | None
    process: ProcessReport
    stall: PeriodStall | None
    notes: tuple[str, ...]


class Prediction(Record):
    """Predicted rows under one set of limits, in the order asked for. ``snapshot`` and ``limits`` are those of every row."""

    snapshot: Snapshot
    limits: Limits
    rows: tuple[PredictedRow, ...]


class RuleText(Record):
    """What a format that lists rules says of one; ``help`` is its whole explanation."""

    id: str
    severity: Severity
    summary: str
    help: str


class Measure(Record):
    """One number of one process, for a graph. ``unit`` is "%", "B" (bytes), "c" (a counter) or "" (so many things).

    Above ``warn`` a finding of its own is a warning, above ``crit`` it is critical; None if no rule has such a number.
    """

    name: str
    value: float
    unit: str = ""
    warn: float | None = None
    crit: float | None = None


class Verdict(Record):
    """A report as ``cgtune check`` judges it: without the findings of ignored rules. ``rules`` are those that were judged.

    ``failures`` are the findings at or above ``fail_on`` ("harm": those that hurt now), each with its process, worst first. ``measures``
    are, for a format that wants them, the names of the processes with their numbers.
    """

    report: Report
    rules: tuple[RuleText, ...]
    fail_on: FailOn
    failures: tuple[tuple[ProcessReport, Finding], ...]
    window_seconds: float | None = None
    measures: tuple[tuple[str, tuple[Measure, ...]], ...] = ()

    @property
    def below(self) -> int:
        """How many findings are not bad enough to fail."""
        return sum(len(process.findings) for process in self.report.processes) - len(self.failures)


class Blind(Record):
    """Why a report is no ground for a verdict: nothing in it failed, and yet nobody knows whether all is well.

    ``cause``: "missing" (a process that was asked for is not in the report), "ended" (one is a zombie), "closed" (one could not be looked
    into), "no-go" (there is no Go process in it, and some processes could not be told), "failed" (a process of a search could not be read
    for another reason than a privilege), "partly" (of one in the report something that decides is not known). ``what`` is the sentence for
    it, ``hint`` what to try on the command line. ``note`` is the first thing that was not seen; None if ``what`` says all.
    """

    cause: Literal["missing", "ended", "closed", "no-go", "failed", "partly"]
    what: str
    hint: str
    note: Note | None = None


class Whom(Record):
    """Which processes are meant: those that one of the ``targets`` fits, of whatever kind, and one of each kind that is named."""

    targets: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether a kind is named."""
        return bool(self.containers or self.pods or self.namespaces or self.commands)

    @property
    def pids(self) -> tuple[int, ...]:
        """The targets that name processes by themselves, for nobody has to look for them."""
        return () if self.is_narrowed else tuple(int(target) for target in self.targets if is_pid(target))

    @property
    def searched(self) -> Whom:
        """What has to be looked for."""
        return self if self.is_narrowed else Whom(targets=tuple(target for target in self.targets if not is_pid(target)))

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """What was named: the kind, "target" for any, and the word."""
        kinds = (
            *(("target", self.targets), ("container", self.containers), ("pod", self.pods)),
            *(("namespace", self.namespaces), ("command", self.commands)),
        )
        return tuple((kind, word) for kind, words in kinds for word in words)


#: Nothing is named: it is for the command to say who is meant then.
NOBODY = Whom()


def is_pid(word: str) -> bool:
    """Whether a word is the number of a process: PID_MAX_LIMIT is 2**22, of seven digits."""
    return word.isascii() and word.isdigit() and len(word) <= 7 and int(word) > 0
