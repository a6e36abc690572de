"""Limits and requests from what a workload has used: the numbers that a history speaks for, and what it cannot tell. Pure.

A sample is a mean over minutes; a CPU quota holds for 100 ms. So beside the highest sample a CPU limit gets what requests that arrive by
chance ask for at once: of n of them in a period the spread is the root of n. If there is a limit under which it was never stopped, that
is proof, and no more is recommended; if it was stopped, its use tells what it got and not what it wants, and the limit is raised.

Requests are what a node keeps free all the time, and peaks of workloads on it do not all come at once: 85 % of the way from the median
to the 95th percentile. Memory cannot be given later: its request is the 95th percentile, its limit the most, with room.

Not covered: a load that comes less often than the history is long (month's ends, sales); requests that use a CPU for long at once.
"""

from __future__ import annotations

import math

from cgtune.fleet.model import Sized
from cgtune.model import NEAR_LIMIT_BYTES, NEAR_LIMIT_PERCENT
from cgtune.numbers import format_cpus, format_mib
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.fleet.model import Measured, Span
    from cgtune.model import Policy

    What = Literal["cpu-limit", "cpu-request", "memory-limit", "memory-request"]
    Confidence = Literal["high", "medium", "low"]

_MIB = 1 << 20
_DAY_SECONDS = 86400
#: Younger than that, a history has not seen one whole day; with fewer samples, no quantile says anything.
YOUNG_SECONDS, LEAST_SAMPLES = _DAY_SECONDS, 24

_PERIOD_SECONDS = 0.1
_REQUEST_SECONDS = 0.02  # of CPU: what one request, or one piece of work, uses at once
_SPREADS, _WHOLE = 3.0, 1.5  # above the highest sample: standard deviations of chance, and requests that are all of a small load
_PEAKY, _BETWEEN_SAMPLES = 1.5, 1.25  # the most over the median from which on a peak may be shorter than a sample, and what it gets then
_LEAST_CORES, _LEAST_REQUEST_CORES = 0.1, 0.01
_UNFELT = 0.01  # of the periods
_RAISES = ((0.25, 2.0), (0.05, 1.5), (_UNFELT, 1.25))  # throttled so much, the limit is so many times what it is
_BETWEEN = 0.85  # from the median to the 95th percentile

_ROOM = ((7.0, 0.10), (3.0, 0.15), (0.0, 0.20))  # days of history, and what a memory limit has above the most that was used
_KILLED = 1.25
_FILLS = 0.9  # of GOMEMLIMIT: a heap that is so large is as large as it may be, not as large as it must be

_HORIZON_DAYS = 7.0
_GROWS = {"CPU": 1.10, "memory": 1.03}  # the median of the last day over that of all days: less is the day of the week
_MOST_GROWTH = 2.0


class _Growth(Record):
    """By what the use of the last day says the peak will be larger in a week. ``is_known``: the last day was asked about."""

    factor: float
    words: str
    is_known: bool


def size_workload(measured: Measured, policy: Policy) -> tuple[Sized, ...]:
    """CPU limit and request, memory limit and request, in this order; what is not known has a reason and no value."""
    young = _say_young(measured)
    if young:
        kinds: tuple[What, ...] = ("cpu-limit", "cpu-request", "memory-limit", "memory-request")
        return tuple(_unknown(what, young) for what in kinds)
    cpu, memory = _size_cpu(measured), _size_memory(measured, policy)
    return (*cpu, *memory)


def value_of(sized: tuple[Sized, ...], what: What) -> float | None:
    """The recommended value of one of them."""
    return next((one.value for one in sized if one.what == what), None)


def _unknown(what: What, why: str) -> Sized:
    return Sized(what=what, value=None, because=(why,), confidence="low")


def _say_young(measured: Measured) -> str:
    seconds, samples = measured.history_seconds, measured.samples
    if seconds is None:
        return "how long its history is, is not known"
    if seconds < YOUNG_SECONDS:
        return f"too young: {seconds / 3600:.0f} h of history, and a day is the least"
    return f"too few samples: {samples}, and {LEAST_SAMPLES} are the least" if samples is not None and samples < LEAST_SAMPLES else ""


