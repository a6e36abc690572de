"""Recommended values, with their reasons: the enforced limits, what is measured in their cgroups, and a policy. Pure.

Not covered: memory that a process will take later than it was looked at; swap, which is counted as nothing to rely on.
"""

from __future__ import annotations

import math

from cgtune.model import Crowded, Policy, ProcessReport, Recommendation
from cgtune.numbers import format_cores, format_cpus
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cgtune.model import CpuLevel, GoFacts, Level, Limits, MemoryLevel, Note, Snapshot

    Groups = Mapping[str, Sequence[Snapshot]]

_MIB = 1 << 20
_FIRST_WITH_MEMORY_LIMIT = 19  # Go 1.19
_LEAST_PROCS = {"ceil": 2, "floor": 1}  # Go's own minimum (runtime/cgroup_linux.go, 1.25.0 to 1.27.3); automaxprocs' and Rust's
_DEFAULT = Policy()
_ALONE: Groups = {}


class Room(Record):
    """How much of one memory limit a Go runtime may plan with. ``safety_bytes`` is kept free, ``outside_bytes`` is used by others."""

    limit_bytes: int
    file: str
    outside_bytes: int
    safety_bytes: int
    measured: bool

    @property
    def free_bytes(self) -> int:
        """What is left for Go; can be negative."""
        return self.limit_bytes - self.outside_bytes - self.safety_bytes


def group_by_limit(snapshots: Iterable[Snapshot]) -> Groups:
    """The Go processes by the directory of each cgroup whose memory limit holds for them."""
    groups: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        for level in snapshot.charged_chain if snapshot.go else ():
            groups.setdefault(level.directory, []).append(snapshot)
    return groups


class Share(Record):
    """What one limit leaves to one process: a ``part`` of the room, which its ``runtimes`` have in equal parts, and why."""

    room: Room
    part: float = 1.0
    runtimes: int = 1
    because: tuple[str, ...] = ()

    @property
    def free_bytes(self) -> float:
        """What its Go runtimes may plan with, all together; can be negative."""
        return self.room.free_bytes * self.part

    def crowded_by(self, live_bytes: int, policy: Policy) -> Crowded | None:
        """How this limit is too small for so large a live heap, None where it is not: what others use leaves less of it."""
        left = (self.room.limit_bytes - self.room.outside_bytes) * self.part
        if not self.part or live_bytes * 100 <= left * policy.crowded_percent:
            return None
        needed = math.ceil((self.room.outside_bytes + size_that_ends_it(live_bytes, policy) / self.part) / _MIB) * _MIB
        return Crowded(
            file=self.room.file,
            limit_bytes=self.room.limit_bytes,
            live_bytes=live_bytes,
            left_bytes=max(0, int(left)),
            needed_bytes=needed,
        )


def advise(snapshot: Snapshot, limits: Limits, policy: Policy = _DEFAULT, groups: Groups = _ALONE) -> tuple[Recommendation, ...]:
    """The recommended GOMAXPROCS and GOMEMLIMIT of a Go process, empty for other programs.

    A process has one environment: where it holds several Go runtimes, the values are right for all of them at once. ``groups`` are the
    Go processes of the machine by cgroup: those in one with this one share its limit in proportion to the memory that each has mapped.
    GOGC is left as it is.
    """
    if not snapshot.go:
        return ()
    cpu = limits.cpu
    says = () if cpu.binding is None else (format_quota(limits),)
    by_itself = {derive_procs_by_itself(facts, len(snapshot.allowed_cpus)) for facts in snapshot.go}
    follows = by_itself.pop() if len(by_itself) == 1 else None
    recommended = recommend_procs(cpu.limit_cores, len(cpu.usable), policy, follows_by_itself=follows)
    for facts in snapshot.go:
        recommended = survive_quota(recommended, facts, len(cpu.usable))
    procs = recommended.replace(because=says + recommended.because)
    memory = _advise_memory(snapshot, limits, policy, groups)
    process = ProcessReport(snapshot=snapshot, limits=limits)
    if cpu.limit_cores is None and (process.unread_quotas or not snapshot.cpu_chain):
        procs = procs.replace(because=say_unlimited("CPU quota", snapshot.cpu_chain, process.unread_quotas))
    unlimited = limits.memory.limit_bytes is None and limits.memory.high_bytes is None
    if unlimited and (process.unread_memory_limits or not snapshot.memory_chain):
        memory = memory.replace(because=say_unlimited("memory limit", snapshot.memory_chain, process.unread_memory_limits))
    if memory.set and all(facts.minor is not None and facts.minor < _FIRST_WITH_MEMORY_LIMIT for facts in snapshot.go):
        why = f"Go {snapshot.go[0].version} has no GOMEMLIMIT: it came with 1.{_FIRST_WITH_MEMORY_LIMIT}"
        memory = memory.replace(value=None, set=False, because=(*memory.because, why))
    return procs, memory


