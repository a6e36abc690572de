"""Variables that a workload's own command sets for its program, joined with those of its environment. Pure."""

from __future__ import annotations

from cgtune.manifests.shellwords import read_command
from cgtune.manifests.workload import Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.manifests.workload import Place, Workload


def join_command(workload: Workload, text: str, span: Callable[[int, int], Place], start: int = 0) -> Workload:
    """The workload with what its command sets; that wins over its environment.

    ``text`` begins at character ``start`` of the file; ``span`` gives the place of characters of it.
    """
    at = workload.command_place
    if at is None or not workload.command:
        return workload
    found = read_command(workload.command, frozenset(one.name for one in workload.variables))
    variables = {one.name: one for one in workload.variables}
    for name, setting in found.by_name.items():
        begin = text.find(setting.written, at.start - start, at.end - start)
        place = span(begin, begin + len(setting.written)) if begin >= 0 else at
        is_whole = begin >= 0 and setting.value is not None and setting.written == f"{name}={setting.value}"
        variables.pop(name, None)
        variables[name] = Variable(
            name=name,
            value=setting.value,
            origin="command",
            place=span(begin + len(name) + 1, begin + len(setting.written)) if is_whole else place,
            entry=place,
            name_place=span(begin, begin + len(name)) if begin >= 0 and setting.written.startswith(name) else place,
            unknown=setting.unknown,
        )
    return workload.replace(variables=tuple(variables.values()), unread_variables=workload.unread_variables + found.unread)
