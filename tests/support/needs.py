"""What a test needs of the machine: the one place where a test may be skipped.

On a laptop a test that cannot run is skipped with its reason. Where ``CI`` or ``CGTUNE_REQUIRE_LIVE`` is set the same test fails with
the same reason: a green run there means that everything ran.
"""

from __future__ import annotations

import os

import pytest


def is_live_required() -> bool:
    """Whether a test that cannot run here has to fail."""
    return any(os.environ.get(name, "") not in ("", "0", "false") for name in ("CI", "CGTUNE_REQUIRE_LIVE"))


def require(condition: object, reason: str) -> None:
    """Go on only where the condition holds; else skip the test, or fail it where live tests are required. The reason says what to do."""
    if condition:
        return
    if is_live_required():
        pytest.fail(f"cannot run here, and may not be skipped: {reason}", pytrace=False)
    pytest.skip(reason)


def only_where(applies: object, reason: str) -> None:
    """Skip, in CI too, what this kind of machine cannot have by its nature: a cgroup v1 file on a cgroup v2 machine."""
    if not applies:
        pytest.skip(f"does not apply here: {reason}")
