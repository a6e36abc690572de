"""Fixes of manifests in every layout: what they say is mended, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from cgtune.lint.edits import replace_scalar, set_variable
from cgtune.lint.fixing import apply, choose
from cgtune.lint.judge import judge_file
from cgtune.lint.model import Edit, Fix, LintFinding, Settings
from cgtune.lint.silencing import key_of
from tests.lint.test_manifest_cases import paths_that_differ
from tests.lint.written import read

FILE = "pod.yaml"
ALL = Settings(is_pedantic=True)


def judge(text: str, go: str | None = None) -> tuple[LintFinding, ...]:
    """All that is found in a text; ``go`` is the version that somebody named."""
    from tests.lint.written import go as named

    found = read(FILE, text)
    return judge_file([(one, named(go) if go and runs is not None else runs) for one, runs in found], ALL, text)


def edit(start: int, end: int, text: str) -> Edit:
    """An edit of the one file."""
    return Edit(file=FILE, start=start, end=end, text=text)


def fix(*edits: Edit) -> Fix:
    """A fix that makes these edits."""
    return Fix(kind="safe", edits=edits)


@pytest.mark.parametrize(
    ("fixes", "expected"),
    [
        ([fix(edit(0, 1, "A"))], "Abcdef"),
        ([fix(edit(3, 4, "D")), fix(edit(0, 1, "A"))], "AbcDef"),
        ([fix(edit(0, 1, "A")), fix(edit(0, 1, "A"))], "Abcdef"),
        ([fix(edit(0, 2, "A")), fix(edit(1, 3, "B"))], "Acdef"),
        ([fix(edit(2, 2, "x")), fix(edit(2, 2, "y"))], "abxcdef"),
        ([fix(edit(0, 2, "")), fix(edit(2, 4, ""))], "cdef"),
        ([fix(edit(0, 1, ""), edit(4, 5, "")), fix(edit(4, 5, "E"), edit(2, 3, "C"))], "bcdf"),
    ],
    ids=["one", "two", "the same twice", "overlapping", "at one place", "next to each other", "half of a fix is no fix"],
)
def test_fixes_that_meet_wait_for_the_next_time(fixes: list[Fix], expected: str) -> None:
    """The first of them is made, whole; the others are not made in part."""
    assert apply("abcdef", fixes) == expected
    assert apply("abcdef", choose(fixes)) == expected


HEAD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n"
LIST = "  - name: a\n    image: i\n    env:\n"
LIMITS = "    resources:\n      limits: {memory: 1Gi, cpu: 2}\n"

# What it is, the container's lines, the rule, the version that was named, the lines afterwards (None: there is no fix)
LAYOUTS = [
    ("bare", LIST + "    - name: GOMEMLIMIT\n      value: 2GiB\n", "value: 2GiB", "value: 921MiB"),
    ("single quotes", LIST + "    - name: GOMEMLIMIT\n      value: '2GiB'\n", "'2GiB'", "'921MiB'"),
    ("in a flow",
     '  - {name: a, image: i, env: [{name: GOMEMLIMIT, value: "2GiB"}], resources: {limits: {memory: 1Gi, cpu: 2}}}\n',
     '"2GiB"', '"921MiB"'),
    ("value first", LIST + "    - value: 2GiB\n      name: GOMEMLIMIT\n", "value: 2GiB", "value: 921MiB"),
    (
        "a reference in a flow",
        LIST + '    - {name: GOMEMLIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "1"}}}\n',
        'valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "1"}}',
        "value: 921MiB",
    ),
    (
        "half a flow",
        LIST + "    - name: GOMEMLIMIT\n      valueFrom: {resourceFieldRef: {resource: limits.memory}}\n",
        "valueFrom: {resourceFieldRef: {resource: limits.memory}}",
        "value: 921MiB",
    ),
    (
        "a reference before the name",
        LIST + "    - valueFrom: {resourceFieldRef: {resource: limits.memory}}\n      name: GOMEMLIMIT\n",
        "",
        None,
    ),
    (
        "a comment in the reference",
        LIST + "    - name: GOMEMLIMIT\n      valueFrom:  # all of it\n        resourceFieldRef: {resource: limits.memory}\n",
        "",
        None,
    ),
    ("put together", LIST + "    - {name: G, value: '2'}\n    - {name: GOMEMLIMIT, value: $(G)GiB}\n", "", None),
    ("a block of text", LIST + "    - name: GOMEMLIMIT\n      value: |-\n        2GiB\n", "", None),
    ("an anchor that nobody uses", LIST + "    - name: GOMEMLIMIT\n      value: &v 2GiB\n", "&v 2GiB", "&v 921MiB"),
    ("an anchor that is used", LIST + "    - name: GOMEMLIMIT\n      value: &v 2GiB\n    - name: X\n      value: *v\n", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("container", "old", "new"), [each[1:] for each in LAYOUTS], ids=[each[0] for each in LAYOUTS])
def test_a_value_is_replaced_in_every_layout_or_not_at_all(container: str, old: str, new: str | None) -> None:
    """In its own quotes; what would lose a comment or a name stays."""
    text = HEAD + container + ("" if "resources" in container else LIMITS)
    (finding,) = [one for one in judge(text) if one.rule == "gomemlimit-exceeds-limit"]
    if new is None:
        assert finding.fix is None
    else:
        assert finding.fix is not None
        assert finding.fix.kind == "unsafe"
        assert apply(text, [finding.fix]) == text.replace(old, new)


ADDED = [
    ("behind the last one",
     LIST + "    - name: GOGC\n      value: '50'  # so\n    # what is below\n",
     "so\n", "so\n    - name: GOMEMLIMIT\n      value: 921MiB\n"),
    ("deeper", LIST + "      - name: GOGC\n        value: '50'\n", "'50'\n", "'50'\n      - name: GOMEMLIMIT\n        value: 921MiB\n"),
    ("no list", "  - name: a  # x\n    image: i\n", "# x\n", "# x\n    env:\n    - name: GOMEMLIMIT\n      value: 921MiB\n"),
    ("no list, name last", "  - image: i\n    name: a\n", "name: a\n", "name: a\n    env:\n    - name: GOMEMLIMIT\n      value: 921MiB\n"),
    ("an empty list", "  - name: a\n    image: i\n    env: []\n", "", None),
    ("an empty list first", "  - env: []\n    image: i\n    name: a\n", "", None),
    ("null", LIST + "", "", None),
    ("a flow", "  - {name: a, image: i, resources: {limits: {memory: 1Gi}}}\n", "", None),
    ("an alias", "  - name: a\n    image: i\n    env: [{name: GOGC, value: '50'}]\n", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("container", "old", "new"), [each[1:] for each in ADDED], ids=[each[0] for each in ADDED])
def test_a_variable_is_added_where_it_has_a_place(container: str, old: str, new: str | None) -> None:
    """Behind the last of its list, or in a list of its own behind the name; never a second list."""
    text = HEAD + container + ("" if "resources" in container else LIMITS)
    ((workload, _),) = read(FILE, text)
    made = set_variable(text, workload, "GOMEMLIMIT", "921MiB", "unsafe")
    if new is None:
        assert made is None
    else:
        assert made is not None
        mended = apply(text, [made])
        assert mended == text.replace(old, new)
        ((after, _),) = read(FILE, mended)
        assert (after.variable("GOMEMLIMIT"), len(after.variables)) != (None, len(workload.variables))


def test_a_number_stays_text() -> None:
    """Kubernetes takes no bare 2 for a variable; bytes and sizes are text as they are."""
    text = HEAD + LIST + "    - name: GOMAXPROCS\n      value: 4.0\n    - name: GODEBUG\n      value: x\n" + LIMITS
    text = text.replace("4.0", "+8")
    (finding,) = [one for one in judge(text.replace("+8", '"8"')) if one.rule == "gomaxprocs-exceeds-quota"]
    assert finding.fix is not None
    assert 'value: "3"' in apply(text.replace("+8", '"8"'), [finding.fix])
    ((workload, _),) = read(FILE, text)
    debug = workload.variable("GODEBUG")
    assert debug is not None
    made = replace_scalar(text, debug.place, "x", "7", "safe")
    assert made is not None
    assert made.edits[0].text == '"7"'


SHARED = HEAD + "  - name: one\n    image: i\n    env: &e\n    - {name: GOMEMLIMIT, value: 2GiB}\n" + LIMITS.replace("1Gi", "%s")


def test_what_containers_share_is_edited_only_if_all_want_the_same() -> None:
    """By an anchor one edit reaches both; a third that wants another value, or a use that is no container, forbids it."""
    two = "  - name: two\n    image: i\n    env: *e\n" + LIMITS
    same = SHARED % "1Gi" + two
    found = [one for one in judge(same) if one.rule == "gomemlimit-exceeds-limit"]
    assert [one.container for one in found if one.fix is not None] == ["one", "two"]
    fixes = [one.fix for one in found if one.fix is not None]
    assert apply(same, fixes) == apply(same, fixes[:1]) == same.replace("2GiB", "921MiB")
    for text in (SHARED % "3Gi" + two, SHARED % "1Gi" + "  - name: three\n    image: i\n    other: *e\n", SHARED % "512Mi" + two):
        assert [one.fix for one in judge(text) if one.rule.startswith("gomemlimit")] == [None] * len(
            [one for one in judge(text) if one.rule.startswith("gomemlimit")]
        )


def test_an_entry_goes_with_its_lines_and_the_last_one_with_its_list() -> None:
    """Of a program whose version is known, which comes to the value by itself."""
    one = HEAD + LIST + "    - name: GOMAXPROCS\n      value: '2'\n" + LIMITS
    (finding,) = [each for each in judge(one, "1.27") if each.rule == "gomaxprocs-pinned"]
    assert finding.fix is not None
    assert apply(one, [finding.fix]) == HEAD + "  - name: a\n    image: i\n" + LIMITS
    two = one.replace("    env:\n", "    env:\n    # what it is\n    - name: GOGC\n      value: '50'\n")
    (finding,) = [each for each in judge(two, "1.27") if each.rule == "gomaxprocs-pinned"]
    assert finding.fix is not None
    assert apply(two, [finding.fix]) == two.replace("    - name: GOMAXPROCS\n      value: '2'\n", "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1024Mi", "1024MiB"), ("1.5Gi", "1536MiB"), ("512M", "500000KiB"), ("1Gi", "1GiB"), ("512mb", None), ("0Mi", None)],
)
def test_a_quantity_is_written_as_go_spells_it(written: str, meant: str | None) -> None:
    """That is safe, as it is what was meant; what Kubernetes would not read either is anybody's guess."""
    text = HEAD + LIST + f"    - name: GOMEMLIMIT\n      value: {written}\n" + LIMITS
    (finding,) = [one for one in judge(text) if one.rule == "gomemlimit-malformed"]
    assert finding.fix is not None
    assert finding.fix.edits[0].text in [one.value for one in finding.advice]
    assert (finding.fix.kind, finding.fix.edits[0].text) == (("unsafe", "921MiB") if meant is None else ("safe", meant))


