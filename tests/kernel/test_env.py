"""``cgtune env`` and ``cgtune exec`` with real Go programs where there are 8 CPUs. tests/kernel/test_findings.py builds the programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.test_findings import _probe
from tests.live.cgroups import Groups
from tests.support import goprograms
from tests.support.command import PROGRAM, run
from tests.support.envreaders import read_kubernetes

pytestmark = pytest.mark.kernel

_COVER = 'mkdir -p /run/own && mount --bind "{place}" /run/own && umount "{point}" && mount --move /run/own "{point}"'


@pytest.mark.hierarchy("v2")
def test_the_file_of_an_init_container(groups: Groups, tmp_path: Path) -> None:
    """For 2.5 CPUs of 8: Go 1.24 takes 3 from the file, Go 1.27 comes to 3 by itself with a file that does not name GOMAXPROCS."""
    group = groups.make("app")
    group.limit_cpu(250_000)
    group.limit_memory(512 << 20)
    named = {"CGTUNE_CPU_LIMIT": "2500", "CGTUNE_CPU_DIVISOR": "1m", "CGTUNE_MEMORY_LIMIT": str(512 << 20)}
    for version, language, procs in (("1.24.11", "1.21", {"GOMAXPROCS": "3"}), ("1.27.3", "1.27", {})):
        path = tmp_path / version
        asked = {**named, "CGTUNE_BINARY": str(goprograms.build(version, language=language)), "CGTUNE_OUTPUT": str(path)}
        assert run("env", timeout_seconds=120, **asked).returncode == 0
        taken = read_kubernetes(path.read_text())
        assert taken == {**procs, "GOMEMLIMIT": "460MiB"}
        with _probe(group, version, language=language, **taken) as probe:
            assert (probe.values["gomaxprocs"], probe.values["memory_limit"], probe.values["num_cpu"]) == (3, 460 << 20, 8)


@pytest.mark.hierarchy("v1")
def test_exec_behind_the_mount_of_a_container(groups: Groups) -> None:
    """As Docker mounts cgroup v1, Go 1.25 misses its quota of 2.5 CPUs: alone it takes 8, started by exec 3."""
    group = groups.make("app")
    group.limit_cpu(250_000)
    place = next(directory for directory in group.directories() if (directory / "cpu.cfs_quota_us").exists())
    cover = _COVER.format(place=place, point=str(place).removesuffix(group.path))
    covered = ("unshare", "-m", "sh", "-c", f'{cover} && exec "$@"', "sh")
    for through, procs in (((), 8), ((*PROGRAM, "exec", "--"), 3)):
        with _probe(group, "1.25.5", language="1.25", inside=(*covered, *through)) as probe:
            assert probe.values["gomaxprocs"] == procs
