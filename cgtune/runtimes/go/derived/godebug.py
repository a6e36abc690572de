"""What GODEBUG makes of container awareness and updates: built-in, then the string of the build, then that of the environment.

What is not covered: a string that the linker was given under -trimpath, which leaves no trace in the build info; of a running program
its memory tells.
"""

from __future__ import annotations

from cgtune.records import Record
from cgtune.runtimes.go.derived.grammar import CGOCHECK_DEATH, parse_godebug
from cgtune.runtimes.go.derived.versions import FIRST_AWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Decider, Pairs
    from cgtune.runtimes.go.derived.grammar import GodebugReading

_VARIABLE = "runtime.godebugDefault="
_BUILT_IN = 1  # both, in every version that knows them: runtime/runtime1.go, 1.25.0 to 1.27.3


class GodebugSwitch(Record):
    """containermaxprocs or updatemaxprocs: whether it is on, its number, and where that number comes from.

    ``on`` and ``number`` are None if the deciding string is not known.
    """

    on: bool | None
    number: int | None
    source: Decider


class GodebugEffect(Record):
    """Both switches, and what the runtime prints when GODEBUG ends it: at once, or only after all the rest has been set up."""

    aware: GodebugSwitch
    updates: GodebugSwitch
    dies_early: str | None
    dies_late: str | None


def parse_default_godebug(build_settings: Pairs) -> str:
    """The GODEBUG string that the linker put in, from the build settings: DefaultGODEBUG, unless -ldflags overrode it with -X.

    A program without settings (not linked by the go command) has none, and so is container-aware whatever its language version is.
    """
    settings = dict(build_settings)
    default = settings.get("DefaultGODEBUG", "")
    words = _split_flags(settings.get("-ldflags", ""))
    for word in words:
        flag, equals, definition = word.partition("=")
        if flag not in ("-X", "--X"):
            continue
        if not equals:
            definition = next(words, "")
        if definition.startswith(_VARIABLE):
            default = definition[len(_VARIABLE) :]  # cmd/go passes its own first, and the last one counts
    return default


def derive_godebug(build: str | None, environment: str | None, minor: int) -> GodebugEffect:
    """The effect in Go 1.``minor`` of the build's string and the environment's. None is a string that we do not know."""
    readings = [None if text is None else parse_godebug(text, minor) for text in (build, environment)]
    early = late = None
    checks = 1
    for reading in readings:
        if reading is None:
            continue
        checks = checks if reading.cgocheck is None else reading.cgocheck
        late = reading.removed.dies if reading.removed is not None else late
        if minor >= 21 and checks > 1 and reading.removed is None:  # judged at the end of each string that is read to its end
            early = CGOCHECK_DEATH
    if minor < FIRST_AWARE:
        absent = GodebugSwitch(on=False, number=None, source="version")
        return GodebugEffect(aware=absent, updates=absent, dies_early=early, dies_late=late)
    aware, aware_source = _effective(readings, "containermaxprocs")
    updates, updates_source = _effective(readings, "updatemaxprocs")
    return GodebugEffect(
        aware=GodebugSwitch(on=None if aware is None else aware > 0, number=aware, source=aware_source),
        updates=GodebugSwitch(on=None if updates is None else updates != 0, number=updates, source=updates_source),
        dies_early=early,
        dies_late=late,
    )


def _effective(readings: list[GodebugReading | None], key: str) -> tuple[int | None, Decider]:
    """The number that holds, None if the deciding string is not known, and who decided on it."""
    sources: tuple[Decider, ...] = ("environment", "build")
    for reading, source in zip(reversed(readings), sources, strict=True):
        if reading is None:
            return None, source
        if (number := getattr(reading, key)) is not None:
            return number, source
    return _BUILT_IN, "built-in"


def _split_flags(text: str) -> Iterator[str]:
    """The words of -ldflags as the go command splits them: at blanks; a word that begins with a quote runs to the next one."""
    while text := text.lstrip(" \t\n\r"):
        if text[0] in "\"'" and (end := text.find(text[0], 1)) > 0:
            word, text = text[1:end], text[end + 1 :]
        else:
            word = text.split(None, 1)[0]
            text = text[len(word) :]
        yield word
