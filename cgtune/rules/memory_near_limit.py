"""memory that the kernel cannot take back has nearly reached the limit: the next allocation may end in a kill

What it means: 98 % of the memory limit, or all but 4 MiB, are in use by what cannot be given back: anonymous and locked memory, shared
memory and tmpfs, the kernel's own for it. Page cache is not counted. Critical if something in the cgroup waits for memory, or if the limit
was hit between two looks. If the machine has swap that this cgroup may use, the kernel can still take some of it back: then only that is
told, and else nothing. What would be enough is what is in use and swapped out, with that room; if it does not grow.

Why it hurts: what is left is a moment's allocation; then the OOM killer ends the process, or all of its container.

How to confirm:
  grep -HE '^(anon|rss|shmem|unevictable|kernel|slab_unrec.*) ' /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat 2>/dev/null
  grep -H . /sys/fs/cgroup/memory.current /sys/fs/cgroup/memory.max 2>/dev/null                                             # v2
  grep -H . /sys/fs/cgroup/memory/memory.usage_in_bytes /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null             # v1

What to do: raise the limit, or find what takes it. If Go takes it, GOMEMLIMIT below the limit makes the collector work harder before.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.stat, memory.max).
"""

from __future__ import annotations

from cgtune.model import NEAR_LIMIT_BYTES, NEAR_LIMIT_PERCENT, Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import MemoryLevel, Severity
    from cgtune.rules.case import Case

ID = "memory-near-limit"
SEVERITY: Severity = "warning"
SUMMARY = "memory that the kernel cannot take back has nearly reached the limit"


def judge(case: Case) -> Finding | None:
    """What is left below the limit of the cgroup that binds."""
    level, limit = case.memory.binding, case.memory.limit_bytes
    if level is None or limit is None or level.used_bytes is None:
        return None
    left = limit - level.used_bytes
    if left > max(NEAR_LIMIT_BYTES, limit * NEAR_LIMIT_PERCENT / 100):
        return None
    hit, swaps = _was_hit(case), _may_swap(case, level)
    if swaps and not hit:
        return None
    enough = case.enough_memory_words(level, is_pressed=bool(hit))
    rest = "what is in use can only be swapped out" if swaps else "nothing of the rest can be given back"
    return Finding(
        rule=ID,
        severity="critical" if hit else SEVERITY,
        summary=f"{format_mib(max(0, left))} MiB are left of {format_mib(limit)} MiB, and {rest}",
        evidence=(case.limit_words, f"{level.directory}: {level.used_bytes} bytes in use that the kernel cannot take back", *hit, *enough),
        advice=(*case.lower_memory("what the limit leaves to Go"), act("raise the memory limit, or find what takes it: memory.stat tells")),
        harm="now" if hit else "possible",
    )


def _may_swap(case: Case, level: MemoryLevel) -> bool:
    """Whether anonymous memory can still be swapped out: there is swap, and the limit of it is not reached, as far as is known."""
    limit = case.memory.swap_bytes
    return bool(case.snapshot.machine.swap_bytes) and (limit is None or limit > (level.swap_current_bytes or 0))


def _was_hit(case: Case) -> tuple[str, ...]:
    """What says that the limit is felt already."""
    level, rates, pressure = case.memory.binding, case.snapshot.rates, case.snapshot.memory_pressure
    rate = None if rates is None else rates.memory_of(level)
    if rate is not None and rate.max_events:
        return (f"{rate.directory}/memory.events: max {rate.max_events} more between two looks",)
    if pressure is not None and pressure.scope == "cgroup" and pressure.some is not None and pressure.some.avg10_percent > 0:
        return (f"{pressure.file}: some avg10={pressure.some.avg10_percent:g}",)
    return ()