def say_unlimited(what: str, chain: Sequence[Level], unread: Sequence[Note]) -> tuple[str, ...]:
    """Why no limit is known. What lies above the highest visible cgroup cannot be seen, nor what could not be read."""
    if unread:
        return (f"no {what} is known", *say_unread(unread))
    return (f"no {what} in any cgroup that can be seen" if chain else f"its cgroups cannot be seen from here, so no {what} is known",)


def say_unread(unread: Sequence[Note]) -> tuple[str, ...]:
    """Which limit files are there and tell nothing."""
    return tuple(f"{note.path} cannot be read: {note.why}" for note in unread)


def survive_quota(recommended: Recommendation, facts: GoFacts, usable_count: int) -> Recommendation:
    """GOMAXPROCS for a runtime that dies of its quota at its start: set in any case. For any other what is ``recommended``."""
    if facts.dies is None or "procresize" not in facts.dies:
        return recommended
    because = recommended.because if recommended.set else ()  # "Go's own default is right" is not
    why = f"Go {facts.version} dies of this quota at its start; where GOMAXPROCS is set, it never looks at it"
    return recommended.replace(value=recommended.value or max(1, usable_count), set=True, because=(*because, why))


def recommend_procs(
    limit_cores: float | None, usable_count: int, policy: Policy = _DEFAULT, *, follows_by_itself: int | None = None
) -> Recommendation:
    """GOMAXPROCS for an enforced limit in cores (None: no limit) and so many usable CPUs (online, in the cpuset and the affinity).

    ``follows_by_itself`` is the value that the runtime reaches without the variable and keeps up to date, None where it does not: where
    that is the recommended one, the variable is better left unset.
    """
    name = "GOMAXPROCS"
    if limit_cores is None:
        return Recommendation(name=name, value=None, set=False, because=("no CPU quota is enforced: Go's own default is right",))
    if usable_count <= limit_cores - policy.reserve_cores:
        why = f"the quota of {format_cpus(limit_cores)} does not fall below the {usable_count} usable CPUs: Go's own default is right"
        return Recommendation(name=name, value=None, set=False, because=(why,))
    cores = limit_cores - policy.reserve_cores
    reserved = f", less {format_cores(policy.reserve_cores)} kept for others," if policy.reserve_cores else ""
    # Quota and period are whole numbers, their quotient is the nearest double: as Go does it, nothing is corrected before the rounding.
    rounded = math.ceil(cores) if policy.rounding == "ceil" else math.floor(cores)
    least = policy.min_procs if policy.min_procs is not None else _LEAST_PROCS[policy.rounding]
    because = [f"{format_cpus(limit_cores)}{reserved} rounded {'up' if policy.rounding == 'ceil' else 'down'} is {rounded}"]
    value = rounded
    if value < least:
        value = least
        why = ": with one thread a collection or a busy goroutine holds up all others" if least == _LEAST_PROCS["ceil"] else ""
        because.append(f"at least {least}{why}")
    if value > usable_count:
        value = max(1, usable_count)
        because.append(f"at most the {value} CPU{'s' if value > 1 else ''} that it may run on")
    if follows_by_itself == value:
        because.append(f"this runtime comes to {value} by itself and follows changes of the quota: setting GOMAXPROCS would stop that")
        return Recommendation(name=name, value=value, set=False, because=tuple(because))
    return Recommendation(name=name, value=value, set=True, because=tuple(because))


def recommend_memory(
    limit_bytes: int | None,
    high_bytes: int | None,
    policy: Policy = _DEFAULT,
    *,
    outside_bytes: int | None = None,
    live_heap_bytes: int | None = None,
    limit_from: str = "the memory limit",
    machine_bytes: int | None = None,
) -> Recommendation:
    """GOMEMLIMIT for an enforced memory limit and memory.high (None: none).

    ``outside_bytes`` is what else is charged to that cgroup, None where it was not measured; the policy's own figure goes before it.
    ``live_heap_bytes`` is what the last collection found alive. ``limit_from`` is the file that says the limit. ``machine_bytes`` is
    the machine's memory, None where it is not known: a limit above it is never reached.
    """
    named = ((limit_bytes, limit_from), (high_bytes, "memory.high"))
    shares = [Share(room=find_room(limit, name, policy, outside_bytes)) for limit, name in named if limit is not None]
    return _recommend_in(shares, policy, live_heap_bytes, machine_bytes)


