"""What scripts/vm promises, held against guests that really start; slow, and run with the kernel tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.needs import require
from tests.support.serving import Stopwatch

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

_VM = [sys.executable, str(ROOT / "scripts" / "vm")]


@pytest.fixture(autouse=True)
def _outside() -> None:
    require("CGTUNE_BENCH" not in os.environ, "starts guests itself: not for the inside of one")


def _run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_VM, *arguments], capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def test_output_and_status_are_passed_on(tmp_path: Path) -> None:
    """Two streams kept apart, an exit status, the current folder, results; and nothing else is changed on this machine."""
    work, results = tmp_path / "a folder", tmp_path / "results"
    work.mkdir()
    script = "pwd; echo to-stderr >&2; seq 100000; nproc; echo kept > /results/kept; echo lost > lost; ls lost; sleep 1000 & exit 7"
    done = _run("--cpus", "3", "--memory", "1G", "--timeout", "180", "--results", str(results), "--", "sh", "-c", script, cwd=work)
    assert (done.returncode, done.stderr) == (7, "to-stderr\n")
    lines = done.stdout.splitlines()
    assert (lines[0], lines[1], lines[-3], lines[-2], lines[-1]) == (str(work), "1", "100000", "3", "lost")
    assert (results / "kept").read_text() == "kept\n"
    assert not (work / "lost").exists()


def test_from_prepared_state_a_guest_is_up_in_20_seconds() -> None:
    """The start of a guest, from the call to the command's end."""
    assert _run("--prepare").returncode == 0
    with Stopwatch() as watch:
        assert _run("--", "true").returncode == 0
    assert watch.seconds < 20


@pytest.mark.parametrize(("debian", "release"), [("12", "6.1."), ("13", "+deb13"), ("14", "+deb14")])
def test_the_kernels_of_three_debians_boot(debian: str, release: str) -> None:
    """Each comes up with every controller at one place: below v1, or left over for cgroup2, which then passes it on."""
    script = "uname -r; echo /sys/fs/cgroup/*/; echo $(cat /sys/fs/cgroup/unified/cgroup.subtree_control)"
    assert _run("--kernel", debian, "--prepare").returncode == 0
    done = _run("--kernel", debian, "--cgroup", "hybrid", "--timeout", "180", "--", "sh", "-c", script)
    assert done.returncode == 0
    kernel, mounts, left_over = (line.split() for line in done.stdout.splitlines())
    assert release in kernel[0]
    below_v1 = {controller for mount in mounts for controller in Path(mount).name.split(",")}
    assert {"cpu", "cpuacct", "blkio", "pids"} <= below_v1
    for controller in ("cpuset", "memory"):
        assert (controller in below_v1) != (controller in left_over)


def test_a_second_is_a_second() -> None:
    """The guest's clock goes at this machine's pace, also where others wanted all CPUs while it started."""
    others = [subprocess.Popen([sys.executable, "-I", "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        call = [*_VM, "--timeout", "180", "--", "sh", "-c", "for look in $(seq 16); do date +%s.%N; sleep 0.5; done"]
        with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as guest:
            assert guest.stdout is not None
            looks = [(float(line), time.monotonic()) for line in guest.stdout]
        assert guest.returncode == 0
    finally:
        for other in others:
            other.kill()
            other.wait()
    # A line may be late to arrive, and is never early: of the first and of the last looks the ones count that were least late
    (first, began), (last, ended) = (min(part, key=lambda look: look[1] - look[0]) for part in (looks[:6], looks[-6:]))
    assert last - first == pytest.approx(ended - began, rel=0.25)


def test_a_time_limit_ends_the_guest() -> None:
    """124 and one line, soon after the limit."""
    with Stopwatch() as watch:
        done = _run("--timeout", "3", "--", "sleep", "1000")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (124, "", 1)
    assert watch.seconds < 10


def test_a_panic_is_one_line() -> None:
    """125, and the kernel's reason."""
    done = _run("--timeout", "180", "--", "sh", "-c", "echo c > /proc/sysrq-trigger; sleep 30")
    assert (done.returncode, len(done.stderr.splitlines())) == (125, 1)
    assert "panic" in done.stderr


def test_a_command_that_is_not_there() -> None:
    """127, as from a shell."""
    assert _run("--timeout", "180", "--", "/no/such/command").returncode == 127


def test_two_guests_at_once() -> None:
    """Neither knows of the other."""
    calls = [(*_VM, "--timeout", "180", "--cgroup", mode, "--", "sh", "-c", f"sleep 2; echo {mode}") for mode in ("v1", "v2")]
    both = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for call in calls]
    assert [guest.communicate(timeout=300)[0] for guest in both] == ["v1\n", "v2\n"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_takes_the_guest_along(number: signal.Signals, status: int, tmp_path: Path) -> None:
    """Ctrl-C, or worse, leaves no emulator behind; and no files, where there is a moment to remove them."""
    guest = subprocess.Popen([*_VM, "--", "sleep", "1000"], stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)})
    deadline = time.monotonic() + 60
    while not (emulator := _emulator_of(guest.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    guest.send_signal(number)
    guest.communicate(timeout=60)
    assert guest.returncode == status
    assert number is signal.SIGKILL or not list(tmp_path.iterdir())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{emulator}").exists() and "State:\tZ" not in Path(f"/proc/{emulator}/status").read_text():
        assert time.monotonic() < deadline, "the emulator lives on"
        time.sleep(0.05)


def _emulator_of(pid: int) -> str | None:
    """The pid of QEMU, once that is what scripts/vm runs: before, it has other children for a moment."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text().startswith("qemu"):
                return child
    return None
