"""The recommended GOMEMLIMIT, with its reasons: the enforced memory limits, what is measured in their cgroups, and a policy. Pure.

Not covered: memory that a process will take later than it was looked at, but for a larger headroom in its first minutes; an execve, which
leaves the process as old as it was; swap, which is counted as nothing to rely on.
"""

from __future__ import annotations

import math

from cgtune.advice.files import Files, find_files
from cgtune.advice.kept import find_range, find_value_now
from cgtune.limits import program_chain
from cgtune.model import Crowded, MemoryParts, Policy, Recommendation
from cgtune.numbers import format_mib
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    from cgtune.model import GoFacts, Limits, MemoryLevel, MemoryLimits, Snapshot

    Groups = Mapping[str, Sequence[Snapshot]]
    #: How it is known what others use: "early" was measured, but soon after a start.
    Known = Literal["declared", "measured", "early", "unknown"]

_MIB = 1 << 20

#: Shares are counted in these parts of a whole: thousandths of a percent.
THOUSANDTHS = 100_000
_DEFAULT = Policy()
_LEAST_WATCHED_SECONDS = 60.0  # for less it is the measurement of now


class Room(Record):
    """How much of one memory limit a Go runtime may plan with. ``safety_bytes`` is kept free, ``outside_bytes`` is used by others.

    ``least_safety_bytes`` and ``most_safety_bytes`` are what is kept free if all is measured, and if nothing is. ``files`` are the pages of
    files in use, ``files_bytes`` what is counted of them.
    ``watched_seconds``: what others use is the most in so long; None: that of now.
    """

    limit_bytes: int
    file: str
    outside_bytes: int
    safety_bytes: int
    least_safety_bytes: int
    most_safety_bytes: int
    known: Known
    files: Files = Files()
    files_bytes: int = 0
    watched_seconds: float | None = None

    @property
    def free_bytes(self) -> int:
        """What is left for Go; can be negative."""
        return self.limit_bytes - self.outside_bytes - self.files_bytes - self.safety_bytes


class Share(Record):
    """What one limit leaves to one process: a ``part`` of the room, which its ``runtimes`` have in equal parts, and why.

    ``early`` says why what was measured is not yet sure; empty if it is.
    """

    room: Room
    part: float = 1.0
    runtimes: int = 1
    because: tuple[str, ...] = ()
    early: str = ""

    @property
    def free_bytes(self) -> float:
        """What its Go runtimes may plan with, all together; can be negative."""
        return self.room.free_bytes * self.part

    def value_beside(self, safety_bytes: int, files_bytes: int) -> float:
        """What each of its runtimes could have if so much were kept free, beside so much of files; can be negative."""
        return (self.room.limit_bytes - self.room.outside_bytes - files_bytes - safety_bytes) * self.part / self.runtimes

    def count_files(self, files: Files, live_bytes: int | None, policy: Policy) -> int:
        """How much of the files in use counts as not Go's, in bytes.

        Those that are known to be in use count until the live heap is so large a share of the rest that no value of GOMEMLIMIT may help,
        those that only seem to be until the collector would have to work harder for them; none takes more than half of what others leave.
        """
        free, half = self.room.free_bytes, (self.room.limit_bytes - self.room.outside_bytes) / 2
        counted = 0
        for size, percent in (
            (files.needed_bytes, policy.crowded_critical_percent),
            (files.active_bytes, policy.roomy_percent),
        ):
            live = 0.0 if not live_bytes or not self.part else live_bytes * 100 / percent / self.part
            counted = max(counted, min(size, math.floor(free - max(half, live))))
        return counted

    def crowded_by(self, live_bytes: int, policy: Policy) -> Crowded | None:
        """How this limit is too small for so large a live heap, None if it is not: what others use leaves less of it."""
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


def group_by_limit(snapshots: Iterable[Snapshot]) -> Groups:
    """The Go processes by each cgroup whose memory limit holds for them.

    Neither by its directory nor by its path: a sidecar reaches one and the same cgroup through each process's own /proc/PID/root, and
    calls it /../app or by its whole name, by what it sees there; and its own root / is not the machine's. Where the reader is a container
    of a pod that has one limit for all, each container's cgroup has all of them.
    """
    snapshots = tuple(snapshots)
    groups: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        for level in snapshot.charged_chain if snapshot.go else ():
            groups.setdefault(level.key, []).append(snapshot)
    pods: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        if snapshot.container.pod_uid:
            pods.setdefault(snapshot.container.pod_uid, []).append(snapshot)
    for mates in pods.values():
        for key in _keys_of_one_limit(mates):
            groups[key] = mates
    return groups


