"""Each rule on a report that it was made for, and on one that is just not of that kind."""

from __future__ import annotations

import pytest

from cgtune.advise import group_by_limit
from cgtune.model import Bandwidth, CpuLevel, Finding, Policy, ProcessReport, QuotaSeen, Throttling
from cgtune.rules import RULES, locate_rule
from cgtune.rules.case import Case, godebug_aware
from cgtune.rules.gomemlimit_malformed import parse_meant
from cgtune.rules.no_quota_many_cpus import derive_requests
from tests.rules.reports import MIB, follows, go_facts, memory_level, report, sees

OFF_BY_BUILD = {"aware": False, "aware_from": "build", "updates": False, "updates_from": "build"}
OFF_BY_ENV = {"aware": False, "aware_from": "environment", "variables": {"GODEBUG": "http2debug=1,containermaxprocs=0"}}
UNSEEN = sees(None, why="/sys/fs/cgroup/docker/ab/cpu.cfs_quota_us cannot be opened")
CLOSED = sees(None, why="what it opened as its limit file, descriptor 3 and 4, is none any more")
NSFS = sees(None, why="/proc/self/mountinfo has a root that is no path before the cgroup mount: '36 25 0:4 net:[4026532281] /run/netns/x'")
MALFORMED = "GOMEMLIMIT=512Mi\nfatal error: malformed GOMEMLIMIT; see `go doc runtime/debug.SetMemoryLimit`"
REMOVED = 'fatal error: removed GODEBUG "tls3des" set to old value "1" in environment (https://go.dev/doc/godebug#go-127)'


def limited(size_mib: int, **changes: object) -> tuple[object, ...]:
    """The memory chain of a process under so many MiB."""
    return (memory_level("/pod/app", size_mib * MIB, **changes),)  # type: ignore[arg-type]


