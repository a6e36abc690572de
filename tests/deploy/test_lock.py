"""What the image and scripts/cgtune install is what the tests ran on."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests.support.command import ROOT


def _pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        if pin := re.match(r"([A-Za-z0-9._-]+)==(\S+) \\\n", entry):
            found[pin[1]] = pin[2], frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
    return found


def test_the_image_installs_what_the_tests_ran_on() -> None:
    """Every pin of deploy/requirements.lock stands in requirements-dev.lock too, with the same version and hashes."""
    pins, tested = _pins("deploy/requirements.lock"), _pins("requirements-dev.lock")
    assert len(pins) > 5
    assert {name for name, pin in pins.items() if tested.get(name) != pin} == set()
    assert all(hashes for _, hashes in pins.values())
    assert "://" not in (ROOT / "deploy" / "requirements.lock").read_text()


@pytest.mark.parametrize("name", ["requirements-dev.lock", "deploy/requirements.lock", "deploy/sbom.lock"])
def test_every_package_is_locked_by_hash(name: str) -> None:
    """No line of a lock names a package without a version and a hash: pip then takes nothing that is not named so."""
    named = re.findall(r"^[A-Za-z].*", (ROOT / name).read_text(), re.MULTILINE)
    assert len(named) == len(_pins(name)) > 5
    assert [pin for pin, (_, hashes) in _pins(name).items() if not hashes] == []


def test_the_image_installs_nothing_that_is_not_locked() -> None:
    """Each pip of the Dockerfile demands hashes, and takes wheels alone, which run nothing while they are installed."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    installs = [line for line in text.splitlines() if re.search(r"\bpip\b.* install ", line)]
    assert len(installs) == 2
    for line in installs:
        assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(line.split())


def test_the_lock_is_the_dependencies_and_what_they_need() -> None:
    """Nothing that pyproject.toml's dependencies need, directly or further down, is missing, and nothing else is in it."""
    declared = [Requirement(each) for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
    needed: set[str] = set()
    while declared:
        each = declared.pop()
        name = re.sub(r"[-_.]+", "-", each.name).lower()
        if name not in needed and (each.marker is None or each.marker.evaluate({"extra": ""})):
            needed.add(name)
            declared += map(Requirement, metadata.requires(name) or ())
    assert set(_pins("deploy/requirements.lock")) == needed
