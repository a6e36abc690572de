"""``cgtune --profile COMMAND``: the command as always, and then on stderr where its time went, by stages of the route.

Nothing of it is loaded without that option. With it the functions that begin a stage are wrapped by their names, of whatever module they
are: it looks at the whole route, and nothing of the route knows of it. Time is counted once: a stage does not hold what it hands to
another. Not covered: threads, which the commands below have none of, and of Python's own start all but the CPU time.
"""

from __future__ import annotations

import sys
import time

from cgtune import __version__, exits
from cgtune.commands.terminal import complain, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: What is profiled: the commands that look at processes, or predict them, once.
PROFILED = ("inspect", "ps", "check", "snapshot", "predict")

#: The stages in the order of the route, each with the functions that begin it: "module:function" or "module:class.method".
STAGES: dict[str, tuple[str, ...]] = {
    "python": (),  # the interpreter's own start
    "load": (),  # the modules of the route; those that one command alone needs count where they are loaded
    "machine": ("machineview:MachineView.__init__",),
    "processes": ("gather:gather", "snapshot:read_snapshot", "snapshot:read_go_snapshot", "targets:find_pids"),
    "cgroups": (
        *("cgroups.chains:ChainReader.locate", "cgroups.chains:ChainReader.locate_unified", "cgroups.chains:ChainReader.locate_usage"),
        "cgroups.levels:Shared.read_chain",
    ),
    "go": ("runtimes.go.reader:read_runtimes", "runtimes.go.offline:parse_programs", "advice.prediction:predict_limited"),
    "limits": ("limits:enforce",),
    "advice": ("advice.advise:advise",),
    "rules": ("rules:judge_all",),
    "render": ("commands.showing:render", "commands.showing:render_pieces"),
    "write": ("commands.terminal:emit",),
    "else": (),
}

#: What a host is asked, and the column that counts it; what it answers is counted too if it is bytes.
_READINGS = {
    "read_bytes": "files",
    "read_at": "regions",
    "read_link": "names",
    "list_directory": "names",
    "list_folders": "names",
    "read_identity": "names",
    "read_file_identity": "names",
}
_COUNTED = ("calls", "modules", "files", "regions", "names", "bytes")
_SPENT = ("cpu_seconds", "seconds")


class Meter:
    """What each stage took so far: its time, and how often something was done in it."""

    def __init__(self) -> None:
        self.rows = {stage: dict.fromkeys((*_SPENT, *_COUNTED), 0.0) for stage in STAGES}
        self._open = ["else"]
        self._before = self._look()
        self.rows["python"]["cpu_seconds"] = self._before[0]

    def run(self, stage: str, work: Callable[[], Any]) -> Any:
        """Do the work as a part of this stage."""
        self._settle()
        self._open.append(stage)
        self.count("calls")
        try:
            return work()
        finally:
            self._settle()
            self._open.pop()

    def count(self, what: str, number: int = 1) -> None:
        """So much more was done in the stage that is open."""
        self.rows[self._open[-1]][what] += number

    def render(self, command: str) -> str:
        """The table for people, and for whoever is sent it."""
        self._settle()
        sums = {name: sum(row[name] for row in self.rows.values()) for name in (*_SPENT, *_COUNTED)}
        lines = [f"{'stage':<10} {'CPU ms':>8} {'ms':>8} {'calls':>7} {'modules':>7} {'files':>7} {'regions':>7} {'names':>7} {'KiB':>8}"]
        lines += [_line(stage, row) for stage, row in (*self.rows.items(), ("all", sums)) if any(row.values())]
        return f"{_heading(command)}\n" + "\n".join(lines) + "\n"

    def _settle(self) -> None:
        """Give what was spent since the last look to the stage that is open."""
        now = self._look()
        row = self.rows[self._open[-1]]
        for name, before, after in zip((*_SPENT, "modules"), self._before, now, strict=True):
            row[name] += after - before
        self._before = now

    @staticmethod
    def _look() -> tuple[float, float, int]:
        return time.process_time(), time.perf_counter(), len(sys.modules)


def start_profiled(arguments: list[str], start: Callable[[list[str]], int]) -> int:
    """Start the command line that follows --profile, say on stderr where its time went, and give its exit code back."""
    if not arguments or arguments[0] not in PROFILED:
        return fail(f"--profile stands before one of {', '.join(PROFILED)}, as in cgtune --profile ps", exits.USAGE)
    meter = Meter()
    undo = meter.run("load", lambda: _wrap_all(meter))
    try:
        return start(arguments)
    finally:
        for owner, name, function in reversed(undo):
            setattr(owner, name, function)
        complain(meter.render(arguments[0]))


def _heading(command: str) -> str:
    import os
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux: getrusage(2)
    python = ".".join(map(str, sys.version_info[:3]))
    cpus = len(os.sched_getaffinity(0))
    return f"cgtune {__version__} --profile {command}: Python {python}, {cpus} CPUs, {peak:.1f} MiB at most"


def _line(stage: str, row: dict[str, float]) -> str:
    spent = " ".join(f"{1000 * row[name]:8.1f}" for name in _SPENT)
    counts = " ".join(f"{row[name]:7.0f}" for name in _COUNTED if name != "bytes")
    return f"{stage:<10} {spent} {counts} {row['bytes'] / 1024:8.1f}"


def _wrap_all(meter: Meter) -> list[tuple[Any, str, Any]]:
    """Wrap what begins a stage, and what reads. Returns (owner, name, what was there) of each, to be put back."""
    undo: list[tuple[Any, str, Any]] = []
    for stage, places in STAGES.items():
        for place in places:
            owner, name, function = find(place)
            wrapper = _staged(meter, stage, function)
            # Whoever has imported the function already holds it by a name of its own.
            holders = [module for key, module in sys.modules.items() if key.startswith("cgtune") and vars(module).get(name) is function]
            for holder in {id(each): each for each in (owner, *holders)}.values():
                undo.append((holder, name, function))
                setattr(holder, name, wrapper)
    for name, column in _READINGS.items():
        owner, _, function = find(f"system.host:Host.{name}")
        undo.append((owner, name, function))
        setattr(owner, name, _counted(meter, column, function))
    return undo


def find(place: str) -> tuple[Any, str, Any]:
    """The module or class that holds a function, the function's name there, and the function."""
    module, _, path = place.partition(":")
    owner: Any = __import__(f"cgtune.{module}", fromlist=["*"])
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each)
    return owner, name, getattr(owner, name)


def _staged(meter: Meter, stage: str, function: Any) -> Any:
    def begin(*words: Any, **named: Any) -> Any:
        found = meter.run(stage, lambda: function(*words, **named))
        return _each(meter, stage, found) if hasattr(found, "__next__") else found

    return begin


def _each(meter: Meter, stage: str, pieces: Iterator[Any]) -> Iterator[Any]:
    """What comes in pieces is made when it is asked for."""
    ended = object()
    while (piece := meter.run(stage, lambda: next(pieces, ended))) is not ended:
        yield piece


def _counted(meter: Meter, column: str, function: Any) -> Any:
    def count(*words: Any, **named: Any) -> Any:
        meter.count(column)
        found = function(*words, **named)
        if isinstance(found, bytes):
            meter.count("bytes", len(found))
        return found

    return count
