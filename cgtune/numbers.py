"""Numbers of CPUs and bytes as people and Go read them, and the CPU requests behind weights; below everybody."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    #: CPU requests that come to one weight, in millicores: by which formula, the least, the most.
    Requests = tuple[tuple[Literal["shares", "line", "curve"], int, int], ...]
    Formula = Literal["line", "curve"]


def format_cores(cores: float) -> str:
    """Cores with as many digits as say something: `0.5`, `2`, `0.333`."""
    return f"{cores:.3f}".rstrip("0").rstrip(".") or "0"


def format_cpus(cores: float) -> str:
    """The same with its noun: `1 CPU`, `0.5 CPUs`."""
    text = format_cores(cores)
    return f"{text} CPU{'s' * (text != '1')}"


def format_mib(count: float) -> str:
    """Bytes as a number of MiB, with at most one digit after the point."""
    return f"{count / (1 << 20):.1f}".removesuffix(".0")


def format_limit(limit_bytes: int) -> str:
    """A GOMEMLIMIT that every Go version reads, exact, with its unit: `460MiB`, `471860KiB`, `483183821B`."""
    for size, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if limit_bytes and limit_bytes % size == 0:
            return f"{limit_bytes // size}{unit}"
    return f"{limit_bytes}B"


#: Between the least and the most CPU shares that the kernel takes (kernel/sched/sched.h, MIN_SHARES and MAX_SHARES).
LEAST_SHARES, MOST_SHARES = 2, 262_144
#: What the kernel gives a cgroup that nobody asked anything for.
DEFAULT_SHARES, DEFAULT_WEIGHT = 1024, 100


def shares_of_request(millicores: int) -> int:
    """The CPU shares of a request: 1024 a CPU, cut to a whole number (Kubernetes, pkg/kubelet/cm, MilliCPUToShares)."""
    return min(max(millicores * 1024 // 1000, LEAST_SHARES), MOST_SHARES)


def weight_by_line(shares: int) -> int:
    """cpu.weight by the older formula: runc before 1.3.2, crun before 1.23, and the kubelet for pods and what is above (KEP-2254)."""
    return 1 + (shares - 2) * 9999 // 262_142


def weight_by_curve(shares: int) -> int:
    """cpu.weight by the newer formula: runc 1.3.2, crun 1.23 and later, for containers (opencontainers/cgroups, utils.go)."""
    import math

    if shares <= LEAST_SHARES or shares >= MOST_SHARES:
        return 1 if shares <= LEAST_SHARES else 10_000
    logarithm = math.log2(shares)
    return math.ceil(math.pow(10, (logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34))


def requests_of_shares(shares: int) -> tuple[int, int]:
    """The least and the most CPU request in millicores that becomes so many cpu.shares; the least shares may stand for no request: 0."""
    least = 0 if shares <= LEAST_SHARES else -(-shares * 1000 // 1024)
    return least, max(least, -(-(shares + 1) * 1000 // 1024) - 1)


def requests_of_weight(weight: int) -> Requests:
    """The same for a cpu.weight, by each formula that may have made it. One that never gives this weight is left out."""
    formulas: tuple[tuple[Formula, Callable[[int], int]], ...] = (("line", weight_by_line), ("curve", weight_by_curve))
    found: Requests = ()
    for name, weigh in formulas:
        least, above = _first_shares(weight, weigh), _first_shares(weight + 1, weigh)
        if least < above:
            found = (*found, (name, requests_of_shares(least)[0], requests_of_shares(above - 1)[1]))
    return found


def weight_of_spec_shares(shares: int) -> int | None:
    """The cpu.weight that cadvisor tells as so many container_spec_cpu_shares; None: v1's cpu.shares, which it tells as they are.

    Of v2 it tells 2 + (weight - 1) * 262142 / 9999, cut (container/common/helpers.go): seen with Kubernetes 1.36, 1522 for a weight of 59.
    Every 26th number may be either; such a one is taken for v2's.
    """
    weight = -((2 - shares) * 9999 // 262_142) + 1
    return weight if 1 <= weight <= 10_000 and LEAST_SHARES + (weight - 1) * 262_142 // 9999 == shares else None


def format_request(least: int, most: int) -> str:
    """A CPU request as Kubernetes writes it, or the range that cannot be told apart: `250m`, `233m to 258m`."""
    return f"{least}m" if least == most else f"{least}m to {most}m"


def _first_shares(weight: int, weigh: Callable[[int], int]) -> int:
    """The least shares with at least this weight: both formulas only grow."""
    low, high = LEAST_SHARES, MOST_SHARES + 1
    while low < high:
        middle = (low + high) // 2
        if weigh(middle) >= weight:
            high = middle
        else:
            low = middle + 1
    return low
