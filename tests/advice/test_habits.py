"""Programs that overrule GOMAXPROCS are advised what helps with them, and no variable."""

from __future__ import annotations

import pytest

from cgtune.advice.habits import find_habit, say_overruling
from cgtune.advice.variables import advise_here
from cgtune.model import GoFacts, Policy
from cgtune.rules import judge_all
from tests.rules.reports import go_facts, report, with_facts

MILLER, GOBGPD = "github.com/johnkerl/miller/cmd/mlr", "github.com/osrg/gobgp/cmd/gobgpd"
BADGER = "github.com/dgraph-io/badger/badger"


def _facts(package: str, **facts: object) -> GoFacts:
    return with_facts(go_facts(minor=19, **facts), package=package)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("package", "procs", "said"),
    [
        (
            MILLER,
            8,
            "Miller 6.6 was seen to take the number of its CPUs, whatever GOMAXPROCS says: fewer CPUs for it do (taskset, a cpuset)",
        ),
        (GOBGPD, 8, "gobgpd 3.10 was seen to take the number of its CPUs, whatever GOMAXPROCS says: give it the option --cpus=3"),
        (BADGER, 128, "badger 2.2007 was seen to take a number of its own, whatever GOMAXPROCS says: no setting from outside changes that"),
    ],
)
def test_no_variable_is_advised_where_it_does_not_count(package: str, procs: int, said: str) -> None:
    """Neither in a finding nor among the lines to paste: badger, gobgpd, goimports and Miller call runtime.GOMAXPROCS whatever it says."""
    found = report(_facts(package, procs=procs, procs_derived=8), cores=2.0)
    (finding,) = (
        finding for finding in judge_all(found, Policy()) if finding.rule in ("go-not-container-aware", "gomaxprocs-exceeds-quota")
    )
    assert finding.advice[0].variable is None
    assert finding.advice[0].reason == said
    procs_advice = found.recommendations[0]
    assert (procs_advice.value, procs_advice.overruled, procs_advice.because[-1]) == (3, True, said)


def test_a_version_that_heeds_the_variable_is_known_by_that() -> None:
    """If the program runs with what its variable says, another version than the one that was seen is running."""
    heeding = _facts(MILLER, procs=5, variables={"GOMAXPROCS": "5"})
    overruling = _facts(MILLER, procs=8, procs_derived=5, variables={"GOMAXPROCS": "5"})
    assert say_overruling(heeding, 2) == ""
    assert say_overruling(overruling, 2).startswith("Miller 6.6 was seen")
    assert say_overruling(_facts("example.com/server", procs=8), 2) == ""
    assert say_overruling(_facts(GOBGPD, procs=8), None).endswith("its option --cpus decides")


def test_a_program_that_is_to_start_gets_no_variable_in_vain() -> None:
    """cgtune exec and env leave GOMAXPROCS alone for it, and say why."""
    (procs, _) = advise_here(report(cores=2.0), _facts(MILLER, procs=8), Policy())
    assert procs.value is None
    assert procs.because[-1].startswith("Miller 6.6 was seen to take the number of its CPUs")


def test_a_later_major_version_is_the_same_program() -> None:
    """In a module build its path has the major version in it: github.com/osrg/gobgp/v4/cmd/gobgpd."""
    assert find_habit(_facts("github.com/osrg/gobgp/v4/cmd/gobgpd").program).option == "--cpus"
    assert find_habit(_facts("github.com/osrg/gobgp/v4/cmd/gobgp").program).option == ""


def test_a_program_with_an_option_that_heeds_the_variable_too() -> None:
    """node_exporter's flag is named, and its variable counts."""
    exporter = _facts("github.com/prometheus/node_exporter", procs=8)
    assert find_habit(exporter.program).option == "--runtime.gomaxprocs"
    assert say_overruling(exporter, 2) == ""


def test_a_variable_that_is_there_and_overruled_is_not_advised_again() -> None:
    """Of a program that nobody has run, its own memory tells: the variable says 5, and it runs with the CPUs of its start."""
    found = report(_facts("example.com/server", procs=8, procs_derived=5, variables={"GOMAXPROCS": "5"}), cores=2.0)
    (finding,) = (finding for finding in judge_all(found, Policy()) if finding.rule == "go-not-container-aware")
    assert (finding.advice[0].variable, finding.advice[0].reason) == (
        None,
        "the program goes by something else than the variable, which is there: set it there",
    )
