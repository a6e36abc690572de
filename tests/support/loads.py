"""Loads of known demand, for what is recommended from a history: the published generator behind scripts/bench/sizing. Pure, by seed.

Each load says of each minute how many CPUs its requests ask for on average, and how much memory it holds. Requests come by chance (a
Poisson process), and what one uses of a CPU is exponential around a mean of its own. So the demand of each period of 100 ms is known,
which no engine has: an engine has the use of minutes, and that is what :func:`observe` gives. Seven days are the history, seven more are
held out.

Not covered: loads whose requests use more than one CPU at once; bursts of less than five minutes, which no rate over five minutes shows
whole; what changes for good between the two weeks, but for growth.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from cgtune.fleet.model import Measured, Span

PERIOD_SECONDS = 0.1
DAY_MINUTES = 1440
HISTORY_DAYS, HELD_OUT_DAYS = 7, 7
MIB = 1 << 20
_STEP_MINUTES = 31  # as cgtune.fleet.asked.steps_of has it for a week
KINDS = ("steady", "daily", "weekly", "bursty", "growing", "hourly", "sawtooth")


class Load(NamedTuple):
    """``cores`` and ``memory`` are by minute since the begin of the history, ``request_seconds`` the mean CPU time of one request."""

    kind: str
    seed: int
    cores: list[float]
    memory: list[float]
    request_seconds: float


def make_loads(count: int, seed: int = 1) -> Iterator[Load]:
    """So many loads, of each kind in turn."""
    for index in range(count):
        yield make_load(KINDS[index % len(KINDS)], seed * 100_000 + index)


def make_load(kind: str, seed: int) -> Load:
    """One load: its size, its hours and its noise are by chance, the shape by its kind."""
    chance = random.Random(seed)
    minutes = (HISTORY_DAYS + HELD_OUT_DAYS) * DAY_MINUTES
    scale = 10 ** chance.uniform(-1.3, 0.7)  # 0.05 to 5 CPUs
    shape = _SHAPES[kind](chance, minutes)
    noise, drift = 0.0, []
    for _ in range(minutes):  # what is not explained by the hour lasts for some minutes
        noise = 0.8 * noise + chance.gauss(0.0, 0.03)
        drift.append(math.exp(noise))
    cores = [scale * each * more for each, more in zip(shape, drift, strict=True)]
    base = 10 ** chance.uniform(1.5, 3.3) * MIB  # 30 MiB to 2 GiB
    return Load(
        kind=kind, seed=seed, cores=cores, memory=_memory(kind, chance, shape, base), request_seconds=10 ** chance.uniform(-3, -1.7)
    )


def _daily(chance: random.Random, minutes: int) -> list[float]:
    hour, depth = chance.uniform(0, 24), chance.uniform(0.3, 0.9)
    return [1 + depth * math.sin(2 * math.pi * (minute / DAY_MINUTES + hour / 24)) for minute in range(minutes)]


def _weekly(chance: random.Random, minutes: int) -> list[float]:
    rest, first = chance.uniform(0.3, 0.7), chance.randrange(7)
    return [value * (rest if (minute // DAY_MINUTES + first) % 7 >= 5 else 1.0) for minute, value in enumerate(_daily(chance, minutes))]


def _bursty(chance: random.Random, minutes: int) -> list[float]:
    """Some bursts a day, each of some minutes, at up to five times the usual."""
    shape, height = [1.0] * minutes, chance.uniform(2, 5)
    for _ in range(round(minutes / DAY_MINUTES * chance.uniform(3, 12))):
        begin, lasts = chance.randrange(minutes), chance.randrange(5, 30)
        for minute in range(begin, min(minutes, begin + lasts)):
            shape[minute] = height * chance.uniform(0.9, 1.0)
    return shape


def _growing(chance: random.Random, minutes: int) -> list[float]:
    a_day = chance.uniform(0.01, 0.04)
    return [value * (1 + a_day * minute / DAY_MINUTES) for minute, value in enumerate(_daily(chance, minutes))]


def _hourly(chance: random.Random, minutes: int) -> list[float]:
    lasts, height = chance.randrange(5, 15), chance.uniform(2, 6)
    return [height if minute % 60 < lasts else 0.3 for minute in range(minutes)]


_SHAPES: dict[str, Callable[[random.Random, int], list[float]]] = {
    "steady": lambda _, minutes: [1.0] * minutes,
    "daily": _daily,
    "weekly": _weekly,
    "bursty": _bursty,
    "growing": _growing,
    "hourly": _hourly,
    "sawtooth": _daily,
}


def _memory(kind: str, chance: random.Random, shape: Sequence[float], base: float) -> list[float]:
    """A part that is always there and one that follows the load, with the waves of a collector. What grows goes on, a sawtooth leaks until
    the next deploy.
    """
    follows, wave = chance.uniform(0.05, 0.4), chance.uniform(0.02, 0.1)
    every, leak = chance.randrange(2, 4) * DAY_MINUTES, chance.uniform(0.02, 0.08) if kind == "sawtooth" else 0.0
    grows = chance.uniform(0.005, 0.03) if kind == "growing" else 0.0
    return [
        base * (1 + follows * value + wave * chance.random() + leak * (minute % every) / DAY_MINUTES) * (1 + grows * minute / DAY_MINUTES)
        for minute, value in enumerate(shape)
    ]


def demand(chance: random.Random, cores: float, request_seconds: float) -> float:
    """The CPU seconds that the requests of one period ask for."""
    mean = cores * PERIOD_SECONDS / request_seconds
    if mean > 30:
        return max(0.0, chance.gauss(mean, math.sqrt(2 * mean))) * request_seconds
    requests, product, limit = 0, chance.random(), math.exp(-mean)
    while product > limit:
        requests, product = requests + 1, product * chance.random()
    return chance.gammavariate(requests, request_seconds) if requests else 0.0


def throttled_share(load: Load, limit_cores: float, minutes: Sequence[int], periods: int, chance: random.Random) -> float:
    """The share of the periods in which it would be stopped under this limit: so many periods in each of these minutes.

    What is left at the end of a period is done in the next one. All that a period asks for is there at its begin, which is harder than
    what happens.
    """
    quota, stopped = limit_cores * PERIOD_SECONDS, 0
    for minute in minutes:
        left = 0.0
        for _ in range(periods):
            left += demand(chance, load.cores[minute], load.request_seconds)
            if left > quota:
                stopped += 1
            left = max(0.0, left - quota)
    return stopped / (len(minutes) * periods)


def observe(load: Load, limit_cores: float | None = None, *, days: int = HISTORY_DAYS) -> Measured:
    """What an engine has of its history, asked as cgtune asks it: rates over 5 minutes, quantiles of every 31st, each sample of memory.

    Under a limit it uses no more than that, and what throttling there was is counted.
    """
    chance = random.Random(load.seed + 7)
    cores = load.cores[: days * DAY_MINUTES]
    used = [max(0.0, chance.gauss(each, math.sqrt(2 * each * load.request_seconds / 60))) for each in cores]
    if limit_cores is not None:
        used = [min(each, limit_cores) for each in used]
    rates = [sum(used[begin:end]) / 5 for begin, end in pairwise(range(0, len(used) + 1, 5))]
    points = [sum(used[minute - 5 : minute]) / 5 for minute in range(_STEP_MINUTES, len(used) + 1, _STEP_MINUTES)]
    recent, memory = DAY_MINUTES // _STEP_MINUTES, load.memory[: days * DAY_MINUTES]
    throttled = Span()
    if limit_cores is not None:
        shares = [throttled_share(load, limit_cores, (minute,), 60, chance) for minute in range(0, len(cores), _STEP_MINUTES)]
        throttled = span(shares, shares)
    return Measured(
        cpu_limit_cores=limit_cores,
        is_cpu_unlimited=limit_cores is None,
        cpu_used=span(rates, points),
        cpu_recent=Span(p50=quantile(points[-recent:], 0.5)),
        memory_used=span(memory, memory[::_STEP_MINUTES]),
        memory_recent=Span(p50=quantile(memory[-DAY_MINUTES::_STEP_MINUTES], 0.5)),
        throttled=throttled,
        kills=0,
        history_seconds=days * 86400.0,
        samples=len(points),
        replicas=1,
    )


def span(peaks: Sequence[float], points: Sequence[float]) -> Span:
    """The quantiles of ``points``, and the most of ``peaks``."""
    return Span(p50=quantile(points, 0.5), p95=quantile(points, 0.95), most=max(peaks))


def quantile(values: Sequence[float], part: float) -> float:
    """As Prometheus has it: between the two nearest."""
    ranked = sorted(values)
    place = part * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)
