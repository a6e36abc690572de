"""Which variables a container's command sets for its program: ``env A=1 app``, ``sh -c "export A=1; exec app"``. Pure.

A shell's script is read as far as plain assignments go. What it computes, sets on one of several ways, or reads from elsewhere is told as
not known, never guessed. Not covered: here-documents, functions, aliases (a script with these is not known from there on).
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHELLS = frozenset(("sh", "bash", "ash", "dash", "ksh", "zsh", "busybox"))
_STARTERS = frozenset(("tini", "dumb-init", "catatonit", "nice", "nohup", "setsid", "exec"))  # they run what stands behind them
_OPENING = frozenset(("if", "case", "while", "until", "for", "select", "function"))
_CLOSING = frozenset(("fi", "esac", "done"))
_BETWEEN = frozenset(("then", "else", "elif", "do", "!", "{", "}", "time"))
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_COMPUTES, _SOMETIMES, _ELSEWHERE = (
    "the shell computes it",
    "the shell sets it on some of its ways",
    "the shell sets it for another program",
)


class Setting(Record):
    """A variable that a command sets. ``value`` None: not known, ``unknown`` says why. ``written`` is how the assignment begins."""

    value: str | None
    unknown: str | None
    written: str


class Settings(Record):
    """What a command sets: by name; and what else may set variables, in words."""

    by_name: dict[str, Setting]
    unread: tuple[str, ...] = ()


def read_command(words: Sequence[str], known: frozenset[str] = frozenset()) -> Settings:
    """What a command line sets for its program. ``known`` are the names that are in the environment already: a shell passes these on."""
    found: dict[str, Setting] = {}
    at = 0
    while at < len(words):
        name = words[at].rpartition("/")[2]
        at += 1
        if name == "env":
            at = _skip_options(words, at, ("-u", "-C", "-S"))
            while at < len(words) and _assigned(words[at]):
                found[_assigned(words[at])] = Setting(value=words[at].partition("=")[2], unknown=None, written=words[at])
                at += 1
        elif name in _SHELLS:
            script = _find_script(words, at)
            rest = _read_script(script, known | found.keys()) if script is not None else Settings(by_name={})
            return Settings(by_name=found | rest.by_name, unread=rest.unread)
        elif name in _STARTERS:
            at = _skip_options(words, at, ("-n",))
        else:
            break
    return Settings(by_name=found)


def _skip_options(words: Sequence[str], at: int, with_value: tuple[str, ...]) -> int:
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in with_value else 1
    return at


def _find_script(words: Sequence[str], at: int) -> str | None:
    """The text behind ``-c`` (``-ec``, ``-o pipefail -c``)."""
    is_script = False
    while at < len(words):
        word = words[at]
        if word in ("sh", "ash") and not is_script:  # busybox sh
            at += 1
            continue
        if word[:1] not in ("-", "+") or len(word) == 1:
            return word if is_script else None
        is_script |= word[0] == "-" and word[1] != "-" and "c" in word
        at += 2 if word[-1] in "oO" and word[:2] != "--" else 1
    return None


def _assigned(word: str) -> str:
    """The name that ``NAME=value`` sets, "" if the word is no assignment."""
    name, equals, _ = word.partition("=")
    if not equals or not name or name[0] not in _LETTERS or not all(letter in _LETTERS or letter.isdigit() for letter in name):
        return ""
    return name


class _Word:
    """A word of a script, quotes taken off. ``is_plain``: nothing in it is computed."""

    def __init__(self, text: str, *, is_plain: bool, is_operator: bool = False) -> None:
        self.text, self.is_plain, self.is_operator = text, is_plain, is_operator


class _Script:
    """What a script has set so far."""

    def __init__(self, known: frozenset[str]) -> None:
        self.set: dict[str, Setting] = {}
        self.exported = set(known)
        self.exports_all = False
        self.unread: list[str] = []
        self.for_one: dict[str, Setting] = {}  # what stands before the command that was read last

    def assign(self, word: _Word, *, is_sure: bool) -> None:
        name, value = _assigned(word.text), word.text.partition("=")[2]
        before = self.set.get(name)
        setting = Setting(value=value if word.is_plain else None, unknown=None if word.is_plain else _COMPUTES, written=f"{name}=")
        if not is_sure and (before is None or before.value is None or before.value != setting.value):
            setting = setting.replace(value=None, unknown=_COMPUTES if not word.is_plain else _SOMETIMES)
        self.set[name] = setting

    def run(self, words: list[_Word], *, is_sure: bool) -> None:
        """One simple command."""
        for name, setting in self.for_one.items():  # another command comes behind it: which one is the program is not known
            self.set[name] = setting.replace(value=None, unknown=_ELSEWHERE)
            self.exported.add(name)
        self.for_one = {}
        prefix = []
        while words and _assigned(words[0].text):
            prefix.append(words.pop(0))
        while words and words[0].text in ("exec", "command", "nohup", "env", "builtin"):
            words = words[1:]
            while words and (words[0].text.startswith("-") or _assigned(words[0].text)):
                word = words.pop(0)
                prefix += [word] if _assigned(word.text) else []
        if not words:
            for word in prefix:
                self.assign(word, is_sure=is_sure)
            return
        for word in prefix:
            name = _assigned(word.text)
            value = word.text.partition("=")[2] if word.is_plain and is_sure else None
            unknown = None if value is not None else _SOMETIMES if word.is_plain else _COMPUTES
            self.for_one[name] = Setting(value=value, unknown=unknown, written=f"{name}=")
        self._call(words[0].text, words[1:], is_sure=is_sure)

    def _call(self, name: str, words: list[_Word], *, is_sure: bool) -> None:
        if name in ("export", "declare", "typeset", "readonly", "local"):
            for word in words:
                if _assigned(word.text):
                    self.assign(word, is_sure=is_sure)
                elif not word.is_plain:
                    self.unread.append(f"{name} of what the shell computes")
                if name == "export" or any(one.text.startswith("-") and "x" in one.text for one in words):
                    self.exported.add(_assigned(word.text) or word.text)
        elif name == "unset":
            for word in words:
                self.set[word.text] = Setting(value=None, unknown="the shell takes it away", written=f"unset {word.text}")
        elif name == "set":
            self.exports_all |= any(word.text in ("-a", "allexport") for word in words)
        elif name in (".", "source", "eval"):
            self.unread.append(f"the shell's {name} {' '.join(word.text for word in words)[:80]}".rstrip())

    def settings(self) -> Settings:
        passed = {name: one for name, one in self.set.items() if self.exports_all or name in self.exported}
        return Settings(by_name=passed | self.for_one, unread=tuple(self.unread))


def _read_script(text: str, known: frozenset[str]) -> Settings:
    script = _Script(known)
    depth = parentheses = 0
    is_sure = True  # nothing on the way here may have been left out
    words: list[_Word] = []
    for word in (*_lex(text), _Word(";", is_plain=True, is_operator=True)):
        if not word.is_operator:
            is_keyword = word.is_plain and not words
            if is_keyword and word.text in _OPENING:
                depth += 1
            elif is_keyword and word.text in _CLOSING:
                depth -= 1
            elif not is_keyword or word.text not in _BETWEEN:
                words.append(word)
            continue
        if words:
            script.run(words, is_sure=is_sure and depth + parentheses <= 0)
            words = []
        if word.text == "(":
            parentheses += 1
        elif word.text == ")":
            parentheses = max(parentheses - 1, 0)  # a pattern of case has one alone
        elif word.text == "<<":
            script.unread.append("a here-document of the shell's script, which is not read")
            break
        is_sure = word.text not in ("||", "|") and (is_sure or word.text in (";", "\n"))
    return script.settings()


def _lex(text: str) -> Iterator[_Word]:
    """The words and operators of a script."""
    at, end = 0, len(text)
    while at < end:
        letter = text[at]
        if letter in " \t\r" or text.startswith("\\\n", at):
            at += 1 if letter != "\\" else 2
        elif letter == "#":
            at = text.find("\n", at) if "\n" in text[at:] else end
        elif (letter in ";&|()\n" and not text.startswith("&>", at)) or text.startswith("<<", at):
            operator = text[at : at + 2] if text[at : at + 2] in ("&&", "||", ";;", "<<") else letter
            yield _Word({";;": ";", "&": ";"}.get(operator, operator), is_plain=True, is_operator=True)
            at += len(operator)
        else:
            word, at = _lex_word(text, at)
            yield word


def _lex_word(text: str, at: int) -> tuple[_Word, int]:
    """Returns (the word that begins at ``at``, where it ends)."""
    parts: list[str] = []
    is_plain, quote, end = True, "", len(text)
    while at < end:
        letter = text[at]
        if quote == "'" and letter != "'":
            parts.append(letter)
        elif letter == quote or (letter in "'\"" and not quote):
            quote = "" if quote else letter
        elif letter == "\\" and at + 1 < end:
            at += 1
            parts.append(text[at] if not quote or text[at] in '$`"\\\n' else f"\\{text[at]}")
        elif letter in "$`" and at + 1 < end:
            is_plain = False
            stop = _skip_computed(text, at)
            parts.append(text[at:stop])
            at = stop - 1
        elif not quote and (letter in " \t\r\n;&|()" or text.startswith("<<", at)) and not _redirects(text, at):
            break
        else:
            is_plain &= bool(quote) or letter not in "*?["  # names of files take their place
            parts.append(letter)
        at += 1
    return _Word("".join(parts), is_plain=is_plain and not quote), at


def _redirects(text: str, at: int) -> bool:
    """Whether an ampersand belongs to ``2>&1`` or ``&>file``."""
    return text[at] == "&" and (text[at - 1 : at] in ("<", ">") or text[at + 1 : at + 2] == ">")


def _skip_computed(text: str, at: int) -> int:
    """Where ``$NAME``, ``$(...)``, ``${...}`` or backquotes end."""
    opener = text[at + 1] if text[at] == "$" else "`"
    if opener == "`" and text[at] == "`":
        found = text.find("`", at + 1)
        return found + 1 if found >= 0 else len(text)
    closer = {"(": ")", "{": "}"}.get(opener)
    at += 1
    if closer is None:
        return at
    depth = 0
    while at < len(text):
        depth += (text[at] == opener) - (text[at] == closer)
        at += 1
        if not depth:
            break
    return at
