"""Two quantiles of one history in one question. Pure.

An engine reads a history anew for each function of it. But of one function it reads it once for many moments, and a quantile may be another
at each of them: here the first in even minutes and the second in odd ones. So the answer is a matrix of two points, a minute apart:

    max by (pod) (quantile_over_time(0.5 + 0.45 * scalar(floor(vector(time() / 60)) % 2),rate(x[300s])[7d:1860s]))[119999ms:60s]

Prometheus 2 and 3, which count the begin of a window in and out, and VictoriaMetrics, which does not step in whole minutes, all have two
points in it. Steps are of a minute, as with shorter ones VictoriaMetrics gives the points of the last half minute the value before them.
"""

from __future__ import annotations

from cgtune.fleet.model import Sample

_MINUTE = 60


def varying(first: float, second: float) -> str:
    """The quantile as PromQL: one in even minutes, the other in odd ones."""
    return f"{first:g} + {second - first:g} * scalar(floor(vector(time() / {_MINUTE})) % 2)"


def over_pair(promql: str) -> str:
    """The question at two moments of which one is in an even minute."""
    return f"({promql})[{2 * _MINUTE * 1000 - 1}ms:{_MINUTE}s]"


def split(series: tuple[Sample, ...]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The samples of even minutes and those of odd ones, of each series the last."""
    found: tuple[list[Sample], list[Sample]] = ([], [])
    for each in series:
        last = {int(time) // _MINUTE % 2: value for time, value in zip(each.times, each.values, strict=True)}
        for place, value in last.items():
            found[place].append(Sample(labels=each.labels, value=value))
    return tuple(found[0]), tuple(found[1])


def is_pair(first: tuple[Sample, ...], second: tuple[Sample, ...]) -> bool:
    """Whether the engine took them for two: what takes one quantile for both moments has no row in which they differ.

    NaN differs from itself, and tells nothing.
    """
    before = {sample.labels: sample.value for sample in first}
    return not is_told(second) or any(abs(before.get(sample.labels, sample.value) - sample.value) > 0 for sample in second)


def is_told(samples: tuple[Sample, ...]) -> bool:
    """Whether some of them has a value that is neither 0 nor NaN: two quantiles of nothing are the same."""
    return any(abs(sample.value) > 0 for sample in samples)
