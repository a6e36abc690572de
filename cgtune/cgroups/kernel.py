"""Kernel text to values: one ``parse_<file>`` for each file format, pure, raising nothing but Malformed.

Not covered: uclamp, cpu.rt_*, per-node memory files. Unknown keys are ignored, unknown shapes fail.
"""

from __future__ import annotations

from sys import intern

from cgtune.errors import Malformed
from cgtune.model import Bandwidth, ByteLimit, Membership, MemoryEvents, MemoryParts, Mount, Stall, Throttling
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

#: The kernel's own ceiling is 8192 (CONFIG_NR_CPUS); a list beyond this is not a CPU list.
HIGHEST_CPU = 65535

#: v1 spells "no limit" as LONG_MAX rounded down to whole pages: 0x7FFFFFFFFFFFF000 with 4 KiB pages, ...0000 with 64 KiB. No machine
#: has 4 EiB, so everything from there up means "no limit" whatever the page size (mm/memcontrol.c, PAGE_COUNTER_MAX).
V1_UNLIMITED_BYTES = 1 << 62

_ID_LENGTH, _ID_DIGITS = 64, frozenset("0123456789abcdef")  # of a container
_OCTAL_ESCAPE_DIGITS = 3

#: The kernel prints no longer path: PATH_MAX, and " (deleted)" after it (kernel/cgroup/cgroup.c, proc_cgroup_show).
_LONGEST_CGROUP_PATH = 4096 + len(" (deleted)")


def is_nested(path: str) -> bool:
    """Whether the path of a cgroup holds two ids of containers, which have 64 letters: an engine runs in a container."""
    if len(path) <= 2 * _ID_LENGTH:
        return False
    ends = (name.removesuffix(".scope")[-_ID_LENGTH:] for name in path.split("/"))
    return sum(len(end) == _ID_LENGTH and not set(end) - _ID_DIGITS for end in ends) > 1


def parse_count(text: str) -> int:
    """A whole number of ASCII digits, such as cpu.weight, memory.current or cpu.shares holds. Never negative."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit()) or len(stripped) > 20:
        raise Malformed(f"not a whole number: {_quote(text)}")
    return int(stripped)


def parse_cpu_max(text: str) -> Bandwidth:
    """v2's cpu.max, `250000 100000` or `max 100000`: quota or "max", then period, in µs (cgroup-v2.rst, "CPU Interface Files")."""
    fields = _split(text, 2, "cpu.max is not 'quota period'")
    quota_us = None if fields[0] == "max" else parse_count(fields[0])
    return Bandwidth(quota_us=quota_us, period_us=parse_count(fields[1]))


def parse_cfs_quota(quota: str, period: str) -> Bandwidth:
    """v1's cpu.cfs_quota_us (`-1` or any negative number: no limit) with cpu.cfs_period_us (Documentation/scheduler/sched-bwc.rst)."""
    stripped = quota.strip()
    quota_us = None if stripped.startswith("-") and parse_count(stripped[1:]) else parse_count(stripped)
    return Bandwidth(quota_us=quota_us, period_us=parse_count(period))


def parse_byte_limit(text: str) -> ByteLimit:
    """memory.max and its like: `536870912` or `max` (v2); v1 writes "no limit" as a huge page-aligned number, or as -1."""
    stripped = text.strip()
    if stripped in ("max", "-1"):
        return ByteLimit(limit_bytes=None)
    value = parse_count(stripped)
    return ByteLimit(limit_bytes=None if value >= V1_UNLIMITED_BYTES else value)


def parse_flat_keyed(text: str, keys: frozenset[str] | None = None) -> dict[str, int]:
    """A flat keyed file (cpu.stat, memory.events, memory.stat, memory.oom_control): `key value` lines. Unknown shapes fail.

    With ``keys`` only these are in the answer, and only their values are looked at.
    """
    values: dict[str, int] = {}
    for line in text.splitlines():
        key, blank, value = line.partition(" ")
        if not blank or not key:
            raise Malformed(f"not a 'key value' line: {_quote(line)}")
        if keys is None or key in keys:
            values[key] = parse_count(value)
    return values


