"""``cgtune exec``: it becomes the command, and the command finds everything as cgtune found it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from cgtune.advice.variables import Outcome
from cgtune.commands import exec as exec_command
from cgtune.commands.exec import ExecOptions
from cgtune.system.execute import Entries, Failure
from tests.support import inside, stories
from tests.support.command import PROGRAM, environment, run
from tests.support.needs import require

EXEC = (*PROGRAM, "exec", "--")
SIGNALS = ("SigBlk", "SigIgn")
BARE = {"PATH": "/usr/bin:/bin"}


def start(
    argv: Sequence[str], *, env: Mapping[str, str] = BARE, fds: Sequence[int] = (), before: Callable[[], object] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Start a program as a container runtime does: nothing of this Python's own signals or files gets to it."""
    return subprocess.run(argv, env=dict(env), pass_fds=fds, preexec_fn=before, capture_output=True, timeout=30, check=False)


def test_the_same_process() -> None:
    """The command has the pid that cgtune was started with, and the same parent: nobody is left between."""
    with subprocess.Popen(
        [*EXEC, "cat", "/proc/self/status"], env=BARE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        status, _ = process.communicate(timeout=30)
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (fields["Name"], int(fields["Pid"]), int(fields["PPid"])) == ("cat", process.pid, os.getpid())
    assert process.returncode == 0


@pytest.mark.parametrize("code", [0, 42, 125])
def test_the_commands_own_exit_code(code: int) -> None:
    """Whatever the command ends with is what the caller sees; its standard output is untouched."""
    done = start([*EXEC, "sh", "-c", f"echo said; exit {code}"])
    assert (done.returncode, done.stdout) == (code, b"said\n")


def test_a_deadly_signal_is_the_commands_own() -> None:
    """A command that is killed is seen to be killed, by that signal."""
    assert start([*EXEC, "sh", "-c", "kill -TERM $$"]).returncode == -signal.SIGTERM


def test_open_files() -> None:
    """The command has exactly the files that were open when cgtune started, under their numbers, closed standard streams included."""
    reader, writer = os.pipe()
    high = os.dup2(reader, 77)
    listing = ("sh", "-c", 'for n in /proc/self/fd/*; do echo "$n $(readlink $n)"; done', "sh")
    try:
        for closing in ("", "<&-", "2>&-", "<&- 2>&-"):
            shell = ("sh", "-c", f'exec "$@" {closing}', "sh")
            direct = start([*shell, "ls", "/proc/self/fd"], fds=(reader, writer, high))
            through = start([*shell, *EXEC, "ls", "/proc/self/fd"], fds=(reader, writer, high))
            assert (through.returncode, through.stdout) == (direct.returncode, direct.stdout), closing
            assert str(high).encode() in through.stdout.split()
    finally:
        for number in (reader, writer, high):
            os.close(number)
    assert start([*EXEC, *listing]).stdout.count(b"pipe:") == start(listing).stdout.count(b"pipe:")


def _signals(argv: Sequence[str], before: Callable[[], object] | None) -> dict[str, int]:
    # By its path: Python 3.13 starts what has one with posix_spawn(3), which ignores two signals of glibc's own, and all else with fork(2)
    done = start([*argv, "/bin/cat", "/proc/self/status"], before=before)
    fields = dict(line.split(":\t", 1) for line in done.stdout.decode().splitlines() if ":\t" in line)
    return {name: int(fields[name], 16) for name in SIGNALS}


def test_signals() -> None:
    """Blocked and ignored signals are those that cgtune inherited; Python's own ignoring of SIGPIPE and SIGXFSZ goes no further."""

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    for before in (None, prepare):
        direct = _signals((), before)
        assert _signals(EXEC, before) == direct
        assert direct["SigIgn"] & (1 << (signal.SIGPIPE - 1)) == 0
    assert _signals((), prepare)["SigBlk"] != _signals((), None)["SigBlk"]


def test_a_writer_whose_reader_has_gone() -> None:
    """The command dies of SIGPIPE, as it would without cgtune."""
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen([*EXEC, "cat", "/proc/self/status"], env=BARE, stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        assert process.wait(timeout=30) == -signal.SIGPIPE


def _spawn(argv: Sequence[str], pairs: Sequence[tuple[str, str]]) -> bytes:
    """What a program writes that is started with exactly these entries, twice the same name among them perhaps."""
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(argv[0], list(argv), Entries(tuple(pairs)), file_actions=actions)  # type: ignore[arg-type]  # keys and values
    os.close(writer)
    with open(reader, "rb") as file:
        written = file.read()
    assert os.waitpid(pid, 0)[1] == 0
    return written


@pytest.mark.parametrize(
    "pairs",
    [
        [("PATH", "/usr/bin:/bin"), ("LANG", "C")],  # Python sets LC_CTYPE for itself here (PEP 538)
        [("Z", "1"), ("A", "2"), ("PATH", "/bin:/usr/bin"), ("A", "3"), ("EMPTY", ""), ("LC_ALL", "POSIX")],
        [("PATH", "/usr/bin:/bin"), ("BYTES", "\udcff\udc80é"), ("LINES", "a\nb=c"), ("é", "1"), ("PYTHONHOME", "/nonexistent")],
    ],
)
def test_the_environment_to_the_byte(pairs: list[tuple[str, str]]) -> None:
    """Order, duplicates, bytes that are no text: all as it was, and nothing of Python's beside it."""
    written = _spawn([*EXEC, "cat", "/proc/self/environ"], pairs)
    assert written == b"".join(os.fsencode(f"{name}={value}\0") for name, value in pairs)


def _program(folder: Path, name: str, content: bytes, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_scripts(tmp_path: Path) -> None:
    """With #! the kernel starts the interpreter, without one /bin/sh does, as execvp(3) has it."""
    for name, content in (("with", b"#!/bin/sh\necho $0 $#\n"), ("without", b"echo $0 $#\n")):
        path = _program(tmp_path, name, content)
        done = start([*EXEC, str(path), "a b", ""])
        assert (done.returncode, done.stdout.decode()) == (0, f"{path} 2\n")
    assert start([*EXEC, str(_program(tmp_path, "empty", b""))]).returncode == 0


def test_how_a_command_is_found(tmp_path: Path) -> None:
    """As execvp(3): PATH in order, what may not be executed is passed over, an empty part is the current folder."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    _program(first, "tool", b"#!/bin/sh\n", 0o644)
    tool = _program(second, "tool", b"#!/bin/sh\necho found $0\n")
    assert start([*EXEC, "true"], env={}).returncode == 0  # without PATH: /bin and /usr/bin
    written = _spawn([*EXEC, "tool"], [("PATH", str(second)), ("PATH", "/usr/bin")])
    assert written == f"found {tool}\n".encode()  # of two the first counts
    shell = ("sh", "-c", f'cd {second} && PATH=/usr/bin:/bin::/nonexistent exec "$@"', "sh")
    assert start([*shell, *EXEC, "tool"]).stdout == b"found ./tool\n"


FAILURES: dict[str, tuple[tuple[object, ...], int, str]] = {
    "no command": (("exec",), 125, "Missing argument"),
    "no command behind --": (("exec", "--"), 125, "Missing argument"),
    "an option that is none": (("exec", "--nothing", "--", "true"), 125, "--nothing"),
    "a log format that is none": (("exec", "--log-format", "xml", "--", "true"), 125, "--log-format"),
    "a policy that is none": (("exec", "--headroom", "x", "--", "true"), 125, "--headroom"),
    "a root that is none": (("exec", "--root", "/nonexistent", "--", "true"), 125, "--root"),
    "a command that is none": (("exec", "--", "cgtune-no-such-command"), 127, "not found in PATH"),
    "a path that is none": (("exec", "--", "/nonexistent/server"), 127, "'/nonexistent/server': No such file or directory; give the path"),
    "a path below a file": (("exec", "--", "/etc/passwd/x"), 127, "Not a directory; give the path"),
    "an empty command": (("exec", "--", ""), 127, "not found"),
    "a folder": (("exec", "--", "/tmp"), 126, "it is a folder; give the path of the program in it"),
    "a file that is no program": (
        ("exec", "--", "/etc/passwd"),
        126,
        "it may not be executed; look at its mode with ls -l, and for noexec with findmnt -T",
    ),
}


@pytest.mark.parametrize(("arguments", "code", "words"), FAILURES.values(), ids=FAILURES)
def test_failures(arguments: tuple[object, ...], code: int, words: str) -> None:
    """One line, and the exit code of exec wrappers: 125 ours, 126 not executable, 127 not found."""
    done = inside.run(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("cgtune: ")
    assert (done.stderr.count("\n"), words in done.stderr) == (1, True), done.stderr
    assert done.stderr[:-1].isprintable()


def test_what_the_kernel_refuses(tmp_path: Path) -> None:
    """A missing interpreter is 127, a file of another machine or of nonsense 126; each with a second line that says so."""
    cases = (
        ("interpreter", b"#!/nonexistent/sh\n", 127, "its interpreter or loader is not"),
        ("nonsense", b"\0\1\2", 126, "Exec format error"),
        ("elsewhere", b"\x7fELF\2\1\1" + bytes(57), 126, "Exec format error"),
    )
    for name, content, code, words in cases:
        done = start([*EXEC, str(_program(tmp_path, name, content))])
        assert (done.returncode, done.stdout) == (code, b""), name
        log, said = done.stderr.decode().splitlines()
        assert log.startswith("cgtune: exec ")
        assert words in said


def test_too_many_arguments() -> None:
    """A command line that cgtune itself was started with fits its command as well; one with a NUL cannot be typed."""
    done = start([*EXEC, "sh", "-c", "echo $#", "sh", *["x" * 100_000] * 10])
    assert (done.returncode, done.stdout) == (0, b"10\n")


def test_what_the_kernel_refuses_for_a_while(tmp_path: Path) -> None:
    """A program that is being written is 126, and the line says what to wait for; below a loop of links there is nothing to find."""
    busy = tmp_path / "busy"
    shutil.copy("/bin/true", busy)
    with busy.open("ab"):
        done = start([*EXEC, str(busy)])
    assert (
        done.returncode,
        done.stderr.decode().endswith("Text file busy; somebody has it open for writing, wait until it is written\n"),
    ) == (
        126,
        True,
    )
    (tmp_path / "loop").symlink_to("loop")
    assert b"Too many levels of symbolic links" in start([*EXEC, str(tmp_path / "loop")]).stderr


def test_a_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    """The program may be there or not: 126, and the line speaks of the folder, not of the program's mode."""
    require(os.geteuid() == 0, "takes another user's rights: run as root")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, 65534, 65534)
    powerless = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")  # a root that may not overlook permissions
    done = start([*powerless, *EXEC, str(closed / "server")])
    assert (done.returncode, b"a folder on the way to it may not be entered" in done.stderr) == (126, True), done.stderr


def test_what_was_set_is_kept_and_said() -> None:
    """The user's word stays, and the line says what Go makes of it; the empty value is none."""
    done = run("exec", "--dry-run", "--", "true", GOMAXPROCS="abc", GOMEMLIMIT="512Mi")
    assert (done.returncode, done.stdout) == (0, "")
    assert "GOMAXPROCS kept at 'abc' (it was set already; Go ignores it: it takes a whole number from 1 up)" in done.stderr
    assert "GOMEMLIMIT kept at '512Mi' (it was set already; Go dies of it at its start: it is malformed)" in done.stderr
    written = start([*EXEC, "cat", "/proc/self/environ"], env={**BARE, "GOMAXPROCS": "7", "GOMEMLIMIT": ""}).stdout
    assert written == b"PATH=/usr/bin:/bin\0GOMAXPROCS=7\0GOMEMLIMIT=\0"


def test_the_line_for_a_log_collector() -> None:
    """One JSON object on one line, with what was done and why; hostile values stay inside their strings."""
    done = run("exec", "--log-format", "json", "--", "echo", "said", GOMAXPROCS='7\n"}\x1b[31m')
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "said\n", 1)
    line = json.loads(done.stderr)
    assert (line["level"], line["msg"], line["go"], Path(line["program"]).name) == ("info", "cgtune exec", None, "echo")
    procs, memory = line["variables"]
    assert (procs["name"], procs["act"], procs["value"]) == ("GOMAXPROCS", "kept", '7\n"}\x1b[31m')
    assert (memory["name"], memory["act"]) == ("GOMEMLIMIT", "unset")
    done = run("exec", "--", "true", GOMAXPROCS="7\n\x1b[31m")
    assert done.stderr.count("\n") == 1
    assert done.stderr[:-1].isprintable()


def test_limits_that_cannot_be_read() -> None:
    """The command starts all the same, with its environment as it was, and the line says that nothing was set."""
    root = stories.STORIES / "v2-ancestor-tighter"  # nobody there is this process
    done = run("exec", "--root", root, "--", "echo", "said")
    assert (done.returncode, done.stdout) == (0, "said\n")
    assert "nothing is set, the limits could not be read: " in done.stderr
    line = json.loads(run("exec", "--log-format", "json", "--root", root, "--", "true").stderr)
    assert (line["level"], line["variables"]) == ("warning", [])


def test_a_dry_run_under_limits_that_cannot_be_read(capfd: pytest.CaptureFixture[str]) -> None:
    """It prints no variable, and its line says why."""
    done = inside.run("exec", "--dry-run", "--root", stories.STORIES / "v2-ancestor-tighter", "--", "true")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing is set, the limits could not be read: " in capfd.readouterr().err


def test_a_fault_of_cgtunes_own(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """It keeps nothing from starting either: the environment stays as it is, and the line says whose fault it was."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("of 3 by 0")

    monkeypatch.setattr("cgtune.commands.planning.plan_for_command", fail)
    done = inside.run("exec", "--dry-run", "--", "true")
    assert (done.returncode, done.stdout) == (0, "")
    line = capfd.readouterr().err
    assert line.endswith(": cgtune itself failed with ZeroDivisionError: of 3 by 0; please report it\n")


def test_a_program_whose_name_is_no_text(tmp_path: Path) -> None:
    """Its bytes stand in the line as codes: every reader of JSON takes it, the strict ones too."""
    path = os.fsencode(tmp_path) + b"/a\xffb"
    shutil.copy(b"/bin/true", path)
    done = start([*PROGRAM, "exec", "--log-format", "json", "--", os.fsdecode(path)], env={**BARE, "GOMAXPROCS": "\udcfe"})
    assert done.returncode == 0
    line = json.loads(done.stderr)
    assert (line["program"], line["variables"][0]["value"]) == (f"{tmp_path}/a\\xffb", "\\xfe")


def test_a_cgroup_whose_name_is_no_text(tmp_path: Path) -> None:
    """So do those of a path among the reasons."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-plain", root, symlinks=True)
    (root / "proc/self").symlink_to("4242")
    (root / "proc/4242/cgroup").write_bytes(b"0::/system.slice/a\xffb\n")
    leaf = root / "sys/fs/cgroup/system.slice/app.service"
    (leaf / "cpu.max").write_text("50000 100000\n")
    leaf.rename(os.fsdecode(os.fsencode(leaf.parent) + b"/a\xffb"))
    line = json.loads(run("exec", "--log-format", "json", "--root", root, "--", "true").stderr)
    assert line["variables"][0]["because"][0] == "/sys/fs/cgroup/system.slice/a\\xffb/cpu.max: 50000 100000"


def test_nobody_reads_the_line() -> None:
    """A closed or full standard error keeps nothing from starting."""
    for closing in ("2>&-", "2>/dev/full", "2>/dev/null"):
        done = start(["sh", "-c", f'exec "$@" {closing}', "sh", *EXEC, "echo", "said"])
        assert (done.returncode, done.stdout) == (0, b"said\n"), closing


def test_failures_without_anybody_to_tell() -> None:
    """With standard error closed or full, the exit code still says it; a closed standard output keeps nothing from starting."""
    for closing in ("2>&-", "2>/dev/full"):
        for words, code in (((*EXEC, "cgtune-no-such-command"), 127), ((*EXEC, "/tmp"), 126), ((*EXEC[:-1], "--nothing"), 125)):
            assert start(["sh", "-c", f'exec "$@" {closing}', "sh", *words]).returncode == code, (closing, words)
    done = start(["sh", "-c", 'exec "$@" >&-', "sh", *EXEC, "sh", "-c", "echo said >&2"])
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, b"said")


