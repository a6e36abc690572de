"""Each rule on a report that it was made for, and on one that is just not of that kind."""

from __future__ import annotations

from typing import Any

import pytest

from cgtune.advice.memory import group_by_limit
from cgtune.advice.procs import worst_stall
from cgtune.advice.variables import advise_here
from cgtune.api import judge_processes
from cgtune.limits import enforce
from cgtune.model import (
    AUTOMAXPROCS,
    AUTOMEMLIMIT,
    VICTORIA_CGROUP,
    Bandwidth,
    Finding,
    FoundIfStarted,
    MemoryEvents,
    MemoryLevel,
    Platform,
    Policy,
    ProcessReport,
    QuotaSeen,
    Said,
    Throttling,
)
from cgtune.rules import ANY_PROGRAM, BY_ID, RULES, judge_all
from cgtune.rules.case import Case, godebug_aware
from cgtune.rules.gomemlimit_malformed import parse_meant
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.grammar import parse_godebug
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.limitfile import parse_limit
from cgtune.runtimes.go.program.version import parse_version
from tests.rules.reports import CGROUP2, MIB, follows, go_facts, looks, lost, memory_level, report, sees, watched, with_facts
from tests.rules.test_harm_rules import CASES as HARM_CASES

FOUND_BY_27 = (FoundIfStarted(minor=27, quota_us=300_000, period_us=100_000),)
OFF_BY_BUILD = {"aware": False, "aware_from": "build", "updates": False, "updates_from": "build"}
OFF_BY_ENV = {"aware": False, "aware_from": "environment", "variables": {"GODEBUG": "http2debug=1,containermaxprocs=0"}}
# What Go's mirror finds: its words are its own, and no rule hangs on them
V1_MOUNT = "30 23 0:26 /docker/ab /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
UNSEEN = looks(25, "4:cpu:/docker/ab\n", V1_MOUNT, {})
UNREACHED = looks(27, "4:cpu:/app\n", V1_MOUNT, {})
UNMOUNTED = looks(25, "0::/\n", "", {})
NSFS = looks(27, "0::/\n", "36 25 0:4 net:[4026532281] /run/netns/x rw - nsfs nsfs rw\n" + CGROUP2, {})
CLOSED, NONE_AT_START = lost("closed"), lost("none-at-start")


def dies(*environ: tuple[str, str], quota: str = "max 100000") -> dict[str, Any]:
    """What a program of Go 1.27 dies of at its start with this environment, under this quota: the words and the cause."""
    limit = parse_limit(27, 2, (f"{quota}\n",))
    derived = derive(GoInputs(version=parse_version("go1.27.3"), environ=environ, affinity_count=8, limit=limit))
    return {"dies": derived.dies, "dies_of": derived.dies_of}


MALFORMED = dies(("GOMEMLIMIT", "512Mi"))
HUSHED = {"minor": 24, "modules": {"go.uber.org/automaxprocs": "v1.5.3"}}
CRASHING = dies(quota="0 0")
REMOVED = parse_godebug("tls3des=1", 27).removed
KILLED = dies(("GODEBUG", "tls3des=1"))
CHANGED = {"memory": 300 * MIB, "memory_derived": "off"}


def limited(size_mib: int, **changes: object) -> tuple[object, ...]:
    """The memory chain of a process under so many MiB."""
    return (memory_level("/pod/app", size_mib * MIB, **changes),)  # type: ignore[arg-type]


