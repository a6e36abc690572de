"""Each rule on a container that it was made for, and on one that is just not of that kind."""

from __future__ import annotations

from typing import Any

import pytest

from cgtune.lint import habits
from cgtune.lint.judge import LINT_RULES, judge_file, judge_workload, say_unseen
from cgtune.lint.model import Go, Node, Settings
from cgtune.lint.route import NEEDS
from cgtune.lint.rules import ANY_CONTAINER, MANIFEST_RULES, SILENCES
from cgtune.manifests.workload import Flaw, Resize, Variable, Workload
from cgtune.model import AUTOMAXPROCS, Policy
from cgtune.rules import BY_ID
from cgtune.runtimes.go.offline import parse_programs, program_of
from cgtune.runtimes.go.program.modinfo import BuildInfo
from cgtune.runtimes.go.program.version import parse_version
from tests.lint.written import CPU, ENV, MEMORY, MIB, NAME, SOME_GO, cpus, field, go, place, size, variable, workload
from tests.support.command import ROOT

ALL = Settings(is_pedantic=True)
LIMITED: dict[str, Any] = {"cpu": "2", "memory": "1Gi"}


def limit_field(value: str | None, divisor: str | None = "1", **changes: Any) -> Variable:
    """GOMEMLIMIT from the memory limit."""
    return variable("GOMEMLIMIT", value, field=field("limits.memory", divisor, **changes))


def cpu_field(value: str | None, divisor: str | None = "1", **changes: Any) -> Variable:
    """GOMAXPROCS from the CPU limit."""
    return variable("GOMAXPROCS", value, field=field("limits.cpu", divisor, **changes))


def resize(resource: str, restart: str) -> Resize:
    """One entry of a resizePolicy."""
    return Resize(resource=resource, restart=restart, place=place(60))


def flaw(cause: Any, what: str = "MemoryMax", written: str = "512Mi") -> Flaw:
    """What a reader found to be wrong."""
    return Flaw(what=what, written=written, cause=cause, detail="what happens", place=place(70))


POD: dict[str, Any] = {"pod_memory_limit": size("1Gi", 30), "pod_containers": 2}
DOUBLE = variable("GOMEMLIMIT", "460MiB", 44, hides=(place(42),))
OTHER = field("limits.memory", container="sidecar")
OLD_LINE = Go(program=parse_programs("1.25", "1.24")[0], known_from="an annotation")
UNKNOWN = variable("GOMEMLIMIT", None, origin="file-key", unknown="it comes from a file that is written when the pod starts")
MAX: dict[str, Any] = {"env": {"GOMAXPROCS": "2"}}

