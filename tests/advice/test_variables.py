"""Which variables are set, which are left, and what becomes of an environment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

import cgtune
from cgtune.advice.named import parse_named
from cgtune.advice.variables import PlannedVariable, advise_here, advise_named, apply_variables
from cgtune.commands import planning
from cgtune.limits import enforce
from cgtune.model import Bandwidth, GoFacts, Policy
from tests.rules.reports import go_facts, report, sees, with_facts

DEFAULT = Policy()
CEIL = Policy(rounding="ceil")


def facts(go: str, *, language: str | None = None, cgroup: str = "v2", cpu_limit: str = "2.5") -> GoFacts:
    """What a program of that Go version would derive."""
    return cgtune.predict(cpu_limit=cpu_limit, cpus=64, go=go, language=language, cgroup=cgroup).rows[0].process.snapshot.go[0]


def planned(go: GoFacts | None, *, policy: Policy = DEFAULT, always: bool = False, **named: Any) -> list[str | None]:
    """GOMAXPROCS and GOMEMLIMIT."""
    return [variable.value for variable in advise_named(parse_named(**named), go, policy, always=always)]


def test_the_done_when_of_an_init_container() -> None:
    """2.5 CPUs and 512 MiB: Go 1.24 gets 3 and a memory limit, Go 1.27 the memory limit alone, an unknown program both."""
    named: dict[str, Any] = {"cpu_limit": "2500", "cpu_divisor": "1m", "memory_limit": "536870912"}
    assert planned(facts("1.24"), **named) == ["3", "460MiB"]
    assert planned(facts("1.27"), **named) == [None, "460MiB"]
    assert planned(facts("1.27"), always=True, **named) == ["3", "460MiB"]
    assert planned(None, **named) == ["3", "460MiB"]


@pytest.mark.parametrize(
    ("go", "words"),
    [
        (facts("1.24"), "Go 1.24 never reads a CPU quota"),
        (facts("1.27", language="1.24"), "its build says containermaxprocs=0"),
        (facts("1.25", cgroup="v1"), "Go 1.25 would see no quota"),
        (None, "which Go runs it is not known"),
        (with_facts(go_facts(), minor=None, version="unknown", aware=None), "which Go runs it is not known"),
    ],
)
def test_why_it_is_set(go: GoFacts | None, words: str) -> None:
    """The comment says what it is about this program that it cannot do by itself."""
    procs = advise_named(parse_named(cpu_limit="2.5"), go, DEFAULT)[0]
    assert procs.value == "3"
    assert words in procs.because[-1]


def test_a_quota_that_kills() -> None:
    """A quota so large that Go's own arithmetic ends in a crash: the program gets the CPUs of the node, and lives."""
    deadly = "17592186044415 1000"
    assert facts("1.26", cpu_limit=deadly).derived.dies is not None
    procs = advise_named(parse_named(cpu_limit=deadly, node_cpus="8"), facts("1.26", cpu_limit=deadly), DEFAULT)[0]
    assert (procs.value, "dies of this quota at its start" in procs.because[-1]) == ("8", True)
    assert planned(facts("1.24", cpu_limit=deadly), cpu_limit=deadly, node_cpus="8") == [None, None]
    procs = advise_named(parse_named(cpu_limit=deadly), facts("1.26", cpu_limit=deadly), DEFAULT)[0]
    assert (procs.value, procs.because[0].endswith("it never looks at it: name the node's CPUs for a value")) == (None, True)


def test_a_period_of_0() -> None:
    """`0 0`, seen on very old kernels, limits nothing and kills Go 1.25 and later: GOMAXPROCS is set for that, and for no other reason."""
    process = report()
    leaf = process.snapshot.cpu_chain[0].replace(bandwidth=Bandwidth(quota_us=0, period_us=0))
    snapshot = process.snapshot.replace(cpu_chain=(leaf,))
    dying = go_facts(seen=sees(0, 0), dies="fatal error: procresize: invalid arg", dies_of="quota")
    (procs, _) = advise_here(process.replace(snapshot=snapshot, limits=enforce(snapshot)), dying, DEFAULT)
    words = "Go 1.27.3 dies of this quota at its start; where GOMAXPROCS is set, it never looks at it"
    assert (procs.value, procs.because) == ("8", (words,))


