"""What ``cgtune inspect`` says beside its report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import stories
from tests.support.command import run


@pytest.mark.parametrize("count", [1, 40])
def test_what_opentelemetry_has_no_place_for_is_said(tmp_path: Path, count: int) -> None:
    """A point that is missing as its file could not be read looks like one that does not exist: a line on stderr tells, twenty at most."""
    copy = tmp_path / "story"
    shutil.copytree(stories.STORIES / "k8s-burstable-systemd", copy, symlinks=True)
    marker = json.loads((copy / "cgtune-snapshot.json").read_text())
    [leaf] = (copy / "sys/fs/cgroup").rglob("cri-containerd-*.scope")
    paths = [f"/{path.relative_to(copy)}" for path in sorted(copy.glob("sys/fs/cgroup/**/*")) if path.is_file()]
    wanted = [f"/{leaf.relative_to(copy)}/memory.max"] if count == 1 else paths
    for path in wanted:
        (copy / path[1:]).unlink()
    (copy / "cgtune-snapshot.json").write_text(json.dumps(marker | {"unreadable": dict.fromkeys(wanted, 5)}))
    done = run("inspect", "--root", copy, "--pid", "4242", "--format", "otlp-json")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    if count == 1:
        assert lines == [f"cgtune: not seen: {wanted[0]}: Input/output error"]
    else:
        assert len(lines) == 21
        assert lines[-1].endswith("more: --format json has them all")
