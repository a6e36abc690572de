"""Whose mounts are believed: a container can mount what it likes, above and upon its own cgroup files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import inside, stories

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
