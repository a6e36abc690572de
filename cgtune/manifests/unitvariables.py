"""The variables of a unit of systemd: Environment=, EnvironmentFile=, PassEnvironment= and UnsetEnvironment=, by systemd.exec(5). Pure."""

from __future__ import annotations

from cgtune.manifests.envfiles import MOST_LETTERS, parse_systemd_variables
from cgtune.manifests.places import Lines
from cgtune.manifests.unittext import expand_specifiers, parse_words
from cgtune.manifests.workload import MOST_HIDDEN, Flaw, Variable
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.manifests.places import Beside
    from cgtune.manifests.systemd import Part
    from cgtune.manifests.unittext import Setting, Word
    from cgtune.manifests.workload import Place

_GO = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Found(Record):
    """What the program gets; sources that could not be read, in words; what systemd drops of Go's; where the last Environment= stands."""

    variables: tuple[Variable, ...]
    unread: tuple[str, ...]
    flaws: tuple[Flaw, ...]
    place: Place | None


def read_variables(parts: Sequence[Part], unit: str, beside: Beside) -> Found:
    """The variables in the order of their first assignment. Files win over Environment=, and UnsetEnvironment= over all."""
    variables: dict[str, Variable] = {}
    flaws: list[Flaw] = []
    place: Place | None = None
    for part, setting in _assignments(parts, "Environment"):
        place = part.lines.place(setting.offset(0), setting.end)
        words, is_whole = parse_words(setting.value)
        for word in words:
            _set(variables, flaws, _Assigned(part=part, setting=setting, word=word, unit=unit))
        rest = setting.value[words[-1].end if words else 0 :]
        if not is_whole and any(name in rest for name in _GO):
            flaws.append(_dropped(rest.strip(), "a quote is open, or an escape is none", place))
    unread = [
        f"{name} of systemd's own environment (PassEnvironment=)"
        for name in _names(parts, "PassEnvironment")
        if name in _GO and name not in variables
    ]
    for part, setting in _assignments(parts, "EnvironmentFile"):
        unread += _read_file(variables, part, setting, unit, beside)
    for name in _names(parts, "UnsetEnvironment"):
        bare, equals, value = name.partition("=")
        if bare in variables and (not equals or variables[bare].value == value):
            del variables[bare]
    return Found(variables=tuple(variables.values()), unread=tuple(unread), flaws=tuple(flaws), place=place)


def _assignments(parts: Sequence[Part], key: str) -> list[tuple[Part, Setting]]:
    """Those of a list in [Service], from the last empty one on, which resets it."""
    found: list[tuple[Part, Setting]] = []
    for part in parts:
        for setting in part.settings:
            if (setting.section, setting.key) == ("Service", key):
                found.append((part, setting))
                if not setting.value:
                    found.clear()
    return found


def _names(parts: Sequence[Part], key: str) -> list[str]:
    return [word.text for _part, setting in _assignments(parts, key) for word in parse_words(setting.value)[0]]


class _Assigned(Record):
    """One word of an Environment=."""

    part: Part
    setting: Setting
    word: Word
    unit: str

    def place(self, first: int, last: int) -> Place:
        """Of the characters ``first`` to ``last`` of the word, as they are written."""
        spans, end = self.word.spans, self.word.end
        begin = spans[first][0] if first < len(spans) else spans[-1][1] if spans else self.word.start
        stop = spans[last - 1][1] if first < last <= len(spans) else begin
        return self.part.lines.place(
            self._offset(begin), self._offset(min(stop, end) - 1) + 1 if stop > begin else self._offset(begin - 1) + 1
        )

    def entry(self) -> Place:
        return self.part.lines.place(self._offset(self.word.start), self._offset(self.word.end - 1) + 1)

    def _offset(self, index: int) -> int:
        return self.setting.offset(max(index, 0))


def _set(variables: dict[str, Variable], flaws: list[Flaw], assigned: _Assigned) -> None:
    expanded = expand_specifiers(assigned.word.text, assigned.unit)
    written, equals, _value = assigned.word.text.partition("=")
    if expanded.is_refused or not equals or not _is_name(written):
        if any(name in assigned.word.text for name in _GO):
            why = (
                "a % before a letter is a specifier, and there is no such; %% is a % sign" if expanded.is_refused else "it is no NAME=VALUE"
            )
            flaws.append(_dropped(assigned.word.text, why, assigned.entry()))
        return
    earlier = variables.pop(written, None)
    is_here = earlier is not None and earlier.entry.file == assigned.part.lines.file
    hides = () if earlier is None or not is_here else (*earlier.hides, earlier.entry)[-MOST_HIDDEN:]
    variables[written] = Variable(
        name=written,
        value=None if expanded.text is None else expanded.text.partition("=")[2],
        origin="literal",
        place=assigned.place(len(written) + 1, len(assigned.word.text)),
        entry=assigned.entry(),
        name_place=assigned.place(0, len(written)),
        hides=hides,
        unknown=f"systemd fills in {expanded.unknown}" if expanded.unknown else None,
    )


def _is_name(name: str) -> bool:
    return bool(name) and not name[0].isdigit() and _NAME.issuperset(name)


def _dropped(written: str, why: str, place: Place) -> Flaw:
    detail = f"{why}: systemd drops it with one line in its log, and the program runs without it"
    return Flaw(what="Environment", written=written, cause="dropped", detail=detail, place=place)


def _read_file(variables: dict[str, Variable], part: Part, setting: Setting, unit: str, beside: Beside) -> list[str]:
    """Sets the variables of one EnvironmentFile=; returns what could not be read, in words."""
    path = setting.value.removeprefix("-")
    expanded = expand_specifiers(path, unit)
    if not path.startswith("/"):
        return []  # systemd drops it, and so do we: what it would have set is not known
    found = None if expanded.text is None else _locate(expanded.text, part.lines.file, beside)
    if found is None:
        return [f"EnvironmentFile={setting.value}, which is not in the input and wins over Environment="]
    file, text = found
    if len(text) > MOST_LETTERS:
        return [f"EnvironmentFile={setting.value}, which is too large to be one"]
    lines = Lines(file, text)
    for entry in parse_systemd_variables(text):
        place = lines.place(entry.start, entry.end)
        name_place = lines.place(entry.name_start, entry.name_start + len(entry.name))
        variables.pop(entry.name, None)
        variables[entry.name] = Variable(
            name=entry.name,
            value=entry.value,
            origin="env-file",
            place=place,
            entry=lines.place(entry.name_start, entry.end),
            name_place=name_place,
        )
    return []


def _locate(path: str, unit_file: str, beside: Beside) -> tuple[str, str] | None:
    """Returns (the file, its text) of an absolute path below one of the folders that the unit lies in, the nearest first."""
    folder = unit_file
    while folder:
        folder = folder.rpartition("/")[0]
        file = f"{folder}{path}" if folder or unit_file.startswith("/") else path[1:]
        text = beside.read(file)
        if text is not None:
            return file, text
    return None
