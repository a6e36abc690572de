"""Tables and plots of what the advice costs in the measured cells, and where they stand: docs/evidence.md, docs/evidence/ and README.md.

Everything here is made from the rows by the policy as it is now: tests/advice/test_evidence.py holds the pages to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from cgtune.model import Policy
from tests.support import evidence, guestpages
from tests.support.evidence import CpuCell, Judged, MemoryCell, Runs, Setting, add_up, by_class, mean_of_ratios
from tests.support.evidenceplots import Point, plot_ratios, plot_shares

ROOT = Path(__file__).resolve().parents[2]
PAGE, README, PLOTS = ROOT / "docs" / "evidence.md", ROOT / "README.md", ROOT / "docs" / "evidence"
RECORDED_MEMORY = ("mem-sweep.csv",)
OWN_CPU = ("own-v1-cpu.csv",)
OWN_MEMORY = ("own-v1-memory.csv", "own-v2-memory.csv")
SIZES = ("below 1", "fraction", "whole")
OTHERS = "automaxprocs and automemlimit"


class Figure(NamedTuple):
    """What is asked of the advice, and what it reaches. ``bound`` is the target if the rows carry it, else what they carry: ``why``."""

    name: str
    target: float
    bound: float
    reached: float
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as good as it is said to be."""
        return self.reached <= self.bound


@cache
def cpu_cells() -> Mapping[CpuCell, evidence.Measured]:
    """p99 by GOMAXPROCS on the many-CPU guest."""
    return evidence.read_cpu(evidence.read_rows("cpu-guest8.csv"), 8, "open", "p99_ms")


@cache
def saturated_cells() -> Mapping[CpuCell, evidence.Measured]:
    """Requests a second by GOMAXPROCS on the same, without pause."""
    return evidence.read_cpu(evidence.read_rows("cpu-guest8.csv"), 8, "closed", "rate")


@cache
def memory_cells(*names: str) -> Mapping[MemoryCell, Runs]:
    """The runs of these files; those that are not there yet have none."""
    return evidence.read_memory(evidence.read_rows(*(name for name in names if (evidence.ROWS / name).exists())))


def tail(choose: evidence.Advise, sizes: Iterable[str], kinds: Iterable[str]) -> list[float]:
    """p99 over the best in each cell of these classes."""
    sizes, kinds = tuple(sizes), tuple(kinds)
    return [value for cell, value in evidence.regret(cpu_cells(), choose).items() if cell.size in sizes and cell.kind in kinds]


def throughput(choose: evidence.Advise, kinds: Iterable[str] = ("cpu", "alloc")) -> list[float]:
    """Saturated throughput over the best in each cell."""
    kinds = tuple(kinds)
    return [value for cell, value in evidence.kept_throughput(saturated_cells(), choose).items() if cell.kind in kinds]


def is_crowded(cell: MemoryCell) -> bool:
    """Whether the report on this cell says that the limit is too small for what is alive."""
    return evidence.asked(cell, "load").recommendations[1].crowded is not None


def select(judged: Iterable[Judged], *speeds: str) -> list[Judged]:
    """The cells of programs that allocate so fast and map no file."""
    return [one for one in judged if one.cell.speed in speeds and one.cell.pattern != "mmap" and not one.cell.long]


def figures(policy: Policy | None = None) -> list[Figure]:
    """Every figure that the advice is held to, under this policy."""
    advised = partial(evidence.advised_procs, policy=policy)
    found = [
        Figure(f"p99 over the best, quotas {size}, CPU only", target, bound, evidence.mean_of_ratios(tail(advised, [size], ["cpu"])), why)
        for size, target, bound, why in (
            ("below 1", 1.05, 1.05, ""),
            ("fraction", 1.30, 1.30, ""),
            ("whole", 1.20, 1.25, "8 threads are the best of most of these cells, at twice the p99 of others"),
        )
    ]
    lost = 1 - evidence.mean_of_ratios(throughput(advised))
    found.append(Figure("saturated throughput that is lost", 0.01, 0.01, lost))
    cells = memory_cells(*RECORDED_MEMORY)
    judged, _ = evidence.judge(cells, evidence.cgtune_when("load", policy))
    calm = select(judged, "moderate", "quiet")
    roomy = [one for one in calm if not is_crowded(one.cell)]
    dying = [one.cell for one in judged if one.cell.speed == "storm" and one.killed]
    mapped = [one.loss for one in judged if one.cell.pattern == "mmap" and one.loss is not None]
    found += [
        Figure("killed, moderate and quiet", 0.02, 0.04, add_up(calm).killed_share, "both kills have 75 % alive: the next line"),
        Figure("the same if the report does not say that the limit is too small", 0.02, 0.02, add_up(roomy).killed_share),
        Figure("storms that are killed and not told as such", 0, 0, sum(not evidence.is_told_storm(cell, cells[cell]) for cell in dying)),
        Figure(
            "cells that lose more than 5 %, without mapped files", 0.05, 0.12,
            add_up(one for one in judged if one.cell.pattern != "mmap").costly_share,
            "in each the best keeps 2 to 5 MiB free, or none is set: 13 of 77 such runs died",
        ),
        Figure(
            "mapped files: CPU time beyond the best, on average", 0.05, 0.15, sum(mapped) / len(mapped),
            "three cells of one or two runs; equal ones differ in CPU time by 15 %",
        ),
    ]  # fmt: skip
    return found


