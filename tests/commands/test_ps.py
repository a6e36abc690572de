"""The list of Go processes: in which order, and drawn again and again on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cgtune import api
from cgtune.commands import ps
from cgtune.commands.ps import SORTS, PsOptions, sort_report
from cgtune.errors import Unreadable, UsageError
from cgtune.model import Note, Policy, ProcessReport, Report, Used
from cgtune.outputs.layout import Layout
from cgtune.outputs.ps import render_ps
from cgtune.rules import judge_all
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report, watched
from tests.support import command, goprograms, inside, stories
from tests.support.goprograms import Probe

STORY = stories.STORIES / "v2-bench-swapped-out"


def _process(
    pid: int,
    *,
    procs: int = 2,
    in_use: int | None = 10 * MIB,
    throttled: tuple[int, int] = (0, 1000),
    cpu_seconds: float | None = None,
    age_seconds: float | None = 100.0,
) -> ProcessReport:
    made = process_report(
        go_facts(procs=procs, variables={"GOMAXPROCS": str(procs)}),
        cores=2.0,
        throttled=throttled,
        memory=() if in_use is None else (memory_level("/pod", 64 * MIB, current_bytes=in_use),),
    )
    used = None if cpu_seconds is None else Used(cpu_seconds=cpu_seconds, major_faults=0, threads=1)
    process = made.snapshot.process.replace(pid=pid, age_seconds=age_seconds)
    made = made.replace(snapshot=made.snapshot.replace(process=process, used=used))
    return made.replace(findings=judge_all(made, Policy()))


def _report(*processes: ProcessReport) -> Report:
    return Report(version="0.1.0", time="2026-11-23T12:00:00Z", machine=processes[0].snapshot.machine, processes=processes)


def _pids(report: Report) -> list[int]:
    return [process.snapshot.process.pid for process in report.processes]


def test_what_hurts_most_comes_first() -> None:
    """Harm, then severity, then the pid; memory by what is in use, and what is not known comes last; or the pid alone."""
    report = _report(
        _process(5, in_use=None),
        _process(4, procs=8),
        _process(2, in_use=50 * MIB),
        _process(3, procs=8, throttled=(900, 1000)),
        _process(1, in_use=50 * MIB),
    )
    assert _pids(sort_report(report, "harm"))[:2] == [3, 4]
    assert _pids(sort_report(report, "memory"))[:2] == [1, 2]
    assert _pids(sort_report(report, "memory"))[-1] == 5
    assert _pids(sort_report(report, "pid")) == [1, 2, 3, 4, 5]
    for by in SORTS:
        assert sorted(_pids(sort_report(report, by))) == [1, 2, 3, 4, 5]
        assert _pids(sort_report(sort_report(report, by), by)) == _pids(sort_report(report, by))


def test_cpu_is_the_mean_since_the_start() -> None:
    """Most CPUs in the mean comes first, not most seconds; if the time or the age is not known, "?" and last."""
    report = _report(
        _process(1, cpu_seconds=90.0, age_seconds=1000.0),
        _process(2, cpu_seconds=None),
        _process(3, cpu_seconds=50.0, age_seconds=100.0),
        _process(4, cpu_seconds=5000.0, age_seconds=None),
        _process(5, cpu_seconds=0.0, age_seconds=100.0),
    )
    by_cpu = sort_report(report, "cpu")
    assert _pids(by_cpu) == [3, 1, 5, 2, 4]
    rows = render_ps(by_cpu, Layout(sort="cpu")).splitlines()[2:]
    assert [re.search(r"(\S+)  (warning|info|-)", row.replace(" - ", "   "))[1] for row in rows] == ["0.50", "0.09", "0.00", "?", "?"]  # type: ignore[index]


def test_the_list_shows_by_what_it_is_sorted() -> None:
    """A list by memory has a column of it, "?" if it is not known; the others are as ever."""
    report = _report(_process(1, in_use=50 * MIB), _process(2, in_use=None))
    lines = render_ps(report, Layout(sort="memory")).splitlines()
    assert [line[:200].count("memory") for line in lines[:1]] == [2]
    assert "in use" in lines[1]
    assert " 45 MiB  " in lines[2] or " 50 MiB  " in lines[2]
    assert re.search(r"\?  (warning|info|-)", lines[3])
    assert render_ps(report, Layout(sort="pid")) == render_ps(report)


@pytest.mark.parametrize("by", SORTS)
def test_the_command_line_sorts(by: str) -> None:
    """Each word is taken, by option and by twin; for scripts too."""
    for format_ in ("table", "json"):
        done = inside.run("ps", "--root", STORY, "--sort", by, "--format", format_)
        assert (done.returncode, done.stderr) == (0, "")
        assert done == inside.run("ps", "--root", STORY, "--format", format_, CGTUNE_SORT=by)


def test_a_table_is_by_harm_and_json_by_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads it sees first what hurts; a script gets an order that does not change, unless it asks for another."""
    report = _report(_process(1), _process(2), _process(3, procs=8, throttled=(900, 1000)))
    monkeypatch.setattr(api, "list_go", lambda **_options: report)
    rows = [line.split()[0] for line in inside.run("ps").stdout.splitlines()[2:5]]
    assert rows == ["3", "1", "2"]
    for words, pids in (((), [1, 2, 3]), (("--sort", "harm"), [3, 1, 2])):
        processes = inside.parse_report(inside.run("ps", "--format", "json", *words))["processes"]
        assert [process["pid"] for process in processes] == pids


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--watch", "0.1"), "--watch 0.1 is not from 0.2 to 3600 seconds; example: --watch 5"),
        (("--watch", "7200"), "--watch 7200 is not from 0.2 to 3600 seconds"),
        (("--watch", "5", "--format", "json"), "leave out --format json"),
        (("--watch", "5"), "--watch needs a terminal to draw on: run cgtune ps again and again"),
        (("--sort", "size"), "--sort"),
    ],
)
def test_what_cannot_be_drawn_is_refused(words: tuple[str, ...], said: str) -> None:
    """One line, and a usage error."""
    done = inside.run("ps", "--root", STORY, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


@contextmanager
def watching(*words: object, rows: int = 24) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """cgtune ps --watch on a terminal of its own: the process, and the terminal's other side."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
    argv = [*command.INTERRUPTIBLE, *command.PROGRAM, "ps", "--watch", "0.2", *map(str, words)]
    environ = command.environment(TERM="xterm", NO_COLOR="1")
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env=environ) as child:
        os.close(theirs)
        try:
            yield child, ours
        finally:
            child.kill()
            os.close(ours)


def _read_until(ours: int, word: bytes, count: int) -> bytes:
    """What the terminal was given until this word came so often."""
    text, until = b"", time.monotonic() + 60
    while text.count(word) < count:
        assert time.monotonic() < until, text
        if select.select([ours], [], [], 1)[0]:
            text += os.read(ours, 65536)
    return text


def test_a_list_is_drawn_in_its_own_place_until_it_is_interrupted() -> None:
    """The screen is wiped once, then each line in its turn; ^C ends it with 0 and without a word."""
    with watching("--root", STORY) as (child, ours):
        text = _read_until(ours, b"\x1b[J", 3)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
        assert child.stderr is not None
        assert child.stderr.read() == b""
    assert text.count(b"\x1b[2J") == 1
    frames = text.split(b"\x1b[H")[1:]
    assert len(frames) >= 3
    for frame in frames[:3]:
        lines = frame.removesuffix(b"\x1b[J").decode().split("\r\n")
        assert re.match(r"cgtune ps, every 0.2 s, \d\d:\d\d:\d\d; \^C ends it\x1b\[K$", lines[0])
        assert all(line.endswith("\x1b[K") for line in lines[:-1])
        assert "worst finding" in lines[2]


def test_a_list_that_is_too_high_says_how_much_is_below() -> None:
    """A terminal of four lines does not scroll."""
    with watching("--root", STORY, rows=4) as (_, ours):
        frame = _read_until(ours, b"\x1b[J", 1).decode()
    assert frame.count("\n") == 3
    assert re.search(r"\.\.\. and \d+ lines more: a taller terminal shows them", frame)


def test_a_list_that_just_fits_is_shown_whole() -> None:
    """Its lines, and the one that the cursor stands on; with a line less there would be scrolling."""
    with watching("--root", STORY) as (_, ours):
        count = _read_until(ours, b"\x1b[J", 1).partition(b"\x1b[J")[0].count(b"\n")
    for rows, cut in ((count + 1, False), (count, True)):
        with watching("--root", STORY, rows=rows) as (_, ours):
            frame = _read_until(ours, b"\x1b[J", 1).partition(b"\x1b[J")[0]
        assert (b"lines more" in frame, frame.count(b"\n") < rows) == (cut, True)


def test_a_root_that_goes_away_ends_the_watch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be looked at again is told in the list's place; what cannot be meant any more ends it as it would have at the start."""
    looks = iter([Unreadable("closed for a moment"), UsageError("--root: it is gone")])

    def look() -> Report:
        raise next(looks)

    monkeypatch.setattr(ps, "require_terminal", lambda *_words: None)
    monkeypatch.setattr(ps, "_look_again", lambda _options: look)
    with pytest.raises(Unreadable):
        ps.run_ps(PsOptions(watch_seconds=0.2))
    looks = iter([UsageError("--root: it is gone")])
    with pytest.raises(UsageError):
        ps.run_ps(PsOptions(watch_seconds=0.2))
    assert capsys.readouterr().out == ""
    first = iter([_report(_process(1))])
    looks = iter([Unreadable("closed for a moment"), UsageError("--root: it is gone")])
    monkeypatch.setattr(ps, "_look_again", lambda _options: lambda: next(first, None) or look())
    with pytest.raises(UsageError):
        ps.run_ps(PsOptions(watch_seconds=0.2))
    assert [frame.splitlines()[2].removesuffix("\x1b[K")[:19] for frame in capsys.readouterr().out.split("\x1b[H")[1:]][1:] == [
        "closed for a moment"
    ]


def test_a_list_by_cpu_has_no_second_column_of_it_between_two_looks() -> None:
    """The CPU that was used meanwhile stands there already; a list by memory has its column all the same."""
    seen = watched(_process(1, cpu_seconds=5.0), None, used_cores=0.25)
    plain, by_cpu, by_memory = (render_ps(_report(seen), Layout(sort=sort)) for sort in (None, "cpu", "memory"))
    assert by_cpu == plain
    assert "0.25" in plain
    assert by_memory != plain


def test_who_goes_while_they_are_watched_is_told_in_their_place() -> None:
    """A program that ends and comes again is no reason to stop; a name that means nobody at first is."""
    done = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with watching(done.pid, "--sort", "pid") as (child, ours):
            _read_until(ours, b"no Go process can be seen", 1)
            done.kill()
            done.wait()
            _read_until(ours, f"no process that can be seen is meant by {done.pid}".encode(), 1)
            assert child.poll() is None
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
    finally:
        done.kill()
        done.wait()
    with watching("no-such-command") as (child, _):
        assert child.wait(60) == 3
        assert child.stderr is not None
        assert child.stderr.read().startswith(b"cgtune: no process that can be seen is meant by no-such-command")


@pytest.mark.fetched
def test_from_the_second_drawing_on_it_is_told_what_was_used_meanwhile() -> None:
    """The first has nothing to compare with; the next has the columns of a window, and the use of a busy program since the first."""
    with Probe(goprograms.build("1.27.3"), "burn 1") as probe, watching(probe.pid) as (child, ours):
        text = _read_until(ours, b"\x1b[J", 3)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    first, second, *_ = text.decode().split("\x1b[H")[1:]
    assert ("periods" in first, "periods" in second) == (False, True)
    row = next(line for line in second.splitlines() if line.split()[:1] == [str(probe.pid)])
    assert float(re.search(r"  (\d\.\d\d) ", row)[1]) > 0.05  # type: ignore[index]  # else it fails as well


def test_of_whom_something_could_not_be_read_is_said() -> None:
    """A limit that is not known is a question mark, a finding that needed it is missing: a line under the list tells, whoever it is."""
    failed, fact = Note(path="/x", why="no", kind="failed"), Note(path="/x", why="known", kind="fact")

    def told(*notes: Note) -> str:
        processes = [_process(pid) for pid in (7, 8, 9)[: len(notes)]]
        changed = [
            process.replace(snapshot=process.snapshot.replace(notes=(note,))) for process, note in zip(processes, notes, strict=True)
        ]
        return render_ps(stories.report("v2-bench-swapped-out").replace(processes=tuple(changed))).splitlines()[-1]

    assert told(fact, failed) == "not seen: files of process 8; cgtune inspect --pid 8 names them"
    assert told(failed, fact, failed) == "not seen: files of 2 processes, 7 one of them; cgtune inspect --pid 7 names them"
    assert "not seen" not in told(fact)
