"""the OOM killer has ended a process of this cgroup

What it means: the kernel counts at least one kill in the process's own cgroup or below it, since that cgroup was made. It may have been
another process of the cgroup, or an earlier life of this one.

Why it hurts: SIGKILL, no clean-up, exit status 137.

How to confirm:
  grep -H 'oom_kill ' /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null   # v2, then v1
  dmesg | grep -i 'killed process'                            # on the machine itself

What to do: with GOMEMLIMIT right, the rest is too large: look at what Go does not manage (memory.stat: anon, shmem, kernel) and at the live
heap; or raise the memory limit. A storm of allocation outruns the collector by 10 to 20 MiB: --policy measured-least=32Mi keeps that free.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.events).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "oom-killed"
SEVERITY: Severity = "warning"
SUMMARY = "the OOM killer has ended a process of this cgroup"


def judge(case: Case) -> Finding | None:
    """The counter of kills is not zero."""
    kills, charged = case.snapshot.oom_kills, case.snapshot.charged_level
    if not kills or charged is None:
        return None
    name = "memory.events" if charged.version == 2 else "memory.oom_control"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{kills} OOM kill{'s' * (kills > 1)} in its cgroup since that was made",
        evidence=(f"{charged.directory}/{name}: oom_kill {kills}", case.limit_words),
        advice=(*case.lower_memory("what the limit leaves to Go"), act("raise the memory limit, or find what takes it: memory.stat tells")),
    )
