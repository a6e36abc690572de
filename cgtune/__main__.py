"""The program: ``cgtune`` and ``python -m cgtune`` start here."""

from __future__ import annotations

import sys

# Python looks for cycles after each 700 new objects, and 12 times while we start. Memory stays bounded with any number.
_NEW_OBJECTS = 20_000


def main() -> int:
    """Run the command line and return its exit code; the usual forms never load the command-line library."""
    arguments = sys.argv[1:]
    if "--version" in arguments and {*arguments} <= {"--version", "--verbose", "-v"}:
        from cgtune import __version__

        try:
            print(f"cgtune {__version__}", flush=True)
            if len(arguments) > 1:
                from cgtune.runtimes.go.derived.versions import CHECKED

                print(f"Go {', '.join(CHECKED)}: checked against running programs; other patches are taken to be as these", flush=True)
        except OSError:
            pass  # the whole program, below, has the words for a full disk
        else:
            return 0
    import gc

    gc.set_threshold(_NEW_OBJECTS)
    try:
        from cgtune.commands.terminal import open_closed_streams

        open_closed_streams()
        from cgtune.commands.options.start import start

        if arguments[:1] == ["--profile"]:
            from cgtune.commands.profiling import start_profiled

            return start_profiled(arguments[1:], start)
        return start(arguments)
    except KeyboardInterrupt:
        from cgtune import exits

        return exits.INTERRUPTED
    except (OSError, ImportError) as error:
        return _give_up(arguments, error)
    except RuntimeError as error:
        if str(error) == "can't start new thread":  # EAGAIN of pthread_create(3), which Python keeps to itself
            return _give_up(arguments, error)
        # Before 3.12 Python wraps whatever is raised while a class gets its descriptors (Objects/typeobject.c, type_new_set_names)
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        from cgtune import exits

        return exits.INTERRUPTED
    finally:
        gc.freeze()  # else the end of Python looks for cycles in all that is left: half of what a bare start costs


def _give_up(arguments: list[str], error: Exception) -> int:
    """Say in one line that the machine failed while we were loading, or at something that had to be. Nothing more can be loaded now."""
    words = str(error)
    if "Too many open files" in words:  # of a library it is an ImportError, whose cause is in its words alone
        why = "too many open files; raise the limit (ulimit -n, LimitNOFILE=)"
    elif "new thread" in words:
        why = "no thread can be started; raise the limit (pids.max, ulimit -u, TasksMax=)"
    elif isinstance(error, ImportError):
        why = f"could not load all of itself ({error.name or words}); look at the disk that it is on, or install it again"
    else:
        why = f"the machine failed: {words}; try again"
    try:
        sys.stderr.write(f"cgtune: {why.encode('ascii', 'backslashreplace').decode()}\n")
        sys.stderr.flush()
    except OSError:
        pass  # the exit code counts
    return 125 if arguments[:1] == ["exec"] else 3  # as cgtune.exits has them


if __name__ == "__main__":
    sys.exit(main())
