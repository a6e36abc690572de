from __future__ import annotations

import pytest

from cgtune.runtimes.go.derived.godebug import derive_godebug, parse_default_godebug

RECORDED = "containermaxprocs=0,updatemaxprocs=0"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", RECORDED),
        ("-s -w", RECORDED),
        ("-X=main.version=1", RECORDED),
        ("-X=runtime.godebugDefault=containermaxprocs=1", "containermaxprocs=1"),
        ("-s -X runtime.godebugDefault=containermaxprocs=1 -w", "containermaxprocs=1"),
        ("-X 'runtime.godebugDefault=containermaxprocs=1,updatemaxprocs=0' -w", "containermaxprocs=1,updatemaxprocs=0"),
        ("'-X=runtime.godebugDefault=a=1' -X=runtime.godebugDefault=b=2", "b=2"),
        ("--X=runtime.godebugDefault=a=1", "a=1"),
        ("-X runtime.godebugDefaults=a=1", RECORDED),
        ("-X", RECORDED),
        ("'unclosed -X=runtime.godebugDefault=a=1", "a=1"),
    ],
)
def test_linker_flags_override_the_recorded_default(flags: str, expected: str) -> None:
    """-X in -ldflags replaces the string that the go command chose, though the build info still records that one."""
    assert parse_default_godebug((("DefaultGODEBUG", RECORDED), ("-ldflags", flags))) == expected


def test_a_program_without_settings_has_no_default() -> None:
    """A program that was not linked by the go command has no GODEBUG string."""
    assert parse_default_godebug(()) == ""


@pytest.mark.parametrize(
    ("build", "environment", "minor", "deaths"),
    [
        ("", "cgocheck=2", 20, (False, False)),
        ("", "cgocheck=2", 21, (True, False)),
        ("cgocheck=2", "cgocheck=1", 27, (True, False)),
        ("", "tls3des=1", 26, (False, False)),
        ("", "tls3des=1", 27, (False, True)),
        ("", "cgocheck=2,tls3des=1", 27, (False, True)),  # what ends the reading of a string also skips its last look at cgocheck
        ("tls3des=1", "cgocheck=2", 27, (True, True)),
    ],
)
def test_a_godebug_that_kills(build: str, environment: str, minor: int, deaths: tuple[bool, bool]) -> None:
    """cgocheck above 1 kills at once, at the end of the string that says so; a setting that 1.27 dropped kills once all is set up."""
    effect = derive_godebug(build, environment, minor)
    assert (effect.dies_early is not None, effect.dies_late is not None) == deaths
