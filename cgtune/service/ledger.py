"""The counters of OOM kills from one look to the next, which end of a process they explain, and the kills of each owner, remembered. Pure.

A counter that rose explains as many ends in its cgroup as it rose, and no more, for some seconds: a large process takes its time to go, and
a look may come between the kill and the end. A kill is nothing that is inferred from a counter of another cgroup: that is "possible" at
most. Everything is bounded: of counters and owners that are too many the oldest are dropped, and how many owners were is known.
"""

from __future__ import annotations

from cgtune.cgroups.owners import locate_counting, owners_of
from cgtune.model import Kill, Kills
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import Certainty, MemoryEvents, MemoryLevel, Owner, ProcessReport, Snapshot

    #: The events of a cgroup with those below it, and of the cgroup alone; None: the cgroup is gone, or cannot be read.
    Read = tuple[MemoryEvents | None, MemoryEvents | None] | None

#: How long a counter that rose may explain an end.
EXPLAINS_SECONDS = 10.0
MOST_LEVELS = 4096
_SIGKILL = 9
MOST_OWNERS = 1000


class End(Record):
    """How a followed process ended. ``rose`` is by how much a counter rose, in the cgroup ``where``; 0 and None if none did.

    ``limit_of`` is the cgroup whose limit had been reached, as its own counter ``oom`` tells; None if none does.
    """

    process: ProcessReport
    certainty: Certainty
    rose: int = 0
    where: str | None = None
    limit_of: str | None = None


class Ended(Record):
    """A process that has ended. ``status`` is what wait(2) says of it, None: not known. ``was_alone`` in its cgroup, at the last look.
    ``is_named``: the kernel's log says that it killed it.
    """

    process: ProcessReport
    status: int | None = None
    was_alone: bool = False
    is_named: bool = False

    @property
    def is_sigkill(self) -> bool:
        """Whether SIGKILL is known to have ended it."""
        return self.status is not None and self.status & 0x7F == _SIGKILL

    @property
    def is_spared(self) -> bool:
        """Whether something else is known to have ended it."""
        return self.status is not None and not self.is_sigkill


class _Level:
    """One cgroup: its counters at the last look, for whom they count, and when what rose that explains no end yet."""

    __slots__ = ("alone", "directory", "events", "groups", "kills", "kills_below", "limits", "owners", "path", "version")

    def __init__(self, level: MemoryLevel) -> None:
        self.path, self.directory, self.version = level.path, level.directory, level.version
        self.events, self.alone = level.events, level.events_local
        self.owners: dict[tuple[str, str, str | None], Owner] = {}
        self.kills: list[float] = []  # of the cgroup alone
        self.kills_below: list[float] = []  # of those below that no cgroup known there has counted
        self.limits: list[float] = []
        self.groups: list[float] = []  # kills of it as a whole

    def expire(self, now_seconds: float) -> None:
        for times in (self.kills, self.kills_below, self.limits, self.groups):
            while times and times[0] < now_seconds - EXPLAINS_SECONDS:
                del times[0]


