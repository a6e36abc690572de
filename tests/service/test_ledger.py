"""Which end a counter explains, and what is remembered: every order in which counters, looks and ends can come."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.model import Container, Kill, MemoryEvents, MemoryLevel, ProcessReport
from cgtune.service import ledger as ledger_module
from cgtune.service.ledger import EXPLAINS_SECONDS, End, Ended, Ledger
from tests.rules.reports import memory_level, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Certainty

KILLED, EXITED = 9, 137 << 8


def level(path: str, kills: int = 0, *, alone: int | None = None, groups: int = 0, version: int = 2, oom: int = 0) -> MemoryLevel:
    """One cgroup that has counted so many kills, ``alone`` of them itself."""
    local = MemoryEvents(oom=oom, oom_kill=kills if alone is None else alone, oom_group_kill=groups)
    events = MemoryEvents(oom_kill=kills, oom_group_kill=groups) if version == 2 else None
    return memory_level(path, 64 << 20).replace(events=events, events_local=local, version=version)


def process(*chain: MemoryLevel, pid: int = 42) -> ProcessReport:
    """A process in the first of these cgroups."""
    made = report(memory=chain, pid=pid)
    return made.replace(snapshot=made.snapshot.replace(memory_chain=chain))


def read(*levels: MemoryLevel) -> dict[str, tuple[MemoryEvents | None, MemoryEvents | None]]:
    """These counters as they are read."""
    return {each.key: (each.events, each.events_local) for each in levels}


def told(before: ProcessReport, *now: MemoryLevel, gone: tuple[str, ...] = (), **ended: object) -> End:
    """How the end of this process is explained by these counters."""
    ledger = Ledger()
    ledger.follow((before,), 0.0, 1000.0)
    ledger.count(read(*now), 1.0, 1001.0)
    (end,) = ledger.explain([Ended(process=before, **ended)], frozenset(gone), 1.0)  # type: ignore[arg-type]
    return end


LEAF, POD = "/pod/app", "/pod"
LIVING = process(level(LEAF), level(POD))


@pytest.mark.parametrize(
    ("now", "gone", "ended", "certainty", "rose"),
    [
        ((level(LEAF, 1), level(POD, 1, alone=0)), (), {"status": KILLED}, "likely", 1),
        ((level(LEAF, 1), level(POD, 1, alone=0)), (), {"was_alone": True}, "likely", 1),
        ((level(LEAF, 1), level(POD, 1, alone=0)), (), {}, "possible", 1),  # others were in it
        ((level(LEAF, 1), level(POD, 1, alone=0)), (), {"status": EXITED, "was_alone": True}, "no", 1),
        ((level(LEAF, 2, groups=1), level(POD, 2, alone=0, groups=0)), (), {}, "likely", 1),
        ((level(LEAF), level(POD)), (), {"status": KILLED, "was_alone": True}, "no", 0),
        ((level(LEAF), level(POD, 1, alone=0)), (), {"status": KILLED, "was_alone": True}, "no", 0),  # a neighbour's
        ((level(POD, 1, alone=0),), (LEAF,), {"status": KILLED, "was_alone": True}, "possible", 1),
        ((level(POD, 1, alone=0),), (LEAF,), {"status": EXITED}, "no", 1),
        ((level(POD),), (LEAF,), {"status": KILLED}, "unknown", 0),
        ((), (LEAF, POD), {}, "unknown", 0),
        ((), (LEAF, POD), {"status": EXITED}, "no", 0),
        ((), (LEAF, POD), {"is_named": True}, "certain", 0),
        ((level(LEAF, 1), level(POD, 1, alone=0)), (), {"is_named": True}, "certain", 1),
    ],
)
def test_what_explains_an_end(
    now: tuple[MemoryLevel, ...], gone: tuple[str, ...], ended: dict[str, object], certainty: Certainty, rose: int
) -> None:
    """A kill is never claimed by a counter that may be another's."""
    end = told(LIVING, *now, gone=gone, **ended)
    assert (end.certainty, end.rose) == (certainty, rose)


