"""Findings on real Go programs where there are 8 CPUs: what the machine at the desk has too few of to show."""

from __future__ import annotations

import mmap
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cgtune import api
from tests.kernel.bench import inspect, report, wait_until
from tests.kernel.goscenarios import SCENARIOS, Scene
from tests.kernel.gostage import Stage
from tests.kernel.subjects import Targets, swap_area, swapped_bytes
from tests.kernel.test_enough import _child, _fork, _watch
from tests.live.cgroups import _ENTER, Group, Groups
from tests.support import goprograms, memory_kinds
from tests.support.goprograms import Probe
from tests.support.needs import only_where

pytestmark = pytest.mark.kernel

MIB = 1 << 20
PROGRAMS = (("1.24.11", "1.21"), ("1.25.5", "1.25"), ("1.26.6", "1.25"), ("1.27.3", "1.24"), ("1.27.3", "1.27"))  # with go line


@contextmanager
def _probe(group: Group, version: str, *, language: str = "1.21", inside: Sequence[str] = (), **environ: str) -> Iterator[Probe]:
    """A probe of that Go version and go line in the group; ``inside`` are words to start it with there."""
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--", *inside)
    with Probe(goprograms.build(version, language=language), environment=environ, wrapper=wrapper) as probe:
        yield probe


@contextmanager
def _scenario(
    groups: Groups, name: str, *programs: tuple[str, str], held: bool = False, environment: Sequence[str] = ()
) -> Iterator[Stage]:
    """The programs, each a version and a go line, in that scenario of the matrix."""
    scenario = next(row for row in SCENARIOS if row.name == name)
    scene = Scene(groups)
    scenario.arrange(scene)
    paths = [goprograms.build(version, language=language) for version, language in programs]
    stage = Stage(paths, environment=environment, steps=scene.steps, held=held)
    try:
        if not held:
            stage.wait_reports(1)
        yield stage
    finally:
        stage.end()


def _inspect_all(pids: Sequence[int]) -> list[dict[str, Any]]:
    """What one report says of these processes, in their order."""
    entries: list[dict[str, Any]] = report(*pids)["processes"]
    assert [entry["pid"] for entry in entries] == list(pids)
    return entries


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
    anew = groups.make("anew")  # the stops of the one before are not its own
    anew.limit_cpu(50_000)
    with _probe(anew, "1.24.11", GOMAXPROCS="2") as probe:
        # Half of an emulated CPU is little to start with, and that is true
        found = [finding for finding in inspect(probe.pid)["findings"] if finding["rule"] != "started-throttled"]
    assert {finding["severity"] for finding in found} <= {"info"}


@pytest.mark.hierarchy("v2")
def test_a_new_toolchain_with_an_old_go_line(groups: Groups) -> None:
    """Go 1.27 with go line 1.24 is told apart from an old Go; with go line 1.27 it does all by itself."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.24") as probe:
        assert _rules(inspect(probe.pid)) == ["awareness-disabled-by-build"]
    with _probe(group, "1.27.3", language="1.27") as probe:
        process = inspect(probe.pid)
        setting = process["settings"]["GOMAXPROCS"]
        assert (_rules(process), setting["recommended"], setting["set"]) == (["whole-quota-no-slack"], 3, False)
    with _probe(group, "1.27.3", language="1.27", GODEBUG="containermaxprocs=0") as probe:
        assert _rules(inspect(probe.pid)) == ["awareness-disabled-by-env"]


@pytest.mark.hierarchy("v2")
def test_the_environment_and_the_build_both_against_it(groups: Groups) -> None:
    """Where GODEBUG in the environment only repeats what the build holds, taking it out mends nothing: the advised value does."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.24", GODEBUG="containermaxprocs=0") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert (finding["rule"], finding["severity"]) == ("awareness-disabled-by-env", "warning")
    assert f"/proc/{probe.pid}/environ: GODEBUG='containermaxprocs=0'" in finding["evidence"]
    advice = finding["advice"][0]
    assert (advice["variable"], advice["value"]) == ("GODEBUG", "containermaxprocs=1,updatemaxprocs=1")
    with _probe(group, "1.27.3", language="1.24", GODEBUG=advice["value"]) as probe:
        process = inspect(probe.pid)
    assert (_rules(process), process["settings"]["GOMAXPROCS"]["observed"]) == (["whole-quota-no-slack"], 3)


