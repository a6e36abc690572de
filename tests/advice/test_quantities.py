"""What people type for CPUs and bytes."""

from __future__ import annotations

import decimal
import re

import pytest
from hypothesis import example, given, strategies as st

from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_limit, parse_cpu_quantity, parse_duration, parse_quantity
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
        ("5.", 5.0),
        ("+1", 1.0),
        (" 1 ", 1.0),
        ("1k", 1000.0),
        ("2.5e+00", 2.5),
        ("2.5m", 0.003),  # Kubernetes rounds up to thousandths
        ("0.1m", 0.001),
        ("1e-9", 0.001),
        ("500000u", 0.5),
        ("500000000n", 0.5),
        ("1.0000000000000000000000000001", 1.001),
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
        "-1",
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
        "1,5",
        "2.5.1",
        "٣",
        "9" * 5000,
        "1000001",
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
        ("9m", 1000, 100_000),  # the kubelet's least
        ("0.0005", 1000, 100_000),
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
        ("1.073741824e+09", 1 << 30),  # as Helm prints large numbers
        ("12e8", 1_200_000_000),
        ("1200e-3", 2),
        ("15e-1", 2),
        ("1.5", 2),
        ("5.Mi", 5 << 20),
        (" 1Gi ", 1 << 30),
        ("128974848000m", 128_974_848),  # the Kubernetes documentation's own example
        ("1073741824000000u", 1 << 30),
        ("8Ei", (1 << 63) - 1),
        ("1e19", (1 << 63) - 1),
        ("9223372036854775808", (1 << 63) - 1),
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
        "1e3Mi",
        "1e",
        "1e3e",
        "NaN",
        "inf",
        "Mi",
        ".Mi",
        "512MiB",
        "512MB",
        "1K",
        "1 Gi",
        "0x10",
        "1_000",
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


def test_a_thousandth_of_a_byte_is_a_slip() -> None:
    """512m of memory is half a byte to Kubernetes, so the refusal names what was meant."""
    with pytest.raises(UsageError, match=r"^--memory-limit '512m' is 1 bytes to Kubernetes, for m is a thousandth; write 512Mi$"):
        parse_byte_quantity("512m", "--memory-limit")


# k8s.io/apimachinery, pkg/api/resource/quantity.go, the grammar in the comment of type Quantity and ParseQuantity; written anew here, by
# regular expression and decimal arithmetic, which the code under test uses neither of.
_GRAMMAR = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_MOST = decimal.Decimal((1 << 63) - 1)


def apimachinery(text: str) -> decimal.Decimal | None:
    """The number that Kubernetes takes this quantity for, None if it takes it for none."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        return None
    sign, number, suffix = found.groups()
    with decimal.localcontext(prec=400):
        value = decimal.Decimal(f"{sign}{number}")
        if suffix is None:
            return value
        if suffix.endswith("i"):
            return value * decimal.Decimal(1024) ** ("KMGTPE".index(suffix[0]) + 1)
        return value.scaleb(_POWERS[suffix] if suffix in _POWERS else int(suffix[1:]))


_NUMBERS = st.from_regex(r"[0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9}", fullmatch=True, alphabet="0123456789.")
_SUFFIXES = st.one_of(
    st.sampled_from(["", *_POWERS, "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "K", "ki", "i", "mi", "b", "e", "E+", "e3m", "KiB"]),
    st.builds("{}{}{:0{}}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 30), st.integers(1, 3)),
)


@given(st.sampled_from(["", "+", "-"]), _NUMBERS, _SUFFIXES)
def test_quantities_are_those_of_kubernetes(sign: str, number: str, suffix: str) -> None:
    """Each text is the number that Kubernetes reads, exactly, or none for both; bytes and CPUs are rounded up, and capped, as there."""
    text = f"{sign}{number}{suffix}"
    expected, found = apimachinery(text), parse_quantity(text)
    assert (found is None) == (expected is None)
    if expected is None or found is None:
        return
    with decimal.localcontext(prec=400):
        assert decimal.Decimal(found[0]) / found[1] == expected
        if expected < 0:
            return
        rounded = min(expected.to_integral_value(decimal.ROUND_CEILING), _MOST)
        if suffix != "m" or rounded >= 1 << 20:
            assert parse_byte_quantity(text, "--memory-limit") == int(rounded)
        if expected <= 1_000_000:
            milli = (expected * 1000).to_integral_value(decimal.ROUND_CEILING)
            assert parse_cpu_quantity(text, "--cpu-limit") == int(milli) / 1000


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("0.1m", "1m"),
        ("1.5Gi", "1536Mi"),
        (".5", "500m"),
        ("12e-1", "1200e-3"),
        ("0.5Ki", "512"),
        ("8Ei", "9223372036854775807"),
        ("1e9", "1G"),
    ],
)
def test_what_kubernetes_prints_is_what_was_typed(typed: str, printed: str) -> None:
    """The canonical form that the API server gives back (seen with Kubernetes 1.36) is read as the same amount."""
    parse = parse_cpu_quantity if typed in ("0.1m", ".5", "12e-1") else parse_byte_quantity
    assert parse(typed, "--x") == parse(printed, "--x")


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


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15.0), ("500ms", 0.5), ("1.5m", 90.0), ("1h", 3600.0), ("100ms", 0.1), ("0.1s", 0.1), ("60m", 3600.0)]
)
def test_durations(text: str, seconds: float) -> None:
    """Each unit, and both bounds themselves."""
    assert parse_duration(text, "--interval", least_seconds=0.1, most_seconds=3600.0) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1.s", ".s", "1,5s", "-1s", "1d", "99ms", "3601s", "1e1s", "s15", "1 s", "9" * 90 + "s"])
def test_no_durations(text: str) -> None:
    """What has no unit, is no number or lies outside of the bounds is refused in one line with an example."""
    with pytest.raises(UsageError, match=r"^--interval .*; examples?: --interval 15s"):
        parse_duration(text, "--interval", least_seconds=0.1, most_seconds=3600.0)


def test_exponents_end_at_99() -> None:
    """The largest exponent that is taken, both ways; one more is none."""
    assert (parse_quantity("1e99"), parse_quantity("1e-99")) == ((10**99, 1), (1, 10**99))
    assert (parse_quantity("1e100"), parse_quantity("1e-100")) == (None, None)


def test_bytes_below_zero_are_no_number_of_bytes() -> None:
    """A number below zero is told as such, not as too few bytes."""
    with pytest.raises(UsageError, match="is no number of bytes"):
        parse_byte_quantity("-1", "--memory-limit", least=4096)
