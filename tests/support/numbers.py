"""Numbers that a kernel, a person or an attacker may write, in each place where one is read, and what is made of them.

``python -m tests.support.numbers`` replaces each number of two stories by each of NUMBERS, makes every output, and prints the count; the
quick share of it is a test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cgtune import api
from cgtune.advice.advise import advise
from cgtune.errors import CgtuneError
from cgtune.limits import enforce
from cgtune.model import GoFacts, Policy, Recommendation, Report
from cgtune.outputs import FORMATS, is_for_people, load_renderer
from cgtune.outputs.layout import Layout
from cgtune.outputs.prometheus import render_report
from cgtune.rules import judge_all
from cgtune.verdict import judge_report
from tests.rules.reports import go_facts
from tests.support import stories
from tests.support.foreigntext import assert_steers_nothing

STORIES = ("v2-ancestor-tighter", "v1-swap-accounting")
NUMBERS = ("0", "1", "-1", str(2**31), str(2**53 + 1), str(2**63 - 1), str(2**64), "9" * 40, "-" + "9" * 19)
MIB = 1 << 20
_FORMATS = [row for row in FORMATS if row.command in ("inspect", "ps", "check")]
_PLAIN = _FORMATS[:1]  # ps lists Go programs alone


def assert_in_range(one: Recommendation, usable: int, limit_bytes: int | None) -> None:
    """A recommended value lies where docs/advice.md says it does."""
    if one.value is None:
        return
    assert isinstance(one.value, int), one
    if one.name == "GOMAXPROCS":
        assert 1 <= one.value <= max(1, usable), one
    elif one.set:
        assert 32 * MIB <= one.value < 2**63, one
        assert limit_bytes is None or one.value < limit_bytes, one
        assert one.value % MIB == 0, one


def judged(report: Report, facts: GoFacts) -> Report:
    """The report as if its process were a Go program with these facts."""
    (process,) = report.processes
    snapshot = process.snapshot.replace(go=(facts,))
    limits = enforce(snapshot)
    made = process.replace(snapshot=snapshot, limits=limits, recommendations=advise(snapshot, limits, Policy()))
    return report.replace(processes=(made.replace(findings=judge_all(made, Policy())),))


def assert_is_sound(report: Report, *, which: int | None = None) -> None:
    """Each output can be made, JSON is strict, and no value lies outside its range. ``which``: one format beside JSON, None: all."""
    for process in report.processes:
        for one in process.recommendations:
            assert_in_range(one, len(process.limits.cpu.usable), process.limits.memory.limit_bytes)
    formats = _FORMATS if all(process.snapshot.go for process in report.processes) else _PLAIN
    chosen = formats if which is None else [formats[which % len(formats)]]
    for row in [next(row for row in _FORMATS if row.name == "json"), *chosen]:
        document = judge_report(report, fail_on="info", ignored=frozenset()) if row.command == "check" else report
        text = load_renderer(row.command, row.name)(document, *((Layout(width=100),) if is_for_people(row.command, row.name) else ()))
        assert_steers_nothing(text)
        assert not re.search(r"\b(nan|inf)\b", text), text
        if row.name in ("json", "sarif"):
            json.loads(text, parse_constant=_refuse)
    assert_steers_nothing(bytes(render_report(report, openmetrics=bool(which and which % 2))).decode())


def _refuse(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


def places(root: Path) -> Iterator[tuple[Path, int, int]]:
    """The first 24 numbers in each file of /proc and /sys below a root: its file, and where they stand in it."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.parent == root:
            continue
        found = list(re.finditer(rb"(?<![\w.])\d+(?:\.\d+)?(?!\w)", path.read_bytes()))
        for number in found[:24]:
            yield path, number.start(), number.end()


def replace_each(story: str, *, step: int) -> int:
    """One of ``step`` numbers in each place of the story, and what comes of them; returns how many were tried."""
    tried = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        shutil.copytree(stories.STORIES / story, root, symlinks=True)
        pid = stories.pid_of(story)
        for place, (path, start, end) in enumerate(places(root)):
            before = path.read_bytes()
            for index, number in enumerate(NUMBERS):
                if (place + index) % step:
                    continue
                tried += 1
                path.write_bytes(before[:start] + number.encode() + before[end:])
                try:
                    report = api.inspect([pid], root=str(root))
                except CgtuneError:  # an essential file
                    continue
                try:
                    assert_is_sound(report, which=tried)
                    assert_is_sound(judged(report, go_facts(minor=24)), which=tried + 1)
                except Exception as error:
                    raise AssertionError(
                        f"{number} in {os.path.relpath(path, root)} at {start}: {type(error).__name__}: {error}"
                    ) from error
            path.write_bytes(before)
    return tried


if __name__ == "__main__":
    for name in STORIES:
        print(f"{name}: {replace_each(name, step=1)} numbers")