def says(*, cores: float | None = None, size: int | None = None, is_cap: bool = False, unit: str = "cores") -> tuple[Platform, ...]:
    """A platform that says so many CPUs, or bytes."""
    values = (("cpu", cores, unit), ("memory", size, "bytes"))
    said = tuple(
        Said(resource=resource, of="job", value=value, unit=of, source="environment: X", is_cap=is_cap)  # type: ignore[arg-type]
        for resource, value, of in values
        if value is not None
    )
    return (Platform(name="Slurm", told_by=("environment: SLURM_JOB_ID",), hides="nothing", said=said),)


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
    (
        "gomaxprocs-exceeds-quota",
        "as many as the policy wants at the least",
        {"procs": 4, "pinned": True},
        {"cores": 0.5, "policy": Policy(min_procs=4)},
        None,
    ),
    ("gomaxprocs-exceeds-quota", "two under half of the only CPU", {"procs": 2, "pinned": True}, {"cores": 0.5, "affinity": 1}, "warning"),
    ("gomaxprocs-exceeds-quota", "more than the CPUs, no quota", {"procs": 9, "pinned": True}, {}, "info"),
    ("gomaxprocs-exceeds-quota", "will follow the quota, and has not looked yet", {"seen": sees(200_000)}, {"cores": 2.0}, "info"),
    ("gomaxprocs-exceeds-quota", "more than the CPUs, under a quota of as many", {"procs": 9, "pinned": True}, {"cores": 8.0}, "info"),
    (
        "gomaxprocs-exceeds-quota",
        "Go's own minimum, where the policy rounds down",
        {"procs": 2},
        {"cores": 0.5, "policy": Policy(rounding="floor")},
        None,
    ),
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
    ("ancestor-quota-ignored", "the leaf has none", {"seen": sees(None)}, {"parent_cores": 3.0}, "warning"),
    ("ancestor-quota-ignored", "the leaf is as tight", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0, "parent_cores": 3.0}, None),
    ("ancestor-quota-ignored", "1.24 reads none at all", {"minor": 24}, {"parent_cores": 3.0}, None),
    ("limit-file-missed", "1.25 on v1, mount root below /", {"minor": 25, "seen": UNSEEN}, {"cores": 3.0, "version": 1}, "warning"),
    ("limit-file-missed", "1.27, a namespace mount first", {"seen": NSFS}, {"cores": 3.0}, "warning"),
    ("limit-file-missed", "1.25 on v1, its descriptor closed", {"minor": 25, "seen": CLOSED}, {"cores": 3.0, "version": 1}, "warning"),
    ("limit-file-missed", "found", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0}, None),
    ("limit-file-missed", "not found, but the quota is the parent's", {"seen": UNSEEN}, {"parent_cores": 3.0}, None),
    ("quota-below-two-cpus", "half a CPU", {"procs": 2}, {"cores": 0.5}, "info"),
    ("quota-below-two-cpus", "one CPU", {"procs": 2}, {"cores": 1.0}, "info"),
    ("quota-below-two-cpus", "one and a half", {"procs": 2}, {"cores": 1.5}, None),
    ("quota-below-two-cpus", "one thread", {"procs": 1}, {"cores": 0.5}, None),
    ("fractional-quota", "2.5", {"procs": 3}, {"cores": 2.5}, "info"),
    ("fractional-quota", "3", {"procs": 3}, {"cores": 3.0}, None),
    ("fractional-quota", "half a CPU is quota-below-two-cpus's", {"procs": 1}, {"cores": 0.5}, None),
    ("fractional-quota", "2.5, rounded down already", {"procs": 2}, {"cores": 2.5}, None),
    ("whole-quota-no-slack", "3", {"procs": 3}, {"cores": 3.0}, "info"),
    ("whole-quota-no-slack", "one thread more already", {"procs": 4}, {"cores": 3.0}, None),
    ("whole-quota-no-slack", "fewer", {"procs": 2}, {"cores": 3.0}, None),
    ("whole-quota-no-slack", "a fraction has slack", {"procs": 3}, {"cores": 2.5}, None),
    ("whole-quota-no-slack", "1, where 2 is right", {"procs": 1}, {"cores": 1.0}, None),
    ("whole-quota-no-slack", "all CPUs, and the quota is as much", {"procs": 8}, {"cores": 8.0}, None),
    ("gomaxprocs-below-quota", "2 of 4", {"procs": 2}, {"cores": 4.0}, "info"),
    ("gomaxprocs-below-quota", "2 of 2.9", {"procs": 2}, {"cores": 2.9}, None),
    ("gomaxprocs-below-quota", "no quota at all", {"procs": 2}, {}, None),
    ("gomaxprocs-below-quota", "has not looked at its larger quota yet", {"procs": 2, "seen": sees(400_000)}, {"cores": 4.0}, None),
    ("gomaxprocs-malformed", "4.0", {"ignored": ("GOMAXPROCS",), "variables": {"GOMAXPROCS": "4.0"}}, {}, "warning"),
    (
        "gomaxprocs-malformed",
        "in a program that dies of something else",
        {"procs": None, "ignored": ("GOMAXPROCS",), "variables": {"GOMAXPROCS": "y"}, **MALFORMED},
        {"cores": 2.0},
        "warning",
    ),
    ("memory-limit-too-small", "below 64 MiB, and GOMEMLIMIT is not known", {"memory": None}, {"memory": limited(63)}, "info"),
    ("gomaxprocs-malformed", "another variable", {"ignored": ("GOGC",)}, {}, None),
    ("gomaxprocs-malformed", "empty, and automaxprocs", {**HUSHED, "variables": {"GOMAXPROCS": ""}}, {"cores": 2.0}, "warning"),
    ("gomaxprocs-malformed", "0, and automaxprocs", {**HUSHED, "variables": {"GOMAXPROCS": "0"}}, {"cores": 2.0}, "warning"),
    ("gomaxprocs-malformed", "gone, and automaxprocs", HUSHED, {"cores": 2.0}, None),
    ("gomaxprocs-malformed", "empty, automaxprocs, no quota", {**HUSHED, "variables": {"GOMAXPROCS": ""}}, {}, None),
    ("gomaxprocs-malformed", "empty, and nobody would read it", {"minor": 24, "variables": {"GOMAXPROCS": ""}}, {"cores": 2.0}, None),
    (
        "gomaxprocs-malformed",
        "empty, automaxprocs, and a runtime that reads the quota",
        {**HUSHED, "minor": 27, "procs": 2, "seen": sees(200_000), "variables": {"GOMAXPROCS": ""}},
        {"cores": 2.0},
        None,
    ),
    (
        "automaxprocs-redundant",
        "an empty variable, of which it leaves everything alone",
        {**HUSHED, "minor": 27, "procs": 2, "seen": sees(200_000), "variables": {"GOMAXPROCS": ""}},
        {"cores": 2.0},
        None,
    ),
    ("gomaxprocs-pinned", "to what it would take", {"procs": 3, "pinned": True, "seen": sees(300_000)}, {"cores": 3.0}, "info"),
    (
        "gomaxprocs-pinned",
        "of a program that dies",
        {"procs": None, "pinned": True, "variables": {"GOMAXPROCS": "3"}, "seen": sees(300_000), **MALFORMED},
        {"cores": 3.0},
        None,
    ),
    ("gomaxprocs-pinned", "not pinned", {"procs": 3, "seen": sees(300_000)}, {"cores": 3.0}, None),
    ("gomaxprocs-pinned", "pinned where it sees nothing", {"procs": 3, "pinned": True, "seen": UNSEEN}, {"cores": 3.0}, None),
    (
        "gomaxprocs-pinned",
        "to the parent's quota, tighter than its own",
        {"procs": 2, "pinned": True, "variables": {"GOMAXPROCS": "2"}, "seen": sees(400_000)},
        {"cores": 4.0, "parent_cores": 2.0},
        None,
    ),
    ("updates-disabled", "fits still", {"procs": 3, "updates": False, "seen": sees(300_000)}, {"cores": 3.0}, "info"),
    ("updates-disabled", "the quota has shrunk", {"procs": 6, "updates": False, "seen": sees(300_000)}, {"cores": 3.0}, "warning"),
    ("updates-disabled", "of a program that dies", {"procs": None, "updates": False, **MALFORMED}, {"cores": 3.0}, "info"),
    ("updates-disabled", "no quota to follow", {"updates": False}, {}, None),
    ("quota-crashes-go", "period 0", {"procs": None, **CRASHING, "seen": sees(0, 0)}, {}, "critical"),
    ("quota-crashes-go", "another death", {"procs": None, **MALFORMED}, {}, None),
    ("follows-old-cgroup", "moved", {"follows": follows("/sys/fs/cgroup/old/cpu.max")}, {"cores": 2.0}, "warning"),
    ("follows-old-cgroup", "moved, updates off", {"follows": follows("/old/cpu.max"), "updates": False}, {"cores": 2.0}, "warning"),
    ("follows-old-cgroup", "moved, and GOMAXPROCS fits all the same", {"follows": follows("/sys/fs/cgroup/old/cpu.max")}, {}, "info"),
    ("follows-old-cgroup", "its own", {"follows": follows("/sys/fs/cgroup/pod/app/cpu.max", own=True)}, {"cores": 2.0}, None),
    ("follows-old-cgroup", "pinned: follows nothing", {"follows": follows("/x/cpu.max"), "pinned": True}, {"cores": 2.0}, None),
    ("affinity-changed", "1.24, fewer CPUs", {"minor": 24}, {"affinity": 4}, "warning"),
    ("affinity-changed", "1.24, more CPUs", {"minor": 24, "procs": 4, "cpus_at_start": 4}, {}, "info"),
    ("affinity-changed", "1.24, the same CPUs", {"minor": 24}, {}, None),
    ("affinity-changed", "1.24, a mask of CPUs that are not there", {"minor": 24}, {"affinity": 128}, None),
    ("affinity-changed", "1.25 follows", {"minor": 25}, {"affinity": 4}, None),
    ("automaxprocs-redundant", "on 1.25", {"minor": 25, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, "info"),
    (
        "automaxprocs-redundant",
        "in a program that dies of something else",
        {"procs": None, **MALFORMED, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}},
        {},
        "info",
    ),
    ("automaxprocs-redundant", "needed on 1.24", {"minor": 24, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, None),
    ("automaxprocs-redundant", "needed with awareness off", {**OFF_BY_BUILD, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, {}, None),
    (
        "automaxprocs-redundant",
        "1.25 does not find what the library finds",
        {"minor": 25, "procs": 3, "pinned": True, "seen": UNSEEN, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}},
        {"cores": 3.0, "version": 1},
        None,
    ),
    (
        "automaxprocs-redundant",
        "the variable goes before it",
        {"procs": 2, "pinned": True, "variables": {"GOMAXPROCS": "2"}, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}},
        {},
        None,
    ),
    ("cpu-throttled", "throttled once, and there is no quota any more", {}, {"throttled": (900, 1000)}, None),
    ("cpu-throttled", "30 % since it was made", {"procs": 2}, {"cores": 2.0, "throttled": (300, 1000)}, "warning"),
    ("cpu-throttled", "5 % since it was made", {"procs": 2}, {"cores": 2.0, "throttled": (50, 1000)}, "info"),
    ("cpu-throttled", "4.9 %", {"procs": 2}, {"cores": 2.0, "throttled": (49, 1000)}, None),
    ("cpu-throttled", "too few periods to tell", {"procs": 2}, {"cores": 2.0, "throttled": (299, 299)}, None),
    ("no-quota-many-cpus", "a request of 0.1 CPUs on 8", {}, {"weight": 4}, "info"),
    ("no-quota-many-cpus", "the same in shares, v1", {}, {"weight": 1024 // 8, "version": 1}, "info"),
    ("no-quota-many-cpus", "no request at all", {}, {"weight": 1}, "info"),
    ("no-quota-many-cpus", "more than an eighth by the older formula alone", {}, {"weight": 45}, None),
    ("no-quota-many-cpus", "the default on many CPUs", {"procs": 64}, {"weight": 100, "cpus": 64}, None),
    ("no-quota-many-cpus", "cpu.idle, whose weight reads 0", {}, {"weight": 0}, None),
    ("no-quota-many-cpus", "the weight that everybody has", {}, {"weight": 100}, None),
    ("no-quota-many-cpus", "the shares that everybody has, v1", {}, {"weight": 1024, "version": 1}, None),
    ("no-quota-many-cpus", "just an eighth", {"procs": 16}, {"weight": 2048, "version": 1, "cpus": 16}, "info"),
    ("no-quota-many-cpus", "a slice's weight is a preference", {}, {"weight": 4, "path": "/system.slice/batch.slice"}, None),
    ("no-quota-many-cpus", "a service's too", {}, {"weight": 4, "path": "/system.slice/job.service"}, None),
    ("no-quota-many-cpus", "a limit", {}, {"weight": 4, "cores": 4.0}, None),
    ("no-quota-many-cpus", "more than an eighth", {}, {"weight": 200}, None),
    ("limit-only-said", "four CPUs of eight", {"memory": 100 * MIB}, {"platforms": says(cores=4)}, "info"),
    ("limit-only-said", "two threads are Go's least", {"procs": 2}, {"platforms": says(cores=1)}, None),
    ("limit-only-said", "as many as there are", {}, {"platforms": says(cores=8)}, None),
    ("limit-only-said", "a quota of less", {"procs": 4}, {"cores": 2.0, "platforms": says(cores=3)}, None),
    ("limit-only-said", "the limit of a hidden cgroup is enforced", {}, {"platforms": says(cores=4, is_cap=True)}, None),
    ("limit-only-said", "MHz are a share", {}, {"platforms": says(cores=4, unit="MHz")}, None),
    ("limit-only-said", "512 MiB, and Go knows of no limit", {}, {"platforms": says(size=512 * MIB)}, "info"),
    ("limit-only-said", "GOMEMLIMIT is more", {"memory": 513 * MIB}, {"platforms": says(size=512 * MIB)}, "info"),
    ("limit-only-said", "GOMEMLIMIT is no more", {"memory": 512 * MIB}, {"platforms": says(size=512 * MIB)}, None),
    ("limit-only-said", "enforced as it is said", {}, {"memory": limited(512), "platforms": says(size=512 * MIB)}, None),
    ("limit-only-said", "more is enforced", {}, {"memory": limited(600), "platforms": says(size=512 * MIB)}, "info"),
    ("gomemlimit-unset", "under 512 MiB", {}, {"memory": limited(512)}, "warning"),
    ("gomemlimit-unset", "memory.high alone", {}, {"memory": (memory_level("/pod/app", None, high_bytes=512 * MIB),)}, "warning"),
    ("gomemlimit-unset", "a limit beyond the machine's 64 GiB", {}, {"memory": limited(65 << 10)}, None),
    ("gomemlimit-unset", "no limit", {}, {}, None),
    ("gomemlimit-unset", "too little for any value", {}, {"memory": limited(63)}, None),
    ("gomemlimit-unset", "set", {"memory": 400 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-exceeds-limit", "as large as the limit", {"memory": 512 * MIB}, {"memory": limited(512)}, "warning"),
    ("gomemlimit-exceeds-limit", "and no collection by growth", {"memory": 512 * MIB, "gogc": "off"}, {"memory": limited(512)}, "critical"),
    ("gomemlimit-exceeds-limit", "a byte less", {"memory": 512 * MIB - 1}, {"memory": limited(512)}, None),
    ("gomemlimit-exceeds-high", "above it", {"memory": 401 * MIB}, {"memory": limited(512, high_bytes=400 * MIB)}, "warning"),
    ("gomemlimit-exceeds-high", "at it", {"memory": 400 * MIB}, {"memory": limited(512, high_bytes=400 * MIB)}, None),
    ("gomemlimit-near-limit", "more than is given where nobody uses anything", {"memory": 492 * MIB}, {"memory": limited(512)}, "info"),
    ("gomemlimit-near-limit", "given before others used 5 MiB", {"memory": 491 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-near-limit", "before they used 15", {"memory": 491 * MIB}, {"memory": limited(512, current_bytes=30 * MIB)}, None),
    ("gomemlimit-near-limit", "before they used 16", {"memory": 491 * MIB}, {"memory": limited(512, current_bytes=31 * MIB)}, "info"),
    (
        "gomemlimit-near-limit",
        "given before the killer came",
        {"memory": 491 * MIB},
        {"memory": limited(512), "oom_kills": 1},
        "info",
    ),
    (
        "gomemlimit-near-limit",
        "beyond it with what else is there",
        {"memory": 490 * MIB},
        {"memory": limited(512, current_bytes=50 * MIB)},
        "warning",
    ),
    ("gomemlimit-near-limit", "the limit itself is gomemlimit-exceeds-limit's", {"memory": 512 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-near-limit", "4 % to the byte", {"memory": 512 * MIB - 21_474_837}, {"memory": limited(512)}, None),
    ("gomemlimit-near-limit", "a byte less", {"memory": 512 * MIB - 21_474_836}, {"memory": limited(512)}, "info"),
    ("gomemlimit-near-limit", "4 % left", {"memory": 486 * MIB}, {"memory": limited(512)}, None),
    ("gomemlimit-malformed", "512Mi", {"memory": None, **MALFORMED, "variables": {"GOMEMLIMIT": "512Mi"}}, {}, "critical"),
    ("gomemlimit-malformed", "another death", {"memory": None, **KILLED}, {}, None),
    ("gomemlimit-too-small", "65 % of it alive", {"memory": 100 * MIB, "heap_marked_bytes": 65 * MIB}, {"memory": limited(512)}, "warning"),
    (
        "gomemlimit-too-small",
        "more alive than it",
        {"memory": 100 * MIB, "heap_marked_bytes": 100 * MIB},
        {"memory": limited(512)},
        "critical",
    ),
    ("gomemlimit-too-small", "4 MiB where the limit is what is too small", {"memory": 4 * MIB}, {"memory": limited(63)}, None),
    ("gomemlimit-too-small", "less is a mistaken unit all the same", {"memory": 4 * MIB - 1}, {"memory": limited(63)}, "warning"),
    ("gomemlimit-too-small", "64 % of it alive", {"memory": 100 * MIB, "heap_marked_bytes": 64 * MIB}, {"memory": limited(512)}, None),
    (
        "gomemlimit-too-small",
        "Go holds twice as much",
        {"memory": 100 * MIB, "mapped_bytes": 201 * MIB},
        {"memory": limited(512)},
        "warning",
    ),
    ("gomemlimit-too-small", "beyond it for a moment", {"memory": 100 * MIB, "mapped_bytes": 190 * MIB}, {"memory": limited(512)}, None),
    (
        "gomemlimit-too-small",
        "the limit is what is small",
        {"memory": 100 * MIB, "heap_marked_bytes": 90 * MIB},
        {"memory": limited(110)},
        None,
    ),
    ("gomemlimit-changed-in-process", "another value", {"memory": 100 * MIB, "memory_derived": "off"}, {}, "info"),
    ("gomemlimit-changed-in-process", "the same", {"memory": 100 * MIB}, {}, None),
    ("memory-limit-too-small", "61 % of what others leave alive", {"heap_marked_bytes": 58 * MIB}, {"memory": limited(100)}, "warning"),
    ("memory-limit-too-small", "60 % of what others leave alive", {"heap_marked_bytes": 57 * MIB}, {"memory": limited(100)}, None),
    (
        "memory-limit-too-small",
        "a third of the limit, and others use half of it",
        {"heap_marked_bytes": 160 * MIB, "mapped_bytes": 170 * MIB},
        {"memory": limited(512, current_bytes=431 * MIB)},
        "warning",
    ),
    (
        "memory-limit-too-small",
        "memory.high is what is small",
        {"heap_marked_bytes": 180 * MIB, "mapped_bytes": 210 * MIB},
        {"memory": (memory_level("/pod/app", None, high_bytes=256 * MIB, current_bytes=220 * MIB),)},
        "warning",
    ),
    ("memory-limit-too-small", "75 % of what others leave alive", {"heap_marked_bytes": 72 * MIB}, {"memory": limited(100)}, "critical"),
    ("memory-limit-too-small", "74 % of what others leave alive", {"heap_marked_bytes": 71 * MIB}, {"memory": limited(100)}, "warning"),
    ("memory-limit-too-small", "below 64 MiB", {}, {"memory": limited(63)}, "info"),
    ("memory-limit-too-small", "64 MiB", {}, {"memory": limited(64)}, None),
    ("memory-shared", "a quarter is not Go's", {"memory": 200 * MIB}, {"memory": limited(512, current_bytes=143 * MIB)}, "info"),
    ("memory-shared", "just less", {"memory": 200 * MIB}, {"memory": limited(512, current_bytes=142 * MIB)}, None),
    ("gc-off-without-limit", "in a container", {"gogc": "off"}, {"memory": limited(512)}, "critical"),
    ("gc-off-without-limit", "on the machine", {"gogc": "off"}, {}, "warning"),
    ("gc-off-without-limit", "in the first minute", {"gogc": "off"}, {"memory": limited(512), "age_seconds": 59}, "info"),
    ("gc-off-without-limit", "in the first minute, on the machine", {"gogc": "off"}, {"age_seconds": 0}, "info"),
    ("gc-off-without-limit", "after it", {"gogc": "off"}, {"memory": limited(512), "age_seconds": 60}, "critical"),
    ("gc-off-without-limit", "at an age that nobody knows", {"gogc": "off"}, {"memory": limited(512), "age_seconds": None}, "critical"),
    ("gomemlimit-unset", "beside a collector that is off", {"gogc": "off"}, {"memory": limited(512)}, "warning"),
    ("gomemlimit-unset", "in the first minute of one", {"gogc": "off"}, {"memory": limited(512), "age_seconds": 59}, None),
    ("gomemlimit-unset", "in the first minute", {}, {"memory": limited(512), "age_seconds": 59}, "warning"),
    ("gc-off-without-limit", "with GOMEMLIMIT", {"gogc": "off", "memory": 400 * MIB}, {"memory": limited(512)}, None),
    ("gogc-malformed", "50%", {"ignored": ("GOGC",), "variables": {"GOGC": "50%"}}, {}, "warning"),
    ("gogc-malformed", "in a program that dies of something else", {"gogc": None, "ignored": ("GOGC",), **MALFORMED}, {}, "warning"),
    ("gogc-malformed", "another variable", {"ignored": ("GOMAXPROCS",)}, {}, None),
    ("oom-killed", "once", {}, {"oom_kills": 1}, "warning"),
    ("oom-killed", "never", {}, {}, None),
    ("swap-hides-pressure", "1 MiB is in swap", {}, {"memory": limited(512, swapped_bytes=MIB)}, "info"),
    ("swap-hides-pressure", "allowed, and not used", {}, {"memory": limited(512)}, None),
    ("godebug-removed-setting", "kills", {**KILLED, "removed_godebug": REMOVED}, {}, "critical"),
    ("godebug-removed-setting", "would kill", {"minor": 26, "removed_godebug": REMOVED}, {}, "info"),
    ("godebug-removed-setting", "none", {"variables": {"GODEBUG": "gctrace=1"}}, {}, None),
]


def _judge(rule: str, made: ProcessReport, least_periods: int | None = None) -> Finding | None:
    return BY_ID[rule].judge(Case(made, made.snapshot.go[0] if made.snapshot.go else None, Policy(), least_periods))


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
    ("minor", "seen", "more", "words", "advised"),
    [
        (25, UNSEEN, {"if_started": FOUND_BY_27}, "below the mount point", "Go 1.26 or later"),
        (25, UNSEEN, {}, "not the limit", "visible"),
        (25, UNSEEN, {"misplaced": "mount-above"}, "begins above its cgroup namespace", "host's /sys/fs/cgroup"),
        (25, CLOSED, {}, "closed the runtime's own", "descriptors"),
        (27, NONE_AT_START, {"if_started": FOUND_BY_27}, "only once, at its start", "restart"),
        (27, NONE_AT_START, {}, "not the limit", "visible"),
        (27, NONE_AT_START, {"if_started": (FOUND_BY_27[0].replace(quota_us=100_000),)}, "not the limit", "visible"),
        (25, NONE_AT_START, {"misplaced": "moved-out"}, "outside of its cgroup namespace", "move first"),
        (25, NONE_AT_START, {"misplaced": "mount-beside"}, "shows another cgroup than its own", "mounts its own cgroup"),
        (27, NSFS, {}, "no path", "before that mount"),
        (27, UNSEEN, {}, "not the limit", "visible"),
        (25, UNREACHED, {}, "no mount", "read-only"),
        (25, UNMOUNTED, {}, "no mount", "read-only"),
        (27, UNREACHED, {}, "no mount", "read-only"),
        (27, UNREACHED, {"misplaced": "mount-above"}, "begins above its cgroup namespace", "host's /sys/fs/cgroup"),
    ],
)
def test_a_missed_limit_file_has_one_cause(minor: int, seen: QuotaSeen, more: dict[str, object], words: str, advised: str) -> None:
    """Why a runtime sees no quota is told from what it saw, and a newer Go or a restart is advised only if it would find the file there."""
    finding = _judge("limit-file-missed", report(go_facts(minor=minor, seen=seen, **more), cores=3.0, version=1))  # type: ignore[arg-type]
    assert finding is not None
    assert words in finding.evidence[-2]
    assert advised in finding.advice[-1].reason


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"if_started": FOUND_BY_27}, "restart the program inside its cgroup"),
        (
            {"minor": 26, "if_started": FOUND_BY_27},
            "does not help, as the runtime would not find its limit file from here; Go 1.27 would find it",
        ),
        ({}, "does not help, as the runtime would not find its limit file from here: start it in its cgroup"),
    ],
)
def test_a_restart_is_advised_where_it_helps(more: dict[str, object], words: str) -> None:
    """A runtime that obeys a cgroup it has left: started anew it must find the file of the present one, or the advice is another."""
    finding = _judge("follows-old-cgroup", report(go_facts(procs=8, follows=follows("/old/cpu.max"), **more), cores=3.0))  # type: ignore[arg-type]
    assert finding is not None
    assert words in finding.advice[0].reason


def test_a_build_without_a_go_mod_has_no_go_line_to_raise() -> None:
    """Debian's GOPATH builds: GODEBUG is what helps, and comes before the words on a module build."""
    facts = go_facts(**OFF_BY_BUILD, godebug={"containermaxprocs": "0"})  # type: ignore[arg-type]
    module, gopath = (
        _judge("awareness-disabled-by-build", report(facts.replace(program=facts.program.replace(is_module=is_module)), cores=2.0))
        for is_module in (True, False)
    )
    assert module is not None
    assert gopath is not None
    assert [step.variable for step in module.advice] == ["GOMAXPROCS", None, "GODEBUG"]
    assert [step.variable for step in gopath.advice] == ["GOMAXPROCS", "GODEBUG", None]
    assert "no go line can be raised" in gopath.advice[-1].reason


def test_a_library_that_is_loaded_later_names_no_call() -> None:
    """What a library read of its environment when it was loaded may have changed since exec: no call is claimed."""
    words = _words_on_what_changed(executable="/usr/bin/python3", path="/app/liba.so", in_library=True)
    assert "before this library is loaded" in words
    assert "the program set it" not in words
    assert "program has set its memory limit itself" not in words


def test_a_program_under_an_emulator_is_no_library() -> None:
    """The process's executable is the emulator then, and the program another file: it read the environment of exec all the same."""
    words = _words_on_what_changed(executable="/usr/bin/qemu-aarch64-static", path="/app/server", emulator="qemu-aarch64-static")
    assert "library" not in words
    assert "set by the program itself" in words


def _words_on_what_changed(*, executable: str, **program: object) -> str:
    """What is said of a runtime that has other values than its variables."""
    variables = {"GOMAXPROCS": "5"}
    facts = go_facts(procs=7, procs_derived=5, memory=200 * MIB, memory_derived=301 * MIB, pinned=True, variables=variables, **program)  # type: ignore[arg-type]
    made = report(facts, cores=2.0, memory=limited(256))  # type: ignore[arg-type]
    made = made.replace(snapshot=made.snapshot.replace(process=made.snapshot.process.replace(executable=executable)))
    return " ".join(" ".join([found.summary, *(step.reason for step in found.advice)]) for found in judge_all(made, Policy()))


def _chosen(made: ProcessReport) -> list[tuple[object, ...]]:
    """What is judged and advised, without the sentences that say it."""
    return [(each.rule, each.severity, [(advice.variable, advice.value) for advice in each.advice]) for each in judge_all(made, Policy())]


@pytest.mark.parametrize(("rule", "what", "facts", "rest", "severity"), CASES, ids=[f"{row[0]}: {row[1]}" for row in CASES])
def test_a_reworded_sentence_changes_no_judgement(
    rule: str, what: str, facts: dict[str, object], rest: dict[str, object], severity: str | None
) -> None:
    """Code branches on words, and sentences are made last: whatever they say, rule, severity and advised values stay the same."""
    del rule, what, severity
    runtime = go_facts(**facts)  # type: ignore[arg-type]
    seen, removed, death = runtime.derived.seen, runtime.derived.removed_godebug, runtime.derived.dies
    reworded = with_facts(
        runtime,
        seen=seen if seen is None or seen.why is None else seen.replace(why="x"),
        dies=None if death is None else "x",
        removed_godebug=None if removed is None else removed.replace(dies="x"),
        settings=tuple(setting.replace(because=("x",)) for setting in runtime.settings),
    )
    assert _chosen(report(reworded, **rest)) == _chosen(report(runtime, **rest))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["procresize", "removed GODEBUG", "malformed GOMEMLIMIT"])
def test_a_death_is_known_by_its_cause(text: str) -> None:
    """What the runtime prints holds the variable's own text: whatever that says, the program dies of nothing else."""
    made = report(go_facts(memory=None, variables={"GOMEMLIMIT": text}, **dies(("GOMEMLIMIT", text))))
    assert [finding.rule for finding in judge_all(made, Policy())] == ["gomemlimit-malformed"]
    assert made.recommendations[0].set is False


def test_every_rule_is_shown_speaking_and_silent() -> None:
    """No rule lacks a case of either kind."""
    spoken = {row[0] for row in CASES if row[4] is not None} | {row[0] for row in HARM_CASES if row[3] is not None}
    silent = {row[0] for row in CASES if row[4] is None} | {row[0] for row in HARM_CASES if row[3] is None}
    assert spoken == silent == {rule.ID for rule in RULES}


@pytest.mark.parametrize(
    ("throttled", "periods", "severity"),
    [(1, 101, None), (1, 100, "info"), (5, 100, "warning"), (25, 100, "critical"), (5, 5, "critical"), (4, 4, None), (0, 0, None)],
)
def test_a_window_is_judged_on_the_full_scale(throttled: int, periods: int, severity: str | None) -> None:
    """What was watched counts from 1 % on, though not one bad period of a program that is idle; what was before does not count."""
    made = report(go_facts(procs=2), cores=2.0, throttled=(900, 1000))
    made = watched(made, Throttling(periods=periods, throttled_periods=throttled, throttled_seconds=0.1))
    finding = _judge("cpu-throttled", made)
    assert (None if finding is None else finding.severity) == severity
    least = _judge("cpu-throttled", made, 101)
    assert least is None or periods > 100, "whoever keeps looking waits for more periods"


def test_a_window_that_tells_nothing_of_a_level_hides_no_other() -> None:
    """The level that was stopped in all of its few periods is not judged; the one above it is."""
    made = report(go_facts(procs=1), cores=0.25, parent_cores=0.3, throttled=(0, 1000))
    leaf, above = made.snapshot.cpu_chain
    made = made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf, above.replace(throttling=leaf.throttling))))
    made = watched(made, Throttling(periods=200, throttled_periods=200, throttled_seconds=1.0))
    rates = made.snapshot.rates
    assert rates is not None
    counters = Throttling(periods=400, throttled_periods=100, throttled_seconds=1.0)
    (own,) = rates.cpu
    parent = own.replace(path=above.path, directory=above.directory, throttling=counters)
    made = made.replace(snapshot=made.snapshot.replace(rates=rates.replace(cpu=(own, parent))))
    window = Case(made, None, Policy(), 300).window
    assert window is not None
    assert (window.path, window.throttling) == (above.path, counters)
    chosen = Case(made, None, Policy()).window
    assert chosen is not None
    assert chosen.path == leaf.path


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
    """The GOMEMLIMITs of all Go programs under one limit are added up, whichever way it is reached; those of other cgroups are not."""
    made = report(go_facts(memory=300 * MIB), memory=limited(512), pid=1)  # type: ignore[arg-type]
    beside = report(go_facts(memory=300 * MIB), memory=limited(512), pid=2)  # type: ignore[arg-type]
    chain = tuple(level.replace(directory=f"/proc/3/root{level.directory}") for level in made.snapshot.memory_chain)
    sidecars = report(go_facts(memory=300 * MIB), memory=chain, pid=3)
    apart = report(go_facts(memory=300 * MIB), memory=(memory_level("/other", 512 * MIB),), pid=4)
    rule = BY_ID["memory-shared"]
    groups = [group_by_limit(each.snapshot for each in (made, other)) for other in (beside, sidecars, apart)]
    found = [rule.judge(Case(made, made.snapshot.go[0], Policy(), None, each)) for each in groups]
    assert [None if finding is None else finding.severity for finding in found] == ["warning", "warning", None]