@pytest.mark.hierarchy("v2", "hybrid")
def test_a_parent_that_is_tighter(groups: Groups) -> None:
    """Go 1.27 in an unlimited leaf below 3 CPUs takes all 8, and the parent is named."""
    leaf = groups.make("pod", "init")
    groups.make("pod").limit_cpu(300_000)
    with _probe(leaf, "1.27.3", language="1.27") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert finding["rule"] == "ancestor-quota-ignored"
    assert groups.make("pod").path in finding["summary"]


@pytest.mark.hierarchy("v2")
def test_what_is_advised_under_a_parent_helps(groups: Groups) -> None:
    """Awareness is not advised where it would read the leaf's wider quota; GOMAXPROCS is, and with it nothing more is found."""
    leaf = groups.make("pod", "init")
    groups.make("pod").limit_cpu(300_000)
    with _probe(leaf, "1.27.3", language="1.27", GODEBUG="containermaxprocs=0") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert finding["rule"] == "awareness-disabled-by-env"
    assert [(advice["variable"], advice["value"]) for advice in finding["advice"]] == [("GOMAXPROCS", "4"), (None, None)]
    leaf.limit_cpu(500_000)
    with _probe(leaf, "1.27.3", language="1.27", GOMAXPROCS="4") as probe:
        assert _rules(inspect(probe.pid)) == []


@pytest.mark.hierarchy("v2")
def test_an_idle_program_has_not_looked_yet(groups: Groups) -> None:
    """A quota that shrinks under a program that sleeps is followed within a minute or so; until then it is no fault of anybody's."""
    group = groups.make("app")
    with _probe(group, "1.27.3", language="1.27") as probe:
        wait_until(lambda: _is_idle(probe.pid), "all its threads wait for work: sysmon then looks about once a minute")
        group.limit_cpu(300_000)
        (finding,) = inspect(probe.pid)["findings"]
        assert (finding["rule"], finding["severity"]) == ("gomaxprocs-exceeds-quota", "info")
        assert "not followed" in finding["summary"]


