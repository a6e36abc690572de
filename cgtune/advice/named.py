"""Limits of a container that is not this one, as they are named to cgtune: by a person, or by Kubernetes. Pure.

Kubernetes fills in the numbers of a named container (resourceFieldRef) as ceil(quantity / divisor), a bare whole number: 2500 may be
2500 CPUs or 2.5, and 512 may be bytes or MiB. Where a number could be either, it is refused until the divisor is named. Where no limit is
set, Kubernetes fills in the node's allocatable instead, without a word; and a divisor rounds up.
"""

from __future__ import annotations

import math

from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_limit, parse_cpu_quantity
from cgtune.errors import UsageError
from cgtune.numbers import format_cpus
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Bandwidth

# 10m is the least CPU limit that the kernel enforces (a quota of 1 ms in 100 ms), so a smaller bare number is no number of thousandths.
_LEAST_MILLICORES = 10
_LEAST_NODE_CPUS = 0.5  # no node has less to give than half a CPU, and none has 500
_LEAST_MEMORY_BYTES = 4096  # a page
_SMALLEST_BARE_BYTES = 64 << 20  # below it a bare number of bytes could be one of MiB; up to 64 TiB one of MiB is below it

# What resourceFieldRef takes for memory, but for those that round up by more than a page matters: 1.5Gi / 1Gi is 2
_MEMORY_DIVISORS = {"1": 1, "1k": 10**3, "1Ki": 1 << 10, "1M": 10**6, "1Mi": 1 << 20}


# Seen with Kubernetes 1.36. For an unset limit of a container that names itself, or of no init container, the node's allocatable stands.
_NO_LIMIT = (
    "limits nothing: so Kubernetes fills in a request that is not set, and the limit of an init container that containerName names and that"
    " has none (leave containerName out there); docker and compose mean no limit by it"
)


_ALL_OF_NODE = "is all that the node has, which Kubernetes fills in where no limit is set"
_OF_POD = "is the pod's (spec.resources), not all that the node has: it is enforced here too, or less than half of the machine"


class Here(Record):
    """What is enforced on cgtune itself, and what the machine has; None: not known, or no limit."""

    limit_cores: float | None = None
    memory_bytes: int | None = None
    machine_cpus: int | None = None
    machine_bytes: int | None = None

    def enforces_cores(self, cores: float) -> bool:
        """Whether this CPU limit is one, and not all that the node has."""
        return cores == self.limit_cores or (self.machine_cpus is not None and cores * 2 < self.machine_cpus)

    def enforces_bytes(self, limit_bytes: int) -> bool:
        """The same of a memory limit; the kernel cuts it to whole pages."""
        pages = limit_bytes // _LEAST_MEMORY_BYTES
        is_own = self.memory_bytes is not None and self.memory_bytes // _LEAST_MEMORY_BYTES == pages
        return is_own or (self.machine_bytes is not None and limit_bytes * 2 < self.machine_bytes)


class NamedLimits(Record):
    """What was named, and what follows from it. ``limit_cores`` and ``memory_bytes`` None: no limit, if they were named at all.

    ``own`` is the quota of the container's own cgroup, which its runtime can see; ``limit_cores`` the least of it and the pod's.
    ``node_cpus`` are the CPUs of the node, None where nobody said; ``is_as_node``: a limit is equal to what was named as the node's.
    ``cpu_says`` and ``memory_says`` are what a reader has to know of the limits.
    """

    is_cpu_named: bool
    own: Bandwidth | None
    limit_cores: float | None
    cpu_says: tuple[str, ...]
    is_memory_named: bool
    memory_bytes: int | None
    memory_says: tuple[str, ...]
    node_cpus: int | None
    is_rounded: bool
    is_as_node: bool = False

    def on_node(self, here: Here, why: str) -> NamedLimits:
        """The same for a program that runs on the machine of ``here``, and has no more than its CPUs; ``why`` says how that is known."""
        if here.machine_cpus is None:
            return self
        says: tuple[str, ...] = ()
        if self.limit_cores is not None and self.limit_cores >= here.machine_cpus:
            says = (f"{why}, which has {format_cpus(here.machine_cpus)} (--node-cpus names those of another)",)
        return self.replace(node_cpus=here.machine_cpus, cpu_says=self.cpu_says + says)


