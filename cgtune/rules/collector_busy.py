"""the garbage collector takes a large part of the CPU that the program uses

What it means: of the time in which the process's threads ran, or waited for a CPU, since its start, the collector took a quarter or more
(critical: 40 %). Both are measured: the collector's own count in the runtime's memory, which goes by the clock, and the process's in /proc.
Judged after ten seconds, ten collections and five seconds of CPU. Over a window (check --window, and serve) only what it took meanwhile
counts, from a second of CPU on. Without one it hurt earlier if no collection has ended for ten seconds: nothing tells when it took that
much, and it is a warning at the most. Marking on CPUs that were idle is not in it.
It is also told of a storm: over a window 30 or more collections ended in each second of CPU, more than 70 % of the memory limit are in use,
and GOMEMLIMIT keeps less than 20 % of it free. Then memory may run out between two collections (a warning).

Why it hurts: the program pays for memory that it does not have with CPU, and with latency, as marking takes turns with its work. At half
of all CPU Go stops collecting harder, and the heap grows past GOMEMLIMIT. In a storm each collection is a throw of the dice. Measured with
Go 1.27.3 under limits of 64 to 1024 MiB: of programs with 30 or more collections a second of CPU 241 of 750 runs were killed, of
others 10 of 338. 32 MiB kept free were not enough either, in 8 of 15 long storms; a fifth of 256 MiB was, in 3 of 3.

How to confirm:
  grep -H . /proc/PID/schedstat                               # ns on a CPU, ns of waiting, of the first thread
  GODEBUG=gctrace=1 ./program                                 # the figure with % is the share of all CPUs since the start

What to do: more room: a larger GOMEMLIMIT with a larger memory limit, or a larger GOGC if there is memory that nobody uses. Or allocate
less: a heap profile tells who does. In a storm: a larger memory limit; then GOMAXPROCS at most the CPUs, as threads that share a CPU
allocate while one of them should collect; then 20 % of the limit kept free (--headroom 20%), which costs throughput.

Sources: https://go.dev/doc/gc-guide; Go source runtime/mstats.go (cpuStats), runtime/mgclimit.go.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_mib
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
_STORM = 30.0  # collections in a second of CPU: 69 % of the storms that were measured have more, and 1 % of moderate programs
_LEAST_RAN_SECONDS = 1.0
_FULL_PERCENT, _FREE_PERCENT = 70, 20.0


def judge(case: Case) -> Finding | None:
    """The collector's share of what the process has used, or how often it had to run beside a limit that is near."""
    busy, storm = _judge_busy(case), _find_storm(case)
    if storm is None:
        return busy
    if busy is not None:
        return busy.replace(evidence=(*busy.evidence, storm), advice=_calm(case))
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary="a storm of allocation below the memory limit: memory may run out between two collections, whatever GOMEMLIMIT is",
        evidence=(storm, *(line for line in (case.gomemlimit_words, case.live_words, case.procs_words, case.limit_words) if line)),
        advice=_calm(case),
    )


def _judge_busy(case: Case) -> Finding | None:
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


def _find_storm(case: Case) -> str | None:
    """How many collections ended in a second of CPU, in words, if they were that many and the memory limit is near; else None."""
    rates, limit, level = case.snapshot.rates, case.memory.limit_bytes, case.memory.binding
    if rates is None or rates.collections is None or not rates.used_cores or not rates.seconds:
        return None
    ran = rates.used_cores * rates.seconds
    if ran < _LEAST_RAN_SECONDS or rates.collections < ran * _STORM:
        return None
    if limit is None or level is None or level.used_bytes is None or level.used_bytes * 100 < limit * _FULL_PERCENT:
        return None
    free = None if not isinstance(case.gomemlimit, int) else limit - case.gomemlimit - (case.outside_bytes or 0)
    if free is not None and free * 100 >= limit * _FREE_PERCENT:
        return None
    return (
        f"{rates.collections} collections in {ran:.1f} s of CPU, {rates.collections / ran:.0f} in each;"
        f" {format_mib(level.used_bytes)} MiB of {format_mib(limit)} MiB are in use"
    )


def _calm(case: Case) -> tuple[Advice, ...]:
    """What helps in a storm, the surest first."""
    cpus = min(case.usable, case.allowed_procs)
    fewer = (case.set_procs("threads that share a CPU allocate while one of them should collect"),) if case.procs_count > cpus else ()
    return (
        act("raise the memory limit, or allocate less: a heap profile tells where"),
        *fewer,
        act("then keep 20 % of the limit free, by the value that cgtune gives with --headroom 20%: it costs throughput"),
    )
