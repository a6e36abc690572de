"""A value that is in force and as good as the recommended one stays: else each look at a busy program would ask for another GOMEMLIMIT,
and one who has chosen one of two good GOMAXPROCS would be told to take the other.

Not covered: values of a process's several runtimes that differ from each other.
"""

from __future__ import annotations

import math

from cgtune.advice.files import Files
from cgtune.model import AUTOMEMLIMIT
from cgtune.numbers import format_limit, format_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.memory import Share
    from cgtune.model import GoFacts, Policy, Recommendation, Snapshot


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


def keep_memory(recommended: Recommendation, snapshot: Snapshot) -> Recommendation:
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


def find_range(shares: Sequence[Share], value: int, heaps: Sequence[int | None], policy: Policy) -> tuple[int, int]:
    """The least and the largest value that is kept beside the recommended ``value``, in bytes.

    What was right before anything was measured, and what is right once all is, are both values that cgtune gives. Below the one lies the
    band, and above the other, as what others use grows: but nothing above what cgtune gives where they use nothing. Files come and go:
    a value stays that leaves room for all that are there, if the collector need not work for it. If one of ``heaps``, which are alive,
    crowds a value, each MiB counts: it stays only if it is lower by no more than the band, for the sake of files.
    """
    live = [0 if size is None else size for size in heaps]
    lows, highs, slack = [], [], 0
    for share in shares:
        room = share.room
        band = max(policy.band_least_bytes, math.ceil(room.limit_bytes * policy.band_percent / 100))
        is_measured = room.known in ("measured", "early")
        spare = min(band, room.least_safety_bytes, room.outside_bytes + room.files_bytes) if is_measured else 0
        held = share.count_files(Files(active_bytes=room.files.held_bytes), sum(live), policy)
        lows.append(share.value_beside(room.most_safety_bytes + band, max(room.files_bytes, held)))
        highs.append(share.value_beside(room.least_safety_bytes - spare, room.files_bytes))
        slack = max(slack, min(band, room.files_bytes))
    uncrowded = math.ceil(max(live, default=0) * 100 / policy.crowded_percent)
    return max(math.ceil(min(lows)), min(uncrowded, value - slack)), math.floor(min(highs))


def find_value_now(facts: GoFacts, name: str) -> int | None:
    """The value of a variable that holds for a runtime; None if there is none, or if it is not known."""
    setting = next((setting for setting in facts.settings if setting.name == name), None)
    value = None if setting is None else setting.derived if setting.observed is None else setting.observed
    return value if isinstance(value, int) else None


def _value_now(snapshot: Snapshot, name: str) -> int | None:
    """The same for each of its runtimes; None as well if they differ."""
    values = {find_value_now(facts, name) for facts in snapshot.go}
    return values.pop() if len(values) == 1 else None
