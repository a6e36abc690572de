"""One process that wants to fill the service's memory, or its time, costs a bounded share of both, and a note."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from cgtune.service import follow, turns
from cgtune.service.follow import Follower
from cgtune.system.host import Host
from tests.support.elfs import framed, go_program, inline_record
from tests.support.hostile import (
    holders,
    look_at,
    make_fat_programs,
    make_long_file,
    make_sparse_libraries,
    make_table_programs,
    scene,
)
from tests.support.needs import require

_MIB = 1 << 20
PROCESS_SECONDS = 0.25  # of CPU time: what one process may cost a look, whatever it does


def test_fat_build_infos_cost_a_bounded_share_of_memory(tmp_path: Path) -> None:
    """Sixteen files with 19,000 dependencies each in one process: some a look, a quarter of a second and 16 MiB at the most, and notes."""
    make_fat_programs(tmp_path / "fat", 16)
    with holders(tmp_path / "fat") as pids:
        looks = look_at(pids, looks=12)
    assert all(look["seconds"] < PROCESS_SECONDS for look in looks)
    assert 1 <= len(looks[0]["go"]) < 16
    assert any("the next look goes on here" in why for _, why in looks[0]["notes"])
    one = looks[-1]
    assert len(one["go"]) == 16
    assert one["bytes"] < 16 * _MIB
    assert one["report"] < 2 * _MIB
    assert sum("lines of its build info are not kept" in why for _, why in one["notes"]) == 16


def test_fat_build_infos_that_are_touched_again_and_again_cost_no_more(tmp_path: Path) -> None:
    """Before each look they are other files: what was known of them goes at once, and 16 MiB hold."""
    make_fat_programs(tmp_path / "fat", 16)
    with holders(tmp_path / "fat") as pids:
        looks = look_at(pids, looks=12, touched=tmp_path / "fat")
    assert all(look["seconds"] < PROCESS_SECONDS for look in looks)
    assert looks[-1]["bytes"] < 16 * _MIB


def test_more_such_processes_share_a_total(tmp_path: Path) -> None:
    """Six processes, each with sixteen such files of its own: what is kept and reported of all is bounded."""
    found: list[int] = []
    for number in range(6):
        make_fat_programs(tmp_path / str(number), 16)
    with ExitStack() as stack:
        for number in range(6):
            found += stack.enter_context(holders(tmp_path / str(number)))
        *_, second = look_at(found, looks=10)
    assert sorted(second["pids"]) == sorted(found)
    assert second["bytes"] < 40 * _MIB
    assert second["report"] < 8 * _MIB


def test_files_that_take_long_to_search_are_looked_into_by_turns(tmp_path: Path) -> None:
    """A hundred of 32 MiB each, new at each look: each look takes some of them, goes on where the one before ended, and says so."""
    make_sparse_libraries(tmp_path / "sparse", 100)
    with holders(tmp_path / "sparse") as pids:
        looks = look_at(pids, looks=4, touched=tmp_path / "sparse")
    assert all(look["seconds"] < PROCESS_SECONDS for look in looks)
    assert all(look["bytes"] < 16 * _MIB for look in looks)
    places = [next(path for path, why in look["notes"] if "the next look goes on here" in why) for look in looks]
    assert len(set(places)) == 4


def test_who_got_nothing_of_a_look_comes_first_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all processes may cost a look is used up by the first of them: the others wait, are counted, and have their turn."""
    for number in range(3):
        make_sparse_libraries(tmp_path / str(number), 6, megabytes=8)
    monkeypatch.setattr(follow, "MOST_LOOK_BYTES", 20 << 20)
    with ExitStack() as stack, Host() as host:
        pids = [pid for number in range(3) for pid in stack.enter_context(holders(tmp_path / str(number)))]
        monkeypatch.setattr(follow, "list_pids_by_psutil", lambda _host: pids)
        follower = Follower(host, (), None)
        known = follower._view.known
        first = follower.look(0.0)
        assert list(known.waiting) == sorted(pids)[1:]
        assert first.unreadable == 3
        assert "all processes" in first.troubles[f"process {sorted(pids)[1]}"]
        for second in range(1, 18):
            follower.look(float(second))
        assert (follower.look(18.0).unreadable, known.waiting) == (0, {})