# -- tables -------------------------------------------------------------------------------------------------------------------------------

_KINDS = evidence.KINDS


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _choices(policy: Policy | None = None) -> dict[str, evidence.Advise]:
    return {
        "cgtune": partial(evidence.advised_procs, policy=policy),
        "left to Go 1.25 and later": partial(evidence.advised_procs, policy=policy, minor=25),
        "rounded up": partial(evidence.advised_procs, policy=Policy(rounding="ceil")),
        "automaxprocs": evidence.automaxprocs,
        "all 8 CPUs": lambda cell: cell.cpus,
    }


def tails_table() -> str:
    """p99 over the best by class and choice: the geometric mean, and the worst cell."""
    choices = _choices()
    rows = []
    for size in SIZES:
        for kind, words in _KINDS.items():
            values = [tail(choose, [size], [kind]) for choose in choices.values()]
            rows.append([f"{size}, {words}", str(len(values[0])), *(f"{mean_of_ratios(each):.2f} ({max(each):.1f})" for each in values)])
    return table(["quota, load", "cells", *choices], rows)


def throughput_table() -> str:
    """Saturated throughput in parts of the best: the geometric mean, and the worst cell."""
    choices = _choices()
    rows = []
    for kind, words in _KINDS.items():
        values = [throughput(choose, [kind]) for choose in choices.values()]
        rows.append([words, str(len(values[0])), *(f"{mean_of_ratios(each):.3f} ({min(each):.2f})" for each in values)])
    return table(["load", "cells", *choices], rows)


def guest_table(path: str | Path = guestpages.ROWS) -> str:
    """p99 on the guest with many CPUs, by GOMAXPROCS."""
    return table(guestpages.HEAD, guestpages.guest_table_rows(path))


def _memory_choices(cells: Mapping[MemoryCell, Runs]) -> dict[str, Callable[[MemoryCell], Setting | None]]:
    return {
        "cgtune, watching": evidence.cgtune_watching(cells),
        "cgtune, under load": evidence.cgtune_when("load"),
        "cgtune, at the start": evidence.cgtune_when("start"),
        OTHERS: evidence.others_set,
        "nothing set": evidence.nothing_set,
    }


def memory_table(*names: str) -> str:
    """Kills and losses by class and choice, each over the cells in which it was measured."""
    rows, cells = [], memory_cells(*names)
    for name, choose in _memory_choices(cells).items():
        judged, unmeasured = evidence.judge(cells, choose)
        for kind, some in by_class(judged):
            total = add_up(some)
            worst = f"{100 * max(0.0, total.worst):.0f} %" if total.with_loss else ""
            rows.append([name, kind, str(total.cells), f"{total.killed} of {total.runs}", f"{total.costly} of {total.with_loss}", worst])
        rows.append([name, "nothing near it was measured", str(unmeasured), "", "", ""])
    return table(["advice", "programs", "cells", "runs killed", "cells that lose over 5 %", "most lost"], rows)


def figures_table() -> str:
    """What is asked and what is reached."""
    rows = [
        [one.name, f"{one.target:g}", f"{one.reached:.3f}", "yes" if one.reached <= one.target else f"no: {one.why}"] for one in figures()
    ]
    return table(["figure", "asked: at most", "reached", "carried by the rows"], rows)


#: Classes in which cgtune does not claim to be better, and why.
NOT_BETTER = {
    "CPU time lost against the best that lives, storm": "20 % are kept free of a storm: what is told of it buys its life with CPU"
}


