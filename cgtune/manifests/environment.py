"""The environment of a container as the kubelet computes it. Pure.

The rules are those of the kubelet's makeEnvironmentVariables (pkg/kubelet/kubelet_pods.go): envFrom first, in order, the later wins; then
env, in order, in which ``$(NAME)`` stands for what was set before it; at last the variables of services. Kubernetes 1.36.2 does so.

Not covered: variables of the image, which a runtime adds below all of these; the variables of services, of which only the names are known.
"""

from __future__ import annotations

from cgtune.manifests.resources import Resources, divide, is_divisor, quantity_text
from cgtune.manifests.scalars import find_placeholder
from cgtune.manifests.workload import FieldRef, Variable
from cgtune.manifests.yamltext import entries, find, is_null, items, members, text_of, value_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cgtune.manifests.around import Around, ConfigKind, ConfigValue
    from cgtune.manifests.workload import Place
    from cgtune.manifests.yamltext import Document

_AMOUNTS = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
_KINDS: tuple[tuple[str, ConfigKind], ...] = (("configMap", "ConfigMap"), ("secret", "Secret"))


class Pod(Record):
    """What a container's variables may refer to. ``fields`` are the fields that are known before the pod runs, by their path.

    ``resources`` are those of the pod's containers by name, init containers aside, which are in ``init_resources``; ``own`` is the pod's.
    """

    document: Document
    around: Around
    namespace: str | None
    fields: Mapping[str, str]
    resources: Mapping[str, Resources]
    init_resources: Mapping[str, Resources]
    own: Resources


class Environment(Record):
    """The variables, one a name; where others may come from, in words."""

    variables: tuple[Variable, ...]
    unread: tuple[str, ...]


def expand(text: str, lookup: Callable[[str], str | None]) -> tuple[str | None, str | None]:
    """Returns (the text with ``$(NAME)`` replaced, the first name whose value is not known); one of them is None.

    ``lookup`` gives a name's value, None if it is not known, and raises KeyError for a name that nobody set: that stays as it is. ``$$``
    is one ``$`` (third_party/forked/golang/expansion of Kubernetes).
    """
    parts: list[str] = []
    at = 0
    while (found := text.find("$", at)) >= 0:
        parts.append(text[at:found])
        closing = text.find(")", found) if text.startswith("$(", found) else -1
        if closing < 0:  # "$$" is "$"; all else is itself
            parts.append("$")
            at = found + (2 if text.startswith("$$", found) else 1)
            continue
        name = text[found + 2 : closing]
        try:
            value = lookup(name)
        except KeyError:
            value = text[found : closing + 1]
        if value is None:
            return None, name
        parts.append(value)
        at = closing + 1
    return "".join((*parts, text[at:])), None


def read_environment(pod: Pod, container: Mapping[str, Any], own: Resources) -> Environment:
    """The variables of a container whose members are these and whose resources are ``own``."""
    unread: list[str] = []
    found = _read_sources(pod, container.get("envFrom"), unread)
    hidden: dict[str, list[Place]] = {}
    listed = items(container.get("env"))
    pod.document.spend(len(listed))
    for entry in listed:
        parts = members(entry)
        name = text_of(parts.get("name"))
        variable = None if name is None else _read_entry(pod, entry, parts, found, own, unread)
        if name is None or variable is None:
            continue
        if name in hidden:
            hidden[name].append(found[name].entry)
        else:
            hidden[name] = []
        found[name] = variable
    found |= {name: found[name].replace(hides=tuple(places)) for name, places in hidden.items() if places}
    return Environment(variables=tuple(found.values()), unread=tuple(unread))


def expand_known(text: str, environment: Environment) -> str:
    """A word of the command, as far as its variables are known."""
    values = {one.name: one.value for one in environment.variables}
    return expand(text, lambda name: values[name] if values[name] is not None else f"$({name})")[0] or ""


