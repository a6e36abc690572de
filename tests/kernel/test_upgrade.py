"""``cgtune predict --to`` beside real programs of both versions, where there are 8 CPUs to lose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cgtune import api
from cgtune.advice.upgrade import UpgradeRow
from cgtune.commands.upgrade import UpgradeOptions, read_upgrade
from tests.live.cgroups import _ENTER, Group, Groups
from tests.support import goprograms
from tests.support.goprograms import Probe

pytestmark = pytest.mark.kernel

SAID = {"GOMAXPROCS": "gomaxprocs", "GOMEMLIMIT": "memory_limit", "GOGC": "gc_percent"}


@contextmanager
def probe_in(group: Group, program: Path, environ: dict[str, str]) -> Iterator[Probe]:
    """That program in the group."""
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    with Probe(program, environment=environ, wrapper=wrapper) as probe:
        yield probe


def upgraded(**options: object) -> UpgradeRow:
    """The one row."""
    (row,) = read_upgrade(UpgradeOptions(**options)).rows  # type: ignore[arg-type]
    return row


def assert_says(probe: Probe, values: tuple[object, ...]) -> None:
    """The program itself has these values of its three settings."""
    assert tuple(probe.values[key] for key in SAID.values()) == values


@pytest.mark.hierarchy("v2", "v1")
@pytest.mark.parametrize(
    ("old", "new", "environ", "change"),
    [
        (("1.24.11", "1.21"), ("1.27.3", "1.25"), {}, "fewer-threads"),
        (("1.24.11", "1.21"), ("1.27.3", "1.24"), {}, "none"),
        (("1.25.5", "1.25"), ("1.27.3", "1.25"), {"GOMAXPROCS": "+7", "GOGC": "+50"}, "more-threads"),
        (("1.27.3", "1.25"), ("1.24.11", "1.21"), {"GOMEMLIMIT": "100MiB"}, "more-threads"),
    ],
    ids=["1.24 to 1.27", "the go line stays", "a sign", "back"],
)
def test_both_programs_do_what_is_said(
    groups: Groups, tmp_path: Path, old: tuple[str, str], new: tuple[str, str], environ: dict[str, str], change: str
) -> None:
    """Under 2.5 of 8 CPUs each has the values of its side; with the lines that keep today's values the new one has those of the old one."""
    group = groups.make("app")
    group.limit_cpu(250_000)
    before, after = (goprograms.build(version, language=language) for version, language in (old, new))
    env = tuple(f"{name}={value}" for name, value in environ.items())
    language = new[1] if change == "none" else None
    row = upgraded(new_go=new[0], old_go=old[0], cpu_limit="2.5", cpus=8, env=env, language=language)
    assert row.change == change
    assert bool(row.keep) == (change != "none")
    with probe_in(group, before, environ) as probe:
        assert_says(probe, row.old.values)
        if change == "fewer-threads":
            _assert_same_of_a_process(row, probe.pid, new[0], tmp_path)
    with probe_in(group, after, environ) as probe:
        assert_says(probe, row.new.values)
    with probe_in(group, after, environ | dict(line.partition("=")[::2] for line in row.keep)) as probe:
        assert_says(probe, row.old.values)


def _assert_same_of_a_process(row: UpgradeRow, pid: int, new_go: str, tmp_path: Path) -> None:
    """The process itself, live and from a recording of it, is told the same as its limits alone are."""
    recording = tmp_path / "recording"
    api.snapshot(str(recording), (pid,))
    for root in ("/", str(recording)):
        rows = read_upgrade(UpgradeOptions(new_go=new_go, root=root)).rows
        of_process = next(each for each in rows if any(name.endswith(f"({pid})") for name in each.names))
        assert (of_process.old.values, of_process.new.values) == (row.old.values, row.new.values), root
        assert (of_process.change, of_process.keep) == (row.change, row.keep), root
    for file in [*(recording / "proc" / str(pid) / "root").rglob("cpu.*")]:  # a recording of an older cgtune, which did not read them
        file.unlink()
    (told,) = read_upgrade(UpgradeOptions(new_go=new_go, root=str(recording))).rows
    assert (told.change, told.keep) == ("unknown", ())
    assert any("made by an older cgtune; record it again" in note for note in told.notes)