# rule, what distinguishes the case, the facts, the rest of the report, the severity (None: the rule is silent)
CASES = [
    (
        "gomaxprocs-exceeds-quota",
        "set in the environment",
        {"procs": 8, "pinned": True, "variables": {"GOMAXPROCS": "8"}},
        {"cores": 2.5},
        "warning",
    ),
    ("gomaxprocs-exceeds-quota", "exactly the quota rounded up", {"procs": 3, "pinned": True}, {"cores": 2.5}, None),
    ("gomaxprocs-exceeds-quota", "two under half a CPU are Go's minimum", {"procs": 2}, {"cores": 0.5}, None),
    ("gomaxprocs-exceeds-quota", "more than the CPUs, no quota", {"procs": 9, "pinned": True}, {}, "info"),
    ("gomaxprocs-exceeds-quota", "all CPUs, no quota", {"procs": 8}, {}, None),
    ("go-not-container-aware", "1.24 takes all CPUs", {"minor": 24}, {"cores": 0.5}, "warning"),
    ("go-not-container-aware", "1.25 would not", {"minor": 25}, {"cores": 0.5}, None),
    ("go-not-container-aware", "1.24, chosen by the variable", {"minor": 24, "variables": {"GOMAXPROCS": "8"}}, {"cores": 0.5}, None),
    ("go-not-container-aware", "1.24, chosen by the program", {"minor": 24, "procs": 6}, {"cores": 0.5}, None),
    ("go-not-container-aware", "1.24, and the quota is no less than the CPUs", {"minor": 24}, {"cores": 8.0}, None),
    ("go-not-container-aware", "1.24, but 8 is 7.5 rounded up", {"minor": 24}, {"cores": 7.5}, None),
    ("awareness-disabled-by-build", "go line 1.24", OFF_BY_BUILD, {"cores": 2.0}, "warning"),
    ("awareness-disabled-by-build", "by the environment", OFF_BY_ENV, {"cores": 2.0}, None),
    ("awareness-disabled-by-build", "no quota", OFF_BY_BUILD, {}, None),
    ("awareness-disabled-by-env", "GODEBUG", OFF_BY_ENV, {"cores": 2.0}, "warning"),
    ("awareness-disabled-by-env", "by the build", OFF_BY_BUILD, {"cores": 2.0}, None),
    (
        "ancestor-quota-ignored",
        "the parent has 3, the leaf 5",
        {"procs": 5, "seen": sees(500_000)},
        {"cores": 5.0, "parent_cores": 3.0},
        "warning",
    ),
    ("ancestor-quota-ignored", "the leaf has none", {"seen": sees(None, why="cpu.max says max")}, {"parent_cores": 3.0}, "warning"),
    ("ancestor-quota-ignored", "the leaf is as tight", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0, "parent_cores": 3.0}, None),
    ("ancestor-quota-ignored", "1.24 reads none at all", {"minor": 24}, {"parent_cores": 3.0}, None),
    ("limit-file-missed", "1.25 on v1, mount root below /", {"minor": 25, "seen": UNSEEN}, {"cores": 3.0, "version": 1}, "warning"),
    ("limit-file-missed", "1.27, a namespace mount first", {"seen": NSFS}, {"cores": 3.0}, "warning"),
    ("limit-file-missed", "1.25 on v1, its descriptor closed", {"minor": 25, "seen": CLOSED}, {"cores": 3.0, "version": 1}, "warning"),
    ("limit-file-missed", "found", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0}, None),
    ("limit-file-missed", "not found, but the quota is the parent's", {"seen": UNSEEN}, {"parent_cores": 3.0}, None),
    ("quota-below-two-cpus", "half a CPU", {"procs": 2}, {"cores": 0.5}, "info"),
    ("quota-below-two-cpus", "one and a half", {"procs": 2}, {"cores": 1.5}, None),
    ("quota-below-two-cpus", "one thread", {"procs": 1}, {"cores": 0.5}, None),
    ("fractional-quota", "2.5", {"procs": 3}, {"cores": 2.5}, "info"),
    ("fractional-quota", "3", {"procs": 3}, {"cores": 3.0}, None),
    ("fractional-quota", "2.5, rounded down already", {"procs": 2}, {"cores": 2.5}, None),
    ("gomaxprocs-below-quota", "2 of 4", {"procs": 2}, {"cores": 4.0}, "info"),
    ("gomaxprocs-below-quota", "2 of 2.9", {"procs": 2}, {"cores": 2.9}, None),
    ("gomaxprocs-below-quota", "no quota at all", {"procs": 2}, {}, None),
    ("gomaxprocs-malformed", "4.0", {"ignored": ("GOMAXPROCS",), "variables": {"GOMAXPROCS": "4.0"}}, {}, "warning"),
    ("gomaxprocs-malformed", "another variable", {"ignored": ("GOGC",)}, {}, None),
    ("gomaxprocs-pinned", "to what it would take", {"procs": 3, "pinned": True, "seen": sees(300_000)}, {"cores": 3.0}, "info"),
    ("gomaxprocs-pinned", "not pinned", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0}, None),
    ("gomaxprocs-pinned", "pinned where it sees nothing", {"procs": 3, "pinned": True, "seen": UNSEEN}, {"cores": 3.0}, None),
    ("updates-disabled", "fits still", {"procs": 3, "updates": False, "seen": sees(300_000)}, {"cores": 3.0}, "info"),
    ("updates-disabled", "the quota has shrunk", {"procs": 6, "updates": False, "seen": sees(300_000)}, {"cores": 3.0}, "warning"),
    ("updates-disabled", "no quota to follow", {"updates": False}, {}, None),
    ("quota-crashes-go", "period 0", {"procs": None, "dies": "fatal error: procresize: invalid arg", "seen": sees(0, 0)}, {}, "critical"),
    ("quota-crashes-go", "another death", {"procs": None, "dies": MALFORMED}, {}, None),
    ("follows-old-cgroup", "moved", {"follows": follows("/sys/fs/cgroup/old/cpu.max")}, {"cores": 2.0}, "warning"),
    ("follows-old-cgroup", "moved, updates off", {"follows": follows("/old/cpu.max"), "updates": False}, {"cores": 2.0}, "warning"),
    ("follows-old-cgroup", "its own", {"follows": follows("/sys/fs/cgroup/pod/app/cpu.max", own=True)}, {"cores": 2.0}, None),
    ("follows-old-cgroup", "pinned: follows nothing", {"follows": follows("/x/cpu.max"), "pinned": True}, {"cores": 2.0}, None),
    ("affinity-changed", "1.24, fewer CPUs", {"minor": 24}, {"affinity": 4}, "warning"),
    ("affinity-changed", "1.24, more CPUs", {"minor": 24, "procs": 4, "cpus_at_start": 4}, {}, "info"),
    ("affinity-changed", "1.24, the same CPUs", {"minor": 24}, {}, None),
    ("affinity-changed", "1.25 follows", {"minor": 25}, {"affinity": 4}, None),
    ("automaxprocs-redundant", "on 1.25", {"minor": 25, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, "info"),
    ("automaxprocs-redundant", "needed on 1.24", {"minor": 24, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, None),
    ("automaxprocs-redundant", "needed with awareness off", {**OFF_BY_BUILD, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, None),
    ("cpu-throttled", "30 % since it was made", {"procs": 2}, {"cores": 2.0, "throttled": (300, 1000)}, "warning"),
    ("cpu-throttled", "5 % since it was made", {"procs": 2}, {"cores": 2.0, "throttled": (50, 1000)}, "info"),
    ("cpu-throttled", "4.9 %", {"procs": 2}, {"cores": 2.0, "throttled": (49, 1000)}, None),
    ("cpu-throttled", "too few periods to tell", {"procs": 2}, {"cores": 2.0, "throttled": (299, 299)}, None),
    ("no-quota-many-cpus", "a request of some 0.1 CPUs on 8", {}, {"weight": 4}, "info"),
    ("no-quota-many-cpus", "the same in shares, v1", {}, {"weight": 1024 // 8, "version": 1}, "info"),
    ("no-quota-many-cpus", "the weight that everybody has", {}, {"weight": 100}, None),
    ("no-quota-many-cpus", "a limit", {}, {"weight": 4, "cores": 4.0}, None),
    ("no-quota-many-cpus", "more than an eighth", {}, {"weight": 200}, None),
    ("gomemlimit-unset", "under 512 MiB", {}, {"memory": limited(512)}, "warning"),
    ("gomemlimit-unset", "no limit", {}, {}, None),
    ("gomemlimit-unset", "too little for any value", {}, {"memory": limited(63)}, None),
    ("gomemlimit-unset", "set", {"memory": 400 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-exceeds-limit", "as large as the limit", {"memory": 512 * MIB}, {"memory": limited(512)}, "warning"),
    ("gomemlimit-exceeds-limit", "a byte less", {"memory": 512 * MIB - 1}, {"memory": limited(512)}, None),
    ("gomemlimit-exceeds-high", "above it", {"memory": 401 * MIB}, {"memory": limited(512, high_bytes=400 * MIB)}, "warning"),
    ("gomemlimit-exceeds-high", "at it", {"memory": 400 * MIB}, {"memory": limited(512, high_bytes=400 * MIB)}, None),
    ("gomemlimit-near-limit", "less than 4 % left beside 5 MiB", {"memory": 490 * MIB}, {"memory": limited(512)}, "info"),
    (
        "gomemlimit-near-limit",
        "beyond it with what else is there",
        {"memory": 490 * MIB},
        {"memory": limited(512, current_bytes=50 * MIB)},
        "warning",
    ),
    ("gomemlimit-near-limit", "4 % left", {"memory": 486 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-malformed", "512Mi", {"memory": None, "dies": MALFORMED, "variables": {"GOMEMLIMIT": "512Mi"}}, {}, "critical"),
    ("gomemlimit-malformed", "another death", {"memory": None, "dies": REMOVED}, {}, None),
    ("gomemlimit-too-small", "65 % of it alive", {"memory": 100 * MIB, "heap_marked_bytes": 65 * MIB}, {"memory": limited(512)}, "warning"),
    (
        "gomemlimit-too-small",
        "more alive than it",
        {"memory": 100 * MIB, "heap_marked_bytes": 100 * MIB},
        {"memory": limited(512)},
        "critical",
    ),
    ("gomemlimit-too-small", "64 % of it alive", {"memory": 100 * MIB, "heap_marked_bytes": 64 * MIB}, {"memory": limited(512)}, None),
    (
        "gomemlimit-too-small",
        "the limit is what is small",
        {"memory": 100 * MIB, "heap_marked_bytes": 90 * MIB},
        {"memory": limited(110)},
        None,
    ),
    ("gomemlimit-changed-in-process", "another value", {"memory": 100 * MIB, "memory_derived": "off"}, {}, "info"),
    ("gomemlimit-changed-in-process", "the same", {"memory": 100 * MIB}, {}, None),
    ("memory-limit-too-small", "61 % alive", {"heap_marked_bytes": 61 * MIB}, {"memory": limited(100)}, "warning"),
    ("memory-limit-too-small", "60 % alive", {"heap_marked_bytes": 60 * MIB}, {"memory": limited(100)}, None),
    ("memory-limit-too-small", "below 64 MiB", {}, {"memory": limited(63)}, "info"),
    ("memory-limit-too-small", "64 MiB", {}, {"memory": limited(64)}, None),
    ("memory-shared", "a quarter is not Go's", {"memory": 200 * MIB}, {"memory": limited(512, current_bytes=143 * MIB)}, "info"),
    ("memory-shared", "just less", {"memory": 200 * MIB}, {"memory": limited(512, current_bytes=142 * MIB)}, None),
    ("gc-off-without-limit", "in a container", {"gogc": "off"}, {"memory": limited(512)}, "critical"),
    ("gc-off-without-limit", "on the machine", {"gogc": "off"}, {}, "warning"),
    ("gc-off-without-limit", "with GOMEMLIMIT", {"gogc": "off", "memory": 400 * MIB}, {"memory": limited(512)}, None),
    ("gogc-malformed", "50%", {"ignored": ("GOGC",), "variables": {"GOGC": "50%"}}, {}, "warning"),
    ("gogc-malformed", "another variable", {"ignored": ("GOMAXPROCS",)}, {}, None),
    ("oom-killed", "once", {}, {"oom_kills": 1}, "warning"),
    ("oom-killed", "never", {}, {}, None),
    ("swap-hides-pressure", "1 MiB is in swap", {}, {"memory": limited(512, swapped_bytes=MIB)}, "info"),
    ("swap-hides-pressure", "allowed, and not used", {}, {"memory": limited(512)}, None),
    ("godebug-removed-setting", "kills", {"dies": REMOVED, "removed_godebug": REMOVED}, {}, "critical"),
    ("godebug-removed-setting", "would kill", {"minor": 26, "removed_godebug": REMOVED}, {}, "info"),
    ("godebug-removed-setting", "none", {"variables": {"GODEBUG": "gctrace=1"}}, {}, None),
]


def _judge(rule: str, made: ProcessReport, window: CpuLevel | None = None) -> Finding | None:
    return locate_rule(rule).judge(Case(made, made.snapshot.go[0] if made.snapshot.go else None, Policy(), window))


@pytest.mark.parametrize(("rule", "what", "facts", "rest", "severity"), CASES, ids=[f"{row[0]}: {row[1]}" for row in CASES])
def test_a_rule_on_both_sides_of_its_edge(
    rule: str, what: str, facts: dict[str, object], rest: dict[str, object], severity: str | None
) -> None:
    """The rule speaks where it should, as badly as it should, and is silent just beside that."""
    made = report(go_facts(**facts), **rest)  # type: ignore[arg-type]
    finding = _judge(rule, made)
    assert (None if finding is None else finding.severity) == severity
    if finding is None:
        return
    assert finding.rule == rule
    assert all(finding.evidence)
    assert all(advice.reason for advice in finding.advice)
    assert finding.advice
    text = " ".join([finding.summary, *finding.evidence, *(advice.reason for advice in finding.advice)])
    assert text.isprintable()
    assert "None" not in text


@pytest.mark.parametrize(
    ("minor", "seen", "words"),
    [(25, UNSEEN, "below the mount point"), (25, CLOSED, "closed the runtime's own"), (27, NSFS, "no path"), (27, UNSEEN, "not the limit")],
)
def test_a_missed_limit_file_has_one_cause(minor: int, seen: QuotaSeen, words: str) -> None:
    """Why a runtime sees no quota is told from what it saw: the four causes are never mixed up."""
    finding = _judge("limit-file-missed", report(go_facts(minor=minor, seen=seen), cores=3.0, version=1))
    assert finding is not None
    assert words in finding.evidence[-2]


def test_every_rule_is_shown_speaking_and_silent() -> None:
    """No rule lacks a case of either kind."""
    spoken = {row[0] for row in CASES if row[4] is not None}
    silent = {row[0] for row in CASES if row[4] is None}
    assert spoken == silent == {rule.ID for rule in RULES}


@pytest.mark.parametrize(
    ("throttled", "periods", "severity"), [(1, 101, None), (1, 100, "info"), (5, 100, "warning"), (25, 100, "critical"), (0, 0, None)]
)
def test_a_window_is_judged_on_the_full_scale(throttled: int, periods: int, severity: str | None) -> None:
    """What was watched counts from 1 % on, however few the periods were, and what was before does not count."""
    made = report(go_facts(procs=2), cores=2.0, throttled=(900, 1000))
    watched = Throttling(periods=periods, throttled_periods=throttled, throttled_seconds=0.1)
    finding = _judge("cpu-throttled", made, made.snapshot.cpu_chain[0].replace(throttling=watched))
    assert (None if finding is None else finding.severity) == severity


def test_an_ancestor_that_is_stopped_is_found_above_a_leaf_that_is_not() -> None:
    """Two children of 0.25 CPUs share 0.3: the one that binds hardly counts, its parent is stopped in each period, and both stand still."""
    made = report(go_facts(procs=1), cores=0.25, parent_cores=0.3, throttled=(2, 400))
    parent = Throttling(periods=402, throttled_periods=400, throttled_seconds=12.0)
    leaf, above = made.snapshot.cpu_chain
    made = made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf, above.replace(throttling=parent))))
    finding = _judge("cpu-throttled", made)
    assert finding is not None
    assert finding.severity == "warning"
    assert finding.evidence[:2] == (
        "/sys/fs/cgroup/pod/cpu.stat: nr_throttled 400 of nr_periods 402, 12.0 s in all",
        "/sys/fs/cgroup/pod/cpu.max: 30000 100000, shared by all below it",
    )
    assert not any("stand still" in line for line in finding.evidence), "its own quota is not what stops it"
    assert "below /pod" in finding.advice[0].reason
    few = parent.replace(periods=1, throttled_periods=1)
    made = made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf, above.replace(throttling=few))))
    assert made.throttled_level == leaf, "one stop in a single period is no share"
    unlimited = above.replace(throttling=parent, bandwidth=Bandwidth(quota_us=None, period_us=100_000))
    made = made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf, unlimited)))
    assert made.throttled_level == leaf, "the counters of a quota that was taken away"


