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
        from cgtune.cli import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
