"""CPU time of a start, each command beside the bare interpreter in one run: the ratios hold on any machine, the milliseconds do not.

The commands take turns, so that a machine that slows down meanwhile slows all of them. CPU time is what a probe pays in a container with
a tenth of a CPU; user and system time are taken from wait4(2) for exactly that one process. What they look at is a Go program. If root
measures, all run as in a container: in a control group of 1.5 CPUs and 512 MiB, so that there is something to say, and in a PID namespace,
because ``ps`` looks at whatever else runs.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.command import PROGRAM, uncounted

ROUNDS = 25
GO = "1.24.11"
SLEEP = "sleep 3600000"
ALONE = ("/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PROGRAMS = "BENCH_PROGRAMS"
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


def enter_container(*modes: str) -> int | None:
    """Build a Go program in each of these ways, and run this very program again, in a control group of 1.5 CPUs and 512 MiB and a PID
    namespace of its own; returns its exit code. None: this is that run, or there is none, because groups need root.
    """
    if PROGRAMS in os.environ:
        return None
    from tests.support import goprograms, toolchains

    built = [str(goprograms.build(GO, mode)) for mode in modes] if toolchains.is_present(GO) else []
    os.environ[PROGRAMS] = ":".join(built)
    if not built:
        print(f"PID is sleep(1), no Go program: scripts/toolchain {GO} fetches what one is built with")
    if os.geteuid() != 0:
        print("not in a container of its own, which needs root: what else runs here counts too")
        return None
    from tests.live.cgroups import own_groups

    with own_groups() as groups:
        group = groups.make("pod", "app")
        group.limit_cpu(150_000)
        group.limit_memory(512 << 20)
        return subprocess.call(group.entering([*ALONE, sys.executable, *sys.argv]))


@contextlib.contextmanager
def target(number: int = 0) -> Iterator[int]:
    """The pid of a Go program to look at, of those that were built; without any, of sleep(1)."""
    built = [each for each in os.environ[PROGRAMS].split(":") if each]
    words = [built[number], SLEEP] if built else ["sleep", "3600"]
    silent = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=silent, stdout=silent) as program:
        try:
            time.sleep(1)
            assert program.poll() is None, f"{words[0]} has ended"
            yield program.pid
        finally:
            program.kill()


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
    code = enter_container("plain")
    if code is not None:
        return code
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with target() as pid:
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
    from statistics import median  # only now: ps looks at the libraries that other processes have loaded, and at ours too

    bare = median(spent[0])
    missed = False
    print(f"{'CPU ms':>8} {'ratio':>6} {'target':>6}       median of {rounds}, {sys.executable} {sys.version.split()[0]}")
    for row, (name, _, target) in zip(spent, rows, strict=True):
        ratio = median(row) / bare
        verdict = "" if target is None else "ok" if ratio <= target else "OVER"
        missed |= verdict == "OVER"
        print(f"{ratio * bare:8.1f} {ratio:6.2f} {target or '':>6} {verdict:4}  {name}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
