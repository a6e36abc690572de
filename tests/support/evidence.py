"""What cgtune's advice would have cost in each cell that was measured: the rows of tests/advice/evidence beside the policy as it is now.

A cell is one situation: a quota and a load, or a memory limit and a program. In each of them several settings were measured. The advice for
it comes from :func:`cgtune.advice.advise.advise`, as it is called for a real process. What was measured with that GOMAXPROCS, or with the
GOMEMLIMIT nearest to it, is what the advice costs.

Not covered: cells in which nothing near the advice was measured. They are counted, and no figure has them.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cgtune.model import MemoryLevel, MemoryParts, Policy, ProcessReport
from cgtune.rules import collector_busy
from cgtune.rules.case import Case
from tests.rules.reports import go_facts, memory_level, report, sees, watched

ROWS = Path(__file__).resolve().parents[1] / "advice" / "evidence"
MIB = 1 << 20
OUTSIDE = ("tmpfs", "cgo", "mmap")  # these patterns take a quarter of the limit beside Go
SPEEDS = {"": "storm", "0": "storm", "600000": "moderate", "1000000": "moderate", "6000000": "quiet"}
_START_SECONDS, _LATER_SECONDS = 3, 3600
_NEAR_SHARE = 0.04  # of the limit: so far the measured GOMEMLIMIT may be from the advised one
_LEAST_RUNS = 5  # that lived, to fit what a collection costs
_LONG = 50  # times the limit allocated: a storm of 170 collections and more, told apart
MEMORY_CPUS = 2  # of the machines on which memory was measured

KINDS = {"cpu": "CPU only", "alloc": "with a collector"}

Advise = Callable[["CpuCell"], int]


def read_rows(*names: str | Path) -> list[dict[str, str]]:
    """The rows of these files, one after the other; a name that is no Path is one of tests/advice/evidence."""
    rows = []
    for name in names:
        with (name if isinstance(name, Path) else ROWS / name).open(newline="") as file:
            rows += list(csv.DictReader(file))
    return rows


def mean_of_ratios(values: Iterable[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.mean(math.log(value) for value in values))


# -- CPU ----------------------------------------------------------------------------------------------------------------------------------


class CpuCell(NamedTuple):
    """Requests that ask for ``load`` percent of so many CPUs (0: without pause), on a machine with ``cpus``; ``kind`` "cpu" or "alloc"."""

    kind: str
    quota: float
    load: float
    cpus: int

    @property
    def size(self) -> str:
        """Which class of quotas it is in."""
        return "below 1" if self.quota < 1 else "whole" if self.quota == int(self.quota) else "fraction"


Measured = Mapping[int, float]  # by GOMAXPROCS: p99 in ms, or requests a second


def read_cpu(rows: Iterable[Mapping[str, str]], cpus: int, mode: str, column: str) -> Mapping[CpuCell, Measured]:
    """What was measured in each cell, by GOMAXPROCS: the geometric mean over the seeds that every setting of the cell has."""
    cells: dict[CpuCell, dict[int, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in rows:
        usual = (row["mode"], row["period_us"], row["burst_us"]) == (mode, "100000", "0") and row["go"].endswith("1.27")
        if not usual or row["gomaxprocs_set"] == "0" or row["id"] == "rep" or is_disturbed(row) or row["quota"] == "0":
            continue
        cell = CpuCell(row["kind"], float(row["quota"]), float(row["load_percent"]), cpus)
        cells[cell][int(row["gomaxprocs_set"])][row["seed"]].append(float(row[column]))
    found: dict[CpuCell, Measured] = {}
    for cell, by_procs in cells.items():
        seeds = set.intersection(*(set(by_seed) for by_seed in by_procs.values()))
        if seeds and len(by_procs) > 1:
            found[cell] = {
                procs: mean_of_ratios(value for seed in seeds for value in by_seed[seed]) for procs, by_seed in sorted(by_procs.items())
            }
    return found


def is_disturbed(row: Mapping[str, str]) -> bool:
    """Whether others took so much of the machine meanwhile that the run tells nothing of CPU time; rows without that column were calm."""
    return float(row.get("steal") or 0) > 0.02 or float(row.get("others") or 0) > 0.15


def advised_procs(cell: CpuCell, policy: Policy | None = None, minor: int = 24) -> int:
    """GOMAXPROCS of a Go 1.``minor`` program that takes the advice: the value, or what Go takes if the advice leaves it unset."""
    quota_us = round(cell.quota * 100_000)
    itself = min(cell.cpus, max(2, math.ceil(cell.quota))) if minor >= 25 else cell.cpus
    facts = go_facts(minor=minor, procs=itself, seen=sees(quota_us) if minor >= 25 else None)
    made = report(facts, cores=cell.quota, cpus=cell.cpus, policy=policy)
    advice = made.recommendations[0]
    return advice.value if advice.set and advice.value is not None else itself


def automaxprocs(cell: CpuCell) -> int:
    """What automaxprocs 1.6 sets: the quota rounded down, at least 1."""
    return max(1, math.floor(cell.quota))


def regret(cells: Mapping[CpuCell, Measured], choose: Advise) -> dict[CpuCell, float]:
    """By cell in which the chosen GOMAXPROCS was measured, its p99 over the best."""
    return {cell: measured[choose(cell)] / min(measured.values()) for cell, measured in cells.items() if choose(cell) in measured}


def kept_throughput(cells: Mapping[CpuCell, Measured], choose: Advise) -> dict[CpuCell, float]:
    """By cell in which the chosen GOMAXPROCS was measured, its saturated throughput over the best."""
    return {cell: measured[choose(cell)] / max(measured.values()) for cell, measured in cells.items() if choose(cell) in measured}


# -- memory -------------------------------------------------------------------------------------------------------------------------------


class MemoryCell(NamedTuple):
    """A program of one pattern under a limit, on two CPUs; ``quota`` 0: none. ``long``: a storm of 170 collections and more."""

    go: str
    pattern: str
    limit_mib: int
    live_percent: int
    speed: str
    quota: float
    hierarchy: str
    long: bool

    @property
    def outside_mib(self) -> float:
        """What the pattern takes beside Go."""
        return self.limit_mib / 4 if self.pattern in OUTSIDE else 0

    @property
    def live_bytes(self) -> int:
        """What is asked to stay alive of the heap."""
        return int((self.limit_mib - self.outside_mib) * self.live_percent / 100 * MIB)


class Setting(NamedTuple):
    """GOMEMLIMIT in bytes (None: unset), GOMAXPROCS, and GOGC ("": 100)."""

    limit_bytes: int | None
    procs: int = MEMORY_CPUS
    gogc: str = ""


class Run(NamedTuple):
    """One run: whether it lived, and of one that did its CPU time and collections for each MiB that it allocated."""

    lived: bool
    is_killed: bool
    cpu: float
    cycles: float


Runs = Mapping[Setting, Sequence[Run]]


def read_memory(rows: Iterable[Mapping[str, str]]) -> Mapping[MemoryCell, Runs]:
    """The runs of each cell by setting. Rows that are known to be wrong, and runs that failed for another reason, are left out."""
    cells: dict[MemoryCell, dict[Setting, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(rows):
        unknown = row["outcome"].startswith("fail") or (row["outcome"] == "timeout" and row["set"] == "own")  # it did not get its CPU
        if unknown or _is_wrong(row, index):
            continue
        quota, procs = _limits_of_set(row)
        work, limit = int(row["work"]), int(row["limit"])
        speed = SPEEDS[row["duty"]]
        cell = MemoryCell(
            go=row["go"],
            pattern=row["pattern"],
            limit_mib=limit,
            live_percent=int(row["live"]),
            speed=speed,
            quota=quota,
            hierarchy=row.get("hierarchy") or "v1",
            long=speed == "storm" and work >= _LONG * limit,
        )
        value = int(row["gomemlimit"]) if row["gomemlimit"] else None
        setting = Setting(value, procs, "" if row["gogc"] == "100" else row["gogc"])
        lived = row["outcome"] == "ok"
        run = Run(
            lived, row["outcome"] == "oom", float(row["cpu"] or 0) / work if lived else 0.0, float(row["gc"] or 0) / work if lived else 0.0
        )
        cells[cell][setting].append(run)
    return cells


def _is_wrong(row: Mapping[str, str], index: int) -> bool:
    """The rows that were made while a process of a run before was still in the cgroup: see README.md beside them."""
    first_of_a = row["set"] == "A" and index == 0
    first_of_b = row["set"] == "B" and row["duty"] == "1000000"
    return first_of_a or first_of_b or row["set"] == "I"


def _limits_of_set(row: Mapping[str, str]) -> tuple[float, int]:
    """(quota, GOMAXPROCS) of a row: the recorded ones have both in the name of their set, as in Hq0.5p2 and Jp4."""
    if row.get("procs"):
        return float(row.get("quota") or 0), int(row["procs"])
    name = row["set"]
    quota = float(name.partition("q")[2].partition("p")[0]) if name[0] in "GHZ" else 0.0
    procs = int(name.rpartition("p")[2]) if name[0] in "GHZ" or name.startswith("Jp") else MEMORY_CPUS
    return quota, procs


def living(runs: Runs) -> dict[Setting, Sequence[Run]]:
    """The settings of which every run lived."""
    return {setting: some for setting, some in runs.items() if all(run.lived for run in some)}


def asked(cell: MemoryCell, when: str, policy: Policy | None = None) -> ProcessReport:
    """The report on the program of this cell, asked at its "start", or under "load" when it has run for an hour, from what its cgroup and
    its runtime said if that is in an own-*-asked.csv.

    Else it is made of what they would say. Under load its own memory outside Go is all there. Of a mapped file of 32 MiB memory.stat said
    that 31.2 MiB are active and 17.7 MiB are mapped: so much of it is taken for other sizes too.
    """
    age = _LATER_SECONDS if when == "load" else _START_SECONDS
    if (row := _asked_rows().get((cell.hierarchy, cell.pattern, cell.limit_mib, cell.live_percent, cell.speed, when))) is not None:
        numbers = {name: int(row[name]) if row[name] else None for name, _ in MemoryParts().items()}
        level = memory_level("/pod/app", cell.limit_mib * MIB, current_bytes=int(row["current"]))
        level = level.replace(parts=MemoryParts(**numbers), peak_bytes=int(row["peak"]) if row["peak"] else None)
        return _report_on(cell, level, int(row["heap_marked"] or 0), int(row["go_mapped"]), age, policy)
    limit = cell.limit_mib * MIB
    outside = int(cell.outside_mib * MIB) if when == "load" else 0
    live = cell.live_bytes if when == "load" else MIB
    mapped = min(2 * live, limit - outside - 4 * MIB) if when == "load" else 8 * MIB
    file = outside if cell.pattern == "mmap" else 0
    parts = MemoryParts(
        anonymous_bytes=mapped + (outside if cell.pattern == "cgo" else 0),
        active_file_bytes=int(file * 0.975),
        inactive_file_bytes=0,
        mapped_bytes=int(file * 0.553),
        shared_bytes=outside if cell.pattern == "tmpfs" else 0,
    )
    level = memory_level("/pod/app", limit, current_bytes=mapped + outside).replace(parts=parts)
    return _report_on(cell, level, live, mapped, age, policy)


@cache
def _asked_rows() -> Mapping[tuple[str, str, int, int, str, str], Mapping[str, str]]:
    """What was counted when cgtune was asked, by hierarchy, pattern, limit, share alive, speed and moment; the first answer of each."""
    rows = read_rows(*sorted(path.name for path in ROWS.glob("own-*-asked.csv")))
    keyed = [
        ((row["hierarchy"], row["pattern"], int(row["limit"]), int(row["live"]), SPEEDS[row["duty"]], row["when"]), row)
        for row in rows
        if row["when"] in ("start", "load") and row["current"] and row["go_mapped"]
    ]
    return dict(reversed(keyed))


def _report_on(cell: MemoryCell, level: MemoryLevel, live: int, mapped: int, age: int, policy: Policy | None) -> ProcessReport:
    minor = int(cell.go.split(".")[1])
    facts = go_facts(minor=minor, heap_marked_bytes=live, mapped_bytes=mapped)
    return report(facts, cores=cell.quota or None, cpus=MEMORY_CPUS, memory=(level,), age_seconds=age, policy=policy)


def others_set(cell: MemoryCell) -> Setting:
    """What automaxprocs and automemlimit set: the quota rounded down, at least 1, and 90 % of the limit."""
    return Setting(int(cell.limit_mib * MIB * 0.9), max(1, math.floor(cell.quota)) if cell.quota else MEMORY_CPUS)


def nothing_set(_cell: MemoryCell) -> Setting:
    """What an old Go does by itself: a thread a CPU of the machine, and no limit."""
    return Setting(None)


def find_setting(runs: Runs, wanted: Setting, cell: MemoryCell) -> Setting | None:
    """The measured setting that is nearest to the wanted one; None if nothing near it was measured."""
    if wanted.limit_bytes is None:
        return wanted if wanted in runs else None
    near = _NEAR_SHARE * cell.limit_mib * MIB
    distances = [
        (abs(setting.limit_bytes - wanted.limit_bytes), setting)
        for setting in runs
        if setting.limit_bytes is not None and setting[1:] == wanted[1:]
    ]
    distance, setting = min(distances, default=(math.inf, wanted))
    return setting if distance <= near else None


class Judged(NamedTuple):
    """A policy in one cell: of so many ``runs`` these were ``killed``; ``loss`` of CPU time against the best setting that always lived,
    None if none of the runs lived, or no setting always did.
    """

    cell: MemoryCell
    runs: int
    killed: int
    loss: float | None


def judge(cells: Mapping[MemoryCell, Runs], choose: Callable[[MemoryCell], Setting | None]) -> tuple[list[Judged], int]:
    """(what a policy costs in each cell in which some run lived and something near the choice was measured, how many others there are)."""
    judged, unmeasured = [], 0
    for cell, runs in cells.items():
        if not any(run.lived for some in runs.values() for run in some):
            continue
        wanted = choose(cell)
        setting = None if wanted is None else find_setting(runs, wanted, cell)
        if setting is None:
            unmeasured += 1
            continue
        some = runs[setting]
        judged.append(Judged(cell, len(some), sum(not run.lived for run in some), find_loss(cell, runs, setting)))
    return judged, unmeasured


def find_loss(cell: MemoryCell, runs: Runs, chosen: Setting) -> float | None:
    """What the chosen setting costs beyond the best one that always lived, with as many threads and with GOGC as it is, in parts of that
    one's CPU time; None if that cannot be told.

    CPU times of equal runs differ by a third on the machine that recorded them, and collections by one: so the cost of a collection is
    fitted over all runs of the cell, and the loss is that of the collections beyond the best. A mapped file costs faults instead: there CPU
    time counts.
    """
    lived = [run for run in runs[chosen] if run.lived]
    best = [some for setting, some in living(runs).items() if not setting.gogc and setting.procs == chosen.procs]
    if not lived or not best:
        return None
    if cell.pattern == "mmap":
        return statistics.mean(run.cpu for run in lived) / min(statistics.mean(run.cpu for run in some) for some in best) - 1
    known = [run for some in runs.values() for run in some if run.lived]
    if len(known) < _LEAST_RUNS:
        return None
    base, each = fit(known)
    least = min(statistics.mean(run.cycles for run in some) for some in best)
    return each * (statistics.mean(run.cycles for run in lived) - least) / (base + each * least)


def fit(runs: Sequence[Run]) -> tuple[float, float]:
    """(CPU time for each MiB without collections, of one collection), by least squares; each is at least 0."""
    cycles, cpu = [run.cycles for run in runs], [run.cpu for run in runs]
    middle, height = statistics.mean(cycles), statistics.mean(cpu)
    spread = sum((each - middle) ** 2 for each in cycles)
    if not spread:
        return height, 0.0
    slope = max(0.0, sum((one - middle) * (other - height) for one, other in zip(cycles, cpu, strict=True)) / spread)
    base = height - slope * middle
    if base > 0:
        return base, slope
    base = min(cpu) * 0.3
    return base, (height - base) / middle if middle else 0.0


def cgtune_when(when: str, policy: Policy | None = None) -> Callable[[MemoryCell], Setting | None]:
    """The setting that cgtune advises in a cell, asked then."""

    def choose(cell: MemoryCell) -> Setting | None:
        procs, memory = asked(cell, when, policy).recommendations
        return Setting(memory.value if memory.set else None, procs.value or MEMORY_CPUS)

    return choose


def is_told_storm(cell: MemoryCell, runs: Runs) -> bool:
    """Whether cgtune tells of a storm (collector-busy) if it watches this program for half a minute, with as many collections in a second
    of CPU as its runs had that lived.
    """
    lived = [run for some in runs.values() for run in some if run.lived and run.cpu]
    if not lived:
        return False
    made, seconds = asked(cell, "load"), 30.0
    rate = sum(run.cycles for run in lived) / sum(run.cpu for run in lived)
    seen = watched(made, None, seconds=seconds, used_cores=float(MEMORY_CPUS), collections=int(rate * seconds * MEMORY_CPUS))
    return collector_busy.judge(Case(seen, seen.snapshot.go[0], Policy())) is not None


def cgtune_watching(cells: Mapping[MemoryCell, Runs]) -> Callable[[MemoryCell], Setting | None]:
    """The same under load, by who has watched and does what is told of a storm: 20 % are kept free."""
    usual, calm = cgtune_when("load"), cgtune_when("load", Policy(headroom_percent=20))
    return lambda cell: calm(cell) if is_told_storm(cell, cells[cell]) else usual(cell)


class Sum(NamedTuple):
    """A policy over many cells."""

    cells: int
    runs: int
    killed: int
    costly: int
    with_loss: int
    worst: float

    @property
    def killed_share(self) -> float:
        return self.killed / self.runs if self.runs else 0.0

    @property
    def costly_share(self) -> float:
        """Cells that lose more than 5 %, of those of which a loss is known."""
        return self.costly / self.with_loss if self.with_loss else 0.0


def add_up(judged: Iterable[Judged]) -> Sum:
    """What a policy costs in all of these cells."""
    some = list(judged)
    losses = [one.loss for one in some if one.loss is not None]
    costly = sum(loss > 0.05 for loss in losses)
    return Sum(len(some), sum(one.runs for one in some), sum(one.killed for one in some), costly, len(losses), max(losses, default=0.0))


def by_class(judged: Iterable[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    """The cells of each class of programs: mapped files, and the others by how fast they allocate."""
    classes: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        name = "mapped file" if one.cell.pattern == "mmap" else "long storm" if one.cell.long else one.cell.speed
        classes[name].append(one)
    for name in ("quiet", "moderate", "storm", "long storm", "mapped file"):
        if name in classes:
            yield name, classes[name]
