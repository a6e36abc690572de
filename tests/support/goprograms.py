"""Real Go programs for the tests: built from tests/support/goprobe by any toolchain, in any shape, and kept in the cache by content.

``build`` makes one, ``Probe`` runs one and asks it what its own runtime says.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support import toolchains

SOURCE = Path(__file__).parent / "goprobe"
DEBIAN = "1.19"  # the package golang-go of Debian 12, not a wheel
_DEBIAN_ROOT = Path("/usr/lib/go-1.19")

# name -> flags of go build, environment, and whether strip(1) runs over the result
MODES: Mapping[str, tuple[tuple[str, ...], Mapping[str, str], bool]] = {
    "plain": ((), {}, False),
    "sw": (("-ldflags=-s -w",), {}, False),
    "pie": (("-buildmode=pie",), {}, False),
    "pie-sw": (("-buildmode=pie", "-ldflags=-s -w"), {}, False),
    "strip": ((), {}, True),
    "trimpath": (("-trimpath",), {}, False),
    "trimpath-x": (("-trimpath", "-ldflags=-X runtime.godebugDefault=containermaxprocs=1"), {}, False),
    "cgo": (("-tags=probecgo", "-ldflags=-linkmode=external"), {"CGO_ENABLED": "1"}, False),
    "cgo-sw": (("-tags=probecgo", "-ldflags=-linkmode=external -s -w"), {"CGO_ENABLED": "1"}, False),
    "cgo-pie-sw": (("-tags=probecgo", "-buildmode=pie", "-ldflags=-linkmode=external -s -w"), {"CGO_ENABLED": "1"}, False),
    "cgo-pie-strip": (("-tags=probecgo", "-buildmode=pie", "-ldflags=-linkmode=external"), {"CGO_ENABLED": "1"}, True),
    "shared": (("-tags=probeshared", "-buildmode=c-shared"), {"CGO_ENABLED": "1"}, False),
    "shared-sw": (("-tags=probeshared", "-buildmode=c-shared", "-ldflags=-s -w"), {"CGO_ENABLED": "1"}, False),
    "unoptimized": (("-gcflags=all=-N -l",), {}, False),
    "unoptimized-sw": (("-gcflags=all=-N -l", "-ldflags=-s -w"), {}, False),
    "v3-sw": (("-ldflags=-s -w",), {"GOAMD64": "v3"}, False),
    "race-sw": (("-race", "-ldflags=-s -w"), {"CGO_ENABLED": "1"}, False),
    "arm64": ((), {"GOARCH": "arm64"}, False),
    "arm64-sw": (("-ldflags=-s -w",), {"GOARCH": "arm64"}, False),
    "arm64-pie": (("-buildmode=pie",), {"GOARCH": "arm64"}, False),
    "arm64-pie-sw": (("-buildmode=pie", "-ldflags=-s -w"), {"GOARCH": "arm64"}, False),
    "riscv64": ((), {"GOARCH": "riscv64"}, False),
    "riscv64-sw": (("-ldflags=-s -w",), {"GOARCH": "riscv64"}, False),
    "386": ((), {"GOARCH": "386"}, False),
    "s390x": ((), {"GOARCH": "s390x"}, False),
}


def is_present(version: str) -> bool:
    """Whether this version can build without a download."""
    return (_DEBIAN_ROOT / "bin" / "go").is_file() if version == DEBIAN else toolchains.is_present(version)


def build(
    version: str, mode: str = "plain", *, language: str = "1.21", package: str = ".", godebug: Mapping[str, str] | None = None
) -> Path:
    """The probe built by Go ``version`` in one of MODES, with that ``go`` line in go.mod; ``package`` "./minimal" is the smallest program.

    ``godebug`` adds such lines to go.mod (Go 1.23 and later). The result lies in the cache under a name made of everything that went in.
    """
    flags, environment, stripped = MODES[mode]
    if version == DEBIAN:
        language = "1.19"  # an older toolchain refuses a newer go line
    settings = "".join(f"godebug {name}={value}\n" for name, value in (godebug or {}).items())
    module = f"module example.com/goprobe\n\ngo {language}\n{settings}"
    sources = sorted(SOURCE.rglob("*.go"))
    key = hashlib.sha256(repr((version, mode, flags, package, module, [(s.name, s.read_bytes()) for s in sources])).encode()).hexdigest()
    place = toolchains.cache() / "programs" / f"goprobe-{version}-{mode}-{language}-{key[:16]}"
    if place.is_file():
        return place
    if environment.get("CGO_ENABLED") == "1":
        _need("gcc", "gcc libc6-dev")
    if stripped:
        _need("strip", "binutils")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        shutil.copytree(SOURCE, Path(folder) / "source")
        (Path(folder) / "source" / "go.mod").write_text(module)
        output = Path(folder) / "program"
        command = ["build", "-mod=mod", "-buildvcs=false", *flags, "-o", str(output), package]
        done = subprocess.run(
            [str(_goroot(version) / "bin" / "go"), *command],
            cwd=Path(folder) / "source",
            env=_environment(version) | dict(environment),
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(f"go {version} in mode {mode}:\n{done.stdout}{done.stderr}")
        if stripped:
            subprocess.run(["strip", str(output)], check=True)
        os.replace(output, place)
    return place


def _need(program: str, packages: str) -> None:
    if not shutil.which(program):
        raise toolchains.ToolchainUnavailable(f"{program} is missing: apt-get install --no-install-recommends {packages}")


def _goroot(version: str) -> Path:
    return _DEBIAN_ROOT if version == DEBIAN else toolchains.goroot(version)


def _environment(version: str) -> dict[str, str]:
    if version != DEBIAN:
        return toolchains.go_environment(version)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_"))}
    place = toolchains.cache()
    return {
        **kept,
        "GOPROXY": "off",
        "GOENV": "off",
        "CGO_ENABLED": "0",
        "GOPATH": str(place / "gopath"),
        "GOCACHE": str(place / "go-build"),
    }


def build_unpacker() -> Path:
    """A program that starts the ELF file named by UNPACK from anonymous memory, as a packer's stub does."""
    source = SOURCE / "packed" / "unpack.c"
    place = toolchains.cache() / "programs" / f"unpack-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not place.is_file():
        _need("gcc", "gcc libc6-dev")
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            output = Path(folder) / "unpack"
            subprocess.run(["gcc", "-O1", "-static-pie", "-o", str(output), str(source)], check=True)
            os.replace(output, place)
    return place