def test_two_programs_that_may_take_more_than_there_is() -> None:
    """The GOMEMLIMITs of all Go programs under one limit are added up, and those of other cgroups are not."""
    made = report(go_facts(memory=300 * MIB), memory=limited(512), pid=1)  # type: ignore[arg-type]
    beside = report(go_facts(memory=300 * MIB), memory=limited(512), pid=2)  # type: ignore[arg-type]
    apart = report(go_facts(memory=300 * MIB), memory=(memory_level("/other", 512 * MIB),), pid=3)
    rule = locate_rule("memory-shared")
    groups = [group_by_limit(each.snapshot for each in pair) for pair in ((made, beside), (made, apart))]
    found = [rule.judge(Case(made, made.snapshot.go[0], Policy(), None, each)) for each in groups]
    assert [None if finding is None else finding.severity for finding in found] == ["warning", None]


def test_many_programs_under_one_limit() -> None:
    """The first ten are named, and the sum is of all."""
    each = [report(go_facts(memory=100 * MIB), memory=limited(512), pid=pid) for pid in range(1, 301)]  # type: ignore[arg-type]
    groups = group_by_limit(made.snapshot for made in each)
    finding = locate_rule("memory-shared").judge(Case(each[0], each[0].snapshot.go[0], Policy(), None, groups))
    assert finding is not None
    assert finding.summary == "300 Go runtimes may take 30000 MiB under one limit of 512 MiB"
    assert finding.evidence[1].endswith("process 10: 100 MiB, and 290 more")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("512Mi", 512 * MIB),
        ("512mb", 512_000_000),
        ("1G", 10**9),
        ("1.5GiB", 3 << 29),
        (" 64MiB ", 64 * MIB),
        ("90%", None),
        ("", None),
        ("MiB", None),
        ("1e9", None),
        ("-5Mi", None),
        ("1.2.3Mi", None),
        ("²Mi", None),
    ],
)
def test_what_a_person_meant(text: str, meant: int | None) -> None:
    """Kubernetes' and loose spellings are understood, and nothing is guessed of the rest."""
    assert parse_meant(text) == meant