def _is_idle(pid: int) -> bool:
    """No thread runs, or sleeps for a time: a sysmon that is at work takes naps of 10 ms at the most (runtime/proc.go)."""
    waits = [(thread / "wchan").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return not any(wait == "0" or "nanosleep" in wait for wait in waits)


@pytest.mark.parametrize(("version", "language"), [("1.25.5", "1.25"), ("1.27.3", "1.27")])
@pytest.mark.hierarchy("v2")
def test_an_inherited_limit_file_misleads_nobody(groups: Groups, version: str, language: str) -> None:
    """A cpu.max of another group, inherited at a lower number than the runtime's own, changes nothing of what is said of it."""
    group, other = groups.make("app"), groups.make("other")
    group.limit_cpu(300_000)
    other.limit_cpu(500_000)
    (place,) = other.directories()
    with _probe(group, version, language=language, inside=("/bin/sh", "-c", f'exec "$@" 3<{place}/cpu.max', "sh")) as probe:
        process = inspect(probe.pid)
        setting = process["settings"]["GOMAXPROCS"]
        assert os.readlink(f"/proc/{probe.pid}/fd/3") == f"{place}/cpu.max"
        assert (setting["derived"], setting["observed"], probe.values["gomaxprocs"]) == (3, 3, 3)
        assert process["go"]["follows"] == {"path": f"{group.directories()[0]}/cpu.max", "own": True, "exists": True}
        assert (_rules(process), process["notes"]) == (["whole-quota-no-slack"], [])


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
        assert _rules(inspect(probe.pid)) == ["whole-quota-no-slack"]


@pytest.mark.hierarchy("v2", "v1")
def test_a_namespace_mount_ends_the_search(groups: Groups) -> None:
    """With a kept namespace mounted before the cgroup tree Go 1.26 and 1.27 take all 8 CPUs under a quota of 3, and 1.25 does not."""
    programs = (("1.25.5", "1.25"), ("1.26.6", "1.25"), ("1.27.3", "1.27"))
    with _scenario(groups, "a kept namespace before the cgroup mount", *programs) as stage:
        assert [stage.said[pid][-1]["gomaxprocs"] for pid in stage.pids] == [3, 8, 8]
        right, *missed = _inspect_all(stage.pids)
    assert set(_rules(right)) <= {"whole-quota-no-slack", "started-throttled"}  # three starts on emulated CPUs
    for process in missed:
        (finding,) = process["findings"]
        assert (finding["rule"], finding["severity"]) == ("limit-file-missed", "warning")
        assert (finding["advice"][0]["variable"], finding["advice"][0]["value"]) == ("GOMAXPROCS", "4")
        assert any("a root that is no path" in line for line in finding["evidence"])


@pytest.mark.hierarchy("v2")
def test_a_quota_that_kills(groups: Groups) -> None:
    """Before its first instruction the death of a program is a finding with its last words; with the value that is advised it lives."""
    with _scenario(groups, "a quota that kills", ("1.25.5", "1.25"), held=True) as stage:
        (process,) = _inspect_all(stage.pids)
        finding = next(finding for finding in process["findings"] if finding["rule"] == "quota-crashes-go")
        stage.release()
        stage.wait_reports(1)
        (pid,) = stage.pids
        assert stage.ended == {pid: 2}
        last_words = stage.errors(pid)
    assert finding["severity"] == "critical"
    assert "quota 17592186044415 µs, period 1000 µs" in finding["evidence"][0]
    assert finding["evidence"][1] in last_words.splitlines()
    assert finding["advice"][0]["variable"] == "GOMAXPROCS"
    mended = (f"GOMAXPROCS={finding['advice'][0]['value']}",)
    with _scenario(groups, "a quota that kills", ("1.25.5", "1.25"), environment=mended) as stage:
        assert stage.ended == {}
        (process,) = _inspect_all(stage.pids)
    assert "quota-crashes-go" not in _rules(process)


@pytest.mark.hierarchy("v2")
def test_a_quota_that_changes_where_updates_are_off(groups: Groups) -> None:
    """updatemaxprocs=0 is worth a word at first, and a warning once the quota has grown, or shrunk by more than the slack."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.27", GODEBUG="updatemaxprocs=0") as probe:
        for quota_us, severity in ((300_000, "info"), (200_000, "info"), (500_000, "warning"), (100_000, "warning")):
            group.limit_cpu(quota_us)
            (finding,) = inspect(probe.pid)["findings"]
            assert (finding["rule"], finding["severity"]) == ("updates-disabled", severity), quota_us
            assert "updatemaxprocs=0 from the environment: GOMAXPROCS 3 " in finding["summary"]
            assert any(str(quota_us) in line for line in finding["evidence"])
            assert (finding["advice"][0]["variable"], finding["advice"][0]["value"]) == ("GODEBUG", None)


@pytest.mark.hierarchy("v2", "v1")
def test_a_quota_that_changes_under_a_pin(groups: Groups) -> None:
    """GOMAXPROCS=3 fits 3 CPUs, and 2; a quota that grows leaves CPUs unused, one that shrinks more is exceeded, and unset is advised."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.27", GOMAXPROCS="3") as probe:
        for quota_us, rule, severity in (
            (300_000, "gomaxprocs-pinned", "info"),
            (500_000, "gomaxprocs-below-quota", "info"),
            (100_000, "gomaxprocs-exceeds-quota", "warning"),
        ):
            group.limit_cpu(quota_us)
            (finding,) = inspect(probe.pid)["findings"]
            assert (finding["rule"], finding["severity"]) == (rule, severity)
            assert any(str(quota_us) in line for line in finding["evidence"]), finding["evidence"]
            assert ("GOMAXPROCS", None) in [(advice["variable"], advice["value"]) for advice in finding["advice"]]
        group.limit_cpu(200_000)
        assert _rules(inspect(probe.pid)) == []