# rule, what distinguishes the case, the container, which Go, severity and line (None: the rule is silent)
CASES: list[tuple[str, str, Workload, Go | None, tuple[str, int] | None]] = [
    # Rules for processes, at the place of what they speak of
    ("gomemlimit-exceeds-limit", "100 %", workload(memory="512Mi", env={"GOMEMLIMIT": "512MiB"}), SOME_GO, ("warning", ENV + 1)),
    ("gomemlimit-exceeds-limit", "above", workload(memory="512Mi", env={"GOMEMLIMIT": "600MiB"}), SOME_GO, ("critical", ENV + 1)),
    ("gomemlimit-exceeds-limit", "filled in", workload(limit_field("1073741824"), memory="1Gi"), SOME_GO, ("warning", ENV)),
    (
        "gomemlimit-exceeds-limit",
        "100 %, and nothing else starts a collection",
        workload(memory="512Mi", env={"GOMEMLIMIT": "512MiB", "GOGC": "off"}),
        SOME_GO,
        ("critical", ENV + 1),
    ),
    ("gomemlimit-exceeds-limit", "90 %", workload(memory="512Mi", env={"GOMEMLIMIT": "460MiB"}), SOME_GO, None),
    ("gomemlimit-exceeds-limit", "the pod's limit", workload(env={"GOMEMLIMIT": "1GiB"}, **POD), SOME_GO, ("warning", ENV + 1)),
    ("gomemlimit-exceeds-limit", "no limit", workload(env={"GOMEMLIMIT": "1GiB"}), SOME_GO, None),
    ("gomemlimit-near-limit", "98 %", workload(memory="1Gi", env={"GOMEMLIMIT": "1003MiB"}), SOME_GO, ("info", ENV + 1)),
    ("gomemlimit-near-limit", "91.6 %", workload(memory="4Gi", env={"GOMEMLIMIT": "3750MiB"}), SOME_GO, None),
    (
        "gomemlimit-exceeds-high",
        "MemoryHigh",
        workload(memory="1Gi", memory_high=size("512Mi", 25), env={"GOMEMLIMIT": "900MiB"}),
        SOME_GO,
        ("warning", ENV + 1),
    ),
    ("gomemlimit-exceeds-high", "no MemoryHigh", workload(memory="1Gi", env={"GOMEMLIMIT": "900MiB"}), SOME_GO, None),
    ("gomemlimit-unset", "nothing is known of its size", workload(**LIMITED, **MAX), SOME_GO, ("info", MEMORY)),
    ("gomemlimit-unset", "empty", workload(memory="1Gi", env={"GOMEMLIMIT": ""}), SOME_GO, ("info", ENV + 1)),
    ("gomemlimit-unset", "it may not be Go", workload(**LIMITED), None, None),
    ("gomemlimit-unset", "it comes from a file", workload(UNKNOWN, **LIMITED), SOME_GO, None),
    ("gomemlimit-unset", "variables that were not read", workload(**LIMITED, **MAX, unread_variables=("ConfigMap x",)), SOME_GO, None),
    ("gomemlimit-unset", "a shell may set it", workload(**LIMITED, **MAX, command=("sh", "-c", "GOMEMLIMIT=9GiB x")), SOME_GO, None),
    ("gomemlimit-malformed", "Kubernetes' spelling", workload(env={"GOMEMLIMIT": "1024Mi"}), SOME_GO, ("critical", ENV + 1)),
    ("gomemlimit-malformed", "Go's spelling", workload(env={"GOMEMLIMIT": "1024MiB"}), SOME_GO, None),
    ("gomemlimit-malformed", "too old to read it", workload(env={"GOMEMLIMIT": "1024Mi"}), go("1.18"), None),
    ("gomemlimit-too-small", "bytes for MiB", workload(memory="1Gi", env={"GOMEMLIMIT": "900"}), SOME_GO, ("warning", ENV + 1)),
    ("gomemlimit-too-small", "a request that is not set", workload(env={"GOMEMLIMIT": "0"}), SOME_GO, ("warning", ENV + 1)),
    ("gomemlimit-too-small", "90 %", workload(memory="1Gi", env={"GOMEMLIMIT": "900MiB"}), SOME_GO, None),
    ("memory-limit-too-small", "below 64 MiB", workload(memory="32Mi", env={"GOGC": "50"}), SOME_GO, ("info", MEMORY)),
    ("memory-limit-too-small", "100 MiB", workload(memory="100Mi", env={"GOGC": "50"}), SOME_GO, None),
    ("gc-off-without-limit", "under a limit", workload(memory="1Gi", env={"GOGC": "off"}), SOME_GO, ("critical", ENV + 1)),
    ("gc-off-without-limit", "GOMEMLIMIT is set", workload(memory="1Gi", env={"GOGC": "off", "GOMEMLIMIT": "900MiB"}), SOME_GO, None),
    ("gc-off-without-limit", "GOMEMLIMIT is not known", workload(UNKNOWN, memory="1Gi", env={"GOGC": "off"}), SOME_GO, ("info", ENV + 1)),
    ("gogc-malformed", "off in capitals", workload(env={"GOGC": "OFF"}), SOME_GO, ("warning", ENV + 1)),
    ("gogc-malformed", "off", workload(env={"GOGC": "off"}), SOME_GO, None),
    ("godebug-removed-setting", "1.27 dies", workload(env={"GODEBUG": "tlsrsakex=1"}), SOME_GO, ("critical", ENV + 1)),
    ("godebug-removed-setting", "1.24 does it still", workload(env={"GODEBUG": "tlsrsakex=1"}), go("1.24"), ("info", ENV + 1)),
    ("godebug-removed-setting", "another setting", workload(env={"GODEBUG": "http2debug=1"}), SOME_GO, None),
    ("gomaxprocs-exceeds-quota", "8 on 4", workload(cpu="4", env={"GOMAXPROCS": "8"}), SOME_GO, ("warning", ENV + 1)),
    ("gomaxprocs-exceeds-quota", "rounded up", workload(cpu="1500m", env={"GOMAXPROCS": "2"}), SOME_GO, None),
    ("gomaxprocs-exceeds-quota", "no limit", workload(env={"GOMAXPROCS": "300"}), SOME_GO, None),
    ("gomaxprocs-exceeds-quota", "beside a GOMEMLIMIT that kills",
     workload(cpu="4", env={"GOMAXPROCS": "8", "GOMEMLIMIT": "1Gi"}), SOME_GO, ("warning", ENV + 1)),
    ("gomaxprocs-malformed", "a quantity", workload(cpu="500m", env={"GOMAXPROCS": "500m"}), SOME_GO, ("warning", ENV + 1)),
    ("gomaxprocs-malformed", "digits", workload(cpu="2", **MAX), SOME_GO, None),
    ("gomaxprocs-pinned", "what 1.25 comes to by itself", workload(cpu="2", **MAX), SOME_GO, ("info", ENV + 1)),
    ("gomaxprocs-pinned", "1.24 needs it", workload(cpu="2", **MAX), go("1.24"), None),
    ("gomaxprocs-below-quota", "2 of 4", workload(cpu="4", **MAX), SOME_GO, ("info", ENV + 1)),
    ("gomaxprocs-below-quota", "2 of 2", workload(cpu="2", **MAX), SOME_GO, None),
    ("fractional-quota", "1500m", workload(cpu="1500m", env={"GOGC": "50"}), SOME_GO, ("info", CPU)),
    ("fractional-quota", "2", workload(cpu="2", env={"GOGC": "50"}), SOME_GO, None),
    ("whole-quota-no-slack", "2", workload(cpu="2", env={"GOGC": "50"}), SOME_GO, ("info", CPU)),
    ("whole-quota-no-slack", "1500m", workload(cpu="1500m", env={"GOGC": "50"}), SOME_GO, None),
    ("quota-below-two-cpus", "500m", workload(cpu="500m", env={"GOGC": "50"}), SOME_GO, ("info", CPU)),
    ("quota-below-two-cpus", "2", workload(cpu="2", env={"GOGC": "50"}), SOME_GO, None),
    ("go-not-container-aware", "an old one was named", workload(cpu="2"), go("1.24"), ("warning", CPU)),
    ("go-not-container-aware", "nobody named one", workload(cpu="2", env={"GOGC": "50"}), SOME_GO, ("info", CPU)),
    ("go-not-container-aware", "a new one was named", workload(cpu="2"), go("1.26"), None),
    ("go-not-container-aware", "it may be set elsewhere", workload(cpu="2", unread_variables=("Secret x",)), go("1.24"), None),
    ("awareness-disabled-by-env", "GODEBUG", workload(cpu="2", env={"GODEBUG": "containermaxprocs=0"}), SOME_GO, ("warning", ENV + 1)),
    ("awareness-disabled-by-env", "switched on", workload(cpu="2", env={"GODEBUG": "containermaxprocs=1"}), SOME_GO, None),
    ("awareness-disabled-by-build", "go line", workload(cpu="2"), OLD_LINE, ("warning", CPU)),
    ("awareness-disabled-by-build", "no go line", workload(cpu="2"), go("1.25"), None),
    ("updates-disabled", "GODEBUG", workload(cpu="2", env={"GODEBUG": "updatemaxprocs=0"}), SOME_GO, ("info", ENV + 1)),
    ("updates-disabled", "none", workload(cpu="2", env={"GODEBUG": "x=0"}), SOME_GO, None),
    ("ancestor-quota-ignored", "a task's CPUs",
     workload(kind="ecs", pod_cpu_limit=cpus("2", 30), env={"GOGC": "50"}), SOME_GO, ("warning", 30)),
    ("ancestor-quota-ignored", "a pod's is written below", workload(pod_cpu_limit=cpus("2", 30), env={"GOGC": "50"}), SOME_GO, None),
    # Rules of what is written
    ("gomemlimit-divisor", "MiB", workload(limit_field("1024", "1Mi"), memory="1Gi"), SOME_GO, ("critical", ENV + 52)),
    ("gomemlimit-divisor", "0 counts as 1", workload(limit_field("1073741824", "0"), memory="1Gi"), SOME_GO, None),
    ("gomemlimit-divisor", "none", workload(limit_field(None, "2Mi", is_refused=True), memory="1Gi"), SOME_GO, ("critical", ENV + 52)),
    ("gomemlimit-divisor", "no number", workload(limit_field(None, "1MB", is_refused=True)), SOME_GO, ("critical", ENV + 52)),
    ("gomemlimit-divisor", "another variable", workload(variable("LIMIT", "1024", field=field("limits.memory", "1Mi"))), SOME_GO, None),
    ("gomaxprocs-divisor", "thousandths", workload(cpu_field("2000", "1m"), cpu="2"), SOME_GO, ("critical", ENV + 52)),
    ("gomaxprocs-divisor", "none", workload(cpu_field(None, "2", is_refused=True), cpu="4"), SOME_GO, ("critical", ENV + 52)),
    ("gomaxprocs-divisor", "1", workload(cpu_field("2"), cpu="2"), SOME_GO, None),
    ("gomemlimit-from-node", "no limit", workload(limit_field(None, falls_to="node")), SOME_GO, ("warning", ENV)),
    ("gomemlimit-from-node", "the pod's", workload(limit_field("1073741824", falls_to="pod"), **POD), SOME_GO, None),
    ("gomaxprocs-from-node", "no limit", workload(cpu_field(None, falls_to="node")), SOME_GO, ("warning", ENV)),
    ("gomaxprocs-from-node", "a limit", workload(cpu_field("2"), cpu="2"), SOME_GO, None),
    ("gomemlimit-without-limit", "a number", workload(env={"GOMEMLIMIT": "512MiB"}), SOME_GO, ("info", ENV + 1)),
    ("gomemlimit-without-limit", "off", workload(env={"GOMEMLIMIT": "off"}), SOME_GO, None),
    ("gomemlimit-without-limit", "a limit that is refused",
     workload(env={"GOMEMLIMIT": "1GiB"}, flaws=(flaw("bad-quantity"),)), SOME_GO, None),
    ("gomemlimit-low", "half", workload(memory="1Gi", env={"GOMEMLIMIT": "512MiB"}), SOME_GO, ("info", ENV + 1)),
    ("gomemlimit-low", "75 %", workload(memory="8Gi", env={"GOMEMLIMIT": "6GiB"}), SOME_GO, None),
    ("gomemlimit-low", "the rest is a volume's",
     workload(memory="1Gi", memory_volumes=(size("512Mi"),), env={"GOMEMLIMIT": "400MiB"}), SOME_GO, None),
    (
        "gomemlimit-low",
        "90 % of MemoryHigh",
        workload(memory="4Gi", memory_high=size("1Gi", 25), env={"GOMEMLIMIT": "920MiB"}),
        SOME_GO,
        None,
    ),
    ("gomaxprocs-from-request", "plus 4", workload(cpu_request=cpus("100m", 22), env={"GOMAXPROCS": "5"}), SOME_GO, ("info", ENV + 1)),
    ("gomaxprocs-from-request", "referred to", workload(variable("GOMAXPROCS", "0", field=field("requests.cpu"))), SOME_GO, ("info", ENV)),
    ("gomaxprocs-from-request", "another number", workload(cpu_request=cpus("100m", 22), env={"GOMAXPROCS": "7"}), SOME_GO, None),
    ("env-duplicate", "twice", workload(DOUBLE, memory="512Mi"), SOME_GO, ("warning", 44)),
    ("env-duplicate", "once", workload(memory="512Mi", env={"GOMEMLIMIT": "460MiB"}), SOME_GO, None),
    ("env-duplicate", "no variable of Go", workload(variable("TZ", "UTC", hides=(place(42),)), **MAX), SOME_GO, None),
    ("env-value-not-string", "a number", workload(variable("PORT", "80", wrong_type="number")), None, ("critical", ENV + 1)),
    ("env-value-not-string", "Compose takes it", workload(variable("PORT", "80", wrong_type="number"), kind="compose"), SOME_GO, None),
    ("divisor-missing", "none", workload(limit_field("966367641", None), memory="1Gi"), SOME_GO, ("info", ENV + 51)),
    ("divisor-missing", "0", workload(limit_field("966367641", "0"), memory="1Gi"), SOME_GO, None),
    ("field-ref-other-container", "a sidecar",
     workload(variable("GOMEMLIMIT", "99999999", field=OTHER), **LIMITED), SOME_GO, ("warning", ENV + 53)),
    ("field-ref-other-container", "nobody",
     workload(variable("GOMEMLIMIT", None, field=OTHER.replace(is_known=False)), **LIMITED), SOME_GO, ("critical", ENV + 53)),
    ("field-ref-other-container", "itself", workload(limit_field("966367641", container="orders"), **LIMITED), SOME_GO, None),
    ("stale-after-resize", "CPU", workload(**LIMITED, **MAX, resizes=(resize("cpu", "NotRequired"),)), SOME_GO, ("warning", ENV)),
    ("stale-after-resize", "a restart finds the same",
     workload(**LIMITED, **MAX, resizes=(resize("cpu", "RestartContainer"),)), SOME_GO, ("warning", ENV)),
    ("stale-after-resize", "without a restart nothing is read anew",
     workload(cpu_field("2"), cpu="2", resizes=(resize("cpu", "NotRequired"),)), SOME_GO, ("warning", ENV)),
    ("stale-after-resize", "a reference, and a restart",
     workload(cpu_field("2"), cpu="2", resizes=(resize("cpu", "RestartContainer"),)), SOME_GO, None),
    ("stale-after-resize", "no variable", workload(**LIMITED, **MAX, resizes=(resize("memory", "NotRequired"),)), SOME_GO, None),
    ("limit-dropped", "systemd", workload(kind="systemd", flaws=(flaw("dropped"),)), None, ("critical", 70)),
    ("limit-dropped", "not read", workload(kind="systemd", flaws=(flaw("unread"),)), None, None),
    ("limit-malformed", "Go's spelling", workload(flaws=(flaw("bad-quantity", "limits.memory", "512MiB"),)), None, ("critical", 70)),
    ("limit-malformed", "dropped", workload(flaws=(flaw("dropped"),)), None, None),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "what", "written", "runs", "expected"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_a_rule_speaks_and_is_silent(rule: str, what: str, written: Workload, runs: Go | None, expected: tuple[str, int] | None) -> None:
    """At its severity, on the line of the wrong value."""
    found = {finding.rule: finding for finding in judge_workload(written, runs, ALL)}
    there = found.get(rule)
    assert (None if there is None else (there.severity, there.place.line)) == expected, (what, sorted(found))


NEEDS_MORE = {"pod-limit-shared", "no-quota-many-cpus", "automaxprocs-redundant"}


def test_every_rule_is_shown_speaking_and_silent() -> None:
    """A rule whose cases are missing here has them below."""
    known = {rule.ID for rule in LINT_RULES}
    spoken = {rule for rule, _, _, _, expected in CASES if expected is not None}
    silent = {rule for rule, _, _, _, expected in CASES if expected is None}
    assert spoken == silent == known - NEEDS_MORE


def test_the_tables_name_rules_that_there_are() -> None:
    """No word in them is a slip of the pen, and no id is given twice."""
    ids = [rule.ID for rule in LINT_RULES]
    assert len(ids) == len(set(ids))
    assert set(ANY_CONTAINER) <= {rule.ID for rule in MANIFEST_RULES}
    assert set(SILENCES) | {name for names in SILENCES.values() for name in names} <= set(ids)
    assert set(NEEDS) <= set(BY_ID)


def test_containers_that_share_a_pods_limit_do_not_each_plan_with_all_of_it() -> None:
    """90 % for each of two is 180 % of what there is; one of them alone is right."""
    one = workload(env={"GOMEMLIMIT": "920MiB"}, **POD)
    other = one.replace(container="other", place=place(NAME + 1))
    both = judge_file([(one, SOME_GO), (other, SOME_GO)], Settings())
    assert [(finding.rule, finding.container) for finding in both] == [("pod-limit-shared", "orders"), ("pod-limit-shared", "other")]
    assert "1840 MiB of the 1024 MiB" in both[0].summary
    assert judge_file([(one, SOME_GO), (other.replace(variables=()), None)], Settings()) == ()
    own = other.replace(memory_limit=size("1Gi"))
    assert judge_file([(one, SOME_GO), (own, SOME_GO)], Settings()) == ()
    low = judge_file([(workload(env={"GOMEMLIMIT": "300MiB"}, **POD), SOME_GO), (other.replace(variables=()), None)], ALL)
    assert low == ()
    (whole,) = judge_file([(workload(env={"GOMEMLIMIT": "1GiB"}, **POD), SOME_GO), (other.replace(variables=()), None)], Settings())
    assert [(one.variable, one.reason.partition(":")[0]) for one in whole.advice] == [(None, "the limit is the pod's, for 2 containers")]
    init = other.replace(role="init")
    assert judge_file([(one, SOME_GO), (init, SOME_GO)], Settings()) == ()


def test_what_hangs_on_the_node_is_said_of_a_node_that_is_known() -> None:
    """A request of half a CPU on 64 says something; on a node that nobody named it says nothing."""
    small = workload(cpu_request=cpus("500m", 22), env={"GOGC": "50"})
    named = Settings(node=Node(cpus=64.0))
    assert [finding.rule for finding in judge_workload(small, SOME_GO, named)] == ["no-quota-many-cpus"]
    assert judge_workload(small, SOME_GO, Settings()) == ()
    (old,) = judge_workload(workload(cpu="2", env={"GOGC": "50"}), SOME_GO, named)
    assert old.summary == "Go before 1.25 does not see its CPU quota: GOMAXPROCS is 64 under 2 CPUs"


def test_a_library_that_is_superfluous_is_named_of_a_program_that_is_known() -> None:
    """It stands at the CPU limit, as no variable is there; of a program that is only a version nobody can say what it links."""
    modules = (("go.uber.org/automaxprocs", "v1.6.0"),)
    info = BuildInfo(
        version="go1.27.3", go=parse_version("go1.27.3"), path="a", main_module="a", modules=modules, settings=(), linked=(AUTOMAXPROCS,)
    )
    program = Go(program=program_of(info), known_from="its image")
    assert [(one.rule, one.place.line) for one in judge_workload(workload(cpu="2"), program, Settings())] == [
        ("automaxprocs-redundant", CPU)
    ]
    assert judge_workload(workload(cpu="2"), go("1.27"), Settings()) == ()


def test_a_finding_says_for_which_versions_it_holds() -> None:
    """None for all; a sentence of a Go that nobody named tells of those alone."""
    found = {finding.rule: finding for finding in judge_workload(workload(**LIMITED, **MAX), SOME_GO, ALL)}
    assert (found["gomemlimit-unset"].go, found["gomaxprocs-pinned"].go) == (None, "1.25 and newer")
    (old,) = judge_workload(workload(cpu="2", env={"GOGC": "50"}), SOME_GO, Settings())
    assert (old.rule, old.go) == ("go-not-container-aware", "before 1.25")
    assert old.summary == "Go before 1.25 does not see its CPU quota: GOMAXPROCS is the number of the node's CPUs under 2 CPUs"
    (dies,) = judge_workload(workload(env={"GODEBUG": "tlsrsakex=1"}), SOME_GO, Settings())
    assert (dies.severity, dies.go) == ("critical", "1.27 and newer")
    (plus,) = judge_workload(workload(env={"GOGC": "+50"}), SOME_GO, Settings())
    assert (plus.rule, plus.go) == ("gogc-malformed", "before 1.26")
    (malformed,) = judge_workload(workload(env={"GOMEMLIMIT": "1Gi"}), SOME_GO, Settings())
    assert (malformed.go, malformed.summary) == (None, "GOMEMLIMIT='1Gi' is malformed: Go dies at its start with exit status 2")
    (known,) = judge_workload(workload(env={"GOMEMLIMIT": "1Gi"}), go("1.26"), Settings())
    assert (known.go, known.summary) == (None, "GOMEMLIMIT='1Gi' is malformed: Go 1.26 dies at its start with exit status 2")


def test_no_sentence_names_a_file_of_a_machine_or_a_number_that_nobody_knows() -> None:
    """Neither cgroup files nor the CPUs that were assumed; and no mark is left where a version's name belongs."""
    for _, _, written, runs, _ in CASES:
        for finding in judge_workload(written, runs, ALL):
            said = (finding.summary, *finding.evidence, *(one.reason for one in finding.advice))
            for line in said:
                assert not [word for word in ("/sys/fs", "/proc/", "256 ", "\ue000", "(derived)") if word in line], (finding.rule, line)


def test_an_older_go_is_told_what_it_needs() -> None:
    """Removing the variable is right for one that follows its quota, and wrong for an older one."""
    (found,) = judge_workload(workload(cpu="4", env={"GOMAXPROCS": "8"}), SOME_GO, Settings())
    assert [(one.variable, one.value) for one in found.advice] == [("GOMAXPROCS", None), ("GOMAXPROCS", "5")]
    assert [one.reason.partition(":")[0] for one in found.advice] == ["from Go 1.25 on", "before Go 1.25"]
    assert "without it Go 1.25 and newer would come to 4 and follow changes" in found.evidence


def test_what_could_not_be_seen_is_said() -> None:
    """By a finding beside it, and for the report by itself; of a program that is not known to be Go nobody asks."""
    written = workload(UNKNOWN, cpu="4", env={"GOMAXPROCS": "8"}, unread_variables=("ConfigMap settings, which is not in the input",))
    (found,) = judge_workload(written, SOME_GO, Settings())
    assert [line for line in found.evidence if "could not be seen" in line] == [
        "the value of GOMEMLIMIT (line 41) could not be seen: it comes from a file that is written when the pod starts",
        "variables could not be seen: ConfigMap settings, which is not in the input",
    ]
    assert [one.why.partition(": ")[0] for one in say_unseen(written, SOME_GO)] == ["Deployment/shop/orders, container orders"] * 2
    assert say_unseen(written, None) == ()


def test_a_version_that_is_misspelt_is_said() -> None:
    """It is judged as one that nobody named, and that is not kept quiet."""
    written, said = workload(cpu="4", env={"GOMAXPROCS": "8"}), Go(program=None, known_from="an annotation: 'v1.24'", is_unread=True)
    (found,) = judge_workload(written, said, Settings())
    assert "which Go it runs could not be told: an annotation: 'v1.24'" in found.evidence
    assert [one.why.partition(": ")[2] for one in say_unseen(written, said)] == [
        "which Go it runs could not be told: an annotation: 'v1.24'"
    ]


@pytest.mark.parametrize("resource", ["limits.cpu", "limits.memory"])
def test_a_divisor_that_the_api_server_refuses(resource: str) -> None:
    """The finding says that, and nothing of a value that no program ever gets; its fix is 1."""
    name = "GOMAXPROCS" if resource.endswith("cpu") else "GOMEMLIMIT"
    (found,) = judge_workload(
        workload(variable(name, None, field=field(resource, "3", is_refused=True)), memory="1Gi"),
        go("1.27"),
        Settings(ignored=frozenset({"gomemlimit-unset"})),
    )
    assert found.rule == f"{name.lower()}-divisor"
    assert found.summary == f"{name} has the divisor 3, and the API server refuses the whole object"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"variables": (variable("AUTOMEMLIMIT", "0.9"), variable("GOGC", "50"))}, "AUTOMEMLIMIT is set"),
        ({"command": ("start", "--max-go-memory=1GiB")}, "--max-go-memory is in its command"),
        ({"image": "quay.io/prometheus/prometheus:v3.5.0@sha256:00"}, "Prometheus from 3.0 on"),
        ({"variables": (variable("LIMIT", "1", field=field("limits.memory")),)}, "LIMIT gets the memory limit"),
    ],
)
def test_a_program_that_limits_itself_is_not_reproached(changes: dict[str, Any], why: str) -> None:
    """What it lacks is shown only if asked for, with the reason."""
    written = workload(memory="1Gi").replace(**changes)
    assert judge_workload(written, SOME_GO, Settings()) == ()
    (found,) = judge_workload(written, SOME_GO, ALL)
    assert (found.rule, found.severity) == ("gomemlimit-unset", "info")
    assert any(why in line for line in found.evidence)
    no = written.replace(
        variables=(variable("GOGC", "50"), variable("AUTOMEMLIMIT", "off")), command=("--no-auto-gomemlimit",), image="example/app:1"
    )
    assert [finding.rule for finding in judge_workload(no, SOME_GO, Settings())] == ["gomemlimit-unset"]