def test_options_end_where_the_command_begins() -> None:
    """What follows the command is its own, with -- before it and without."""
    for words in (("exec", "echo", "-n", "--help"), ("exec", "--", "echo", "-n", "--help"), ("exec", "--override", "echo", "-n", "--help")):
        assert run(*words).stdout == "--help"
    assert "Usage" in run("exec", "--help").stdout


def test_the_plain_form_says_what_the_full_one_says() -> None:
    """With the options in CGTUNE_* variables the same line comes of it; those variables stay in the environment."""
    plain = run("exec", "--", "true", CGTUNE_LOG_FORMAT="json", CGTUNE_DRY_RUN="1", GOMAXPROCS="7")
    full = run("exec", "--log-format", "json", "--dry-run", "--", "true", GOMAXPROCS="7")
    assert plain.returncode == full.returncode == 0
    assert {**json.loads(plain.stderr), "time": ""} == {**json.loads(full.stderr), "time": ""}
    assert run("exec", "--", "true", CGTUNE_LOG_FORMAT="xml").returncode == 125


def test_a_reader_of_its_own_standard_input() -> None:
    """Nothing of the command's input is taken by cgtune."""
    argv = [*EXEC, "cat"]
    done = subprocess.run(argv, input=b"one\ntwo\n", capture_output=True, env=environment(), timeout=30, check=True)
    assert done.stdout == b"one\ntwo\n"