#: The lines of memory.stat by part, of v2, and of v1: its `total_` figures are those of the whole subtree, as v2's all are. v1's `rss`
#: holds no pages of files, whatever its name says (mm/memcontrol-v1.c). It counts neither slab nor the rest of the kernel's own memory.
_PARTS_V2 = {
    "anonymous_bytes": "anon",
    "active_file_bytes": "active_file",
    "inactive_file_bytes": "inactive_file",
    "mapped_bytes": "file_mapped",
    "unevictable_bytes": "unevictable",
    "shared_bytes": "shmem",
    "kernel_bytes": "kernel",
    "slab_reclaimable_bytes": "slab_reclaimable",
    "dirty_bytes": "file_dirty",
    "writeback_bytes": "file_writeback",
}
_PARTS_V1 = {
    "anonymous_bytes": "total_rss",
    "active_file_bytes": "total_active_file",
    "inactive_file_bytes": "total_inactive_file",
    "mapped_bytes": "total_mapped_file",
    "unevictable_bytes": "total_unevictable",
    "shared_bytes": "total_shmem",
    "dirty_bytes": "total_dirty",
    "writeback_bytes": "total_writeback",
    "swapped_bytes": "total_swap",
}

#: The kernel's own memory before Linux 5.18 added `kernel`, which is their sum with a little besides.
_KERNEL_PARTS = ("kernel_stack", "pagetables", "percpu", "slab")

_HIERARCHICAL_LIMIT = "hierarchical_memory_limit"

#: Pages that came back soon after they had been taken away: `workingset_refault 31` before Linux 5.9, which tells two kinds apart. v1's
#: figures of the whole subtree begin with `total_`.
_REFAULTS = ("workingset_refault", "workingset_refault_anon", "workingset_refault_file")
_REFAULTS_V1 = ("total_workingset_refault", "total_workingset_refault_anon", "total_workingset_refault_file")

#: What we use of the forty to seventy lines of a memory.stat.
_MEMORY_STAT_KEYS = frozenset((*_PARTS_V2.values(), *_PARTS_V1.values(), *_KERNEL_PARTS, _HIERARCHICAL_LIMIT, *_REFAULTS, *_REFAULTS_V1))


def parse_memory_stat(text: str) -> dict[str, int]:
    """memory.stat, of either version, as far as it is used: the parts of memory, and v1's minimum over the ancestors."""
    return parse_flat_keyed(text, _MEMORY_STAT_KEYS)


def count_memory_parts(stat: dict[str, int], version: int) -> MemoryParts:
    """What the memory of a cgroup and of those below it consists of, by its memory.stat.

    Not in it: the kernel's own memory of v1, what v2 has swapped out; other files tell.
    """
    parts = MemoryParts(**{name: stat.get(key) for name, key in (_PARTS_V2 if version == 2 else _PARTS_V1).items()})
    known = [stat[key] for key in _KERNEL_PARTS if key in stat]
    return parts.replace(kernel_bytes=sum(known)) if parts.kernel_bytes is None and known else parts


def count_refaults(stat: dict[str, int], version: int) -> int | None:
    """How many pages of a cgroup and of those below it came back soon after they had been taken away; None if it is not counted."""
    known = [stat[key] for key in (_REFAULTS if version == 2 else _REFAULTS_V1) if key in stat]
    return sum(known) if known else None


def hierarchical_limit(stat: dict[str, int]) -> ByteLimit | None:
    """v1's own minimum over the ancestors that count; None if the file does not tell."""
    return parse_byte_limit(str(stat[_HIERARCHICAL_LIMIT])) if _HIERARCHICAL_LIMIT in stat else None


#: Linux has one list of them, for memory.events, memory.events.local and what v1 tells of it in memory.oom_control.
_MEMORY_EVENTS = frozenset({"high", "max", "oom", "oom_kill", "oom_group_kill"})


def parse_memory_events(text: str) -> MemoryEvents:
    """memory.events or memory.events.local of v2, `max 301`, `oom 1`, `oom_kill 2`; or v1's memory.oom_control, `oom_kill 2` (4.13)."""
    return MemoryEvents(**parse_flat_keyed(text, _MEMORY_EVENTS))


def parse_flag(text: str) -> bool:
    """`0` or `1`, as cpu.idle has it."""
    return parse_count(text) != 0


