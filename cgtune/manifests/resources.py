"""Limits and requests of Kubernetes as the API server reads them, and the numbers that resourceFieldRef makes of them. Pure."""

from __future__ import annotations

from cgtune.advice.quantities import parse_quantity
from cgtune.manifests.scalars import find_placeholder, render_number
from cgtune.manifests.workload import Bytes, Cpus, Flaw
from cgtune.manifests.yamltext import is_null, members, value_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.manifests.workload import Place
    from cgtune.manifests.yamltext import Document

MOST_BYTES = (1 << 63) - 1
_MOST_CORES = 1_000_000
# What a divisor may come to, as numerator and denominator, by the first letter behind "limits." (pkg/apis/core/validation).
_CPU_DIVISORS = ((1, 1), (1, 1000))
_DECIMAL_DIVISORS = tuple((1000**power, 1) for power in range(7))
_BINARY_DIVISORS = tuple((1024**power, 1) for power in range(1, 7))


class Resources(Record):
    """The ``resources`` of a container or of a pod. None: not written; an amount that limits nothing (0, null) is there."""

    cpu_limit: Cpus | None = None
    cpu_request: Cpus | None = None
    memory_limit: Bytes | None = None
    memory_request: Bytes | None = None
    place: Place | None = None
    flaws: tuple[Flaw, ...] = ()


def read_resources(document: Document, node: Any) -> Resources:
    """Limits and requests with their places. What the API server refuses is a flaw and no amount."""
    if node is None or node.id != "mapping":
        return Resources()
    groups = {key: members(group) for key, group in members(node).items()}
    limits, requests = groups.get("limits", {}), groups.get("requests", {})
    flaws: list[Flaw] = []
    return Resources(
        cpu_limit=_read_cpus(document, limits.get("cpu"), "limits.cpu", flaws),
        cpu_request=_read_cpus(document, requests.get("cpu"), "requests.cpu", flaws),
        memory_limit=read_bytes(document, limits.get("memory"), "limits.memory", flaws),
        memory_request=read_bytes(document, requests.get("memory"), "requests.memory", flaws),
        place=document.place(node),
        flaws=tuple(flaws),
    )


def _read_cpus(document: Document, node: Any, what: str, flaws: list[Flaw]) -> Cpus | None:
    """CPUs to the next thousandth; a number that nobody can mean is the most that we count."""
    number, unknown = _read_quantity(document, node, what, flaws)
    if number is None:
        return Cpus(written=node.value, cores=None, place=document.place(node), unknown=unknown) if unknown else None
    cores = min(-(-number[0] * 1000 // number[1]) / 1000, _MOST_CORES)
    return Cpus(written=node.value, cores=cores or None, place=document.place(node))


def read_bytes(document: Document, node: Any, what: str, flaws: list[Flaw]) -> Bytes | None:
    """Bytes, to the next whole one."""
    number, unknown = _read_quantity(document, node, what, flaws)
    if number is None:
        return Bytes(written=node.value, size_bytes=None, place=document.place(node), unknown=unknown) if unknown else None
    size = min(-(-number[0] // number[1]), MOST_BYTES)
    return Bytes(written=node.value, size_bytes=size or None, place=document.place(node))


def _read_quantity(document: Document, node: Any, what: str, flaws: list[Flaw]) -> tuple[tuple[int, int] | None, str | None]:
    """Returns ((numerator, denominator), why it is not known); null is 0, as the API server takes it. Both None: there is none."""
    if node is None:
        return None, None
    if is_null(node):
        return (0, 1), None
    text = quantity_text(node)
    number = parse_quantity(text)
    if number is not None and number[0] >= 0:
        return number, None
    placeholder = find_placeholder(text) or (text if text.startswith("$(") else None)
    if placeholder is not None:
        return None, f"it holds {placeholder}, which another program may fill in"
    written = node.value if node.id == "scalar" else f"a {node.id}"
    detail = f"the API server refuses the object: it is {'no quantity' if number is None else 'negative'}"
    flaws.append(Flaw(what=what, written=written, cause="bad-quantity", detail=detail, place=document.place(node)))
    return None, None


def quantity_text(node: Any) -> str:
    """A quantity as the API server gets it: text as it is, of a number what kubectl makes of it; "" of anything else."""
    value = value_of(node)
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, bool) else render_number(value)


def is_divisor(resource: str, text: str) -> bool:
    """Whether the API server takes a divisor: 1 and 1m of CPUs; 1, 1k to 1E and 1Ki to 1Ei of bytes, in any spelling."""
    number = parse_quantity(text)
    if number is None:
        return False
    numerator, denominator = number
    if not numerator:
        return True  # none, which counts as 1
    suffix = text.strip().lstrip("+0123456789.")
    one_of = _CPU_DIVISORS if resource.endswith(".cpu") else _BINARY_DIVISORS if suffix.endswith("i") else _DECIMAL_DIVISORS
    has_exponent = suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei"
    return any(numerator * small == large * denominator for large, small in one_of) and (not has_exponent or numerator == denominator)


def divide(resource: str, amount: float, divisor: str | None) -> str | None:
    """What the kubelet writes for an amount (CPUs, or bytes), rounded up as it does it; None if nobody can say.

    pkg/api/v1/resource/helpers.go divides thousandths of CPUs, or bytes, as floating-point numbers.
    """
    from math import ceil

    numerator, denominator = parse_quantity(divisor or "1") or (1, 1)
    if not numerator:
        numerator, denominator = 1, 1
    if resource.endswith(".cpu"):
        return str(ceil(round(amount * 1000) / -(-numerator * 1000 // denominator)))
    if amount >= MOST_BYTES:
        return None  # beyond what it counts in; 100E became "0" in Kubernetes 1.36
    return str(ceil(float(amount) / -(-numerator // denominator)))
