"""The face: every failure is one clear line and the contract's exit code; nothing is half-written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from cgtune import __version__
from cgtune.commands.options import app, load_command
from cgtune.commands.options.option import Values
from cgtune.runtimes.go.derived.versions import CHECKED
from tests.support import command, inside, stories
from tests.support.needs import require

STORY = stories.STORIES / "v2-ancestor-tighter"
HERE = ("inspect", "--root", STORY, "--pid", "4242")


def one_line(done: inside.Done | subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr of a run that failed with this code and said nothing else."""
    assert done.returncode == code, done
    assert done.stdout == "", done
    assert done.stderr.startswith("cgtune: "), done
    assert (done.stderr.count("\n"), done.stderr[-1]) == (1, "\n"), done
    assert done.stderr[:-1].isprintable(), done
    return done.stderr


# Arguments, exit code, words of the line.
REFUSED: dict[str, tuple[tuple[object, ...], int, str]] = {
    "no such pid": (("inspect", "--pid", 4194999), 3, "no process 4194999"),
    "no such pid below a root": (("inspect", "--root", STORY, "--pid", 7), 3, "no process 7; leave out --pid to see what was recorded"),
    "a pid that is no number": (("inspect", "--pid", "x"), 2, "example: --pid 42"),
    "pid 0": (("inspect", "--pid", 0), 2, "example: --pid 42"),
    "a negative pid": (("inspect", "--pid", -1), 2, "--pid"),
    "a pid beyond all": (("inspect", "--pid", 10**30), 3, "no process"),
    "an empty pid": (("inspect", "--pid", ""), 2, "--pid"),
    "pid and self": ((*HERE, "--self"), 2, "exclude each other"),
    "a root that is no folder": (("inspect", "--root", STORY / "proc/stat", "--pid", 1), 2, "--root"),
    "a root that is not there": (("inspect", "--root", STORY / "none", "--pid", 1), 2, "No such file"),
    "an empty root": (("inspect", "--root", "", "--pid", 1), 2, "--root"),
    "a root of control characters": (("inspect", "--root", "/\x1b[31m\n", "--pid", 1), 2, "\\x1b[31m"),
    "a root without proc": (("inspect", "--root", STORY / "sys", "--pid", 1), 3, "does not exist; below the root must lie"),
    "a root without itself": (("inspect", "--root", STORY, "--self"), 3, "name one with --pid"),
    "a format that is none": ((*HERE, "--format", "xml"), 2, "--format"),
    "an option that is none": (("inspect", "--nothing"), 2, "--nothing"),
    "an argument too many": (("serve", "4242"), 2, "4242"),
    "a target that means nobody": (("inspect", "4194999"), 3, "no process 4194999"),
    "a command that nobody has": (("inspect", "--root", STORY, "no-such"), 3, "no process that can be seen is meant by no-such"),
    "an empty target": (("inspect", "--root", STORY, ""), 2, "a target is empty and means nobody"),
    "a command that is none": (("inspekt",), 2, "inspekt"),
    "snapshot without OUT": (("snapshot",), 2, "OUT"),
    "snapshot of no process": (("snapshot", "/tmp/cgtune-test-never-made", "--pid", 4194999), 3, "no process 4194999"),
    "an OUT that exists": (("snapshot", STORY, "--root", STORY, "--pid", 4242), 2, "exists"),
    "an empty OUT": (("snapshot", "", "--root", STORY, "--pid", 4242), 2, "OUT"),
    "an OUT below nothing": (("snapshot", "/nonexistent/out", "--root", STORY, "--pid", 4242), 3, "nothing was written"),
    "an OUT below a file": (("snapshot", STORY / "proc/stat/out.tar.gz", "--root", STORY, "--pid", 4242), 3, "nothing was written"),
    "an OUT with NUL": (("snapshot", "/tmp/a\0b", "--root", STORY, "--pid", 4242), 2, "OUT"),
    "an OUT that no file system takes": (("snapshot", "/tmp/" + "x" * 300, "--root", STORY, "--pid", 4242), 3, "nothing was written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_line(name: str) -> None:
    """Usage errors end with 2, what cannot be inspected with 3, both with one line that names the matter."""
    arguments, code, words = REFUSED[name]
    assert words in one_line(inside.run(*arguments), code)


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        ("CGTUNE_PID", "x", 2, "--pid"),
        ("CGTUNE_FORMAT", "xml", 2, "--format"),
        ("CGTUNE_ROOT", "/nonexistent", 2, "--root"),
        ("CGTUNE_SELF", "maybe", 2, "--self"),
    ],
)
def test_option_twins_are_checked_like_options(variable: str, value: str, code: int, words: str) -> None:
    """A wrong CGTUNE_* is refused as the option would be, and the line names the option."""
    assert words in one_line(inside.run("inspect", **{variable: value}), code)


