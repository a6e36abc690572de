"""Sets of CPUs, and amounts as Docker takes them. Pure."""

from __future__ import annotations

_MOST_LETTERS = 4096
_LONGEST_NUMBER = 40
_MOST_CPUS = 8192  # CONFIG_NR_CPUS goes no further


def parse_cpus(text: str) -> frozenset[int] | None:
    """CPUs by number and range, with commas or blanks between: ``0-3,7``. None for what is none, an empty list too."""
    found: set[int] = set()
    if len(text) > _MOST_LETTERS:
        return None
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        ends = [
            int(one) if one.isascii() and one.isdigit() and len(one) <= 5 else -1 for one in ((first, last) if dash else (first, first))
        ]
        if not 0 <= ends[0] <= ends[1] < _MOST_CPUS:
            return None
        found.update(range(ends[0], ends[1] + 1))
    return frozenset(found) or None


def parse_docker_size(text: str) -> int | None:
    """Bytes as Docker and Compose read text: ``512m``, ``1.5GB``, ``512 MiB``; all letters are powers of 1024. None for what is none.

    github.com/docker/go-units, RAMInBytes.
    """
    import re

    found = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))? ?(?:([kKmMgGtTpP])?[iI]?[bB]?)", text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        return None
    factor = 1 << 10 * (" kmgtp".index((found[3] or " ").lower()))
    decimals = found[2] or ""
    size = int(found[1]) * factor + int(decimals or 0) * factor // 10 ** len(decimals)
    return size if size < 1 << 63 else None


def parse_float(text: str) -> float | None:
    """A number as Go's ParseFloat takes it, without the hexadecimal ones; None for what is none, or is not finite."""
    import re

    # The length first: of many digits with a letter behind them the pattern tries each place for the missing point.
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"[+-]?([0-9_]+\.?[0-9_]*|\.[0-9_]+)([eE][+-]?[0-9]+)?", text):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
