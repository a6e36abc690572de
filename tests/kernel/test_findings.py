"""Findings on real Go programs where there are 8 CPUs: what the machine at the desk has too few of to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests import goprograms
from tests.command import inspect
from tests.goprograms import Probe
from tests.live.cgroups import _ENTER, Group, Groups

pytestmark = pytest.mark.kernel

PROGRAMS = (("1.24.11", "1.21"), ("1.25.5", "1.25"), ("1.27.3", "1.24"), ("1.27.3", "1.27"))  # with go line


@contextmanager
def _probe(group: Group, version: str, *, language: str = "1.21", inside: Sequence[str] = (), **environ: str) -> Iterator[Probe]:
    """A probe of that Go version and go line in the group; ``inside`` are words to start it with there."""
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--", *inside)
    with Probe(goprograms.build(version, language=language), environment=environ, wrapper=wrapper) as probe:
        yield probe


def _rules(process: dict[str, Any]) -> list[str]:
    return [finding["rule"] for finding in process["findings"]]


def test_go_1_24_under_half_a_cpu(groups: Groups) -> None:
    """One finding of the CPU, which names the cause and the value to set; with that set, nothing that would fail a check is left."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    with _probe(group, "1.24.11") as probe:
        process = inspect(probe.pid)
    assert _rules(process) == ["go-not-container-aware"]
    (finding,) = process["findings"]
    assert (finding["severity"], finding["advice"][0]["variable"], finding["advice"][0]["value"]) == ("warning", "GOMAXPROCS", "2")
    assert any("8 busy threads use up the quota of 50 ms in 6.25 ms" in line for line in finding["evidence"])
    with _probe(group, "1.24.11", GOMAXPROCS="2") as probe:
        assert {finding["severity"] for finding in inspect(probe.pid)["findings"]} <= {"info"}


def test_a_new_toolchain_with_an_old_go_line(groups: Groups) -> None:
    """Go 1.27 with go line 1.24 is told apart from an old Go; with go line 1.27 it does all by itself."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.24") as probe:
        assert _rules(inspect(probe.pid)) == ["awareness-disabled-by-build"]
    with _probe(group, "1.27.3", language="1.27") as probe:
        process = inspect(probe.pid)
        setting = process["settings"]["GOMAXPROCS"]
        assert (_rules(process), setting["recommended"], setting["set"]) == ([], 3, False)
    with _probe(group, "1.27.3", language="1.27", GODEBUG="containermaxprocs=0") as probe:
        assert _rules(inspect(probe.pid)) == ["awareness-disabled-by-env"]


def test_a_parent_that_is_tighter(groups: Groups) -> None:
    """Go 1.27 in an unlimited leaf below 3 CPUs takes all 8, and the parent is named."""
    leaf = groups.make("pod", "init")
    groups.make("pod").limit_cpu(300_000)
    with _probe(leaf, "1.27.3", language="1.27") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert finding["rule"] == "ancestor-quota-ignored"
    assert groups.make("pod").path in finding["summary"]


@pytest.mark.hierarchy("v1")
def test_the_mount_that_go_1_25_does_not_see_through(groups: Groups) -> None:
    """With its own group mounted as the root of the controller, as Docker does on v1, Go 1.25 finds no quota and 1.27 does."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    place = next(directory for directory in group.directories() if (directory / "cpu.cfs_quota_us").exists())
    mount_point = str(place).removesuffix(group.path)
    own = f'mkdir -p /run/own && mount --bind "{place}" /run/own && umount "{mount_point}" && mount --move /run/own "{mount_point}"'
    covered = ("unshare", "-m", "sh", "-c", f'{own} && exec "$@"', "sh")
    with _probe(group, "1.25.5", language="1.25", inside=covered) as probe:
        process = inspect(probe.pid)
        assert _rules(process) == ["limit-file-missed"]
        assert any("Go 1.26 or later" in advice["reason"] for advice in process["findings"][0]["advice"])
    with _probe(group, "1.27.3", language="1.27", inside=covered) as probe:
        assert _rules(inspect(probe.pid)) == []


if __name__ == "__main__":  # scripts/test-kernel builds them before the guest starts, which would take minutes for it
    for program in PROGRAMS:
        goprograms.build(program[0], language=program[1])
