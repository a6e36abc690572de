"""scripts/real-programs finds what is wrong: each verdict is given for its reason, and only for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.realprograms.fetch import LIBRARIES
from tests.support.realprograms.judge import as_document, count, judge, render_text
from tests.support.realprograms.listing import Program, parse_programs, read_programs
from tests.support.realprograms.observe import GIVEN_VALUES, Seen

_HEADER = "registry\tname\tversion\tsha256\tfile\tgo\tkinds\tsets\tlibrary\tshare\targuments\n"


def _program(go: str = "1.26.5", sets: str = "-", kinds: str = "stripped") -> Program:
    (program,) = parse_programs(f"{_HEADER}npm\tthing\t1.0\t{'0' * 64}\tbin/thing\t{go}\t{kinds}\t{sets}\t-\t-\t--version now\n")
    return program


def _report(*, version: str = "1.26.5", derived: int = 2, **observed: int | None) -> dict[str, Any]:
    values = {"GOMAXPROCS": derived, "GOMEMLIMIT": "off", "GOGC": 100}
    settings = {name: {"derived": value, "observed": observed.get(name, value)} for name, value in values.items()}
    live = dict.fromkeys(("heap_goal_bytes", "collections", "goroutines", "queued_goroutines", "idle_procs"), 4)
    return {"go": {"version": version, "live": live}, "settings": settings, "notes": []}


def _counted(**live: int | None) -> dict[str, Any]:
    report = _report()
    report["go"]["live"] = report["go"]["live"] | live if live else None
    return report


def _seen(
    report: dict[str, Any] | None,
    run: str = "plain",
    procs: tuple[int, int, int] | None = (2, 2, 2),
    of: int | None = None,
    collections: tuple[int, int] | None = None,
) -> Seen:
    return Seen("npm:thing@1.0:thing", run, "running", procs, of, report, "ended with 1", collections)


def _row(go: str = "1.26.5", procs: int = 2) -> dict[str, Any]:
    return {"go": go, "settings": {"GOMAXPROCS": {"derived": procs}}}


def _none(**notes: str) -> dict[str, Any]:
    return {"go": None, "settings": {}, "notes": [{"path": path, "why": why} for path, why in notes.items()]}


@pytest.mark.parametrize(
    ("program", "seen", "row", "verdict", "word"),
    [
        (_program(), _seen(_report()), _row(), "agree", ""),
        (_program("1.26.5-X:jsonv2"), _seen(_report()), _row(), "agree", ""),
        (_program(), _seen(_report(GOMAXPROCS=3)), _row(), "wrong", "GOMAXPROCS: cgtune says 3, schedtrace says 2"),
        (_program(), _seen(_report(), procs=(2, 3, 3)), _row(), "wrong", "GOMAXPROCS: cgtune says 2, schedtrace says 3"),
        (_program(), _seen(_report(), of=4), _row(), "wrong", "cgtune says 2, gctrace says 4"),
        (_program(), _seen(_report(derived=4, GOMAXPROCS=2)), _row(), "wrong", "cgtune says 4, the first schedtrace says 2"),
        (_program(sets="GOMAXPROCS"), _seen(_report(derived=4, GOMAXPROCS=2)), _row(procs=4), "agree", "set GOMAXPROCS itself"),
        (_program(), _seen(_report(version="1.26.4")), _row(), "wrong", "the Go version: cgtune says 1.26.4, the list says 1.26.5"),
        (_program(), _seen(_report()), _row("1.26"), "wrong", "predict for here: the Go version"),
        (_program(), _seen(_report()), _row(procs=8), "wrong", "predict for here: GOMAXPROCS: cgtune says 8, schedtrace says 2"),
        (_program(), _seen(_report()), {"error": "is not a Go program"}, "unread", "predict for here: is not a Go program"),
        (_program(kinds="upx"), _seen(_report()), {"error": "is it packed?"}, "agree", "predict for here: is it packed?"),
        (_program("gccgo 12.2.0", kinds="gccgo"), _seen(_report(version="gccgo 12.2.0")), _row("gccgo"), "agree", ""),
        (_program("gccgo 12", kinds="gccgo"), _seen(_report(version="gccgo 12", GOGC=None)), _row("gccgo"), "unread", "GOGC"),
        (_program(), _seen(_counted()), _row(), "unread", "plain: heap_goal_bytes, collections, goroutines,"),
        (_program(), _seen(_counted(goroutines=None)), _row(), "unread", "plain: goroutines: without a note"),
        (_program("1.20.1"), _seen(_counted() | {"go": {"version": "1.20.1", "live": None}}), _row("1.20.1"), "agree", ""),
        (_program(), _seen(_report(), collections=(3, 5)), _row(), "agree", ""),
        (_program(), _seen(_report(), collections=(3, 3)), _row(), "agree", ""),
        (_program(), _seen(_report(), collections=(2, 2)), _row(), "wrong", "the collections: cgtune says 4, gctrace says 3"),
        (_program(), _seen(_report(), collections=(5, 9)), _row(), "wrong", "the collections: cgtune says 4, gctrace says 5"),
        (_program(), _seen(_none()), _row(), "silent", "no Go program, says cgtune"),
        (_program(), _seen(_none(exe="smells of Go")), _row(), "unread", "exe: smells of Go"),
        (_program("1.16.3"), _seen(_none(exe="too old")), _row("1.16.3"), "older", "exe: too old"),
        (_program("1.16.3"), _seen(_none()), _row("1.16.3"), "silent", "no Go program"),
        (_program(), _seen(_report(GOGC=None)), _row(), "unread", "GOGC: without a note"),
        (_program(), _seen(None, procs=None), _row(), "unheld", "plain: ended with 1"),
        (_program(), _seen(None), _row(), "unread", "plain: ended with 1"),
        (_program(), _seen(_report(GOMAXPROCS=3), procs=(2, 2, 3)), _row(), "agree", "changed from 2 to 3 during the look"),
        (_program(), _seen(_report(GOMAXPROCS=9), procs=(2, 2, 3)), _row(), "wrong", "during the look, cgtune says 9"),
    ],
)  # fmt: skip
def test_each_verdict_has_its_reason(program: Program, seen: Seen, row: dict[str, Any], verdict: str, word: str) -> None:
    """A number that differs from its witness is wrong, whichever it is; what is missing is told apart by whether a note says so."""
    judged = judge(program, {"plain": seen}, {"here": row})
    assert judged.verdict == verdict
    assert word in "\n".join(judged.words)


@pytest.mark.parametrize(("name", "value"), GIVEN_VALUES.items())
def test_what_the_environment_gave_has_to_be_there(name: str, value: int) -> None:
    """Of a run with variables each value is held against the variable, unless the program is known to overrule it."""
    right, wrong = _report(derived=5), _report(derived=5)
    for setting, given in GIVEN_VALUES.items():
        right["settings"][setting]["observed"] = given
        wrong["settings"][setting]["observed"] = value + 1 if setting == name else given
    assert judge(_program(), {"given": _seen(right, "given", (5, 5, 5))}, {}).verdict == "agree"
    assert judge(_program(), {"given": _seen(wrong, "given", (5, 5, 5))}, {}).verdict == "wrong"
    if name != "GOMAXPROCS":  # its witness is the runtime itself, whoever set it
        assert judge(_program(sets=name), {"given": _seen(wrong, "given", (5, 5, 5))}, {}).verdict == "agree"


def test_the_worst_verdict_is_the_programs_and_the_totals_count_programs() -> None:
    """One wrong number among right ones makes the program wrong; text and JSON count the same."""
    judged = [judge(_program(), {"plain": _seen(_report()), "given": _seen(_report(GOMAXPROCS=1), "given")}, {"here": _row()})]
    assert count(judged) == {"wrong": 1, "silent": 0, "unread": 0, "older": 0, "unheld": 0, "unfetched": 0, "agree": 0}
    assert "1 programs of 1 packages, 1 Go versions: 1 wrong, " in render_text(judged, "here")
    assert as_document(judged, "here")["totals"]["wrong"] == 1


def test_the_list_is_whole() -> None:
    """At least 120 packages, each program once, pinned by version and checksum, of every kind; ten small ones for CI, none from npm."""
    programs = read_programs()
    assert len({program.package for program in programs}) >= 120
    assert len({program.key for program in programs}) == len(programs)
    assert all(len(program.sha256) == 64 and re.fullmatch(r"(gccgo |1\.)\d+(\.\d+)*(-X:\w+)?", program.go) for program in programs)
    assert {program.registry for program in programs} == {"debian", "pypi", "npm"}
    kinds = {kind for program in programs for kind in program.kinds}
    assert kinds == {
        *("plain", "stripped", "pie", "cgo", "no-build-info", "upx", "gccgo", "gopath", "automaxprocs", "automemlimit", "goexperiment"),
    }
    assert {program.library for program in programs} - {None} == set(LIBRARIES)
    small = [program for program in programs if program.share == "small"]
    assert (len(small), {program.registry for program in small}) == (10, {"debian", "pypi"})
