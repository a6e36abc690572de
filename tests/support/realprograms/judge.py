"""Holds what cgtune said of real programs against the witnesses: the runtime's traces, the environment that was given, the pinned version.

The verdicts, worst first, are explained by ``scripts/real-programs --help``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.support.realprograms.listing import Program
from tests.support.realprograms.observe import GIVEN_VALUES, Seen

# Worst first: a program gets the first of which something was found.
VERDICTS = ("wrong", "silent", "unread", "older", "unheld", "unfetched", "agree")
_FIRST_COUNTED, _LAST_COUNTED = 21, 27
_COUNTS = ("heap_goal_bytes", "collections", "goroutines", "queued_goroutines", "idle_procs")
_FIRST_READ = 19  # and the first that knows GOMEMLIMIT


class Judged(NamedTuple):
    """One program: the verdict, how many numbers were compared, how it was held, and what there is to say, in words."""

    program: Program
    verdict: str
    readings: int
    way: str
    procs: str
    words: tuple[str, ...]


class _Sheet:
    """What is found while one program is judged."""

    def __init__(self) -> None:
        self.readings = 0
        self.found: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
        self.remarks: list[str] = []

    def compare(self, what: str, said: object, witness: object, by: str) -> None:
        self.readings += 1
        if said != witness:
            self.found["wrong"].append(f"{what}: cgtune says {said}, {by} says {witness}")


def judge(program: Program, seen: Mapping[str, Seen], rows: Mapping[str, dict[str, Any]]) -> Judged:
    """``seen`` by run, ``rows`` (of ``cgtune predict --binary``) by the name of the place that they are for."""
    sheet = _Sheet()
    for place, row in rows.items():
        _judge_static(program, place, row, seen.get("plain"), sheet)
    for run, one in seen.items():
        if one.procs is None or one.report is None:
            sheet.found["unheld" if one.procs is None else "unread"].append(f"{run}: {one.why}")
        else:
            _judge_live(program, run, one, one.report, sheet)
    verdict = next((verdict for verdict in VERDICTS if sheet.found[verdict]), "agree")
    words = [f"{verdict}: {word}" for verdict in VERDICTS for word in sheet.found[verdict]] + sheet.remarks
    ways = dict.fromkeys(one.way or "-" for one in seen.values())
    return Judged(program, verdict, sheet.readings, "/".join(ways), _procs(seen), tuple(words))


def _judge_static(program: Program, place: str, row: dict[str, Any], seen: Seen | None, sheet: _Sheet) -> None:
    if "error" in row:
        # A packed file has nothing but the packer's code to show: all that is asked is that it is not passed over in silence when it runs.
        words = sheet.remarks if "upx" in program.kinds else sheet.found[_missing(program, row["error"])]
        words.append(f"predict for {place}: {row['error']}")
        return
    # The version of gccgo is that of its library.
    version = "gccgo" if "gccgo" in program.kinds else _base(program.go)
    sheet.compare(f"predict for {place}: the Go version", _base(row["go"]), version, "the list")
    if seen is not None and seen.procs is not None and not _sets(program, "GOMAXPROCS"):
        sheet.compare(f"predict for {place}: GOMAXPROCS", row["settings"]["GOMAXPROCS"]["derived"], seen.procs[0], "schedtrace")


def _judge_live(program: Program, run: str, seen: Seen, report: dict[str, Any], sheet: _Sheet) -> None:
    assert seen.procs is not None
    notes = "; ".join(dict.fromkeys(f"{note['path']}: {note['why']}" for note in report["notes"]))
    if not report["go"]:
        sheet.found[_missing(program, notes) if notes else "silent"].append(
            f"{run}: no Go program, says cgtune{': ' + notes if notes else ''}"
        )
        return
    sheet.compare(f"{run}: the Go version", _base(report["go"]["version"]), _base(program.go), "the list")
    _judge_procs(program, run, seen, report, notes, sheet)
    if _FIRST_COUNTED <= _minor(program.go) <= _LAST_COUNTED:
        _judge_counts(run, seen, report["go"]["live"], notes, sheet)
    for name in ("GOMEMLIMIT", "GOGC"):
        setting = report["settings"][name]
        if name == "GOMEMLIMIT" and _minor(program.go) < _FIRST_READ:
            continue
        if setting["observed"] is None:
            sheet.found[_missing(program, notes)].append(f"{run}: {name}: {notes or 'without a note'}")
        elif run == "given" and not _sets(program, name):
            sheet.compare(f"given: {name}", setting["observed"], GIVEN_VALUES[name], "the environment")
        elif setting["observed"] != setting["derived"]:
            sheet.remarks.append(f"{run}: {name} {setting['derived']} by the environment, {setting['observed']} now")


def _judge_counts(run: str, seen: Seen, live: dict[str, Any] | None, notes: str, sheet: _Sheet) -> None:
    """What collector and scheduler count: all of it is there, and the collections are those that gctrace told."""
    missing = [name for name in _COUNTS if live is None or live[name] is None]
    if missing:
        sheet.found["unread"].append(f"{run}: {', '.join(missing)}: {notes or 'without a note'}")
    if live is not None and live["collections"] is not None and seen.collections is not None:
        before, after = seen.collections
        witness = min(max(live["collections"], before), after + 1)  # the last is told a moment after it was counted
        sheet.compare(f"{run}: the collections", live["collections"], witness, "gctrace")


def _judge_procs(program: Program, run: str, seen: Seen, report: dict[str, Any], notes: str, sheet: _Sheet) -> None:
    assert seen.procs is not None
    first, before, after = seen.procs
    setting = report["settings"]["GOMAXPROCS"]
    if setting["observed"] is None:
        sheet.found[_missing(program, notes)].append(f"{run}: GOMAXPROCS: {notes or 'without a note'}")
    elif before == after:
        sheet.compare(f"{run}: GOMAXPROCS", setting["observed"], after, "schedtrace")
        if seen.collection_procs is not None:
            # A collection before the program changed it may have had the first value.
            sheet.compare(f"{run}: GOMAXPROCS", setting["observed"] if seen.collection_procs != first else first, seen.collection_procs,
                          "gctrace")  # fmt: skip
    else:
        sheet.readings += 1
        verdict = sheet.remarks if setting["observed"] in (before, after) else sheet.found["wrong"]
        verdict.append(f"{run}: GOMAXPROCS changed from {before} to {after} during the look, cgtune says {setting['observed']}")
    if not _sets(program, "GOMAXPROCS"):
        sheet.compare(f"{run}: the derived GOMAXPROCS", setting["derived"], first, "the first schedtrace")
    if setting["derived"] != after:
        sheet.remarks.append(f"{run}: the program set GOMAXPROCS itself: {setting['derived']} by the environment, {after} now")


def _missing(program: Program, notes: str) -> str:
    """The verdict for a number that is not there."""
    return "older" if notes and _minor(program.go) < _FIRST_READ and "gccgo" not in program.kinds else "unread"


def _sets(program: Program, name: str) -> bool:
    return name in program.sets


def _base(version: str | None) -> str:
    """1.26.5 of 1.26.5-X:jsonv2."""
    return re.sub("[- ]X:.*", "", version or "")


def _minor(version: str) -> int:
    """26 of 1.26.5; 0 of gccgo, which has versions of its own."""
    found = re.match(r"1\.(\d+)", version)
    return int(found[1]) if found else 0


def _procs(seen: Mapping[str, Seen]) -> str:
    """Observed=witness of each run: "2=2 5=5"."""
    parts = []
    for one in seen.values():
        said = one.report["settings"]["GOMAXPROCS"]["observed"] if one.report and one.report["go"] else None
        parts.append(f"{'-' if said is None else said}={'-' if one.procs is None else one.procs[2]}")
    return " ".join(parts)


def count(judged: Iterable[Judged]) -> dict[str, int]:
    """How many programs got each verdict."""
    verdicts = [one.verdict for one in judged]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def render_text(judged: Sequence[Judged], heading: str) -> str:
    """One line a program, with its words below, and the totals."""
    lines = [heading]
    for one in judged:
        program = one.program
        name = f"{program.registry} {program.name} {program.version} {program.file.rpartition('/')[2]}"
        lines.append(f"{one.verdict:<9} {name:<70} {program.go:<14} {one.way:<8} {one.procs}".rstrip())
        lines += [f"          {word}" for word in one.words]
    return "\n".join([*lines, render_totals(judged)]) + "\n"


def render_totals(judged: Sequence[Judged]) -> str:
    """One line."""
    packages = len({one.program.package for one in judged})
    versions = len({one.program.go for one in judged})
    counts = ", ".join(f"{number} {verdict}" for verdict, number in count(judged).items())
    readings = sum(one.readings for one in judged)
    return f"{len(judged)} programs of {packages} packages, {versions} Go versions: {counts}; {readings} numbers compared"


def as_document(judged: Sequence[Judged], place: str) -> dict[str, Any]:
    """For ``--format json``."""
    programs = [
        {
            "registry": one.program.registry,
            "name": one.program.name,
            "version": one.program.version,
            "file": one.program.file,
            "go": one.program.go,
            "kinds": sorted(one.program.kinds),
            "verdict": one.verdict,
            "readings": one.readings,
            "held": one.way,
            "procs": one.procs,
            "words": list(one.words),
        }
        for one in judged
    ]
    return {"place": place, "totals": {**count(judged), "readings": sum(one.readings for one in judged)}, "programs": programs}
