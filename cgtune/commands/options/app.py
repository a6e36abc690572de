"""The full start, by typer: --help, completion, every spelling of an option, and the words for what cannot be used. Its parameters are made
of the same table of options as the plain start.
"""

from __future__ import annotations

import inspect
import operator
import types
from typing import Annotated, Any, Literal

import typer

from cgtune import exits
from cgtune.commands.options import COMMANDS, load_command
from cgtune.commands.options.option import Values
from cgtune.commands.options.running import refuse, run_command
from cgtune.commands.terminal import complain, emit, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.commands.options.option import Argument, Command, Option

_HELP = "What the kernel enforces on a process in a container, what its Go runtime derives from that, and what it really has."
_EPILOG = """\
Options follow the command: cgtune inspect --pid 42. Each has a twin in the environment, which --help of the command names.

Exit codes: 0 clean, 1 a finding (check), 2 usage error, 3 could not inspect, 130 interrupted; of exec its command's own, or 125, 126, 127.
"""

_TYPES: dict[str, Any] = {"text": str, "flag": bool, "whole": int, "number": float}


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with these commands: to build all of them costs half the CPU time of a bare start."""
    app = typer.Typer(
        name="cgtune",
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_cgtune)
    for name in names:
        command = load_command(name)
        # What follows the command of exec is its own: `cgtune exec ls -l` needs no --
        settings = {"allow_interspersed_args": False} if command.argument is not None and command.argument.takes_all else None
        app.command(name, context_settings=settings, short_help=command.summary)(make_callback(command))
    return app


def make_callback(command: Command) -> Callable[..., int | None]:
    """The function whose parameters typer reads: one for each option of the command."""

    def callback(ctx: typer.Context, **given: Any) -> int | None:
        return command.run(_collect(command, ctx, given))

    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    parameters += [_option(option) for option in command.options]
    if command.argument is not None:
        parameters.insert(0, _argument(command.argument))
    callback.__doc__ = command.run.__doc__
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362
    return callback


def _collect(command: Command, ctx: typer.Context, given: dict[str, Any]) -> Values:
    """What typer read, by the names of the table; what nobody gave is left out."""
    rows = (*command.options, *(() if command.argument is None else (command.argument,)))
    values = {row.name: tuple(given[_name(row)] or ()) if row.many else given[_name(row)] for row in rows}
    sources = {row.name: ctx.get_parameter_source(_name(row)) for row in rows}
    return Values({name: values[name] for name, source in sources.items() if source is not None and source.name != "DEFAULT"})


def _name(row: Option[Any] | Argument[Any]) -> str:
    # With an underscore at its end: click has parameters "self" and "format" of its own
    return f"{row.name.lstrip('-').replace('-', '_')}_"


def _option(option: Option[Any]) -> inspect.Parameter:
    kind: Any = operator.getitem(Literal, option.choices) if option.choices else _TYPES[option.kind]
    names = (option.name,) if option.short is None else (option.short, option.name)
    words = typer.Option(
        *names, envvar=option.twin, metavar=option.metavar, help=option.help, min=option.least, autocompletion=_completer(option)
    )
    if option.many:
        return _parameter(option, Annotated[types.GenericAlias(list, (kind,)) | None, words], None)
    return _parameter(option, Annotated[kind | None if option.default is None else kind, words], option.default)


def _argument(argument: Argument[Any]) -> inspect.Parameter:
    kind: Any = list[str] if argument.many else str
    words = typer.Argument(metavar=argument.metavar, help=argument.help, autocompletion=_completer(argument))
    if argument.is_needed:
        return _parameter(argument, Annotated[kind, words], inspect.Parameter.empty)
    return _parameter(argument, Annotated[kind | None, words], None if argument.many else argument.default)


def _completer(row: Option[Any] | Argument[Any]) -> Callable[[typer.Context, str], list[tuple[str, str]]] | None:
    """What gives a shell the words that may stand for a value."""
    kind = row.complete
    if kind is None:
        return None

    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        from cgtune.commands.completion import list_words

        return list_words(kind, incomplete, str(ctx.params.get("root_") or "/"))

    return complete


def _parameter(row: Option[Any] | Argument[Any], annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(_name(row), inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _version(wanted: bool) -> None:
    if wanted:
        from cgtune import __version__

        emit(f"cgtune {__version__}\n")
        raise typer.Exit


def _cgtune(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Beside --version: the versions of Go that were checked.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    pass


def run(arguments: list[str]) -> int:
    """Run one command line; every failure is one line on stderr and an exit code of the contract."""
    app = make_app(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)
    try:
        return run_command(arguments, lambda: _run_app(app, arguments))
    except Exception as error:
        # Typer carries click inside from 0.20 on, outside before: its exceptions are known by what they can do, not by their class.
        if type(error).__name__ == "Abort":
            return exits.INTERRUPTED
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # no command at all: its message is the help
            complain(f"{message()}\n")
            return exits.USAGE
        return refuse(arguments, f"{message()} ({_example(error) or _hint(arguments)})", exits.USAGE)


def _run_app(app: typer.Typer, arguments: list[str]) -> int | None:
    try:
        code = app(args=arguments, prog_name="cgtune", standalone_mode=False)
    except (OSError, SystemExit) as gone:  # the help and the words of completion are written by typer; a command lets none out
        error = gone.__context__ if isinstance(gone, SystemExit) else gone  # so it ends if nobody reads that any more
        if not isinstance(error, OSError):
            raise
        settle(error)
        return None
    return code if isinstance(code, int) else None


def _hint(arguments: list[str]) -> str:
    """Where to read on after a command line that typer could not take."""
    if arguments[0].startswith("-"):
        return "options follow the command, as in cgtune inspect --pid 42; see cgtune --help"
    return f"see cgtune {arguments[0]} --help" if arguments[0] in COMMANDS else "see cgtune --help"


_EXAMPLES = {"PID": "42", "N": "4", "SECONDS": "30"}  # of the numbers that options take, by their metavar


def _example(error: Exception) -> str:
    """A right value for the option whose value was refused, empty if there is no telling."""
    option = getattr(error, "param", None)
    names: list[str] = getattr(option, "opts", [])
    choices = getattr(getattr(option, "type", None), "choices", ())
    value = _EXAMPLES.get(getattr(option, "metavar", None) or "") or (choices[0] if choices else "")
    return f"example: {names[0]} {value}" if names and value else ""
