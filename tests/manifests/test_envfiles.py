"""Files of variables, read as their readers do: held against tests/support/envreaders, which was written from their rules on its own."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.manifests.envfiles import parse_compose_variables, parse_systemd_variables
from tests.support import envreaders


@given(st.text(alphabet="AB1_= \t\n\r\\'\"#;$`x\x01\x85", max_size=40))
def test_systemd(text: str) -> None:
    """What systemd would set is what we read; what it drops we leave out."""
    reader = envreaders.read_systemd
    found = {entry.name: entry.value for entry in parse_systemd_variables(text)}
    try:
        expected = reader(text)
    except ValueError:
        return
    assert found == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1 \\", {"A": "1 "}),
        ("A=1 \\\n B=2\n", {"A": "1  B=2"}),
        ("A='x' y \\", {"A": "xy "}),
        ('A="x\\', {"A": "x"}),
        ('A="x" ', {"A": "x"}),
        ("A\r=1\nB=2\rC=3\nF=1 \\\r\n2\n", {"B": "2", "C": "3", "F": "1 "}),
    ],
)
def test_systemd_at_the_ends_of_lines(text: str, found: dict[str, str]) -> None:
    """As the generator of systemd 252 that reads environment.d(5), by the same code, was seen to read them."""
    assert {entry.name: entry.value for entry in parse_systemd_variables(text)} == found


def test_systemd_places() -> None:
    """The value with its quotes, the name, and what is left out: no names, and values with control characters."""
    text = "# c \\\n still\n;x\n A = 'b c'd  \nB=\"x\\\ny\"\n1A=1\nC=\x01\nD=a b  \nE\nF='open"
    entries = parse_systemd_variables(text)
    assert [(one.name, one.value, text[one.start : one.end], text[one.name_start]) for one in entries] == [
        ("A", "b cd", "'b c'd", "A"),
        ("B", "xy", '"x\\\ny"', "B"),
        ("D", "a b", "a b", "D"),
        ("F", "open", "'open", "F"),
    ]


def _not_set(_name: str) -> str | None:
    return None


# Files by what Docker Compose 2.26.1 made of them; X is not set
COMPOSE: dict[str, dict[str, str | None]] = {
    "A=1": {"A": "1"},
    "A= 1": {"A": "1"},
    "export  A = 1": {"A": "1"},
    "exportA=1": {"exportA": "1"},
    "A: 1": {"A": "1"},
    "A=1 # c": {"A": "1"},
    "A=1#c": {"A": "1#c"},
    "A= #c": {"A": "#c"},
    'A="1" # c\nB=2': {"A": "1", "B": "2"},
    'A="x"B=1': {"A": "x", "B": "1"},
    "A='a\\'b'": {"A": "a'b"},
    'A="a\\"b\\n\\t\\\\\\$c\\x"': {"A": 'a"b\n\t\\$c\\x'},
    'A="\\\\"': {"A": "\\"},
    "A='x\\\\'": {"A": "x\\\\"},
    'A="a\nb"': {"A": "a\nb"},
    'A=x"y"': {"A": 'x"y"'},
    "A=a\\nb": {"A": "a\\nb"},
    "A=\nB=2": {"A": "", "B": "2"},
    "A=1\r\nB=2\r\n": {"A": "1", "B": "2"},
    "# c\n\nA-B=1\nA.B=2\n1A=3\nA[0]=4": {"A-B": "1", "A.B": "2", "1A": "3", "A[0]": "4"},
    "B=2\nA=$B${X:-d}": {"B": "2", "A": "2d"},
    "A='$B'": {"A": "$B"},
    "A=$$": {"A": "$"},
    "A=$X": {"A": None},
    "A=1\nA=2": {"A": "2"},
    "\ufeffA=1": {"A": "1"},
    "X\nA=1": {"A": "1"},
}


@pytest.mark.parametrize("text", COMPOSE)
def test_compose(text: str) -> None:
    """What Compose would set is what we read; a variable of the shell's is not known."""
    assert {entry.name: entry.value for entry in parse_compose_variables(text, _not_set)} == COMPOSE[text]


@pytest.mark.parametrize("text", ["A B=1", 'A="x', "A='x", 'A="a" "b"', "A+=1", "A/B=1", "A@=1", "=1"])
def test_compose_refuses(text: str) -> None:
    """A file with one such line is refused as a whole."""
    with pytest.raises(Malformed, match=r"^Compose refuses the file: "):
        parse_compose_variables(text, _not_set)


def test_compose_places() -> None:
    """The value with its quotes, and the name."""
    text = "export A = 'b c' # d\nB=x y # z\n"
    entries = parse_compose_variables(text, _not_set)
    assert [(text[one.start : one.end], text[one.name_start]) for one in entries] == [("'b c'", "A"), ("x y", "B")]


@given(st.text(alphabet="AB1_= \t\n\\'\"#;$`{}x", max_size=40))
def test_compose_takes_any_text(text: str) -> None:
    """Any text is a file of variables or refused; what our other reader of it takes is the same here."""
    try:
        found = {entry.name: entry.value for entry in parse_compose_variables(text, _not_set)}
        expected = envreaders.read_compose(text)
    except (Malformed, ValueError):
        return
    assert found == expected
