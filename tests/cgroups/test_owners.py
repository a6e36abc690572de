"""For whom kills are counted: by the paths and names that Kubernetes, systemd and container engines make."""

from __future__ import annotations

import pytest

from cgtune.cgroups.owners import locate_counting, name_workload, owners_of
from cgtune.model import Container, MemoryLevel, Snapshot
from tests.rules.reports import memory_level, report

UID, ID = "0b8e2b7e-1c7c-4f3b-9d0a-7a3f5b1c2d3e", "c0ffee" * 10 + "c0de"
POD = f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice"
IN_POD = Container(id=ID, pod_uid=UID, runtime="containerd", name="app", pod_name="web-5d4f8c7b9d-x2vlq", pod_namespace="shop")


def snapshot(*paths: str, container: Container | None = None, version: int = 2) -> Snapshot:
    """A process in the first of these cgroups, with the others above it."""
    chain: tuple[MemoryLevel, ...] = tuple(memory_level(path, 64 << 20).replace(version=version) for path in paths)
    return report(memory=chain).snapshot.replace(container=container or Container())


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("web-5d4f8c7b9d-x2vlq", "web"),  # a Deployment
        ("my-web-app-5d4f8c7b9d-x2vlq", "my-web-app"),
        ("db-0", "db"),  # a StatefulSet
        ("db-12", "db"),
        ("agent-7kqzt", "agent"),  # a DaemonSet or a Job
        ("report-28391234-x2vlq", "report"),  # a CronJob
        ("report-2839-x2vlq", "report-2839"),  # a Job of that name
        ("web", "web"),
        ("backup-20261129", "backup-20261129"),  # a date is no StatefulSet's number
        ("web-hello", "web-hello"),  # vowels: nothing that Kubernetes made
        ("kube-proxy-node1", "kube-proxy-node1"),
        ("-0", "-0"),
        ("", ""),
    ],
)
def test_a_workload_is_told_by_the_pods_name(pod: str, workload: str) -> None:
    """As Kubernetes makes names; a name of any other shape stands for itself."""
    assert name_workload(pod) == workload


def test_nobodys_counter() -> None:
    """A process of the root cgroup has no owner, and one whose memory nobody charges has no counter."""
    assert locate_counting(snapshot("/")) == ()
    assert locate_counting(report(memory=()).snapshot.replace(container=IN_POD)) == ()


@pytest.mark.parametrize(
    ("container", "path", "expected"),
    [
        (IN_POD, f"{POD}/cri-containerd-{ID}.scope", [("container", ID), ("pod", UID), ("workload", "web")]),
        (IN_POD.replace(pod_name=None), f"{POD}/cri-containerd-{ID}.scope", [("container", ID), ("pod", UID)]),
        (Container(id=ID, runtime="docker"), f"/system.slice/docker-{ID}.scope", [("container", ID)]),
        (
            Container(id=ID, runtime="podman"),
            f"/system.slice/web.service/libpod-payload-{ID}",
            [("container", ID), ("workload", "web.service")],
        ),
        (Container(name="web", runtime="lxc"), "/lxc.payload.web", [("container", "web")]),
        (Container(), "/system.slice/web.service", [("workload", "web.service")]),
        (Container(), "/system.slice/web.service/worker", [("workload", "web.service")]),
        (Container(), "/user.slice/user@1000.service/app.slice/shop.service", [("workload", "shop.service")]),
        (Container(), "/jobs/a", [("workload", "/jobs/a")]),
        (Container(), "/", []),
    ],
)
def test_owners(container: Container, path: str, expected: list[tuple[str, str]]) -> None:
    """Container, pod, workload, as far as they can be told."""
    assert [(owner.of, owner.name) for owner in owners_of(snapshot(path, container=container))] == expected


def test_a_pods_name_that_becomes_known_makes_no_other_owner() -> None:
    """What names it is the id; namespaces tell workloads apart, and nothing else."""
    path = f"{POD}/cri-containerd-{ID}.scope"
    known, unknown = (owners_of(snapshot(path, container=each)) for each in (IN_POD, IN_POD.replace(pod_name=None, pod_namespace=None)))
    assert [owner.key for owner in known][:2] == [owner.key for owner in unknown]
    assert known[2].key != owners_of(snapshot(path, container=IN_POD.replace(pod_namespace="test")))[2].key


@pytest.mark.parametrize(
    ("version", "paths", "expected"),
    [
        (2, ("{id}", ""), [("{id}", ["container"]), ("", ["pod", "workload"])]),
        (2, ("{id}/inner", "{id}", ""), [("{id}", ["container"]), ("", ["pod", "workload"])]),
        (2, ("{id}",), [("{id}", ["container", "pod", "workload"])]),  # nothing above the container can be seen
        (1, ("{id}", ""), [("{id}", ["container", "pod", "workload"])]),
        (1, ("{id}/inner", "{id}", ""), [(each, ["container", "pod", "workload"]) for each in ("{id}/inner", "{id}")]),
    ],
)
def test_whose_a_counter_is(version: int, paths: tuple[str, ...], expected: list[tuple[str, list[str]]]) -> None:
    """On v2 a pod counts its containers' kills, on v1 each cgroup its own alone."""

    def whole(path: str) -> str:
        return f"{POD}/{path.format(id=f'cri-containerd-{ID}.scope')}".rstrip("/")

    found = locate_counting(snapshot(*map(whole, paths), "/kubepods.slice", container=IN_POD, version=version))
    said = [(level.path, [owner.of for owner in owners]) for level, owners in found]
    assert said == [(whole(path), owners) for path, owners in expected]
