"""the program is stopped in its first minutes, while it starts: its CPU quota is too small for that

What it means: in the few quota periods that its cgroup has lived, it was stopped in so many that chance does not explain it: the lower end
of the interval of 99 % (Wilson) for the share is 25 % or more, of ten periods at the least. From 300 periods on cpu-throttled judges, and
this rule is silent. Programs older than ten minutes have started. If the cgroup ran in more periods than fit into the program's life, the
counters are those of an earlier program too, and tell nothing of this one's start. It hurts now in the first minute, unless a window
(check --window) has seen no stop; else it hurt earlier, and is information.

Why it hurts: the start of a program (loading, caches, connections, a first collection) wants more CPU than its work later. Stopped in
nearly each period a start of 3 s takes 30, a readiness probe fails meanwhile, and the pod is killed and starts again.

How to confirm:
  grep -HE 'periods|throttled' /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null

What to do: a larger CPU limit, or none, for the start: Kubernetes resizes a running pod in place (1.33 and later), and cpu.max.burst lets
a cgroup spend what it saved. A startupProbe with more patience hides it.

Sources: Linux Documentation/scheduler/sched-bwc.rst; Wilson, Probable Inference, JASA 22 (1927).
"""

from __future__ import annotations

import math

from cgtune.model import LEAST_PERIODS, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "started-throttled"
SEVERITY: Severity = "warning"
SUMMARY = "the program is stopped in its first minutes, while it starts"

_LEAST_SHARE = 0.25
_LEAST_PERIODS = 10  # a second of a busy start
_SURE = 2.576  # standard deviations of 99 %
_START_SECONDS = 600
_JUST_SECONDS = 60
_AGE_STEP_SECONDS = 2  # the age is in whole seconds


def judge(case: Case) -> Finding | None:
    """A young cgroup's share of throttled periods, as far as so few can tell."""
    level, age = case.report.throttled_level, case.age_seconds
    if level is None or level.throttling is None or age is None or age > _START_SECONDS:
        return None
    counters = level.throttling
    if level.bandwidth is None or level.bandwidth.limit_cores is None or not _LEAST_PERIODS <= counters.periods < LEAST_PERIODS:
        return None
    began, ended = case.snapshot.machine.read_seconds, level.read_seconds
    late = 0.0 if began is None or ended is None else ended - began  # of many processes, and of a large program, by seconds
    if counters.periods * level.bandwidth.period_us / 1e6 > age + late + _AGE_STEP_SECONDS:
        return None  # others ran in this cgroup before
    least = least_share(counters.throttled_periods, counters.periods)
    if least < _LEAST_SHARE:
        return None
    is_now = _is_now(case, age)
    counted = f"nr_throttled {counters.throttled_periods} of nr_periods {counters.periods}"
    return Finding(
        rule=ID,
        severity=SEVERITY if is_now else "info",  # a start that is over fails no check
        summary=f"stopped in {counters.throttled_periods} of its first {counters.periods} periods: {age} s old, it starts slowly",
        evidence=(
            f"{level.directory}/cpu.stat: {counted}, {counters.throttled_seconds:.1f} s in all; at least {100 * least:.0f} %, 99 % sure",
            *(case.procs_evidence(case.stall) if case.procs_count else (case.quota_words,)),
        ),
        advice=(act("give it more CPU while it starts: a larger limit, resized in place later, or cpu.max.burst of one quota"),),
        harm="now" if is_now else "earlier",
    )


def _is_now(case: Case, age_seconds: int) -> bool:
    """Whether it is stopped still: what a window saw, or else a young age."""
    window, rates = case.window, case.snapshot.rates
    if window is not None and window.throttling is not None and rates is not None and rates.seconds:
        return window.throttling.throttled_periods > 0
    return age_seconds <= _JUST_SECONDS


def least_share(count: int, total: int) -> float:
    """The lower end of Wilson's interval of 99 % for ``count`` of ``total``; 0 if there are none."""
    if not total:
        return 0.0
    share, square = count / total, _SURE * _SURE
    middle = share + square / (2 * total)
    width = _SURE * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, (middle - width) / (1 + square / total))
