"""``cgtune env --limits`` and ``--watch``: a folder of limits that changes as the kubelet changes it, and the file that follows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cgtune.commands.env import EnvOptions, Plan
from cgtune.commands.watch import _is_same, _Watch
from cgtune.errors import NoSuchProcess
from tests.support import inside
from tests.support.envreaders import read_kubernetes
from tests.support.volumes import publish
from tests.support.watching import Watcher

_APP = {"cpu-limit": "2500", "memory-limit": str(512 << 20)}


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    """A downward API volume that says 2.5 CPUs and 512 MiB."""
    folder = tmp_path / "limits"
    folder.mkdir()
    publish(folder, _APP)
    return folder


def test_limits_from_files(limits: Path) -> None:
    """Each file stands for the option of its name; blanks around its text are none, and other files are not looked at."""
    done = inside.run("env", "--limits", limits, "--cpu-divisor", "1m")
    assert (done.returncode, read_kubernetes(done.stdout)) == (0, {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"})
    publish(limits, {"memory-limit": " 1Gi\n", "labels": "a=b"})
    done = inside.run("env", CGTUNE_LIMITS=str(limits))
    assert (done.returncode, read_kubernetes(done.stdout)) == (0, {"GOMEMLIMIT": "921MiB"})


@pytest.mark.parametrize(
    ("files", "arguments", "code", "words"),
    [
        ({}, (), 3, "holds none of cpu-limit, memory-limit"),
        ({"cpu-request": "1"}, (), 2, "holds no limit, only cpu-request"),
        ({"memory-limit": ""}, (), 3, "memory-limit is empty"),
        ({"memory-limit": "1" * 300}, (), 3, "longer than any limit"),
        ({"memory-limit": "half"}, (), 2, "--memory-limit 'half' is no number of bytes"),
        ({"memory-limit": "0"}, (), 2, "--memory-limit 0 limits nothing"),
        (_APP, ("--memory-limit", "1Gi"), 2, "--memory-limit is given, and"),
        (_APP, ("--cpu-divisor", "1m", "--self"), 2, "give one of both"),
        (_APP, ("--watch",), 2, "name it with --output"),
    ],
)
def test_limits_that_cannot_be_used(tmp_path: Path, files: dict[str, str], arguments: tuple[str, ...], code: int, words: str) -> None:
    """One line, and the exit code of its kind."""
    publish(tmp_path, files)
    done = inside.run("env", "--limits", tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--limits", "/nonexistent"), "No such file or directory; name a folder, as --limits /limits"),
        (("--limits", "/etc/passwd"), "Not a directory; name a folder"),
        (("--memory-limit", "1Gi", "--output", "/tmp/cgtune-test-never", "--watch"), "would never see a change"),
    ],
)
def test_what_cannot_be_watched(arguments: tuple[str, ...], words: str) -> None:
    """No folder, and limits that never change: exit code 2."""
    done = inside.run("env", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert words in done.stderr


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO is not waited for."""
    os.mkfifo(tmp_path / "cpu-limit")
    done = inside.run("env", "--limits", tmp_path)
    assert (done.returncode, "cpu-limit: is not a regular file" in done.stderr) == (3, True), done


def test_the_file_follows(limits: Path, tmp_path: Path) -> None:
    """Each change of the values is one line and a file in one piece; what changes nothing touches nothing."""
    with Watcher(tmp_path, "--limits", limits, "--cpu-divisor", "1m", "--go", "1.24") as watcher:
        assert read_kubernetes(watcher.file()[2]) == {"GOMAXPROCS": "3", "GOMEMLIMIT": "460MiB"}
        first, said = watcher.file(), watcher.said()
        publish(limits, {"cpu-limit": "2600", "memory-limit": str((512 << 20) + 4096)})  # other limits, the same values
        time.sleep(2.5)
        assert (watcher.file(), watcher.said()) == (first, said)
        publish(limits, {"cpu-limit": "4000", "memory-limit": str(1 << 30)})
        watcher.wait_for(lambda: watcher.said() != said)
        assert watcher.said() == f"{said}cgtune: {watcher.output} is written: GOMAXPROCS 5, was 3; GOMEMLIMIT 921MiB, was 460MiB\n"
        assert read_kubernetes(watcher.file()[2]) == {"GOMAXPROCS": "5", "GOMEMLIMIT": "921MiB"}
        assert watcher.file()[0] != first[0]
        code, seconds = watcher.stop()
        assert (code, seconds < 2) == (0, True)
    assert sorted(os.listdir(tmp_path)) == ["go.env", "limits", "log"]


