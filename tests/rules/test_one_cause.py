"""One cause gives one finding: what is left of several, how bad it is, and what it tells."""

from __future__ import annotations

import pytest

from cgtune.model import SEVERITIES, Finding, Policy, ProcessReport
from cgtune.rules import RULES, SILENCES, judge_all
from tests.rules.reports import MIB, follows, go_facts, memory_level, report, sees, watched, with_facts
from tests.rules.test_rules import MALFORMED, NSFS, OFF_BY_BUILD, OFF_BY_ENV, REMOVED


def _found(made: ProcessReport) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in judge_all(made, Policy())]


CASES = [
    ("1.24 under half a CPU, throttled", {"minor": 24}, {"cores": 0.5, "throttled": (900, 1000)}, ["go-not-container-aware"]),
    ("a 1.27 toolchain with go line 1.24", OFF_BY_BUILD, {"cores": 2.5}, ["awareness-disabled-by-build"]),
    ("GODEBUG", OFF_BY_ENV, {"cores": 2.5, "throttled": (900, 1000)}, ["awareness-disabled-by-env"]),
    ("the parent's quota", {"seen": sees(None)}, {"parent_cores": 1.0}, ["ancestor-quota-ignored"]),
    ("a quota that shrank, updates off", {"procs": 6, "updates": False, "seen": sees(300_000)}, {"cores": 3.0}, ["updates-disabled"]),
    ("a namespace mount", {"seen": NSFS}, {"cores": 3.0}, ["limit-file-missed"]),
    ("moved", {"follows": follows("/old/cpu.max"), "seen": sees(600_000)}, {"cores": 3.0}, ["follows-old-cgroup"]),
    (
        "a word for a number",
        {"minor": 24, "ignored": ("GOMAXPROCS",), "variables": {"GOMAXPROCS": "two"}},
        {"cores": 2.0},
        ["gomaxprocs-malformed"],
    ),
    (
        "an empty variable, and automaxprocs",
        {"minor": 24, "variables": {"GOMAXPROCS": ""}, "modules": {"go.uber.org/automaxprocs": "v1.5.3"}},
        {"cores": 2.0},
        ["gomaxprocs-malformed"],
    ),
    (
        "pinned too high",
        {"pinned": True, "variables": {"GOMAXPROCS": "8"}, "seen": sees(200_000)},
        {"cores": 2.0},
        ["gomaxprocs-exceeds-quota"],
    ),
    ("pinned too low", {"procs": 2, "pinned": True, "seen": sees(400_000)}, {"cores": 4.0}, ["gomaxprocs-below-quota"]),
    (
        "automaxprocs",
        {"procs": 2, "pinned": True, "seen": sees(250_000), "modules": {"go.uber.org/automaxprocs": "v1.6.0"}},
        {"cores": 2.5},
        ["automaxprocs-redundant"],
    ),
    ("all right, and throttled", {"procs": 2, "seen": sees(50_000)}, {"cores": 0.5, "throttled": (300, 1000)}, ["cpu-throttled"]),
    ("fewer CPUs than at the start", {"minor": 24}, {"affinity": 2}, ["affinity-changed"]),
    ("killed without GOMEMLIMIT", {}, {"memory": (memory_level("/pod/app", 512 * MIB),), "oom_kills": 3}, ["gomemlimit-unset"]),
    (
        "above limit and memory.high",
        {"memory": 512 * MIB},
        {"memory": (memory_level("/pod/app", 512 * MIB, high_bytes=400 * MIB),)},
        ["gomemlimit-exceeds-limit"],
    ),
    (
        "too much alive",
        {"heap_marked_bytes": 90 * MIB},
        {"memory": (memory_level("/pod/app", 100 * MIB),), "oom_kills": 1},
        ["memory-limit-too-small"],
    ),
    ("never collected", {"gogc": "off"}, {"memory": (memory_level("/pod/app", 512 * MIB),)}, ["gc-off-without-limit"]),
    (
        "dies",
        {"procs": None, "memory": None, "gogc": None, **MALFORMED, "variables": {"GOMEMLIMIT": "512Mi"}},
        {"cores": 2.0, "memory": (memory_level("/pod/app", 512 * MIB),)},
        ["gomemlimit-malformed"],
    ),
    (
        "all right, but for one thread more",
        {"procs": 3, "seen": sees(300_000), "memory": 450 * MIB},
        {"cores": 3.0, "memory": (memory_level("/pod/app", 512 * MIB),)},
        ["whole-quota-no-slack"],
    ),
    ("no limits at all", {}, {}, []),
]


