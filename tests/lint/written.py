"""Containers as a reader would give them, made by hand: each fact on a line of its own."""

from __future__ import annotations

from typing import Any

from cgtune.advice.quantities import parse_quantity
from cgtune.lint.model import Go
from cgtune.manifests.workload import Bytes, Cpus, FieldRef, Place, Variable, Workload
from cgtune.runtimes.go.offline import parse_programs

MIB = 1 << 20
FILE = "deploy.yaml"
SOME_GO = Go(program=None, known_from="a Go variable")

# Lines on which the facts of a made container stand
NAME, CPU, MEMORY, REQUESTS, POD, ENV = 10, 20, 21, 22, 30, 40


def place(line: int, file: str = FILE) -> Place:
    """A place that is like no other of its file."""
    return Place(file=file, line=line, column=9, end_line=line, end_column=19, start=line * 100, end=line * 100 + 10)


def go(version: str) -> Go:
    """A program of that version, as somebody named it."""
    return Go(program=parse_programs(version, None)[0], known_from="an annotation")


def cpus(written: str, line: int = CPU) -> Cpus:
    """An amount of CPU as the readers give it."""
    number = parse_quantity(written)
    assert number is not None
    return Cpus(written=written, cores=number[0] / number[1] or None, place=place(line))


def size(written: str, line: int = MEMORY) -> Bytes:
    """The same of memory."""
    number = parse_quantity(written)
    assert number is not None
    return Bytes(written=written, size_bytes=number[0] // number[1] or None, place=place(line))


def field(resource: str, divisor: str | None = "1", **changes: Any) -> FieldRef:
    """A resourceFieldRef; its parts stand on the lines behind the first entry's."""
    made: dict[str, Any] = {
        "resource": resource,
        "resource_place": place(ENV + 51),
        "divisor": divisor,
        "divisor_place": None if divisor is None else place(ENV + 52),
        "container": None,
        "container_place": place(ENV + 53) if changes.get("container") else None,
        "falls_to": None,
    }
    return FieldRef(**made | changes)


def variable(name: str, value: str | None, line: int = ENV, **changes: Any) -> Variable:
    """A variable whose value stands one line below its name."""
    made: dict[str, Any] = {"name": name, "value": value, "origin": "literal", "place": place(line + 1)}
    made |= {"entry": place(line), "name_place": place(line)} | changes
    if made.get("field") is not None:
        made["origin"] = "field"
    return Variable(**made)


def workload(
    *variables: Variable,
    cpu: str | None = None,
    memory: str | None = None,
    env: dict[str, str | None] | None = None,
    **changes: Any,
) -> Workload:
    """A container with these limits and variables; ``env`` are those that are written out, two lines each."""
    written = tuple(variable(name, value, ENV + 2 * index) for index, (name, value) in enumerate((env or {}).items()))
    made: dict[str, Any] = {
        "kind": "kubernetes",
        "subject": "Deployment/shop/orders",
        "container": "orders",
        "role": "container",
        "place": place(NAME),
        "document": place(1),
        "cpu_limit": None if cpu is None else cpus(cpu),
        "memory_limit": None if memory is None else size(memory),
        "variables": (*written, *variables),
        "env_place": place(ENV - 1),
        "resources_place": place(CPU - 1),
    }
    return Workload(**made | changes)


def read(file: str, text: str) -> list[tuple[Workload, Go | None]]:
    """The containers of a file, each with a Go that nobody named if it has a variable of Go's."""
    from cgtune.lint.rules.case import GO_VARIABLES
    from cgtune.manifests import read_text

    found = [workload for one in read_text(file, text) for workload in one.workloads]
    return [(one, SOME_GO if any(one.variable(name) for name in GO_VARIABLES) else None) for one in found]
