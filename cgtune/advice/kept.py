"""A value that is in force and as good as the recommended one stays: else each look at a busy program would ask for another GOMEMLIMIT,
and one who has chosen one of two good GOMAXPROCS would be told to take the other.

Not covered: values of a process's several runtimes that differ from each other.
"""

from __future__ import annotations

import math

from cgtune.model import AUTOMEMLIMIT
from cgtune.numbers import format_limit, format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.memory import Share
    from cgtune.model import Policy, Recommendation, Snapshot


def keep_procs(recommended: Recommendation, snapshot: Snapshot) -> Recommendation:
    """The GOMAXPROCS that holds in place of the ``recommended`` one, if it lies in the range that is kept and the environment gives it, or
    the program overrules that.
    """
    keeps, now = recommended.keeps_procs, _value_now(snapshot, "GOMAXPROCS")
    texts = {facts.derived.variable("GOMAXPROCS") for facts in snapshot.go if "GOMAXPROCS" not in facts.derived.ignored}
    if keeps is None or now is None or now == recommended.value or not keeps[0] <= now <= keeps[1]:
        return recommended
    if texts != {str(now)} and not recommended.overruled:
        return recommended
    why = f"{now} is set, and a value that is set stays if it lies within {keeps[0]} to {keeps[1]}"
    return recommended.replace(value=now, set=True, because=(*recommended.because, why))


def keep_memory(recommended: Recommendation, snapshot: Snapshot, policy: Policy) -> Recommendation:
    """The value that holds now in place of the ``recommended`` one if it lies in the range that is kept.

    What the environment gives is recommended; what the program has set by itself is left to it.
    """
    now = _value_now(snapshot, "GOMEMLIMIT")
    if not recommended.set or recommended.value is None or recommended.keeps_bytes is None or now is None:
        return recommended
    is_there = any(facts.derived.variables is None or facts.derived.variable("GOMEMLIMIT") is not None for facts in snapshot.go)
    if is_there and now == recommended.value:
        return recommended
    lowest, highest = recommended.keeps_bytes
    if snapshot.killed_levels:
        highest = min(highest, recommended.value)  # memory ran out: no more than that
    live = [facts.observed.heap_marked_bytes or 0 for facts in snapshot.go]
    if now < recommended.value and max(live) * 100 > now * policy.crowded_percent:
        return recommended  # each MiB counts
    if not lowest <= now <= highest:
        return recommended
    if is_there:
        near = f"{format_mib(lowest)} to {format_mib(highest)} MiB"
        why = f"{format_limit(now)} is set, and a value that is set stays if it lies within {near}"
    elif any(facts.program.links(AUTOMEMLIMIT) for facts in snapshot.go):
        why = f"automemlimit has set {format_mib(now)} MiB, which is near that: leave it to the library"
    else:
        why = f"the program has set {format_mib(now)} MiB itself, which is near that: leave it to the program"
    return recommended.replace(value=now, set=is_there, because=(*recommended.because, why), doubt=None)


def find_range(shares: Sequence[Share], policy: Policy) -> tuple[int, int]:
    """The least and the largest value that is kept, in bytes.

    What was right before anything was measured, and what is right once all is, are both values that cgtune gives. Below the one lies the
    band, and above the other, as what others use grows: but nothing above what cgtune gives where they use nothing.
    """
    lows, highs = [], []
    for share in shares:
        room = share.room
        band = max(policy.band_least_bytes, math.ceil(room.limit_bytes * policy.band_percent / 100))
        spare = min(band, room.least_safety_bytes, room.outside_bytes) if room.known in ("measured", "early") else 0
        lows.append(share.value_beside(room.most_safety_bytes + band))
        highs.append(share.value_beside(room.least_safety_bytes - spare))
    return math.ceil(min(lows)), math.floor(min(highs))


def _value_now(snapshot: Snapshot, name: str) -> int | None:
    """The value that holds for each of its runtimes; None if there is none, or if they differ."""
    settings = [setting for facts in snapshot.go for setting in facts.settings if setting.name == name]
    values = {setting.derived if setting.observed is None else setting.observed for setting in settings}
    value = values.pop() if len(values) == 1 else None
    return value if isinstance(value, int) else None