def parse_cpu_stat(text: str) -> Throttling | None:
    """cpu.stat's `nr_periods`, `nr_throttled` and `throttled_usec` (v2) or `throttled_time` in nanoseconds (v1).

    Since Linux 5.14 also `nr_bursts`, and `burst_usec` or `burst_time`. None where the cgroup has no bandwidth control: v2 keeps usage_usec
    there even without the cpu controller.
    """
    values = parse_flat_keyed(text)
    if "nr_periods" not in values or "nr_throttled" not in values:
        return None
    seconds = _seconds(values, "throttled_usec", "throttled_time")
    if seconds is None:
        return None
    return Throttling(
        periods=values["nr_periods"],
        throttled_periods=min(values["nr_throttled"], values["nr_periods"]),  # a period may end while the kernel prints the two
        throttled_seconds=seconds,
        bursts=values.get("nr_bursts"),
        burst_seconds=_seconds(values, "burst_usec", "burst_time"),
    )


def parse_cpu_usage(text: str) -> float | None:
    """v2's cpu.stat, `usage_usec 81234`: the seconds of CPU time that a cgroup and those below it have used; None on v1, which has no such
    line.
    """
    return _seconds(parse_flat_keyed(text, frozenset({"usage_usec"})), "usage_usec", "")


def parse_nanoseconds(text: str) -> float:
    """v1's cpuacct.usage, `4711000000`, in seconds (Documentation/admin-guide/cgroup-v1/cpuacct.rst)."""
    return parse_count(text) / 1e9


def _seconds(values: dict[str, int], microseconds: str, nanoseconds: str) -> float | None:
    if microseconds in values:
        return values[microseconds] / 1e6
    return values[nanoseconds] / 1e9 if nanoseconds in values else None


def parse_schedstat(text: str) -> tuple[float, float] | None:
    """/proc/PID/task/TID/schedstat, `93330 6598457 2`: (1) ns on a CPU (2) ns of waiting for one, on a run queue (3) how often it ran.

    The seconds of (1) and (2) (Documentation/scheduler/sched-stats.rst); None if all are 0, for a kernel that does not count prints so.
    """
    fields = [parse_count(field) for field in _split(text, 3, "schedstat is not 'ran waited times'")]
    return (fields[0] / 1e9, fields[1] / 1e9) if any(fields) else None


def parse_cpu_list(text: str) -> frozenset[int]:
    """A CPU list such as `0-3,8,10-11` (cpuset(7), "List format"), ascending as the kernel writes it; blank is the empty set."""
    return _once(text, _LAST_CPU_LISTS, _parse_cpus)


def _parse_cpus(text: str) -> frozenset[int]:
    cpus: set[int] = set()
    stripped, highest = text.strip(), -1
    for part in stripped.split(",") if stripped else ():
        first, dash, last = part.partition("-")
        low = parse_count(first)
        high = parse_count(last) if dash else low
        if not highest < low <= high <= HIGHEST_CPU:  # so no list, however long, names more CPUs than there can be
            raise Malformed(f"not a CPU list: {_quote(text)}")
        highest = high
        cpus.update(range(low, high + 1))
    return frozenset(cpus)


def parse_pressure(text: str) -> tuple[Stall | None, Stall | None]:
    """A PSI file: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full ...`, total in µs.

    Kernels before 5.13 have no `full` for CPU.
    """
    stalls: dict[str, Stall] = {}
    for line in text.splitlines():
        kind, *pairs = line.split()[:8] or [""]
        if kind not in ("some", "full"):
            continue
        values = dict(pair.partition("=")[::2] for pair in pairs)
        try:
            stalls[kind] = Stall(
                avg10_percent=_parse_decimal(values["avg10"]),
                avg60_percent=_parse_decimal(values["avg60"]),
                avg300_percent=_parse_decimal(values["avg300"]),
                total_seconds=parse_count(values["total"]) / 1e6,
            )
        except KeyError as error:
            raise Malformed(f"pressure line has no {error}: {_quote(line)}") from error
    if not stalls:
        raise Malformed(f"no pressure line: {_quote(text)}")
    return stalls.get("some"), stalls.get("full")


