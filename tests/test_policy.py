"""The policy's options: right values, and one clear line for wrong ones."""

from __future__ import annotations

import pytest

from cgtune.errors import UsageError
from cgtune.model import Policy
from cgtune.policy import parse_policy


def test_nothing_given_is_the_default() -> None:
    """Without options the policy is the one that is documented."""
    assert parse_policy() == Policy()


def test_each_option_has_its_field() -> None:
    """Units are converted once."""
    policy = parse_policy(rounding="floor", min_procs=3, reserve_cpu="500m", headroom="12.5%", outside="64Mi")
    assert policy == Policy(rounding="floor", min_procs=3, reserve_cores=0.5, headroom_percent=12.5, outside_bytes=64 << 20)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rounding": "up"}, "--rounding floor"),
        ({"min_procs": 0}, "--min-procs 2"),
        ({"min_procs": 1 << 40}, "--min-procs 2"),
        ({"reserve_cpu": "two"}, "--reserve-cpu 2.5"),
        ({"headroom": "91%"}, "--headroom 10%"),
        ({"headroom": "-1"}, "--headroom 10%"),
        ({"headroom": "nan"}, "--headroom 10%"),
        ({"headroom": "ten"}, "--headroom 10%"),
        ({"headroom": ""}, "--headroom 10%"),
        ({"outside": "64MiB"}, "--outside 512Mi"),
    ],
)
def test_a_wrong_value_is_one_line_with_an_example(options: dict[str, object], says: str) -> None:
    """The option is named, and an example of a right value stands beside it."""
    with pytest.raises(UsageError) as caught:
        parse_policy(**options)  # type: ignore[arg-type]
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
