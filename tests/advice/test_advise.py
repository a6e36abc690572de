"""Recommended values: tables for the default policy, and what holds under any policy."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given, strategies as st

import cgtune
from cgtune.advice.advise import advise
from cgtune.advice.memory import find_room, group_by_limit, measure_outside, recommend_memory, size_that_ends_it
from cgtune.advice.policy import ROUNDINGS
from cgtune.advice.procs import format_quota, most_procs, recommend_procs
from cgtune.api import judge_processes
from cgtune.limits import enforce
from cgtune.model import AUTOMAXPROCS, AUTOMEMLIMIT, ByteLimit, Container, Policy, ProcessReport, Recommendation
from cgtune.outputs.words import format_setting
from cgtune.runtimes.go.derived.grammar import parse_gomemlimit
from tests.rules.reports import MIB, follows, go_facts, memory_level, report, sees, with_facts

DEFAULT = Policy()
CEIL = Policy(rounding="ceil")
FLOOR = Policy(rounding="floor")


@pytest.mark.parametrize(
    ("cores", "usable", "policy", "expected"),
    [
        pytest.param(0.5, 8, DEFAULT, (2, True), id="never below 2"),
        pytest.param(1.0, 8, DEFAULT, (2, True), id="one CPU and one thread more"),
        pytest.param(2.0, 8, DEFAULT, (3, True), id="whole CPUs and one thread more"),
        pytest.param(7.0, 8, DEFAULT, (8, True), id="one thread more, up to all CPUs"),
        pytest.param(2.0, 8, CEIL, (2, True), id="whole, as Go does it"),
        pytest.param(2.5, 8, DEFAULT, (3, True), id="rounded up"),
        pytest.param(2.00001, 8, DEFAULT, (3, True), id="a trace more counts, as with Go"),
        pytest.param(0.5, 1, DEFAULT, (1, True), id="one CPU is all there is"),
        pytest.param(7.5, 8, DEFAULT, (8, True), id="up to all CPUs"),
        pytest.param(8.0, 8, DEFAULT, (None, False), id="a quota that binds nothing"),
        pytest.param(None, 8, DEFAULT, (None, False), id="no quota"),
        pytest.param(2.5, 8, FLOOR, (2, True), id="rounded down"),
        pytest.param(0.5, 8, FLOOR, (1, True), id="down to 1"),
        pytest.param(0.5, 8, Policy(min_procs=1), (1, True), id="up from a half is 1"),
        pytest.param(0.5, 8, Policy(min_procs=4), (4, True), id="a minimum of one's own"),
        pytest.param(4.0, 8, Policy(reserve_cores=2.0), (3, True), id="whole CPUs less what is kept for others, and one thread more"),
        pytest.param(4.0, 8, Policy(reserve_cores=1.5), (3, True), id="less what is kept for others"),
        pytest.param(1.0, 8, Policy(reserve_cores=5.0), (2, True), id="more kept than there is"),
        pytest.param(8.0, 8, CEIL.replace(reserve_cores=1.0), (7, True), id="kept for others where the quota binds nothing"),
    ],
)
def test_recommended_procs(cores: float | None, usable: int, policy: Policy, expected: tuple[int | None, bool]) -> None:
    """Rounded, at least the minimum, at most the usable CPUs, and nothing at all where nothing binds."""
    recommendation = recommend_procs(cores, usable, policy)
    assert (recommendation.value, recommendation.set) == expected
    assert recommendation.because


def test_what_the_runtime_does_by_itself_is_left_to_it() -> None:
    """A runtime that reaches the value and follows changes is not pinned; one that reaches another is set."""
    assert recommend_procs(2.5, 8, follows_by_itself=3).set is False
    assert recommend_procs(2.5, 8, follows_by_itself=3).value == 3
    assert recommend_procs(2.5, 8, FLOOR, follows_by_itself=3).set is True


@pytest.mark.parametrize(
    ("cores", "follows", "policy", "expected"),
    [
        pytest.param(3.0, 3, DEFAULT, (3, False), id="whole CPUs: one thread more is no reason to stop it from following"),
        pytest.param(3.0, 4, DEFAULT, (4, False), id="one thread more"),
        pytest.param(3.0, 2, DEFAULT, (4, True), id="fewer than the quota feeds"),
        pytest.param(3.0, 5, DEFAULT, (4, True), id="more than that"),
        pytest.param(0.5, 1, DEFAULT, (2, True), id="one thread"),
        pytest.param(3.0, 4, CEIL, (3, True), id="exactly what was asked for"),
        pytest.param(3.0, 3, DEFAULT.replace(reserve_cores=1.0), (3, False), id="the same under what is left of the quota"),
        pytest.param(3.0, 3, DEFAULT.replace(reserve_cores=2.0), (2, True), id="more than is left of the quota"),
    ],
)
def test_what_is_as_good_is_left_to_the_runtime(cores: float, follows: int, policy: Policy, expected: tuple[int, bool]) -> None:
    """From the quota rounded up to one more than its whole CPUs a runtime that follows changes is left alone."""
    recommendation = recommend_procs(cores, 8, policy, follows_by_itself=follows)
    assert (recommendation.value, recommendation.set) == expected


@pytest.mark.parametrize(
    ("cores", "policy", "says"),
    [
        (0.5, DEFAULT, "0.5 CPUs rounded up is 1"),
        (1.0, DEFAULT, "1 CPU and one thread more is 2"),
        (1.5, DEFAULT, "1.5 CPUs rounded up is 2 (measured: rounded down costs 20 to 35 % of the throughput)"),
        (
            2.0,
            DEFAULT,
            "2 CPUs and one thread more is 3 (measured: p99 is 10 to 50 % shorter with it)",
        ),
        (3.0, DEFAULT.replace(reserve_cores=2.0), "3 CPUs, less 2 kept for others, and one thread more is 2"),
        (2.0, CEIL, "2 CPUs rounded up is 2"),
        (2.5, FLOOR, "2.5 CPUs rounded down is 2"),
    ],
)
def test_the_reason_says_what_was_measured(cores: float, policy: Policy, says: str) -> None:
    """The first reason says what becomes of the quota, and what that buys if it was measured."""
    assert recommend_procs(cores, 8, policy).because[0] == says


def test_a_variable_that_is_there_and_does_not_hold_is_not_to_be_set() -> None:
    """A program that goes by something else than its GOMAXPROCS is to be set where it sets it, not by another value of the variable."""
    facts = go_facts(minor=24, procs=7, procs_derived=5, variables={"GOMAXPROCS": "5"})
    (procs, _) = report(facts, cores=2.0).recommendations
    assert (procs.value, procs.set, procs.overruled) == (3, True, True)
    assert procs.because[-1] == "the program goes by something else than the variable, which is there: set it there"
    (library, _) = report(with_facts(facts, in_library=True), cores=2.0).recommendations  # its environment may not be that of exec
    assert (library.value, library.set, library.overruled) == (3, True, False)


@pytest.mark.parametrize(("now_mib", "value_mib", "is_set"), [(455, 455, False), (300, 486, True)])
def test_what_automemlimit_has_set_is_left_alone_if_it_is_near(now_mib: int, value_mib: int, is_set: bool) -> None:
    """Near what is recommended, and not above, the library's own value is kept; one far below is not."""
    facts = go_facts(memory=now_mib * MIB, memory_derived="off", modules={AUTOMEMLIMIT: "v0.7.0"})
    (_, memory) = report(facts, memory=(memory_level("/pod/app", 512 * MIB),)).recommendations
    assert memory.value is not None
    assert (memory.value // MIB, memory.set) == (value_mib, is_set)
    assert memory.because[-1].startswith("automemlimit has set") != is_set


def test_a_quota_that_cannot_be_seen_is_not_said_to_be_absent() -> None:
    """Without any cgroup in sight no quota is known; with all of them in sight none is enforced."""
    made = report()
    assert format_quota(made.limits) == "no CPU quota is enforced"
    blind = enforce(made.snapshot.replace(cpu_chain=()))
    assert format_quota(blind) == "no CPU quota is known: its cgroups cannot be seen from here"


POLICIES = st.builds(
    Policy,
    rounding=st.sampled_from(ROUNDINGS),
    min_procs=st.none() | st.integers(1, 16),
    reserve_cores=st.floats(0, 8),
    headroom_percent=st.none() | st.floats(0, 90),
    outside_bytes=st.none() | st.integers(0, 1 << 40),
)
CORES = st.none() | st.floats(0.01, 512)


@given(CORES, st.integers(1, 512), POLICIES)
def test_procs_are_possible(cores: float | None, usable: int, policy: Policy) -> None:
    """Whatever is asked for, a value is from 1 to the usable CPUs, and it is there where it is to be set."""
    recommendation = recommend_procs(cores, usable, policy)
    assert recommendation.set == (recommendation.value is not None)
    assert recommendation.value is None or 1 <= recommendation.value <= usable


@given(st.floats(0.01, 512), st.floats(0.01, 512), st.integers(1, 512))
def test_a_larger_quota_never_means_fewer_procs(one: float, other: float, usable: int) -> None:
    """The value grows with the quota; where it is left unset all CPUs are meant."""
    values = [recommend_procs(cores, usable).value or usable for cores in sorted((one, other))]
    assert values == sorted(values)


@given(st.floats(0.01, 512), st.integers(1, 512))
@example(4.0, 8)  # a whole one is rare among floats
def test_the_default_is_one_more_than_the_whole_cpus(cores: float, usable: int) -> None:
    """Any quota gets one thread more than its whole CPUs, at least 2: for a fraction that is what Go 1.25 computes, which is ceil."""
    value = recommend_procs(cores, usable).value or usable
    assert value == min(usable, max(2, math.floor(cores) + 1)) == most_procs(cores, usable)
    assert (recommend_procs(cores, usable, CEIL).value or usable) == min(usable, max(2, math.ceil(cores)))


def advised(
    limit_bytes: int | None,
    high_bytes: int | None = None,
    policy: Policy = DEFAULT,
    *,
    outside_bytes: int | None = None,
    live_bytes: int | None = None,
) -> Recommendation:
    """GOMEMLIMIT of a program that has mapped 10 MiB, with so much of others charged beside it (None: not measured)."""
    charged = None if outside_bytes is None else 10 * MIB + outside_bytes
    level = memory_level("/pod/app", limit_bytes, high_bytes=high_bytes, current_bytes=charged, reclaimable_bytes=0)
    process = report(go_facts(heap_marked_bytes=live_bytes), memory=(level,))
    machine = process.snapshot.machine.replace(memory_bytes=None)  # so that it caps nothing
    return advise(process.snapshot.replace(machine=machine), process.limits, policy)[1]


@pytest.mark.parametrize(
    ("limit_mib", "high_mib", "outside_mib", "policy", "expected_mib"),
    [
        pytest.param(512, None, None, DEFAULT, 460, id="10 % where nothing was measured"),
        pytest.param(100, None, None, DEFAULT, 84, id="16 MiB at least"),
        pytest.param(512, None, 20, DEFAULT, 471, id="what is outside and 4 %"),
        pytest.param(100, None, 0, DEFAULT, 92, id="8 MiB at least"),
        pytest.param(512, 400, None, DEFAULT, 360, id="memory.high, where it is less"),
        pytest.param(512, 600, None, DEFAULT, 460, id="memory.high, where it is not"),
        pytest.param(None, 400, None, DEFAULT, 360, id="memory.high alone"),
        pytest.param(None, None, None, DEFAULT, None, id="no limit"),
        pytest.param(63, None, None, DEFAULT, None, id="too small a limit"),
        pytest.param(64, None, None, DEFAULT, 48, id="the smallest"),
        pytest.param(512, None, 480, DEFAULT, None, id="hardly anything left"),
        pytest.param(512, None, None, Policy(headroom_percent=25.0), 384, id="headroom of one's own"),
        pytest.param(
            375, None, None, Policy(headroom_percent=17.6), 309, id="a share that is a whole MiB, and as floating point a byte less"
        ),
        pytest.param(512, None, 20, Policy(outside_bytes=100 * MIB), 391, id="declared goes before measured"),
    ],
)
def test_recommended_memory(
    limit_mib: int | None, high_mib: int | None, outside_mib: int | None, policy: Policy, expected_mib: int | None
) -> None:
    """The least limit, less what Go does not manage, less the headroom."""
    limit, high, outside = (None if value is None else value * MIB for value in (limit_mib, high_mib, outside_mib))
    recommendation = advised(limit, high, policy, outside_bytes=outside)
    assert recommendation.value == (None if expected_mib is None else expected_mib * MIB)
    assert recommendation.set == (expected_mib is not None)
    assert recommendation.because


@pytest.mark.parametrize(("outside_bytes", "expected"), [(24 * MIB, 32 * MIB), (24 * MIB + 1, None)])
def test_no_value_below_half_of_the_smallest_limit(outside_bytes: int, expected: int | None) -> None:
    """64 MiB is the smallest limit for which a value is recommended, and 32 MiB the smallest value, as docs/advice.md says."""
    recommendation = recommend_memory(64 * MIB, None, Policy(outside_bytes=outside_bytes))
    assert (recommendation.value, recommendation.set) == (expected, expected is not None)


def test_a_crowded_limit_is_told_with_the_size_that_ends_it() -> None:
    """Above 60 % alive the value only buys time; twice the live heap is what is needed."""
    said = advised(100 * MIB, outside_bytes=0, live_bytes=61 * MIB).because[-1]
    assert "buys time only" in said
    assert "122 MiB" in said
    assert "buys time" not in " ".join(advised(100 * MIB, live_bytes=60 * MIB).because)


def test_a_limit_is_crowded_by_what_others_leave_of_it() -> None:
    """Beside 300 MiB of others 150 MiB alive crowd a limit of 512 MiB, and both count for the size that ends it."""
    recommendation = advised(512 * MIB, outside_bytes=300 * MIB, live_bytes=150 * MIB)
    assert recommendation.crowded is not None
    assert (recommendation.crowded.left_bytes, recommendation.crowded.needed_bytes) == (212 * MIB, 600 * MIB)
    assert advised(512 * MIB, outside_bytes=300 * MIB, live_bytes=127 * MIB).crowded is None


def test_a_part_of_a_limit_is_crowded_as_a_part() -> None:
    """Of two programs with half of the limit each, the one with 200 of 250 MiB alive needs twice its size, and so does the other's half."""
    chain = (memory_level("/pod/app", 512 * MIB, current_bytes=517 * MIB),)
    one, other = (report(go_facts(mapped_bytes=250 * MIB, heap_marked_bytes=200 * MIB), memory=chain, pid=pid) for pid in (1, 2))
    crowded = advise(one.snapshot, one.limits, DEFAULT, group_by_limit((one.snapshot, other.snapshot)))[1].crowded
    assert crowded is not None
    assert (crowded.left_bytes, crowded.needed_bytes) == (250 * MIB, (12 + 800) * MIB)


def test_a_limit_beyond_the_machine_is_none() -> None:
    """What the machine has not got cannot be reached: no value, and the reason; its own size is a limit."""
    beyond = recommend_memory(64 * MIB << 10, None, machine_bytes=32 * MIB << 10)
    assert (beyond.value, beyond.set) == (None, False)
    assert "machine" in beyond.because[-1]
    assert recommend_memory(32 * MIB << 10, None, machine_bytes=32 * MIB << 10).set
    assert recommend_memory(64 * MIB << 10, 512 * MIB, machine_bytes=32 * MIB << 10).value == 460 * MIB


def test_a_quota_that_kills_is_not_left_to_go() -> None:
    """A Go that dies of its quota gets a GOMAXPROCS; one that does not is left alone."""
    dying = report(go_facts(procs=None, dies="fatal error: procresize: invalid arg", dies_of="quota", seen=sees(0, 0))).recommendations[0]
    assert (dying.value, dying.set) == (8, True)
    quota = report(
        go_facts(procs=None, dies="fatal error: procresize: invalid arg", dies_of="quota", seen=sees(0, 0)), cores=2.0
    ).recommendations[0]
    assert (quota.value, quota.set) == (3, True)
    assert "right" not in " ".join(dying.because)


def test_an_old_go_is_not_given_what_it_does_not_read() -> None:
    """GOMEMLIMIT came with Go 1.19."""
    limited = (memory_level("/pod/app", 512 * MIB),)
    assert [report(go_facts(minor=minor), memory=limited).recommendations[1].set for minor in (18, 19)] == [False, True]


@given(st.integers(0, 1 << 50), st.none() | st.integers(0, 1 << 50), st.none() | st.integers(0, 1 << 50), POLICIES)
def test_memory_is_possible(limit: int, high: int | None, outside: int | None, policy: Policy) -> None:
    """A value is whole MiB that Go can read, below every limit by the headroom at least, and with what is outside still within it."""
    recommendation = advised(limit, high, policy, outside_bytes=outside)
    value = recommendation.value
    assert recommendation.set == (value is not None)
    if value is None:
        return
    assert parse_gomemlimit(format_setting(recommendation), 19) == value
    for bound in (limit, high):
        if bound is not None:
            room = find_room(bound, "", policy, outside)
            assert 0 < value <= bound - room.outside_bytes - room.safety_bytes


@given(st.integers(64 * MIB, 1 << 45), st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_more_outside_never_means_more_for_go(limit: int, one: int, other: int) -> None:
    """The value falls with what others use."""
    values = [advised(limit, outside_bytes=outside).value or 0 for outside in sorted((one, other))]
    assert values == sorted(values, reverse=True)


@given(st.integers(1, 1 << 45))
def test_the_size_that_ends_it_does(live: int) -> None:
    """Under the size named, the live heap is no longer crowded."""
    assert live * 100 <= size_that_ends_it(live, DEFAULT) * DEFAULT.crowded_percent


@pytest.mark.parametrize(
    ("current_mib", "reclaimable_mib", "mapped", "expected_mib"),
    [
        pytest.param(100, 60, [10 * MIB], 30, id="charged, less what can be given back, less Go's"),
        pytest.param(100, 60, [10 * MIB, 20 * MIB], 10, id="of all runtimes"),
        pytest.param(20, 15, [10 * MIB], 0, id="never below nothing"),
        pytest.param(100, 60, [10 * MIB, None], None, id="one runtime is not known"),
        pytest.param(None, 60, [10 * MIB], None, id="no counter"),
        pytest.param(100, None, [10 * MIB], None, id="no memory.stat"),
    ],
)
def test_what_go_does_not_manage(
    current_mib: int | None, reclaimable_mib: int | None, mapped: list[int | None], expected_mib: int | None
) -> None:
    """Page cache that the kernel gives back is not in it; what cannot be told is not guessed."""
    current, reclaimable = (None if value is None else value * MIB for value in (current_mib, reclaimable_mib))
    level = memory_level("/app", 512 * MIB, current_bytes=current, reclaimable_bytes=reclaimable)
    assert measure_outside(level, mapped) == (None if expected_mib is None else expected_mib * MIB)


def test_what_is_swapped_out_is_used_all_the_same() -> None:
    """Go's figure counts its pages wherever they are, so the charge has to count them too."""
    level = memory_level("/app", 512 * MIB, current_bytes=60 * MIB, reclaimable_bytes=0, swapped_bytes=40 * MIB)
    assert measure_outside(level, [80 * MIB]) == 20 * MIB


def test_the_fuller_ancestor_decides() -> None:
    """An ancestor with a wider limit that others fill leaves less than the process's own."""
    chain = (memory_level("/pod/app", 512 * MIB), memory_level("/pod", 600 * MIB, current_bytes=320 * MIB, reclaimable_bytes=0))
    recommendation = report(go_facts(), memory=chain).recommendations[1]
    assert recommendation.because[0].startswith("/sys/fs/cgroup/pod/memory.max")
    assert recommendation.value == (600 - 310 - 24) * MIB


def test_programs_under_one_limit_share_it() -> None:
    """In proportion to what each has mapped; the parts are no more than the whole, and a program elsewhere has no part."""
    small = report(go_facts(mapped_bytes=10 * MIB), memory=(memory_level("/pod/app", 512 * MIB, current_bytes=40 * MIB),), pid=1)
    large = report(go_facts(mapped_bytes=20 * MIB), memory=small.snapshot.memory_chain, pid=2)
    apart = report(go_facts(), memory=(memory_level("/other", 512 * MIB),), pid=3)
    everybody = [made.snapshot for made in (small, large, apart)]
    groups = group_by_limit(everybody)
    parts = [advise(snapshot, enforce(snapshot), DEFAULT, groups)[1].value or 0 for snapshot in everybody]
    whole = (512 - 5 - 20.5) * MIB
    assert parts[:2] == [int(whole / 3) // MIB * MIB, int(whole * 2 / 3) // MIB * MIB]
    assert parts[2] == apart.recommendations[1].value
    because = advise(small.snapshot, small.limits, DEFAULT, groups)[1].because
    assert "2 Go runtimes share it: a part of 10 of 30 MiB, as they have mapped now" in because
    assert "share it" not in str(apart.recommendations[1].because)


def test_one_cgroup_reached_in_two_ways_is_one_limit() -> None:
    """A sidecar reads the same cgroup below each process's own /proc/PID/root: its two programs share one limit all the same."""
    level = memory_level("/../app", 512 * MIB, current_bytes=40 * MIB)
    ways = [(level.replace(directory=f"/proc/{pid}/root/sys/fs/cgroup"),) for pid in (1, 2)]
    both = [report(go_facts(mapped_bytes=10 * MIB), memory=way, pid=pid).snapshot for pid, way in enumerate(ways, 1)]
    groups = group_by_limit(both)
    parts = [advise(snapshot, enforce(snapshot), DEFAULT, groups)[1].value or 0 for snapshot in both]
    assert parts == [int((512 - 15 - 20.5) / 2) * MIB] * 2


def _pod(sidecar_bytes: int | None, *, is_self: bool = True, limit_bytes: int | None = 256 * MIB) -> list[ProcessReport]:
    """Two Go programs of one pod as its sidecar sees them, each in its container with 40 MiB; and the sidecar itself."""
    levels = [memory_level(f"/../{name}", limit_bytes, current_bytes=40 * MIB, reclaimable_bytes=0) for name in ("x", "y")]
    levels.append(memory_level("/", sidecar_bytes, current_bytes=20 * MIB, reclaimable_bytes=0))
    facts = (go_facts(mapped_bytes=30 * MIB), go_facts(mapped_bytes=10 * MIB), None)
    both = zip(facts, levels, (False, False, is_self), strict=True)
    made = [report(go, memory=(level,), pid=pid, is_self=is_own) for pid, (go, level, is_own) in enumerate(both, 1)]
    return [one.replace(snapshot=one.snapshot.replace(container=Container(pod_uid="ab" * 16))) for one in made]


def test_equal_limits_of_all_containers_are_the_pods_and_are_shared() -> None:
    """A limit of the pod (spec.resources) stands in each container that has none of its own: what the others use of it is not free."""
    judged = judge_processes(tuple(_pod(256 * MIB)))
    values = [process.recommendations[1].value or 0 for process in judged[:2]]
    # 100 MiB are charged in the pod, 40 of them by Go; 10.24 MiB stay free
    assert values == [int((256 - 60 - 10.25) * part) * MIB for part in (0.75, 0.25)]
    assert any("all 3 containers of the pod" in line for line in judged[0].recommendations[1].because)
    two, (reader,) = judged[:2], judged[2:]
    alone = judge_processes(tuple(two), beside=(reader.snapshot,))
    assert [process.recommendations for process in alone] == [process.recommendations for process in two]


@pytest.mark.parametrize("pod", [_pod(64 * MIB), _pod(None), _pod(256 * MIB, is_self=False)], ids=["lower", "none", "no sidecar"])
def test_limits_of_the_containers_own_are_not_shared(pod: list[ProcessReport]) -> None:
    """Where one container has another limit, or the reader is none of them, an equal limit may be each one's own."""
    judged = judge_processes(tuple(pod))
    assert [process.recommendations[1].value for process in judged[:2]] == [235 * MIB, 215 * MIB]


def test_a_cgroup_is_the_same_by_its_identity_not_by_its_name() -> None:
    """A reader's own / is not the machine's, and what one mount calls /, another one calls /pod/app."""
    level = memory_level("/", 512 * MIB, current_bytes=40 * MIB).replace(identity=(26, 7))
    chains = ((level,), (level.replace(path="/pod/app"),), (memory_level("/other", 512 * MIB), level.replace(identity=(26, 1))))
    each = [report(go_facts(mapped_bytes=10 * MIB), memory=chain, pid=pid).snapshot for pid, chain in enumerate(chains, 1)]
    groups = group_by_limit(each)
    parts = [advise(snapshot, enforce(snapshot), DEFAULT, groups)[1].value or 0 for snapshot in each]
    assert parts[:2] == [int((512 - 15 - 20.5) / 2) * MIB] * 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, (3, False), id="obeys and follows"),
        pytest.param({"pinned": True, "variables": {"GOMAXPROCS": "8"}}, (3, False), id="pinned by the variable, which can be removed"),
        pytest.param({"pinned": True}, (3, False), id="pinned by the program, which can stop that"),
        pytest.param({"pinned": True, "linked": (AUTOMAXPROCS,)}, (4, True), id="pinned by a library that leaves the variable alone"),
        pytest.param({"updates": False}, (4, True), id="does not follow"),
        pytest.param({"aware": False}, (4, True), id="does not obey"),
        pytest.param({"seen": sees(None)}, (4, True), id="sees none"),
        pytest.param({"seen": sees(500_000)}, (4, True), id="sees another"),
        pytest.param({"follows": follows("/old/cpu.max")}, (4, True), id="follows the cgroup that it was in before"),
    ],
)
def test_the_variable_is_left_unset_only_where_go_does_it(changes: dict[str, object], expected: tuple[int, bool]) -> None:
    """Go 1.27 under 3 CPUs: unset if it comes to 3 and keeps it right; else set, to one thread more."""
    facts = go_facts(**{"procs": 3, "seen": sees(300_000), **changes})  # type: ignore[arg-type]
    recommendation = report(facts, cores=3.0).recommendations[0]
    assert (recommendation.value, recommendation.set) == expected


