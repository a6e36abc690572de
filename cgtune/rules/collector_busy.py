"""the garbage collector takes a large part of the CPU that the program uses

What it means: of the time in which the process's threads ran, or waited for a CPU, since its start, the collector took a quarter or more
(critical: 40 %). Both are measured: the collector's own count in the runtime's memory, which goes by the clock, and the process's in /proc.
Judged after ten seconds, ten collections and five seconds of CPU. Over a window (check --window, and serve) only what it took meanwhile
counts, from a second of CPU on. Without one it hurt earlier if no collection has ended for ten seconds: nothing tells when it took that
much, and it is a warning at the most. Marking on CPUs that were idle is not in it.

Why it hurts: the program pays for memory that it does not have with CPU, and with latency, as marking takes turns with its work. At half
of all CPU Go stops collecting harder, and the heap grows past GOMEMLIMIT.

How to confirm:
  grep -H . /proc/PID/schedstat                               # ns on a CPU, ns of waiting, of the first thread
  GODEBUG=gctrace=1 ./program                                 # the figure with % is the share of all CPUs since the start

What to do: more room: a larger GOMEMLIMIT with a larger memory limit, or a larger GOGC if there is memory that nobody uses. Or allocate
less: a heap profile tells who does.

Sources: https://go.dev/doc/gc-guide; Go source runtime/mstats.go (cpuStats), runtime/mgclimit.go.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Advice, Rates, Severity
    from cgtune.rules.case import Case

ID = "collector-busy"
SEVERITY: Severity = "warning"
SUMMARY = "the garbage collector takes a large part of the CPU that the program uses"

_SCALE: tuple[tuple[float, Severity], ...] = ((40.0, "critical"), (25.0, "warning"))
_LEAST_AGE_SECONDS = 10
_LEAST_COLLECTIONS = 10
_LEAST_CPU_SECONDS = 5.0


def judge(case: Case) -> Finding | None:
    """The collector's share of what the process has used."""
    percent, harm = case.collector_felt
    live = None if case.facts is None else case.facts.observed.live
    severity = None if percent is None else next((name for least, name in _SCALE if percent >= least), None)
    if severity is None or live is None or percent is None or live.gc_cpu_seconds is None or case.snapshot.used is None:
        return None
    if (case.age_seconds or 0) < _LEAST_AGE_SECONDS or (live.collections or 0) < _LEAST_COLLECTIONS:
        return None
    if case.snapshot.used.cpu_seconds < _LEAST_CPU_SECONDS:
        return None
    used, waited, rates = case.snapshot.used.cpu_seconds, case.snapshot.used.wait_seconds or 0.0, case.snapshot.rates
    watched = () if rates is None or rates.gc_cores is None else (_watched_words(rates),)
    return Finding(
        rule=ID,
        severity=SEVERITY if harm == "earlier" else severity,
        summary=f"the collector took {percent:.0f} % of the time in which the program ran {_when(case)}",
        evidence=(
            *watched,
            f"{live.gc_cpu_seconds:.1f} s in {live.collections} collections (read from memory)",
            f"/proc/{case.pid}: {used:.1f} s on CPUs, {waited:.1f} s of waiting for one",
            *(line for line in (case.gomemlimit_words, case.live_words, case.limit_words) if line),
        ),
        advice=(_advice(case),),
        harm=harm,
    )


def _when(case: Case) -> str:
    return "since its start" if case.collector_percent_now is None else "while it was watched"


def _watched_words(rates: Rates) -> str:
    used, waited = rates.used_cores or 0.0, rates.waiting_threads or 0.0
    ran = f"its threads used {used:.2f} CPUs and {waited:.2f} waited for one"
    return f"in {rates.seconds or 0:.0f} s {rates.collections} collections took {rates.gc_cores or 0:.2f} CPUs, {ran}"


def _advice(case: Case) -> Advice:
    if isinstance(case.gomemlimit, int):
        return act("raise GOMEMLIMIT, and the memory limit with it, or allocate less: a heap profile tells where")
    return act("raise GOGC if the memory limit leaves room, or allocate less: a heap profile tells where")