def parse_cgroup(text: str) -> tuple[Membership, ...]:
    """/proc/PID/cgroup, lines `4:cpu,cpuacct:/docker/x` or `0::/a`: hierarchy id, controllers, path.

    Split at the first two colons only: a path may hold colons. The kernel does not escape here; lines are safe all the same, because
    it refuses a newline in a cgroup's name (cgroup_mkdir in kernel/cgroup/cgroup.c). The same text soon again gives the same tuple: a
    process is asked twice, and each of its threads, and v1 has a dozen lines.
    """
    return _once(text, _LAST_MEMBERSHIPS, _parse_memberships)


_LAST_TEXTS = 8
_LAST_MEMBERSHIPS: dict[str, tuple[Membership, ...]] = {}
_LAST_CPU_LISTS: dict[str, frozenset[int]] = {}
_LAST_MOUNTS: dict[str, tuple[Mount, ...]] = {}
_LAST_STATS: dict[str, ProcessStat] = {}


def _once(text: str, last: dict[str, T], parse: Callable[[str], T]) -> T:
    """What ``parse`` made of the same text, if it is one of the last 8."""
    found = last.get(text)
    if found is None:
        found = parse(text)
        while len(last) >= _LAST_TEXTS:
            last.pop(next(iter(last)), None)
        last[text] = found
    return found


def _parse_memberships(text: str) -> tuple[Membership, ...]:
    memberships: list[Membership] = []
    paths: dict[str, str] = {}  # on v1 mostly one for a dozen hierarchies
    for line in text.split("\n"):
        if not line:
            continue
        fields = line.split(":", 2)
        if len(fields) != 3 or not fields[2].startswith("/") or len(fields[2]) > _LONGEST_CGROUP_PATH or "\0" in fields[2]:
            raise Malformed(f"not an 'id:controllers:/path' line: {_quote(line)}")
        controllers = tuple(map(intern, fields[1].split(","))) if fields[1] else ()
        path = paths.setdefault(fields[2], fields[2])
        memberships.append(Membership(hierarchy_id=parse_count(fields[0]), controllers=controllers, path=path))
    return tuple(memberships)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """The cgroup and other lines of /proc/PID/mountinfo:

    `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
    (1) mount id (2) parent id (3) major:minor (4) root (5) mount point (6) options (7) optional fields (8) `-` (9) type (10) source
    (11) super options, which may hold blanks (9p lines of WSL2 do). We use 1-6, 9 and 11; 4 and 5 are unescaped. The same text soon again
    gives the same tuple: most processes of a node share it, and it is needed at several places.
    """
    return _once(text, _LAST_MOUNTS, _parse_mounts)


def _parse_mounts(text: str) -> tuple[Mount, ...]:
    mounts = []
    for line in text.split("\n"):
        if not line:
            continue
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ", 2)
        if not dash or len(fields) < 6 or len(tail) < 2:
            raise Malformed(f"not a mountinfo line: {_quote(line)}")
        mounts.append(
            Mount(
                mount_id=parse_count(fields[0]),
                parent_id=parse_count(fields[1]),
                device=fields[2],
                root=unescape_octal(fields[3]),
                mount_point=unescape_octal(fields[4]),
                filesystem=tail[0],
                super_options=tuple(tail[2].split(",")) if len(tail) == 3 else (),
                is_writable="rw" in fields[5].split(","),
            )
        )
    return tuple(mounts)


def unescape_octal(text: str) -> str:
    r"""`\040` and its like to the byte they stand for: the kernel escapes blank, tab, newline, backslash and # so (fs/proc_namespace.c)."""
    if "\\" not in text:
        return text
    pieces = text.split("\\")
    unescaped = [pieces[0]]
    for piece in pieces[1:]:
        digits = piece[:_OCTAL_ESCAPE_DIGITS]
        if len(digits) != _OCTAL_ESCAPE_DIGITS or any(digit not in "01234567" for digit in digits) or digits[0] > "3":
            raise Malformed(f"not an octal escape: {_quote(text)}")
        byte = int(digits, 8)
        unescaped.append((chr(byte) if byte < 0x80 else chr(0xDC00 + byte)) + piece[_OCTAL_ESCAPE_DIGITS:])
    return "".join(unescaped)


def escape_octal(text: str) -> str:
    """The inverse of unescape_octal, for the characters that the kernel escapes in mountinfo."""
    return "".join(f"\\{ord(character):03o}" if character in " \t\n\\" else character for character in text)


