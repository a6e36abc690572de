"""The work of scripts/mutants: reads the table, makes copies of the checkout, and runs the expected killers of each mutant."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "scripts" / "mutants.table"

#: What a checkout holds beside its files, and the tests do not need.
_LEFT_OUT = (".git", ".venv", "dist", ".coverage", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache")

#: A mutant may loop for ever; its killers take seconds.
_PATIENCE_SECONDS = 300

#: Fewer drawn examples: a mutant that only a lucky draw kills is not held.
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--fast")


class TableError(ValueError):
    """A line of the table that says nothing, or a mutant that cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One changed line: ``old`` stands once in ``file``; ``killers`` are arguments of pytest."""

    file: str
    old: str
    new: str
    killers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.old} -> {self.new}"

    def apply(self, text: str) -> str:
        """The text of the file with the new line. Raises TableError if the old one is not there just once, or the new one is no Python."""
        if text.count(self.old) != 1:
            raise TableError(f"{self}: the old line stands there {text.count(self.old)} times")
        changed = text.replace(self.old, self.new)
        try:
            compile(changed, self.file, "exec")
        except SyntaxError as error:
            raise TableError(f"{self}: {error}") from error
        return changed


def parse_table(text: str) -> tuple[Mutant, ...]:
    """The mutants of a table: `@ FILE KILLER...`, then for each mutant `- OLD` and `+ NEW`. Blank lines and `#` lines say nothing."""
    mutants: list[Mutant] = []
    file, killers, old = "", (), ""
    for number, line in enumerate(text.splitlines(), 1):
        mark, _, rest = line.partition(" ")
        if mark == "@":
            file, *named = rest.split()
            killers = tuple(named)
        elif mark == "-" and killers and not old:
            old = rest
        elif mark == "+" and old:
            mutants.append(Mutant(file=file, old=old, new=rest, killers=killers))
            old = ""
        elif line and not line.startswith("#"):
            raise TableError(f"line {number} of the table: {line!r}")
    if old:
        raise TableError(f"the last line of the table has no new one: {old!r}")
    return tuple(mutants)


def choose_share(mutants: Sequence[Mutant], share: str) -> list[Mutant]:
    """Every M-th mutant, from the N-th on, of "N/M"."""
    number, _, of = share.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise TableError(f"--share {share!r} is not N/M with N from 1 to M; example: --share 3/14")
    return list(mutants[int(number) - 1 :: int(of)])


class Copy:
    """A copy of the checkout in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))

    def run(self, killers: Sequence[str]) -> tuple[int, str]:
        """Returns (the exit status of pytest on these, -1 if it took too long; the tests that failed)."""
        argv = [sys.executable, "-m", "pytest", *_OPTIONS, *killers]
        environ = {name: value for name, value in os.environ.items() if name not in ("CI", "CGTUNE_REQUIRE_LIVE")}
        try:
            done = subprocess.run(argv, cwd=self.root, env=environ, capture_output=True, text=True, timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return -1, f"no end after {_PATIENCE_SECONDS} s"
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return done.returncode, "; ".join(failed)

    def judge(self, mutant: Mutant) -> str:
        """Whether it was killed or survived, or what went wrong."""
        place = self.root / mutant.file
        whole = place.read_text()
        try:
            changed = mutant.apply(whole)
        except TableError as error:
            return f"error: {error}"
        self._write(place, changed)
        try:
            status, _ = self.run(mutant.killers)
        finally:
            self._write(place, whole)
        return {0: "survived", 1: "killed", -1: "killed"}.get(status, f"error: pytest ended with {status}")

    @staticmethod
    def _write(place: Path, text: str) -> None:
        # Python knows a compiled file by the second and the size of its source; a mutant of the same length would not be seen.
        place.write_text(text)
        for compiled in (place.parent / "__pycache__").glob(f"{place.stem}.*.pyc"):
            compiled.unlink()


def main(argv: Sequence[str]) -> int:
    """Try the mutants that were asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description="Would a test notice?")
    parser.add_argument("--share", default="1/1", help="every M-th mutant, from the N-th on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many at once")
    parser.add_argument("words", nargs="*", help="only mutants whose file or line holds one of these")
    options = parser.parse_args(argv)
    try:
        mutants = choose_share(parse_table(TABLE.read_text()), options.share)
    except TableError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 3
    mutants = [each for each in mutants if not options.words or any(word in str(each) for word in options.words)]
    began = time.monotonic()
    answers: dict[Mutant, str] = {}
    with tempfile.TemporaryDirectory(prefix="cgtune-mutants-") as folder, ThreadPoolExecutor(max(1, options.jobs)) as pool:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(max(1, options.jobs)):
            copies.put(Copy(Path(folder, str(number))))

        def judge(mutant: Mutant) -> tuple[Mutant, str]:
            copy = copies.get()
            try:
                return mutant, copy.judge(mutant)
            finally:
                copies.put(copy)

        def run(killers: tuple[str, ...]) -> tuple[tuple[str, ...], int, str]:
            copy = copies.get()
            try:
                return killers, *copy.run(killers)
            finally:
                copies.put(copy)

        # A killer that fails without any mutant would kill them all.
        runs = pool.map(run, sorted({each.killers for each in mutants}))
        broken = {killers: said for killers, status, said in runs if status}
        for killers, said in broken.items():
            print(f"error: fails without any mutant: {' '.join(killers)}: {said}", flush=True)
        answers.update((mutant, "error") for mutant in mutants if mutant.killers in broken)
        for mutant, answer in pool.map(judge, [each for each in mutants if each.killers not in broken]):
            answers[mutant] = answer
            if answer != "killed":
                print(f"{answer}: {mutant} (expected killer: {' '.join(mutant.killers)})", flush=True)
    counts = {name: sum(answer.startswith(name) for answer in answers.values()) for name in ("killed", "survived", "error")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"mutants: {len(answers)} tried in {time.monotonic() - began:.0f} s: {said}")
    return 3 if counts["error"] else 1 if counts["survived"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the copies are removed then, too
    sys.exit(main(sys.argv[1:]))
