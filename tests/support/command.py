"""cgtune as its users start it: a program with arguments, two output streams and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# What scripts/cgtune starts. sys.argv: "-c", the checkout, then cgtune's own arguments.
PROGRAM = (
    sys.executable,
    "-I",
    "-c",
    'import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = "cgtune"; from cgtune.__main__ import main; sys.exit(main())',
    str(ROOT),
)


# Before a program that is to be interrupted: a shell without job control starts what is in its background, tests too, with SIGINT ignored,
# and nohup ignores SIGHUP.
INTERRUPTIBLE = ("env", "--default-signal=INT,HUP")


def environment(**extra: str) -> dict[str, str]:
    """This environment without any CGTUNE_* option twin or sign of a pod, so that a developer's own settings cannot change a test."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CGTUNE_", "KUBERNETES_"))} | extra


def uncounted(**extra: str) -> dict[str, str]:
    """The same without the counting of lines (scripts/test --coverage), which writes files and takes memory of its own."""
    return {name: value for name, value in environment(**extra).items() if not name.startswith("COVERAGE_")}


def run(*arguments: object, timeout_seconds: float = 120, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run cgtune to its end."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        check=False,
    )


def read_terminal(ours: int) -> bytes:
    """What a terminal is given until nobody has its other end any more."""
    text = b""
    with contextlib.suppress(OSError):  # EIO: that end is closed
        while more := os.read(ours, 65536):
            text += more
    return text


def run_on_terminal(*arguments: object, columns: int = 80, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run cgtune to its end on a terminal that is so wide, and has no colours."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    argv = [*PROGRAM, *map(str, arguments)]
    environ = environment(TERM="xterm", NO_COLOR="1", COLUMNS="")
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env=environ) as child:
        os.close(theirs)
        text = read_terminal(ours)
        os.close(ours)
        _, said = child.communicate(timeout=timeout_seconds)
    return subprocess.CompletedProcess(argv, child.returncode, text.decode().replace("\r\n", "\n"), said.decode())


def parse_report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The report of a run that must have succeeded without a word on stderr."""
    assert (done.returncode, done.stderr) == (0, ""), f"exit code {done.returncode}\n{done.stderr}\n{done.stdout[:2000]}"
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["schema"] == "cgtune/report/v1"
    return report


def only_process(report: dict[str, Any]) -> dict[str, Any]:
    """The one process that a report speaks of."""
    assert len(report["processes"]) == 1, [entry["pid"] for entry in report["processes"]]
    process: dict[str, Any] = report["processes"][0]
    return process


def inspect(pid: int, *arguments: object) -> dict[str, Any]:
    """What ``cgtune inspect --pid`` says of this process."""
    process = only_process(parse_report(run("inspect", "--pid", pid, "--format", "json", *arguments)))
    assert process["pid"] == pid
    return process