def _keys_of_one_limit(mates: Sequence[Snapshot]) -> frozenset[str]:
    """The cgroups of a pod's containers if the limit that each has is the pod's own, else none.

    The kubelet writes the limit of a pod (spec.resources) into each container that has none of its own. The pod's cgroup cannot be seen
    from a sidecar; the sign is that all of its containers, the sidecar among them, have the same limit, and none a lower one.
    """
    bound = [[level for level in program_chain(mate) if level.limit is not None and level.limit.limit_bytes is not None] for mate in mates]
    keys = frozenset(level.key for levels in bound for level in levels)
    sizes = {level.limit and level.limit.limit_bytes for levels in bound for level in levels}
    has_reader = any(mate.process.is_self for mate in mates)
    is_one = has_reader and len(keys) > 1 and len(sizes) == 1 and all(len(levels) == 1 for levels in bound)
    return keys if is_one else frozenset()


def join_mates(level: MemoryLevel, inside: Sequence[Snapshot]) -> tuple[MemoryLevel, int]:
    """The level with what is charged to the other containers of a pod that share its limit, and how many those are."""
    others: dict[str, MemoryLevel] = {}
    if inside[0].container.pod_uid is None:
        return level, 0
    for mate in inside:
        own = mate.charged_level
        if own is not None and all(above.key != level.key for above in mate.charged_chain):
            others[own.key] = own
    if not others:
        return level, 0
    levels = (level, *others.values())
    current = [one.current_bytes for one in levels if one.current_bytes is not None]
    reclaimable = [one.reclaimable_bytes for one in levels if one.reclaimable_bytes is not None]
    is_known = len(current) == len(reclaimable) == len(levels)
    joined = level.replace(
        current_bytes=sum(current) if is_known else None,
        parts=_join_parts(levels, sum(reclaimable)) if is_known else None,
        swap_current_bytes=sum(one.swap_current_bytes or 0 for one in levels),
    )
    return joined, len(others)


def _join_parts(levels: Sequence[MemoryLevel], reclaimable_bytes: int) -> MemoryParts:
    """What can be given back of all of them, by what it is."""

    def add(name: str) -> int:
        return sum(getattr(level.parts, name) or 0 for level in levels)

    slab = min(reclaimable_bytes, add("slab_reclaimable_bytes"))
    active = min(reclaimable_bytes - slab, add("active_file_bytes"))
    return MemoryParts(
        active_file_bytes=active,
        inactive_file_bytes=reclaimable_bytes - slab - active,
        slab_reclaimable_bytes=slab,
        mapped_bytes=add("mapped_bytes"),
        shared_bytes=add("shared_bytes"),
        unevictable_bytes=add("unevictable_bytes"),
    )


def advise_memory(snapshot: Snapshot, limits: Limits, policy: Policy, groups: Groups) -> Recommendation:
    """The least of what each limit of the chain leaves: an ancestor with a wider limit can be the fuller one."""
    shares: list[Share] = []
    for level in program_chain(snapshot):
        for limit, file in ((level.limit, level.limit_file), (level.high, f"{level.directory}/memory.high")):
            if limit is not None and limit.limit_bytes is not None:
                shares.append(_share(level, limit.limit_bytes, file, snapshot, policy, groups))
    hidden = limits.memory.limit_bytes
    if hidden is not None and limits.memory.binding is None:  # v1's hierarchical limit betrays an ancestor that cannot be seen
        shares.append(Share(room=find_room(hidden, limits.memory.limit_from or "memory.stat", policy, None)))
    heaps = [facts.observed.heap_marked_bytes for facts in snapshot.go]
    return _recommend_in(shares, policy, heaps, snapshot.machine.memory_bytes)


def say_node_limit(memory: MemoryLimits) -> tuple[str, ...]:
    """That the only limit is the node's, empty if it is not so."""
    if memory.node_bytes is None or memory.limit_bytes is not None or memory.high_bytes is not None:
        return ()
    limit = f"{memory.node_from}: {memory.node_bytes} bytes ({format_mib(memory.node_bytes)} MiB)"
    return (limit, "the node's limit, for all that it runs together: none of this program's, and nothing to plan with")