def test_many_programs_under_one_limit() -> None:
    """The first ten are named, and the sum is of all."""
    each = [report(go_facts(memory=100 * MIB), memory=limited(512), pid=pid) for pid in range(1, 301)]  # type: ignore[arg-type]
    groups = group_by_limit(made.snapshot for made in each)
    finding = BY_ID["memory-shared"].judge(Case(each[0], each[0].snapshot.go[0], Policy(), None, groups))
    assert finding is not None
    assert finding.summary == "300 Go runtimes may take 30000 MiB under one limit of 512 MiB"
    assert finding.evidence[1].endswith("process 10: 100 MiB, and 290 more")


def test_what_go_does_not_manage_is_added_to_the_sum() -> None:
    """Two GOMEMLIMITs that fit together do not fit beside a third program."""
    rule = BY_ID["memory-shared"]
    severities = []
    for others_mib in (60, 200):
        chain = limited(512, current_bytes=(others_mib + 25) * MIB)
        made, beside = (report(go_facts(memory=200 * MIB), memory=chain, pid=pid) for pid in (1, 2))  # type: ignore[arg-type]
        finding = rule.judge(Case(made, made.snapshot.go[0], Policy(), None, group_by_limit((made.snapshot, beside.snapshot))))
        severities.append(None if finding is None else finding.severity)
    assert severities == [None, "warning"]


