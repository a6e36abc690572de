"""The text of build info: whatever stands in it, what comes out is printable and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.runtimes.go.program.modinfo import parse_build_info
from tests.support.elfs import framed


def test_endless_module_lines_are_refused() -> None:
    """A record of a hundred thousand lines is no program's."""
    with pytest.raises(Malformed):
        parse_build_info(b"go1.25.5", framed("dep\ta\tb\n" * 30_000))


def test_the_first_of_two_settings_counts() -> None:
    """The go command writes each setting once. If a key stands twice the first is taken; of two paths the last."""
    settings = parse_build_info(b"go1.25.5", framed("build\tGOOS=linux\nbuild\tGOOS=plan9\n")).settings
    assert dict(settings) == {"GOOS": "linux"}
    assert parse_build_info(b"go1.25.5", framed("path\ta\npath\tb\n")).path == "b"


def test_quoted_settings_are_unquoted() -> None:
    """Go's escapes, also that of eight digits; what is no character is U+FFFD."""
    lines = r'build\tk="\x41\u00e9\U0001F600\n"' + "\n" + r'build\t"l m"="\U00110000\xzz"' + "\n"
    settings = parse_build_info(b"go1.25.5", framed(lines.replace(r"\t", "\t"))).settings
    assert dict(settings) == {"k": "Aé😀\\n", "l m": "\ufffd\ufffd"}


def test_a_quote_that_is_not_closed_is_a_letter() -> None:
    """No literal of Go's: the text stands as it is."""
    assert dict(parse_build_info(b"go1.25.5", framed('build\tk="a\\tb\n')).settings) == {"k": '"a\\tb'}


def test_a_replacement_is_of_the_module_above_it() -> None:
    """A line that replaces the main module leaves the dependencies alone, also one that stands before it."""
    info = parse_build_info(b"go1.25.5", framed("dep\ta\tv1\nmod\tm\tv2\n=>\tx\tv3\ndep\tb\tv4\n=>\ty\tv5\n"))
    assert (info.main_module, info.modules) == ("m", (("a", "v1"), ("b", "v4 => y v5")))


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a stranger's program calls itself comes as printable text."""
    info = parse_build_info(b"go1.25.5\x1b[31m", framed('path\ta\x1b]0;b\x07\nmod\t\xff\tv1\nbuild\tk="\\u001b[0m\\ud800"\n'))
    for text in (info.version, info.path, info.main_module, *dict(info.settings).values()):
        assert text.isprintable()


@given(st.binary(max_size=40), st.text(alphabet='pathmoddepbuild\t\n=>`"\\xuU01é\x1b', max_size=120))
def test_any_module_lines_are_parsed(version: bytes, text: str) -> None:
    """Lines of any content never raise."""
    parse_build_info(version, framed(text + "\n"))
