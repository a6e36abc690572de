"""Text in Markdown, shared by all who write it."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control


def escape_markdown(text: str) -> str:
    """Text as it is: with what Markdown and HTML would take for theirs behind a backslash."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|&#~" else letter for letter in escape_control(text))


def markdown_code(line: str) -> str:
    """A line as code in a table's cell."""
    fence = "``" if "`" in line else "`"
    return f"{fence}{escape_control(line).replace('|', chr(92) + '|')}{fence}"
