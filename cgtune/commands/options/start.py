"""How every command is started: by the plain start if that is enough, else by typer."""

from __future__ import annotations

import os

from cgtune import exits
from cgtune.commands.options import COMMANDS, load_command
from cgtune.commands.options.plain import parse_plain
from cgtune.commands.options.running import refuse, run_command

_PACKAGES = {"yaml": "pyyaml"}  # what pip calls a module


def start(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        if arguments and arguments[0] in COMMANDS:
            command = load_command(arguments[0])
            values = parse_plain(command, arguments[1:], os.environ)
            if values is not None:
                return run_command(arguments, lambda: command.run(values))
        from cgtune.commands.options.app import run

        return run(arguments)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "cgtune"):  # a fault of ours
            raise
        package = _PACKAGES.get(package, package)
        why = f"the Python package {package} is not installed, and this needs it; install it: python3 -m pip install {package}"
        return refuse(arguments, why, exits.COULD_NOT_INSPECT)
