"""The stories below fixtures/cgroupfs (fixtures/README.md tells their shape), and ``python -m tests.support.stories [STORY...]``.

That command, as ``scripts/expected``, writes the report in each expected.json anew from what cgtune says now, and names those that
changed, for a person to review.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


def inspect(name: str, *, root: Path | None = None, format_: str = "json") -> inside.Done:
    """What the command line says of a story, or of a changed copy of it."""
    return inside.run("inspect", "--root", root or STORIES / name, "--format", format_, *read_expected(name)["arguments"])


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
