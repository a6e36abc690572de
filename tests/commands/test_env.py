"""``cgtune env``: limits in, an env file out, and one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cgtune.advice.variables import PlannedVariable, advise_running
from cgtune.commands.env import EnvOptions
from cgtune.commands.options.env import COMMAND, env_options
from cgtune.commands.options.plain import parse_plain
from cgtune.model import AUTOMAXPROCS, AUTOMEMLIMIT, Policy, Recommendation
from cgtune.outputs.envfile import DIALECTS
from tests.rules.reports import go_facts
from tests.support import command, goprograms, inside, stories, toolchains
from tests.support.envreaders import READERS
from tests.support.needs import only_where

NAMED = ("env", "--cpu-limit", "2.5", "--memory-limit", "512Mi")
BOTH = {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"}


def one_line(done: inside.Done, code: int) -> str:
    """The one line on stderr of a run that failed with this code and printed nothing."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("cgtune: "), done
    assert done.stderr.count("\n") == 1, done
    assert done.stderr[:-1].isprintable(), done
    return done.stderr


@pytest.mark.parametrize("dialect", READERS)
def test_every_dialect(dialect: str) -> None:
    """Both variables for a program that is not known, in each dialect; reasons beside them or on stderr."""
    done = inside.run(*NAMED, "--dialect", dialect)
    assert done.returncode == 0
    assert READERS[dialect](done.stdout) == BOTH
    reasons = done.stdout if DIALECTS[dialect].comments else done.stderr
    assert "2.5 CPUs rounded up is 3 (measured: rounded down costs 20 to 35 % of the throughput); which Go runs it is not known" in reasons
    assert bool(done.stderr) is not DIALECTS[dialect].comments


def test_without_limits_it_shows_the_manifest() -> None:
    """Exit code 2, one line, and lines for the init container that are valid YAML and name what it reads."""
    done = inside.run("env")
    assert (done.returncode, done.stdout) == (2, "")
    line, _, manifest = done.stderr.partition("\n")
    assert line.startswith("cgtune: whose limits?")
    entries = yaml.safe_load(manifest)["env"]
    assert [entry["name"] for entry in entries] == [
        "CGTUNE_CPU_DIVISOR",
        "CGTUNE_CPU_LIMIT",
        "CGTUNE_MEMORY_DIVISOR",
        "CGTUNE_MEMORY_LIMIT",
    ]
    assert READERS["kubernetes"](_filled_in(entries, 512 << 20).stdout) == BOTH
    assert "below 64 MiB no value helps" in _filled_in(entries, 32 << 20).stdout  # so small a number could be one of MiB, and is not