@pytest.mark.parametrize(
    ("rule", "facts", "cores", "parent_cores", "version", "advised", "denied"),
    [
        ("awareness-disabled-by-env", OFF_BY_ENV, 2.0, None, 2, ["GODEBUG", "GOMAXPROCS"], ""),
        ("awareness-disabled-by-env", OFF_BY_ENV, None, 2.0, 2, ["GOMAXPROCS", None], "an ancestor"),
        ("awareness-disabled-by-build", OFF_BY_BUILD, 2.0, None, 2, ["GOMAXPROCS", None, "GODEBUG"], ""),
        ("awareness-disabled-by-build", OFF_BY_BUILD, None, 2.0, 2, ["GOMAXPROCS", None], "an ancestor"),
        (
            "awareness-disabled-by-build",
            {**OFF_BY_BUILD, "minor": 25, "seen": UNSEEN},
            2.0,
            None,
            1,
            ["GOMAXPROCS", None],
            "cannot be opened",
        ),
    ],
)
def test_awareness_is_advised_where_it_helps(
    rule: str,
    facts: dict[str, object],
    cores: float | None,
    parent_cores: float | None,
    version: int,
    advised: list[str | None],
    denied: str,
) -> None:
    """Switching awareness on is no advice where the runtime would not see the quota then either, and why not is said."""
    finding = _judge(rule, report(go_facts(**facts), cores=cores, parent_cores=parent_cores, version=version))  # type: ignore[arg-type]
    assert finding is not None
    assert [advice.variable for advice in finding.advice] == advised
    assert any(denied in advice.reason and "does not help" in advice.reason for advice in finding.advice) == bool(denied)


