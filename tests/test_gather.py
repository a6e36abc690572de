"""Reading one process after the other: one that cannot be read hides no other, and none is passed over in silence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cgtune import api, gather, snapshot
from cgtune.errors import Absent, Malformed, NoSuchProcess, Unreadable
from cgtune.machineview import MachineView
from cgtune.model import Note, Snapshot
from cgtune.outputs.ps import render_ps
from cgtune.service.follow import Follower
from cgtune.snapshot import read_snapshot
from cgtune.system.host import Host
from cgtune.verdict import blind, blind_partly
from tests.rules.reports import go_facts
from tests.support import stories
from tests.support.elfs import framed, go_program, inline_record
from tests.support.hostile import holders, scene

STORY = str(stories.STORIES / "v2-ancestor-tighter")
ERRORS: dict[int, Exception] = {
    1: Malformed("garbage"),
    2: NoSuchProcess("ended"),
    3: Unreadable("closed", privilege="CAP_SYS_PTRACE"),
    4: ZeroDivisionError("ours"),
    5: Unreadable("a link"),
}


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> MachineView:
    """A recorded machine on which process 4242 alone can be read; process 6 keeps to itself what it is."""

    def read(view: MachineView, pid: int, notes: list[Note] | None = None, _machinery: object = None) -> Snapshot | None:
        if pid == 6 and notes is not None:
            notes.append(Note(path="/proc/6/exe", why="permission denied", privilege="CAP_SYS_PTRACE"))
            return None
        if pid == 7 and notes is not None:
            notes.append(Note(path="/proc/7/maps", why="Input/output error", kind="failed"))
            return None
        if pid in ERRORS:
            raise ERRORS[pid]
        return read_snapshot(view, pid)

    monkeypatch.setattr(gather, "read_snapshot", read)
    monkeypatch.setattr(gather, "read_go_snapshot", read)
    return MachineView(Host(STORY))


@pytest.mark.parametrize(
    ("go_only", "told", "unreadable", "privilege"),
    [(False, [1, 2, 3, 4, 5], 4, None), (True, [1, 4, 5], 5, "CAP_SYS_PTRACE")],
    ids=["named", "searched"],
)
def test_everything_that_goes_wrong_is_counted_or_told(
    view: MachineView, go_only: bool, told: list[int], unreadable: int, privilege: str | None
) -> None:
    """Of a search, what is not told is what has ended; what is closed is counted, with the privilege."""
    said: list[tuple[int, Exception]] = []
    pids = (1, 2, 3, 4, 5, *((6,) if go_only else ()), 4242)
    found = gather.gather(view, pids, lambda pid, error: said.append((pid, error)), go_only=go_only)
    assert said == [(pid, ERRORS[pid]) for pid in told]
    assert [snapshot.process.pid for snapshot in found.snapshots] == [4242]
    assert (found.unreadable, found.privilege) == (unreadable, privilege)
    assert [note.why.split(";")[0] for note in found.notes] == [f"{found.unreadable} processes could not be looked into"]


@pytest.mark.parametrize("pid", [pid for pid, error in ERRORS.items() if not isinstance(error, NoSuchProcess)])
def test_who_names_a_process_is_told_its_error(view: MachineView, pid: int) -> None:
    """As it came. One that has ended beside others that run is a note: tests/test_api.py."""
    with pytest.raises(type(ERRORS[pid])) as caught:
        api.inspect_host(view.host, (4242, pid))
    assert caught.value is ERRORS[pid]


def test_a_fault_of_ours_ends_a_search(view: MachineView, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next look here: it must be seen. Errors of the processes themselves are counted."""
    monkeypatch.setattr(api, "list_pids", lambda *_arguments, **_options: [1, 2, 3, 4242])
    monkeypatch.setattr(view.host, "recorded_pids", None)
    report = api.inspect_host(view.host)
    assert [note.privilege for note in report.notes] == ["CAP_SYS_PTRACE"]
    monkeypatch.setattr(api, "list_pids", lambda *_arguments, **_options: [4, 4242])
    with pytest.raises(ZeroDivisionError):
        api.inspect_host(view.host)