def _filled_in(entries: list[dict[str, Any]], memory_bytes: int) -> inside.Done:
    """A run with these variables, filled in as the kubelet does, for a container of 2.5 CPUs."""
    quantities = {"limits.cpu": 2500, "limits.memory": memory_bytes}
    unit = {"1m": 1}
    environ = {}
    for entry in entries:
        ref = entry.get("valueFrom", {}).get("resourceFieldRef")
        environ[entry["name"]] = entry["value"] if ref is None else str(quantities[ref["resource"]] // unit.get(ref.get("divisor"), 1))
        assert ref is None or ref["containerName"] == "app"
    done = inside.run("env", **environ)
    assert done.returncode == 0, done
    return done


REFUSED: dict[str, tuple[tuple[object, ...], int, str]] = {
    "bytes with a small unit": ((*NAMED[:3], "--memory-limit", "512mi"), 2, "no number of bytes"),
    "two points": (("env", "--cpu-limit", "1.5.2"), 2, "no number of CPUs"),
    "a negative limit": (("env", "--cpu-limit=-1"), 2, "no number of CPUs"),
    "an exponent": (("env", "--cpu-limit", "1e400"), 2, "no number of CPUs"),
    "bytes with an exponent": (("env", "--memory-limit", "1e400"), 2, "no number of bytes"),
    "a bare number": (("env", "--cpu-limit", "2500"), 2, "--cpu-divisor"),
    "a limit of its own and another's": ((*NAMED, "--self"), 2, "give one of both"),
    "a pid and a limit": ((*NAMED, "--pid", "1"), 2, "give one of both"),
    "a node and a lookup": (("env", "--self", "--node-cpus", "8"), 2, "--node-cpus belongs to limits that are named"),
    "a request alone": (("env", "--pid", "1", "--cpu-request", "250m"), 2, "--cpu-request belongs"),
    "self and pid": (("env", "--self", "--pid", "1"), 2, "exclude each other"),
    "no such pid": (("env", "--pid", "4194999"), 3, "no process 4194999"),
    "a pid that is none": (("env", "--pid", "x"), 2, "--pid"),
    "a dialect that is none": ((*NAMED, "--dialect", "ini"), 2, "--dialect"),
    "a version that is none": ((*NAMED, "--go", "2.x"), 2, "no version of Go"),
    "several versions": ((*NAMED, "--go", "1.24,1.27"), 2, "names several versions"),
    "a language without a version": ((*NAMED, "--language", "1.24"), 2, "--language needs the Go version"),
    "a binary and a version": ((*NAMED, "--binary", "/bin/true", "--go", "1.24"), 2, "--binary tells its own"),
    "a binary that is not Go's": ((*NAMED, "--binary", "/bin/true"), 2, "is not a Go program"),
    "a binary that is not there": ((*NAMED, "--binary", "/nonexistent"), 2, "No such file"),
    "a mode that is none": ((*NAMED, "--output", "/tmp/cgtune-test-never", "--mode", "rw"), 2, "no mode of a file"),
    "blanks around a limit": (("env", "--cpu-limit", "2.5 "), 2, "'2.5 ' is neither a number of CPUs nor"),
    "an output that prints elsewhere": ((*NAMED, "--output", "-"), 2, "leave --output out to print"),
    "an output that is no name": ((*NAMED, "--output", "/tmp/"), 2, "names no file"),
    "an output below nothing": ((*NAMED, "--output", "/nonexistent/env"), 3, "mount the volume that is meant there"),
    "GitHub's file, written over": ((*NAMED, "--dialect", "github", "--output", "/tmp/cgtune-test-never"), 2, "$GITHUB_ENV"),
    "a policy that is none": ((*NAMED, "--headroom", "120%"), 2, "--headroom"),
    "an argument too many": ((*NAMED, "more"), 2, "more"),
    "an output of control characters": ((*NAMED, "--output", "/tmp/\x1b[31m\n/env"), 3, "\\x1b[31m"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input(arguments: tuple[object, ...], code: int, words: str) -> None:
    """One line that says what to do, the right exit code, nothing printed and nothing written."""
    assert words in one_line(inside.run(*arguments), code)
    assert not Path("/tmp/cgtune-test-never").exists()


def test_an_old_file_outlives_bad_input(tmp_path: Path) -> None:
    """Whatever is refused, what was written before stands untouched; a good run replaces it, and the same again does not."""
    path = tmp_path / "app.env"
    assert inside.run(*NAMED, "--output", path).returncode == 0
    before = (path.stat().st_ino, path.stat().st_mtime_ns, path.read_text())
    for limits in (("--cpu-limit", "1.5.2"), ("--memory-limit", "512mi"), ("--cpu-limit", "2", "--dialect", "github")):
        one_line(inside.run("env", *limits, "--output", path), 2)
    again = inside.run(*NAMED, "--output", path)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr.endswith(f"cgtune: {path} says so already\n")
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.read_text()) == before
    written = inside.run("env", "--cpu-limit", "4", "--output", path, "--mode", "0600")
    assert written.stderr.endswith(f"cgtune: {path} is written\n")
    assert "cgtune: GOMEMLIMIT stays unset: no memory limit was named\n" in written.stderr
    assert (READERS["kubernetes"](path.read_text()), path.stat().st_mode & 0o777) == ({"GOMAXPROCS": "5"}, 0o600)
    assert os.listdir(tmp_path) == ["app.env"]


def test_a_memory_limit_too_small_for_any_value(tmp_path: Path) -> None:
    """32 MiB are a limit like any other, under which GOMEMLIMIT is better left alone: exit code 0, and the file and the log say why."""
    path = tmp_path / "app.env"
    done = inside.run("env", "--cpu-limit", "2", "--memory-limit", "32Mi", "--output", path)
    assert done.returncode == 0
    assert READERS["kubernetes"](path.read_text()) == {"GOMAXPROCS": "3"}
    for text in (path.read_text(), done.stderr):
        assert "GOMEMLIMIT stays unset: the memory limit: 33554432 bytes (32 MiB); below 64 MiB no value helps" in text


PLAIN: dict[str, dict[str, str]] = {
    "nothing": {},
    "an init container": {"CGTUNE_CPU_LIMIT": "2500", "CGTUNE_CPU_DIVISOR": "1m", "CGTUNE_MEMORY_LIMIT": "536870912"},
    "with Go": {"CGTUNE_CPU_LIMIT": "2.5", "CGTUNE_GO": "1.27", "CGTUNE_LANGUAGE": "1.24", "CGTUNE_CGROUP": "v2", "CGTUNE_DIALECT": "json"},
    "a bad limit": {"CGTUNE_CPU_LIMIT": "1.5.2"},
    "a bad divisor": {"CGTUNE_CPU_LIMIT": "1", "CGTUNE_CPU_DIVISOR": "3"},
    "all the same": {"CGTUNE_CPU_LIMIT": "2.5", "CGTUNE_GO": "1.27", "CGTUNE_ALWAYS": "true"},
    "the pod and the node": {
        "CGTUNE_POD_CPU_LIMIT": "2",
        "CGTUNE_POD_MEMORY_LIMIT": "1Gi",
        "CGTUNE_NODE_CPUS": "8",
        "CGTUNE_NODE_MEMORY": "9Gi",
    },
    "a policy": {"CGTUNE_CPU_LIMIT": "2.5", "CGTUNE_ROUNDING": "floor"},
    "a bad dialect": {"CGTUNE_CPU_LIMIT": "1", "CGTUNE_DIALECT": "ini"},
    "empty": {"CGTUNE_CPU_LIMIT": "", "CGTUNE_SELF": ""},
    "a service named cgtune": {"CGTUNE_CPU_LIMIT": "1", "CGTUNE_PORT": "tcp://10.0.0.1:80"},
}


@pytest.mark.parametrize("environ", PLAIN.values(), ids=PLAIN)
def test_the_plain_form_says_what_the_full_one_says(environ: dict[str, str]) -> None:
    """Without arguments, by CGTUNE_* variables alone: the same text and exit code as through the command-line library."""
    plain = command.run("env", timeout_seconds=30, **environ)
    full = inside.run("env", **environ)
    assert (plain.returncode, plain.stdout, plain.stderr) == (full.returncode, full.stdout, full.stderr)


def test_which_environments_are_plain() -> None:
    """Limits of an init container are; what only the full face has words for is not."""
    for environ, options in (
        ({"CGTUNE_CPU_LIMIT": "2500", "HOME": "/"}, EnvOptions(cpu_limit="2500")),
        ({"CGTUNE_CPU_LIMIT": "", "CGTUNE_SELF": "", "CGTUNE_ROUNDING": "", "CGTUNE_PORT": "tcp://x"}, EnvOptions()),
        ({"CGTUNE_ROUNDING": "floor"}, EnvOptions(policy=Policy(rounding="floor"))),
    ):
        values = parse_plain(COMMAND, (), environ)
        assert values is not None
        assert env_options(values) == options
    for other in ({"CGTUNE_ROUNDING": "up"}, {"CGTUNE_DIALECT": "ini"}, {"CGTUNE_PID": "x"}):
        assert parse_plain(COMMAND, (), other) is None


def test_another_process(tmp_path: Path) -> None:
    """--pid takes what is enforced on that process, ancestors included; a recording stands for a machine."""
    tree = ("--root", stories.STORIES / "v2-ancestor-tighter", "--pid", "4242")
    done = inside.run("env", *tree)
    assert done.returncode == 0
    assert "/cpu.max: " in done.stdout
    limits = json.loads(inside.run("inspect", *tree, "--format", "json").stdout)["processes"][0]
    recommended = {name: setting for name, setting in limits["settings"].items() if setting["set"]}
    assert set(READERS["kubernetes"](done.stdout)) >= set(recommended)


def test_another_program_than_the_one_that_runs_there() -> None:
    """With --pid alone the next start of that Go program is planned; with --go that of another program in its place."""
    story = stories.STORIES / "v2-bench-swapped-out"
    (pid,) = json.loads((story / "cgtune-snapshot.json").read_text("utf-8"))["pids"]
    there = ("env", "--root", story, "--pid", pid, "--policy", "smallest-limit=8Mi")
    assert "which Go runs it" not in inside.run(*there).stdout
    assert "Go 1.18 has no GOMEMLIMIT" in inside.run(*there, "--go", "1.18").stdout


@pytest.fixture(scope="module")
def program() -> Path:
    """A Go 1.24 program on disk."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    toolchains.goroot("1.24.11")
    return goprograms.build("1.24.11")


@pytest.mark.fetched
def test_a_program_on_disk(program: Path) -> None:
    """--binary takes version and settings from the file."""
    done = inside.run(*NAMED, "--binary", program)
    assert READERS["kubernetes"](done.stdout) == BOTH
    assert "Go 1.24.11 never reads a CPU quota" in done.stdout


def test_a_full_disk() -> None:
    """What could not be printed is exit code 3."""
    done = command.run("env", CGTUNE_CPU_LIMIT="2")
    assert done.returncode == 0
    with open("/dev/full", "wb") as full:
        argv = [*command.PROGRAM, "env"]
        failed = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, env=command.environment(CGTUNE_CPU_LIMIT="2"))
    assert failed.returncode == 3
    assert failed.stderr == "cgtune: could not write to standard output: No space left on device; send it to where there is room\n"


def test_limits_that_cannot_be_read(tmp_path: Path) -> None:
    """A limit file that is there and tells nothing is named, in the file and on stderr; nobody says then that there is no limit."""
    tree = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-ancestor-tighter", tree, symlinks=True)
    wide, tight = (tree / "sys/fs/cgroup" / place / "cpu.max" for place in ("pod/app", "pod"))
    there = ("--root", tree, "--pid", "4242")
    wide.write_text("garbage\n")
    done = inside.run("env", *there, "--go", "1.24")
    said = f"/{wide.relative_to(tree)} cannot be read: "
    assert (done.returncode, said in done.stdout, "/cpu.max: 100000 100000; 1 CPU and one thread more" in done.stdout) == (0, True, True), (
        done
    )
    assert f"not seen: /{wide.relative_to(tree)}: " in done.stderr
    tight.write_text("garbage\n")
    done = inside.run("env", *there, "--go", "1.24")
    assert "# GOMAXPROCS stays unset: no CPU quota is known; /sys/" in done.stdout
    assert "a quota cannot be read" in inside.run("inspect", *there).stdout
    for path in tree.rglob("memory.max"):
        path.write_text("garbage\n")
    assert "# GOMEMLIMIT stays unset: no memory limit is known; /sys/" in inside.run("env", *there, "--go", "1.24").stdout
    assert "a limit cannot be read" in inside.run("inspect", *there).stdout


def test_the_file_of_memory_high() -> None:
    """It is named with its folder, as every other file is."""
    done = inside.run("env", "--root", stories.STORIES / "v2-memory-high-below-max", "--pid", "1", "--go", "1.24")
    assert "# GOMEMLIMIT=414MiB: /sys/fs/cgroup/memory.high: 483180544 bytes" in done.stdout


def test_limits_of_a_running_program_that_cannot_be_read(tmp_path: Path) -> None:
    """Neither does the advice to a Go program that runs say so."""
    tree = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-bench-swapped-out", tree, symlinks=True)
    (pid,) = json.loads((tree / "cgtune-snapshot.json").read_text("utf-8"))["pids"]
    there = ("--root", tree, "--pid", pid, "--format", "json")
    whole = inside.parse_report(inside.run("inspect", *there))["processes"][0]
    assert whole["settings"]["GOMAXPROCS"]["because"][-1:] == ["no CPU quota is enforced: Go's own default is right"]
    for name in ("cpu.max", "memory.max", "memory.high"):
        for path in tree.rglob(name):
            path.write_text("garbage\n")
    settings = inside.parse_report(inside.run("inspect", *there))["processes"][0]["settings"]
    for name, first in (("GOMAXPROCS", "no CPU quota is known"), ("GOMEMLIMIT", "no memory limit is known")):
        assert (settings[name]["set"], first in settings[name]["because"]) == (False, True)


def test_a_limit_that_is_enforced_here_is_not_the_nodes() -> None:
    """Under a pod's own limits an init container is told the same for the node and for the program: it looks at its own cgroup."""
    root = stories.STORIES / "v2-sibling-container"
    own = json.loads(inside.run("inspect", "--root", root, "--self", "--format", "json").stdout)["processes"][0]
    size, machine = own["enforced"]["memory"]["limit_bytes"], own["enforced"]["memory"]["chain"][0]["limit_bytes"]
    assert size == machine
    for limit, is_set in ((size, True), (1 << 50, False)):
        done = inside.run("env", "--root", root, "--memory-limit", limit, "--node-memory", limit)
        assert ("GOMEMLIMIT" in READERS["kubernetes"](done.stdout)) == is_set, done.stdout
        assert ("no memory limit is enforced" in done.stdout) == (not is_set)


def _in_a_pod(limit: str, *arguments: object, **environ: str) -> inside.Done:
    """A run in an init container, to which Kubernetes has filled in this limit."""
    filled = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "CGTUNE_CPU_LIMIT": limit, "CGTUNE_CPU_DIVISOR": "1m"}
    filled["CGTUNE_ROOT"] = str(stories.STORIES / "v2-sibling-container")
    return inside.run("env", *arguments, **(filled | environ))


def test_no_more_than_the_node_has() -> None:
    """In an init container the node is there to be seen: a limit beyond its CPUs is none, and the comment says how that is known."""
    root = stories.STORIES / "v2-sibling-container"
    report = json.loads(inside.run("inspect", "--root", root, "--self", "--format", "json").stdout)
    online = report["machine"]["online_cpus"]
    for limit in (online * 1000, 64_000):
        done = _in_a_pod(str(limit))
        assert (done.returncode, READERS["kubernetes"](done.stdout)) == (0, {}), done
        assert f"KUBERNETES_SERVICE_HOST is set, so this is the node of the pod, which has {online} CPUs" in done.stdout
        assert f"does not fall below the {online} usable CPUs" in done.stdout
    assert READERS["kubernetes"](_in_a_pod(str(online * 1000 - 500)).stdout) == {"GOMAXPROCS": str(online)}
    assert READERS["kubernetes"](_in_a_pod("64000", "--min-procs", 64, "--reserve-cpu", 63).stdout) == {"GOMAXPROCS": str(online)}


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--node-cpus", "128.0"), {}),
        (("--cpu-limit", "64000"), {"CGTUNE_CPU_LIMIT": ""}),
        ((), {"KUBERNETES_SERVICE_HOST": ""}),
        ((), {"CGTUNE_ROOT": "/nonexistent"}),
    ],
    ids=["of another node", "of a pipeline, which runs in a pod too", "in no pod", "a root that is none"],
)
def test_limits_of_another_place_are_not_capped(arguments: tuple[object, ...], environ: dict[str, str]) -> None:
    """Who names the node, or gives the limit by option, speaks of another machine; what cannot be seen caps nothing."""
    assert READERS["kubernetes"](_in_a_pod("64000", *arguments, **environ).stdout) == {"GOMAXPROCS": "65"}


