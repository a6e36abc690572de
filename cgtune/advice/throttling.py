"""How much of a CPU quota is used, and what ends its stops: a larger quota, a burst, or fewer threads. Pure.

Measured (docs/advice.md): from 95 % of use on every GOMAXPROCS has a bad tail, and a larger quota alone helps; below 88 % a burst shortens
it, and how many periods are throttled says little. Not covered: minutes of high use that hide in the mean since a cgroup was made.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, CpuRate

#: Of the quota: from the one on it is used up, below the other one it is not.
USED_UP, ROOMY = 0.95, 0.88

_AT_WORK = 0.3  # at less it hardly matters how many threads there are: nothing follows
_LEAST_WATCHED, _LEAST_SINCE_MADE = 300, 3000  # periods: half a minute and five minutes of the usual ones
_MOST_SHARE = 1.1  # threads run on for a moment after a quota is gone; what is more was used under another quota


class QuotaUse(Record):
    """The share of its quota that a cgroup used in the periods in which it ran: 1.0 is all of it. ``when`` says of which time that is a
    mean, ``periods`` how many these were, ``is_watched`` whether it was between two looks.
    """

    share: float
    when: str
    periods: int
    is_watched: bool = True

    @property
    def has_room(self) -> bool:
        """Whether the program works, and has not used its quota up: not of a moment, and not of one that rests."""
        least = _LEAST_WATCHED if self.is_watched else _LEAST_SINCE_MADE
        return self.periods >= least and _AT_WORK <= self.share < ROOMY

    @property
    def percent(self) -> int:
        """The share as people read it: not rounded up to a bound that it does not reach."""
        bound = next((bound for bound in (ROOMY, USED_UP) if self.share < bound), None)
        rounded = round(100 * self.share)
        return rounded if bound is None else min(rounded, round(100 * bound) - 1)

    @property
    def words(self) -> str:
        """The share as evidence."""
        return f"{self.percent} % of the quota were used {self.when}"


def find_use(level: CpuLevel, rate: CpuRate | None) -> QuotaUse | None:
    """Of a cgroup with a quota: between two looks if ``rate`` tells, else since it was made; None if that cannot be told.

    The kernel counts no period in which nobody wanted to run (sched-bwc.rst: nr_periods), and the rest between two is no use of a quota.
    """
    bandwidth = level.bandwidth
    if bandwidth is None or not bandwidth.quota_us:
        return None
    if rate is not None:
        if rate.throttling is None or rate.used_cores is None or not rate.seconds or not rate.throttling.periods:
            return None
        active = min(1.0, (rate.throttling.periods + 1) * bandwidth.period_us / 1e6 / rate.seconds)  # one began before
        share = rate.used_cores / active * bandwidth.period_us / bandwidth.quota_us
        return QuotaUse(share=share, when="in the periods in which it ran, while it was watched", periods=rate.throttling.periods)
    if level.throttling is None or level.usage_seconds is None or not level.throttling.periods:
        return None
    share = level.usage_seconds / (level.throttling.periods * bandwidth.quota_us / 1e6)
    if share > _MOST_SHARE:
        return None  # it ran before there was this quota
    when = "in the periods in which it ran, on average since the cgroup was made"
    return QuotaUse(share=share, when=when, periods=level.throttling.periods, is_watched=False)


def can_burst(level: CpuLevel) -> bool:
    """Whether there is a burst to be set that is not: the kernel takes no more than one quota."""
    quota_us = None if level.bandwidth is None else level.bandwidth.quota_us
    return quota_us is not None and level.burst_us is not None and level.burst_us < quota_us


def say_burst(level: CpuLevel, threads: int | None) -> str:
    """The burst of one quota, the most that the kernel takes, with the file and the value; or why there is none to set.

    ``threads`` are those that may run at once, None: not known. They cannot use more of it than their CPUs give.
    """
    file = f"{level.directory}/{'cpu.max.burst' if level.version == 2 else 'cpu.cfs_burst_us'}"
    if level.bandwidth is None or level.bandwidth.quota_us is None or not can_burst(level):
        if level.burst_us:
            return f"{file} is one quota already, the most that the kernel takes: a larger CPU limit helps"
        return f"there is no {file} that can be read (Linux 5.14 and later have it), so only a larger CPU limit helps"
    quota_us, period_us = level.bandwidth.quota_us, level.bandwidth.period_us
    usable_us = quota_us if threads is None else max(0, threads * period_us - quota_us)
    part = "" if usable_us >= quota_us else f"; {threads} threads can use {usable_us} µs of it in a period"
    owner = "Kubernetes does not set it: whoever owns the cgroup has to, each time that it is made"
    return f"let it save up one quota for busy moments: write {quota_us} to {file}{part}. {owner}"
