"""Bad content below --root: every file that cgtune reads, replaced by everything that a file should not be.

The answer is a report with a note, or one clear line and exit code 3; never a traceback, never a hang, and never a wrong number: a limit
that is reported is one that the untouched story has as well.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
from tests.support import inside, stories
from tests.support.command import ROOT

VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "cgtune/schemas/report-v1.schema.json").read_text("utf-8")))

#: A cgroup v2 container and a v1 one, and one that is found by the inode search.
BASES = ("v2-container-from-host", "v1-docker-mount-root", "node-agent-by-inode")

#: Larger than any file is read; sparse, so it costs no disk.
BEYOND_THE_CAP_BYTES = 9 << 20


def _plain(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(BEYOND_THE_CAP_BYTES)


def _loop(path: Path) -> None:
    other = path.with_name(path.name + "-other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


KINDS: dict[str, Callable[[Path], object]] = {
    "missing": Path.exists,  # nothing is made
    "empty": _plain(b""),
    "one line feed": _plain(b"\n"),
    "binary": _plain(bytes(range(256))),
    "not UTF-8": _plain(b"\xff\xfe\xfa 1\n"),
    "NUL": _plain(b"0::/\0\n"),
    "garbage": _plain(b"the quick brown fox 100000\n" * 3),
    "negative": _plain(b"-9223372036854775808 -5\n"),
    "a number too long": _plain(b"9" * 5000 + b" 1\n"),
    "escape sequences": _plain(b"\x1b[31m\x1b]0;owned\x07\n"),
    "huge": _huge,
    "FIFO": os.mkfifo,
    "symlink": lambda path: path.symlink_to("/etc/hostname"),
    "symlink without end": lambda path: path.symlink_to("/dev/zero"),
    "symlink loop": _loop,
    "folder": lambda path: path.mkdir(),
}


def _files_read(base: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every file and link that inspecting this story reads, as its recording names them."""
    from cgtune.api import inspect_host

    out = tmp_path_factory.mktemp("read") / "out"
    capture = Capture(open_source(str(stories.STORIES / base)))
    with Host(source=capture) as host:
        inspect_host(host, [int(stories.read_expected(base)["arguments"][1])])
        capture.replace_recording(str(out))
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_symlink() or path.is_file())


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A copy of a story, made once for all tests that put back what they spoil in it."""

    @functools.cache
    def copy(name: str) -> Path:
        return Path(shutil.copytree(stories.STORIES / name, tmp_path_factory.mktemp("copies") / name, symlinks=True))

    return copy


@pytest.mark.parametrize("base", BASES)
def test_every_file_that_is_read_may_hold_anything(
    base: str, copies: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> None:
    """Each file × each kind of bad content: exit 0 with a report that holds to the schema, or exit 2 or 3 with one line.

    With --fast a quarter of the pairs: each file in turn gets another quarter of the kinds.
    """
    machine = copies(base)
    sound = inside.parse_report(stories.inspect(base))
    files = _files_read(base, tmp_path_factory)
    assert len(files) > 20
    answers: set[int] = set()
    step = 4 if pytestconfig.getoption("--fast") else 1
    for number, name in enumerate(files):
        for kind, spoil in list(KINDS.items())[number % step :: step]:
            with _spoiled(machine / name, spoil), _time_limit(10, f"{name}: {kind}"):
                answers.add(_judge(_inspect(base, machine), sound, f"{name}: {kind}", kind))
    assert stories.inspect(base, root=machine) == stories.inspect(base)  # everything was put back
    assert answers == {0, 2, 3}


def _inspect(base: str, machine: Path) -> inside.Done:
    """What the command line would say: the two calls that it makes, without the price of reading its options a thousand times."""
    from cgtune.api import inspect
    from cgtune.errors import CgtuneError, UsageError
    from cgtune.outputs.escape import escape_control
    from cgtune.outputs.json import render_json

    try:
        return inside.Done(0, render_json(inspect([int(stories.read_expected(base)["arguments"][1])], root=str(machine))), "")
    except CgtuneError as error:
        return inside.Done(2 if isinstance(error, UsageError) else 3, "", f"cgtune: {escape_control(str(error))}\n")


def _judge(done: inside.Done, sound: dict[str, Any], what: str, kind: str = "") -> int:
    """The exit code, once all that may be said with it holds. ``kind`` of bad content: what it costs is in a note."""
    if done.returncode == 0:
        assert done.stderr == "", what
        report = json.loads(done.stdout)
        VALIDATOR.validate(report)
        (before,), (after,) = sound["processes"], report["processes"]
        for resource, key in (("cpu", "limit_cores"), ("memory", "limit_bytes")):
            # A file that is lost may hide a limit, and then a wider one shows; nothing is ever made up.
            levels = before["enforced"][resource]["chain"]
            known = {None} | {level.get(name) for level in levels for name in (key, "hierarchical_bytes")}
            assert after["enforced"][resource][key] in known, what
            if after["enforced"][resource][key] != before["enforced"][resource][key] and kind not in ("", "missing"):
                assert set(map(str, after["notes"])) - set(map(str, before["notes"])), f"{what}: a limit was lost without a word"
    else:
        assert done.returncode in (2, 3), (what, done)
        assert done.stdout == "", what
        assert done.stderr.startswith("cgtune: "), (what, done.stderr)
        assert done.stderr.count("\n") == 1, (what, done.stderr)
        assert done.stderr[:-1].isprintable(), (what, done.stderr)
        assert len(done.stderr) < 1000, (what, done.stderr)
    return done.returncode


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("sys/fs/cgroup/pod/cpu.max", "garbage", "cpu.max is not 'quota period'"),
        ("sys/fs/cgroup/pod/cpu.max", "FIFO", "is not a regular file"),
        ("sys/fs/cgroup/pod/memory.max", "huge", "larger than"),
        ("sys/fs/cgroup/pod/memory.max", "symlink loop", "symbolic link, which is not followed"),
        ("sys/fs/cgroup/pod/cpu.weight", "empty", "not a whole number"),
        ("proc/4242/status", "empty", "status has no Cpus_allowed_list; its affinity is taken to be all CPUs that are online"),
        ("proc/4242/cgroup", "garbage", "not an 'id:controllers:/path' line"),
        ("proc/4242/cgroup", "FIFO", "is not a regular file; its limits are not known"),
        ("proc/meminfo", "binary", "no MemTotal"),
        ("proc/1/mountinfo", "garbage", "not a mountinfo line"),
        ("sys/fs/cgroup/pod/app/memory.events", "folder", "not a regular file"),
    ],
)
def test_what_is_lost_is_a_note(name: str, kind: str, words: str, copies: Callable[[str], Path]) -> None:
    """An optional file that cannot be used costs a note that names the file and the reason."""
    machine = copies("v2-ancestor-tighter")
    with _spoiled(machine / name, KINDS[kind]):
        (process,) = inside.parse_report(stories.inspect("v2-ancestor-tighter", root=machine))["processes"]
    assert [note for note in process["notes"] if note["path"] == f"/{name}" and words in note["why"]], process["notes"]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("proc/4242/stat", "missing", "no process 4242"),
        ("proc/4242/stat", "garbage", "/proc/4242/stat: not a stat line"),
        ("sys/devices/system/cpu/online", "garbage", "/sys/devices/system/cpu/online: not a whole number"),
        ("sys/devices/system/cpu/online", "missing", "/sys/devices/system/cpu/online does not exist"),
    ],
)
def test_what_cannot_be_done_without_is_one_line(name: str, kind: str, words: str, copies: Callable[[str], Path]) -> None:
    """An essential file that cannot be used ends the run with exit code 3 and a line that names it."""
    machine = copies("v2-ancestor-tighter")
    with _spoiled(machine / name, KINDS[kind]):
        done = stories.inspect("v2-ancestor-tighter", root=machine)
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr


MARKERS: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "no time": b"{}",
    "a time that is none": b'{"time_seconds": "soon"}',
    "a time beyond all": b'{"time_seconds": 1e300}',
    "no number": b'{"time_seconds": NaN}',
    "deep": b"[" * 100_000,
    "not UTF-8": b'{"time_seconds": 1, "mount_prefix": "\xff"}',
    "a list for a table": b'{"time_seconds": 1795399920, "unreadable": []}',
    "an errno that is none": b'{"time_seconds": 1795399920, "unreadable": {"/proc/meminfo": 1000000000000000000000}}',
    "a negative errno": b'{"time_seconds": 1795399920, "unreadable": {"/proc/meminfo": -1}}',
    "a page of nothing": b'{"time_seconds": 1795399920, "page_bytes": 0}',
    "ticks that run backwards": b'{"time_seconds": 1795399920, "ticks_per_second": -100}',
    "an inode that is none": b'{"time_seconds": 1795399920, "identities": {"/sys/fs/cgroup": ["a", "b"]}}',
}


@pytest.mark.parametrize("kind", [*MARKERS, *(kind for kind in KINDS if kind not in ("missing", "empty"))])
def test_a_damaged_recording_is_one_line(kind: str, copies: Callable[[str], Path]) -> None:
    """cgtune-snapshot.json decides how everything else is read: where it cannot be used, nothing is."""
    machine = copies("v2-plain")
    with _spoiled(machine / "cgtune-snapshot.json", _plain(MARKERS[kind]) if kind in MARKERS else KINDS[kind]):
        done = stories.inspect("v2-plain", root=machine)
    assert done.returncode in (2, 3), done
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_recording_may_say_what_no_kernel_does(tmp_path: Path) -> None:
    """Devices, inodes and paths beyond any kernel's are compared and refused, not computed with."""
    machine = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "node-agent-by-inode", machine, symlinks=True)
    facts = json.loads((machine / "cgtune-snapshot.json").read_text())
    for identity in ([10**40, 1], [-1, -1], [], [1]):
        for found in ("/../../etc", "etc", "", "/a\0b", "/\ud800"):
            names = ("/proc/900/root/sys/fs/cgroup", "/sys/fs/cgroup")
            spoiled = facts | {"identities": dict.fromkeys(names, identity), "found": dict.fromkeys(facts["found"], found)}
            (machine / "cgtune-snapshot.json").write_text(json.dumps(spoiled))
            _judge(
                stories.inspect("node-agent-by-inode", root=machine),
                inside.parse_report(stories.inspect("node-agent-by-inode")),
                str(identity),
            )


