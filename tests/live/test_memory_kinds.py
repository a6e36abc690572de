"""Memory of known amounts and kinds on this machine's own kernel: a report says what was taken, and what of it can be given back."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.cgroups.kernel import parse_mountinfo
from tests.live.cgroups import Group, Groups
from tests.support import memory_kinds
from tests.support.command import inspect
from tests.support.memory_kinds import MIB
from tests.support.needs import require

pytestmark = pytest.mark.live


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk: files of a file system in memory are shared memory of their writer, and no page cache."""
    if not _is_in_memory(tmp_path):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cgtune-test-", dir="/var/tmp") as other:
        require(not _is_in_memory(Path(other)), f"{tmp_path} and {other} both lie in memory: run with --basetemp=FOLDER on a disk")
        yield Path(other)


@pytest.mark.parametrize("kind", memory_kinds.GROWS)
def test_memory_of_a_known_kind(groups: Groups, folder: Path, kind: str) -> None:
    """What was locked, made dirty or shared is in use, page cache that is merely mapped can be given back: within 2 MiB."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    file, ready = str(folder / "file"), folder / "ready"
    assert memory_kinds.watch_taking(lambda argv: group.start(argv).pid, inspect, kind, file, ready) == {}


def _is_in_memory(folder: Path) -> bool:
    """Whether a file here is shared memory of its writer."""
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_text())
    holding = [mount for mount in mounts if folder.is_relative_to(mount.mount_point)]
    return max(enumerate(holding), key=lambda pair: (len(pair[1].mount_point), pair[0]))[1].filesystem in ("tmpfs", "ramfs")


def _counted(group: Group) -> tuple[int, float]:
    """Periods with saved-up quota, and seconds beyond the quota in them, as the kernel counts."""
    words = dict(line.split() for line in group.read("cpu", "cpu.stat").splitlines())
    seconds = int(words["burst_usec"]) / 1e6 if "burst_usec" in words else int(words["burst_time"]) / 1e9
    return int(words["nr_bursts"]), seconds


def test_a_burst_is_used_after_a_rest(groups: Groups) -> None:
    """A program that rests and then is busy uses quota and burst in one period, and no more: what the told stall goes by."""
    group = groups.make("app")
    group.limit_cpu(20_000)
    group.write("cpu", "cpu.max.burst" if group.version("cpu") == 2 else "cpu.cfs_burst_us", "10000")
    rests = "import time\nwhile True:\n  time.sleep(0.4)\n  end = time.monotonic() + 0.2\n  while time.monotonic() < end: pass"
    program = group.start([sys.executable, "-I", "-c", rests])
    deadline = time.monotonic() + 60
    while _counted(group)[0] < 3:
        assert time.monotonic() < deadline, "no burst was used"
        time.sleep(0.05)
    before = _counted(group)
    process = inspect(program.pid)
    after = _counted(group)
    usage, level = process["usage"]["cpu"], process["enforced"]["cpu"]["chain"][0]
    assert (process["enforced"]["cpu"]["burst_us"], level["burst_us"]) == (10_000, 10_000)
    assert before[0] <= usage["bursts"] == level["bursts"] <= after[0]
    assert before[1] <= usage["burst_seconds"] <= after[1]
    assert 0 < after[1] <= after[0] * 0.0101  # quota and burst, in no period more


def test_an_idle_cgroup_has_no_weight(groups: Groups) -> None:
    """Under cpu.idle the kernel says 0, 1 or 3 for a weight that does not hold: the report says idle."""
    group, other = groups.make("idle"), groups.make("other")
    group.write("cpu", "cpu.idle", "1")
    assert [inspect(each.start_sleeper())["enforced"]["cpu"]["chain"][0]["idle"] for each in (group, other)] == [True, False]