def parse_named(  # noqa: PLR0913  # one argument for each option
    here: Here | None = None,
    /,
    *,
    cpu_limit: str | None = None,
    memory_limit: str | None = None,
    cpu_request: str | None = None,
    pod_cpu_limit: str | None = None,
    pod_memory_limit: str | None = None,
    node_cpus: str | None = None,
    node_memory: str | None = None,
    cpu_divisor: str | None = None,
    memory_divisor: str | None = None,
) -> NamedLimits:
    """Limits as options and their twins say them. Raises UsageError for what is impossible, or could mean two things.

    ``here`` tells a limit from what the node has: where a pod has one for all (spec.resources), Kubernetes fills in that for both.
    """
    if cpu_divisor not in (None, "1", "1m"):
        why = "is neither 1 nor 1m, and Kubernetes has no other for CPUs"
        raise UsageError(f"--cpu-divisor {cpu_divisor[:40]!a} {why}; example: --cpu-divisor 1m")
    if memory_divisor is not None and memory_divisor not in _MEMORY_DIVISORS:
        why = f"is not one of {', '.join(_MEMORY_DIVISORS)}; larger ones round up too far"
        raise UsageError(f"--memory-divisor {memory_divisor[:40]!a} {why}; example: --memory-divisor 1")
    node = None if node_cpus is None else _parse_node_cpus(node_cpus, cpu_divisor)
    says: list[str] = []
    is_as_node = False
    own, is_rounded = (None, False) if cpu_limit is None else _parse_limit(cpu_limit, "--cpu-limit", cpu_divisor)
    if cpu_request is not None:
        says += _judge_request(cpu_request, cpu_divisor, own)
    if cpu_limit is not None and own is not None and own.limit_cores == _LEAST_MILLICORES / 1000:
        says += _judge_tiny(cpu_limit, cpu_divisor)
    if own is not None and own.limit_cores is not None and node is not None and _is_node(own.limit_cores, node, is_rounded=is_rounded):
        is_as_node = True
        if here is not None and here.enforces_cores(own.limit_cores):
            says.append(f"the limit of {format_cpus(own.limit_cores)} {_OF_POD}")
        else:
            says.append(f"the limit of {format_cpus(own.limit_cores)} {_ALL_OF_NODE}")
            own, is_rounded = own.replace(quota_us=None), False
    limit_cores = None if own is None else own.limit_cores
    is_as_node = is_as_node or _is_memory_of_node(memory_limit, node_memory, memory_divisor)
    if pod_cpu_limit is not None:
        pod, is_pod_rounded = _parse_limit(pod_cpu_limit, "--pod-cpu-limit", cpu_divisor)
        if pod.limit_cores is not None and (limit_cores is None or pod.limit_cores < limit_cores):
            limit_cores, is_rounded = pod.limit_cores, is_pod_rounded
            says.append("the pod's limit is the tightest")
    memory, memory_says = _parse_memory(memory_limit, pod_memory_limit, node_memory, memory_divisor, here)
    return NamedLimits(
        is_cpu_named=cpu_limit is not None or pod_cpu_limit is not None,
        own=own,
        limit_cores=limit_cores,
        cpu_says=tuple(says),
        is_memory_named=memory_limit is not None or pod_memory_limit is not None,
        memory_bytes=memory,
        memory_says=memory_says,
        node_cpus=None if node is None else math.ceil(node),
        is_rounded=is_rounded,
        is_as_node=is_as_node,
    )


