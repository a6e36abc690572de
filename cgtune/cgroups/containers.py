"""Who runs a process, from the path of its cgroup or, inside a private cgroup namespace, from what its runtime mounted for it.

The layouts are those of Docker, containerd, CRI-O and Podman, alone and under Kubernetes, with the systemd and the cgroupfs driver.
"""

from __future__ import annotations

from cgtune.model import Container, Membership, Mount

#: Scope names of the systemd driver: `<prefix>-<id>.scope`; a mismatched kubelet and containerd leave `...slice:cri-containerd:<id>`.
#: `crio-conmon-<id>.scope` and `libpod-conmon-<id>.scope` are a container's monitor, and no container.
_SCOPE_RUNTIMES = {"docker": "docker", "cri-containerd": "containerd", "nerdctl": "containerd", "crio": "cri-o", "libpod": "podman"}

#: Folders of the cgroupfs driver whose children are named by container id alone.
_PARENT_RUNTIMES = {"docker": "docker", "libpod_parent": "podman", "crio": "cri-o"}

#: Where runtimes keep the files that they mount into a container; the folder that follows is the container's id.
_STORE_RUNTIMES = {"/docker/containers/": "docker", "/overlay-containers/": "podman", "/io.containerd.runtime.v2.task/": "containerd"}

_SHORTEST_ID = 32
_HEX = frozenset("0123456789abcdef")


def locate_container(memberships: tuple[Membership, ...], mounts: tuple[Mount, ...], found: tuple[str, ...] = ()) -> Container:
    """Container id, pod UID and runtime as far as the cgroup paths (first) or the process's own mounts (second) tell.

    ``found`` are paths of its cgroups as they were found, with names in them that the memberships hide from the reader's namespace.
    """
    id_, pod_uid, runtime = None, None, None
    stored: tuple[str | None, str | None] = (None, None)
    for path in (*found, *(membership.path for membership in memberships)):
        parent = ""
        for name in path.split("/"):
            if named := _parse_container(name, parent):
                id_, runtime = named
            pod_uid = _parse_pod(name) or pod_uid
            parent = name
        if id_:
            break
    for mount in mounts:
        if not pod_uid and "/pods/" in mount.root and "/kubelet/" in mount.root:
            pod_uid = _parse_pod("pod" + mount.root.partition("/pods/")[2].partition("/")[0])
        for store, name in _STORE_RUNTIMES.items():
            if not stored[0] and store in mount.root:
                candidate = mount.root.partition(store)[2].removeprefix("k8s.io/").partition("/")[0]
                stored = (candidate, name) if _is_id(candidate) else stored
    if not id_ and pod_uid:
        # In a pod those files belong to its sandbox, another container; and CRI-O shares Podman's store.
        runtime = "cri-o" if stored[1] == "podman" else stored[1]
    elif not id_:
        id_, runtime = stored
    return Container(id=id_, pod_uid=pod_uid, runtime=runtime)


def _parse_container(name: str, parent: str) -> tuple[str, str | None] | None:
    """The id and the runtime that one path component names, or None."""
    stem = name.removesuffix(".scope")
    prefix, _, id_ = stem.rpartition(":" if ":" in stem else "-")
    prefix = prefix.rpartition(":")[2]
    if prefix in _SCOPE_RUNTIMES and _is_id(id_):
        return id_, _SCOPE_RUNTIMES[prefix]
    if _is_id(name) and (parent in _PARENT_RUNTIMES or _parse_pod(parent)):
        return name, _PARENT_RUNTIMES.get(parent)
    return None


def _parse_pod(name: str) -> str | None:
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
