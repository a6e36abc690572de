"""``cgtune --profile``: the same output, and where the time went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cgtune.commands.profiling import PROFILED, STAGES, find, start_profiled
from tests.support.command import ROOT, run, uncounted

RECORDING = ROOT / "fixtures/cgroupfs/v2-bench-swapped-out"
COLUMNS = ("cpu_ms", "ms", "calls", "modules", "files", "regions", "names", "kib")


def profiled(*arguments: object) -> tuple[subprocess.CompletedProcess[str], dict[str, dict[str, float]]]:
    """A profiled run, and its rows by stage."""
    done = run("--profile", *arguments)
    heading, columns, *lines = done.stderr.splitlines()
    assert heading.startswith("cgtune ")
    assert columns.split() == ["stage", "CPU", "ms", "ms", "calls", "modules", "files", "regions", "names", "KiB"]
    return done, {words[0]: dict(zip(COLUMNS, map(float, words[1:]), strict=True)) for words in map(str.split, lines)}


@pytest.mark.parametrize("command", [("inspect", "--format", "json"), ("inspect",), ("ps",), ("check", "--fail-on", "info")], ids=" ".join)
def test_the_output_is_the_same(command: tuple[str, ...]) -> None:
    """Output and exit code are those of the command without it, and each stage of the route has begun."""
    plain = run(*command, "--root", RECORDING)
    done, rows = profiled(*command, "--root", RECORDING)
    assert (done.stdout, done.returncode) == (plain.stdout, plain.returncode)
    assert [stage for stage in STAGES if rows[stage]["calls"] == 0] == ["python", "else"]


def test_what_is_counted_adds_up() -> None:
    """A stage does not hold what it hands to another: the last row is the sum. One process is judged once."""
    _, rows = profiled("inspect", "--root", RECORDING)
    whole = rows.pop("all")
    for column in COLUMNS:
        assert sum(row[column] for row in rows.values()) == pytest.approx(whole[column], abs=0.06 * len(rows))
    assert {stage: rows[stage]["calls"] for stage in ("machine", "limits", "advice", "rules", "render", "write")} == dict.fromkeys(
        ("machine", "limits", "advice", "rules", "render", "write"), 1
    )
    assert rows["go"]["regions"] > 0
    assert rows["cgroups"]["files"] > 0
    assert rows["go"]["kib"] > rows["machine"]["kib"]


COUNTING = """
import os, sys
opened = []

def hook(event, words):
    if event == "open" and isinstance(words[2], int) and words[2] & os.O_NOCTTY and not words[0].startswith(("cgtune-", "/proc/self/")):
        opened.append(words)

sys.addaudithook(hook)
sys.path.insert(0, sys.argv.pop(1))
from cgtune.__main__ import main
main()
sys.stderr.write(f"{len(opened)}")
"""


def test_each_file_that_is_opened_is_counted(tmp_path: Path) -> None:
    """As many as Python itself sees being opened below the root, those that do not exist among them: nothing reads past the count."""
    for name, text in {
        "proc/1/stat": f"1 (a) S {'0 ' * 49}",
        "proc/1/status": "Cpus_allowed_list:\t0\n",
        "proc/1/cgroup": "0::/\n",
        "proc/meminfo": "MemTotal: 1024 kB\n",
        "sys/devices/system/cpu/online": "0\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for folder in ("proc/pressure", "proc/sys/kernel", "sys/kernel/sched_ext"):  # without it nothing is opened
        (tmp_path / folder).mkdir(parents=True)
    argv = [sys.executable, "-I", "-c", COUNTING, str(ROOT), "--profile", "inspect", "--pid", "1", "--root", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, env=uncounted(), timeout=60, check=True)
    *_, whole, opened = done.stderr.splitlines()
    assert whole.split()[5] == opened
    assert int(opened) > 10


@pytest.mark.parametrize("arguments", [(), ("lint",), ("serve",), ("--profile", "ps"), ("--help",)], ids=str)
def test_what_cannot_be_profiled_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    """Another command, or none, is refused with an example."""
    done = run("--profile", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cgtune: --profile stands before one of {', '.join(PROFILED)}, as in cgtune --profile ps\n"


def test_a_command_that_fails_is_profiled_too() -> None:
    """Its line and its exit code come first."""
    done = run("--profile", "inspect", "--root", "/nowhere")
    line, heading, *_ = done.stderr.splitlines()
    assert (done.returncode, line.startswith("cgtune: --root '/nowhere'")) == (2, True)
    assert heading.startswith("cgtune ")


def test_the_route_is_as_before_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing stays wrapped, and every function that begins a stage is there."""
    places = [place for stage in STAGES.values() for place in stage]
    before = [find(place)[2] for place in places]
    assert start_profiled(["ps"], len) == 1
    assert "all" in capsys.readouterr().err
    assert [find(place)[2] for place in places] == before


def test_nobody_knows_of_it() -> None:
    """It is for who is asked to send it: no help names it."""
    assert "--profile" not in run("--help").stdout + run("ps", "--help").stdout
