"""The policy's options: right values, and one clear line for wrong ones."""

from __future__ import annotations

import pytest

import cgtune
from cgtune.advice.memory import recommend_memory, size_that_ends_it
from cgtune.advice.policy import NUMBERS, ROUNDINGS, parse_policy
from cgtune.errors import UsageError
from cgtune.model import Policy, ProcessReport
from cgtune.outputs.words import format_setting

MIB = 1 << 20


def test_nothing_given_is_the_default() -> None:
    """Without options the policy is the one that is documented."""
    assert parse_policy() == Policy()


def test_each_option_has_its_field() -> None:
    """Units are converted once."""
    policy = parse_policy(rounding="floor", min_procs=3, reserve_cpu="500m", headroom="12.5%", outside="64Mi")
    assert policy == Policy(rounding="floor", min_procs=3, reserve_cores=0.5, headroom_percent=12.5, outside_bytes=64 << 20)


def test_every_number_of_the_policy_can_be_given() -> None:
    """What has no option of its own has a name for --policy."""
    words = [
        "unmeasured=12%",
        "unmeasured-least=1Mi",
        "measured=5",
        "measured-least=2Mi",
        "measured-after=90s",
        "band=2%",
        "band-least=1Mi",
        "smallest-limit=32Mi",
        "crowded=70%",
        "roomy=40%",
    ]
    policy = parse_policy(numbers=words)
    assert policy == Policy(
        unmeasured_percent=12.0,
        unmeasured_least_bytes=MIB,
        measured_percent=5.0,
        measured_least_bytes=2 * MIB,
        measured_after_seconds=90.0,
        band_percent=2.0,
        band_least_bytes=MIB,
        smallest_limit_bytes=32 * MIB,
        crowded_percent=70.0,
        roomy_percent=40.0,
    )
    own = {"rounding", "min_procs", "reserve_cores", "headroom_percent", "outside_bytes"}
    assert own | {field for field, _ in NUMBERS.values()} == set(Policy.__annotations__)


def test_the_numbers_decide() -> None:
    """A smaller smallest limit gives a small container a value; what is crowded and what is roomy change the advice."""
    assert recommend_memory(48 * MIB, None, parse_policy()).set is False
    assert recommend_memory(48 * MIB, None, parse_policy(numbers=["smallest-limit=32Mi", "unmeasured-least=4Mi"])).value == 43 * MIB
    assert size_that_ends_it(40 * MIB, parse_policy(numbers=["roomy=25"])) == 160 * MIB


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"numbers": ["smallest=1"]}, "--policy smallest-limit=32Mi"),
        ({"numbers": ["crowded"]}, "--policy smallest-limit=32Mi"),
        ({"numbers": ["smallest-limit=1GB"]}, "--policy smallest-limit=32Mi"),
        ({"numbers": ["crowded=101"]}, "--policy crowded=20%"),
        ({"numbers": ["roomy=0"]}, "--policy roomy=20%"),
        ({"numbers": ["measured=x"]}, "--policy measured=20%"),
        ({"numbers": ["measured-after=300"]}, "--policy measured-after=5m"),
        ({"numbers": ["measured-after=8000h"]}, "--policy measured-after=5m"),
        ({"numbers": ["measured-after=-1s"]}, "--policy measured-after=5m"),
        ({"numbers": ["band=91%"]}, "--policy band=20%"),
        ({"numbers": ["band-least=1%"]}, "--policy band-least=32Mi"),
        ({"numbers": ["roomy=60"]}, "roomy=60 is not below crowded=60; example: --policy roomy=50"),
        ({"rounding": "up"}, "is none of slack, ceil, floor; example: --rounding slack"),
        ({"min_procs": 0}, "--min-procs 2"),
        ({"min_procs": 1 << 40}, "--min-procs 2"),
        ({"reserve_cpu": "two"}, "--reserve-cpu 2.5"),
        ({"headroom": "91%"}, "--headroom 10%"),
        ({"headroom": "-1"}, "--headroom 10%"),
        ({"headroom": "nan"}, "--headroom 10%"),
        ({"headroom": "ten"}, "--headroom 10%"),
        ({"headroom": ""}, "--headroom 10%"),
        ({"headroom": "1٣%"}, "--headroom 10%"),
        ({"headroom": "0" * 20 + "9"}, "--headroom 10%"),
        ({"outside": "64MiB"}, "--outside 512Mi"),
    ],
)
def test_a_wrong_value_is_one_line_with_an_example(options: dict[str, object], says: str) -> None:
    """The option is named, and an example of a right value stands beside it."""
    with pytest.raises(UsageError) as caught:
        parse_policy(**options)  # type: ignore[arg-type]
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("headroom", ["0", "10%", "50%"])
@pytest.mark.parametrize("limit", ["2.5", "2"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_what_a_policy_recommends_it_finds_no_fault_with(headroom: str, rounding: str, limit: str) -> None:
    """A program that has the recommended values has no finding that would fail a check; with another policy it may."""
    policy = parse_policy(headroom=headroom, rounding=rounding)

    def row(*env: str, by: Policy = policy) -> ProcessReport:
        return cgtune.predict(cpu_limit=limit, cpus=8, memory_limit="512Mi", go="1.24", env=env, policy=by).rows[0].process

    advised = [f"{one.name}={format_setting(one)}" for one in row().recommendations]
    assert {finding.severity for finding in row(*advised).findings} <= {"info"}
    fails = {finding.rule for finding in row(*advised, by=Policy()).findings if finding.severity != "info"}
    assert fails == ({"gomemlimit-exceeds-limit"} if headroom == "0" else set())
