"""Real Go programs on the bench's kernel: a share of the scenarios and the toolchains; scripts/go-matrix runs all of them."""

from __future__ import annotations

import pytest

from tests.kernel.go_matrix import Matrix, build_quick, copy_near
from tests.kernel.goscenarios import QUICK_SCENARIOS, Scenario

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The programs, near at hand, and what is known of them from one scenario to the next."""
    return Matrix(copy_near(build_quick()))


@pytest.mark.parametrize(
    "scenario", [pytest.param(scenario, id=scenario.name, marks=pytest.mark.hierarchy(*scenario.modes)) for scenario in QUICK_SCENARIOS]
)
def test_cgtune_says_what_the_programs_say(matrix: Matrix, scenario: Scenario) -> None:
    """Derived and observed values of each program are what it prints of itself; what is to die dies as derived."""
    assert matrix.run(scenario) == []
