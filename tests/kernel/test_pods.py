"""The pods of tests/live/test_kubelet_shape.py on cgroup v2, where a sidecar sees nothing above its container."""

from __future__ import annotations

import pytest

from tests.live.test_kubelet_shape import (  # noqa: F401  # the same fixture and the same tests
    pod,
    test_a_limit_of_a_container_is_its_own_on_such_a_node,
    test_the_capacity_of_the_node_is_no_limit_of_a_program,
    test_two_containers_share_the_limit_of_their_pod,
    test_who_a_container_of_the_cgroupfs_driver_is,
)

pytestmark = [pytest.mark.kernel, pytest.mark.fetched, pytest.mark.hierarchy("v2")]
