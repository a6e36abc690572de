"""The file that a repository keeps for all runs of ``cgtune lint`` in it: cgtune.toml, or the table [tool.cgtune] of pyproject.toml.

Its keys are the names of options, which win over it, and `per-path-ignores`. It is looked for from the current folder upward, to the
repository's root: a folder beyond it is somebody else's.
"""

from __future__ import annotations

import os
import stat

from cgtune.errors import UsageError, name_failure, translate
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cgtune.commands.options.option import Option

OWN_FILE, SHARED_FILE = "cgtune.toml", "pyproject.toml"
BY_PATH = "per-path-ignores"
_MOST_BYTES = 1 << 20
_MOST_DOTS = 1000


class Config(Record):
    """What the file says. ``given`` are values by the names of options; ``by_path`` are patterns of paths below ``folder`` with rules."""

    file: str | None = None
    folder: str = "."
    given: Mapping[str, Any] = {}  # nothing is ever put into it
    by_path: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def beside(self, path: str) -> str:
        """A path that the file names: it is meant from the file's folder."""
        return os.path.relpath(os.path.join(self.folder, path))


def read_config(named: str | None, options: Iterable[Option[Any]]) -> Config:
    """The config that is named, else the nearest one, else an empty one. Raises UsageError for one that cannot be used, and Unreadable if
    the nearest one cannot be looked for or read.
    """
    if named is not None:
        return parse_config(_read(named, is_named=True), named, options)
    for folder in _folders(os.getcwd()):
        for name in (OWN_FILE, SHARED_FILE):
            file = os.path.relpath(os.path.join(folder, name))
            if stat.S_ISREG(_mode(file)):
                text = _read(file)
                config = parse_config(text, file, options) if name == OWN_FILE or "cgtune" in text else Config()
                if name == OWN_FILE or config.given or config.by_path:
                    return config
    return Config()


def _folders(folder: str) -> list[str]:
    """The folder and those above it up to the repository's root; outside of a repository the folder alone."""
    folders = [folder]
    while not _mode(os.path.relpath(os.path.join(folders[-1], ".git"))):
        above = os.path.dirname(folders[-1])
        if above == folders[-1]:
            return [folder]
        folders.append(above)
    return folders


def _mode(file: str) -> int:
    """The mode of what has this name, 0 if there is nothing, or if it lies behind a folder above that may not be entered."""
    try:
        return os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        if isinstance(error, PermissionError) and file.startswith(os.pardir):
            return 0
        raise translate(error, file) from error


def parse_config(text: str, file: str, options: Iterable[Option[Any]]) -> Config:
    """The config that a file holds; raises UsageError, with file and key, for what is no TOML, no key, or no value of that key."""
    import tomllib

    try:
        # tomllib keeps each beginning of a key a.b.c: one of 2,000 parts costs 16 MiB, one of 4,000 64 MiB (Python 3.11)
        if any(line.partition("=")[0].count(".") > _MOST_DOTS for line in text.split("\n")):
            raise ValueError(f"a key of more than {_MOST_DOTS} parts")
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is what Python says of a number of 4301 digits
        raise UsageError(f"{file} is no TOML: {error}") from error
    if os.path.basename(file) == SHARED_FILE:
        tool = table.get("tool", {})
        table = tool.get("cgtune", {}) if isinstance(tool, dict) else {}
        if not isinstance(table, dict):
            raise UsageError(f"{file}: [tool.cgtune] is no table")
    known = {option.name.removeprefix("--"): option for option in options}
    given: dict[str, Any] = {}
    by_path: tuple[tuple[str, tuple[str, ...]], ...] = ()
    for written, value in table.items():
        key = written.replace("_", "-")
        try:
            if key == BY_PATH:
                by_path = tuple((pattern, _texts(file, key, rules)) for pattern, rules in _table(file, key, value).items())
                continue
            if key in known:
                given[known[key].name] = _value(file, key, known[key], value)
                continue
        except ValueError as error:  # TOML has numbers of any length in base 16, and Python writes none of 4301 digits in base 10
            raise UsageError(f"{file}: {key} has a number of too many digits") from error
        raise UsageError(f"{file}: unknown key {written[:40]!a}; there are {', '.join(sorted((*known, BY_PATH)))}")
    return Config(file=file, folder=os.path.dirname(os.path.abspath(file)), given=given, by_path=by_path)


def _read(file: str, *, is_named: bool = False) -> str:
    from cgtune.system.inputfiles import open_to_read

    try:
        with open_to_read(file) as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UsageError(f"--config {file!r} is larger than any config")
        return content.decode()
    except (OSError, ValueError) as error:
        if not is_named and isinstance(error, OSError):
            raise translate(error, file) from error
        raise name_failure("--config", file, error, "example: --config cgtune.toml") from error


def _value(file: str, key: str, option: Option[Any], value: object) -> object:
    """A value as the option has it. A table of an option that takes several texts is NAME=VALUE each."""
    if option.many:
        return tuple(f"{name}={text}" for name, text in _pairs(file, key, value)) if isinstance(value, dict) else _texts(file, key, value)
    if option.kind == "flag":
        if isinstance(value, bool):
            return value
        raise UsageError(f"{file}: {key} is {_shown(value)}, not true or false; example: {key} = true")
    if option.kind == "choice":
        if value in option.choices:
            return value
        raise UsageError(f"{file}: {key} is {_shown(value)}, none of {', '.join(option.choices)}")
    if option.kind == "text":
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        raise UsageError(f"{file}: {key} is {_shown(value)}, no text")
    if isinstance(value, int) and not isinstance(value, bool) and value >= (option.least or 0):
        return value
    raise UsageError(f"{file}: {key} is {_shown(value)}, no number that it takes; example: {key} = {option.least or 2}")


def _pairs(file: str, key: str, value: object) -> list[tuple[str, str]]:
    pairs = [(name, text) for name, text in _table(file, key, value).items() if isinstance(text, (str, int, float))]
    if len(pairs) < len(_table(file, key, value)):
        raise UsageError(f'{file}: {key} has a value that is no text; example: {key} = {{"NAME" = "1.24"}}')
    return [(name, str(text)) for name, text in pairs]


def _table(file: str, key: str, value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise UsageError(f"{file}: {key} is {_shown(value)}, no table")


def _texts(file: str, key: str, value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return tuple(texts)
    raise UsageError(f'{file}: {key} is {_shown(value)}, no list of texts; example: {key} = ["fractional-quota"]')


def _shown(value: object) -> str:
    return ascii(value)[:40]