class Pair(NamedTuple):
    """cgtune beside the two libraries in one class: the same cells for both; less is better."""

    name: str
    cells: int
    ours: float
    theirs: float
    words: Callable[[float], str]


def pairs() -> list[Pair]:
    """Every class of README's table."""
    ours, theirs = evidence.advised_procs, evidence.automaxprocs
    ratio, share = "{:.2f}".format, lambda value: f"{100 * value:.0f} %"
    found = []
    for size, words in zip(SIZES, ("below 1 CPU", "of fractions above 1", "of whole CPUs"), strict=True):
        ratios = [evidence.regret(cpu_cells(), choose) for choose in (ours, theirs)]
        same = [cell for cell in ratios[0] if cell in ratios[1] and cell.size == size]
        values = [mean_of_ratios(each[cell] for cell in same) for each in ratios]
        found.append(Pair(f"p99 over the best, quotas {words}", len(same), values[0], values[1], ratio))
    kept = [evidence.kept_throughput(saturated_cells(), choose) for choose in (ours, theirs)]
    same = [cell for cell in kept[0] if cell in kept[1]]
    lost = [1 - mean_of_ratios(each[cell] for cell in same) for each in kept]
    found.append(Pair("saturated throughput lost", len(same), lost[0], lost[1], lambda value: f"{100 * value:.1f} %"))
    cells = memory_cells(*RECORDED_MEMORY, *OWN_MEMORY)
    choices = (evidence.cgtune_watching(cells), evidence.others_set)
    both = [{one.cell: one for one in evidence.judge(cells, choose)[0]} for choose in choices]
    common = [cell for cell in both[0] if cell in both[1]]
    for kind, some in by_class(both[0][cell] for cell in common):
        killed = [_mean(judged[one.cell].killed / judged[one.cell].runs for one in some) for judged in both]
        found.append(Pair(f"killed, {kind}", len(some), killed[0], killed[1], share))
        known = [one.cell for one in some if both[0][one.cell].loss is not None and both[1][one.cell].loss is not None]
        if known:
            loss = [_mean(max(0.0, judged[cell].loss or 0.0) for cell in known) for judged in both]
            found.append(Pair(f"CPU time lost against the best that lives, {kind}", len(known), loss[0], loss[1], share))
    return found


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return sum(some) / len(some)


def pairs_table() -> str:
    """README's table."""
    rows = [[one.name, str(one.cells), one.words(one.ours), one.words(one.theirs)] for one in pairs()]
    return table(["", "cells", "cgtune", OTHERS], rows)


# -- plots and pages ----------------------------------------------------------------------------------------------------------------------


def cpu_plot() -> str:
    """p99 over the best in every cell."""
    choices = {name: choose for name, choose in _choices().items() if name in ("cgtune", "automaxprocs", "all 8 CPUs")}
    ratios = [evidence.regret(cpu_cells(), choose) for choose in choices.values()]
    points = [
        Point(f"{cell.quota:g} CPUs, load {cell.load:g} %, {_KINDS[cell.kind]}", f"{cell.quota:g}", [each.get(cell) for each in ratios])
        for cell in sorted(cpu_cells(), key=lambda cell: (cell.quota, cell.kind, cell.load))
    ]
    return plot_ratios("p99 over the best GOMAXPROCS of the cell, by quota in CPUs", points, list(choices), (1, 1.5, 2, 3, 5, 10, 30, 100))


def memory_plot() -> str:
    """Runs killed by class."""
    cells = memory_cells(*RECORDED_MEMORY, *OWN_MEMORY)
    choices = {name: choose for name, choose in _memory_choices(cells).items() if name in ("cgtune, watching", OTHERS, "nothing set")}
    groups: dict[str, list[float]] = {}
    for choose in choices.values():
        judged, _ = evidence.judge(cells, choose)
        for kind, some in by_class(judged):
            groups.setdefault(kind, []).append(add_up(some).killed_share)
    whole = {kind: values for kind, values in groups.items() if len(values) == len(choices)}
    return plot_shares("runs killed for memory, of those cells in which some setting lives", whole, list(choices))