@pytest.mark.parametrize(
    "path",
    [
        "/a\0b",
        "/" + "x" * 5000,
        "/" + "/".join("x" * 1200),
        "/" + "../" * 500 + "b",
        "//",
        "/./.",
        "/a/../../../../etc",
        "/\x1b[2J",
        "/a\\",
        "/\udcff",
    ],
)
def test_a_cgroup_path_may_be_anything(path: str, tmp_path: Path) -> None:
    """Whatever /proc/PID/cgroup says, in both views: a report, or one line."""
    machine = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-ancestor-tighter", machine, symlinks=True)
    (machine / "proc/4242/cgroup").write_bytes(f"0::{path}\n".encode("utf-8", "surrogateescape"))
    _judge(stories.inspect("v2-ancestor-tighter", root=machine), inside.parse_report(stories.inspect("v2-ancestor-tighter")), path)


@pytest.mark.parametrize("link", ["garbage", "", "42/x", "\u00b2", "\u0661", "\udcff"])
def test_the_link_of_the_reader_may_be_anything(link: str, tmp_path: Path) -> None:
    """A recording of a tree whose /proc/self names no process is that of a tree without one."""
    machine = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-plain", machine, symlinks=True)
    if link:
        (machine / "proc/self").symlink_to(link)
    done = inside.run("snapshot", tmp_path / "out", "--root", machine, "--pid", 4242)
    assert (done.returncode, done.stderr) == (0, "")
    assert stories.inspect("v2-plain", root=tmp_path / "out").stdout == stories.inspect("v2-plain").stdout