def _days(measured: Measured) -> float:
    return (measured.history_seconds or 0.0) / _DAY_SECONDS


def _confidence(measured: Measured, *known: bool) -> Confidence:
    """By the length of the history; what was missing takes a step from it."""
    days = _days(measured)
    names: tuple[Confidence, ...] = ("high", "medium", "low")
    step = 0 if days >= 7 * 0.98 else 1 if days >= 3 else 2
    return names[min(2, step + (not all(known)))]


def _grow(span: Span, recent: Span, days: float, what: str) -> _Growth:
    if span.p50 is None or recent.p50 is None or not span.p50 or days < 2:
        return _Growth(factor=1.0, words="whether it grows was not seen", is_known=False)
    if recent.p50 < span.p50 * _GROWS[what]:
        return _Growth(factor=1.0, words="", is_known=True)
    a_day = (recent.p50 - span.p50) / ((days - 1) / 2)  # from the middle of the history to the middle of its last day
    factor = min(_MOST_GROWTH, 1 + a_day * _HORIZON_DAYS / recent.p50)
    percent = 100 * a_day / recent.p50
    return _Growth(factor=factor, words=f"it grows by {percent:.1f} % a day: {factor:.2f} times that in a week", is_known=True)


def _size_cpu(measured: Measured) -> tuple[Sized, Sized]:
    used, now = measured.cpu_used, measured.cpu_limit_cores
    most = used.most if used.most is not None else used.p95
    if most is None:
        return _unknown("cpu-limit", "its use of CPUs was not measured"), _unknown("cpu-request", "its use of CPUs was not measured")
    growth = _grow(used, measured.cpu_recent, _days(measured), "CPU")
    peak = most * growth.factor
    because = [f"at most {format_cpus(most)} in a sample", *([growth.words] if growth.words else [])]
    if used.p50 is not None and most >= used.p50 * _PEAKY:
        peak *= _BETWEEN_SAMPLES
        because.append(f"{_BETWEEN_SAMPLES:g} times that, as it has peaks, and those between samples are not seen")
    one = _REQUEST_SECONDS / _PERIOD_SECONDS  # CPUs that it needs to be done within a period
    by_chance = _SPREADS * math.sqrt(peak * one) + _WHOLE * one
    value = peak + by_chance
    because.append(f"{format_cpus(by_chance)} for requests that come at once, which no sample shows")
    felt = measured.throttled.most if measured.throttled.most is not None else measured.throttled.p95
    if now is not None and felt is not None:
        raised = next((times for least, times in _RAISES if _usual(measured) >= least), 1.0)
        if felt < _UNFELT and value > now * growth.factor:
            value, because = now * growth.factor, [f"under {format_cpus(now)} it was never throttled in 1 % of the periods", *because[1:-1]]
        elif raised > 1 and value < now * raised:
            value = now * raised
            because = [f"throttled in {100 * _usual(measured):.1f} % of the periods under {format_cpus(now)}: {raised:g} times that"]
            because.append("what it would use is not seen while it is stopped")
    limit = max(_LEAST_CORES, _round_cores(value))
    known = growth.is_known, used.most is not None, now is None or felt is not None
    sized_limit = Sized(what="cpu-limit", value=limit, because=tuple(because), confidence=_confidence(measured, *known))
    return sized_limit, _size_request(measured, limit, growth)


def _usual(measured: Measured) -> float:
    """How much it was throttled: at the 95th percentile, or half of what it was at its worst if that is not known."""
    shares = measured.throttled
    if shares.p95 is not None:
        return shares.p95
    return max(shares.p50 or 0.0, (shares.most or 0.0) / 2)