# Layouts as people mix them

QUOTES = st.sampled_from(["{}", "'{}'", '"{}"'])
VALUES = st.sampled_from(["2GiB", "1Gi", "900MiB", "8", "2", "off", "+4", "100", "1024Mi", "false"])
NAMES = st.sampled_from(["GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG", "PORT"])
REFERENCES = st.sampled_from(["limits.memory", "limits.cpu", "requests.cpu"])
DIVISORS = st.sampled_from(["", '"1"', "1Mi", "'0'", "1m"])


@st.composite
def entries(draw: Any, indent: str) -> str:
    """One entry of a list of variables."""
    name, note = draw(NAMES), draw(st.sampled_from(["", "  # a word"]))
    below = draw(st.sampled_from(["", f"{indent}# below\n", "\n"]))
    if draw(st.booleans()):
        value = draw(QUOTES).format(draw(VALUES))
        if draw(st.booleans()):
            return f"{indent}- {{name: {name}, value: {value}}}{note}\n{below}"
        return f"{indent}- name: {name}\n{indent}  value: {value}{note}\n{below}"
    resource, divisor = draw(REFERENCES), draw(DIVISORS)
    if draw(st.booleans()):
        inside = f"resource: {resource}" + (f", divisor: {divisor}" if divisor else "")
        return f"{indent}- {{name: {name}, valueFrom: {{resourceFieldRef: {{{inside}}}}}}}\n{below}"
    lines = [f"- name: {name}{note}", "  valueFrom:", "    resourceFieldRef:", f"      resource: {resource}"]
    lines += [f"      divisor: {divisor}"] if divisor else []
    return "".join(f"{indent}{line}\n" for line in lines) + str(below)


