"""Whether limits and requests from a history hold in the days after it, and what they waste beside the published rules of others.

Seven days of each load are the history; seven more are held out. A day holds if the recommended CPU limit would have throttled less than
1 % of its periods, and if memory has stayed below the recommended limit. Half of the loads had a CPU limit in their history, some of them
one that was too small: what they wanted is not in their use then.

What is wasted is what a request keeps free beyond what is used, on average over the held-out days; what is lacking is what is used beyond
it. Of others: VPA's target is the 90th percentile of use, its samples halved in weight each day, of memory of each day's peak, and 15 %
(recommender/logic, without its minimum); krr's is the 95th percentile of CPU and the highest memory and 15 % (strategies/simple).
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cgtune.fleet.sizing import size_workload, value_of
from cgtune.model import Policy
from tests.support import loads
from tests.support.loads import DAY_MINUTES, HELD_OUT_DAYS, HISTORY_DAYS, Load

WINDOWS, PERIODS = 48, 60  # looked at of each held-out day: so many minutes, so many periods of each
FELT = 0.01
HOLDS = 0.99
MARGIN = 1.15


class Judged(NamedTuple):
    """One load: the held-out days, those on which CPU and memory held, and what each rule keeps, wastes and lacks, by rule and resource."""

    load: Load
    days: int
    cpu_days: int
    memory_days: int
    kept: dict[tuple[str, str], tuple[float, float, float]]


def judge(load: Load, limit_cores: float | None) -> Judged:
    """Size it by its history, and look at the days after."""
    measured = loads.observe(load, limit_cores)
    sized = size_workload(measured, Policy())
    values = {one.what: one.value or 0.0 for one in sized}
    assert value_of(sized, "cpu-limit") is not None
    chance, begin = random.Random(load.seed + 11), HISTORY_DAYS * DAY_MINUTES
    cpu_days = memory_days = 0
    for day in range(HELD_OUT_DAYS):
        first = begin + day * DAY_MINUTES
        minutes = range(first, first + DAY_MINUTES, DAY_MINUTES // WINDOWS)
        cpu_days += loads.throttled_share(load, values["cpu-limit"], minutes, PERIODS, chance) < FELT
        memory_days += max(load.memory[first : first + DAY_MINUTES]) <= values["memory-limit"]
    rates, memory = load.cores[:begin], load.memory[:begin]
    requests = {
        ("cgtune", "cpu"): values["cpu-request"],
        ("vpa", "cpu"): _decayed(rates[::5], DAY_MINUTES // 5) * MARGIN,
        ("krr", "cpu"): loads.quantile(rates[::5], 0.95),
        ("cgtune", "memory"): values["memory-request"],
        ("vpa", "memory"): _decayed([max(memory[each : each + DAY_MINUTES]) for each in range(0, begin, DAY_MINUTES)], 1) * MARGIN,
        ("krr", "memory"): max(memory) * MARGIN,
        ("cgtune", "memory limit"): values["memory-limit"],
        ("krr", "memory limit"): max(memory) * MARGIN,
    }
    after = {"cpu": load.cores[begin:], "memory": load.memory[begin:], "memory limit": load.memory[begin:]}
    kept = {(rule, what): (request, *_beside(request, after[what])) for (rule, what), request in requests.items()}
    return Judged(load=load, days=HELD_OUT_DAYS, cpu_days=cpu_days, memory_days=memory_days, kept=kept)


def _decayed(values: Sequence[float], a_day: int) -> float:
    """The 90th percentile of samples whose weight is halved each day."""
    weighted = sorted((value, 0.5 ** ((len(values) - 1 - index) / a_day)) for index, value in enumerate(values))
    least, seen = 0.9 * sum(weight for _, weight in weighted), 0.0
    for value, weight in weighted:
        seen += weight
        if seen >= least:
            return value
    return weighted[-1][0]


def _beside(request: float, used: Sequence[float]) -> tuple[float, float]:
    """(what is kept and not used, what is used and not kept), on average."""
    return tuple(sum(max(0.0, sign * (request - each)) for each in used) / len(used) for sign in (1, -1))  # type: ignore[return-value]


def limit_of_history(load: Load, index: int) -> float | None:
    """What limit it had: none, one that is enough, or one that its busy hours use up."""
    peak = loads.quantile(load.cores[: HISTORY_DAYS * DAY_MINUTES : 5], 0.99)
    return (None, None, max(0.1, round(2.5 * peak, 2)), max(0.1, round(1.2 * peak, 2)))[index // len(loads.KINDS) % 4]


def judge_all(count: int, seed: int) -> list[Judged]:
    """So many loads, sized and held against the days after."""
    return [judge(load, limit_of_history(load, index)) for index, load in enumerate(loads.make_loads(count, seed))]


def waste(judged: Sequence[Judged], rule: str, what: str) -> tuple[float, float]:
    """(wasted, lacking) of all loads, in parts of what is used: each load counts alike."""
    total = [0.0, 0.0]
    for one in judged:
        after = one.load.cores if what == "cpu" else one.load.memory
        used = sum(after[HISTORY_DAYS * DAY_MINUTES :]) / (HELD_OUT_DAYS * DAY_MINUTES)
        _, wasted, lacking = one.kept[rule, what]
        total[0] += wasted / used / len(judged)
        total[1] += lacking / used / len(judged)
    return total[0], total[1]


def main() -> int:
    """Print what held and what was wasted; 1 if a target is missed."""
    count, seed = int((sys.argv[1:] or ["56"])[0]), int((sys.argv[2:] or ["1"])[0])
    judged = judge_all(count, seed)
    by_kind: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        by_kind[one.load.kind].append(one)
    print(f"{count} loads, seed {seed}: held-out days on which the recommended limits held")
    for kind, some in (*by_kind.items(), ("all", judged)):
        days = sum(one.days for one in some)
        cpu, memory = (sum(getattr(one, name) for one in some) / days for name in ("cpu_days", "memory_days"))
        print(f"  {kind:9} {days:5} days: CPU {100 * cpu:6.2f} %, memory {100 * memory:6.2f} %")
    print("requests, in % of what is used: wasted, lacking")
    wastes = {}
    for what, rules in (("cpu", ("cgtune", "vpa", "krr")), ("memory", ("cgtune", "vpa", "krr")), ("memory limit", ("cgtune", "krr"))):
        for rule in rules:
            wasted, lacking = wastes[rule, what] = waste(judged, rule, what)
            print(f"  {what:12} {rule:6} {100 * wasted:6.1f} {100 * lacking:6.1f}")
    days = sum(one.days for one in judged)
    missed = [name for name in ("cpu_days", "memory_days") if sum(getattr(one, name) for one in judged) < HOLDS * days]
    missed += [
        f"{what} of {rule}" for rule in ("vpa", "krr") for what in ("cpu", "memory") if wastes["cgtune", what][0] >= wastes[rule, what][0]
    ]
    print("MISSED: " + ", ".join(missed) if missed else "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