class Probe:
    """A running probe, as a context manager. ``values`` is its newest report."""

    def __init__(
        self,
        program: Path,
        *commands: str,
        environment: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        answers: int | None = None,
    ) -> None:
        # The environment is exactly what the test says: a GOMAXPROCS of the developer's must not reach the program
        self.process = subprocess.Popen(
            [*wrapper, str(program), *commands],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", ""), **(environment or {})},
            text=True,
        )
        self.pid = self.process.pid
        self.values: dict[str, Any] = {}
        for _ in range(answers if answers is not None else max(len(commands), 1)):
            self._receive()

    def ask(self, command: str = "report") -> dict[str, Any]:
        """Send one command and return the values after it."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the probe ended with status {self.process.wait()}")
        self.values = json.loads(line)
        return self.values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()


def library_host(libraries: list[str]) -> None:
    """Load Go libraries into this Python and answer lines of standard input, "NUMBER COMMAND", by the library of that number."""
    loaded = []
    for path in libraries:
        library = ctypes.CDLL(path)
        library.Probe.restype = ctypes.c_char_p  # each answer leaks one short string
        library.Probe.argtypes = [ctypes.c_char_p]
        loaded.append(library)
        print(library.Probe(b"report").decode(), flush=True)
    for line in sys.stdin:
        number, _, command = line.strip().partition(" ")
        print(loaded[int(number)].Probe(command.encode()).decode(), flush=True)


class LibraryHost(Probe):
    """A Python with Go libraries in it; ``ask("0 gomaxprocs 3")`` runs a command in the first of them."""

    def __init__(self, *libraries: Path, environment: Mapping[str, str] | None = None, wrapper: tuple[str, ...] = ()) -> None:
        paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
        commands = ["-m", "tests.support.goprograms", *map(str, libraries)]
        super().__init__(Path(sys.executable), *commands, environment={**paths, **(environment or {})}, wrapper=wrapper, answers=0)
        self.reports = [self._receive() for _ in libraries]


if __name__ == "__main__":
    library_host(sys.argv[1:])
