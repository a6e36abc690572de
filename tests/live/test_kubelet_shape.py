"""Pods as the kubelet makes them with the cgroupfs driver: real cgroups below a real `kubepods`, namespaces of their own, real Go programs.

Each container has a cgroup and a mount namespace and the files that the kubelet and containerd mount into it (as seen with Kubernetes 1.36
and containerd 2.4); the pod shares its processes. cgtune stands outside, as the node agent does, or in a container of the pod.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups, hierarchies
from tests.support import goprograms
from tests.support.command import PROGRAM, environment, run
from tests.support.envreaders import read_kubernetes
from tests.support.serving import Service

pytestmark = pytest.mark.live

_UID = "7b1d3f52-6a0e-4c8d-9a51-2f0f6f1c9e37"
_SANDBOX = "5a" * 32
_MIB = 1 << 20

# Into the cgroups ($1, by blanks), then namespaces of its own, with cgroup mounts ($2: NAME or v2 at a place, by blanks) and the files of
# kubelet and engine ($3 on /etc/hosts, $4 on /etc/resolv.conf, $5 on $6) as a container has them; the rest is the program.
_CONTAINER = """
for place in $1; do echo $$ > "$place/cgroup.procs" || exit 97; done
exec unshare --cgroup --mount --propagation private /bin/sh -ec '
  umount --lazy --recursive /sys/fs/cgroup
  mount -t tmpfs cgtune-test /sys/fs/cgroup
  for kind in $2; do
    if [ "$kind" = v2 ]; then umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; continue; fi
    mkdir "/sys/fs/cgroup/$kind"
    mount -t cgroup -o "$kind" cgroup "/sys/fs/cgroup/$kind"
  done
  mount --bind "$3" /etc/hosts
  mount --bind "$4" /etc/resolv.conf
  mount --bind "$5" "$6"
  shift 6
  exec "$@"' sh "$@"
"""


class Pod:
    """One pod below a `kubepods` of the test's own, and its containers."""

    def __init__(self, groups: Groups, folder: Path) -> None:
        self._groups, self._folder = groups, folder
        self.kubepods = groups.make("kubepods")
        self.group = groups.make("kubepods", "burstable", f"pod{_UID}")
        self._programs: list[subprocess.Popen[str]] = []

    def make(self, name: str, digit: str) -> Group:
        """The cgroup of a container, named by the 64 digits of its id."""
        del name
        return self._groups.make("kubepods", "burstable", f"pod{_UID}", digit * 64)

    def inside(self, name: str, group: Group) -> list[str]:
        """What starts a program as this container's."""
        kubelet = self._folder / "var/lib/kubelet/pods" / _UID
        sandbox = self._folder / "run/io.containerd.grpc.v1.cri/sandboxes" / _SANDBOX
        log, place = kubelet / "containers" / name / "0a1b2c3d", self._folder / f"termination-{name}"
        for file in (kubelet / "etc-hosts", sandbox / "resolv.conf", log, place):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        kinds = dict.fromkeys("v2" if version == 2 else place.name for version, place in hierarchies().values())
        paths = (kubelet / "etc-hosts", sandbox / "resolv.conf", log, place)
        return ["/bin/sh", "-c", _CONTAINER, "sh", " ".join(map(str, group.directories())), " ".join(kinds), *map(str, paths)]

    def start(self, name: str, group: Group, *argv: str, **environ: str) -> int:
        """The pid of a Go program that has begun to run as this container's."""
        program = subprocess.Popen(
            [*self.inside(name, group), str(goprograms.build("1.27.3", language="1.25")), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**environ),
        )
        self._programs.append(program)
        assert program.stdout is not None
        assert json.loads(program.stdout.readline())["pid"] == program.pid
        return program.pid

    def look(self, group: Group, *arguments: object) -> str:
        """What cgtune prints as the sidecar of the pod, in a container of its own."""
        argv = [*self.inside("cgtune", group), *PROGRAM, *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment(), stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.communicate()


@pytest.fixture
def pod(groups: Groups, tmp_path: Path) -> Iterator[Pod]:
    """A pod on a node whose kubelet has written the node's memory into `kubepods`, as it does by default."""
    made = Pod(groups, tmp_path)
    made.kubepods.limit_memory(_machine_bytes())
    try:
        yield made
    finally:
        made.close()


def _machine_bytes() -> int:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) << 10


