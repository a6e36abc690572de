"""The program: ``cgtune`` and ``python -m cgtune`` start here."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code; the plainest forms never load the command-line library."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from cgtune import __version__

        try:
            print(f"cgtune {__version__}", flush=True)
        except OSError:
            pass  # the whole program, below, has the words for a full disk
        else:
            return 0
    try:
        from cgtune.commands.terminal import open_closed_streams

        open_closed_streams()
        code = _run_plain(arguments)
        if code is not None:
            return code
        from cgtune.commands.options.app import run

        return run(arguments)
    except KeyboardInterrupt:
        from cgtune import exits

        return exits.INTERRUPTED


def _run_plain(arguments: list[str]) -> int | None:
    """The exit code of a plain form: all options in CGTUNE_* variables, and those of the plainest; None where it is not one."""
    import os

    if arguments == ["check"]:
        from cgtune.commands.check import parse_environment, run_check

        options = parse_environment(os.environ)
        return None if options is None else run_check(options)
    if arguments == ["env"]:
        from cgtune.commands import env

        plain = env.parse_environment(os.environ)
        return None if plain is None else env.run_env(plain)
    if arguments[:2] == ["exec", "--"] and len(arguments) > 2:
        from cgtune.commands import exec as exec_

        whole = exec_.parse_environment(os.environ, arguments[2:])
        return None if whole is None else exec_.run_exec(whole)
    return None


if __name__ == "__main__":
    sys.exit(main())
