"""``cgtune env`` where files and readers are real: full and read-only disks, podman's --env-file, limits of a container."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.advice.variables import PlannedVariable
from cgtune.outputs.envfile import render_env
from tests.live.cgroups import Groups
from tests.live.containers import Podman
from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, run
from tests.support.envreaders import read_docker, read_kubernetes
from tests.support.needs import only_where, require
from tests.support.watching import Watcher

pytestmark = pytest.mark.live

NAMED = ("env", "--cpu-limit", "2.5", "--memory-limit", "512Mi")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, mounted here; it is gone when the test ends."""
    require(os.geteuid() == 0, "mounts a tmpfs: run as root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "cgtune-test", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(disk: Path) -> None:
    def write_without_end() -> None:
        with (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with pytest.raises(OSError, match="No space left"):
        write_without_end()


def test_a_full_disk(disk: Path) -> None:
    """The old file stands to the byte, no draft is left beside it, and the line says why; with room again it is written."""
    path = disk / "app.env"
    assert run("env", "--cpu-limit", "4", "--output", path).returncode == 0
    before = (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
    _fill(disk)
    done = run(*NAMED, "--output", path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"cgtune: --output '{path}': No space left on device; nothing was written, what stood there stands\n"
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) == before
    assert sorted(os.listdir(disk)) == ["app.env", "filler"]
    same = run("env", "--cpu-limit", "4", "--output", path)
    assert (same.returncode, "says so already" in same.stderr) == (0, True)  # a full disk is no trouble where nothing has to be written
    (disk / "filler").unlink()
    assert run(*NAMED, "--output", path).returncode == 0
    assert read_kubernetes(path.read_text()) == {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"}


def test_a_read_only_disk(disk: Path) -> None:
    """The same for a volume that was mounted read-only."""
    path = disk / "app.env"
    assert run("env", "--cpu-limit", "4", "--output", path).returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = path.read_bytes()
    done = run(*NAMED, "--output", path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "Read-only file system; nothing was written" in done.stderr
    assert (path.read_bytes(), os.listdir(disk)) == (before, ["app.env"])


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Without the right to write there, one line says so."""
    require(os.geteuid() == 0, "gives a folder to another user: run as root")
    place = tmp_path / "closed"
    place.mkdir(mode=0o755)
    os.chown(place, 65534, 65534)
    powerless = ("setpriv", "--bounding-set", "-dac_override", "--")  # a root that may not overlook permissions
    argv = [*powerless, *PROGRAM, *NAMED, "--output", str(place / "app.env")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "Permission denied; nothing was written" in done.stderr
    assert os.listdir(place) == []


def test_a_file_that_is_a_mount_of_its_own(tmp_path: Path) -> None:
    """A single file that was mounted cannot be replaced by renaming: the line says to mount its folder."""
    require(os.geteuid() == 0, "mounts a file: run as root")
    path, source = tmp_path / "app.env", tmp_path / "source"
    path.touch()
    source.write_text("old\n")
    subprocess.run(["mount", "--bind", str(source), str(path)], check=True)
    try:
        done = run(*NAMED, "--output", path)
        assert (done.returncode, path.read_text()) == (3, "old\n")
        assert "it is a mount of its own; mount its folder instead" in done.stderr
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_podman_reads_the_file(podman: Podman, tmp_path: Path) -> None:
    """--env-file of a real podman takes the docker dialect, comments and all, as it was meant."""
    path = tmp_path / "app.env"
    assert run(*NAMED, "--dialect", "docker", "--output", path).returncode == 0
    assert path.read_text().count("#") == 2
    odd = {"GO1": " a ", "GO2": "#a", "GO3": "'q' \"r\"", "GO4": "$HOME `id`", "GO5": "", "GO6": "a=b\\"}
    with path.open("a") as file:
        file.write(render_env([PlannedVariable(name=name, value=value, because=("so",)) for name, value in odd.items()], "docker"))
    done = podman.run("--env-file", str(path), argv=("cat", "/proc/self/environ"))
    assert done.returncode == 0, done.stderr
    taken = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry.startswith("GO"))
    assert taken == read_docker(path.read_text()) == {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"} | odd


def test_limits_of_ones_own(groups: Groups) -> None:
    """--self takes the limits of the cgroup that cgtune runs in, --pid those of another, and floors them where asked."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    group.limit_memory(256 << 20)
    inside = group.directories()
    enter = "".join(f"echo $$ > {place}/cgroup.procs && " for place in inside)
    argv = ["sh", "-c", f'{enter}exec "$@"', "sh", *PROGRAM, "env", "--self", "--rounding", "floor"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert read_kubernetes(done.stdout) == {"GOMAXPROCS": "1", "GOMEMLIMIT": "230MiB"}
    assert "150000" in done.stdout
    other = run("env", "--pid", group.start_sleeper(), "--rounding", "floor")
    assert read_kubernetes(other.stdout) == {"GOMAXPROCS": "1", "GOMEMLIMIT": "230MiB"}


@pytest.mark.parametrize("whose", ["--self", "--pid"])
def test_the_file_follows_a_real_limit(groups: Groups, tmp_path: Path, whose: str) -> None:
    """One's own limits, or those of another process, as the kernel has them now: changed ones are in the file, and it rests otherwise."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    group.limit_memory(256 << 20)
    places = " && ".join(f"echo $$ > {place}/cgroup.procs" for place in group.directories())
    inside = ("sh", "-c", f'{places} && exec "$@"', "sh")
    target, before = (("--self",), inside) if whose == "--self" else (("--pid", group.start_sleeper()), ())
    with Watcher(tmp_path, *target, "--go", "1.24", before=before) as watcher:
        assert read_kubernetes(watcher.file()[2]) == {"GOMAXPROCS": "2", "GOMEMLIMIT": "230MiB"}
        first, said = watcher.file(), watcher.said()
        time.sleep(3)
        assert (watcher.file(), watcher.said()) == (first, said)
        group.limit_memory(512 << 20)
        watcher.wait_for(lambda: watcher.said() != said)
        assert watcher.said() == f"{said}cgtune: {watcher.output} is written: GOMEMLIMIT 460MiB, was 230MiB\n"
        assert read_kubernetes(watcher.file()[2]) == {"GOMAXPROCS": "2", "GOMEMLIMIT": "460MiB"}
        group.limit_memory(-1)
        watcher.wait_for(lambda: "GOMEMLIMIT unset, was 460MiB" in watcher.said())
        assert read_kubernetes(watcher.file()[2]) == {"GOMAXPROCS": "2"}
        code, seconds = watcher.stop()
        assert (code, seconds < 2) == (0, True)


def test_the_file_of_a_busy_go_program_rests(groups: Groups, tmp_path: Path) -> None:
    """What such a program uses beside Go is measured anew each second: within 3 % that is no change, and its limit is."""
    toolchains.goroot("1.27.3")
    group = groups.make("app")
    group.limit_memory(256 << 20)
    program = group.start([str(goprograms.build("1.27.3", language="1.25")), "alloc 20971520", "burn 1"])
    with Watcher(tmp_path, "--pid", program.pid) as watcher:
        first = watcher.file()
        time.sleep(4)
        assert watcher.file() == first, watcher.said()
        group.limit_memory(512 << 20)
        watcher.wait_for(lambda: ", was " in watcher.said())
        assert watcher.stop()[0] == 0


def test_an_init_container_without_limits_of_its_own(podman: Podman) -> None:
    """In a container of a tenth of a CPU the named limits count, not its own; and --self takes its own."""
    own = ("--cpus", "0.1", "--memory", "128m")
    named = {"CGTUNE_CPU_LIMIT": "2500", "CGTUNE_CPU_DIVISOR": "1m", "CGTUNE_MEMORY_LIMIT": str(512 << 20)}
    variables = tuple(word for name, value in named.items() for word in ("--env", f"{name}={value}"))
    done = podman.run(*own, *variables, argv=(*PROGRAM, "env"))
    assert (done.returncode, read_kubernetes(done.stdout)) == (0, {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"}), done.stderr
    done = podman.run(*own, argv=(*PROGRAM, "env", "--self"))
    assert (done.returncode, read_kubernetes(done.stdout)) == (0, {"GOMAXPROCS": "2", "GOMEMLIMIT": "112MiB"}), done.stderr


@pytest.mark.parametrize(
    ("version", "language", "procs"),
    [("1.24.11", "1.21", "2"), ("1.25.5", "1.25", "2"), ("1.27.3", "1.25", None)],
    ids=["1.24", "1.25", "1.27"],
)
def test_exec_in_a_real_container(podman: Podman, version: str, language: str, procs: str | None) -> None:
    """The program gets what it cannot do by itself there: Go 1.25 misses the limit behind a v1 mount, and 1.27 finds it."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    only_where(Path("/sys/fs/cgroup/cpu").exists(), "needs a machine with cgroup v1")
    toolchains.goroot(version)
    program = str(goprograms.build(version, language=language))
    limited = ("--cpus", "0.5", "--memory", "256m")
    done = podman.run(*limited, argv=(*PROGRAM, "exec", "--log-format", "json", "--", program, "report", "exit"))
    assert done.returncode == 0, done.stderr
    line, said = json.loads(done.stderr), json.loads(done.stdout.splitlines()[0])
    assert (said["pid"], said["gomaxprocs"], said["memory_limit"]) == (1, 2, 230 << 20)
    assert (line["go"], line["program"]) == (version, program)
    outcomes = {row["name"]: row for row in line["variables"]}
    assert (outcomes["GOMAXPROCS"]["value"], outcomes["GOMEMLIMIT"]["value"]) == (procs, "230MiB")
    if version == "1.27.3":  # told not to look, it gets the value
        told = ("--env", "GODEBUG=containermaxprocs=0")
        done = podman.run(*limited, *told, argv=(*PROGRAM, "exec", "--dry-run", "--", program))
        assert done.stdout == "GOMAXPROCS=2\nGOMEMLIMIT=230MiB\n", done.stderr
        assert "could read the quota, but GODEBUG says containermaxprocs=0" in done.stderr
    if version == "1.25.5":
        assert "would see no quota" in outcomes["GOMAXPROCS"]["because"][-1]
    # and with one thread, which no Go version comes to by itself
    done = podman.run(*limited, argv=(*PROGRAM, "exec", "--rounding", "floor", "--", program, "report", "exit"))
    assert json.loads(done.stdout.splitlines()[0])["gomaxprocs"] == 1
