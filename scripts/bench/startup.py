"""CPU time of a start, each command beside the bare interpreter in one run: the ratios hold on any machine, the milliseconds do not.

The commands take turns, so that a machine that slows down meanwhile slows all of them. CPU time is what a probe pays in a container with
a tenth of a CPU; user and system time are taken from wait4(2) for exactly that one process. What they look at is a Go program in a cgroup
with a quota of one and a half CPUs and a memory limit, so that there is something to say; root sees it in a PID namespace of its own, as
in a container, because ``ps`` looks at whatever else runs.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cgroups import own_groups
from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, uncounted

ROUNDS = 25
GO = "1.24.11"
SLEEP = "sleep 3600000"
ALONE = ("/usr/bin/unshare", "--pid", "--fork", "--mount-proc")
RECORDING = Path(__file__).resolve().parents[2] / "fixtures/cgroupfs/v2-bench-swapped-out"  # of a Go program; read by json, 0.7 bare starts
MANIFEST = RECORDING.parents[1] / "manifests/007-network-agent-hundred-percent.yaml"
# An environment of their own, by env(1), which costs a millisecond more
WITHOUT = ("/usr/bin/env", "-u", "CGTUNE_PID")
NAMED = (*WITHOUT, "CGTUNE_CPU_LIMIT=2500", "CGTUNE_CPU_DIVISOR=1m", "CGTUNE_MEMORY_LIMIT=536870912")
LIMITS = ("--cpu-limit", "2.5", "--memory-limit=512Mi")


def spend_ms(argv: list[str], environ: dict[str, str]) -> float:
    """User plus system CPU time of one run, in milliseconds."""
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    pid = os.posix_spawn(argv[0], argv, environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"startup: {' '.join(argv)} ended with exit code {os.waitstatus_to_exitcode(status)}: run it to see why")
    return (usage.ru_utime + usage.ru_stime) * 1000


@contextlib.contextmanager
def target() -> Iterator[tuple[int, str]]:
    """A program to look at, and what it is: a Go program in limits of its own, or what comes nearest to it on this machine."""
    if not toolchains.is_present(GO):
        with subprocess.Popen(["sleep", "3600"]) as program:
            try:
                yield program.pid, f"sleep(1): scripts/toolchain {GO} fetches what a Go program is built with"
            finally:
                program.kill()
        return
    words = [str(goprograms.build(GO)), SLEEP]
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:
            group = stack.enter_context(own_groups()).make("pod", "app")
            group.limit_cpu(150_000)
            group.limit_memory(512 << 20)
            program, where = group.start(words), "1.5 CPUs, 512 MiB"
        else:
            program, where = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL), "the limits of this shell"
        stack.callback(program.wait)
        stack.callback(program.kill)
        time.sleep(1)
        assert program.poll() is None, "the Go program has ended"
        yield program.pid, f"Go {GO}, {where}"


def rows_of(pid: str) -> list[tuple[str, list[str], float | None]]:
    """Name, arguments, and how many times the bare interpreter's CPU time it may take."""
    inspect = [*PROGRAM, "inspect", "--pid", pid]
    return [
        ("python -I -c pass", [sys.executable, "-I", "-c", "pass"], None),
        ("cgtune --version", [*PROGRAM, "--version"], 1.5),
        ("cgtune inspect --pid PID --format json", [*inspect, "--format", "json"], 4),
        ("cgtune inspect --pid PID", [*inspect, "--format", "table"], 4),
        ("cgtune inspect --pid PID --brief", [*inspect, "--brief"], 4),
        ("cgtune ps", [*WITHOUT, *PROGRAM, "ps"], 4),
        ("cgtune ps --root RECORDING", [*PROGRAM, "ps", "--root", str(RECORDING)], 4.5),
        ("cgtune check, as a probe starts it", [*PROGRAM, "check"], 4),
        ("cgtune check --pid PID --fail-on critical", [*PROGRAM, "check", "--pid", pid, "--fail-on", "critical"], 4),
        ("cgtune env --pid PID", [*WITHOUT, *PROGRAM, "env", "--pid", pid], 3.5),
        ("cgtune env with limits", [*WITHOUT, *PROGRAM, "env", *LIMITS], 2.2),
        ("cgtune env, as an init container starts it", [*NAMED, *PROGRAM, "env"], 2.2),
        ("the same, knowing which Go", [*NAMED, "CGTUNE_GO=1.27", *PROGRAM, "env"], 3.5),
        ("cgtune predict with limits, two versions", [*PROGRAM, "predict", *LIMITS, "--go", "1.24", "--go", "1.27"], 4.5),
        ("cgtune exec -- true, as an entrypoint", [*WITHOUT, *PROGRAM, "exec", "--", "true"], 3.5),
        ("cgtune exec --always -- true", [*WITHOUT, *PROGRAM, "exec", "--always", "--", "true"], 3.5),
        ("cgtune lint FILE", [*PROGRAM, "lint", "--fail-on", "critical", str(MANIFEST)], 7),
        # For comparison: runpy alone is dear, and no code of ours can make -m cheaper.
        ("python -I -m this-does-nothing", [sys.executable, "-I", "-m", "__hello__"], None),
    ]


def main() -> int:
    """Measure, print, and return 1 where a target is missed."""
    if os.geteuid() == 0 and os.getpid() != 1:  # the first process of a namespace is there
        os.execv(ALONE[0], [*ALONE, sys.executable, *sys.argv])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with target() as (pid, what):
        print(f"PID is {what}; {sum(name.isdigit() for name in os.listdir('/proc'))} processes are to be seen")
        # A check as a probe starts it, with its options in the environment
        environ = uncounted(CGTUNE_PID=str(pid), CGTUNE_FAIL_ON="critical")
        return 1 if _compare(rows_of(str(pid)), rounds, environ) else 0


def _compare(rows: list[tuple[str, list[str], float | None]], rounds: int, environ: dict[str, str]) -> bool:
    for _, argv, _ in rows:
        spend_ms(argv, environ)  # byte code is written, files are in memory
    spent: list[list[float]] = [[] for _ in rows]
    for _ in range(rounds):
        for row, (_, argv, _) in zip(spent, rows, strict=True):
            row.append(spend_ms(argv, environ))
    bare = statistics.median(spent[0])
    missed = False
    print(f"{'CPU ms':>8} {'ratio':>6} {'target':>6}       median of {rounds}, {sys.executable} {sys.version.split()[0]}")
    for row, (name, _, target) in zip(spent, rows, strict=True):
        ratio = statistics.median(row) / bare
        verdict = "" if target is None else "ok" if ratio <= target else "OVER"
        missed |= verdict == "OVER"
        print(f"{ratio * bare:8.1f} {ratio:6.2f} {target or '':>6} {verdict:4}  {name}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
