"""The options that say whom to look at by what people call it."""

from __future__ import annotations

from cgtune.commands.options.option import Argument, texts
from cgtune.model import NOBODY, Whom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.commands.options.option import Option, Values

TARGETS: Argument[tuple[str, ...]] = Argument(
    name="target",
    metavar="[TARGET]...",
    help="Just these processes: a pid, the beginning of a container's id, a pod's name or UID, a command; all that it means.",
    default=(),
    many=True,
    complete="target",
)
CONTAINERS = texts("--container", "ID", "Just this container: the beginning of its id, or its name in the pod.", complete="container")
PODS = texts("--pod", "POD", "Just this pod: its name, or the beginning of its UID.", complete="pod")
NAMESPACES = texts("--namespace", "NAME", "Just pods of this Kubernetes namespace.", complete="namespace")
COMMANDS = texts("--command", "NAME", "Just processes of this name, their own or their program file's.", complete="command")
WHOM: tuple[Option[Any], ...] = (CONTAINERS, PODS, NAMESPACES, COMMANDS)


def chosen_whom(values: Values) -> Whom:
    """Whom TARGETS and the options of WHOM mean."""
    named = named_whom(values)
    return named.replace(targets=values[TARGETS]) if values[TARGETS] else named


def named_whom(values: Values) -> Whom:
    """Whom the options of WHOM mean."""
    given = (values[CONTAINERS], values[PODS], values[NAMESPACES], values[COMMANDS])
    if not any(given):
        return NOBODY
    return Whom(**dict(zip(("containers", "pods", "namespaces", "commands"), given, strict=True)))
