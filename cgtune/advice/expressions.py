"""The recommended values as CEL expressions over a limit, for an API server to compute. Pure.

They say what ``recommend_memory`` and ``recommend_procs`` say of a container whose limits alone are known: neither its program, nor what
it uses, nor the CPUs of its node. Whole numbers, and none overflows 64 bits: CEL knows no larger ones, and its division cuts towards zero.
"""

from __future__ import annotations

from cgtune.advice.memory import THOUSANDTHS, plain_safety
from cgtune.advice.procs import LEAST_PROCS
from cgtune.advice.variables import UNKNOWN_CPUS
from cgtune.errors import UsageError
from cgtune.numbers import format_mib
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Policy

_MIB = 1 << 20

#: More memory than any machine has: a larger limit is never reached, and says nothing to Go. Times 100,000 it still fits into 64 bits.
MOST_LIMIT_BYTES = 64 << 40


class Expressions(Record):
    """What a policy makes of limits. In ``mib`` stands ``l.bytes``, in ``procs`` ``l.milli``; the bounds are those of these numbers.

    ``mib``: the MiB of GOMEMLIMIT, which is set from ``least_mib`` up, for limits of ``least_limit_bytes`` to ``most_limit_bytes``.
    ``procs``: GOMAXPROCS for a limit below ``most_cores``; it is at least ``least_procs``. ``keeps`` says in words what is kept free, and
    ``set_from_bytes`` is the least limit for which GOMEMLIMIT is set.
    """

    mib: str
    least_mib: int
    least_limit_bytes: int
    most_limit_bytes: int
    procs: str
    least_procs: int
    most_cores: int
    keeps: str
    set_from_bytes: int


def express_policy(policy: Policy) -> Expressions:
    """The expressions of this policy. Raises UsageError for one that sets nothing whatever the limit is."""
    if policy.reserve_cores >= UNKNOWN_CPUS:
        raise UsageError(f"--reserve-cpu {policy.reserve_cores:g} leaves nothing of any CPU limit; give less, as in --reserve-cpu 100m")
    reserve_milli = round(policy.reserve_cores * 1000)  # typed quantities of CPUs are rounded up to whole thousandths, as limits are
    percent, least_bytes = plain_safety(policy)
    least_mib = max(1, -(-(policy.smallest_limit_bytes // 2) // _MIB))
    return Expressions(
        mib=_express_mib(percent, least_bytes, policy.outside_bytes or 0),
        least_mib=least_mib,
        least_limit_bytes=policy.smallest_limit_bytes,
        most_limit_bytes=MOST_LIMIT_BYTES,
        procs=_express_procs(policy, f"(l.milli - {reserve_milli})" if reserve_milli else "l.milli"),
        least_procs=policy.min_procs if policy.min_procs is not None else LEAST_PROCS[policy.rounding],
        most_cores=UNKNOWN_CPUS,
        keeps=_say_kept(percent, least_bytes, policy.outside_bytes or 0),
        set_from_bytes=_locate_least_limit(policy, percent, least_bytes, least_mib),
    )


def _locate_least_limit(policy: Policy, percent: float, least_bytes: int, least_mib: int) -> int:
    """The least limit of which ``least_mib`` are left: more is left of a larger one. Raises UsageError if there is none."""
    share, least, outside = THOUSANDTHS - round(percent * THOUSANDTHS / 100), least_mib * _MIB, policy.outside_bytes or 0

    def is_set(limit: int) -> bool:
        return min(limit * share // THOUSANDTHS, limit - least_bytes) - outside >= least

    low, high = policy.smallest_limit_bytes, MOST_LIMIT_BYTES
    if low > high or not is_set(high):
        blame, example = ("--policy smallest-limit", "=64Mi") if low > high else ("--outside", " 64Mi")
        raise UsageError(f"{blame} leaves GOMEMLIMIT unset for each limit up to 64 TiB; give less, as in {blame}{example}")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_set(middle) else (middle + 1, high)
    return low


def _express_mib(percent: float, least_bytes: int, outside_bytes: int) -> str:
    """What is left of ``l.bytes``: rounded once, as the limit less a share that is rounded up is a share rounded down."""
    left, whole = THOUSANDTHS - round(percent * THOUSANDTHS / 100), THOUSANDTHS
    while left % 10 == 0 and whole > 1:
        left, whole = left // 10, whole // 10
    rest = f"l.bytes * {left} / {whole}" if whole > 1 else "l.bytes"
    if least_bytes:
        rest = f"({rest} < l.bytes - {least_bytes} ? {rest} : l.bytes - {least_bytes})"
    return f"({rest} - {outside_bytes}) / {_MIB}" if outside_bytes else f"{rest} / {_MIB}"


def _express_procs(policy: Policy, milli: str) -> str:
    return {"slack": f"{milli} / 1000 + 1", "ceil": f"({milli} + 999) / 1000", "floor": f"{milli} / 1000"}[policy.rounding]


def _say_kept(percent: float, least_bytes: int, outside_bytes: int) -> str:
    words = f"{round(percent * THOUSANDTHS / 100) * 100 / THOUSANDTHS:g} % of it"
    if least_bytes:
        words += f", at least {format_mib(least_bytes)} MiB,"
    return words + (f" and {format_mib(outside_bytes)} MiB for what Go does not manage" if outside_bytes else "")
