"""Real containers on the bench's kernel: half a CPU and 256 MiB, seen from inside, from outside, from a sidecar and from a node agent."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import bench, places, subjects
from tests.support.command import PROGRAM
from tests.support.needs import require

pytestmark = pytest.mark.kernel

_LIMITS = ("--cpus", "0.5", "--memory", "256m")
_INSPECT = (*PROGRAM, "inspect", "--format", "json")
_numbers = itertools.count()


class Podman:
    """Podman with one runtime, over this machine's own files, whose groups podman itself makes."""

    def __init__(self, runtime: str, storage: Path) -> None:
        self._program = ("podman", "--root", str(storage), "--cgroup-manager=cgroupfs", "--runtime", runtime)
        self.names: list[str] = []

    def _told(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(arguments[:6])}: {done.stderr}"
        return done.stdout.strip()

    def run(self, *options: str, argv: tuple[str, ...], detach: bool = False) -> str:
        """The output of a program in a container of its own; of a detached one, the container's id."""
        self.names.append(f"cgtune-test-{next(_numbers)}")
        how = ("--detach",) if detach else ("--rm",)
        return self._told("run", *how, "--name", self.names[-1], "--network", "none", *options, "--rootfs", "/:O", *argv)

    def exec(self, name: str, *argv: str) -> str:
        """The output of a program in a running container."""
        return self._told("exec", name, *argv)

    def pid(self, name: str) -> int:
        """The container's first process, as the host counts."""
        return int(self._told("inspect", "--format", "{{.State.Pid}}", name))

    def update(self, name: str, *options: str) -> None:
        """Change the limits of a running container."""
        self._told("update", *options, name)

    def remove(self) -> None:
        for name in reversed(self.names):
            self._told("rm", "--force", "--ignore", "--time", "0", name)


def _runtime() -> str:
    # Debian 12's crun refuses a machine whose cgroup2 hierarchy holds no controllers; so each of the two has its turn.
    return "crun" if os.environ.get("CGTUNE_BENCH") == "v2" else "runc"


