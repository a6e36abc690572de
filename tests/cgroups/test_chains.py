"""Whose mounts are believed: a container can mount what it likes, above and upon its own cgroup files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cgtune.cgroups import kernel
from cgtune.cgroups.chains import Ours
from cgtune.cgroups.locate import Gap
from cgtune.system.host import Host
from cgtune.system.recording import search_key
from tests.support import inside, stories

STORY = "v2-sibling-container"  # of which only the target's own mounts show the cgroup


def _enforced(tmp_path: Path, old: str, new: str) -> dict[str, Any]:
    """What is enforced on the target with a line of its mount table changed."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / STORY, root, symlinks=True)
    mountinfo = root / "proc/42/mountinfo"
    text = mountinfo.read_text()
    assert text.count(old) == 1
    mountinfo.write_text(text.replace(old, new))
    (process,) = inside.parse_report(stories.inspect(STORY, root=root))["processes"]
    enforced: dict[str, Any] = process["enforced"]
    return enforced


def test_a_root_of_fuse_is_common_and_believed(tmp_path: Path) -> None:
    """fuse-overlayfs is the root of rootless containers: their limits are seen all the same."""
    (expected,) = stories.read_expected(STORY)["report"]["processes"]
    assert expected["enforced"]["cpu"]["chain"]
    assert _enforced(tmp_path, " - overlay overlay ", " - fuse.fuse-overlayfs fuse-overlayfs ") == expected["enforced"]


@pytest.mark.parametrize("kind", ["fuse", "fuse.sshfs", "fuseblk"])
def test_fuse_above_the_cgroup_mount_is_not_walked_through(tmp_path: Path, kind: str) -> None:
    """A FUSE filesystem may never answer: nothing is looked up through one that stands between the root and the cgroup."""
    assert _enforced(tmp_path, " - sysfs sysfs ", f" - {kind} sysfs ")["cpu"]["chain"] == []


def test_a_target_is_found_below_our_own_mount_by_its_inode(tmp_path: Path) -> None:
    """A node agent that cannot find its own place looks for the target's: below its own mount the ancestors are seen, and one binds."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "node-agent-not-found", root, symlinks=True)
    scope = (root / "proc/4242/cgroup").read_text().strip().rpartition("/")[2]
    slice_ = "/kubepods.slice/kubepods-burstable.slice"
    theirs, ours = "/proc/4242/root/sys/fs/cgroup", f"/sys/fs/cgroup{slice_}/{scope}"
    for directory, quota in ((theirs, "max"), (ours, "max"), (f"/sys/fs/cgroup{slice_}", "30000")):
        (root / directory[1:]).mkdir(parents=True, exist_ok=True)
        (root / directory[1:] / "cpu.max").write_text(f"{quota} 100000\n")
    marker = root / "cgtune-snapshot.json"
    kept = json.loads(marker.read_text())
    kept |= {"unreadable": {}, "found": {search_key("/sys/fs/cgroup", 3, (26, 777)): ours}}
    kept["identities"][theirs] = [26, 777]
    marker.write_text(json.dumps(kept))
    (process,) = inside.parse_report(stories.inspect("node-agent-not-found", root=root))["processes"]
    cpu = process["enforced"]["cpu"]
    assert (cpu["limit_cores"], cpu["bound_by"]) == (0.3, slice_)
    assert [level["path"] for level in cpu["chain"]] == [f"{slice_}/{scope}", slice_, "/kubepods.slice", "/"]


def test_the_view_that_shows_most_of_a_chain_counts(tmp_path: Path) -> None:
    """Our mount shows the leaf alone, the target's own the whole tree: its tighter ancestor binds, whoever asks."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-ancestor-tighter", root, symlinks=True)
    (expected,) = stories.read_expected("v2-ancestor-tighter")["report"]["processes"]
    ours, theirs = root / "sys/fs/cgroup", root / "proc/4242/root/sys/fs/cgroup"
    theirs.parent.mkdir(parents=True)
    ours.rename(theirs)
    shutil.copytree(theirs / "pod/app", ours)
    (ours / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    mountinfo = root / "proc/1/mountinfo"
    mountinfo.write_text(mountinfo.read_text().replace(" / /sys/fs/cgroup ", " /pod/app /sys/fs/cgroup "))
    (process,) = inside.parse_report(stories.inspect("v2-ancestor-tighter", root=root))["processes"]
    for resource in ("cpu", "memory"):
        seen, whole = process["enforced"][resource], expected["enforced"][resource]
        assert seen["bound_by"] == whole["bound_by"] == "/pod"
        assert [level["path"] for level in seen["chain"]] == [level["path"] for level in whole["chain"]]
    assert process["notes"] == expected["notes"]


@pytest.mark.parametrize(("length", "cut"), [(4094, False), (4095, True)])
def test_a_path_that_the_kernel_cut_is_no_place(tmp_path: Path, length: int, cut: bool) -> None:
    """A cgroup so deep that its path ends midway: the levels above are told, and a note says that those below are missing."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-plain", root, symlinks=True)
    pid = stories.read_expected("v2-plain")["arguments"][1]
    (root / f"proc/{pid}/cgroup").write_text("0::" + ("/" + "d" * 200) * 20 + "/" + "e" * (length - 4021) + "\n")
    (process,) = inside.parse_report(stories.inspect("v2-plain", root=root))["processes"]
    assert any("cut so long a path short" in note["why"] for note in process["notes"]) == cut


def test_a_reader_that_is_not_known_finds_no_root_of_its_namespace() -> None:
    """Nobody's mounts and nobody's cgroup lead nowhere, and no directory is guessed."""
    mount = kernel.parse_mountinfo("30 23 0:26 /.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n")[0]
    with Host(str(stories.STORIES / STORY)) as host:
        assert Ours(host, None, ()).locate_namespace_root(Gap(mount=mount, depth=1, kept=0, rest=())) is None
