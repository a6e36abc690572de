"""Starts real programs in control groups of their own and holds them while they are looked at.

Each runs as nobody (uid 65534), in a folder of its own, without a network but loopback, under a quota and a memory limit, and is killed
afterwards. The runtime's own words are the witness: GODEBUG=schedtrace prints GOMAXPROCS, GODEBUG=gctrace how many Ps a collection had.
Nothing is traced, injected or preloaded. Three ways to hold a program that would end at once:

running  standard input stays open and empty, standard output is a pipe that is full already: whoever reads or prints waits in the kernel.
         Its standard error is read all the time, so the witness speaks before and after the look.
blocked  for programs that end in spite of that: standard error is a pipe of one page, filled up to the last bytes. The first line of
         schedtrace fits in, a usage message does not, and whoever prints it waits. What the witness said is read after the look.
stopped  for programs that end even so (they print little, or nothing): GODEBUG=inittrace makes the runtime print a line for each package
         it initialises, into a pipe of one page that is read only until the witness has spoken; then SIGSTOP.

What is not covered: a program that ends before the witness has spoken once.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.live.cgroups import Group
from tests.support.realprograms.fetch import library_folder, program_path
from tests.support.realprograms.listing import Program

NOBODY = 65534
# The groups first, as root; then the folder; then nobody executes the open file, whose folder it could not enter.
_ENTER = (
    'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 97; shift; done; shift; '
    f'exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs -- "$@"'
)
_SCHED = re.compile(rb"SCHED \d+ms: gomaxprocs=(\d+) idle")
_COLLECTION = re.compile(rb"\ngc \d+ @[^\n]* (\d+) P(?: \(forced\))?\n")
_NUMBER = re.compile(rb"\ngc (\d+) @[^\n]*\n")
_KEPT_BYTES = 1 << 20
_PAGE_BYTES = 4096
_ROOM_BYTES = 256  # schedtrace prints 110 to 200 at once
_RARELY_MS = 20_000
_F_SETPIPE_SZ = 1031


def leave_network() -> None:
    """Move this process into a network of its own, in which there is loopback and nothing else. OSError: it may not."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        interface = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(control, 0x8914, interface)  # SIOCSIFFLAGS


