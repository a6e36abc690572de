"""A table of services: what is taken, and what is refused with its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.services import COLUMNS, Target, parse_services
from cgtune.advice.upgrade import Service
from cgtune.errors import UsageError

TARGET = Target(new_go="1.27", old_go=None, language=None, cpus=64)


def parsed(text: str, target: Target = TARGET) -> list[Service]:
    """The services of a table."""
    return list(parse_services(text, "s.csv", target))


def test_any_columns_in_any_order() -> None:
    """What is left out is not limited, one replica, and of the Go of --from; blanks around a cell, a BOM and CRLF are no part of it."""
    (one,) = parsed("\ufeffGo, name ,cpu_limit\r\n1.24, orders ,2\r\n")
    assert (one.name, one.old.go, one.new.go, one.replicas) == ("orders", "1.24", "1.27", 1)
    (one,) = parsed("memory_limit\n512Mi\n", TARGET.replace(old_go="1.25"))
    assert (one.name, one.old.go) == ("service 1", "1.25")
    limits = one.derive(one.old, one.environ)[0].limits
    assert (limits.memory.limit_bytes, limits.cpu.limit_cores) == (512 << 20, None)


def test_all_columns() -> None:
    """Quotas as cpu.max has them, names with commas, variables by blanks; of those only what Go reads counts."""
    header = ",".join(COLUMNS)
    (one,) = parsed(f'{header}\n"a, b",250000 100000,max,go1.24.3,1.21,7,GOGC=50 PORT=1 GODEBUG="x=1"\n'.replace('"x=1"', "x=1"))
    assert (one.name, one.old.language, one.new.language, one.replicas) == ("a, b", "1.21", "1.21", 7)
    assert one.environ == (("GOGC", "50"), ("GODEBUG", "x=1"))
    assert one.derive(one.old, one.environ)[0].limits.cpu.limit_cores == 2.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "s.csv has no service; it needs a header"),
        ("name,go\n", "s.csv has no service"),
        ("name,cpu-limit\na,2\n", "s.csv:1: column 'cpu-limit' is none of name, cpu_limit"),
        ("orders,1.24,2\n", "s.csv:1: column 'orders' is none of"),
        ("name,name\na,b\n", "s.csv:1: column name is there twice"),
        ("name,go\na,1.24\nb\n", "s.csv:3: has 1 cells, and the header has 2"),
        ("name,go\na,b,1.24\n", "s.csv:2: has 3 cells"),
        ("name,go\na,\n", "s.csv:2: its Go is not said; add a column go, or name the Go of all others with --from"),
        ("name,go\na,latest\n", "s.csv:2: go 'latest' is no version of Go; example: go 1.24"),
        ('name,go\na,"1.24,1.25"\n', "s.csv:2: go '1.24,1.25' is no version of Go"),
        ("name,go,language\na,1.24,x\n", "s.csv:2: language 'x' is no version of Go"),
        ("go,cpu_limit\n1.24,1\n1.24,2x\n", "s.csv:3: cpu_limit '2x' is no number of CPUs; examples: cpu_limit 2.5"),
        ("go,cpu_limit\n1.24,0\n", "s.csv:2: cpu_limit '0'"),
        ("go,memory_limit\n1.24,512MiB\n", "s.csv:2: memory_limit '512MiB' is no number of bytes"),
        ("go,replicas\n1.24,-1\n", "s.csv:2: replicas '-1' is no number from 0 to 1000000; example: 3"),
        ("go,replicas\n1.24,1000001\n", "s.csv:2: replicas '1000001'"),
        ("go,env\n1.24,GOGC\n", "s.csv:2: env 'GOGC' is not NAME=VALUE; example: env GOMAXPROCS=4"),
        ("go,env\n1.24,A=1 A=2\n", "s.csv:2: env gives 'A' two values"),
        ('name,go\n"a,1.24\n', "s.csv:3: unexpected end of data; see RFC 4180"),
        ('name,go\n"a"b,1.24\n', "s.csv:2: ',' expected after '\"'"),
        (f"name,go\n{'x' * 200_000},1.24\n", "s.csv:2: field larger than field limit"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text: str, says: str) -> None:
    """One line: the file, the line, what stands there, and what would be right."""
    with pytest.raises(UsageError) as refused:
        parsed(text)
    message = str(refused.value)
    assert message.startswith("--input ")
    assert message.removeprefix("--input ").startswith(says)
    assert "\n" not in message


def test_no_more_services_than_anybody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without an end is refused at its bound."""
    monkeypatch.setattr("cgtune.advice.services._MOST_SERVICES", 3)
    assert len(parsed("go\n" + "1.24\n" * 3)) == 3
    with pytest.raises(UsageError, match=r"^--input s\.csv:5: is beyond 3 services; give fewer at once$"):
        parsed("go\n" + "1.24\n" * 4)


@given(st.text(max_size=200) | st.lists(st.sampled_from((*COLUMNS, ",", "\n", '"', "1.24", "2", "512Mi", "A=1", "\r", "\0"))).map("".join))
def test_any_text_is_services_or_refused(text: str) -> None:
    """Nothing else comes out of it."""
    with contextlib.suppress(UsageError):
        parsed(text)
