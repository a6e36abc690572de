"""Immutable records without the price of ``dataclasses``.

A probe starts cgtune every few seconds in a container with a tenth of a CPU. ``import dataclasses`` doubles the CPU time of a bare
interpreter start, ``typing`` does nearly as much; the base class below costs nothing. Type checkers see an ordinary frozen,
keyword-only dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name alone is what type checkers look for; importing it from typing would load typing
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class Record:
    """Base of all records: fields are the class annotations, defaults the class attributes, arguments are keywords only.

    Two records are equal when they are of one class and all fields are equal. Collections inside are tuples or read-only mappings.
    """

    _fields: tuple[str, ...]
    _names: frozenset[str]
    _needed: frozenset[str]  # those without a default
    _accepted: set[tuple[str, ...]]  # the names of arguments that were given so far, where all is well

    def __init_subclass__(cls) -> None:
        inherited = tuple(name for base in reversed(cls.__mro__[1:]) for name in getattr(base, "_fields", ()))
        own = tuple(name for name in cls.__dict__.get("__annotations__", {}) if not name.startswith("_"))
        cls._fields = tuple(dict.fromkeys(inherited + own))
        cls._names = frozenset(cls._fields)
        cls._needed = frozenset(name for name in cls._fields if not hasattr(cls, name))
        cls._accepted = set()

    def __init__(self, **values: object) -> None:
        # A service makes tens of thousands of records a look: no loop over the fields, and each way to make one is looked at once
        if (names := (*values,)) not in self._accepted:
            if not self._needed <= values.keys() <= self._names:
                self._refuse(values)
            self._accepted.add(names)
        self.__dict__.update(values)

    def _refuse(self, values: dict[str, object]) -> None:
        for name in self._fields:
            if name in self._needed and name not in values:
                raise TypeError(f"{type(self).__name__} needs {name}")
        raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(set(values) - self._names))}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self._values() == other._values())

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._fields])

    def items(self) -> tuple[tuple[str, Any], ...]:
        """Name and value of each field, in the order in which they are declared."""
        return tuple(zip(self._fields, self._values(), strict=True))

    def replace(self, **changes: object) -> Self:
        """The same record with some fields changed."""
        if not changes.keys() <= self._names:
            self._refuse(self.__dict__ | changes)
        new = object.__new__(type(self))  # what it has was looked at when it was made
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        return new
