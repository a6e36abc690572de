"""Which programs are the node's own."""

from __future__ import annotations

import pytest

from cgtune.machinery import is_machinery


@pytest.mark.parametrize(
    ("executable", "command"),
    [
        ("/usr/bin/kubelet", "kubelet"),
        ("/usr/bin/containerd (deleted)", "containerd"),
        ("/usr/bin/containerd-shim-runc-v2", "containerd-shim"),
        ("/var/lib/rancher/k3s/data/0f/bin/containerd-shim-runc-v2", "containerd-shim"),
        ("/usr/sbin/runc", "runc"),
        ("/usr/sbin/runc", "runc:[2:INIT]"),
        ("/memfd:runc_cloned:/proc/self/exe (deleted)", "exe"),
        ("/", "runc:[1:CHILD]"),
        ("/usr/bin/dockerd", "dockerd"),
        ("/usr/bin/crio", "crio"),
        ("/usr/bin/conmonrs", "conmonrs"),
        ("/usr/bin/podman", "podman"),
        (None, "kubelet"),
        (None, "pause"),
        (None, "containerd-shim"),
        (None, "runc:[2:INIT]"),
    ],
)
def test_machinery_is_known_by_its_name(executable: str | None, command: str) -> None:
    """By the program's file, or by the process's name if the file cannot be seen; runc inside of a new container by both."""
    assert is_machinery(executable, command)


@pytest.mark.parametrize(
    ("executable", "command"),
    [
        ("/app/server", "server"),
        ("/app/server", "kubelet"),
        ("/kubelet/server", "server"),
        ("/usr/local/bin/runc-exporter", "runc-exporter"),
        (None, "server"),
        ("/usr/bin/containerd-exporter", "containerd-expo"),
        ("", ""),
    ],
)
def test_programs_are_not(executable: str | None, command: str) -> None:
    """A program may call itself anything: its file counts, and its whole name."""
    assert not is_machinery(executable, command)