def test_runtimes_of_one_process_read_one_variable() -> None:
    """Each takes the whole value: GOMEMLIMIT is right when all of them take it, whatever each has mapped now."""
    chain = (memory_level("/pod/app", 512 * MIB, current_bytes=60 * MIB),)
    one = report(go_facts(mapped_bytes=10 * MIB), memory=chain)
    library = go_facts(mapped_bytes=40 * MIB, path="/app/plugin.so")
    both = one.snapshot.replace(go=(*one.snapshot.go, library))
    recommendation = advise(both, one.limits)[1]
    assert recommendation.value == int((512 - 5 - 20.5) / 2) * MIB
    assert recommendation.because[-2] == "the 2 Go runtimes of this process read the same variable: an equal part for each"
    beside = report(go_facts(mapped_bytes=50 * MIB), memory=(memory_level("/pod/app", 512 * MIB, current_bytes=110 * MIB),), pid=7)
    groups = group_by_limit((both, beside.snapshot))
    parts = [advise(each, one.limits, DEFAULT, groups)[1].value or 0 for each in (both, beside.snapshot)]
    assert 2 * parts[0] + parts[1] <= 512 * MIB
    unknown = both.replace(go=(one.snapshot.go[0], with_facts(library, mapped_bytes=None)))
    assert "an equal part for each" in advise(unknown, one.limits)[1].because[-2]