@pytest.mark.parametrize(("version", "first"), [(1, "Go 1.26"), (2, "Go 1.25")])
def test_the_go_that_finds_the_quota(version: int, first: str) -> None:
    """In a container on v1 Go 1.25 misses its quota: the newer Go that is advised is one that does not."""
    finding = _judge("go-not-container-aware", report(go_facts(minor=24), cores=2.0, version=version))
    assert finding is not None
    assert first in finding.advice[1].reason


@pytest.mark.parametrize(
    ("facts", "advised"),
    [
        ({"pinned": True, "variables": {"GOMAXPROCS": "8"}}, ("GOMAXPROCS", "3")),
        ({"pinned": True, "variables": {"GOMAXPROCS": "8"}, "seen": sees(200_000)}, ("GOMAXPROCS", None)),
        ({"pinned": True, "seen": sees(200_000)}, (None, None)),
        ({"pinned": True, "variables": {"GOMAXPROCS": "+8"}}, ("GOMAXPROCS", "3")),
        ({"pinned": True, "variables": {"GOMAXPROCS": "6"}}, (None, None)),
        ({"pinned": True}, (None, None)),
        ({"minor": 24, "procs": 6}, (None, None)),
        ({"pinned": True, "variables": None}, ("GOMAXPROCS", "3")),
        ({"minor": 24, "procs": 6, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}}, ("GOMAXPROCS", "3")),
        ({"minor": 24, "procs": 6, "modules": {"go.uber.org/automaxprocs": "v1.6.0"}, "variables": {"GOMAXPROCS": "4"}}, (None, None)),
        ({"minor": 27, "procs": 6, "pinned": True, "linked": (VICTORIA_CGROUP,)}, ("GOMAXPROCS", "3")),
    ],
)
def test_a_variable_is_no_advice_against_a_call(facts: dict[str, object], advised: tuple[str | None, str | None]) -> None:
    """What a call in the program has set is mended there; where the environment cannot be read, the variable is what may help."""
    made = go_facts(**facts)  # type: ignore[arg-type]
    made = with_facts(made, variables=None) if facts.get("variables", "") is None else made
    finding = _judge("gomaxprocs-exceeds-quota", report(made, cores=2.0))
    assert finding is not None
    assert (finding.advice[0].variable, finding.advice[0].value) == advised