def test_what_a_cgroup_beside_it_has_counted_is_no_doubt() -> None:
    """Its own cgroup is gone, and the pod's counter rose: by the kill that a container beside it has counted."""
    ledger, beside = Ledger(), process(level("/pod/sidecar"), level(POD), pid=43)
    ledger.follow((LIVING, beside), 0.0, 1000.0)
    for kills, certainty in ((1, "unknown"), (2, "possible")):  # the second one nobody else has counted
        ledger.count(read(level("/pod/sidecar", 1), level(POD, kills, alone=0)), float(kills), 1000.0 + kills)
        (end,) = ledger.explain([Ended(process=LIVING, status=KILLED)], frozenset((LEAF,)), float(kills))
        assert end.certainty == certainty


def test_a_kernel_that_counts_no_kills_explains_nothing() -> None:
    """Before Linux 4.13 v1 has no such counter: unknown, not no."""
    silent = level(LEAF).replace(version=1, events=None, events_local=MemoryEvents())
    assert told(process(silent), silent).certainty == "unknown"


def test_the_limit_is_that_of_the_cgroup_that_had_reached_it() -> None:
    """Its own counter oom tells, whichever cgroup the victim was in."""
    assert told(LIVING, level(LEAF, 1), level(POD, 1, alone=0, oom=1), status=KILLED).limit_of == POD


@given(st.integers(0, 4), st.integers(1, 6))
def test_a_counter_explains_as_many_ends_as_it_rose(kills: int, ends: int) -> None:
    """And not one more."""
    processes = [process(level(LEAF), level(POD), pid=1 + number) for number in range(ends)]
    ledger = Ledger()
    ledger.follow(processes, 0.0, 1000.0)
    ledger.count(read(level(LEAF, kills), level(POD, kills, alone=0)), 1.0, 1001.0)
    ended = ledger.explain([Ended(process=each, status=KILLED) for each in processes], frozenset(), 1.0)
    assert sum(end.certainty == "likely" for end in ended) == min(kills, ends)
    assert {end.certainty for end in ended} <= {"likely", "no"}


def test_a_kill_that_a_scan_has_counted_explains_the_end_that_follows() -> None:
    """A large process takes its time to go; after ten seconds nothing is explained any more."""
    for seconds, certainty in ((EXPLAINS_SECONDS - 1, "likely"), (EXPLAINS_SECONDS + 1, "no")):
        ledger = Ledger()
        ledger.follow((LIVING,), 0.0, 1000.0)
        ledger.follow((process(level(LEAF, 1), level(POD, 1, alone=0)),), 5.0, 1005.0)
        (end,) = ledger.explain([Ended(process=LIVING, status=KILLED)], frozenset(), 5.0 + seconds)
        assert end.certainty == certainty


def test_whom_the_log_names_takes_the_kill_before_the_others() -> None:
    """In whatever order they come."""
    processes = [process(level(LEAF), level(POD), pid=pid) for pid in (1, 2)]
    ledger = Ledger()
    ledger.follow(processes, 0.0, 1000.0)
    ledger.count(read(level(LEAF, 1), level(POD, 1, alone=0)), 1.0, 1001.0)
    ended = [Ended(process=processes[0], status=KILLED), Ended(process=processes[1], status=KILLED, is_named=True)]
    assert [end.certainty for end in ledger.explain(ended, frozenset(), 1.0)] == ["no", "certain"]


def test_a_look_that_was_read_before_counts_nothing_twice() -> None:
    """A scan may come with counters that it read before those were read at an end."""
    ledger = Ledger()
    ledger.follow((process(level(LEAF)),), 0.0, 1000.0)
    ledger.count(read(level(LEAF, 1)), 1.0, 1001.0)
    ledger.follow((process(level(LEAF)),), 2.0, 1002.0)
    ledger.follow((process(level(LEAF, 1)),), 3.0, 1003.0)
    assert [kills.oom_kills for kills in ledger.kills] == [1]


def test_what_was_there_before_the_first_look_is_not_counted() -> None:
    """The kernel's counters run since the cgroup was made; the service counts since it looks."""
    ledger = Ledger()
    ledger.follow((process(level(LEAF, 3)),), 0.0, 1000.0)
    ledger.follow((process(level(LEAF, 3)),), 0.5, 1000.5)
    ledger.follow((process(level(LEAF, 5)),), 1.0, 1001.0)
    assert [(kills.owner.name, kills.oom_kills, kills.last_seconds) for kills in ledger.kills] == [(LEAF, 2, 1001.0)]