@pytest.mark.parametrize(("what", "facts", "rest", "rules"), CASES, ids=[row[0] for row in CASES])
def test_one_cause_gives_one_finding(what: str, facts: dict[str, object], rest: dict[str, object], rules: list[str]) -> None:
    """Of all that could be said, the cause is."""
    made = report(go_facts(**facts), **rest)  # type: ignore[arg-type]
    assert [rule for rule, _ in _found(made)] == rules


def test_the_cause_bears_what_its_symptoms_show() -> None:
    """The worst severity and the evidence of what is silent pass to the cause, each line once."""
    made = report(go_facts(minor=24), cores=0.5, throttled=(900, 1000))
    (finding,) = judge_all(watched(made, made.snapshot.cpu_chain[0].throttling), Policy())
    assert (finding.rule, finding.severity) == ("go-not-container-aware", "critical")
    assert sum("nr_throttled 900 of nr_periods 1000" in line for line in finding.evidence) == 1
    assert len(set(finding.evidence)) == len(finding.evidence)
    assert finding.advice[0].variable == "GOMAXPROCS"
    assert finding.advice[0].value == "2"


def test_a_cause_begins_with_the_harm_that_it_did() -> None:
    """Who reads the first line learns that it was killed or stopped, not only that a value is badly set."""
    killed = report(go_facts(memory=60 * MIB), memory=(memory_level("/pod/app", 64 * MIB),), oom_kills=3)
    (finding,) = judge_all(killed, Policy())
    assert (finding.rule, finding.harm) == ("gomemlimit-near-limit", "earlier")
    assert finding.summary.startswith("OOM kills: the kernel counts 3 in its cgroup, since that was made; GOMEMLIMIT 60 MiB is ")
    (finding,) = judge_all(report(go_facts(minor=24), cores=0.5), Policy())
    assert (finding.harm, "throttled" in finding.summary) == ("possible", False)


def test_a_newer_go_is_no_advice_where_the_quota_is_an_ancestors() -> None:
    """Go 1.25 would not read that quota either, and the finding says so."""
    (finding,) = judge_all(report(go_facts(minor=24), parent_cores=2.0), Policy())
    assert "alone does not help" in finding.advice[1].reason
    (finding,) = judge_all(report(go_facts(minor=24), cores=2.0), Policy())
    assert "build with Go 1.25" in finding.advice[1].reason


@pytest.mark.parametrize(
    ("facts", "limits", "ignored", "left"),
    [
        ({"minor": 24}, {"cores": 0.5, "throttled": (900, 1000)}, {"go-not-container-aware"}, ["cpu-throttled"]),
        ({"minor": 24}, {"cores": 0.5}, {"go-not-container-aware"}, []),
        ({"minor": 24}, {"cores": 0.5, "throttled": (900, 1000)}, {"go-not-container-aware", "cpu-throttled"}, []),
        ({}, {"memory": (memory_level("/pod/app", 512 * MIB),), "oom_kills": 3}, {"gomemlimit-unset"}, ["oom-killed"]),
        (
            {"gogc": "off"},
            {"memory": (memory_level("/pod/app", 512 * MIB),), "oom_kills": 3},
            {"gomemlimit-unset"},
            ["gc-off-without-limit"],
        ),
    ],
    ids=["throttled", "not throttled", "both ignored", "killed", "killed by what is not ignored"],
)
def test_to_ignore_a_cause_is_not_to_ignore_the_harm(
    facts: dict[str, object], limits: dict[str, object], ignored: set[str], left: list[str]
) -> None:
    """Throttling and OOM kills that an ignored finding stood for are told by themselves; its other symptoms go with it."""
    made = report(go_facts(**facts), **limits)  # type: ignore[arg-type]
    assert [finding.rule for finding in judge_all(made, Policy(), ignored=frozenset(ignored))] == left


def test_worst_first() -> None:
    """Findings come by severity."""
    facts = go_facts(procs=2, gogc="off", ignored=("GOMAXPROCS",), variables={"GOMAXPROCS": "2.0"}, removed_godebug=REMOVED)
    severities = [severity for _, severity in _found(report(facts, memory=(memory_level("/pod/app", 512 * MIB),)))]
    assert severities == ["critical", "warning", "info"]


def test_other_programs_are_judged_by_their_cgroup_alone() -> None:
    """Throttling and kills are told of any program, and nothing of cgtune's own process."""
    assert _found(report(None, cores=1.0, throttled=(300, 1000), oom_kills=1)) == [("cpu-throttled", "warning"), ("oom-killed", "warning")]
    assert _found(report(None, cores=1.0, throttled=(300, 1000), oom_kills=1, is_self=True)) == []


