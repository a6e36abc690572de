"""Which programs run a node's containers, and are no workload of it. Pure.

By the name of the program's file, or, if that cannot be seen, by the process's own name: a node has a shim for each pod, and runc starts
for each container and each probe. Whoever wants them names them by pid, or asks for all.
"""

from __future__ import annotations

#: Kubernetes's agent and the single files that carry it, container engines with their shims and monitors, and what starts containers.
NAMES = frozenset(
    (
        *("kubelet", "k3s", "k0s", "rke2", "microshift", "hyperkube", "cri-dockerd", "crictl"),
        *("containerd", "ctr", "nerdctl", "rootlesskit", "containerd-stargz-grpc", "containerd-fuse-overlayfs-grpc"),
        *("dockerd", "docker-proxy", "docker-init", "docker-containerd", "docker-containerd-shim", "docker-runc", "balena-engine-daemon"),
        *("crio", "crio-status", "conmon", "conmonrs", "conmon-rs", "podman", "buildah", "quadlet"),
        "pause",  # holds a pod's namespaces; in a pod that shares them its process is everybody's first one, of a user of its own
        *("runc", "crun", "youki", "runsc", "kata-runtime", "kata-agent", "ecs-agent", "amazon-ecs-agent", "incusd", "lxd"),
    )
)
_SHIM = "containerd-shim"  # -runc-v1, -runc-v2, -kata-v2, -runsc-v1, ...; the process's own name is cut to this
_INIT = "runc:["  # runc:[1:CHILD] and runc:[2:INIT] are runc inside of the new container, until it becomes the program
_CLONED = "/memfd:runc_cloned:"


def is_machinery(executable: str | None, command: str) -> bool:
    """Whether a process is the node's own. ``executable`` is its /proc/PID/exe, None if that cannot be seen; ``command`` its name."""
    if command.startswith(_INIT) or (executable is not None and executable.startswith(_CLONED)):
        return True
    name = command if executable is None else executable.removesuffix(" (deleted)").rpartition("/")[2]
    return name in NAMES or name.startswith(_SHIM)
