"""Everything at once: whether ``cgtune serve`` tells of 50 honest programs as it should while attackers of every kind are at work."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.siege import MEMORY_BYTES, MOST_END_SECONDS, MOST_SCRAPE_SECONDS, Outcome, lay_siege


def show(outcome: Outcome) -> bool:
    """Print what came of it; True if all of it is as promised."""
    scrape, health = max(outcome.scrape_seconds), max(outcome.health_seconds)
    rows = (
        ("right", f"{outcome.scrapes - len(outcome.wrong)} of {outcome.scrapes} scrapes tell of the honest as before", not outcome.wrong),
        ("answers", f"{len(outcome.failed)} of {outcome.commands} commands and of the requests failed", not outcome.failed),
        ("commands", f"{outcome.command_seconds:.1f} s of CPU time at most", True),
        ("scrape", f"{1000 * statistics.median(outcome.scrape_seconds):.0f} ms, at most {1000 * scrape:.0f}", scrape < MOST_SCRAPE_SECONDS),
        (
            "healthz",
            f"{1000 * statistics.median(outcome.health_seconds):.0f} ms, at most {1000 * health:.0f}",
            health < MOST_SCRAPE_SECONDS,
        ),
        ("age", f"{statistics.median(outcome.age_seconds):.1f} s, at most {max(outcome.age_seconds):.1f}; {outcome.scans} scans", True),
        ("CPU", f"{outcome.cpu_seconds:.1f} s, {outcome.cpu_seconds / max(1, outcome.scans):.2f} a scan with all requests in it", True),
        ("memory", f"{outcome.peak_bytes / 2**20:.0f} MiB of {MEMORY_BYTES >> 20}, {outcome.kills} OOM kills", not outcome.kills),
        ("left", f"{outcome.left} processes at most not looked into in a scan", True),
        ("end", f"{outcome.end_seconds:.2f} s after SIGTERM", outcome.end_seconds < MOST_END_SECONDS),
    )
    for name, words, good in rows:
        print(f"{name:8} {words}   {'ok' if good else 'OVER'}")
    for line in (*outcome.wrong[:10], *outcome.failed[:10]):
        print(f"         {line}")
    return all(good for _, _, good in rows)


def main() -> int:
    """Lay siege, print, and return 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench/siege", description="The service among attackers of every kind.")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long; default: 180")
    parser.add_argument("--honest", type=int, default=50, help="how many honest programs; default: 50")
    parser.add_argument("--scale", type=int, choices=(1, 2, 3, 4), default=4, help="how many of each attacker; default: 4")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cgtune-siege-") as folder:
        return 0 if show(lay_siege(Path(folder), options.seconds, honest=options.honest, scale=options.scale, say=print)) else 1


if __name__ == "__main__":
    sys.exit(main())