def _is_bare(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _parse_limit(text: str, option: str, divisor: str | None) -> tuple[Bandwidth, bool]:
    """A CPU limit, and whether it may be a fraction that was rounded up."""
    if not _is_bare(text):
        return parse_cpu_limit(text, option), False
    if not int(text):
        raise UsageError(f"{option} 0 {_NO_LIMIT}; write {option} max")
    return parse_cpu_limit(_with_unit(text, option, divisor, _LEAST_MILLICORES), option), divisor != "1m"


def _with_unit(text: str, option: str, divisor: str | None, least_milli: int) -> str:
    """A bare number of CPUs with the unit that its divisor gives it. Raises UsageError where it could be thousandths and nobody says."""
    if divisor == "1m":
        return f"{text}m"
    if divisor is None and int(text) >= least_milli:
        why = f"may be {text} CPUs or {text}m, Kubernetes writes both without a unit"
        raise UsageError(f"{option} {text} {why}; add --cpu-divisor 1 or 1m (CGTUNE_CPU_DIVISOR), or write {text}m")
    return text


def _parse_node_cpus(text: str, divisor: str | None) -> float:
    written = _with_unit(text, "--node-cpus", divisor, round(_LEAST_NODE_CPUS * 1000)) if _is_bare(text) else text
    cores = parse_cpu_quantity(written, "--node-cpus")
    if cores < _LEAST_NODE_CPUS:
        raise UsageError(f"--node-cpus {text} is {cores:g} CPUs, and no node has so few; write 64.0 or 64000m for 64 CPUs")
    return cores


def _judge_request(text: str, divisor: str | None, own: Bandwidth | None) -> list[str]:
    is_bare = _is_bare(text)
    request = parse_cpu_quantity(_with_unit(text, "--cpu-request", divisor, _LEAST_MILLICORES) if is_bare else text, "--cpu-request")
    if own is None or own.limit_cores is None:
        return [f"the request of {format_cpus(request)} limits nothing"] if request else []
    is_rounded = is_bare and divisor != "1m"  # then the request itself is more than a CPU less
    if request - 1 >= own.limit_cores if is_rounded else request > own.limit_cores:
        shown = format_cpus(own.limit_cores)
        raise UsageError(f"--cpu-request {text} is above the limit of {shown}, which Kubernetes refuses; look at both again")
    return []


def _judge_tiny(text: str, divisor: str | None) -> list[str]:
    """What to know of a limit that was raised to the least one: 3 with --cpu-divisor 1m may also be 3 CPUs without its divisor."""
    if text in ("max", f"{_LEAST_MILLICORES}m") or " " in text:
        return []
    asked = f"{text}m" if _is_bare(text) else text
    says = [f"the limit of {asked} is enforced as {_LEAST_MILLICORES}m, the least that the kubelet and the kernel know"]
    if _is_bare(text) and divisor == "1m":
        says.append(f"if {text} CPUs were meant, its resourceFieldRef lacks divisor: 1m")
    return [] if asked == f"{_LEAST_MILLICORES}m" else says


def _is_node(cores: float, node: float, *, is_rounded: bool) -> bool:
    return cores == node or (is_rounded and cores == math.ceil(node))


def _parse_memory(
    limit: str | None, pod_limit: str | None, node_memory: str | None, divisor: str | None, here: Here | None
) -> tuple[int | None, tuple[str, ...]]:
    """The least limit in bytes, and what a reader has to know of it."""
    says: list[str] = []
    own = None if limit is None else _parse_bytes(limit, "--memory-limit", divisor)
    pod = None if pod_limit is None else _parse_bytes(pod_limit, "--pod-memory-limit", divisor)
    node = None if node_memory is None else _parse_bytes(node_memory, "--node-memory", divisor)
    if own is not None and own == node:
        is_enforced = here is not None and here.enforces_bytes(own)
        says.append(f"the limit of {own} bytes {_OF_POD if is_enforced else _ALL_OF_NODE}")
        own = own if is_enforced else None
    least = min((one for one in (own, pod) if one is not None), default=None)
    if least is not None and least != own:
        says.append("the pod's limit is the tightest, and what its other containers use of it is for --outside to say")
    return least, tuple(says)


def _is_memory_of_node(limit: str | None, node_memory: str | None, divisor: str | None) -> bool:
    if limit is None or node_memory is None:
        return False
    own = _parse_bytes(limit, "--memory-limit", divisor)
    return own is not None and own == _parse_bytes(node_memory, "--node-memory", divisor)


def _parse_bytes(text: str, option: str, divisor: str | None) -> int | None:
    if text == "max":
        return None
    if not _is_bare(text):
        return parse_byte_quantity(text, option, least=_LEAST_MEMORY_BYTES)
    if not int(text):
        raise UsageError(f"{option} 0 {_NO_LIMIT}; write {option} max")
    if divisor is None and int(text) < _SMALLEST_BARE_BYTES:
        why = f"may be {text} bytes or so many MiB, Kubernetes writes both without a unit"
        raise UsageError(f"{option} {text} {why}; add --memory-divisor 1 for bytes, 1Mi for MiB (CGTUNE_MEMORY_DIVISOR), or a unit")
    return parse_byte_quantity(str(int(text) * _MEMORY_DIVISORS[divisor or "1"]), option, least=_LEAST_MEMORY_BYTES)
