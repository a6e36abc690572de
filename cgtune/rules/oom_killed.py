"""the OOM killer has ended a process of this cgroup, or of one above it

What it means: the kernel counts at least one kill in the process's own cgroup, or in one above it that is the program's own (a pod, say),
since that cgroup was made. A container that is made anew begins at 0, and its pod remembers. It may have been another process, or an
earlier life of this one. What all services, users or pods of a machine have in common is not asked. oom_kill is no number of processes:
with memory.oom.group, which Kubernetes sets on cgroup v2, the kernel ends the whole cgroup, counts that in oom_group_kill, and counts the
victim that it had chosen twice in oom_kill. One process killed: oom_kill 2, oom_group_kill 1. On v2 a count is of the cgroup and of all
below it, and memory.events.local has the cgroup alone; on v1 it is of the cgroup alone.

Why it hurts: SIGKILL, no clean-up, exit status 137.

How to confirm:
  grep -H oom /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null   # v2, then v1
  dmesg | grep -i 'killed process'                            # on the machine itself

What to do: with GOMEMLIMIT right, the rest is too large: look at what Go does not manage (memory.stat: anon, shmem, kernel) and at the live
heap; or raise the memory limit. A storm of allocation outruns the collector by 10 to 20 MiB: --policy measured-least=32Mi keeps that free.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.events, memory.oom.group); mm/oom_kill.c, oom_kill_process.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import MemoryLevel, Severity
    from cgtune.rules.case import Case

ID = "oom-killed"
SEVERITY: Severity = "warning"
SUMMARY = "the OOM killer has ended a process of this cgroup, or of one above it"


def judge(case: Case) -> Finding | None:
    """A counter of kills is not zero: that of its own cgroup, or of one above."""
    levels, charged = case.snapshot.killed_levels, case.snapshot.charged_level
    if not levels:
        return None
    level = levels[0]
    events = level.counted_events
    kills = (events.oom_kill if events is not None else None) or 0
    where = "its cgroup" if level == charged else f"the cgroup {level.path} above it{', or below that' * (level.version == 2)}"
    group = (events.oom_group_kill if events is not None else None) or 0
    doubled = f", {group} of a whole group, whose first victim counts twice" if group else ""
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"OOM kills: the kernel counts {kills} in {where}, since that was made{doubled}",
        evidence=(*(_evidence(each) for each in levels), case.limit_words),
        advice=(*case.lower_memory("what the limit leaves to Go"), act("raise the memory limit, or find what takes it: memory.stat tells")),
        harm="earlier",
    )


def _evidence(level: MemoryLevel) -> str:
    """The file and its counters, those that are not 0; of v2 also how many kills are of this cgroup alone."""
    events, local = level.counted_events, level.events_local
    counts = () if events is None else [f"{name} {count}" for name, count in events.items() if count]
    text = f"{level.directory}/{'memory.events' if level.version == 2 else 'memory.oom_control'}: {', '.join(counts)}"
    alone = "" if level.version == 1 or local is None or local.oom_kill is None else f" (in this cgroup alone: oom_kill {local.oom_kill})"
    return text + alone
