"""Two quantiles of one history in one question. Pure.

An engine reads a history anew for each function of it. But of one function it reads it once for many moments, and a quantile may be another
at each of them: here the first in even minutes and the second in odd ones. So the answer is a matrix of two points, a minute apart:

    max by (pod) (quantile_over_time(0.5 + 0.45 * scalar(floor(vector(time() / 60)) % 2),rate(x[300s])[7d:1860s]))[119999ms:60s]

Prometheus 2 and 3, which count the begin of a window in and out, and VictoriaMetrics, which does not step in whole minutes, all have two
points in it. Steps are of a minute, as with shorter ones VictoriaMetrics gives the points of the last half minute the value before them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.fleet.model import Sample

_MINUTE = 60


def varying(first: float, second: float) -> str:
    """The quantile as PromQL: one in even minutes, the other in odd ones."""
    return f"{first:g} + {second - first:g} * scalar(floor(vector(time() / {_MINUTE})) % 2)"


def over_pair(promql: str) -> str:
    """The question at two moments of which one is in an even minute."""
    return f"({promql})[{2 * _MINUTE * 1000 - 1}ms:{_MINUTE}s]"


def place_of(second: int) -> int:
    """Which of the two a point is: 0 or 1."""
    return second // _MINUTE % 2


def is_pair(first: tuple[Sample, ...], second: tuple[Sample, ...]) -> bool:
    """Whether the engine took them for two: what takes one quantile for both moments has no row in which they differ."""
    before = {sample.labels: sample.value for sample in first}
    return not any(sample.value for sample in second) or any(before.get(sample.labels) != sample.value for sample in second)
