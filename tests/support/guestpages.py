"""The table of docs/evidence.md on the guest with many CPUs: its own rows beside the recorded ones of the same cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import evidence
from tests.support.evidence import CpuCell, mean_of_ratios

ROWS = "cpu-guest8-even.csv"
RECORDED = "cpu-guest8.csv"
CPUS = 8
HEAD = (
    "quota, load",
    "seeds",
    "used of the quota",
    "1 thread",
    "rounded up",
    "floor + 1",
    "ceil + 1",
    "8",
    "recorded: rounded up",
    "floor + 1",
)


class Seen(NamedTuple):
    """What the seeds of one cell and one GOMAXPROCS say: how many, p99, use over quota, and the share of periods that were throttled."""

    seeds: int
    p99_ms: float
    used: float
    throttled: float


def seen(rows: Iterable[Mapping[str, str]], cell: CpuCell, burst_us: int = 0) -> dict[int, Seen]:
    """By GOMAXPROCS; only seeds that every GOMAXPROCS of the cell has."""
    chosen = [
        row
        for row in rows
        if row["id"] != "rep"
        and (row["kind"], float(row["quota"]), float(row["load_percent"]), int(row["burst_us"])) == (*cell[:3], burst_us)
    ]
    by_procs: dict[int, dict[str, Mapping[str, str]]] = {}
    for row in chosen:
        by_procs.setdefault(int(row["gomaxprocs_set"]), {})[row["seed"]] = row
    seeds = set.intersection(*(set(by_seed) for by_seed in by_procs.values())) if by_procs else set()
    return {
        procs: Seen(
            len(some),
            mean_of_ratios(float(row["p99_ms"]) for row in some),
            sum(float(row["usage_s"]) / float(row["wall_s"]) for row in some) / len(some) / cell.quota,
            sum(int(row["throttled"]) for row in some) / max(1, sum(int(row["periods"]) for row in some)),
        )
        for procs, by_seed in by_procs.items()
        if (some := [by_seed[seed] for seed in sorted(seeds)])
    }


def cells(rows: Iterable[Mapping[str, str]]) -> list[tuple[CpuCell, int]]:
    """(cell, burst in µs) of these rows, in the order of the table."""
    found = {
        (CpuCell(row["kind"], float(row["quota"]), float(row["load_percent"]), CPUS), int(row["burst_us"]))
        for row in rows
        if row["mode"] == "open"
    }
    return sorted(found, key=lambda pair: (pair[0].kind != "cpu", pair[0].quota, pair[0].load, pair[1]))


def guest_table_rows(path: str | Path = ROWS) -> list[Sequence[str]]:
    """A row for each cell that was run with several GOMAXPROCS; in brackets the share of throttled periods."""
    rows = evidence.read_rows(path)
    recorded = evidence.read_cpu(evidence.read_rows(RECORDED), CPUS, "open", "p99_ms")
    made: list[Sequence[str]] = []
    for cell, burst_us in cells(rows):
        by_procs = seen(rows, cell, burst_us)
        ceil, slack = max(2, math.ceil(cell.quota)), max(2, math.floor(cell.quota) + 1)
        counts = (1, ceil, slack, max(2, math.ceil(cell.quota) + 1), CPUS)
        if slack not in by_procs or not by_procs[slack].seeds:
            continue
        before = {} if burst_us else recorded.get(cell, {})
        words = f"{cell.quota:g}, {cell.load:g} %, {evidence.KINDS[cell.kind]}{', burst of one quota' if burst_us else ''}"
        made.append([
            words,
            str(by_procs[slack].seeds),
            f"{by_procs[slack].used:.2f}",
            *(f"{one.p99_ms:.1f} ({100 * one.throttled:.0f} %)" if (one := by_procs.get(count)) else "" for count in counts),
            *(f"{before[count]:.1f}" if count in before else "" for count in (ceil, slack)),
        ])  # fmt: skip
    return made
