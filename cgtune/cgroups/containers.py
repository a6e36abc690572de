"""Who runs a process, from the path of its cgroup or, inside a private cgroup namespace, from what its runtime mounted for it.

The layouts are those of Docker, containerd, CRI-O and Podman, alone, under Kubernetes and ECS, with the systemd and the cgroupfs driver,
and those of LXC.
"""

from __future__ import annotations

from cgtune.model import Container, Membership, Mount

#: Scope names of the systemd driver: `<prefix>-<id>.scope`; a mismatched kubelet and containerd leave `...slice:cri-containerd:<id>`.
#: `crio-conmon-<id>.scope` and `libpod-conmon-<id>.scope` are a container's monitor, and no container.
#: `UNIT.service/libpod-payload-<id>` is Podman's --cgroups=split, as the units of quadlet have it.
_SCOPE_RUNTIMES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",
}

#: Folders of the cgroupfs driver whose children are named by container id alone. containerd's are its namespaces: nerdctl's is default.
_PARENT_RUNTIMES = {
    "docker": "docker",
    "libpod_parent": "podman",
    "crio": "cri-o",
    "default": "containerd",
    "k8s.io": "containerd",
}

#: Where runtimes keep the files that they mount into a container; the folder that follows is the container's id, or that of its sandbox.
_STORE_RUNTIMES = {
    "/docker/containers/": "docker",
    "-containers/": "podman",  # overlay-containers, vfs-containers: by the storage driver
    "/io.containerd.runtime.v2.task/": "containerd",
    "/io.containerd.grpc.v1.cri/sandboxes/": "containerd",
    "/io.containerd.grpc.v1.cri/containers/": "containerd",
    "/containers/default/": "containerd",  # nerdctl's own store
}
_LXC = ("lxc.payload.", "lxc.payload")
_ID_LENGTH = 64  # of a container, in Docker, containerd, CRI-O and Podman

#: Cgroups that hold all pods, or all of one class of service (kubelet, pkg/kubelet/cm): kind's are `kubelet-kubepods-burstable.slice`.
_KUBELET_ROOTS = frozenset(("kubepods", "kubelet"))
_KUBELET_ENDS = ("kubepods", "kubepods-burstable", "kubepods-besteffort", "kubepods-guaranteed")
_KUBELET_CLASSES = frozenset(("burstable", "besteffort", "guaranteed"))

#: systemd's own slices at the top of the tree, for all services, users and machines.
_NODE_NAMES = frozenset(("system.slice", "user.slice", "machine.slice"))

_SHORTEST_ID = 32
_HEX = frozenset("0123456789abcdef")


def locate_container(memberships: tuple[Membership, ...], mounts: tuple[Mount, ...], found: tuple[str, ...] = ()) -> Container:
    """Container id, its name, pod UID and runtime as far as the cgroup paths (first) or the process's own mounts (second) tell.

    ``found`` are paths of its cgroups as they were found, with names in them that the memberships hide from the reader's namespace.
    """
    named, told = Container(), dict[str, Container]()  # v1 has most paths a dozen times
    for path in (*found, *(membership.path for membership in memberships)):
        if path not in told:
            told[path] = _parse_path(path)
        named = told[path] if told[path].pod_uid else told[path].replace(pod_uid=named.pod_uid)
        if named.id or named.name:
            break
    pod_uid, name, stored = _parse_mounts(mounts)
    pod_uid = named.pod_uid or pod_uid
    id_, runtime, name = named.id, named.runtime, named.name or name
    if pod_uid:
        # In a pod those files belong to its sandbox, another container; and CRI-O shares Podman's store.
        runtime = runtime or ("cri-o" if stored.runtime == "podman" else stored.runtime)
    elif not id_ and not name:
        id_, runtime = stored.id, stored.runtime
    return Container(id=id_, pod_uid=pod_uid, runtime=runtime or stored.runtime, name=name)


def _parse_path(path: str) -> Container:
    """Whom one cgroup path names, the innermost container if there are several."""
    named = Container()
    above: list[str] = []
    for part in path.split("/"):
        if parsed := _parse_container(part, above):
            named = named.replace(id=parsed[0], runtime=parsed[1], name=None)
        elif lxc := _parse_lxc(part, above):
            named = named.replace(id=None, runtime="lxc", name=lxc)
        if pod := parse_pod(part):
            named = named.replace(pod_uid=pod)
        above.append(part)
    return named