def find_room(limit_bytes: int, file: str, policy: Policy, outside_bytes: int | None) -> Room:
    """What is left for Go of one limit, which ``file`` says, when ``outside_bytes`` (None: not measured) are used by others."""
    if policy.outside_bytes is not None:
        outside_bytes = policy.outside_bytes
    measured = outside_bytes is not None
    least = policy.measured_least_bytes if measured else policy.unmeasured_least_bytes
    percent = policy.measured_percent if measured else policy.unmeasured_percent
    if policy.headroom_percent is not None:
        least, percent = 0, policy.headroom_percent
    safety = max(least, math.ceil(limit_bytes * percent / 100))
    return Room(limit_bytes=limit_bytes, file=file, outside_bytes=outside_bytes or 0, safety_bytes=safety, measured=measured)


def derive_procs_by_itself(facts: GoFacts, cpus: int) -> int | None:
    """GOMAXPROCS that this runtime would reach and keep up to date without the variable; None where it would not, or where that is not
    known. A value that the program has set in its own code is not undone by leaving the variable unset.
    """
    pinned_by_code = facts.pinned and (facts.variables is None or "GOMAXPROCS" not in facts.variables or "GOMAXPROCS" in facts.ignored)
    seen = facts.seen
    if not facts.aware or not facts.updates or pinned_by_code or seen is None or not seen.quota_us or not seen.period_us:
        return None
    if facts.follows is not None and not facts.follows.own:
        return None
    return min(cpus, max(_LEAST_PROCS["ceil"], math.ceil(float(seen.quota_us) / float(seen.period_us))))


def measure_outside(level: MemoryLevel, mapped_bytes: Sequence[int | None]) -> int | None:
    """What is charged to this cgroup beyond its Go runtimes and cannot be given back, in bytes; None where that cannot be told.

    Other processes, cgo, stacks, shared memory and the kernel's own, what is swapped out included. ``mapped_bytes`` are the figures that
    the runtimes hold their own limits against: pages that Go has mapped and not yet touched are in them and not in the charge, so the
    result is rather too low, by some MiB in a program that has just started.
    """
    if level.current_bytes is None or level.reclaimable_bytes is None:
        return None
    known = [mapped for mapped in mapped_bytes if mapped is not None]
    if len(known) < len(mapped_bytes):
        return None
    return max(0, level.current_bytes + (level.swap_current_bytes or 0) - level.reclaimable_bytes - sum(known))


def _advise_memory(snapshot: Snapshot, limits: Limits, policy: Policy, groups: Groups) -> Recommendation:
    """The least of what each limit of the chain leaves: an ancestor with a wider limit can be the fuller one."""
    shares: list[Share] = []
    for level in snapshot.charged_chain:
        for field, name in (("limit", "memory.max" if level.version == 2 else "memory.limit_in_bytes"), ("high", "memory.high")):
            limit = getattr(level, field)
            if limit is not None and limit.limit_bytes is not None:
                shares.append(_share(level, limit.limit_bytes, name, snapshot, policy, groups))
    hidden = limits.memory.limit_bytes
    if hidden is not None and limits.memory.binding is None:  # v1's hierarchical limit betrays an ancestor that cannot be seen
        shares.append(Share(room=find_room(hidden, limits.memory.limit_from or "memory.stat", policy, None)))
    return _recommend_in(shares, policy, _live_heap(snapshot), snapshot.machine.memory_bytes)


def _live_heap(snapshot: Snapshot) -> int | None:
    """What the last collections of its runtimes found alive, None where one does not tell."""
    marked = [facts.heap_marked_bytes for facts in snapshot.go]
    return None if None in marked else sum(size for size in marked if size is not None)


