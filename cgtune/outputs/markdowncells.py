"""Text in Markdown, shared by all who write it."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control


def escape_markdown(text: str) -> str:
    """Text as it is: with what Markdown and HTML would take for theirs behind a backslash."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|&#~" else letter for letter in escape_control(text))


def markdown_code(line: str) -> str:
    """A line as code in a table's cell: between more backticks than it has in a row (GFM 6.3), and blanks that the reader takes away."""
    text = escape_control(line).replace("|", "\\|")
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    blank = " " * (longest > 0)
    return f"{fence}{blank}{text}{blank}{fence}"