class Ledger:
    """Counters by cgroup, and kills by owner."""

    def __init__(self) -> None:
        self._levels: dict[str, _Level] = {}
        self._kills: dict[tuple[str, str, str | None], Kills] = {}
        #: Those of the processes that are followed now.
        self.workloads: tuple[Owner, ...] = ()
        self.forgotten = 0

    @property
    def kills(self) -> tuple[Kills, ...]:
        """What is remembered, the newest last."""
        return tuple(self._kills.values())

    def levels_beside(self, snapshot: Snapshot) -> dict[str, tuple[str, int]]:
        """The cgroups, by key, each with directory and version, whose counters tell how a process ended: its own chain below what programs
        of any kind have in common, and the cgroups known beside it.
        """
        chain = _own_chain(snapshot)
        if not chain:
            return {}
        top = chain[-1].directory
        return {
            key: (level.directory, level.version)
            for key, level in self._levels.items()
            if level.directory == top or level.directory.startswith(f"{top}/")
        }

    def follow(self, processes: Sequence[ProcessReport], now_seconds: float, time_seconds: float) -> None:
        """The counters of a look: what rose since the last one is counted, what is new begins here."""
        seen = {level.key: level for process in processes for level in _own_chain(process.snapshot)}
        self.count({key: (level.events, level.events_local) for key, level in seen.items()}, now_seconds, time_seconds)
        for key, level in seen.items():
            self._levels[key] = self._levels.pop(key) if key in self._levels else _Level(level)  # those seen last stand last
        workloads: dict[tuple[str, str, str | None], Owner] = {}
        for process in processes:
            for level, owners in locate_counting(process.snapshot):
                by_key = {owner.key: owner for owner in owners}
                workloads |= {key: owner for key, owner in by_key.items() if owner.of == "workload"}
                if level.key in self._levels:
                    self._levels[level.key].owners |= by_key
        self.workloads = tuple(workloads.values())
        while len(self._levels) > MOST_LEVELS:
            del self._levels[next(iter(self._levels))]

    def count(self, read: Mapping[str, Read], now_seconds: float, time_seconds: float) -> None:
        """Counters as they are now, by the key of the cgroup. ``now_seconds`` only goes forward, ``time_seconds`` is since the epoch."""
        rose: dict[str, int] = {}
        for key, events in read.items():
            level = self._levels.get(key)
            if level is None or events is None:
                continue
            level.expire(now_seconds)
            below = _growth(level.events, events[0])
            alone = _growth(level.alone, events[1])
            level.kills += [now_seconds] * alone
            level.limits += [now_seconds] * _grown(level.alone, events[1], "oom")
            level.groups += [now_seconds] * _grown(level.alone, events[1], "oom_group_kill")
            level.events, level.alone = _later(level.events, events[0]), _later(level.alone, events[1])
            rose[key] = below if level.version == 2 else alone
            level.kills_below += [now_seconds] * max(0, below - alone)
            for owner in level.owners.values():
                self._add(owner, rose[key], time_seconds)
        for key, count in rose.items():  # what a cgroup known below has counted needs no other explanation
            parent = self._levels[key].directory.rpartition("/")[0]
            above = next((self._levels[other] for other in rose if self._levels[other].directory == parent), None) if count else None
            if above is not None and above.version == 2:
                del above.kills_below[max(0, len(above.kills_below) - count) :]

    def explain(self, ended: Sequence[Ended], gone: frozenset[str], now_seconds: float) -> tuple[End, ...]:
        """How each of these ended, in their order, after ``count``. ``gone`` are the keys of cgroups whose counters are there no more."""
        # Those that the log names come first: a counter explains no other end then
        order = sorted(ended, key=lambda one: not one.is_named)
        ends = {id(one): self._explain(one, gone, now_seconds) for one in order}
        return tuple(ends[id(one)] for one in ended)

    def _explain(self, one: Ended, gone: frozenset[str], now_seconds: float) -> End:
        chain = _own_chain(one.process.snapshot)
        levels = [level for each in chain if (level := self._levels.get(each.key)) is not None]
        for level in levels:
            level.expire(now_seconds)
        own = levels[0] if levels and chain[0].key in self._levels else None
        limit_of = next((level.path for level in levels if level.limits), None)
        if own is not None and chain[0].key not in gone and own.alone is not None and own.alone.oom_kill is not None:
            explaining, path = own.kills, own.path
            # A counter is that of all who were in the cgroup
            is_its = one.is_sigkill or one.was_alone or any(level.groups for level in levels)
            certainty: Certainty = "no" if not explaining else "likely" if is_its else "possible"
        else:
            above = next((level for level in levels if level.kills_below), None)
            explaining, path = ([], "") if above is None else (above.kills_below, above.path)
            certainty = "unknown" if above is None else "possible"
        certainty = "certain" if one.is_named else "no" if one.is_spared else certainty
        end = End(process=one.process, certainty=certainty, rose=len(explaining), where=path if explaining else None, limit_of=limit_of)
        if explaining and certainty != "no":
            del explaining[0]
        return end

    def remember(self, process: ProcessReport, kill: Kill) -> None:
        """A process was killed: for its container, pod and workload it is the last one."""
        for owner in owners_of(process.snapshot):
            kept = self._kills.get(owner.key) or Kills(owner=owner, oom_kills=0, processes=0, last_seconds=kill.time_seconds)
            self._keep(kept.replace(processes=kept.processes + 1, last=kill, last_seconds=kill.time_seconds, owner=owner))

    def _add(self, owner: Owner, count: int, time_seconds: float) -> None:
        if count:
            kept = self._kills.get(owner.key) or Kills(owner=owner, oom_kills=0, processes=0, last_seconds=time_seconds)
            self._keep(kept.replace(oom_kills=kept.oom_kills + count, last_seconds=time_seconds, owner=owner))

    def _keep(self, kills: Kills) -> None:
        """The newest stands last. A process that was killed is a kill, whether or not a counter is left that says so."""
        self._kills.pop(kills.owner.key, None)
        self._kills[kills.owner.key] = kills.replace(oom_kills=max(kills.oom_kills, kills.processes))
        while len(self._kills) > MOST_OWNERS:
            del self._kills[next(iter(self._kills))]
            self.forgotten += 1


def _own_chain(snapshot: Snapshot) -> tuple[MemoryLevel, ...]:
    """The cgroups whose counters are about the process, leaf first: from where its memory is charged up to what all programs share."""
    charged = snapshot.charged_level
    if charged is None:
        return ()
    chain = snapshot.memory_chain[snapshot.memory_chain.index(charged) :]
    common = (place for place, level in enumerate(chain) if place and (level.is_common or level.of_node or level.path == "/"))
    return chain[: next(common, len(chain))]


def _grown(before: MemoryEvents | None, after: MemoryEvents | None, name: str) -> int:
    """By how much a counter rose; 0 if either does not tell, and if it fell, as that of a cgroup made anew does."""
    old, new = getattr(before, name, None), getattr(after, name, None)
    return max(0, new - old) if old is not None and new is not None else 0


def _later(before: MemoryEvents | None, after: MemoryEvents | None) -> MemoryEvents | None:
    """Counters only rise: a scan may come with some that it read before those were read that are known."""
    return before if before is not None and after is not None and (before.oom_kill or 0) > (after.oom_kill or 0) else after


def _growth(before: MemoryEvents | None, after: MemoryEvents | None) -> int:
    """By how many kills the counters rose: the first victim of a whole group counts twice."""
    return max(0, _grown(before, after, "oom_kill") - _grown(before, after, "oom_group_kill"))