@pytest.mark.parametrize(("weight", "cores"), [(39, (0.97, 0.29)), (100, (2.54, 1.0)), (17, (0.41, 0.1))])
def test_a_weight_back_to_a_request(weight: int, cores: tuple[float, float]) -> None:
    """By the older formula 39 is a CPU, by the newer one 100 is: 17 is what 102 shares become by the newer."""
    assert derive_requests(weight) == pytest.approx(cores, abs=0.01)


@pytest.mark.parametrize(
    ("before", "build", "advised"),
    [
        ("containermaxprocs=0", {}, None),
        ("a=1,containermaxprocs=0,updatemaxprocs=0,b=2", {}, "a=1,b=2"),
        ("containermaxprocs=0", {"containermaxprocs": "0"}, "containermaxprocs=1,updatemaxprocs=1"),
        ("a=1", {"updatemaxprocs": "0"}, "a=1,containermaxprocs=1,updatemaxprocs=1"),
    ],
)
def test_the_godebug_that_switches_awareness_on(before: str, build: dict[str, str], advised: str | None) -> None:
    """What the environment says against it goes; what the build says against it is overruled; the rest stays."""
    assert godebug_aware(go_facts(variables={"GODEBUG": before}, godebug=build)) == advised


@pytest.mark.parametrize(
    ("updates", "ends"), [(True, "has left, which is gone: it takes all CPUs"), (False, "follows none (updatemaxprocs=0)")]
)
def test_the_file_of_a_group_that_was_removed(updates: bool, ends: str) -> None:
    """Only a runtime that still looks takes all CPUs then; the evidence says that the file is not the one at that path now."""
    facts = go_facts(follows=follows("/old/cpu.max", exists=False), updates=updates)
    finding = _judge("follows-old-cgroup", report(facts, cores=2.0))
    assert finding is not None
    assert finding.summary.endswith(ends)
    assert "held open: /old/cpu.max, of a cgroup that was removed" in finding.evidence


def test_the_setting_that_is_gone_is_taken_out() -> None:
    """Only the setting that the message names leaves GODEBUG."""
    variables = {"GODEBUG": "gctrace=1,tls3des=1,http2debug=1"}
    finding = _judge("godebug-removed-setting", report(go_facts(minor=26, removed_godebug=REMOVED, variables=variables)))
    assert finding is not None
    assert [(advice.variable, advice.value) for advice in finding.advice] == [("GODEBUG", "gctrace=1,http2debug=1")]


def test_an_unknown_rule_is_told_its_neighbour() -> None:
    """A slip of the pen is met with the nearest id."""
    from cgtune.errors import UsageError

    with pytest.raises(UsageError, match="did you mean oom-killed"):
        locate_rule("oom-kiled")
