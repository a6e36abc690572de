"""What a stranger installs: the wheel holds all that cgtune needs, and nothing of the tests."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _build(target: str, source: Path, place: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(place)]
    return subprocess.run(argv, cwd=source, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without a network."""
    place = tmp_path_factory.mktemp("wheel")
    built = _build("wheel", ROOT, place)
    assert built.returncode == 0, built.stderr
    (path,) = place.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every file of cgtune/ is in it, the type marker and data files too, with the licence; tests and fixtures are not."""
    files = set(zipfile.ZipFile(wheel).namelist())
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "cgtune").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert "cgtune/py.typed" in sources
    assert {name for name in files if ".dist-info/" not in name} == sources
    assert any(name.endswith("licenses/LICENSE") for name in files)


def test_the_source_archive_arrives_whole(wheel: Path, tmp_path: Path) -> None:
    """What is in it is the checkout's, byte for byte and link for link, and gives the same wheel."""
    assert _build("sdist", ROOT, tmp_path).returncode == 0
    subprocess.run(["tar", "--extract", "--gzip", "--file", *tmp_path.glob("*.tar.gz"), "--directory", tmp_path], check=True, timeout=60)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    shipped = {path.relative_to(unpacked) for path in unpacked.rglob("*") if not path.is_dir()} - {Path("PKG-INFO")}
    folders = {path.parts[0] for path in shipped if len(path.parts) > 1}
    here = {path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*") if path.is_symlink() or not path.is_dir()}
    assert {path for path in shipped if len(path.parts) > 1} == {path for path in here if path.suffix != ".pyc"}
    assert [path for path in shipped if (unpacked / path).read_bytes() != (ROOT / path).read_bytes()] == []
    assert _build("wheel", unpacked, tmp_path).returncode == 0
    assert zipfile.ZipFile(tmp_path / wheel.name).namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_installed_command_runs(wheel: Path, tmp_path: Path) -> None:
    """pip installs the wheel with its command, and the command says the version that the wheel bears. Its byte code lies there from the
    beginning: whoever starts it may not be allowed to write there.
    """
    argv = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)]
    installed = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert installed.returncode == 0, installed.stderr
    sources = [*(tmp_path / "cgtune").rglob("*.py")]
    assert [path for path in sources if not Path(importlib.util.cache_from_source(str(path))).is_file()] == []
    assert len(sources) > 100
    argv = [str(tmp_path / "bin" / "cgtune"), "--version"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=environment(PYTHONPATH=str(tmp_path)), check=False)
    version = wheel.name.split("-")[1]
    assert (said.returncode, said.stdout, said.stderr) == (0, f"cgtune {version}\n", "")


def test_each_dependency_has_a_floor_a_cap_and_a_reason() -> None:
    """A range says what was tried and where it ends, and the line above it says why."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    assert PROJECT["dependencies"]
    for dependency in PROJECT["dependencies"]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+,<[0-9.]+", dependency), dependency
        place = lines.index(f'  "{dependency}",')
        assert lines[place - 1].lstrip().startswith("#"), dependency


def test_the_lock_pins_every_dependency_with_hashes_and_names_no_host() -> None:
    """What the tests run on is the same everywhere, comes from wherever pip is set up to look, and lies within the declared ranges."""
    from packaging.requirements import Requirement  # here: a dependency of pytest, not ours

    text = (ROOT / "requirements-dev.lock").read_text()
    assert "://" not in text
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:", text, flags=re.MULTILINE))
    assert len(pins) == len(re.findall(r"^[a-z]", text, flags=re.MULTILINE))
    for declared in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]):
        assert declared.specifier.contains(pins[declared.name]), declared


def test_the_top_level_holds_what_it_is_to_hold() -> None:
    """The folders of the plan and the papers, and nothing that a slip left there; what begins with a dot is a tool's."""
    if shutil.which("git") and (ROOT / ".git").exists():  # what somebody keeps beside it is none of ours
        listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        names = {name.partition("/")[0] for name in listed.stdout.split("\0") if name and not name.startswith(".")}
    else:
        names = {name for name in os.listdir(ROOT) if not name.startswith(".")} - {"dist"}
    papers = {"ARCHITECTURE.md", "CHANGELOG.md", "GLOSSARY.md", "LICENSE", "README.md", "pyproject.toml", "requirements-dev.lock"}
    optional = {"CONTRIBUTING.md", "SECURITY.md"}
    assert names - optional == papers | {"cgtune", "deploy", "docs", "findings", "fixtures", "scripts", "tests"}
