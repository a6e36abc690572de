"""Documents with the place of each value, whatever is written around it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from cgtune.manifests.yamltext import Document, Unreadable, entries, find, items, parse_documents, text_of, value_of
from tests.support import kubernetes
from tests.support.command import ROOT

POD = "kind: Pod\nmetadata: {name: a}\n"


def read(text: str) -> list[Document | Unreadable]:
    """The documents of a text that comes as a whole; in small pieces it must give the same."""
    whole = list(parse_documents("x.yaml", text))
    for size in (1, 7):
        pieces = list(parse_documents("x.yaml", (text[at : at + size] for at in range(0, len(text), size))))
        assert [_seen(one) for one in pieces] == [_seen(one) for one in whole]
    return whole


def _seen(one: Document | Unreadable) -> tuple[object, ...]:
    return (one.line, one.why) if isinstance(one, Unreadable) else (one.text, one.start, one.first_line, one.source)


def only(text: str) -> Document:
    """The one document of a text."""
    (document,) = read(text)
    assert isinstance(document, Document)
    return document


def plain(node: Any) -> Any:
    """A node as Python has it."""
    if node.id == "mapping":
        return {key: plain(value) for key, _, value in entries(node)}
    return [plain(value) for value in items(node)] if node.id == "sequence" else value_of(node)


@pytest.mark.parametrize(
    "text",
    [
        "a: é\nb: \U0001f600x\nwanted: value\n",
        "\ufeffwanted: value\n",
        "# ü\r\na: 1\r\nwanted: value\r\nz: 1",
        "a: |\r\n  x\r\n\r\nwanted: 'value'\r\n",
        '{"a":\t"x\\/y",\n\t"wanted":\t"value"}',
        "--- # first\na: b\n--- !tag\nwanted: &anchor value\n",
        "a: &x\n  b: c\nwanted: !!str &y value\nc: *x\n",
        "a: b\n...\n%YAML 1.1\n# a word\n---\nwanted: >-\n  value\n",
        "a: '\u2028'\nb: \x85\nwanted: value\n",
        "\ufeff---\na: b\n---\n\nwanted: value",
        '{"a": 1}\n{"a": 2} {"wanted": "value"}',
        "wanted:\n  value\n",
    ],
)
def test_a_place_is_where_the_value_stands(text: str) -> None:
    """Characters, lines and columns lead to the value, behind what is not ASCII, byte order marks, CRLF, anchors and tags."""
    (found,) = [one for one in read(text) if isinstance(one, Document) and find(one.root, "wanted") is not None]
    place = found.place(find(found.root, "wanted"))
    written = text[place.start : place.end]
    assert written.strip("'\"\n").split()[-1] == "value"
    assert not written.startswith(("&", "!"))
    lines = text.removeprefix("\ufeff").split("\n")
    assert lines[place.line - 1][place.column - 1 :].startswith(written.split("\n")[0])
    before_end = "\n".join([*lines[: place.end_line - 1], lines[place.end_line - 1][: place.end_column - 1]])
    assert before_end.endswith(written)


def test_a_broken_document_hides_no_other() -> None:
    """Each is read by itself; the line of the break is that of the file."""
    one, two, three, four = read("a: b\n---\nb: [\n---\n\nx: '\n---\nc: d\n")
    assert isinstance(one, Document)
    assert isinstance(four, Document)
    assert (one.start, one.first_line, four.first_line) == (0, 0, 6)
    assert isinstance(two, Unreadable)
    assert isinstance(three, Unreadable)
    assert (two.line, three.line) == (4, 7)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("# nothing\n", 0),
        ("\n---\n---\n...\n", 0),
        ("---\na: |\n  ---\n  x\n", 1),
        ("a: |\n ---\nb: '\n --- '\n", 1),
        ("---a\n", 1),
        ("--- a\n--- b", 2),
        ("a: b\n---\r\nc: d\r\n---", 2),
        ("a: b\n...\nc: d\n", 2),
        ("# a licence\n---\na: b\n", 1),
        ("%YAML 1.1\n%TAG ! tag:x,1:\n---\na: !y b\n", 1),
    ],
)
def test_documents_are_counted(text: str, count: int) -> None:
    """What is empty is none (a lone marker is null, which no one needs), and a marker inside of text is text."""
    assert len([one for one in read(text) if isinstance(one, Document) and plain(one.root) is not None]) == count


def test_helms_comment_holds_for_its_document() -> None:
    """The template stands right behind the marker."""
    text = f"---\n# Source: shop/templates/a.yaml\n{POD}---\n\n# generated\n# Source: shop/b.yaml \r\n{POD}---\n{POD}# Source: no\n"
    assert [one.source for one in read(text) if isinstance(one, Document)] == ["shop/templates/a.yaml", "shop/b.yaml", None]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n<<: {a: 2, b: 3}\n",
        "<<: {a: 2, b: 3}\na: 1\n",
        "<<: [{a: 1}, {a: 2, b: 3}, {b: 4, c: 5}]\n",
        "x: &x {a: 1, b: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: [*y, {c: 3}], d: 4}\n",
        "a: 1\nb: 2\na: 3\n",
        "a: {x: 1}\na: {y: 2}\n",
        "<<: {a: 1}\n<<: {a: 2, b: 1}\n",
        "010: a\nyes: b\n1.50: c\n'010': d\n",
        "'<<': {a: 1}\n",
        "!!merge <<: {a: 1}\n",
        "a: &x 1\nb: &x 2\nc: *x\nd: [&y {e: *x}, *y]\n",
    ],
)
@pytest.mark.fetched
def test_keys_count_as_kubectl_has_it(text: str, tmp_path: Path) -> None:
    """Merge keys, the same key or anchor twice, keys that look like numbers: kubectl is asked, for it is no parser's business alone."""
    path = tmp_path / "object.yaml"
    path.write_text("apiVersion: v1\nkind: Any\nmetadata: {name: x}\nspec:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    done = kubernetes.run("kubectl", "label", "--local", "-f", path, "a=b", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert plain(only(text).root) == json.loads(done.stdout)["spec"]


def test_merges_go_in_circles_and_end() -> None:
    """Aliases of aliases are looked at once."""
    assert [key for key, _, _ in entries(only("&a {b: 1, <<: *a}").root)] == ["b"]
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 40)]
    assert [key for key, _, _ in entries(find(only("\n".join(lines)).root, "a39"))] == ["x"]


