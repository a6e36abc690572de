"""A container engine with images of its own for the tests, without a registry: podman and runc over a storage folder that is thrown away.

Commands are run as their users write them (``podman run IMAGE``, ``docker run IMAGE``): settings that this machine needs come from
containers.conf, and ``docker`` is podman. Nothing here is seen by any other podman of the machine. The image ``cgtune`` has what
deploy/Dockerfile puts into one, from this checkout and its .venv; the image of a server holds one Go program and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.command import ROOT, environment
from tests.needs import require

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
# Of Python's library, what cgtune never loads and is large, or brings large libraries: an image is built in a second
_LEFT_OUT = (
    *("test", "tests", "idlelib", "lib2to3", "ensurepip", "config-*", "*-packages", "tkinter", "turtledemo", "unittest", "pydoc_data"),
    *("asyncio", "distutils", "sqlite3", "curses", "xmlrpc", "wsgiref", "*.opt-?.pyc"),
    *("_tkinter*.so", "_sqlite3*.so", "_curses*.so", "_gdbm*.so", "_dbm*.so", "nis*.so", "readline*.so", "_test*.so", "_codecs_*.so"),
)
_DEPENDENCIES = ("annotated_doc", "psutil", "shellingham", "tabulate", "typer")


class Engine:
    """One engine, with its storage below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "docker").symlink_to(shutil.which("podman") or "podman")
        (folder / "containers.conf").write_text(_CONTAINERS)
        places = f'graphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{places}')
        self.environ = environment(
            CONTAINERS_CONF=str(folder / "containers.conf"),
            CONTAINERS_STORAGE_CONF=str(folder / "storage.conf"),
            PATH=f"{folder}/bin:{os.environ['PATH']}",
        )

    def run(self, *argv: str, stdin: str = "", cwd: Path | None = None, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run any program that talks to this engine, to its end."""
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=seconds, env=self.environ, cwd=cwd or self.folder, check=False
        )

    def told(self, *argv: str, cwd: Path | None = None) -> str:
        """The output of a podman command that has to succeed."""
        done = self.run("podman", *argv, cwd=cwd)
        assert done.returncode == 0, f"podman {' '.join(argv)}: {done.stderr}{done.stdout}"
        return done.stdout

    def build(self, tag: str, folder: Path, dockerfile: str | None = None, **arguments: str) -> None:
        """Build an image from a folder, by its Dockerfile or by this text."""
        if dockerfile is not None:
            (folder / "Dockerfile").write_text(dockerfile)
        options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        self.told("build", "--quiet", *options, "--tag", tag, ".", cwd=folder)

    def build_server(self, program: Path, files: Mapping[str, Path] | None = None, tag: str = SERVER) -> None:
        """An image of one program, as /server, and no more than these files (place in the image: file here)."""
        context = self.folder / "server"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        for place, file in {"/server": program, **(files or {})}.items():
            target = Path(f"{context}/root{place}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            target.chmod(0o755)
        self.build(tag, context, 'FROM scratch\nCOPY root /\nUSER 65532:65532\nENTRYPOINT ["/server"]\n')

    def build_cgtune(self) -> None:
        """The image of cgtune."""
        context = self.folder / "cgtune"
        _install_python(context / "root")
        lines = ("FROM scratch", "COPY root /", "ENV PATH=/opt/cgtune/bin:/usr/bin", "USER 65532:65532")
        self.build(CGTUNE, context, "\n".join((*lines, 'ENTRYPOINT ["/opt/cgtune/bin/cgtune"]', 'CMD ["serve"]\n')))
        shutil.rmtree(context)

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


def _install_python(root: Path) -> None:
    """This Python with its library, cgtune and what it depends on, below a new root."""
    interpreter = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    packages = Path(sysconfig.get_path("purelib"))
    shutil.copytree(library, Path(f"{root}{library}"), ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    own = root / "opt" / "cgtune"
    site = own / "lib" / library.name / "site-packages"
    for name in _DEPENDENCIES:
        package = packages / name
        if package.is_dir():
            shutil.copytree(package, site / name)
        else:
            shutil.copy2(package.with_suffix(".py"), site)
    shutil.copytree(ROOT / "cgtune", site / "cgtune", ignore=shutil.ignore_patterns("__pycache__"))
    # A start under a tenth of a CPU has no time to compile, and nowhere to keep what it compiled.
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), str(site / "cgtune")]
    subprocess.run(compiling, check=True)
    extensions = [*Path(f"{root}{library}").glob("lib-dynload/*.so"), *(packages / "psutil").glob("*.so")]
    for place, file in {str(interpreter): interpreter, **libraries(interpreter, *extensions)}.items():
        target = Path(f"{root}{place}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (own / "bin").mkdir()
    (own / "bin" / "python3").symlink_to(interpreter)
    (own / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    program = own / "bin" / "cgtune"
    program.write_text("#!/opt/cgtune/bin/python3 -I\nimport sys\n\nfrom cgtune.__main__ import main\n\nsys.exit(main())\n")
    program.chmod(0o755)


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
