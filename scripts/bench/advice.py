"""Whether the recommended GOMAXPROCS and GOMEMLIMIT help: real Go programs under real limits, with these and with other settings.

memory: programs that allocate in nine patterns under a memory limit; cgtune is asked about each at its start, under load, and by a service
that has watched it for a minute. Then it runs with each of those values, without any, with automemlimit's, and with others around them.
cpu: a server under a CPU quota to which requests come by chance, with several GOMAXPROCS; and without pause.

A run is a row of a CSV as soon as it has ended. Rounds go over all cells in turn, so that any time is well spent: --quick ends after ten
minutes, --full after six hours. --pages runs nothing: it makes the tables and plots of docs/evidence.md and README.md from the rows.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cgroups import Groups, hierarchies, own_groups, sweep
from tests.support import adviceasks, adviceruns, toolchains
from tests.support.adviceruns import MIB, PATTERNS, SPINS, Invalid, Memory, Serving

VERSION = "1.27.3"
QUICK_MINUTES, FULL_MINUTES = 10.0, 360.0
MEMORY_SHARE = 0.6  # of the time, if both parts run
BATCH = 14  # loads that run at once while cgtune is asked
MOST_ROUNDS = 100
TRIES = 3  # of a CPU run that others disturbed
MEMORY_COLUMNS = (
    *("set", "go", "hierarchy", "kernel", "pattern", "limit", "live", "duty", "work", "policy", "gomemlimit", "gogc", "procs", "rep"),
    *("outcome", "cpu", "wall", "gc", "p50", "p99", "max", "peak", "steal", "others"),
)
ASKED_COLUMNS = ("go", "hierarchy", "pattern", "limit", "live", "duty", *adviceasks.KEYS)
CPU_COLUMNS = (
    *("id", "go", "kind", "mode", "quota", "period_us", "burst_us", "gomaxprocs_set", "load_percent", "gogc", "gomaxprocs", "requests"),
    *(
        "mean_ms",
        "p50_ms",
        "p99_ms",
        "p999_ms",
        "max_ms",
        "rate",
        "offered",
        "gc_cycles",
        "periods",
        "throttled",
        "throttled_ms_all_threads",
    ),
    *("usage_s", "wall_s", "seed", "steal", "others", "latest_ms"),
)
QUICK_MEMORY = (
    *(Memory(pattern, 128, 50) for pattern in PATTERNS),
    *(Memory("small", 64, 50), Memory("small", 256, 60), Memory("mmap", 256, 60)),
    *(Memory("block", 128, 40, "storm"), Memory("small", 128, 60, "quiet")),
)
FULL_MEMORY = tuple(
    Memory(pattern, limit, live, speed)
    for pattern in PATTERNS
    for limit in (64, 128, 256, 512, 1024)
    for live in (20, 40, 50, 60, 75, 85)
    for speed in ("moderate", "quiet", "storm")
)


def _servings(quotas: Sequence[float], loads: Sequence[float]) -> tuple[Serving, ...]:
    return tuple(Serving(kind, quota, load) for quota in quotas for kind in ("cpu", "alloc") for load in loads)


QUICK_CPU = _servings((0.5, 1.0, 1.5), (60.0, 80.0, 0.0))
FULL_CPU = _servings((0.25, 0.5, 0.75, 1.0, 1.25, 1.5), (50.0, 60.0, 70.0, 80.0, 90.0, 0.0))


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(f"advice: {text}", file=sys.stderr, flush=True)


def fail(text: str, code: int = 3) -> NoReturn:
    """End with one line."""
    say(text)
    sys.exit(code)


class Rows:
    """A CSV that is complete after each row; ``earlier`` are those that were there before."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.earlier: list[dict[str, str]] = []
        is_new = not path.exists()
        if not is_new:
            with path.open(newline="") as file:
                self.earlier = list(csv.DictReader(file))
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, columns, restval="")
        if is_new:
            self._writer.writeheader()

    def add(self, row: dict[str, Any]) -> None:
        """Write one row out."""
        self._writer.writerow(row)
        self._file.flush()


