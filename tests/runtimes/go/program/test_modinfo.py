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


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a stranger's program calls itself comes as printable text."""
    info = parse_build_info(b"go1.25.5\x1b[31m", framed('path\ta\x1b]0;b\x07\nmod\t\xff\tv1\nbuild\tk="\\u001b[0m\\ud800"\n'))
    for text in (info.version, info.path, info.main_module, *dict(info.settings).values()):
        assert text.isprintable()


@given(st.binary(max_size=40), st.text(alphabet='pathmoddepbuild\t\n=>`"\\xuU01é\x1b', max_size=120))
def test_any_module_lines_are_parsed(version: bytes, text: str) -> None:
    """Lines of any content never raise."""
    parse_build_info(version, framed(text + "\n"))
