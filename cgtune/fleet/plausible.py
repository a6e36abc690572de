"""Which values of a series can be those of a machine: a broken exporter, or one that lies, must neither be believed nor fill our memory."""

from __future__ import annotations

from cgtune.advice.prediction import MOST_CPUS
from cgtune.fleet import names

_MOST_PROCS = 2**31 - 1  # GOMAXPROCS is an int32
_MOST_BYTES = 2**62  # 4 EiB: no machine has so much, and what is made of it stays a GOMEMLIMIT, which is an int64
_MOST = 2e19  # above 2^64 - 1, as which GOGC=off is told: engines do not keep it to the last digit
#: Of these +Inf says that there is no limit, as `cgtune serve` and cadvisor have it.
_INFINITE_IS_NONE = frozenset(
    ("cgtune_cpu_limit_cores", "cgtune_memory_limit_bytes", "cgtune_gomemlimit_observed_bytes", "cgtune_gogc_observed_percent")
)
_BOUNDS = {
    **dict.fromkeys(("cgtune_gomaxprocs_observed", "go_sched_gomaxprocs_threads", "go_processor_limit"), (1, _MOST_PROCS)),
    **dict.fromkeys(("cgtune_cpu_usable_cpus", "nodes"), (1, MOST_CPUS)),
    **dict.fromkeys(("cgtune_cpu_limit_cores", *names.CPU, names.RECORDED_CPU), (0, MOST_CPUS)),
    **dict.fromkeys(
        ("cgtune_memory_limit_bytes", *names.MEMORY, names.RECORDED_MEMORY, *names.LIVE_HEAP, names.RECORDED_HEAP), (0, _MOST_BYTES)
    ),
    "container_spec_cpu_quota": (-1, _MOST),  # -1: none
}
_BY_RESOURCE = {"cpu": (0, MOST_CPUS), "memory": (0, _MOST_BYTES)}


def is_plausible(what: str, value: float) -> bool:
    """Whether this metric, or question, can have the value: neither NaN nor infinite, not below 0, no more CPUs than Linux counts and no
    more memory than a machine has.
    """
    if value == float("inf"):
        return what in _INFINITE_IS_NONE
    least, most = _BOUNDS.get(what) or _BY_RESOURCE.get(what.rpartition("_")[2]) or (0, _MOST)
    return least <= value <= most  # NaN is not
