"""What the image and scripts/cgtune install is what the tests ran on."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement

from tests.support.command import ROOT


def _pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        if pin := re.match(r"([a-z0-9-]+)==(\S+) \\\n", entry):
            found[pin[1]] = pin[2], frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
    return found


def test_the_image_installs_what_the_tests_ran_on() -> None:
    """Every pin of deploy/requirements.lock stands in requirements-dev.lock too, with the same version and hashes."""
    pins, tested = _pins("deploy/requirements.lock"), _pins("requirements-dev.lock")
    assert len(pins) > 5
    assert {name for name, pin in pins.items() if tested.get(name) != pin} == set()
    assert all(hashes for _, hashes in pins.values())
    assert "://" not in (ROOT / "deploy" / "requirements.lock").read_text()


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
