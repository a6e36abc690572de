"""Sets of CPUs, and amounts as Docker takes them. Pure."""

from __future__ import annotations

_MOST_CPUS = 8192  # CONFIG_NR_CPUS goes no further


def parse_cpus(text: str) -> frozenset[int] | None:
    """CPUs by number and range, with commas or blanks between: ``0-3,7``. None for what is none, an empty list too."""
    found: set[int] = set()
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        ends = [
            int(one) if one.isascii() and one.isdigit() and len(one) <= 5 else -1 for one in ((first, last) if dash else (first, first))
        ]
        if not 0 <= ends[0] <= ends[1] < _MOST_CPUS:
            return None
        found.update(range(ends[0], ends[1] + 1))
    return frozenset(found) or None