@pytest.mark.hierarchy("v2")
def test_a_whole_quota_and_what_is_offered_for_it(groups: Groups) -> None:
    """Go 1.27 comes to 3 under 3 CPUs and stays unset: an info offers 4, and with 4, which is kept, nothing is left to say."""
    group = groups.make("app")
    group.limit_cpu(300_000)
    with _probe(group, "1.27.3", language="1.27") as probe:
        process = inspect(probe.pid)
    (finding,) = process["findings"]
    assert (finding["rule"], finding["severity"]) == ("whole-quota-no-slack", "info")
    assert "set GOMAXPROCS=4; it then no longer follows a resize" in finding["advice"][0]["reason"]
    assert (process["settings"]["GOMAXPROCS"]["recommended"], process["settings"]["GOMAXPROCS"]["set"]) == (3, False)
    with _probe(group, "1.27.3", language="1.27", GOMAXPROCS="4") as probe:
        process = inspect(probe.pid)
    assert _rules(process) == []
    assert (process["settings"]["GOMAXPROCS"]["recommended"], process["settings"]["GOMAXPROCS"]["set"]) == (4, True)


@pytest.mark.hierarchy("v2")
def test_a_gomemlimit_beyond_memory_high(groups: Groups) -> None:
    """GOMEMLIMIT below memory.max and above memory.high is one finding; with the value that is advised it is gone."""
    group = groups.make("app")
    group.limit_memory(512 * MIB)
    group.write("memory", "memory.high", str(256 * MIB))
    with _probe(group, "1.27.3", language="1.27", GOMEMLIMIT="400MiB") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert (finding["rule"], finding["severity"]) == ("gomemlimit-exceeds-high", "warning")
    assert finding["evidence"][0].startswith(f"GOMEMLIMIT is {400 * MIB} bytes")
    assert f"memory.high: {256 * MIB} bytes" in finding["evidence"][1]
    assert finding["advice"][0]["variable"] == "GOMEMLIMIT"
    with _probe(group, "1.27.3", language="1.27", GOMEMLIMIT=finding["advice"][0]["value"]) as probe:
        assert _rules(inspect(probe.pid)) == []


@pytest.mark.hierarchy("v2", "v1")
def test_a_small_request_and_no_limit(groups: Groups) -> None:
    """The weight of a request of half a CPU, without a quota: all 8 CPUs taken are worth a word."""
    group = groups.make("app")
    name, text = ("cpu.weight", "20") if group.version("cpu") == 2 else ("cpu.shares", "512")
    group.write("cpu", name, text)
    with _probe(group, "1.27.3", language="1.27") as probe:
        (finding,) = inspect(probe.pid)["findings"]
    assert (finding["rule"], finding["severity"]) == ("no-quota-many-cpus", "info")
    asks = "490m to 514m (older formula) or 117m to 124m (newer formula)" if name == "cpu.weight" else "500m"
    assert any(line.endswith(f"{name}: {text}, which asks for {asks}") for line in finding["evidence"]), finding["evidence"]
    assert (finding["advice"][0]["variable"], finding["advice"][0]["value"]) == ("GOMAXPROCS", "2")


@pytest.mark.hierarchy("v2")
def test_a_cgroup_for_idle_time_alone(groups: Groups) -> None:
    """cpu.idle makes its weight read 0 on Linux 6.1 and 1 on 6.12: that is no request, and no finding."""
    group = groups.make("app")
    group.write("cpu", "cpu.idle", "1")
    with _probe(group, "1.27.3", language="1.27") as probe:
        process = inspect(probe.pid)
    weight = int(group.read("cpu", "cpu.weight"))
    assert weight in (0, 1)
    assert (process["enforced"]["cpu"]["chain"][0]["weight"], process["findings"]) == (weight, [])


