"""goroutines wait for a thread while the CPU quota is not used: GOMAXPROCS is below what it feeds

What it means: GOMAXPROCS is less than the whole CPUs that quota and CPUs allow. Between two looks its threads worked nearly all the time,
and at the second look no P (a share of GOMAXPROCS) was idle and at least as many goroutines were queued as there are Ps. The counts are
the runtime's own, read from its memory. It is silent if others leave nothing of the quota, or of the machine's CPUs, that it could use.

With as many threads as the quota feeds it is information: the same queue, while 30 to 88 % of the quota were used over 300 periods or
more, in less than 1 % of which it was stopped. So is a program that waits for devices or system calls while it holds its threads.

The number may be the node's: CRI-O sets GOMAXPROCS by the CPU request in containers without a CPU limit, if it is told to (OpenShift).
The evidence says so if the number is the one that CRI-O makes of this request.

Why it hurts: work that is ready waits, and CPU that is paid for idles.

How to confirm:
  tr '\\0' '\\n' < /proc/PID/environ | grep GOMAXPROCS
  GODEBUG=schedtrace=1000 ./program                           # idleprocs=0 and a runqueue that does not empty

What to do: raise GOMAXPROCS to what the quota feeds, or leave it unset where Go finds that by itself. If the quota feeds no more and has
room, try one more than the quota rounded up, which measured well below 88 % of use; above that number measure. (A fleet that fell from 14
threads to 2 under 2 CPUs once lost its throughput.)

Sources: own measurements (docs/advice.md); observIQ/bindplane-otel-collector pull request 3594; Go source runtime/proc.go (schedtrace);
https://pkg.go.dev/runtime#GOMAXPROCS.
"""

from __future__ import annotations

import math

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import GoLive, Rates, Severity
    from cgtune.rules.case import Case

ID = "threads-short"
SEVERITY: Severity = "warning"
SUMMARY = "goroutines wait for a thread while the CPU quota is not used"

_BUSY = 0.8  # of GOMAXPROCS: the threads that there are do work
_WAITS_PERCENT = 20.0  # of the time in which its threads want to run
_FULL = 0.95  # of a quota, or of the machine's CPUs: nothing is left


def judge(case: Case) -> Finding | None:
    """A queue of goroutines, no idle P, and CPUs that GOMAXPROCS keeps it from."""
    rates, live = case.snapshot.rates, None if case.facts is None else case.facts.observed.live
    if rates is None or rates.used_cores is None or live is None or not case.procs_count or case.lags:
        return None
    worth = math.floor(float(case.usable) if case.limit_cores is None else min(case.limit_cores, case.usable))
    if live.idle_procs != 0 or (live.queued_goroutines or 0) < case.procs_count:
        return None
    if case.procs_count >= worth:
        return _judge_more(case, rates, live)
    if rates.used_cores < _BUSY * case.procs_count:
        return None  # it waits for something else: a CPU, a lock, a disk
    if _is_taken(case, rates):
        return None
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"{live.queued_goroutines} goroutines wait for one of {case.procs_count} threads; its CPUs are worth {worth}",
        evidence=(
            f"no P is idle, {live.queued_goroutines} of {live.goroutines} goroutines are queued (read from its memory)",
            f"{rates.used_cores:.2f} CPUs were used between two looks",
            *case.procs_evidence(),
        ),
        advice=(case.change_procs("uses the CPUs that it may use"),),
        harm="now",
    )


def _judge_more(case: Case, rates: Rates, live: GoLive) -> Finding | None:
    """As many threads as the quota feeds, which do not use it: they wait in system calls, or for a device."""
    room, waits = case.room, rates.waiting_percent
    if room is None or not room.is_watched or not case.quota_binds or (waits is not None and waits >= _WAITS_PERCENT):
        return None  # a thread that waits for a CPU is not helped by another one
    more = case.proven_procs
    advice = f"try GOMAXPROCS={more}, the quota rounded up and one more: so many measured well while there is room in the quota"
    if case.procs_count >= more:
        advice = "more threads may pay, and are not proven: measure throughput and tail with some more, and watch the use of the quota"
    return Finding(
        rule=ID,
        severity="info",
        summary=f"{live.queued_goroutines} goroutines wait for one of {case.procs_count} threads, and the quota is not used: more may pay",
        evidence=(
            f"no P is idle, {live.queued_goroutines} of {live.goroutines} goroutines are queued (read from its memory)",
            f"{room.words}; it was stopped in less than 1 % of them",
            *case.procs_evidence(),
        ),
        advice=(act(advice),),
    )


def _is_taken(case: Case, rates: Rates) -> bool:
    """Whether all that it could use beside what it has is used by others: by all of a cgroup with a quota, or on the machine."""
    for level in case.snapshot.cpu_chain:
        rate, cores = rates.cpu_of(level), None if level.bandwidth is None else level.bandwidth.limit_cores
        if rate is not None and rate.used_cores is not None and cores is not None and rate.used_cores >= _FULL * cores:
            return True
    busy = None if rates.machine is None else rates.machine.busy_cores
    return busy is not None and busy >= _FULL * len(case.snapshot.machine.online)
