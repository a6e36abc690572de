"""Real control groups for the tests: child groups with real limits in this machine's own hierarchies, v1, v2 or hybrid.

What a test was told by the kernel and what it told the kernel is read and written here with plain file calls, never through cgtune: the
harness is the other witness. Groups are named ``cgtune-test-live-<pid>-<n>``; they are emptied and removed when the test ends, and those
of a run that was killed are swept when the next one starts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.needs import require

_PREFIX = "cgtune-test-live-"
_CONTROLLERS = ("cpu", "memory", "cpuset")
_counter = itertools.count()

# Moves itself into the groups before it becomes the program: what the program does from its first instruction on is charged to them.
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 97; shift; done; shift; exec "$@"'


def hierarchies(*more: str) -> dict[str, tuple[int, Path]]:
    """Version and mount point by controller, for those of cpu, memory, cpuset and ``more`` that child groups can be made in."""
    names = (*_CONTROLLERS, *more)
    found: dict[str, tuple[int, Path]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        place, (kind, _, options) = Path(before.split()[4]), after.split(" ", 2)
        if kind == "cgroup":
            found |= {name: (1, place) for name in options.split(",") if name in names}
        elif kind == "cgroup2":
            enabled = (place / "cgroup.subtree_control").read_text().split()
            found |= {name: (2, place) for name in enabled if name in names and name not in found}
    return found


class Group:
    """One control group, with one directory for each controller (on v2 the same one)."""

    def __init__(self, path: str, directories: Mapping[str, tuple[int, Path]]) -> None:
        self.path = path
        self._directories = dict(directories)
        self._started: list[subprocess.Popen[bytes]] = []

    def version(self, controller: str) -> int:
        return self._directories[controller][0]

    def directories(self) -> list[Path]:
        return list(dict.fromkeys(place for _, place in self._directories.values()))

    def read(self, controller: str, name: str) -> str:
        return (self._directories[controller][1] / name).read_text()

    def write(self, controller: str, name: str, text: str) -> None:
        (self._directories[controller][1] / name).write_text(text)

    def limit_cpu(self, quota_us: int | None, period_us: int = 100_000) -> None:
        """Give the group a quota; None takes it away."""
        if self.version("cpu") == 2:
            self.write("cpu", "cpu.max", f"{'max' if quota_us is None else quota_us} {period_us}")
        else:
            self.write("cpu", "cpu.cfs_period_us", str(period_us))
            self.write("cpu", "cpu.cfs_quota_us", str(-1 if quota_us is None else quota_us))

    def limit_memory(self, limit_bytes: int) -> None:
        self.write("memory", "memory.max" if self.version("memory") == 2 else "memory.limit_in_bytes", str(limit_bytes))

    def limit_cpus(self, cpus: str) -> None:
        self.write("cpuset", "cpuset.cpus", cpus)

    def throttled(self) -> tuple[int, int, float]:
        """Periods, throttled periods and throttled seconds, as the kernel counts them."""
        words = dict(line.split() for line in self.read("cpu", "cpu.stat").splitlines())
        seconds = int(words["throttled_usec"]) / 1e6 if "throttled_usec" in words else int(words["throttled_time"]) / 1e9
        return int(words["nr_periods"]), int(words["nr_throttled"]), seconds

    def oom_kills(self) -> int:
        name = "memory.events" if self.version("memory") == 2 else "memory.oom_control"
        return int(dict(line.split() for line in self.read("memory", name).splitlines())["oom_kill"])

    def entering(self, argv: Sequence[str]) -> list[str]:
        """What enters the group and becomes this program."""
        return ["/bin/sh", "-c", _ENTER, "sh", *map(str, self.directories()), "--", *argv]

    def start(self, argv: Sequence[str], **extra: str) -> subprocess.Popen[bytes]:
        """Start a program inside; it ends with the test at the latest."""
        return self._start(argv, {**os.environ, **extra}, subprocess.DEVNULL, None)

    def start_piped(self, argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """The same with this environment alone, and a pipe for each of its three streams."""
        return self._start(argv, environ, subprocess.PIPE, subprocess.PIPE)

    def _start(self, argv: Sequence[str], environ: Mapping[str, str], streams: int, errors: int | None) -> subprocess.Popen[bytes]:
        if "/" in argv[0]:
            Path(argv[0]).read_bytes()  # we pay for its pages: at the limit those of the group are read again and again, and none is killed
        program = subprocess.Popen(self.entering(argv), stdin=streams, stdout=streams, stderr=errors, env=environ)
        self._started.append(program)
        return program

    def remove(self) -> None:
        for program in self._started:
            program.kill()
            program.wait()
        for place in self.directories():
            remove_group(place)

    def remake(self) -> None:
        """Remove the group, which has to be empty, and make another of its name, without limits."""
        for place in self.directories():
            place.rmdir()
            place.mkdir()

    def start_sleeper(self) -> int:
        """The pid of a process inside that does nothing."""
        sleeper = self.start(["sleep", "600"])
        # Until exec(2) it is still the shell, perhaps not inside yet.
        deadline = time.monotonic() + 60
        while Path(f"/proc/{sleeper.pid}/comm").read_text() != "sleep\n":
            assert time.monotonic() < deadline, "the sleeper did not start"
            assert sleeper.poll() is None, f"the sleeper could not enter {self.path}"
            time.sleep(0.005)
        return sleeper.pid


class Groups:
    """The groups of one test, all below one group of its own."""

    def __init__(self, places: Mapping[str, tuple[int, Path]]) -> None:
        self._places = dict(places)
        self._made: list[Group] = []
        self.name = f"{_PREFIX}{os.getpid()}-{next(_counter)}"

    def make(self, *below: str) -> Group:
        """The group at this path below the test's own; its ancestors are made too, and no limit is set."""
        group = self._make_one(self.name)
        for depth in range(1, len(below) + 1):
            self._delegate(group)
            group = self._make_one("/".join([self.name, *below[:depth]]))
        return group

    def _make_one(self, relative: str) -> Group:
        for group in self._made:
            if group.path == f"/{relative}":
                return group
        group = Group(f"/{relative}", {name: (version, place / relative) for name, (version, place) in self._places.items()})
        for place in group.directories():
            place.mkdir()
        self._made.append(group)
        if "cpuset" in self._places and group.version("cpuset") == 1:
            for name in ("cpuset.cpus", "cpuset.mems"):  # a new v1 cpuset is empty, and takes no process until it is filled
                group.write("cpuset", name, (self._places["cpuset"][1] / relative).parent.joinpath(name).read_text())
        return group

    def _delegate(self, group: Group) -> None:
        for name in self._places:
            if group.version(name) == 2:
                group.write(name, "cgroup.subtree_control", f"+{name}")

    def remove(self) -> None:
        for group in reversed(self._made):
            group.remove()