@pytest.mark.hierarchy("v2", "v1")
def test_memory_that_is_really_swapped_out(groups: Groups) -> None:
    """A live heap of twice what fits: what the kernel has put into swap is told with its file, and how much room would end it."""
    group = groups.make("app")
    group.limit_memory(512 * MIB)
    with swap_area(), _probe(group, "1.27.3", language="1.27", GOMEMLIMIT="400MiB") as probe:
        assert "swap-hides-pressure" not in _rules(inspect(probe.pid))
        if group.version("memory") == 2:
            group.write("memory", "memory.high", str(32 * MIB))
        else:
            group.limit_memory(32 * MIB)
        probe.ask(f"alloc {64 * MIB}")
        finding = next(finding for finding in inspect(probe.pid)["findings"] if finding["rule"] == "swap-hides-pressure")
        swapped = swapped_bytes(group)
    assert finding["severity"] == "info"
    ((file, said), limit) = (line.split(": ", 1) for line in finding["evidence"])
    told = int(said.removeprefix("total_swap ").removesuffix(" bytes"))
    assert file.endswith(f"{group.path}/" + ("memory.swap.current" if group.version("memory") == 2 else "memory.stat"))
    assert told == pytest.approx(swapped, abs=8 * MIB)  # the kernel goes on while we look
    assert told > 24 * MIB
    assert limit[1].endswith("(512 MiB)" if group.version("memory") == 2 else "(32 MiB)")
    act = finding["advice"][-1]["reason"]
    assert int(act.split(" ")[3].partition(".")[0]) > 56  # 64 MiB of heap, less what came while it was looked at
    assert act.endswith(("memory.swap.max" if group.version("memory") == 2 else "memory.swappiness") + " to 0 for a Go service")


def test_memory_high_that_makes_it_wait(groups: Groups) -> None:
    """A heap beyond memory.high, without swap: the kernel lets each allocation wait, and that is told with its cause. On v2 alone."""
    group = groups.make("app")
    only_where(group.version("memory") == 2, "memory.high and memory.pressure are of cgroup v2")
    group.limit_memory(512 * MIB)
    group.write("memory", "memory.high", str(24 * MIB))
    with _probe(group, "1.27.3", language="1.27", GOMEMLIMIT="480MiB") as probe:
        asker = threading.Thread(target=probe.ask, args=(f"alloc {200 * MIB}",), daemon=True)
        asker.start()
        (rated,) = api.inspect((probe.pid,), window_seconds=8).processes
        group.write("memory", "memory.high", "max")
        asker.join(120)
    finding = next(finding for finding in rated.findings if finding.rule == "memory-stalling")
    assert finding.harm == "now"
    assert any("memory.events: high " in line for line in finding.evidence)
    assert finding.advice[-1].reason.startswith("raise memory.high")


def test_a_limit_for_heap_and_files(groups: Groups, targets: Targets) -> None:
    """A file of 32 MiB that is mapped and used again and again, beside 24 MiB of heap: with room for both it is quiet; with 12 MiB less it
    thrashes, and that takes the place of memory-stalling.
    """
    group = groups.make("app")
    only_where(group.version("memory") == 2, "memory.pressure of a cgroup is of cgroup v2")
    parent = targets.start(group, lambda: _fork(_hold_and_use_files))
    wait_until(lambda: int(group.read("memory", "memory.current")) > 56 * MIB, "it has its memory")
    child = _child(group, parent)
    needed = int(group.read("memory", "memory.current"))

    def look() -> dict[str, Any]:
        return {finding.rule: finding for finding in _watch(child).findings}

    group.limit_memory(needed + 8 * MIB)
    assert {"memory-thrashing", "memory-stalling"} & set(look()) == set()
    group.limit_memory(needed - 12 * MIB)
    time.sleep(1.0)
    found = look()
    assert "memory-stalling" not in found
    assert found["memory-thrashing"].harm == "now"
    assert any("memory.pressure: some, " in line for line in found["memory-thrashing"].evidence)


def _hold_and_use_files() -> None:
    """24 MiB of heap, and a file of 32 MiB that is mapped, a page in any order at a time."""
    held = bytearray(24 * MIB)
    (*_, pages) = memory_kinds.take("mapped", "/dev/ram0", 32 * MIB)
    assert isinstance(pages, mmap.mmap)
    while held:
        pages[random.randrange(32 * MIB)]


if __name__ == "__main__":  # scripts/test-kernel builds them before the guest starts, which would take minutes for it
    for program in PROGRAMS:
        goprograms.build(program[0], language=program[1])