def test_option_twins_are_options() -> None:
    """The environment alone gives the same report as the options do."""
    assert inside.run("inspect", CGTUNE_ROOT=str(STORY), CGTUNE_PID="4242", CGTUNE_FORMAT="json") == inside.run(*HERE, "--format", "json")


def test_a_zombie_is_reported_as_one() -> None:
    """A process that has ended and was not waited for has limits still, and a note that says what it is."""
    child = subprocess.Popen(["true"])
    try:
        _wait_for_state(child.pid, "Z")
        (process,) = inside.parse_report(inside.run("inspect", "--pid", child.pid, "--format", "json"))["processes"]
    finally:
        child.wait()
    assert [note for note in process["notes"] if "zombie" in note["why"]]
    assert process["executable"] is None


def test_a_kernel_thread_is_reported() -> None:
    """kthreadd has no program and no memory of its own, and is no error."""
    require(Path("/proc/2/comm").exists() and Path("/proc/2/comm").read_text() == "kthreadd\n", "needs the machine's own pids")
    (process,) = inside.parse_report(inside.run("inspect", "--pid", 2, "--format", "json"))["processes"]
    assert (process["command"], process["executable"], process["notes"]) == ("kthreadd", None, [])


def test_another_users_process_costs_notes_only() -> None:
    """Without rights over a process its limits are told all the same; what may not be read is named with the privilege it takes."""
    require(os.geteuid() == 0, "takes another user's rights: run as root")
    child = subprocess.Popen(["sleep", "60"])
    try:
        arguments = ("inspect", "--pid", child.pid, "--format", "json")
        as_root = inside.parse_report(inside.run(*arguments))["processes"][0]
        process = inside.parse_report(_as_nobody(arguments))["processes"][0]
    finally:
        child.kill()
        child.wait()
    assert (as_root["executable"], process["executable"]) == (os.path.realpath("/usr/bin/sleep"), None)
    assert [note["privilege"] for note in process["notes"] if note["path"] == f"/proc/{child.pid}/exe"] == ["CAP_SYS_PTRACE"]
    for resource, key in (("cpu", "limit_cores"), ("cpu", "usable"), ("memory", "limit_bytes")):
        assert process["enforced"][resource][key] == as_root["enforced"][resource][key]
        paths = [[level["path"] for level in said["enforced"][resource]["chain"]] for said in (process, as_root)]
        assert paths[0] == paths[1] != []


def test_a_process_that_is_closed_to_us_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    """Under hidepid=1 not even stat may be read: there is no report, and the line says what would help."""
    shutil.copytree(STORY, tmp_path / "story", symlinks=True)
    marker = tmp_path / "story/cgtune-snapshot.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "unreadable": {"/proc/4242/stat": errno.EACCES}}))
    line = one_line(inside.run("inspect", "--root", tmp_path / "story", "--pid", 4242), 3)
    assert line == "cgtune: /proc/4242/stat: permission denied; run as its user or as root (it needs CAP_SYS_PTRACE)\n"


