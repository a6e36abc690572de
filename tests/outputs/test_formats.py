"""The table of formats: what it names is there, is offered, and is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cgtune.commands.options import COMMANDS, load_command
from cgtune.outputs import FORMATS, Format, load_renderer, names_of
from cgtune.outputs.envfile import DIALECTS

DOCUMENTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: f"{row.command} {row.name}")
def test_each_row_names_a_function(row: Format) -> None:
    """What it names is a public function of this shelf with a sentence about itself."""
    renderer = load_renderer(row.command, row.name)
    assert callable(renderer)
    assert renderer.__doc__


def test_a_format_that_is_none() -> None:
    """Who asks for a format of another command has made a mistake."""
    with pytest.raises(LookupError, match="ps has no format 'sarif'"):
        load_renderer("ps", "sarif")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_offers_its_rows(name: str) -> None:
    """--format takes what the table has for the command, the first row by itself; --dialect takes the dialects."""
    choices = {option.name: option for option in load_command(name).options}
    offered = choices["--format"].choices if "--format" in choices else ()
    assert offered == names_of(name)
    assert not offered or choices["--format"].default == offered[0]
    assert "--dialect" not in choices or choices["--dialect"].choices == tuple(DIALECTS)


def test_each_format_and_dialect_is_documented() -> None:
    """Each name stands as code in README.md or docs/."""
    text = "\n".join(path.read_text("utf-8") for path in (DOCUMENTS / "README.md", *sorted((DOCUMENTS / "docs").glob("*.md"))))
    names = {row.name for row in FORMATS} | set(DIALECTS)
    assert {name for name in names if not re.search(rf"`{name}`", text)} == set()
