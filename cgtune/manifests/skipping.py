"""What a document is that no reader knows, in a few words. Pure."""

from __future__ import annotations

from cgtune.manifests.streams import find_source
from cgtune.manifests.workload import Skipped
from cgtune.manifests.yamltext import entries, find, items, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.manifests.streams import Part
    from cgtune.manifests.yamltext import Document

# A document that holds none of these holds no container of any kind. It is most of what a chart renders, and need not be parsed.
_WORDS = ("container", "ContainerDefinitions", "steps", "services:", '"services"')
_WITHOUT = frozenset(("ConfigMap", "Secret", "CustomResourceDefinition"))  # they may hold the words as text, and are large
_KIND = r"^kind:[ \t]+([\"']?)([A-Za-z]+)\1[ \t]*(?:#.*)?\r?$"


def describe_unparsed(part: Part) -> Skipped | None:
    """Why a part needs no parsing: its kind holds no containers. None: it must be looked at."""
    import re

    kind = re.search(_KIND, part.text, re.MULTILINE)
    if kind is None or (kind[2] not in _WITHOUT and any(word in part.text for word in _WORDS)):
        return None
    line = part.first_line + part.text.count("\n", 0, kind.start()) + 1
    return Skipped(file=part.file, line=line, why=_without(kind[2]), source=find_source(part.text))


def describe(document: Document) -> Skipped:
    """Why a parsed document is skipped."""
    root: Any = document.root
    kind = text_of(find(root, "kind"))
    keys = {key for key, _, _ in entries(root)}
    if root.id == "sequence":
        is_patch = all(find(one, "op") is not None and find(one, "path") is not None for one in items(root)) and bool(items(root))
        why = "a JSON patch: it is judged when it is rendered (kustomize build)" if is_patch else "a list, and no object"
    elif root.id == "scalar":
        why = "plain text"
    elif kind is not None:
        why = _without(kind)
    elif document.file.rpartition("/")[2].startswith("kustomization."):
        why = _without("Kustomization")
    elif keys & {"presubmits", "postsubmits", "periodics"}:
        why = "jobs of Prow, which are no objects of Kubernetes"
    else:
        why = (
            "no object of Kubernetes (apiVersion, kind), Compose file or task definition; values of a chart are judged when it is rendered"
        )
    return Skipped(file=document.file, line=document.place(root).line, why=why, source=document.source)


def _without(kind: str) -> str:
    if kind == "Kustomization":
        return "Kustomization: what it makes is judged when it is rendered (kustomize build)"
    return f"{kind}: it holds no containers"
