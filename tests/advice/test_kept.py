"""A measurement of a young program is not sure, and a value that was recommended and set is not recommended anew at each look."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.memory import group_by_limit
from cgtune.advice.policy import parse_policy
from cgtune.api import judge_processes
from cgtune.limits import enforce
from cgtune.model import AUTOMEMLIMIT, Policy, ProcessReport
from tests.rules.reports import MIB, go_facts, memory_level, report, sees

MAPPED = 10 * MIB
OLD = 3600
OF_MEMORY = ("gomemlimit", "memory", "oom")


def looked_at(
    outside_bytes: int | None,
    *,
    limit_bytes: int = 512 * MIB,
    age_seconds: int | None = OLD,
    value: int | None = None,
    policy: Policy | None = None,
    oom_kills: int = 0,
    **facts: object,
) -> ProcessReport:
    """A program that has mapped 10 MiB, beside so much of others (None: not measured), judged; ``value`` is its GOMEMLIMIT."""
    charged = None if outside_bytes is None else MAPPED + outside_bytes
    level = memory_level("/pod/app", limit_bytes, current_bytes=charged, reclaimable_bytes=0)
    if value is not None:
        facts = {"memory": value, "variables": {"GOMEMLIMIT": str(value)}, **facts}
    go = go_facts(mapped_bytes=MAPPED, **facts)  # type: ignore[arg-type]
    made = report(go, memory=(level,), age_seconds=age_seconds, oom_kills=oom_kills, policy=policy)
    return judge_processes((made,), policy)[0]


def advised(process: ProcessReport) -> int | None:
    """The recommended GOMEMLIMIT, in bytes."""
    return process.recommendations[1].value


def rules(process: ProcessReport) -> list[str]:
    """The rules of memory that found something."""
    return [finding.rule for finding in process.findings if finding.rule.startswith(OF_MEMORY)]


@pytest.mark.parametrize(
    ("age_seconds", "outside_mib", "policy", "expected_mib", "reason"),
    [
        (0, 0, (), 460, "less 51.2 MiB kept free, as it was measured 0 s after its start: more may come"),
        (3, 0, (), 460, "less 51.2 MiB kept free, as it was measured 3 s after its start: more may come"),
        (3, 128, (), 332, "less 128 MiB (measured) that the Go runtime does not manage"),
        (299, 0, (), 460, "less 51.2 MiB kept free, as it was measured 299 s after its start: more may come"),
        (300, 0, (), 491, "less 20.5 MiB kept free"),
        (None, 0, (), 460, "less 51.2 MiB kept free, as it is not known how long it has run: more may come"),
        (3, None, (), 460, "less 51.2 MiB kept free, as nothing was measured"),
        (3, 0, ("measured-after=3s",), 491, "less 20.5 MiB kept free"),
        (300, 0, ("measured-after=1h",), 460, "less 51.2 MiB kept free, as it was measured 300 s after its start: more may come"),
    ],
)
def test_an_early_measurement_is_not_sure(
    age_seconds: int | None, outside_mib: int | None, policy: tuple[str, ...], expected_mib: int, reason: str
) -> None:
    """In the first five minutes what was measured counts, and beside it the headroom of what was not."""
    outside = None if outside_mib is None else outside_mib * MIB
    process = looked_at(outside, age_seconds=age_seconds, policy=parse_policy(numbers=policy))
    assert advised(process) == expected_mib * MIB
    assert reason in process.recommendations[1].because
    assert (process.recommendations[1].doubt is not None) == ("more may come" in str(process.recommendations[1].because))


def test_what_is_declared_is_sure_at_once() -> None:
    """Who says with --outside what will come needs no patience, and a headroom of one's own is that at any age."""
    assert advised(looked_at(0, age_seconds=3, policy=parse_policy(outside="100Mi"))) == 391 * MIB
    assert advised(looked_at(0, age_seconds=3, policy=parse_policy(headroom="5%"))) == 486 * MIB


def test_the_youngest_program_under_a_limit_counts() -> None:
    """What a neighbour will take is not there yet either, and the reason names it."""
    chain = (memory_level("/pod/app", 512 * MIB, current_bytes=20 * MIB, reclaimable_bytes=0),)
    made = [report(go_facts(mapped_bytes=MAPPED), memory=chain, pid=pid, age_seconds=age) for pid, age in ((1, OLD), (2, 9), (3, None))]
    both = judge_processes(tuple(made[:2]))
    assert [process.recommendations[1].value for process in both] == [230 * MIB] * 2
    assert "measured 9 s after the start of process 2, which shares the limit" in str(both[0].recommendations[1].because)
    assert "measured 9 s after its start" in str(both[1].recommendations[1].because)
    unknown = judge_processes((made[0], made[2]))[0]
    assert "not known how long" in str(unknown.recommendations[1].because)


