"""The advice beside what was measured: a change of the policy shows its price here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgtune.model import Policy
from tests.support import evidence, evidencepages
from tests.support.evidence import CpuCell, MemoryCell, Run, Setting


@pytest.mark.parametrize("name", [one.name for one in evidencepages.figures()])
def test_the_advice_is_as_good_as_it_is_said_to_be(name: str) -> None:
    """Each figure is at most its target, or at most what docs/evidence.md says that the rows carry, with the reason."""
    (figure,) = (one for one in evidencepages.figures() if one.name == name)
    assert figure.reached <= figure.bound
    assert bool(figure.why) == (figure.bound > figure.target)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(Policy(rounding="ceil"), {"p99 over the best, quotas whole, CPU only"}, id="ceil"),
        pytest.param(
            Policy(rounding="floor"),
            {
                "p99 over the best, quotas below 1, CPU only",
                "p99 over the best, quotas fraction, CPU only",
                "p99 over the best, quotas whole, CPU only",
                "saturated throughput that is lost",
            },
            id="floor",
        ),
        pytest.param(Policy(measured_least_bytes=0, measured_percent=0), {"killed"}, id="no headroom"),
        pytest.param(Policy(measured_percent=20), {"cells that lose more than 5 %"}, id="a fifth is kept free"),
    ],
)
def test_another_policy_shows_its_price(policy: Policy, expected: set[str]) -> None:
    """What another policy would cost is more than is said of this one: the test above would fail, and name the figure."""
    missed = {one.name for one in evidencepages.figures(policy) if not one.holds}
    assert all(any(name.startswith(word) for name in missed) for word in expected), missed


@pytest.mark.parametrize("page", [evidencepages.PAGE, evidencepages.README], ids=["docs/evidence.md", "README.md"])
def test_the_tables_are_those_of_the_policy(page: Path) -> None:
    """The tables in the pages are what the rows and the policy give now: scripts/bench/advice --pages writes them."""
    text = page.read_text()
    assert "<!-- made: " in text
    assert text == evidencepages.fill(text)


@pytest.mark.parametrize("name", evidencepages.DRAWINGS)
def test_the_plots_are_those_of_the_policy(name: str) -> None:
    """So are the plots; each is shown in docs/evidence.md."""
    assert (evidencepages.PLOTS / name).read_text() == evidencepages.DRAWINGS[name]()
    assert f"(evidence/{name})" in evidencepages.PAGE.read_text()


def test_it_is_better_than_the_two_libraries_in_every_class() -> None:
    """On the same cells cgtune's advice costs less than automaxprocs and automemlimit, but where docs/evidence.md says that it does not."""
    others = {pair.name for pair in evidencepages.pairs() if not (pair.ours < pair.theirs or pair.ours == pair.theirs == 0)}
    assert others == set(evidencepages.NOT_BETTER)


def cell(pattern: str = "small") -> MemoryCell:
    """A moderate program in 128 MiB."""
    return MemoryCell("1.27", pattern, 128, 50, "moderate", 0.0, "v1", long=False)


def run(outcome: str = "ok", *, cycles: float = 1.0, cpu: float = 1.0) -> Run:
    """A run that had this outcome."""
    return Run(outcome == "ok", outcome == "oom", cpu, cycles)


MIB = 1 << 20


def test_the_nearest_measured_setting_stands_for_the_advice() -> None:
    """It has as many threads and the same GOGC, and lies within 4 % of the limit; else nothing stands for it."""
    near, low = Setting(120 * MIB), Setting(115 * MIB)
    runs = {setting: [run()] for setting in (near, low, Setting(118 * MIB, 8), Setting(118 * MIB, 2, "off"))}
    found = [evidence.find_setting(runs, Setting(wanted and wanted * MIB), cell()) for wanted in (118, 117, 109, None)]
    assert found == [near, low, None, None]


def test_what_a_setting_costs_is_told_against_the_best_that_always_lived() -> None:
    """A setting of which one run died is not the best, however cheap it is; of a mapped file CPU time counts, else the collections."""
    cheap, good, dear, dead = (Setting(size * MIB) for size in (120, 115, 100, 125))
    runs = {
        cheap: [run(cycles=1, cpu=1.1), run("oom")],
        good: [run(cycles=2, cpu=1.2)] * 3,
        dear: [run(cycles=4, cpu=1.4)] * 3,
        dead: [run("oom")],
    }
    assert evidence.find_loss(cell(), runs, dear) == pytest.approx(0.2 / 1.2)
    assert evidence.find_loss(cell("mmap"), runs, dear) == pytest.approx(1.4 / 1.2 - 1)
    assert evidence.find_loss(cell(), runs, dead) is None
    assert evidence.find_loss(cell(), {good: runs[good], dead: runs[dead]}, good) is None  # three runs do not tell what a collection costs


def test_a_cell_in_which_nothing_lives_is_in_no_figure() -> None:
    """Where every setting dies no advice can be blamed; where one lives, dying is the advice's."""
    dead, mixed = {Setting(120 * MIB): [run("oom")]}, {Setting(120 * MIB): [run("oom")], Setting(100 * MIB): [run()]}
    judged, unmeasured = evidence.judge({cell(): dead, cell("block"): mixed}, lambda _: Setting(120 * MIB))
    assert ([(one.cell.pattern, one.runs, one.killed) for one in judged], unmeasured) == ([("block", 1, 1)], 0)


def test_only_seeds_that_every_setting_has_are_compared() -> None:
    """A run that others disturbed, and a seed that one setting lacks, are in no mean."""
    usual = {
        "mode": "open",
        "period_us": "100000",
        "burst_us": "0",
        "go": "1.27",
        "id": "",
        "kind": "cpu",
        "quota": "0.5",
        "load_percent": "60",
    }
    rows = [
        usual | {"gomaxprocs_set": procs, "seed": seed, "p99_ms": value, "others": others}
        for procs, seed, value, others in (("1", "1", "8", "0"), ("1", "2", "99", "0"), ("2", "1", "4", "0.1"), ("2", "1", "77", "0.4"))
    ]
    assert evidence.read_cpu(rows, 8, "open", "p99_ms") == {CpuCell("cpu", 0.5, 60.0, 8): {1: pytest.approx(8), 2: pytest.approx(4)}}
