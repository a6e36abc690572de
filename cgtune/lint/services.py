"""Containers as they are written, as services that are to get another Go: manifests, Compose files, what kubectl prints. Pure."""

from __future__ import annotations

from cgtune.advice.upgrade import limited_service
from cgtune.lint.goes import ANNOTATION, find_go
from cgtune.lint.model import Node, Settings
from cgtune.lint.route import limited_of
from cgtune.lint.rules.case import GO_VARIABLES, LintCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.advice.services import Programs, Target
    from cgtune.advice.upgrade import Service
    from cgtune.manifests.workload import Read, Workload


def read_services(reads: Iterable[Read], target: Target, programs: Programs) -> Iterator[Service | str]:
    """A service for each container that runs Go, as far as somebody said so; of the others, and of what could not be read, why not."""
    for read in reads:
        for skipped in read.skipped:
            yield f"{skipped.file}:{skipped.line}: {skipped.why}"
        for workload in read.workloads:
            yield _read_container(workload, target, programs)


def _read_container(workload: Workload, target: Target, programs: Programs) -> Service | str:
    name = f"{workload.subject} {workload.container}".strip()
    place = f"{workload.place.file}:{workload.place.line}"
    is_told = any(one.name in (ANNOTATION, f"{ANNOTATION}.{workload.container}") for one in workload.annotations)
    go = find_go(workload)
    version = go.program.go if go is not None and go.program is not None else None
    if is_told and version is None:
        return f"{place}: {name}: its annotation {ANNOTATION} says that it runs no Go, or none that is known"
    if version is None and target.old_go is None:
        return f"{place}: {name}: which Go it runs is not said: by an annotation {ANNOTATION}, or for all of them by --from"
    notes: list[str] = []
    if go is None:
        notes.append(f"nothing that is written says that it runs Go: taken for Go {target.old_go}, as --from says")
    old, new = programs.find(version or "", None)
    case = LintCase(workload, None, Settings(node=Node(cpus=target.cpus)))
    unknown = [one for one in GO_VARIABLES if case.is_unseen(one)]
    notes += [f"the value of {one} {_say_unseen(workload, one)}" for one in unknown]
    limits = (("CPU", workload.cpu_limit), ("memory", workload.memory_limit))
    notes += [f"the {what} limit {limit.written!r} is not known: {limit.unknown}" for what, limit in limits if limit and limit.unknown]
    if workload.cpu_limit is not None and workload.cpu_limit.unknown:
        unknown.append("GOMAXPROCS")
    limited = limited_of(case).replace(cgroup=target.cgroup)
    return limited_service(name, limited, old, new, unknown=tuple(dict.fromkeys(unknown)), notes=tuple(notes))


def _say_unseen(workload: Workload, name: str) -> str:
    """Why a value is not known."""
    there = workload.variable(name)
    if there is not None:
        return f"is not known before it runs: {there.unknown}" if there.unknown else "is not known before it runs"
    if workload.unread_variables:
        return f"may be set by {workload.unread_variables[0]}"
    return "may be set by its command"
