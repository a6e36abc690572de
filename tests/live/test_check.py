"""``cgtune check`` beside real programs under real quotas."""

from __future__ import annotations

import json
import platform
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.test_check import validate_sarif
from tests.live.cgroups import Groups, own_groups
from tests.support import goprograms
from tests.support.command import run
from tests.support.needs import only_where

pytestmark = pytest.mark.live


@pytest.fixture
def groups() -> Iterator[Groups]:
    """A place for this test's control groups."""
    with own_groups() as made:
        yield made


@pytest.fixture
def old_go() -> Path:
    """A program of Go 1.24, which never looks at its quota."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    return goprograms.build("1.24.11")


def wait_for_go(pid: int) -> None:
    """Until its runtime has its values: first it is the shell that moves itself into the group, then a runtime that starts."""
    deadline = time.monotonic() + 60
    status = Path(f"/proc/{pid}/status")
    # The runtime reads its variables before it starts a second thread (runtime/proc.go: schedinit, then main starts sysmon)
    while not status.read_text().startswith("Name:\tgoprobe") or "\nThreads:\t1\n" in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_too_many_threads_fail_until_the_named_value_is_set(groups: Groups, old_go: Path) -> None:
    """Go 1.24 with GOMAXPROCS=8 under 0.5 CPU: one finding names the cause and the value; with that value check is silent."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    program = group.start([str(old_go), "sleep 600000"], GOMAXPROCS="8")
    wait_for_go(program.pid)
    done = run("check", "--pid", program.pid)
    assert (done.returncode, done.stderr) == (1, "")
    failures = [line for line in done.stdout.splitlines() if not line.startswith(("  ", "and "))]
    assert len(failures) == 1
    assert failures[0].startswith("warning gomaxprocs-exceeds-quota: ")
    assert "GOMAXPROCS is 8, set by its environment" in failures[0]
    assert group.path in done.stdout
    report = json.loads(run("check", "--pid", program.pid, "--format", "json").stdout)
    (advice,) = [step for one in report["processes"][0]["findings"] for step in one["advice"] if step["variable"] == "GOMAXPROCS"]
    assert f"set GOMAXPROCS={advice['value']}" in done.stdout

    mended = group.start([str(old_go), "sleep 600000"], GOMAXPROCS=advice["value"])
    wait_for_go(mended.pid)
    assert _outcome(run("check", "--pid", mended.pid)) == (0, "", "")
    assert _outcome(run("check", CGTUNE_PID=str(mended.pid))) == (0, "", "")
    assert run("check", CGTUNE_PID=str(program.pid)).returncode == 1
    logged = validate_sarif(run("check", "--pid", program.pid, "--format", "sarif").stdout)
    assert logged["runs"][0]["results"][0]["ruleId"] == "gomaxprocs-exceeds-quota"
    bad, good = (run("check", "--pid", one.pid, "--format", "nagios") for one in (program, mended))
    assert (bad.returncode, good.returncode) == (1, 0)
    assert " gomaxprocs=8;2" in bad.stdout.splitlines()[0].partition(" | ")[2]
    assert " gomaxprocs=2;2" in good.stdout.partition(" | ")[2]
    assert run("check", "--pid", program.pid, "--ignore", "gomaxprocs-exceeds-quota").returncode == 0
    assert run("check", "--pid", program.pid, "--fail-on", "critical").returncode == 0


def _outcome(done: object) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr  # type: ignore[attr-defined]


def test_a_window_forgets_what_is_over(groups: Groups) -> None:
    """Throttling that is going on fails over a window; once it has stopped, the window is clean while the counters still tell of it."""
    group = groups.make("busy")
    group.limit_cpu(1_000)  # the least quota there is, in a long period: used up in every one, whatever else this machine does
    burner = group.start(["sh", "-c", "while :; do :; done"])
    deadline = time.monotonic() + 60
    while group.throttled()[1] < 10:
        assert time.monotonic() < deadline, group.throttled()
        time.sleep(0.05)
    during = run("check", "--pid", burner.pid, "--window", "2")
    assert during.returncode == 1, during.stdout
    assert during.stdout.startswith(f"critical started-throttled, hurts now: {burner.pid} sh: ")  # it is young: that is its start
    data = run("check", "--pid", burner.pid, "--window", "1", "--format", "nagios").stdout.splitlines()[0].partition(" | ")[2]
    (throttled,) = [word for word in data.split() if word.startswith("throttled=")]
    share, *bounds = throttled.removeprefix("throttled=").split(";")
    assert (float(share.removesuffix("%")) > 50, bounds) == (True, ["5", "25"])
    burner.send_signal(signal.SIGSTOP)
    status = Path(f"/proc/{burner.pid}/status")
    while "\nState:\tT" not in status.read_text():  # it needs its share of a period to stop
        assert time.monotonic() < deadline + 60
        time.sleep(0.02)
    time.sleep(0.3)  # the period in which it stopped is over, at the latest
    assert group.throttled()[1] > 0
    after = run("check", "--pid", burner.pid, "--window", "1")
    assert _outcome(after) == (0, "", "")