@pytest.mark.slow
def test_what_cannot_be_read_keeps_the_file(limits: Path, tmp_path: Path) -> None:
    """One line when the trouble begins, whatever it is, and one when it is over; the file is the very same one all the while."""
    with Watcher(tmp_path, "--limits", limits, "--cpu-divisor", "1m") as watcher:
        before = watcher.file()
        for broken, words in (
            ({"cpu-limit": "2500"}, "memory-limit is no longer there"),
            ({**_APP, "cpu-limit": "x"}, "--cpu-limit 'x' is"),
        ):
            said = watcher.said()
            publish(limits, broken)
            watcher.wait_for(lambda said=said: watcher.said() != said)  # type: ignore[misc]
            assert words in watcher.said()[len(said) :]
        shutil.move(limits, tmp_path / "away")
        watcher.wait_for(lambda: "No such file or directory" in watcher.said())
        said = watcher.said()
        time.sleep(2.5)
        assert watcher.said() == said
        shutil.move(tmp_path / "away", limits)
        publish(limits, _APP)
        watcher.wait_for(lambda: "follows its limits again" in watcher.said())
        assert watcher.file() == before
        assert [line.endswith("stays as it is") for line in watcher.said().splitlines()[4:]] == [True, True, True, False]
        assert watcher.stop(signal.SIGINT)[0] == 0


def test_a_file_that_is_taken_away_comes_back(limits: Path, tmp_path: Path) -> None:
    """And one that somebody has written over; the log says why it was written."""
    with Watcher(tmp_path, "--limits", limits, "--cpu-divisor", "1m") as watcher:
        content = watcher.file()[2]
        watcher.output.unlink()
        watcher.wait_for(watcher.output.exists)
        assert watcher.file()[2] == content
        watcher.wait_for(lambda: "somebody had changed it or taken it away" in watcher.said())


def test_a_process_that_ends(tmp_path: Path) -> None:
    """Exit code 3 and one line; the file stays."""
    with subprocess.Popen(["sleep", "600"]) as sleeper, Watcher(tmp_path, "--pid", sleeper.pid, "--dialect", "json") as watcher:
        before = watcher.file()
        sleeper.kill()
        sleeper.wait()
        assert watcher.process.wait(60) == 3
        assert f"process {sleeper.pid}" in watcher.said().splitlines()[-1]
        assert watcher.said().endswith(f"{watcher.output} stays as it is\n")
        assert watcher.file() == before


@pytest.mark.slow
def test_who_comes_after_the_one_that_ended_is_followed(tmp_path: Path) -> None:
    """A command that ends is told once, and the file stays; when it runs again the file follows it. So with a container and a pod."""
    program = tmp_path / f"shop-{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    first = subprocess.Popen([program, "600"])
    try:
        with Watcher(tmp_path, "--command", program.name, "--go", "1.24", "--dialect", "json") as watcher:
            before = watcher.file()
            first.kill()
            first.wait()
            watcher.wait_for(lambda: f"meant by command {program.name}" in watcher.said())
            assert watcher.file() == before
            with subprocess.Popen([program, "600"]) as second:
                watcher.wait_for(lambda: "follows its limits again" in watcher.said())
                assert watcher.process.poll() is None
                second.kill()
    finally:
        first.kill()
        first.wait()


def test_the_first_look_fails_as_env_does(tmp_path: Path) -> None:
    """An empty folder: exit code 3, no file, nothing is watched."""
    watcher = Watcher(tmp_path, "--limits", tmp_path)
    assert watcher.process.wait(60) == 3
    assert (watcher.output.exists(), watcher.said().count("\n")) == (False, 1)


def _plan(procs: str | None, memory: str | None) -> Plan:
    from cgtune.advice.variables import PlannedVariable

    pairs = (("GOMAXPROCS", procs), ("GOMEMLIMIT", memory))
    return Plan(variables=tuple(PlannedVariable(name=name, value=value, because=("so",)) for name, value in pairs), start_ticks=1)


