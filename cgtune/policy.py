"""The policy of recommendations from what people type. Pure."""

from __future__ import annotations

import math

from cgtune.errors import UsageError
from cgtune.model import Policy
from cgtune.quantities import parse_byte_quantity, parse_cpu_quantity

_MOST_PROCS = 1 << 16
_MOST_PERCENT = 90.0


def parse_policy(
    *,
    rounding: str = "ceil",
    min_procs: int | None = None,
    reserve_cpu: str | None = None,
    headroom: str | None = None,
    outside: str | None = None,
) -> Policy:
    """The policy that these options ask for, None for what is not given; raises UsageError, which names the option and an example."""
    if rounding not in ("ceil", "floor"):
        raise UsageError(f"--rounding {rounding[:40]!a} is neither ceil nor floor; example: --rounding floor")
    if min_procs is not None and not 1 <= min_procs <= _MOST_PROCS:
        raise UsageError(f"--min-procs {min_procs} is not 1 to {_MOST_PROCS}; example: --min-procs 2")
    return Policy(
        rounding="floor" if rounding == "floor" else "ceil",
        min_procs=min_procs,
        reserve_cores=0.0 if reserve_cpu is None else parse_cpu_quantity(reserve_cpu, "--reserve-cpu"),
        headroom_percent=None if headroom is None else _parse_percent(headroom),
        outside_bytes=None if outside is None else parse_byte_quantity(outside, "--outside"),
    )


def _parse_percent(text: str) -> float:
    """`10%` or `10` to 10.0."""
    try:
        percent = float(text.removesuffix("%")) if text.isascii() and len(text) <= 20 else math.nan
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= _MOST_PERCENT:
        raise UsageError(f"--headroom {text[:40]!a} is no share of 0 to {_MOST_PERCENT:g} percent; example: --headroom 10%")
    return percent
