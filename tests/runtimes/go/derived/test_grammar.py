from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.model import RemovedGodebug
from cgtune.runtimes.go.derived.grammar import NO_LIMIT, parse_godebug, parse_gogc, parse_gomaxprocs, parse_gomemlimit, parse_integer

GIB = 1 << 30

# text, Go up to 1.25, Go from 1.26 on
INTEGERS = [
    ("", None, None),
    ("0", 0, 0),
    ("-0", 0, 0),
    ("04", 4, 4),
    ("0" * 5000 + "7", 7, 7),
    ("+4", None, 4),
    ("-", 0, None),
    ("+", None, None),
    ("--4", None, None),
    ("-+4", None, None),
    (" 4", None, None),
    ("4 ", None, None),
    ("4\n", None, None),
    ("0x4", None, None),
    ("4_0", None, None),
    ("1e3", None, None),
    ("\u0664", None, None),
    ("4\udcff", None, None),
    ("9223372036854775807", NO_LIMIT, NO_LIMIT),
    ("9223372036854775808", None, None),
    ("-9223372036854775808", -NO_LIMIT - 1, -NO_LIMIT - 1),
    ("-9223372036854775809", None, None),
    ("9" * 5000, None, None),
]

GOMAXPROCS = [
    ("", None, None),
    ("0", None, None),
    ("-3", None, None),
    ("-", None, None),
    (" 5", None, None),
    ("5.0", None, None),
    ("5", 5, 5),
    ("+5", None, 5),
    ("2147483647", 2147483647, 2147483647),
    ("2147483648", None, None),
    ("4294967297", None, None),
]

# None: the program dies
GOMEMLIMIT = [
    ("", NO_LIMIT, NO_LIMIT),
    ("off", NO_LIMIT, NO_LIMIT),
    ("0", 0, 0),
    ("-0B", 0, 0),
    ("512MiB", 512 << 20, 512 << 20),
    ("0001KiB", 1024, 1024),
    ("8388607TiB", 8388607 << 40, 8388607 << 40),
    ("8388608TiB", None, None),
    ("9223372036854775807B", NO_LIMIT, NO_LIMIT),
    ("9223372036854775808", None, None),
    ("99999999999999999999TiB", None, None),
    ("-KiB", 0, None),
    ("+1GiB", None, GIB),
    ("+5", None, 5),
    ("-1", None, None),
    *((text, None, None) for text in ("OFF", " off", "B", "1b", "1K", "1KB", "1k", "1Ki", "1kiB", "1PiB", "1EiB", "512Mi", "1G", "1.5GiB")),
    *(
        (text, None, None)
        for text in (" 1GiB", "1GiB ", "1 GiB", "1e9", "0x10", "1_000", "512MiBB", "10iB", "iB", "KiB", "-", "-B", "\u0661")
    ),
]

GOGC = [
    ("", None, None),
    ("off", -1, -1),
    ("OFF", None, None),
    ("50", 50, 50),
    ("050", 50, 50),
    ("50 ", None, None),
    ("1.5", None, None),
    ("-1", -1, -1),
    ("-50", -1, -1),
    ("0", 0, 0),
    ("+50", None, 50),
    ("-", 0, None),
    ("2147483648", None, None),
]


@pytest.mark.parametrize(("text", "old", "new"), INTEGERS)
def test_integers_change_their_grammar_with_1_26(text: str, old: int | None, new: int | None) -> None:
    """An integer reads as atoi64 had it up to Go 1.25 and as strconv.ParseInt has it since."""
    assert [parse_integer(text, minor) for minor in (21, 25, 26, 27)] == [old, old, new, new]


@pytest.mark.parametrize(("text", "old", "new"), GOMAXPROCS)
def test_gomaxprocs(text: str, old: int | None, new: int | None) -> None:
    """GOMAXPROCS counts only as a whole number above 0 that fits into 32 bits."""
    assert [parse_gomaxprocs(text, minor) for minor in (24, 25, 26, 27)] == [old, old, new, new]


@pytest.mark.parametrize(("text", "old", "new"), GOMEMLIMIT)
def test_gomemlimit(text: str, old: int | None, new: int | None) -> None:
    """GOMEMLIMIT takes digits with B or an IEC unit up to TiB, and kills the program for everything else."""
    assert [parse_gomemlimit(text, minor) for minor in (19, 25, 26, 27)] == [old, old, new, new]


@pytest.mark.parametrize(("text", "old", "new"), GOGC)
def test_gogc(text: str, old: int | None, new: int | None) -> None:
    """GOGC is off, a 32-bit number where negative ones are off too, or ignored."""
    assert [parse_gogc(text, minor) for minor in (21, 25, 26, 27)] == [old, old, new, new]


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("", None, None),
        ("containermaxprocs=0", 0, 0),
        ("containermaxprocs=1,containermaxprocs=0", 0, 0),
        ("containermaxprocs=0,containermaxprocs=x", 0, 0),
        (" containermaxprocs=0", None, None),
        ("containermaxprocs=0 ", None, None),
        ("containermaxprocs", None, None),
        ("containermaxprocs=", None, None),
        ("containermaxprocs=0#x", None, None),
        ("containermaxprocs==0", None, None),
        (",,containermaxprocs=-1,", -1, -1),
        ("containermaxprocs=+0", None, 0),
        ("containermaxprocs=-", 0, None),
        ("containermaxprocs=4294967296", None, None),
        ("Containermaxprocs=0", None, None),
    ],
)
def test_godebug_takes_the_last_valid_value(text: str, old: int | None, new: int | None) -> None:
    """In a GODEBUG string the last valid value of a key counts; nothing is trimmed, and what is no number changes nothing."""
    assert [parse_godebug(text, minor).containermaxprocs for minor in (25, 26, 27)] == [old, new, new]


def test_a_removed_setting_ends_the_program_from_1_27_on() -> None:
    """A setting that Go has dropped, at its old value, kills a program of Go 1.27, ends the reading there, and means nothing before."""
    text = "containermaxprocs=0,asynctimerchan=2,updatemaxprocs=0"
    assert (parse_godebug(text, 26).removed, parse_godebug(text, 26).updatemaxprocs) == (None, 0)
    read = parse_godebug(text, 27)
    assert (read.containermaxprocs, read.updatemaxprocs) == (0, None)
    assert read.removed == RemovedGodebug(
        key="asynctimerchan",
        dies='fatal error: removed GODEBUG "asynctimerchan" set to old value "2" in environment (https://go.dev/doc/godebug#go-127)',
    )
    assert parse_godebug("asynctimerchan=0", 27).removed is None


@given(text=st.text(), minor=st.integers(19, 30))
def test_any_text_has_a_meaning(text: str, minor: int) -> None:
    """No text whatever makes the grammars raise: Go, too, always comes to an end."""
    parse_integer(text, minor)
    parse_gomaxprocs(text, minor)
    parse_gomemlimit(text, minor)
    parse_gogc(text, minor)
    parse_godebug(text, minor)
