"""The long lists of programs: bounded, in their order, and what rules ask for is in them however long they are."""

from __future__ import annotations

import pytest

from cgtune.model import AUTOMAXPROCS
from cgtune.runtimes.go.program.lists import MOST_LIST_BYTES, Room, shorten, weigh
from cgtune.runtimes.go.program.modinfo import BuildInfo, parse_build_info
from tests.support.elfs import framed


def _parse(lines: list[str]) -> BuildInfo:
    return parse_build_info(b"go1.25.5", framed("".join(f"{line}\n" for line in lines)))


def test_the_lists_of_large_real_programs_are_kept_whole() -> None:
    """The fattest known programs have 1,400 dependencies, with their checksums 150 KB of text."""
    lines = [f"dep\tgithub.com/some-company/some-component/{at}\tv0.{at}.0\th1:{'x' * 43}=" for at in range(1400)]
    info = _parse([*lines, "build\tGOOS=linux"])
    assert (len(info.modules), info.settings, info.left_out) == (1400, (("GOOS", "linux"),), 0)


@pytest.mark.parametrize(
    "line", ["dep\texample.org/module/{}\tv1", "build\tkey{}=1", "dep\t\x1b{}\t\U0001f600", "build\t{}=\U0001f600"], ids=ascii
)
def test_what_rules_ask_for_is_found_behind_any_number_of_lines(line: str) -> None:
    """Its lists are bounded in memory, and every line is kept or counted."""
    lines = [line.format(at) for at in range(19_000)]
    info = _parse([*lines, f"dep\t{AUTOMAXPROCS}\tv1.5.2", "=>\tfork\tv9", "build\tDefaultGODEBUG=containermaxprocs=0"])
    assert dict(info.modules)[AUTOMAXPROCS] == "v1.5.2 => fork v9"
    if line.startswith("dep"):
        assert dict(info.settings)["DefaultGODEBUG"] == "containermaxprocs=0"
    assert weigh(info.modules) + weigh(info.settings) <= MOST_LIST_BYTES + (8 << 10)
    assert len(info.modules) + len(info.settings) + info.left_out == 19_002


def test_names_are_as_long_as_real_ones() -> None:
    """A path of a megabyte ends with dots: each is shown in tables, lines and labels."""
    info = _parse(["path\t" + "p" * 100_000, "mod\t" + "m" * 50_000])
    assert (info.path, info.main_module) == ("p" * 1024 + "...", "m" * 1024 + "...")


def test_a_list_that_must_be_short_has_what_is_asked_for() -> None:
    """With no room at all only that; with some, the first entries as well."""
    modules = (("a", "v1"), ("b", "v2"), (AUTOMAXPROCS, "v3"))
    assert shorten(modules, (), 0) == (((AUTOMAXPROCS, "v3"),), (), 2)
    assert shorten(modules, (), weigh(modules[:1])) == ((modules[0], modules[2]), (), 1)
    uneven = (("a" * 200, "v1"), ("b", "v2"))
    assert shorten(uneven, (), weigh(uneven[1:])) == ((), (), 2)
    assert shorten(modules, (), weigh(modules)) == (modules, (), 0)


def test_room_is_never_used_up_by_those_before() -> None:
    """Whoever takes all he may leaves seven eighths of it."""
    room = Room(1 << 20)
    for _ in range(8):
        room.left -= room.share
    assert room.share > 1 << 15
    assert Room(-5).share == 0
