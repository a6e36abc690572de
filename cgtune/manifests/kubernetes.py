"""Objects of Kubernetes: each container of each pod template as a workload. Pure.

The kinds that Kubernetes itself brings are read where their template is; any other object is searched for what looks like one: beneath a
``spec``, a list ``containers`` of mappings with an image (an Argo Rollout, a Knative Service), ``steps`` of such (a Tekton Task), or one
alone as ``container`` or ``script`` (an Argo Workflow). Not covered: ephemeral containers, which have no resources; templates that name no
image, which are patches; what admission adds (LimitRanges, sidecars, VPA).
"""

from __future__ import annotations

from cgtune.manifests.commandline import join_command
from cgtune.manifests.environment import Pod, expand_known, read_environment
from cgtune.manifests.resources import read_bytes, read_resources
from cgtune.manifests.workload import Annotation, Bytes, Flaw, Read, Resize, Skipped, Workload
from cgtune.manifests.yamltext import entries, find, items, members, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from cgtune.manifests.around import Around
    from cgtune.manifests.resources import Resources
    from cgtune.manifests.workload import Role
    from cgtune.manifests.yamltext import Document

    _Volume = tuple[Bytes, tuple[Flaw, ...]]  # a size limit, what is wrong with it

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), ("spec", "template")),
}
_RESOURCES = ("resources", "computeResources")  # Tekton's newer name
_OURS = ("apps/", "batch/", "extensions/")
_OWN_ANNOTATIONS = "cgtune.dev/"  # of the others nobody asks, and some hold the whole object once more


def is_object(document: Document) -> bool:
    """Whether a document is an object of Kubernetes, by its apiVersion and kind."""
    return text_of(find(document.root, "kind")) is not None and text_of(find(document.root, "apiVersion")) is not None


def read_object(document: Document, around: Around) -> Read:
    """The containers of an object."""
    root: Any = document.root
    kind = text_of(find(root, "kind")) or ""
    templates = list(_find_templates(root, kind))
    workloads = [one for template, spec in templates for one in _read_template(document, around, root, kind, template, spec)]
    if workloads:
        return Read(workloads=tuple(workloads))
    why = f"{kind}: it holds no containers"
    if templates:
        why = f"{kind}: its containers name no image; a patch is judged when it is rendered (kustomize build)"
    return Read(skipped=(Skipped(file=document.file, line=document.place(root).line, why=why, source=document.source),))


def _find_templates(root: Any, kind: str) -> Iterator[tuple[Any, Any]]:
    """Returns (what holds ``metadata`` of the pod, its ``spec``) of each pod template."""
    version = text_of(find(root, "apiVersion")) or ""
    if kind in _TEMPLATES and (version == "v1" or version.startswith(_OURS)):
        template = find(root, *_TEMPLATES[kind])
        if items(find(template, "spec", "containers")):
            yield template, find(template, "spec")
        return
    waiting, seen = [(root, root, False)], {id(root)}
    while waiting and kind != "CustomResourceDefinition":  # which describes containers, and is large
        node, above, is_below_spec = waiting.pop()
        parts = members(node)
        if is_below_spec and any(find(one, "image") is not None for one in _list_containers(node)):
            yield above, node
            continue
        below = [(value, node, is_below_spec or key == "spec") for key, value in parts.items()]
        below += [(one, node, is_below_spec) for one in items(node)]
        for one in reversed(below):
            if one[0].id != "scalar" and id(one[0]) not in seen:
                seen.add(id(one[0]))
                waiting.append(one)


def _read_template(document: Document, around: Around, root: Any, kind: str, template: Any, spec: Any) -> list[Workload]:
    document.spend(len(_list_containers(spec)) + len(items(find(spec, "initContainers"))) + len(items(find(spec, "volumes"))))
    metadata = find(root, "metadata")
    namespace = text_of(find(metadata, "namespace"))
    name = text_of(find(metadata, "name")) or f"{text_of(find(metadata, 'generateName')) or ''}*"
    above = members(find(spec, "stepTemplate"))  # of a Tekton Task: what its steps have, unless they say otherwise
    listed = _read_members(document, _list_containers(spec), {key: above[key] for key in _RESOURCES if key in above})
    inits = _read_members(document, items(find(spec, "initContainers")), {})
    own = read_resources(document, find(spec, "resources"))
    pod = Pod(
        document=document,
        around=around,
        namespace=namespace,
        fields=_read_fields(kind, name, namespace, template, spec),
        resources={text_of(parts.get("name")) or "": resources for parts, resources in listed},
        init_resources={text_of(parts.get("name")) or "": resources for parts, resources in inits},
        own=own,
    )
    shared = Workload(
        kind="kubernetes",
        subject="/".join(part for part in (kind, namespace, name) if part),
        container="",
        role="container",
        place=document.place(root),
        document=document.whole(),
        source=document.source,
        pod_cpu_limit=own.cpu_limit,
        pod_memory_limit=own.memory_limit,
        unread_variables=("its stepTemplate, which is not read",) if items(above.get("env")) else (),
        annotations=_read_annotations(document, root) + (_read_annotations(document, template) if template is not root else ()),
    )
    volumes = _read_memory_volumes(document, spec)
    sidecars = [_is_sidecar(parts) for parts, _ in inits]
    found = []
    for at, (parts, resources) in enumerate((*inits, *listed)):
        role: Role = "container" if at >= len(inits) else "sidecar" if sidecars[at] else "init"
        beside = 1 + sum(sidecars[:at]) if role == "init" else len(listed) + sum(sidecars)  # an init container has the earlier ones alone
        if text_of(parts.get("image")) is not None:
            found.append(_read_container(pod, shared.replace(role=role, pod_containers=beside), parts, resources, volumes))
    autoscaler = around.autoscaler(kind, namespace, name)
    if autoscaler is not None:
        found = [one.replace(resizes=(*one.resizes, *autoscaler.resizes(one.container, one.resizes))) for one in found]
    if found and own.flaws:
        found[-1] = found[-1].replace(flaws=(*found[-1].flaws, *own.flaws))  # the pod's own are told once
    return found


