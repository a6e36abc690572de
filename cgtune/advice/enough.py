"""What would have been enough: the CPU limit under which a cgroup would not have been stopped, from what it used and how long it stood
still between two looks. Pure.

A cgroup that is stopped a share s of its time uses u/(1-s) while it runs: that is what it asks for. How long it stood still is counted
by the kernel on each CPU (throttled_usec), so it has to be known on how many at once; with `full` CPU pressure (cgroup v2) it is told
outright.

Not covered: work that waits outside (a queue of requests that grows while the program stands still): then the answer is what the
threads that there are can use, and at the least so much is enough.
"""

from __future__ import annotations

import math

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, Rates

#: Fewer periods tell nothing.
_LEAST_PERIODS = 10
_STEP_CORES = 0.05


class EnoughCpu(Record):
    """The limit in CPUs under which the cgroup would not have been stopped.

    ``is_sure``: the two ways to tell agree, or there was no doubt on how many CPUs it stood still.
    """

    cores: float
    used_cores: float
    stopped_percent: float
    is_sure: bool

    @property
    def limit_cores(self) -> float:
        """The same as a limit that people write: the next step of a twentieth of a CPU."""
        return math.ceil(round(self.cores / _STEP_CORES, 6)) * _STEP_CORES


def find_enough_cpu(rates: Rates, level: CpuLevel, cpus: int, procs: int | None = None) -> EnoughCpu | None:
    """What would have been enough for ``level``, a cgroup with a quota; None if it was hardly stopped, or if that cannot be told.

    ``cpus`` is how many CPUs it may use, ``procs`` how many threads of a Go program run at once, if it is alone there.
    """
    rate, bandwidth = rates.cpu_of(level), level.bandwidth
    counters = None if rate is None else rate.throttling
    if rate is None or counters is None or rate.used_cores is None or not rate.seconds or bandwidth is None or bandwidth.quota_us is None:
        return None
    if counters.periods < _LEAST_PERIODS or not counters.throttled_periods:
        return None
    period = bandwidth.period_us / 1e6
    active = min(rate.seconds, counters.periods * period)  # in the other periods nobody wanted to run
    used = rate.used_cores * rate.seconds / active
    widest = max(1, min(cpus, procs or cpus))
    per_stop = counters.throttled_seconds / counters.throttled_periods
    width = min(widest, max(1, math.ceil((per_stop + bandwidth.quota_us / 1e6) / period - 0.05)))  # on so many CPUs at once
    counted = _asked(used, counters.throttled_seconds / active / width, widest)
    pressure = rates.pressure_of(level)
    if pressure is None or pressure.cpu_full_percent is None:
        return EnoughCpu(cores=counted[0], used_cores=rate.used_cores, stopped_percent=100 * counted[1], is_sure=width in (1, widest))
    told = _asked(used, pressure.cpu_full_percent / 100 * rate.seconds / active, widest)
    agree = abs(told[0] - counted[0]) <= 0.15 * max(told[0], counted[0])
    cores, share = max(told, counted)
    return EnoughCpu(cores=cores, used_cores=rate.used_cores, stopped_percent=100 * share, is_sure=agree)


def _asked(used_cores: float, stopped_share: float, widest: int) -> tuple[float, float]:
    """What is asked for while it runs, at most all CPUs that there are; and the share of its time that it stood still."""
    share = min(max(stopped_share, 0.0), 0.99)
    return min(used_cores / (1 - share), float(widest)), share
