"""scripts/bench/advice on this machine's own cgroups: what a run is told to be, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cgroups import Group, own_groups
from tests.support import adviceruns, toolchains
from tests.support.adviceruns import MIB, Invalid, Memory, Serving
from tests.support.command import INTERRUPTIBLE, ROOT, uncounted
from tests.support.needs import require

pytestmark = [pytest.mark.live, pytest.mark.fetched]

VERSION = "1.27.3"
BENCH = str(ROOT / "scripts" / "bench" / "advice")


@pytest.fixture
def group() -> Iterator[Group]:
    """A group in which runs take place."""
    with own_groups("cpuacct") as groups:
        yield groups.make("run")


def program(name: str) -> Path:
    """The load of this name, if there is a Go to build it."""
    try:
        return adviceruns.build(name, VERSION)
    except toolchains.ToolchainUnavailable as error:
        require(False, str(error))
        raise


def _leave_the_cache(path: Path) -> None:
    """As on a machine that has not run it yet: whoever reads the file next is charged for its pages."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_a_run_that_was_killed_is_told_from_one_that_lived_and_one_that_failed(group: Group) -> None:
    """The kernel's counter tells, in a group that is made anew for each run; what is no pattern is a failed run, with its words."""
    memory = program("memory")
    tight, roomy = Memory("block", 64, 85, "storm"), Memory("small", 64, 20)
    _leave_the_cache(memory)
    assert adviceruns.run_memory(group, memory, tight, {})["outcome"] == "oom"
    lived = adviceruns.run_memory(group, memory, roomy, adviceruns.environment(48 * MIB, None, 2))
    assert lived["outcome"] == "ok"
    assert lived["cpu"] > 0
    assert lived["gc"] >= 1
    assert lived["peak"] <= 64
    failed = adviceruns.run_memory(group, memory, Memory("no such", 64, 20), {})
    assert failed["outcome"].startswith("fail 2 ")


def test_a_run_begins_only_in_an_empty_group(group: Group) -> None:
    """A process of a run before would be measured too: the run does not begin, and the message names it."""
    left = group.start_sleeper()
    with pytest.raises(Invalid, match=str(left)):
        adviceruns.prepare(group, limit_mib=64)


@pytest.mark.parametrize("load", [60.0, 0.0], ids=["requests", "without pause"])
def test_a_server_stays_within_its_quota(group: Group, load: float) -> None:
    """The kernel's own count of CPU time is at most the quota and the first period; the row says how many threads there were."""
    server = program("server")
    row = adviceruns.run_serving(group, server, Serving("alloc", 0.5, load), 2, 1, turns=adviceruns.calibrate(server), seconds=1.0)
    assert (row["gomaxprocs"], row["quota"]) == (2, "0.5")
    assert row["requests"] > 50
    assert row["usage_s"] <= 0.5 * row["wall_s"] + 0.15


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_bench_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """After Ctrl-C its cgroups and processes are gone; the rows of the runs that had ended are there."""
    program("memory")
    words = [*INTERRUPTIBLE, BENCH, "memory", "--only", "small", "--minutes", "5", "--rows", str(tmp_path)]
    bench = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=uncounted())
    rows, deadline = tmp_path / "memory-asked.csv", time.monotonic() + 120
    while not (rows.exists() and rows.read_text().count("\n") > 1):
        assert time.monotonic() < deadline
        assert bench.poll() is None, bench.stderr and bench.stderr.read()
        time.sleep(0.1)
    bench.send_signal(number)
    _, said = bench.communicate(timeout=60)
    assert bench.returncode == code
    assert "Traceback" not in said
    assert not list(Path("/sys/fs/cgroup").glob(f"*/cgtune-test-live-{bench.pid}-*"))
    assert not list(Path("/sys/fs/cgroup").glob(f"cgtune-test-live-{bench.pid}-*"))


def test_without_root_it_says_so_in_one_line() -> None:
    """Whoever may not make cgroups is told so, with exit code 3."""
    require(os.geteuid() == 0, "gives root away: run as root")
    tried = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True, timeout=60, check=False)
    require(tried.returncode == 0, f"a user namespace: {tried.stderr.strip()}")
    done = subprocess.run(["unshare", "--user", BENCH, "--quick"], capture_output=True, text=True, timeout=60, env=uncounted())
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "advice: makes control groups: run as root\n")