def test_a_runtime_that_is_too_old_takes_nothing_from_its_neighbour() -> None:
    """Go 1.18 knows no GOMEMLIMIT: one that runs beside it in the same process does, and both read one environment."""
    made = report(go_facts(minor=18), memory=(memory_level("/pod/app", 512 * MIB),))
    assert (made.recommendations[1].value, made.recommendations[1].set) == (None, False)
    both = made.snapshot.replace(go=(*made.snapshot.go, go_facts(path="/app/plugin.so")))
    assert advise(both, made.limits)[1].set


def test_a_crowded_limit_counts_every_runtime() -> None:
    """Two live heaps of a third of the limit each crowd it."""
    one = report(go_facts(heap_marked_bytes=170 * MIB), memory=(memory_level("/pod/app", 512 * MIB),))
    both = one.snapshot.replace(go=one.snapshot.go * 2)
    assert "buys time only" not in str(one.recommendations[1].because)
    assert "buys time only: 340 MiB are alive" in str(advise(both, one.limits)[1].because)
    silent = one.snapshot.replace(go=(go_facts(heap_marked_bytes=340 * MIB), go_facts(heap_marked_bytes=None)))
    assert advise(silent, one.limits)[1].crowded is None  # what is alive in the second is not known


def test_what_is_kept_free_is_rounded_up() -> None:
    """A tenth of a byte is a byte: the value never takes what the policy keeps free."""
    assert find_room(100 * MIB + 1, "memory.max", Policy(headroom_percent=10), None).safety_bytes == 10 * MIB + 1