def _read_sources(pod: Pod, node: Any, unread: list[str]) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for entry in items(node):
        parts = members(entry)
        prefix = text_of(parts.get("prefix")) or ""
        for word, kind in _KINDS:
            name = text_of(find(parts.get(f"{word}Ref"), "name"))
            if name is None:
                continue
            config = pod.around.config(kind, pod.namespace, name, pod.document.file)
            if isinstance(config, str):
                unread.append(config)
                continue
            pod.document.spend(len(config.values))
            for key, value in config.values.items():
                found[prefix + key] = _from_config(prefix + key, kind, value, pod.document.place(entry), value.key_place)
    return found


def _from_config(name: str, kind: ConfigKind, value: ConfigValue, entry: Place, name_place: Place) -> Variable:
    return Variable(
        name=name,
        value=value.value,
        origin="config-map" if kind == "ConfigMap" else "secret",
        place=value.place or entry,
        entry=entry,
        name_place=name_place,
        unknown=value.unknown,
    )


def _read_entry(
    pod: Pod, entry: Any, parts: Mapping[str, Any], found: Mapping[str, Variable], own: Resources, unread: list[str]
) -> Variable | None:
    """One entry of ``env``; None if it sets nothing, as it is optional and what it refers to is not there."""
    place = pod.document.place
    node, value_from = parts.get("value"), parts.get("valueFrom")
    value, text, unknown, wrong = value_of(node), None, None, None
    if node is not None and not isinstance(value, str) and not is_null(node):
        wrong = "boolean" if isinstance(value, bool) else "number" if node.id == "scalar" else node.id
        unknown = f"it is a {wrong}, and the API server refuses the object"
    elif value or value_from is None or is_null(value_from):
        text, unknown = _expand_literal(value if isinstance(value, str) else "", found, unread)
    else:
        node = None
    variable = Variable(
        name=parts["name"].value,
        value=text,
        origin="literal",
        place=place(entry if node is None else node),
        entry=place(entry),
        name_place=place(parts["name"]),
        unknown=unknown,
        wrong_type=wrong,
    )
    if text is not None or unknown is not None:
        return variable
    for key, _, reference in entries(value_from):
        return _read_reference(pod, variable.replace(place=place(reference)), key, members(reference), own)
    return variable.replace(value="")


def _read_reference(pod: Pod, bare: Variable, key: str, parts: Mapping[str, Any], own: Resources) -> Variable | None:
    """What ``valueFrom`` refers to."""
    if key == "resourceFieldRef":
        field, text, unknown = _read_resource(pod, parts, own, bare.place)
        return bare.replace(value=text, origin="field", field=field, unknown=unknown)
    for word, kind in _KINDS:
        if key == f"{word}KeyRef":
            return _read_key(pod, bare, kind, parts)
    if key == "fileKeyRef":
        return bare.replace(origin="file-key", unknown="it is read from a file when the container starts")
    path = text_of(parts.get("fieldPath")) or key
    value = pod.fields.get(path)
    return bare.replace(value=value, origin="field", unknown=None if value is not None else f"{path} is known when the pod runs")


def _expand_literal(text: str, found: Mapping[str, Variable], unread: list[str]) -> tuple[str | None, str | None]:
    placeholder = find_placeholder(text)
    if placeholder is not None:
        return None, f"it holds {placeholder}, which another program may fill in"
    if "$" not in text:
        return text, None

    def lookup(name: str) -> str | None:
        if name not in found and (unread or "." in name or _names_service(name)):  # Tekton fills in $(params.name)
            return None
        return found[name].value

    value, missing = expand(text, lookup)
    if missing is None:
        return value, None
    why = found[missing].unknown if missing in found else None
    return None, f"it refers to {missing}: {why}" if why else f"it refers to {missing}, which is set elsewhere if at all"


def _names_service(name: str) -> bool:
    """Whether the kubelet may set it for a service of the namespace."""
    return name.endswith(("_SERVICE_HOST", "_PORT", "_PROTO", "_ADDR")) or "_SERVICE_PORT_" in name or "_PORT_" in name


