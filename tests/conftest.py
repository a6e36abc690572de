from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.needs import require
from tests.support.toolchains import ToolchainUnavailable

# No deadline: on a machine with two busy cores a slow example says nothing about the code. In CI the examples are the same in every run,
# so that a red build is the fault of the change it tests; at a desk they are new each time.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A test whose Go toolchain cannot be fetched is like any other that cannot run here."""
    try:
        return (yield)
    except ToolchainUnavailable as error:
        require(False, f"the Go toolchain cannot be fetched: {error}")
        raise