@st.composite
def manifests(draw: Any) -> str:
    """A pod with up to three containers; a later one may share the variables of the first."""
    text = HEAD
    count = draw(st.integers(1, 3))
    for index in range(count):
        indent = draw(st.sampled_from(["    ", "      "]))
        name = draw(st.sampled_from(["- name: c{0}\n    image: i\n", "- image: i\n    name: c{0}\n"])).format(index)
        listed = draw(st.lists(entries(indent), max_size=4))
        if index and draw(st.booleans()) and "&e" in text:
            env = "    env: *e\n"
        elif listed:
            env = f"    env:{' &e' if not index else ''}\n{''.join(listed)}"
        else:
            env = draw(st.sampled_from(["", "    env: []\n", "    env:\n"]))
        limits = draw(
            st.sampled_from(
                [
                    "",
                    "    resources:\n      limits: {memory: 1Gi, cpu: '2'}\n",
                    "    resources:\n      limits:\n        cpu: 500m\n        memory: 64Mi\n",
                ]
            )
        )
        text = f"{text}  {name}{env}{limits}"
    newline: str = draw(st.sampled_from(["\n", "\r\n"]))
    return text.replace("\n", newline)


@settings(max_examples=150, deadline=None)
@given(manifests(), st.sampled_from([None, "1.24", "1.27"]))
def test_no_fix_touches_what_it_does_not_name(text: str, version: str | None) -> None:
    """Its finding is gone or rarer, the documents differ in variables of containers that have this finding alone, no comment is lost."""
    before = list(yaml.safe_load_all(text))
    found = judge(text, version)
    for finding in found:
        if finding.fix is None:
            continue
        mended = apply(text, [finding.fix])
        after = judge(mended, version)
        same = [one for one in found if one.fix == finding.fix]
        assert [key_of(one) for one in after].count(key_of(finding)) < [key_of(one) for one in found].count(key_of(finding)), mended
        containers = {int(one.container[1:]) for one in same}
        for path in paths_that_differ(before, list(yaml.safe_load_all(mended))):
            assert path[1:3] == ("spec", "containers")
            assert path[3] in containers
            assert path[4] == "env"
        assert mended.count("#") == text.count("#")
        assert text.count("\r") == 0 or mended.count("\r") == mended.count("\n")


