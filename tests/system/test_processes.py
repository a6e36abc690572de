"""The process table."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from cgtune.errors import Unreadable
from cgtune.system.processes import own_affinity, psutil_pids


def test_where_this_process_may_run() -> None:
    """The CPUs are those that the kernel names."""
    assert own_affinity() == os.sched_getaffinity(0)


def test_pids_below_a_root(tmp_path: Path) -> None:
    """They ascend; without proc there are none; a proc that may not be followed is an error of ours, and psutil is as it was."""
    before = psutil.PROCFS_PATH
    assert psutil_pids(str(tmp_path)) == []
    for name in ("10", "9", "self"):
        (tmp_path / "proc" / name).mkdir(parents=True)
    assert psutil_pids(str(tmp_path)) == [9, 10]
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop/proc").symlink_to("proc")
    with pytest.raises(Unreadable, match=r"^/proc is a symbolic link"):
        psutil_pids(str(tmp_path / "loop"))
    assert before == psutil.PROCFS_PATH