def host_table() -> str:
    """p99 by GOMAXPROCS on real machines with two CPUs: the recorded rows and our own, each without what others disturbed."""
    rows = []
    for name, words in (("cpu-host.csv", "recorded"), *((name, "scripts/bench/advice") for name in OWN_CPU)):
        if not (evidence.ROWS / name).exists():
            continue
        cells = evidence.read_cpu(evidence.read_rows(name), evidence.MEMORY_CPUS, "open", "p99_ms")
        for cell, measured in sorted(cells.items()):
            best = min(measured.values())
            values = ", ".join(f"{procs}: {value:.1f}" for procs, value in measured.items())
            chosen = evidence.advised_procs(cell)
            beside = f"{measured[chosen] / best:.2f}" if chosen in measured else ""
            rows.append([words, f"{cell.quota:g}", _KINDS[cell.kind], f"{cell.load:g} %", values, str(chosen), beside])
    return table(["rows", "quota", "load", "asked of it", "p99 in ms by GOMAXPROCS", "cgtune", "over the best"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "figures": figures_table,
    "tails": tails_table,
    "throughput": throughput_table,
    "real machines": host_table,
    "memory recorded": lambda: memory_table(*RECORDED_MEMORY),
    "memory own": lambda: memory_table(*OWN_MEMORY),
    "beside others": pairs_table,
    "guest": guest_table,
}
DRAWINGS: Mapping[str, Callable[[], str]] = {"cpu.svg": cpu_plot, "memory.svg": memory_plot}


def fill(text: str) -> str:
    """The page with each of its made parts made anew: what stands between `<!-- made: NAME -->` and `<!-- end -->`."""

    def make(found: re.Match[str]) -> str:
        return f"<!-- made: {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- made: ([a-z ]+) -->\n.*?<!-- end -->", make, text, flags=re.DOTALL)


def write_pages() -> int:
    """Write the tables into the pages, and the plots beside them; the exit code of scripts/bench/advice --pages."""
    for page in (PAGE, README):
        page.write_text(fill(page.read_text()))
    PLOTS.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (PLOTS / name).write_text(draw())
    for one in figures():
        print(f"{'' if one.holds else 'MISSED: '}{one.name}: {one.reached:.3f}, at most {one.bound:g}")
    return 0 if all(one.holds for one in figures()) else 1


# -- rows of a run ------------------------------------------------------------------------------------------------------------------------


def say_rows(folder: Path) -> str:
    """What the rows of one run of scripts/bench/advice say."""
    said = []
    if (path := folder / "memory.csv").exists():
        cells = evidence.read_memory(evidence.read_rows(path))
        rows = []
        for cell, runs in sorted(cells.items()):
            for setting, some in sorted(runs.items(), key=lambda pair: (pair[0].gogc, pair[0].limit_bytes or 1 << 62)):
                lived = [run for run in some if run.lived]
                words = "unset" if setting.limit_bytes is None else f"{setting.limit_bytes >> 20} MiB"
                loss = evidence.find_loss(cell, runs, setting)
                rows.append([
                    f"{cell.pattern}, {cell.limit_mib} MiB, {cell.live_percent} % alive, {cell.speed}",
                    words + (f", GOGC={setting.gogc}" if setting.gogc else ""),
                    f"{len(some) - len(lived)} of {len(some)}",
                    "" if loss is None else f"{100 * loss:+.0f} %",
                ])  # fmt: skip
        said.append(table(["cell", "GOMEMLIMIT", "killed", "CPU time against the best that lives"], rows))
    if (path := folder / "memory-asked.csv").exists():
        asked = [
            [row["pattern"], row["limit"], row["live"], row["when"], f"{int(row['gomemlimit'] or 0) >> 20} MiB", row["doubt"]]
            for row in evidence.read_rows(path)
        ]
        said.append(table(["pattern", "limit in MiB", "% alive", "asked", "GOMEMLIMIT", "doubt"], asked))
    if (path := folder / "cpu.csv").exists():
        read = evidence.read_rows(path)
        disturbed = sum(evidence.is_disturbed(row) for row in read)
        said.append(f"{len(read)} CPU runs, of which others disturbed {disturbed}: those are left out")
        for mode, column in (("open", "p99_ms"), ("closed", "rate")):
            for served, measured in evidence.read_cpu(read, evidence.MEMORY_CPUS, mode, column).items():
                values = ", ".join(f"{procs}: {value:.1f}" for procs, value in measured.items())
                said.append(f"{served.kind}, {served.quota:g} CPUs, load {served.load:g} %: {column} by GOMAXPROCS: {values}")
    if (path := folder / "cpu-guest.csv").exists():
        said.append(guest_table(path))
    return "\n\n".join(said) if said else "no rows"