def _share(level: MemoryLevel, limit_bytes: int, name: str, snapshot: Snapshot, policy: Policy, groups: Groups) -> Share:
    """What a limit of one cgroup leaves to this process beside the other Go programs under it."""
    pid = snapshot.process.pid
    inside = [snapshot] + [other for other in groups.get(level.directory, ()) if other.process.pid != pid]
    mapped = [facts.mapped_bytes for member in inside for facts in member.go]
    room = find_room(limit_bytes, f"{level.directory}/{name}", policy, measure_outside(level, mapped))
    count = len(snapshot.go)
    if len(mapped) == 1:
        return Share(room=room)
    known = [size for size in mapped if size is not None]
    if len(known) < len(mapped) or not sum(known):
        words = f"{len(mapped)} Go runtimes share it: what each has mapped is not known, an equal part for each"
        return Share(room=room, part=count / len(mapped), runtimes=count, because=(words,))
    own = sum(known[:count])
    because: tuple[str, ...] = ()
    if count < len(mapped):
        because = (
            f"{len(mapped)} Go runtimes share it: a part of {format_mib(own)} of {format_mib(sum(known))} MiB, as they have mapped now",
        )
    if count > 1:
        because += (f"the {count} Go runtimes of this process read the same variable: an equal part for each",)
    return Share(room=room, part=own / sum(known), runtimes=count, because=because)


def _recommend_in(shares: Sequence[Share], policy: Policy, live_heap_bytes: int | None, machine_bytes: int | None) -> Recommendation:
    unset = Recommendation(name="GOMEMLIMIT", value=None, set=False, because=("no memory limit is enforced: Go's own default is right",))
    if not shares:
        return unset
    reached = [share for share in shares if machine_bytes is None or share.room.limit_bytes <= machine_bytes]
    if not reached:
        room = min((share.room for share in shares), key=lambda room: room.limit_bytes)
        why = f"more than the {format_mib(machine_bytes or 0)} MiB of the machine: it is never reached, and says nothing to Go"
        return unset.replace(because=(_say_limit(room), why))
    share = min(reached, key=lambda share: share.free_bytes)
    room = share.room
    because = [_say_limit(room)]
    if room.limit_bytes < policy.smallest_limit_bytes:
        because.append(f"below {format_mib(policy.smallest_limit_bytes)} MiB no value helps: an idle Go program takes 10 to 60 MiB")
        return unset.replace(because=tuple(because))
    if room.measured:
        source = "declared" if policy.outside_bytes is not None else "measured"
        because.append(f"less {format_mib(room.outside_bytes)} MiB ({source}) that the Go runtime does not manage")
    because.append(f"less {format_mib(room.safety_bytes)} MiB kept free" + ("" if room.measured else ", as nothing was measured"))
    because += share.because
    crowded = None if live_heap_bytes is None else share.crowded_by(live_heap_bytes, policy)
    value = int(share.free_bytes / share.runtimes) // _MIB * _MIB
    if value < policy.smallest_limit_bytes // 2:
        because.append("too little is left for any value: collecting all the time would take the place of the OOM killer")
        return unset.replace(because=tuple(because), crowded=crowded)
    because.append(f"rounded down to whole MiB: {format_mib(value)} MiB")
    if crowded is not None:
        because.append(
            f"this buys time only: {format_mib(crowded.live_bytes)} MiB are alive, over {policy.crowded_percent:g} % of the"
            f" {format_mib(crowded.left_bytes)} MiB that the limit leaves to Go; {format_mib(crowded.needed_bytes)} MiB of limit end it"
        )
    return Recommendation(name="GOMEMLIMIT", value=value, set=True, because=tuple(because), crowded=crowded)


def _say_limit(room: Room) -> str:
    return f"{room.file}: {room.limit_bytes} bytes ({format_mib(room.limit_bytes)} MiB)"


def size_that_ends_it(live_heap_bytes: int, policy: Policy) -> int:
    """The memory limit under which this live heap is a share that lets the collector work at ease, in whole MiB."""
    return math.ceil(live_heap_bytes * 100 / policy.roomy_percent / _MIB) * _MIB


def format_quota(limits: Limits) -> str:
    """The file that says the binding CPU quota, and what stands in it."""
    return format_level_quota(limits.cpu.binding)


def format_level_quota(level: CpuLevel | None) -> str:
    """The file that says the CPU quota of one cgroup, and what stands in it."""
    if level is None or level.bandwidth is None:
        return "no CPU quota is enforced"
    quota, period = level.bandwidth.quota_us, level.bandwidth.period_us
    if level.version == 2:
        return f"{level.directory}/cpu.max: {quota} {period}"
    return f"{level.directory}/cpu.cfs_quota_us: {quota}, cpu.cfs_period_us: {period}"


def format_mib(count: float) -> str:
    """Bytes as a number of MiB, with at most one digit after the point."""
    return f"{count / _MIB:.1f}".removesuffix(".0")