@pytest.mark.parametrize(
    ("now", "slack", "is_same"),
    [
        (("2", "400MiB"), False, True),
        (("2", "401MiB"), False, False),
        (("2", "412MiB"), True, True),
        (("2", "388MiB"), True, True),
        (("2", "413MiB"), True, False),
        (("2", None), True, False),
        (("3", "400MiB"), True, False),
    ],
)
def test_measured_values_are_the_same_within_a_little(now: tuple[str, str | None], slack: bool, is_same: bool) -> None:
    """Of a running program 3 % of memory are no change; of a limit that is named, a MiB is one."""
    assert _is_same(_plan("2", "400MiB"), _plan(*now), slack=slack) is is_same


@pytest.mark.parametrize(("kept", "is_same"), [("412000KiB", True), ("429496730B", True), ("500000KiB", False), ("off", False)])
def test_a_value_that_is_kept_may_have_any_unit(kept: str, is_same: bool) -> None:
    """Who runs with GOMEMLIMIT=412000KiB has that recommended, and the watch goes on when it becomes one in MiB."""
    assert _is_same(_plan("2", kept), _plan("2", "400MiB"), slack=True) is is_same
    assert _is_same(_plan("2", "400MiB"), _plan("2", kept), slack=True) is is_same


class _Third(threading.Event):
    """Set when it is waited for the third time."""

    looks = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  # as it is called
        self.looks += 1
        return self.looks > 2


def test_another_process_with_the_same_pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Its values are not taken."""
    from cgtune.commands import watch

    def leave(code: int) -> None:
        raise AssertionError(f"ended with {code}")

    monkeypatch.setattr("cgtune.commands.watch.os._exit", leave)
    monkeypatch.setattr(watch, "plan_env", lambda _: _plan("9", None).replace(start_ticks=2))
    output = str(tmp_path / "go.env")
    assert _Watch(EnvOptions(pid=4242, output=output), output, 0o644, _plan("2", None)).run(_Third()) == 3
    assert "process 4242 has ended, and another one has its pid" in capfd.readouterr().err
    assert os.listdir(tmp_path) == []


def test_what_is_written_again_is_what_was_written_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that is taken away after the limits have changed comes back with the values of the change, in the same form."""
    planned = [_plan("3", None)]
    monkeypatch.setattr("cgtune.commands.watch.plan_env", lambda _: planned[-1])
    output = tmp_path / "go.env"
    watch = _Watch(EnvOptions(limits=str(tmp_path), output=str(output)), str(output), 0o644, _plan("2", None))
    watch._look()
    assert (read_kubernetes(output.read_text()), capfd.readouterr().err) == (
        {"GOMAXPROCS": "3"},
        f"cgtune: {output} is written: GOMAXPROCS 3, was 2\n",
    )
    output.unlink()
    watch._look()
    assert read_kubernetes(output.read_text()) == {"GOMAXPROCS": "3"}
    assert capfd.readouterr().err == f"cgtune: {output} is written again: somebody had changed it or taken it away\n"
    watch._look()
    assert capfd.readouterr().err == ""


def test_a_place_without_a_process_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """--self names nobody who could have ended for good: it is told once, and looked for again."""

    class Gone(Exception):
        """The end of the watch."""

    def look(_options: EnvOptions) -> Plan:
        raise NoSuchProcess("/proc/self names no process")

    def leave(_code: int) -> None:
        raise Gone

    monkeypatch.setattr("cgtune.commands.watch.os._exit", leave)
    monkeypatch.setattr("cgtune.commands.watch.plan_env", look)
    output = str(tmp_path / "go.env")
    with pytest.raises(Gone):
        _Watch(EnvOptions(self_only=True, output=output), output, 0o644, _plan("2", None)).run(_Third())
    assert capfd.readouterr().err.splitlines()[1:] == [f"cgtune: /proc/self names no process; {output} stays as it is"]


@pytest.mark.slow
def test_what_a_look_costs(limits: Path, tmp_path: Path) -> None:
    """The limits of a folder once a second: less than 2 % of a CPU over three of them; it is about 0.05 %."""
    with Watcher(tmp_path, "--limits", limits, "--cpu-divisor", "1m") as watcher:
        before = _ticks(watcher.process.pid)
        time.sleep(3)
        assert _ticks(watcher.process.pid) - before < 0.06 * os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
