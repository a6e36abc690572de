"""An engine that fuzzes parsers: mutants of known inputs, of which nothing but a value or our own error may come, cheaply.

A mutant is a known input, changed in a few places. One in sixteen is watched while it is parsed: if it reaches lines that none before it
has reached, it becomes a known input itself. ``--guided`` hands the parsers to libFuzzer instead, which watches each input (fuzz_guided).
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NamedTuple, Protocol

from cgtune.errors import CgtuneError
from tests.support.cost import cpu_seconds

LONGEST_MESSAGE = 700  # 80 letters of an input are quoted at most, each as `\\udcff` if need be
MOST_SECONDS, MOST_BYTES = 0.5, 16 << 20  # of one input; a whole process may cost 0.25 s and 16 MiB, but machines that test are slow
_LARGEST_BYTES = 1 << 16
_MOST_KNOWN = 2000
_WATCHED, _WEIGHED = 16, 64  # one in so many
_NUMBERS = b"0|1|-1|00|1.5|1e3|2147483648|9007199254740993|9223372036854775807|18446744073709551616|1e400|-0|NaN|0x10|max|4294967296".split(
    b"|"
)
_PIECES = (
    b"\n|\r\n|\0| |\t|:|/|/..|..| - |,|-|=|\"|'|\\|\\040|\\999|\\x|{|}|[|]|(|)|$|${A:-|%|#|;|&a |*a|<<|---\n|!!|>|~|@|\xff"
    b"|\xed\xa0\x80|\xe2\x80\xae|\xd9\xa3|\x1b[2J|\xef\xbb\xbf|\xc2\x85|null|true|cgroup2 |cgroup x rw,cpu|(deleted)|go1.27.3|Ki|m|%|K|kB"
).split(b"|")


class Case(Protocol):
    """One input and what parses it."""

    def run(self) -> str:
        """Parse it. Returns what came of it, in a word; raises what must not be raised."""
        ...

    def bytes(self) -> bytes:
        """The input, to keep it if it found something."""
        ...


class Parser(Protocol):
    """Something that parses, with the inputs that are known."""

    @property
    def name(self) -> str:
        """How ``scripts/fuzz`` names it."""
        ...

    def draw(self, chance: random.Random) -> Case:
        """A mutant of a known input."""
        ...

    def learn(self, case: Case) -> None:
        """That input has reached what none before it has: know it from now on."""
        ...


class Tally(NamedTuple):
    """What came of the cases of one parser. Times are CPU time; the fattest is the input that allocated most at once, of those weighed."""

    name: str
    cases: int
    outcomes: dict[str, int]
    learnt: int
    slowest_seconds: float
    slowest: bytes
    fattest_bytes: int
    fattest: bytes

    def words(self) -> str:
        """One line for a person."""
        came = ", ".join(f"{count} {word}" for word, count in sorted(self.outcomes.items()))
        slow, fat = (f"{len(data)} bytes {data[:40]!r}" for data in (self.slowest, self.fattest))
        return (
            f"{self.name}: {self.cases} executions ({came}), {self.learnt} inputs learnt;"
            f" slowest {self.slowest_seconds * 1000:.2f} ms: {slow}; fattest {self.fattest_bytes / 1024:.0f} KiB: {fat}"
        )


class Bytes(NamedTuple):
    """A case of a parser that takes bytes."""

    parse: Callable[[bytes], object]
    data: bytes

    def run(self) -> str:
        """Parse it; an error of ours is an outcome, if it is fit to be told."""
        try:
            self.parse(self.data)
        except CgtuneError as error:
            check_message(error)
            return "refused"
        return "taken"

    def bytes(self) -> bytes:
        """The input."""
        return self.data


class BytesParser:
    """A parser of bytes. ``known`` are inputs from fixtures and tests, and grow by what is learnt."""

    def __init__(self, name: str, parse: Callable[[bytes], object], known: Sequence[bytes]) -> None:
        self.name, self.parse, self.known = name, parse, list(known)

    def draw(self, chance: random.Random) -> Case:
        """A mutant of a known input."""
        return Bytes(self.parse, mutate(chance.choice(self.known), self.known, chance))

    def learn(self, case: Case) -> None:
        """Know it from now on."""
        if len(self.known) < _MOST_KNOWN:
            self.known.append(case.bytes())


def check_message(error: CgtuneError) -> None:
    """An error of ours is one printable line of bounded length."""
    if not str(error).isprintable() or len(str(error)) > LONGEST_MESSAGE:
        raise AssertionError(f"a message that nobody can be told: {str(error)[:200]!a}, {len(str(error))} letters")


def mutate(data: bytes, known: Sequence[bytes], chance: random.Random) -> bytes:
    """``data``, changed in a few places, or joined with another of ``known``."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 9, 20))):
        _change(made, known, chance)
    return bytes(made[:_LARGEST_BYTES])


