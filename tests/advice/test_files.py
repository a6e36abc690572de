"""Pages of files that are in use are not Go's to take: GOMEMLIMIT leaves them room, as far as the live heap does."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.files import Files, find_files
from cgtune.api import judge_processes
from cgtune.model import MemoryLevel, MemoryParts, MemoryRate, ProcessReport, Rates
from tests.rules.reports import MIB, go_facts, memory_level, report

MAPPED = 60 * MIB


def rates(refaults: float) -> Rates:
    """So many pages came back a second, in half a minute."""
    place = {"path": "/pod/app", "directory": "/sys/fs/cgroup/pod/app", "version": 2}
    rate = MemoryRate(seconds=30.0, refaults_per_second=refaults, oom_kills=0, high_events=0, max_events=0, **place)  # type: ignore[arg-type]
    return Rates(
        seconds=30.0,
        used_cores=1.0,
        waiting_threads=0.0,
        major_faults_per_second=0.0,
        cpu=(),
        pressure=(),
        memory=(rate,),
        machine=None,
    )


def looked_at(  # what a cgroup holds
    *,
    active: int = 0,
    idle: int = 0,
    mapped: int = 0,
    live: int | None = 40,
    value: int | None = None,
    limit: int = 128,
    refaults: float | None = None,
    ever: int | None = None,
    age: int = 3600,
    **parts: int,
) -> ProcessReport:
    """A program that has mapped 60 MiB, with so much of files beside, in MiB; judged. ``ever``: pages that came back since ever."""
    level = memory_level("/pod/app", limit * MIB, current_bytes=MAPPED + (active + idle) * MIB)
    kinds = {name: size * MIB for name, size in parts.items()}
    counted = MemoryParts(active_file_bytes=active * MIB, inactive_file_bytes=idle * MIB, mapped_bytes=mapped * MIB, **kinds)
    level = level.replace(parts=counted, refaults=ever)
    set_by = {} if value is None else {"memory": value * MIB, "variables": {"GOMEMLIMIT": f"{value}MiB"}}
    facts = go_facts(mapped_bytes=MAPPED, heap_marked_bytes=None if live is None else live * MIB, **set_by)  # type: ignore[arg-type]
    made = report(facts, memory=(level,), age_seconds=age)
    if refaults is not None:
        made = made.replace(snapshot=made.snapshot.replace(rates=rates(refaults)))
    return judge_processes((made,))[0]


def advised(process: ProcessReport) -> int | None:
    """The recommended GOMEMLIMIT, in MiB."""
    value = process.recommendations[1].value
    return None if value is None else value // MIB


@pytest.mark.parametrize(
    ("files", "expected", "reason"),
    [
        pytest.param({}, 120, "less 8 MiB kept free", id="none"),
        pytest.param({"idle": 60}, 120, "less 8 MiB kept free", id="read once"),
        pytest.param({"active": 32}, 92, "less 32 MiB of files in use (active_file)", id="used again"),
        pytest.param({"idle": 40, "mapped": 32}, 92, "less 32 MiB of files in use (file_mapped)", id="mapped, and on the other list"),
        pytest.param({"idle": 40, "mapped": 32, "live": 58}, 92, "less 32 MiB of files in use (file_mapped)", id="crowded, and mapped"),
        pytest.param(
            {"active": 32, "live": 55},
            114,
            "less 10 of 32 MiB of files in use (active_file): the rest may be old, and the heap needs it",
            id="perhaps old: the collector need not work for it",
        ),
        pytest.param(
            {"idle": 40, "mapped": 32, "live": 80},
            110,
            "less 13.3 of 32 MiB of files in use (file_mapped): the rest has no room beside the heap, which needs it",
            id="mapped, and too much",
        ),
        pytest.param({"idle": 120, "mapped": 120, "live": 10}, 68, "the rest has no room", id="half of the limit is the heap's"),
        pytest.param({"idle": 40, "mapped": 32, "live": None}, 92, "less 32 MiB of files in use (file_mapped)", id="live heap not known"),
        pytest.param(
            {"active": 4, "idle": 4, "mapped": 32}, 116, "less 8 MiB of files in use (file_mapped)", id="never more than is there"
        ),
    ],
)
def test_files_in_use_are_outside(files: dict[str, int], expected: int, reason: str) -> None:
    """128 MiB, and a heap beside files: what is in use counts, as far as the live heap leaves room."""
    process = looked_at(**files)
    assert advised(process) == expected
    assert reason in " | ".join(process.recommendations[1].because)


def test_shared_memory_counts_once() -> None:
    """Mapped shared memory and locked files are on neither list: they are in use in full already, and not once more."""
    level = memory_level("/pod/app", 128 * MIB, current_bytes=MAPPED + 72 * MIB)
    parts = MemoryParts(
        active_file_bytes=0, inactive_file_bytes=40 * MIB, mapped_bytes=32 * MIB, shared_bytes=20 * MIB, unevictable_bytes=2 * MIB
    )
    assert find_files(level.replace(parts=parts), report().snapshot).needed_bytes == 10 * MIB


@pytest.mark.parametrize(
    ("seen", "expected", "is_sure"),
    [
        pytest.param({"refaults": 200_000.0}, 88, False, id="they come back: all that is there, and more is wanted"),
        pytest.param({"refaults": 99.0}, 120, True, id="as usual"),
        pytest.param({"refaults": 0.0, "ever": 10**9}, 120, True, id="they came back long ago"),
        pytest.param({"ever": 360_000}, 88, False, id="one look: on average since it began"),
        pytest.param({"ever": 3600}, 120, True, id="one look, and few"),
    ],
)
def test_files_that_come_back_are_in_use(seen: dict[str, float], expected: int, is_sure: bool) -> None:
    """Where pages come back soon after they were taken, no page that is there is idle, and the headroom is that of what is not known."""
    process = looked_at(idle=24, **seen)  # type: ignore[arg-type]
    assert advised(process) == expected
    assert (process.recommendations[1].doubt is None) == is_sure
    assert is_sure or "pages of files a second come back" in str(process.recommendations[1].doubt)


def test_a_first_reading_is_no_return() -> None:
    """The kernel counts pages that others had before, as those of the program itself: only what is read again and again is in use."""
    once, again = (looked_at(idle=60, ever=ever, age=300, limit=256) for ever in (61_440, 61_441))
    assert (advised(once), once.recommendations[1].doubt) == (245, None)
    assert advised(again) == 170
    assert "205 pages of files a second come back" in str(again.recommendations[1].doubt)


def test_files_stand_in_for_what_may_come() -> None:
    """In its first minutes a program keeps 16 MiB free for what may come; 32 MiB of files are such a reserve themselves, 4 MiB are not."""
    young = looked_at(mapped=32, idle=40, age=3)
    assert advised(young) == 88
    assert "less 8 MiB kept free beside files, which can give way for a moment, as it was measured 3 s after its start: more may come" in (
        young.recommendations[1].because
    )
    assert advised(looked_at(mapped=4, idle=40, age=3)) == 112
    assert advised(looked_at(idle=40, age=3)) == 112
    assert advised(looked_at(idle=24, age=3, refaults=1e5)) == 88  # those that come back are none


def test_a_value_does_not_flap_with_files() -> None:
    """92 MiB was set for 32 MiB of files: it stays as those grow, shrink, or go from one list to the other."""
    for files in ({"mapped": 32, "idle": 40}, {"mapped": 30, "idle": 40}, {"mapped": 34, "idle": 40}, {"active": 30}, {"idle": 32}):
        assert advised(looked_at(value=92, **files)) == 92, files
    crowded = [advised(looked_at(value=92, live=58, mapped=mapped, idle=40)) for mapped in (32, 30, 28, 26, 20)]
    assert crowded == [92, 92, 92, 92, 104]
    assert advised(looked_at(value=120, mapped=32, idle=40)) == 92  # not enough room: that is no flapping


@given(
    st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.none() | st.integers(0, 150), st.none() | st.sampled_from([0.0, 1e5])
)
def test_files_never_starve_the_heap(active: int, idle: int, mapped: int, live: int | None, refaults: float | None) -> None:
    """Files never take more than half of what others leave, nor so much that the live heap is three quarters of the value."""
    bare = looked_at(live=live)
    process = looked_at(active=active, idle=idle, mapped=mapped, live=live, refaults=refaults)
    value, before = advised(process), advised(bare)
    assert value is not None
    assert before is not None
    assert value <= before
    assert value >= 63 or value * 100 >= (live or 0) * 100 / 75  # 128 MiB, rounded down
    assert value == before or live is None or live * 100 <= (value + 1) * 75 or refaults == 1e5


def test_files_that_are_not_counted_are_not_guessed() -> None:
    """Without parts nothing is known of files."""
    level: MemoryLevel = memory_level("/pod/app", 128 * MIB, reclaimable_bytes=None)
    assert find_files(level, report().snapshot) == Files()