def recommend_memory(
    limit_bytes: int | None,
    high_bytes: int | None,
    policy: Policy = _DEFAULT,
    *,
    limit_from: str = "the memory limit",
    high_from: str = "memory.high",
    machine_bytes: int | None = None,
) -> Recommendation:
    """GOMEMLIMIT for a program that does not run yet, under a memory limit and a memory.high (None: none).

    ``limit_from`` and ``high_from`` are the files that say them. ``machine_bytes`` is the machine's memory, None if it is not known: a
    limit above it is never reached.
    """
    named = ((limit_bytes, limit_from), (high_bytes, high_from))
    shares = [Share(room=find_room(limit, name, policy, None)) for limit, name in named if limit is not None]
    return _recommend_in(shares, policy, (), machine_bytes)


def find_room(limit_bytes: int, file: str, policy: Policy, outside_bytes: int | None, *, is_early: bool = False) -> Room:
    """What is left for Go of one limit, which ``file`` says, when ``outside_bytes`` (None: not measured) are used by others.

    ``is_early``: they were measured before it was sure how many they are.
    """
    known: Known = "unknown" if outside_bytes is None else "early" if is_early else "measured"
    if policy.outside_bytes is not None:
        outside_bytes, known = policy.outside_bytes, "declared"
    measured = find_safety(limit_bytes, policy.measured_percent, policy.measured_least_bytes, policy)
    unmeasured = find_safety(limit_bytes, policy.unmeasured_percent, policy.unmeasured_least_bytes, policy)
    return Room(
        limit_bytes=limit_bytes,
        file=file,
        outside_bytes=outside_bytes or 0,
        safety_bytes=measured if known in ("declared", "measured") else unmeasured,
        least_safety_bytes=min(measured, unmeasured),
        most_safety_bytes=max(measured, unmeasured),
        known=known,
    )


