"""Looks at held programs through cgtune's own command, several in one call, and writes down what both sides said.

``observe`` runs where the programs run: on this machine, or in the guest of scripts/vm. Judging is done elsewhere (judge.py), from what
is returned here.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.cgroups import Group, Groups
from tests.support.command import PROGRAM, ROOT, environment as without_twins
from tests.support.realprograms.hold import Held, is_stopped, listen
from tests.support.realprograms.listing import Program

# What the second run of each program is given: none of them is what any machine here comes to by itself.
GIVEN = {"GOMAXPROCS": "5", "GOMEMLIMIT": "301MiB", "GOGC": "77"}
GIVEN_VALUES: Mapping[str, int] = {"GOMAXPROCS": 5, "GOMEMLIMIT": 301 << 20, "GOGC": 77}
RUNS: Mapping[str, Mapping[str, str]] = {"plain": {}, "given": GIVEN}
MEMORY_BYTES = 768 << 20
_TRIES = 8  # until one that ends at once was stopped in time


class Broken(Exception):
    """cgtune did not end as a command should; in words."""


# By controller, the version and the mount point of a hierarchy that lends groups (tests/live/cgroups.py)
Lent = Mapping[str, tuple[int, Path]]


class Place(NamedTuple):
    """Where programs run: its CPUs and quota, how many are held at once, how patient to be (1: this machine)."""

    cpus: int
    quota_us: int
    together: int
    patience: float


class Seen(NamedTuple):
    """What one run showed. ``procs``: GOMAXPROCS in the words of the witness: first, before the look, after it; None: not held.

    ``collections``: how many gctrace had told before the look, and after it; None: nobody read on.
    """

    key: str
    run: str
    way: str | None
    procs: tuple[int, int, int] | None
    collection_procs: int | None
    report: dict[str, Any] | None
    why: str
    collections: tuple[int, int] | None = None


def observe(programs: Sequence[Program], place: Place, lent: Lent, say: Callable[[str], None]) -> Iterator[Seen]:
    """Each program once in each of RUNS; those that end too soon are started again to be stopped."""
    for run, environment in RUNS.items():
        again: list[tuple[Program, str]] = []
        for start in range(0, len(programs), place.together):
            batch = programs[start : start + place.together]
            say(f"{run}: {start + 1} to {start + len(batch)} of {len(programs)}: {', '.join(program.name for program in batch)}")
            for seen, program in zip(_look(batch, run, environment, "running", place, lent), batch, strict=True):
                if seen.procs is None:
                    again.append((program, seen.why))
                else:
                    yield seen
        for program, why in again:
            say(f"{run}: {program.name}, which does not stay by itself")
            seen = _hold(program, run, environment, place, lent)
            yield seen._replace(why=why) if seen.procs is None else seen


def _hold(program: Program, run: str, environment: Mapping[str, str], place: Place, lent: Lent) -> Seen:
    """Blocked, else stopped; started anew until it was stopped in time, a few times."""
    # The witness of one that blocks has spoken before the program could set anything.
    ways = ["blocked"] if "GOMAXPROCS" not in program.sets else []
    for way in (*ways, *["stopped"] * (_TRIES - 1)):
        (seen,) = _look([program], run, environment, way, place, lent)
        if seen.procs is not None:
            return seen
    return _look([program], run, environment, "stopped", place, lent)[0]


def _look(
    programs: Sequence[Program], run: str, environment: Mapping[str, str], way: str, place: Place, lent: Lent
) -> list[Seen]:  # fmt: skip
    held: list[Held] = []
    groups = Groups(lent)
    trace_ms = 100 if place.patience == 1 else 500
    try:
        for slot, program in enumerate(programs):
            group = groups.make(f"program{slot}")
            _limit(group, place)
            held.append(Held(program, group, environment, way, trace_ms, slot))
        settle, began = 1.0 * place.patience, time.monotonic()

        def is_ready(one: Held) -> bool:
            if not one.is_alive():
                return True
            if way == "stopped":
                return bool(one.spoken) and is_stopped(one.pid)
            if way == "blocked":
                return one.waiting_bytes() > 0 and time.monotonic() - began > settle
            return len(one.spoken) >= 2 and one.first_heard is not None and time.monotonic() - one.first_heard > settle

        listen(held, lambda: all(map(is_ready, held)), 15 * place.patience)
        ended = {one.pid: one.collections() for one in held}
        alive = [one for one in held if one.is_alive() and (one.spoken or way == "blocked")]
        reports, said = _inspect(alive, held, 60 * place.patience) if alive else ({}, "")
        for one in alive:
            # One that ended during the look costs the others their report, too: they are looked at alone.
            if one.pid not in reports and one.is_alive() and len(alive) > 1:
                alone, said = _inspect([one], held, 60 * place.patience)
                reports |= alone
        if way == "blocked":
            alive = [one for one in alive if one.is_alive() and one.hear() and one.spoken]
        before = {one.pid: one.spoken[0 if way == "blocked" else -1] for one in alive}
        heard = {one.pid: len(one.spoken) for one in held}
        if way == "running":
            listen(held, lambda: all(len(one.spoken) > heard[one.pid] or not one.is_alive() for one in held), 5 * place.patience)
        return [_seen(one, run, before.get(one.pid), ended[one.pid], reports.get(one.pid), said) for one in held]
    finally:
        for one in held:
            one.end()
        groups.remove()


def _seen(one: Held, run: str, before: int | None, ended: int, report: dict[str, Any] | None, said: str) -> Seen:
    why = ""
    if before is None or (one.way != "blocked" and not one.is_alive()):
        code = one.process.poll()
        said = one.last_words()
        state = f"ended with {code}" if code is not None else "the witness did not speak"
        why = f"{state}{' before the witness had spoken' if code is not None and not one.spoken else ''}{': ' + said if said else ''}"
        return Seen(one.program.key, run, None, None, None, None, why)
    if report is None:
        why = f"cgtune gave no report of it: {said or 'without a word'}"
    procs, collections = (one.spoken[0], before, one.spoken[-1]), (ended, one.collections()) if one.way == "running" else None
    return Seen(one.program.key, run, one.way, procs, one.collection_procs(), report, why, collections)


def _limit(group: Group, place: Place) -> None:
    group.limit_cpu(place.quota_us)
    group.limit_memory(MEMORY_BYTES)


def _inspect(asked: Sequence[Held], held: Sequence[Held], seconds: float) -> tuple[dict[int, dict[str, Any]], str]:
    """(the entry of each program in one report, by pid; what cgtune said beside it). What all programs print meanwhile is read."""
    command = [*PROGRAM, "inspect", "--format", "json"]
    for one in asked:
        command += ["--pid", str(one.pid)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        inspect = subprocess.Popen(command, cwd=ROOT, env=without_twins(), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        listen(held, lambda: inspect.poll() is not None, seconds)
        if inspect.poll() is None:
            inspect.kill()
            inspect.wait()
            raise Broken(f"cgtune inspect took longer than {seconds} s")
        out.seek(0)
        err.seek(0)
        said = err.read().decode(errors="replace")
        if "Traceback" in said or inspect.returncode not in (0, 3):
            raise Broken(f"cgtune inspect ended with {inspect.returncode}: {said.strip()[-400:]}")
        text = out.read()
    if not text:
        return {}, said.strip()
    return {process["pid"]: process for process in json.loads(text)["processes"]}, said.strip()


def predict(path: Path, place: Place) -> dict[str, Any]:
    """The row of ``cgtune predict --binary`` for a file under the limits of a place; {"error": its words} if it gives none."""
    command = [*PROGRAM, "predict", "--binary", str(path), "--format", "json", "--cpus", str(place.cpus)]
    command += ["--cpu-limit", f"{place.quota_us} 100000", "--memory-limit", str(MEMORY_BYTES)]
    done = subprocess.run(command, cwd=ROOT, env=without_twins(), capture_output=True, text=True, timeout=60 * place.patience)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    row: dict[str, Any] = json.loads(done.stdout)["rows"][0]
    return row
