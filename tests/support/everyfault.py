"""Each system call of each command fails once, with each errno that it may give: what becomes of the answer, and of the files?

``scripts/faults`` starts it, with faults.c preloaded: a Python that has loaded cgtune forks once for each fault, and the child becomes the
command, with standard streams, a folder and a main of its own. A scene is one command line and what lies around it.
"""

from __future__ import annotations

import argparse
import atexit
import collections
import contextlib
import ctypes
import errno
import gc
import importlib
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.support import faults
from tests.support.command import ROOT

_PATIENCE_SECONDS = 30.0
_CRASHED = 99  # an exit code that no command has
_READ = "EACCES EPERM EIO ENOMEM ESTALE EINTR"
_WRITTEN = "ENOSPC EIO EDQUOT EROFS EACCES EPERM ENOMEM ESTALE"

#: What each call may fail with, by its manual page; HALF: it moves half of the bytes.
PLAUSIBLE = {
    "open": f"{_READ} EMFILE ENFILE ENOENT ESRCH",
    "create": f"{_WRITTEN} EMFILE ENFILE EINTR",
    "read": f"{_READ} EAGAIN ESRCH ENODEV HALF",
    "pread": f"{_READ} ESRCH HALF",
    "write": f"{_WRITTEN} EPIPE EINTR EAGAIN HALF",
    "sendfile": f"{_WRITTEN} EINTR EINVAL HALF",
    "close": "EIO ENOSPC EDQUOT EINTR",
    "fsync": "EIO ENOSPC EDQUOT EROFS EINTR",
    "truncate": f"{_WRITTEN} EINTR",
    "rename": f"{_WRITTEN} EBUSY EXDEV",
    "link": f"{_WRITTEN} EMLINK EXDEV ENOENT",
    "symlink": _WRITTEN,
    "mkdir": f"{_WRITTEN} EMLINK",
    "unlink": "EACCES EPERM EROFS EIO EBUSY ESTALE",
    "chmod": "EACCES EPERM EROFS EIO",
    "chown": "EPERM EROFS EIO EDQUOT",
    "stat": "EACCES EIO ENOMEM ESTALE ENOENT",
    "fstat": "EACCES EIO ENOMEM ESTALE",
    "access": "EACCES EIO ENOMEM EROFS",
    "seek": "EIO ESPIPE",
    "readlink": "EACCES EIO ENOMEM ESTALE ENOENT",
    "list": "EACCES EIO ENOMEM EMFILE ESTALE",
    "readdir": "EIO ENOMEM ESTALE",
    "dup": "EMFILE",
    "pipe": "EMFILE ENFILE",
    "flock": "ENOLCK EINTR EAGAIN",
    "fcntl": "EMFILE EACCES",
    "ioctl": "ENOTTY EIO",
    "socket": "EMFILE ENFILE ENOMEM EACCES EAFNOSUPPORT",
    "bind": "EADDRINUSE EACCES EADDRNOTAVAIL ENOMEM",
    "listen": "EADDRINUSE",
    "connect": "ECONNREFUSED ETIMEDOUT ENETUNREACH EHOSTUNREACH EACCES EADDRNOTAVAIL EINTR",
    "accept": "EMFILE ENFILE ENOMEM ECONNABORTED EINTR EAGAIN",
    "sockname": "ENOMEM",
    "sockopt": "ENOMEM",
    "shutdown": "ENOTCONN",
    "send": "EPIPE ECONNRESET ETIMEDOUT ENOMEM EINTR EAGAIN HALF",
    "recv": "ECONNRESET ETIMEDOUT ENOMEM EINTR EAGAIN HALF",
    "poll": "EINTR ENOMEM",
    "affinity": "EPERM",
    "fork": "EAGAIN ENOMEM",
    "wait": "EINTR",
    "exec": "EACCES ENOMEM EIO E2BIG ENOENT ETXTBSY EMFILE",
    "pidfd": "EMFILE ENFILE ENOMEM ESRCH ENOSYS",
    "thread": "EAGAIN",
    "resolve": "EAI_AGAIN EAI_MEMORY",
}
_RESOLVE = {"EAI_AGAIN": -3, "EAI_MEMORY": -10}