def test_a_hidden_ancestor_counts_beside_visible_limits() -> None:
    """On v1 memory.stat tells of a tighter limit above all that can be seen: it decides, also if a visible cgroup has a limit."""
    level = memory_level("/pod/app", 512 * MIB)
    made = report(go_facts(), memory=(level.replace(hierarchical=ByteLimit(limit_bytes=256 * MIB)),))
    assert (made.recommendations[1].value or 0) < 256 * MIB
    assert "memory.stat" in made.recommendations[1].because[0]


@pytest.mark.parametrize(("second", "expected"), [({"procs": 3, "seen": sees(300_000)}, (3, False)), ({"minor": 24}, (4, True))])
def test_the_variable_is_left_unset_only_where_every_runtime_does_it(second: dict[str, object], expected: tuple[int, bool]) -> None:
    """One runtime that does not see the quota is enough for the variable to be needed."""
    one = report(go_facts(procs=3, seen=sees(300_000)), cores=3.0)
    both = one.snapshot.replace(go=(*one.snapshot.go, go_facts(**second)))  # type: ignore[arg-type]
    recommendation = advise(both, one.limits)[0]
    assert (recommendation.value, recommendation.set) == expected


def test_other_programs_get_no_advice() -> None:
    """There is nothing to recommend to a program that is no Go program."""
    assert report(None, cores=2.0).recommendations == ()


