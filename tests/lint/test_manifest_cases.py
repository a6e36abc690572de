"""The manifests of fixtures/, as public charts write them: what is found in each, and what its fixes do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cgtune.lint.fixing import apply
from cgtune.lint.judge import judge_file
from cgtune.lint.model import LintFinding, Settings
from cgtune.lint.silencing import key_of, parse_annotations
from cgtune.manifests import read_text
from tests.lint.written import read
from tests.support.command import ROOT

FOLDER = ROOT / "fixtures" / "manifests"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
ALL = Settings(is_pedantic=True)


def judge(file: str, text: str) -> tuple[LintFinding, ...]:
    """All that is found in a text."""
    return judge_file(read(file, text), ALL, text)


def show(finding: LintFinding) -> str:
    """A finding as expected.json has it."""
    shown = f"{finding.place.line} {finding.severity} {finding.rule} {finding.container}"
    return f"{shown} (pedantic)" if finding.is_pedantic else shown


def test_each_manifest_is_expected() -> None:
    """None is left out."""
    assert sorted(EXPECTED) == sorted(path.name for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", sorted(EXPECTED))
def test_a_manifest_of_the_wild(file: str) -> None:
    """Each finding at its line, no other, and what is no object is skipped with a word."""
    text = (FOLDER / file).read_text()
    assert [show(one) for one in judge(file, text)] == EXPECTED[file]["findings"]
    assert sum(len(one.skipped) for one in read_text(file, text)) == EXPECTED[file]["skipped"]


def test_a_number_that_is_meant_has_its_annotation() -> None:
    """What the object itself says is on purpose names the rule that speaks."""
    file = "039-pinned-to-node-on-purpose.yaml"
    ((workload, _),) = read(file, (FOLDER / file).read_text())
    assert [word.rule for word in parse_annotations(workload)] == ["gomaxprocs-exceeds-quota"]


def with_comments(text: str) -> str:
    """The same with a word behind each line, and a line of words below it."""
    if "|" in text:
        return text
    return "".join(f"{line}  # as it was\n{' ' * (len(line) - len(line.lstrip()))}# and so it stays\n" for line in text.splitlines())


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "with comments": with_comments,
    "without a last line end": lambda text: text.rstrip("\n"),
    "indented lists": lambda text: text.replace("        - ", "          - ").replace("          value", "            value"),
    "JSON": lambda text: json.dumps(yaml.safe_load(text), indent=2),
    "a mark of the byte order": lambda text: f"\ufeff{text}",
    "JSON in one line": lambda text: json.dumps(yaml.safe_load(text)),
    "behind another document": lambda text: f"# first\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n{text}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", [file for file, one in EXPECTED.items() if one["findings"]])
def test_a_fix_mends_its_finding_and_nothing_else(file: str, form: str) -> None:
    """After each fix alone its finding is gone, its own container alone has changed, no comment is lost, and it is not made twice."""
    try:
        text = FORMS[form]((FOLDER / file).read_text())
        before = list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        return  # the form is none that this file can have
    for finding in judge(file, text):
        if finding.fix is None:
            continue
        mended = apply(text, [finding.fix])
        assert not [one for one in judge(file, mended) if key_of(one) == key_of(finding)]
        changed = paths_that_differ(before, [json.loads(mended)] if form.startswith("JSON") else list(yaml.safe_load_all(mended)))
        assert changed
        for path in changed:
            assert "env" in path, (finding.rule, path)
        assert mended.count("#") == text.count("#")
        assert mended.count("\r") - text.count("\r") == (mended.count("\n") - text.count("\n") if "\r" in text else 0)
        assert (
            apply(
                mended,
                [one.fix for one in judge(file, mended) if one.fix and one.rule == finding.rule and one.container == finding.container],
            )
            == mended
        )


def paths_that_differ(one: Any, other: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where two documents are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [each for key in keys for each in paths_that_differ(one.get(key), other.get(key), (*path, key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [each for index in range(len(one)) for each in paths_that_differ(one[index], other[index], (*path, index))]
    return [] if one == other else [path]
