"""Programs that set GOMAXPROCS themselves, by their main package, and what that leaves to whoever runs them.

Each was run, with the variable and without (docs/real-programs.md). Another version may do otherwise, so the one that was seen is named.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.model import GoFacts, GoProgram


class Habit(Record):
    """``option`` sets GOMAXPROCS, empty if the program has none. ``overrules`` is the version that was seen to pay no heed to the
    variable, empty for a program that does; it takes the number of its CPUs then, or a ``fixed`` one.
    """

    option: str = ""
    overrules: str = ""
    takes: Literal["CPUs", "fixed"] = "CPUs"


_HABITS = {
    "github.com/prometheus/node_exporter": Habit(option="--runtime.gomaxprocs"),  # 1.5.0: the default is 1
    "github.com/prometheus/prometheus/cmd/prometheus": Habit(option="--enable-feature=auto-gomaxprocs"),
    "github.com/osrg/gobgp/cmd/gobgpd": Habit(option="--cpus", overrules="gobgpd 3.10"),
    "github.com/johnkerl/miller/cmd/mlr": Habit(overrules="Miller 6.6"),
    "golang.org/x/tools/cmd/goimports": Habit(overrules="goimports 0.5"),
    "github.com/dgraph-io/badger/badger": Habit(overrules="badger 2.2007", takes="fixed"),
}


def find_habit(program: GoProgram) -> Habit:
    """What is known of this program, in each of its major versions; an empty one if nothing is."""
    parts = program.package.split("/")
    return _HABITS.get("/".join(part for part in parts if not (part[:1] == "v" and part[1:].isdecimal())), Habit())


def say_overruling(facts: GoFacts, value: int | None) -> str:
    """That this program takes no GOMAXPROCS from its environment, and what brings it to ``value``; empty if that is not known of it.

    If it runs with what its variable says, it is a version that does.
    """
    habit = find_habit(facts.program)
    procs = next((setting for setting in facts.settings if setting.name == "GOMAXPROCS"), None)
    heeds = procs is not None and procs.observed == procs.derived and facts.derived.variable("GOMAXPROCS") is not None
    if not habit.overrules or heeds:
        return ""
    seen = f"{habit.overrules} was seen to take {'a number of its own' if habit.takes == 'fixed' else 'the number of its CPUs'}"
    if habit.option:
        what = f"give it the option {habit.option}={value}" if value is not None else f"its option {habit.option} decides"
    else:
        what = "no setting from outside changes that" if habit.takes == "fixed" else "fewer CPUs for it do (taskset, a cpuset)"
    return f"{seen}, whatever GOMAXPROCS says: {what}"