def test_an_ignored_rule_is_silent_and_a_rendered_manifest_gets_a_hint() -> None:
    """A file that was rendered is not the one to mend: the patch names the container, and takes the old value away."""
    written = workload(limit_field("1073741824"), memory="1Gi", source="chart/templates/deployment.yaml")
    (found,) = judge_workload(written, SOME_GO, Settings(), text="x")
    assert found.fix is None
    assert found.hint is not None
    assert found.hint.splitlines()[0] == "in the chart: chart/templates/deployment.yaml, container orders"
    assert 'value: "921MiB"' in found.hint
    assert "valueFrom: null" in found.hint
    assert judge_workload(written, SOME_GO, Settings(ignored=frozenset({"gomemlimit-exceeds-limit"}))) == ()


def test_memory_of_volumes_is_told_and_how_to_plan_for_it() -> None:
    """Files in memory are charged to the container: the limit is shown with them, and --outside plans for them."""
    written = workload(memory="1Gi", memory_volumes=(size("512Mi"), size("1Mi")), env={"GOMEMLIMIT": "1GiB"})
    for outside, told, value in ((None, "which no value here counts: --outside 513Mi does", 921), (513 * MIB, "513 MiB of it", 470)):
        (finding,) = judge_workload(written, SOME_GO, Settings(policy=Policy(outside_bytes=outside)))
        assert any(line.endswith(told) for line in finding.evidence)
        assert finding.advice[0].value == f"{value}MiB"


