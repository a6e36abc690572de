"""Task definitions of Amazon ECS: as they are registered, as `aws ecs describe-task-definition` prints them, and in CloudFormation. Pure.

A container's CPU units are a share and no limit. The task's CPU and memory are limits of the cgroup around its containers, on EC2 and on
Fargate (facts: amazon-ecs-agent; uber-go/automaxprocs#66): what runs in a container does not find them in a cgroup of its own. Not covered:
containers of Windows, overrides of `run-task`, functions of CloudFormation other than Ref to a parameter with a default.
"""

from __future__ import annotations

from cgtune.manifests.commandline import join_command
from cgtune.manifests.workload import MOST_HIDDEN, Annotation, Bytes, Cpus, Flaw, Read, Skipped, Variable, Workload
from cgtune.manifests.yamltext import entries, find, items, text_of, value_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.manifests.around import Around
    from cgtune.manifests.scalars import Scalar
    from cgtune.manifests.workload import Place
    from cgtune.manifests.yamltext import Document, Node

_UNITS = 1024  # CPU units of one vCPU
_TYPE = "AWS::ECS::TaskDefinition"


def is_task(document: Document) -> bool:
    """Whether a document is a task definition, or a CloudFormation template with one."""
    return next(_tasks(document.root), None) is not None


def read_tasks(document: Document, _around: Around) -> Read:
    """The containers of each task definition."""
    workloads: list[Workload] = []
    skipped: list[Skipped] = []
    for name, task in _tasks(document.root):
        whole = _Task(document=document, name=name, node=task)
        found = [_container(whole, one) for one in items(_get(task, "containerDefinitions"))]
        if found:
            found[0] = _with_task(whole, found[0])
            limits = {"pod_cpu_limit": found[0].pod_cpu_limit, "pod_memory_limit": found[0].pod_memory_limit}
            found[1:] = [one.replace(**limits) for one in found[1:]]
        workloads += found
        if not found:
            place = document.place(task)
            skipped.append(Skipped(file=document.file, line=place.line, why="a task definition without containers", source=document.source))
    return Read(workloads=tuple(workloads), skipped=tuple(skipped))


class _Task(Record):
    """A task definition. ``name`` is its name in CloudFormation, None outside of it."""

    document: Document
    name: str | None
    node: Node


def _tasks(root: Node | None) -> Iterator[tuple[str | None, Node]]:
    """Yields (its name in CloudFormation, the node) of each task definition."""
    for node in (root, find(root, "taskDefinition")):
        if any(find(one, "image") is not None or find(one, "name") is not None for one in items(find(node, "containerDefinitions"))):
            yield None, node
    for name, _key, resource in entries(find(root, "Resources")):
        properties = find(resource, "Properties")
        if text_of(find(resource, "Type")) == _TYPE and properties is not None:
            yield name, properties


def _get(node: Node | None, *path: str) -> Node | None:
    """The value at that path, also in CloudFormation's spelling, which begins with a capital."""
    for key in path:
        node = find(node, key) or find(node, key[0].upper() + key[1:])
    return node


def _read(task: _Task, node: Node) -> tuple[Scalar, str | None]:
    """Returns (a scalar, None if it is not known; then why)."""
    name = node.value if node.tag == "!Ref" else text_of(find(node, "Ref"))
    if name is not None:
        default = find(task.document.root, "Parameters", str(name), "Default")
        return (value_of(default), None) if default is not None else (None, f"CloudFormation fills in {name}")
    if node.id != "scalar" or node.tag.startswith("!"):
        return None, "CloudFormation computes it"
    return value_of(node), None


def _text(task: _Task, node: Node | None) -> str | None:
    if node is None:
        return None
    value, _unknown = _read(task, node)
    return None if value is None else str(value)


def _written(node: Node) -> str:
    return str(node.value) if node.id == "scalar" else ", ".join(name for name, _key, _value in entries(node))


def _container(task: _Task, node: Node) -> Workload:
    document = task.document
    name, image = _get(node, "name"), _get(node, "image")
    flaws: list[Flaw] = []
    family = _text(task, _get(task.node, "family")) or task.name or "*"
    commands = [one for one in (_get(node, "entryPoint"), _get(node, "command")) if items(one)]
    environment = _get(node, "environment")
    workload = Workload(
        kind="ecs",
        subject=f"TaskDefinition/{family}",
        container=_text(task, name) or "*",
        role="container",
        place=document.place(node if name is None else name),
        document=document.span(0, len(document.text)),
        source=document.source,
        image=_text(task, image),
        image_place=None if image is None else document.place(image),
        cpu_request=_cpus(task, _get(node, "cpu"), flaws),
        memory_limit=_mebibytes(task, _get(node, "memory"), flaws),
        memory_request=_mebibytes(task, _get(node, "memoryReservation"), flaws),
        variables=_variables(task, node),
        unread_variables=tuple(
            f"environment file {_text(task, _get(one, 'value')) or '*'}" for one in items(_get(node, "environmentFiles"))
        ),
        command=tuple(_text(task, word) or "" for one in commands for word in items(one)),
        command_place=document.place(commands[0]) if commands else None,
        memory_volumes=tuple(_tmpfs(task, node, flaws)),
        pod_containers=len(items(_get(task.node, "containerDefinitions"))),
        annotations=_annotations(task, node),
        env_place=None if environment is None else document.place(environment),
        flaws=tuple(flaws),
    )
    return join_command(workload, document.text, document.span, document.start)


