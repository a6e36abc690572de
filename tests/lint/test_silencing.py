"""What silences a finding, and what was written in vain."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cgtune.errors import UsageError
from cgtune.lint.baseline import parse_baseline, render_baseline
from cgtune.lint.model import LintFinding
from cgtune.lint.silencing import Silences, key_of, matches, parse_comments
from cgtune.manifests.places import Lines
from cgtune.manifests.workload import Annotation, Place, Variable, Workload
from cgtune.rulebook import locate_rule
from tests.support.lintreports import EXCEEDS, LIMIT, MANIFEST, UNQUOTED, finding_at, place_in

FILE = LIMIT.file
RULE = EXCEEDS.rule


def silences(**of: object) -> Silences:
    """Words for one run."""
    return Silences(lambda name: locate_rule(name).ID, **of)  # type: ignore[arg-type]


def workload(text: str = MANIFEST, annotations: Sequence[tuple[str, str]] = (), container: str = "app") -> Workload:
    """The container of MANIFEST, with the one variable whose value has a line for itself."""
    value, entry = place_in(text, '"512MiB"'), place_in(text, "name: GOMEMLIMIT")
    variable = Variable(name="GOMEMLIMIT", value="512MiB", origin="literal", place=value, entry=entry, name_place=entry)
    place = Place(file=FILE, line=1, column=1, end_line=1, end_column=1, start=0, end=0)
    return Workload(
        kind="kubernetes",
        subject="Deployment/shop/orders",
        container=container,
        role="container",
        place=place,
        document=place,
        variables=(variable,),
        annotations=tuple(Annotation(name=name, value=words, place=place) for name, words in annotations),
    )


@pytest.mark.parametrize(
    ("line", "comment", "is_silent"),
    [
        ('          value: "512MiB"', "# cgtune: ignore[gomemlimit-exceeds-limit] as measured", True),
        ('          value: "512MiB"', "# cgtune: ignore[gogc-malformed, gomemlimit-exceeds-limit]", True),
        ('          value: "512MiB"', "#cgtune:ignore [gomemlimit-exceeds-limit]", True),
        ("        - name: GOMEMLIMIT", "# cgtune: ignore[gomemlimit-exceeds-limit] at its entry", True),
        ('          value: "512MiB"', "# cgtune: ignore[gogc-malformed]", False),
        ('          value: "512MiB"', "# cgtune: ignore", False),
        ('          value: "512MiB"', "# cgtune: ignore gomemlimit-exceeds-limit", False),
        ('          value: "512MiB"', "# nocgtune: ignore[gomemlimit-exceeds-limit]", False),
        ("        image: registry.example/orders:1.0", "# cgtune: ignore[gomemlimit-exceeds-limit]", False),
    ],
)
@pytest.mark.parametrize("where", ["at its end", "above", "above, with a comment between", "in CRLF"])
def test_a_comment_silences_its_line_or_the_next(line: str, comment: str, is_silent: bool, where: str) -> None:
    """At the end of the line, or in a line of its own above it, further comments and empty lines between; at the value or its entry."""
    indent = " " * (len(line) - len(line.lstrip()))
    above = f"{indent}{comment}\n{indent}# more\n\n" if "between" in where else f"{indent}{comment}\n"
    text = MANIFEST.replace(line, f"{above}{line}" if where.startswith("above") else f"{line}  {comment}")
    text = text.replace("\n", "\r\n") if where == "in CRLF" else text
    words = silences()
    finding = finding_at(place_in(text, '"512MiB"'))
    assert words.silences(finding, workload(text), words.comments(FILE, text)) is is_silent
    assert len(words.unused) + len(words.warnings) == (0 if ("gogc" not in comment and is_silent) or "nocgtune" in comment else 1)


def test_a_comment_without_a_rule_silences_nothing() -> None:
    """There is no word for all rules: who looks at the file later has to see what was meant."""
    words = silences()
    assert words.comments(FILE, "a: 1 # cgtune: ignore\n") == ()
    assert words.warnings == (f"{FILE}:1: this silences nothing, as it names no rule: ignore[RULE] why",)


def test_a_comment_is_one_line_s_alone() -> None:
    """It says nothing of the line below a line that it stands at the end of."""
    text = MANIFEST.replace('"512MiB"', '"512MiB"  # cgtune: ignore[gomaxprocs-malformed]')
    words = silences()
    assert not words.silences(UNQUOTED.replace(place=place_in(text, "2}")), workload(text), words.comments(FILE, text))
    assert words.unused == (f"{FILE}:14: gomaxprocs-malformed silences nothing",)


def test_units_comment_by_semicolon_too() -> None:
    """systemd takes both signs at the beginning of a line."""
    text = "[Service]\n; cgtune: ignore[gogc-malformed]\nEnvironment=GOGC=x\n"
    assert [(one.rule, one.lines) for one in parse_comments("a.service", text)] == [("gogc-malformed", (3,))]


@pytest.mark.parametrize("text", ["# cgtune: ignore[a]", "# cgtune: ignore[a]\n", "#cgtune: ignore[a]\n\n#\n"])
def test_a_comment_at_the_end_of_a_file_is_its_own_line_s(text: str) -> None:
    """It silences nothing, and does no harm."""
    assert [one.lines for one in parse_comments("x", text)] == [(1,)]


@pytest.mark.parametrize(
    ("name", "value", "is_silent"),
    [
        ("cgtune.dev/ignore", RULE, True),
        ("cgtune.dev/ignore", f"gogc-malformed, {RULE}: the reason: as measured", True),
        ("cgtune.dev/ignore.app", RULE, True),
        ("cgtune.dev/ignore.other", RULE, False),
        ("cgtune.dev/ignore", "gogc-malformed", False),
        ("cgtune.dev/ignore", f"gogc-malformed: not {RULE}", False),
        ("cgtune.dev/ignored", RULE, False),
    ],
)
def test_an_annotation_silences_its_object(name: str, value: str, is_silent: bool) -> None:
    """Of all containers, or of the one that it names; what stands behind the colon is the reason."""
    words = silences()
    container = workload(annotations=[(name, value)])
    assert words.silences(EXCEEDS, container, words.annotations(container)) is is_silent


@pytest.mark.parametrize(
    ("pattern", "name", "is_meant"),
    [
        ("charts/legacy/", "charts/legacy/a/b.yaml", True),
        ("legacy/", "charts/legacy/b.yaml", True),
        ("charts/legacy/", "charts/legacy.yaml", False),
        ("charts/*.yaml", "charts/a/b.yaml", True),
        ("*.json", "a/b.json", True),
        ("orders.yaml", "a/orders.yaml", True),
        ("a/orders.yaml", "b/a/orders.yaml", False),
        ("./a/orders.yaml", "a/orders.yaml", True),
        ("a/orders.yaml", "./a/orders.yaml", True),
        ("Orders.yaml", "orders.yaml", False),
    ],
)
def test_patterns_of_paths(pattern: str, name: str, is_meant: bool) -> None:
    """* is anything; a slash at the end means all below; without another slash the file's name counts."""
    assert matches(pattern, name) is is_meant
    words = silences(by_path=[(pattern, [RULE])])
    assert words.silences(EXCEEDS, None, words.by_path([name])) is is_meant


