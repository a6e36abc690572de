"""What readers of env files take from them, written from their rules and not from our writer: the other side of outputs/envfile.py.

Each raises ValueError for what its original refuses, and for what would come out otherwise there than it looks here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

BLANK = " \t"
_ENDS = "\r\n"  # of lines, to systemd; seen with 252 (30-systemd-environment-d-generator)


def read_kubernetes(text: str) -> dict[str, str]:
    """The kubelet's for fileKeyRef: every key of a file that is right to its end.

    The first entry of a name counts, and an empty value is none.
    """
    found: dict[str, str] = {}
    for name, value in _kubernetes_entries(text):
        found.setdefault(name, value)
    return {name: value for name, value in found.items() if value}


def read_kubernetes_key(text: str, key: str) -> str | None:
    """One key as the kubelet looks it up: what stands behind it is not looked at. None if there is no such key, or an empty value."""
    return next((value for name, value in _kubernetes_entries(text) if name == key), None) or None


def _kubernetes_entries(text: str) -> Iterator[tuple[str, str]]:
    """The entries of a file in order, seen line by line with Kubernetes 1.36.2 (containerd 2.4): single quotes only.

    Blanks before a name do not count; one before the ``=`` is an error; one behind it makes the value empty, whatever follows. Nothing
    behind it is an error. Newlines may stand between the quotes; behind the closing one only a comment. CRLF is a line's end. A name may
    hold anything else, so ``export A`` and a name behind a byte order mark are other names.
    """
    lines = text.split("\n")
    while lines:
        line = _kubernetes_line(lines)
        name, equals, value = line.lstrip(BLANK).partition("=")
        if not line.strip(BLANK) or name.startswith("#"):
            continue
        if not equals or not name or name.endswith((" ", "\t")):
            raise ValueError(f"no NAME= in {line!r}")
        if value.startswith((" ", "\t")):
            yield name, ""
            continue
        while value.startswith("'") and "'" not in value[1:] and lines:
            value += "\n" + _kubernetes_line(lines)
        quoted = re.fullmatch(r"'([^']*)'[ \t]*(?:#[^\n]*)?", value)
        if quoted is None:
            raise ValueError(f"not one value between single quotes: {line!r}")
        yield name, quoted[1]


def _kubernetes_line(lines: list[str]) -> str:
    line = lines.pop(0)
    if len(line.encode()) >= 64 << 10:
        raise ValueError("a line of 64 KiB or more")
    return line.removesuffix("\r")


def read_docker(text: str) -> dict[str, str]:
    """docker's and podman's --env-file: everything behind = is the value; the last of several entries counts."""
    found = {}
    for line in text.split("\n"):
        kept = line.removesuffix("\r")  # bufio.ScanLines
        if len(kept.encode()) >= 64 << 10:
            raise ValueError("longer than a scanner's line")
        kept = kept.lstrip(" \t\v\f\r\x85\xa0")
        if not kept or kept.startswith("#"):
            continue
        name, equals, value = kept.partition("=")
        if not equals or not name or any(character.isspace() for character in name):
            raise ValueError(f"no NAME=VALUE: {kept!r}")
        found[name] = value
    return found


def read_systemd(text: str) -> dict[str, str]:
    """EnvironmentFile= (systemd.exec(5), src/basic/env-file.c)."""
    reader = _Systemd()
    for character in text:
        getattr(reader, f"_{reader.state}")(character)
    if reader.state not in ("before", "name", "comment", "comment_escape"):
        reader.push()
    return reader.found


class _Systemd:
    """systemd's machine of states, one method each, one character at a time."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.state, self.name, self.value, self.kept = "before", "", "", 0

    def push(self) -> None:
        name = self.name.rstrip()
        value = self.value[: self.kept] if self.state == "plain" else self.value
        if not name or name[0].isdigit() or not all(one == "_" or (one.isascii() and one.isalnum()) for one in name):
            raise ValueError(f"no name: {name!r}")
        if any((ord(one) < 32 and one not in "\t\n") or ord(one) == 127 for one in value):
            raise ValueError("a control character")
        self.found[name] = value
        self.state = "before"

    def _before(self, one: str) -> None:
        if one in "#;":
            self.state = "comment"
        elif not one.isspace():
            self.state, self.name = "name", one

    def _name(self, one: str) -> None:
        if one == "=":
            self.state, self.value, self.kept = "behind", "", 0
        elif one in _ENDS:
            self.state = "before"
        else:
            self.name += one

    def _behind(self, one: str) -> None:
        if one in _ENDS:
            self.push()
        elif one in "'\"\\":
            self.state = {"'": "single", '"': "double", "\\": "escape"}[one]
        elif one not in BLANK:
            self.state = "plain"
            self._keep(one)

    def _plain(self, one: str) -> None:
        if one in _ENDS:
            self.push()
        elif one == "\\":
            self.state = "escape"
        elif one in BLANK:
            self.value += one  # at the end of the line it is cut off
        else:
            self._keep(one)

    def _escape(self, one: str) -> None:
        self.state = "plain"
        self._keep("" if one in _ENDS else one)

    def _single(self, one: str) -> None:
        if one == "'":
            self.state = "behind"
        else:
            self.value += one

    def _double(self, one: str) -> None:
        if one in '"\\':
            self.state = "behind" if one == '"' else "double_escape"
        else:
            self.value += one

    def _double_escape(self, one: str) -> None:
        self.state = "double"
        self.value += one if one in '"\\`$' else "" if one == "\n" else f"\\{one}"

    def _comment(self, one: str) -> None:
        self.state = {"\n": "before", "\r": "before", "\\": "comment_escape"}.get(one, "comment")

    def _comment_escape(self, _one: str) -> None:
        self.state = "comment"

    def _keep(self, text: str) -> None:
        self.value += text
        self.kept = len(self.value)


