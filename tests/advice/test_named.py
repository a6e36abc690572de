"""Limits that are named: what each spelling means, and what is refused because it could mean two things."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.named import Here, parse_named
from cgtune.errors import UsageError

MIB = 1 << 20


@pytest.mark.parametrize(
    ("given_", "cores"),
    [
        *(({"cpu_limit": "2.5"}, 2.5), ({"cpu_limit": "2500m"}, 2.5), ({"cpu_limit": "3"}, 3.0), ({"cpu_limit": "16.0"}, 16.0)),
        *(({"cpu_limit": "250000 100000"}, 2.5), ({"cpu_limit": "max"}, None)),
        # as resourceFieldRef fills them in
        *(({"cpu_limit": "2500", "cpu_divisor": "1m"}, 2.5), ({"cpu_limit": "3", "cpu_divisor": "1"}, 3.0)),
        *(({"cpu_limit": "500", "cpu_divisor": "1m"}, 0.5), ({"cpu_limit": "128", "cpu_divisor": "1"}, 128.0)),
        ({"cpu_limit": "10", "cpu_divisor": "1m"}, 0.01),
        # a divisor is for bare numbers alone
        *(({"cpu_limit": "2.5", "cpu_divisor": "1m"}, 2.5), ({"cpu_limit": "2500m", "cpu_divisor": "1"}, 2.5)),
        # the least of container and pod
        *(({"cpu_limit": "2.5", "pod_cpu_limit": "2"}, 2.0), ({"cpu_limit": "2.5", "pod_cpu_limit": "4"}, 2.5)),
        *(({"pod_cpu_limit": "2"}, 2.0), ({"cpu_limit": "max", "pod_cpu_limit": "1500m"}, 1.5)),
        # what the node has is what Kubernetes says where no limit is set
        *(({"cpu_limit": "8", "node_cpus": "8"}, None), ({"cpu_limit": "7910m", "node_cpus": "7910m"}, None)),
        *(({"cpu_limit": "8", "node_cpus": "7910m"}, None), ({"cpu_limit": "7910", "node_cpus": "7910", "cpu_divisor": "1m"}, None)),
        *(({"cpu_limit": "7", "node_cpus": "7910m"}, 7.0), ({"cpu_limit": "7500m", "node_cpus": "8"}, 7.5)),
        *(({"cpu_limit": "9", "node_cpus": "8"}, 9.0), ({"cpu_limit": "8", "node_cpus": "8", "pod_cpu_limit": "4"}, 4.0)),
    ],
)
def test_cpu_limits(given_: dict[str, str], cores: float | None) -> None:
    """A quantity means what Kubernetes means by it, a bare number what its divisor says."""
    assert parse_named(**given_).limit_cores == cores


@pytest.mark.parametrize(
    ("given_", "limit_bytes"),
    [
        *(({"memory_limit": "512Mi"}, 512 * MIB), ({"memory_limit": "536870912"}, 512 * MIB), ({"memory_limit": "max"}, None)),
        *(({"memory_limit": "512", "memory_divisor": "1Mi"}, 512 * MIB), ({"memory_limit": "524288", "memory_divisor": "1Ki"}, 512 * MIB)),
        *(({"memory_limit": "65536", "memory_divisor": "1"}, 65536), ({"memory_limit": "32Mi"}, 32 * MIB)),
        *(({"memory_limit": "512Mi", "pod_memory_limit": "256Mi"}, 256 * MIB), ({"pod_memory_limit": "256Mi"}, 256 * MIB)),
        *(({"memory_limit": "32Gi", "node_memory": "32Gi"}, None), ({"memory_limit": "31Gi", "node_memory": "32Gi"}, 31 << 30)),
        ({"memory_limit": "32Gi", "node_memory": "32Gi", "pod_memory_limit": "1Gi"}, 1 << 30),
    ],
)
def test_memory_limits(given_: dict[str, str], limit_bytes: int | None) -> None:
    """The same for bytes."""
    assert parse_named(**given_).memory_bytes == limit_bytes


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        # 2.5 CPUs or 2500, half a CPU or 500, MiB or bytes: a wrong guess is wrong by a factor of a thousand
        *(({"cpu_limit": "2500"}, "may be 2500 CPUs or 2500m"), ({"cpu_limit": "10"}, "may be 10 CPUs or 10m")),
        *(({"cpu_limit": "500"}, "--cpu-divisor"), ({"pod_cpu_limit": "16"}, "--pod-cpu-limit 16 may be")),
        *(
            ({"cpu_limit": "1", "cpu_request": "500"}, "--cpu-request 500 may be"),
            ({"cpu_limit": "1", "node_cpus": "7910"}, "--node-cpus 7910"),
        ),
        *(({"memory_limit": "512"}, "or so many MiB"), ({"memory_limit": "67108863"}, "--memory-divisor")),
        # a divisor that was meant for others
        ({"cpu_limit": "2500", "cpu_divisor": "1m", "node_cpus": "64"}, "no node has so few"),
        *(
            ({"cpu_limit": "1", "cpu_divisor": "2"}, "neither 1 nor 1m"),
            ({"memory_limit": "2", "memory_divisor": "1Gi"}, "round up too far"),
        ),
        # what no kernel takes, and what contradicts itself
        *(({"cpu_limit": "0m"}, "is a quota of 0"), ({"cpu_limit": "500 100000"}, "is a quota of 500 µs")),
        # a request that is not set, and the unset limit of an init container that is named, as Kubernetes fills them in
        *(({"cpu_limit": name}, "0 limits nothing: .*leave containerName out there.* write --cpu-limit max") for name in ("0", "00")),
        *(({"memory_limit": "0", "memory_divisor": unit}, "0 limits nothing: .* write --memory-limit max") for unit in (None, "1Mi")),
        *(
            ({"cpu_limit": "2.5", "cpu_request": "3.5"}, "above the limit"),
            ({"memory_limit": "1", "memory_divisor": "1"}, "less than 4096"),
        ),
        *(({"cpu_limit": "1.5.2"}, "no number"), ({"cpu_limit": "-1"}, "no number"), ({"cpu_limit": "1e400"}, "no number")),
        *(({"cpu_limit": ""}, "no number"), ({"cpu_limit": "٣"}, "no number"), ({"cpu_limit": "9" * 30}, "no number")),
        *(
            ({"memory_limit": "512mi"}, "no number of bytes"),
            ({"memory_limit": "-1"}, "no number"),
            ({"memory_limit": "1e400"}, "no number"),
        ),
        *(({"memory_limit": "1.5.2Gi"}, "no number"), ({"memory_limit": "512m"}, "m is a thousandth; write 512Mi")),
    ],
)
def test_what_is_refused(given_: dict[str, str], words: str) -> None:
    """One line names the option, what is wrong, and what to write instead."""
    with pytest.raises(UsageError, match=words) as raised:
        parse_named(**given_)
    assert "\n" not in str(raised.value)
    assert "--" in str(raised.value)


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"cpu_limit": "5m"}, ("the limit of 5m is enforced as 10m, the least that the kubelet and the kernel know",)),
        ({"cpu_limit": "0.0005"}, ("the limit of 0.0005 is enforced as 10m, the least that the kubelet and the kernel know",)),
        (
            {"cpu_limit": "3", "cpu_divisor": "1m"},
            (
                "the limit of 3m is enforced as 10m, the least that the kubelet and the kernel know",
                "if 3 CPUs were meant, its resourceFieldRef lacks divisor: 1m",
            ),
        ),
        *(({"cpu_limit": text}, ()) for text in ("10m", "1000 100000", "11m")),
        ({"cpu_limit": "10", "cpu_divisor": "1m"}, ()),
    ],
)
def test_less_than_the_kubelet_enforces(given_: dict[str, str], says: tuple[str, ...]) -> None:
    """1m to 9m are limits too: the kubelet writes 10m for them, and a reader is told."""
    named = parse_named(**given_)
    assert named.cpu_says == says
    assert named.limit_cores == (0.011 if given_["cpu_limit"] == "11m" else 0.01)


def test_a_request_that_was_rounded_up() -> None:
    """Half a CPU with divisor 1 is 1, above a limit of 600m without being so in truth."""
    assert parse_named(cpu_limit="600m", cpu_request="1").limit_cores == 0.6
    assert parse_named(cpu_limit="2", cpu_request="2").limit_cores == 2
    with pytest.raises(UsageError, match="--cpu-request 3 is above the limit of 2 CPUs"):  # rounded up or not, it was more than 2
        parse_named(cpu_limit="2", cpu_request="3")
    assert parse_named(cpu_limit="max", cpu_request="250m").cpu_says == ("the request of 0.25 CPUs limits nothing",)
    assert parse_named(cpu_limit="max", cpu_request="0").cpu_says == ()


def test_whole_numbers_may_have_been_rounded() -> None:
    """A bare number of CPUs hides a fraction, unless its divisor was 1m; a quantity does not."""
    rounded = [{"cpu_limit": "3"}, {"cpu_limit": "3", "cpu_divisor": "1"}, {"cpu_limit": "4.5", "pod_cpu_limit": "3"}]
    exact = [
        {"cpu_limit": "3.0"},
        {"cpu_limit": "3000m"},
        {"cpu_limit": "3000", "cpu_divisor": "1m"},
        {"cpu_limit": "2.5", "pod_cpu_limit": "3"},
    ]
    assert [parse_named(**row).is_rounded for row in rounded + exact] == [True] * 3 + [False] * 4


def test_what_was_not_named_is_not_known() -> None:
    """No limit and no word about a limit are two things."""
    assert [parse_named(cpu_limit="max").is_cpu_named, parse_named(memory_limit="1Gi").is_cpu_named] == [True, False]
    assert [parse_named(memory_limit="max").is_memory_named, parse_named(cpu_limit="1").is_memory_named] == [True, False]


texts = st.text(max_size=12) | st.text("0123456789.mkKMGiTe -max", max_size=10)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(
                ("cpu_limit", "cpu_request", "pod_cpu_limit", "node_cpus", "memory_limit", "pod_memory_limit", "node_memory"), texts
            ),
            "cpu_divisor": st.sampled_from(["1", "1m", "2"]),
            "memory_divisor": st.sampled_from(["1", "1Mi", "1Gi"]),
        },
    )
)
def test_nothing_but_usage_errors(given_: dict[str, Any]) -> None:
    """Whatever is typed: limits, or a UsageError."""
    try:
        named = parse_named(**given_)
    except UsageError:
        return
    assert named.limit_cores is None or named.limit_cores > 0
    assert named.memory_bytes is None or named.memory_bytes >= 4096


@given(st.integers(10, 10**6), st.sampled_from(["1", "1m"]))
def test_a_divisor_gives_what_kubernetes_divided(milli: int, divisor: str) -> None:
    """From a limit in thousandths, through resourceFieldRef's rounding, back: exact with 1m, rounded up to whole CPUs with 1."""
    filled_in = milli if divisor == "1m" else -(-milli // 1000)
    cores = parse_named(cpu_limit=str(filled_in), cpu_divisor=divisor).limit_cores
    assert cores is not None
    assert cores == (milli / 1000 if divisor == "1m" else filled_in)


@pytest.mark.parametrize(
    ("here", "cores", "limit_bytes"),
    [
        (None, None, None),
        (Here(), None, None),
        (Here(machine_cpus=2, machine_bytes=300 * MIB), None, None),
        (Here(limit_cores=1.5, memory_bytes=256 * MIB, machine_cpus=2, machine_bytes=300 * MIB), 1.5, 256 * MIB),
        (Here(limit_cores=0.1, memory_bytes=64 * MIB, machine_cpus=4, machine_bytes=8192 * MIB), 1.5, 256 * MIB),
        (Here(limit_cores=0.1, memory_bytes=64 * MIB, machine_cpus=2, machine_bytes=300 * MIB), None, None),
    ],
)
def test_a_limit_of_the_pod_is_not_taken_for_all_that_the_node_has(here: Here | None, cores: float | None, limit_bytes: int | None) -> None:
    """Under spec.resources Kubernetes fills in the pod's limit for a container's and for the node's: what is enforced here tells, and
    so does a machine that is much larger.
    """
    given_ = {"cpu_limit": "1500m", "node_cpus": "1500m", "memory_limit": "268435456", "node_memory": "268435456"}
    named = parse_named(here, **given_)
    assert (named.is_as_node, named.limit_cores, named.memory_bytes) == (True, cores, limit_bytes)
    for says, limit in ((named.cpu_says, cores), (named.memory_says, limit_bytes)):
        assert ("all that the node has, which" in " ".join(says)) == (limit is None)


def test_a_machine_whose_cpus_are_not_known_caps_nothing() -> None:
    """A program that is known to run there has no more CPUs than it, however many these are; of one whose number is known it says so."""
    named = parse_named(cpu_limit="3")
    assert named.on_node(Here(), "so it is") is named
    capped = named.on_node(Here(machine_cpus=2), "so it is")
    assert (capped.node_cpus, capped.cpu_says[len(named.cpu_says) :]) == (
        2,
        ("so it is, which has 2 CPUs (--node-cpus names those of another)",),
    )
    assert named.on_node(Here(machine_cpus=4), "so it is").cpu_says == named.cpu_says
