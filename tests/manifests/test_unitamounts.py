"""Limits as systemd reads them. Each row was seen with systemd 252; tests/manifests/test_systemd.py asks the one that is installed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.unitamounts import (
    meant_cpu_quota,
    meant_size,
    parse_cpu_quota,
    parse_share,
    parse_size,
    why_no_cpu_quota,
    why_no_size,
)

QUOTAS = {
    "250%": 2.5,
    "33.3%": 0.333,
    "33.33%": 0.3333,
    "0.01%": 0.001,  # the kernel's least: 1 ms in 1 s
    "+5%": 0.05,
    "005%": 0.05,
    "0x10%": 0.16,
    "010%": 0.08,
    "0b11%": 0.03,
    "0o17%": 0.15,
    "500‰": 0.5,
    "1.5‰": 0.0015,
    "5000‱": 0.5,
    "21474836.47%": 214748.3647,
    "1.05%": 0.0105,
}
NO_QUOTAS = {
    "33.333%": "it has more than two decimals",
    "0.001%": "it has more than two decimals",
    "0.5": "it has no % sign; 100% is one CPU",
    "50": "it has no % sign; 100% is one CPU",
    '"50%"': "it has no % sign; 100% is one CPU",
    "0%": "it is no quota; CPUQuota= without a value means none",
    "%": "it is no quota; CPUQuota= without a value means none",
    "infinity": "it is no quota; CPUQuota= without a value means none",
    "50% # half": "a # or ; behind a value begins no comment: it is part of the value",
    **dict.fromkeys(
        ("-5%", "5 %", "5%%", "1e2%", ".5%", "5.%", "21474837%", "99999999999%", "1_0%", "33. 3%", "33.+3%", "٣%", "5,5%", "08%", "5.٣%"),
        "it is not a number with at most two decimals and a % sign right behind it",
    ),
}
_UNITS = "its only units are K, M, G, T, P and E, which are powers of 1024; MemoryMax={} is read"
_SHARE = "a share of the machine's memory has at most two decimals and is at most 100%"
_NUMBER = "it is not a number with one of the units K, M, G or T, as in MemoryMax=512M"
SIZES = {
    "512M": 512 << 20,
    "1G": 1 << 30,
    "1.5G": 1536 << 20,
    "1.5": 1,
    "1.9": 1,
    "1.25M": 1310720,
    "1G 512M": 1536 << 20,
    "1G512M": 1536 << 20,
    "1M 2K 3B": 1050627,
    "1K 1": 1025,
    "1.123456789123K": 1150,
    "1.99999K": 2047,
    "1.G": 1 << 30,
    "1 G": 1 << 30,
    "512B": 512,
    "+1": 1,
    "010": 10,
    "15E": 15 << 60,
    "18446744073709551614": (1 << 64) - 2,
}
NO_SIZES = {
    "512Mi": _UNITS.format("512M"),
    "512MB": _UNITS.format("512M"),
    "512m": _UNITS.format("512M"),
    "512k": _UNITS.format("512K"),
    "1KB": _UNITS.format("1K"),
    "0": "0 is no limit; MemoryMax=infinity means none",
    "33.333%": _SHARE,
    "101%": _SHARE,
    "0%": _SHARE,
    "512M # half": "a # or ; behind a value begins no comment: it is part of the value",
    **dict.fromkeys(
        ("-1", "0x10", "1e3", "Infinity", "max", ".5G", "1M1G", "1G 1G", "2 1", "1G infinity", "16E", "16E 1", "18446744073709551615"),
        _NUMBER,
    ),
}


@pytest.mark.parametrize("text", QUOTAS)
def test_a_quota(text: str) -> None:
    """A share of CPUs with at most two decimals, in cores."""
    assert parse_cpu_quota(text) == pytest.approx(QUOTAS[text], abs=1e-9)


@pytest.mark.parametrize("text", NO_QUOTAS)
def test_no_quota(text: str) -> None:
    """What systemd drops is None, and a sentence says what is wrong with it."""
    assert (parse_cpu_quota(text), why_no_cpu_quota(text)) == (None, NO_QUOTAS[text])


@pytest.mark.parametrize("text", SIZES)
def test_a_size(text: str) -> None:
    """Numbers with letters that are powers of 1024, the larger first, added up."""
    assert parse_size(text) == SIZES[text]


@pytest.mark.parametrize("text", NO_SIZES)
def test_no_size(text: str) -> None:
    """What systemd drops is None, and a sentence says what is wrong with it."""
    assert (parse_size(text), parse_share(text) or None, why_no_size("MemoryMax", text)) == (None, None, NO_SIZES[text])


def test_what_was_meant() -> None:
    """What is dropped for its spelling alone has another one; nothing is guessed of a number without a sign, or of a million bytes."""
    assert {text: meant for text in NO_QUOTAS if (meant := meant_cpu_quota(text))} == {
        "33.333%": "33.33%",
        '"50%"': "50%",
        "50% # half": "50%",
        "5 %": "5%",
    }
    assert {text: meant for text in NO_SIZES if (meant := meant_size(text))} == {
        "512Mi": "512M",
        "512m": "512M",
        "512k": "512K",
        "512M # half": "512M",
    }


@pytest.mark.parametrize(
    ("text", "share"), [("50%", 0.5), ("33.33%", 0.3333), ("5‰", 0.005), ("100%", 1.0), ("101%", None), ("512M", None)]
)
def test_a_share_of_the_machine(text: str, share: float | None) -> None:
    """A share is told from a size, and is at most the whole."""
    assert parse_share(text) == share


@given(st.text(alphabet="0123456789.%KMGi +-xe#", max_size=12) | st.text(max_size=6))
def test_any_text(text: str) -> None:
    """Any text is an amount or none, and what is none has a reason."""
    assert parse_cpu_quota(text) is not None or why_no_cpu_quota(text)
    assert parse_size(text) is not None or why_no_size("MemoryMax", text)
