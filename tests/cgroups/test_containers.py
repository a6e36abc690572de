"""Who runs a process: the names that runtimes give to cgroups and to what they mount."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.cgroups.containers import locate_container, locate_node_level
from cgtune.model import Container, Membership, Mount

ID = "0123456789abcdef" * 4
UID = "8c9ad2a1-1f4b-4a0e-9d6c-0123456789ab"
OTHER_UID = "f" + UID[1:]
SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"

# Name: cgroup path, id, pod, runtime.
PATHS: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "a name one letter too short for an id": (f"/docker/{'a' * 31}", None, None, None),
    "a word that only ends in pod": (f"/kubepods.slice/tripod{UID}.slice/{ID}", ID, None, None),
    "Docker, cgroupfs": (f"/docker/{ID}", ID, None, "docker"),
    "Docker, systemd": (f"/system.slice/docker-{ID}.scope", ID, None, "docker"),
    "Docker, a child of the container": (f"/docker/{ID}/init", ID, None, "docker"),
    "Docker in Docker": (f"/docker/{'f' * 64}/docker/{ID}", ID, None, "docker"),
    "containerd, systemd": (f"{SLICE}/cri-containerd-{ID}.scope", ID, UID, "containerd"),
    "containerd, guaranteed": (
        f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
        ID,
        UID,
        "containerd",
    ),
    "Podman, split": (f"/system.slice/web.service/libpod-payload-{ID}", ID, None, "podman"),
    "Podman, a user's, split": (
        f"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-{ID}",
        ID,
        None,
        "podman",
    ),
    "nerdctl, cgroupfs": (f"/default/{ID}", ID, None, "containerd"),
    "containerd, its namespace for Kubernetes, without a pod": (f"/k8s.io/{ID}", ID, None, "containerd"),
    "nerdctl, systemd": (f"/system.slice/nerdctl-{ID}.scope", ID, None, "containerd"),
    "below --cgroup-parent": (f"/batch/night/{ID}", ID, None, None),
    "ECS on EC2": (f"/ecs/{'a' * 32}/{ID}", ID, None, "docker"),
    "ECS on EC2, with the cluster": (f"/ecs/prod/{'a' * 32}/{ID}", ID, None, "docker"),
    "ECS on EC2, systemd": (f"/ecstasks.slice/ecstasks-{'a' * 32}.slice/docker-{ID}.scope", ID, None, "docker"),
    "ECS on Fargate": (f"/ecs/{'a' * 32}/{'a' * 32}-2531612879", f"{'a' * 32}-2531612879", None, "containerd"),
    "an ECS task alone": (f"/ecs/{'a' * 32}", None, None, None),
    "kind's node": (
        f"/docker/{'f' * 64}/kubelet.slice/kubelet-kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope",
        ID,
        UID,
        "containerd",
    ),
    "kind's node, cgroupfs": (f"/docker/{'f' * 64}/kubelet/kubepods/burstable/pod{UID}/{ID}", ID, UID, None),
    "Docker inside LXC": (f"/lxc.payload.web/system.slice/docker-{ID}.scope", ID, None, "docker"),
    "a sibling, cgroupfs": (f"/../{ID}", ID, None, None),
    "a short number below a parent": (f"/batch/{'a' * 40}", None, None, None),
    "containerd, cgroupfs": (f"/kubepods/burstable/pod{UID}/{ID}", ID, UID, None),
    "drivers that do not match": (
        f"/system.slice/kubelet-kubepods-burstable-pod{UID.replace('-', '_')}.slice:cri-containerd:{ID}",
        ID,
        UID,
        "containerd",
    ),
    "CRI-O": (f"{SLICE}/crio-{ID}.scope", ID, UID, "cri-o"),
    "CRI-O, below its scope": (f"{SLICE}/crio-{ID}.scope/container", ID, UID, "cri-o"),
    "CRI-O's monitor": (f"{SLICE}/crio-conmon-{ID}.scope", None, UID, None),
    "Podman, systemd": (f"/machine.slice/libpod-{ID}.scope/container", ID, None, "podman"),
    "Podman, cgroupfs": (f"/libpod_parent/libpod-{ID}", ID, None, "podman"),
    "Podman's monitor": (f"/machine.slice/libpod-conmon-{ID}.scope", None, None, None),
    "a static pod": (f"/kubepods/burstable/pod{'ab' * 16}/{ID}", ID, "ab" * 16, None),
    "a sibling": (f"/../cri-containerd-{ID}.scope", ID, None, "containerd"),
    "a service": ("/system.slice/docker.service", None, None, None),
    "a user's session": ("/user.slice/user-1000.slice/session-2.scope", None, None, None),
    "a short number": ("/docker/0123456789", None, None, None),
    "a name that is no number": ("/docker/buildx", None, None, None),
    "a number by itself": (f"/{ID}", None, None, None),
    "the pods' parent": ("/kubepods.slice", None, None, None),
    "nothing": ("/", None, None, None),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths(name: str) -> None:
    """Each runtime's layout, with either driver, gives its id, pod and name; what is no container gives none."""
    path, id_, pod_uid, runtime = PATHS[name]
    assert Container(id=id_, pod_uid=pod_uid, runtime=runtime) == locate_container((_member(path),), ())


