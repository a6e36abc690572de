"""The stories below fixtures/cgroupfs (fixtures/README.md tells their shape), and ``python -m tests.support.stories [STORY...]``.

That command, as ``scripts/expected``, writes the report in each expected.json anew from what cgtune says now, and names those that
changed, for a person to review.
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

from cgtune import api
from cgtune.model import Report
from tests.support import inside
from tests.support.command import ROOT

STORIES = ROOT / "fixtures" / "cgroupfs"


def names() -> list[str]:
    """Every story, sorted."""
    return sorted(folder.name for folder in STORIES.iterdir() if folder.is_dir())


def read_expected(name: str) -> dict[str, Any]:
    """A story's expected.json."""
    expected: dict[str, Any] = json.loads((STORIES / name / "expected.json").read_text("utf-8"))
    return expected


@functools.cache
def report(name: str) -> Report:
    """What is known of a story's process, read once for all tests: a report is one value, and nobody can change it."""
    return api.inspect([pid_of(name)], root=str(STORIES / name))


@functools.cache
def pid_of(name: str) -> int:
    """The process that a story is about."""
    return int(read_expected(name)["arguments"][1])


def inspect(name: str, *, root: Path | None = None, format_: str = "json") -> inside.Done:
    """What the command line says of a story, asked once for all tests, or of a tree that may be a changed copy of it, asked each time."""
    return _ask(name, STORIES / name, format_) if root is None else _ask.__wrapped__(name, root, format_)


@functools.cache
def _ask(name: str, root: Path, format_: str) -> inside.Done:
    return inside.run("inspect", "--root", root, "--format", format_, *read_expected(name)["arguments"])


def without_version(report: dict[str, Any]) -> dict[str, Any]:
    """The report as expected.json keeps it: a release changes no story."""
    return {key: value for key, value in report.items() if key not in ("cgtune", "go_checked")}


def main() -> int:
    """Write the named stories' reports anew, or all; says which changed."""
    for name in sys.argv[1:] or names():
        expected = read_expected(name)
        report = without_version(inside.parse_report(inspect(name)))
        if report != expected["report"]:
            print(f"changed: {name}")
            text = json.dumps(expected | {"report": report}, indent=2, ensure_ascii=False) + "\n"
            (STORIES / name / "expected.json").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