class Bench:
    """What all runs share: the programs, the cgroups, and the moment at which the time is over."""

    def __init__(self, groups: Groups, folder: Path, end: float, version: str) -> None:
        self.groups, self.folder, self.end, self.version = groups, folder, end, version
        self.group = groups.make("run")
        self.hierarchy = f"v{self.group.version('memory')}"
        self.line = version.rpartition(".")[0]
        self.turns = adviceruns.calibrate(adviceruns.build("server", version))
        say(f"a microsecond is {self.turns:.0f} turns of the server's loop")
        self._mapped = contextlib.ExitStack()
        self._files: dict[int, Path] = {}

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.end

    def left(self) -> str:
        """How much time is left, in words."""
        return f"{max(0, self.end - time.monotonic()) / 60:.1f} min left"

    def program_of(self, cell: Memory) -> Path:
        """The program of this cell's pattern."""
        return adviceruns.build("memory-cgo" if cell.pattern == "cgo" else "memory", self.version)

    def mapped_of(self, cell: Memory) -> Path | None:
        """The file that this cell maps, made once for each size."""
        if cell.pattern != "mmap":
            return None
        size = cell.limit_mib * MIB // 4
        if size not in self._files:
            self._files[size] = self._mapped.enter_context(adviceruns.mapped_file(size))
        return self._files[size]

    def close(self) -> None:
        """Remove the files."""
        self._mapped.close()

    def can_run(self, cell: Memory) -> bool:
        """Whether this machine has what the cell's pattern needs; says what is missing."""
        try:
            self.program_of(cell)
            self.mapped_of(cell)
        except (Invalid, toolchains.ToolchainUnavailable) as error:
            say(f"the pattern {cell.pattern} is left out: {error}")
            return False
        return True


Job = tuple[Memory, tuple[str, int | None, str]]