_READING = frozenset({"open", "read", "pread", "close", "fstat", "stat", "readlink", "list", "readdir", "seek", "access", "poll", "ioctl"})

#: What nobody may see anything of.
UNSEEN = frozenset({"EINTR", "HALF"})
#: What says of something that it is not there: no failure, and so no note.
_ABSENT = frozenset({"ENOENT", "ESRCH", "ENODEV"})


class Fault(NamedTuple):
    """The ``number``-th call of this kind fails with this errno; number 0: none does."""

    kind: str
    number: int
    word: str


class Outcome(NamedTuple):
    """What a child leaves behind. ``code`` below 0: by that signal; None: it hung. ``tree`` is its folder."""

    code: int | None
    out: str
    err: str
    tree: Mapping[str, tuple[int, bytes]]
    hit: str


class Run(NamedTuple):
    """A child that runs: its handle, its folder, and what it has said on stderr until now."""

    pid: int
    handle: int
    place: Path
    err: Callable[[], str]

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether it ends within so long."""
        return bool(select.select([self.handle], [], [], seconds)[0])


class Scene(NamedTuple):
    """A command line, and what lies in its folder before.

    The undisturbed run ends with ``code`` and says ``shows``: a scene in which nothing is done tries nothing. ``said`` makes of its
    standard output what must not change without a note. ``is_whole`` says of a new path that it is complete although it is not as the
    undisturbed run left it. ``sparse``: of what is read each call fails once, with one errno after the other. ``is_cold``: nothing is
    loaded before. ``drive`` ends what runs until it is told to, and gives what is taken for its standard output.
    """

    name: str
    words: tuple[str, ...]
    files: Mapping[str, bytes] = {}
    stdin: bytes = b""
    environ: Mapping[str, str] = {}
    code: int = 0
    shows: str = ""
    codes: frozenset[int] = frozenset({3})
    flags: int = 0
    said: Callable[[str], object] = str
    sparse: bool = False
    is_cold: bool = False
    drive: Callable[[Run], str] | None = None
    is_whole: Callable[[Path, str], bool] | None = None


NOTHING = Fault("", 0, "")


class Stage:
    """Where scenes are played: a folder, and memory for what is said. A context manager."""

    def __init__(self) -> None:
        self._shim = faults.library()
        for prefix in {
            sys.prefix,
            sys.base_prefix,
            str(ROOT / "cgtune"),
            str(ROOT / ".venv"),
            str(ROOT / "tests"),
            "/etc/",
            "/usr/lib",
            "/usr/share",
        }:
            self._shim.faults_library(os.path.realpath(prefix).encode())
            self._shim.faults_library(prefix.encode())
        self._top = tempfile.mkdtemp(prefix="cgtune-test-faults-")
        self.place = Path(self._top, "place")
        self._out, self._err = os.memfd_create("out"), os.memfd_create("err")
        self._before: dict[str, tuple[int, bytes]] = {}
        self._scene: Scene | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._top)
        for file in (self._out, self._err):
            os.close(file)

    def load(self, scene: Scene) -> None:
        """Load all modules that this scene loads, so that its faults are those of its own work."""
        if scene.is_cold:
            return
        reading, writing = os.pipe()
        self._prepare(scene)
        if not (pid := os.fork()):
            os.close(reading)
            end = os._exit
            for name in ("_exit", "execve"):  # what it has loaded is asked after that
                setattr(os, name, lambda *_: sys.exit(0))
            with contextlib.suppress(BaseException):
                self._become(scene, NOTHING)
            os.write(writing, "\n".join(sys.modules).encode())
            end(0)
        os.close(writing)
        if scene.drive is not None:
            self._drive(scene, pid)
        with open(reading, "rb") as file:
            names = file.read().decode().split("\n")
        self._wait(pid)
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.freeze()

    def calls(self, scene: Scene) -> tuple[Outcome, list[str]]:
        """The undisturbed run, and each call of it: kind and path."""
        outcome = self.play(scene, NOTHING)
        return outcome, self._shim.faults_log().decode("utf-8", "replace").splitlines()

    def play(self, scene: Scene, fault: Fault) -> Outcome:
        """Run it once, with this fault."""
        self._prepare(scene)
        for file in (self._out, self._err):
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
        if not (pid := os.fork()):
            code = _CRASHED
            try:
                code = self._become(scene, fault)
            finally:
                os._exit(code)
        driven = None if scene.drive is None else self._drive(scene, pid)
        ended = self._wait(pid)
        out = self._read(self._out) if driven is None else driven
        err = re.sub(r'"time": "[^"]*"|cgtune-[0-9a-z_]{8}', "", self._read(self._err))
        return Outcome(ended, out, err, read_tree(self.place), self._shim.faults_hit().decode("utf-8", "replace"))

    def _prepare(self, scene: Scene) -> None:
        if scene is self._scene and read_tree(self.place) == self._before:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        for name, content in scene.files.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._scene, self._before = scene, read_tree(self.place)

    def _drive(self, scene: Scene, pid: int) -> str:
        assert scene.drive is not None
        handle = os.pidfd_open(pid)
        try:
            return scene.drive(Run(pid, handle, self.place, lambda: self._read(self._err)))
        finally:
            os.close(handle)

    def _read(self, file: int) -> str:
        return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")

    def _wait(self, pid: int) -> int | None:
        handle = os.pidfd_open(pid)
        try:
            if not select.select([handle], [], [], _PATIENCE_SECONDS)[0]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return None
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        finally:
            os.close(handle)

    def _become(self, scene: Scene, fault: Fault) -> int:
        """What Python does between the start of the command and its end."""
        from cgtune.__main__ import main

        given = os.memfd_create("in")
        os.write(given, scene.stdin)
        os.lseek(given, 0, os.SEEK_SET)
        for number, (file, name) in enumerate(((given, b"stdin"), (self._out, b"stdout"), (self._err, b"stderr"))):
            os.dup2(file, number)
            self._shim.faults_name(number, name)
        for file in (given, self._out, self._err):
            os.close(file)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        os.chdir(self.place)
        for variable in [variable for variable in os.environ if variable.startswith(("CGTUNE_", "KUBERNETES_", "LD_PRELOAD"))]:
            del os.environ[variable]
        os.environ.update(scene.environ)
        sys.argv = ["cgtune", *scene.words]
        word = fault.word
        errno_ = faults.HALF if word == "HALF" else _RESOLVE.get(word) or getattr(errno, word, 0)
        flags = scene.flags | (0 if fault.number else faults.LOG)
        self._shim.faults_arm(fault.kind.encode(), ctypes.c_long(fault.number), errno_, flags)
        code = _CRASHED
        try:
            code = main()
            atexit._run_exitfuncs()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001  # Python's own last words
            self._shim.faults_off()
            sys.stderr.write(traceback.format_exc())
        try:
            sys.stdout.flush()
        except OSError as error:
            code = 120  # as Python's own end
            sys.stderr.write(f"Exception ignored in: stdout {error}\n")
        self._shim.faults_off()
        return code


def read_tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Each path below a folder, with its mode and content; of a link, where it leads."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = os.readlink(path).encode() if stat.S_ISLNK(mode) else path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def faults_of(calls: list[str], *, sparse: bool = False) -> Iterator[Fault]:
    """Each call with each errno that it may fail with; sparse: of those that read with one of them.

    What moves through a pipe of its own, both ends of which are open, may be interrupted, and no more: pipe(7).
    """
    counts: collections.Counter[str] = collections.Counter()
    for call in calls:
        kind, _, path = call.partition(" ")
        counts[kind] += 1
        words = ["EINTR"] if path == "pipe" and kind in ("read", "write") else PLAUSIBLE[kind].split()
        if sparse and kind in _READING:
            words = words[counts[kind] % len(words) :][:1]
        for word in words:
            yield Fault(kind, counts[kind], word)


def judge(scene: Scene, place: Path, clean: Outcome, fault: Fault, outcome: Outcome) -> tuple[str, str]:
    """What became of it in a word (unchanged, noted, code N, not reached), and what is wrong with that, or nothing."""
    is_same = scene.said(outcome.out) == scene.said(clean.out)
    wrong = [*_wrong_end(scene, clean, fault, outcome), *_wrong_words(clean, fault, outcome, is_same=is_same)]
    if outcome.code is not None:
        wrong += _wrong_files(scene, place, clean, fault, outcome)
    if not outcome.hit:
        word = "not reached"
    elif outcome.code != clean.code:
        word = f"code {outcome.code}"
    else:
        word = "unchanged" if is_same and outcome.err == clean.err else "noted"
    return word, "; ".join(wrong)


def _wrong_end(scene: Scene, clean: Outcome, fault: Fault, outcome: Outcome) -> Iterator[str]:
    if outcome.code is None:
        yield "it hung"
        return
    told = scene.codes | {clean.code} | ({0, 1} if fault.word in _ABSENT else set())  # without what is not there the verdict may be another
    if outcome.code not in told:
        yield f"exit code {outcome.code}"
    if any(word in outcome.err + outcome.out for word in ("Traceback", "Exception ignored", "cgtune itself failed", "a fault of cgtune")):
        yield "a traceback"


def _wrong_words(clean: Outcome, fault: Fault, outcome: Outcome, *, is_same: bool) -> Iterator[str]:
    """One line for another exit code, a note for another answer, and no word about what nobody may see."""
    more = [line for line in outcome.err.splitlines() if line not in clean.err.splitlines()]
    is_heard, is_other = not outcome.hit.endswith(" stderr"), outcome.code != clean.code
    counting = re.compile(r"nothing found|finding|mended|\d containers?: ")  # lint says what it has looked at, too
    counted = sum(counting.search(line) is not None for line in more)
    is_silent = len(more) == counted and not _notes(outcome.out) - _notes(clean.out)
    is_unread = outcome.hit.endswith(" stdout") and fault.word == "EPIPE"
    if is_other and outcome.code not in (0, 1) and is_heard and clean.out.startswith(outcome.out) and not 1 <= len(more) <= 1 + counted:
        yield f"{len(more)} lines on stderr"
    is_answer = outcome.code in (0, 1, clean.code)
    if (is_other or not is_same) and is_answer and is_silent and fault.word not in _ABSENT and not is_unread:
        yield "another answer without a note"
    if fault.word in UNSEEN and (is_other or not is_same or (more and is_heard)):
        yield f"{fault.word} is seen"


def _notes(out: str) -> set[str]:
    """What says that something was not seen, failed, or is not known."""
    try:
        return set(_notes_in(json.loads(out)))
    except ValueError:
        return {line for line in out.splitlines() if re.search(r"not seen|could not|not told|is not known|cannot be|^cgtune_notes", line)}


def _notes_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("notes", "unseen", "unreadable", "blind", "failures", "errors"):
                yield json.dumps(inner, sort_keys=True)
            yield from _notes_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _notes_in(inner)


def _wrong_files(scene: Scene, place: Path, clean: Outcome, fault: Fault, outcome: Outcome) -> Iterator[str]:
    """Each file is the old one or the new one, both whole; what is new is there if that is said, and nothing else is."""
    is_done = outcome.code == clean.code
    denies = re.search(r"cgtune: (?!\d+ of \d+ files are ).*nothing was (written|mended)", outcome.err) is not None
    known: bool | None = None
    for path in sorted({*outcome.tree, *clean.tree, *scene.files}):
        found, good, old = outcome.tree.get(path), clean.tree.get(path), scene.files.get(path)
        is_old = found is None if old is None else found is not None and found[1] == old
        is_new = found == good and not (denies and not is_old)
        is_of_less = fault.word in _ABSENT and found is not None and good is not None
        is_folder = found is not None and found == good and any(name.startswith(f"{path}/") for name in scene.files)
        if is_new or (is_old and not is_done) or is_of_less or is_folder:
            continue
        is_below = path.partition("/")[0] in clean.tree  # a recording of a live machine holds the pid of who made it
        if scene.is_whole is not None and path not in scene.files and (good is not None or is_below) and not denies:
            known = scene.is_whole(place, path) if known is None else known
            if known:
                continue
        yield f"{path} is {'lost' if found is None else 'left over' if good is None and old is None else 'not what it should be'}"
        return


class Tally:
    """What became of all faults, by scene and by call."""

    def __init__(self) -> None:
        self.calls = self.possible = self.wrong = 0
        self._by_scene: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self._by_call: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def add(self, scene: Scene, fault: Fault, word: str, wrong: str) -> None:
        """One more."""
        self._by_scene[scene.name][word] += 1
        self._by_call[fault.kind][word] += 1
        self.wrong += bool(wrong)

    def render(self) -> Iterator[str]:
        """The lines of a report."""
        for title, table in (("command", self._by_scene), ("call", self._by_call)):
            for name in sorted(table):
                yield f"{title} {name}: {_counted(table[name])}"
        total: collections.Counter[str] = collections.Counter()
        for counts in self._by_call.values():
            total.update(counts)
        yield f"all: {_counted(total)}; {self.calls} calls and {self.possible} faults in all, {self.wrong} broke a promise"


def _counted(counts: collections.Counter[str]) -> str:
    return f"{counts.total()} faults: " + ", ".join(f"{number} {word}" for word, number in counts.most_common())


def play_share(stage: Stage, scene: Scene, tally: Tally, chosen: Callable[[], bool], *, shows: bool) -> None:
    """Play the faults of a scene that are ``chosen``; print each that breaks a promise, or each of them."""
    stage.load(scene)
    clean, calls = stage.calls(scene)
    tally.calls += len(calls)
    if clean.code != scene.code or scene.shows not in clean.out + clean.err:
        tally.wrong += 1
        print(f"{scene.name}: the undisturbed run ends with {clean.code}: {clean.out[-500:]}{clean.err[-1500:]}", flush=True)
        return
    for fault in faults_of(calls, sparse=scene.sparse):
        tally.possible += 1
        if not chosen():
            continue
        outcome = stage.play(scene, fault)
        word, wrong = judge(scene, stage.place, clean, fault, outcome)
        tally.add(scene, fault, word, wrong)
        if wrong or shows:
            said = outcome.err.strip().splitlines()[-12 if wrong else -1 :]
            what = {
                "scene": scene.name,
                "fault": fault,
                "hit": outcome.hit,
                "became": word,
                "wrong": wrong,
                "code": outcome.code,
                "err": said,
            }
            print(json.dumps(what), flush=True)


def read_share(text: str) -> tuple[int, int]:
    """`7/50` as two numbers; ends the program with one line for what is no share."""
    part, _, parts = text.partition("/")
    if not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
        sys.exit(f"faults: --share {text!a} is not K/N, the K-th of N parts; example: --share 7/50")
    return int(part), int(parts)


def _main() -> None:
    from tests.support import faultscenes

    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("scenes", nargs="*", help="the beginning of their names; all without")
    parser.add_argument("--share", default="1/1", metavar="K/N", help="the K-th of N parts of all faults")
    parser.add_argument("--show", action="store_true", help="each fault with what came of it")
    parser.add_argument("--quick", action="store_true", help="only scenes that need no Prometheus")
    options = parser.parse_args()
    part, parts = read_share(options.share)
    numbers = itertools.count(1)
    tally, began = Tally(), time.monotonic()
    unmet = set(options.scenes)
    with Stage() as stage, faultscenes.scenes(quick=options.quick) as scenes:
        for scene in scenes:
            met = {word for word in options.scenes if scene.name.startswith(word)}
            unmet -= met
            if met or not options.scenes:
                play_share(stage, scene, tally, lambda: next(numbers) % parts == part % parts, shows=options.show)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    print("\n".join(tally.render()) + f"; {cpu:.0f} s of CPU, {time.monotonic() - began:.0f} s", flush=True)
    if unmet:
        sys.exit(f"faults: no scene begins with {', '.join(sorted(unmet))}; tests/support/faultscenes.py has their names")
    sys.exit(tally.wrong > 0)


if __name__ == "__main__":
    _main()
