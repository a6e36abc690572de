"""Environment variables in the dialects of those who read them. Pure.

No two readers agree on quotes, comments and `export`: a value that one of them would take for another is refused, never written. What
Kubernetes 1.34 (alpha) made of these files is not among the dialects: there quotes stay in the value, as with docker.
"""

from __future__ import annotations

from cgtune.errors import Unwritable
from cgtune.outputs.escape import escape_control
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cgtune.advice.variables import PlannedVariable

#: The kubelet reads no larger file (KEP-3721), and docker no longer line (bufio.Scanner).
_MOST_BYTES = 64 << 10
_LONGEST_REASON = 1000
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
_YAML_WORDS = frozenset(case for word in _WORDS for case in (word, word.upper(), word.title()))
# Plain to every reader, without quotes
_PLAIN = _NAME | frozenset("./:,+@%-")


class Dialect(Record):
    """One way to write a file. ``render_line`` gives one variable's line, and None for a value that has no spelling there."""

    render_line: Callable[[str, str], str | None]
    comments: bool = True
    opening: str = ""
    empty: str = ""
    closing: str = ""
    between: str = "\n"
    indent: str = ""


def render_env(variables: Sequence[PlannedVariable], dialect: str) -> str:
    """The file, or part of one, that gives these variables to whoever reads that dialect of DIALECTS; those left unset are comments.

    Raises Unwritable for a name or value that the dialect cannot carry.
    """
    form = DIALECTS[dialect]
    lines: list[str] = []
    comments: list[str] = []
    for variable in variables:
        comments = [*comments, form.indent + render_comment(variable)] if form.comments else []
        if variable.value is not None:
            lines.append("\n".join([*comments, form.indent + _line(form, dialect, variable.name, variable.value)]))
            comments = []
    body = form.between.join(lines)
    text = (form.opening + body + form.closing if lines else form.empty) + "".join(f"{comment}\n" for comment in comments)
    if len(text.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise Unwritable(f"{len(text)} characters are more than any reader of such a file takes; nothing was written")
    return text


def render_comment(variable: PlannedVariable) -> str:
    """One line that says why, harmless in every dialect that has comments."""
    return f"# {render_reason(variable)}"


def render_reason(variable: PlannedVariable) -> str:
    """One line without anything that could end it: the variable, its value or that it stays unset, and why."""
    said = f"{variable.name}={variable.value}" if variable.value is not None else f"{variable.name} stays unset"
    text = escape_control(f"{said}: {'; '.join(variable.because)}")
    if len(text) > _LONGEST_REASON:
        text = f"{text[:_LONGEST_REASON]}..."
    # To systemd a backslash at the end of a comment carries it on into the next line (env-file.c)
    return f"{text}." if text.endswith("\\") else text


def _line(form: Dialect, dialect: str, name: str, value: str) -> str:
    if not name or name[0].isdigit() or not _NAME.issuperset(name) or len(name) > 128:
        raise Unwritable(f"{name[:60]!a} is no name of an environment variable; nothing was written")
    line = None if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value) else form.render_line(name, value)
    if line is None:
        raise Unwritable(f"the dialect {dialect} cannot carry {name}={value[:60]!a}; nothing was written; json can, if it is text")
    return line


def _is_one_line(value: str) -> bool:
    return value.isprintable()


def _kubernetes(name: str, value: str) -> str | None:
    # KEP-3721, seen with 1.36.2: single quotes alone, which cannot stand inside; an empty value counts as a missing key
    return f"{name}='{value}'" if value and _is_one_line(value) and "'" not in value else None


def _sh(name: str, value: str) -> str:
    # POSIX shell, 2.2.2: between single quotes every character is itself, but for the quote
    quoted = value.replace("'", "'\\''")
    return f"export {name}='{quoted}'"


def _docker(name: str, value: str) -> str | None:
    # docker/cli opts/file.go: all that follows = is the value, quotes and blanks too
    return f"{name}={value}" if _is_one_line(value) else None


def _systemd(name: str, value: str) -> str | None:
    # systemd.exec(5): as in a shell, without anything to expand; between double quotes a backslash goes before " \ ` $
    if _PLAIN.issuperset(value):
        return f"{name}={value}"
    quoted = "".join(f"\\{character}" if character in '"\\`$' else character for character in value)
    return f'{name}="{quoted}"' if _is_one_line(value) else None


def _compose(name: str, value: str) -> str | None:
    # compose-go dotenv: $ is expanded outside of single quotes, where \' would end nothing
    if _PLAIN.issuperset(value):
        return f"{name}={value}"
    return f"{name}='{value}'" if _is_one_line(value) and "'" not in value and "\\" not in value else None


def _github(name: str, value: str) -> str | None:
    # actions/runner FileCommandManager: NAME=VALUE to the end of the line. It has no comments.
    return f"{name}={value}" if _is_one_line(value) else None


def _json(name: str, value: str) -> str:
    from cgtune.outputs.jsontext import quote_json  # another dialect does not need it

    return f"{quote_json(name)}: {quote_json(value)}"


def _yaml(name: str, value: str) -> str:
    # YAML 1.2, 5.7 and 7.3.1: a double-quoted scalar; a plain one such as NO would be a boolean to the readers of YAML 1.1
    return f"- name: {name if name not in _YAML_WORDS else yaml_string(name)}\n    value: {yaml_string(value)}"


def yaml_string(text: str) -> str:
    """Any text as a double-quoted scalar of YAML."""
    return '"' + "".join(one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in text) + '"'


#: By name: who reads it.
DIALECTS: dict[str, Dialect] = {
    "kubernetes": Dialect(render_line=_kubernetes, closing="\n"),
    "sh": Dialect(render_line=_sh, closing="\n"),
    "docker": Dialect(render_line=_docker, closing="\n"),
    "systemd": Dialect(render_line=_systemd, closing="\n"),
    "compose": Dialect(render_line=_compose, closing="\n"),
    "json": Dialect(render_line=_json, comments=False, opening="{", between=", ", closing="}\n", empty="{}\n"),
    "yaml": Dialect(render_line=_yaml, opening="env:\n", closing="\n", empty="env: []\n", indent="  "),
    "github": Dialect(render_line=_github, comments=False, closing="\n"),
}
