"""A real program that has nothing but nasty names, in a cgroup that has one too: nothing of it steers what cgtune says."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.outputs import FORMATS
from tests.commands.test_kills import serving
from tests.live.cgroups import Groups
from tests.support import goprograms, inside
from tests.support.foreigntext import NASTY, SHAPES, assert_steers_nothing
from tests.support.goprograms import Probe
from tests.support.needs import only_where
from tests.support.serving import Service

pytestmark = pytest.mark.live

_WHOLE = "".join(NASTY[name] for name in ("terminal", "turned round", "markup", "labels", "workflow", "no UTF-8")).replace("\0", "")


@pytest.fixture
def program(groups: Groups, tmp_path: Path) -> Iterator[Probe]:
    """Its file, its command line, its environment and its cgroup (of which no name may have a line feed or a slash)."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    name = _WHOLE.replace("/", "")[:180]
    place = tmp_path / name
    shutil.copy(goprograms.build("1.24.11"), place)
    group = groups.make(name.replace("\n", " ")[:120])
    group.limit_cpu(50_000)
    group.limit_memory(128 << 20)
    said = _WHOLE.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    with Probe(place, wrapper=tuple(group.entering([])), environment={"GOMAXPROCS": said, "GODEBUG": f"{said}=1"}) as probe:
        yield probe


def test_a_real_program_with_nasty_names(program: Probe, tmp_path: Path) -> None:
    """Each format of each command that reads processes, each env file, a recording and its replay, the service's page, metrics and log."""
    for row in FORMATS:
        if row.command in ("inspect", "ps", "check"):
            done = inside.run(row.command, "--format", row.name, *(() if row.command == "ps" else ("--pid", program.pid)))
            assert done.returncode == (1 if row.command == "check" else 0), done
            assert str(program.pid) in done.stdout
            assert_steers_nothing(done.stdout + done.stderr)
            SHAPES[row.name](done.stdout)
    for dialect in ("sh", "systemd", "docker", "compose", "kubernetes"):
        made = inside.run("env", "--pid", program.pid, "--dialect", dialect)
        assert (made.returncode, "GOMAXPROCS=" in made.stdout) == (0, True), made
        assert_steers_nothing(made.stdout + made.stderr)
    recorded = inside.run("snapshot", tmp_path / "recording", "--pid", program.pid)
    replayed = inside.run("inspect", "--root", tmp_path / "recording")
    assert (recorded.returncode, replayed.returncode, os.path.isdir(tmp_path / "recording")) == (0, 0, True)
    assert_steers_nothing(recorded.stdout + replayed.stdout)
    page = f'go_sched_gomaxprocs_threads{{x="{_WHOLE}"}} {_WHOLE}\n{_WHOLE}\ngo_info{{version="{_WHOLE}"}} 1\n'
    with serving(page.encode("utf-8", "surrogateescape")) as url:
        told = inside.run("inspect", "--pid", program.pid, "--metrics-url", f"{url}/metrics", "--format", "json")
    assert told.returncode == 0, told
    assert_steers_nothing(told.stdout + told.stderr)
    SHAPES["json"](told.stdout)
    with Service("--pid", program.pid, "--interval", "1s", "--least-age", "1s").wait_for_report() as service:
        service.wait_for(lambda: [labels for labels, _ in service.metrics().get("cgtune_go_info", ()) if labels["pid"] == str(program.pid)])
        for path in ("/metrics", "/report", "/check", "/"):
            assert_steers_nothing(service.fetch(path).body)
        SHAPES["html"](service.fetch("/").body)
        service.stop()
        assert service.events("no JSON") == []