def test_what_limits_itself_and_what_is_pedantic_is_documented() -> None:
    """docs/lint.md names each variable, flag and image, and each rule that is shown only if it is asked for."""
    text = (ROOT / "docs" / "lint.md").read_text()
    pedantic = {finding.rule for _, _, written, runs, _ in CASES for finding in judge_workload(written, runs, ALL) if finding.is_pedantic}
    for word in (*habits.VARIABLES, *habits.FLAGS, *habits.IMAGES, *ANY_CONTAINER, *pedantic):
        assert f"`{word}`" in text, word


@pytest.mark.parametrize("cpu", ["1000000000", "1e18", "65537", "0.001"])
def test_an_amount_that_no_machine_has_costs_nothing(cpu: str) -> None:
    """A manifest is anybody's: what it says decides nothing of how much memory or time lint takes."""
    import tracemalloc

    judge_workload(workload(cpu="2", memory="8Ei", cpu_request=cpus("1", 22), env={"GOGC": "50"}), SOME_GO, ALL)  # loads what it needs
    tracemalloc.start()
    found = judge_workload(workload(cpu=cpu, memory="8Ei", cpu_request=cpus(cpu, 22), env={"GOGC": "50"}), SOME_GO, ALL)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 * MIB
    assert "gomaxprocs-exceeds-quota" not in [one.rule for one in found]


@pytest.mark.parametrize(
    ("variable", "restart", "said"),
    [
        (limit_field("536870912"), "NotRequired", "set restartPolicy: RestartContainer for memory"),
        (variable("GOMEMLIMIT", "460MiB"), "NotRequired", "take it out, and let cgtune exec"),
        (variable("GOMEMLIMIT", "460MiB"), "RestartContainer", "take it out, and let cgtune exec"),
    ],
)
def test_what_ends_a_stale_value(variable: Variable, restart: str, said: str) -> None:
    """A restart mends what is read anew at each start, and not what is written out."""
    written = workload(variable, memory="512Mi", resizes=(resize("memory", restart),))
    [finding] = [each for each in judge_workload(written, SOME_GO, ALL) if each.rule == "stale-after-resize"]
    assert [each.reason[: len(said)] for each in finding.advice] == [said]
