"""the OOM killer has ended a process of this cgroup, or of one above it

What it means: the kernel counts at least one kill in the process's own cgroup, or in one above it that is the program's own (a pod, say),
since that cgroup was made. A container that is made anew begins at 0, and its pod remembers. It may have been another process, or an
earlier life of this one. What all services, users or pods of a machine have in common is not asked. oom_kill is no number of processes:
with memory.oom.group, which Kubernetes sets on cgroup v2, the kernel ends the whole cgroup, counts that in oom_group_kill, and counts the
victim that it had chosen twice in oom_kill. One process killed: oom_kill 2, oom_group_kill 1. On v2 a count is of the cgroup and of all
below it, and memory.events.local has the cgroup alone; on v1 it is of the cgroup alone.
With inspect, ps or check --serve-url, and in cgtune serve itself, kills count that the service remembers of the last day, though the
cgroup and its counters are gone: those of the same container or pod, and outside of pods of the same unit or cgroup.

It hurts now, and is critical, if the kernel counted a kill between two looks (--window, or the last five minutes of cgtune serve), in its
cgroup or in one above it. Else it hurt earlier: a count since the cgroup was made does not tell when.

Why it hurts: SIGKILL, no clean-up, exit status 137.

How to confirm:
  grep -H oom /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null   # v2, then v1
  dmesg | grep -i 'killed process'                            # on the machine itself

What to do: with GOMEMLIMIT right, the rest is too large: look at what Go does not manage (memory.stat: anon, shmem, kernel) and at the live
heap; or raise the memory limit. A storm of allocation (collector-busy tells of 30 and more collections a second of CPU) outruns the
collector whatever is kept free, and the sooner the more threads share a CPU: a larger limit, GOMAXPROCS at most the CPUs, then
--headroom 20%.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.events, memory.oom.group); mm/oom_kill.c, oom_kill_process.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Kills, MemoryLevel, Severity
    from cgtune.rules.case import Case

ID = "oom-killed"
SEVERITY: Severity = "warning"
_SHOWN_ID = 12
_UNITS = ((3600, "h"), (60, "min"))
SUMMARY = "the OOM killer has ended a process of this cgroup, or of one above it"


def judge(case: Case) -> Finding | None:
    """A counter of kills is not zero: that of its own cgroup, or of one above."""
    levels, charged = case.snapshot.killed_levels, case.snapshot.charged_level
    # Of a pod's workload others are told by the metrics: a kill of one replica is no fault of the others
    remembered = [kills for kills in case.report.remembered or () if kills.owner.of != "workload" or not case.snapshot.container.pod_uid]
    told = tuple(_remembered(kills) for kills in remembered)
    if not levels and not remembered:
        return None
    advice = (*case.lower_memory("what the limit leaves to Go"), act("raise the memory limit, or find what takes it: memory.stat tells"))
    if not levels:
        counts = f"{remembered[0].oom_kills} in {_owner(remembered[0])}, the last {_ago(remembered[0])}"
        summary = f"OOM kills: cgtune serve remembers {counts}; the cgroup of now counts none"
        return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=(*told, case.limit_words), advice=advice, harm="earlier")
    level = levels[0]
    events = level.counted_events
    kills = (events.oom_kill if events is not None else None) or 0
    where = "its cgroup" if level == charged else f"the cgroup {level.path} above it{', or below that' * (level.version == 2)}"
    group = (events.oom_group_kill if events is not None else None) or 0
    grown = tuple(_grown(case, each) for each in case.snapshot.levels_killed_in_window)
    doubled = f", {group} of a whole group, whose first victim counts twice" if group else ""
    return Finding(
        rule=ID,
        severity="critical" if grown else SEVERITY,
        summary=f"OOM kills: the kernel counts {kills} in {where}, since that was made{doubled}{', and goes on' * bool(grown)}",
        evidence=(*grown, *(_evidence(each) for each in levels), *told, case.limit_words, *_enough_words(case, levels)),
        advice=advice,
        harm="now" if grown else "earlier",
    )


def _enough_words(case: Case, levels: tuple[MemoryLevel, ...]) -> tuple[str, ...]:
    """What limit the live heap of now needs; else that the limit of now was not enough, if it is known that its cgroup was at it."""
    level, limit = case.memory.binding, case.memory.limit_bytes
    if case.recommended("GOMEMLIMIT").crowded is not None:
        return case.enough_memory_words(level, is_pressed=False)
    # Of those below it that were at limits of their own, memory.events counts too
    events = None if level is None else level.events if level.events_local is None else level.events_local
    if level not in levels or limit is None or events is None or not events.oom:
        return ()
    return (
        f"{format_mib(limit)} MiB were not enough for what was killed, unless the limit was changed since; how much it wanted is not seen",
    )


def _grown(case: Case, level: MemoryLevel) -> str:
    """How many kills the kernel counted there between the two looks."""
    rate = None if case.snapshot.rates is None else case.snapshot.rates.memory_of(level)
    kills, seconds = (0, 0.0) if rate is None else (rate.oom_kills or 0, rate.seconds or 0.0)
    return f"{level.directory}: oom_kill {kills} more in the last {seconds:.0f} s"


def _evidence(level: MemoryLevel) -> str:
    """The file and its counters, those that are not 0; of v2 also how many kills are of this cgroup alone."""
    events, local = level.counted_events, level.events_local
    counts = () if events is None else [f"{name} {count}" for name, count in events.items() if count]
    text = f"{level.directory}/{'memory.events' if level.version == 2 else 'memory.oom_control'}: {', '.join(counts)}"
    alone = "" if level.version == 1 or local is None or local.oom_kill is None else f" (in this cgroup alone: oom_kill {local.oom_kill})"
    return text + alone


def _remembered(kills: Kills) -> str:
    """What a service remembers: how many, when the last one was, and what that process had."""
    last = kills.last
    text = f"cgtune serve: {kills.oom_kills} of {_owner(kills)}, the last {_ago(kills)}"
    if last is None:
        return text
    had = [f"limit {format_mib(last.limit_bytes)} MiB"] if last.limit_bytes is not None else []
    had += [f"{format_mib(last.current_bytes)} MiB charged"] if last.current_bytes is not None else []
    if last.gomemlimit is not None:
        had.append(f"GOMEMLIMIT {last.gomemlimit if last.gomemlimit == 'off' else format_mib(last.gomemlimit) + ' MiB'}")
    had += [f"live heap {format_mib(last.heap_live_bytes)} MiB"] if last.heap_live_bytes is not None else []
    return f"{text}; last seen of {last.pid} {last.command} ({last.certainty}): {', '.join(had) or 'nothing'}"


def _owner(kills: Kills) -> str:
    owner = kills.owner
    if owner.of == "workload":
        return owner.name
    name = owner.container if owner.of == "container" and owner.container is not None else owner.name[:_SHOWN_ID]
    return f"{'this container' if owner.of == 'container' else 'this pod'} {name}"


def _ago(kills: Kills) -> str:
    seconds = kills.ago_seconds or 0.0
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds / size:.0f} {unit} ago"
