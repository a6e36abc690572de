"""In sandboxes that show less than a kernel does: gVisor, whose /proc lacks much, and bubblewrap without /sys."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import pytest

from tests.support import goprograms
from tests.support.command import PROGRAM, uncounted
from tests.support.needs import only_where, require

pytestmark = pytest.mark.live

# Debian's of 2022 knows no other platform that needs no KVM. Its /sys lacks cpu/online, and no cgroup is mounted in it.
_GVISOR = ("runsc", "--platform=ptrace", "--network=none", "--ignore-cgroups", "do")
_BUBBLEWRAP = ("bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/sys", "--unshare-pid", "--die-with-parent")


@pytest.fixture(params=["gvisor", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words before a command that run it inside."""
    words = _GVISOR if request.param == "gvisor" else _BUBBLEWRAP
    require(os.geteuid() == 0, "run as root: a sandbox is made")
    require(shutil.which(words[0]), f"{words[0]} is missing: apt-get install {'runsc' if words[0] == 'runsc' else 'bubblewrap'}")
    return words


def _run(sandbox: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
    """Through pipes: gVisor writes to a file at an offset of its own. Which lines ran is not counted: nothing can be written there."""
    return subprocess.run(
        [*sandbox, *words], capture_output=True, text=True, timeout=300, env=uncounted(), stdin=subprocess.DEVNULL, check=False
    )


def _cgtune(sandbox: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(sandbox, *PROGRAM, *arguments)


def test_a_report_on_its_own_container(sandbox: tuple[str, ...]) -> None:
    """Every command works, and says what it cannot see; the affinity is one's own, which needs no file."""
    report = _cgtune(sandbox, "inspect", "--self")
    assert (report.returncode, report.stderr) == (0, "")
    assert f"CPU        at most {len(os.sched_getaffinity(0))} CPU" in report.stdout
    assert "no cgroup filesystem is mounted where cgtune can" in report.stdout
    assert "below the root" not in report.stdout
    assert ("platform   gVisor (/proc/cmdline: gvisor)" in report.stdout) == (sandbox[0] == "runsc")
    assert _cgtune(sandbox, "check", "--self").returncode == 0
    env = _cgtune(sandbox, "env", "--self")
    assert env.returncode == 0
    assert "# GOMAXPROCS stays unset: its cgroups cannot be seen from here" in env.stdout
    command = _cgtune(sandbox, "exec", "--", "echo", "here")
    assert (command.returncode, command.stdout) == (0, "here\n")


def test_a_go_program_is_read(sandbox: tuple[str, ...]) -> None:
    """Build info, environment and the live words; nothing below a limit that nobody can see is called clean without a word."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    program = goprograms.build("1.27.3")
    script = (
        'program=$1; shift; GOMAXPROCS=1 "$program" report "sleep 600000" >/mnt/answer & pid=$!\n'
        "until [ -s /mnt/answer ]; do sleep 0.1; done\n"
        '"$@" inspect --pid $pid; "$@" ps; "$@" check --pid $pid >&2; echo "check gave $?"; kill $pid'
    )
    inside = sandbox if sandbox[0] == "runsc" else (*sandbox, "--tmpfs", "/mnt")  # not /tmp, where the checkout may lie
    done = _run(inside, "sh", "-c", script, "sh", str(program), *PROGRAM)
    assert "runtime    Go 1.27.3" in done.stdout
    assert "GOMAXPROCS now 1 (read from memory), derived 1" in done.stdout
    assert "1 / 1 / as it is" in done.stdout  # so `cgtune ps`
    assert "GOMAXPROCS: no value is recommended, leave it as it is" in done.stdout
    # With gVisor there is no cgroup at all; under bubblewrap there is one, whose limits nobody can see
    assert f"check gave {0 if sandbox[0] == 'runsc' else 3}\n" in done.stdout
    assert "cgroup" in done.stderr