def _change(made: bytearray, known: Sequence[bytes], chance: random.Random) -> None:
    size, kind = len(made), chance.randrange(10)
    at = chance.randrange(size + 1)
    if kind == 0 and at < size:
        made[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < size:
        made[at] = chance.choice((0, 1, 9, 10, 32, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    elif kind == 2:
        made[at:at] = chance.choice(_PIECES)
    elif kind == 3:
        del made[at : at + chance.choice((1, 2, 4, 16, 64, size))]
    elif kind == 4:
        start = chance.randrange(size + 1)
        made[at:at] = made[start : start + chance.choice((1, 4, 16, 64, 256))]
    elif kind == 5 and size > 8:
        width = chance.choice((2, 4, 8))
        number = chance.choice((0, 1, (1 << 8 * width) - 1, 1 << 8 * width - 1, chance.randrange(70000) & ((1 << 8 * width) - 1)))
        at = chance.randrange(size - width)
        made[at : at + width] = number.to_bytes(width, chance.choice(("little", "big")))
    elif kind == 6 and (found := re.compile(rb"-?\d+(?:\.\d+)?").search(made, min(at, max(size - 40, 0)))) is not None:
        made[found.start() : found.end()] = chance.choice(_NUMBERS)
    elif kind == 7 and size < 20000:
        made[at:at] = chance.choice((*_PIECES, *_NUMBERS)) * chance.choice((2, 10, 100, 1000))
    elif kind == 8:
        other = chance.choice(known)
        start = chance.randrange(len(other) + 1)
        made[at:] = other[start:]
    elif kind == 9 and chance.random() < 0.3:
        made += made[:2000]


def fuzz(parser: Parser, *, cases: int | None = None, seconds: float = 0, seed: int = 1) -> Tally:
    """Run so many cases, or as many as fit into so many seconds. Raises AssertionError, with seed and input, for what must not be."""
    chance = random.Random(seed)
    lines: set[object] = set()
    outcomes: dict[str, int] = {}
    number = learnt = heaviest = 0
    longest, slowest, fattest = 0.0, b"", b""
    end = time.monotonic() + seconds
    while number < cases if cases is not None else time.monotonic() < end:
        case = parser.draw(chance)
        watched, weighed = number % _WATCHED == 0, number % _WEIGHED == 1
        began = time.process_time()
        try:
            outcome, seen, weight = _run(case, watched=watched, weighed=weighed)
        except Exception as error:
            raise AssertionError(f"{parser.name}, seed {seed}, case {number}: {case.bytes()!r:.2000}") from error
        spent = time.process_time() - began
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if not seen <= lines:
            lines |= seen
            parser.learn(case)
            learnt += 1
        if spent > longest and not (watched or weighed) and (spent := min(spent, cpu_seconds(case.run))) > longest:
            longest, slowest = spent, case.bytes()
            weight = _run(case, weighed=True)[2]
            if spent > MOST_SECONDS:
                raise AssertionError(f"{parser.name}, seed {seed}, case {number} takes {spent:.1f} s: {case.bytes()!r:.2000}")
        if weight > heaviest:
            heaviest, fattest = weight, case.bytes()
            if weight > MOST_BYTES:
                raise AssertionError(f"{parser.name}, seed {seed}, case {number} takes {weight >> 20} MiB: {case.bytes()!r:.2000}")
        number += 1
    return Tally(parser.name, number, outcomes, learnt, longest, slowest, heaviest, fattest)


def main(parsers: Sequence[Parser], words: Sequence[str]) -> int:
    """``[PARSER...] [--seconds S | --cases N] [--seed N]``: runs them in turn, a line for each and the sum. Returns the exit code."""
    options = argparse.ArgumentParser(prog="scripts/fuzz", description="Mutated inputs against every parser.")
    options.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(parser.name for parser in parsers))
    options.add_argument("--seconds", type=float, default=10, help="for each parser (10)")
    options.add_argument("--cases", type=int, help="so many for each parser instead")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--guided", action="store_true", help="by libFuzzer, if atheris is installed; not for executables")
    given = options.parse_args(words)
    chosen = [parser for parser in parsers if parser.name in given.parsers or not given.parsers]
    if unknown := set(given.parsers) - {parser.name for parser in chosen}:
        options.error(f"no parser {', '.join(sorted(unknown))}")
    if given.guided:
        told = [str(max(1, round(given.seconds))), str(given.seed)]
        guided = [[sys.executable, "-m", "tests.support.fuzz_guided", each.name, *told] for each in chosen if isinstance(each, BytesParser)]
        codes = [subprocess.run(line, check=False).returncode for line in guided]
        return 1 if any(codes) else 0
    total = found = 0
    for parser in chosen:
        try:
            tally = fuzz(parser, cases=given.cases, seconds=given.seconds, seed=given.seed)
        except AssertionError as error:
            found += 1
            print(f"{parser.name}: FOUND {error}")
            traceback.print_exception(error.__cause__, limit=-4)
            continue
        total += tally.cases
        print(tally.words(), flush=True)
    print(f"{total} executions of {len(chosen) - found} parsers; {found} found something", flush=True)
    return 1 if found else 0


def _run(case: Case, *, watched: bool = False, weighed: bool = False) -> tuple[str, set[object], int]:
    """Returns (the outcome, the lines reached if it is watched, the most bytes allocated at once if it is weighed)."""
    seen: set[object] = set()
    if weighed:
        tracemalloc.start()
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if "/cgtune/" not in frame.f_code.co_filename:
            return None
        seen.add((frame.f_code, frame.f_lineno))
        return trace

    try:
        if watched and before is None:  # a run that measures coverage watches already
            sys.settrace(trace)
        outcome = case.run()
        return outcome, seen, tracemalloc.get_traced_memory()[1] if weighed else 0
    finally:
        sys.settrace(before)
        if weighed:
            tracemalloc.stop()