def _size_request(measured: Measured, limit: float, growth: _Growth) -> Sized:
    used = measured.cpu_used
    if used.p50 is None or used.p95 is None:
        return _unknown("cpu-request", "no quantiles of its use of CPUs were measured")
    value = used.p50 + _BETWEEN * (used.p95 - used.p50)
    because = [f"{format_cpus(used.p50)} in the median, {format_cpus(used.p95)} at the 95th percentile: {100 * _BETWEEN:.0f} % of the way"]
    if growth.factor > 1:
        value *= growth.factor
        because.append(growth.words)
    value = min(limit, max(_LEAST_REQUEST_CORES, math.ceil(round(value * 100, 3)) / 100))
    return Sized(what="cpu-request", value=value, because=tuple(because), confidence=_confidence(measured, growth.is_known))


def _size_memory(measured: Measured, policy: Policy) -> tuple[Sized, Sized]:
    used, now = measured.memory_used, measured.memory_limit_bytes
    most = used.most if used.most is not None else used.p95
    if most is None:
        return _unknown("memory-limit", "its use of memory was not measured"), _unknown(
            "memory-request", "its use of memory was not measured"
        )
    days = _days(measured)
    growth = _grow(used, measured.memory_recent, days, "memory")
    room = next(part for least, part in _ROOM if days >= least * 0.98)
    value = most * growth.factor * (1 + room)
    because = [f"at most {format_mib(most)} MiB in a sample", *([growth.words] if growth.words else [])]
    because.append(f"{100 * room:.0f} % of room: peaks between samples are not seen")
    value, because = _raise_memory(measured, most, value, because)
    live = measured.live_heap_bytes
    if live is not None and value < live * 100 / policy.roomy_percent:
        value = live * 100 / policy.roomy_percent
        because.append(
            f"{format_mib(live)} MiB are alive, and a collector works at ease if that is {policy.roomy_percent:g} % of the limit"
        )
    is_full = _fills_gomemlimit(measured)
    if is_full and now is not None and value < now:
        value, because = now, ["Go takes what GOMEMLIMIT lets it have, so its use does not tell what it needs: the limit stays"]
    known = growth.is_known, used.most is not None, not is_full
    limit = Sized(what="memory-limit", value=_round_bytes(value), because=tuple(because), confidence=_confidence(measured, *known))
    return limit, _size_memory_request(measured, _round_bytes(value), growth)


def _raise_memory(measured: Measured, most: float, value: float, because: list[str]) -> tuple[float, list[str]]:
    """(the limit, its reasons), raised if it was killed under the limit of now, or came near that."""
    now = measured.memory_limit_bytes
    if now is None or value >= now * _KILLED:
        return value, because
    if measured.kills:
        return now * _KILLED, [
            f"{measured.kills} OOM kills under {format_mib(now)} MiB: {_KILLED:g} times that; what it wanted is not seen"
        ]
    if now - most <= max(NEAR_LIMIT_BYTES, now * NEAR_LIMIT_PERCENT / 100) and not _fills_gomemlimit(measured):
        return now * _KILLED, [f"it was at its limit of {format_mib(now)} MiB: {_KILLED:g} times that; what it wanted is not seen"]
    return value, because


def _fills_gomemlimit(measured: Measured) -> bool:
    most, value = measured.memory_used.most, measured.gomemlimit_bytes
    return most is not None and value is not None and most >= value * _FILLS


def _size_memory_request(measured: Measured, limit: int, growth: _Growth) -> Sized:
    used = measured.memory_used
    if used.p95 is None:
        return _unknown("memory-request", "no quantiles of its use of memory were measured")
    value = used.p95 * growth.factor
    because = [f"{format_mib(used.p95)} MiB at the 95th percentile", *([growth.words] if growth.words else [])]
    return Sized(
        what="memory-request",
        value=min(limit, _round_bytes(value)),
        because=tuple(because),
        confidence=_confidence(measured, growth.is_known),
    )


def _round_cores(cores: float) -> float:
    """Upwards, to a number that people write: 0.35, 1.2, 4.5."""
    step = 0.05 if cores < 1 else 0.1 if cores < 4 else 0.5
    return round(math.ceil(round(cores / step, 6)) * step, 2)


def _round_bytes(count: float) -> int:
    return max(1, math.ceil(count / _MIB)) * _MIB
