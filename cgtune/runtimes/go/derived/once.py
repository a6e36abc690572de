"""What a runtime derives, computed once for the same inputs: the hundred processes of one program, and each of them look after look.

What the derivation reads on its way, the limit files as the process sees them, is read again each time: only if all of it is the same, so
is what follows.
"""

from __future__ import annotations

from cgtune.errors import CgtuneError
from cgtune.records import Record
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.facts import derived_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from cgtune.model import GoDerived
    from cgtune.runtimes.go.derived.derive import GoDerivation
    from cgtune.runtimes.go.derived.inputs import GoInputs
    from cgtune.runtimes.go.derived.limitfile import ReadLimit

_MOST_KEPT = 1024  # of some 2 KB each


class Derived(Record):
    """What follows from some inputs; ``read`` is what was read on the way, by path."""

    derivation: GoDerivation
    facts: GoDerived
    read: tuple[tuple[str, str | bytes | None], ...]


def derive_once(kept: dict[Hashable, Derived], inputs: GoInputs, *, misled: bool, hidden: bool) -> tuple[GoDerivation, GoDerived]:
    """Returns (what derive gives, what derived_facts makes of it), from ``kept`` if nothing of what they hang on has changed."""
    key = (*(_key_of(name, value) for name, value in inputs.items()), misled, hidden)
    found = kept.get(key)
    if found is not None and _reads_the_same(found, inputs):
        return found.derivation, found.facts
    reading = _Reading(inputs.read_limit)
    noted = inputs if inputs.read_limit is None else inputs.replace(read_limit=reading.read_limit)
    derivation = derive(noted)
    facts = derived_facts(noted, derivation, misled=misled, hidden=hidden)
    kept.pop(key, None)
    while len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
    if not reading.has_failed:
        kept[key] = Derived(derivation=derivation, facts=facts, read=tuple(reading.read.items()))
    return derivation, facts


class _Reading:
    """A note of what is read. It does not know the inputs that read by it: a circle would keep the texts of each process for minutes."""

    def __init__(self, read_limit: ReadLimit | None) -> None:
        self.read: dict[str, str | bytes | None] = {}
        self.has_failed = False
        self._read_limit = read_limit

    def read_limit(self, path: str) -> str | bytes | None:
        assert self._read_limit is not None
        try:
            self.read[path] = content = self._read_limit(path)
        except CgtuneError:
            self.has_failed = True
            raise
        return content


def _reads_the_same(found: Derived, inputs: GoInputs) -> bool:
    try:
        return all(inputs.read_limit is not None and inputs.read_limit(path) == content for path, content in found.read)
    except CgtuneError:
        return False


def _key_of(name: str, value: object) -> object:
    """What stands for an input: of the two texts, which are long, their hashes."""
    if name == "read_limit":
        return value is None
    return hash(value) if name in ("cgroup_text", "mountinfo_text") else value
