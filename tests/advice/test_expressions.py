"""The recommended values as CEL expressions; tests/commands/test_policy.py evaluates them and compares."""

from __future__ import annotations

from typing import Any

import pytest

from cgtune.advice.expressions import MOST_LIMIT_BYTES, express_policy
from cgtune.advice.policy import parse_policy


@pytest.mark.parametrize(
    ("options", "mib", "keeps"),
    [
        (
            {},
            "(l.bytes * 9 / 10 < l.bytes - 16777216 ? l.bytes * 9 / 10 : l.bytes - 16777216) / 1048576",
            "10 % of it, at least 16 MiB,",
        ),
        ({"headroom": "20"}, "l.bytes * 8 / 10 / 1048576", "20 % of it"),
        ({"headroom": "16.125"}, "l.bytes * 83875 / 100000 / 1048576", "16.125 % of it"),
        ({"headroom": "0"}, "l.bytes / 1048576", "0 % of it"),
        ({"headroom": "-0"}, "l.bytes / 1048576", "0 % of it"),
        # The words say what is computed: thousandths of a percent, and bytes without an exponent
        ({"headroom": "0.0000001"}, "l.bytes / 1048576", "0 % of it"),
        ({"headroom": "33.3333333"}, "l.bytes * 66667 / 100000 / 1048576", "33.333 % of it"),
        (
            {"headroom": "0", "outside": "2Ti"},
            "(l.bytes - 2199023255552) / 1048576",
            "0 % of it and 2097152 MiB for what Go does not manage",
        ),
        (
            {"outside": "64Mi", "headroom": "5"},
            "(l.bytes * 95 / 100 - 67108864) / 1048576",
            "5 % of it and 64 MiB for what Go does not manage",
        ),
        (
            {"outside": "64Mi"},
            "((l.bytes * 96 / 100 < l.bytes - 8388608 ? l.bytes * 96 / 100 : l.bytes - 8388608) - 67108864) / 1048576",
            "4 % of it, at least 8 MiB, and 64 MiB for what Go does not manage",
        ),
    ],
)
def test_memory(options: dict[str, Any], mib: str, keeps: str) -> None:
    """The share as a fraction in its lowest powers of ten, the least that is kept, and what is declared as not Go's."""
    expressions = express_policy(parse_policy(**options))
    assert (expressions.mib, expressions.keeps) == (mib, keeps)


@pytest.mark.parametrize(
    ("options", "procs", "least"),
    [
        ({}, "l.milli / 1000 + 1", 2),
        ({"rounding": "ceil"}, "(l.milli + 999) / 1000", 2),
        ({"rounding": "floor"}, "l.milli / 1000", 1),
        ({"rounding": "floor", "min_procs": 3, "reserve_cpu": "250m"}, "(l.milli - 250) / 1000", 3),
    ],
)
def test_procs(options: dict[str, Any], procs: str, least: int) -> None:
    """Each rounding, and the least value."""
    expressions = express_policy(parse_policy(**options))
    assert (expressions.procs, expressions.least_procs) == (procs, least)


def test_bounds() -> None:
    """Limits too small for any value are left alone, and none overflows 64 bits."""
    expressions = express_policy(parse_policy(numbers=["smallest-limit=101Mi"]))
    assert (expressions.least_limit_bytes, expressions.least_mib) == (101 << 20, 51)
    assert express_policy(parse_policy(numbers=["smallest-limit=1Ki"])).least_mib == 1
    assert (MOST_LIMIT_BYTES * 100_000).bit_length() < 64