def _parse_mounts(mounts: tuple[Mount, ...]) -> tuple[str | None, str | None, Container]:
    """The pod's UID, the container's name in it, and the container (or sandbox) whose runtime's files are mounted."""
    pod_uid, name, stored = None, None, Container()
    for mount in mounts:
        if mount.root == "/":  # most are: they name nothing
            continue
        before, pods, inside = mount.root.partition("/pods/")
        if pods and "/kubelet/" in f"{before}/":
            uid, _, file = inside.partition("/")
            pod_uid = pod_uid or parse_pod("pod" + uid)
            # The kubelet mounts pods/<uid>/containers/<name>/<number>, for the container's last words
            if pod_uid and not name and file.startswith("containers/"):
                name = file.split("/")[1] or None
        for store, engine in () if stored.id else _STORE_RUNTIMES.items():
            inside = mount.root.partition(store)[2]
            candidate = (inside.partition("/")[2] if store.endswith(".task/") else inside).partition("/")[0]
            if _is_id(candidate):
                stored = Container(id=candidate, runtime=engine)
                break
    return pod_uid, name, stored


def locate_node_level(paths: tuple[str, ...], container: Container) -> int | None:
    """The place of the first cgroup, leaf first, that holds whatever a node runs, None if none does; those above it hold no less.

    By the kubelet's names of its root and its classes of service, and by those of systemd's own slices; and of a pod whose container is
    in the path, what lies above the pod, for the names there are hidden in a namespace (`/../..`).
    """
    for place, path in enumerate(paths):
        parent, _, name = path.rpartition("/")
        stem = name.removesuffix(".slice")
        if stem in _KUBELET_ROOTS or stem.endswith(_KUBELET_ENDS) or (name in _KUBELET_CLASSES and parent.endswith("kubepods")):
            return place
        if path.strip("/") in _NODE_NAMES:
            return place
        if container.pod_uid and container.id and container.id in name and place + 2 < len(paths) and paths[place + 2] != "/":
            return place + 2
    return None


def _parse_container(name: str, above: list[str]) -> tuple[str, str | None] | None:
    """The id and the runtime that one path component names, None if it names none; ``above`` are the components before it."""
    parent = above[-1] if above else ""
    stem = name.removesuffix(".scope")
    prefix, _, id_ = stem.rpartition(":" if ":" in stem else "-")
    prefix = prefix.rpartition(":")[2]
    if prefix in _SCOPE_RUNTIMES and _is_id(id_):
        return id_, _SCOPE_RUNTIMES[prefix]
    if "ecs" in above[:-1] and above.index("ecs") == 1:  # /ecs/TASK/CONTAINER and /ecs/CLUSTER/TASK/CONTAINER
        task, _, number = name.partition("-")
        if _is_id(task) and (number.isdecimal() if number else len(task) == _ID_LENGTH):
            return name, "containerd" if number else "docker"  # Fargate's are TASK-NUMBER, by containerd
    if _is_id(name) and (parent in _PARENT_RUNTIMES or parse_pod(parent)):
        return name, _PARENT_RUNTIMES.get(parent)
    if _is_id(name) and len(name) == _ID_LENGTH and parent:  # below --cgroup-parent; a sibling in a namespace, `/../<id>`
        return name, None
    return None


def _parse_lxc(name: str, above: list[str]) -> str | None:
    """The name of an LXC container: `lxc.payload.NAME`, or below `lxc` and `lxc.payload`; None if it is none."""
    if name.startswith(_LXC[0]):
        return name.removeprefix(_LXC[0]) or None
    if (above and above[-1] == _LXC[1]) or above == ["", "lxc"]:
        return name or None
    return None


def parse_pod(name: str) -> str | None:
    """The pod UID of `kubepods-burstable-pod<uid>.slice`, `pod<uid>` or a colon-joined name that holds the former; `_` stands for `-`."""
    name = name.partition(":")[0].removesuffix(".slice")
    before, found, uid = name.rpartition("pod")
    uid = uid.replace("_", "-")
    # Static pods have a bare hex hash for a UID, others the dashed form. "libpod-<id>" is Podman's, and no pod.
    if not found or (before and not before.endswith("-")) or uid.startswith("-"):
        return None
    return uid if len(uid) >= _SHORTEST_ID and set(uid) <= _HEX | {"-"} else None


def _is_id(text: str) -> bool:
    return len(text) >= _SHORTEST_ID and set(text) <= _HEX