@pytest.mark.parametrize(
    ("peak_mib", "value_mib", "expected_mib"),
    [
        pytest.param(430, 400, 460, id="Go may have taken it"),
        pytest.param(460, 400, 429, id="others had more once"),
        pytest.param(460, None, 460, id="nothing bounds what Go took"),
        pytest.param(None, 400, 460, id="a kernel that does not count it"),
    ],
)
def test_what_the_peak_tells(peak_mib: int | None, value_mib: int | None, expected_mib: int) -> None:
    """More was charged once than GOMEMLIMIT and what is there now explain: then what is outside is not sure."""
    level = memory_level("/pod/app", 512 * MIB, current_bytes=MAPPED + 31 * MIB, reclaimable_bytes=0)
    level = level.replace(peak_bytes=None if peak_mib is None else peak_mib * MIB)
    facts = {} if value_mib is None else {"memory": value_mib * MIB, "variables": {"GOMEMLIMIT": f"{value_mib}MiB"}}
    process = judge_processes((report(go_facts(mapped_bytes=MAPPED, **facts), memory=(level,), age_seconds=OLD),))[0]  # type: ignore[arg-type]
    assert advised(process) == expected_mib * MIB
    said = "memory.peak is 29 MiB more than GOMEMLIMIT and what is there now explain, files or not"
    assert process.recommendations[1].doubt == (said if expected_mib == 429 else None)


def test_advice_that_was_followed_is_quiet() -> None:
    """64 MiB: 56MiB was recommended, then 55MiB and 50MiB to who had set that. Now it stays, and nothing is found."""
    assert advised(looked_at(0, limit_bytes=64 * MIB)) == 56 * MIB
    for outside_mib in (0, 1, 6, 3, 0):
        for age in (2, 299, 300, None):
            process = looked_at(outside_mib * MIB, limit_bytes=64 * MIB, value=56 * MIB, age_seconds=age)
            assert (advised(process), process.recommendations[1].set, rules(process)) == (56 * MIB, True, [])
    beyond = looked_at(7 * MIB, limit_bytes=64 * MIB, value=56 * MIB)
    assert (advised(beyond), rules(beyond)) == (49 * MIB, ["gomemlimit-near-limit"])


AGES = st.none() | st.integers(0, 1000)


