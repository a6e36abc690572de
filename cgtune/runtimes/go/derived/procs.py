"""Go's arithmetic from a CPU quota to GOMAXPROCS: runtime/cgroup_linux.go, the same from 1.25.0 to 1.27.3."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import GoDerived

LEAST_PROCS = 2  # runtime/cgroup_linux.go, 1.25.0 to 1.27.3
_INT32_MOST = (1 << 31) - 1

# What int32(f) gives if f does not fit. Run on amd64 (1.24 to 1.27.3); on the others under emulation, 1.25.5 and 1.27.3 alike.
# amd64 and 386 give the least int32 for all of them; every other architecture saturates, and differs in NaN only.
_OVERFLOW_IS_LEAST = ("amd64", "386")
_NAN_IS_ZERO = ("arm64", "arm", "loong64")
_NAN_IS_MOST = ("riscv64", "mips", "mipsle", "mips64", "mips64le")


def limited_procs(cpus: int, quota_us: int, period_us: int, architecture: str) -> tuple[int, str]:
    """Returns (GOMAXPROCS under this quota, the steps in words). A number below 1 is one for which the runtime dies."""
    cores = _quotient(quota_us, period_us)
    limit = round_quota(cores)
    if cores <= LEAST_PROCS - 1:
        words = f"{quota_us} / {period_us} rounded up is below 2: Go never goes under 2"
    else:
        words = f"{quota_us} / {period_us} is {limit:g} rounded up"
    procs = int32_of(limit, architecture)
    if procs < 1:
        return procs, f"{words}, which becomes {procs} as an int32 on {architecture}: the runtime dies of it"
    if procs < cpus:
        return procs, f"{words}: GOMAXPROCS is {procs}"
    return cpus, f"{words}, not below the {cpus} CPUs: GOMAXPROCS is {cpus}"


def round_quota(cores: float) -> float:
    """What Go makes of a quota worth so many CPUs: rounded up, and never under 2. NaN stays NaN: max(NaN, 2) is that in Go, too."""
    rounded = float(math.ceil(cores)) if math.isfinite(cores) else cores
    return float(LEAST_PROCS) if rounded < LEAST_PROCS else rounded


def procs_under(cores: float, cpus: int) -> int:
    """GOMAXPROCS by Go's rule on so many CPUs, under a quota that is worth ``cores`` and that an int32 holds."""
    return int(min(cpus, round_quota(cores)))


def derive_by_itself(derived: GoDerived, cpus: int) -> int | None:
    """GOMAXPROCS that a runtime reaches and keeps up to date if nobody sets it; None: it does neither, or that is not known."""
    seen = derived.seen
    if not derived.aware or not derived.updates or seen is None or not seen.quota_us or not seen.period_us:
        return None
    return procs_under(_quotient(seen.quota_us, seen.period_us), cpus)


def int32_of(number: float, architecture: str) -> int:
    """Go's int32(number) on this architecture."""
    if math.isnan(number):
        return 0 if architecture in _NAN_IS_ZERO else _INT32_MOST if architecture in _NAN_IS_MOST else -_INT32_MOST - 1
    if number > _INT32_MOST:
        return -_INT32_MOST - 1 if architecture in _OVERFLOW_IS_LEAST else _INT32_MOST
    return int(number)


def _quotient(quota_us: int, period_us: int) -> float:
    quota, period = float(quota_us), float(period_us)  # each is rounded to a double before the division, as Go does it
    if period:
        return quota / period
    return math.nan if not quota else math.copysign(math.inf, quota)
