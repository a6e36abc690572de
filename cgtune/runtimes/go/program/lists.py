"""The long lists of a program, dependencies and build settings, within a bound of memory: who writes them may be nobody's friend."""

from __future__ import annotations

from cgtune.model import AUTOMAXPROCS, AUTOMEMLIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.model import GoFacts, Pairs

#: What rules ask for stands in every list, however short that has to be.
ASKED_MODULES = (AUTOMAXPROCS, AUTOMEMLIMIT)
ASKED_SETTINGS = ("DefaultGODEBUG", "-ldflags", "-buildmode", "GOOS", "GOARCH", "vcs.revision", "vcs.time", "vcs.modified")
#: How their lines begin.
ASKED_LINES = tuple(f"dep\t{name}\t" for name in ASKED_MODULES) + tuple(f"build\t{name}=" for name in ASKED_SETTINGS)

#: What the lists of one program may take in memory: 16 such programs in one process, and all else that is kept of it, are below 16 MiB.
MOST_LIST_BYTES = 352 << 10
#: What those of all programs of one report may take: some 4 MB of JSON.
MOST_REPORT_LIST_BYTES = 8 << 20
_SHARES = 8
_PAIR_BYTES = 64  # a tuple of two, and its place in the list
_ASKED_BYTES = 4 << 10  # what rules ask for may take of each list, if there is no room left
_LEAST_ASKED_BYTES = 512  # in a report: they have been asked by then, but for versions


class Room:
    """Memory that many share. Each may have an eighth of what is left: however fat those before it were, something is left for the next."""

    def __init__(self, left: int) -> None:
        self.left = left

    @property
    def share(self) -> int:
        """How many bytes the next one may take."""
        return max(self.left, 0) // _SHARES


def fit_runtimes(runtimes: tuple[GoFacts, ...], room: Room) -> tuple[tuple[GoFacts, ...], int]:
    """Returns (the runtimes of one process with lists that take no more than its share of the room, how many entries are left out)."""
    share, fitted, left_out = room.share, [], 0
    before = share
    for facts in runtimes:
        program = facts.program
        size = weigh(program.modules) + weigh(program.build_settings)
        if size > share:
            modules, settings, count = shorten(program.modules, program.build_settings, share, _LEAST_ASKED_BYTES)
            program, left_out = program.replace(modules=modules, build_settings=settings), left_out + count
            size = weigh(modules) + weigh(settings)
        share = max(share - size, 0)
        fitted.append(facts.replace(program=program))
    room.left -= before - share
    return tuple(fitted) if left_out else runtimes, left_out


def weigh(pairs: Pairs) -> int:
    """How much memory a list takes, in bytes."""
    return sum(map(_weigh, pairs))


def _weigh(pair: tuple[str, str]) -> int:
    return _PAIR_BYTES + pair[0].__sizeof__() + pair[1].__sizeof__()


def shorten(modules: Pairs, settings: Pairs, most_bytes: int, asked_bytes: int = _ASKED_BYTES) -> tuple[Pairs, Pairs, int]:
    """Returns (dependencies, settings, how many of both are left out), together within ``most_bytes`` but for what rules ask for."""
    kept_settings, room = _keep(settings, ASKED_SETTINGS, most_bytes, asked_bytes)
    kept_modules, _ = _keep(modules, ASKED_MODULES, room, asked_bytes)
    return kept_modules, kept_settings, len(modules) + len(settings) - len(kept_modules) - len(kept_settings)


def _keep(pairs: Pairs, asked: Iterable[str], room: int, asked_bytes: int) -> tuple[Pairs, int]:
    """Returns (those that are asked for, and as many of the others as there is room for, in their order; the room that is left)."""
    size = weigh(pairs)
    if size <= room:
        return pairs, room - size
    wanted = set(asked)
    kept = []
    is_full = False
    for pair in pairs:
        size = _weigh(pair)
        if pair[0] in wanted and size <= asked_bytes:
            wanted.remove(pair[0])
            asked_bytes -= size
            kept.append(pair)
        elif not is_full and size <= room:
            room -= size
            kept.append(pair)
        else:
            is_full = True
    return tuple(kept), 0 if is_full else room
