"""Of an environment what is asked for, and nothing else: whose program it is may have written over it."""

from __future__ import annotations

import re

import pytest

from cgtune.errors import Malformed
from cgtune.system.environtext import select_environ
from tests.support.command import ROOT


def test_what_is_asked_for_stays_in_its_order() -> None:
    """Go's own variables and those of platforms, the first and the last entry too; no other value is kept, whatever it holds."""
    content = b"GOGC=50\0PASSWORD=GOGC=1\0SLURM_JOB_ID=7\0MY_GOMAXPROCS=2\0AWS_LAMBDA_FUNCTION_NAME=f\0GOMAXPROCS=4"
    assert select_environ(content) == b"GOGC=50\0SLURM_JOB_ID=7\0AWS_LAMBDA_FUNCTION_NAME=f\0GOMAXPROCS=4"


@pytest.mark.parametrize("content", [b"", b"\0", b"GOGC", b"GOMAXPROCS2=1", b"gogc=1\0"])
def test_what_nobody_asks_for_is_nothing(content: bytes) -> None:
    """A name is the whole of it, and has a value."""
    assert select_environ(content) == b""


def test_of_one_name_the_first_sixteen() -> None:
    """Go takes the first. A process may write a hundred thousand."""
    content = b"".join(b"GOGC=%d\0" % number for number in range(100_000))
    assert select_environ(content).split(b"\0") == [b"GOGC=%d" % number for number in range(16)]


def test_a_value_is_as_long_as_any_that_is_meant() -> None:
    """4,096 bytes are kept, one more is refused: cut it would be another value."""
    longest = b"GODEBUG=" + b"x" * 4096
    assert select_environ(b"GOGC=1\0" + longest + b"\0") == b"GOGC=1\0" + longest
    with pytest.raises(Malformed, match=r"^GODEBUG has 4097 bytes, and no value of it is longer than 4096$"):
        select_environ(longest + b"x")


def test_the_end_of_a_head_may_follow_it() -> None:
    """Of a platform's variables the head is the beginning of the name: what follows it counts as the value."""
    assert select_environ(b"NOMAD_CPU_LIMIT=500\0NOMAD_ADDR=1\0") == b"NOMAD_CPU_LIMIT=500"


def test_every_variable_of_a_platform_is_kept() -> None:
    """What platforms/ asks for by name: a variable that is left out here would be as if it were not set."""
    text = "".join((ROOT / "cgtune" / "platforms" / name).read_text() for name in ("table.py", "ecs.py"))
    names = set(re.findall(r'"([A-Z]+_[A-Z0-9_]+)"', text))
    assert {"NOMAD_CPU_CORES", "ECS_CONTAINER_METADATA_URI_V4"} <= names
    assert [name for name in sorted(names) if select_environ(f"{name}=1".encode()) != f"{name}=1".encode()] == []