def _as_nobody(arguments: tuple[object, ...]) -> inside.Done:
    """What a fork of this process says that gave up all rights: the modules are loaded, nobody may be allowed to read them again."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with os.fdopen(write, "w") as told:
                json.dump(inside.run(*arguments), told)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = json.load(answer)
    os.waitpid(pid, 0)
    return inside.Done(*said)


def test_processes_that_end_midway_are_one_line_or_a_report() -> None:
    """Processes that come and go while they are read: each answer is a whole report or "no such process", never half of either."""
    answers = set()
    for _ in range(40):
        child = subprocess.Popen(["sleep", "0.004"])
        done = inside.run("inspect", "--pid", child.pid, "--format", "json")
        child.wait()
        if done.returncode:
            one_line(done, 3)
        else:
            assert inside.parse_report(done)["processes"][0]["pid"] == child.pid
        answers.add(done.returncode)
    assert answers <= {0, 3}


@pytest.mark.parametrize("name", ["out", "out.tar.gz"])
def test_an_unwritable_out_leaves_nothing(name: str, tmp_path: Path) -> None:
    """Where the target's folder takes no file, nothing is left: no part, no temporary name."""
    with _mounted(tmp_path / "folder", "ro") as folder:
        line = one_line(inside.run("snapshot", folder / name, "--root", STORY, "--pid", 4242), 3)
        assert "Read-only file system; nothing was written" in line
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.tar.gz"])
def test_a_full_disk_leaves_nothing(name: str, tmp_path: Path) -> None:
    """Where the disk is full halfway, what was written goes again."""
    with _mounted(tmp_path / "folder", "size=8k,nr_inodes=12") as folder:
        (folder / "ballast").write_bytes(b"x" * 8192)
        assert "nothing was written" in one_line(inside.run("snapshot", folder / name, "--root", STORY, "--pid", 4242), 3)
        assert [path.name for path in folder.iterdir()] == ["ballast"]


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own at ``folder``, in memory, with these options of mount(8)."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False)
    try:
        require(folder.is_mount(), "mounts a file system: run as root")
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.mark.parametrize("name", ["out", "out.tar.gz"])
def test_a_snapshot_replays_to_the_same_report(name: str, tmp_path: Path) -> None:
    """The recording of a story is a story: the same report, byte for byte, and OUT is named on standard output."""
    out = tmp_path / name
    done = inside.run("snapshot", out, "--root", STORY, "--pid", 4242)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    assert inside.run("inspect", "--root", out, "--pid", 4242, "--format", "json") == inside.run(*HERE, "--format", "json")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["empty", "garbage", "cut short", "a device", "leads out", "below a link"])
