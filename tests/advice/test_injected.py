"""GOMAXPROCS that a node has put into a container's environment: told if the value is the very one, and not otherwise."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.advise import advise
from cgtune.advice.injected import derive_injected
from cgtune.model import Container, Policy, ProcessReport
from cgtune.rules.case import Case
from tests.rules.reports import cpu_level, go_facts, report
from tests.support.inside import run

STORIES = Path(__file__).parents[2] / "fixtures" / "cgroupfs"
SCOPE = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/crio-" + "a" * 64 + ".scope"


def said(text: str, path: str = SCOPE, runtime: str | None = "cri-o", weight: int | None = 35, cores: float | None = None) -> str:
    """What is said of a program with this GOMAXPROCS in its environment; weight 35 is a request of 250m by the newer formula."""
    made = _made(text, path, runtime, weight, cores)
    because = advise(made.snapshot, made.limits)[0].because
    return next((line for line in because if "min_injected_gomaxprocs" in line), "")


def _made(text: str, path: str, runtime: str | None, weight: int | None, cores: float | None) -> ProcessReport:
    facts = go_facts(procs=int(text) if text.isdigit() else 8, variables={"GOMAXPROCS": text})
    made = report(facts, path=path, weight=weight, cores=cores, cpus=64)
    return made.replace(snapshot=made.snapshot.replace(container=Container(id="a" * 64, pod_uid="1", runtime=runtime)))


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"text": "1"}, True),
        ({"text": "1", "weight": 1, "path": SCOPE.replace("burstable", "besteffort")}, True),
        ({"text": "3", "weight": 79}, True),  # some 750m by the curve, 2 CPUs by the line
        ({"text": "4", "weight": 174}, True),  # 2 CPUs by the curve
        ({"text": "1", "path": f"{SCOPE}/container"}, False),  # its scope is not in this chain
        ({"text": "7"}, False),
        ({"text": "1", "runtime": "containerd"}, False),
        ({"text": "1", "path": SCOPE.replace("kubepods-burstable", "kubepods")}, False),
        ({"text": "1", "cores": 0.5}, False),
        ({"text": "x1"}, False),
        ({"text": "9" * 400}, False),
    ],
)
def test_what_the_node_has_set_is_told(changes: dict[str, object], is_told: bool) -> None:
    """By runtime, quality of service, request and value; with a CPU limit CRI-O sets nothing."""
    assert bool(said(**changes)) is is_told  # type: ignore[arg-type]


def test_a_nested_cgroup_does_not_hide_it() -> None:
    """The request is that of the container's own cgroup, where crun has put the program one lower."""
    made = _made("1", f"{SCOPE}/container", "cri-o", 100, None)
    scope = cpu_level(SCOPE, None, weight=35)
    nested = made.snapshot.replace(cpu_chain=(made.snapshot.cpu_chain[0], scope))
    assert "min_injected_gomaxprocs" in advise(nested, made.limits)[0].because[-1]


def test_a_finding_tells_it() -> None:
    """Where GOMAXPROCS is shown as evidence, it is said whose it may be."""
    made = _made("1", SCOPE, "cri-o", 35, None)
    told = [line for line in Case(made, made.snapshot.go[0], Policy()).procs_evidence() if "min_injected_gomaxprocs" in line]
    assert len(told) == 1


@given(st.integers(2, 262_144))
def test_any_request_is_found_again(shares: int) -> None:
    """Whichever formula made a weight of the shares, what CRI-O computes from them is among the values."""
    injected = {max(1, math.ceil(shares / 1024)), max(1, math.ceil(2 * shares / 1024))}
    logarithm = math.log2(shares)
    line = 1 + (shares - 2) * 9999 // 262142
    curve = math.ceil(10 ** ((logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34))
    assert injected == derive_injected(cpu_level("/a", None, version=1, weight=shares))
    assert injected <= derive_injected(cpu_level("/a", None, weight=line))
    assert injected <= derive_injected(cpu_level("/a", None, weight=min(curve, 10_000)))


def test_the_report_tells_it(tmp_path: Path) -> None:
    """A recorded Go program, moved into a container of CRI-O with a request of 4 CPUs: the report says whose its GOMAXPROCS may be."""
    story, names = Path(shutil.copytree(STORIES / "v2-bench-swapped-out", tmp_path / "story", symlinks=True)), SCOPE.strip("/").split("/")
    for path in [*story.rglob("*")]:
        if path.is_file() and not path.is_symlink() and not path.name.endswith(".regions"):
            path.write_bytes(
                path.read_bytes()
                .replace(b"cgtune-test-live-177-0", "/".join(names[:-1]).encode())
                .replace(b"/app", f"/{names[-1]}".encode())
            )
    for root in ("sys/fs/cgroup", "proc/182/root/sys/fs/cgroup"):
        moved = story / root / "/".join(names[:-1])
        moved.parent.mkdir(parents=True)
        (story / root / "cgtune-test-live-177-0").rename(moved)
        (moved / "app").rename(moved / names[-1])
    scope = story / "sys/fs/cgroup" / SCOPE.strip("/")
    (scope / "cpu.weight").write_text("303\n")
    (story / "proc/182/environ").write_bytes(b"GOMAXPROCS=8\0")
    (process,) = json.loads(run("inspect", "--root", story, "--pid", "182", "--format", "json").stdout)["processes"]
    assert process["container"]["runtime"] == "cri-o"
    assert "GOMAXPROCS=8 is what CRI-O sets" in process["settings"]["GOMAXPROCS"]["because"][-1]
