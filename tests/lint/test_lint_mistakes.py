"""Real manifests with mistakes in them: whatever is damaged, lint says something true of places that are there, or skips with a word."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings, strategies as st

from cgtune.lint.fixing import apply
from cgtune.lint.judge import judge_file
from cgtune.manifests import read_text
from cgtune.manifests.workload import Skipped
from tests.lint.test_lint_fixes import ALL
from tests.lint.written import go
from tests.support.command import ROOT

TEXTS = {path.name: path.read_text() for path in sorted((ROOT / "fixtures" / "manifests").glob("*.yaml"))}
_LETTERS = [
    "",
    "\n",
    ":",
    ": ",
    "{",
    "]",
    "- ",
    "&a ",
    "*a",
    "'",
    '"',
    "\t",
    "#",
    "|",
    "<<: ",
    "\x00",
    "é",
    "\ufeff",
    "\r",
    "\u2028",
    "---\n",
    "\ud800",
]
_WORDS = [
    *("null", "~", "[]", "{}", "[{}]", "true", "0", "-1", "1e400", ".inf", ".nan", "*a", "&a x", "!!binary x", "!x y", '"\\0"', "0x1p3"),
    *(
        "99999999999999999999E",
        "1e-99",
        "'1 Gi'",
        "010",
        "'${X}'",
        "'$(GOMAXPROCS)'",
        "GOMEMLIMIT",
        "limits.cpu",
        "containers",
        "env",
        "? x",
    ),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_a_damaged_manifest_is_judged_or_skipped(name: str, data: st.DataObject) -> None:
    """Letters that are lost or put in, words that are others, lines that move: no error, and no fix that leaves its file."""
    text = TEXTS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(text)))
            text = text[:at] + data.draw(st.sampled_from(_LETTERS)) + text[at + data.draw(st.integers(0, 2)) :]
        elif data.draw(st.booleans()):
            words = [(found.start(), found.end()) for found in re.finditer(r"[\w.\"'$()/-]+", text)]
            begin, end = data.draw(st.sampled_from(words or [(0, 0)]))
            text = text[:begin] + data.draw(st.sampled_from(_WORDS)) + text[end:]
        else:
            lines = text.split("\n")
            moved = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
            lines.insert(data.draw(st.integers(0, len(lines))), " " * data.draw(st.integers(0, 4)) + moved.strip(" "))
            text = "\n".join(lines)
    reads = list(read_text(name, text))
    version = go("1.27")
    for finding in judge_file([(workload, version) for one in reads for workload in one.workloads], ALL, text):
        assert 0 <= finding.place.start <= finding.place.end <= len(text)
        assert 1 <= finding.place.line <= text.count("\n") + text.count("\r") + 1
        assert finding.summary
        assert "\n" not in finding.summary
        if finding.fix is not None:
            apply(text, [finding.fix])
    for skipped in (each for one in reads for each in one.skipped):
        assert isinstance(skipped, Skipped)
        assert (skipped.line >= 1, "\n" in skipped.why, bool(skipped.why)) == (True, False, True)


def test_the_cases_are_there() -> None:
    """What the test above damages."""
    assert len(TEXTS) >= 31
    assert Path(ROOT, "fixtures", "manifests").is_dir()
