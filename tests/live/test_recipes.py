"""The commands of ``cgtune explain``, typed as they stand in a real container."""

from __future__ import annotations

import time

import pytest

from tests.live.containers import own_containers
from tests.support import goprograms
from tests.support.recipes import parse_said, recipes_script

pytestmark = pytest.mark.live


def test_every_rule_can_be_confirmed_by_hand() -> None:
    """In a container each recipe ends by itself and prints the figures that its rule is about."""
    program = goprograms.build("1.25.5", language="1.21")
    with own_containers() as containers:
        container = containers.start(
            *("--cpus", "0.5", "--memory", "256m", "--env", "GOMEMLIMIT=100MiB", "--env", "GOMAXPROCS=2", "--env", "GODEBUG=gctrace=0"),
            *("--volume", f"{program}:/program:ro"),
            argv=("sh", "-c", "sleep 600 | /program report"),
        )
        deadline = time.monotonic() + 120
        while not (pid := container.run("pgrep", "-x", "program").stdout.strip()):
            assert time.monotonic() < deadline, "the program did not start"
        done = container.run("timeout", "120", "sh", "-c", recipes_script(int(pid)))
    said = parse_said(done.stdout)
    for rule, shown in {
        "gomaxprocs-exceeds-quota": ["50000", "100000", "nr_throttled", "GOMAXPROCS=2"],
        "go-not-container-aware": ["go1.25.5", "Cpus_allowed_list"],
        "awareness-disabled-by-build": ["DefaultGODEBUG=", "containermaxprocs=0"],
        "awareness-disabled-by-env": ["GODEBUG=gctrace=0"],
        "cpu-throttled": ["nr_periods", "nr_throttled"],
        "gomemlimit-unset": ["268435456", "GOMEMLIMIT=100MiB", "oom_kill 0"],
        "memory-limit-too-small": ["268435456"],
        "memory-shared": ["shmem"],
        "no-quota-many-cpus": ["50000"],
        "oom-killed": ["oom_kill 0"],
        "memory-near-limit": ["268435456", "shmem"],
        "memory-thrashing": ["refault", "pgmajfault", "active_file"],
        "limit-unneeded": ["nr_throttled", "usage"],
    }.items():
        assert [text for text in shown if text not in said[rule]] == [], (rule, said[rule])