@given(st.data(), st.integers(64 * MIB, 1 << 40), AGES)
def test_ten_looks_at_a_program_that_follows(data: st.DataObject, limit: int, age: int | None) -> None:
    """Whatever is recommended, at whatever age: set, it stays recommended while what others use changes by less than the band."""
    band = max(6 * MIB, limit * 3 // 100)
    outside = data.draw(st.integers(0, limit // 4))
    value = advised(looked_at(outside, limit_bytes=limit, age_seconds=age))
    if value is None:
        return
    for _ in range(10):
        now = data.draw(st.integers(max(0, outside - band + MIB), outside + band))
        process = looked_at(now, limit_bytes=limit, age_seconds=data.draw(AGES), value=value)
        fresh = looked_at(now, limit_bytes=limit, age_seconds=process.snapshot.process.age_seconds)
        if advised(fresh) is None:
            continue  # too little is left for any value
        assert advised(process) == value
        assert set(rules(process)) <= {"memory-shared"}  # of what others use, and no word of GOMEMLIMIT


@given(st.integers(64 * MIB, 1 << 40), st.integers(0, 1 << 40), AGES, st.integers(1, 1 << 41))
def test_what_is_kept_fits(limit: int, outside: int, age: int | None, value: int) -> None:
    """A value that stays leaves room for what others use, and is never above what a limit gives that nobody else uses."""
    process = looked_at(outside, limit_bytes=limit, age_seconds=age, value=value)
    if advised(process) == value:
        assert value + outside <= limit
        assert value <= limit - max(8 * MIB, limit * 4 // 100)


@pytest.mark.parametrize(
    ("value_mib", "outside_mib", "changes", "expected_mib"),
    [
        pytest.param(446, 0, {}, 446, id="the least that stays"),
        pytest.param(445, 0, {}, 491, id="less"),
        pytest.param(491, 0, {}, 491, id="the most that stays"),
        pytest.param(492, 0, {}, 491, id="more"),
        pytest.param(491, 15, {}, 491, id="others have used up three quarters of the headroom"),
        pytest.param(491, 16, {}, 475, id="others have used up more"),
        pytest.param(491, 5, {"oom_kills": 1}, 486, id="memory ran out"),
        pytest.param(460, 5, {"oom_kills": 1}, 460, id="memory ran out, and it is lower"),
        pytest.param(460, 0, {"heap_marked_bytes": 276 * MIB}, 460, id="60 % of it alive"),
        pytest.param(460, 0, {"heap_marked_bytes": 277 * MIB}, 491, id="more of it alive"),
        pytest.param(491, 5, {"policy": parse_policy(numbers=["band=0", "band-least=0"])}, 486, id="no band"),
        pytest.param(460, 5, {"policy": parse_policy(numbers=["band=0", "band-least=0"])}, 460, id="no band, between the two"),
        pytest.param(491, 25, {"policy": parse_policy(numbers=["band=50%"])}, 466, id="no band takes more than the headroom"),
        pytest.param(480, None, {}, 480, id="nothing measured"),
        pytest.param(480, 0, {"policy": parse_policy(headroom="10%", numbers=["band=0", "band-least=0"])}, 460, id="one's own headroom"),
    ],
)
def test_what_stays_and_what_does_not(value_mib: int, outside_mib: int | None, changes: dict[str, object], expected_mib: int) -> None:
    """Under 512 MiB: the range that docs/advice.md tells, and what ends it."""
    outside = None if outside_mib is None else outside_mib * MIB
    process = looked_at(outside, value=value_mib * MIB, **changes)  # type: ignore[arg-type]
    assert advised(process) == expected_mib * MIB
    assert ("is set, and a value that is set stays" in process.recommendations[1].because[-1]) == (
        advised(process) == value_mib * MIB and value_mib != (491 if outside_mib == 0 else 0)
    )


@pytest.mark.parametrize(("linked", "who"), [({AUTOMEMLIMIT: "v0.7.0"}, "the library"), ({}, "the program")])
def test_what_the_program_has_set_is_left_to_it(linked: dict[str, str], who: str) -> None:
    """Nobody is asked for a variable beside a limit of the program's own that is as good."""
    process = looked_at(3 * MIB, memory=461 * MIB, memory_derived="off", modules=linked)
    memory = process.recommendations[1]
    assert (memory.value, memory.set) == (461 * MIB, False)
    assert memory.because[-1].endswith(f"leave it to {who}")
    assert rules(process) == ["gomemlimit-changed-in-process"]


def test_a_variable_that_does_not_hold_is_kept_where_the_value_is() -> None:
    """The program goes by 480 MiB and its variable says 300: what holds stays, in the place where it is set."""
    process = looked_at(0, memory=480 * MIB, memory_derived=300 * MIB, variables={"GOMEMLIMIT": "300MiB"})
    assert (advised(process), process.recommendations[1].overruled) == (480 * MIB, True)


def test_runtimes_that_differ_keep_nothing() -> None:
    """Two libraries with limits of their own have no value in common that could stay."""
    made = looked_at(0, value=240 * MIB)
    both = made.snapshot.replace(go=(*made.snapshot.go, go_facts(memory=230 * MIB, mapped_bytes=MAPPED, path="/app/plugin.so")))
    process = judge_processes((made.replace(snapshot=both, limits=enforce(both)),))[0]
    assert advised(process) == 250 * MIB - 5 * MIB
    assert group_by_limit((both,))


@pytest.mark.parametrize(
    ("cores", "procs", "minor", "expected"),
    [
        pytest.param(2.0, 2, 24, (2, True, True), id="rounded up, as Go does it, is as good"),
        pytest.param(2.0, 3, 24, (3, True, False), id="what is recommended"),
        pytest.param(2.0, 1, 24, (3, True, False), id="fewer than the quota feeds"),
        pytest.param(2.0, 4, 24, (3, True, False), id="more than that"),
        pytest.param(1.5, 1, 24, (2, True, False), id="rounded down"),
        pytest.param(0.5, 1, 24, (2, True, False), id="one thread"),
        pytest.param(2.0, 2, 27, (2, False, False), id="what Go comes to by itself is left to it"),
        pytest.param(2.0, 3, 27, (3, True, True), id="one thread more was chosen, and Go does not come to it by itself"),
        pytest.param(2.0, 4, 27, (2, False, False), id="more than that is left to Go"),
    ],
)
def test_a_gomaxprocs_that_is_as_good_stays(cores: float, procs: int, minor: int, expected: tuple[int, bool, bool]) -> None:
    """From the quota rounded up to one more than its whole CPUs a variable stays, and there is nothing to be warned of."""
    seen = sees(round(cores * 100_000)) if minor > 24 else None
    facts = go_facts(minor=minor, procs=procs, seen=seen, pinned=minor > 24, variables={"GOMAXPROCS": str(procs)})
    process = judge_processes((report(facts, cores=cores),))[0]
    recommended = process.recommendations[0]
    is_kept = "a value that is set stays if it lies within 2 to 3" in recommended.because[-1]
    assert (recommended.value, recommended.set, is_kept) == expected
    is_good = max(2, math.ceil(cores)) <= procs <= max(2, math.floor(cores) + 1)
    assert ({finding.severity for finding in process.findings} <= {"info"}) == (is_good or procs < 2)


def test_a_number_that_the_program_chose_is_no_choice_of_the_variable() -> None:
    """automaxprocs has set what is as good: it leaves the variable alone, so that the recommended value can be had."""
    facts = go_facts(minor=24, procs=2, modules={"go.uber.org/automaxprocs": "v1.6.0"})
    assert report(facts, cores=2.0).recommendations[0].value == 3
