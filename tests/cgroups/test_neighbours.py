"""Who uses the CPUs beside a process: by the cgroups' own counters, read twice."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cgtune.cgroups.neighbours import find_busiest, read_usages
from cgtune.model import Busiest, Mount
from cgtune.system.host import Host
from tests.support.refusing import Refusing


def _mount(point: str, filesystem: str, *options: str) -> Mount:
    return Mount(mount_id=1, parent_id=0, device="0:1", root="/", mount_point=point, filesystem=filesystem, super_options=options)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree made by hand has no clock of its own."""
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: 7.0)


V1 = _mount("/sys/fs/cgroup/cpuacct", "cgroup", "rw", "cpuacct")
V2 = _mount("/sys/fs/cgroup", "cgroup2", "rw")


def test_what_is_below_a_cgroup_is_told_of_what_is_below() -> None:
    """A slice with a busy service counts its use as well, and is not named for it; the root is nobody's neighbour."""
    before = {"/": (100.0, 0.0), "/a.slice": (10.0, 0.0), "/a.slice/b.service": (5.0, 0.0), "/c": (1.0, 0.0), "/gone": (9.0, 0.0)}
    after = {"/": (120.0, 10.0), "/a.slice": (26.0, 10.0), "/a.slice/b.service": (20.0, 10.0), "/c": (1.05, 10.0), "/new": (9.0, 10.0)}
    assert find_busiest(before, after) == Busiest(cgroups=(("/a.slice/b.service", 1.5), ("/a.slice", 0.1)), seconds=10.0)


def test_no_more_than_five_are_named_and_none_that_was_made_anew() -> None:
    """The busiest first; a counter that shrank tells nothing, nor does one without time between."""
    before = {f"/{name}": (10.0, 0.0) for name in "abcdefg"} | {"/anew": (99.0, 0.0), "/still": (1.0, 5.0)}
    after = {f"/{name}": (10.0 + place, 10.0) for place, name in enumerate("abcdefg")} | {"/anew": (1.0, 10.0), "/still": (2.0, 5.0)}
    assert [path for path, _ in find_busiest(before, after).cgroups] == ["/g", "/f", "/e", "/d", "/c"]


def test_a_cgroup_that_was_made_anew_adds_nothing_to_the_one_above() -> None:
    """What it seems to have given back is not told as the use of its parent."""
    before, after = {"/p": (10.0, 0.0), "/p/anew": (99.0, 0.0)}, {"/p": (20.0, 10.0), "/p/anew": (1.0, 10.0)}
    assert find_busiest(before, after).cgroups == (("/p", 1.0),)


@pytest.mark.parametrize(("mount", "file", "text"), [(V2, "cpu.stat", "usage_usec 2500000\n"), (V1, "cpuacct.usage", "2500000000\n")])
def test_both_versions_are_read(tmp_path: Path, mount: Mount, file: str, text: str) -> None:
    """All folders below the mount, by their paths in it; a cgroup without the file is passed over, and what is below it is not."""
    top = tmp_path / mount.mount_point[1:]
    for path in ("", "pod", "pod/app", "empty/inner"):
        (top / path).mkdir(parents=True, exist_ok=True)
        (top / path / file).write_text(text)
    with Host(str(tmp_path)) as host:
        found = read_usages(host, (mount,))
        assert set(found) == {"/", "/pod", "/pod/app", "/empty/inner"}
        assert {seconds for seconds, _ in found.values()} == {2.5}
        assert read_usages(host, ()) == {}


def test_a_cgroup_that_is_closed_hides_no_other(tmp_path: Path) -> None:
    """One that is gone when it is looked into, or closed to the reader, is passed over with what is below it."""
    for path in ("closed/below", "gone", "open"):
        (tmp_path / "sys/fs/cgroup" / path).mkdir(parents=True)
        (tmp_path / "sys/fs/cgroup" / path / "cpu.stat").write_text("usage_usec 1\n")
    with Refusing(str(tmp_path), {"/sys/fs/cgroup/closed": errno.EACCES, "/sys/fs/cgroup/gone": errno.ENOENT}) as host:
        assert set(read_usages(host, (V2,))) == {"/open"}


def test_a_crowd_of_cgroups_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes cgroups by the thousand costs no more than the first ones."""
    monkeypatch.setattr("cgtune.cgroups.neighbours._MOST_CGROUPS", 10)
    for number in range(40):
        (tmp_path / "sys/fs/cgroup" / f"g{number}").mkdir(parents=True)
        (tmp_path / "sys/fs/cgroup" / f"g{number}" / "cpu.stat").write_text("usage_usec 1\n")
    with Host(str(tmp_path)) as host:
        assert len(read_usages(host, (V2,))) == 9  # the root has no such file here
