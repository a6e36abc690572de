"""Go's version strings, of releases, vendors and development."""

from __future__ import annotations

import pytest

from cgtune.runtimes.go.program.version import parse_version


@pytest.mark.parametrize(
    ("text", "major", "minor", "patch", "prerelease", "development"),
    [
        ("go1.25.5", 1, 25, 5, "", False),
        ("go1.21", 1, 21, 0, "", False),
        ("go1.26rc1", 1, 26, 0, "rc1", False),
        ("go1.20beta1", 1, 20, 0, "beta1", False),
        ("go1.25.5 X:synctest,greenteagc", 1, 25, 5, "", False),
        ("go1.27.3-X:nojsonv2,nogreenteagc", 1, 27, 3, "", False),
        ("go1.22.1-fips", 1, 22, 1, "", False),
        ("go1.21.13 (Red Hat 1.21.13-1.el9)", 1, 21, 13, "", False),
        ("go1.22-20240109-RC01 cl/597041403 +dcbe772469 X:loopvar", 1, 22, 0, "", False),
        ("go1.20.12b4 X:boringcrypto", 1, 20, 12, "", False),
        ("devel go1.28-abcdef0123 Mon Nov 23 04:00:00 2026 +0000", 1, 28, 0, "", True),
        ("go1.28-devel_abcdef Mon Nov 23 2026", 1, 28, 0, "", True),
        ("go2.0", 2, 0, 0, "", False),
    ],
)
def test_versions_are_parsed(text: str, major: int, minor: int, patch: int, prerelease: str, development: bool) -> None:
    """Releases, prereleases, vendors' builds, development versions and builds with experiments name their major, minor and patch."""
    version = parse_version(text)
    assert version is not None
    assert (version.major, version.minor, version.patch, version.prerelease) == (major, minor, patch, prerelease)
    assert (version.development, version.text) == (development, text)


@pytest.mark.parametrize(
    "text", ["", "unknown", "devel", "devel +abcdef0123 Mon", "(devel)", "go", "go1", "go1.", "gox.y", "1.25.5", "go\u0661.\u0662"]
)
def test_what_names_no_version_is_none(text: str) -> None:
    """A version that names no number is not guessed at."""
    assert parse_version(text) is None


def test_versions_compare_by_number() -> None:
    """1.9 is older than 1.10, a release candidate counts as its release."""
    version = parse_version("go1.10")
    candidate = parse_version("go1.26rc1")
    assert version is not None
    assert candidate is not None
    assert version.at_least(1, 9)
    assert version.at_least(1, 10)
    assert not version.at_least(1, 10, 1)
    assert candidate.at_least(1, 26)
