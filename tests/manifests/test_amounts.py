"""Amounts as Docker and Compose read them; each row was seen with Docker Compose 2.26.1."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.amounts import parse_cpus, parse_docker_size, parse_float
from tests.support.cost import cpu_seconds

SIZES = {
    **dict.fromkeys(("512m", "512M", "512mb", "512MB", "512Mb", "512mib", "512MiB", "512Mi", "0.5g", "512 MiB"), 512 << 20),
    "512": 512,
    "512b": 512,
    "1.5g": 1536 << 20,
    "1.5": 1,
    "1ib": 1,
    "1t": 1 << 40,
    "1p": 1 << 50,
    "0": 0,
    "010": 10,
}
NO_SIZES = ("", "b", "i", "1e", "1e3", "1  g", "+1g", "-1", ".5g", "1.g", "1,5g", "1.5.5g", "1gg", "0x10", "٣", "8192p", "512Mbit")


@pytest.mark.parametrize("text", SIZES)
def test_a_size(text: str) -> None:
    """Letters of both kinds are powers of 1024, whatever stands behind them."""
    assert parse_docker_size(text) == SIZES[text]


@pytest.mark.parametrize("text", NO_SIZES)
def test_no_size(text: str) -> None:
    """What Docker refuses is None."""
    assert parse_docker_size(text) is None


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0", {0}),
        ("0-2,4", {0, 1, 2, 4}),
        ("3 1", {1, 3}),
        ("", None),
        ("2-1", None),
        ("a", None),
        ("0-99999", None),
        ("-1", None),
        ("1-", None),
    ],
)
def test_cpus_by_number(text: str, cpus: set[int] | None) -> None:
    """Numbers and ranges; what no kernel can have is none."""
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e-1", 0.1),
        ("1_0", 10.0),
        ("-1", -1.0),
        ("500m", None),
        ("2 ", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
    ],
)
def test_a_number(text: str, value: float | None) -> None:
    """A number as Go reads it, if it is finite."""
    assert parse_float(text) == value


@given(st.text(alphabet="0123456789.kmgtpibKMGTPIB -+e_", max_size=12) | st.text(max_size=5))
def test_any_text(text: str) -> None:
    """Any text is an amount or none."""
    size = parse_docker_size(text)
    assert size is None or size >= 0
    parse_float(text)
    parse_cpus(text)


def test_many_digits_take_no_time() -> None:
    """A number that is none only at its end is refused at once, however long it is: what a compose file says of CPUs may be a megabyte."""
    text = "1" * 20_000 + "x"
    assert cpu_seconds(lambda: (parse_float(text), parse_docker_size(text), parse_cpus(text))) < 0.1
