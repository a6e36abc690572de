"""Whether it was no manifest that has put a variable into a container's environment: a node, or the policy of cgtune policy. Pure.

CRI-O does so with its option min_injected_gomaxprocs, which OpenShift sets to 1: in containers of burstable and best-effort pods without a
CPU limit and without the variable; the annotation skip-gomaxprocs.crio.io keeps it off. Sources: cri-o/cri-o,
internal/runtimehandlerhooks/gomaxprocs_hooks_linux.go (the request rounded up); openshift/enhancements,
enhancements/machine-config/gomaxprocs-injection.md (twice the request rounded up). Not covered: a larger floor, which could be any number,
and webhooks and other policies, whose variables cannot be told from a manifest's.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, GoFacts, Snapshot

#: The annotation in which a pod says what the policy has set: app.GOMEMLIMIT=460MiB,app.GOMAXPROCS=3. A container's name has no dot.
MARK = "cgtune.dev/policy"

_SHARES = 1024  # of one CPU
_MOST_DIGITS = 6


def is_marked(mark: str, container: str, name: str, value: str) -> bool:
    """Whether this annotation says that the policy has set this value."""
    return f"{container}.{name}={value}" in mark.split(",")


def say_injected(snapshot: Snapshot, facts: GoFacts) -> str:
    """That CRI-O would have set the very GOMAXPROCS that this program's environment has; empty if not, or if it cannot be told."""
    text = facts.derived.variable("GOMAXPROCS") or ""
    own = next((level for level in snapshot.cpu_chain if level.path.rpartition("/")[2].startswith("crio-")), None)  # crun may nest another
    if own is None or snapshot.container.runtime != "cri-o" or not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return ""
    has_quota = own.bandwidth is not None and own.bandwidth.quota_us is not None
    if has_quota or not ("burstable" in own.path or "besteffort" in own.path) or int(text) not in derive_injected(own):
        return ""
    return (
        f"GOMAXPROCS={text} is what CRI-O sets in a container without a CPU limit, by its request, if min_injected_gomaxprocs is set"
        ' (OpenShift): the manifest need not have it, and the annotation skip-gomaxprocs.crio.io: "true" keeps it off'
    )


def derive_injected(level: CpuLevel) -> frozenset[int]:
    """What CRI-O may make of the request that this cgroup's shares or weight stand for: rounded up, or twice it rounded up; at least 1."""
    ranges = []
    if level.shares is not None:
        ranges.append((level.shares, level.shares))
    elif level.weight is not None:
        ranges += [_shares_by_line(level.weight), _shares_by_curve(level.weight)]
    return frozenset(
        value
        for least, most in ranges
        for times in (1, 2)
        for value in range(max(1, math.ceil(times * least / _SHARES)), max(1, math.ceil(times * most / _SHARES)) + 1)
    )


def _shares_by_line(weight: int) -> tuple[int, int]:
    """The shares that become this weight by 1 + (shares - 2) * 9999 / 262142, cut: KEP-2254."""
    return 2 + math.ceil((weight - 1) * 262142 / 9999), 2 + math.ceil(weight * 262142 / 9999) - 1


def _shares_by_curve(weight: int) -> tuple[int, int]:
    """The shares that become this weight by 10 ** ((l * l + 125 * l) / 612 - 7 / 34) with l = log2(shares), rounded up: runc 1.3.2."""

    def invert(value: float) -> float:
        return math.exp2((-125 + math.sqrt(125 * 125 + 4 * 612 * (math.log10(value) + 7 / 34))) / 2)

    return (2 if weight <= 1 else math.floor(invert(weight - 1)) + 1), math.floor(invert(max(1, weight)) + 1e-6)