@pytest.fixture(scope="module", params=[_runtime()])
def podman(request: pytest.FixtureRequest, mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with this runtime; its containers are gone when the module is done."""
    missing = [name for name in ("podman", request.param) if not shutil.which(name)]
    require(not missing, f"apt-get install --no-install-recommends {' '.join(missing)}")
    storage = tmp_path_factory.mktemp("containers")
    # The bench's root is an overlay, which cannot carry the upper layer of another one.
    places.mount("tmpfs", storage, "tmpfs")
    own = Podman(request.param, storage)
    yield own
    own.remove()
    places.unmount(storage)


@pytest.fixture(scope="module")
def container(podman: Podman) -> tuple[str, str, int]:
    """Name, id and first process of a container that sleeps."""
    identity = podman.run(*_LIMITS, argv=("sleep", "600"), detach=True)
    name = podman.names[-1]
    return name, identity, podman.pid(name)


def _only(text: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads(text)["processes"]
    assert len(entries) == 1
    return entries[0]


def _assert_limits(entry: dict[str, Any], cores: float = 0.5, limit_bytes: int = 268435456) -> None:
    assert entry["enforced"]["cpu"]["limit_cores"] == cores
    assert entry["enforced"]["memory"]["limit_bytes"] == limit_bytes


@pytest.mark.v1_memory
def test_from_inside(podman: Podman, container: tuple[str, str, int]) -> None:
    """cgtune in the container, of the process that is pid 1 there."""
    entry = _only(podman.exec(container[0], *_INSPECT, "--pid", "1"))
    _assert_limits(entry)
    assert (entry["pid"], entry["command"], entry["self"]) == (1, "sleep", False)


@pytest.mark.hierarchy("v2", "v1")
def test_from_inside_as_the_only_program(podman: Podman) -> None:
    """podman run --cpus 0.5 --memory 256m ... cgtune inspect: this container first, which cgtune itself stands for."""
    first = json.loads(podman.run(*_LIMITS, argv=_INSPECT))["processes"][0]
    _assert_limits(first)
    assert first["self"] is True


@pytest.mark.v1_memory
def test_from_outside(container: tuple[str, str, int]) -> None:
    """The host names the process by its own count, sees the chain to the root and learns which container it is."""
    _, identity, pid = container
    entry = bench.inspect(pid)
    _assert_limits(entry)
    assert entry["container"]["id"] == identity
    assert entry["container"]["runtime"] == "podman"
    assert identity in entry["enforced"]["cpu"]["bound_by"]
    assert entry["enforced"]["cpu"]["chain"][-1]["path"] == "/"


@pytest.mark.hierarchy("v2", "v1")
def test_from_a_sidecar(podman: Podman, container: tuple[str, str, int]) -> None:
    """A second container with other limits that shares the first one's pids reports the first one's."""
    shared = ("--pid", f"container:{container[0]}", "--cpus", "0.25", "--memory", "128m")
    _assert_limits(_only(podman.run(*shared, argv=(*_INSPECT, "--pid", "1"))))


@pytest.mark.parametrize(
    "namespace",
    [pytest.param("host", marks=pytest.mark.hierarchy("v2", "v1")), pytest.param("private", marks=pytest.mark.hierarchy("v2"))],
)
def test_from_a_node_agent(podman: Podman, container: tuple[str, str, int], namespace: str) -> None:
    """A container with the host's /proc and /sys below /host reports another one by the host's pid."""
    below = (
        "--volume",
        "/proc:/host/proc:ro",
        "--volume",
        "/sys:/host/sys:ro",
        "--cgroupns",
        namespace,
        "--pid",
        "host",
        "--cap-add",
        "SYS_PTRACE",
    )
    entry = _only(podman.run(*below, argv=(*_INSPECT, "--root", "/host", "--pid", str(container[2]))))
    _assert_limits(entry)
    assert entry["container"]["id"] == container[1]


@pytest.mark.hierarchy("v2")
def test_from_the_node_agent_that_is_deployed(podman: Podman, container: tuple[str, str, int]) -> None:
    """With the folders and the rights of deploy/kustomize/node-agent it sees the whole chain; on cgroup v2 it can write no limit."""
    folders = ("/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu")
    rights = ("--cap-drop", "ALL", "--cap-add", "SYS_PTRACE", "--cap-add", "DAC_READ_SEARCH", "--security-opt", "no-new-privileges")
    below = (*(word for each in folders for word in ("--volume", f"{each}:/host{each}:ro")), *rights, "--cgroupns", "private")
    entry = _only(podman.run(*below, argv=(*_INSPECT, "--root", "/host", "--pid", str(container[2]))))
    _assert_limits(entry)
    assert entry["container"]["id"] == container[1]
    chain = entry["enforced"]["cpu"]["chain"]
    assert chain[-1]["path"] == "/"
    limit = f"/host/sys/fs/cgroup{chain[0]['path']}/cpu.max"
    tried = podman.run(*below, argv=("sh", "-c", f"test -r {limit}; echo $?; echo max > {limit}; echo $?"))
    assert tried.split() == ["0", "2"]


@pytest.mark.hierarchy("v2")
def test_limits_that_change(podman: Podman) -> None:
    """After podman update the host and the inside see the new limits of the running container."""
    podman.run(*_LIMITS, argv=("sleep", "600"), detach=True)
    name = podman.names[-1]
    podman.update(name, "--cpus", "0.75", "--memory", "192m")
    _assert_limits(bench.inspect(podman.pid(name)), 0.75, 192 * subjects.MIB)
    _assert_limits(_only(podman.exec(name, *_INSPECT, "--pid", "1")), 0.75, 192 * subjects.MIB)


@pytest.mark.hierarchy("v2")
def test_a_cpuset(podman: Podman) -> None:
    """--cpuset-cpus 2-4 leaves three CPUs to use."""
    podman.run("--cpuset-cpus", "2-4", argv=("sleep", "600"), detach=True)
    assert bench.inspect(podman.pid(podman.names[-1]))["enforced"]["cpu"]["usable_cpus"] == 3
