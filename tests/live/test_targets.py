"""Real containers are found by what people call them."""

from __future__ import annotations

import pytest

from tests.live.containers import Podman
from tests.support.command import parse_report, run

pytestmark = pytest.mark.live


def test_a_container_by_the_beginning_of_its_id(podman: Podman) -> None:
    """Of two containers the one that is named is reported, with each of its processes and no other; an id that none has is told."""
    one, other = podman.start("--cpus", "0.5", "--memory", "256m"), podman.start()
    with one.spawn("sleep", "120") as second:
        try:
            for words in ((one.identity[:8],), ("--container", one.identity[:12]), (one.identity, "--command", "sleep")):
                processes = parse_report(run("inspect", *words, "--format", "json"))["processes"]
                assert {process["container"]["id"] for process in processes} == {one.identity}
                assert one.pid in [process["pid"] for process in processes]
                assert other.pid not in [process["pid"] for process in processes]
                assert {process["enforced"]["cpu"]["limit_cores"] for process in processes} == {0.5}
        finally:
            second.kill()
    done = run("inspect", "--container", "0123456789ab")
    assert (done.returncode, done.stdout) == (3, "")
    assert "meant by container 0123456789ab" in done.stderr