def _list_containers(spec: Any) -> list[Any]:
    """The containers of a pod that run together; of other people's kinds also those under the names that they give them."""
    listed = [one for key in ("containers", "steps", "sidecars") for one in items(find(spec, key))]
    return listed + [one for key in ("container", "script") if (one := find(spec, key)) is not None]


def _read_members(document: Document, nodes: list[Any], above: Mapping[str, Any]) -> list[tuple[dict[str, Any], Resources]]:
    """Returns (its members, and itself as ""; its resources) of each container; ``above`` is what counts if it has no such member."""
    found = [{**above, **members(node), "": node} for node in nodes if node.id == "mapping"]
    return [(parts, read_resources(document, next((parts[key] for key in _RESOURCES if key in parts), None))) for parts in found]


def _is_sidecar(parts: Mapping[str, Any]) -> bool:
    return text_of(parts.get("restartPolicy")) == "Always"


def _read_container(pod: Pod, shared: Workload, parts: Mapping[str, Any], resources: Resources, volumes: Mapping[str, _Volume]) -> Workload:
    document = pod.document
    name = text_of(parts.get("name")) or ""
    environment = read_environment(pod, parts, resources)
    command = [parts[key] for key in ("command", "args") if items(parts.get(key))]
    mounted = {text_of(find(mount, "name")) for mount in items(parts.get("volumeMounts"))}
    memory = [volume for volume_name, volume in volumes.items() if volume_name in mounted]
    workload = shared.replace(
        container=name,
        place=document.place(parts["name"] if name else parts[""]),
        image=text_of(parts["image"]),
        image_place=document.place(parts["image"]),
        cpu_limit=resources.cpu_limit,
        cpu_request=resources.cpu_request,
        memory_limit=resources.memory_limit,
        memory_request=resources.memory_request,
        variables=environment.variables,
        unread_variables=(*shared.unread_variables, *environment.unread),
        command=tuple(
            expand_known(text_of(word) or word.value, environment) for node in command for word in items(node) if word.id == "scalar"
        ),
        command_place=document.around(command),
        resizes=_read_resizes(document, parts.get("resizePolicy")),
        memory_volumes=tuple(size for size, _ in memory),
        env_place=document.place(parts["env"]) if items(parts.get("env")) else None,
        resources_place=resources.place,
        flaws=(*resources.flaws, *(flaw for _, flaws in memory for flaw in flaws)),
    )
    return join_command(workload, document.text, document.span, document.start)


def _read_fields(kind: str, name: str, namespace: str | None, template: Any, spec: Any) -> dict[str, str]:
    """The fields that are known before the pod runs, by the path that a fieldRef names."""
    found = {"metadata.namespace": namespace, "spec.serviceAccountName": text_of(find(spec, "serviceAccountName"))}
    if kind == "Pod" and not name.endswith("*"):
        found["metadata.name"] = name
    for word in ("labels", "annotations"):
        for key, _, node in entries(find(template, "metadata", word)):
            found[f"metadata.{word}['{key}']"] = text_of(node)
    return {path: value for path, value in found.items() if value is not None}


def _read_annotations(document: Document, node: Any) -> tuple[Annotation, ...]:
    return tuple(
        Annotation(name=key, value=text_of(value) or value.value, place=document.place(value))
        for key, _, value in entries(find(node, "metadata", "annotations"))
        if key.startswith(_OWN_ANNOTATIONS) and value.id == "scalar"
    )


def _read_memory_volumes(document: Document, spec: Any) -> dict[str, _Volume]:
    """By name the volumes that lie in memory, each with its size limit; one without can fill the memory of the pod."""
    found: dict[str, _Volume] = {}
    for volume in items(find(spec, "volumes")):
        name, empty = text_of(find(volume, "name")), find(volume, "emptyDir")
        if name is None or empty is None or text_of(find(empty, "medium")) != "Memory":
            continue
        flaws: list[Flaw] = []
        size = read_bytes(document, find(empty, "sizeLimit"), "emptyDir.sizeLimit", flaws)
        found[name] = size or Bytes(written="", size_bytes=None, place=document.place(empty)), tuple(flaws)
    return found


def _read_resizes(document: Document, node: Any) -> tuple[Resize, ...]:
    found = []
    for entry in items(node):
        resource, restart = text_of(find(entry, "resourceName")), text_of(find(entry, "restartPolicy"))
        if resource is not None and restart is not None:
            found.append(Resize(resource=resource, restart=restart, place=document.place(entry)))
    return tuple(found)
