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
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.command import ROOT
from tests.support.needs import require

_counter = itertools.count()

# cgroupfs: there is no systemd to ask. runc: Debian's crun refuses a machine whose cgroup2 hierarchy has no controllers (hybrid).
_PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime", "runc")
_RUN = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")  # podman's defaults may lie above what this machine allows
_THIS_MACHINE = ("--volume", f"{ROOT}:{ROOT}:ro", "--rootfs", "/:O")  # the volume: seen even where the checkout is a mount of its own
_ASIDE = tempfile.gettempdir()  # conmon leaves a file "oom" where it was started, if a program of its container was killed
_ALONE = "none"  # no network of its own is needed, and none can be made on some machines


class Container:
    """A running container, which sleeps."""

    def __init__(self, name: str, identity: str, pid: int) -> None:
        self.name = name
        self.identity = identity
        self.pid = pid
        """Its first process, as this machine counts pids."""

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, to its end."""
        return podman("exec", self.name, *argv)

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program inside and go on; what it prints can be read."""
        command = [*_PODMAN, "exec", self.name, *argv]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ASIDE)


class Podman:
    """The containers of one test module."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def start(
        self, *options: str, image: tuple[str, ...] = _THIS_MACHINE, argv: tuple[str, ...] = ("sleep", "600"), network: str = _ALONE
    ) -> Container:
        """Start a container, which sleeps unless it is told what to do; of this machine's own files, or of an image."""
        name = self._name()
        identity = _told("run", "--detach", "--name", name, "--network", network, *_RUN, *options, *image, *argv)
        return Container(name, identity, int(_told("inspect", "--format", "{{.State.Pid}}", name)))

    def stop(self, container: Container) -> int:
        """Ask the container's program to end, as Docker and Kubernetes do, and give back its exit code; after 10 s it is killed."""
        _told("stop", "--time", "10", container.name)
        return int(_told("inspect", "--format", "{{.State.ExitCode}}", container.name))

    def update(self, container: Container, *options: str) -> None:
        """Change the limits of a running container."""
        _told("update", *options, container.name)

    def run(self, *options: str, argv: tuple[str, ...], image: tuple[str, ...] = _THIS_MACHINE) -> subprocess.CompletedProcess[str]:
        """Run a program in a container of its own, to its end."""
        return podman("run", "--rm", "--name", self._name(), "--network", _ALONE, *_RUN, *options, *image, *argv)

    def remove(self) -> None:
        for name in reversed(self._names):
            podman("rm", "--force", "--ignore", "--time", "0", name)

    def _name(self) -> str:
        self._names.append(f"cgtune-test-{os.getpid()}-{next(_counter)}")
        return self._names[-1]


def podman(*arguments: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run podman itself, to its end."""
    command, pipe = [*_PODMAN, *arguments], subprocess.PIPE
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, timeout=seconds, check=False, cwd=_ASIDE)


def _told(*arguments: str) -> str:
    done = podman(*arguments)
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def own_containers() -> Iterator[Podman]:
    """A place for one module's containers; whatever happens, they are gone afterwards."""
    require(os.geteuid() == 0, "starts containers with limits: run as root")
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    require(not missing, f"apt-get install --no-install-recommends {' '.join(missing)}")
    containers = Podman()
    try:
        yield containers
    finally:
        containers.remove()


def remove_empty_parents() -> None:
    """Remove the empty groups that podman leaves behind with its cgroupfs manager; those in use refuse by themselves."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split(" - ", 1)[1].startswith("cgroup"):
            for left in ("libpod_parent/conmon", "libpod_parent"):
                with contextlib.suppress(OSError):
                    Path(line.split()[4], left).rmdir()