@pytest.mark.parametrize("thousandths", range(1, 10))
def test_limits_below_the_least_are_raised_to_it(thousandths: int) -> None:
    """1m to 9m, which Kubernetes takes and the kubelet enforces as 10m, filled in or written."""
    for done in (
        inside.run("env", CGTUNE_CPU_LIMIT=str(thousandths), CGTUNE_CPU_DIVISOR="1m"),
        inside.run("env", "--cpu-limit", f"{thousandths}m"),
        inside.run("env", "--cpu-limit", f"0.00{thousandths}"),
    ):
        assert (done.returncode, READERS["kubernetes"](done.stdout)) == (0, {"GOMAXPROCS": "2"}), done
        assert "enforced as 10m" in done.stdout
    predicted = inside.run("predict", "--cpu-limit", f"{thousandths}m", "--cpus", 8)
    assert "0.01 CPUs (1000 of every 100000" in predicted.stdout


@pytest.mark.parametrize(
    ("name", "value", "is_set", "linked", "said"),
    [
        ("GOMAXPROCS", 2, False, (), "the program has set 4 itself: that has to go, or it holds again at the next start"),
        (
            *("GOMAXPROCS", 2, True, (AUTOMAXPROCS,)),
            "the program has set 4 itself; automaxprocs, which is linked in, leaves the variable alone",
        ),
        (
            *("GOMEMLIMIT", 229 << 20, True, ()),
            "the program has set 460MiB itself: look again after the next start, as not every program leaves the variable alone",
        ),
        (
            *("GOMEMLIMIT", 229 << 20, True, (AUTOMEMLIMIT,)),
            "the program has set 460MiB itself; automemlimit, which is linked in, leaves the variable alone",
        ),
        ("GOMEMLIMIT", 460 << 20, True, (), None),
    ],
)
def test_what_the_program_set_itself_is_told(name: str, value: int, is_set: bool, linked: tuple[str, ...], said: str | None) -> None:
    """A value for the next start is no promise if a call in the program has the last word."""
    facts = go_facts(procs=4, procs_derived=2, memory=460 << 20, memory_derived="off")
    facts = facts.replace(program=facts.program.replace(linked=linked), observed=facts.observed.replace(pinned=True))
    recommended = Recommendation(name=name, value=value, set=is_set, because=("so it is",))
    (planned,) = advise_running((recommended,), (facts,))
    assert planned.because == ("so it is",) if said is None else planned.because == ("so it is", said)
    assert advise_running((recommended.replace(overruled=True),), (facts,))[0].because == ("so it is",)


def test_a_memory_limit_of_no_whole_mib_keeps_its_bytes() -> None:
    """A value that is kept for the next start is written as it is, with its unit, not cut to MiB."""
    kept = PlannedVariable(name="GOMEMLIMIT", value=None, because=())
    recommended = Recommendation(name="GOMEMLIMIT", value=483_183_821, set=True, because=("it is set",))
    (planned,) = advise_running((recommended,))
    assert planned == kept.replace(value="483183821B", because=("it is set",))
    left = recommended.replace(set=False, because=("leave it to the program",))
    for always in (True, False):  # --always is for GOMAXPROCS, which a runtime may follow by itself
        assert advise_running((left,), always=always) == (kept.replace(because=left.because, is_reached=True),)