def test_a_thread_may_have_any_name(tmp_path: Path) -> None:
    """What Unicode takes for a digit is no number of a thread."""
    machine = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-plain", machine, symlinks=True)
    status = machine / "proc/4242/status"
    status.write_text("Cpus_allowed_list:\t0\n")
    alone = stories.inspect("v2-plain", root=machine).stdout
    (machine / "proc/4242/task/\u00b2").mkdir(parents=True)
    assert stories.inspect("v2-plain", root=machine).stdout == alone


def test_a_chain_deeper_than_a_stack_is_read(tmp_path: Path) -> None:
    """A path of one letter a level reaches the kernel's limit at some two thousand levels: deeper than a stack, still a chain."""
    machine = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v2-plain", machine, symlinks=True)
    names = ["x"] * 1100
    before = Path.cwd()
    try:
        os.chdir(machine / "sys/fs/cgroup")
        for name in names:  # no path this long can be made at once
            os.mkdir(name)
            os.chdir(name)
        Path("cpu.max").write_text("50000 100000\n")
    finally:
        os.chdir(before)
    (machine / "proc/4242/cgroup").write_text("0::/" + "/".join(names) + "\n")
    try:
        (process,) = inside.parse_report(stories.inspect("v2-plain", root=machine))["processes"]
    finally:
        subprocess.run(["rm", "-rf", str(machine)], check=True)  # too deep for Python's own way of removing a tree
    assert [level["path"].count("x") > 0 for level in process["enforced"]["cpu"]["chain"]] == [True] * 5 + [False]  # its two ends
    assert process["enforced"]["cpu"]["limit_cores"] == 0.5


@contextmanager
def _spoiled(path: Path, spoil: Callable[[Path], object]) -> Iterator[None]:
    kept = path.with_name(path.name + "-kept")
    path.rename(kept)
    try:
        spoil(path)
        yield
    finally:
        for left in (path, path.with_name(path.name + "-other")):
            if left.is_dir() and not left.is_symlink():
                left.rmdir()
            else:
                left.unlink(missing_ok=True)
        kept.rename(path)


@contextmanager
def _time_limit(seconds: int, what: str) -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(what)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
