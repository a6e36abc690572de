"""Files of variables, read as their readers do: held against tests/support/envreaders, which was written from their rules on its own."""

from __future__ import annotations

from hypothesis import given, strategies as st

from cgtune.manifests.envfiles import parse_systemd_variables
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
