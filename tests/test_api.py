"""What the Python interface refuses, and with which words."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cgtune import api
from cgtune.errors import NoSuchProcess, Unreadable, UsageError
from cgtune.limits import enforce
from cgtune.machineview import MachineView
from cgtune.model import Container, Note, ProcessReport, Report, Snapshot
from cgtune.snapshot import read_snapshot
from cgtune.system.host import Host
from cgtune.system.source import MARKER
from tests.support import stories
from tests.test_rates import look as read_at

STORY = stories.STORIES / "v2-ancestor-tighter"
PID = 4242
URL = "http://127.0.0.1:1/metrics"  # where nobody listens, and which is not asked


def machine(at: float, used: float) -> Report:
    """Of one Go process that has used so much, by a clock that says ``at``."""
    snapshot = read_at(at, used=used)
    process = ProcessReport(snapshot=snapshot, limits=enforce(snapshot))
    return Report(version="0.1.0", time="2026-11-29T02:12:00Z", machine=snapshot.machine, processes=(process,))


@pytest.mark.parametrize("pids", [(), (PID, 1)])
def test_metrics_are_those_of_one_program(pids: tuple[int, ...]) -> None:
    """One endpoint tells of one program: none named, and two, are refused."""
    with pytest.raises(UsageError, match="name that program with one --pid"):
        api.inspect(pids, root=str(STORY), metrics_url=URL)


def test_metrics_of_a_program_that_is_none_of_gos(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not asked for; and a program that is closed to us is not said to be none of Go's."""
    with pytest.raises(UsageError, match=f"process {PID} is no Go program"):
        api.inspect([PID], root=str(STORY), metrics_url=URL)
    report = api.inspect([PID], root=str(STORY))
    (process,) = report.processes
    closed = Note(path=f"/proc/{PID}/exe", why="permission denied", privilege="CAP_SYS_PTRACE")
    report = report.replace(processes=(process.replace(snapshot=process.snapshot.replace(notes=(closed,))),))
    monkeypatch.setattr(api, "report_of", lambda *_arguments: report)
    with pytest.raises(Unreadable, match="whether it is a Go program is not known"):
        api.inspect([PID], root=str(STORY), metrics_url=URL)


def test_a_machine_without_any_process(tmp_path: Path) -> None:
    """Nothing to report is no empty report."""
    root = tmp_path / "machine"
    shutil.copytree(STORY, root, symlinks=True)
    for entry in (root / "proc").iterdir():
        if entry.name == "self":
            entry.unlink()
        elif entry.name.isdigit() and entry.name != "1":
            shutil.rmtree(entry)
    marker = root / MARKER
    kept = json.loads(marker.read_text())
    marker.write_text(json.dumps({key: value for key, value in kept.items() if key != "pids"}))
    with pytest.raises(NoSuchProcess, match=f"^there is no process below {root} that cgtune could report"):
        api.inspect(root=str(root))


def test_our_own_process_tells_whose_a_pods_limit_is() -> None:
    """It is read beside several programs of one pod, not beside one; and if it cannot be read, they are judged without it."""
    with Host(str(STORY)) as host:
        view = MachineView(host)
        one = read_snapshot(view, PID).replace(container=Container(pod_uid="0123"))
        view.self_pid = PID
        assert api.read_reader(view, (one,)) == ()
        assert [snapshot.process.pid for snapshot in api.read_reader(view, (one, one))] == [PID]
        view.self_pid = 999
        assert api.read_reader(view, (one, one)) == ()


def test_one_of_several_that_does_not_run_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was never there or ends midway: the others are reported in their order, and a note names it."""
    report = api.inspect([4194999, PID], root=str(STORY))
    assert [process.snapshot.process.pid for process in report.processes] == [PID]
    assert [(note.path, note.kind) for note in report.notes] == [("/proc/4194999", "failed")]
    assert "no process 4194999" in report.notes[0].why
    with pytest.raises(NoSuchProcess, match="no process 4194998"):
        api.inspect([4194999, 4194998], root=str(STORY))

    def read_until_it_ends(view: MachineView, pid: int) -> Snapshot:
        if pid == 7:
            raise NoSuchProcess("process 7 ended while it was read")
        return read_snapshot(view, pid)

    monkeypatch.setattr("cgtune.gather.read_snapshot", read_until_it_ends)
    report = api.inspect([PID, 7], root=str(STORY))
    assert ([process.snapshot.process.pid for process in report.processes], report.notes[0].why) == (
        [PID],
        "process 7 ended while it was read",
    )


def test_a_recording_of_several_is_whole_or_none(tmp_path: Path) -> None:
    """One that does not run is the error, and nothing is left."""
    with pytest.raises(NoSuchProcess, match="no process 4194999"):
        api.snapshot(str(tmp_path / "out"), [PID, 4194999], root=str(STORY))
    assert list(tmp_path.iterdir()) == []


def test_an_hour_is_the_longest_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks so far apart, and no look at all for a longer or an impossible window."""
    waited: list[float] = []
    monkeypatch.setattr("cgtune.system.host.time.sleep", waited.append)
    looks: list[Report] = []

    def look() -> Report:
        looks.append(api.inspect_host(host, [os.getpid()]))
        return looks[-1]

    with Host() as host:
        report = api.watch(host, 3600, look)
        assert (waited, len(looks)) == ([3600], 2)
        rates = report.processes[0].snapshot.rates
        assert rates is not None
        assert rates.used_cores is not None
        for seconds in (3600.1, 0.0, -1.0, float("nan")):
            with pytest.raises(UsageError, match="--window"):
                api.watch(host, seconds, look)
    assert len(looks) == 2


def test_a_list_that_is_looked_at_again_tells_what_happened_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look has no rates, each later one those since the last that did not fail; a recording has none at all."""
    looks = [machine(at, used) for at, used in ((100.0, 50.0), (110.0, 52.0), (130.0, 68.0))]
    waiting: list[Report | NoSuchProcess] = [looks[0], looks[1], NoSuchProcess("nobody"), looks[2]]

    def look(_host: Host, **_options: object) -> Report:
        now = waiting.pop(0)
        if isinstance(now, NoSuchProcess):
            raise now
        return now

    with monkeypatch.context() as patched:
        patched.setattr(api, "_list_go", look)
        watching = api.Watching()
        told = []
        for number in range(4):
            if number == 2:
                with pytest.raises(NoSuchProcess, match="nobody"):
                    watching.look()
                continue
            rates = watching.look().processes[0].snapshot.rates
            told.append(None if rates is None else (rates.seconds, rates.used_cores, rates.machine is not None))
    assert told == [None, (10.0, 0.2, True), (20.0, 0.8, True)]
    watching = api.Watching(root=str(stories.STORIES / "v2-bench-swapped-out"))
    assert [watching.look().processes[0].snapshot.rates for _ in range(2)] == [None, None]
