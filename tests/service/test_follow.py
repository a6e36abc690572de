"""Looking again and again: the same answer as a fresh look, whatever is kept; and one broken process never stops the others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune import api, gather
from cgtune.errors import Absent, Malformed, Unreadable
from cgtune.model import ProcessReport, Report
from cgtune.runtimes.go.program.modinfo import parse_build_info
from cgtune.runtimes.go.programs import Known, Mapped
from cgtune.service import follow
from cgtune.service.follow import Follower, Stopped
from cgtune.snapshot import read_snapshot
from cgtune.system.host import Host
from cgtune.verdict import blind, blind_partly
from tests.support import goprograms, stories

SHORT = ("stat", "schedstat")  # what is read of a process that is known to be no Go program


@pytest.mark.parametrize("story", stories.names())
def test_a_later_look_says_what_a_fresh_one_does(story: str) -> None:
    """On every recorded machine the third look is the report of inspect, to the last note; but a zombie is missing, for it has ended."""
    pid = stories.pid_of(story)
    with Host(str(stories.STORIES / story)) as host:
        follower = Follower(host, (pid,), None)
        looks = [follower.look(float(second)) for second in range(3)]
    fresh = stories.report(story)
    is_zombie = fresh.processes[0].snapshot.process.state == "Z"
    assert looks[2].report == looks[0].report == (fresh.replace(processes=()) if is_zombie else fresh)
    is_closed = not is_zombie and (blind(fresh, (pid,)) or blind_partly(fresh)) is not None
    assert (looks[2].missing, list(looks[2].troubles)) == ((pid,) if is_zombie else (), ["sight"] if is_closed else [])


def test_what_changes_is_seen(tmp_path: Path) -> None:
    """A quota, a mount table and a move between two looks: the second report is again that of a fresh look."""
    root = tmp_path / "root"
    shutil.copytree(stories.STORIES / "v2-ancestor-tighter", root, symlinks=True)
    with Host(str(root)) as host:
        follower = Follower(host, (4242,), None)
        assert follower.look(0.0).report.processes[0].limits.cpu.limit_cores == 1.0
        (root / "sys/fs/cgroup/pod/cpu.max").write_text("300000 100000\n")
        assert follower.look(1.0).report.processes[0].limits.cpu.limit_cores == 2.0
        (root / "proc/4242/cgroup").write_text("0::/pod\n")
        assert follower.look(2.0).report.processes[0].limits.cpu.limit_cores == 3.0
        mounts = root / "proc/4242/mountinfo"
        mounts.write_text(mounts.read_text().replace("/sys/fs/cgroup", "/elsewhere"))
        assert follower.look(3.0).report == api.inspect([4242], root=str(root))


@pytest.fixture
def sleepers() -> Iterator[list[int]]:
    """The pids of three idle processes."""
    started = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
    yield [process.pid for process in started]
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("error", [Malformed("status has no end"), ZeroDivisionError("ours")], ids=["its file", "our fault"])
def test_a_process_that_cannot_be_read_stops_nobody(sleepers: list[int], monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Neither a broken file nor a fault of ours: the others are in the report, and the trouble is told with the pid."""
    genuine = read_snapshot

    def read(view: object, pid: int) -> object:
        if pid == sleepers[1]:
            raise error
        return genuine(view, pid)  # type: ignore[arg-type]  # the view is what it was given

    monkeypatch.setattr(gather, "read_snapshot", read)
    with Host() as host:
        look = Follower(host, tuple(sleepers), None).look(0.0)
    assert [process.snapshot.process.pid for process in look.report.processes] == sorted((sleepers[0], sleepers[2]))
    assert look.unreadable == 1
    assert list(look.troubles) == [f"process {sleepers[1]}"]
    words = look.troubles[f"process {sleepers[1]}"]
    assert str(error) in words
    assert ("please report it" in words) == isinstance(error, ZeroDivisionError)
    assert "\n" not in words


def test_a_zombie_is_missing(sleepers: list[int]) -> None:
    """What has ended is not there, though its parent has not yet taken note: it neither went and came, nor is it clean."""
    ended = subprocess.Popen(["true"])
    with Host() as host:
        while host.read_text(f"/proc/{ended.pid}/stat").split()[2] != "Z":
            host.forget()
        look = Follower(host, (sleepers[0], ended.pid), None).look(0.0)
    assert [process.snapshot.process.pid for process in look.report.processes] == [sleepers[0]]
    assert (look.missing, look.unreadable, look.troubles) == ((ended.pid,), 0, {})
    ended.wait()


