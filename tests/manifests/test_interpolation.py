"""Variables in Compose files; each row was seen with Docker Compose 2.26.1 and a project that sets S=s and E to nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.interpolation import interpolate

SET = {"S": "s", "E": ""}
FILLED = {
    "a": "a",
    "$S": "s",
    "${S}": "s",
    "${E}": "",
    "${X:-d}": "d",
    "${X-d}": "d",
    "${E:-d}": "d",
    "${E-d}": "",
    "${S:-d}": "s",
    "${S:?e}": "s",
    "${X:+r}": "",
    "${S:+r}": "r",
    "${X:-${Y:-n}}": "n",
    "${X:-${S}}!": "s!",
    "${X:-}": "",
    "${X:-a}b}": "ab}",
    "${X:-{}}": "{}",
    "$$x": "$x",
    "a$": "a$",
    "$1": "$1",
    "$S$S.": "ss.",
    "${X:-$S}": "s",
}
OPEN = {
    "$X": "$X comes from whoever runs Compose",
    "${X}": "$X comes from whoever runs Compose",
    "${X:?e}": "$X comes from whoever runs Compose",
    "${E:?e}": "$E comes from whoever runs Compose",
    "${X": "Compose refuses '${X': the brace does not close",
    "${X/a/b}": "Compose refuses '${X/a/b}'",
    "${}": "Compose refuses '${}'",
}


@pytest.mark.parametrize("text", FILLED)
def test_what_is_filled_in(text: str) -> None:
    """Variables that are set, and defaults of those that are not."""
    assert interpolate(text, SET.get) == (FILLED[text], None)


@pytest.mark.parametrize("text", OPEN)
def test_what_is_not_known(text: str) -> None:
    """Without a default it is up to the shell that Compose runs in; what Compose refuses is not known either."""
    assert interpolate(text, SET.get) == (None, OPEN[text])


def test_nesting_is_bounded() -> None:
    """Defaults of defaults are followed twenty levels down."""
    assert interpolate("${X:-" * 5000 + "a" + "}" * 5000, SET.get) == (None, "its variables are nested too deep")


@given(st.text(alphabet="${}:-?+SXE a", max_size=30))
def test_any_text(text: str) -> None:
    """There is a value or a reason, never both."""
    value, unknown = interpolate(text, SET.get)
    assert (value is None) == (unknown is not None)
