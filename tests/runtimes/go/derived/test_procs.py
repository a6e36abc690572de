from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.model import GoDerived, QuotaSeen
from cgtune.runtimes.go.derived.procs import derive_by_itself, int32_of, limited_procs, procs_under


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


@pytest.mark.parametrize(
    ("architecture", "overflow", "nan"),
    [
        ("amd64", -(2**31), -(2**31)),
        ("386", -(2**31), -(2**31)),
        ("arm64", 2**31 - 1, 0),
        ("riscv64", 2**31 - 1, 2**31 - 1),
        ("s390x", 2**31 - 1, -(2**31)),
    ],
)
def test_what_does_not_fit_an_int32(architecture: str, overflow: int, nan: int) -> None:
    """Each architecture has its own answer, beside the last number that fits."""
    found = [int32_of(number, architecture) for number in (2.0**31 - 1, 2.0**31, float("inf"), float("nan"))]
    assert found == [2**31 - 1, overflow, overflow, nan]


def test_one_cpu_stays_one() -> None:
    """The least quota of 2 never raises the number above the CPUs that there are."""
    assert limited_procs(1, 50_000, 100_000, "amd64")[0] == 1


@pytest.mark.parametrize(
    ("cores", "cpus", "procs"), [(0.5, 1, 1), (0.5, 2, 2), (0.5, 8, 2), (1.0, 8, 2), (2.0, 8, 2), (2.00001, 8, 3), (7.5, 8, 8), (9.0, 8, 8)]
)
def test_a_quota_by_its_worth(cores: float, cpus: int, procs: int) -> None:
    """Rounded up, at least 2, and never above the CPUs: on one CPU it is 1."""
    assert procs_under(cores, cpus) == procs


@given(st.integers(1, 1 << 31), st.integers(1, 1_000_000), st.integers(1, 4096))
def test_there_is_one_arithmetic(quota_us: int, period_us: int, cpus: int) -> None:
    """What a start derives from quota and period is what the quota is worth, for all that an int32 holds."""
    if quota_us / period_us < (1 << 31) - 1:
        assert limited_procs(cpus, quota_us, period_us, "amd64")[0] == procs_under(quota_us / period_us, cpus)


@pytest.mark.parametrize(
    ("quota", "cpus", "changes", "procs"),
    [
        (50_000, 8, {}, 2),
        (50_000, 1, {}, 1),
        (300_000, 8, {}, 3),
        (300_000, 8, {"aware": False}, None),
        (300_000, 8, {"aware": None}, None),
        (300_000, 8, {"updates": False}, None),
        (300_000, 8, {"seen": None}, None),
        (None, 8, {}, None),
        (0, 8, {}, None),
    ],
)
def test_what_a_runtime_comes_to_by_itself(quota: int | None, cpus: int, changes: dict[str, object], procs: int | None) -> None:
    """A runtime that looks and follows comes to what its quota is worth; any other stays where it is put."""
    seen = QuotaSeen(files=(), quota_us=quota, period_us=None if quota is None else 100_000, cause=None, why=None)
    derived = GoDerived(
        variables=(),
        ignored=(),
        dies=None,
        dies_of=None,
        aware=True,
        aware_from="built-in",
        updates=True,
        updates_from="built-in",
        seen=seen,
        removed_godebug=None,
    )
    assert derive_by_itself(derived.replace(**changes), cpus) == procs