@pytest.mark.parametrize("text", ["[" * 3000, "{a: " * 3000, "- " * 3000, "? " * 3000, '{"a":' * 3000, "&a [" * 101 + "]" * 101])
def test_depth_is_bounded(text: str) -> None:
    """Made here and never written down: without the bound such a text ends the interpreter."""
    (found,) = read(text)
    assert isinstance(found, Unreadable)
    assert found.why == "it nests deeper than 100 levels"


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "".join(f"{' ' * n}a:\n" for n in range(99))])
def test_what_is_deep_is_read(text: str) -> None:
    """A hundred levels are no fault, and a depth is forgotten where it ends."""
    assert isinstance(only(text), Document)
    assert isinstance(only("- [[[1]]]\n" * 200), Document)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: b\nc: \x07\n", 2, "control character"),
        ("é: é\n\nb: \x00", 3, "control character"),
        ("a: b\nb: \ud800\n", 2, "no UTF-8"),
        ("a: b\nb: *c\n", 2, "undefined alias"),
        ("a: b: c", 1, "not allowed"),
        ("a:\n\t- b\n", 2, ""),
        ("%YAML 9.9\n---\na: b\n", 1, "incompatible"),
        ("a: {{ .Values.x }}\nb: {{- end }}\n", 2, ""),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text: str, line: int, why: str) -> None:
    """One line of words and the place."""
    (found,) = read(text)
    assert isinstance(found, Unreadable)
    assert (found.line, why in found.why, "\n" in found.why) == (line, True, False)


