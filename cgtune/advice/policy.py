"""The policy of recommendations from what people type. Pure."""

from __future__ import annotations

import math

from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_quantity, parse_duration
from cgtune.errors import UsageError
from cgtune.model import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Rounding

ROUNDINGS: tuple[Rounding, ...] = ("slack", "ceil", "floor")

_MOST_PROCS = 1 << 16
_MOST_PERCENT = 90.0

_MOST_SECONDS = 7 * 24 * 3600.0

# The numbers without an option of their own, as --policy names them: the field, whose name ends with its unit, and the least and most
# percent of a share.
NUMBERS: dict[str, tuple[str, tuple[float, float] | None]] = {
    "unmeasured": ("unmeasured_percent", (0, _MOST_PERCENT)),
    "unmeasured-least": ("unmeasured_least_bytes", None),
    "measured": ("measured_percent", (0, _MOST_PERCENT)),
    "measured-least": ("measured_least_bytes", None),
    "measured-after": ("measured_after_seconds", None),
    "band": ("band_percent", (0, _MOST_PERCENT)),
    "band-least": ("band_least_bytes", None),
    "smallest-limit": ("smallest_limit_bytes", None),
    "crowded": ("crowded_percent", (1, 100)),
    "crowded-critical": ("crowded_critical_percent", (1, 100)),
    "roomy": ("roomy_percent", (1, 100)),
}


def parse_policy(
    *,
    rounding: str = "slack",
    min_procs: int | None = None,
    reserve_cpu: str | None = None,
    headroom: str | None = None,
    outside: str | None = None,
    numbers: Sequence[str] | None = None,
) -> Policy:
    """The policy that these options ask for, None for what is not given; raises UsageError, which names the option and an example."""
    if rounding not in ROUNDINGS:
        raise UsageError(f"--rounding {rounding[:40]!a} is none of {', '.join(ROUNDINGS)}; example: --rounding slack")
    if min_procs is not None and not 1 <= min_procs <= _MOST_PROCS:
        raise UsageError(f"--min-procs {min_procs} is not 1 to {_MOST_PROCS}; example: --min-procs 2")
    policy = Policy(
        rounding=next(known for known in ROUNDINGS if known == rounding),
        min_procs=min_procs,
        reserve_cores=0.0 if reserve_cpu is None else parse_cpu_quantity(reserve_cpu, "--reserve-cpu"),
        headroom_percent=None if headroom is None else _parse_headroom(headroom),
        outside_bytes=None if outside is None else parse_byte_quantity(outside, "--outside"),
    )
    if numbers:
        policy = policy.replace(**dict(_parse_number(entry) for entry in numbers))
    if policy.roomy_percent >= policy.crowded_percent:
        raise UsageError(
            f"--policy roomy={policy.roomy_percent:g} is not below crowded={policy.crowded_percent:g}; example: --policy roomy=50"
        )
    if policy.crowded_critical_percent < policy.crowded_percent:
        critical = f"crowded-critical={policy.crowded_critical_percent:g}"
        raise UsageError(f"--policy {critical} is below crowded={policy.crowded_percent:g}; example: --policy crowded-critical=75")
    return policy


def _parse_number(entry: str) -> tuple[str, float]:
    """`smallest-limit=32Mi` to the field and its value."""
    name, equals, text = entry.partition("=")
    if not equals or name not in NUMBERS:
        raise UsageError(
            f"--policy {entry[:60]!a} is not NAME=VALUE with one of {', '.join(NUMBERS)}; example: --policy smallest-limit=32Mi"
        )
    field, bounds = NUMBERS[name]
    if field.endswith("_seconds"):
        try:
            return field, parse_duration(text, name, least_seconds=0, most_seconds=_MOST_SECONDS)
        except UsageError as error:
            raise UsageError(f"--policy {entry[:60]!a} gives no time up to a week; example: --policy {name}=5m") from error
    if bounds is None:
        try:
            return field, parse_byte_quantity(text, name)
        except UsageError as error:
            raise UsageError(f"--policy {entry[:60]!a} gives no number of bytes; example: --policy {name}=32Mi") from error
    least, most = bounds
    percent = _parse_percent(text)
    if not least <= percent <= most:
        raise UsageError(f"--policy {entry[:60]!a} is no share of {least:g} to {most:g} percent; example: --policy {name}=20%")
    return field, percent


def _parse_headroom(text: str) -> float:
    percent = _parse_percent(text)
    if not 0 <= percent <= _MOST_PERCENT:
        raise UsageError(f"--headroom {text[:40]!a} is no share of 0 to {_MOST_PERCENT:g} percent; example: --headroom 10%")
    return percent


def _parse_percent(text: str) -> float:
    """`10%` or `10` to 10.0; not a number where it is none."""
    try:
        return float(text.removesuffix("%")) if text.isascii() and len(text) <= 20 else math.nan
    except ValueError:
        return math.nan