def settings_of(cell: Memory, asked: dict[str, int], *, is_full: bool) -> list[tuple[str, int | None, str]]:
    """(name, GOMEMLIMIT, GOGC) of each setting of a cell; what is nearly the same is run once, under all its names."""
    outside = cell.limit_mib // 4 if cell.pattern in ("tmpfs", "cgo", "mmap") else 0
    free = cell.limit_mib - outside
    shares = (0.04, 0.06, 0.1, 0.15, 0.2, 0.3) if is_full else (0.1, 0.2)
    wanted: list[tuple[str, int | None, str]] = [("unset", None, ""), ("automemlimit", cell.limit_mib * MIB * 9 // 10, "")]
    wanted += [(f"cgtune-{when}", value, "") for when, value in asked.items()]
    wanted += [("sure", (free - max(8, round(0.04 * cell.limit_mib))) * MIB, "")]
    for share in shares:
        wanted += [
            (f"h{share:g}", int(free - cell.limit_mib * share) * MIB, gogc) for gogc in (("", "off", "50", "200") if is_full else ("",))
        ]
    if not is_full:
        wanted += [("h0.1", int(free - cell.limit_mib * 0.1) * MIB, "off")]
    joined: list[tuple[str, int | None, str]] = []
    for name, value, gogc in wanted:
        near = next((index for index, (_, other, kind) in enumerate(joined) if kind == gogc and is_near(value, other)), None)
        if near is None:
            joined.append((name, value, gogc))
        else:
            joined[near] = (f"{joined[near][0]} {name}", *joined[near][1:])
    return joined


def is_near(one: int | None, other: int | None) -> bool:
    """Whether two values of GOMEMLIMIT are the same to within a MiB."""
    return one == other if one is None or other is None else abs(one - other) < MIB


def memory_part(bench: Bench, cells: list[Memory], *, is_full: bool) -> None:
    """Ask about a batch of cells, run each of them with each setting once, and go on with the next batch; then the same runs again."""
    cells = [cell for cell in cells if bench.can_run(cell)]
    asked, rows = Rows(bench.folder / "memory-asked.csv", ASKED_COLUMNS), Rows(bench.folder / "memory.csv", MEMORY_COLUMNS)
    jobs: list[Job] = []
    for first in range(0, len(cells), BATCH):
        batch = cells[first : first + BATCH]
        answers = ask(bench, batch, asked)
        added = [(cell, setting) for cell in batch for setting in settings_of(cell, answers[cell], is_full=is_full)]
        run_round(bench, added, rows, 0)
        jobs += added
        if bench.is_over():
            return
    for rep in range(1, MOST_ROUNDS):
        run_round(bench, jobs, rows, rep)


def ask(bench: Bench, cells: list[Memory], rows: Rows) -> dict[Memory, dict[str, int]]:
    """What cgtune recommends for each of these cells, by when it was asked. Answers that an earlier run left in the folder are taken."""
    answers: dict[Memory, dict[str, int]] = {cell: {} for cell in cells}
    by_key = {(cell.pattern, str(cell.limit_mib), str(cell.live_percent), str(SPINS[cell.speed] or "")): cell for cell in cells}

    def take(row: Mapping[str, Any]) -> Memory | None:
        cell = by_key.get((row["pattern"], str(row["limit"]), str(row["live"]), str(row["duty"])))
        if cell is not None and str(row["set"]) == "True" and row["gomemlimit"]:
            answers[cell][row["when"]] = int(row["gomemlimit"])
        return cell

    known = {take(row) for row in rows.earlier}
    new = [cell for cell in cells if cell not in known]
    if new:
        groups = [bench.groups.make(f"asked{number}") for number in range(len(new))]
        say(f"asking cgtune about {len(new)} loads ({bench.left()})")
        end = time.monotonic() + (bench.end - time.monotonic()) / 2
        for row in adviceasks.ask_all(new, groups.__getitem__, bench.program_of, bench.mapped_of, say, lambda: time.monotonic() > end):
            rows.add({"go": bench.line, "hierarchy": bench.hierarchy} | row)
            take(row)
    return answers


def run_round(bench: Bench, jobs: list[Job], rows: Rows, rep: int) -> None:
    """Each job once, in an order of its own, until the time is over; what an earlier run in that folder did is not done again."""
    common = {"set": "own", "go": bench.line, "hierarchy": bench.hierarchy, "kernel": platform.release(), "procs": os.cpu_count()}
    order = random.Random(rep).sample(jobs, len(jobs))
    for number, (cell, (name, value, gogc)) in enumerate(order):
        if bench.is_over():
            return
        facts = {"pattern": cell.pattern, "limit": cell.limit_mib, "live": cell.live_percent, "duty": SPINS[cell.speed] or ""}
        own = {"work": cell.work_mib, "policy": name, "gomemlimit": value or "", "gogc": gogc, "rep": rep}
        if any(all(row[key] == str(mine) for key, mine in (facts | own).items()) for row in rows.earlier):
            continue
        variables = adviceruns.environment(value, gogc or None, None)
        try:
            patience = min(300.0, max(10.0, bench.end - time.monotonic() + 10))
            row = adviceruns.run_memory(bench.group, bench.program_of(cell), cell, variables, bench.mapped_of(cell), patience)
        except Invalid as error:
            say(f"a run is left out: {error}")
            continue
        rows.add(common | facts | own | row)
        words = f"{cell.pattern} {cell.limit_mib} MiB, {cell.live_percent} % alive, {cell.speed}, {name}: {row['outcome']}"
        say(f"memory, round {rep + 1}, {number + 1} of {len(jobs)}: {words} ({bench.left()})")


def cpu_part(bench: Bench, cells: tuple[Serving, ...], *, is_full: bool) -> None:
    """Each quota below the machine's CPUs with each GOMAXPROCS, in rounds: a seed each. What others disturbed is run again."""
    cpus = os.cpu_count() or 1
    cells = tuple(cell for cell in cells if cell.quota < cpus)
    if not cells:
        say(f"a machine with {cpus} CPU has no quota below that: the CPU part is left out")
        return
    program = adviceruns.build("server", bench.version)
    rows = Rows(bench.folder / "cpu.csv", CPU_COLUMNS)
    for seed in range(1, 100):
        for cell in cells:
            floor, ceil = max(1, int(cell.quota)), max(2, -int(-cell.quota // 1))
            for procs in sorted({1, floor, ceil, int(cell.quota) + 1, ceil + 1, *((4, 8) if is_full else (8,))}):
                for attempt in range(TRIES):
                    if bench.is_over():
                        return
                    try:
                        row = adviceruns.run_serving(
                            bench.group, program, cell, procs, seed, turns=bench.turns, seconds=6.0 if is_full else 2.0
                        )
                    except Invalid as error:
                        say(f"a run is left out: {error}")
                        continue
                    rows.add({"id": f"own{attempt}", "go": f"real-{bench.line}"} | row)
                    words = (
                        f"{cell.kind}, {cell.quota:g} CPUs, load {cell.load_percent:g} %, GOMAXPROCS {procs}: p99 {row['p99_ms']:.1f} ms"
                    )
                    is_calm = row["steal"] <= adviceruns.MOST_STOLEN and row["others"] <= adviceruns.MOST_OTHERS
                    say(f"cpu, seed {seed}: {words}{'' if is_calm else ', disturbed by others'} ({bench.left()})")
                    if is_calm:
                        break


@contextlib.contextmanager
def cgroups() -> Iterator[Groups]:
    """Our own cgroups; one line if they cannot be made. They are gone afterwards, also after Ctrl-C and SIGTERM."""
    if os.geteuid() != 0:
        fail("makes control groups: run as root")
    missing = [name for name in ("cpu", "memory", "cpuset") if name not in hierarchies()]
    if missing:
        fail(f"no mounted hierarchy lends the controllers {', '.join(missing)} to child groups")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in its background with SIGINT ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep()
    with own_groups("cpuacct") as groups:
        yield groups


def folder_of(options: argparse.Namespace) -> Path:
    """The folder of the rows."""
    place: Path = options.rows or toolchains.cache() / "advice" / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    place.mkdir(parents=True, exist_ok=True)
    return place


def measure_guest(options: argparse.Namespace) -> Path:
    """Run the CPU part in a guest with many CPUs; one line if this machine cannot have it."""
    from tests.support import guestmachine, guestruns

    folder = folder_of(options)
    minutes = options.minutes or (FULL_MINUTES if options.full else QUICK_MINUTES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        guestruns.measure(folder, 60 * minutes, is_full=options.full, say=say)
    except (guestmachine.Impossible, toolchains.ToolchainUnavailable, Invalid) as error:
        fail(f"no guest with many CPUs here: {error}")
    return folder


def measure(options: argparse.Namespace) -> Path:
    """Run the parts that are asked for; the folder of the rows."""
    minutes = options.minutes or (FULL_MINUTES if options.full else QUICK_MINUTES)
    end = time.monotonic() + 60 * minutes - 15  # for the tables, and for a run that has begun
    parts = options.parts or ["memory", "cpu"]
    folder = folder_of(options)
    cells = [cell for cell in (FULL_MEMORY if options.full else QUICK_MEMORY) if not options.only or cell.pattern in options.only]
    if options.full:
        random.Random(0).shuffle(cells)
    with cgroups() as groups:
        try:
            toolchains.fetch(VERSION)
        except toolchains.ToolchainUnavailable as error:
            fail(str(error))
        bench = Bench(groups, folder, end, VERSION)
        try:
            if "memory" in parts:
                bench.end = end if parts == ["memory"] else time.monotonic() + (end - time.monotonic()) * MEMORY_SHARE
                memory_part(bench, cells, is_full=options.full)
            if "cpu" in parts:
                bench.end = end
                cpu_part(bench, FULL_CPU if options.full else QUICK_CPU, is_full=options.full)
        finally:
            bench.close()
    return folder


def main() -> int:
    """Measure, and print what the rows say."""
    parser = argparse.ArgumentParser(prog="scripts/bench/advice", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["memory", "cpu", []], metavar="memory|cpu", help="which parts; default: both")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="ten minutes, few cells (the default)")
    length.add_argument("--full", action="store_true", help="six hours, all cells in a mixed order")
    parser.add_argument("--minutes", type=float, help="end after so many minutes instead")
    parser.add_argument("--only", choices=PATTERNS, metavar="PATTERN", action="append", help="of the memory part this pattern; may repeat")
    parser.add_argument(
        "--rows", type=Path, metavar="FOLDER", help="where the CSV files go; one with rows goes on; default: a new folder in the cache"
    )
    parser.add_argument("--guest", action="store_true", help="CPU on 8 CPUs, in a guest of a newer QEMU than this machine may have")
    parser.add_argument(
        "--pages",
        action="store_true",
        help="run nothing: write tables and plots of the recorded rows into the docs",
    )
    options = parser.parse_args()
    os.nice(10)
    from tests.support import evidencepages

    if options.pages:
        return evidencepages.write_pages()
    try:
        folder = measure_guest(options) if options.guest else measure(options)
    except KeyboardInterrupt:
        fail("interrupted: the cgroups are removed, the rows so far are kept", 130)
    print(evidencepages.say_rows(folder))
    say(f"the rows are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
