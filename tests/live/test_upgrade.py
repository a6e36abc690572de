"""``cgtune predict --to`` on programs that run here: what it says of a newer Go is what the same program, built by that, does here."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import _ENTER, Group, own_groups
from tests.support import goprograms
from tests.support.command import run
from tests.support.goprograms import Probe
from tests.support.needs import only_where

pytestmark = pytest.mark.live

OLD, NEW = "1.25.5", "1.27.3"


@pytest.fixture
def group() -> Iterator[Group]:
    """A control group with a quota of one CPU."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    with own_groups() as groups:
        made = groups.make("app")
        made.limit_cpu(100_000)
        yield made


def _inside(group: Group) -> tuple[str, ...]:
    return ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")


def _row(pid: int, root: str = "/") -> dict[str, Any]:
    """What is said of one process."""
    done = run("predict", "--to", NEW, "--root", root, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return next(row for row in json.loads(done.stdout)["rows"] if any(name.endswith(f"({pid})") for name in row["names"]))


def test_a_variable_that_the_newer_go_understands(group: Group, tmp_path: Path) -> None:
    """GOMAXPROCS=+7 is nothing to 1.25, and 7 to 1.27; the line that keeps today's value does. A recording says the same."""
    old, new = (goprograms.build(version, language="1.25") for version in (OLD, NEW))
    with Probe(old, wrapper=_inside(group), environment={"GOMAXPROCS": "+7"}) as probe:
        row = _row(probe.pid)
        assert row["from"]["GOMAXPROCS"] == probe.values["gomaxprocs"]
        assert run("snapshot", tmp_path / "out", "--pid", probe.pid).returncode == 0
        assert _row(probe.pid, str(tmp_path / "out")) == {**row, "names": _row(probe.pid, str(tmp_path / "out"))["names"]}
    assert row["change"] == "more-threads"
    with Probe(new, wrapper=_inside(group), environment={"GOMAXPROCS": "+7"}) as probe:
        assert row["to"]["GOMAXPROCS"] == probe.values["gomaxprocs"] == 7
    kept = dict(line.partition("=")[::2] for line in row["keep"])
    with Probe(new, wrapper=_inside(group), environment={"GOMAXPROCS": "+7"} | kept) as probe:
        assert probe.values["gomaxprocs"] == row["from"]["GOMAXPROCS"]


def test_a_setting_that_the_newer_go_dies_of(group: Group) -> None:
    """What 1.25 takes without a word ends 1.27 at its start, with the words that were told before."""
    old, new = (goprograms.build(version, language="1.25") for version in (OLD, NEW))
    with Probe(old, wrapper=_inside(group), environment={"GODEBUG": "x509sha1=1"}) as probe:
        row = _row(probe.pid)
    assert (row["change"], row["severity"], row["keep"]) == ("dies", "critical", [])
    done = subprocess.run([new, "report", "exit"], env={"GODEBUG": "x509sha1=1"}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(row["to"]["dies"])