def test_processes_that_are_closed_to_us_are_one_trouble(sleepers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc hides other users' processes each one is refused, and each that comes: all together are said once, with the privilege."""

    def read(_view: object, pid: int, *_notes: object) -> None:
        raise Unreadable(f"/proc/{pid}/stat: permission denied", privilege="CAP_SYS_PTRACE")

    monkeypatch.setattr(gather, "read_go_snapshot", read)
    with Host() as host:
        look = Follower(host, (), None).look(0.0)
    assert look.unreadable > len(sleepers)
    assert list(look.troubles) == ["sight"]
    assert look.troubles["sight"].startswith(f"no Go process could be looked into: {look.unreadable} processes could not be looked into; ")
    assert look.troubles["sight"].endswith(" (needs CAP_SYS_PTRACE)")
    assert [note.privilege for note in look.report.notes] == ["CAP_SYS_PTRACE"]


def test_a_process_that_a_rule_cannot_cope_with_stops_nobody(sleepers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out of the report, and told; the others keep their findings."""
    genuine = api.judge_processes

    def judge_processes(processes: tuple[ProcessReport, ...], *arguments: object, **options: object) -> tuple[ProcessReport, ...]:
        if any(process.snapshot.process.pid == sleepers[1] for process in processes):
            raise KeyError("quota")
        return genuine(processes, *arguments, **options)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(api, "judge_processes", judge_processes)
    with Host() as host:
        look = Follower(host, tuple(sleepers), None).look(0.0)
    assert [process.snapshot.process.pid for process in look.report.processes] == sorted((sleepers[0], sleepers[2]))
    assert list(look.troubles) == [f"process {sleepers[1]}"]


def test_a_fault_that_is_in_none_of_them_is_raised(sleepers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that fails as a whole must not pass for a report without findings."""

    def judge(report: Report, *_arguments: object, **_options: object) -> Report:
        if len(report.processes) > 1:
            raise KeyError("all of them")
        return report

    monkeypatch.setattr(api, "judge", judge)
    with Host() as host, pytest.raises(KeyError):
        Follower(host, tuple(sleepers), None).look(0.0)


def test_it_stops_between_two_processes(sleepers: list[int]) -> None:
    """A signal in the middle of a scan does not wait for its end."""
    asked = iter((False, True))
    with Host() as host, pytest.raises(Stopped):
        Follower(host, tuple(sleepers), None, is_stopped=lambda: next(asked)).look(0.0)


def test_a_root_that_is_no_machine_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is served."""
    with Host(str(tmp_path)) as host, pytest.raises(Absent):
        Follower(host, (), None)


def test_what_is_known_is_forgotten_in_time() -> None:
    """Processes that ended, and the Go files that only they ran but for the newest 64; what is no Go file is kept cheaply."""
    known = Known()
    info = parse_build_info(b"go1.25.5", b"")
    for number in range(300):
        known.remember(number, None if number % 2 else ((), info))  # type: ignore[arg-type]  # stands for what was found
        known.layouts[number] = number  # type: ignore[assignment]  # likewise
        known.processes[number] = Mapped(maps_hash=number, files=((f"/proc/{number}/exe", number),), runtimes=())
    known.keep_processes({0, 2})
    assert set(known.processes) == {0, 2}
    kept = {number for number, found in known.files.items() if found is not None}
    assert kept == {0, 2, *range(172, 300, 2)}
    assert set(range(0, 172, 2)) & set(known.layouts) == {0, 2}
    assert sum(found is None for found in known.files.values()) == 150


def test_nothing_is_kept_of_who_ended() -> None:
    """After a look there is nothing of a process that is no longer there."""
    with Host() as host, subprocess.Popen(["sleep", "60"]) as ends:
        follower = Follower(host, (), None)
        follower.look(0.0)
        assert ends.pid in follower._view.known.processes
        ends.kill()
        ends.wait()
        follower.look(1.0)
        assert ends.pid not in follower._view.known.processes


@pytest.fixture
def go_program() -> Path:
    """A small Go program."""
    return goprograms.build("1.24.11", package="./minimal")


@pytest.mark.fetched
def test_more_go_processes_than_are_reported(go_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were in the report stay in it, whoever comes; the others are counted. A process that is not Go's is read as one file."""
    silent, pipe = subprocess.DEVNULL, subprocess.PIPE
    started = [subprocess.Popen([go_program], stdin=pipe, stderr=silent) for _ in range(4)]
    other = subprocess.Popen(["sleep", "600"])
    of_this_machine = gather.list_pids_by_psutil

    def list_pids(host: Host) -> list[int]:
        """This test's processes: others on this machine may come and go meanwhile."""
        return [pid for pid in of_this_machine(host) if pid in {process.pid for process in (*started, other)}]

    monkeypatch.setattr(follow, "list_pids_by_psutil", list_pids)
    try:
        with Host() as host:
            follower = Follower(host, (), None)
            own = {process.pid for process in started}
            first = follower.look(0.0)
            assert own == _pids(first.report)
            monkeypatch.setattr(follow, "MOST_PROCESSES", 2)
            second = follower.look(1.0)
            assert len(second.report.processes) == 2
            assert second.left_out == len(own) - 2
            late = subprocess.Popen([go_program], stdin=pipe, stderr=silent)
            started.append(late)
            assert _pids(follower.look(2.0).report) == _pids(second.report)
            first_pid = min(_pids(second.report))
            monkeypatch.setattr(follow, "list_pids_by_psutil", lambda host: [pid for pid in list_pids(host) if pid != first_pid])
            without = follower.look(2.1)
            assert first_pid not in _pids(without.report)
            monkeypatch.setattr(follow, "list_pids_by_psutil", list_pids)  # and comes back, with a lower pid than those that are followed
            assert _pids(follower.look(2.2).report) == _pids(without.report)
            read: list[str] = []
            genuine = Host.read_bytes

            def read_bytes(self: Host, path: str, **caps: int) -> bytes:
                read.append(path)
                return genuine(self, path, **caps)

            monkeypatch.setattr(Host, "read_bytes", read_bytes)
            follower.look(3.0)
            assert {path for path in read if path.startswith(f"/proc/{other.pid}/")} <= {f"/proc/{other.pid}/{file}" for file in SHORT}
    finally:
        other.kill()
        other.wait()
        for process in started:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _pids(report: Report) -> set[int]:
    return {process.snapshot.process.pid for process in report.processes}
