"""The plain start: a command line and its twins in the environment, read without the command-line library. Pure.

It takes the usual spellings alone: ``--name value``, ``--name=value``, flags, and variables with plain values. What is anything else, or
wrong, it leaves to typer, which has the words for it. What it takes, typer reads as the same values: tests/commands/options/test_plain.py.
"""

from __future__ import annotations

from cgtune.commands.options.option import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cgtune.commands.options.option import Command, Option

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_DIGITS = frozenset("0123456789")
_MOST_DIGITS = 9
_COMPLETION = "_CGTUNE_COMPLETE"  # set while a shell asks typer for what may follow


def parse_plain(command: Command, words: Sequence[str], environ: Mapping[str, str]) -> Values | None:
    """The values that ``words``, which stand behind the command's name, and the environment give; None: this is for typer."""
    if _COMPLETION in environ:
        return None
    given: dict[str, Any] = {}
    rest = _parse_words(command, words, given)
    if rest is None or not _parse_twins(command, environ, given):
        return None
    argument = command.argument
    if argument is None:
        return None if rest else Values(given)
    if not rest:
        return None if argument.is_needed else Values(given)
    if not argument.many and len(rest) > 1:
        return None
    given[argument.name] = tuple(rest) if argument.many else rest[0]
    return Values(given)


def _parse_words(command: Command, words: Sequence[str], given: dict[str, Any]) -> list[str] | None:
    """Fills ``given`` by option name. Returns the words that are no options, None: this is for typer."""
    named = {name: option for option in command.options for name in (option.name, option.short) if name is not None}
    takes_the_rest = command.argument is not None and command.argument.takes_all
    rest: list[str] = []
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        if takes_the_rest and (word == "--" or not word.startswith("-")):
            return [*([] if word == "--" else [word]), *reversed(waiting)]
        if (word == "-" and not takes_the_rest) or (word and not word.startswith("-")):
            rest.append(word)
            continue
        name, equals, text = word.partition("=")
        option = named.get(name)
        if option is None or (equals and (option.kind == "flag" or name == option.short)):
            return None
        if option.kind == "flag":
            given[option.name] = True
            continue
        if not equals:
            text = waiting.pop() if waiting else ""
            if text.startswith("-"):  # its value, or the next option, whose value is then missing?
                return None
        if not _keep(option, text, given):
            return None
    return rest


def _parse_twins(command: Command, environ: Mapping[str, str], given: dict[str, Any]) -> bool:
    """Fills ``given`` with what only the environment says. False: this is for typer. To Go as to typer an empty variable is none."""
    for option in command.options:
        text = environ.get(option.twin)
        if not text or option.name in given:
            continue
        for each in text.split() if option.many else (text,):
            if not _keep(option, each, given):
                return False
    return True


def _keep(option: Option[Any], text: str, given: dict[str, Any]) -> bool:
    """Put the value into ``given``: beside the earlier ones of an option that takes many, else in the place of the earlier one."""
    value = _parse_value(option, text)
    if value is None:
        return False
    given[option.name] = (*given.get(option.name, ()), value) if option.many else value
    return True


def _parse_value(option: Option[Any], text: str) -> object:
    """One value; None: not the plainest spelling of one."""
    if option.kind == "text":
        return text or None
    if option.kind == "choice":
        return text if text in option.choices else None
    if option.kind == "flag":
        return True if text in _YES else False if text in _NO else None
    if len(text) > _MOST_DIGITS:
        return None
    if option.kind == "whole":
        return int(text) if text and _DIGITS.issuperset(text) and int(text) >= (option.least or 0) else None
    whole, point, fraction = text.partition(".")
    return float(text) if whole and _DIGITS.issuperset(whole + fraction) and bool(point) == bool(fraction) else None