def test_a_second_runtime_is_named() -> None:
    """What is found of a Go library in another program says which file it is."""
    made = report(go_facts(procs=2), cores=2.0)
    second = go_facts(minor=24, path="/app/plugin.so")
    made = made.replace(snapshot=made.snapshot.replace(go=(*made.snapshot.go, second)))
    (finding,) = judge_all(made, Policy())
    assert finding.summary.startswith("/app/plugin.so: ")


def test_throttling_is_told_once_for_all_runtimes() -> None:
    """The cgroup is that of all runtimes of a process: the first one's cause stands for it, and it is no finding of the second."""
    made = report(go_facts(minor=24), cores=2.0, throttled=(900, 1000))
    second = go_facts(procs=2, seen=sees(200_000), path="/app/plugin.so")
    made = made.replace(snapshot=made.snapshot.replace(go=(*made.snapshot.go, second)))
    assert [rule for rule, _ in _found(made)] == ["go-not-container-aware"]


def test_a_symptom_of_a_symptom_is_silent() -> None:
    """Fewer CPUs than at the start make GOMAXPROCS too large, and that makes the kernel stop the process: one cause, with what it shows."""
    facts = with_facts(go_facts(seen=sees(200_000)), minor=None)  # of no known version: nobody says that it follows
    (finding,) = judge_all(report(facts, cores=2.0, affinity=4, throttled=(900, 1000)), Policy())
    assert finding.rule == "affinity-changed"
    assert any("nr_throttled 900" in line for line in finding.evidence)


@pytest.mark.parametrize(("kills", "severity"), [(0, "info"), (1, "warning")])
def test_a_program_that_lives_a_moment_is_no_alarm(kills: int, severity: str) -> None:
    """A compiler with GOGC=off in a container is worth knowing; one that the OOM killer has ended here is more."""
    made = report(go_facts(gogc="off"), memory=(memory_level("/pod/app", 512 * MIB),), age_seconds=2, oom_kills=kills)
    (finding,) = judge_all(made, Policy())
    assert (finding.rule, finding.severity) == ("gc-off-without-limit", severity)
    assert "it started 2 s ago; programs that live a moment do so on purpose" in finding.evidence


def test_what_two_runtimes_share_is_told_once() -> None:
    """One environment without GOMEMLIMIT is one finding, however many runtimes read it; what differs is told of each."""
    made = report(go_facts(), memory=(memory_level("/pod/app", 512 * MIB),))
    made = made.replace(snapshot=made.snapshot.replace(go=(*made.snapshot.go, go_facts(path="/app/plugin.so", gogc="off"))))
    findings = judge_all(made, Policy())
    assert [finding.rule for finding in findings] == ["gc-off-without-limit", "gomemlimit-unset"]
    twice = made.replace(snapshot=made.snapshot.replace(go=made.snapshot.go[:1] * 2))
    assert [finding.rule for finding in judge_all(twice, Policy())] == ["gomemlimit-unset"]


def test_the_table_of_causes_is_sound() -> None:
    """It names rules that exist, no rule silences itself by any way, and nothing is silenced that is not listed."""
    ids = {rule.ID for rule in RULES}
    assert set(SILENCES) | {symptom for symptoms in SILENCES.values() for symptom in symptoms} <= ids
    for cause in SILENCES:
        reached, waiting = set(), [cause]
        while waiting:
            for symptom in SILENCES.get(waiting.pop(), ()):
                if symptom not in reached:
                    reached.add(symptom)
                    waiting.append(symptom)
        assert cause not in reached


def test_findings_are_findings() -> None:
    """Every rule's own severity is one of the three."""
    assert {rule.SEVERITY for rule in RULES} <= set(SEVERITIES)
    assert Finding.__doc__


def test_a_cause_says_by_which_of_its_symptoms_it_hurts() -> None:
    """Too many threads that are throttled hurt by that, throttling without another cause by itself, what does not hurt by nothing."""
    counts = (900, 1000)
    (cause,) = (each for each in judge_all(report(go_facts(procs=8), cores=2.0, throttled=counts), Policy()) if each.harm == "now")
    assert (cause.rule, cause.hurts) == ("gomaxprocs-exceeds-quota", ("cpu-throttled",))
    (alone,) = (each for each in judge_all(report(go_facts(procs=2), cores=2.0, throttled=counts), Policy()) if each.harm == "now")
    assert (alone.rule, alone.hurts) == ("cpu-throttled", ("cpu-throttled",))
    calm = judge_all(report(go_facts(procs=8), cores=2.0), Policy())
    assert calm
    assert not any(each.hurts for each in calm)