def full_pipe() -> tuple[int, int]:
    """(read end, write end) of a pipe that takes nothing more."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, bytes(4096))
    os.set_blocking(write_end, True)  # of the open file, and so of the program that gets it
    return read_end, write_end


def shift_ports(arguments: Sequence[str], slot: int) -> list[str]:
    """The list has ports 21001 to 21099: the programs that are held together, in slots 0, 1, 2 and so on, get others, 100 apart."""
    return [re.sub(r"\b210(\d\d)\b", lambda port: str(int(port[0]) + 100 * slot), argument) for argument in arguments]


class Held:
    """One program, started; ``way`` is running, blocked or stopped, ``slot`` its number among those that are held together."""

    def __init__(self, program: Program, group: Group, environment: Mapping[str, str], way: str, trace_ms: int, slot: int) -> None:
        self.program = program
        self.way = way
        self.group = group
        self.text = b"\n"
        self.spoken: list[int] = []  # GOMAXPROCS in each line of the witness
        self.first_heard: float | None = None
        self._folder = tempfile.mkdtemp(prefix=f"cgtune-test-real-{os.getpid()}-")
        os.chown(self._folder, NOBODY, NOBODY)
        self._descriptors = list(full_pipe())
        self._stdin, self._stdin_kept = os.pipe()
        self.stderr, stderr = os.pipe()
        if way != "running":
            fcntl.fcntl(stderr, _F_SETPIPE_SZ, _PAGE_BYTES)
        if way == "blocked":
            os.write(stderr, b"\n" * (_PAGE_BYTES - _ROOM_BYTES))
        executable = os.open(program_path(program), os.O_RDONLY)
        passed = [executable]
        traces = {
            "running": f"schedtrace={trace_ms},gctrace=1",
            "blocked": f"schedtrace={_RARELY_MS}",
            "stopped": f"schedtrace={trace_ms},inittrace=1",
        }[way]
        variables = {"PATH": "/usr/bin:/bin", "HOME": self._folder, "TMPDIR": self._folder, "GODEBUG": traces, **environment}
        if program.library:
            passed.append(os.open(library_folder(program.library), os.O_RDONLY | os.O_DIRECTORY))
            variables["LD_LIBRARY_PATH"] = f"/proc/self/fd/{passed[-1]}"
        places = [str(place) for place in group.directories()]
        argv = ["/bin/sh", "-c", _ENTER, "sh", *places, "--", f"/proc/self/fd/{executable}", *shift_ports(program.arguments, slot)]
        self.process = subprocess.Popen(argv, stdin=self._stdin, stdout=self._descriptors[1], stderr=stderr, env=variables,
                                        cwd=self._folder, pass_fds=passed, start_new_session=True)  # fmt: skip
        for descriptor in (stderr, *passed):
            os.close(descriptor)
        self._descriptors += [self._stdin, self._stdin_kept]
        os.set_blocking(self.stderr, False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wants_reading(self) -> bool:
        """Whether standard error is read now: all the time, until the witness has spoken, or (one that is to block) after the look."""
        return self.way == "running" or (self.way == "stopped" and not self.spoken)

    def waiting_bytes(self) -> int:
        """How much of its own it has printed that was not read yet."""
        count = bytearray(4)
        fcntl.ioctl(self.stderr, termios.FIONREAD, count)
        return int.from_bytes(count, sys.byteorder) - (_PAGE_BYTES - _ROOM_BYTES if self.way == "blocked" else 0)

    def hear(self) -> bool:
        """Read what was printed; False at its end."""
        size = 256 if self.way == "stopped" else 65536
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.stderr, size)
            if not data:
                return False
            before = len(self.text)
            self.text += data
            start = max(0, before - 64)
            found = [int(match[1]) for match in _SCHED.finditer(self.text, start) if match.end() > before]
            if found and self.first_heard is None:
                self.first_heard = time.monotonic()
            self.spoken += found
            self.text = self.text[-_KEPT_BYTES:]
        if self.way == "stopped" and self.spoken:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGSTOP)
        return True

    def collection_procs(self) -> int | None:
        """How many Ps the last collection had; None: none was seen."""
        found = _COLLECTION.findall(self.text)
        return int(found[-1]) if found else None

    def collections(self) -> int:
        """The number of the last collection that was told."""
        found = _NUMBER.findall(self.text)
        return int(found[-1]) if found else 0

    def last_words(self) -> str:
        """The last line that the program printed to standard error and that is no trace."""
        lines = [line.strip() for line in self.text.decode(errors="replace").splitlines()]
        own = [line for line in lines if line and not re.match(r"(SCHED|gc|init|scvg) ", line)]
        return "".join(char if char.isprintable() else "?" for char in own[-1][:160]) if own else ""

    def end(self) -> None:
        """Kill it with all that it started, and remove its group and its folder."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.group.remove()
        self.process.wait()
        for descriptor in (self.stderr, *self._descriptors):
            os.close(descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)


def listen(held: Sequence[Held], done: Callable[[], bool], seconds: float) -> None:
    """Read all that the programs print until ``done``, for this long at most."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for one in held:
            if one.wants_reading():
                selector.register(one.stderr, selectors.EVENT_READ, one)
        while not done() and time.monotonic() < deadline:
            if not selector.get_map():
                time.sleep(0.02)
                continue
            for key, _ in selector.select(0.05):
                one = key.data
                if not one.hear() or not one.wants_reading():
                    selector.unregister(one.stderr)


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP has been obeyed: the state behind the name in /proc/PID/stat is T."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False