# Name: mount roots inside a private cgroup namespace, id, pod, runtime.
MOUNTS: dict[str, tuple[list[str], str | None, str | None, str | None]] = {
    "Docker": ([f"/var/lib/docker/containers/{ID}/resolv.conf"], ID, None, "docker"),
    "Podman": ([f"/containers/storage/overlay-containers/{ID}/userdata/hostname"], ID, None, "podman"),
    "a pod": ([f"/var/lib/kubelet/pods/{UID}/etc-hosts"], None, UID, None),
    "a pod of CRI-O": (
        [f"/var/lib/kubelet/pods/{UID}/etc-hosts", f"/storage/overlay-containers/{ID}/userdata/hostname"],
        None,
        UID,
        "cri-o",
    ),
    "a pod of Docker's": ([f"/var/lib/docker/containers/{ID}/hostname", f"/var/lib/kubelet/pods/{UID}/etc-hosts"], None, UID, "docker"),
    "containerd under Kubernetes": ([f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/rootfs"], ID, None, "containerd"),
    "Podman, another storage driver": ([f"/var/lib/containers/storage/vfs-containers/{ID}/userdata/hosts"], ID, None, "podman"),
    "nerdctl": ([f"/var/lib/nerdctl/1935db59/containers/default/{ID}/resolv.conf"], ID, None, "containerd"),
    "containerd, another namespace": ([f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}/x"], ID, None, "containerd"),
    "a pod of containerd": (
        [f"/var/lib/kubelet/pods/{UID}/etc-hosts", f"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname"],
        None,
        UID,
        "containerd",
    ),
    "a folder of somebody's": (["/home/me/docker/containers/notes"], None, None, None),
    "a kubelet's folder without a pod": (["/var/lib/kubelet/pods/etc-hosts"], None, None, None),
    "none": ([], None, None, None),
}


@pytest.mark.parametrize("name", MOUNTS)
def test_mounts(name: str) -> None:
    """Inside a private namespace the path is / and what the runtime mounted tells; in a pod those files name the sandbox, not us."""
    roots, id_, pod_uid, runtime = MOUNTS[name]
    assert Container(id=id_, pod_uid=pod_uid, runtime=runtime) == locate_container((_member("/"),), tuple(map(_mount, roots)))


def test_the_sandbox_names_the_engine_of_a_path_without_one() -> None:
    """With the cgroupfs driver the path has the id alone; the sandbox's files tell whose it is, so that a join finds it."""
    mounts = (_mount(f"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{'e' * 64}/resolv.conf"),)
    for path in (f"/kubepods/burstable/pod{UID}/{ID}", f"/../{ID}"):
        found = locate_container((_member(path),), (*mounts, _mount(f"/var/lib/kubelet/pods/{UID}/etc-hosts")))
        assert found == Container(id=ID, pod_uid=UID, runtime="containerd"), path


def test_the_container_has_the_name_that_the_kubelet_gave_it() -> None:
    """Where the kubelet keeps a container's last words, the container's name is in the path."""
    mounts = (_mount(f"/var/lib/kubelet/pods/{UID}/containers/app/1f2e3d4c"),)
    assert locate_container((_member(f"{SLICE}/cri-containerd-{ID}.scope"),), mounts).name == "app"
    assert locate_container((_member("/"),), mounts) == Container(pod_uid=UID, name="app")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/lxc.payload.web", "web"),
        ("/lxc.payload.web/system.slice/app.service", "web"),
        ("/lxc.payload/web", "web"),
        ("/lxc/101/ns/system.slice", "101"),
        ("/lxc.monitor.web", None),
        ("/lxc", None),
    ],
)
def test_lxc_containers_have_names(path: str, name: str | None) -> None:
    """LXC has no ids: its cgroups have the container's name, and that of its monitor is no container."""
    assert locate_container((_member(path),), ()) == Container(name=name, runtime=name and "lxc")


@pytest.mark.parametrize(
    ("leaf", "above", "first"),
    [
        (f"/kubepods/burstable/pod{UID}/{ID}", [f"/kubepods/burstable/pod{UID}", "/kubepods/burstable", "/kubepods", "/"], 2),
        (f"{SLICE}/cri-containerd-{ID}.scope", [SLICE, "/kubepods.slice/kubepods-burstable.slice", "/kubepods.slice", "/"], 2),
        (f"/../cri-containerd-{ID}.scope", ["/..", "/../..", "/../../.."], 2),
        ("/system.slice/app.service", ["/system.slice", "/"], 1),
        ("/batch.slice/app.service", ["/batch.slice", "/"], None),
        (f"/docker/{ID}/system.slice/app.service", [f"/docker/{ID}/system.slice", f"/docker/{ID}", "/docker", "/"], None),
    ],
)
def test_the_first_level_that_is_the_nodes(leaf: str, above: list[str], first: int | None) -> None:
    """Above the pod all is the node's, and systemd's own slices are; a slice that somebody made, and a container, are not."""
    container = Container(id=ID if ID in leaf else None, pod_uid=None if "docker" in leaf or "service" in leaf else UID)
    assert locate_node_level((leaf, *above), container) == first


def test_the_path_is_believed_before_the_mounts() -> None:
    """A container's files may be shared with another one's; its cgroup is its own."""
    shared = (_mount(f"/var/lib/docker/containers/{'e' * 64}/resolv.conf"),)
    assert locate_container((_member(f"/docker/{ID}"),), shared).id == ID


def test_of_several_paths_the_last_that_names_a_pod_is_believed() -> None:
    """v1 has a path for each of its hierarchies, most of them the same: one that names no pod takes nothing back."""
    paths = (f"/kubepods/pod{OTHER_UID}", f"/kubepods/pod{UID}", f"/kubepods/pod{OTHER_UID}", "/", "/")
    assert locate_container(tuple(map(_member, paths)), ()) == Container(pod_uid=OTHER_UID)
    assert locate_container(tuple(map(_member, paths[:2])), ()) == Container(pod_uid=UID)


def test_a_sibling_is_in_the_pod_whose_name_was_found() -> None:
    """In a namespace of its own a sidecar does not see the names above it; where the cgroup itself was found, they are in its path."""
    found = (f"{SLICE}/cri-containerd-{ID}.scope",)
    assert locate_container((_member(f"/../cri-containerd-{ID}.scope"),), (), found) == Container(id=ID, pod_uid=UID, runtime="containerd")


@given(path=st.text(), root=st.text())
def test_any_names_are_a_container_or_none(path: str, root: str) -> None:
    """Whatever cgroups and mounts are called: hexadecimal ids of full length, or none."""
    found = locate_container((_member(path),), (_mount(root),))
    assert found.id is None or (len(found.id) >= 32 and set(found.id.partition("-")[0]) <= set("0123456789abcdef"))


def _member(path: str) -> Membership:
    return Membership(hierarchy_id=0, controllers=(), path=path)


def _mount(root: str) -> Mount:
    return Mount(mount_id=1, parent_id=0, device="0:1", root=root, mount_point="/x", filesystem="ext4", super_options=())
