"""What would have been enough: the limits under which a process would not have been stopped, from what happened between two looks. Pure.

CPU: of each thread the kernel counts how long it ran and how long it waited, be it for the next period or for a neighbour. A thread that
runs a share u of the time and waits a share w asks for u/(1-w): that is what it would use if nothing kept it. Others in the cgroup are not
asked; they are taken to be like this one. Go moves work from one thread to the next, so its threads tell the least. Without that, or if
the process is a small part of its cgroup, the cgroup's own counters tell, as they do of Go if they tell more: one that stands still a
share s of its time asks for u/(1-s). How long it stood still is counted on each CPU (throttled_usec), so it has to be known on how many at
once; `full` CPU pressure (cgroup v2) tells it outright.

Threads that were not there at both looks are not known: they are taken to be like the others. A virtual CPU that its host has taken away
neither runs a thread nor lets it wait on a run queue, so time that was stolen hides what was asked for.

Not covered: work that waits outside (a queue of requests that grows while the program stands still): then the answer is what the threads
that there are can use, and at the most so much is enough. Threads whose bursts are short may be stopped though they ask for less than the
limit in the mean: then there is no answer.
"""

from __future__ import annotations

import math

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, CpuRate, Rates, Throttling

#: Fewer periods tell nothing.
_LEAST_PERIODS = 10
#: A process that uses so much of what its cgroup does speaks for it; above the second, it is as good as alone.
_LEAST_PART, _ALONE = 0.4, 0.9
_AGREE = 0.15
#: In fewer periods of a quota, five seconds of the usual ones, a load shows no more than a moment of itself.
_TELLING_PERIODS = 50
_LEAST_RUN = 0.02  # a thread of Go's that ran less of the whole is no worker: sysmon
_ON_EACH = 0.15  # so far from a whole number of CPUs, it did not stand still on that many at once
_ALSO_WAITED = "how long it waited for neighbours is not known, and it may be more"
_MOVES = "Go moves its work from thread to thread, and it may be more"


class EnoughCpu(Record):
    """The limit in CPUs under which the cgroup would not have been stopped.

    ``doubt`` says why that is not sure; empty if it is: the process is as good as alone there, or two ways to tell agree within 15 %.
    ``stopped_percent`` is the share of the time in which it wanted to run that it stood still, ``periods`` how many of its quota were
    counted.
    """

    cores: float
    used_cores: float
    stopped_percent: float
    periods: int
    doubt: str = ""

    @property
    def limit_cores(self) -> float:
        """The same as a limit that people write: rounded up by 5 % at the most, to 0.35, 1, 1.05, 2.1."""
        step = 10.0 ** (math.floor(math.log10(self.cores)) - 1)
        if self.cores < 20 * step:
            step /= 2
        return math.ceil(round(self.cores / step, 1)) * step

    @property
    def is_sure(self) -> bool:
        """Whether it may be advised: there is no doubt, and enough was seen."""
        return not self.doubt and self.periods >= _TELLING_PERIODS