def test_limits_that_go_does_not_see() -> None:
    """Under a tighter limit of the pod, Go 1.27 comes to its own container's: it gets the variable."""
    procs = advise_named(parse_named(cpu_limit="4", pod_cpu_limit="2"), facts("1.27", cpu_limit="4"), DEFAULT)[0]
    assert (procs.value, procs.because[0], procs.because[-1]) == (
        "3",
        "the pod's limit is the tightest",
        "Go 1.27 would come to 4 by itself",
    )


def test_no_value() -> None:
    """No limit, what the node has, a limit beyond the node, and too little memory: unset, with the reason."""
    assert planned(None, cpu_limit="max", memory_limit="max") == [None, None]
    assert planned(None, cpu_limit="8", node_cpus="8", memory_limit="32Gi", node_memory="32Gi") == [None, None]
    assert planned(None, cpu_limit="9", node_cpus="8") == [None, None]
    assert planned(None, cpu_limit="7500m", node_cpus="7910m") == ["8", None]  # allocatable is a little less than the node's CPUs
    assert planned(None, cpu_limit="2", memory_limit="48Mi") == ["3", None]
    assert planned(None, memory_limit="512Mi") == [None, "460MiB"]
    because = advise_named(parse_named(cpu_limit="8", node_cpus="7910m", memory_limit="48Mi"), None, DEFAULT)
    assert "which Kubernetes fills in where no limit is set" in because[0].because[0]
    assert "below 64 MiB no value helps" in because[1].because[-1]


def test_rounding_up_is_said() -> None:
    """A whole number may hide a fraction: no matter where it is rounded up anyway, and a word of warning where it is not."""
    procs = advise_named(parse_named(cpu_limit="3"), None, DEFAULT)[0]
    says = "if Kubernetes has rounded a fraction up to this (divisor 1), this is one thread more than the fraction would get"
    assert (procs.value, procs.because[0]) == ("4", f"{says}, which did no harm when it was measured: divisor 1m tells")
    for same in (advise_named(parse_named(cpu_limit="1"), None, DEFAULT)[0], advise_named(parse_named(cpu_limit="3"), None, CEIL)[0]):
        assert same.because[0] == "if Kubernetes has rounded a fraction up to this (divisor 1), the result is the same"
    procs = advise_named(parse_named(cpu_limit="3"), None, Policy(rounding="floor"))[0]
    assert "the result may be too high: divisor 1m tells" in procs.because[0]
    assert not any("divisor" in reason for reason in advise_named(parse_named(cpu_limit="3.0"), None, DEFAULT)[0].because)


