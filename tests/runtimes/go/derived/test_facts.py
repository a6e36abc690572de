"""What of a derivation becomes facts of a runtime."""

from __future__ import annotations

import pytest

from cgtune.errors import Unreadable
from cgtune.model import GoDerived
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.facts import derived_facts
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.limitfile import LimitSeen
from cgtune.runtimes.go.program.version import parse_version


def _facts(version: str, *environ: tuple[str, str]) -> GoDerived:
    inputs = GoInputs(version=parse_version(version), environ=environ, affinity_count=8)
    return derived_facts(inputs, derive(inputs))


def test_the_first_entry_of_a_variable_counts() -> None:
    """As gogetenv takes it; other variables are nobody's business."""
    facts = _facts("go1.27.3", ("GOMAXPROCS", "3"), ("PASSWORD", "secret"), ("GOGC", ""), ("GOMAXPROCS", "5"), ("GOGC", "50"))
    assert dict(facts.variables or ()) == {"GOMAXPROCS": "3", "GOGC": ""}
    assert [facts.variable(name) for name in ("GOMAXPROCS", "GOGC", "GODEBUG", "PASSWORD")] == ["3", "", None, None]


@pytest.mark.parametrize(
    ("version", "procs", "gogc", "ignored"),
    [
        ("go1.27.3", "0", "0", ()),
        ("go1.27.3", "", "", ()),
        ("go1.27.3", "+4", "off", ()),
        ("go1.25.5", "+4", "off", ("GOMAXPROCS",)),
        ("go1.27.3", "4.0", "OFF", ("GOMAXPROCS", "GOGC")),
        ("go1.27.3", "-1", "-5", ("GOMAXPROCS",)),
    ],
)
def test_what_a_version_ignores(version: str, procs: str, gogc: str, ignored: tuple[str, ...]) -> None:
    """What is no number to it and was meant to be one: nothing and 0 ask for the default."""
    assert _facts(version, ("GOMAXPROCS", procs), ("GOGC", gogc)).ignored == ignored


V2 = "0::/\n", "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "misplaced"),
    [
        (*V2, None),
        ("0::/a\n", V2[1], None),
        ("0::/\n", "30 23 0:26 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "mount-above"),
        ("4:cpu,cpuacct:/\n", "30 23 0:26 /.. /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n", "mount-above"),
        ("4:cpu,cpuacct:/\n", "30 23 0:26 /.. /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", None),
        ("0::/\n", "30 23 0:26 /../other /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "mount-beside"),
        ("0::/../../test\n", V2[1], "moved-out"),
        ("5:memory:/../x\n4:cpu:/\n", "", None),
        ("0::/..x\n", "30 23 0:26 /..x /sys/fs/cgroup ro - cgroup2 cgroup rw\n", None),
        ("", "", None),
    ],
)
def test_where_a_process_lies(cgroup: str, mountinfo: str, misplaced: str | None) -> None:
    """Paths that begin above the process's own cgroup namespace tell what was mounted or moved from outside; others tell nothing."""
    inputs = GoInputs(
        version=parse_version("go1.27.3"), affinity_count=8, cgroup_text=cgroup, mountinfo_text=mountinfo, read_limit=lambda _path: None
    )
    assert derived_facts(inputs, derive(inputs)).misplaced == misplaced


def test_who_would_find_the_quota_if_started_here() -> None:
    """On v1 in a container Go 1.25 misses its file and 1.27 finds it; nothing is worked out for a runtime that sees its quota."""
    files = {"/c/cpu.cfs_quota_us": "300000\n", "/c/cpu.cfs_period_us": "100000\n"}
    mounts = "30 23 0:26 /docker/x /c rw - cgroup cgroup rw,cpu\n"
    inputs = GoInputs(
        version=parse_version("go1.25.5"), affinity_count=8, cgroup_text="4:cpu:/docker/x\n", mountinfo_text=mounts, read_limit=files.get
    )
    found = derived_facts(inputs, derive(inputs)).if_started
    assert [(start.minor, start.quota_us, start.period_us) for start in found] == [(27, 300_000, 100_000)]
    newer = inputs.replace(version=parse_version("go1.27.3"))
    assert derived_facts(newer, derive(newer)).if_started == ()
    assert [start.minor for start in derived_facts(newer, derive(newer), misled=True).if_started] == [27]
    assert derived_facts(inputs, derive(inputs), hidden=True).if_started == ()


def test_of_a_version_that_is_not_known_nothing_is_ignored() -> None:
    """What is no number to one version is one to another: nothing is said of a runtime whose version is not known."""
    assert _facts("unknown", ("GOMAXPROCS", "+4.0"), ("GOGC", "OFF")).ignored == ()


def _refuse(path: str) -> bytes | None:
    raise Unreadable(f"{path}: permission denied")


@pytest.mark.parametrize(("cgroup", "mountinfo"), [(None, None), V2])
def test_what_another_start_would_find_is_left_out_if_it_is_not_known(cgroup: str | None, mountinfo: str | None) -> None:
    """Texts that were not read and a limit file that is refused to us: nothing is worked out from them."""
    inputs = GoInputs(
        version=parse_version("go1.27.3"),
        affinity_count=8,
        cgroup_text=cgroup,
        mountinfo_text=mountinfo,
        read_limit=_refuse,
        limit=LimitSeen(cause="removed", why="the file was removed"),
    )
    assert derived_facts(inputs, derive(inputs), misled=True).if_started == ()
