"""cgtune lint of what is no Kubernetes: Compose files, task definitions and units, from the file to the finding, and its line quoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run

FILES = {
    "compose.yaml": """\
services:
  web:
    image: registry.example.com/web:1
    mem_limit: 256m
    env_file: web.env
  api:
    image: registry.example.com/api:1
    mem_limit: 1e9
    environment: {GOMEMLIMIT: 536870912.0}
""",
    "web.env": "GOMEMLIMIT=256MiB\n",
    "task.json": """\
{"family": "shop", "cpu": "512", "memory": "1024", "containerDefinitions": [
  {"name": "web", "image": "x", "dockerLabels": {"cgtune.dev/go": "1.24"}, "environment": [
    {"name": "GOMEMLIMIT", "value": "1GiB"}]}]}
""",
    "etc/systemd/system/app.service": """\
[Service]
MemoryMax=512Mi
EnvironmentFile=/etc/default/app
ExecStart=/usr/bin/env GOGC=50 /usr/bin/app
""",
    "etc/systemd/system/app.service.d/cpu.conf": "[Service]\nCPUQuota=0.5\n",
    "etc/default/app": "GOMEMLIMIT=500Mi\n",
}
EXPECTED = [
    ("compose.yaml", 8, "limit-dropped", "service/api", None),
    ("compose.yaml", 9, "gomemlimit-malformed", "service/api", None),
    ("etc/default/app", 1, "gomemlimit-malformed", "app.service", None),
    ("etc/systemd/system/app.service", 2, "limit-dropped", "app.service", None),
    ("etc/systemd/system/app.service.d/cpu.conf", 2, "limit-dropped", "app.service", None),
    ("task.json", 1, "go-not-container-aware", "TaskDefinition/shop", None),
    ("task.json", 3, "gomemlimit-exceeds-limit", "TaskDefinition/shop", None),
    ("web.env", 1, "gomemlimit-exceeds-limit", "service/web", None),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files above."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_findings_of_every_reader(folder: Path) -> None:
    """Each stands in the file and line where the wrong value is, be it a drop-in or a file of variables."""
    done = run("lint", "--format", "json", str(folder))
    assert done.returncode == 1
    report: dict[str, Any] = json.loads(done.stdout)
    found = [(str(Path(one["file"]).relative_to(folder)), one["line"], one["rule"], one["object"], one["go"]) for one in report["findings"]]
    assert sorted(found) == EXPECTED
    assert report["containers"] == 4


def test_lines_of_other_files_are_quoted(folder: Path) -> None:
    """As those of the file itself are; and what is around a container bears its name."""
    said = run("lint", str(folder)).stdout
    for line in ("1 | GOMEMLIMIT=500Mi\n", "2 | CPUQuota=0.5\n", "1 | GOMEMLIMIT=256MiB\n", "  seen: the task's memory limit 1024 "):
        assert line in said


def test_comments_of_other_files(folder: Path) -> None:
    """A finding in a drop-in is silenced by a comment of the drop-in, and by none at that line of the unit."""
    unit, drop_in = folder / "etc/systemd/system/app.service", folder / "etc/systemd/system/app.service.d/cpu.conf"
    unit.write_text("[Service]\nMemoryMax=512Mi\n# cgtune: ignore[limit-dropped]\nExecStart=/usr/bin/app\n")
    drop_in.write_text("# one\n[Service]\n# two\nCPUQuota=0.5\n")
    silenced = "critical limit-dropped: app.service, container app: CPUQuota"
    assert silenced in run("lint", str(unit.parent)).stdout
    drop_in.write_text("[Service]\n# cgtune: ignore[limit-dropped] until the next release\nCPUQuota=0.5\n")
    done = run("lint", str(unit.parent))
    assert silenced not in done.stdout
    assert "1 silenced" in done.stderr


def test_a_unit_is_mended_in_place(folder: Path) -> None:
    """--fix writes the limit as systemd reads it, and nothing else; what is not clear is left."""
    assert run("lint", "--fix", str(folder / "etc")).returncode == 1
    mended = (folder / "etc/systemd/system/app.service").read_text()
    assert mended == FILES["etc/systemd/system/app.service"].replace("512Mi", "512M")
    assert (folder / "etc/systemd/system/app.service.d/cpu.conf").read_text() == FILES["etc/systemd/system/app.service.d/cpu.conf"]


def test_a_go_that_is_named(folder: Path) -> None:
    """By --go for an image; and an option that is none is one clear line."""
    done = run("lint", "--format", "json", "--pedantic", "--go", "registry.example.com/*=1.24", str(folder / "compose.yaml"))
    evidence = [line for one in json.loads(done.stdout)["findings"] for line in one["evidence"]]
    assert "Go 1.24 by --go registry.example.com/*=1.24" in evidence
    done = run("lint", "--go", "x=new", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cgtune: --go 'x=new': 'new' is no version of Go; examples: 1.24, 1.24.3, none\n"
