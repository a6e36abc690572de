"""One container, half a CPU and 256 MiB, seen from every place a user may stand: the answer is the same each time."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.live.containers import Container, Podman
from tests.support.command import ROOT, inspect, only_process, parse_report, run

pytestmark = pytest.mark.live

_CGTUNE = str(ROOT / "scripts" / "cgtune")


@pytest.fixture(scope="module")
def target(podman: Podman) -> Container:
    """A container with half a CPU and 256 MiB, asleep."""
    return podman.start("--cpus", "0.5", "--memory", "256m")


def _assert_half_a_cpu_and_256_mib(process: dict[str, Any]) -> None:
    assert process["enforced"]["cpu"]["limit_cores"] == 0.5
    assert process["enforced"]["memory"]["limit_bytes"] == 268435456


def _report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return only_process(parse_report(done))


def test_from_inside(target: Container) -> None:
    """cgtune in the container itself, of itself and of its neighbour."""
    itself = _report(target.run(_CGTUNE, "inspect", "--self", "--format", "json"))
    _assert_half_a_cpu_and_256_mib(itself)
    assert itself["self"] is True
    neighbour = _report(target.run(_CGTUNE, "inspect", "--pid", "1", "--format", "json"))
    _assert_half_a_cpu_and_256_mib(neighbour)
    assert (neighbour["pid"], neighbour["self"], neighbour["command"]) == (1, False, "sleep")


def test_from_inside_as_the_only_program(podman: Podman) -> None:
    """The quickest thing to try: podman run --cpus 0.5 --memory 256m ... cgtune inspect, without any option."""
    done = podman.run("--cpus", "0.5", "--memory", "256m", argv=(_CGTUNE, "inspect", "--format", "json"))
    process = parse_report(done)["processes"][0]
    _assert_half_a_cpu_and_256_mib(process)
    assert process["self"] is True


def test_from_the_host(target: Container) -> None:
    """The host names the container's process by the host's pid, and learns which container it is."""
    process = inspect(target.pid)
    _assert_half_a_cpu_and_256_mib(process)
    assert target.identity in process["enforced"]["cpu"]["bound_by"]
    assert process["container"]["id"] == target.identity
    assert process["container"]["runtime"] == "podman"


def test_from_the_host_as_a_table(target: Container) -> None:
    """The table of the same process says so in its first lines, within 80 columns."""
    done = run("inspect", "--pid", target.pid, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    verdict = "\n".join(done.stdout.splitlines()[:8])
    assert "0.5" in verdict
    assert "256" in verdict


def test_from_a_sidecar(podman: Podman, target: Container) -> None:
    """A second container that shares the pids, with other limits of its own, reports those of the first."""
    done = podman.run(
        *("--pid", f"container:{target.name}", "--cpus", "0.25", "--memory", "128m"),
        argv=(_CGTUNE, "inspect", "--pid", "1", "--format", "json"),
    )
    process = _report(done)
    _assert_half_a_cpu_and_256_mib(process)
    assert (process["pid"], process["self"]) == (1, False)


@pytest.mark.parametrize("namespace", ["host", "private"])
def test_from_a_node_agent(podman: Podman, target: Container, namespace: str) -> None:
    """A container with the host's /proc and /sys below /host reports the container by the host's pid, whatever its own namespace is."""
    done = podman.run(
        *("--volume", "/proc:/host/proc:ro", "--volume", "/sys:/host/sys:ro", "--cgroupns", namespace),
        *("--cap-add", "SYS_PTRACE", "--cpus", "0.25", "--memory", "128m"),
        argv=(_CGTUNE, "inspect", "--root", "/host", "--pid", str(target.pid), "--format", "json"),
    )
    process = _report(done)
    _assert_half_a_cpu_and_256_mib(process)
    assert process["pid"] == target.pid


def test_a_limit_that_podman_changes_is_reported_as_it_is_now(podman: Podman) -> None:
    """After podman update the host and the inside see the new limits of the running container."""
    container = podman.start("--cpus", "0.5", "--memory", "256m")
    podman.update(container, "--cpus", "0.75", "--memory", "192m")
    for process in (inspect(container.pid), _report(container.run(_CGTUNE, "inspect", "--pid", "1", "--format", "json"))):
        assert process["enforced"]["cpu"]["limit_cores"] == 0.75
        assert process["enforced"]["memory"]["limit_bytes"] == 192 << 20


def test_an_unlimited_container_has_no_limit_of_its_own(podman: Podman) -> None:
    """Without --cpus and --memory the container's own group limits nothing: null, and no limit is invented inside."""
    container = podman.start()
    inside = _report(container.run(_CGTUNE, "inspect", "--pid", "1", "--format", "json"))
    assert inside["enforced"]["cpu"]["limit_cores"] is None
    assert inside["enforced"]["memory"]["limit_bytes"] is None


def test_cpuset_cpus_of_a_container(podman: Podman) -> None:
    """--cpuset-cpus 0 leaves one CPU to use, from inside and from the host."""
    container = podman.start("--cpuset-cpus", "0")
    inside = _report(container.run(_CGTUNE, "inspect", "--pid", "1", "--format", "json"))
    assert (inside["enforced"]["cpu"]["usable_cpus"], inspect(container.pid)["enforced"]["cpu"]["usable_cpus"]) == (1, 1)