@pytest.mark.parametrize("rule", ["oom-killed", "swap-hides-pressure"])
@pytest.mark.parametrize(
    ("now", "advised"),
    [(300 * MIB, None), (481 * MIB, None), (500 * MIB, "481MiB"), (None, "481MiB")],
    ids=["far below", "as recommended", "above", "not known"],
)
def test_where_memory_ran_out_gomemlimit_is_not_raised(rule: str, now: int | None, advised: str | None) -> None:
    """A GOMEMLIMIT that is as low as the recommended one is not what took the memory: to raise it would make things worse."""
    chain = limited(512, swapped_bytes=5 * MIB)
    finding = _judge(rule, report(go_facts(memory=now), memory=chain, oom_kills=1))  # type: ignore[arg-type]
    assert finding is not None
    assert [step.value for step in finding.advice if step.variable] == ([] if advised is None else [advised])


def _killed(path: str, *counts: int, local: int = 0, version: int = 2) -> MemoryLevel:
    """One cgroup with these counts of oom, oom_kill and oom_group_kill, of which ``local`` kills are its own."""
    names = ("oom", "oom_kill", "oom_group_kill")
    events, own = MemoryEvents(**dict(zip(names, counts, strict=False))), MemoryEvents(oom_kill=local)
    level = memory_level(path, 512 * MIB if path.endswith("app") else None)
    return level.replace(version=version, events=events if version == 2 else None, events_local=own if version == 2 else events)


@pytest.mark.parametrize(
    ("chain", "summary", "evidence"),
    [
        pytest.param(
            (_killed("/pod/app", 1, 2, 1, local=2), _killed("/pod", 1, 2, 1)),
            "OOM kills: the kernel counts 2 in its cgroup, since that was made, 1 of a whole group, whose first victim counts twice",
            ["/sys/fs/cgroup/pod/app/memory.events: oom 1, oom_kill 2, oom_group_kill 1 (in this cgroup alone: oom_kill 2)"],
            id="of its own cgroup, and of nobody else's",
        ),
        pytest.param(
            (_killed("/pod/app", 0, 0, 0), _killed("/pod", 1, 3, 1)),
            "OOM kills: the kernel counts 3 in the cgroup /pod above it, or below that, since that was made,"
            " 1 of a whole group, whose first victim counts twice",
            ["/sys/fs/cgroup/pod/memory.events: oom 1, oom_kill 3, oom_group_kill 1 (in this cgroup alone: oom_kill 0)"],
            id="of the container before this one",
        ),
        pytest.param(
            (_killed("/pod/app", 1, 1, local=1), _killed("/pod", 3, 4)),
            "OOM kills: the kernel counts 1 in its cgroup, since that was made",
            [
                "/sys/fs/cgroup/pod/app/memory.events: oom 1, oom_kill 1 (in this cgroup alone: oom_kill 1)",
                "/sys/fs/cgroup/pod/memory.events: oom 3, oom_kill 4 (in this cgroup alone: oom_kill 0)",
            ],
            id="of both",
        ),
        pytest.param(
            (_killed("/app", 0, 0), _killed("/", 9, 9)),
            "OOM kills: the kernel counts 9 in the cgroup / above it, or below that, since that was made",
            ["/sys/fs/cgroup//memory.events: oom 9, oom_kill 9 (in this cgroup alone: oom_kill 0)"],
            id="of a namespace's root",
        ),
        pytest.param(
            (_killed("/system.slice", 0, 1, local=1),),
            "OOM kills: the kernel counts 1 in its cgroup, since that was made",
            ["/sys/fs/cgroup/system.slice/memory.events: oom_kill 1 (in this cgroup alone: oom_kill 1)"],
            id="of its own cgroup, whatever that is called",
        ),
        pytest.param(
            (_killed("/x/kubelet-kubepods.slice/app", 0, 0), _killed("/x/kubelet-kubepods.slice", 9, 9), _killed("/x", 12, 12)),
            None,
            [],
            id="of other pods, and above them",
        ),
        pytest.param(
            (_killed("/pod/app", 0, 2, version=1), _killed("/pod", 0, 1, version=1), _killed("/", 0, 7, version=1)),
            "OOM kills: the kernel counts 2 in its cgroup, since that was made",
            ["/sys/fs/cgroup/pod/app/memory.oom_control: oom_kill 2", "/sys/fs/cgroup/pod/memory.oom_control: oom_kill 1"],
            id="v1: each cgroup counts its own",
        ),
    ],
)
def test_kills_at_any_level_are_told_with_the_kernels_counters(
    chain: tuple[MemoryLevel, ...], summary: str | None, evidence: list[str]
) -> None:
    """A container that is made anew forgets its kills, its pod does not; and the kernel's count is never called a number of processes."""
    made = report(go_facts(), memory=chain)
    made = made.replace(snapshot=made.snapshot.replace(memory_chain=chain))
    finding = _judge("oom-killed", made)
    assert (None if finding is None else finding.summary) == summary
    assert ([] if finding is None else list(finding.evidence[:-1])) == evidence
    assert finding is None or "process" not in finding.summary


@pytest.mark.parametrize(("modules", "variable"), [({}, None), ({"github.com/KimMachineGun/automemlimit": "v0.7.0"}, "GOMEMLIMIT")])
def test_a_limit_that_the_program_sets_is_mended_there(modules: dict[str, str], variable: str | None) -> None:
    """debug.SetMemoryLimit overrides the variable; automemlimit leaves the variable alone."""
    facts = go_facts(memory=512 * MIB, memory_derived="off", modules=modules)
    finding = _judge("gomemlimit-exceeds-limit", report(facts, memory=limited(512)))  # type: ignore[arg-type]
    assert finding is not None
    assert finding.advice[0].variable == variable
    assert "486MiB" in f"{finding.advice[0].value} {finding.advice[0].reason}"


