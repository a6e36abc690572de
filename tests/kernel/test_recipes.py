"""The commands of ``cgtune explain``, typed as they stand on a machine and in a container's view of it."""

from __future__ import annotations

import subprocess

import pytest

from tests.live.cgroups import _ENTER, Groups
from tests.support import goprograms
from tests.support.goprograms import Probe
from tests.support.recipes import parse_said, recipes_script

pytestmark = pytest.mark.kernel
_CONTAINED = 'umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec sh -c "$0"'


@pytest.mark.hierarchy("v2")
def test_every_rule_can_be_confirmed_by_hand(groups: Groups) -> None:
    """Each recipe ends by itself; the ancestors' quotas are shown from the machine, the container's own figures from within."""
    parent, group = groups.make("pod"), groups.make("pod", "app")
    parent.limit_cpu(300_000)
    group.limit_cpu(50_000)
    group.limit_memory(256 << 20)
    enter = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    with Probe(goprograms.build("1.27.3", language="1.21"), wrapper=enter) as probe:
        script = recipes_script(probe.pid)
        outside = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120)
        within = subprocess.run(
            [*enter, "unshare", "--mount", "--cgroup", "sh", "-c", _CONTAINED, script], capture_output=True, text=True, timeout=120
        )
    for text in ("app/cpu.max:50000 100000", "pod/cpu.max:300000 100000"):
        assert text in outside.stdout.split("=== ancestor-quota-ignored")[1].split("=== ")[0]
    said = parse_said(within.stdout)
    for rule, shown in {
        "ancestor-quota-ignored": ["/sys/fs/cgroup/cpu.max:50000 100000"],
        "gomaxprocs-exceeds-quota": ["/sys/fs/cgroup/cpu.max:50000 100000", "nr_throttled"],
        "go-not-container-aware": ["go1.27.3"],
        "awareness-disabled-by-build": ["DefaultGODEBUG=", "containermaxprocs=0"],
        "gomemlimit-unset": ["memory.max:268435456", "oom_kill 0"],
        "gomemlimit-exceeds-high": ["memory.high:max"],
        "memory-shared": ["shmem"],
        "no-quota-many-cpus": ["cpu.weight:100"],
        "swap-hides-pressure": ["VmSwap"],
    }.items():
        assert [text for text in shown if text not in said[rule]] == [], (rule, said[rule])
