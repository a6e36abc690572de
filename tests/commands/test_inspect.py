"""What ``cgtune inspect`` says beside its report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.system.host import Host
from tests.support import inside, stories
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


@pytest.mark.parametrize("story", ["v2-sibling-container", "v2-bench-swapped-out", "node-agent-not-found"])
def test_each_note_of_the_report_is_said(story: str) -> None:
    """What is hidden, and what has only to be known, as well: each may be why a point is missing."""
    report = json.loads(stories.inspect(story).stdout)
    notes = [*report["notes"], *(note for process in report["processes"] for note in process["notes"])]
    lines = stories.inspect(story, format_="otlp-json").stderr.splitlines()
    assert lines
    assert [line.partition(" (needs ")[0] for line in lines] == [f"cgtune: not seen: {note['path']}: {note['why']}" for note in notes]


@pytest.mark.parametrize("number", range(1, 4))
def test_a_listing_of_threads_that_fails_once_is_said(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whichever it is: for the affinity, for what sets single threads apart, or for how long they waited."""
    listings = []
    list_directory = Host.list_directory

    def listed(host: Host, path: str) -> list[str]:
        if path == "/proc/4242/task":
            listings.append(path)
            if len(listings) == number:
                raise Unreadable(f"{path}: Input/output error")
        return list_directory(host, path)

    monkeypatch.setattr(Host, "list_directory", listed)
    done = inside.run("inspect", "--root", stories.STORIES / "v2-affinity-and-offline-cpus", "--pid", "4242", "--format", "otlp-json")
    assert len(listings) == 3
    assert (done.returncode, done.stderr) == (0, "cgtune: not seen: /proc/4242/task: Input/output error\n")


def test_a_process_that_does_not_run_is_said_once() -> None:
    """It is a note of the report, and the command's own word."""
    story = stories.STORIES / "v2-plain"
    done = inside.run("inspect", "--root", story, "--pid", "4242", "--pid", "77", "--format", "otlp-json")
    assert done.returncode == 3
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == ["cgtune: no process 77"]