def find_enough_cpu(rates: Rates, level: CpuLevel, cpus: int, procs: int | None = None, stolen: float = 0.0) -> EnoughCpu | None:
    """What would have been enough for ``level``, a cgroup with a quota; None if it was hardly stopped, or if that cannot be told.

    ``cpus`` is how many CPUs it may use, ``procs`` how many threads of a Go program run at once, if it is alone there. ``stolen`` is the
    share of the time that the host of a virtual machine took from a CPU, on average.
    """
    rate, bandwidth = rates.cpu_of(level), level.bandwidth
    counters = None if rate is None else rate.throttling
    if rate is None or counters is None or not rate.used_cores or not rate.seconds or bandwidth is None or bandwidth.limit_cores is None:
        return None
    if counters.periods < _LEAST_PERIODS or not counters.throttled_periods:
        return None
    # In the other periods nobody wanted to run
    active = min(1.0, counters.periods * bandwidth.period_us / 1e6 / rate.seconds)
    widest = max(1, min(cpus, procs or cpus))
    counted, doubt = _by_counters(rates, level, rate, counters, active, widest)
    asked, part = _by_threads(rates, rate.used_cores, active)
    if asked is None or part < _LEAST_PART:
        cores = counted
    else:
        cores = min(asked, float(cpus))
        if procs is not None and counted > cores * (1 + _AGREE):  # its threads tell the least
            cores, doubt = counted, _MOVES
        elif procs is not None and _at_most(rates, rate.used_cores, active) > cores * (1 + _AGREE) and cores < cpus:
            doubt = _MOVES
        elif part >= _ALONE or abs(cores - counted) <= _AGREE * max(cores, counted):
            doubt = ""
        else:
            doubt = "others run in its cgroup, and are taken to be like this one"
    if cores <= bandwidth.limit_cores:
        return None  # bursts, which a mean does not show
    kept = rate.used_cores / active / cores
    if cores < widest and kept > (kept - stolen) * (1 + _AGREE):
        doubt = f"the host of this virtual machine took {100 * stolen:.1f} % of the CPUs away, and it may be more"
    return EnoughCpu(
        cores=cores,
        used_cores=rate.used_cores,
        stopped_percent=max(0.0, 100 * (1 - kept)),
        periods=counters.periods,
        doubt=doubt,
    )


def _by_threads(rates: Rates, used_cores: float, active: float) -> tuple[float | None, float]:
    """What the threads ask for while the cgroup is active, the others in the cgroup as well; and the process's part of what that used."""
    known = sum(ran for ran, _ in rates.threads)
    if rates.used_cores is None or not known:
        return None, 0.0
    asked = sum(_asked(ran / active, waited / active) for ran, waited in rates.threads)
    return asked * used_cores / known, min(known, rates.used_cores) / used_cores


def _at_most(rates: Rates, used_cores: float, active: float) -> float:
    """What the threads ask for if they did one after the other what few did at once, those that are not known as well."""
    known = sum(ran for ran, _ in rates.threads)
    workers = [(ran, waited) for ran, waited in rates.threads if ran >= known * _LEAST_RUN]
    scale = max(1.0, used_cores / known) / active
    ran, waited = sum(ran for ran, _ in workers) * scale, sum(waited for _, waited in workers) * scale
    width = max(1, round(ran + waited))
    return _asked(ran / width, waited / width) * width


def _by_counters(rates: Rates, level: CpuLevel, rate: CpuRate, counters: Throttling, active: float, widest: int) -> tuple[float, str]:
    """What the cgroup asks for by its own counters; and why that is not sure."""
    used, seconds = (rate.used_cores or 0.0) / active, (rate.seconds or 0.0) * active
    bandwidth = level.bandwidth
    quota_us, period_us = (0, 1) if bandwidth is None or bandwidth.quota_us is None else (bandwidth.quota_us, bandwidth.period_us)
    per_stop_us = 1e6 * counters.throttled_seconds / counters.throttled_periods
    at_once = min(float(widest), (per_stop_us + quota_us) / period_us)  # on so many CPUs
    width = max(1, math.ceil(at_once - 0.05))
    doubt = "" if width == 1 or width - at_once <= _ON_EACH else "on how many CPUs it stood still at once is not sure"
    counted = min(float(widest), used / (1 - min(counters.throttled_seconds / seconds / width, 0.99)))
    pressure = rates.pressure_of(level)
    if pressure is None or pressure.cpu_full_percent is None:
        return counted, doubt or _ALSO_WAITED
    told = min(float(widest), used / (1 - min(pressure.cpu_full_percent / 100 / active, 0.99)))
    agree = abs(told - counted) <= _AGREE * max(told, counted)
    return max(told, counted), "" if agree else "the counters of stops and the CPU pressure tell two things"


def _asked(ran: float, waited: float) -> float:
    """What one asks for that ran and waited such shares of the time: at the most a CPU."""
    return min(1.0, ran / (1 - min(max(waited, 0.0), 0.99)))
