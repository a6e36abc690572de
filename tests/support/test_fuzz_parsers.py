"""A quick share of what scripts/fuzz does at length, and the engine's own promises."""

from __future__ import annotations

import ast
import random
import sys
import time
from collections.abc import Iterator

import pytest

from cgtune.errors import Malformed
from tests.support.command import ROOT
from tests.support.fuzz_parsers import parsers
from tests.support.fuzzing import Bytes, BytesParser, fuzz, main, mutate

PARSERS = {parser.name: parser for parser in parsers()}
#: Those that no text reaches by itself: executables (fuzz_elf), and what only hands on values that others have parsed.
ELSEWHERE = {
    "parse_elf": "fuzz_elf",
    "parse_image": "fuzz_elf, by read_go_image",
    "parse_function_table": "fuzz_elf, by locate_live_words",
    "parse_chosen_policy": "hands options to parse_policy",
    "parse_optional": "makes a note of what another parser raises",
    "parse_part": "parse_documents, by part",
    "parse_program": "parse_programs, for one",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_mutants_do_no_harm(name: str) -> None:
    """Hundreds of mutants of each parser's known inputs give a value or an error of ours, in little time and memory."""
    assert fuzz(PARSERS[name], cases=60 if name == "archives" else 400, seed=1).cases >= 60


@pytest.mark.parametrize("name", PARSERS)
def test_known_inputs_are_taken(name: str) -> None:
    """What mutants are made of reaches the parser: of its known inputs it takes at least one."""
    parser = PARSERS[name]
    assert "taken" in {Bytes(parser.parse, data).run() for data in parser.known}


def _parsers_of_the_project() -> Iterator[str]:
    for path in sorted((ROOT / "cgtune").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("parse_"):
                yield node.name


def test_every_parser_is_fuzzed() -> None:
    """Each parse_ function of cgtune is named where mutants are run, or said to be reached elsewhere; kernel's are in a table."""
    tree = ast.parse((ROOT / "tests" / "support" / "fuzz_parsers.py").read_text())
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    kernels = {
        name for name in ast.walk(ast.parse((ROOT / "cgtune" / "cgroups" / "kernel.py").read_text())) if isinstance(name, ast.FunctionDef)
    }
    found = set(_parsers_of_the_project())
    assert found - named - set(ELSEWHERE) == {function.name for function in kernels} & (found - named)
    assert set(ELSEWHERE) <= found


def test_same_seed_same_mutants() -> None:
    """A finding can be had again by its seed."""
    known = [b"250000 100000\n", b"max 100000\n"]
    first, again = ([mutate(known[0], known, chance) for _ in range(50)] for chance in (random.Random(7), random.Random(7)))
    assert first == again
    assert len(set(first)) > 25


@pytest.mark.slow
@pytest.mark.parametrize("what", ["raises", "steers", "hangs", "swells"])
def test_the_engine_finds(what: str) -> None:
    """An error that is not ours, a message with control characters, and an input that takes too long or too much are found."""

    def parse(data: bytes) -> None:
        if what == "raises":
            int(data)
        elif what == "steers":
            raise Malformed("\x1b[2J")
        elif what == "hangs":
            end = time.process_time() + 0.6 * (len(data) > 40)
            while time.process_time() < end:
                pass
        else:
            bytes((17 << 20) * (len(data) > 40))

    with pytest.raises(AssertionError, match="seed 3, case"):
        fuzz(BytesParser("weak", parse, [b"1" * 40]), cases=300, seed=3)


def test_the_engine_learns() -> None:
    """An input that reaches new lines is known from then on: what lies behind three guesses is found."""
    parser = PARSERS["quantities"]
    fresh = BytesParser("quantities", parser.parse, [b"\x000"])
    counting = sys.gettrace()
    sys.settrace(None)  # two cannot watch
    try:
        assert fuzz(fresh, cases=2000, seed=1).learnt > 1
    finally:
        sys.settrace(counting)
    assert len(fresh.known) > 2


def test_findings_do_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Each parser has its line, the sum and the exit code say whether anything was found."""
    weak, sound = BytesParser("weak", int, [b"1"]), BytesParser("sound", len, [b"1"])
    assert main([weak, sound], ["--cases", "200"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("weak: FOUND weak, seed 1, case")
    assert lines[1].startswith("sound: 200 executions (200 taken)")
    assert lines[-1] == "200 executions of 1 parsers; 1 found something"
