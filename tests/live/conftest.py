from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.live import cgroups, containers


@pytest.fixture(scope="session", autouse=True)
def _swept() -> Iterator[None]:
    """Nothing of an earlier run stands in the way, and nothing of this one stays behind."""
    if os.geteuid() == 0:
        cgroups.sweep()
    yield
    containers.remove_empty_parents()


@pytest.fixture
def groups(_swept: None) -> Iterator[cgroups.Groups]:
    """Control groups of the test's own."""
    with cgroups.own_groups() as own:
        yield own


@pytest.fixture(scope="module")
def podman(_swept: None) -> Iterator[containers.Podman]:
    """Real containers; those still running when the module is done are removed."""
    with containers.own_containers() as own:
        yield own