def test_tables_of_symbols_without_the_runtimes_are_searched_by_turns(tmp_path: Path) -> None:
    """Sixteen files with symbol and name tables as large as is searched: a look ends in time, and says of which it did not search."""
    make_table_programs(tmp_path / "tables", 16)
    with holders(tmp_path / "tables") as pids:
        looks = look_at(pids, looks=3)
    assert all(look["seconds"] < PROCESS_SECONDS and look["bytes"] < 16 * _MIB for look in looks)
    assert any("not searched for, as what one process may cost" in why for _, why in looks[-1]["notes"])


@pytest.mark.parametrize("is_long", [False, True])
def test_65_000_mappings(tmp_path: Path, is_long: bool) -> None:
    """As many as a process may have, each second one code; with the longest paths their text has 250 MB, of which 10 MiB are read."""
    path = make_long_file(tmp_path, 65_000) if is_long else tmp_path / "short"
    if not is_long:
        path.touch()
        os.truncate(path, 65_000 * os.sysconf("SC_PAGE_SIZE"))
    with scene("maps", tmp_path, 65_000, path=path) as pids:
        looks = look_at(pids, looks=2)
    assert all(look["seconds"] < PROCESS_SECONDS and look["bytes"] < 16 * _MIB and look["pids"] == pids for look in looks)
    assert [any("beyond its first 10 MiB" in why for _, why in look["notes"]) for look in looks] == [is_long, is_long]
    if not is_long:
        assert [look["go"] for look in looks] == [[str(tmp_path / "go")]] * 2


@pytest.mark.parametrize(("kind", "number"), [("mounts", 10_000), ("threads", 2_000), ("environ", 0)])
def test_many_mounts_and_threads_and_an_environment_of_ends(tmp_path: Path, kind: str, number: int) -> None:
    """Each costs what it may, three such processes as much as three, and the Go library in them is told."""
    require(kind != "mounts" or os.geteuid() == 0, "to mount needs root: run the tests as root")
    place = tmp_path / "mounts"
    place.mkdir()
    with scene(kind, tmp_path, number, path=place, count=3) as pids:
        looks = look_at(pids, looks=2)
    assert all(
        look["seconds"] < 3 * PROCESS_SECONDS and look["bytes"] < 16 * _MIB and sorted(look["pids"]) == sorted(pids) for look in looks
    )
    assert [look["go"] for look in looks] == [[str(tmp_path / "go")]] * 2


def test_fifty_dear_processes_cost_nobody_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what a look may cost they wait and are counted; the honest program that was there before is in every report, and each has its
    turn.
    """
    path = tmp_path / "short"
    path.touch()
    os.truncate(path, 20_000 * os.sysconf("SC_PAGE_SIZE"))
    times = 5 if sys.gettrace() else 1  # as it takes where lines are counted
    monkeypatch.setattr(follow, "MOST_LOOK_SECONDS", 0.2 * times)
    monkeypatch.setattr(turns, "_DEAR_SECONDS", 0.02 * times)
    (tmp_path / "honest").mkdir()
    (tmp_path / "honest/go").write_bytes(go_program(inline_record("go1.25.5", framed("path\tx\nmod\tx\tv1\n")), kind=3))
    with scene("maps", tmp_path, 20_000, path=path, count=8) as dear, holders(tmp_path / "honest") as (honest,), Host() as host:
        pids = [honest]
        monkeypatch.setattr(follow, "list_pids_by_psutil", lambda _host: list(pids))
        follower = Follower(host, (), None)
        for number in range(-3, 0):  # the first look at a Go program loads what reads it, which may be dear
            follower.look(float(number))
        pids[:0] = dear
        looks = [follower.look(float(number)) for number in range(10)]
    seen = [{process.snapshot.process.pid for process in look.report.processes} for look in looks]
    assert all(honest in there for there in seen)
    assert all(look.left and look.unreadable == len(look.left) and "left for the next look" in look.troubles["look"] for look in looks[2:])
    assert all(there | look.left == {*dear, honest} for there, look in zip(seen, looks, strict=True))
    assert set().union(*seen) == {*dear, honest}
