"""Numbers below everybody: the CPU requests behind weights, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from cgtune.numbers import (
    format_request,
    requests_of_shares,
    requests_of_weight,
    shares_of_request,
    weight_by_curve,
    weight_by_line,
    weight_of_spec_shares,
)

if TYPE_CHECKING:
    from cgtune.numbers import Requests


@pytest.mark.parametrize(
    ("millicores", "shares", "line", "curve"),
    [
        # Read from a kubelet 1.36 with runc 1.5.0-rc.1: pods by the line, containers by the curve
        (100, 102, 4, 17),
        (250, 256, 10, 35),
        (500, 512, 20, 59),
        (1000, 1024, 39, 100),
        (2000, 2048, 79, 174),
        # The ends, which both formulas fit
        (0, 2, 1, 1),
        (256_000, 262_144, 10_000, 10_000),
        (300_000, 262_144, 10_000, 10_000),
    ],
)
def test_a_request_to_a_weight(millicores: int, shares: int, line: int, curve: int) -> None:
    """As a real cluster wrote them."""
    assert (shares_of_request(millicores), weight_by_line(shares), weight_by_curve(shares)) == (shares, line, curve)


@pytest.mark.parametrize(
    ("weight", "requests"),
    [
        (10, (("line", 233, 258), ("curve", 43, 49))),
        (35, (("line", 874, 898), ("curve", 250, 258))),
        (1, (("line", 0, 28), ("curve", 0, 2))),
        (10_000, (("line", 256_000, 256_000), ("curve", 255_972, 256_000))),
    ],
)
def test_a_weight_back_to_requests(weight: int, requests: Requests) -> None:
    """Several millicores come to one weight, by either formula."""
    assert requests_of_weight(weight) == requests


def test_what_cadvisor_makes_of_weights() -> None:
    """Every weight is known again by the shares that it is told as, and no other number is one."""
    told = {2 + (weight - 1) * 262_142 // 9999: weight for weight in range(1, 10_001)}
    assert {shares: weight_of_spec_shares(shares) for shares in range(3000)} == {shares: told.get(shares) for shares in range(3000)}
    assert all(weight_of_spec_shares(shares) == weight for shares, weight in told.items())
    assert [weight_of_spec_shares(shares) for shares in (1522, 2, 262_144, 262_145, 102, -5, 10**30)] == [
        59,
        1,
        10_000,
        None,
        None,
        None,
        None,
    ]


@given(st.integers(0, 256_000))
def test_a_request_is_in_what_its_weight_stands_for(millicores: int) -> None:
    """Whatever was asked for is in the range of the formula that was used, and its neighbours outside of it have other weights."""
    shares = shares_of_request(millicores)
    least, most = requests_of_shares(shares)
    assert least <= millicores <= most
    for formula, weigh in (("line", weight_by_line), ("curve", weight_by_curve)):
        weight = weigh(shares)
        [(least, most)] = [(least, most) for name, least, most in requests_of_weight(weight) if name == formula]
        assert least <= millicores <= most
        outside = [beside for beside in (least - 1, most + 1) if 0 <= beside <= 256_000]
        assert all(weigh(shares_of_request(beside)) != weight for beside in outside)


def test_a_request_is_shown_as_kubernetes_writes_it() -> None:
    """One number if it is known, else the range."""
    assert (format_request(250, 250), format_request(233, 258)) == ("250m", "233m to 258m")