def _with_task(task: _Task, workload: Workload) -> Workload:
    """The limits of the task, whose flaws are told once."""
    flaws: list[Flaw] = []
    cpu = _cpus(task, _get(task.node, "cpu"), flaws)
    memory = _mebibytes(task, _get(task.node, "memory"), flaws)
    return workload.replace(pod_cpu_limit=cpu, pod_memory_limit=memory, flaws=(*workload.flaws, *flaws))


def _refused(task: _Task, node: Node, what: str, why: str) -> Flaw:
    detail = f"ECS refuses the task definition: {why}"
    return Flaw(what=what, written=_written(node), cause="bad-quantity", detail=detail, place=task.document.place(node))


def _cpus(task: _Task, node: Node | None, flaws: list[Flaw]) -> Cpus | None:
    """CPU units, 1024 for each vCPU, or ``.5 vCPU``."""
    if node is None:
        return None
    value, unknown = _read(task, node)
    units = None if value is None else _parse_amount(str(value), "vcpu", _UNITS)
    if units is None and unknown is None:
        flaws.append(_refused(task, node, "cpu", "its CPU is no number of CPU units (1024 for one vCPU), nor of vCPUs, as in 0.5 vCPU"))
        return None
    return Cpus(written=_written(node), cores=units / _UNITS if units else None, place=task.document.place(node), unknown=unknown)


def _mebibytes(task: _Task, node: Node | None, flaws: list[Flaw]) -> Bytes | None:
    """MiB, or ``2 GB``, which are 2048."""
    if node is None:
        return None
    value, unknown = _read(task, node)
    count = None if value is None else _parse_amount(str(value), "gb", 1024)
    if count is None and unknown is None:
        flaws.append(_refused(task, node, "memory", "its memory is no number of MiB, nor of GB, as in 0.5 GB"))
        return None
    size = round(count) << 20 if count else None
    return Bytes(written=_written(node), size_bytes=size, place=task.document.place(node), unknown=unknown)


def _parse_amount(text: str, unit: str, factor: int) -> float | None:
    """A whole number, or a number with the unit, in any case, which counts ``factor``. None for what is neither."""
    import re

    found = re.fullmatch(rf"\s*(\d{{1,9}}|\d{{0,9}}\.?\d{{1,9}}\s*({unit}))\s*", text, re.ASCII | re.IGNORECASE)
    if found is None:
        return None
    return float(found[1][: -len(unit)]) * factor if found[2] else float(found[1])


def _variables(task: _Task, node: Node) -> tuple[Variable, ...]:
    found: dict[str, Variable] = {}
    places: dict[str, list[Place]] = {}
    for key, value_key in (("environment", "value"), ("secrets", "valueFrom")):
        for entry in items(_get(node, key)):
            name_node, value_node = _get(entry, "name"), _get(entry, value_key)
            name = _text(task, name_node)
            if name is None or name_node is None or value_node is None:
                continue
            value, unknown = (None, "a secret") if key == "secrets" else _read(task, value_node)
            place = task.document.place(entry)
            found.pop(name, None)
            found[name] = Variable(
                name=name,
                value=None if value is None else str(value),
                origin="secret" if key == "secrets" else "literal",
                place=task.document.place(value_node),
                entry=place,
                name_place=task.document.place(name_node),
                hides=tuple(places.get(name, ())[-MOST_HIDDEN:]),
                unknown=unknown,
                wrong_type=_wrong_type(value) if task.name is None else None,
            )
            places.setdefault(name, []).append(place)
    return tuple(found.values())


def _wrong_type(value: Scalar) -> str | None:
    """What a value of the environment is if it is no text, which the API refuses. CloudFormation makes text of it."""
    if isinstance(value, str) or value is None:
        return None
    return "boolean" if isinstance(value, bool) else "number"


def _tmpfs(task: _Task, node: Node, flaws: list[Flaw]) -> Iterator[Bytes]:
    for one in items(_get(node, "linuxParameters", "tmpfs")):
        size = _mebibytes(task, _get(one, "size"), flaws)
        if size is not None:
            yield size


def _annotations(task: _Task, node: Node) -> tuple[Annotation, ...]:
    """The container's Docker labels."""
    labels = entries(_get(node, "dockerLabels"))
    return tuple(Annotation(name=name, value=_text(task, value) or "", place=task.document.place(value)) for name, _key, value in labels)
