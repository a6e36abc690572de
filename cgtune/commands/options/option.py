"""What an option of a command is, and the values that a command line gives. Both starts are made of it: the plain one (plain.py), and the
full one by typer (app.py). Pure; loads nothing.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Generic, Literal, TypeVar

    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)
    Kind = Literal["text", "choice", "flag", "whole", "number"]

    class _Of(Record, Generic[T_co]):
        pass

else:  # typing costs nearly as much as a bare start
    T_co = None

    class _Of(Record):
        def __class_getitem__(cls, _):
            return cls


class Option(_Of[T_co]):
    """One option. Its value is ``default`` if neither the command line nor its twin in the environment gives one.

    ``kind`` is what one value of it is: a text, one of ``choices``, a flag, a whole number (from ``least`` up) or any number. ``many``: it
    may be given several times, and its value is the tuple of all. ``metavar`` and ``help`` are what --help shows. ``complete`` is what a
    shell offers for it: commands/completion.py.
    """

    name: str
    kind: Kind
    default: T_co
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    many: bool = False
    short: str | None = None
    complete: str | None = None

    @property
    def twin(self) -> str:
        """The variable that stands for it in the environment."""
        return f"CGTUNE_{self.name[2:].replace('-', '_').upper()}"


class Argument(_Of[T_co]):
    """What stands in a command line beside the options: one word, or ``many``; if it ``takes_all``, all behind its first word."""

    name: str
    metavar: str
    help: str
    default: T_co
    many: bool = False
    takes_all: bool = False
    complete: str | None = None
    is_needed: bool = False


class Values:
    """The values of one command line, asked for by option: ``values[ROOT]``. Those that were not given are the defaults."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def __getitem__(self, option: Option[T] | Argument[T]) -> T:
        value: T = self._given.get(option.name, option.default)
        return value

    def above(self, given: Mapping[str, Any]) -> Values:
        """These values, and of what was not given what ``given`` has; of an option that takes many both count, these first."""
        both = {name: (*self._given[name], *value) for name, value in given.items() if isinstance(value, tuple) and name in self._given}
        return Values({**given, **self._given, **both})

    def __repr__(self) -> str:
        return f"Values({self._given!r})"


class Command(Record):
    """One command as both starts know it. The docstring of ``run`` is its --help, ``summary`` its line in the list of commands.

    ``run`` gives the exit code back, None: clean. It raises CgtuneError.
    """

    summary: str
    options: tuple[Option[Any], ...]
    run: Callable[[Values], int | None]
    argument: Argument[Any] | None = None


def text(name: str, metavar: str, words: str, *, default: str) -> Option[str]:
    """An option that takes any text."""
    return Option(name=name, kind="text", default=default, metavar=metavar, help=words)


def optional_text(name: str, metavar: str, words: str) -> Option[str | None]:
    """An option that takes any text, None: not given."""
    return Option(name=name, kind="text", default=None, metavar=metavar, help=words)


def texts(name: str, metavar: str, words: str, *, complete: str | None = None) -> Option[tuple[str, ...]]:
    """An option that takes any text, as often as it is given."""
    return Option(name=name, kind="text", default=(), metavar=metavar, help=words, many=True, complete=complete)


def flag(name: str, words: str, *, short: str | None = None) -> Option[bool]:
    """An option that is given or not."""
    return Option(name=name, kind="flag", default=False, help=words, short=short)


def choice(name: str, choices: tuple[T, ...], words: str, *, default: T) -> Option[T]:
    """An option that takes one of these words."""
    return Option(name=name, kind="choice", default=default, help=words, choices=tuple(map(str, choices)))


def optional_choice(name: str, choices: tuple[T, ...], words: str) -> Option[T | None]:
    """An option that takes one of these words, None: not given."""
    return Option(name=name, kind="choice", default=None, help=words, choices=tuple(map(str, choices)))


def optional_whole(name: str, metavar: str, words: str, *, least: int | None = None) -> Option[int | None]:
    """An option that takes a whole number, None: not given."""
    return Option(name=name, kind="whole", default=None, metavar=metavar, help=words, least=least)


def wholes(name: str, metavar: str, words: str, *, least: int, complete: str | None = None) -> Option[tuple[int, ...]]:
    """An option that takes a whole number, as often as it is given."""
    return Option(name=name, kind="whole", default=(), metavar=metavar, help=words, least=least, many=True, complete=complete)


def optional_number(name: str, metavar: str, words: str) -> Option[float | None]:
    """An option that takes a number, None: not given."""
    return Option(name=name, kind="number", default=None, metavar=metavar, help=words)