def test_who_cannot_be_told_is_counted_whatever_the_reason(view: MachineView) -> None:
    """An executable or mappings that fail to be read are no reason to take a process for no Go program: it is counted, and told."""
    said: list[tuple[int, Exception]] = []
    found = gather.gather(view, (4242, 7), lambda pid, error: said.append((pid, error)), go_only=True)
    assert (found.unreadable, found.privilege, found.failed) == (1, None, "process 7: /proc/7/maps: Input/output error")
    assert [(pid, str(error)) for pid, error in said] == [(7, "/proc/7/maps: Input/output error")]
    assert [(note.kind, note.why.partition(" (")[2]) for note in found.notes] == [("failed", f"{found.failed})")]


def test_what_is_dear_takes_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has its own 30 ms, and a tenth of what those before it have left of 2 s; who is cheap takes nothing of that."""
    spent, given = [0.0], list[float | None]()
    with Host() as host:
        monkeypatch.setattr(host, "allow", given.append)
        monkeypatch.setattr(host, "used_seconds", lambda: spent[0])
        for pid in gather.in_time(host, range(1002)):
            spent[0] = 0.004 if pid < 500 else 1.0 if pid == 1000 else given[-1] or 0.0
    assert given[:501] == [0.03 + 0.2] * 501
    assert given[501:503] == pytest.approx([0.03 + 0.18, 0.03 + 0.162])
    assert given[999] == pytest.approx(0.03)
    assert given[1001:] == [0.03, None]
    assert sum(each or 0.0 for each in given[500:1000]) < 2.0 + 500 * 0.03
    with Host(STORY) as host:
        monkeypatch.setattr(host, "allow", given.clear)
        assert list(gather.in_time(host, (1, 2))) == [1, 2]


def test_who_is_dear_takes_nobodys_place_in_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processes with 10,000 mappings each cost what they may together; the honest program behind them is told as ever, they have
    notes, and `check` has no verdict. With a pid one of them is looked at through and through.
    """
    path = tmp_path / "short"
    path.touch()
    os.truncate(path, 10_000 * os.sysconf("SC_PAGE_SIZE"))
    (tmp_path / "honest").mkdir()
    (tmp_path / "honest/go").write_bytes(go_program(inline_record("go1.25.5", framed("path\tx\nmod\tx\tv1\n")), kind=3))
    with scene("maps", tmp_path, 10_000, path=path, count=4) as dear, holders(tmp_path / "honest") as (honest,):
        monkeypatch.setattr(api, "list_pids", lambda _host: [*dear, honest])
        with Host() as host:
            api.inspect_host(host, (honest,))  # loads what any look needs
        (whole, *_), alone = api.list_go().processes[::-1], api.inspect((honest,)).processes[0]
        assert (whole.snapshot.process.pid, whole.notes) == (honest, alone.notes)
        monkeypatch.setattr(gather, "_COMMON_SECONDS", 0.0)
        monkeypatch.setattr(gather, "_OWN_SECONDS", 0.005)
        report = api.list_go()
        (named,) = api.inspect((dear[0],)).processes
    (told,) = (process for process in report.processes if process.snapshot.process.pid == honest)
    assert told.notes == alone.notes
    seen = {process.snapshot.process.pid: process for process in report.processes}
    late = [pid for pid in dear if pid not in seen or any("is used up" in note.why for note in seen[pid].notes)]
    assert len(late) == 4
    why = blind(report) or blind_partly(report)
    assert why is not None
    assert why.note is not None
    assert "is used up" in why.note.why
    assert not any("is used up" in note.why for note in named.notes)


