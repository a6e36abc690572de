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
        if arguments == ["check"]:
            import os

            from cgtune.check import parse_environment, run_check

            options = parse_environment(os.environ)
            if options is not None:
                return run_check(options)
        if arguments == ["env"]:
            import os

            from cgtune import env

            plain = env.parse_environment(os.environ)
            if plain is not None:
                return env.run_env(plain)
        if arguments[:2] == ["exec", "--"] and len(arguments) > 2:
            import os

            from cgtune import exec as exec_

            whole = exec_.parse_environment(os.environ, arguments[2:])
            if whole is not None:
                return exec_.run_exec(whole)
        from cgtune.cli import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