def test_many_programs_are_not_compared_in_pairs() -> None:
    """Twice as many Go processes below one limited ancestor cost about twice as many steps, not four times as many."""

    def count_calls(count: int) -> int:
        calls = 0

        def on_call(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        chains = [(memory_level(f"/pods/{pid}", 512 * MIB), memory_level("/pods", 60 << 30)) for pid in range(1, count + 1)]
        processes = tuple(report(go_facts(), cores=2.0, memory=chain, pid=pid) for pid, chain in enumerate(chains, start=1))
        before = sys.getprofile()
        sys.setprofile(on_call)
        try:
            judge_processes(processes)
        finally:
            sys.setprofile(before)
        return calls

    assert count_calls(160) < 2.5 * count_calls(80)


def test_a_version_without_a_memory_limit_says_so_first() -> None:
    """Before 1.19 there is no GOMEMLIMIT, and nothing is worked out for one that cannot be set."""
    prediction = cgtune.predict(memory_limit="512Mi", cpus=2, go="1.18,1.19")
    old, new = (row.process.recommendations[1] for row in prediction.rows)
    assert (old.set, old.because) == (False, ("Go 1.18 has no GOMEMLIMIT: it came with 1.19",))
    assert (new.set, new.value) == (True, 460 << 20)


@pytest.mark.parametrize(("given", "rule"), [("600MiB", "gomemlimit-exceeds-limit"), ("511MiB", "gomemlimit-near-limit"), ("460MiB", None)])
def test_a_memory_limit_in_the_environment_is_judged_without_a_process(given: str, rule: str | None) -> None:
    """``predict --env GOMEMLIMIT`` finds what the same value would be found for in a process that runs."""
    prediction = cgtune.predict(memory_limit="512Mi", cpus=2, go="1.24", env=[f"GOMEMLIMIT={given}"])
    assert [finding.rule for finding in prediction.rows[0].process.findings] == ([] if rule is None else [rule])
