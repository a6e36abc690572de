from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from tests.differential.compare import ENVIRONMENT_VERSIONS, LIMIT_VERSIONS, compare_environments, compare_limits
from tests.differential.oracle import build_oracle
from tests.support.needs import only_where

pytestmark = pytest.mark.fetched

QUICK = 300  # a few seconds; scripts/differential runs 20 000 of each


@pytest.fixture(scope="module", autouse=True)
def oracles() -> None:
    """The oracles are built, or the tests cannot run here."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    for version in {*LIMIT_VERSIONS, *ENVIRONMENT_VERSIONS}:
        build_oracle(version)


@pytest.mark.slow
def test_the_limit_file_is_found_and_read_as_go_does_it() -> None:
    """On drawn texts of cgroup, mountinfo and limit files the mirror says what Go's own parsers say."""
    seen = compare_limits(QUICK)
    assert seen["cases"] >= QUICK
    for version in LIMIT_VERSIONS:  # the cases reach deep: neither all nor none of them end in a limit
        assert seen[f"{version}: limit lowers"] > QUICK // 50
        assert seen[f"{version}: no limit"] > QUICK // 50


@pytest.mark.slow
def test_the_environment_is_read_as_go_does_it() -> None:
    """On drawn environments and GODEBUG strings the mirror says what Go's own parsers say."""
    seen = compare_environments(QUICK)
    assert seen["cases"] >= QUICK
    for version in ENVIRONMENT_VERSIONS:
        assert min(seen[f"{version}: lives"], seen[f"{version}: dies"]) > QUICK // 50


@pytest.mark.slow
@pytest.mark.parametrize("compare", [compare_limits, compare_environments])
def test_a_mirror_of_the_wrong_version_is_found_out(compare: Callable[..., object]) -> None:
    """The comparison can fail: with the mirror playing 1.25 beside the oracle of 1.26 it does."""
    with pytest.raises(AssertionError, match=r"1\.2[56]"):
        compare(2000, ("1.26.6",), mirror="1.25.5")