class ProcessStat(Record):
    """What we use of /proc/PID/stat: ``start_ticks`` is since boot, in clock ticks (field 22); kernel threads by their flag (field 9).

    ``major_faults`` counts reads from a disk (field 12), ``cpu_ticks`` is what all threads have used, those that ended among them, in
    programs and in the kernel (fields 14 and 15). ``threads`` counts those that are left (field 20). ``scheduling`` is the first one's
    policy (field 41, sched(7)), 0 where none is told.
    ``environ_start`` is where its environment begins in its memory (field 50), which each execve(2) moves; 0 during one, or untold.
    """

    command: str
    state: str
    start_ticks: int
    is_kernel_thread: bool
    major_faults: int
    cpu_ticks: int
    threads: int
    scheduling: int
    environ_start: int


#: PF_KTHREAD (include/linux/sched.h): a thread of the kernel's own, without a program.
_KERNEL_THREAD_FLAG = 0x00200000


def parse_stat(text: str) -> ProcessStat:
    """/proc/PID/stat, `42 (a) b) S 1 ...`: (1) pid (2) command, up to the LAST parenthesis (3) state ... (22) start time in ticks.

    The same text soon again gives the same record: a process that rests says so twice in a look.
    """
    return _once(text, _LAST_STATS, _parse_stat)


def _parse_stat(text: str) -> ProcessStat:
    opening, closing = text.find("("), text.rfind(")")
    fields = text[closing + 1 :].split()
    if not 0 < opening < closing or len(fields) < 20 or len(fields[0]) != 1:
        raise Malformed(f"not a stat line: {_quote(text)}")
    return ProcessStat(
        command=text[opening + 1 : closing],
        state=fields[0],
        start_ticks=parse_count(fields[19]),
        is_kernel_thread=bool(parse_count(fields[6]) & _KERNEL_THREAD_FLAG),
        major_faults=parse_count(fields[9]),
        cpu_ticks=parse_count(fields[11]) + parse_count(fields[12]),
        threads=parse_count(fields[17]),
        scheduling=parse_count(fields[38]) if len(fields) > 38 else 0,
        environ_start=parse_count(fields[47]) if len(fields) > 47 else 0,
    )


def parse_stat_memory(text: str) -> tuple[bool, int | None]:
    """Of /proc/PID/stat: whether it is a kernel thread; and what is equal only if the same process (field 22) has the same address space
    (23, its size) and took no page fault since (10 and 12). None if faults are not counted, as in gVisor.
    """
    fields = text[text.rfind(")") + 1 :].split()
    if len(fields) < 21:
        raise Malformed(f"not a stat line: {_quote(text)}")
    counters = hash((fields[7], fields[9], fields[19], fields[20])) if fields[7] != "0" else None
    return bool(parse_count(fields[6]) & _KERNEL_THREAD_FLAG), counters


def is_one_thread_asleep(text: str) -> bool:
    """Whether a stat line that was parsed before is of a process with one thread (field 20), and that was on no run queue (field 3)."""
    fields = text[text.rfind(")") + 1 :].split(None, 18)
    return fields[0] != "R" and fields[17] == "1"


def parse_status_affinity(text: str) -> frozenset[int]:
    """`Cpus_allowed_list:\t0-7` of /proc/PID/status: the affinity of the process's first thread, or of one thread (proc_pid_status(5))."""
    listed = locate_status_value(text, "Cpus_allowed_list")
    if listed is None:
        raise Malformed("status has no Cpus_allowed_list")  # gVisor's has none
    return parse_cpu_list(listed)


def locate_status_value(text: str, key: str) -> str | None:
    """What a line of /proc/PID/status says, `CapEff:\t000001ffffffffff`, without its key; None if there is no such line."""
    _, found, after = f"\n{text}".partition(f"\n{key}:")  # some fifty lines stand before that of the affinity
    return after.partition("\n")[0].strip() if found else None


def parse_fdinfo(text: str) -> int | None:
    """The inode of the open file that /proc/PID/fdinfo/N tells of, `ino:\t72559`; None before Linux 5.14 (proc_pid_fdinfo(5))."""
    for line in text.split("\n"):
        key, _, value = line.partition(":")
        if key == "ino":
            return parse_count(value)
    return None