def _processes(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["processes"]
    return found


@pytest.mark.parametrize("where", ["agent", "sidecar"])
def test_the_capacity_of_the_node_is_no_limit_of_a_program(pod: Pod, where: str) -> None:
    """A pod without limits: no finding about memory and no value, for agent, sidecar, `env` and `exec`; the report says whose it is."""
    app, beside = pod.make("app", "a"), pod.make("cgtune", "c")
    pid = pod.start("app", app)
    asked = ("inspect", "--pid", pid, "--format", "json")
    (process,) = _processes(run(*asked).stdout if where == "agent" else pod.look(beside, *asked))
    memory = process["enforced"]["memory"]
    assert memory["limit_bytes"] is None
    if where == "sidecar" and pod.group.version("memory") == 2:  # v1 alone tells of limits above (hierarchical_memory_limit)
        assert memory["node_limit_bytes"] is None
    else:
        assert abs(memory["node_limit_bytes"] - _machine_bytes()) < _MIB
    assert process["settings"]["GOMEMLIMIT"]["recommended"] is None
    assert not [finding for finding in process["findings"] if "mem" in finding["rule"]]
    written = run("env", "--pid", pid).stdout if where == "agent" else pod.look(beside, "env", "--pid", pid)
    assert "GOMEMLIMIT" not in read_kubernetes(written)
    assert "GOMEMLIMIT stays unset: " in written
    planned = pod.look(app, "exec", "--dry-run", "--", goprograms.build("1.27.3", language="1.25"))
    assert "GOMEMLIMIT" not in planned


@pytest.mark.parametrize("where", ["agent", "sidecar"])
def test_two_containers_share_the_limit_of_their_pod(pod: Pod, where: str) -> None:
    """The kubelet writes the pod's limit into each container that has none: together they are told no more than all of it."""
    pod.group.limit_memory(256 * _MIB)
    containers = [pod.make(name, digit) for name, digit in (("web", "a"), ("worker", "b"), ("cgtune", "c"))]
    for group in containers:
        group.limit_memory(256 * _MIB)
    pids = [pod.start(name, group, "report", "alloc 33554432") for name, group in zip(("web", "worker"), containers, strict=False)]
    asked = ("inspect", "--pid", pids[0], "--pid", pids[1], "--format", "json")
    processes = _processes(run(*asked).stdout if where == "agent" else pod.look(containers[2], *asked))
    advised = [process["settings"]["GOMEMLIMIT"]["recommended"] for process in processes]
    assert all(64 * _MIB < value < 192 * _MIB for value in advised), advised
    assert sum(advised) <= 256 * _MIB
    assert all(f"{_UID}" == process["container"]["pod_uid"] for process in processes)


@pytest.mark.parametrize("where", ["agent", "sidecar"])
def test_who_a_container_of_the_cgroupfs_driver_is(pod: Pod, where: str) -> None:
    """Its id is the last name of its cgroup, which a sidecar sees as `/../<id>`; pod, name and engine are those of the mounted files."""
    app, beside = pod.make("app", "a"), pod.make("cgtune", "c")
    app.limit_cpu(150_000)
    pid = pod.start("app", app)
    asked = ("inspect", "--pid", pid, "--format", "json")
    (process,) = _processes(run(*asked).stdout if where == "agent" else pod.look(beside, *asked))
    container = process["container"]
    assert (container["id"], container["pod_uid"], container["runtime"]) == ("a" * 64, _UID, "containerd")
    assert container["name"] == "app"
    assert process["enforced"]["cpu"]["limit_cores"] == 1.5
    assert process["settings"]["GOMAXPROCS"]["observed"] == min(2, os.cpu_count() or 2)
    paths = [level["path"] for level in process["enforced"]["cpu"]["chain"]]
    assert paths[0] == (f"/../{'a' * 64}" if where == "sidecar" else f"{app.path}")


def test_a_limit_of_a_container_is_its_own_on_such_a_node(pod: Pod) -> None:
    """Below the node's limit the container's counts: the finding and the value are back, and the other container's is its own."""
    app, other = pod.make("app", "a"), pod.make("other", "b")
    app.limit_memory(256 * _MIB)
    pids = [pod.start("app", app), pod.start("other", other)]
    first, second = _processes(run("inspect", "--pid", pids[0], "--pid", pids[1], "--format", "json").stdout)
    assert (first["enforced"]["memory"]["limit_bytes"], second["enforced"]["memory"]["limit_bytes"]) == (256 * _MIB, None)
    assert "gomemlimit-unset" in {finding["rule"] for finding in first["findings"]}
    assert second["settings"]["GOMEMLIMIT"]["recommended"] is None


def test_metrics_name_a_pods_processes_as_far_as_they_can_be_told(pod: Pod) -> None:
    """Container and UID are told by the kubelet's files; no file names this pod, and its containers are workloads of their own, by id."""
    pids = {name: pod.start(name, pod.make(name, digit)) for name, digit in (("app", "a"), ("other", "b"))}
    with Service("--pid", pids["app"], "--pid", pids["other"]) as service:
        samples = service.wait_for_report().metrics()["cgtune_gomaxprocs_observed"]
    told = {labels["pid"]: labels for labels, _ in samples}
    for (name, pid), digit in zip(pids.items(), "ab", strict=True):
        labels = told[str(pid)]
        assert (labels["container"], labels["uid"], labels["container_id"]) == (name, _UID, f"containerd://{digit * 64}")
        assert (labels["namespace"], labels["pod"], labels["workload"]) == ("", "", digit * 64)
