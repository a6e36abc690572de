from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kernel import subjects
from tests.live import cgroups
from tests.support.needs import require


def pytest_configure(config: pytest.Config) -> None:
    """Register the two markers that only these tests have."""
    config.addinivalue_line("markers", "hierarchy(*modes): a kernel test for some of v2, v1 and hybrid only")
    config.addinivalue_line(
        "markers", "v1_memory: outside v2, a kernel test for v1's memory controller, which Debian 12's kernel is the last to have"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the bench's hierarchy cannot show, or shows by the same path through the code as another; that one's run has it."""
    here = os.environ.get("CGTUNE_BENCH")
    marks = {item: item.get_closest_marker("hierarchy") for item in items}
    elsewhere = [item for item, mark in marks.items() if here and mark and here not in mark.args]
    if here in ("v1", "hybrid") and cgroups.hierarchies().get("memory", (2,))[0] == 2:
        elsewhere += [item for item in items if item not in elsewhere and item.get_closest_marker("v1_memory")]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(scope="session", autouse=True)
def mode() -> str:
    """The hierarchy of this bench: v2, v1 or hybrid."""
    here = os.environ.get("CGTUNE_BENCH", "")
    require(here, "needs a kernel of its own: scripts/test --kernel starts it")
    return here


@pytest.fixture(scope="session", autouse=True)
def _files_are_known() -> None:
    """What was found out about executables and libraries is kept from one look to the next, as for a node agent.

    Most of these tests look at a Python, whose 38 files cost three quarters of a look, some 300 ms here.
    """
    from cgtune.machineview import MachineView
    from cgtune.runtimes.go.programs import Known

    setattr(MachineView, "known", Known())  # noqa: B010  # in place of the property that starts afresh


@pytest.fixture
def groups(mode: str) -> Iterator[cgroups.Groups]:
    """Control groups of the test's own."""
    with cgroups.own_groups() as own:
        yield own


@pytest.fixture
def targets(groups: cgroups.Groups) -> Iterator[subjects.Targets]:
    """Processes to look at, inside the groups of the test; they end before the groups are removed."""
    own = subjects.Targets()
    yield own
    own.end()