def test_a_rule_that_there_is_not_is_told_once() -> None:
    """With place, and what may have been meant; what it stands beside silences all the same."""
    text = MANIFEST.replace('"512MiB"', f'"512MiB" # cgtune: ignore[gomemlimit-exceed-limit,{RULE}]')
    words = silences(by_path=[("*", ["nothing"])])
    for _ in range(2):
        assert words.silences(EXCEEDS, workload(text), (*words.comments(FILE, text), *words.by_path(["x"])))
    first, second = words.warnings
    assert first.startswith(f"{FILE}:14: no rule 'gomemlimit-exceed-limit'; did you mean gomemlimit-exceeds-limit?")
    assert second.startswith("per-path-ignores, '*': no rule 'nothing'")
    assert words.unused == ()


def test_a_baseline_leaves_out_what_was_there() -> None:
    """By object, container and rule, wherever the line is then; one more of a kind is new, and what is gone is said."""
    known = [EXCEEDS, EXCEEDS, UNQUOTED]
    text = render_baseline(known)
    assert text == render_baseline(reversed(known))
    counts = parse_baseline(text, "b.json")
    assert counts == {key_of(EXCEEDS): 2, key_of(UNQUOTED): 1}
    words = silences(baseline=counts)
    moved = EXCEEDS.replace(place=LIMIT.replace(line=99, end_line=99))

    def is_silent(finding: LintFinding) -> bool:
        return words.silences(finding, None, ())

    assert [is_silent(one) for one in (moved, EXCEEDS, EXCEEDS)] == [True, True, False]
    assert not is_silent(EXCEEDS.replace(container="other"))
    assert words.unused == ("baseline: gomaxprocs-malformed of Deployment/shop/orders, container app: 1 gone",)


def test_names_of_any_bytes_survive_a_baseline() -> None:
    """What is no UTF-8 too."""
    strange = EXCEEDS.replace(subject="Pod/\udcff\n", container="é\u2028")
    assert parse_baseline(render_baseline([strange]), "b") == {key_of(strange): 1}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "{}",
            "null",
            "[" * 100_000,
            '{"schema": "cgtune/lint-baseline/v1"}',
            '{"schema": "cgtune/lint-baseline/v2", "findings": []}',
        ),
        '{"schema": "cgtune/lint-baseline/v1", "findings": [{"object": "a", "container": "b", "rule": "c", "count": "1"}]}',
        '{"schema": "cgtune/lint-baseline/v1", "findings": [{"object": 1, "container": "b", "rule": "c", "count": 1}]}',
        '{"schema": "cgtune/lint-baseline/v1", "findings": {"a": 1}}',
    ],
)
def test_what_is_no_baseline(text: str) -> None:
    """One line that names the file."""
    with pytest.raises(UsageError, match=r"--baseline 'b\.json' "):
        parse_baseline(text, "b.json")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_places_count_them(end: str) -> None:
    """A separator that only Unicode calls the end of a line is none: the comment holds for the line that the reader names."""
    text = f'a: "\u2028\u0085"{end}b: 1{end}value: "512MiB" # cgtune: ignore[{RULE}]{end}'
    start = text.index('"512MiB"')
    finding = finding_at(Lines(FILE, text).place(start, start + 8))
    words = silences()
    assert words.silences(finding, None, words.comments(FILE, text))