def remove_group(place: Path) -> None:
    """End what runs in a group, and remove it."""
    deadline = time.monotonic() + 60
    while place.exists():
        with contextlib.suppress(OSError):  # who else sweeps may have removed it
            for pid in (place / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):  # a process that was killed this moment still counts for a while
            place.rmdir()
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{place} does not get empty: {(place / 'cgroup.procs').read_text().split()}")
        time.sleep(0.01)


def sweep() -> None:
    """Remove the groups of runs that were killed: those whose maker is no more."""
    for place in {place for _, place in hierarchies("cpuacct").values()}:
        for top in place.glob(f"{_PREFIX}*"):
            maker = re.match(rf"{_PREFIX}(\d+)-", top.name)
            if maker and not Path(f"/proc/{maker[1]}").exists():
                found = [top]
                for group in found:  # it grows: no recursion, there may be thousands of levels
                    found += [child for child in group.iterdir() if child.is_dir()]
                for group in reversed(found):
                    remove_group(group)


@contextlib.contextmanager
def own_groups(*more: str) -> Iterator[Groups]:
    """A place for one test's groups; whatever happens, they are gone afterwards, with every process in them. ``more``: controllers in whose
    hierarchies they are made too, if there are any.
    """
    places = hierarchies(*more)
    require(os.geteuid() == 0, "makes control groups: run as root")
    missing = [name for name in _CONTROLLERS if name not in places]
    require(not missing, f"no mounted hierarchy lends the controllers {missing} to child groups")
    require(all(os.access(place, os.W_OK) for _, place in places.values()), "the cgroup hierarchies are mounted read-only")
    groups = Groups(places)
    try:
        yield groups
    finally:
        groups.remove()
