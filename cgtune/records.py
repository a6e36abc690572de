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


_set = object.__setattr__  # what a record itself refuses

#: Who makes as many of one class has these compiled for its fields: that costs as much as making 300 as below, and most go on.
_MANY = 1000
_COMPILED = ("__init__", "replace", "_values")


class _Slotted(type):
    """Gives each field of a class a slot: a service holds tens of thousands of records, and a dict in each would double them."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        own = tuple(field for field in namespace.get("__annotations__", {}) if not field.startswith("_"))
        inherited = {field: default for base in reversed(bases) for field, default in getattr(base, "_defaults", {}).items()}
        defaults = inherited | {field: namespace.pop(field) for field in own if field in namespace}
        before = [field for base in reversed(bases) for field in getattr(base, "_fields", ())]
        namespace["__slots__"] = tuple(field for field in own if field not in before)
        fields = tuple(dict.fromkeys((*before, *own)))
        namespace |= {"_fields": fields, "_names": frozenset(fields), "_defaults": defaults, "_accepted": {}, "_made": [0]}
        for base in bases:
            for compiled in _COMPILED if vars(base).get("_is_compiled") else ():
                delattr(base, compiled)  # it makes its own class alone
        return super().__new__(mcs, name, bases, namespace)


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class Record(metaclass=_Slotted):
    """Base of all records: fields are the class annotations, defaults what is assigned to them, arguments are keywords only.

    Two records are equal when they are of one class and all fields are equal. Collections inside are tuples or read-only mappings.
    """

    _fields: tuple[str, ...]
    _names: frozenset[str]
    _defaults: dict[str, Any]
    _accepted: dict[tuple[str, ...], tuple[tuple[str, Any], ...]]  # the names of arguments so far, where all is well: what they leave open
    _made: list[int]  # how many, until they are many

    def __init__(self, **values: object) -> None:
        # A service makes tens of thousands of records a look: each way to make one is looked at once
        if (left := self._accepted.get(names := (*values,))) is None:
            if not self._names - self._defaults.keys() <= values.keys() <= self._names:
                self._refuse(values)
            left = self._accepted[names] = tuple(pair for pair in self._defaults.items() if pair[0] not in values)
        for name, value in values.items():
            _set(self, name, value)
        for name, value in left:
            _set(self, name, value)
        self._made[0] += 1
        if self._made[0] == _MANY and values and not type(self).__subclasses__():
            _compile(type(self))

    def _refuse(self, values: dict[str, object]) -> None:
        for name in self._fields:
            if name not in self._defaults and name not in values:
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
        new: Self = object.__new__(type(self))  # what it has was looked at when it was made
        for name in self._fields:
            _set(new, name, changes.pop(name) if name in changes else getattr(self, name))
        if changes:
            self._refuse(dict.fromkeys(self._fields) | changes)
        return new


def _compile(cls: Any) -> None:
    """Give a class of which many records are made functions of its own that set its fields one by one: in a third of the time.

    They write into a twin of it that can be changed, which then becomes the record.
    """
    words = [f"{name}=_of_{name}" if name in cls._defaults else name for name in cls._fields]
    known = {f"_of_{name}": default for name, default in cls._defaults.items()}
    changeable = {"__slots__": (), "__module__": cls.__module__, "__setattr__": _set, "__delattr__": object.__delattr__}
    twin = type.__new__(_Slotted, cls.__name__, (cls,), changeable)
    known |= {"_set": _set, "_put": setattr, "_new": object.__new__, "_twin": twin, "_cls": cls}
    lines = [
        f"class {cls.__name__}:",  # the name in Python's own words about a call
        f" def __init__(self, *, {', '.join(words)}):",
        "  _set(self, '__class__', _twin)",
        *(f"  self.{name} = {name}" for name in cls._fields),
        "  _set(self, '__class__', _cls)",
        " def replace(self, **changes):",
        "  new = _new(_twin)",
        *(f"  new.{name} = self.{name}" for name in cls._fields),
        "  try:",
        "   for name, value in changes.items(): _put(new, name, value)",
        "  except AttributeError:",
        "   self._refuse(dict.fromkeys(self._fields) | changes)",
        "  _set(new, '__class__', _cls)",
        "  return new",
        " def _values(self):",
        f"  return ({''.join(f'self.{name}, ' for name in cls._fields)})",
    ]
    exec("\n".join(lines), known)  # noqa: S102  # its words are names of our own classes' fields
    for name in _COMPILED:
        setattr(cls, name, vars(known[cls.__name__])[name])
    cls._is_compiled = True
