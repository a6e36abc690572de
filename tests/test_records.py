"""Records are what they promise: immutable to their last field, and hashable, in every report that there is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cgtune
from cgtune import records
from cgtune.records import Record
from tests.support import stories

# What can be changed after it was made, or may be such a thing, in an annotation
CHANGEABLE = ("dict[", "list[", "set[", "Mapping[str", "Sequence[", "bytearray")
# Records of one run of a command or of the service, and of readers while they read, which no report holds
OUTSIDE = ("cgtune.system.", "cgtune.service.", "cgtune.commands.", "cgtune.lint.images")
READING = ("cgtune.manifests.around", "cgtune.manifests.environment", "cgtune.manifests.shellwords")


def _classes() -> list[type[Record]]:
    """Every record class of the route from a file to a finding."""
    for module in pkgutil.walk_packages(cgtune.__path__, "cgtune."):
        if module.name != "cgtune.__main__":
            importlib.import_module(module.name)
    found, waiting = [], [Record]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        found += [one for one in below if one.__module__.startswith("cgtune.") and not one.__module__.startswith(OUTSIDE + READING)]
    return found


def _inside(value: object) -> Iterator[object]:
    """The value, and all that it holds."""
    yield value
    if isinstance(value, Record):
        for name in value._fields:
            yield from _inside(getattr(value, name))
    elif isinstance(value, (tuple, frozenset)):
        for each in value:
            yield from _inside(each)


def test_no_record_has_a_field_that_can_be_changed() -> None:
    """What stands in the fields are records, tuples, frozensets and plain values."""
    found = [
        f"{one.__module__}.{one.__name__}.{name}: {kind}"
        for one in _classes()
        for name, kind in inspect.get_annotations(one).items()
        if any(word in kind.replace("frozenset[", "") for word in CHANGEABLE)
    ]
    assert found == []


@pytest.mark.parametrize("story", stories.names())
def test_each_record_of_a_report_can_be_hashed(story: str) -> None:
    """A whole report is one value: each part of it has a hash, and the same files give an equal one."""
    arguments = stories.read_expected(story)["arguments"]
    pids = tuple(int(arguments[at + 1]) for at, word in enumerate(arguments) if word == "--pid")
    report, again = (
        cgtune.inspect(pids, root=str(stories.STORIES / story), self_only="--self" in arguments).replace(time="") for _ in range(2)
    )
    assert not [value for value in _inside(report) if not isinstance(value, (Record, tuple, frozenset, str, int, float, type(None)))]
    assert hash(report) == hash(again)


def test_a_prediction_can_be_hashed() -> None:
    """So is what a program on paper would do, its build info and all."""
    prediction = cgtune.predict(cpus=8, cpu_limit="2.5", memory_limit="512Mi", go="1.21,1.24,1.27", env=["GODEBUG=x509sha1=1"])
    assert all(isinstance(hash(value), int) for value in _inside(prediction))


def _few() -> type[Any]:
    class Told(Record):
        path: str
        why: str
        kind: str = "fact"

    return Told


def _many() -> type[Any]:
    told = _few()
    for number in range(records._MANY):
        told(path=str(number), why="")
    assert {"__init__", "replace", "_values"} <= vars(told).keys()
    return told


@pytest.mark.parametrize("make", [_few, _many])
def test_a_record_refuses_what_it_has_no_field_for(make: Callable[[], type[Any]]) -> None:
    """A missing field and an unknown one are named, and nothing of a record can be set or deleted; of one of many likewise."""
    told = make()
    note = told(path="/c", why="closed")
    with pytest.raises(TypeError, match=r"^Told.*\bwhy\b"):
        told(path="/c")
    with pytest.raises(TypeError, match=r"^Told.*\b(more|other)\b"):
        told(path="/c", why="closed", other="", more="")
    with pytest.raises(TypeError, match=r"^Told has no field more, other$"):
        note.replace(other="", more="", why="open")
    with pytest.raises(AttributeError, match=r"^Told is immutable: why cannot be set$"):
        note.why = ""
    with pytest.raises(AttributeError, match=r"^Told is immutable: why cannot be deleted$"):
        del note.why
    changed = note.replace(why="open")
    assert (type(changed), changed) == (told, told(path="/c", why="open"))
    assert (type(note), note) == (told, told(kind="fact", why="closed", path="/c"))
    assert (hash(changed), dict(changed.items())) == (hash(told(path="/c", why="open")), {"path": "/c", "why": "open", "kind": "fact"})
    assert repr(changed) == "Told(path='/c', why='open', kind='fact')"


def test_a_class_derived_from_one_of_many_makes_its_own() -> None:
    """What was compiled for a class makes records of that class alone, and goes when another is derived from it."""
    told = _many()

    class More(told):  # type: ignore[misc,valid-type]
        more: int

    derived = More(path="/c", why="closed", more=3)
    assert (type(derived), derived.more, derived.replace(more=4).more, type(derived.replace(more=4))) == (More, 3, 4, More)
    assert type(told(path="/c", why="closed")) is told
