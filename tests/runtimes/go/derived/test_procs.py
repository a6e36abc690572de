from __future__ import annotations

import pytest

from cgtune.runtimes.go.derived.procs import limited_procs


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        (50_000, 100_000, 2),
        (0, 100_000, 2),
        (-1, 100_000, 2),
        (-1, 0, 2),
        (200_000, 100_000, 2),
        (200_001, 100_000, 3),
        (3001, 1000, 4),
        (300_000, -100_000, 2),
        (1_599_999, 100_000, 16),
        (1_600_001, 100_000, 16),
        (2_147_483_647, 1, 16),
        (2_147_483_648, 1, -(2**31)),
        (1, 0, -(2**31)),
        (0, 0, -(2**31)),
    ],
)
def test_quota_to_processors(quota: int, period: int, expected: int) -> None:
    """The quotient is rounded up, is never below 2, never above the CPUs, and breaks past 32 bits."""
    assert limited_procs(16, quota, period, "amd64")[0] == expected


def test_one_cpu_stays_one() -> None:
    """The least quota of 2 never raises the number above the CPUs that there are."""
    assert limited_procs(1, 50_000, 100_000, "amd64")[0] == 1
