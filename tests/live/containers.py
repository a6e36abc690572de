"""Real containers for the tests, without a registry: podman and runc over this machine's own files, below an overlay that is thrown away.

A container sees the checkout and its .venv at their usual places, read-only. Limits are the ones podman was told; what is inside is a
``sleep``, or cgtune itself. Names are ``cgtune-test-<pid>-<n>``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.command import ROOT
from tests.needs import require

_counter = itertools.count()

# cgroupfs: there is no systemd to ask. runc: Debian's crun refuses a machine whose cgroup2 hierarchy has no controllers (hybrid).
_PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime", "runc")
_RUN = (
    *("--network", "none"),  # no network of its own is needed, and none can be made on some machines
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),  # podman's defaults may lie above what this machine allows
    *("--volume", f"{ROOT}:{ROOT}:ro"),  # seen even where the checkout is a mount of its own
)


class Container:
    """A running container, which sleeps."""

    def __init__(self, name: str, identity: str, pid: int) -> None:
        self.name = name
        self.identity = identity
        self.pid = pid
        """Its first process, as this machine counts pids."""

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, to its end."""
        return _podman("exec", self.name, *argv)


class Podman:
    """The containers of one test module."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def start(self, *options: str) -> Container:
        """Start a container that sleeps."""
        name = self._name()
        identity = _told("run", "--detach", "--name", name, *_RUN, *options, "--rootfs", "/:O", "sleep", "600")
        return Container(name, identity, int(_told("inspect", "--format", "{{.State.Pid}}", name)))

    def update(self, container: Container, *options: str) -> None:
        """Change the limits of a running container."""
        _told("update", *options, container.name)

    def run(self, *options: str, argv: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Run a program in a container of its own, to its end."""
        return _podman("run", "--rm", "--name", self._name(), *_RUN, *options, "--rootfs", "/:O", *argv)

    def remove(self) -> None:
        for name in reversed(self._names):
            _podman("rm", "--force", "--ignore", "--time", "0", name)

    def _name(self) -> str:
        self._names.append(f"cgtune-test-{os.getpid()}-{next(_counter)}")
        return self._names[-1]


def _podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_PODMAN, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


def _told(*arguments: str) -> str:
    done = _podman(*arguments)
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def own_containers() -> Iterator[Podman]:
    """A place for one module's containers; whatever happens, they are gone afterwards."""
    require(os.geteuid() == 0, "starts containers with limits: run as root")
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    require(not missing, f"apt-get install --no-install-recommends {' '.join(missing)}")
    podman = Podman()
    try:
        yield podman
    finally:
        podman.remove()


def remove_empty_parents() -> None:
    """Remove the empty groups that podman leaves behind with its cgroupfs manager; those in use refuse by themselves."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split(" - ", 1)[1].startswith("cgroup"):
            for left in ("libpod_parent/conmon", "libpod_parent"):
                with contextlib.suppress(OSError):
                    Path(line.split()[4], left).rmdir()