@given(st.integers(10, 64_000))
def test_rounding_up_twice_changes_what_is_said(milli: int) -> None:
    """What the comment claims: from the rounded limit GOMAXPROCS is what it is from the limit itself, or one more where that is said."""
    for policy in (DEFAULT, CEIL):
        exact, rounded = (
            advise_named(parse_named(cpu_limit=limit, cpu_divisor=divisor), None, policy)[0]
            for limit, divisor in ((str(milli), "1m"), (str(-(-milli // 1000)), "1"))
        )
        more = int(rounded.value or 0) - int(exact.value or 0)
        assert more in ((0, 1) if "one thread more than the fraction" in rounded.because[0] else (0,))


def test_go_without_a_memory_limit() -> None:
    """GOMEMLIMIT came with Go 1.19."""
    assert planned(facts("1.18"), cpu_limit="2.5", memory_limit="512Mi") == ["3", None]
    assert planned(facts("1.19"), cpu_limit="2.5", memory_limit="512Mi") == ["3", "460MiB"]


def test_a_newer_go_than_was_checked() -> None:
    """Where it is left to a runtime whose rules nobody has checked, the comment says so; where it is set, they do not matter."""
    words = "Go 1.99 is newer than 1.27, the newest that was checked: its rules are assumed to hold still"
    for version, language, expected in (("1.99", None, True), ("1.27", None, False), ("1.99", "1.24", False)):
        procs = advise_named(parse_named(cpu_limit="2.5"), facts(version, language=language), DEFAULT)[0]
        assert (procs.value is None, words in procs.because) == (language is None, expected)


def test_what_containers_of_a_pod_share() -> None:
    """A pod's memory limit is for all of its containers, and the comment says how to say what the others take."""
    memory = advise_named(parse_named(memory_limit="2Gi", pod_memory_limit="1Gi"), None, DEFAULT)[1]
    assert (memory.value, "its other containers use of it is for --outside to say" in memory.because[0]) == ("921MiB", True)
    declared = advise_named(parse_named(memory_limit="2Gi", pod_memory_limit="1Gi"), None, Policy(outside_bytes=256 << 20))[1]
    assert declared.value == "727MiB"


def test_named_programs() -> None:
    """planning.plan_for_container: on v1 Go 1.25 needs what 1.26 does not, and no file is named in a container that is not there."""
    named = parse_named(cpu_limit="2.5")
    missed = planning.plan_for_container(named, DEFAULT, go="go1.25", cgroup="v1")[0].because[-1]
    assert (missed.partition(":")[0], "/sys/" in missed) == ("Go 1.25 would see no quota", False)
    for go, cgroup, value in (("1.25", "v1", "3"), ("1.26", "v1", None), ("1.25", "v2", None), ("1.24", "v2", "3")):
        assert planning.plan_for_container(named, DEFAULT, go=go, cgroup=cgroup)[0].value == value, (go, cgroup)


@pytest.mark.parametrize(("mode", "value"), [("v2", None), ("v1", "3"), ("hybrid", "3"), ("none", "3")])
def test_the_cgroup_version_where_nobody_says_it(mode: str, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of this machine, and counts for Go 1.25 alone, which misses its limit on v1."""
    monkeypatch.setattr(planning, "MachineView", lambda _host: SimpleNamespace(machine=SimpleNamespace(cgroup_mode=mode)))
    named = parse_named(cpu_limit="2.5")
    assert [planning.plan_for_container(named, DEFAULT, go=go)[0].value for go in ("1.24", "1.25", "1.26")] == ["3", value, None]


def test_a_runtime_that_was_told_not_to_follow() -> None:
    """It comes to the value once and stays there: it gets the variable, and the comment says why."""
    told = cgtune.predict(cpu_limit="2.5", cpus=64, go="1.27", env=["GODEBUG=updatemaxprocs=0"]).rows[0].process.snapshot.go[0]
    procs = advise_named(parse_named(cpu_limit="2.5"), told, DEFAULT)[0]
    assert (procs.value, procs.because[-1]) == ("3", "Go 1.27 would not follow changes of the quota: updatemaxprocs=0")


SET = PlannedVariable(name="GOMAXPROCS", value="3", because=("so",))
REACHED = PlannedVariable(name="GOMAXPROCS", value=None, because=("by itself",), is_reached=True)
UNKNOWN = PlannedVariable(name="GOMAXPROCS", value=None, because=("no quota",))


@pytest.mark.parametrize(
    ("variable", "entries", "override", "act", "after"),
    [
        (SET, [], False, "set", ["3"]),
        (SET, ["8"], False, "kept", ["8"]),
        (SET, ["8"], True, "set", ["3"]),
        (SET, [""], False, "set", ["3"]),  # to Go an empty value is none
        (SET, ["", "8"], False, "set", ["3"]),  # and of several the first counts
        (SET, ["8", ""], False, "kept", ["8", ""]),
        (SET, ["8", "9"], True, "set", ["3"]),
        (SET, ["x"], False, "kept", ["x"]),
        (REACHED, [], False, "unset", []),
        (REACHED, ["8"], False, "kept", ["8"]),
        (REACHED, ["8", "9"], True, "removed", []),
        (REACHED, [""], True, "unset", [""]),
        (UNKNOWN, ["8"], True, "kept", ["8"]),  # nothing better is known
        (UNKNOWN, [], True, "unset", []),
    ],
)
def test_what_becomes_of_a_variable(variable: PlannedVariable, entries: list[str], override: bool, act: str, after: list[str]) -> None:
    """What the user set is kept unless it is to be overridden; all around it stays, in its order."""
    around = (("A", "1"), *(("GOMAXPROCS", entry) for entry in entries), ("B", ""), ("A", "2"))
    environ, (outcome,) = apply_variables(around, [variable], override=override)
    assert outcome.act == act
    assert [value for name, value in environ if name == "GOMAXPROCS"] == after
    assert [pair for pair in environ if pair[0] != "GOMAXPROCS"] == [("A", "1"), ("B", ""), ("A", "2")]
    assert outcome.value == (after[0] if act in ("set", "kept") else None)


def test_a_kept_value_that_go_cannot_use() -> None:
    """What Go makes of it is said: ignored, or deadly."""
    memory = PlannedVariable(name="GOMEMLIMIT", value="460MiB", because=("so",))
    _, outcomes = apply_variables((("GOMAXPROCS", "abc"), ("GOMEMLIMIT", "512Mi")), [SET, memory])
    assert [outcome.because[1] for outcome in outcomes] == [
        "Go ignores it: it takes a whole number from 1 up",
        "Go dies of it at its start: it is malformed",
    ]
    _, outcomes = apply_variables((("GOMEMLIMIT", "512Mi"),), [memory], minor=18)
    assert outcomes[0].because[1] == "it has no effect: this runtime has no memory limit"


@pytest.mark.parametrize(
    ("variable", "present", "says"),
    [
        (SET, "8", ("3 is recommended: --override sets it",)),
        (SET, "3", ()),
        (REACHED, "8", ("the program comes to the recommended value without it, and follows changes: --override removes it",)),
        (UNKNOWN, "8", ()),
    ],
    ids=["another value", "the same", "needless", "nothing better is known"],
)
def test_a_kept_value_says_what_override_would_do(variable: PlannedVariable, present: str, says: tuple[str, ...]) -> None:
    """Who set GOMAXPROCS by hand, years ago, learns of the better value from the line in the log."""
    _, (outcome,) = apply_variables((("GOMAXPROCS", present),), [variable])
    assert (outcome.act, outcome.because) == ("kept", ("it was set already", *says))


@pytest.mark.parametrize(
    ("present", "says"),
    [
        ("460MiB", ()),
        ("491MiB", ("it is as good as 460MiB",)),
        ("446MiB", ("it is as good as 460MiB",)),
        ("445MiB", ("460MiB is recommended: --override sets it",)),
        ("492MiB", ("460MiB is recommended: --override sets it",)),
        ("off", ("460MiB is recommended: --override sets it",)),
        ("491Mi", ("Go dies of it at its start: it is malformed", "460MiB is recommended: --override sets it")),
    ],
)
def test_a_memory_limit_that_is_as_good_is_not_to_be_overridden(present: str, says: tuple[str, ...]) -> None:
    """What inspect recommends to the running program, exec finds no fault with at its next start."""
    named = parse_named(memory_limit="512Mi")
    variables = advise_named(named, None, Policy())
    _, outcomes = apply_variables((("GOMEMLIMIT", present),), variables)
    assert (outcomes[1].act, outcomes[1].because) == ("kept", ("it was set already", *says))
