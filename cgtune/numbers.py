"""Numbers of CPUs and bytes as people and Go read them; below everybody."""

from __future__ import annotations


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