@pytest.mark.parametrize(
    ("facts", "memory", "advised", "because"),
    [
        ({}, (), ("GOMEMLIMIT", None), "no memory limit is known"),
        ({}, limited(32), ("GOMEMLIMIT", None), "below 64 MiB no value helps"),
        ({"memory_derived": "off"}, (), (None, None), "debug.SetMemoryLimit"),
        ({"gogc": "off", "mapped_bytes": 20 * MIB}, (), ("GOMEMLIMIT", "40MiB"), "GOGC off"),
    ],
    ids=["no known limit", "a small limit", "set by a call", "GOGC off"],
)
def test_a_small_gomemlimit_where_none_is_recommended(
    facts: dict[str, object], memory: tuple[object, ...], advised: tuple[str | None, str | None], because: str
) -> None:
    """GOMEMLIMIT=1MiB is not mended into itself: without a recommended value there is none to set, unless GOGC is off."""
    made = go_facts(**({"memory": MIB, "heap_marked_bytes": MIB // 8} | facts))  # type: ignore[arg-type]
    finding = _judge("gomemlimit-too-small", report(made, memory=memory))  # type: ignore[arg-type]
    assert finding is not None
    assert [(advice.variable, advice.value) for advice in finding.advice] == [advised]
    assert because in finding.advice[0].reason


@pytest.mark.parametrize(("text", "advised"), [("512Mi", ["486MiB"]), ("400Mi", ["486MiB", "400MiB"])])
def test_what_was_meant_is_no_advice_at_the_limit(text: str, advised: list[str]) -> None:
    """A malformed GOMEMLIMIT as large as the memory limit is not mended into a well-formed one as large as that."""
    facts = go_facts(memory=None, **MALFORMED, variables={"GOMEMLIMIT": text})
    finding = _judge("gomemlimit-malformed", report(facts, memory=limited(512)))  # type: ignore[arg-type]
    assert finding is not None
    assert [advice.value for advice in finding.advice] == advised


@pytest.mark.parametrize(("procs", "cores", "stalls"), [(4, 2.0, "50 of 100 ms"), (2, 2.0, ""), (1, 0.5, "50 of 100 ms")])
def test_the_stall_of_a_quota(procs: int, cores: float, stalls: str) -> None:
    """n busy threads stand still for P - Q/n, and a quota that feeds them all stalls nobody."""
    made = report(go_facts(procs=procs), cores=cores)
    said = Case(made, made.snapshot.go[0], Policy()).stall
    assert said.endswith(stalls)
    assert bool(said) == bool(stalls)


@pytest.mark.parametrize(
    ("procs", "cores", "burst_us", "words"),
    [
        (
            8,
            1.0,
            100_000,
            "87.5 of 100 ms; after a rest, with a burst of 100 ms saved up, the first period has 200 ms: 25 ms run, 75 ms still",
        ),
        (2, 1.5, 100_000, "the first period has 250 ms: none of it still"),
        (8, 1.0, 0, "still for 87.5 of 100 ms"),
    ],
)
def test_a_burst_is_part_of_the_stall(procs: int, cores: float, burst_us: int, words: str) -> None:
    """What was saved up is used in the first period after a rest: that one has quota and burst (Linux sched-bwc.rst)."""
    made = report(go_facts(procs=procs), cores=cores)
    leaf, *above = made.snapshot.cpu_chain
    snapshot = made.snapshot.replace(cpu_chain=(leaf.replace(burst_us=burst_us), *above))
    made = made.replace(snapshot=snapshot, limits=enforce(snapshot))
    assert Case(made, made.snapshot.go[0], Policy()).stall.endswith(words)
    stall = worst_stall(made.limits.cpu, procs)
    assert stall is not None
    assert stall.runs_us <= stall.burst_runs_us <= stall.period_us


@pytest.mark.parametrize(
    ("weight", "version", "words"),
    [(1, 2, "no CPU request"), (2, 1, "no CPU request"), (4, 2, "a request of 80m to 104m or 10m to 14m"), (102, 1, "a request of 100m:")],
)
def test_the_least_weight_is_no_request(weight: int, version: int, words: str) -> None:
    """The kernel's least weight stands for a container without a request, not for one of 0.002 CPUs."""
    finding = _judge("no-quota-many-cpus", report(go_facts(), weight=weight, version=version))
    assert finding is not None
    assert words in finding.summary


@pytest.mark.parametrize(
    ("version", "said", "asked"),
    [(2, "memory.swap.current: 1048576 bytes", "memory.swap.max"), (1, "memory.stat: total_swap 1048576", "memory.swappiness")],
)
def test_swap_is_told_with_the_files_of_its_version(version: int, said: str, asked: str) -> None:
    """What is read and what is to be set have other names on cgroup v1."""
    level = memory_level("/pod/app", 512 * MIB, swapped_bytes=MIB).replace(version=version)
    finding = _judge("swap-hides-pressure", report(go_facts(), memory=(level,)))
    assert finding is not None
    assert finding.evidence[0] == f"/sys/fs/cgroup/pod/app/{said}"
    assert f"set /sys/fs/cgroup/pod/app/{asked} to 0" in finding.advice[-1].reason


def test_a_headroom_of_ones_own_is_near_nothing() -> None:
    """Who asks for 1 % of headroom is not told that it is little."""
    policy = Policy(headroom_percent=1.0)
    made = report(go_facts(memory=500 * MIB), memory=limited(512), policy=policy)  # type: ignore[arg-type]
    rule = BY_ID["gomemlimit-near-limit"]
    assert rule.judge(Case(made, made.snapshot.go[0], policy)) is None
    made = report(go_facts(memory=500 * MIB), memory=limited(512))  # type: ignore[arg-type]
    assert rule.judge(Case(made, made.snapshot.go[0], Policy())) is not None


@pytest.mark.parametrize(("left_bytes", "speaks"), [(21_474_837, False), (21_474_836, True)])
def test_what_a_measurement_leaves_is_enough(left_bytes: int, speaks: bool) -> None:
    """4 % beside the 5 MiB of others are room enough to the byte, also for one whose own headroom of 10 % would recommend less."""
    policy = Policy(headroom_percent=10.0)
    made = report(go_facts(memory=507 * MIB - left_bytes), memory=limited(512), policy=policy)  # type: ignore[arg-type]
    finding = BY_ID["gomemlimit-near-limit"].judge(Case(made, made.snapshot.go[0], policy))
    assert (finding is not None) == speaks


def test_one_thread_is_more_than_half_a_cpu() -> None:
    """GOMAXPROCS=1 under half a CPU is above it: nobody else is accused, as it is if it is at or below the quota."""
    for procs, cores, is_other in ((1, 0.5, False), (2, 2.0, True), (2, 2.5, True), (3, 2.5, False)):
        finding = _judge("cpu-throttled", report(go_facts(procs=procs, pinned=True), cores=cores, throttled=(900, 1000)))
        assert finding is not None
        assert ("other processes" in finding.advice[0].reason) == is_other


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
        ("0.9", None),
        ("9999999Ti", None),
    ],
)
def test_what_a_person_meant(text: str, meant: int | None) -> None:
    """Kubernetes' and loose spellings are understood, and nothing is guessed of the rest."""
    assert parse_meant(text) == meant


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
    assert godebug_aware(go_facts(variables={"GODEBUG": before}, godebug=tuple(build.items()))) == advised


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


def test_a_leaf_without_the_controller_needs_more_than_a_quota() -> None:
    """An own cgroup without cpu.max: the controller has to be enabled first, and the program started again."""
    made = report(go_facts(seen=sees(None)), cores=None, parent_cores=2.0)
    leaf, *above = made.snapshot.cpu_chain
    snapshot = made.snapshot.replace(cpu_chain=(leaf.replace(bandwidth=None), *above))
    finding = _judge("ancestor-quota-ignored", made.replace(snapshot=snapshot, limits=enforce(snapshot)))
    assert finding is not None
    assert any("has no CPU controller" in line for line in finding.evidence)
    assert "subtree_control" in finding.advice[1].reason
    assert "restart the program" in finding.advice[1].reason


@pytest.mark.parametrize("memory", ["off", 300 * MIB])
def test_the_nodes_memory_limit_makes_no_finding_and_no_value(memory: Any) -> None:
    """A pod without a limit stands below kubepods, which has the node's memory: nothing is found and nothing advised because of it."""
    node = memory_level("/kubepods", 256 * MIB).replace(of_node=True)
    chain = (memory_level("/kubepods/pod/app", None), memory_level("/kubepods/pod", None), node)
    process = report(go_facts(memory=memory, gogc="off"), memory=chain)
    advised = process.recommendations[1]
    assert (advised.value, advised.set) == (None, False)
    assert "/sys/fs/cgroup/kubepods/memory.max: 268435456 bytes" in advised.because[0]
    assert "the node's" in advised.because[1]
    found = judge_all(process, Policy())
    assert {finding.rule: finding.severity for finding in found} == ({"gc-off-without-limit": "warning"} if memory == "off" else {})
    (planned,) = (plan for plan in advise_here(process, None, Policy()) if plan.name == "GOMEMLIMIT")
    assert (planned.value, planned.because) == (None, advised.because)


@pytest.mark.parametrize("rule", [rule.ID for rule in RULES if rule.ID not in ANY_PROGRAM])
def test_a_rule_on_go_programs_is_silent_on_others(rule: str) -> None:
    """Without a Go runtime there is nothing that such a rule could speak of."""
    assert _judge(rule, report(cores=0.5, memory=limited(32), weight=4)) is None  # type: ignore[arg-type]


def test_what_is_not_known_of_a_program_without_a_go_runtime() -> None:
    """Nothing is followed, there is no library, what is charged beside Go cannot be told; without a quota all CPUs are allowed."""
    case = Case(report(memory=limited(512)), None, Policy())  # type: ignore[arg-type]
    assert (case.by_itself, case.in_library, case.outside_bytes, case.allowed_procs) == (None, False, None, 8)


def test_an_idle_cgroup_has_no_request() -> None:
    """cpu.idle is chosen on purpose: the weight that the kernel shows beside it stands for no request."""
    made = report(go_facts(), weight=4)
    assert _judge("no-quota-many-cpus", made) is not None
    leaf, *above = made.snapshot.cpu_chain
    idle = made.replace(snapshot=made.snapshot.replace(cpu_chain=(leaf.replace(idle=True), *above)))
    assert _judge("no-quota-many-cpus", idle) is None


@pytest.mark.parametrize(
    ("rule", "facts", "rest", "words"),
    [
        pytest.param(
            "ancestor-quota-ignored",
            {"seen": NONE_AT_START},
            {"parent_cores": 3.0},
            "the same quota and restart the program, which holds no limit file open",
            id="a runtime without a limit file looks for one at its start only",
        ),
        pytest.param(
            "go-not-container-aware",
            {"minor": 18, "compiler": "gccgo", "version": "gccgo 12.2.0"},
            {"cores": 0.5},
            "or build with Go's own compiler, 1.25 or later",
            id="gccgo never reads a quota",
        ),
        pytest.param(
            "automaxprocs-redundant",
            {"minor": 26, "procs": 2, "seen": sees(150_000), "modules": {AUTOMAXPROCS: "v1.6.0"}},
            {"cores": 1.5},
            "automaxprocs is linked in and has set nothing so far; Go 1.26.3 follows its quota by itself",
            id="automaxprocs that is not called, as in caddy file-server",
        ),
        pytest.param(
            "gomemlimit-unset",
            {"minor": 18, "compiler": "gccgo", "version": "gccgo 12.2.0", "variables": {"GOMEMLIMIT": "99MiB"}},
            {"memory": limited(512)},
            "GOMEMLIMIT='99MiB' has no effect: gccgo 12.2.0 does not read it",
            id="gccgo has no memory limit, and the variable is there",
        ),
        pytest.param(
            "gomaxprocs-pinned",
            {"procs": 3, "pinned": True, "seen": sees(300_000), "in_library": True},
            {"cores": 3.0},
            "leave GOMAXPROCS out of that environment",
            id="a library was pinned when it was loaded",
        ),
        pytest.param(
            "gomemlimit-exceeds-limit",
            {"memory": 512 * MIB, "memory_derived": "off", "in_library": True},
            {"memory": limited(512)},
            "let it be 486MiB before this library is loaded",
            id="a library was given its limit when it was loaded",
        ),
        pytest.param(
            "gomemlimit-changed-in-process",
            {**CHANGED, "linked": (AUTOMEMLIMIT,)},
            {},
            f"its function table names {AUTOMEMLIMIT}",
            id="automemlimit without a version",
        ),
        pytest.param(
            "gomemlimit-changed-in-process",
            {**CHANGED, "modules": {AUTOMEMLIMIT: "v0.7.0"}},
            {},
            f"build info: {AUTOMEMLIMIT} v0.7.0",
            id="automemlimit with its version",
        ),
    ],
)
def test_words_for_one_kind_of_program(rule: str, facts: dict[str, object], rest: dict[str, object], words: str) -> None:
    """What is special about a program decides what is said of it, and what is advised."""
    finding = _judge(rule, report(go_facts(**facts), **rest))  # type: ignore[arg-type]
    assert finding is not None
    assert words in " ".join([finding.summary, *finding.evidence, *(advice.reason for advice in finding.advice)])


@pytest.mark.parametrize("word", ["false", "False"])
def test_a_bare_off_of_yaml_is_told(word: str) -> None:
    """GOGC and GOMEMLIMIT: the word that Helm or Ansible made of it, and to quote it; another word is not taken for one."""
    gogc = go_facts(ignored=("GOGC",), variables={"GOGC": word})
    dead = go_facts(memory=None, **dies(("GOMEMLIMIT", word)), variables={"GOMEMLIMIT": word})
    for rule, facts in (("gogc-malformed", gogc), ("gomemlimit-malformed", dead)):
        finding = _judge(rule, report(facts))
        assert finding is not None
        assert finding.advice[0].reason.startswith("if off was meant, put it in quotes")
        assert repr(word) in finding.advice[0].reason
    other = _judge("gogc-malformed", report(go_facts(ignored=("GOGC",), variables={"GOGC": "50%"})))
    assert other is not None
    assert "off was meant" not in str(other.advice)


def test_who_asks_for_rounding_up_is_not_offered_one_thread_more() -> None:
    """The offer is that of the rounding "slack"; of two runtimes it is told only if the variable would not be set anyway."""
    made = report(go_facts(procs=3, seen=sees(300_000)), cores=3.0)
    found = [{one.rule for one in judge_all(made, Policy(rounding=rounding))} for rounding in ("slack", "ceil", "floor")]
    assert ["whole-quota-no-slack" in rules for rules in found] == [True, False, False]
    old = report(go_facts(minor=24, path="/app/plugin.so"), cores=3.0)
    (both,) = judge_processes((made.replace(snapshot=made.snapshot.replace(go=(*old.snapshot.go, *made.snapshot.go))),))
    assert [one.rule for one in both.findings] == ["go-not-container-aware"]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"seen": sees(300_000)}, "set GOMAXPROCS=4; it then no longer follows a resize of the quota"),
        ({"minor": 24, "variables": {"GOMAXPROCS": "3"}}, "set GOMAXPROCS=4"),
    ],
)
def test_the_price_of_one_thread_more_is_told_to_those_who_pay_it(facts: dict[str, object], says: str) -> None:
    """A runtime that follows its quota stops doing so; one that does not loses nothing."""
    finding = _judge("whole-quota-no-slack", report(go_facts(procs=3, **facts), cores=3.0))  # type: ignore[arg-type]
    assert finding is not None
    assert finding.summary == "3 threads under 3 CPUs: with 4 p99 may be 10 to 50 % shorter"
    assert finding.advice[0].reason == f"if the tail of the latency matters, {says}"