def test_a_damaged_archive_is_one_line(kind: str, tmp_path: Path) -> None:
    """A .tar.gz from somebody else is unpacked with suspicion, and nothing of it lands anywhere else."""
    archive = tmp_path / "theirs.tar.gz"
    assert inside.run("snapshot", archive, "--root", STORY, "--pid", 4242).returncode == 0
    whole = archive.read_bytes()
    entry = tarfile.TarInfo("proc/x")
    if kind == "a device":
        entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 5
    elif kind == "leads out":
        entry.name = "../../x"
    elif kind == "below a link":
        entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path)
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(entry)
        if kind == "below a link":
            packed.addfile(tarfile.TarInfo("proc/x/y"))
    content = {"empty": b"", "garbage": b"\x1f\x8b" + b"x" * 500, "cut short": whole[: len(whole) // 2]}.get(kind)
    if content is not None:
        archive.write_bytes(content)
    assert "--root" in one_line(inside.run("inspect", "--root", archive, "--pid", 4242), 2)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("arguments", [HERE, ("--help",), ("ps", "--help")])
def test_a_closed_pipe_is_no_error(arguments: tuple[object, ...]) -> None:
    """`cgtune inspect | head -0`: the reader has gone, the verdict stands, and nobody hears of it."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        argv = [*command.PROGRAM, *map(str, arguments)]
        done = subprocess.run(argv, stdout=closed, stderr=subprocess.PIPE, timeout=60, env=command.environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "code"), [(HERE, 0), (("check", "--format", "nagios", *HERE[1:]), 0), (("explain",), 0), (("--nonsense",), 2)]
)
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_closed_streams_change_no_exit_code(arguments: tuple[object, ...], code: int, closed: str) -> None:
    """A daemon may start its probes with stdout or stderr closed: the exit code is the one that there would be, and no traceback."""
    shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command.PROGRAM, *map(str, arguments)]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, env=command.environment(), check=False)
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (code, False)


@pytest.mark.parametrize("arguments", [(*HERE, "--format", "json"), HERE, ("--version",), ("--help",), ("ps", "--help")])
def test_a_full_output_is_an_error(arguments: tuple[object, ...]) -> None:
    """A report that could not be written was not given: exit code 3 and one line."""
    with Path("/dev/full").open("wb") as full:
        argv = [*command.PROGRAM, *map(str, arguments)]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=command.environment(), check=False)
    assert done.returncode == 3, done
    assert done.stderr == "cgtune: could not write to standard output: No space left on device; send it to where there is room\n"


def test_an_interrupt_ends_with_130_and_no_word(tmp_path: Path) -> None:
    """Ctrl-C while a report is made: exit code 130, no traceback, nothing on either stream."""
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv.pop(1)); import cgtune.api\n"
        "def inspect(*a, **k): os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(30)\n"
        "cgtune.api.inspect = inspect\n"
        "from cgtune.__main__ import main; sys.exit(main())"
    )
    argv = [*command.INTERRUPTIBLE, sys.executable, "-I", "-c", script, str(command.ROOT), *map(str, HERE)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=command.environment(), check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_an_interrupted_snapshot_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while a snapshot is written: what was written goes again."""
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "symlink = os.symlink\n"
        "def interrupted(*a, **k): os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(30)\n"
        "os.symlink = interrupted\n"
        "from cgtune.__main__ import main; sys.exit(main())"
    )
    argv = [
        *command.INTERRUPTIBLE,
        sys.executable,
        "-I",
        "-c",
        script,
        str(command.ROOT),
        "snapshot",
        str(tmp_path / "out"),
        *map(str, HERE[1:]),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=command.environment(), check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_by_signal_while_it_starts() -> None:
    """SIGINT at any moment of a real run: the exit code is 130 (or death by the signal before any code ran, or done), never a traceback."""
    for delay_seconds in (0.02, 0.1, 0.2, 0.3):
        with subprocess.Popen(
            [*command.INTERRUPTIBLE, *command.PROGRAM, *map(str, HERE)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=command.environment(),
        ) as child:
            time.sleep(delay_seconds)
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate(timeout=60)
        interpreter_was_starting = stderr.startswith("Fatal Python error: init_")  # none of our code has run by then
        assert child.returncode in (0, 130, -signal.SIGINT) or interpreter_was_starting, stderr
        if child.returncode != -signal.SIGINT:
            assert "Traceback" not in stderr or "cgtune/" not in stderr, stderr


def on_a_terminal(arguments: tuple[object, ...], columns: int, environ: dict[str, str]) -> str:
    """What a terminal of so many columns gets; the run may end with 0 or with a finding."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    argv = [*command.PROGRAM, *map(str, arguments)]
    with subprocess.Popen(argv, stdout=slave, stderr=subprocess.PIPE, env=command.environment(**{"TERM": "xterm"} | environ)) as child:
        os.close(slave)
        text = command.read_terminal(master)
        assert child.wait(60) in (0, 1)
    os.close(master)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("environ", "words", "colour"),
    [
        *(
            ({}, (), True),
            ({"NO_COLOR": "1"}, (), False),
            ({"TERM": "dumb"}, (), False),
            ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, (), False),
        ),
        *(({"TERM": "dumb", "FORCE_COLOR": "1"}, (), True), ({"FORCE_COLOR": "0"}, (), False), ({"FORCE_COLOR": "false"}, (), False)),
        *(({"NO_COLOR": "1"}, ("--color", "always"), True), ({"FORCE_COLOR": "1"}, ("--color", "never"), False)),
        ({"CGTUNE_COLOR": "never"}, ("--color", "auto"), True),
    ],
)
def test_colour_on_a_terminal(environ: dict[str, str], words: tuple[str, ...], colour: bool) -> None:
    """A terminal gets colours unless --color, NO_COLOR, FORCE_COLOR or TERM says otherwise, in this order; they change nothing else."""
    text = on_a_terminal((*HERE, *words), 80, environ)
    assert ("\x1b[" in text) == colour
    plain = inside.run(*HERE).stdout
    assert "\x1b" not in plain
    if not colour:
        assert text == plain


@pytest.mark.parametrize(
    ("environ", "words", "colour"), [({}, (), False), ({"FORCE_COLOR": "1"}, (), True), ({}, ("--color=always",), True)]
)
@pytest.mark.parametrize("name", ["inspect", "ps", "check", "predict"])
def test_colour_in_a_pipe(name: str, environ: dict[str, str], words: tuple[str, ...], colour: bool) -> None:
    """A pipe gets colours only if it is told to have them: of each command that writes for people; JSON never has any."""
    story = stories.STORIES / "v2-bench-swapped-out"
    where = ("--cpu-limit", "2.5", "--cpus", "8") if name == "predict" else ("--root", story)
    fail = ("--fail-on", "info") if name == "check" else ()
    assert ("\x1b[" in inside.run(name, *where, *fail, *words, **environ).stdout) == colour
    assert "\x1b[" not in inside.run(name, *where, *words, "--format", "json", **environ).stdout


@pytest.mark.parametrize("name", ["inspect", "ps", "check", "predict"])
def test_text_is_as_wide_as_the_terminal(name: str) -> None:
    """What can be folded is, at the width that the terminal has, or that COLUMNS says, never below 60 or above 200."""
    story = stories.STORIES / "v2-bench-swapped-out"
    where = ("--cpu-limit", "2.5", "--cpus", "8", "--memory-limit", "512Mi") if name == "predict" else ("--root", story)
    fail = ("--fail-on", "info") if name == "check" else ()
    widest = {}
    for columns, environ in ((60, {}), (100, {}), (20, {}), (200, {}), (400, {}), (100, {"COLUMNS": "60"}), (60, {"COLUMNS": "x"})):
        lines = on_a_terminal((name, *where, *fail, "--color", "never"), columns, environ).splitlines()
        widest[columns, *environ.values()] = max(len(line) for line in lines if " " in line.strip())
    assert widest[60,] <= 60 < widest[100,] <= 100 or name == "ps", widest
    assert widest[100, "60"] == widest[60, "x"] == widest[20,] == widest[60,]
    assert widest[400,] == widest[200,] <= 200


@pytest.mark.parametrize(("word", "other"), [("--full", "--full"), ("-v", "--verbose"), ("--verbose", "--verbose")])
def test_brief_is_not_full(word: str, other: str) -> None:
    """Who asks for both gets one line."""
    assert f"--brief and {other} exclude each other" in one_line(inside.run(*HERE, "--brief", word), 2)


def test_three_lines_when_asked() -> None:
    """--brief on the command line; --full is what one process has anyway."""
    assert len(inside.run(*HERE, "--brief").stdout.splitlines()) == 8
    assert inside.run(*HERE, "--full") == inside.run(*HERE) != inside.run(*HERE, "-v")


# A machine on which looking takes until there is a line on standard input.
_SLOWLY = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "cgtune"
from cgtune import api
for name in ("inspect", "list_go", "snapshot"):
    def slow(*targets, real=getattr(api, name), **options):
        sys.stdin.readline()
        return real(*targets, **options)
    setattr(api, name, slow)
from cgtune.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "arguments", [("inspect", "--pid", "4242"), ("ps",), ("snapshot", "OUT", "--pid", "4242")], ids=lambda each: each[0]
)
@pytest.mark.slow
def test_who_waits_is_told_what_for(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """After two seconds a terminal has a line, which is gone at the end; what was asked for is on stdout."""
    argv = [sys.executable, "-I", "-c", _SLOWLY, str(command.ROOT), *arguments, "--root", str(STORY)]
    ours, theirs = pty.openpty()
    pipe, began = subprocess.PIPE, time.monotonic()
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=theirs, env=command.environment(), cwd=tmp_path) as child:
        os.close(theirs)
        told = b""
        while not told.endswith(b" ..."):
            assert select.select([ours], [], [], 60)[0], told
            told += os.read(ours, 4096)
        assert time.monotonic() - began > 2
        said, _ = child.communicate(b"\n", timeout=60)
    assert (said != b"", child.returncode) == (True, 0)
    told += command.read_terminal(ours)
    assert told == b"cgtune: looking at the processes ...\r\x1b[K"
    os.close(ours)


@pytest.mark.parametrize("words", [("--version", "-v"), ("-v", "--version"), ("--verbose", "--version")], ids=" ".join)
def test_how_far_go_was_checked(words: tuple[str, ...]) -> None:
    """Beside the version -v names each version of Go that was checked; --version alone stays one short line."""
    done = command.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Go {', '.join(CHECKED)}: checked" in done.stdout
    assert command.run("--version").stdout == done.stdout.splitlines(keepends=True)[0]


def test_help_names_every_command() -> None:
    """--help is there on every command, with examples that can be copied; the overview has each on one whole line, and the exit codes."""
    overview = inside.run("--help", COLUMNS="80").stdout
    assert ("Exit codes" in overview, "..." in overview.partition("Commands:")[2]) == (True, False)
    for name in ("inspect", "ps", "check", "explain", "predict", "serve", "env", "exec", "snapshot"):
        done = inside.run(name, "--help", COLUMNS="80")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"\n  {name} " in overview
        assert f"\n    cgtune {name}" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_command_at_all_shows_the_help() -> None:
    """On standard error, as for every command line that cannot be used."""
    done = inside.run()
    assert (done.returncode, done.stdout, done.stderr) == (2, "", inside.run("--help").stdout)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("env", "--output"), "see cgtune env --help"),
        (("env", "--self=yes"), "see cgtune env --help"),
        (("serve", "42"), "see cgtune serve --help"),
        (("--pid", "42", "inspect"), "options follow the command, as in cgtune inspect --pid 42; see cgtune --help"),
        (("inspekt",), "see cgtune --help"),
    ],
)
def test_where_to_read_on(arguments: tuple[str, ...], hint: str) -> None:
    """A command line that is none names the help of its own command, or says where options stand."""
    assert one_line(inside.run(*arguments), 2).endswith(f"({hint})\n")


def _wait_for_state(pid: int, state: str) -> None:
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != state:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_version_by_the_full_start() -> None:
    """It says the same line as the plain one, and stops."""
    assert inside.run("--version") == (0, f"cgtune {__version__}\n", "")


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command end with this error."""

    def run(_values: Values) -> int | None:
        raise error

    monkeypatch.setattr(app, "load_command", lambda name: load_command(name).replace(run=run))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()], ids=["Python's", "typer's"])
def test_an_interrupted_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Ctrl-C is exit code 130, with no words and no traceback, whichever way typer tells it."""
    _raising(monkeypatch, error)
    done = inside.run("inspect")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_a_fault_of_ours_is_not_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no error of typer's goes through as it is."""
    _raising(monkeypatch, RuntimeError("a fault"))
    with pytest.raises(RuntimeError, match="a fault"):
        inside.run("inspect")


@pytest.mark.parametrize("format_", ["table", "json"])
def test_one_of_several_processes_that_does_not_run(format_: str) -> None:
    """The others are printed, it is named on stderr and in the notes, and the exit code is 3; `check` gives no verdict then."""
    done = inside.run("inspect", "--root", STORY, "--pid", 7, "--pid", 4242, "--format", format_)
    said = "no process 7; leave out --pid to see what was recorded"
    assert (done.returncode, done.stderr) == (3, f"cgtune: {said}\n")
    assert "4242" in done.stdout
    assert said in " ".join(done.stdout.split())
    checked = inside.run("check", "--root", STORY, "--pid", 7, "--pid", 4242)
    assert (checked.returncode, checked.stdout, "no report on process 7" in checked.stderr) == (3, "", True)


def test_a_reader_of_an_output_that_does_not_block_gets_all_of_it() -> None:
    """Who shares a pipe may have set it to O_NONBLOCK (ssh, node): then cgtune waits for the reader, as with any other pipe."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    argv = [*command.PROGRAM, *map(str, HERE), "--format", "json"]
    with subprocess.Popen(argv, stdout=writing, stderr=subprocess.PIPE, text=True, env=command.environment()) as started:
        os.close(writing)
        select.select([reading], [], [], 60)
        time.sleep(0.1)  # it is full
        with open(reading, encoding="utf-8") as file:
            report = json.loads(file.read())
        assert started.stderr is not None
        assert (started.wait(60), started.stderr.read()) == (0, "")
    assert report["processes"]
