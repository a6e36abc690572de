"""What `ps`, `check` and a look of `serve` cost on a node of thousands of processes, a tenth of them Go programs: CPU time beside a bare
loop that lists /proc and asks for each executable, and beside it what was asked of the kernel, parsed and made.

All runs in a PID namespace of its own, so that nobody else's processes count. The counts are stable where times are not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, ROOT, uncounted

ROUNDS = 5
TARGETS = {"ps": 18.0, "check": 15.0, "serve": 5.0}  # how many times the bare loop
GO_SHARE, GO_FILES, OTHER_FILES = 10, 20, 30
SLEEP = "sleep 3600000"
_BARE = "import os\nfor n in os.listdir('/proc'):\n if n.isdigit():\n  try: os.stat(f'/proc/{n}/exe')\n  except OSError: pass"

# Runs in a checkout, the first argument: counts what is asked, parsed and made while it does what the second one says.
_COUNTED = """
import gc, json, os, runpy, sys, time
tree, what, counts = sys.argv[1:]
sys.path.insert(0, tree)
counting = runpy.run_path(counts)["counting"]
if what == "serve":
    from cgtune.service.follow import Follower
    from cgtune.system.host import Host
    from cgtune.service import serve
    gc.set_threshold(*getattr(serve, "COLLECT", (20_000, 20, 20)))
    follower = Follower(Host("/"), (), None)
    spent = []
    for _ in range(8):
        began = time.process_time()
        look = follower.look(time.monotonic())
        spent.append(time.process_time() - began)
        time.sleep(1.1)  # a service looks every 15 s: what rests has rested for a second
    with counting() as counted:
        look = follower.look(time.monotonic())
    size = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    print(json.dumps({"ms": 1000 * min(spent[1:]), "rss": size, "counts": counted}), file=sys.stderr)
else:
    from cgtune.__main__ import main
    sys.argv[:] = ["cgtune", what]
    with counting() as counted:
        main()
    print(json.dumps({"ms": 0, "rss": 0, "counts": counted}), file=sys.stderr)
"""


class Seen(NamedTuple):
    """What a counting run says: of serve alone the CPU time of a look, and what is resident."""

    ms: float
    rss: float
    counts: dict[str, int]


@contextlib.contextmanager
def processes(count: int) -> Iterator[None]:
    """So many processes that sleep, a tenth of them Go programs of 20 executables."""
    paths = [goprograms.build(version) for version in toolchains.VERSIONS if toolchains.is_present(version)]
    if not paths:
        sys.exit("scale: no Go toolchain in the cache; scripts/toolchain fetches them")
    go = count // GO_SHARE
    with tempfile.TemporaryDirectory(prefix="cgtune-scale-") as folder:
        programs = [shutil.copy(paths[number % len(paths)], f"{folder}/go{number}") for number in range(min(GO_FILES, go))]
        sleeps = [shutil.copy("/bin/sleep", f"{folder}/sleep{number}") for number in range(OTHER_FILES)]
        silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
        pids = []
        try:
            for number in range(count):
                argv = (
                    [sleeps[number % OTHER_FILES], "3600"] if number % GO_SHARE else [programs[number // GO_SHARE % len(programs)], SLEEP]
                )
                pids.append(os.posix_spawn(argv[0], argv, {"PATH": os.defpath}, file_actions=silent))
            time.sleep(3 + go / 100)
            yield
        finally:
            for pid in pids:
                os.kill(pid, 9)
            for pid in pids:
                os.waitpid(pid, 0)


def spend_ms(argv: list[str]) -> float:
    """User plus system CPU time of one run, in milliseconds."""
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    pid = os.posix_spawn(argv[0], argv, uncounted(), file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"scale: {' '.join(argv)} ended with exit code {os.waitstatus_to_exitcode(status)}: run it to see why")
    return (usage.ru_utime + usage.ru_stime) * 1000


def ask(tree: str, what: str) -> Seen:
    """What the counting run says."""
    argv = [sys.executable, "-I", "-c", _COUNTED, tree, what, str(ROOT / "tests/support/counts.py")]
    return Seen(**json.loads(subprocess.run(argv, capture_output=True, check=True).stderr))


def measure(count: int, trees: list[str], rounds: int) -> bool:
    """Print times and counts; True where all targets of the first tree are met."""
    bare: list[float] = []
    spent: dict[tuple[str, str], list[float]] = {(tree, name): [] for tree in trees for name in TARGETS}
    seen: dict[tuple[str, str], Seen] = {}
    for _ in range(rounds):
        bare.append(spend_ms([sys.executable, "-I", "-c", _BARE]))
        for (tree, name), each in spent.items():
            if name == "serve":
                seen[tree, name] = ask(tree, name)
            each.append(seen[tree, name].ms if name == "serve" else spend_ms([*PROGRAM[:-1], tree, name]))
    unit, met = statistics.median(bare), True
    print(f"{count} processes, {count // GO_SHARE} of them Go programs of {GO_FILES} executables; median of {rounds}")
    print(f"bare loop {unit:8.1f} ms")
    for tree in trees:
        print("this tree" if tree == str(ROOT) else tree)
        for name, target in TARGETS.items():
            ms = statistics.median(spent[tree, name])
            told = seen[tree, name] if name == "serve" else ask(tree, name)
            is_met = ms <= target * unit
            met &= is_met or tree != trees[0]
            kept = f", {told.rss / 2**20:.1f} MiB resident" if name == "serve" else ""
            print(f"  {name:6} {ms:8.1f} ms {ms / unit:6.1f} x bare (at most {target:g}) {'ok' if is_met else 'OVER'}{kept}")
            print(f"         {', '.join(f'{each} {key}' for key, each in sorted(told.counts.items()))}")
    for name in TARGETS if len(trees) > 1 else ():
        share = statistics.median(spent[trees[0], name]) / statistics.median(spent[trees[1], name])
        print(f"  {name:6} {share:6.2f} of {trees[1]}")
    return met


def main() -> int:
    """Measure, print, and return 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench/scale", description="What a scan of a node costs.")
    parser.add_argument("processes", nargs="?", type=int, default=3000, help="how many; default: 3000")
    parser.add_argument("--tree", help="another checkout to measure beside this one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # in the namespace
    options = parser.parse_args()
    if not options.inside:
        unshare = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child", "--", sys.executable, *sys.argv, "--inside"]
        return subprocess.run(unshare, check=False).returncode
    with processes(options.processes):
        return 0 if measure(options.processes, [str(ROOT), *([options.tree] if options.tree else [])], options.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