@settings(max_examples=100, deadline=None)
@given(manifests(), st.sampled_from([None, "1.27"]))
def test_fixes_come_to_rest(text: str, version: str | None) -> None:
    """Made again and again, all that can be are made after a few rounds, and then nothing changes any more."""
    for _ in range(8):
        mended = apply(text, [one.fix for one in judge(text, version) if one.fix is not None])
        if mended == text:
            break
        text = mended
        list(yaml.safe_load_all(text))
    assert not [one for one in judge(text, version) if one.fix is not None]


def test_an_amount_is_written_as_its_reader_takes_it() -> None:
    """Go's spelling becomes Kubernetes', a unit that systemd drops becomes one that it takes; a guess is nobody's fix."""
    text = HEAD + "  - name: a\n    image: i\n    resources:\n      limits:\n        memory: 512MiB\n"
    (finding,) = judge(text)
    assert (finding.rule, finding.fix and finding.fix.kind) == ("limit-malformed", "safe")
    assert finding.fix is not None
    assert apply(text, [finding.fix]) == text.replace("512MiB", "512Mi")
    for written, meant in (("512Mi", "512M"), ("1GiB", "1G"), ("512MB", None), ("half", None)):
        unit = f"[Service]\nMemoryMax={written}\nExecStart=/x\n"
        (dropped,) = judge_file(read("a.service", unit), ALL, unit)
        assert dropped.rule == "limit-dropped"
        assert (None if dropped.fix is None else apply(unit, [dropped.fix])) == (meant and unit.replace(written, meant))


@pytest.mark.parametrize(
    ("file", "written", "meant"),
    [
        ("a.service", "[Service]\nCPUQuota=33.333%\nExecStart=/x\n", "33.33%"),
        ("a.service", "[Service]\nCPUQuota=0.5\nExecStart=/x\n", None),
        ("a.service", "[Unit]\nCPUQuota=50%\n[Service]\nExecStart=/x\n", None),
        ("a.yaml", "services:\n  web:\n    image: x\n    mem_limit: 1e9\n", '"1000000000"'),
    ],
)
def test_a_limit_that_is_dropped_is_written_as_it_was_meant(file: str, written: str, meant: str | None) -> None:
    """If it is clear what was meant; the wrong section is nothing that another value mends."""
    (dropped,) = judge_file(read(file, written), ALL, written)
    assert dropped.rule == "limit-dropped"
    old = dropped.summary.partition("=")[2].partition(" ")[0]
    assert (None if dropped.fix is None else apply(written, [dropped.fix])) == (meant and written.replace(old, meant))


@pytest.mark.parametrize("value", ["~", "", "null"])
def test_a_divisor_that_is_written_and_empty_is_not_written_twice(value: str) -> None:
    """A key that stands twice is one too many."""
    reference = f"{{resource: limits.memory, divisor: {value}}}"
    text = HEAD + LIST + f"    - name: GOMEMLIMIT\n      valueFrom:\n        resourceFieldRef: {reference}\n" + LIMITS
    (finding,) = [one for one in judge(text) if one.rule == "divisor-missing"]
    assert finding.fix is None


def test_nothing_is_put_where_nothing_stands() -> None:
    """An empty value has no place of its own: what is put behind its colon would be no value."""
    text = HEAD + LIST + "    - name: GOMEMLIMIT\n      value:\n" + LIMITS
    (finding,) = [one for one in judge(text) if one.rule == "gomemlimit-unset"]
    assert finding.fix is None


def test_a_list_with_something_else_in_it_does_not_go() -> None:
    """An entry that has no name sets nothing, and is not cgtune's to remove."""
    text = HEAD + LIST + "    - name: GOMAXPROCS\n      value: '2'\n    - name: 4\n      value: x\n" + LIMITS
    (finding,) = [one for one in judge(text, "1.27") if one.rule == "gomaxprocs-pinned"]
    assert finding.fix is None
