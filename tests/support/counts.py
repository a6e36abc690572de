"""What is asked of the kernel, parsed and made while something runs: counts are the same on a busy machine, times are not.

Whoever measures another checkout runs this file by its path: it imports nothing of this one.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

_CALLS = {
    "open": "opens",
    "close": "closes",
    "read": "reads",
    "pread": "reads",
    "readlink": "links",
    "listdir": "lists",
    "stat": "stats",
    "fstat": "stats",
}


@contextlib.contextmanager
def counting() -> Iterator[Counter[str]]:
    """Opens, reads, their bytes, links, listings and stats of this process; the kernel's texts that are parsed; records made."""
    from cgtune import records
    from cgtune.cgroups import kernel

    counts: Counter[str] = Counter()
    genuine: list[tuple[Any, str, Callable[..., Any]]] = []

    def count(place: Any, name: str, key: str) -> None:
        real = getattr(place, name)

        def call(*arguments: Any, **named: Any) -> Any:
            counts[key] += 1
            answer = real(*arguments, **named)
            if key == "reads":
                counts["bytes"] += len(answer)
            return answer

        genuine.append((place, name, real))
        setattr(place, name, call)

    for name, key in _CALLS.items():
        count(os, name, key)
    for name in dir(kernel):
        if name.startswith("parse_"):
            count(kernel, name, "parses")
    for made in _all_below(records.Record):
        for name in ("__init__", "replace"):
            if name in vars(made):  # of each of which many were made before, its own
                count(made, name, "records")
    many, records._MANY = getattr(records, "_MANY", 0), 0  # no more of these
    try:
        yield counts
    finally:
        records._MANY = many
        for place, name, real in genuine:
            setattr(place, name, real)


def _all_below(top: type[Any]) -> Iterator[type[Any]]:
    yield top
    for below in top.__subclasses__():
        yield from _all_below(below)
