"""What cgtune says of the loads of scripts/bench/advice while they run: at their start, under load, and by a service after a minute.

One load after the other works until half of what it has to allocate is there; then it goes on at its ease, so that the machine bears all of
them while the service watches. Each has a GOMEMLIMIT under which it lives. The first two answers are those for a program that has none: a
value that is near enough would be kept. The facts on which they rest are kept as well, so that another policy can be asked later.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cgtune
from cgtune.api import judge_processes
from cgtune.model import GoFacts, MemoryParts, Policy, ProcessReport
from tests.live.cgroups import Group
from tests.support.adviceruns import MIB, PATIENCE_SECONDS, SPINS, Invalid, Memory, environment, go_on, start_memory, wait_for_line
from tests.support.serving import Service

PARTS = tuple(name for name, _ in MemoryParts().items())
KEYS = ("when", "age", "gomemlimit", "set", "doubt", "current", "peak", "refaults", "go_mapped", "heap_marked", *PARTS)
WATCHED_SECONDS = 60.0
_LEAST_SHARE, _ABOVE_LIVE = 80, 10  # a GOMEMLIMIT that few die of: percent of what the pattern leaves to Go, and above what is alive

#: Of a program that has run for long: what is measured is sure.
LATER = Policy(measured_after_seconds=0.0)


def ask_all(
    cells: Sequence[Memory],
    make: Callable[[int], Group],
    program_of: Callable[[Memory], Path],
    mapped_of: Callable[[Memory], Path | None],
    say: Callable[[str], None],
    is_over: Callable[[], bool],
) -> Iterator[dict[str, Any]]:
    """A row for each cell and each moment at which it was asked about; a load that dies, or does not get there, has none from then on, and
    none is asked about when the time is over.
    """
    loads: dict[Memory, subprocess.Popen[bytes]] = {}
    began: dict[Memory, float] = {}
    for number, cell in enumerate(cells):
        if is_over():
            say(f"no time is left to ask about {len(cells) - number} more loads")
            break
        free_mib = cell.limit_mib * (0.75 if cell.pattern in ("tmpfs", "cgo", "mmap") else 1)
        share = max(_LEAST_SHARE, cell.live_percent + _ABOVE_LIVE)
        variables = environment(int(free_mib * share / 100) * MIB, None, None) | {"ASK": "1"}
        load = start_memory(make(number), program_of(cell), cell, variables, mapped_of(cell))
        try:
            wait_for_line(load, "started", seconds=4 * PATIENCE_SECONDS)
            began[cell] = time.monotonic()
            yield _ask(cell, load, "start", None)
            go_on(load)
            wait_for_line(load, "loaded", seconds=4 * PATIENCE_SECONDS)
        except Invalid as error:
            say(f"{cell.pattern} {cell.limit_mib} MiB, {cell.live_percent} % alive: {error}")
            load.kill()
            load.communicate()
            continue
        yield _ask(cell, load, "load", LATER)
        loads[cell] = load
    looked, said = 0.0, dict[int, Any]()
    if not is_over():
        say(f"a service watches {len(loads)} loads for {WATCHED_SECONDS:g} s")
        try:
            looked, said = _watch()
        except AssertionError as error:
            say(f"the service was not asked: {error}")
    for cell, load in loads.items():
        if (process := said.get(load.pid)) is not None:
            setting = process["settings"]["GOMEMLIMIT"]
            then = {"when": "serve", "age": round(looked - began[cell]), "gomemlimit": setting["recommended"] or "", "set": setting["set"]}
            yield _row_of(cell) | then
    for load in loads.values():
        load.kill()
        load.communicate()


def _watch() -> tuple[float, dict[int, Any]]:
    """(when a service that had watched for a minute was asked, what it said of each process, by pid)."""
    with Service("--interval", "10s") as service:
        service.wait_for_report()
        time.sleep(WATCHED_SECONDS)
        looked = time.monotonic()
        document = json.loads(service.fetch("/report").body)
    return looked, {process["pid"]: process for process in document["processes"]}


def _row_of(cell: Memory) -> dict[str, Any]:
    return {
        "pattern": cell.pattern,
        "limit": cell.limit_mib,
        "live": cell.live_percent,
        "duty": SPINS[cell.speed] or "",
    }


def _ask(cell: Memory, load: subprocess.Popen[bytes], when: str, policy: Policy | None) -> dict[str, Any]:
    (process,) = cgtune.inspect([load.pid]).processes
    snapshot = process.snapshot.replace(go=tuple(_without_limit(facts) for facts in process.snapshot.go))
    (judged,) = judge_processes((process.replace(snapshot=snapshot),), policy)
    return _row_of(cell) | {"when": when} | _facts(judged)


def _without_limit(facts: GoFacts) -> GoFacts:
    """The same runtime as if it had no GOMEMLIMIT."""
    kept = tuple(pair for pair in facts.derived.variables or () if pair[0] != "GOMEMLIMIT")
    settings = tuple(one.replace(derived="off", observed="off") if one.name == "GOMEMLIMIT" else one for one in facts.settings)
    return facts.replace(derived=facts.derived.replace(variables=kept), settings=settings)


def _facts(process: ProcessReport) -> dict[str, Any]:
    """What is recommended, and what that rests on."""
    snapshot, advice = process.snapshot, process.recommendations[1]
    level, observed = snapshot.charged_level, snapshot.go[0].observed
    assert level is not None
    said = {
        "age": snapshot.process.age_seconds,
        "gomemlimit": advice.value,
        "set": advice.set,
        "doubt": advice.doubt,
        "current": level.current_bytes,
        "peak": level.peak_bytes,
        "refaults": level.refaults,
        "go_mapped": observed.mapped_bytes,
        "heap_marked": observed.heap_marked_bytes,
        **({name: getattr(level.parts, name) for name in PARTS} if level.parts is not None else {}),
    }
    return {name: "" if value is None else value for name, value in said.items()}
