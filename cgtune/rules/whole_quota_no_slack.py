"""the CPU quota is a whole number, and GOMAXPROCS is no more: one thread more would shorten the tail of the latency

What it means: GOMAXPROCS is as many as the whole CPUs of the quota, 2 or more, as Go 1.25 and later choose it. That is a good value. One
thread more is a better one for the tail of the latency: if a thread is held up, by a system call or because the machine runs something
else, another one uses the quota meanwhile. A quota with a fraction, rounded up, has that thread already.

Why it hurts: little. Measured with 60 to 90 % of the quota in use: p99 is 10 to 50 % shorter with one thread more, at the same throughput
(17.8 ms with 3 threads under 3 CPUs, 10.9 ms with 4). At 30 % there is no difference. (docs/advice.md)

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own

What to do: nothing, unless the tail of the latency matters. Then set GOMAXPROCS to one more than the quota. The price: a GOMAXPROCS that is
set does not follow a resize of the quota, which Go 1.25 and later do by themselves.

Sources: own measurements (docs/advice.md); Go source runtime/cgroup_linux.go (the quota rounded up) and runtime/proc.go (schedinit).
"""

from __future__ import annotations

from cgtune.advice.procs import most_procs
from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "whole-quota-no-slack"
SEVERITY: Severity = "info"
SUMMARY = "the CPU quota is a whole number, and GOMAXPROCS is no more: one thread more would shorten the tail of the latency"


def judge(case: Case) -> Finding | None:
    """As many threads as whole CPUs, where one more may run: whoever chose that."""
    cores = case.limit_cores
    if cores is None or cores < 2 or not case.quota_binds or case.procs != cores or case.lags or case.policy.rounding != "slack":
        return None
    more = most_procs(cores, case.usable)
    if len(case.snapshot.go) > 1 and case.recommended("GOMAXPROCS").value == more:
        return None  # what is found in another of its runtimes sets that for all of them
    price = "it then no longer follows a resize of the quota" if case.by_itself is not None and not case.procs_are_set else ""
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{case.procs} threads under {case.cores_words}: with {more} p99 may be 10 to 50 % shorter",
        evidence=case.procs_evidence("measured so with 60 to 90 % of a whole quota in use, at the same throughput"),
        advice=(act(f"if the tail of the latency matters, set GOMAXPROCS={more}{'; ' if price else ''}{price}"),),
    )
