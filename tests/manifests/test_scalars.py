"""What a scalar means to kubectl: a table that kubectl itself is asked about, and properties."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.scalars import PLAIN, TEXT, parse_scalar, render_key, render_number
from tests.support import kubernetes

# As kubectl 1.37.1 sends it to the API server.
ROWS: dict[str, object] = {
    "010": 8,
    "0o10": 8,
    "0O10": 8,
    "09": 9,
    "0_1": 1,
    "0": 0,
    "00": 0,
    "-0": 0,
    "-010": -8,
    "007": 7,
    "+1": 1,
    "-1": -1,
    "1_000": 1000,
    "1_000m": "1_000m",
    "1__0": 10,
    "1_": 1,
    "0x10": 16,
    "0X1f": 31,
    "-0x10": -16,
    "0x": "0x",
    "0b11": 3,
    "-0b11": -3,
    "0b12": "0b12",
    "1e9": 1_000_000_000,
    "1e+9": 1_000_000_000,
    "1E9": 1_000_000_000,
    "1e-1": 0.1,
    "1e400": "1e400",
    "1e": "1e",
    ".5": 0.5,
    ".5e1": 5,
    ".1_0": 0.1,
    ".1_": ".1_",
    "..": "..",
    ".": ".",
    "1.": 1,
    "1.5.1": "1.5.1",
    "-.5": -0.5,
    "1.0": 1,
    "0.10": 0.1,
    "12:30": "12:30",
    "1:30:00": "1:30:00",
    "2001-01-01": "2001-01-01",
    "2001-01-01T00:00:00Z": "2001-01-01T00:00:00Z",
    "y": True,
    "Yes": True,
    "ON": True,
    "true": True,
    "tRUE": "tRUE",
    "n": False,
    "No": False,
    "off": False,
    "False": False,
    "~": None,
    "null": None,
    "Null": None,
    "nULL": "nULL",
    "": None,
    "nil": "nil",
    "=": "=",
    "-": "-",
    "+": "+",
    "+ 1": "+ 1",
    "<<": "<<",
    "18446744073709551615": 18446744073709551615,
    "18446744073709551616": 2.0**64,
    "-9223372036854775809": -(2.0**63) - 1,
    "0x1p3": "0x1p3",
    "1f": "1f",
    "٣": "٣",
    "1٣": "1٣",
    "512Mi": "512Mi",
    "100m": "100m",
    "1e9x": "1e9x",
    "4B": "4B",
    "e5": "e5",
}
TAGGED: dict[str, object] = {
    "!!str 010": "010",
    "!foo 3": "3",
    "! 3": "3",
    '"3"': "3",
    "'yes'": "yes",
    "!!int 010": 8,
    '!!int "5"': 5,
    "!!float 5": 5.0,
    '!!bool "yes"': True,
    '""': "",
    "!!str": "",
    "!!null ~": None,
}


@pytest.mark.parametrize("text", [text for text in ROWS if text != "-"])
def test_a_plain_scalar_is_what_kubectl_takes_it_for(text: str) -> None:
    """Each row of the table."""
    value = parse_scalar(text, PLAIN)
    assert (value, isinstance(value, bool)) == (ROWS[text], isinstance(ROWS[text], bool))


@pytest.mark.fetched
def test_the_table_is_kubectls_own(tmp_path: Path) -> None:
    """kubectl reads the same out of the same words."""
    rows = {text: value for text, value in ROWS.items() if text != "-"} | TAGGED
    lines = [f"- {text}" for text in rows]
    path = tmp_path / "object.yaml"
    path.write_text("apiVersion: v1\nkind: Any\nmetadata: {name: x}\nspec:\n  rows:\n  " + "\n  ".join(lines) + "\n")
    done = kubernetes.run("kubectl", "label", "--local", "-f", path, "a=b", "-o", "json")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["spec"]["rows"]
    assert [_number(one) for one in answers] == [_number(one) for one in rows.values()]


def _number(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(st.text())
def test_what_is_quoted_is_text(text: str) -> None:
    """Whatever it looks like."""
    assert parse_scalar(text, TEXT) == text


@given(st.integers(-(1 << 63), (1 << 64) - 1), st.sampled_from(["d", "#x", "#o", "_"]))
def test_whole_numbers_keep_their_value(number: int, form: str) -> None:
    """In each base, and with underscores between the digits."""
    assert parse_scalar(format(number, form), PLAIN) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimals_keep_their_value(number: float) -> None:
    """And go back to text that means the same."""
    assert parse_scalar(repr(number), PLAIN) == number
    assert float(render_number(number)) == number


@given(st.text(alphabet="0123456789_.+-eExob ~yYnN:", max_size=12), st.sampled_from([PLAIN, TEXT, "!x", "tag:yaml.org,2002:float"]))
def test_any_text_is_something(text: str, tag: str) -> None:
    """No text is an error; a number is finite unless it is written as .inf."""
    value = parse_scalar(text, tag)
    assert not isinstance(value, float) or math.isfinite(value)
    assert isinstance(render_key(text, tag), str)


@pytest.mark.parametrize(
    ("text", "key"), [("010", "8"), ("yes", "true"), ("n", "false"), ("1.50", "1.5"), ("1e3", "1000"), ("name", "name"), ("~", "~")]
)
def test_keys_are_text(text: str, key: str) -> None:
    """A key that looks like a number or a truth is the text of that."""
    assert render_key(text, PLAIN) == key