def parse_meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo, `MemTotal:       16280952 kB`, to bytes by key. Lines of other shapes (counts without kB) are left out."""
    values: dict[str, int] = {}
    for line in text.split("\n"):
        fields = line.split()
        if len(fields) == 3 and fields[2] == "kB" and fields[0].endswith(":"):
            values[fields[0][:-1]] = parse_count(fields[1]) * 1024
    if "MemTotal" not in values:
        raise Malformed("meminfo has no MemTotal")
    return values


def parse_online_cpus(text: str) -> frozenset[int]:
    """The CPUs that are online by /proc/stat, with a line `cpu3 1 2 3 ...` for each (proc_stat(5)). Raises Malformed if it has none."""
    names = (line.partition(" ")[0] for line in text.split("\n"))
    cpus = frozenset(parse_count(name[3:]) for name in names if name.startswith("cpu") and name[3:].isascii() and name[3:].isdigit())
    if not cpus or max(cpus) > HIGHEST_CPU:
        raise Malformed("/proc/stat has no line of a CPU")
    return cpus


def parse_controllers(text: str) -> frozenset[str]:
    """The controllers of a cgroup.controllers file, `cpuset cpu io memory pids` (cgroup-v2.rst)."""
    names = frozenset(text.split())
    if not all(name.isidentifier() for name in names):
        raise Malformed(f"not a list of controllers: {_quote(text)}")
    return names


def parse_enabled_controllers(text: str) -> frozenset[str]:
    """The controllers that /proc/cgroups calls enabled: `memory 5 1 1`, name, hierarchy, count of cgroups, 1 or 0 (cgroups(7))."""
    rows = [line.split() for line in text.split("\n") if line and not line.startswith("#")]
    if any(len(row) != 4 for row in rows):
        raise Malformed(f"not a table of four columns: {_quote(text)}")
    return frozenset(row[0] for row in rows if row[3] == "1")


def parse_boot_time(text: str) -> int:
    """`btime 1700000000` of /proc/stat: seconds since the epoch at which the machine started."""
    for line in text.split("\n"):
        key, _, value = line.partition(" ")
        if key == "btime":
            return parse_count(value)
    raise Malformed("/proc/stat has no btime")


def parse_uptime(text: str) -> float:
    """/proc/uptime, `407.30 564.17`: seconds since the machine started, the second number is what its CPUs were idle (proc_uptime(5))."""
    return _parse_decimal(_split(text, 2, "uptime is not two numbers")[0])


class MachineTicks(Record):
    """What all CPUs of a machine have done since it started, in clock ticks: worked, had nothing to do (or waited for a disk), and
    waited for the host of this virtual machine.
    """

    busy: int
    idle: int
    steal: int


#: The columns of the line `cpu` of /proc/stat: user nice system idle iowait irq softirq steal; guests are part of user and nice.
_BUSY_COLUMNS, _IDLE_COLUMNS, _STEAL_COLUMN = (0, 1, 2, 5, 6), (3, 4), 7


def parse_machine_ticks(text: str) -> MachineTicks | None:
    """`cpu  9532 7868 6678 56417 340 0 104 23 0 0` of /proc/stat, in clock ticks (proc_stat(5)); None if nothing is counted (gVisor)."""
    line = next((line for line in text.split("\n") if line.startswith("cpu ")), "")
    columns = [parse_count(field) for field in line.split()[1:9]]
    if len(columns) <= _STEAL_COLUMN or not any(columns):
        return None
    busy, idle = (sum(columns[index] for index in indexes) for indexes in (_BUSY_COLUMNS, _IDLE_COLUMNS))
    return MachineTicks(busy=busy, idle=idle, steal=columns[_STEAL_COLUMN])


def _split(text: str, count: int, else_it: str) -> list[str]:
    """The words of a text of exactly so many; raises Malformed with what it is, if they are more or fewer."""
    fields = text.split(None, count)
    if len(fields) != count:
        raise Malformed(f"{else_it}: {_quote(text)}")
    return fields


def _parse_decimal(text: str) -> float:
    whole, _, fraction = text.partition(".")
    parse_count(whole)
    if fraction:
        parse_count(fraction)
    return float(text)


def _quote(text: str) -> str:
    """The offending text, cut short and on one line."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
