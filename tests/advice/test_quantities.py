"""What people type for CPUs and bytes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_limit, parse_cpu_quantity
from cgtune.errors import UsageError
from cgtune.model import Bandwidth


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("2.5", 2.5),
        ("2500m", 2.5),
        ("0.5", 0.5),
        (".5", 0.5),
        ("500m", 0.5),
        ("250m", 0.25),
        ("1", 1.0),
        ("0", 0.0),
        ("0m", 0.0),
        ("64", 64.0),
        ("1e3", 1000.0),
        ("25e-1", 2.5),
        ("0.25E1", 2.5),
    ],
)
def test_cpus(text: str, cores: float) -> None:
    """CPUs are read whole, as a decimal, with an exponent, or in thousandths."""
    assert parse_cpu_quantity(text, "--cpu-request") == cores


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        ".",
        "5.",
        "-1",
        "+1",
        "1e400",
        "1e99",
        "1e",
        "e3",
        "1e--3",
        "1e3m",
        "1e1e1",
        "nan",
        "NaN",
        "inf",
        "0x10",
        "1_000",
        " 1",
        "1 ",
        "1,5",
        "2.5.1",
        "2.5m",
        "1k",
        "٣",
        "9" * 5000,
        "1000001",
        "1.0000000000000000000000000001",
        "2 CPUs",
        "max",
        "1000000001m",
        "1mm",
    ],
)
def test_no_cpus(text: str) -> None:
    """What is no number of CPUs is refused in one line that names the option and an example."""
    with pytest.raises(UsageError, match=r"^--cpu-request .*; examples: --cpu-request 2\.5") as refusal:
        parse_cpu_quantity(text, "--cpu-request")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("text", "quota_us", "period_us"),
    [
        ("2.5", 250_000, 100_000),
        ("2500m", 250_000, 100_000),
        ("0.29", 29_000, 100_000),  # 28999.999999999996 in floating point
        ("10m", 1000, 100_000),
        ("250000 100000", 250_000, 100_000),
        ("3200000 1000000", 3_200_000, 1_000_000),
        ("17592186044415 1000", 17_592_186_044_415, 1000),
        ("max", None, 100_000),
        ("max 50000", None, 50_000),
    ],
)
def test_cpu_limits(text: str, quota_us: int | None, period_us: int) -> None:
    """A CPU limit becomes quota and period: of the usual 100 ms, or those of cpu.max."""
    assert parse_cpu_limit(text, "--cpu-limit") == Bandwidth(quota_us=quota_us, period_us=period_us)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "9m",
        "0.001",
        "-1",
        "-1 100000",
        "100000 0",
        "0 100000",
        "999 100000",
        "100000 999",
        "100000 1000001",
        "17592186044416 1000",
        "100000 max",
        "1 2 3",
        "100000  100000",
        "100000\t100000",
        "100000 ",
        " ",
        "1.5 100000",
        f"{'9' * 5000} 100000",
        "MAX",
        "max max",
    ],
)
def test_no_cpu_limits(text: str) -> None:
    """A limit that no kernel takes is refused in one line that names the option and an example."""
    with pytest.raises(UsageError, match=r"^--cpu-limit .*; examples?: --cpu-limit") as refusal:
        parse_cpu_limit(text, "--cpu-limit")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("536870912", 536_870_912),
        ("1Ki", 1024),
        ("512Mi", 536_870_912),
        ("1.5Gi", 1_610_612_736),
        ("0.1Gi", 107_374_183),  # Kubernetes rounds up
        ("1Ti", 1 << 40),
        ("2Pi", 2 << 50),
        ("7Ei", 7 << 60),
        ("1k", 1000),
        ("512M", 512_000_000),
        ("1G", 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("9E", 9 * 10**18),
        ("129e6", 129_000_000),
        ("1.5E9", 1_500_000_000),
        ("1E1", 10),
        ("5000e-3", 5),
        ("64.0", 64),
    ],
)
def test_bytes(text: str, count: int) -> None:
    """Bytes are read plain, with an exponent and with the units of Kubernetes, exactly."""
    assert parse_byte_quantity(text, "--memory-limit") == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "512mi",
        "512MI",
        "1.5.2",
        "-1",
        "1e400",
        "1e19",
        "15e-1",
        "1e3Mi",
        "1e",
        "1e3e",
        "NaN",
        "inf",
        "1.5",
        "Mi",
        ".Mi",
        "5.Mi",
        "512MiB",
        "512MB",
        "512m",
        "1K",
        "1 Gi",
        " 1Gi",
        "1Gi ",
        "0x10",
        "1_000",
        "8Ei",
        "9223372036854775808",
        "9" * 5000,
        "1Gi1",
        "٣",
        "off",
        "max",
    ],
)
def test_no_bytes(text: str) -> None:
    """What is no number of bytes, or none that a machine has, is refused in one line that names the option and an example."""
    with pytest.raises(UsageError, match=r"^--memory-limit .*; examples?: --memory-limit 512Mi") as refusal:
        parse_byte_quantity(text, "--memory-limit")
    assert "\n" not in str(refusal.value)


def test_less_than_the_least_is_refused() -> None:
    """An option that cannot be 0 says what its least is."""
    with pytest.raises(UsageError, match="less than 4096 bytes"):
        parse_byte_quantity("4095", "--memory-limit", least=4096)
    assert parse_byte_quantity("4Ki", "--memory-limit", least=4096) == 4096


@given(st.text())
@example("1\n2")
@example("\ud800")
def test_any_text_is_a_quantity_or_a_usage_error(text: str) -> None:
    """No text whatever raises anything but UsageError, with one printable line."""
    for parse in (parse_cpu_quantity, parse_cpu_limit, parse_byte_quantity):
        said = ""
        try:
            parse(text, "--option")
        except UsageError as error:
            said = str(error)
        assert said.isprintable()