def test_a_process_table_that_cannot_be_listed_is_no_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows then who is there; without a /proc there is nobody."""
    with Host(STORY) as host:
        for error, expected in ((Unreadable("/proc: Too many open files"), None), (Absent("/proc does not exist"), [])):

            def fail(_path: str, error: Exception = error) -> list[str]:
                raise error

            monkeypatch.setattr(host, "list_directory", fail)
            if expected is None:
                with pytest.raises(Unreadable):
                    gather.list_pids(host)
            else:
                assert gather.list_pids(host) == expected


@pytest.mark.parametrize(
    ("executable", "command"),
    [("/usr/bin/kubelet", "kubelet"), ("/usr/bin/containerd-shim-runc-v2", "containerd-shim"), ("/usr/sbin/runc", "runc:[2:INIT]")],
)
def test_a_search_leaves_the_nodes_machinery_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable: str, command: str) -> None:
    """A Go program that runs the node's containers is counted, and read only if somebody asks for it, or names its pid."""
    root = tmp_path / "root"
    shutil.copytree(stories.STORIES / "v2-ancestor-tighter", root, symlinks=True)
    (root / "proc/4242/exe").unlink()
    (root / "proc/4242/exe").symlink_to(executable)
    stat = root / "proc/4242/stat"
    stat.write_text(f"4242 ({command}){stat.read_text().rpartition(')')[2]}")
    monkeypatch.setattr(snapshot, "read_go", lambda *_arguments: (go_facts(),))
    report = api.list_go(root=str(root))
    assert ([process.snapshot.process.pid for process in report.processes], [one.pid for one in report.machinery]) == ([], [4242])
    assert f"1 process of the node's own machinery ({command}); --machinery includes them" in render_ps(report)
    asked = api.list_go(root=str(root), machinery=True)
    assert ([process.snapshot.process.pid for process in asked.processes], asked.machinery) == ([4242], ())
    assert [process.snapshot.process.pid for process in api.inspect([4242], root=str(root)).processes] == [4242]
    with Host(str(root)) as host:
        looks = [Follower(host, (), None, machinery=machinery).look(0.0) for machinery in (False, True)]
    assert [len(look.report.processes) for look in looks] == [0, 1]
    assert [look.troubles for look in looks] == [{}, {}]


def test_machinery_that_cannot_be_looked_into_hides_nothing(tmp_path: Path) -> None:
    """While a container starts, runc cannot be looked into by anybody: it is none of the programs of which nothing is known."""
    root = tmp_path / "root"
    shutil.copytree(stories.STORIES / "v2-other-users-process", root, symlinks=True)
    stat = root / "proc/4242/stat"
    stat.write_text(f"4242 (runc:[2:INIT]){stat.read_text().rpartition(')')[2]}")
    report = api.list_go(root=str(root))
    assert (report.notes, [one.command for one in report.machinery]) == ((), ["runc:[2:INIT]"])


def test_another_group_is_named_and_no_capability(tmp_path: Path) -> None:
    """With the same user and another group a process is closed as well: the message says what to change in the manifest."""
    root = tmp_path / "root"
    shutil.copytree(stories.STORIES / "v2-other-users-process", root, symlinks=True)
    status = root / "proc/4242/status"
    status.write_text(status.read_text() + "Uid:\t1000\t1000\t1000\t1000\nGid:\t2000\t2000\t2000\t2000\n")
    (root / "proc/self").symlink_to("7")
    (root / "proc/7").mkdir()
    for user, is_named in ((1000, True), (1001, False)):
        (root / "proc/7/status").write_text(f"Uid:\t{user}\t{user}\t{user}\t{user}\nGid:\t3000\t3000\t3000\t3000\n")
        (process,) = api.inspect([4242], root=str(root)).processes
        (note,) = (note for note in process.notes if note.path == "/proc/4242/exe")
        said = "it has cgtune's user 1000, but group 2000 where cgtune has 3000: run both with the same runAsGroup" in note.why
        assert (said, note.privilege) == (is_named, None if is_named else "CAP_SYS_PTRACE")
        (searched,) = api.list_go(root=str(root)).notes
        assert ("runAsGroup" in searched.why, searched.privilege) == (is_named, note.privilege)
