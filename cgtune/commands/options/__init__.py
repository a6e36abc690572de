"""The commands with their options: one module for each, which holds its row of the table, COMMAND."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Command

#: Their names, in the order of --help. Each has a module of that name in this folder.
COMMANDS = ("inspect", "ps", "explain", "snapshot", "check", "predict", "lint", "fleet", "serve", "env", "exec", "policy", "schema")


def load_command(name: str) -> Command:
    """The command of this name, one of COMMANDS; the others are not loaded."""
    command: Command = __import__(f"{__name__}.{name}", fromlist=["COMMAND"]).COMMAND
    return command