def test_without_proc(tmp_path: Path) -> None:
    """Where /proc is not mounted the command starts with the environment as Python has it."""
    require(os.geteuid() == 0, "makes a mount namespace: run as root")
    hidden = ("unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path} /proc && exec "$@"', "sh")
    done = start([*hidden, *EXEC, "sh", "-c", "echo $KEPT"], env={**BARE, "KEPT": "1", "LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr
    assert b"nothing is set" in done.stderr


@pytest.mark.parametrize(("cause", "code"), [("not-found", 127), ("not-executable", 126), ("not-possible", 125)])
def test_a_command_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cause: Literal["not-found", "not-executable", "not-possible"],
    code: int,
) -> None:
    """Why it did not is the last line, and each cause has its exit code."""
    monkeypatch.setattr(exec_command, "replace_process", lambda *_: Failure(cause=cause, why="'/bin/true': it will not"))
    monkeypatch.setattr(exec_command, "_log", lambda _line: None)
    assert exec_command.run_exec(ExecOptions(command=("true",))) == code
    assert capsys.readouterr() == ("", "cgtune: '/bin/true': it will not\n")


def test_the_line_says_what_was_done_to_each_variable() -> None:
    """What is set has its value and the reason for it, what is kept the value that it has."""
    outcomes = (
        Outcome(name="GOMAXPROCS", act="set", value="2", because=("cpu.max: 200000 100000",)),
        Outcome(name="GOMEMLIMIT", act="kept", value="1GiB", because=("it is set",)),
        Outcome(name="GOGC", act="unset", value=None, because=("it is not needed",)),
    )
    assert exec_command._render_log("/app/server", "1.24", outcomes, "text") == (
        "cgtune: exec /app/server (Go 1.24): GOMAXPROCS=2 (cpu.max: 200000 100000), GOMEMLIMIT kept at '1GiB' (it is set), "
        "GOGC unset (it is not needed)"
    )


def test_a_line_that_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk behind standard error raises nothing: the command starts."""
    written: list[object] = []

    def write(*arguments: object) -> int:
        written.append(arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        exec_command._log("said")
    assert written == [(2, b"said\n")]