def _read_key(pod: Pod, bare: Variable, kind: ConfigKind, parts: Mapping[str, Any]) -> Variable | None:
    name, key = text_of(parts.get("name")) or "", text_of(parts.get("key")) or ""
    config = pod.around.config(kind, pod.namespace, name, pod.document.file)
    value = None if isinstance(config, str) else config.values.get(key)
    if value is not None:
        found = _from_config(bare.name, kind, value, bare.entry, bare.name_place)
        return found if value.place is not None else found.replace(place=bare.place)
    if not isinstance(config, str) and value_of(parts.get("optional")) is True:
        return None
    unknown = f"it comes from {config}" if isinstance(config, str) else f"{kind} {name} has no key {key}, and the container does not start"
    return bare.replace(origin="config-map" if kind == "ConfigMap" else "secret", unknown=unknown)


def _read_resource(pod: Pod, parts: Mapping[str, Any], own: Resources, place: Place) -> tuple[FieldRef, str | None, str | None]:
    """Returns (the reference, what the kubelet makes of it, why that is not known)."""
    document = pod.document
    resource, container = text_of(parts.get("resource")) or "", text_of(parts.get("containerName")) or None
    divisor_node = parts.get("divisor")
    divisor = divisor_node.value if divisor_node is not None and divisor_node.id == "scalar" and not is_null(divisor_node) else None
    field = FieldRef(
        resource=resource,
        resource_place=document.place(parts["resource"]) if "resource" in parts else place,
        divisor=divisor,
        divisor_place=document.place(divisor_node) if divisor is not None else None,
        container=container,
        container_place=document.place(parts["containerName"]) if container is not None else None,
        falls_to=None,
    )
    if resource not in _AMOUNTS:
        return field, None, f"{resource or 'the reference'} is nothing that is read here"
    of, gets_fallback = own, True
    if container is not None:
        of = pod.resources.get(container) or pod.init_resources.get(container) or Resources()
        gets_fallback = container in pod.resources
        if container not in pod.resources and container not in pod.init_resources:
            return field.replace(is_known=False), None, f"container {container} is not in the pod, and this one does not start"
    if divisor is not None and (placeholder := find_placeholder(divisor)) is not None:
        return field, None, f"its divisor holds {placeholder}, which another program may fill in"
    if divisor is not None and not is_divisor(resource, quantity_text(divisor_node)):
        return field.replace(is_refused=True), None, f"divisor {divisor} is none that the API server takes"
    unknown = _why_unknown(of, resource) or (_why_unknown(pod.own, resource) if resource.startswith("limits.") else None)
    if unknown is not None:
        return field, None, unknown
    amount = _amount(of, resource)
    if amount is None and resource.startswith("limits.") and gets_fallback:
        of_pod = _amount(pod.own, resource)
        of_node = pod.around.node_cores if resource == "limits.cpu" else pod.around.node_memory_bytes
        field = field.replace(falls_to="pod" if of_pod is not None else "node")
        amount = of_pod if of_pod is not None else of_node
        if amount is None:
            return field, None, f"there is no {resource}: it becomes the node's allocatable, which is not known"
    if amount is None:
        return field, "0", None  # requests fall back to nothing, and neither do limits of an init container that is named
    value = divide(resource, amount, quantity_text(divisor_node) if divisor is not None else None)
    return field, value, None if value is not None else "it is more than the kubelet counts"


def _why_unknown(of: Resources, resource: str) -> str | None:
    """Why nobody can say what an amount comes to: somebody fills it in, or the API server refuses it."""
    cpus, memory = (of.cpu_limit, of.memory_limit) if resource.startswith("limits.") else (of.cpu_request, of.memory_request)
    amount = cpus if resource.endswith(".cpu") else memory
    flawed = next((flaw.detail for flaw in of.flaws if flaw.what == resource), None)
    return flawed if amount is None or amount.unknown is None else f"{resource}: {amount.unknown}"


def _amount(of: Resources, resource: str) -> float | None:
    """CPUs or bytes; None if there are none. A request that is not written is the limit, as the API server fills it in."""
    if resource.endswith(".cpu"):
        cpus = of.cpu_request or of.cpu_limit if resource.startswith("requests.") else of.cpu_limit
        return cpus.cores if cpus is not None else None
    memory = of.memory_request or of.memory_limit if resource.startswith("requests.") else of.memory_limit
    return memory.size_bytes if memory is not None else None
