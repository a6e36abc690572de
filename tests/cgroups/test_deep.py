"""Cgroups nested without sense: a bounded chain, which still has every limit that binds, in steps that grow with the depth alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cgtune import api
from cgtune.cgroups import kernel
from cgtune.cgroups.locate import locate_chain, locate_left_out
from cgtune.model import Membership, Mount, ProcessReport
from cgtune.outputs.json import render_json
from cgtune.process import read_threads
from cgtune.system.host import Host
from tests.support import stories

_ROOT = Mount(mount_id=1, parent_id=0, device="0:26", root="/", mount_point="/c", filesystem="cgroup2", super_options=())


def _unified(path: str) -> Membership:
    return Membership(hierarchy_id=0, controllers=(), path=path)


@pytest.mark.parametrize(
    ("names", "told"),
    [(["a"] * 31, 32), (["a"] * 32, 6), (["a"] * 2000, 6), (["n" * 60] * 12, 13), (["n" * 255] * 15, 16), (["n" * 255] * 16, 6)],
)
def test_a_chain_is_told_whole_or_by_its_ends(names: list[str], told: int) -> None:
    """Real chains have up to 12 levels; of what is deeper the ends are told, and the rest can be asked for from the top down."""
    chain = locate_chain(_unified("/" + "/".join(names)), _ROOT)
    assert isinstance(chain, tuple)
    assert len(chain) == told
    left_out = [place for _, place in locate_left_out(chain)]
    paths = (
        [place.path for place in chain[: told - 3]]
        + [place.path for place in reversed(left_out)]
        + [place.path for place in chain[told - 3 :]]
    )
    assert paths == ["/" + "/".join(names[:count]) for count in range(len(names), -1, -1)]


def _deep(tmp_path: Path, depth: int, **files: tuple[int, str]) -> tuple[Path, int]:
    """A recorded machine with its process so deep; of the levels given, a file's content. Returns (its root, its pid)."""
    story = "v2-ancestor-tighter"
    pid = stories.pid_of(story)
    root = tmp_path / f"machine{depth}"
    shutil.copytree(stories.STORIES / story, root, symlinks=True)
    place = root / "sys/fs/cgroup"
    path = ""
    for level in range(1, depth + 1):
        place, path = place / "a", f"{path}/a"
        place.mkdir()
        (place / "cgroup.events").write_text("populated 1\n")
        (place / "cpu.max").write_text("max 100000\n")
        (place / "memory.max").write_text("max\n")
        for name, (at, text) in files.items():
            if at == level:
                (place / name.replace("_", ".")).write_text(text)
    (root / f"proc/{pid}/cgroup").write_text(f"0::{path}\n")
    return root, pid


def _report(root: Path, pid: int) -> ProcessReport:
    with Host(str(root)) as host:
        return api.inspect([pid], root=host.root).processes[0]


def test_the_tightest_limits_bind_wherever_they_are(tmp_path: Path) -> None:
    """A quota and a memory limit in the midst of a hundred levels are those of the report, and stand in its chain in their order."""
    process = _report(*_deep(tmp_path, 100, cpu_max=(40, "30000 100000\n"), memory_max=(60, "100000000\n")))
    assert (process.limits.cpu.limit_cores, process.limits.memory.limit_bytes) == (0.3, 100_000_000)
    for chain in (process.snapshot.cpu_chain, process.snapshot.memory_chain):
        assert [level.path.count("a") for level in chain] == [100, 99, 98, 60, 40, 2, 1, 0]
    assert any("95 of its cgroups lie between these" in note.why for note in process.notes)


def test_of_many_limits_the_leaf_most_of_the_tightest_binds(tmp_path: Path) -> None:
    """As in a chain that is told whole."""
    root, pid = _deep(tmp_path, 60)
    place = root / "sys/fs/cgroup"
    for level in range(1, 61):
        place /= "a"
        (place / "cpu.max").write_text(f"{max(30_000, 50_000 - 1000 * level)} 100000\n")
    process = _report(root, pid)
    assert process.limits.cpu.limit_cores == 0.3
    assert process.limits.cpu.binding is process.snapshot.cpu_chain[0]
    assert [level.path.count("a") for level in process.snapshot.cpu_chain] == [60, 59, 58, 57, 2, 1, 0]


def test_a_cgroup_that_is_gone_leaves_those_above_it(tmp_path: Path) -> None:
    """The lowest levels do not exist any more: the limits of the others hold."""
    root, pid = _deep(tmp_path, 60, cpu_max=(30, "30000 100000\n"))
    shutil.rmtree(root / "sys/fs/cgroup" / "/".join("a" * 57))
    process = _report(root, pid)
    assert process.limits.cpu.limit_cores == 0.3
    assert [level.path.count("a") for level in process.snapshot.cpu_chain] == [30, 2, 1, 0]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were opened."""
    names: list[str] = []
    genuine = os.open

    def count(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        names.append(path)
        return genuine(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", count)
    return names


def test_twice_as_deep_is_twice_the_work(tmp_path: Path, opened: list[str]) -> None:
    """And the report does not grow, but for the paths."""
    counts, sizes = [], []
    for depth in (100, 200):
        root, pid = _deep(tmp_path, depth)
        del opened[:]
        report = api.inspect([pid], root=str(root))
        counts.append(len(opened))
        sizes.append(len(render_json(report)))
    assert counts[1] < 2.2 * counts[0]
    assert sizes[1] < 1.3 * sizes[0]


def test_few_threads_are_asked_where_their_cgroup_lies_deep(tmp_path: Path) -> None:
    """The kernel spells each one's path in a time that grows with the square of its levels: what was not asked is told."""
    folder = tmp_path / "proc/7/task"
    for thread in range(7, 27):
        (folder / str(thread)).mkdir(parents=True)
        (folder / str(thread) / "stat").write_text((stories.STORIES / "v2-ancestor-tighter/proc/4242/stat").read_text())
        (folder / str(thread) / "cgroup").write_text("4:cpu:/\n")
    process = stories.report("v2-ancestor-tighter").processes[0].snapshot.process.replace(pid=7)
    for length, looked_at in ((100, 20), (1100, 16), (4000, 1)):
        notes: list[object] = []
        memberships = kernel.parse_cgroup("4:cpu:/" + "a/" * (length // 2) + "\n")
        with Host(str(tmp_path)) as host:
            from cgtune.cgroups.locate import Place

            threads = read_threads(host, process, memberships, [(1, Place(path="/", directory="/c"))], notes)  # type: ignore[arg-type]  # notes
        assert threads is not None
        assert (threads.looked_at, len(notes)) == (looked_at, int(looked_at < 20))