def read_compose(text: str) -> dict[str, str]:
    r"""env_file of compose (compose-go, dotenv): `$` expands but for single quotes, where `\'` does not end them."""
    found: dict[str, str] = {}
    rest = text
    while rest := rest.lstrip():
        if rest.startswith("#"):
            rest = rest.partition("\n")[2]
            continue
        name, equals, rest = rest.removeprefix("export ").partition("=")
        if not equals or "\n" in name or not name.strip():
            raise ValueError(f"no NAME=: {name!r}")
        rest = rest.lstrip(BLANK)
        if rest[:1] in ("'", '"'):
            quote, place = rest[0], 1
            while place < len(rest) and (rest[place] != quote or rest[place - 1] == "\\"):
                place += 1
            if place >= len(rest):
                raise ValueError("an open quote")
            value, rest = rest[1:place], rest[place + 1 :]
            if quote == '"' and ("$" in value or "\\" in value):
                raise ValueError("something that expands")
            if rest.partition("\n")[0].strip(BLANK):
                raise ValueError("more than the value")
        else:
            line, _, rest = rest.partition("\n")
            value = line.partition(" #")[0].strip()
            if any(character in "$\\'\"`" for character in value):
                raise ValueError("something that expands")
        found[name.strip()] = value
    return found


def read_github(text: str) -> dict[str, str]:
    """$GITHUB_ENV (actions/runner, FileCommandManager): NAME=VALUE or a heredoc, whichever mark comes first; no comments."""
    found = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals < 0 or 0 <= heredoc < equals or equals == 0:
            raise ValueError(f"invalid format {line!r}")
        found[line[:equals]] = line[equals + 1 :]
    return found


def read_json(text: str) -> dict[str, str]:
    """An object of strings."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("no object of strings")
    return found


def read_yaml(text: str) -> dict[str, str]:
    """The env list of a container: name and value, both strings."""
    import yaml  # here: the kernel tests read env files too, on an emulated CPU

    found = {}
    content = yaml.safe_load(text)
    if list(content) != ["env"]:
        raise ValueError("no env list")
    for entry in content["env"]:
        if set(entry) != {"name", "value"} or not all(isinstance(part, str) for part in entry.values()):
            raise ValueError(f"not two strings: {entry!r}")
        found[entry["name"]] = entry["value"]
    return found


#: By dialect; sh has real shells for readers.
READERS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "kubernetes": read_kubernetes,
    "docker": read_docker,
    "systemd": read_systemd,
    "compose": read_compose,
    "github": read_github,
    "json": read_json,
    "yaml": read_yaml,
}