def find_safety(limit_bytes: int, percent: float, least_bytes: int, policy: Policy) -> int:
    """What is kept free of a limit: a share, in whole thousandths of a percent, and at least so much; or what --headroom says.

    In whole numbers: 16.1 % of 250 MiB are 40.25 MiB, and as floating point a byte more.
    """
    if policy.headroom_percent is not None:
        percent, least_bytes = policy.headroom_percent, 0
    return max(least_bytes, -(-limit_bytes * round(percent * THOUSANDTHS / 100) // THOUSANDTHS))


def plain_safety(policy: Policy) -> tuple[float, int]:
    """What is kept free of any limit if nothing is measured: (percent, at least so many bytes)."""
    if policy.headroom_percent is not None:
        return policy.headroom_percent, 0
    if policy.outside_bytes is not None:
        return policy.measured_percent, policy.measured_least_bytes
    return policy.unmeasured_percent, policy.unmeasured_least_bytes


def measure_outside(level: MemoryLevel, mapped_bytes: Sequence[int | None]) -> int | None:
    """What is charged to this cgroup beyond its Go runtimes and cannot be given back, in bytes; None if that cannot be told.

    Other processes, cgo, stacks, shared memory and the kernel's own, what is swapped out included. ``mapped_bytes`` are the figures that
    the runtimes hold their own limits against: pages that Go has mapped and not yet touched are in them and not in the charge, so the
    result is rather too low, by some MiB in a program that has just started.
    """
    if level.used_bytes is None:
        return None
    known = [mapped for mapped in mapped_bytes if mapped is not None]
    if len(known) < len(mapped_bytes):
        return None
    return max(0, level.used_bytes + (level.swap_current_bytes or 0) - sum(known))


def measure_outsides(snapshot: Snapshot, groups: Groups) -> dict[str, int]:
    """What measure_outside says of each cgroup whose memory limit holds for this Go process, by its key, as far as it can be told."""
    found = {}
    for level in program_chain(snapshot):
        if all(limit is None or limit.limit_bytes is None for limit in (level.limit, level.high)):
            continue
        inside = _inside(level, snapshot, groups)
        mapped = [facts.observed.mapped_bytes for member in inside for facts in member.go]
        outside = measure_outside(join_mates(level, inside)[0], mapped)
        if outside is not None:
            found[level.key] = outside
    return found


def _inside(level: MemoryLevel, snapshot: Snapshot, groups: Groups) -> list[Snapshot]:
    """The Go processes in a cgroup, this one first."""
    return [snapshot] + [other for other in groups.get(level.key, ()) if other.process.pid != snapshot.process.pid]


def size_that_ends_it(live_heap_bytes: int, policy: Policy) -> int:
    """The memory limit under which this live heap is a share that lets the collector work at ease, in whole MiB."""
    return math.ceil(live_heap_bytes * 100 / policy.roomy_percent / _MIB) * _MIB


def is_without_memory_limit(facts: GoFacts) -> bool:
    """Whether a runtime is known to be too old for GOMEMLIMIT."""
    from cgtune.runtimes.go.derived.versions import FIRST_WITH_MEMORY_LIMIT

    return facts.program.minor is not None and facts.program.minor < FIRST_WITH_MEMORY_LIMIT


def say_no_memory_limit(facts: GoFacts) -> str:
    """Why nothing is set for such a runtime."""
    from cgtune.runtimes.go.derived.versions import FIRST_WITH_MEMORY_LIMIT

    came = "no version of gccgo has" if facts.program.compiler == "gccgo" else f"it came with 1.{FIRST_WITH_MEMORY_LIMIT}"
    return f"{facts.program.name} has no GOMEMLIMIT: {came}"


def _sum_known(sizes: Sequence[int | None]) -> int | None:
    """The sum, None if one is not known or if there are none."""
    return None if None in sizes or not sizes else sum(size for size in sizes if size is not None)


def _share(level: MemoryLevel, limit_bytes: int, file: str, snapshot: Snapshot, policy: Policy, groups: Groups) -> Share:
    """What a limit of one cgroup leaves to this process beside the other Go programs under it."""
    inside = _inside(level, snapshot, groups)
    mapped = [facts.observed.mapped_bytes for member in inside for facts in member.go]
    joined, others = join_mates(level, inside)
    outside, files = measure_outside(joined, mapped), find_files(joined, snapshot)
    seen = next((seen for seen in snapshot.outside_seen if seen.key == level.key), None)
    watched_seconds = None
    if seen is not None and outside is not None and seen.seconds >= _LEAST_WATCHED_SECONDS:
        outside, watched_seconds = max(outside, seen.most_bytes), seen.seconds
    unsure = _say_early(inside, policy) or _say_returning(files) or _say_peak(joined, inside, mapped, outside, policy)
    room = find_room(limit_bytes, file, policy, outside, is_early=bool(unsure))
    part, because = _part_of(len(snapshot.go), mapped)
    if others:
        pod = f"all {others + 1} containers of the pod have this limit, and none a lower one: it is the pod's, and they share it"
        because = (pod, *because)
    live = _sum_known([facts.observed.heap_marked_bytes for facts in snapshot.go])
    share = Share(room=room, part=part, runtimes=len(snapshot.go) if len(mapped) > 1 else 1, because=because, early=unsure)
    if room.known in ("unknown", "declared"):
        return share
    counted = share.count_files(files, live, policy)
    # What comes can push files out for a moment, so they are a part of the headroom; if they come back all the time, they are none
    least = room.least_safety_bytes if unsure else room.least_safety_bytes // 2
    safety = room.safety_bytes if files.returning else max(least, room.safety_bytes - counted)
    return share.replace(room=room.replace(files=files, files_bytes=counted, safety_bytes=safety, watched_seconds=watched_seconds))


def _part_of(count: int, mapped: Sequence[int | None]) -> tuple[float, tuple[str, ...]]:
    """Returns (the part of a limit that a process with the first ``count`` of these Go runtimes has, why)."""
    if len(mapped) == 1:
        return 1.0, ()
    known = [size for size in mapped if size is not None]
    if len(known) < len(mapped) or not sum(known):
        words = f"{len(mapped)} Go runtimes share it: what each has mapped is not known, an equal part for each"
        return count / len(mapped), (words,)
    own, because = sum(known[:count]), list[str]()
    if count < len(mapped):
        part = f"a part of {format_mib(own)} of {format_mib(sum(known))} MiB, as they have mapped now"
        because.append(f"{len(mapped)} Go runtimes share it: {part}")
    if count > 1:
        because.append(f"the {count} Go runtimes of this process read the same variable: an equal part for each")
    return own / sum(known), tuple(because)


def _say_returning(files: Files) -> str:
    """Why more of files may be in use than is there; empty if nothing comes back."""
    if not files.returning:
        return ""
    return f"{files.returning:.0f} pages of files a second come back that were taken away"


def _say_early(inside: Sequence[Snapshot], policy: Policy) -> str:
    """Why what these processes, the one in question first, use outside Go may not be there yet; empty if they have run long enough."""
    known = [(member.process.age_seconds, member.process.pid) for member in inside if member.go]
    ages = [(age, pid) for age, pid in known if age is not None]
    if len(ages) < len(known):
        return "it is not known how long it has run" if policy.measured_after_seconds else ""
    age, pid = min(ages)
    if age >= policy.measured_after_seconds:
        return ""
    own = inside[0].process
    whose = "its start" if age == own.age_seconds else f"the start of process {pid}, which shares the limit"
    return f"it was measured {age} s after {whose}"


def _say_peak(
    level: MemoryLevel, inside: Sequence[Snapshot], mapped: Sequence[int | None], outside_bytes: int | None, policy: Policy
) -> str:
    """Why others may have used more before: the most that ever was charged is more than what is there, and what Go may take, explain.

    Empty if it is not, or if nothing bounds what Go took: a runtime without GOMEMLIMIT.
    """
    if level.peak_bytes is None or level.used_bytes is None or level.current_bytes is None or outside_bytes is None:
        return ""
    least = find_safety(level.peak_bytes, policy.measured_percent, policy.measured_least_bytes, policy)
    more = level.peak_bytes - outside_bytes - (level.current_bytes - level.used_bytes)
    if more - sum(size or 0 for size in mapped) < least:
        return ""
    limits = [find_value_now(facts, "GOMEMLIMIT") for member in inside for facts in member.go]
    takes = [max(most, size or 0) for most, size in zip(limits, mapped, strict=True) if most is not None]
    more -= sum(takes)
    if len(takes) < len(mapped) or more < least:
        return ""
    file = "memory.peak" if level.version == 2 else "memory.max_usage_in_bytes"
    return f"{file} is {format_mib(more)} MiB more than GOMEMLIMIT and what is there now explain, files or not"


def _recommend_in(shares: Sequence[Share], policy: Policy, heaps: Sequence[int | None], machine_bytes: int | None) -> Recommendation:
    live_heap_bytes = _sum_known(heaps)
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
    if room.known != "unknown":
        source = "declared" if room.known == "declared" else "measured"
        if room.watched_seconds is not None:
            source += f", the highest in {_say_time(room.watched_seconds)} of watching"
        because.append(f"less {format_mib(room.outside_bytes)} MiB ({source}) that the Go runtime does not manage")
    because += _say_files(room)
    why = {"unknown": ", as nothing was measured", "early": f", as {share.early}: more may come"}.get(room.known, "")
    beside = " beside files, which can give way for a moment" * bool(room.files_bytes and not room.files.returning)
    because.append(f"less {format_mib(room.safety_bytes)} MiB kept free{beside}{why}")
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
    keeps = find_range(shares, value, heaps, policy)
    doubt = share.early if room.known == "early" else None
    return Recommendation(name="GOMEMLIMIT", value=value, set=True, because=tuple(because), crowded=crowded, keeps_bytes=keeps, doubt=doubt)


def _say_time(seconds: float) -> str:
    """`6 h`, the largest unit of which it is two or more."""
    size, unit = next(((size, unit) for size, unit in ((3600, "h"), (60, "min")) if seconds >= 2 * size), (1, "s"))
    return f"{seconds / size:.0f} {unit}"


def _say_files(room: Room) -> tuple[str, ...]:
    """What is counted of the files in use, and why not all of it is; empty if there are none."""
    counted, size = room.files_bytes, room.files.active_bytes
    if size < _MIB:
        return ()
    if counted == size:
        return (f"less {format_mib(size)} MiB of files in use ({room.files.because})",)
    why = "may be old, and the heap needs" if counted >= room.files.needed_bytes else "has no room beside the heap, which needs"
    return (f"less {format_mib(counted)} of {format_mib(size)} MiB of files in use ({room.files.because}): the rest {why} it",)


def _say_limit(room: Room) -> str:
    return f"{room.file}: {room.limit_bytes} bytes ({format_mib(room.limit_bytes)} MiB)"