def test_json_is_read_as_it_is() -> None:
    """Escapes that YAML does not know, and characters in two halves (whose meaning is lost)."""
    assert plain(only('{"a": "\\u00e9\\/\\n", "b": "\\ud83d\\ude00 \\\\ud83d"}').root) == {"a": "é/\n", "b": "\ufffd\ufffd \\ud83d"}


def test_what_is_asked_of_the_wrong_kind_is_nothing() -> None:
    """Each question has an answer for each node."""
    root = only("a: [1, x]\nb: ~\n? [k]\n: v\n").root
    assert ([key for key, _, _ in entries(root)], entries(find(root, "a")), entries(None)) == (["a", "b"], [], [])
    assert (items(root), [value_of(one) for one in items(find(root, "a"))], items(None)) == ([], [1, "x"], [])
    assert (find(root, "b"), find(root, "a", "c"), find(None, "a"), value_of(root), text_of(root), value_of(None)) == (None,) * 6
    assert [text_of(one) for one in items(find(root, "a"))] == [None, "x"]


_SCALARS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.booleans(), st.none(), st.text(), st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abcé-", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES, st.booleans())
def test_json_means_what_it_means(value: object, ascii_only: bool) -> None:
    """Any JSON is YAML to us, and means the same (but for the halves of characters)."""
    text = json.dumps({"a": value}, ensure_ascii=ascii_only)
    documents = read("".join(letter for letter in text if letter not in "\x7f\x85\u2028\u2029"))
    document = documents[0] if documents else None
    if isinstance(document, Document) and not (ascii_only and "\\ud" in document.text):
        assert plain(document.root) == json.loads(document.text)


@given(st.text(alphabet=st.sampled_from("ab:-?[]{},&*!|>'\"%@#\n \t\r0.~<\ufeffé\x01\u2028")))
@example("---\n%YAML 1.1\n---\n")
@example("\ufeff---\n\ufeff")
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, and every place is inside of the file."""
    for one in read(text):
        if isinstance(one, Unreadable):
            assert 1 <= one.line <= text.count("\n") + text.count("\r") + text.count("\u2028") + 2
            continue
        waiting, seen = [one.root], set[int]()
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                place = one.place(node)
                assert 0 <= place.start <= place.end <= len(text)
                waiting += [part for _, *both in entries(node) for part in both] + items(node)


def test_it_reads_without_libyaml() -> None:
    """Where PyYAML was built without it, its reader in Python gives the same; bounded too."""
    script = (
        "import yaml; from tests.support import kubernetes; del yaml.CSafeLoader\n"
        "from tests.manifests.test_yamltext import *\n"
        "from cgtune.manifests import composing\n"
        "assert issubclass(composing._Reader, yaml.SafeLoader)\n"
        "assert plain(only('a: &x 010\\nb: &x 2\\nc: *x\\n').root) == {'a': 8, 'b': 2, 'c': 2}\n"
        "test_depth_is_bounded('[' * 3000); test_a_broken_document_hides_no_other()\n"
        "assert isinstance(read('a: \\x07')[0], Unreadable)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


CASES = [path for path in sorted((ROOT / "fixtures" / "manifests").glob("*.yaml")) if "\napiVersion: " in f"\n{path.read_text()}"]


@pytest.mark.fetched
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_whole_manifests_mean_what_they_mean_to_kubectl(path: Path, tmp_path: Path) -> None:
    """The cases that public charts gave, and the same as kubectl writes them: as JSON, YAML and KYAML."""
    for number, document in enumerate(parse_documents(path.name, path.read_text())):
        assert isinstance(document, Document)
        (tmp_path / "one.yaml").write_text(document.text)
        written = {}
        for form in ("json", "yaml", "kyaml"):
            done = kubernetes.run("kubectl", "label", "--local", "-f", tmp_path / "one.yaml", "a=b", "-o", form)
            assert done.returncode == 0, done.stderr
            written[form] = done.stdout
        theirs = json.loads(written["json"])
        assert [plain(only(text).root) for text in written.values()] == [theirs] * 3, number
        kind = plain(document.root)
        kind.setdefault("metadata", {}).setdefault("labels", {})["a"] = "b"
        if not kind["kind"].endswith("List"):
            assert kind == theirs