def test_a_process_that_is_gone_leaves_its_counters() -> None:
    """Nobody is followed in the cgroup for a while: what it counts meanwhile is counted as soon as somebody is."""
    ledger = Ledger()
    ledger.follow((process(level(LEAF)),), 0.0, 1000.0)
    ledger.follow((), 1.0, 1001.0)
    ledger.follow((process(level(LEAF, 2)),), 2.0, 1002.0)
    assert [kills.oom_kills for kills in ledger.kills] == [2]


def test_the_oldest_are_forgotten_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many owners, and of too many cgroups, those that changed longest ago go."""
    monkeypatch.setattr(ledger_module, "MOST_OWNERS", 2)
    monkeypatch.setattr(ledger_module, "MOST_LEVELS", 3)
    ledger = Ledger()
    paths = ["/a", "/b", "/c", "/d"]
    ledger.follow([process(level(path)) for path in paths], 0.0, 1000.0)
    ledger.follow([process(level(path, 1)) for path in paths], 1.0, 1001.0)
    assert [kills.owner.name for kills in ledger.kills] == ["/c", "/d"]
    assert ledger.forgotten == 1
    ledger.follow([process(level("/b", 2))], 2.0, 1002.0)
    assert [kills.owner.name for kills in ledger.kills] == ["/d", "/b"]
    assert ledger.forgotten == 2


def test_a_kill_counts_though_no_counter_is_left() -> None:
    """The log names the process, its cgroup is gone: its owner has one kill."""
    ledger = Ledger()
    ledger.follow((LIVING,), 0.0, 1000.0)
    kill = Kill(time_seconds=1001.0, pid=42, command="server", certainty="certain")
    ledger.remember(LIVING, kill)
    (kills,) = ledger.kills
    assert (kills.oom_kills, kills.processes, kills.last) == (1, 1, kill)
    assert [owner.name for owner in ledger.workloads] == [LEAF]


def test_a_process_whose_memory_nobody_charges_is_not_explained() -> None:
    """Without a memory controller there is no counter to ask, and nobody to whom a kill would count."""
    nowhere = process()
    assert Ledger().levels_beside(nowhere.snapshot) == {}
    end = told(nowhere, status=KILLED)
    assert (end.certainty, end.rose, end.where) == ("unknown", 0, None)


def test_only_cgroups_around_the_process_are_read() -> None:
    """Its own chain below what all programs share, and the cgroups beside it."""
    ledger = Ledger()
    top = level("/system.slice", 0)
    others = [process(level(path), top) for path in ("/system.slice/b.service", "/system.slice/a.service/x")]
    mine = process(level("/system.slice/a.service/y"), level("/system.slice/a.service"), top)
    ledger.follow((*others, mine), 0.0, 1000.0)
    directories = {directory for directory, _ in ledger.levels_beside(mine.snapshot).values()}
    assert directories == {f"/sys/fs/cgroup/system.slice/a.service{end}" for end in ("", "/x", "/y")}


def test_a_container_that_is_made_anew_goes_on_with_its_count() -> None:
    """It has another id and another cgroup, and the same name in the same pod."""
    ledger, uid = Ledger(), "0b8e2b7e-1c7c-4f3b-9d0a-7a3f5b1c2d3e"
    for number, id_ in enumerate(("c1" * 32, "c2" * 32)):
        for kills in (0, 1):
            made = process(level(f"/pod{uid}/{id_}", kills), level(f"/pod{uid}", number + kills, alone=0))
            container = Container(id=id_, pod_uid=uid, name="app", pod_name="web-0", pod_namespace="shop")
            moment = 2.0 * number + kills
            ledger.follow((made.replace(snapshot=made.snapshot.replace(container=container)),), moment, 1000 + moment)
    counts = {kills.owner.of: (kills.owner.name, kills.oom_kills) for kills in ledger.kills}
    assert counts == {"container": ("c2" * 32, 2), "pod": (uid, 2), "workload": ("web", 2)}
