"""A container engine with images of its own for the tests, without a registry: podman and runc over a storage folder that is thrown away.

Commands are run as their users write them (``podman run IMAGE``, ``docker run IMAGE``): settings that this machine needs come from
containers.conf, and ``docker`` is podman. Nothing here is seen by any other podman of the machine. The image of a server holds one Go
program, and nothing else that is not asked for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.live import images
from tests.live.containers import podman
from tests.support.command import environment
from tests.support.needs import require

CGTUNE = "registry.example.com/cgtune:0.1.0"
SERVER = "registry.example.com/server:1.0.0"

_CONTAINERS = """\
[containers]
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
"""


class Engine:
    """One engine, with its storage below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built: dict[str, object] = {}
        (folder / "bin").mkdir()
        (folder / "bin" / "docker").symlink_to(shutil.which("podman") or "podman")
        (folder / "containers.conf").write_text(_CONTAINERS)
        # The images of podman's own storage can be seen, and not be changed; both have to be of one kind.
        driver, shared = podman("info", "--format", "{{.Store.GraphDriverName}} {{.Store.GraphRoot}}").stdout.split()
        places = f'driver = "{driver}"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(f'[storage]\n{places}[storage.options]\nadditionalimagestores = ["{shared}"]\n')
        self.environ = environment(
            CONTAINERS_CONF=str(folder / "containers.conf"),
            CONTAINERS_STORAGE_CONF=str(folder / "storage.conf"),
            PATH=f"{folder}/bin:{os.environ['PATH']}",
        )

    def run(self, *argv: str, stdin: str = "", cwd: Path | None = None, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """Run any program that talks to this engine, to its end."""
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=seconds, env=self.environ, cwd=cwd or self.folder, check=False
        )

    def told(self, *argv: str, cwd: Path | None = None) -> str:
        """The output of a podman command that has to succeed."""
        done = self.run("podman", *argv, cwd=cwd)
        assert done.returncode == 0, f"podman {' '.join(argv)}: {done.stderr}{done.stdout}"
        return done.stdout

    def build(self, tag: str, folder: Path) -> None:
        """Build an image from a folder with a Dockerfile."""
        self._built.pop(tag, None)
        # In Docker's format: that of OCI has no health check, of which a Dockerfile may speak.
        self.told("build", "--quiet", "--format", "docker", "--tag", tag, ".", cwd=folder)

    def build_server(self, program: Path, files: Mapping[str, Path] | None = None) -> None:
        """The server's image: one program, as /server, and no more than these files (place in the image: file here)."""
        wanted = {"/server": program, **(files or {})}
        if self._built.get(SERVER) == wanted:
            return
        context = self.folder / "server"
        shutil.rmtree(context, ignore_errors=True)
        for place, file in wanted.items():
            target = Path(f"{context}/root{place}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            target.chmod(0o755)
        (context / "Dockerfile").write_text('FROM scratch\nCOPY root /\nUSER 65532:65532\nENTRYPOINT ["/server"]\n')
        self.build(SERVER, context)
        self._built[SERVER] = wanted

    def tag_cgtune(self) -> None:
        """The image that deploy/Dockerfile makes of this checkout, under the name that the examples give it."""
        (name,) = images.build_image()
        self.told("tag", name, CGTUNE)

    def remove(self) -> None:
        """Everything goes, and gives back what engines share (podman's locks)."""
        self.run("podman", "rm", "--all", "--force", "--time", "0")
        self.run("podman", "rmi", "--all", "--force")
        with contextlib.suppress(OSError):  # where the storage is a mount of its own
            subprocess.run(["umount", str(self.folder / "graph" / "overlay")], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def libraries(*programs: Path) -> dict[str, Path]:
    """The shared libraries of these programs: their places, as the dynamic linker names them."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() for word in line.split() if line.startswith("\t"))
    return {word: Path(word) for word in words if word.startswith("/")}


@contextlib.contextmanager
def own_engine(folder: Path) -> Iterator[Engine]:
    """An engine for one module of tests; whatever happens, it is gone afterwards."""
    require(os.geteuid() == 0, "starts containers with limits: run as root")
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    require(not missing, f"apt-get install --no-install-recommends {' '.join(missing)}")
    engine = Engine(folder)
    try:
        yield engine
    finally:
        engine.remove()
