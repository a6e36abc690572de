"""One scene of real Go programs: many binaries started at once where a scenario wants them, what they print, what cgtune says of them.

All of them print to one pipe, and each of their lines names its pid: nothing is polled. A launcher, a fork of the test, takes the
scenario's steps (enters groups and namespaces, mounts, narrows the affinity) and starts them; cgtune looks from outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

PATIENCE_SECONDS = 240  # software emulation, on a machine whose cores others use too
_TRACEME, _DETACH = 0, 17
_libc = ctypes.CDLL(None, use_errno=True)


class Entries(Mapping[str, str]):
    """An environment as execve takes it: entries in order, one name perhaps twice."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._pairs = [entry.partition("=")[::2] for entry in entries]

    def keys(self) -> Any:
        return [name for name, _ in self._pairs]

    def values(self) -> Any:
        return [value for _, value in self._pairs]

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self._pairs if key == name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._pairs)


class Stage:
    """The programs of one scenario. ``pids`` are theirs, in the order of ``programs``; ``said`` each one's reports, oldest first."""

    def __init__(
        self,
        programs: Sequence[Path],
        *,
        commands: Sequence[str] = (),
        environment: Sequence[str] = (),
        steps: Sequence[Callable[[], object]] = (),
        held: bool = False,
    ) -> None:
        """Start all; ``held``: each stands still at its very start, before its runtime's first instruction, until ``release``."""
        self.said: dict[int, list[dict[str, Any]]] = {}
        self.ended: dict[int, int] = {}
        self._errors = Path(f"/run/goprobe-{os.getpid()}")
        self._errors.mkdir(exist_ok=True)
        self._read, write = os.pipe()
        gate, self._gate = os.pipe()
        self._rest = b""
        self.launcher = os.fork()
        if self.launcher == 0:
            os.close(self._read)
            os.close(self._gate)
            _Launcher(write, gate, self._errors).run(programs, commands, environment, steps, held=held)
        os.close(write)
        os.close(gate)
        self.pids: list[int] = []
        self._wait(lambda: len(self.pids) == len(programs), "the programs were started")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {PATIENCE_SECONDS} s: {what}"
            ready, _, _ = select.select([self._read], [], [], min(left, 0.5))
            if ready:
                self._receive(os.read(self._read, 1 << 16))

    def _receive(self, data: bytes) -> None:
        assert data, "the launcher ended"
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            assert "failed" not in told, told["failed"]
            if "started" in told:
                self.pids = told["started"]
            elif "ended" in told:
                self.ended[told["ended"]] = told["status"]
            else:
                self.said.setdefault(told["pid"], []).append(told)

    def wait_reports(self, count: int) -> None:
        """Until each program has ended or printed so many reports."""
        self._wait(lambda: all(pid in self.ended or len(self.said.get(pid, ())) >= count for pid in self.pids), f"{count} reports of each")

    def ask_again(self) -> None:
        """One more report of each program that lives."""
        wanted = {pid: len(self.said[pid]) + 1 for pid in self.pids if pid not in self.ended}
        for pid in wanted:
            os.kill(pid, signal.SIGUSR1)
        self._wait(
            lambda: all(pid in self.ended or len(self.said[pid]) >= count for pid, count in wanted.items()), "another report of each"
        )

    def settle(self, expected: Sequence[int | None]) -> None:
        """Ask again until each program says the GOMAXPROCS that is expected of it: the runtime looks once a second at most."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.ask_again()
            values = [self.said[pid][-1]["gomaxprocs"] for pid in self.pids]
            if values == list(expected):
                return
            assert time.monotonic() < deadline, f"GOMAXPROCS {values}, not {list(expected)}"
            time.sleep(0.7)

    def release(self) -> None:
        """Let programs that were held go on."""
        os.write(self._gate, b"go")

    def errors(self, pid: int) -> str:
        """What the program wrote to standard error."""
        return (self._errors / str(self.pids.index(pid))).read_text(errors="surrogateescape")

    def end(self) -> None:
        for pid in self.pids:
            if pid not in self.ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(AssertionError):
            self._wait(lambda: all(pid in self.ended for pid in self.pids), "the programs ended")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.launcher, signal.SIGKILL)
        os.waitpid(self.launcher, 0)
        os.close(self._read)
        os.close(self._gate)


class _Launcher:
    def __init__(self, write: int, gate: int, errors: Path) -> None:
        self._write, self._gate, self._errors = write, gate, errors

    def run(
        self,
        programs: Sequence[Path],
        commands: Sequence[str],
        environment: Sequence[str],
        steps: Sequence[Callable[[], object]],
        *,
        held: bool,
    ) -> NoReturn:
        """Take the steps, start the programs, tell their ends; never returns."""
        try:
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: the programs' launcher ends with the test
            for step in steps:
                step()
            start = self._hold if held else self._spawn
            pids = [start(number, program, commands, environment) for number, program in enumerate(programs)]
            self._tell({"started": pids})
            if held:
                os.read(self._gate, 2)
                for pid in pids:
                    _libc.ptrace(_DETACH, pid, 0, 0)
            while True:
                try:
                    pid, status = os.waitpid(-1, 0)
                except ChildProcessError:
                    break
                self._tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
        except BaseException:  # noqa: BLE001  # a fork must not return into the test's frames, whatever happened
            self._tell({"failed": traceback.format_exc()})
        while True:
            signal.pause()

    def _tell(self, what: dict[str, Any]) -> None:
        os.write(self._write, json.dumps(what).encode() + b"\n")

    def _spawn(self, number: int, program: Path, commands: Sequence[str], environment: Sequence[str]) -> int:
        # stdin: at its end the program stays alive; stdout: the one pipe, a line is written as a whole
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, self._write, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(self._errors / str(number)), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        return os.posix_spawn(program, [str(program), *commands], Entries(environment), file_actions=actions)

    def _hold(self, number: int, program: Path, commands: Sequence[str], environment: Sequence[str]) -> int:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(OSError):
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                os.dup2(self._write, 1)
                os.dup2(os.open(self._errors / str(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
                _libc.ptrace(_TRACEME, 0, 0, 0)
                os.execve(program, [str(program), *commands], Entries(environment))
            os._exit(96)
        stopped, status = os.waitpid(pid, 0)
        assert (stopped, os.WIFSTOPPED(status)) == (pid, True), status
        return pid
