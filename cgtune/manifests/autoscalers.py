"""VerticalPodAutoscalers of the input: which limits they change while a container runs. Pure.

Only what changes a limit without a restart is told: an update in place, a CPU boost at the start that is taken back later. Not covered:
pods that are evicted and made anew, which compute their variables anew.
"""

from __future__ import annotations

from cgtune.manifests.workload import Resize
from cgtune.manifests.yamltext import find, items, text_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.manifests.workload import Place
    from cgtune.manifests.yamltext import Document

KIND = "VerticalPodAutoscaler"
_IN_PLACE = ("InPlaceOrRecreate", "InPlace", "InPlaceOnly")
_RESOURCES = ("cpu", "memory")


class Autoscaler(Record):
    """By container ("*": any other) the resources whose limits it changes while the container runs; ``place`` is where it says so."""

    name: str
    place: Place
    changes: tuple[tuple[str, frozenset[str]], ...]

    def resizes(self, container: str, own: tuple[Resize, ...]) -> tuple[Resize, ...]:
        """What it adds to a container's own resizePolicy, which may ask for a restart."""
        changes = dict(self.changes)
        changed = changes.get(container, changes.get("*", frozenset()))
        told = {one.resource for one in own}
        by = f"the {KIND} {self.name}"
        return tuple(
            Resize(resource=one, restart="NotRequired", place=self.place, by=by) for one in _RESOURCES if one in changed and one not in told
        )


def read_autoscaler(document: Document, root: Any) -> tuple[tuple[str, str | None, str], Autoscaler] | None:
    """Returns (kind, namespace and name of its target, the autoscaler); None if it changes nothing that runs."""
    target = find(root, "spec", "targetRef")
    kind, name = text_of(find(target, "kind")), text_of(find(target, "name"))
    mode = find(root, "spec", "updatePolicy", "updateMode")
    boost = find(root, "spec", "startupBoost", "cpu")
    if kind is None or name is None or text_of(mode) == "Off":
        return None
    in_place = frozenset(_RESOURCES) if text_of(mode) in _IN_PLACE else frozenset()
    changes = {"*": in_place | ({"cpu"} if boost is not None else frozenset())}
    for policy in items(find(root, "spec", "resourcePolicy", "containerPolicies")):
        container = text_of(find(policy, "containerName")) or "*"
        changed = changes["*"] | ({"cpu"} if find(policy, "startupBoost", "cpu") is not None else frozenset())
        if find(policy, "controlledResources") is not None:
            changed &= frozenset(filter(None, map(text_of, items(find(policy, "controlledResources")))))
        is_off = text_of(find(policy, "mode")) == "Off" or text_of(find(policy, "controlledValues")) == "RequestsOnly"
        changes[container] = frozenset() if is_off else changed
    if not any(changes.values()):
        return None
    said = mode if in_place and mode is not None else boost if boost is not None else target
    own = text_of(find(root, "metadata", "name")) or ""
    return (kind, text_of(find(root, "metadata", "namespace")), name), Autoscaler(
        name=own, place=document.place(said), changes=tuple(changes.items())
    )
