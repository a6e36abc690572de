"""What follows from the same inputs is computed once, and anew as soon as anything that it hangs on is another."""

from __future__ import annotations

import gc
from collections.abc import Hashable

import pytest

from cgtune.errors import Unreadable
from cgtune.runtimes.go.derived import once
from cgtune.runtimes.go.derived.derive import derive
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.once import Derived, derive_once
from cgtune.runtimes.go.program.version import parse_version

CGROUP, MOUNTINFO = "0::/app\n", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


class Machine:
    """Limit files that change, and how often something was derived."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.content: bytes | None = b"200000 100000\n"
        self.refused = False
        self.derived = 0
        self.kept: dict[Hashable, Derived] = {}
        monkeypatch.setattr(once, "derive", self._derive)

    def _derive(self, inputs: GoInputs) -> object:
        self.derived += 1
        return derive(inputs)

    def _read(self, _path: str) -> bytes | None:
        if self.refused:
            raise Unreadable("closed")
        return self.content

    def procs(self, version: str = "go1.27.3", cgroup: str = CGROUP, **variables: str) -> int | None:
        """GOMAXPROCS as it is derived now, each time by a reader of its own."""
        inputs = GoInputs(
            version=parse_version(version),
            affinity_count=8,
            environ=tuple(variables.items()),
            cgroup_text=cgroup,
            mountinfo_text=MOUNTINFO,
            read_limit=lambda path: self._read(path),  # noqa: PLW0108  # as each reader has its own
        )
        return derive_once(self.kept, inputs, misled=False, hidden=False)[0].gomaxprocs


def test_the_same_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it: the next process of the same program in the same cgroup is no work."""
    machine = Machine(monkeypatch)
    assert [machine.procs() for _ in range(3)] == [2, 2, 2]
    assert machine.derived == 1


def test_what_differs_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit file, a variable, the version, the cgroup."""
    machine = Machine(monkeypatch)
    assert machine.procs() == 2
    machine.content = b"400000 100000\n"
    assert [machine.procs(), machine.procs(GOMAXPROCS="3"), machine.procs("go1.24.1"), machine.procs(cgroup="0::/b\n")] == [4, 3, 8, 4]
    assert machine.derived == 5
    machine.content = None
    assert machine.procs() == 8


def test_what_could_not_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is not kept, nor is an answer used whose files are refused by now."""
    machine = Machine(monkeypatch)
    machine.refused = True
    assert machine.procs() is None
    machine.refused = False
    assert machine.procs() == 2
    machine.refused = True
    assert machine.procs() is None


def test_not_everything_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node agent runs for months."""
    machine = Machine(monkeypatch)
    monkeypatch.setattr(once, "_MOST_KEPT", 3)
    for number in range(1, 9):
        assert machine.procs(GOMAXPROCS=str(number)) == number
    assert len(machine.kept) == 3


def test_nothing_of_a_process_is_left_for_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts that it reads go with the inputs, in a service that collects garbage each five minutes."""
    machine = Machine(monkeypatch)
    gc.collect()
    gc.disable()
    try:
        assert machine.procs() == 2
        assert not [each for each in gc.get_objects() if isinstance(each, GoInputs)]
    finally:
        gc.enable()
