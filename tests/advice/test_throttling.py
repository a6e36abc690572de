"""How much of a quota is used, and the burst that may be saved up."""

from __future__ import annotations

import pytest

from cgtune.advice.throttling import QuotaUse, can_burst, find_use, say_burst
from cgtune.model import Bandwidth, CpuLevel, CpuRate, Throttling
from tests.rules.reports import cpu_level

DIRECTORY = "/sys/fs/cgroup/app"
_WIDER = Bandwidth(quota_us=150_000, period_us=100_000)


def _level(**changes: object) -> CpuLevel:
    """A cgroup with half a CPU that was made long ago."""
    throttling = Throttling(periods=1000, throttled_periods=100, throttled_seconds=5.0)
    return cpu_level("/app", 50_000, version=2, throttling=throttling).replace(**changes)


def _rate(used_cores: float | None, periods: int, seconds: float | None = 10.0) -> CpuRate:
    throttling = Throttling(periods=periods, throttled_periods=10, throttled_seconds=0.5)
    return CpuRate(path="/app", directory=DIRECTORY, version=2, seconds=seconds, used_cores=used_cores, throttling=throttling)


@pytest.mark.parametrize(
    ("level", "rate", "share"),
    [
        pytest.param(_level(usage_seconds=25.0), None, 0.5, id="a mean since it was made"),
        pytest.param(_level(usage_seconds=25.0), _rate(0.45, 100), 0.9, id="while it was watched"),
        pytest.param(_level(usage_seconds=25.0), _rate(0.225, 49), 0.9, id="half of the time nobody wanted to run"),
        pytest.param(_level(usage_seconds=25.0), _rate(None, 100), None, id="watched, and use is not counted"),
        pytest.param(_level(usage_seconds=25.0), _rate(0.4, 0), None, id="watched, and it did not run"),
        pytest.param(_level(usage_seconds=25.0), _rate(0.4, 100, None), None, id="watched without a clock"),
        pytest.param(_level(usage_seconds=None), None, None, id="use is not counted"),
        pytest.param(_level(usage_seconds=90.0), None, None, id="more than all of it: there was another quota"),
        pytest.param(_level(usage_seconds=51.0), None, 1.02, id="a moment more"),
        pytest.param(_level(usage_seconds=25.0, bandwidth=None), None, None, id="no quota"),
        pytest.param(_level(usage_seconds=25.0, bandwidth=Bandwidth(quota_us=None, period_us=100_000)), None, None, id="max"),
    ],
)
def test_how_much_of_a_quota_is_used(level: CpuLevel, rate: CpuRate | None, share: float | None) -> None:
    """In the periods in which it ran, between two looks if there were two; never guessed."""
    use = find_use(level, rate)
    assert (None if use is None else use.share) == (None if share is None else pytest.approx(share))
    assert use is None or use.is_watched == (rate is not None)


@pytest.mark.parametrize(
    ("changes", "threads", "says"),
    [
        ({"burst_us": 0}, 2, "write 50000 to /sys/fs/cgroup/app/cpu.max.burst. Kubernetes does not set it"),
        ({"burst_us": 0}, None, "write 50000 to /sys/fs/cgroup/app/cpu.max.burst. Kubernetes does not set it"),
        ({"burst_us": 20_000}, 2, "write 50000 to /sys/fs/cgroup/app/cpu.max.burst. Kubernetes does not set it"),
        ({"burst_us": 0, "version": 1}, 2, "write 50000 to /sys/fs/cgroup/app/cpu.cfs_burst_us. Kubernetes"),
        ({"burst_us": 0, "bandwidth": _WIDER}, 2, "2 threads can use 50000 µs of it in a period"),
        (
            {"burst_us": 0, "bandwidth": Bandwidth(quota_us=150_000, period_us=100_000)},
            3,
            "write 150000 to /sys/fs/cgroup/app/cpu.max.burst. K",
        ),
        ({"burst_us": 50_000}, 2, "/sys/fs/cgroup/app/cpu.max.burst is one quota already, the most that the kernel takes"),
        ({"burst_us": None}, 2, "there is no /sys/fs/cgroup/app/cpu.max.burst that can be read (Linux 5.14 and later have it)"),
    ],
)
def test_the_burst_of_one_quota(changes: dict[str, object], threads: int | None, says: str) -> None:
    """With the file, the value and what the threads can use of it; or why there is none to set."""
    level = _level(**changes)
    assert says in say_burst(level, threads)
    assert can_burst(level) == ("write" in say_burst(level, threads))


@pytest.mark.parametrize(("share", "percent"), [(0.874, 87), (0.879, 87), (0.88, 88), (0.946, 94), (0.9499, 94), (0.95, 95), (1.02, 102)])
def test_a_share_is_not_rounded_up_to_a_bound(share: float, percent: int) -> None:
    """By the rule 95 % are all of it, so "95 % are nearly all" would contradict it."""
    assert QuotaUse(share=share, when="", periods=100).percent == percent
