"""A look costs so much and no more: who is cheap keeps the place, who is dear waits, and nobody waits for ever."""

from __future__ import annotations

import random

from cgtune.service.turns import Turns


class _Clock:
    """CPU time that goes on by what each process costs when it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def look(self, turns: Turns, costs: dict[int, float]) -> list[int]:
        read = []
        for pid in turns.deal(list(costs)):
            read.append(pid)
            self.now += costs[pid]
        return read


def test_without_dear_ones_all_are_read_in_order() -> None:
    """The order is what was asked for, look after look."""
    clock = _Clock()
    turns = Turns(3.0, lambda: clock.now)
    for _look in range(3):
        assert clock.look(turns, dict.fromkeys((5, 3, 9), 0.001)) == [5, 3, 9]
        assert turns.left == ()


def test_fifty_dear_ones_take_turns_and_the_others_lose_nothing() -> None:
    """Fifty processes of a quarter of a second: each look ends soon after three seconds, has all of the cheap ones, and comes further."""
    clock = _Clock()
    turns = Turns(3.0, lambda: clock.now)
    costs = dict.fromkeys(range(1, 51), 0.25) | dict.fromkeys(range(100, 600), 0.001)
    seen: dict[int, int] = {}
    for look in range(40):
        began = clock.now
        read = clock.look(turns, costs)
        assert clock.now - began < 3.0 + 0.25 + 0.5
        assert set(read) | set(turns.left) == set(costs)
        assert not set(read) & set(turns.left)
        if look >= 5:
            assert set(range(100, 600)) <= set(read)
        for pid in read:
            assert look - seen.get(pid, 0) <= 5
            seen[pid] = look
    assert set(seen) == set(costs)


def test_whoever_is_dear_by_turns_does_not_come_first() -> None:
    """One that was cheap once is not yet trusted as those that always were: newcomers who are dear in their second look cost no place."""
    clock = _Clock()
    turns = Turns(3.0, lambda: clock.now)
    honest = dict.fromkeys(range(1000, 1100), 0.001)
    for _look in range(3):
        clock.look(turns, honest)
    for look in range(20):
        costs = {10 * look + number: 0.0 for number in range(10)} | {10 * look - 10 + number: 0.5 for number in range(10)} | honest
        assert set(honest) <= set(clock.look(turns, costs))


def test_nobody_waits_for_ever() -> None:
    """Whatever each costs and whoever comes and goes: one who stays is read again and again."""
    chance = random.Random(7)
    clock = _Clock()
    turns = Turns(1.0, lambda: clock.now)
    last = dict.fromkeys(range(40), 0)
    for look in range(300):
        costs = {pid: chance.choice((0.0, 0.1, 0.25)) for pid in range(40)} | {1000 + look * 9 + number: 0.25 for number in range(9)}
        for pid in clock.look(turns, costs):
            last[pid] = look
        assert all(look - last[pid] < 30 for pid in range(40))
